"""One request: its headers, retries, redirects, limits and errors."""

import asyncio
import logging
import ssl

import httpx
import pytest

from support import images
from support.http_client import WALL, FakeTime, PiecesBody, Scripted, blob_of, plain, read_blob, scripted_client
from support.registry_server.faults import (
    ExtraHeaders,
    FailRequests,
    PullQuota,
    RefuseConcurrency,
    ResetConnection,
    RetryAfter,
)
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, RateLimitedError, RegistryError
from transship_registry.hosts import Credential, HostSettings, Patience, TlsMode
from transship_registry.http.transport import TransportSettings
from transship_registry.mediatypes import ACCEPT, OCI_MANIFEST
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret

REFERENCE = Reference.parse("r.example/team/app:v1")
BLOB = blob_of(b"content")
RAW = b'{"schemaVersion":2,"config":{"mediaType":"c","digest":"%s","size":2}}' % str(Digest.of(b"{}")).encode()
HEAD_HEADERS = {
    "content-type": OCI_MANIFEST,
    "docker-content-digest": str(Digest.of(RAW)),
    "content-length": str(len(RAW)),
}


def credential() -> Credential:
    return Credential(user="ann", password=Secret("secret"))


def head_ok() -> httpx.Response:
    return httpx.Response(200, headers=HEAD_HEADERS)


def test_a_manifest_request_says_who_asks_and_what_is_accepted() -> None:
    """Accept goes with HEAD as well, and compression is declined, since digests are of the bytes as stored."""

    async def scenario() -> None:
        client, transport = scripted_client([head_ok()])
        async with client:
            await client.head_manifest(REFERENCE)
        [request] = transport.requests
        assert transport.lines == ["HEAD https://r.example/v2/team/app/manifests/v1"]
        assert request.headers["accept"] == ACCEPT
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["user-agent"] == "transship"
        assert "authorization" not in request.headers
        assert transport.closed

    asyncio.run(scenario())


def test_the_settings_say_where_a_registry_is() -> None:
    async def scenario() -> None:
        settings = HostSettings(
            registry="r.example", hostname="inside.example:5000", tls=TlsMode.DISABLED, path_prefix="/proxy/hub/"
        )
        client, transport = scripted_client([head_ok()], settings)
        async with client:
            await client.head_manifest(REFERENCE)
        assert transport.lines == ["HEAD http://inside.example:5000/v2/proxy/hub/team/app/manifests/v1"]

    asyncio.run(scenario())


def test_docker_hub_has_its_own_host() -> None:
    async def scenario() -> None:
        client, transport = scripted_client([head_ok()])
        async with client:
            await client.head_manifest(Reference.parse("alpine:3"))
        assert transport.lines == ["HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3"]

    asyncio.run(scenario())


def test_a_failing_registry_is_tried_five_times_with_growing_pauses() -> None:
    async def scenario() -> None:
        time = FakeTime()
        client, transport = scripted_client([httpx.Response(500) for _ in range(5)], time=time)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_manifest(REFERENCE)
        assert str(caught.value) == (
            "HEAD manifest r.example/team/app:v1: HTTP 500 Internal Server Error; "
            "the registry is failing: try again later"
        )
        assert len(transport.requests) == 5
        assert time.sleeps == [0.1, 0.2, 0.4, 0.8]
        assert client.requests == {("r.example", "HEAD manifest"): 5}

    asyncio.run(scenario())


@pytest.mark.parametrize("tries", [1, 2, 7])
def test_a_registry_is_tried_as_often_as_its_settings_say(tries: int) -> None:
    """Also by what is larger than a request: a download that breaks off again and again."""

    async def scenario() -> None:
        settings = HostSettings(registry="r.example", patience=Patience(tries=tries))
        client, transport = scripted_client(lambda _: httpx.Response(503), settings)
        async with client:
            with pytest.raises(RegistryError):
                await client.head_manifest(REFERENCE)
            assert len(transport.requests) == tries
            transport.requests.clear()
            transport.answers = lambda _: httpx.Response(200, stream=PiecesBody([b"con"], httpx.ReadError("reset")))
            with pytest.raises(RegistryError):
                await read_blob(client, REFERENCE.repository, blob_of(b"content"))
            assert len(transport.requests) == tries

    asyncio.run(scenario())


def test_the_timeouts_of_a_registry_are_its_own_or_those_of_the_client() -> None:
    """A registry without settings, and places outside of registries, have the client's."""

    async def scenario() -> None:
        opened: list[TransportSettings] = []

        def factory(settings: TransportSettings) -> httpx.AsyncBaseTransport:
            opened.append(settings)
            return Scripted(lambda _: httpx.Response(404))

        own = HostSettings(registry="r.example", patience=Patience(connect_timeout_s=1, stall_timeout_s=2, tries=3))
        all_others = Patience(connect_timeout_s=4, stall_timeout_s=5, tries=6)
        async with HttpRegistry({"r.example": own}, transport_factory=factory, patience=all_others) as client:
            await client.head_manifest(REFERENCE)
            await client.head_manifest(Reference.parse("other.example/app:v1"))
            with pytest.raises(RegistryError):
                await client.get_cycles("https://eol.example", "alpine")
        assert [(each.connect_timeout_s, each.stall_timeout_s) for each in opened] == [(1, 2), (4, 5), (4, 5)]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_overcome(status: int) -> None:
    async def scenario() -> None:
        client, transport = scripted_client([httpx.Response(status), head_ok()])
        async with client:
            assert await client.head_manifest(REFERENCE) is not None
        assert len(transport.requests) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [400, 402, 403, 406, 409, 418])
def test_a_refusal_is_an_error_at_once_and_never_absence(status: int) -> None:
    async def scenario() -> None:
        client, transport = scripted_client([httpx.Response(status)])
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_manifest(REFERENCE)
        assert caught.value.status == status
        assert len(transport.requests) == 1

    asyncio.run(scenario())


def test_a_lost_connection_is_tried_again_and_named_in_the_end() -> None:
    async def scenario() -> None:
        lost = [httpx.ReadError("connection reset"), httpx.ConnectTimeout("too slow"), httpx.ConnectError("refused")]
        client, _ = scripted_client([*lost, *[httpx.RemoteProtocolError("GOAWAY")] * 3])
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_manifest(REFERENCE)
        assert str(caught.value) == (
            "connect to r.example:443: no answer since 22:13:20 UTC (GOAWAY); "
            "check that the registry runs there, its name, the network and the proxy"
        )

    asyncio.run(scenario())


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    async def scenario() -> None:
        error = httpx.ConnectError("certificate verify failed")
        error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
        client, transport = scripted_client([error])
        async with client:
            with pytest.raises(RegistryError, match=r"r\.example:443: its certificate is not trusted"):
                await client.head_manifest(REFERENCE)
        assert len(transport.requests) == 1

    asyncio.run(scenario())


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    """Both a connection that is lost within the body and a body shorter than announced are worth another try."""

    async def scenario() -> None:
        headers = {"content-type": OCI_MANIFEST}
        broken = httpx.Response(200, headers=headers, stream=PiecesBody([RAW[:10]], httpx.ReadError("reset")))
        short_headers = {**headers, "content-length": str(len(RAW))}
        short = httpx.Response(200, headers=short_headers, stream=PiecesBody([RAW[:10]]))
        whole = httpx.Response(200, headers=short_headers, stream=PiecesBody([RAW]))
        client, transport = scripted_client([broken, short, whole])
        async with client:
            assert (await client.get_manifest(REFERENCE)).raw == RAW
        assert len(transport.requests) == 3

    asyncio.run(scenario())


def test_an_answer_beyond_the_limit_is_not_read_to_its_end() -> None:
    async def scenario() -> None:
        body = PiecesBody([b" " * 1024 * 1024] * 20)
        client, transport = scripted_client([httpx.Response(200, headers={"content-type": OCI_MANIFEST}, stream=body)])
        async with client:
            with pytest.raises(ContentError) as caught:
                await client.get_manifest(REFERENCE)
        assert str(caught.value) == (
            "GET manifest r.example/team/app:v1: the answer has more than the 8388608 bytes allowed"
        )
        assert body.closed
        assert len(transport.requests) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("style", list(RetryAfter))
def test_the_registry_decides_how_long_to_stay_away(style: RetryAfter) -> None:
    time = FakeTime(chance=0.0)

    async def scenario(server: RegistryServer) -> None:
        settings = plain(server)
        async with HttpRegistry({server.host: settings}, timing=time.timing) as client:
            assert await client.head_manifest(Reference.parse(f"{server.host}/team/app:v1")) is not None

    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", images.single())
        server.faults.add(FailRequests(status=429, retry_after_s=30, retry_after=style, times=1))
        if style is RetryAfter.HTTP_DATE:
            # The server's dates are those of its own clock.
            time.now += server.options.clock() - WALL
        asyncio.run(scenario(server))
        assert len(time.sleeps) in {1, 2}
        assert sum(time.sleeps) == pytest.approx(30, abs=2)


def test_a_registry_that_asks_for_too_much_is_not_waited_for() -> None:
    """The error says when to come back, and other requests to the host are not held up."""

    async def scenario() -> None:
        time = FakeTime()
        limited = httpx.Response(
            429,
            headers={"retry-after": "7200", "content-type": "application/json"},
            json={"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit"}]},
        )
        client, transport = scripted_client([limited, head_ok()], time=time)
        async with client:
            with pytest.raises(RateLimitedError) as caught:
                await client.get_manifest(REFERENCE)
            assert await client.head_manifest(REFERENCE) is not None
        assert str(caught.value) == (
            "GET manifest r.example/team/app:v1: HTTP 429 TOOMANYREQUESTS: You have reached your pull rate limit; "
            "the registry asks to come back in 7200 s, at 2023-11-15 00:13:20 UTC"
        )
        assert time.sleeps == []
        assert len(transport.requests) == 2

    asyncio.run(scenario())


def test_one_protest_pauses_the_whole_host_and_no_other() -> None:
    async def scenario() -> None:
        time = FakeTime(chance=0.0)
        limited = httpx.Response(429, headers={"retry-after": "20"})
        moments: list[tuple[str, float]] = []

        def answer(request: httpx.Request) -> httpx.Response:
            moments.append((request.url.host, time.now))
            return limited if len(moments) == 1 else head_ok()

        client, _ = scripted_client(answer, time=time)
        start = time.now
        async with client:
            await client.head_manifest(REFERENCE)
            await client.head_manifest(Reference.parse("other.example/x:y"))
            assert moments == [("r.example", start), ("r.example", start + 20), ("other.example", start + 20)]

    asyncio.run(scenario())


def test_concurrent_requests_stay_below_what_the_registry_bears() -> None:
    """A registry that protests above three requests at once gets all of them answered in the end."""

    async def scenario(server: RegistryServer) -> None:
        settings = plain(server, concurrent_requests=16)
        time = FakeTime()
        async with HttpRegistry({server.host: settings}, timing=time.timing) as client:
            references = [Reference.parse(f"{server.host}/team/app:v{number}") for number in range(60)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(client.head_manifest(reference)) for reference in references]
        assert all(task.result() is not None for task in tasks)

    with RegistryServer() as server:
        image = images.single()
        for number in range(60):
            server.store.add_image("team/app", f"v{number}", image)
        server.faults.add(RefuseConcurrency(limit=3))
        asyncio.run(scenario(server))
        assert server.faults.hits(RefuseConcurrency) > 0


def test_no_more_requests_are_in_flight_than_the_settings_allow() -> None:
    async def scenario(server: RegistryServer) -> None:
        async with HttpRegistry({server.host: plain(server, concurrent_requests=3)}) as client:
            repository = Repository.parse(f"{server.host}/team/app")
            async with asyncio.TaskGroup() as group:
                for number in range(30):
                    group.create_task(client.head_manifest(repository.tag(f"v{number}")))

    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", images.single())
        asyncio.run(scenario(server))
        assert server.requests.in_flight_max <= 3
        assert len(server.requests) == 30


def test_a_slot_is_held_until_the_body_has_been_read() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            return head_ok() if request.method == "HEAD" else httpx.Response(200, stream=PiecesBody([b"content"]))

        client, _ = scripted_client(answer, HostSettings(registry="r.example", concurrent_requests=1))
        async with client:
            async with client.get_blob(REFERENCE.repository, BLOB):
                waiting = asyncio.create_task(client.head_manifest(REFERENCE))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not waiting.done()
            assert await waiting is not None

    asyncio.run(scenario())


def test_storage_elsewhere_never_sees_the_credentials() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "r.example" and "authorization" not in request.headers:
                return httpx.Response(401, headers={"www-authenticate": 'Basic realm="r"'})
            if request.url.host == "r.example":
                return httpx.Response(307, headers={"location": "https://s3.example/x?sig=a%2Fb"})
            return httpx.Response(200, stream=PiecesBody([b"content"]))

        client, transport = scripted_client(answer, HostSettings(registry="r.example", credential=credential()))
        async with client:
            assert await read_blob(client, REFERENCE.repository, BLOB) == b"content"
        assert [(str(one.url.host), "authorization" in one.headers) for one in transport.requests] == [
            ("r.example", False),
            ("r.example", True),
            ("s3.example", False),
        ]
        assert client.requests == {("r.example", "GET blob"): 2, ("r.example", "follow redirect"): 1}
        assert str(transport.requests[-1].url) == "https://s3.example/x?sig=a%2Fb"

    asyncio.run(scenario())


def test_a_redirect_within_the_registry_keeps_the_credentials() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if "authorization" not in request.headers:
                return httpx.Response(401, headers={"www-authenticate": 'Basic realm="r"'})
            if request.url.path.startswith("/v2/"):
                return httpx.Response(302, headers={"location": "/storage/1"})
            return httpx.Response(200, stream=PiecesBody([b"content"]))

        client, _ = scripted_client(answer, HostSettings(registry="r.example", credential=credential()))
        async with client:
            assert await read_blob(client, REFERENCE.repository, BLOB) == b"content"

    asyncio.run(scenario())


def test_a_challenge_from_elsewhere_is_not_answered() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "r.example":
                return httpx.Response(307, headers={"location": "https://evil.example/x?sig=s"})
            return httpx.Response(401, headers={"www-authenticate": 'Basic realm="give"'})

        client, transport = scripted_client(answer, HostSettings(registry="r.example", credential=credential()))
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REFERENCE.repository, BLOB)
        assert caught.value.reference == f"r.example/team/app@{BLOB.digest} at https://evil.example/x"
        assert all("authorization" not in request.headers for request in transport.requests)

    asyncio.run(scenario())


def test_redirects_end_after_ten() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(307, headers={"location": f"{request.url.path}x"})

        client, transport = scripted_client(answer)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REFERENCE.repository, BLOB)
        assert str(caught.value) == (f"GET blob r.example/team/app@{BLOB.digest}: it redirects more than 10 times")
        assert len(transport.requests) == 11

    asyncio.run(scenario())


def test_a_redirect_to_an_unencrypted_place_is_not_followed() -> None:
    async def scenario() -> None:
        body = PiecesBody([b"moved"])
        client, transport = scripted_client(
            [httpx.Response(307, headers={"location": "http://s3.example/x?sig=1"}, stream=body)]
        )
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REFERENCE.repository, BLOB)
        assert str(caught.value) == (
            f"GET blob r.example/team/app@{BLOB.digest}: HTTP 307, a redirect that is not followed: "
            "it leads from https to http://s3.example/x, which is not encrypted"
        )
        assert len(transport.requests) == 1
        assert body.closed

    asyncio.run(scenario())


def test_a_write_is_not_redirected() -> None:
    async def scenario() -> None:
        client, transport = scripted_client([httpx.Response(307, headers={"location": "https://other.example/"})])
        async with client:
            with pytest.raises(RegistryError, match="HTTP 307 Temporary Redirect"):
                await client.delete_tag(REFERENCE)
        assert len(transport.requests) == 1

    asyncio.run(scenario())


def test_a_presigned_url_that_was_refused_is_asked_for_again_at_the_registry() -> None:
    """Storage that fails for a moment is not asked again by itself: its URL may have expired."""

    async def scenario() -> None:
        client, transport = scripted_client(
            [
                httpx.Response(307, headers={"location": "https://s3.example/1"}),
                httpx.Response(503),
                httpx.Response(307, headers={"location": "https://s3.example/2"}),
                httpx.Response(200, stream=PiecesBody([b"content"])),
            ]
        )
        async with client:
            assert await read_blob(client, REFERENCE.repository, BLOB) == b"content"
        assert [str(request.url.host) for request in transport.requests] == [
            "r.example", "s3.example", "r.example", "s3.example",
        ]  # fmt: skip

    asyncio.run(scenario())


def test_quota_and_warnings_are_kept_for_those_who_ask() -> None:
    async def scenario(server: RegistryServer) -> None:
        async with HttpRegistry({server.host: plain(server)}) as client:
            assert client.rate_limit(server.host) is None
            reference = Reference.parse(f"{server.host}/team/app:v1")
            await client.head_manifest(reference)
            assert client.rate_limit(server.host) == Quota(100, 100, 21600, "192.0.2.1")
            await client.get_manifest(reference)
            assert client.rate_limit(server.host) == Quota(100, 99, 21600, "192.0.2.1")
            assert [(one.registry, one.text) for one in client.warnings] == [
                (server.host, "this registry will be retired")
            ]

    with RegistryServer(faults=(PullQuota(), ExtraHeaders())) as server:
        server.store.add_image("team/app", "v1", images.single())
        asyncio.run(scenario(server))


def test_connections_that_are_reset_cost_only_another_try() -> None:
    async def scenario(server: RegistryServer) -> None:
        async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
            assert await client.head_manifest(Reference.parse(f"{server.host}/team/app:v1")) is not None

    with RegistryServer(faults=(ResetConnection(times=2, reset=True),)) as server:
        server.store.add_image("team/app", "v1", images.single())
        asyncio.run(scenario(server))
        assert server.faults.hits(ResetConnection) == 2


def test_requests_and_retries_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each request with its status, and why there is another."""

    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(502), head_ok()])
        async with client:
            await client.head_manifest(REFERENCE)

    with caplog.at_level(logging.DEBUG, "transship_registry"):
        asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == [
        "HEAD https://r.example/v2/team/app/manifests/v1: 502",
        "attempt 1 of 5, again in 0.1 s: HEAD manifest r.example/team/app:v1: HTTP 502 Bad Gateway; "
        "the registry is failing: try again later",
        "HEAD https://r.example/v2/team/app/manifests/v1: 200",
    ]


def test_queries_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The query of a presigned URL is a secret."""

    async def scenario() -> None:
        elsewhere = httpx.Response(307, headers={"location": "https://storage.example/blob?signature=secret"})
        client, _ = scripted_client([elsewhere, httpx.Response(200, content=b"content")])
        async with client:
            assert await read_blob(client, REFERENCE.repository, BLOB) == b"content"

    with caplog.at_level(logging.DEBUG, "transship_registry"):
        asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == [
        f"GET https://r.example/v2/team/app/blobs/{BLOB.digest}: 307",
        "GET https://storage.example/blob: 200",
    ]


def test_one_failing_registry_does_not_slow_another_one_down() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "r.example":
                await gate.wait()
            return head_ok()

        client, _ = scripted_client(answer)
        async with client, asyncio.TaskGroup() as group:
            stuck = [group.create_task(client.head_manifest(REFERENCE)) for _ in range(20)]
            assert await client.head_manifest(Reference.parse("other.example/x:y")) is not None
            assert not any(task.done() for task in stuck)
            gate.set()

    asyncio.run(scenario())
