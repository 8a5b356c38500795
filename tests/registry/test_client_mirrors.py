"""Mirrors: who is asked, in which order, and what happens when a mirror is no help."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from support import images
from support.http_client import BytesOrigin, PiecesBody, Reply, Scripted, blob_of, read_blob, scripted_client
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import NotFoundError
from transship_registry.hosts import HostSettings
from transship_registry.manifest import Manifest
from transship_registry.ports import TagList
from transship_registry.reference import Repository

IMAGE = images.single()
BLOB = blob_of(b"content")
HUB = HostSettings(registry="docker.io", mirrors=("low.example", "high.example", "docker.io"), priority=99)
LOW = HostSettings(registry="low.example", priority=1)
HIGH = HostSettings(registry="high.example", priority=9, path_prefix="hub")
REPOSITORY = Repository.parse("alpine")
FOUND = {"content-type": IMAGE.media_type, "docker-content-digest": IMAGE.digest}
Answer = Callable[[httpx.Request], Reply]


def mirrored(answers: dict[str, Answer], targets: tuple[Repository, ...] = ()) -> tuple[HttpRegistry, Scripted]:
    def answer(request: httpx.Request) -> Reply:
        return answers.get(request.url.host, absent)(request)

    return scripted_client(answer, HUB, LOW, HIGH, targets=targets)


def absent(_: httpx.Request) -> Reply:
    return httpx.Response(404)


def forbidden(_: httpx.Request) -> Reply:
    return httpx.Response(403)


def unreachable(_: httpx.Request) -> Reply:
    return httpx.ConnectError("refused")


def wrong(_: httpx.Request) -> Reply:
    return httpx.Response(200, headers=FOUND, content=b"something else")


def manifest(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers=FOUND, content=IMAGE.raw)


def hosts(transport: Scripted) -> list[str]:
    return [request.url.host for request in transport.requests]


def test_the_mirror_of_the_highest_priority_answers_first() -> None:
    """It is told by `ns` which registry is meant, and has its own path prefix."""

    async def scenario() -> None:
        client, transport = mirrored({"high.example": manifest})
        async with client:
            assert (await client.get_manifest(REPOSITORY.tag("3"))).raw == IMAGE.raw
        assert transport.lines == ["GET https://high.example/v2/hub/library/alpine/manifests/3?ns=docker.io"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "useless",
    [
        absent,
        forbidden,
        unreachable,
        wrong,
    ],
)
def test_a_mirror_that_is_no_help_is_passed_over(useless: Answer) -> None:
    async def scenario() -> None:
        client, transport = mirrored(
            {"high.example": useless, "low.example": useless, "registry-1.docker.io": manifest}
        )
        async with client:
            assert (await client.get_manifest(REPOSITORY.tag("3"))).raw == IMAGE.raw
        assert list(dict.fromkeys(hosts(transport))) == ["high.example", "low.example", "registry-1.docker.io"]
        assert transport.lines[-1] == "GET https://registry-1.docker.io/v2/library/alpine/manifests/3"

    asyncio.run(scenario())


def test_absence_is_only_what_the_registry_itself_says() -> None:
    async def scenario() -> None:
        client, transport = mirrored({})
        async with client:
            assert await client.head_manifest(REPOSITORY.tag("3")) is None
            with pytest.raises(NotFoundError):
                await client.get_manifest(REPOSITORY.tag("3"))
        assert hosts(transport) == ["high.example", "low.example", "registry-1.docker.io"] * 2

    asyncio.run(scenario())


def test_an_incomplete_list_of_a_mirror_is_not_used() -> None:
    async def scenario() -> None:
        def cut(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers={"link": "<https://x.example/>; rel=next"}, json={"tags": ["a"]})

        def whole(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"tags": ["a", "b"]})

        client, _ = mirrored({"high.example": cut, "registry-1.docker.io": whole})
        async with client:
            assert await client.list_tags(REPOSITORY) == TagList(("a", "b"))

    asyncio.run(scenario())


def test_a_blob_comes_from_a_mirror_too() -> None:
    async def scenario() -> None:
        def blob(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=PiecesBody([b"content"]))

        client, transport = mirrored({"low.example": blob})
        async with client:
            assert await read_blob(client, REPOSITORY, BLOB) == b"content"
        assert hosts(transport) == ["high.example", "low.example"]

    asyncio.run(scenario())


def test_a_blob_that_breaks_off_at_a_mirror_is_finished_by_the_registry() -> None:
    async def scenario() -> None:
        def broken(request: httpx.Request) -> Reply:
            if "range" in request.headers:
                return httpx.Response(404)
            return httpx.Response(200, stream=PiecesBody([b"con"], httpx.ReadError("reset")))

        def rest(request: httpx.Request) -> Reply:
            assert request.headers["range"] == "bytes=3-"
            headers = {"content-range": "bytes 3-6/7"}
            return httpx.Response(206, headers=headers, stream=PiecesBody([b"tent"]))

        client, transport = mirrored({"high.example": broken, "registry-1.docker.io": rest})
        async with client:
            assert await read_blob(client, REPOSITORY, BLOB) == b"content"
        assert hosts(transport) == ["high.example", "high.example", "low.example", "registry-1.docker.io"]

    asyncio.run(scenario())


def test_nothing_is_written_to_a_mirror() -> None:
    async def scenario() -> None:
        def stored(request: httpx.Request) -> Reply:
            accepted = {"location": "/v2/library/alpine/blobs/uploads/1"}
            return httpx.Response(202, headers=accepted) if request.method == "POST" else httpx.Response(201)

        client, transport = mirrored({"registry-1.docker.io": stored})
        async with client:
            await client.upload_blob(REPOSITORY, BLOB, BytesOrigin(b"content"))
            await client.put_manifest(REPOSITORY.tag("3"), Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test"))
        assert set(hosts(transport)) == {"registry-1.docker.io"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("prefix", "asked"),
    [
        ("docker.io", "registry-1.docker.io"),
        ("docker.io/library", "registry-1.docker.io"),
        ("docker.io/lib", "high.example"),
        ("docker.io/library/alpine", "high.example"),
    ],
)
def test_what_lies_below_a_target_is_never_read_from_a_mirror(prefix: str, asked: str) -> None:
    """Repositories that a whole registry is mirrored to are not known by name; a prefix ends at a slash."""

    async def scenario() -> None:
        client, transport = scripted_client(absent, HUB, LOW, HIGH, target_prefixes=[prefix])
        async with client:
            await client.head_manifest(REPOSITORY.tag("3"))
        assert hosts(transport)[0] == asked

    asyncio.run(scenario())


def test_what_is_written_to_is_never_read_from_a_mirror() -> None:
    """A mirror may lag behind, and what is read here decides what is overwritten."""

    async def scenario() -> None:
        client, transport = mirrored({}, targets=(REPOSITORY,))
        async with client:
            await client.head_manifest(REPOSITORY.tag("3"))
        assert hosts(transport) == ["registry-1.docker.io"]

        client, transport = mirrored({})
        async with client:
            client.add_targets([REPOSITORY])
            await client.head_manifest(REPOSITORY.tag("3"))
        assert hosts(transport) == ["registry-1.docker.io"]

        other = Repository.parse("busybox")
        client, transport = mirrored(
            {"registry-1.docker.io": lambda request: httpx.Response(202 if request.method == "DELETE" else 404)}
        )
        async with client:
            await client.delete_tag(other.tag("old"))
            with pytest.raises(NotFoundError):
                await client.list_tags(Repository.parse("debian"))
            await client.head_blob(other, BLOB.digest)
        assert hosts(transport)[-1:] == ["registry-1.docker.io"]
        assert hosts(transport).count("high.example") == 1

    asyncio.run(scenario())
