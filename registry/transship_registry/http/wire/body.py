"""The body of a response, read from its connection in large pieces."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import httpx
from typing_extensions import override

from transship_registry.http.wire.connection import LARGE_BUFFER, PIECE, Connection
from transship_registry.http.wire.message import ChunkedDecoder, MalformedError, ResponseHead


class _BodyReader(Protocol):
    """Reads one body; `done` once its last byte has been returned, `clean` when nothing came after that."""

    done: bool
    clean: bool

    async def read(self) -> bytes:
        """Return the next piece, empty only at the end; raises `httpx.TransportError` for a broken body."""
        ...


class ResponseBody(httpx.AsyncByteStream):
    """The body of a response as it was sent, in pieces of at least `PIECE` bytes except for the last.

    `on_end` is called once, with whether the body was read to a clean end: as soon as the last byte is here, when the
    body turns out broken, or when it is closed early.
    """

    def __init__(
        self, connection: Connection, head: ResponseHead, overhead_limit: int, on_end: Callable[[bool], None]
    ) -> None:
        """Take over the connection, whose next bytes are the body's."""
        self._connection = connection
        self._head = head
        self._overhead_limit = overhead_limit
        self._on_end = on_end
        self._open = True
        self._begun = False

    def take_if_here(self) -> bytes | None:
        """Return the whole body, and end, if all of it has arrived with the head."""
        size = self._head.body_bytes
        if size is None or size > len(self._connection.unread()):
            return None
        content = self._connection.take(size)
        self._end(clean=True)
        return content

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise httpx.StreamConsumed
        self._begun = True
        reader = self._reader()
        try:
            while self._open and (piece := await reader.read()):
                if reader.done:
                    self._end(clean=reader.clean)
                yield piece
        finally:
            self._end(clean=reader.done and reader.clean)

    @override
    async def aclose(self) -> None:
        self._end(clean=False)

    def _end(self, *, clean: bool) -> None:
        if self._open:
            self._open = False
            self._on_end(clean)

    def _reader(self) -> _BodyReader:
        if self._head.body_bytes is not None:
            return _CountedReader(self._connection, self._head.body_bytes)
        if self._head.chunked:
            return _ChunkReader(self._connection, self._overhead_limit)
        return _RestReader(self._connection)


class _CountedReader:
    """A body of known size: its bytes pass no parser."""

    def __init__(self, connection: Connection, size: int) -> None:
        self.done = False
        self.clean = True
        self._connection = connection
        self._size = size
        self._remaining = size
        connection.make_room(size)

    async def read(self) -> bytes:
        connection = self._connection
        complete = await connection.receive(min(self._remaining, PIECE))
        available = min(len(connection.unread()), self._remaining)
        self._remaining -= available
        if not complete:
            received = self._size - self._remaining
            raise connection.failure(httpx.ReadError, f" after {received} of {self._size} bytes of the body")
        self.done = not self._remaining
        return connection.take(available)


class _ChunkReader:
    """A body in chunks, joined to larger pieces."""

    def __init__(self, connection: Connection, overhead_limit: int) -> None:
        self.done = False
        self.clean = True
        self._connection = connection
        self._decoder = ChunkedDecoder(overhead_limit)
        connection.make_room(LARGE_BUFFER)

    async def read(self) -> bytes:
        connection, decoder = self._connection, self._decoder
        pieces: list[bytes] = []
        size = 0
        while size < PIECE and not decoder.complete:
            if not await connection.receive(1):
                raise connection.failure(httpx.ReadError, " in the middle of a chunked body")
            unread = connection.unread()
            try:
                content = decoder.feed(unread)
            except MalformedError as error:
                raise httpx.RemoteProtocolError(f"{connection.peer} sent {error}") from None
            connection.consume(len(unread))
            pieces += content
            size += sum(map(len, content))
        self.done, self.clean = decoder.complete, not decoder.excess
        return b"".join(pieces)


class _RestReader:
    """A body that ends with its connection (RFC 9112 § 6.3 item 8); only its digest can tell whether it is whole."""

    def __init__(self, connection: Connection) -> None:
        self.done = False
        self.clean = False
        self._connection = connection
        connection.make_room(LARGE_BUFFER)

    async def read(self) -> bytes:
        connection = self._connection
        if not await connection.receive(PIECE):
            if connection.broken:
                raise connection.failure(httpx.ReadError, " in the middle of the body")
            self.done = True
        return connection.take(len(connection.unread()))
