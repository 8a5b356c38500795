"""Servers that send a byte now and then: no request is kept alive for ever, and none that moves is given up."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import httpx
import pytest

from support.http_client import FakeTime, blob_of, read_blob, scripted_client
from support.registry_server.faults import DripAnswer
from support.registry_server.options import Bearer, Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from support.virtual_time import run_at_once
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import RegistryError
from transship_registry.hosts import HostSettings, Patience, TlsMode
from transship_registry.http.retry import TOTAL_S
from transship_registry.http.wire.body import ResponseBody
from transship_registry.http.wire.connection import Connection
from transship_registry.http.wire.exchange import Exchange, OutgoingRequest
from transship_registry.http.wire.pace import Look, Pace
from transship_registry.reference import Reference, Repository

STALL_S = 60.0
LENGTH = 10**9
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

Serve = Callable[[socket.socket], Awaitable[None]]


async def asked(serve: Serve, *, method: str = "GET", content: bytes = b"", any_length: bool = False) -> float | str:
    """Return for how long an answer was read before it came to its end, or what was said when it was given up."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    _, connection = await loop.create_connection(lambda: Connection("r.example:443", STALL_S), sock=ours)
    serving = asyncio.create_task(_serve(serve, theirs))
    request = OutgoingRequest(httpx.Request(method, "https://r.example/v2/", content=content), b"/v2/", [])
    try:
        head, _ = await Exchange(connection, request, 64 * 1024).run()
        if any_length:
            connection.begin_body()
        async for _ in ResponseBody(connection, head, 64 * 1024, lambda _: None):
            pass
    except httpx.TransportError as error:
        return f"{type(error).__name__} after {loop.time():.0f} s: {error}"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        connection.abort()
        await connection.lost
        theirs.close()
    return loop.time()


async def _serve(serve: Serve, sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        await serve(sock)


def dripping(*, head: bytes = b"", drop: bytes = b"x", every_s: float = 10.0) -> Serve:
    """Take the request, and send a drop of the answer now and then, for ever."""

    async def serve(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, head)
        while True:
            await loop.sock_sendall(sock, drop)
            await asyncio.sleep(every_s)

    return serve


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (HEAD, b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=["status line", "header fields", "interim answers", "counted body", "chunked body", "body without an end"],
)
def test_an_answer_that_drips_has_its_time(head: bytes, drop: bytes) -> None:
    """Three stall time-outs for the whole of it, whatever part it is that does not end."""
    assert run_at_once(asked(dripping(head=head, drop=drop))) == (
        "ReadTimeout after 195 s: r.example:443 sent no whole answer in 180 s; the connection was dropped"
    )


@pytest.mark.parametrize(
    "head", [HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], ids=["counted", "chunked"]
)
def test_a_blob_that_drips_is_a_stall(head: bytes) -> None:
    """It has all the time that it needs, but not for a byte now and then."""
    drop = b"x" if head == HEAD else b"1\r\nx\r\n"
    said = run_at_once(asked(dripping(head=head, drop=drop), any_length=True))
    assert str(said).startswith("ReadTimeout after 75 s: r.example:443 sent only ")
    assert str(said).endswith(" bytes in 60 s; the connection was dropped")


def test_a_slow_blob_takes_its_time() -> None:
    """Above the least rate, for hours."""

    async def serve(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, b"HTTP/1.1 200 OK\r\nContent-Length: 72000000\r\n\r\n")
        for _ in range(7200):
            await loop.sock_sendall(sock, bytes(10_000))
            await asyncio.sleep(5)

    assert run_at_once(asked(serve, any_length=True)) == pytest.approx(36_000, abs=10)


@pytest.mark.parametrize(
    ("taken", "said"),
    [(15_000, ["", "", "", "", "", ""]), (14_999, ["", "", "", "", "only 59996 bytes in 60 s", ""])],
)
def test_an_upload_that_is_taken_in_drips_is_a_stall(taken: int, said: list[str]) -> None:
    """Whoever takes a byte now and then takes no blob; the least rate is the same in both directions."""
    pace = Pace(STALL_S)
    pace.begin()
    pace.begin_wait()
    size = 10_000_000
    looks = [Look(15.0 * number, taken * number, size - taken * number) for number in range(1, 6)]
    assert [pace.complaint(look) for look in looks] == said[:5]
    assert pace.complaint(Look(90.0, size, 0)) == said[5], "the answer has its own time"


def test_a_caller_who_takes_his_time_is_not_held_against_the_server() -> None:
    """Only the time counts in which somebody waits for the other end."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        _, connection = await loop.create_connection(lambda: Connection("r.example:443", STALL_S), sock=ours)
        for _ in range(10):
            request = OutgoingRequest(httpx.Request("GET", "https://r.example/v2/"), b"/v2/", [])
            asking = asyncio.create_task(Exchange(connection, request, 4096).run())
            await loop.sock_recv(theirs, 65536)
            await asyncio.sleep(50)
            await loop.sock_sendall(theirs, OK)
            assert (await asking)[0].status == 200
            await asyncio.sleep(1000)
        connection.abort()
        await connection.lost
        theirs.close()

    run_at_once(scenario())


@pytest.mark.parametrize("status", [b"000", b"099", b"001"])
def test_a_status_that_is_none_is_no_answer(status: bytes) -> None:
    """It does not count as an interim answer, after which the real one is waited for."""

    async def serve(sock: socket.socket) -> None:
        await asyncio.get_running_loop().sock_recv(sock, 65536)
        await asyncio.get_running_loop().sock_sendall(sock, b"HTTP/1.1 %s Nothing\r\n\r\n" % status)
        await asyncio.sleep(1000)

    assert run_at_once(asked(serve)) == (
        f"NotHTTPError after 0 s: r.example:443 sent the status {status.decode()}, which is none"
    )


Ask = Callable[[HttpRegistry, Repository], Awaitable[object]]
BLOB = blob_of(b"x" * 100_000)
ASKING: dict[Endpoint, Ask] = {
    Endpoint.TAGS: lambda client, repository: client.list_tags(repository),
    Endpoint.MANIFEST: lambda client, repository: client.get_manifest(Reference(repository, tag="v1")),
    Endpoint.BLOB: lambda client, repository: read_blob(client, repository, BLOB),
    Endpoint.TOKEN: lambda client, repository: client.list_tags(repository),
}


@pytest.mark.parametrize(
    ("endpoint", "attempted"),
    [
        (Endpoint.TAGS, "GET tags"),
        (Endpoint.MANIFEST, "GET manifest"),
        (Endpoint.BLOB, "GET blob"),
        (Endpoint.TOKEN, "GET token from http://"),
    ],
)
def test_a_registry_that_drips_is_an_error_of_the_request(endpoint: Endpoint, attempted: str) -> None:
    """Tag list, manifest, blob and token alike, after the tries that the registry's settings allow."""

    async def scenario(server: RegistryServer) -> str:
        patience = Patience(stall_timeout_s=0.2, tries=2)
        settings = HostSettings(registry=server.host, tls=TlsMode.DISABLED, patience=patience)
        async with HttpRegistry({server.host: settings}) as client:
            with pytest.raises(RegistryError) as caught:
                await ASKING[endpoint](client, Repository.parse(f"{server.host}/team/app"))
        return str(caught.value)

    with RegistryServer(Options(auth=Bearer(anonymous_pull=True))) as server:
        server.store.add_blob("team/app", b"x" * 100_000)
        server.faults.add(DripAnswer(endpoints=(endpoint,), length=BLOB.size))
        said = asyncio.run(scenario(server))
        assert server.faults.hits(DripAnswer) == 2
    assert said.startswith(attempted)
    assert "; the connection was dropped" in said


def test_tries_have_a_total() -> None:
    """A registry that asks for a pause each time is not waited for all the times that a request may be tried."""

    async def scenario() -> None:
        time = FakeTime()
        begun = time.now
        client, transport = scripted_client(lambda _: httpx.Response(429, headers={"retry-after": "400"}), time=time)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_manifest(Reference.parse("r.example/app:v1"))
        assert len(transport.requests) == 3
        assert time.now - begun < TOTAL_S
        assert str(caught.value) == (
            "HEAD manifest r.example/app:v1: HTTP 429 Too Many Requests; "
            "the registry asks to come back in 400 s, at 2023-11-14 22:33:20 UTC"
        )

    asyncio.run(scenario())
