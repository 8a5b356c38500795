"""Uploads: one PUT or chunks, resumed, learnt, verified before they are complete, and mounts."""

import asyncio
import random
import threading
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Unpack

import httpx
import pytest

from support.http_client import BytesOrigin, FakeTime, Given, Reply, blob_of, plain, scripted_client
from support.registry_server.faults import (
    AnswerMount,
    Deny,
    ExpireTokens,
    ExpireUploads,
    FailRequests,
    Fault,
    KeepOnlyLastPatch,
    LoseChunk,
    RefuseFinalBody,
    RefuseLargeBody,
    RefuseMethod,
    RefuseWiderScope,
    RequireFinalBody,
    ResetConnection,
    SlowResponses,
)
from support.registry_server.options import Basic, Bearer, LocationStyle, Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.api.upload import CHUNK
from transship_registry.digest import Digest
from transship_registry.errors import AuthenticationError, ContentError, NotFoundError, RateLimitedError, RegistryError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository
from transship_registry.secret import Secret

MIB = 1024 * 1024
CONTENT = random.Random(11).randbytes(5 * MIB + 123)
BLOB = blob_of(CONTENT)
SMALL = blob_of(b"content")
REPOSITORY = Repository.parse("r.example/team/app")
CREDENTIAL = Credential(user="ann", password=Secret("secret"))
UPLOADS = "/v2/team/app/blobs/uploads/"


def run(
    scenario: Callable[[HttpRegistry, Repository], Awaitable[None]],
    server: RegistryServer,
    *,
    time: FakeTime | None = None,
    chunk_max: int = 0,
    **settings: Unpack[Given],
) -> None:
    timing = (time or FakeTime()).timing

    async def connected() -> None:
        hosts = {server.host: plain(server, **settings)}
        async with HttpRegistry(hosts, timing=timing, chunk_max=chunk_max) as client:
            await scenario(client, Repository.parse(f"{server.host}/team/app"))

    asyncio.run(connected())


async def send(client: HttpRegistry, repository: Repository) -> None:
    await client.upload_blob(repository, BLOB, BytesOrigin(CONTENT))


def stored(server: RegistryServer, blob: Descriptor = BLOB) -> bool:
    return str(blob.digest) in server.store.blobs("team/app")


def mount_queries(server: RegistryServer) -> list[str]:
    return [each.query for each in server.requests.select("POST", UPLOADS)]


def methods(server: RegistryServer) -> list[str]:
    return [each.method for each in server.requests if each.path.startswith("/v2/")]


@pytest.mark.parametrize("style", list(LocationStyle))
def test_a_blob_is_sent_in_one_put(style: LocationStyle) -> None:
    """One POST and one PUT of announced length; the state in the location's query is kept."""
    with RegistryServer(Options(location_style=style)) as server:
        run(send, server)
        assert stored(server)
        assert methods(server) == ["POST", "PUT"]
        post, put = server.requests
        assert post.line == f"POST {UPLOADS}?mount={BLOB.digest}"
        assert put.headers["content-length"] == str(BLOB.size)
        assert put.headers["content-type"] == "application/octet-stream"
        assert "content-range" not in put.headers
        assert put.query.startswith("_state=")
        assert put.query.endswith(f"&digest={BLOB.digest}")
        assert server.open_uploads == 0


@pytest.mark.parametrize("content", [b"", b"x"])
@pytest.mark.parametrize("blob_max", [-1, 1])
def test_the_smallest_blobs_are_sent(content: bytes, blob_max: int) -> None:
    blob = blob_of(content)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, blob, BytesOrigin(content))

    with RegistryServer() as server:
        run(scenario, server, blob_max=blob_max)
        assert stored(server, blob)


def test_a_blob_with_a_sha512_digest_is_sent() -> None:
    blob = blob_of(CONTENT, "sha512")

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, blob, BytesOrigin(CONTENT))

    with RegistryServer() as server:
        run(scenario, server)
        assert stored(server, blob)


@pytest.mark.parametrize("style", list(LocationStyle))
def test_a_blob_above_the_limit_is_sent_in_chunks(style: LocationStyle) -> None:
    """Each chunk says where it begins and ends, and goes to the location that the last answer named."""
    with RegistryServer(Options(location_style=style)) as server:
        run(send, server, blob_max=2 * MIB, blob_chunk=2 * MIB)
        assert stored(server)
        assert methods(server) == ["POST", "PATCH", "PATCH", "PATCH", "PUT"]
        patches = server.requests.select("PATCH")
        assert [each.headers["content-range"] for each in patches] == [
            f"0-{2 * MIB - 1}",
            f"{2 * MIB}-{4 * MIB - 1}",
            f"{4 * MIB}-{BLOB.size - 1}",
        ]
        assert [each.headers["content-length"] for each in patches] == [str(2 * MIB), str(2 * MIB), str(MIB + 123)]
        assert len({each.query for each in server.requests}) == 5
        assert server.requests.select("PUT")[0].headers["content-length"] == "0"


def test_a_blob_at_the_limit_is_sent_in_one_put() -> None:
    with RegistryServer() as server:
        run(send, server, blob_max=BLOB.size)
        assert methods(server) == ["POST", "PUT"]


def test_the_registry_may_ask_for_larger_chunks() -> None:
    with RegistryServer(Options(chunk_min_length=4 * MIB)) as server:
        run(send, server, blob_max=MIB, blob_chunk=MIB)
        assert stored(server)
        assert [each.headers["content-length"] for each in server.requests.select("PATCH")] == [
            str(4 * MIB),
            str(MIB + 123),
        ]


def test_a_registry_may_not_ask_for_chunks_above_the_limit() -> None:
    """B14.10: `blobLimit` bounds what it may ask for; here the rest is its last, shorter chunk."""
    with RegistryServer(Options(chunk_min_length=5 * MIB)) as server:
        run(send, server, blob_max=MIB, blob_chunk=MIB, chunk_max=3 * MIB)
        assert stored(server)
        assert server.requests.select("PATCH")[0].headers["content-length"] == str(3 * MIB)


def test_chunks_have_a_size_of_their_own_without_settings() -> None:
    content = bytes(CHUNK + 1)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, blob_of(content), BytesOrigin(content))

    with RegistryServer() as server:
        run(scenario, server, blob_max=1)
        assert [each.headers["content-length"] for each in server.requests.select("PATCH")] == [str(CHUNK), "1"]


def test_a_body_that_is_too_large_is_sent_in_chunks_and_the_next_one_at_once() -> None:
    """413 is learnt: the next blob of that size is not offered in one PUT again, a smaller one is."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        for number in range(2):
            content = bytes([number]) * (5 * MIB)
            await client.upload_blob(repository, blob_of(content), BytesOrigin(content))
        await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    with RegistryServer(faults=(RefuseLargeBody(limit=3 * MIB),)) as server:
        run(scenario, server, blob_chunk=3 * MIB)
        assert methods(server) == [
            *("POST", "PUT", "DELETE", "POST", "PATCH", "PATCH", "PUT"),
            *("POST", "PATCH", "PATCH", "PUT"),
            *("POST", "PUT"),
        ]
        assert server.open_uploads == 0


def test_chunks_that_are_too_large_are_halved() -> None:
    with RegistryServer(faults=(RefuseLargeBody(limit=2 * MIB),)) as server:
        run(send, server, blob_max=1, blob_chunk=5 * MIB)
        assert stored(server)
        assert (
            max(int(each.headers["content-length"]) for each in server.requests.select("PATCH", status=202)) <= 2 * MIB
        )


def test_a_registry_that_takes_nothing_large_is_an_error() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await send(client, repository)
        assert caught.value.status == 413

    with RegistryServer(faults=(RefuseLargeBody(limit=1000),)) as server:
        run(scenario, server)
        assert server.open_uploads == 0


@pytest.mark.parametrize(
    ("faults", "settings"),
    [
        ((RefuseFinalBody(),), Given()),
        ((RefuseMethod(),), Given(blob_max=1)),
        ((RequireFinalBody(),), Given(blob_max=1)),
        ((KeepOnlyLastPatch(),), Given(blob_max=1)),
        ((RequireFinalBody(), RefuseLargeBody(limit=2 * MIB)), Given()),
    ],
)
def test_another_way_is_found_when_one_is_refused(faults: tuple[Fault, ...], settings: Given) -> None:
    """Registries that insist on PATCH, that take none, that want a final body, that keep only the last chunk."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await send(client, repository)
        server.requests.clear()
        second = CONTENT[::-1]
        await client.upload_blob(repository, blob_of(second), BytesOrigin(second))

    with RegistryServer(faults=faults) as server:
        run(scenario, server, **(settings | Given(blob_chunk=2 * MIB)))
        assert stored(server)
        assert server.open_uploads == 0
        assert server.requests.count("DELETE") == 0, "what was refused once is not tried again"


def test_when_all_ways_are_refused_the_last_refusal_is_the_error() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await send(client, repository)
        assert str(caught.value).startswith(f"PATCH upload {repository}@{BLOB.digest}: HTTP 405 UNSUPPORTED: ")

    with RegistryServer(faults=(RefuseFinalBody(), RefuseMethod())) as server:
        run(scenario, server)
        assert server.open_uploads == 0


@pytest.mark.parametrize(
    ("fault", "patches"),
    [
        (LoseChunk(times=1, keep=MIB), 4),
        (LoseChunk(times=1, keep=0), 4),
        (LoseChunk(times=1, keep=MIB, with_range=False), 4),
        (FailRequests(methods=("PATCH",), status=503, times=1), 4),
        (FailRequests(methods=("PATCH",), status=429, retry_after_s=3, times=1, skip=1), 4),
        (ResetConnection(methods=("PATCH",), times=1, skip=1), 4),
        (ResetConnection(methods=("PATCH",), after_work=True, times=1, skip=1), 3),
        (ExpireUploads(methods=("PATCH",), times=1, skip=1), 5),
        (FailRequests(methods=("PUT",), status=500, times=1), 3),
        (ExpireUploads(methods=("PUT",), times=1), 6),
    ],
)
def test_chunks_go_on_where_the_registry_says_it_is(fault: Fault, patches: int) -> None:
    """Nothing is assumed of what was sent: the registry is asked, and the origin opened again at that byte."""
    with RegistryServer(faults=(fault,)) as server:
        run(send, server, blob_max=1, blob_chunk=2 * MIB)
        assert stored(server)
        assert server.faults.hits(type(fault)) == 1
        assert server.requests.count("PATCH") == patches
        assert server.open_uploads == 0


def test_a_resumed_upload_reads_a_verified_origin_from_that_byte_on() -> None:
    """An origin that does not verify its bytes is read, and hashed, from the start."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, BLOB, trusted)
        other = CONTENT[::-1]
        untrusted.content = other
        await client.upload_blob(repository, blob_of(other), untrusted)

    trusted, untrusted = BytesOrigin(CONTENT, verified=True), BytesOrigin(b"")
    fault = LoseChunk(times=1, keep=MIB)
    with RegistryServer(faults=(fault, replace(fault, skip=5))) as server:
        run(scenario, server, blob_max=1, blob_chunk=2 * MIB)
        assert trusted.opened == [0, MIB]
        assert untrusted.opened[0] == 0
        assert set(untrusted.opened) == {0}


@pytest.mark.parametrize(
    "fault",
    [
        FailRequests(methods=("PUT",), status=502, times=2),
        FailRequests(methods=("PUT",), status=429, retry_after_s=1, times=1),
        FailRequests(methods=("POST",), status=503, times=2),
        ResetConnection(methods=("PUT",), times=1),
        ResetConnection(methods=("PUT",), times=1, reset=True),
        ResetConnection(methods=("POST",), times=1),
        ExpireUploads(methods=("PUT",), times=1),
    ],
)
def test_a_small_blob_is_sent_again(fault: Fault) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    with RegistryServer(faults=(fault,)) as server:
        run(scenario, server)
        assert stored(server, SMALL)
        assert server.requests.count("PATCH") == 0


def test_a_large_blob_whose_put_broke_off_is_sent_in_chunks() -> None:
    """Chunks keep what has arrived; another single PUT might break off at the same place."""
    with RegistryServer(faults=(ResetConnection(methods=("PUT",), times=1),)) as server:
        run(send, server, blob_chunk=2 * MIB)
        assert stored(server)
        assert methods(server) == ["POST", "PUT", "HEAD", "DELETE", "POST", "PATCH", "PATCH", "PATCH", "PUT"]


def test_a_blob_that_arrived_although_the_answer_was_lost_is_not_sent_again() -> None:
    with RegistryServer(faults=(ResetConnection(methods=("PUT",), times=1, after_work=True),)) as server:
        run(send, server)
        assert stored(server)
        assert methods(server) == ["POST", "PUT", "HEAD"]


def test_an_upload_that_keeps_failing_is_given_up_and_cancelled() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))
        assert str(caught.value) == (
            f"PUT upload {repository}@{SMALL.digest}: HTTP 500 UNKNOWN: switched on by a test; "
            "the registry is failing: try again later"
        )

    with RegistryServer(faults=(FailRequests(methods=("PUT",), status=500),)) as server:
        run(scenario, server)
        assert server.requests.count("PUT") == 5
        assert server.open_uploads == 0


def test_a_quota_that_is_used_up_is_not_waited_for() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RateLimitedError, match="the registry asks to come back in 9000 s"):
            await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    with RegistryServer(faults=(FailRequests(methods=("PUT",), status=429, retry_after_s=9000),)) as server:
        run(scenario, server)
        assert server.requests.count("PUT") == 1
        assert server.open_uploads == 0


def test_who_may_not_push_is_told_so_at_once() -> None:
    """Once it is clear that not only the mount is denied."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(AuthenticationError) as caught:
            await send(client, repository)
        assert str(caught.value).startswith(
            f"POST upload {repository}@{BLOB.digest}: HTTP 403 DENIED: permission_denied: create_package; "
        )

    with RegistryServer(faults=(Deny(),)) as server:
        run(scenario, server)
        assert methods(server) == ["POST", "POST"]


def test_a_put_that_is_denied_is_not_tried_in_other_ways() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(AuthenticationError, match="HTTP 403 DENIED"):
            await send(client, repository)

    with RegistryServer(faults=(Deny(methods=("PUT",)),)) as server:
        run(scenario, server)
        assert methods(server) == ["POST", "PUT", "DELETE"]
        assert server.open_uploads == 0


def test_an_unknown_repository_that_is_not_created_is_not_found() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(NotFoundError, match="NAME_UNKNOWN"):
            await send(client, repository)

    with RegistryServer(Options(create_repositories=False)) as server:
        run(scenario, server)


@pytest.mark.parametrize("settings", [Given(), Given(blob_max=1, blob_chunk=2 * MIB)])
@pytest.mark.parametrize(
    "auth", [Basic(users={"ann": "secret"}), Bearer(users={"ann": "secret"}), Bearer(users={"ann": "secret"}, uses=2)]
)
def test_an_upload_logs_in(settings: Given, auth: Basic | Bearer) -> None:
    """Also with tokens that are good for two requests only, so that chunks are refused with 401 in between."""
    with RegistryServer(Options(auth=auth)) as server:
        run(send, server, time=FakeTime(tick=6), **(settings | Given(credential=CREDENTIAL)))
        assert stored(server)


def test_a_token_that_expires_between_chunks_is_renewed() -> None:
    with RegistryServer(Options(auth=Bearer(users={"ann": "secret"})), faults=(ExpireTokens(),)) as server:
        run(send, server, time=FakeTime(tick=6), credential=CREDENTIAL, blob_max=1, blob_chunk=2 * MIB)
        assert stored(server)
        assert server.requests.count("PATCH", status=202) == 3
        assert server.requests.count("PATCH", status=401) == 2


class WrongOrigin(BytesOrigin):
    """An origin that breaks off with an error of its own."""

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        """Stream half of the bytes."""
        yield self._broken()

    async def _broken(self) -> AsyncIterator[bytes | memoryview]:
        yield self.content[: len(self.content) // 2]
        raise RegistryError("GET blob", "source.example/a", "the source has gone")


WRONG: list[tuple[BytesOrigin, str]] = [
    (BytesOrigin(CONTENT[:-1] + b"?"), f"the {BLOB.size} bytes hash to sha256:"),
    (BytesOrigin(b"?" + CONTENT[1:]), f"the {BLOB.size} bytes hash to sha256:"),
    (BytesOrigin(CONTENT[:-1]), f"its descriptor says {BLOB.size} bytes, but only {BLOB.size - 1} came"),
    (BytesOrigin(CONTENT + b"!"), f"its descriptor says {BLOB.size} bytes, but more came"),
    (BytesOrigin(b""), f"its descriptor says {BLOB.size} bytes, but only 0 came"),
]


@pytest.mark.parametrize(("origin", "problem"), WRONG)
@pytest.mark.parametrize("settings", [Given(), Given(blob_max=1, blob_chunk=2 * MIB)])
def test_wrong_bytes_never_complete_an_upload(origin: BytesOrigin, problem: str, settings: Given) -> None:
    """The registry, which here would believe any digest, never gets the last byte, and the session is cancelled."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(ContentError) as caught:
            await client.upload_blob(repository, BLOB, origin)
        assert str(caught.value).startswith(f"upload of blob {repository}@{BLOB.digest}: {problem}")

    with RegistryServer(Options(verify_uploads=False)) as server:
        run(scenario, server, **settings)
        assert not server.store.has_repository("team/app") or not stored(server)
        assert server.open_uploads == 0
        assert sum(each.received for each in server.requests) < BLOB.size
        assert server.requests.count("POST") == 1


def test_a_verified_origin_that_ends_early_is_noticed_all_the_same() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(ContentError) as caught:
            await client.upload_blob(repository, BLOB, BytesOrigin(CONTENT[:-9], verified=True))
        assert str(caught.value) == f"upload of blob {repository}@{BLOB.digest}: the origin ended 9 bytes too early"

    with RegistryServer() as server:
        run(scenario, server)
        assert server.open_uploads == 0


@pytest.mark.parametrize("settings", [Given(), Given(blob_max=1, blob_chunk=2 * MIB)])
def test_the_errors_of_the_source_are_passed_on_as_they_are(settings: Given) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await client.upload_blob(repository, BLOB, WrongOrigin(CONTENT))
        assert str(caught.value) == "GET blob source.example/a: the source has gone"

    with RegistryServer() as server:
        run(scenario, server, **settings)
        assert server.open_uploads == 0


def test_an_error_of_the_source_is_found_behind_a_transport_that_wraps_it() -> None:
    async def scenario() -> None:
        async def wrapping(request: httpx.Request) -> Reply:
            return httpx.Response(202, headers={"location": "/u"})

        client, transport = scripted_client(wrapping)
        handle = transport.handle_async_request

        async def wrap(request: httpx.Request) -> httpx.Response:
            try:
                return await handle(request)
            except RegistryError as error:
                raise httpx.WriteError("the body failed") from error

        transport.handle_async_request = wrap  # type: ignore[method-assign]  # as another transport would
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.upload_blob(REPOSITORY, BLOB, WrongOrigin(CONTENT))
        assert str(caught.value) == "GET blob source.example/a: the source has gone"

    asyncio.run(scenario())


def test_a_blob_goes_from_registry_to_registry_through_one_slot_each() -> None:
    """Even when both are the same host, which allows a single request at a time."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")

        class Origin:
            @asynccontextmanager
            async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
                async with client.get_blob(source, BLOB) as pieces:
                    yield pieces

        async with asyncio.timeout(600), asyncio.TaskGroup() as group:
            for name in "abc":
                target = Repository(repository.registry, f"target/{name}")
                group.create_task(client.upload_blob(target, BLOB, Origin()))

    with RegistryServer() as server:
        server.store.add_blob("source/app", CONTENT)
        run(scenario, server, concurrent_requests=1)
        assert {f"target/{name}" for name in "abc"} <= set(server.store.repositories())
        assert server.requests.in_flight_max <= 3


@pytest.mark.parametrize(
    ("responses", "problem"),
    [
        ([httpx.Response(202)], "HTTP 202 without a Location to upload to"),
        (
            [httpx.Response(202, headers={"location": "http://other.example/u?token=t"})],
            "its Location is not used: it leads from https to http://other.example/u, which is not encrypted",
        ),
    ],
)
def test_a_session_without_a_usable_location_is_an_error(responses: list[Reply], problem: str) -> None:
    async def scenario() -> None:
        client, _ = scripted_client(responses * 2)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))
        assert str(caught.value) == f"POST upload r.example/team/app@{SMALL.digest}: {problem}"

    asyncio.run(scenario())


def test_an_upload_elsewhere_gets_no_credentials() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            if request.url.host == "r.example" and "authorization" not in request.headers:
                return httpx.Response(401, headers={"www-authenticate": 'Basic realm="r"'})
            if request.method == "POST":
                return httpx.Response(202, headers={"location": "https://up.example/1"})
            return httpx.Response(201)

        settings = replace(_settings(), credential=CREDENTIAL)
        client, transport = scripted_client(answer, settings)
        async with client:
            await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))
        assert [("authorization" in each.headers, each.url.host) for each in transport.requests][-1] == (
            False,
            "up.example",
        )
        assert transport.bodies[-1] == b"content"

    asyncio.run(scenario())


def _settings() -> HostSettings:
    return HostSettings(registry="r.example")


def test_a_registry_that_stored_something_else_is_an_error() -> None:
    async def scenario() -> None:
        client, _ = scripted_client(
            [
                httpx.Response(202, headers={"location": "/u"}),
                httpx.Response(201, headers={"docker-content-digest": f"sha256:{'0' * 64}"}),
                httpx.Response(204),
            ]
        )
        async with client:
            with pytest.raises(ContentError) as caught:
                await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))
        assert str(caught.value) == (
            f"PUT upload r.example/team/app@{SMALL.digest}: the registry stored sha256:{'0' * 64} instead"
        )

    asyncio.run(scenario())


def test_a_registry_that_says_it_has_more_than_was_sent_is_started_anew() -> None:
    async def scenario() -> None:
        ranges = iter(["0-99", "0-99", "0-6"])

        def answer(request: httpx.Request) -> Reply:
            if request.method in {"PATCH", "GET"}:
                return httpx.Response(202, headers={"range": next(ranges)})
            return httpx.Response({"POST": 202, "PUT": 201, "DELETE": 204}[request.method], headers={"location": "/u"})

        client, transport = scripted_client(answer, replace(_settings(), blob_max=1))
        async with client:
            await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))
        assert [each.method for each in transport.requests] == [
            "POST", "PATCH", "GET", "DELETE", "POST", "PATCH", "PUT",
        ]  # fmt: skip

    asyncio.run(scenario())


def test_a_blob_of_another_repository_is_mounted() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")
        assert await client.mount_blob(repository, BLOB, source) is True

    with RegistryServer(Options(auth=Bearer(users={"ann": "secret"}))) as server:
        server.store.add_blob("source/app", CONTENT)
        run(scenario, server, credential=CREDENTIAL)
        assert stored(server)
        [post] = server.requests.select("POST", status=201)
        assert post.query == f"mount={BLOB.digest}&from=source/app"
        [token] = server.requests.select("GET", "/token")
        assert "scope=repository%3Asource%2Fapp%3Apull&" in token.query
        assert "scope=repository%3Ateam%2Fapp%3Apull%2Cpush&" in token.query


REFUSALS = [307, 400, 401, 402, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429, 500, 501, 502, 503, 507]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("auth", [None, Bearer(users={"ann": "secret"})])
def test_a_mount_that_is_refused_leaves_a_plain_upload(status: int, auth: Bearer | None) -> None:
    """Whatever the refusal, with a source or without one; a 401 comes without any challenge."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")
        assert await client.mount_blob(repository, BLOB, source) is False
        await send(client, repository)

    options = Options(auth=auth) if auth else Options()
    with RegistryServer(options, faults=(AnswerMount(status=status),)) as server:
        run(scenario, server, credential=CREDENTIAL)
        assert stored(server)
        tries = 2 if status in {429, 500, 502, 503, 507} else 1
        assert mount_queries(server)[-2 * tries - 1 :] == [
            *[f"mount={BLOB.digest}&from=source/app"] * tries,
            *[f"mount={BLOB.digest}"] * tries,
            "",
        ]
        assert server.open_uploads == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_mount_from_a_repository_that_may_not_be_read_leaves_a_plain_upload(status: int) -> None:
    """The token service leaves the source's scope out of the token, and the registry refuses the mount for that."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.mount_blob(repository, BLOB, Repository(repository.registry, "source/app")) is False
        await send(client, repository)

    grants = {"ann": {"team/*": frozenset({"pull", "push"})}}
    auth = Bearer(users={"ann": "secret"}, grants=grants, insufficient_scope_status=status)
    with RegistryServer(Options(auth=auth)) as server:
        server.store.add_blob("source/app", CONTENT)
        run(scenario, server, credential=CREDENTIAL)
        assert stored(server)
        assert server.open_uploads == 0


@pytest.mark.parametrize("location", ["", "ftp://r.example/uploads/1"])
def test_a_session_instead_of_a_mount_that_leads_nowhere_leaves_a_plain_upload(location: str) -> None:
    """A 202 without a usable `Location` is as good as a refusal, with a source or without one."""
    session = httpx.Response(202, headers={"Location": "/v2/team/app/blobs/uploads/1"})
    nowhere = httpx.Response(202, headers={"Location": location} if location else {})

    def answers() -> list[Reply]:
        return [nowhere, nowhere, session, httpx.Response(201)]

    async def scenario() -> None:
        client, transport = scripted_client(answers())
        async with client:
            assert await client.mount_blob(REPOSITORY, SMALL, Repository.parse("r.example/source")) is False
            await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))
        place = "https://r.example/v2/team/app/blobs/uploads/"
        assert transport.lines == [
            f"POST {place}?mount={SMALL.digest}&from=source",
            f"POST {place}?mount={SMALL.digest}",
            f"POST {place}",
            f"PUT {place}1?digest={SMALL.digest}",
        ]

    asyncio.run(scenario())


def test_a_token_that_is_refused_for_two_repositories_leaves_a_plain_upload() -> None:
    """The upload asks for the scope of the target alone."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.mount_blob(repository, BLOB, Repository(repository.registry, "source/app")) is False
        await send(client, repository)

    options = Options(auth=Bearer(users={"ann": "secret"}))
    with RegistryServer(options, faults=(RefuseWiderScope(),)) as server:
        run(scenario, server, credential=CREDENTIAL)
        assert stored(server)
        assert server.faults.hits(RefuseWiderScope) > 0


def test_the_session_that_came_instead_of_a_mount_is_used() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")
        assert await client.mount_blob(repository, BLOB, source) is False
        await send(client, repository)

    with RegistryServer(Options(mounts=False)) as server:
        run(scenario, server)
        assert stored(server)
        assert methods(server) == ["POST", "PUT"]
        assert server.open_uploads == 0


def test_a_session_that_nobody_used_is_cancelled_in_the_end() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")
        for _ in range(2):
            assert await client.mount_blob(repository, BLOB, source) is False
        assert server.open_uploads == 1

    with RegistryServer(Options(mounts=False)) as server:
        run(scenario, server)
        assert methods(server) == ["POST", "POST", "DELETE", "DELETE"]
        assert server.open_uploads == 0


def test_another_registry_cannot_be_mounted_from() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.mount_blob(repository, BLOB, Repository.parse("other.example/a")) is False

    with RegistryServer() as server:
        run(scenario, server)
        assert len(server.requests) == 0


def test_a_registry_that_fails_at_everything_is_not_asked_for_mounts_for_long() -> None:
    """Twice for each kind of mount, and as often as for anything else for the upload, whose error it is."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.mount_blob(repository, BLOB, Repository(repository.registry, "source/app")) is False
        with pytest.raises(RegistryError) as caught:
            await send(client, repository)
        assert (caught.value.attempted, caught.value.status) == ("POST upload", 500)

    with RegistryServer(faults=(FailRequests(status=500),)) as server:
        run(scenario, server)
        assert server.requests.count("POST") == 2 + 2 + 5


def test_a_registry_that_nobody_reaches_is_an_error_even_for_a_mount() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await client.mount_blob(repository, BLOB, Repository(repository.registry, "source/app"))
        assert caught.value.status is None

    with RegistryServer(faults=(ResetConnection(),)) as server:
        run(scenario, server)


def test_a_blob_that_the_registry_has_elsewhere_is_not_sent() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await send(client, repository)

    with RegistryServer(Options(anonymous_mount=True)) as server:
        server.store.add_blob("source/app", CONTENT)
        run(scenario, server)
        assert stored(server)
        assert methods(server) == ["POST"]


def test_a_mount_without_source_is_believed_only_once() -> None:
    """A registry that says it has the blob, and refuses the manifest that needs it, gets the bytes the second time."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await send(client, repository)
        assert not server.store.has_repository("team/app") or not stored(server)
        await send(client, repository)

    with RegistryServer(faults=(AnswerMount(status=201),)) as server:
        run(scenario, server)
        assert stored(server)
        assert [each.query for each in server.requests.select("POST")] == [f"mount={BLOB.digest}", ""]


def test_a_registry_that_knows_no_mount_without_source_is_asked_once() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await send(client, repository)
        await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    with RegistryServer(faults=(AnswerMount(status=400),)) as server:
        run(scenario, server)
        assert stored(server)
        assert stored(server, SMALL)
        assert [each.query for each in server.requests.select("POST")] == [f"mount={BLOB.digest}", "", ""]


def test_a_registry_that_failed_at_a_mount_without_source_is_asked_again() -> None:
    """It may be well again: unlike a refusal, that says nothing about what it can do."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await send(client, repository)
        await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    with RegistryServer(faults=(AnswerMount(status=503, times=2),)) as server:
        run(scenario, server)
        queries = [f"mount={BLOB.digest}", f"mount={BLOB.digest}", "", f"mount={SMALL.digest}"]
        assert mount_queries(server) == queries


def test_a_prefix_belongs_to_the_repository_that_is_mounted_from() -> None:
    async def scenario() -> None:
        client, transport = scripted_client([httpx.Response(201)], replace(_settings(), path_prefix="/hub/"))
        async with client:
            assert await client.mount_blob(REPOSITORY, SMALL, Repository.parse("r.example/source"))
        assert transport.lines == [
            f"POST https://r.example/v2/hub/team/app/blobs/uploads/?mount={SMALL.digest}&from=hub/source"
        ]

    asyncio.run(scenario())


def test_memory_is_flat_in_the_size_of_an_upload() -> None:
    size = 64 * MIB

    class Zeros:
        verified = False

        @asynccontextmanager
        async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
            yield self._pieces((size - offset) // MIB)

        async def _pieces(self, count: int) -> AsyncIterator[bytes | memoryview]:
            for _ in range(count):
                yield bytes(MIB)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        digest = Digest.of(bytes(size))
        blob = Descriptor(media_type="application/octet-stream", digest=digest, size=size)
        tracemalloc.start()
        await client.upload_blob(repository, blob, Zeros())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * MIB

    with RegistryServer(Options(discard_blobs=True)) as server:
        run(scenario, server, blob_max=1)
        assert server.requests.count("PATCH") == 4


@pytest.mark.parametrize("mounts", [True, False], ids=["a mount", "an upload"])
def test_a_session_that_opens_when_nobody_waits_for_it_any_more_is_cancelled(*, mounts: bool) -> None:
    """A run may be interrupted after it has asked for one, and before it knows its address."""
    arrived, interrupted = threading.Event(), threading.Event()

    def go_on() -> bool:
        arrived.set()
        return interrupted.is_set()

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        source = Repository(repository.registry, "source/app")
        work = client.mount_blob(repository, BLOB, source) if mounts else send(client, repository)
        opening = asyncio.ensure_future(work)
        await asyncio.to_thread(arrived.wait)
        opening.cancel()
        await asyncio.wait([opening])
        interrupted.set()

    slow = SlowResponses(seconds=600, methods=("POST",), released=go_on)
    with RegistryServer(Options(mounts=False), faults=(slow,)) as server:
        run(scenario, server)
        assert methods(server) == ["POST", "DELETE"]
        assert server.open_uploads == 0


def test_a_cancelled_upload_leaves_the_slot_free() -> None:
    """If not at once: the registry has a moment to say which session it has opened."""

    async def scenario() -> None:
        started = asyncio.Event()

        async def answer(request: httpx.Request) -> Reply:
            if request.method == "POST" and not started.is_set():
                started.set()
                await asyncio.Event().wait()
            return httpx.Response(202 if request.method == "POST" else 201, headers={"location": "/u"})

        client, _ = scripted_client(answer, replace(_settings(), concurrent_requests=1))
        async with client, asyncio.timeout(600):
            stuck = asyncio.create_task(client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content")))
            await started.wait()
            stuck.cancel()
            await asyncio.wait([stuck])
            await client.upload_blob(REPOSITORY, SMALL, BytesOrigin(b"content"))

    asyncio.run(scenario())


def test_a_blob_of_which_nobody_knows_whether_it_arrived_is_sent_again() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.upload_blob(repository, SMALL, BytesOrigin(b"content"))

    lost = ResetConnection(methods=("PUT",), times=1, after_work=True)
    with RegistryServer(faults=(lost, FailRequests(methods=("HEAD", "GET"), status=403))) as server:
        run(scenario, server)
        assert methods(server) == ["POST", "PUT", "HEAD", "GET", "DELETE", "POST", "PUT"]
