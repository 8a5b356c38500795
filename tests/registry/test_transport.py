"""The transport against real servers on the loopback that keep to a script, mostly a bad one."""

import asyncio
import base64
import contextlib
import ipaddress
import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.http.wire.body import ResponseBody
from transship_registry.http.wire.connection import Connection
from transship_registry.http.wire.exchange import Exchange, OutgoingRequest
from transship_registry.http.wire.pace import ANY_LENGTH
from transship_registry.http.wire.pool import WireTransport
from transship_registry.http.wire.routes import Routes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
MIB = 1024 * 1024


class Peer:
    """One connection as the server sees it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Return the next request's head, and its body if it declares a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return head + await self.reader.readexactly(int(value))
        return head

    async def send(self, *data: bytes) -> None:
        for piece in data:
            self.writer.write(piece)
            await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed, whatever it still sends."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(MIB):
                pass

    def reset(self) -> None:
        """Break the connection off with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """A server that runs `script` for each connection; the connection is closed when that returns."""

    def __init__(self, script: Script) -> None:
        self.port = 0
        self.connections = 0
        self._script = script
        self._tasks: list[asyncio.Task[None]] = []
        self._failures: list[Exception] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        peer = Peer(self.connections, reader, writer)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._script(peer)
        except asyncio.CancelledError:
            pass  # by `stop`; a script may wait for ever
        except Exception as error:  # noqa: BLE001 - `stop` raises it in the test
            self._failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def stop(self) -> None:
        """End the scripts and raise what went wrong in them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for failure in self._failures:
            raise failure


@contextlib.asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncGenerator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, host, 0, ssl=tls, limit=4 * MIB)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


def transport(
    *,
    tls: ssl.SSLContext | None = None,
    connect_timeout_s: float = 600.0,
    stall_timeout_s: float = 600.0,
    max_connections: int = 4,
    keepalive_s: float = 30.0,
    max_head_bytes: int = 64 * 1024,
    proxy_environment: Mapping[str, str] | None = None,
) -> httpx.AsyncBaseTransport:
    return open_transport(
        TransportSettings(
            tls=tls,
            connect_timeout_s=connect_timeout_s,
            stall_timeout_s=stall_timeout_s,
            max_connections=max_connections,
            keepalive_s=keepalive_s,
            max_head_bytes=max_head_bytes,
            proxy_environment=proxy_environment or {},
        )
    )


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(600):
            await scenario()

    asyncio.run(bounded())


async def fetch(client: httpx.AsyncBaseTransport, method: str, url: str, **options: Any) -> httpx.Response:
    """Send a request, read the whole response."""
    response = await client.handle_async_request(httpx.Request(method, url, **options))
    await response.aread()
    return response


async def raw_body(response: httpx.Response) -> list[bytes]:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return [piece async for piece in response.stream]


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def always(*answer: bytes) -> Script:
    """Answer every request alike."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*answer)

    return script


def once(*answer: bytes) -> Script:
    """Answer one request, then close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*answer)

    return script


def failing(script: Script, method: str = "GET", **options: Any) -> Exception:
    """Return what a request to a server with `script` raises, which must be httpx's."""
    caught: list[Exception] = []

    async def scenario() -> None:
        async with serving(script) as server, transport(**options) as client:
            with pytest.raises(httpx.TransportError) as info:
                await fetch(client, method, server.url)
            caught.append(type(info.value)(str(info.value).replace(str(server.port), "PORT")))

    run(scenario)
    return caught[0]


# Requests


def test_request_on_the_wire() -> None:
    """A request is sent as it was built, byte by byte, in one head."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            url = f"http://127.0.0.1:{server.port}/v2/a%2Fb?n=1&last=x%20y"
            response = await fetch(
                client, "GET", url, headers={"Authorization": "Bearer abc", "Accept-Encoding": "identity"}
            )
            assert (response.status_code, response.reason_phrase, response.http_version) == (200, "OK", "HTTP/1.1")
            assert response.content == b"ok"
            assert seen == [
                b"GET /v2/a%%2Fb?n=1&last=x%%20y HTTP/1.1\r\n"
                b"Host: 127.0.0.1:%d\r\nAuthorization: Bearer abc\r\nAccept-Encoding: identity\r\n\r\n" % server.port
            ]

    run(scenario)


def upload(content: Any, headers: dict[str, str], expected: bytes) -> None:
    """Expect that a PUT of `content` puts `expected` on the wire after its head, and nothing else."""

    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert (b"transfer-encoding: chunked" in head.lower()) == ("Content-Length" not in headers)
        assert b"expect" not in head.lower()
        assert await peer.reader.readexactly(len(expected)) == expected
        await peer.send(CREATED)
        assert await peer.reader.read() == b""

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            response = await fetch(client, "PUT", server.url, content=content, headers=headers)
            assert response.status_code == 201

    run(scenario)


def test_body_of_declared_length_is_sent_bare() -> None:
    """A stream with a Content-Length is sent as it comes, memoryviews included."""
    numbers = memoryview(bytes(range(8))).cast("I")

    async def content() -> AsyncIterator[Any]:
        yield b"abc"
        yield b""
        yield memoryview(b"defg")
        yield numbers

    upload(content(), {"Content-Length": "15"}, b"abcdefg" + bytes(range(8)))


def test_body_of_unknown_length_is_chunked() -> None:
    """A stream without a Content-Length is sent in chunks; empty pieces are left out, for they would end it."""
    upload(pieces_of(b"abc", b"", b"x" * 20), {}, b"3\r\nabc\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((b"abc",), "the request declares 4 bytes of body, but has 3"),
        ((b"abc", b"de"), "the request declares 4 bytes of body, but has more"),
    ],
)
def test_body_of_another_length_than_declared(pieces: tuple[bytes, ...], message: str) -> None:
    """A body that is not as long as declared ends in an error, and the server never sees a whole request."""
    complete: list[bytes] = []

    async def script(peer: Peer) -> None:
        complete.append(await peer.request())

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            with pytest.raises(httpx.LocalProtocolError) as info:
                await fetch(client, "PUT", server.url, content=pieces_of(*pieces), headers={"Content-Length": "4"})
            assert str(info.value) == message
        assert complete == []

    run(scenario)


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b"])
def test_header_injection(value: str) -> None:
    """A header value that holds a line break or a NUL never reaches the wire, and is not quoted."""

    async def scenario() -> None:
        async with serving(always(OK)) as server, transport() as client:
            with pytest.raises(httpx.LocalProtocolError) as info:
                await fetch(client, "GET", server.url, headers={"X-Secret": value})
            assert str(info.value) == "a header field of the request holds a line break or a NUL"
            assert server.connections == 0

    run(scenario)


def test_large_bodies_both_ways() -> None:
    """64 MiB arrive whole in both directions, downstream in pieces of at least 256 KiB."""
    content = bytes(range(256)) * (4 * 1024) * 16
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content)
        received.append((await peer.request()).partition(b"\r\n\r\n")[2])
        await peer.send(CREATED)

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            response = await client.handle_async_request(httpx.Request("GET", server.url))
            pieces = await raw_body(response)
            assert min(map(len, pieces[:-1])) >= 256 * 1024
            assert b"".join(pieces) == content
            headers = {"Content-Length": str(len(content))}
            response = await fetch(client, "PUT", server.url, content=pieces_of(*pieces), headers=headers)
            assert response.status_code == 201
            assert received == [content]
            assert server.connections == 1

    run(scenario)


# Connections


def test_connection_is_kept() -> None:
    """Requests in a row share one connection."""

    async def scenario() -> None:
        async with serving(always(OK)) as server, transport() as client:
            for _ in range(3):
                assert (await fetch(client, "GET", server.url)).content == b"ok"
            assert server.connections == 1

    run(scenario)


def test_connections_per_origin_are_limited() -> None:
    """More requests than connections wait for one; another origin has its own limit."""
    busy = most = 0

    async def script(peer: Peer) -> None:
        nonlocal busy, most
        while True:
            await peer.request()
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.01)
            busy -= 1
            await peer.send(OK)

    async def scenario() -> None:
        async with serving(script) as server, serving(always(OK)) as other, transport(max_connections=2) as client:
            async with asyncio.TaskGroup() as group:
                for _ in range(7):
                    group.create_task(fetch(client, "GET", server.url))
                await fetch(client, "GET", other.url)
            assert (most, server.connections, other.connections) == (2, 2, 1)

    run(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: foo, Close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
    ids=["close", "close among others", "HTTP 1.0", "pipelined answer", "excess after chunks"],
)
def test_connection_is_not_kept(answer: bytes) -> None:
    """A connection that the server ends, or that nobody can trust any more, carries no second request."""

    async def scenario() -> None:
        async with serving(always(answer)) as server, transport() as client:
            for _ in range(2):
                assert (await fetch(client, "GET", server.url)).content == b"ok"
            assert server.connections == 2

    run(scenario)


def test_connection_of_http_1_0_is_kept_on_request() -> None:
    """An HTTP/1.0 server may keep the connection by saying so."""

    async def scenario() -> None:
        answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
        async with serving(always(answer)) as server, transport() as client:
            for _ in range(2):
                assert (await fetch(client, "GET", server.url)).content == b"ok"
            assert server.connections == 1

    run(scenario)


def test_idle_connection_that_was_closed() -> None:
    """A connection that the server closed while idle is replaced; even a POST goes to a fresh one."""

    async def scenario() -> None:
        async with serving(once(OK)) as server, transport() as client:
            for method in ("GET", "POST", "POST"):
                assert (await fetch(client, method, server.url)).content == b"ok"
                await asyncio.sleep(0.02)
            assert server.connections == 3

    run(scenario)


@contextlib.contextmanager
def serving_in_thread(script: Callable[[socket.socket], None]) -> Generator[str]:
    """Run `script` for each connection in a thread, so that things happen while the client's loop is busy."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with sock, contextlib.suppress(ConnectionError):
                    script(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_idle_connection_that_was_closed_while_busy() -> None:
    """That an idle connection was closed is noticed even if the loop has not looked at it since."""

    def script(sock: socket.socket) -> None:
        sock.recv(MIB)
        sock.sendall(OK)

    async def scenario() -> None:
        with serving_in_thread(script) as url:
            async with transport() as client:
                for _ in range(3):
                    assert (await fetch(client, "POST", url)).content == b"ok"
                    time.sleep(0.05)  # noqa: ASYNC251 - the loop shall be busy

    run(scenario)


def test_idle_connection_gives_up_its_memory() -> None:
    """The large buffer of a large body is not kept with the idle connection."""

    async def scenario() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + bytes(MIB)
        async with serving(always(answer)) as server, transport() as client:
            assert len((await fetch(client, "GET", server.url)).content) == MIB
            assert isinstance(client, WireTransport)
            origins = client._origins.values()  # pyright: ignore[reportPrivateUsage] - memory shows nowhere else
            idle = [connection for origin in origins for connection in origin.idle]
            assert [len(connection.get_buffer(-1)) for connection in idle] == [32 * 1024]

    run(scenario)


def test_idle_connection_expires() -> None:
    """A connection that has been idle for too long is not used again."""

    async def scenario() -> None:
        async with serving(always(OK)) as server, transport(keepalive_s=0.05) as client:
            await fetch(client, "GET", server.url)
            await asyncio.sleep(0.1)
            await fetch(client, "GET", server.url)
            assert server.connections == 2

    run(scenario)


async def dies_on_second_request(peer: Peer) -> None:
    """Answer, take the next request on the same connection, and hang up: the race of idle connections."""
    await peer.request()
    await peer.send(OK)
    await peer.reader.readuntil(b"\r\n\r\n")
    if peer.number:
        await peer.send(OK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_replay_on_a_fresh_connection(method: str) -> None:
    """An idempotent request that a reused connection lost without a byte of response is sent again."""

    async def scenario() -> None:
        async with serving(dies_on_second_request) as server, transport() as client:
            await fetch(client, "GET", server.url)
            content = b"manifest" if method == "PUT" else None
            assert (await fetch(client, method, server.url, content=content)).status_code == 200
            assert server.connections == 2

    run(scenario)


def test_no_replay_of_a_post() -> None:
    """A POST is not sent twice: whoever retries must know that it does no harm."""

    async def scenario() -> None:
        async with serving(dies_on_second_request) as server, transport() as client:
            await fetch(client, "GET", server.url)
            with pytest.raises(httpx.RemoteProtocolError) as info:
                await fetch(client, "POST", server.url)
            assert str(info.value) == f"127.0.0.1:{server.port} closed the connection without a response"
            assert server.connections == 1

    run(scenario)


def test_no_replay_of_a_consumed_stream() -> None:
    """A body that comes from elsewhere and is spent cannot be sent again."""

    async def scenario() -> None:
        async with serving(dies_on_second_request) as server, transport() as client:
            await fetch(client, "GET", server.url)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
                await fetch(client, "PUT", server.url, content=pieces_of(b"abc"), headers={"Content-Length": "3"})
            assert server.connections == 1

    run(scenario)


def test_no_replay_after_a_byte_of_response() -> None:
    """Once the server has begun to answer, the request is not sent again."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 20")

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            await fetch(client, "GET", server.url)
            with pytest.raises(httpx.RemoteProtocolError) as info:
                await fetch(client, "GET", server.url)
            assert (
                str(info.value) == f"127.0.0.1:{server.port} closed the connection in the middle of the response head"
            )
            assert server.connections == 1

    run(scenario)


def test_no_replay_on_a_fresh_connection() -> None:
    """A server that hangs up on a first request is not asked again."""

    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async def scenario() -> None:
        async with serving(hang_up) as server, transport() as client:
            with pytest.raises(httpx.RemoteProtocolError) as info:
                await fetch(client, "GET", server.url)
            assert str(info.value) == f"127.0.0.1:{server.port} closed the connection without a response"
            assert server.connections == 1

    run(scenario)


def test_early_close_drops_the_connection() -> None:
    """Closing a response early hangs up instead of reading the rest, and the next request has its own connection."""
    dropped = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        try:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", bytes(MIB))
            await peer.gone()
        finally:
            dropped.set()

    async def scenario() -> None:
        async with serving(script) as server, transport(max_connections=1) as client:
            for _ in range(2):
                response = await client.handle_async_request(httpx.Request("GET", server.url))
                assert isinstance(response.stream, httpx.AsyncByteStream)
                async for _ in response.stream:
                    break
                await response.aclose()
                await dropped.wait()
                dropped.clear()
            assert server.connections == 2

    run(scenario)


def test_cancelled_request_drops_the_connection() -> None:
    """A cancelled request takes its connection with it and leaves its place to the next one."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number:
            await peer.send(OK)
        await peer.gone()

    async def scenario() -> None:
        async with serving(script) as server, transport(max_connections=1) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await fetch(client, "GET", server.url)
            assert (await fetch(client, "GET", server.url)).content == b"ok"
            assert server.connections == 2

    run(scenario)


def test_closing_the_transport() -> None:
    """Closing hangs up on everyone, exchanges under way fail, and no request is taken any more."""
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()

    async def scenario() -> None:
        async with serving(script) as server:
            client = transport()
            pending = asyncio.ensure_future(fetch(client, "GET", server.url))
            await asked.wait()
            await client.aclose()
            with pytest.raises(httpx.TransportError):
                await pending
            with pytest.raises(httpx.TransportError) as info:
                await fetch(client, "GET", server.url)
            assert str(info.value) == "the transport is closed"

    run(scenario)


def test_closing_the_transport_while_connecting() -> None:
    """A connection that is made while the transport is being closed carries nothing."""

    async def scenario() -> None:
        async with serving(always(OK)) as server:
            client = transport()
            pending = asyncio.ensure_future(fetch(client, "GET", server.url))
            await asyncio.sleep(0)
            await client.aclose()
            with pytest.raises(httpx.TransportError):
                await pending

    run(scenario)


def test_connection_refused() -> None:
    """A port where nobody listens is a `ConnectError` that names host and port, not the URL's secrets."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with transport() as client:
            with pytest.raises(httpx.ConnectError) as info:
                await fetch(client, "GET", f"http://127.0.0.1:{port}/v2/?token=secret")
            assert str(info.value) == f"cannot connect to 127.0.0.1:{port}: Connection refused"

    run(scenario)


@pytest.mark.parametrize("url", ["ftp://registry.test/", "http:///v2/"])
def test_unsupported_url(url: str) -> None:
    """A URL that is not http, or has no host, is refused."""

    async def scenario() -> None:
        async with transport() as client:
            with pytest.raises(httpx.UnsupportedProtocol):
                await fetch(client, "GET", url)

    run(scenario)


def test_ipv6() -> None:
    """An IPv6 address in brackets is reached."""

    async def scenario() -> None:
        async with serving(always(OK), host="::1") as server, transport() as client:
            assert (await fetch(client, "GET", f"http://[::1]:{server.port}/")).content == b"ok"

    run(scenario)


# Responses


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1609\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1609\r\n\r\n"),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_responses_without_a_body(method: str, answer: bytes) -> None:
    """HEAD, 204 and 304 have no body whatever their fields say, and the connection is kept."""

    async def scenario() -> None:
        async with serving(always(answer)) as server, transport() as client:
            for _ in range(2):
                assert (await fetch(client, method, server.url)).content == b""
            assert server.connections == 1

    run(scenario)


def test_informational_responses_are_ignored() -> None:
    """100, 102 and 103 come before the response; the response is what counts."""
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )

    async def scenario() -> None:
        async with serving(always(interim, OK)) as server, transport() as client:
            for _ in range(2):
                response = await fetch(client, "GET", server.url)
                assert (response.status_code, response.content) == (200, b"ok")
                assert "link" not in response.headers
            assert server.connections == 1

    run(scenario)


def test_endless_informational_responses() -> None:
    """A server that only ever says "continue" is hung up on."""
    error = failing(once(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000))
    assert isinstance(error, httpx.RemoteProtocolError)
    assert str(error) == "127.0.0.1:PORT sent more than 32 informational responses"


def test_switching_protocols_is_refused() -> None:
    """A server that wants to speak another protocol, unasked, is not followed."""
    error = failing(once(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0"))
    assert isinstance(error, httpx.RemoteProtocolError)
    assert str(error) == "127.0.0.1:PORT sent what is not an HTTP/1.1 response head (upgrade)"


@pytest.mark.parametrize("size", [30_000, 63_000])
def test_large_head(size: int) -> None:
    """A head below the limit is read, however many reads it takes; the body after it is not lost."""
    answer = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * size + b"\r\nContent-Length: 2\r\n\r\nok"

    async def scenario() -> None:
        async with serving(always(answer)) as server, transport() as client:
            for _ in range(2):
                response = await fetch(client, "GET", server.url)
                assert (len(response.headers["X-Long"]), response.content) == (size, b"ok")

    run(scenario)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_too_large_a_head(end: bytes) -> None:
    """A head above the limit is refused, whether or not it ends."""
    answer = b"HTTP/1.1 200 OK\r\n" + b"X-Long: xxxxxxxxxxxxxxxxxxxx\r\n" * 5000 + end
    error = failing(once(answer), max_head_bytes=100_000)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert str(error) == "127.0.0.1:PORT sent a head of more than 100000 bytes"


def test_compressed_content_stays_compressed() -> None:
    """A Content-Encoding that nobody asked for is passed on as it is."""

    async def scenario() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip"
        async with serving(always(answer)) as server, transport() as client:
            response = await client.handle_async_request(httpx.Request("GET", server.url))
            assert await raw_body(response) == [b"notgzip"]

    run(scenario)


def test_chunked_body() -> None:
    """Chunks are joined, extensions and trailers dropped, and the connection is kept."""
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )

    async def scenario() -> None:
        async with serving(always(answer)) as server, transport() as client:
            for _ in range(2):
                response = await client.handle_async_request(httpx.Request("GET", server.url))
                assert await raw_body(response) == [b"abc0123456789"]
            assert server.connections == 1

    run(scenario)


def test_large_chunked_body() -> None:
    """Many small chunks come as large pieces."""
    chunk = bytes(range(256)) * 4

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.send(*[b"400\r\n%s\r\n" % chunk] * 4096, b"0\r\n\r\n")

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            response = await client.handle_async_request(httpx.Request("GET", server.url))
            pieces = await raw_body(response)
            assert min(map(len, pieces[:-1])) >= 256 * 1024
            assert b"".join(pieces) == chunk * 4096

    run(scenario)


def test_body_that_ends_with_the_connection() -> None:
    """Without any framing the body ends where the connection does."""

    async def scenario() -> None:
        content = bytes(range(256)) * 4096
        async with serving(once(b"HTTP/1.1 200 OK\r\n\r\n", content)) as server, transport() as client:
            for _ in range(2):
                assert (await fetch(client, "GET", server.url)).content == content
            assert server.connections == 2

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "closed the connection after 3 of 10 bytes of the body"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "closed the connection in the middle of a chunked body",
        ),
        (b"", "closed the connection without a response"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "sent what is not an HTTP/1.1 response head ("),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "sent what is not an HTTP/1.1 response head (",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
            "sent what is not an HTTP/1.1 response head (",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "sent what is not an HTTP/1.1 response head (",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "sent a transfer coding other than chunked, which was not asked for",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "sent what is not a chunked body ("),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-Trailer: 1\r\n" * 20_000,
            "sent more than 65536 bytes of chunk extensions or trailers",
        ),
    ],
    ids=[
        "short",
        "short chunks",
        "empty",
        "ssh",
        "two lengths",
        "length list",
        "both framings",
        "gzip coding",
        "bad chunk",
        "trailers",
    ],
)
def test_broken_response(answer: bytes, message: str) -> None:
    """What is not a whole, well-formed response is a protocol error that says what came."""
    error = failing(once(answer))
    assert isinstance(error, httpx.RemoteProtocolError)
    assert str(error).startswith(f"127.0.0.1:PORT {message}")


def test_reset_in_the_middle_of_a_body() -> None:
    """A connection that breaks is a `ReadError` that says how far it came."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.sleep(0.05)
        peer.reset()

    error = failing(script)
    assert isinstance(error, httpx.ReadError)
    assert str(error) == (
        "the connection to 127.0.0.1:PORT broke after 3 of 10 bytes of the body: [Errno 104] Connection reset by peer"
    )


# Answers before the request is complete


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"413 Content Too Large", b"307 Temporary Redirect"])
@pytest.mark.parametrize("leave", ["wait", "close", "reset"])
def test_early_answer_stops_the_upload(status: bytes, leave: str) -> None:
    """An answer that refuses the body is returned while the upload is under way; the connection is not used again."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.reader.readexactly(1000)
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\nnope")
        if leave == "wait":
            await peer.gone()
        if leave == "reset":
            await asyncio.sleep(0.05)
            peer.reset()

    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(64 * 1024)

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            for _ in range(2):
                headers = {"Content-Length": str(2**40)}
                response = await fetch(client, "PUT", server.url, content=endless(), headers=headers)
                assert response.status_code == int(status[:3])
                assert response.content == b"nope"
            assert server.connections == 2
            assert sent < 5000

    run(scenario)


def test_early_success_does_not_stop_the_upload() -> None:
    """A server that says 201 too early still gets the whole body."""
    received_all = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(CREATED)
        await asyncio.sleep(0.02)
        await peer.reader.readexactly(8 * MIB)
        received_all.set()
        await peer.gone()

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            pieces = pieces_of(*[bytes(MIB)] * 8)
            response = await fetch(client, "PUT", server.url, content=pieces, headers={"Content-Length": str(8 * MIB)})
            assert response.status_code == 201
            await received_all.wait()

    run(scenario)


def test_early_success_of_a_server_that_takes_no_more() -> None:
    """A success counts when the rest of the body cannot be sent; what it is worth, the digest will tell."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # StreamWriter declares the base class
        await peer.send(CREATED)
        await asyncio.sleep(10)

    async def scenario() -> None:
        async with serving(script) as server, transport(stall_timeout_s=0.1) as client:
            pieces = pieces_of(*[bytes(MIB)] * 64)
            headers = {"Content-Length": str(64 * MIB)}
            assert (await fetch(client, "PUT", server.url, content=pieces, headers=headers)).status_code == 201

    run(scenario)


def test_early_answer_before_a_reset_while_busy() -> None:
    """An answer that has arrived is read before a write can find the connection reset."""

    def script(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def busy() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1000)
            time.sleep(0.05)  # noqa: ASYNC251 - the loop shall be busy

    async def scenario() -> None:
        with serving_in_thread(script) as url:
            async with transport() as client:
                response = await fetch(client, "PUT", url, content=busy(), headers={"Content-Length": "64000"})
                assert response.status_code == 413

    run(scenario)


def test_reset_while_uploading() -> None:
    """A connection that breaks during the upload, without an answer, is an error of the network."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reset()

    async def scenario() -> None:
        async with serving(script) as server, transport() as client:
            pieces = pieces_of(*[bytes(MIB)] * 64)
            with pytest.raises((httpx.WriteError, httpx.ReadError)) as info:
                await fetch(client, "PUT", server.url, content=pieces, headers={"Content-Length": str(64 * MIB)})
            assert str(info.value).startswith(f"the connection to 127.0.0.1:{server.port} broke ")

    run(scenario)


# Time


async def silent(peer: Peer) -> None:
    """Take everything, say nothing."""
    await peer.gone()


def test_stalled_head() -> None:
    """A server that never answers is given up after the stall time-out."""
    error = failing(silent, stall_timeout_s=0.1)
    assert isinstance(error, httpx.ReadTimeout)
    assert str(error) == "127.0.0.1:PORT sent nothing for 0.1 s; the connection was dropped"


def test_stalled_body() -> None:
    """A body that stops coming is given up after the stall time-out."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await peer.gone()

    error = failing(script, stall_timeout_s=0.1)
    assert isinstance(error, httpx.ReadTimeout)
    assert str(error) == "127.0.0.1:PORT sent nothing for 0.1 s; the connection was dropped"


def test_stalled_upload() -> None:
    """A server that stops taking bytes is given up after the stall time-out."""

    async def script(peer: Peer) -> None:
        await asyncio.sleep(10)

    async def scenario() -> None:
        async with serving(script) as server, transport(stall_timeout_s=0.1) as client:
            pieces = pieces_of(*[bytes(MIB)] * 64)
            with pytest.raises(httpx.WriteTimeout) as info:
                await fetch(client, "PUT", server.url, content=pieces, headers={"Content-Length": str(64 * MIB)})
            message = f"127.0.0.1:{server.port} accepted nothing for 0.1 s; the connection was dropped"
            assert str(info.value) == message

    run(scenario)


def test_each_wait_has_its_own_time() -> None:
    """Requests that are each answered just in time do not add up to a stall."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.15)
            await peer.send(OK)

    async def scenario() -> None:
        async with serving(script) as server, transport(stall_timeout_s=0.2) as client:
            for _ in range(3):
                assert (await fetch(client, "GET", server.url)).content == b"ok"

    run(scenario)


def test_slow_is_not_stalled() -> None:
    """A transfer may take any time as long as bytes keep coming, and are more than a few."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 120000\r\n\r\n")
        for _ in range(12):
            await peer.send(b"x" * 10_000)
            await asyncio.sleep(0.05)

    async def scenario() -> None:
        async with serving(script) as server, transport(stall_timeout_s=0.2) as client:
            response = await fetch(client, "GET", server.url, extensions={ANY_LENGTH: True})
            assert response.content == b"x" * 120_000

    run(scenario)


def test_slow_line_is_not_stalled() -> None:
    """A body that the kernel took at once, but the other end takes slowly, is on its way."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        size = 512 * 1024
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)

        async def read_slowly() -> None:
            sock, _ = await loop.sock_accept(listener)
            received = b""
            while received.count(b"\0") < size:
                received += await loop.sock_recv(sock, 32 * 1024)
                await asyncio.sleep(0.03)
            await loop.sock_sendall(sock, CREATED)
            sock.close()

        with listener:
            async with transport(stall_timeout_s=0.2) as client, asyncio.TaskGroup() as group:
                group.create_task(read_slowly())
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                assert (await fetch(client, "PUT", url, content=bytes(size))).status_code == 201

    run(scenario)


def test_slow_consumer_is_not_a_stall() -> None:
    """Time that the caller spends between pieces is not held against the server, and memory stays bounded."""
    size = 16 * MIB

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, bytes(size))

    async def scenario() -> None:
        async with serving(script) as server, transport(stall_timeout_s=0.1) as client:
            response = await client.handle_async_request(httpx.Request("GET", server.url))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            received = 0
            async for piece in response.stream:
                received += len(piece)
                if received < 2 * MIB:
                    await asyncio.sleep(0.3)
            assert received == size

    run(scenario)


def test_slow_source_is_not_a_stall() -> None:
    """Time that the source of an upload takes between pieces is not held against the server."""

    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.sleep(0.4)
        yield b"def"

    async def scenario() -> None:
        async with serving(always(CREATED)) as server, transport(stall_timeout_s=0.1) as client:
            response = await fetch(client, "PUT", server.url, content=slow(), headers={"Content-Length": "6"})
            assert response.status_code == 201

    run(scenario)


# TLS


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self.root = folder / "root.pem"
        root = self._certificate(self._name, self._key.public_key(), authority=True).sign(self._key, hashes.SHA256())
        self.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self._name, name, key, x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )

    def issue(self, *names: str) -> Path:
        """Return a file with a certificate for the host names or addresses, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        builder = self._certificate(subject, key.public_key(), authority=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        file = self._folder / f"{names[0]}.pem"
        file.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return file

    def server(self, *names: str, ask_client: bool = False) -> ssl.SSLContext:
        """Return the context of a server with these names."""
        context = self._context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.issue(*names))
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority."""
        return self._context(ssl.Purpose.SERVER_AUTH)

    def _context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=self.root)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which Python 3.13 sets: the certificates here are simple
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls(authority: Authority) -> None:
    """A server whose certificate is good is talked to, on one connection."""

    async def scenario() -> None:
        async with (
            serving(always(OK), authority.server("127.0.0.1")) as server,
            transport(tls=authority.client()) as client,
        ):
            for _ in range(3):
                assert (await fetch(client, "GET", f"https://127.0.0.1:{server.port}/")).content == b"ok"
            assert server.connections == 1

    run(scenario)


def test_idle_tls_connection_that_was_closed(authority: Authority) -> None:
    """A TLS connection that the server closed while idle is replaced."""

    async def scenario() -> None:
        async with (
            serving(once(OK), authority.server("127.0.0.1")) as server,
            transport(tls=authority.client()) as client,
        ):
            for _ in range(2):
                assert (await fetch(client, "POST", f"https://127.0.0.1:{server.port}/")).content == b"ok"
                await asyncio.sleep(0.05)
            assert server.connections == 2

    run(scenario)


def test_tls_with_another_name(authority: Authority) -> None:
    """A certificate for another host is refused."""

    async def scenario() -> None:
        async with (
            serving(always(OK), authority.server("registry.test")) as server,
            transport(tls=authority.client()) as client,
        ):
            with pytest.raises(httpx.ConnectError) as info:
                await fetch(client, "GET", f"https://127.0.0.1:{server.port}/?token=secret")
            assert str(info.value) == (
                f"cannot connect to 127.0.0.1:{server.port}: TLS: certificate verify failed: "
                "IP address mismatch, certificate is not valid for '127.0.0.1'."
            )

    run(scenario)


def test_tls_with_unknown_authority(authority: Authority) -> None:
    """A certificate of an authority that the context does not trust is refused."""

    async def scenario() -> None:
        async with (
            serving(always(OK), authority.server("127.0.0.1")) as server,
            transport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client,
        ):
            with pytest.raises(httpx.ConnectError) as info:
                await fetch(client, "GET", f"https://127.0.0.1:{server.port}/")
            assert str(info.value) == (
                f"cannot connect to 127.0.0.1:{server.port}: TLS: certificate verify failed: "
                "self-signed certificate in certificate chain"
            )

    run(scenario)


def test_tls_to_a_plain_server() -> None:
    """A server that does not speak TLS is told from one that is not there."""

    async def hang_up(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scenario() -> None:
        async with serving(hang_up) as server, transport() as client:
            with pytest.raises(httpx.ConnectError) as info:
                await fetch(client, "GET", f"https://127.0.0.1:{server.port}/")
            assert str(info.value) == (
                f"cannot connect to 127.0.0.1:{server.port}: TLS: the answer is not TLS; "
                "a registry that speaks plain HTTP needs 'tls: disabled'"
            )

    run(scenario)


def test_client_certificate(authority: Authority) -> None:
    """The context's client certificate is presented."""
    subjects: list[Any] = []

    async def script(peer: Peer) -> None:
        subjects.append(peer.writer.get_extra_info("peercert")["subject"])
        await always(OK)(peer)

    async def scenario() -> None:
        tls = authority.client()
        tls.load_cert_chain(authority.issue("mirror"))
        async with (
            serving(script, authority.server("127.0.0.1", ask_client=True)) as server,
            transport(tls=tls) as client,
        ):
            assert (await fetch(client, "GET", f"https://127.0.0.1:{server.port}/")).status_code == 200
        assert subjects == [((("commonName", "mirror"),),)]

    run(scenario)


def test_large_bodies_over_tls(authority: Authority) -> None:
    """16 MiB go from one TLS connection to another as they come, and arrive whole."""
    content = bytes(range(256)) * 4 * 1024 * 16
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if request.startswith(b"GET"):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content)
        else:
            received.append(request.partition(b"\r\n\r\n")[2])
            await peer.send(CREATED)

    async def scenario() -> None:
        async with (
            serving(script, authority.server("127.0.0.1")) as server,
            transport(tls=authority.client()) as client,
        ):
            url = f"https://127.0.0.1:{server.port}/"
            response = await client.handle_async_request(httpx.Request("GET", url))
            headers = {"Content-Length": str(len(content))}
            answer = await fetch(client, "PUT", url, content=response.stream, headers=headers)
            assert answer.status_code == 201
            assert received == [content]

    run(scenario)


@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n", b""], ids=["counted", "until the end"])
def test_slow_consumer_of_tls_that_ends(authority: Authority, framing: bytes) -> None:
    """Nothing is lost when the server closes a TLS connection while much is still waiting to be read."""
    content = bytes(range(256)) * 4096 * 5
    head = b"HTTP/1.1 200 OK\r\n" + (framing % len(content) if framing else b"") + b"\r\n"

    async def scenario() -> None:
        async with (
            serving(once(head, content), authority.server("127.0.0.1")) as server,
            transport(tls=authority.client()) as client,
        ):
            response = await client.handle_async_request(httpx.Request("GET", f"https://127.0.0.1:{server.port}/"))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            received = b""
            async for piece in response.stream:
                received += piece
                await asyncio.sleep(0.05)
            assert received == content

    run(scenario)


def test_connect_timeout_spans_tls() -> None:
    """A server that accepts and then says nothing exhausts the connect time-out."""

    async def scenario() -> None:
        async with serving(silent) as server, transport(connect_timeout_s=0.1) as client:
            with pytest.raises(httpx.ConnectTimeout) as info:
                await fetch(client, "GET", f"https://127.0.0.1:{server.port}/")
            assert str(info.value) == f"cannot connect to 127.0.0.1:{server.port} within 0.1 s"

    run(scenario)


# Proxies

CREDENTIALS = b"Basic " + base64.b64encode(b"user:pa ss")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


def tunnel_to(port: Callable[[], int], seen: list[bytes]) -> Script:
    """Be a proxy that connects wherever it is told to, but in truth to `port`."""

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        reader, writer = await asyncio.open_connection("127.0.0.1", port())
        await peer.send(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(peer.reader, writer))
            group.create_task(pump(reader, peer.writer))

    return script


def test_plain_http_through_a_proxy() -> None:
    """A proxy gets the whole URL and its credentials; the origin's name is not even resolved."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async def scenario() -> None:
        async with serving(script) as proxy:
            environment = {"http_proxy": f"http://user:pa%20ss@127.0.0.1:{proxy.port}"}
            async with transport(proxy_environment=environment) as client:
                assert (await fetch(client, "GET", "http://registry.test:5000/v2/?n=1")).content == b"ok"
        assert seen == [
            b"GET http://registry.test:5000/v2/?n=1 HTTP/1.1\r\nHost: registry.test:5000\r\n"
            b"Proxy-Authorization: " + CREDENTIALS + b"\r\n\r\n"
        ]

    run(scenario)


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
def test_https_through_a_proxy(authority: Authority, proxy_scheme: str) -> None:
    """Https goes through a tunnel, with TLS to the origin; only the proxy sees the proxy's credentials."""
    asked: list[bytes] = []
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            requests.append(await peer.request())
            await peer.send(OK)

    async def scenario() -> None:
        proxy_tls = authority.server("127.0.0.1") if proxy_scheme == "https" else None
        async with (
            serving(script, authority.server("registry.test")) as server,
            serving(tunnel_to(lambda: server.port, asked), proxy_tls) as proxy,
        ):
            environment = {"HTTPS_PROXY": f"{proxy_scheme}://user:pa%20ss@127.0.0.1:{proxy.port}"}
            async with transport(tls=authority.client(), proxy_environment=environment) as client:
                for _ in range(2):
                    assert (await fetch(client, "GET", "https://registry.test/v2/")).content == b"ok"
            assert proxy.connections == 1
        assert asked == [
            b"CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n"
            b"Proxy-Authorization: " + CREDENTIALS + b"\r\n\r\n"
        ]
        assert requests == [b"GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n"] * 2

    run(scenario)


def through_proxy(script: Script, **options: Any) -> str:
    """Return the message of the `ProxyError` of an https request through a proxy with `script`."""
    caught: list[str] = []

    async def scenario() -> None:
        async with serving(script) as proxy:
            environment = {"https_proxy": f"http://user:secret@127.0.0.1:{proxy.port}"}
            async with transport(proxy_environment=environment, **options) as client:
                with pytest.raises(httpx.ProxyError) as info:
                    await fetch(client, "GET", "https://registry.test/v2/?token=secret")
            caught.append(str(info.value).replace(str(proxy.port), "PORT"))

    run(scenario)
    return caught[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "proxy http://127.0.0.1:PORT refuses to connect to registry.test:443: 407 Proxy Authentication Required",
        ),
        (b"", "proxy http://127.0.0.1:PORT closed the connection instead of answering CONNECT"),
        (b"x" * 100_000, "proxy http://127.0.0.1:PORT answers CONNECT with too large a head"),
    ],
    ids=["refused", "closed", "endless"],
)
def test_proxy_that_does_not_connect(answer: bytes, message: str) -> None:
    """A proxy that refuses, hangs up or babbles is named, without its credentials."""
    assert through_proxy(once(answer)) == message


def test_proxy_that_does_not_speak_http() -> None:
    """A proxy that answers something else is named."""
    message = through_proxy(once(b"220 mail.test ESMTP\r\n\r\n"))
    assert message.startswith("proxy http://127.0.0.1:PORT answers CONNECT with what is not an HTTP/1.1 response head")


def test_proxy_that_is_not_there() -> None:
    """A proxy that cannot be reached is named beside the origin."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with transport(proxy_environment={"http_proxy": f"127.0.0.1:{port}"}) as client:
            message = rf"^cannot connect to registry.test:80 \(through proxy http://127.0.0.1:{port}\): "
            with pytest.raises(httpx.ConnectError, match=message):
                await fetch(client, "GET", "http://registry.test/")

    run(scenario)


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (
            "socks5://user:secret@proxy.test:1080",
            "the proxy's address in the environment is socks5://proxy.test; expected http://host:port or https://host:port",
        ),
        (
            "http://user:secret@proxy.test:port",
            "the proxy's address in the environment is no URL, or has an unusable port",
        ),
    ],
)
def test_unusable_proxy(proxy: str, message: str) -> None:
    """A proxy that we cannot use is refused when it would be needed, and its password is not shown."""

    async def scenario() -> None:
        async with transport(proxy_environment={"ALL_PROXY": proxy}) as client:
            with pytest.raises(httpx.ProxyError) as info:
                await fetch(client, "GET", "http://registry.test/")
            assert str(info.value) == message

    run(scenario)


PROXIED = {"http_proxy": "http://p.test:3128", "https_proxy": "http://p.test:3128"}


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "http://registry.test/", False),
        ("", "http://localhost:5000/", True),
        ("", "http://127.0.0.2:5000/", True),
        ("", "http://[::1]:5000/", True),
        ("*", "http://registry.test/", True),
        ("*", "http://10.1.2.3/", True),
        ("registry.test", "https://registry.test/", True),
        ("registry.test", "https://eu.registry.test/", True),
        ("registry.test", "https://myregistry.test/", False),
        ("REGISTRY.test", "https://registry.TEST/", True),
        (".registry.test", "https://registry.test/", False),
        (".registry.test", "https://eu.registry.test/", True),
        ("*.registry.test", "https://eu.registry.test/", True),
        ("other.test, registry.test ,", "https://registry.test/", True),
        ("registry.test:5000", "http://registry.test:5000/", True),
        ("registry.test:5000", "http://registry.test/", False),
        ("registry.test:443", "https://registry.test/", True),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:80", "http://10.1.2.3/", True),
        ("10.1.2.3:81", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/33", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://registry.test/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("fd00::1", "http://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "http://[fd00::1]:5000/", True),
        ("[fd00::1]", "http://[fd00::1]:5000/", True),
    ],
)
def test_no_proxy(no_proxy: str, url: str, direct: bool) -> None:
    """NO_PROXY is read as Go reads it, so that the environment of the tools we replace keeps its meaning."""
    route = Routes({**PROXIED, "NO_PROXY": no_proxy}).route(httpx.URL(url))
    assert (route.proxy is None) == direct


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTP_PROXY": "http://upper.test"}, "http://upper.test:80"),
        ({"HTTP_PROXY": "http://upper.test", "http_proxy": "http://lower.test"}, "http://lower.test:80"),
        ({"ALL_PROXY": "https://all.test"}, "https://all.test:443"),
        ({"ALL_PROXY": "https://all.test", "http_proxy": "one.test:1"}, "http://one.test:1"),
        ({"http_proxy": "http://[fd00::1]:3128"}, "http://[fd00::1]:3128"),
        ({"HTTPS_PROXY": "http://tls.test"}, "None"),
        ({"HTTP_PROXY": "http://from-a-header.test", "REQUEST_METHOD": "GET"}, "None"),
    ],
)
def test_proxy_of_the_environment(environment: dict[str, str], proxy: str) -> None:
    """The proxy for plain http follows the usual variables, save where a CGI client could set them."""
    assert str(Routes(environment).route(httpx.URL("http://registry.test/")).proxy) == proxy


def test_repr_shows_no_credentials() -> None:
    """Neither settings nor routes show the proxy's password."""
    environment = {"http_proxy": "http://user:secret@p.test"}
    assert "secret" not in repr(TransportSettings(proxy_environment=environment))
    assert "secret" not in repr(Routes(environment).route(httpx.URL("http://registry.test/")))


# Whatever comes, in whatever pieces


class Wire(asyncio.Transport):
    """An asyncio transport that answers a request with `answer`, cut into pieces as told."""

    def __init__(self, connection: Connection, pieces: list[bytes]) -> None:
        super().__init__({"socket": socket.socket()})
        self._connection = connection
        self._pieces = pieces
        self._paused = False
        self._lost = False
        self._answering = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._answering:
            self._answering = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._paused or self._lost:
            return
        if self._pieces:
            room = self._connection.get_buffer(-1)
            piece = self._pieces.pop(0)
            count = min(len(piece), len(room))
            room[:count] = piece[:count]
            if count < len(piece):
                self._pieces.insert(0, piece[count:])
            self._connection.buffer_updated(count)
            asyncio.get_running_loop().call_soon(self._deliver)
        else:
            self._connection.eof_received()
            self._lose()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        asyncio.get_running_loop().call_soon(self._deliver)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self.get_extra_info("socket").close()
            self._connection.connection_lost(None)


def received(method: str, answer: bytes, cuts: list[int]) -> tuple[int, bytes] | str:
    """Return what a request gets when `answer` arrives in pieces: status and body, or the exception's name."""

    async def scenario() -> tuple[int, bytes] | str:
        edges = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
        connection = Connection("registry.test:80", 5)
        wire = Wire(connection, [answer[a:b] for a, b in itertools.pairwise(edges)])
        connection.connection_made(wire)
        request = httpx.Request(method, "http://registry.test/v2/")
        try:
            head, _ = await Exchange(connection, OutgoingRequest(request, b"/v2/", []), 4096).run()
            body = ResponseBody(connection, head, 4096, lambda clean: None)
            return head.status, b"".join([piece async for piece in body])
        except httpx.TransportError as error:
            return type(error).__name__
        finally:
            connection.abort()
            await connection.lost

    return asyncio.run(scenario())


def test_a_piece_boundary_may_be_anywhere() -> None:
    """No cut between two pieces changes what is received."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n"
    counted = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
    for answer in (chunked, counted):
        for cut in range(1, len(answer)):
            assert received("GET", answer, [cut]) == (200, b"hello world")


@given(
    body=st.binary(max_size=80_000),
    sizes=st.lists(st.integers(1, 40_000), max_size=8),
    cuts=st.lists(st.integers(0, 90_000), max_size=12),
    excess=st.binary(max_size=50),
    framing=st.sampled_from(["counted", "chunked", "rest"]),
)
@settings(deadline=None, max_examples=150)
def test_any_framing_in_any_pieces(body: bytes, sizes: list[int], cuts: list[int], excess: bytes, framing: str) -> None:
    """A well-formed response is received whole, however it is framed and cut, and nothing that follows it is."""
    if framing == "counted":
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body + excess
    elif framing == "chunked":
        edges = sorted({0, len(body), *(size for size in sizes if size < len(body))})
        chunks = [b"%x\r\n%s\r\n" % (b - a, body[a:b]) for a, b in itertools.pairwise(edges)]
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n" + excess
    else:
        answer = b"HTTP/1.1 200 OK\r\n\r\n" + body
    assert received("GET", answer, cuts) == (200, body)


@given(
    answer=st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    b"HTTP/1.1 200 OK\r\n",
                    b"HTTP/1.1 100 Continue\r\n\r\n",
                    b"HTTP/1.0 404\r\n",
                    b"Content-Length: 5\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Connection: close\r\n",
                    b"\r\n",
                    b"\n",
                    b"5\r\nhello\r\n",
                    b"0\r\n\r\n",
                    b"ffffffffffffffff\r\n",
                    b": \r\n",
                    b" folded\r\n",
                    b"\0",
                    b"x" * 5000,
                ]
            ),
            max_size=12,
        ).map(b"".join),
    ),
    cuts=st.lists(st.integers(0, 6000), max_size=6),
    method=st.sampled_from(["GET", "HEAD", "PUT"]),
)
@settings(deadline=None, max_examples=300)
def test_garbage(answer: bytes, cuts: list[int], method: str) -> None:
    """Whatever a server sends, the outcome is a response or one of httpx's errors, and the same in any pieces."""
    whole = received(method, answer, [])
    in_pieces = received(method, answer, cuts)
    assert in_pieces == whole
    assert not isinstance(whole, str) or whole in {"RemoteProtocolError", "NotHTTPError", "SpeaksTLSError", "ReadError"}
