"""Manifests at a registry that does something else than the spec says, or says less."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Unpack

import httpx
import pytest

from support import images
from support.http_client import FakeTime, Given, PiecesBody, plain, scripted_client
from support.registry_server.faults import (
    DeleteUnsupported,
    FailRequests,
    FalsifyContentType,
    FalsifyDigestHeader,
    HeadUnsupported,
    ImmutableTags,
    LoseBlobs,
    OmitContentType,
    OmitDigestHeader,
    ResetConnection,
    SchemaOneUnlessAccepted,
)
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, MissingContentError, NotFoundError, RegistryError, UnsupportedError
from transship_registry.hosts import HostSettings
from transship_registry.limits import PUSH_LIMIT
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import DOCKER_SCHEMA1_SIGNED, OCI_MANIFEST
from transship_registry.reference import Reference, Repository

IMAGE = images.single("app")
OTHER = images.single("other")


def run(
    scenario: Callable[[HttpRegistry, Reference], Awaitable[None]], server: RegistryServer, **settings: Unpack[Given]
) -> None:
    """Run a scenario with a client of the server, on the tag `team/app:v1`."""

    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server, **settings)}, timing=FakeTime().timing) as client:
            await scenario(client, Reference.parse(f"{server.host}/team/app:v1"))

    asyncio.run(connected())


def manifest_of(image: images.Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


def served(*faults: object, options: Options | None = None) -> RegistryServer:
    server = RegistryServer(options, faults=faults)  # type: ignore[arg-type]  # faults, as given
    server.store.add_image("team/app", "v1", IMAGE)
    return server


def expected() -> Descriptor:
    return Descriptor(media_type=IMAGE.media_type, digest=Digest.parse(IMAGE.digest), size=IMAGE.size)


def test_a_head_that_says_everything_is_the_only_request() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference) == expected()

    with served() as server:
        run(scenario, server)
        assert server.requests.lines == ["HEAD /v2/team/app/manifests/v1"]


@pytest.mark.parametrize("fault", [OmitDigestHeader(), OmitContentType(methods=("HEAD",)), HeadUnsupported()])
def test_what_head_does_not_say_is_fetched(fault: object) -> None:
    """Without a digest or a type the manifest is fetched and its bytes hashed, which is counted."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference) == expected()
        assert client.requests[reference.repository.registry, "GET manifest"] == 1

    with served(fault) as server:
        run(scenario, server)


def test_a_digest_that_was_asked_for_need_not_be_said() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference.at(Digest.parse(IMAGE.digest))) == expected()

    with served(OmitDigestHeader()) as server:
        run(scenario, server)
        assert server.requests.count("GET") == 0


def test_a_registry_without_head_is_asked_with_head_once() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        for _ in range(3):
            await client.head_manifest(reference)

    with served(HeadUnsupported()) as server:
        run(scenario, server)
        assert (server.requests.count("HEAD"), server.requests.count("GET")) == (1, 3)


def test_head_can_be_forbidden_by_the_settings() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference) == expected()
        assert await client.head_manifest(reference.repository.tag("nope")) is None
        assert await client.head_blob(reference.repository, Digest.parse(IMAGE.blobs[0].digest)) == IMAGE.blobs[0].size
        assert await client.head_blob(reference.repository, Digest.of(b"nope")) is None

    with served() as server:
        run(scenario, server, disable_head=True)
        assert server.requests.count("HEAD") == 0


@pytest.mark.parametrize(
    "length",
    [{}, *({"content-length": text} for text in ("-1", "1.5", "1e3", str(2**53), "9" * 5000, "٣", "NaN", "0"))],
)
def test_a_length_that_is_missing_or_makes_no_sense_is_fetched(length: dict[str, str]) -> None:
    async def scenario() -> None:
        headers = {"content-type": OCI_MANIFEST, "docker-content-digest": IMAGE.digest}
        client, _ = scripted_client(
            [
                httpx.Response(
                    200, headers=[(name.encode(), text.encode()) for name, text in {**headers, **length}.items()]
                ),
                httpx.Response(200, headers=headers, stream=PiecesBody([IMAGE.raw])),
            ]
        )
        async with client:
            assert await client.head_manifest(Reference.parse("r.example/a:b")) == expected()

    asyncio.run(scenario())


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "manifest_unknown"])
def test_absent_is_an_answer_of_404_and_nothing_else(code: str) -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference) is None
        with pytest.raises(NotFoundError) as caught:
            await client.get_manifest(reference)
        assert str(caught.value) == f"GET manifest {reference}: HTTP 404 {code}: switched on by a test"

    with served(FailRequests(status=404, code=code)) as server:
        run(scenario, server)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_repository_unknown_with_another_status_is_no_absence(status: int) -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(RegistryError):
            await client.head_manifest(reference)

    with served(FailRequests(status=status, code="NAME_UNKNOWN")) as server:
        run(scenario, server)


def test_a_manifest_that_is_not_what_was_asked_for_is_a_content_error() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(ContentError) as caught:
            await client.get_manifest(reference)
        assert str(caught.value) == (
            f"GET manifest {reference}: the bytes hash to {IMAGE.digest}, but the registry's "
            f"Docker-Content-Digest says sha256:{'0' * 64}; nothing of it was used"
        )
        by_digest = reference.at(Digest.parse(IMAGE.digest))
        with pytest.raises(ContentError) as caught:
            await client.head_manifest(by_digest)
        assert str(caught.value) == (
            f"HEAD manifest {by_digest}: the registry's Docker-Content-Digest says sha256:{'0' * 64}"
        )

    with served(FalsifyDigestHeader()) as server:
        run(scenario, server)


def test_bytes_that_do_not_hash_to_the_digest_asked_for_are_a_content_error() -> None:
    async def scenario() -> None:
        body = httpx.Response(200, headers={"content-type": OCI_MANIFEST}, content=OTHER.raw)
        client, transport = scripted_client([body])
        reference = Reference.parse("r.example/a").at(Digest.parse(IMAGE.digest))
        async with client:
            with pytest.raises(ContentError) as caught:
                await client.get_manifest(reference)
        assert str(caught.value) == (
            f"{reference}: the manifest's bytes hash to {OTHER.digest}, expected {IMAGE.digest}"
        )
        assert len(transport.requests) == 1

    asyncio.run(scenario())


def test_a_type_that_contradicts_the_document_is_a_content_error() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(ContentError, match="refusing to guess which one is right"):
            await client.get_manifest(reference)

    with served(FalsifyContentType(media_type="application/vnd.docker.distribution.manifest.v2+json")) as server:
        run(scenario, server)


def test_a_sha512_digest_in_the_header_is_checked_with_sha512() -> None:
    async def scenario() -> None:
        digest = Digest.of(IMAGE.raw, "sha512")
        headers = {"content-type": OCI_MANIFEST, "docker-content-digest": str(digest)}
        client, _ = scripted_client([httpx.Response(200, headers=headers, content=IMAGE.raw)])
        async with client:
            assert (await client.get_manifest(Reference.parse("r.example/a:b"))).digest == Digest.parse(IMAGE.digest)

    asyncio.run(scenario())


def test_the_accept_header_keeps_schema_1_away() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        assert await client.head_manifest(reference) == expected()

    with served(SchemaOneUnlessAccepted()) as server:
        run(scenario, server)


@pytest.mark.parametrize("attempted", ["HEAD manifest", "GET manifest"])
def test_schema_1_is_unsupported_and_says_what_to_do(attempted: str) -> None:
    """Its digest is not compared: that of a signed manifest is over other bytes than those sent."""

    async def scenario() -> None:
        old = images.schema1()
        headers = {"content-type": DOCKER_SCHEMA1_SIGNED, "docker-content-digest": IMAGE.digest}
        client, _ = scripted_client([httpx.Response(200, headers=headers, content=old.raw)])
        reference = Reference.parse("r.example/library/old:latest")
        async with client:
            with pytest.raises(UnsupportedError) as caught:
                await (client.head_manifest if attempted == "HEAD manifest" else client.get_manifest)(reference)
        assert str(caught.value) == (
            f"{attempted} {reference}: the registry answers with a Docker schema 1 manifest ({DOCKER_SCHEMA1_SIGNED}); "
            "push the image again with a current client"
        )

    asyncio.run(scenario())


def test_a_login_page_is_not_taken_for_a_manifest() -> None:
    async def scenario() -> None:
        page = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>log in</html>")
        client, _ = scripted_client([httpx.Response(200, headers={"content-type": "text/html"}), page])
        async with client:
            with pytest.raises(ContentError, match=r"r\.example/a:b: the manifest is not well-formed"):
                await client.head_manifest(Reference.parse("r.example/a:b"))

    asyncio.run(scenario())


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_is_stored_byte_for_byte(by: str) -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        manifest = manifest_of(IMAGE)
        repository = reference.repository
        target = repository.tag("v2") if by == "tag" else repository.at(manifest.digest)
        await client.put_manifest(target, manifest)
        assert (await client.get_manifest(target)).raw == IMAGE.raw

    with served() as server:
        run(scenario, server)
        [put] = server.requests.select("PUT")
        assert put.headers["content-type"] == IMAGE.media_type
        assert put.path.endswith("/v2" if by == "tag" else IMAGE.digest)


def test_a_reference_with_tag_and_digest_is_put_by_its_digest() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        target = Reference(reference.repository, tag="v9", digest=Digest.parse(IMAGE.digest))
        await client.put_manifest(target, manifest_of(IMAGE))
        assert await client.head_manifest(reference.repository.tag("v9")) is None

    with served() as server:
        run(scenario, server)


def test_a_manifest_is_not_put_under_another_digest() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        target = reference.at(Digest.parse(OTHER.digest))
        with pytest.raises(ContentError) as caught:
            await client.put_manifest(target, manifest_of(IMAGE))
        assert str(caught.value) == f"PUT manifest {target}: the manifest's digest is {IMAGE.digest}; nothing was sent"

    with served() as server:
        run(scenario, server)
        assert len(server.requests) == 0


def test_a_manifest_too_large_to_push_is_not_sent() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        large = IMAGE.raw + b" " * PUSH_LIMIT
        with pytest.raises(UnsupportedError) as caught:
            await client.put_manifest(reference, Manifest.parse(large, IMAGE.media_type, where="test"))
        assert str(caught.value) == (
            f"PUT manifest {reference}: the manifest has {len(large)} bytes, "
            f"registries need not take more than {PUSH_LIMIT}"
        )

    with served() as server:
        run(scenario, server)
        assert len(server.requests) == 0


@pytest.mark.parametrize("status", [404, 400])
def test_missing_content_is_named_so_that_it_can_be_sent_again(status: int) -> None:
    lost = IMAGE.blobs[-1].digest

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(MissingContentError) as caught:
            await client.put_manifest(reference, manifest_of(IMAGE))
        assert caught.value.digests == (Digest.parse(lost),)
        assert caught.value.status == status
        assert str(caught.value).startswith(f"PUT manifest {reference}: HTTP {status} MANIFEST_BLOB_UNKNOWN: ")
        assert str(caught.value).endswith(f"; upload {lost} again")

    with served(LoseBlobs(digest=lost), options=Options(missing_reference_status=status)) as server:
        run(scenario, server)


def test_an_unknown_repository_is_not_missing_content() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        target = Repository(reference.repository.registry, "nobody/here").tag("v1")
        with pytest.raises(NotFoundError, match="NAME_UNKNOWN"):
            await client.put_manifest(target, manifest_of(IMAGE))

    with served(options=Options(create_repositories=False)) as server:
        run(scenario, server)


def test_an_immutable_tag_that_holds_something_else_is_unsupported() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(UnsupportedError) as caught:
            await client.put_manifest(reference, manifest_of(OTHER))
        assert str(caught.value) == (
            f"{reference}: the tag is immutable and holds something else: choose another tag, or remove it at the "
            "registry (PUT manifest: HTTP 400 TAG_INVALID: ImageTagAlreadyExists: the tag already exists and cannot be "
            "overwritten)"
        )

    with served(ImmutableTags()) as server:
        server.store.add_image("team/app", "other", OTHER)
        run(scenario, server)
        assert server.store.tags("team/app")["v1"] == IMAGE.digest


def test_an_immutable_tag_that_holds_the_same_is_success() -> None:
    """So a PUT whose answer got lost succeeds at the second try."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.put_manifest(reference.repository.tag("v2"), manifest_of(IMAGE))

    with served(ImmutableTags(), ResetConnection(methods=("PUT",), after_work=True, times=1)) as server:
        run(scenario, server)
        assert server.requests.count("PUT") == 2
        assert server.faults.hits(ImmutableTags) == 1


@pytest.mark.parametrize(
    ("status", "headers", "problem"),
    [
        (
            201,
            {"docker-content-digest": f"sha256:{'0' * 64}"},
            f"PUT manifest r.example/a:b: the registry stored sha256:{'0' * 64} where {IMAGE.digest} was sent; "
            "it must not change manifests, do not use what it stored",
        ),
        (
            202,
            {},
            "PUT manifest r.example/a:b: HTTP 202 where 201 was expected, and no Docker-Content-Digest confirms it",
        ),
        (204, {}, "PUT manifest r.example/a:b: HTTP 204 No Content"),
    ],
)
def test_a_success_that_is_none_is_an_error(status: int, headers: dict[str, str], problem: str) -> None:
    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(status, headers=headers)])
        async with client:
            with pytest.raises((ContentError, RegistryError)) as caught:
                await client.put_manifest(Reference.parse("r.example/a:b"), manifest_of(IMAGE))
        assert str(caught.value) == problem

    asyncio.run(scenario())


def test_an_older_success_that_names_the_digest_is_accepted() -> None:
    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(202, headers={"docker-content-digest": IMAGE.digest})])
        async with client:
            await client.put_manifest(Reference.parse("r.example/a:b"), manifest_of(IMAGE))

    asyncio.run(scenario())


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_sha512_manifest_is_pushed_under_its_digest_with_its_tag(*, confirmed: bool) -> None:
    async def scenario() -> None:
        digest = Digest.of(IMAGE.raw, "sha512")
        manifest = Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test", expected=digest)
        first = httpx.Response(
            201, headers={"docker-content-digest": str(digest)} | ({"oci-tag": "b"} if confirmed else {})
        )
        client, transport = scripted_client(
            [first, httpx.Response(201, headers={"docker-content-digest": IMAGE.digest})]
        )
        async with client:
            await client.put_manifest(Reference.parse("r.example/a:b"), manifest)
        lines = [f"PUT https://r.example/v2/a/manifests/{digest}?tag=b", "PUT https://r.example/v2/a/manifests/b"]
        assert transport.lines == lines[: 1 if confirmed else 2]

    asyncio.run(scenario())


def test_only_the_tag_is_deleted() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.delete_tag(reference)
        assert await client.head_manifest(reference) is None
        assert await client.head_manifest(reference.repository.tag("same")) == expected()
        with pytest.raises(NotFoundError):
            await client.delete_tag(reference)

    with served() as server:
        server.store.set_tag("team/app", "same", IMAGE.digest)
        run(scenario, server)


def test_nothing_is_deleted_by_digest() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        by_digest = reference.at(Digest.parse(IMAGE.digest))
        with pytest.raises(UnsupportedError) as caught:
            await client.delete_tag(by_digest)
        assert str(caught.value) == f"DELETE tag {by_digest}: the reference has no tag; name the tag"

    with served() as server:
        run(scenario, server)
        assert len(server.requests) == 0


def test_a_tag_with_a_digest_is_only_deleted_when_it_names_that() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        moved = Reference(reference.repository, tag="v1", digest=Digest.parse(OTHER.digest))
        with pytest.raises(RegistryError) as caught:
            await client.delete_tag(moved)
        assert str(caught.value) == f"DELETE tag {moved}: the tag names {IMAGE.digest}; look again first"
        assert await client.head_manifest(reference) == expected()
        absent = Reference(reference.repository, tag="nope", digest=Digest.parse(OTHER.digest))
        with pytest.raises(NotFoundError) as absence:
            await client.delete_tag(absent)
        assert str(absence.value) == f"DELETE tag {absent}: the tag is not there"
        await client.delete_tag(Reference(reference.repository, tag="v1", digest=Digest.parse(IMAGE.digest)))
        assert await client.head_manifest(reference) is None

    with served() as server:
        run(scenario, server)
        assert server.requests.count("DELETE") == 1


def test_a_registry_that_does_not_delete_tags_is_unsupported() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(UnsupportedError) as caught:
            await client.delete_tag(reference)
        assert caught.value.status == 405
        assert str(caught.value).startswith(
            f"DELETE tag {reference}: neither by tag nor by digest: HTTP 405 UNSUPPORTED: "
        )

    with served(DeleteUnsupported()) as server:
        run(scenario, server)
        assert server.store.tags("team/app") == {"v1": IMAGE.digest}


def test_a_prefix_and_a_digest_reference_meet_in_the_url() -> None:
    async def scenario() -> None:
        client, transport = scripted_client(
            [httpx.Response(404)], HostSettings(registry="r.example", path_prefix="hub")
        )
        async with client:
            reference = Reference.parse("r.example/a").at(Digest.parse(IMAGE.digest))
            assert await client.head_manifest(reference) is None
        assert transport.lines == [f"HEAD https://r.example/v2/hub/a/manifests/{IMAGE.digest}"]

    asyncio.run(scenario())
