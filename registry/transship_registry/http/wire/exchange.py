"""One request and its response over one connection."""

from collections.abc import Callable

import httpx

from transship_registry.http.wire.connection import Connection
from transship_registry.http.wire.message import (
    HEAD_END,
    MalformedError,
    RequestHead,
    ResponseHead,
    format_request_head,
    parse_response_head,
)

# More informational responses than this before the final one is a server that plays for time.
_MAX_INTERIM = 32
# A request may be sent twice, unasked, only when that does no more than sending it once (RFC 9110 § 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


_TLS_ALERT = b"\x15\x03"


class NotHTTPError(httpx.RemoteProtocolError):
    """What answers is no HTTP/1.1."""


class SpeaksTLSError(httpx.RemoteProtocolError):
    """A port that was sent plain HTTP answers in TLS."""


class OutgoingRequest:
    """A request made ready for the wire; it remembers whether its body may still be sent from the start."""

    def __init__(self, request: httpx.Request, target: bytes, extra: list[tuple[bytes, bytes]]) -> None:
        """Format the head of `request`; raises `httpx.LocalProtocolError`."""
        stream = request.stream
        content = b"".join(stream) if isinstance(stream, httpx.ByteStream) else None
        self.method = request.method
        self._head: RequestHead = format_request_head(request, target, content, extra)
        self._content = content
        if not isinstance(stream, httpx.AsyncByteStream):
            raise httpx.LocalProtocolError("the body of a request is bytes or an asynchronous iterator of bytes")
        self._stream = stream
        self._begun = False
        if content is not None and self._head.body_bytes not in {len(content), None}:
            raise httpx.LocalProtocolError(
                f"the request declares {self._head.body_bytes} bytes of body, but has {len(content)}"
            )

    @property
    def replayable(self) -> bool:
        """Whether sending it again on another connection is safe, when this one ended without a byte of response."""
        return self.method in _IDEMPOTENT if self._content is not None else not self._begun

    async def send(self, connection: Connection, stop: Callable[[], bool]) -> bool:
        """Send head and body; return whether all was sent before `stop` or the other end said stop."""
        chunked = self._head.body_bytes is None
        if self._content is not None:
            body = _last_chunk(self._content) if chunked else self._content
            return await connection.send(self._head.data + body, stop)
        if not await connection.send(self._head.data, stop):
            return False
        self._begun = True
        return await (self._send_chunks(connection, stop) if chunked else self._send_bytes(connection, stop))

    async def _send_bytes(self, connection: Connection, stop: Callable[[], bool]) -> bool:
        declared = self._head.body_bytes or 0
        sent = 0
        async for piece in self._stream:
            size = memoryview(piece).nbytes
            sent += size
            if sent > declared:
                raise httpx.LocalProtocolError(f"the request declares {declared} bytes of body, but has more")
            if size and not await connection.send(piece, stop):
                return False
        if sent != declared:
            raise httpx.LocalProtocolError(f"the request declares {declared} bytes of body, but has {sent}")
        return True

    async def _send_chunks(self, connection: Connection, stop: Callable[[], bool]) -> bool:
        async for piece in self._stream:
            size = memoryview(piece).nbytes
            if not size:
                continue
            for part in (b"%x\r\n" % size, piece, b"\r\n"):
                if not await connection.send(part, stop):
                    return False
        return await connection.send(b"0\r\n\r\n", stop)


def _last_chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"


class Exchange:
    """Sends a request and receives the head of its response."""

    def __init__(self, connection: Connection, request: OutgoingRequest, max_head_bytes: int) -> None:
        """Begin an exchange on an idle `connection`."""
        self._connection = connection
        self._request = request
        self._max_head_bytes = max_head_bytes
        self._head: ResponseHead | None = None
        self._interim = 0
        connection.begin_request()

    async def run(self) -> tuple[ResponseHead, bool]:
        """Return the response's head and whether the connection survives the response.

        A final response that comes while the request is still being sent counts: an error or a redirect at once, a
        success once everything is sent or cannot be sent. Raises `httpx.TransportError`.
        """
        try:
            sent = await self._request.send(self._connection, self._is_refused)
        except httpx.WriteTimeout:
            if not self._has_head():
                raise
            sent = False
        while not self._has_head():
            await self._receive_more()
        head = self._head
        assert head is not None
        return head, sent and head.keeps_alive

    def _is_refused(self) -> bool:
        return self._has_head() and self._head is not None and self._head.status >= 300

    def _has_head(self) -> bool:
        """Parse what has come so far; informational responses are dropped (RFC 9110 § 15.2)."""
        while self._head is None:
            data = self._connection.unread()
            end = bytes(data[: self._max_head_bytes]).find(HEAD_END)
            if end < 0:
                if len(data) >= self._max_head_bytes:
                    raise self._malformed(f"a head of more than {self._max_head_bytes} bytes")
                return False
            head = self._parse(self._connection.take(end + len(HEAD_END)))
            if head.status >= 200:
                self._head = head
                return True
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise self._malformed(f"more than {_MAX_INTERIM} informational responses")
        return True

    def _parse(self, data: bytes) -> ResponseHead:
        try:
            return parse_response_head(data, self._request.method)
        except MalformedError as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, what: str) -> httpx.RemoteProtocolError:
        return NotHTTPError(f"{self._connection.peer} sent {what}")

    async def _receive_more(self) -> None:
        connection = self._connection
        received = len(connection.unread())
        if connection.full:
            connection.make_room(self._max_head_bytes + 1)
        if not await connection.receive(received + 1):
            if bytes(connection.unread()[:2]) == _TLS_ALERT:
                raise SpeaksTLSError(f"{connection.peer} answers in TLS")
            detail = " in the middle of the response head" if received else " without a response"
            raise connection.failure(httpx.ReadError, detail)
