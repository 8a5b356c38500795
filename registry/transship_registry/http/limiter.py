"""How many requests one registry gets at once, and how closely they follow each other."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final

from transship_registry.http.timing import Timing

DEFAULT_CONCURRENT: Final = 8
"""Requests in flight to a host whose settings name no number; it adapts downwards when the registry protests."""


class Lane(Enum):
    """What a request needs while it holds its slot.

    An `UPLOAD` takes its bytes from a download, which may need a slot of the same or of another host: there it is a
    `FEED`, which comes to its end as the upload does. A request for a `TOKEN` is what others wait for, uploads
    included. Any other request (`PLAIN`) comes to its end by itself.
    """

    PLAIN = "plain"
    UPLOAD = "upload"
    FEED = "feed"
    TOKEN = "token"  # noqa: S105 - no secret


@dataclass(eq=False, slots=True)
class Slot:
    """The right to have one request in flight, held until its body has been read; `lane` None costs nothing."""

    lane: Lane | None


_upload_to: ContextVar["HostLimiter | None"] = ContextVar("upload_to", default=None)
_feeds_layout: ContextVar[bool] = ContextVar("feeds_layout", default=False)


def within_upload() -> bool:
    """Whether what is requested here is part of an upload, or feeds one."""
    return _upload_to.get() is not None or _feeds_layout.get()


@contextmanager
def feeding_layout() -> Generator[None]:
    """Let what is requested within feed an upload that goes to no host, but that other uploads may wait for."""
    outer = _feeds_layout.set(True)
    try:
        yield
    finally:
        _feeds_layout.reset(outer)


class HostLimiter:
    """The slots and the pace of one host, shared by all its requests, those for tokens included.

    `ceiling` is the largest number of requests in flight (0: the default), `per_second` how many may start in a second
    (0: any). On `throttled()` the number is halved; every so many successes as it is now, it grows by one.

    Uploads that wait for downloads of each other's hosts must not wait in a circle: all that an upload asks of its own
    host, the download included, uses the upload's slot (as regsync does), and one download that feeds an upload to
    another host, or to a layout, is let through even when all slots are taken, some of them by uploads; so is one
    request for a token, which uploads may be waiting for. Only then are there more requests than slots.
    """

    def __init__(self, ceiling: int, per_second: float, timing: Timing) -> None:
        self._ceiling = ceiling if ceiling > 0 else DEFAULT_CONCURRENT
        self._interval_s = 1.0 / per_second if per_second > 0 else 0.0
        self._timing = timing
        self._limit = self._ceiling
        self._successes = 0
        self._in_flight = dict.fromkeys(Lane, 0)
        self._waiting: dict[Lane, deque[tuple[int, asyncio.Future[None]]]] = {lane: deque() for lane in Lane}
        self._arrivals = count()
        self._next_start = 0.0
        self._paused_until = 0.0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many requests hold a slot."""
        return sum(self._in_flight.values())

    async def acquire(self, *, for_token: bool = False) -> Slot:
        """Wait for a slot, then for the moment the request may start."""
        lane = Lane.TOKEN if for_token else Lane.FEED if within_upload() else Lane.PLAIN
        slot = Slot(None) if _upload_to.get() is self else await self._take(lane)
        try:
            await self._await_start()
        except BaseException:
            self.release(slot)
            raise
        return slot

    @asynccontextmanager
    async def upload(self) -> AsyncGenerator[None, None]:
        """Hold one slot for all the requests of an upload to this host, and for those made to feed it."""
        slot = await self._take(Lane.UPLOAD)
        outer = _upload_to.get()
        _upload_to.set(self)
        try:
            yield
        finally:
            _upload_to.set(outer)
            self.release(slot)

    def release(self, slot: Slot) -> None:
        """Give a slot back; doing so again changes nothing."""
        if slot.lane is None:
            return
        self._in_flight[slot.lane] -= 1
        slot.lane = None
        self._admit()

    def throttled(self, pause_s: float = 0.0) -> None:
        """Take note that the registry asked to slow down; nothing starts for `pause_s` seconds."""
        self._limit = max(1, self._limit // 2)
        self._successes = 0
        self._paused_until = max(self._paused_until, self._timing.clock() + pause_s)

    def succeeded(self) -> None:
        """Take note of an answer that was no protest."""
        if self._limit >= self._ceiling:
            return
        self._successes += 1
        if self._successes >= self._limit:
            self._limit += 1
            self._successes = 0
            self._admit()

    async def _take(self, lane: Lane) -> Slot:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append((next(self._arrivals), turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release(Slot(lane))
            raise
        return Slot(lane)

    def _is_free(self, lane: Lane) -> bool:
        is_first = lane in {Lane.FEED, Lane.TOKEN} and self._in_flight[lane] == 0
        # Without uploads, all that is in flight comes to its end by itself.
        return self.in_flight < self._limit or (is_first and self._in_flight[Lane.UPLOAD] > 0)

    def _admit(self) -> None:
        """Let those in whose turn it is: in order of arrival, but a feed waits behind nobody who cannot start."""
        while ready := [(queue[0][0], lane) for lane, queue in self._waiting.items() if queue and self._is_free(lane)]:
            _, lane = min(ready, key=lambda head: head[0])
            _, turn = self._waiting[lane].popleft()
            if not turn.cancelled():
                self._in_flight[lane] += 1
                turn.set_result(None)

    async def _await_start(self) -> None:
        now = self._timing.clock()
        start = max(now, self._next_start, self._paused_until)
        self._next_start = start + self._interval_s
        while now < start:
            await self._timing.sleep(start - now)
            now = self._timing.clock()
            start = max(start, self._paused_until)
