"""The transport: connections kept per origin, lent to one exchange at a time."""

import asyncio
from dataclasses import dataclass, field

import httpx
from typing_extensions import override

from transship_registry.http.wire.body import ResponseBody
from transship_registry.http.wire.connection import Connection
from transship_registry.http.wire.dial import Dialer
from transship_registry.http.wire.exchange import Exchange, OutgoingRequest
from transship_registry.http.wire.message import ResponseHead
from transship_registry.http.wire.pace import ANY_LENGTH
from transship_registry.http.wire.reach import ANYWHERE, PLACE, REACH, Reach
from transship_registry.http.wire.routes import Route, Routes


@dataclass(slots=True)
class _Origin:
    """What is kept for one origin: free slots, and the idle connections, the last used one at the end."""

    route: Route
    slots: asyncio.Semaphore
    idle: list[Connection] = field(default_factory=list[Connection])


class WireTransport(httpx.AsyncBaseTransport):
    """An httpx transport over HTTP/1.1 connections of our own."""

    def __init__(self, dialer: Dialer, routes: Routes, max_connections: int, keepalive_s: float) -> None:
        """Hold at most `max_connections` per origin, and reuse none that was idle for `keepalive_s`."""
        self._dialer = dialer
        self._routes = routes
        self._max_connections = max_connections
        self._keepalive_s = keepalive_s
        self._origins: dict[tuple[bytes, bytes], _Origin] = {}
        self._connections: set[Connection] = set()
        self._closed = False

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._closed:
            raise httpx.ConnectError("the transport is closed")
        origin = self._origin(request.url)
        outgoing = _outgoing(request, origin.route)
        await origin.slots.acquire()
        try:
            reach = request.extensions.get(REACH, ANYWHERE)
            connection, head, survives = await self._exchange(origin, outgoing, reach)
        except BaseException:
            origin.slots.release()
            raise
        return self._response(origin, connection, head, request, survives=survives)

    @override
    async def aclose(self) -> None:
        self._closed = True
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _origin(self, url: httpx.URL) -> _Origin:
        key = (url.raw_scheme, url.netloc)
        origin = self._origins.get(key)
        if origin is None:
            slots = asyncio.Semaphore(self._max_connections)
            origin = self._origins[key] = _Origin(self._routes.route(url), slots)
        return origin

    async def _exchange(
        self, origin: _Origin, request: OutgoingRequest, reach: Reach
    ) -> tuple[Connection, ResponseHead, bool]:
        connection = self._reusable(origin, reach)
        if connection is not None:
            try:
                return (connection, *await self._run(connection, request))
            except httpx.TransportError:
                # A server may close an idle connection just as we use it (RFC 9112 § 9.3.1).
                died_unused = connection.ended_by_peer and not connection.answered_bytes
                if not (died_unused and request.replayable):
                    raise
        connection = await self._open(origin.route, reach)
        return (connection, *await self._run(connection, request))

    async def _run(self, connection: Connection, request: OutgoingRequest) -> tuple[ResponseHead, bool]:
        try:
            return await Exchange(connection, request, self._dialer.max_head_bytes).run()
        except BaseException:
            connection.abort()
            raise

    def _reusable(self, origin: _Origin, reach: Reach) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - self._keepalive_s
        if not all(reach.allows(connection.place) for connection in origin.idle):
            return None
        while origin.idle:
            connection = origin.idle.pop()
            if connection.idle_since > oldest and connection.usable():
                return connection
            connection.abort()
        return None

    async def _open(self, route: Route, reach: Reach) -> Connection:
        connection = await self._dialer.dial(route, reach)
        self._connections.add(connection)
        connection.lost.add_done_callback(lambda _: self._connections.discard(connection))
        if self._closed:
            connection.abort()
        return connection

    def _response(
        self, origin: _Origin, connection: Connection, head: ResponseHead, request: httpx.Request, *, survives: bool
    ) -> httpx.Response:
        def give_back(clean: bool) -> None:
            if clean and survives and not self._closed:
                connection.make_room(0)
                connection.idle_since = asyncio.get_running_loop().time()
                origin.idle.append(connection)
            else:
                connection.abort()
            origin.slots.release()

        if ANY_LENGTH in request.extensions:
            connection.begin_body()
        body = ResponseBody(connection, head, self._dialer.max_head_bytes, give_back)
        content = body.take_if_here()
        return httpx.Response(
            head.status,
            headers=head.headers,
            stream=body if content is None else httpx.ByteStream(content),
            request=request,
            extensions={
                "http_version": b"HTTP/" + head.version.encode("ascii"),
                "reason_phrase": head.reason,
                PLACE: connection.place,
            },
        )


def _outgoing(request: httpx.Request, route: Route) -> OutgoingRequest:
    """Address the request to the origin, or in full to a proxy that forwards it (RFC 9112 § 3.2.2)."""
    path = request.url.raw_path
    if route.proxy is None or route.scheme == "https":
        return OutgoingRequest(request, path, [])
    extra = [] if route.proxy.authorization is None else [(b"Proxy-Authorization", route.proxy.authorization)]
    return OutgoingRequest(request, b"http://" + request.url.netloc + path, extra)
