"""Opening connections: name resolution, TCP to the fastest address that may be reached, a proxy's tunnel, TLS."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from transship_registry.http.wire.connection import Connection
from transship_registry.http.wire.looking_up import LookUp, connect_first, look_up
from transship_registry.http.wire.message import HEAD_END, MalformedError, ResponseHead, parse_response_head
from transship_registry.http.wire.reach import ANYWHERE, ForbiddenPlaceError, Place, Reach, place_of, place_of_name
from transship_registry.http.wire.routes import Proxy, Route


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens connections along a route; `tls` is called with host and port for the context when one is needed."""

    tls: Callable[[str, int], ssl.SSLContext]
    connect_timeout_s: float
    stall_timeout_s: float
    max_head_bytes: int
    look_up: LookUp = look_up

    async def dial(self, route: Route, reach: Reach = ANYWHERE) -> Connection:
        """Return a connection to the origin of `route`, or to the proxy that forwards plain http to it.

        Raises `httpx.ConnectTimeout`, `httpx.ConnectError` (`ForbiddenPlaceError` where `reach` forbids the address) or
        `httpx.ProxyError`.
        """
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                return await self._open(route, reach)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"cannot connect to {route} within {self.connect_timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise httpx.ConnectError(f"cannot connect to {route}: TLS: {_tls_reason(error)}") from error
        except (OSError, ValueError) as error:  # ValueError: a host name that DNS or TLS cannot spell
            raise httpx.ConnectError(f"cannot connect to {route}: {_reason(error)}") from error

    async def _open(self, route: Route, reach: Reach) -> Connection:
        proxy = route.proxy
        if proxy is None:
            return await self._connect(route.scheme, route.host, route.port, route.authority, reach)
        place = place_of_name(route.host)
        if not reach.allows(place):
            raise ForbiddenPlaceError(route.host, route.host)
        connection = await self._connect(proxy.scheme, proxy.host, proxy.port, f"proxy {proxy}", ANYWHERE)
        connection.place = place or Place.ELSEWHERE
        if route.scheme == "http":
            return connection
        try:
            await self._tunnel(connection, route, proxy)
        except BaseException:
            connection.abort()
            raise
        connection.peer = route.authority
        return connection

    async def _connect(self, scheme: str, host: str, port: int, peer: str, reach: Reach) -> Connection:
        """Connect to an address that may be reached: what was judged is what is connected to."""
        found = await self.look_up(host, port)
        allowed = [endpoint for endpoint in found if reach.allows(place_of(endpoint.address))]
        if found and not allowed:
            raise ForbiddenPlaceError(host, found[0].address)
        secure = scheme == "https"
        context = self.tls(host, port) if secure else None
        connected, endpoint = await connect_first(allowed)
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(peer, self.stall_timeout_s),
            sock=connected,
            ssl=context,
            server_hostname=host if secure else None,
            ssl_handshake_timeout=self.connect_timeout_s if secure else None,
        )
        connection.place = place_of(endpoint.address)
        return connection

    async def _tunnel(self, connection: Connection, route: Route, proxy: Proxy) -> None:
        """Have the proxy connect us to the origin (RFC 9110 § 9.3.6), and speak TLS with that."""
        authority = route.authority.encode("ascii")
        authorization = b"" if proxy.authorization is None else b"Proxy-Authorization: %s\r\n" % proxy.authorization
        request = b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (authority, authority, authorization)
        await connection.send(request, lambda: False)
        answer = await self._tunnel_answer(connection, proxy)
        if not 200 <= answer.status < 300:
            raise httpx.ProxyError(
                f"proxy {proxy} refuses to connect to {route.authority}: "
                f"{answer.status} {answer.reason.decode('latin-1')}".rstrip()
            )
        transport = await asyncio.get_running_loop().start_tls(
            connection.transport,
            connection,
            self.tls(route.host, route.port),
            server_hostname=route.host,
            ssl_handshake_timeout=self.connect_timeout_s,
        )
        assert transport is not None, "start_tls returns a transport unless the connection was lost, which raises"
        connection.adopt(transport)

    async def _tunnel_answer(self, connection: Connection, proxy: Proxy) -> ResponseHead:
        while (end := bytes(connection.unread()).find(HEAD_END)) < 0:
            received = len(connection.unread())
            if connection.full or received >= self.max_head_bytes:
                raise httpx.ProxyError(f"proxy {proxy} answers CONNECT with too large a head")
            if not await connection.receive(received + 1):
                raise httpx.ProxyError(f"proxy {proxy} closed the connection instead of answering CONNECT")
        try:
            return parse_response_head(connection.take(end + len(HEAD_END)), "CONNECT")
        except MalformedError as error:
            raise httpx.ProxyError(f"proxy {proxy} answers CONNECT with {error}") from None


def _reason(error: OSError | ValueError) -> str:
    """Return why there is no connection; asyncio's own words for it repeat the address."""
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if error.reason == "WRONG_VERSION_NUMBER":  # OpenSSL's words for bytes that are no TLS record
        return "the answer is not TLS; a registry that speaks plain HTTP needs 'tls: disabled'"
    return error.reason or str(error)
