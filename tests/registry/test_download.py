"""Downloads: verified to the last byte, resumed where they break off, never retried when they are wrong."""

import asyncio
import base64
import hashlib
import random
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Unpack

import httpx
import msgspec
import pytest

from support.http_client import FakeTime, Given, PiecesBody, Reply, blob_of, plain, read_blob, scripted_client
from support.registry_server.faults import (
    CorruptBody,
    FailRequests,
    Fault,
    HeadUnsupported,
    IgnoreRange,
    RedirectBlobs,
    ResetConnection,
    StallBody,
    TruncateBody,
    WrongContentLength,
)
from support.registry_server.options import Basic, Bearer, Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.api.download import PROGRESS
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, NotFoundError, RegistryError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository
from transship_registry.secret import Secret

CONTENT = random.Random(7).randbytes(3_000_000)
BLOB = blob_of(CONTENT)
SMALL = blob_of(b"content")
REPOSITORY = Repository.parse("r.example/team/app")
WHERE = f"blob r.example/team/app@{SMALL.digest}"


def run(
    scenario: Callable[[HttpRegistry, Repository], Awaitable[None]], server: RegistryServer, **settings: Unpack[Given]
) -> None:
    async def connected() -> None:
        def quick(transport: TransportSettings) -> httpx.AsyncBaseTransport:
            return open_transport(replace(transport, stall_timeout_s=0.3))

        client = HttpRegistry(
            {server.host: plain(server, **settings)}, timing=FakeTime().timing, transport_factory=quick
        )
        async with client:
            await scenario(client, Repository.parse(f"{server.host}/team/app"))

    asyncio.run(connected())


def served(*faults: Fault, options: Options | None = None) -> RegistryServer:
    server = RegistryServer(options, faults=faults)
    server.store.add_blob("team/app", CONTENT)
    return server


async def whole(client: HttpRegistry, repository: Repository) -> None:
    assert await read_blob(client, repository, BLOB) == CONTENT


def test_a_blob_arrives_in_large_pieces() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        async with client.get_blob(repository, BLOB) as pieces:
            sizes = [len(piece) async for piece in pieces]
        assert sum(sizes) == len(CONTENT)
        assert min(sizes[:-1]) >= 256 * 1024

    with served() as server:
        run(scenario, server)
        assert server.requests.lines == [f"GET /v2/team/app/blobs/{BLOB.digest}"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_registered_algorithm_is_verified(algorithm: str) -> None:
    async def scenario() -> None:
        blob = blob_of(b"content", algorithm)
        client, _ = scripted_client([httpx.Response(200, stream=PiecesBody([b"content"]))])
        async with client:
            assert await read_blob(client, REPOSITORY, blob) == b"content"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (TruncateBody(after=1_000_000, times=1), 2),
        (TruncateBody(after=0, times=2), 3),
        (TruncateBody(after=PROGRESS, times=2), 3),
        (StallBody(seconds=30, after=700_000, times=1), 2),
        (ResetConnection(methods=("GET",), times=1, reset=True), 2),
    ],
)
def test_a_download_goes_on_where_it_broke_off(fault: Fault, requests: int) -> None:
    with served(fault) as server:
        run(whole, server)
        asked = [each.headers.get("range", "") for each in server.requests]
        assert len(asked) == requests
        received = sum(each.sent for each in server.requests)
        assert received <= len(CONTENT) + 1_000_000


def test_another_range_than_was_asked_for_is_an_answer_of_its_status() -> None:
    async def scenario() -> None:
        answer = httpx.Response(206, headers={"content-range": "bytes 5-6/7"}, stream=PiecesBody([b"nt"]))
        client, _ = scripted_client([httpx.Response(200, stream=PiecesBody([b"con"])), answer])
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert caught.value.status == 206

    asyncio.run(scenario())


def test_the_rest_is_asked_for_by_its_first_byte() -> None:
    with served(TruncateBody(after=1_000_000, times=1)) as server:
        run(whole, server)
        assert [each.headers.get("range") for each in server.requests] == [None, "bytes=1000000-"]
        assert server.requests.count(status=206) == 1


def test_a_server_that_ignores_the_range_is_read_again_from_the_start() -> None:
    with served(TruncateBody(after=1_000_000, times=1), IgnoreRange()) as server:
        run(whole, server)
        assert [each.status for each in server.requests] == [200, 200]


def test_a_download_is_resumed_at_the_registry_and_not_at_its_storage() -> None:
    """A presigned URL that was good once may have expired, so the registry is asked for another one."""
    with served(RedirectBlobs(uses=1), TruncateBody(after=1_000_000, times=1)) as server:
        run(whole, server)
        assert server.requests.count("GET", "/blobs/", status=307) == 2
        assert all("authorization" not in each.headers for each in server.requests)


def test_a_download_may_break_off_often_while_it_gets_on() -> None:
    """Each mebibyte of progress makes an interruption count as the first again."""

    async def scenario() -> None:
        content = bytes(20 * PROGRESS)
        asked: list[str] = []

        def answer(request: httpx.Request) -> Reply:
            asked.append(request.headers.get("range", ""))
            start = int(asked[-1].removeprefix("bytes=").removesuffix("-") or 0)
            headers = {"content-range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            body = PiecesBody([content[:PROGRESS]], httpx.ReadError("reset"))
            return httpx.Response(206 if start else 200, headers=headers if start else {}, stream=body)

        time = FakeTime()
        client, _ = scripted_client(answer, time=time)
        async with client:
            assert await read_blob(client, REPOSITORY, blob_of(content)) == content
        assert asked[:3] == ["", f"bytes={PROGRESS}-", f"bytes={2 * PROGRESS}-"]
        assert len(asked) == 20
        assert time.sleeps == [0.1] * 19
        assert PROGRESS == 1 << 20

    asyncio.run(scenario())


def test_progress_that_was_made_once_does_not_count_again() -> None:
    """A download that stands still after a mebibyte is given up like any other."""

    async def scenario() -> None:
        content = bytes(2 * PROGRESS)

        def answer(request: httpx.Request) -> Reply:
            if "range" not in request.headers:
                return httpx.Response(200, stream=PiecesBody([content[:PROGRESS]], httpx.ReadError("reset")))
            headers = {"content-range": f"bytes {PROGRESS}-{2 * PROGRESS - 1}/{2 * PROGRESS}"}
            return httpx.Response(206, headers=headers, stream=PiecesBody([], httpx.ReadError("reset")))

        client, transport = scripted_client(answer)
        async with client:
            with pytest.raises(RegistryError, match="broke off"):
                await read_blob(client, REPOSITORY, blob_of(content))
        assert len(transport.requests) == 5

    asyncio.run(scenario())


def test_a_download_that_does_not_get_on_is_given_up() -> None:
    async def scenario() -> None:
        time = FakeTime()

        def answer(request: httpx.Request) -> Reply:
            start = 3 if "range" in request.headers else 0
            headers = {"content-range": "bytes 3-6/7"} if start else {}
            body = PiecesBody([] if start else [b"con"], httpx.ReadError("connection reset"))
            return httpx.Response(206 if start else 200, headers=headers, stream=body)

        client, transport = scripted_client(answer, time=time)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert str(caught.value) == (
            f"GET {WHERE}: the answer from https://r.example broke off (connection reset); "
            "check that the registry runs there, its name, the network and the proxy"
        )
        assert len(transport.requests) == 5
        assert time.sleeps == [0.1, 0.2, 0.4, 0.8]

    asyncio.run(scenario())


def test_a_body_that_ends_too_early_without_an_error_says_how_far_it_came() -> None:
    """No length was announced, so that nothing else tells."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            if "range" in request.headers:
                return httpx.Response(206, headers={"content-range": "bytes 3-6/7"}, stream=PiecesBody([]))
            return httpx.Response(200, stream=PiecesBody([b"con"]))

        client, transport = scripted_client(answer)
        async with client:
            with pytest.raises(RegistryError) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert str(caught.value) == (
            f"GET {WHERE}: the answer from https://r.example broke off (the body ended after 3 of 7 bytes); "
            "check that the registry runs there, its name, the network and the proxy"
        )
        assert len(transport.requests) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize("times", [1, None])
def test_a_wrong_byte_is_an_error_and_not_tried_again(times: int | None) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(ContentError) as caught:
            await read_blob(client, repository, BLOB)
        assert str(caught.value).startswith(f"blob {repository}@{BLOB.digest}: the 3000000 bytes hash to sha256:")
        assert str(caught.value).endswith(f", expected {BLOB.digest}")

    with served(CorruptBody(at=2_999_999, times=times)) as server:
        run(scenario, server)
        assert len(server.requests) == 1


def test_the_last_piece_of_a_wrong_blob_is_never_handed_on() -> None:
    """Who sends the pieces on, with the right length announced, cannot complete a wrong blob."""

    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(200, stream=PiecesBody([b"con", b"ten", b"T"]))])
        async with client, client.get_blob(REPOSITORY, SMALL) as pieces:
            assert [bytes(await anext(pieces)) for _ in range(2)] == [b"con", b"ten"]
            with pytest.raises(ContentError):
                await anext(pieces)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([b"content", b"!"], "its descriptor says 7 bytes, but more came"),
        ([b"content!"], "its descriptor says 7 bytes, but more came"),
        ([b"con", b"tent and more"], "its descriptor says 7 bytes, but more came"),
    ],
)
def test_a_blob_that_is_too_long_is_an_error(body: list[bytes], problem: str) -> None:
    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(200, stream=PiecesBody(body))])
        async with client:
            with pytest.raises(ContentError) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert str(caught.value) == f"{WHERE}: {problem}"

    asyncio.run(scenario())


def test_a_blob_that_is_too_short_is_an_error() -> None:
    """The registry is asked once for the rest, and says that there is none."""

    async def scenario() -> None:
        client, _ = scripted_client(
            [
                httpx.Response(200, stream=PiecesBody([b"con"])),
                httpx.Response(416, headers={"content-range": "bytes */3"}),
            ]
        )
        async with client:
            with pytest.raises(ContentError) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert str(caught.value) == f"{WHERE}: its descriptor says 7 bytes, but there are only 3"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (
            httpx.Response(200, headers={"content-length": "8"}, stream=PiecesBody([b"content!"])),
            None,
            f"{WHERE}: its descriptor says 7 bytes, but the registry's Content-Length says 8",
        ),
        (
            httpx.Response(200, stream=PiecesBody([b"con"])),
            httpx.Response(206, headers={"content-range": "bytes 3-8/9"}, stream=PiecesBody([b"tent"])),
            f"{WHERE}: its descriptor says 7 bytes, but the registry's Content-Range says 9",
        ),
        (
            httpx.Response(200, stream=PiecesBody([b"con"])),
            httpx.Response(206, headers={"content-range": "bytes 5-6/7"}, stream=PiecesBody([b"nt"])),
            f"GET {WHERE}: it answers another range than the bytes from 3 on that were asked for",
        ),
        (
            httpx.Response(200, stream=PiecesBody([b"con"])),
            httpx.Response(206, stream=PiecesBody([b"tent"])),
            f"GET {WHERE}: it answers another range than the bytes from 3 on that were asked for",
        ),
    ],
)
def test_headers_that_contradict_the_descriptor_are_an_error(
    first: httpx.Response, second: httpx.Response | None, problem: str
) -> None:
    async def scenario() -> None:
        client, _ = scripted_client([first, *([second] if second else [])])
        async with client:
            with pytest.raises((ContentError, RegistryError)) as caught:
                await read_blob(client, REPOSITORY, SMALL)
        assert str(caught.value) == problem

    asyncio.run(scenario())


def test_an_answer_that_contradicts_the_descriptor_is_not_kept_open() -> None:
    """Its slot is free for others at once."""

    async def scenario() -> None:
        body = PiecesBody([b"content!"])
        settings = HostSettings(registry="r.example", concurrent_requests=1)
        client, _ = scripted_client([httpx.Response(200, headers={"content-length": "8"}, stream=body)], settings)
        async with client:
            with pytest.raises(ContentError):
                await read_blob(client, REPOSITORY, SMALL)
            assert body.closed

    asyncio.run(scenario())


def test_a_range_that_begins_too_early_is_skipped_to_where_it_is_wanted() -> None:
    async def scenario() -> None:
        client, _ = scripted_client(
            [
                httpx.Response(200, stream=PiecesBody([b"con"])),
                httpx.Response(206, headers={"content-range": "bytes 1-6/*"}, stream=PiecesBody([b"on", b"tent"])),
            ]
        )
        async with client, client.get_blob(REPOSITORY, SMALL) as pieces:
            assert [bytes(piece) async for piece in pieces] == [b"con", b"tent"]

    asyncio.run(scenario())


def test_a_source_that_breaks_off_for_good_gives_way_to_the_next() -> None:
    """What came from the first one is not asked for again."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            begun = "range" in request.headers
            if request.url.host == "r.example":
                headers = {"content-range": "bytes 3-6/7"} if begun else {}
                body = PiecesBody([] if begun else [b"con"], httpx.ReadError("reset"))
                return httpx.Response(206 if begun else 200, headers=headers, stream=body)
            return httpx.Response(206, headers={"content-range": "bytes 3-6/7"}, stream=PiecesBody([b"tent"]))

        client, transport = scripted_client(answer)
        elsewhere = msgspec.structs.replace(SMALL, urls=("https://one.example/l",))
        async with client:
            assert await read_blob(client, REPOSITORY, elsewhere) == b"content"
        assert [request.url.host for request in transport.requests] == ["r.example"] * 5 + ["one.example"]
        assert transport.requests[-1].headers["range"] == "bytes=3-"

    asyncio.run(scenario())


def test_a_connection_lost_after_the_last_byte_does_no_harm() -> None:
    async def scenario() -> None:
        body = PiecesBody([b"content"], httpx.ReadError("reset"))
        client, transport = scripted_client([httpx.Response(200, stream=body)])
        async with client:
            assert await read_blob(client, REPOSITORY, SMALL) == b"content"
        assert len(transport.requests) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 1])
def test_the_smallest_blobs_are_blobs(size: int) -> None:
    content = b"x" * size

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await read_blob(client, repository, blob_of(content)) == content
        assert await client.head_blob(repository, blob_of(content).digest) == size

    with served() as server:
        server.store.add_blob("team/app", content)
        run(scenario, server)


def test_a_blob_that_is_absent_is_not_found_before_anything_is_streamed() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(NotFoundError) as caught:
            async with client.get_blob(repository, SMALL):
                pytest.fail("there is nothing to stream")
        assert str(caught.value).startswith(f"GET blob {repository}@{SMALL.digest}: HTTP 404 BLOB_UNKNOWN: ")
        assert await client.head_blob(repository, SMALL.digest) is None

    with served() as server:
        run(scenario, server)


def test_what_is_not_read_is_closed() -> None:
    async def scenario() -> None:
        body = PiecesBody([b"con", b"tent"])
        client, _ = scripted_client([httpx.Response(200, stream=body)])
        async with client:
            async with client.get_blob(REPOSITORY, SMALL) as pieces:
                assert bytes(await anext(pieces)) == b"con"
            assert body.closed

    asyncio.run(scenario())


def test_content_that_the_descriptor_carries_is_not_fetched() -> None:
    async def scenario() -> None:
        client, transport = scripted_client([])
        carried = _with_data(base64.b64encode(b"content").decode())
        async with client:
            assert await read_blob(client, REPOSITORY, carried) == b"content"
        assert transport.requests == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "data",
    ["not base64!", base64.b64encode(b"something else").decode(), base64.b64encode(b"content").decode() + "\n"],
)
def test_content_that_is_carried_wrongly_is_fetched(data: str) -> None:
    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(200, stream=PiecesBody([b"content"]))])
        async with client:
            assert await read_blob(client, REPOSITORY, _with_data(data)) == b"content"

    asyncio.run(scenario())


def _with_data(data: str) -> Descriptor:
    return Descriptor(media_type=SMALL.media_type, digest=SMALL.digest, size=SMALL.size, data=data)


def test_a_foreign_layer_is_fetched_from_its_own_place_without_credentials() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            if request.url.host == "r.example":
                return httpx.Response(404)
            if request.url.host == "one.example":
                return httpx.Response(401, headers={"www-authenticate": 'Basic realm="give"'})
            return httpx.Response(200, stream=PiecesBody([b"content"]))

        client, transport = scripted_client(answer)
        foreign = Descriptor(
            media_type=SMALL.media_type,
            digest=SMALL.digest,
            size=SMALL.size,
            urls=(
                "http://plain.example/l",
                "https://127.0.0.1/l",
                "https://one.example/l",
                "https://two.example/l?x=1",
            ),
        )
        async with client:
            assert await read_blob(client, REPOSITORY, foreign) == b"content"
        assert [line.partition(" ")[2] for line in transport.lines[1:]] == [
            "https://one.example/l",
            "https://two.example/l?x=1",
        ]
        assert all("authorization" not in request.headers for request in transport.requests)
        assert client.requests["https://two.example", "GET external layer"] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        HeadUnsupported(),
        RedirectBlobs(methods=("GET", "HEAD")),
        FailRequests(methods=("HEAD",), status=400),
    ],
)
@pytest.mark.parametrize("ignored_range", [False, True])
def test_the_size_is_found_although_head_does_not_tell(fault: Fault, *, ignored_range: bool) -> None:
    """A URL that is signed for GET refuses HEAD; then one byte is asked for instead, and no more is read."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.head_blob(repository, SMALL.digest) == SMALL.size

    with served(fault, *([IgnoreRange()] if ignored_range else [])) as server:
        server.store.add_blob("team/app", b"content")
        run(scenario, server)
        assert server.requests.count("GET") > 0


def head_blob(
    *answers: httpx.Response, settings: HostSettings | None = None
) -> tuple[int | None, list[tuple[str, str | None]]]:
    """Return the size of a blob as a registry with these answers tells it, and each request: its method and range."""

    async def scenario() -> tuple[int | None, list[tuple[str, str | None]]]:
        client, transport = scripted_client(answers, *([settings] if settings else []))
        async with client:
            size = await client.head_blob(REPOSITORY, SMALL.digest)
        return size, [(request.method, request.headers.get("range")) for request in transport.requests]

    return asyncio.run(scenario())


PROBE = ("GET", "bytes=0-0")


def test_the_size_of_a_blob_costs_one_request_without_a_body() -> None:
    """A registry that tells the length is not asked again."""
    assert head_blob(httpx.Response(200, headers={"content-length": "7"})) == (7, [("HEAD", None)])


def test_a_blob_that_is_absent_has_no_size() -> None:
    """HEAD tells, and GET where that does not."""
    assert head_blob(httpx.Response(404)) == (None, [("HEAD", None)])
    assert head_blob(httpx.Response(405), httpx.Response(404)) == (None, [("HEAD", None), PROBE])


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_the_size_is_asked_for_by_get_where_head_is_refused(status: int) -> None:
    """Whatever length the refusal has itself."""
    refusal = httpx.Response(status, headers={"content-length": "99"})
    answer = httpx.Response(206, headers={"content-range": "bytes 0-0/7"}, stream=PiecesBody([b"c"]))
    assert head_blob(refusal, answer) == (7, [("HEAD", None), PROBE])


def test_a_registry_that_must_not_be_asked_by_head_is_asked_by_get_at_once() -> None:
    """`disableHead` holds for blobs, too."""
    settings = HostSettings(registry="r.example", disable_head=True)
    answer = httpx.Response(206, headers={"content-range": "bytes 0-0/7"}, stream=PiecesBody([b"c"]))
    assert head_blob(answer, settings=settings) == (7, [PROBE])


def test_an_empty_blob_has_no_first_byte() -> None:
    """That answer tells the size as well as any."""
    assert head_blob(httpx.Response(405), httpx.Response(416, headers={"content-range": "bytes */0"}))[0] == 0


@pytest.mark.parametrize("headers", [{}, {"content-range": "bytes 0-0/*"}, {"content-range": "bytes 0-0/7/9"}])
def test_a_range_that_does_not_tell_the_whole_is_no_size(headers: dict[str, str]) -> None:
    with pytest.raises(RegistryError) as caught:
        head_blob(httpx.Response(405), httpx.Response(206, headers=headers, stream=PiecesBody([b"c"])))
    assert str(caught.value) == f"GET {WHERE}: the answer does not say how large the blob is"


def test_a_refused_question_for_a_size_says_what_was_asked() -> None:
    with pytest.raises(RegistryError) as caught:
        head_blob(httpx.Response(410))
    assert str(caught.value).startswith(f"HEAD {WHERE}: ")


def test_a_token_for_a_blob_is_one_to_pull_from_its_repository() -> None:
    """No more is asked for, even where the challenge names nothing."""

    def answer(request: httpx.Request) -> Reply:
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": "t"})
        if "authorization" not in request.headers:
            return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://r.example/token"'})
        return httpx.Response(200, headers={"content-length": "7"})

    async def scenario() -> None:
        client, transport = scripted_client(answer)
        async with client:
            assert await client.head_blob(REPOSITORY, SMALL.digest) == 7
        (token,) = (request for request in transport.requests if request.url.path == "/token")
        assert token.url.params.get_list("scope") == ["repository:team/app:pull"]

    asyncio.run(scenario())


def test_a_size_that_nobody_tells_is_an_error() -> None:
    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(200), httpx.Response(200, stream=PiecesBody([b"content"]))])
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.head_blob(REPOSITORY, SMALL.digest)
        assert str(caught.value) == f"GET {WHERE}: the answer does not say how large the blob is"

    asyncio.run(scenario())


def test_a_registry_whose_length_is_wrong_is_not_believed() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(ContentError, match="but the registry's Content-Length says 8"):
            await read_blob(client, repository, SMALL)

    with served(WrongContentLength(by=1)) as server:
        server.store.add_blob("team/app", b"content")
        run(scenario, server)


@pytest.mark.parametrize("auth", [Basic(users={"ann": "secret"}), Bearer(users={"ann": "secret"})])
def test_credentials_do_not_follow_to_the_storage(auth: Basic | Bearer) -> None:
    """The storage answers 400 when they do."""
    with served(RedirectBlobs(), options=Options(auth=auth)) as server:
        run(whole, server, credential=Credential(user="ann", password=Secret("secret")))
        assert {each.origin for each in server.requests.credentials} == {server.host}


def test_memory_is_flat_in_the_size_of_a_blob() -> None:
    size = 64 * 1024 * 1024

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        digest = Digest.parse(server.store.add_generated_blob("team/app", size))
        blob = Descriptor(media_type="application/octet-stream", digest=digest, size=size)
        received = 0
        async with client.get_blob(repository, blob) as pieces:
            tracemalloc.start()
            async for piece in pieces:
                received += len(piece)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert received == size
        assert peak < 16 * 1024 * 1024

    with served() as server:
        run(scenario, server)


def test_large_pieces_are_hashed_beside_the_event_loop_and_small_ones_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[int, bool] = {}

    class Hasher:
        def __init__(self) -> None:
            self._inner = hashlib.sha256()

        def update(self, data: bytes | bytearray | memoryview, /) -> None:
            threads[len(data)] = threading.current_thread() is threading.main_thread()
            self._inner.update(data)

        def hexdigest(self) -> str:
            return self._inner.hexdigest()

    def hasher(_: Digest) -> Hasher:
        return Hasher()

    monkeypatch.setattr(Digest, "hasher", hasher)

    async def scenario() -> None:
        sizes = [10, 128 * 1024 - 1, 128 * 1024, 4 * 1024 * 1024]
        body = PiecesBody([bytes(size) for size in sizes])
        client, _ = scripted_client([httpx.Response(200, stream=body)])
        async with client:
            assert len(await read_blob(client, REPOSITORY, blob_of(bytes(sum(sizes))))) == sum(sizes)

    asyncio.run(scenario())
    assert threads == {10: True, 128 * 1024 - 1: True, 128 * 1024: False, 4 * 1024 * 1024: False}
