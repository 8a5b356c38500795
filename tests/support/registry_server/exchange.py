"""One HTTP request and its answer, as the endpoints see them: ASGI without the ceremony."""

import asyncio
import json
import socket
import struct
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

from support.registry_server.content import BytesContent, Content
from support.registry_server.recording import Recorded
from support.registry_server.routes import Route

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class HangUpError(Exception):
    """A fault says: close the connection without an answer; with `reset`, by TCP reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("close the connection without an answer")
        self.reset = reset


class RefusedError(Exception):
    """An answer in the spec's error format; `headers` are added to it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.response = error_response(status, code, message, detail=detail, headers=headers)


@dataclass(frozen=True)
class Response:
    """An answer; `body` is sent from `start` up to `stop` (None: to its end)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Content = field(default_factory=lambda: BytesContent(b""))
    start: int = 0
    stop: int | None = None

    @property
    def length(self) -> int:
        """How many bytes the body has on the wire."""
        return (self.body.size if self.stop is None else self.stop) - self.start


@dataclass
class Request:
    """A request whose body is still to be read."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    route: Route
    origin: str
    recorded: Recorded
    transport: asyncio.Transport
    _receive: Receive = field(repr=False)

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; None if it is streamed."""
        value = self.headers.get("content-length")
        return None if value is None else int(value)

    @property
    def queries(self) -> Mapping[str, list[str]]:
        """All values of every query parameter."""
        return urllib.parse.parse_qs(self.recorded.query, keep_blank_values=True)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ClientGoneError: the connection was closed before the body's end.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            piece = cast("bytes", message.get("body", b""))
            self.recorded.received += len(piece)
            more = cast("bool", message.get("more_body", False))
            if piece:
                yield piece

    async def body(self, limit: int | None = None) -> bytes:
        """Return the whole body, or no more than the first pieces of one that is longer than `limit`."""
        received = bytearray()
        async for piece in self.pieces():
            received += piece
            if limit is not None and len(received) > limit:
                break
        return bytes(received)

    async def until_gone(self) -> None:
        """Wait until the connection is closed, and drop what still arrives."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def json_response(status: int, document: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(
        status, {"Content-Type": "application/json", **(headers or {})}, BytesContent(json.dumps(document).encode())
    )


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    detail: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer in the spec's error format (Error Codes)."""
    return json_response(status, {"errors": [{"code": code, "message": message, "detail": detail}]}, headers)


def parse_query(query: str) -> dict[str, str]:
    """Return query parameters, the last value of each."""
    return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


def join_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; the values of a repeated one are joined by commas (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def hang_up(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection at once; with `reset` the peer gets a TCP reset instead of an end of stream."""
    if reset:
        sock = cast("socket.socket", transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
