"""Logging in as part of a request: one handshake for many, tokens in advance, and whose credentials are used."""

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Unpack

import httpx
import pytest

from support import images
from support.http_client import BytesOrigin, FakeTime, Given, PiecesBody, blob_of, plain, scripted_client
from support.registry_server.faults import FailRequests
from support.registry_server.options import Basic, Bearer, Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import AuthenticationError, RateLimitedError, RegistryError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.manifest import Manifest
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret

ANN = Credential(user="ann", password=Secret("secret"))
IMAGE = images.single()


def run(
    scenario: Callable[[HttpRegistry, Repository], Awaitable[None]],
    server: RegistryServer,
    time: FakeTime,
    **settings: Unpack[Given],
) -> None:
    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server, **settings)}, timing=time.timing) as client:
            await scenario(client, Repository.parse(f"{server.host}/team/app"))

    asyncio.run(connected())


def served(auth: Basic | Bearer) -> RegistryServer:
    server = RegistryServer(Options(auth=auth))
    for name in ("team/app", "team/other"):
        for tag in ("v1", "v2"):
            server.store.add_image(name, tag, IMAGE)
    return server


async def head_everything(client: HttpRegistry, repository: Repository) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.head_manifest(repository.tag(tag))) for tag in ("v1", "v2") * 10]
    assert all(task.result() is not None for task in tasks)


def test_many_requests_at_once_need_one_token() -> None:
    with served(Bearer(users={"ann": "secret"})) as server:
        run(head_everything, server, FakeTime(), credential=ANN)
        assert server.requests.count(path="^/token") == 1


def test_once_the_token_service_is_known_a_token_is_fetched_in_advance() -> None:
    """So each further repository costs one request for a token, and none that is answered 401."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.head_manifest(repository.tag("v1"))
        server.requests.clear()
        await client.head_manifest(Repository(repository.registry, "team/other").tag("v1"))

    with served(Bearer(users={"ann": "secret"})) as server:
        run(scenario, server, FakeTime(), credential=ANN)
        assert [each.status for each in server.requests] == [200, 200]


def test_a_password_is_sent_in_advance_once_it_was_asked_for() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        for _ in range(3):
            await client.head_manifest(repository.tag("v1"))

    with served(Basic(users={"ann": "secret"})) as server:
        run(scenario, server, FakeTime(), credential=ANN)
        assert [each.status for each in server.requests] == [401, 200, 200, 200]


def test_a_token_that_has_expired_is_renewed() -> None:
    time = FakeTime()

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.head_manifest(repository.tag("v1"))
        time.now += 400
        server.advance(400)
        assert await client.head_manifest(repository.tag("v1")) is not None

    with served(Bearer(users={"ann": "secret"})) as server:
        run(scenario, server, time, credential=ANN)
        assert server.requests.count(status=401) == 1
        assert server.requests.count(path="^/token") == 2


def test_a_token_that_was_revoked_is_replaced_on_the_next_401() -> None:
    time = FakeTime()

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.head_manifest(repository.tag("v1"))
        time.now += 10
        server.revoke_tokens()
        assert await client.head_manifest(repository.tag("v1")) is not None

    with served(Bearer(users={"ann": "secret"})) as server:
        run(scenario, server, time, credential=ANN)
        assert server.requests.count(path="^/token") == 2


@pytest.mark.parametrize("uses", [1, 2, 7, 20])
def test_no_request_fails_because_others_used_its_token_up(uses: int) -> None:
    """Eight at once, for three kinds of scopes: each 401 is answered with a token that was obtained after it."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        other = Repository(repository.registry, "team/other")
        async with asyncio.TaskGroup() as group:
            for number in range(80):
                group.create_task(client.head_manifest((repository, other)[number % 2].tag("v1")))
            for number in range(20):
                blob = blob_of(b"%d" % number)
                group.create_task(client.upload_blob(repository, blob, BytesOrigin(b"%d" % number)))
        server.store.assert_complete()
        assert len(server.store.blobs("team/app")) == stored + 20

    with served(Bearer(users={"ann": "secret"}, uses=uses)) as server:
        stored = len(server.store.blobs("team/app"))
        run(scenario, server, FakeTime(), credential=ANN)
        assert server.requests.count(status=401, path="^/v2/") > 0


@pytest.mark.parametrize("concurrent", [1, 2])
def test_uploads_and_the_tokens_that_they_wait_for_do_not_wait_in_a_circle(concurrent: int) -> None:
    """An upload holds its slot while it waits for a token, and who fetches that needs a slot, too."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for number in range(12):
                blob = blob_of(b"%d" % number)
                group.create_task(client.upload_blob(repository, blob, BytesOrigin(b"%d" % number)))
                manifest = Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test")
                group.create_task(client.put_manifest(repository.tag(f"new{number}"), manifest))

    with served(Bearer(users={"ann": "secret"}, uses=1)) as server:
        run(scenario, server, FakeTime(), credential=ANN, concurrent_requests=concurrent)
        assert len(server.store.tags("team/app")) == 2 + 12


def test_a_large_upload_gets_past_tokens_that_are_good_for_one_request_each() -> None:
    """Also when each of its chunks is refused, and others take the tokens that are renewed."""
    content = bytes(300_000)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.upload_blob(repository, blob_of(content), BytesOrigin(content)))
            for _ in range(40):
                group.create_task(client.head_manifest(repository.tag("v1")))

    with served(Bearer(users={"ann": "secret"}, uses=1)) as server:
        run(scenario, server, FakeTime(), credential=ANN, blob_chunk=100_000, blob_max=100_000)
        assert server.requests.count("PATCH", status=401) >= 3
        assert server.store.get_blob("team/app", str(blob_of(content).digest)) is not None


def test_a_token_that_is_refused_whenever_it_is_new_ends_the_request() -> None:
    """After one more token, and not in a circle."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "auth.example":
                return httpx.Response(200, json={"token": "t"})
            return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://auth.example/",service="r"'})

        client, transport = scripted_client(answer)
        async with client:
            for _ in range(2):
                with pytest.raises(AuthenticationError):
                    await client.head_manifest(Reference.parse("r.example/a:b"))
        hosts = [request.url.host for request in transport.requests]
        assert hosts == ["r.example", "auth.example"] * 2 + ["r.example"] + ["r.example", "auth.example", "r.example"]

    asyncio.run(scenario())


def test_a_registry_that_changes_what_it_asks_for_is_followed_and_not_for_ever() -> None:
    """From a password to a token and back; one that always asks for the other is an error."""

    async def scenario() -> None:
        bearer, basic = 'Bearer realm="https://auth.example/",service="r"', 'Basic realm="r"'
        asked = iter([basic, bearer, "", basic, "", *[bearer, basic] * 2])

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "auth.example":
                return httpx.Response(200, json={"token": "t"})
            challenge = next(asked)
            return httpx.Response(401, headers={"www-authenticate": challenge}) if challenge else httpx.Response(404)

        client, transport = scripted_client(answer, HostSettings(registry="r.example", credential=ANN))
        async with client:
            for _ in range(2):
                assert await client.head_manifest(Reference.parse("r.example/a:b")) is None
            with pytest.raises(AuthenticationError):
                await client.head_manifest(Reference.parse("r.example/a:b"))
        asking = [request for request in transport.requests if request.url.host == "r.example"]
        sent = [request.headers.get("authorization", "nothing").split()[0] for request in asking]
        assert sent == ["nothing", "Basic", "Bearer", "Bearer", "Basic", "Basic", "Bearer", "Basic"]

    asyncio.run(scenario())


@pytest.mark.parametrize("auth", [Basic(users={"ann": "other"}), Bearer(users={"ann": "other"})])
def test_a_wrong_password_is_an_error_that_says_where_it_came_from(auth: Basic | Bearer) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(AuthenticationError) as caught:
            await client.head_manifest(repository.tag("v1"))
        assert caught.value.advice == "the credential is from the configuration: correct it there"
        assert "secret" not in str(caught.value)

    with served(auth) as server:
        run(scenario, server, FakeTime(), credential=ANN)
        assert len(server.requests) <= 3


def test_without_a_credential_the_error_says_how_to_give_one() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(AuthenticationError, match="no credential for this registry was found"):
            await client.head_manifest(repository.tag("v1"))

    with served(Basic(users={"ann": "secret"})) as server:
        run(scenario, server, FakeTime())


@pytest.mark.parametrize("status", [429, 503])
def test_a_token_service_that_fails_for_a_moment_is_asked_again(status: int) -> None:
    time = FakeTime()

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.head_manifest(repository.tag("v1")) is not None

    with served(Bearer(users={"ann": "secret"})) as server:
        server.faults.add(FailRequests(endpoints=(Endpoint.TOKEN,), status=status, times=2))
        run(scenario, server, time, credential=ANN)
        assert time.sleeps == [0.1, 0.2]


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(429, "TOOMANYREQUESTS", RateLimitedError), (503, "UNKNOWN", RegistryError)]
)
def test_a_token_service_that_keeps_failing_is_an_error(status: int, code: str, kind: type[RegistryError]) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await client.head_manifest(repository.tag("v1"))
        assert type(caught.value) is kind
        assert str(caught.value).startswith(
            f"GET token from {server.url}/token for {repository}:v1: HTTP {status} {code}: switched on by a test; "
        )

    with served(Bearer(users={"ann": "secret"})) as server:
        server.faults.add(FailRequests(endpoints=(Endpoint.TOKEN,), status=status))
        run(scenario, server, FakeTime(), credential=ANN)


def test_a_token_service_that_cannot_be_reached_is_named_without_its_query() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response | httpx.TransportError:
            if request.url.host == "auth.example":
                return httpx.ConnectError("refused")
            challenge = 'Bearer realm="https://auth.example/token?tenant=t",service="r"'
            return httpx.Response(401, headers={"www-authenticate": challenge})

        client, _ = scripted_client(answer)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_manifest(Reference.parse("r.example/a:b"))
        assert str(caught.value) == (
            "connect to auth.example:443, the token service of r.example: no answer since 22:13:20 UTC (refused); "
            "check that the registry runs there, its name, the network and the proxy"
        )

    asyncio.run(scenario())


def test_requests_for_tokens_count_among_those_in_flight() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("team/app", "team/other"):
                group.create_task(client.head_manifest(Repository(repository.registry, name).tag("v1")))

    with served(Bearer(users={"ann": "secret"})) as server:
        run(scenario, server, FakeTime(), credential=ANN, concurrent_requests=1)
        assert server.requests.in_flight_max == 1


@dataclass(frozen=True)
class Found:
    """What the credential sources found."""

    credential: Credential | None
    source: str


@dataclass
class Sources:
    """Credentials by repository path; counts the questions."""

    by_path: dict[str, Credential]
    asked: Counter[tuple[str, str]]

    async def credential_for(self, registry: str, repository_path: str) -> Found:
        """Return the credential of the path."""
        self.asked[registry, repository_path] += 1
        return Found(self.by_path.get(repository_path), f"test of {repository_path}")


def _basic(request: httpx.Request) -> httpx.Response:
    if "authorization" not in request.headers:
        return httpx.Response(401, headers={"www-authenticate": 'Basic realm="r"'})
    return httpx.Response(404)


def test_each_repository_uses_the_credential_that_was_found_for_it() -> None:
    async def scenario() -> None:
        bob = Credential(user="bob", password=Secret("other"))
        sources = Sources({"hub/a": ANN, "hub/b": bob}, Counter())
        settings = HostSettings(registry="r.example", path_prefix="hub")
        client, transport = scripted_client(_basic, settings, credentials=sources)
        async with client:
            for name in "abab":
                await client.head_manifest(Reference.parse(f"r.example/{name}:t"))
        sent = [request.headers.get("authorization") for request in transport.requests]
        assert len(set(sent)) == 3
        assert sent == [None, sent[1], None, sent[3], sent[1], sent[3]]
        assert sources.asked.keys() == {("r.example", "hub/a"), ("r.example", "hub/b")}

    asyncio.run(scenario())


def test_a_credential_that_changes_is_used_from_then_on() -> None:
    """A helper's answer expires after an hour, and may be another one then."""

    async def scenario() -> None:
        sources = Sources({"a": ANN}, Counter())
        client, transport = scripted_client(_basic, credentials=sources)
        async with client:
            reference = Reference.parse("r.example/a:t")
            await client.head_manifest(reference)
            sources.by_path["a"] = Credential(user="ann", password=Secret("rotated"))
            await client.head_manifest(reference)
        sent = [request.headers.get("authorization") for request in transport.requests]
        assert len(sent) == 3
        assert len(set(sent)) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("repo_auth", [False, True])
def test_logins_are_per_repository_where_the_settings_say_so(*, repo_auth: bool) -> None:
    async def scenario() -> None:
        settings = HostSettings(registry="r.example", repo_auth=repo_auth, credential=ANN)
        client, transport = scripted_client(_basic, settings)
        async with client:
            for name in "ab":
                await client.head_manifest(Reference.parse(f"r.example/{name}:t"))
        assert len(transport.requests) == (4 if repo_auth else 3)

    asyncio.run(scenario())


@pytest.mark.parametrize("really", [True, False])
def test_a_token_that_comes_compressed_unasked_is_read(*, really: bool) -> None:
    """Also when the answer only says that it is compressed."""

    async def scenario() -> None:
        document = b'{"token": "t1"}'

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "auth.example":
                body = PiecesBody([gzip.compress(document) if really else document])
                return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=body)
            if request.headers.get("authorization") == "Bearer t1":
                return httpx.Response(404)
            return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://auth.example/",service="r"'})

        client, _ = scripted_client(answer)
        async with client:
            assert await client.head_manifest(Reference.parse("r.example/a:b")) is None

    asyncio.run(scenario())
