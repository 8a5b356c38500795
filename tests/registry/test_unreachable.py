"""Hosts that cannot be reached or do not answer: one cause for all that is asked of them, and no longer a wait."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from support.http_client import START, BytesOrigin, FakeTime, Reply, blob_of, read_blob, scripted_client
from support.registry_server.ca import CertificateAuthority
from support.registry_server.options import Options, Tls
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import RegistryError, UnreachableError
from transship_registry.hosts import HostSettings, Patience, TlsMode
from transship_registry.http.address import Address
from transship_registry.reference import Reference, Repository

CHECK = "check that the registry runs there, its name, the network and the proxy"
REFERENCE = Reference.parse("r.example/team/app:v1")
TAGS = [REFERENCE.repository.tag(f"v{number}") for number in range(20)]
INSECURE = "or set 'tls: insecure' in creds of {host} to trust any certificate"


async def messages(client: HttpRegistry, references: list[Reference]) -> list[str]:
    """Ask for manifests, all at once, and return how the questions ended."""
    asked = [client.head_manifest(reference) for reference in references]
    found = await asyncio.gather(*asked, return_exceptions=True)
    return [str(each) for each in found if isinstance(each, RegistryError)]


def told(settings: HostSettings) -> str:
    """Ask for tags in both ways, and return the one thing that is said."""

    async def scenario() -> set[str]:
        repository = Repository(settings.registry, "team/app")
        async with HttpRegistry({settings.registry: settings}, timing=FakeTime().timing) as client:
            said = await messages(client, [repository.tag(f"v{number}") for number in range(10)])
            with pytest.raises(UnreachableError) as caught:
                await client.list_tags(repository)
        assert len(said) == 10
        return {*said, str(caught.value)}

    (message,) = asyncio.run(scenario())
    return message.replace(settings.registry, "{host}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


def serving_tls(authority: CertificateAuthority, *names: str, expired: bool = False, mutual: bool = False) -> Options:
    pair = authority.server(*names, expired=expired, file_name=f"{'-'.join(names) or 'here'}-{expired}")
    return Options(
        tls=Tls(certificate=pair.certificate, key=pair.key, client_ca=authority.certificate if mutual else None)
    )


@pytest.fixture
def free_port() -> Iterator[str]:
    """Return the address of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_port_on_which_nobody_listens(free_port: str) -> None:
    assert told(HostSettings(registry=free_port, tls=TlsMode.DISABLED)) == (
        "connect to {host}: connection refused; check that the registry runs there, its name and its port"
    )


def test_a_certificate_of_an_unknown_authority(authority: CertificateAuthority) -> None:
    with RegistryServer(serving_tls(authority)) as server:
        message = told(HostSettings(registry=server.host))
    assert message == (
        "connect to {host}: its certificate is not trusted (unable to get local issuer certificate); "
        f"set regcert in creds of {{host}} to the certificate of its authority, {INSECURE}"
    )


def test_a_certificate_that_vouches_for_itself(tmp_path: Path) -> None:
    own = CertificateAuthority(tmp_path)
    key = tmp_path / "ca.key"
    key.write_bytes(own.key_pem)
    with RegistryServer(Options(tls=Tls(certificate=own.certificate, key=key))) as server:
        message = told(HostSettings(registry=server.host))
    assert message == (
        "connect to {host}: its certificate is not trusted (self-signed certificate); "
        f"set regcert in creds of {{host}} to the certificate of its authority, {INSECURE}"
    )


def test_a_certificate_that_has_expired(authority: CertificateAuthority) -> None:
    with RegistryServer(serving_tls(authority, expired=True)) as server:
        message = told(HostSettings(registry=server.host, ca=authority.certificate.read_text()))
    assert message == f"connect to {{host}}: its certificate has expired; have it renewed, {INSECURE}"


def test_a_certificate_for_another_name(authority: CertificateAuthority) -> None:
    with RegistryServer(serving_tls(authority, "other.example")) as server:
        message = told(HostSettings(registry=server.host, ca=authority.certificate.read_text()))
    assert message == (
        "connect to {host}: its certificate is for another name "
        "(IP address mismatch, certificate is not valid for '127.0.0.1'); "
        f"connect by a name that it is for (hostname in creds of {{host}}), {INSECURE}"
    )


@contextlib.contextmanager
def openssl(authority: CertificateAuthority, *, mutual: bool = False) -> Generator[str]:
    """Serve TLS as most programs do, with the alerts of OpenSSL, which asyncio's servers do not send."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.server(file_name="openssl")
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the listener was closed
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_registry_that_asks_for_a_client_certificate(authority: CertificateAuthority) -> None:
    with openssl(authority, mutual=True) as host:
        message = told(HostSettings(registry=host, ca=authority.certificate.read_text()))
    assert message == (
        "connect to {host}: it asks for a client certificate; set clientCert and clientKey in creds of {host}"
    )


def test_tls_spoken_to_a_port_for_plain_http() -> None:
    with RegistryServer() as server:
        message = told(HostSettings(registry=server.host))
    assert message == "connect to {host}: it does not speak TLS; for plain HTTP set 'tls: disabled' in creds of {host}"


SPEAKS_TLS = (
    "connect to {host}: it speaks TLS, not plain HTTP; "
    "remove 'tls: disabled' in creds of {host}, and its name from insecure_registries"
)


ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


def test_plain_http_spoken_to_a_port_that_closes_the_connection(authority: CertificateAuthority) -> None:
    """As OpenSSL does; then TLS is a possibility among others."""
    with openssl(authority) as host:
        message = told(HostSettings(registry=host, tls=TlsMode.DISABLED))
    assert message == (
        "connect to {host}: no answer since 22:13:20 UTC "
        "(the connection to {host} broke without a response: [Errno 104] Connection reset by peer); "
        f"{CHECK}, and whether it speaks plain HTTP ('tls: disabled' in creds of {{host}})"
    )


GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
NGINX = (
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
    b"<body>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n</body>\r\n</html>\r\n"
)


@pytest.mark.parametrize("by", ["go", "nginx", "alert"])
def test_plain_http_spoken_to_a_port_for_tls(by: str) -> None:
    """Servers in Go and nginx say so in plain HTTP, others by an alert; to a HEAD, nginx has no body to say it in."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            request = await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: %d\r\n" % len(NGINX)
            body = b"" if request.startswith(b"HEAD") else NGINX
            nginx = head + b"Connection: close\r\n\r\n" + body
            writer.write({"go": GO, "nginx": nginx, "alert": ALERT}[by])
            await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            settings = HostSettings(registry=host, tls=TlsMode.DISABLED)
            async with HttpRegistry({host: settings}, timing=FakeTime().timing) as client:
                place = Repository(host, "app")
                said = await messages(client, [place.tag(f"v{number}") for number in range(10)])
                with pytest.raises(UnreachableError) as caught:
                    await client.list_tags(place)
        assert {*said, str(caught.value)} == {SPEAKS_TLS.replace("{host}", host)}

    asyncio.run(scenario())


def test_a_registry_that_answers_400_to_a_head_is_asked_once_whether_it_speaks_tls() -> None:
    """Over plain HTTP only, and a bad request is the request's own fault then."""

    async def scenario() -> None:
        settings = HostSettings(registry="r.example", tls=TlsMode.DISABLED)
        client, transport = scripted_client(lambda _: httpx.Response(400), settings)
        async with client:
            said = await messages(client, TAGS[:2])
        assert said == [f"HEAD manifest r.example/team/app:v{number}: HTTP 400 Bad Request" for number in range(2)]
        assert transport.lines.count("GET http://r.example/v2/") == 1
        client, transport = scripted_client(lambda _: httpx.Response(400))
        async with client:
            await messages(client, TAGS[:2])
        assert len(transport.requests) == 2

    asyncio.run(scenario())


def failure(cause: BaseException) -> httpx.ConnectError:
    error = httpx.ConnectError("cannot connect to r.example:443: as it happens")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "the name is unknown; check its spelling, and the DNS of this machine",
        ),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "the name cannot be looked up (Temporary failure in name resolution); "
            "check the network, and the DNS of this machine",
        ),
        (OSError(errno.EHOSTUNREACH, "No route"), f"it cannot be reached ({os.strerror(errno.EHOSTUNREACH)}); {CHECK}"),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect call …"
            ),
            "connection refused; check that the registry runs there, its name and its port",
        ),
        (
            ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1000)"),
            "there is no TLS connection ([ssl: sslv3 alert handshake failure] sslv3 alert handshake failure "
            "( ssl.c:1000)); check tls, regcert, clientCert and clientKey in creds of r.example",
        ),
        (
            ValueError("label too long"),
            f"no answer since 22:13:20 UTC (cannot connect to r.example:443: as it happens); {CHECK}",
        ),
    ],
    ids=["unknown name", "no DNS", "no route", "several addresses", "TLS", "odd name"],
)
def test_other_causes(cause: BaseException, said: str) -> None:
    """Of which none has the name of a class."""

    async def scenario() -> None:
        client, _ = scripted_client(lambda _: failure(cause))
        async with client:
            assert set(await messages(client, TAGS)) == {f"connect to r.example:443: {said}"}

    asyncio.run(scenario())


def test_a_name_that_nobody_knows_is_looked_up_for_one_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the resolver of the machine says it."""
    asked: list[object] = []

    def unknown(*arguments: object, **_: object) -> None:
        asked.append(arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = told(HostSettings(registry="nowhere.example", concurrent_requests=1))
    assert message == "connect to {host}:443: the name is unknown; check its spelling, and the DNS of this machine"
    assert asked == ["nowhere.example"] * 5


def silent(_: httpx.Request) -> Reply:
    return httpx.ReadTimeout("r.example:443 sent nothing for 60 s; the connection was dropped")


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_a_host_is_given_up_when_a_request_has_used_up_its_tries(tries: int) -> None:
    """One more is for the root, to learn whether the request alone is at fault; all others fail at once."""

    async def scenario() -> None:
        settings = HostSettings(registry="r.example", concurrent_requests=1, patience=Patience(tries=tries))
        client, transport = scripted_client(silent, settings)
        async with client:
            said = await messages(client, [TAGS[0]])
            assert len(transport.requests) == tries + 1
            said += await messages(client, TAGS)
            with pytest.raises(UnreachableError) as caught:
                await client.upload_blob(REFERENCE.repository, blob_of(b"x"), BytesOrigin(b"x"))
            said.append(str(caught.value))
            with pytest.raises(UnreachableError) as caught:
                await read_blob(client, REFERENCE.repository, blob_of(b"x"))
            said.append(str(caught.value))
        assert set(said) == {
            "connect to r.example:443: no answer since 22:13:20 UTC "
            f"(r.example:443 sent nothing for 60 s; the connection was dropped); {CHECK}"
        }
        assert len(transport.requests) == tries + 1

    asyncio.run(scenario())


def test_many_requests_take_turns_at_a_host_that_is_silent() -> None:
    """So that they do not wait longer than one of them would."""

    async def scenario() -> None:
        time = FakeTime()
        client, transport = scripted_client(silent, time=time)
        async with client:
            assert len(await messages(client, TAGS)) == len(TAGS)
        assert len({str(request.url) for request in transport.requests}) == len(transport.requests) == 5
        assert time.now - START < 10

    asyncio.run(scenario())


def test_a_request_that_is_never_answered_does_not_hold_up_the_others() -> None:
    """Its next try comes after another request's turn, which is answered."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            return silent(request) if request.url.path.endswith("/v0") else httpx.Response(404)

        settings = HostSettings(registry="r.example", concurrent_requests=1)
        client, transport = scripted_client(answer, settings)
        async with client:
            (said,) = await messages(client, TAGS)
            assert await client.head_manifest(REFERENCE) is None
        assert said == (
            "HEAD manifest r.example/team/app:v0: no answer from https://r.example "
            f"(r.example:443 sent nothing for 60 s; the connection was dropped); {CHECK}"
        )
        assert [line.endswith("/v0") for line in transport.lines[:3]] == [True, False, False]

    asyncio.run(scenario())


def test_a_lone_request_that_is_never_answered_does_not_give_its_host_up() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            return silent(request) if request.url.path.endswith("/v1") else httpx.Response(404)

        client, _ = scripted_client(answer)
        async with client:
            (said,) = await messages(client, [REFERENCE])
            assert said.startswith("HEAD manifest r.example/team/app:v1: no answer from https://r.example (")
            assert await client.head_manifest(TAGS[0]) is None

    asyncio.run(scenario())


def test_a_turn_that_is_cancelled_goes_to_the_next_one() -> None:
    """Whoever has it, or waits for it."""

    async def scenario() -> None:
        broken = asyncio.Event()

        async def answer(request: httpx.Request) -> Reply:
            if not broken.is_set():
                return silent(request)
            if request.url.path.endswith("/v1"):
                await asyncio.Event().wait()
            return httpx.Response(404)

        client, transport = scripted_client(answer, HostSettings(registry="r.example", concurrent_requests=1))
        async with client:
            first = asyncio.create_task(client.head_manifest(REFERENCE.repository.tag("v1")))
            while not transport.requests:  # noqa: ASYNC110 - the transport tells nobody
                await asyncio.sleep(0)
            broken.set()
            others = [asyncio.create_task(client.head_manifest(tag)) for tag in TAGS[2:5]]
            while len(transport.requests) < 2:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
            first.cancel()
            others[0].cancel()
            assert await asyncio.gather(*others[1:]) == [None, None]

    asyncio.run(scenario())


def test_a_host_that_answers_others_meanwhile_is_not_given_up() -> None:
    """Then the request that fails is told of, and no other one."""

    async def scenario() -> None:
        asked = iter(range(100))

        def answer(request: httpx.Request) -> Reply:
            next(asked)
            return httpx.ReadError("reset") if request.url.path.endswith("/v1") else httpx.Response(404)

        client, _ = scripted_client(answer)
        async with client:
            others = asyncio.ensure_future(asyncio.sleep(0))

            async def ask_others() -> None:
                for tag in TAGS[2:] * 5:
                    await client.head_manifest(tag)

            async with asyncio.TaskGroup() as group:
                group.create_task(ask_others())
                said = await messages(client, [REFERENCE])
            await others
            assert await client.head_manifest(TAGS[0]) is None
        assert said == [f"HEAD manifest r.example/team/app:v1: no answer from https://r.example (reset); {CHECK}"]

    asyncio.run(scenario())


def test_a_host_that_answers_again_is_not_given_up_any_more() -> None:
    """A request that was under way is answered late, and the next ones are sent again."""

    async def scenario() -> None:
        late = asyncio.Event()

        async def answer(request: httpx.Request) -> Reply:
            if request.url.path.endswith("/late"):
                await late.wait()
                return httpx.Response(404)
            return httpx.ReadError("reset") if not late.is_set() else httpx.Response(404)

        client, transport = scripted_client(answer)
        async with client:
            waiting = asyncio.create_task(client.head_manifest(REFERENCE.repository.tag("late")))
            assert len(set(await messages(client, TAGS))) == 1
            sent = len(transport.requests)
            assert len(await messages(client, TAGS)) == len(TAGS)
            assert len(transport.requests) == sent
            late.set()
            assert await waiting is None
            assert await client.head_manifest(REFERENCE) is None

    asyncio.run(scenario())


def test_while_images_are_copied_a_host_is_given_up_only_after_a_longer_silence() -> None:
    """A registry that is restarted costs the requests of that time, and not the rest of the run."""

    async def scenario() -> None:
        time = FakeTime()
        client, transport = scripted_client(silent, time=time, outage_s=60.0)
        async with client:
            first = await messages(client, [TAGS[0]])
            time.pass_by(30)
            assert await messages(client, [TAGS[1]]) == first
            assert len(transport.requests) == 11
            time.pass_by(30)
            assert await messages(client, TAGS[2:4]) == first * 2
            sent = len(transport.requests)
            assert await messages(client, TAGS) == first * len(TAGS)
            assert len(transport.requests) == sent

    asyncio.run(scenario())


def test_a_place_that_a_registry_redirects_to_is_given_up_alone() -> None:
    """And so is a token service; the registry itself goes on being asked."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            if request.url.host == "storage.example":
                return httpx.ConnectTimeout("cannot connect to storage.example:443 within 30 s")
            if "/blobs/" in request.url.path:
                return httpx.Response(307, headers={"location": "https://storage.example/x?signature=s"})
            return httpx.Response(404)

        client, transport = scripted_client(answer)
        async with client:
            for content in (b"one", b"two"):
                with pytest.raises(UnreachableError) as caught:
                    await read_blob(client, REFERENCE.repository, blob_of(content))
                assert str(caught.value) == (
                    "connect to storage.example:443, where r.example redirects to: no answer since 22:13:20 UTC "
                    f"(cannot connect to storage.example:443 within 30 s); {CHECK}"
                )
            assert await client.head_manifest(REFERENCE) is None
        assert sum("storage.example" in line for line in transport.lines) == 5

    asyncio.run(scenario())


def test_a_registry_that_lives_elsewhere_is_named_as_references_name_it() -> None:
    async def scenario() -> None:
        client, _ = scripted_client(silent)
        async with client:
            (said,) = await messages(client, [Reference.parse("alpine:3")])
        assert said.startswith("connect to docker.io (registry-1.docker.io:443): no answer since ")

    asyncio.run(scenario())


@dataclass
class Standstill:
    """A client whose requests wait until they are let go."""

    time: FakeTime = field(default_factory=FakeTime)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def asking(self, references: list[Reference]) -> AsyncGenerator[None]:
        async def answer(_: httpx.Request) -> Reply:
            arrived.release()
            await self.go.wait()
            return httpx.Response(404)

        arrived = asyncio.Semaphore(0)
        client, _ = scripted_client(answer, time=self.time)
        async with client, asyncio.TaskGroup() as group:
            for reference in references:
                group.create_task(client.head_manifest(reference))
            for _ in references:
                await arrived.acquire()
            yield
            self.go.set()


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]


def test_after_ten_seconds_a_line_says_for_whom_it_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Once, however many requests wait, and then once a minute."""
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        still = Standstill()
        async with still.asking(TAGS[:5]):
            still.time.pass_by(9.9)
            assert notices(caplog) == []
            still.time.pass_by(0.1)
            assert notices(caplog) == ["waiting for r.example:443: no answer for 10 s"]
            still.time.pass_by(59)
            assert len(notices(caplog)) == 1
            still.time.pass_by(100)
            assert notices(caplog)[1:] == [f"waiting for r.example:443: no answer for {time} s" for time in (70, 130)]

    asyncio.run(scenario())


def test_each_host_has_its_line_and_one_that_has_answered_has_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        still = Standstill()
        async with still.asking([REFERENCE, Reference.parse("other.example/app:v1")]):
            still.time.pass_by(10)
        assert sorted(notices(caplog)) == [
            f"waiting for {host}:443: no answer for 10 s" for host in ("other.example", "r.example")
        ]
        still.time.pass_by(1000)
        assert len(notices(caplog)) == 2

    asyncio.run(scenario())


def test_a_slow_host_that_goes_on_answering_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Silence counts from its last answer."""
    caplog.set_level(logging.INFO, "transship_registry")
    time = FakeTime()
    address = Address("r.example:443", time.timing, 5, 0.0)
    with address.awaited():
        for _ in range(10):
            time.pass_by(9)
            address.note_answer()
        assert notices(caplog) == []
        time.pass_by(10)
    assert notices(caplog) == ["waiting for r.example:443: no answer for 10 s"]


def test_what_is_waited_for_is_known_at_any_time() -> None:
    """Who has sent a request and has no answer waits, and so does whoever has the next turn at a silent host."""

    async def scenario() -> None:
        time, asker = FakeTime(), object()
        address = Address("r.example:443", time.timing, 5, 0.0)
        seen = [address.awaited_s]
        with address.awaited():
            time.pass_by(7)
            seen.append(address.awaited_s)
        seen.append(address.awaited_s)
        address.note_silence(asker, address.answers)
        await address.line_up(asker)
        seen.append(address.awaited_s)
        address.note_answer()
        address.leave(asker)
        seen.append(address.awaited_s)
        assert seen == [None, 7, None, pytest.approx(7 + sum(time.sleeps)), None]
        assert sum(time.sleeps) > 0

    asyncio.run(scenario())


def test_the_hosts_that_are_waited_for_are_named_the_longest_first() -> None:
    """As their addresses are called in messages; one that has answered is not among them."""

    async def scenario() -> None:
        time, answer = FakeTime(), asyncio.Event()

        async def reply(request: httpx.Request) -> httpx.Response:
            if request.url.host != "quick.example":
                await answer.wait()
            return httpx.Response(404)

        client, _ = scripted_client(reply, time=time)
        async with client, asyncio.TaskGroup() as group:
            for name in ("a.example", "quick.example", "b.example"):
                group.create_task(client.head_manifest(Reference.parse(f"{name}/app:v1")))
                for _ in range(20):
                    await asyncio.sleep(0)
                time.pass_by(5)
            assert list(client.awaited) == [("a.example:443", 15), ("b.example:443", 5)]
            answer.set()
        assert list(client.awaited) == []

    asyncio.run(scenario())


def test_a_host_that_asks_for_a_long_pause_is_told_of_once_for_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        replies: Iterator[Reply] = iter([httpx.Response(429, headers={"retry-after": "120"}) for _ in range(2)])
        client, _ = scripted_client(lambda _: next(replies, httpx.Response(404)))
        async with client:
            assert await messages(client, TAGS[:2]) == []
        assert notices(caplog) == [
            f"waiting for r.example:443: going on in 120 s, at {until} UTC (HTTP 429 Too Many Requests)"
            for until in ("22:15:20", "22:17:20")
        ]

    asyncio.run(scenario())


def test_a_short_pause_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(503), httpx.Response(404)])
        async with client:
            assert await client.head_manifest(REFERENCE) is None
        assert notices(caplog) == []

    asyncio.run(scenario())
