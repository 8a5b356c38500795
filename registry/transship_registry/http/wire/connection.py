"""One byte stream to a host: a receive buffer that grows for bodies, flow control, stall detection."""

import asyncio
import fcntl
import select
import sys
import termios
from collections.abc import Callable
from typing import cast

import httpx
from typing_extensions import override

from transship_registry.http.wire.pace import LOOKS_PER_STALL, Look, Pace
from transship_registry.http.wire.reach import Place

SMALL_BUFFER = 32 * 1024
LARGE_BUFFER = 1024 * 1024
# Bodies are handed on in pieces of at least this size, so that what a piece costs does not matter.
PIECE = 256 * 1024
# asyncio copies what the kernel does not take at once (until Python 3.12), so writes are no larger than it may take.
_WRITE_SLICE = 256 * 1024


class Connection(asyncio.BufferedProtocol):
    """The bytes of one connection, used by one task at a time.

    Received bytes wait in `unread()` until they are consumed. Whoever waits is woken by bytes, room to write, the end
    of the stream, or a stall: `stall_timeout_s` in which not a byte moved in either direction, which includes what the
    kernel has yet to deliver, so that a slow line is not taken for a dead one. What `Pace` finds too slow is a stall,
    too.
    """

    def __init__(self, peer: str, stall_timeout_s: float) -> None:
        """Prepare for `peer`, the name that error messages give to the other end."""
        self.peer = peer
        self.idle_since = 0.0
        self.place = Place.ELSEWHERE
        # Bytes received since the present request was begun; a request may only be replayed while there are none.
        self.answered_bytes = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._small = memoryview(bytearray(SMALL_BUFFER))
        self._view = self._small
        self._start = 0
        self._end = 0
        self._reading_paused = False
        self._writable = True
        self._ended = False
        self._aborted = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 1
        self._readable = select.poll()
        self._stall_timeout_s = stall_timeout_s
        self._stall_error: type[httpx.TimeoutException] = httpx.ReadTimeout
        self._watch: asyncio.TimerHandle | None = None
        self._pace = Pace(stall_timeout_s)
        self._waited_s = 0.0
        self._waits_since = 0.0
        self._received_bytes = 0
        self._written_bytes = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.adopt(cast(asyncio.Transport, transport))

    def adopt(self, transport: asyncio.Transport) -> None:
        """Carry on over `transport` (TLS over the one there was)."""
        self._transport = transport
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    @property
    def transport(self) -> asyncio.Transport:
        """The asyncio transport below."""
        if self._transport is None:
            raise self.failure(httpx.ReadError)
        return self._transport

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._end :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self.answered_bytes += nbytes
        self._received_bytes += nbytes
        if self._end == len(self._view):
            self._reading_paused = True
            self.transport.pause_reading()
            self._wake()
        elif self._end - self._start >= self._wanted:
            self._wake()

    @override
    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    @override
    def pause_writing(self) -> None:
        self._writable = False

    @override
    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = exc
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        self._wake()
        if not self.lost.done():
            self.lost.set_result(None)

    @property
    def ended_by_peer(self) -> bool:
        """Whether the other end has closed, or the connection broke, before we dropped it."""
        return self._ended and not self._aborted

    @property
    def full(self) -> bool:
        """Whether nothing more is received until bytes are consumed, or room is made."""
        return self._reading_paused

    def begin_request(self) -> None:
        """Begin an exchange: nothing of its answer has come yet."""
        self.answered_bytes = 0
        self._pace.begin()

    def begin_body(self) -> None:
        """Begin a body that may be of any length, and take any time as long as it moves."""
        self._pace.begin_body()

    def usable(self) -> bool:
        """Say whether an idle connection may carry another request: still open, and silent as it should be."""
        return not self._ended and self._start == self._end and not self._readable.poll(0)

    def failure(self, kind: type[httpx.NetworkError], detail: str = "") -> httpx.TransportError:
        """Name why the connection ended: `kind` for a broken one, `RemoteProtocolError` for one closed in order."""
        if self._error is None:
            return httpx.RemoteProtocolError(f"{self.peer} closed the connection{detail}")
        failure = kind(f"the connection to {self.peer} broke{detail}: {self._error}")
        failure.__cause__ = self._error
        return failure

    @property
    def broken(self) -> bool:
        """Whether the connection ended otherwise than in order."""
        return self._error is not None

    def abort(self) -> None:
        """Drop the connection, whatever is still under way."""
        if not self._ended:
            self._ended = self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    def unread(self) -> memoryview:
        """Return the received bytes that are not consumed yet; valid until the next wait."""
        return self._view[self._start : self._end]

    def consume(self, count: int) -> None:
        """Forget `count` unread bytes, and receive on when that has emptied a full buffer."""
        self._start += count
        if self._start == self._end:
            self._start = self._end = 0
            self._receive_on()

    def take(self, count: int) -> bytes:
        """Consume `count` unread bytes and return them."""
        taken = bytes(self._view[self._start : self._start + count])
        self.consume(count)
        return taken

    def make_room(self, capacity: int) -> None:
        """Have the buffer hold `capacity` bytes, at most `LARGE_BUFFER`, the unread ones included."""
        unread = self.unread()
        capacity = max(min(capacity, LARGE_BUFFER), len(unread) + 1)
        view = self._small if capacity <= SMALL_BUFFER else memoryview(bytearray(capacity))
        view[: len(unread)] = bytes(unread) if view is self._view else unread
        self._view, self._start, self._end = view, 0, len(unread)
        self._receive_on()

    def _receive_on(self) -> None:
        # Only with the room of a whole buffer: asyncio's TLS reads no more than one buffer after the other end closed.
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    async def receive(self, wanted: int) -> bool:
        """Wait for `wanted` unread bytes, or a full buffer; return whether there are any more to come.

        Raises `httpx.ReadTimeout` when nothing moves.
        """
        self._wanted = wanted
        while self._end - self._start < wanted and not self._reading_paused:
            if self._ended:
                return False
            await self._wait(httpx.ReadTimeout)
        return True

    async def send(self, data: bytes | memoryview, stop: Callable[[], bool]) -> bool:
        """Send `data` as fast as the other end takes it; return whether all of it is on its way.

        `stop` is asked whenever there are unread bytes; when it says so, or the connection has ended with unread bytes,
        the rest is not sent. Raises `httpx.WriteError`, `httpx.WriteTimeout` or `httpx.RemoteProtocolError`.
        """
        view = memoryview(data).cast("B")
        for offset in range(0, len(view), _WRITE_SLICE):
            if not await self._may_send(stop):
                return False
            self.transport.write(view[offset : offset + _WRITE_SLICE])
            self._written_bytes += len(view[offset : offset + _WRITE_SLICE])
        return True

    async def _may_send(self, stop: Callable[[], bool]) -> bool:
        # An answer that waits in the kernel would be lost if this write found the connection reset.
        if self._readable.poll(0) and not self._reading_paused:
            for _ in range(2):  # the first lets the loop look at the socket, the second lets it read
                await asyncio.sleep(0)
        self._wanted = 1
        while True:
            if self._start != self._end and stop():
                return False
            if self._ended:
                if self._start == self._end:
                    raise self.failure(httpx.WriteError, " while the request was being sent")
                return False
            if self._writable:
                return True
            # More of an answer than was there before is news.
            self._wanted = self._end - self._start + 1
            await self._wait(httpx.WriteTimeout)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, stall_error: type[httpx.TimeoutException]) -> None:
        self._waiter = self._loop.create_future()
        self._stall_error = stall_error
        self._waits_since = self._loop.time()
        self._pace.begin_wait()
        if self._watch is None:
            self._look_later()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._waited_s += self._loop.time() - self._waits_since

    def _look_later(self) -> None:
        self._watch = self._loop.call_later(self._stall_timeout_s / LOOKS_PER_STALL, self._look)

    def _look(self) -> None:
        """Fail the wait of one who waits in vain; the timer outlives waits, and so costs them nothing."""
        self._watch = None
        if self._waiter is None or self._waiter.done() or self._transport is None:
            return
        waiting = self._transport.get_write_buffer_size() + self._undelivered()
        waited_s = self._waited_s + self._loop.time() - self._waits_since
        complaint = self._pace.complaint(Look(waited_s, self._received_bytes + self._written_bytes - waiting, waiting))
        if not complaint:
            self._look_later()
            return
        verb = "sent" if self._stall_error is httpx.ReadTimeout else "accepted"
        self._waiter.set_exception(self._stall_error(f"{self.peer} {verb} {complaint}; the connection was dropped"))

    def _undelivered(self) -> int:
        """Count the bytes that the kernel holds and the other end has not acknowledged (Linux: SIOCOUTQ)."""
        try:
            answer = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except OSError:
            return 0
        return int.from_bytes(answer, sys.byteorder)
