"""Deleting tags: by name, by a digest that nobody else needs, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.images import Dialect, Image
from support.real_registry import RealRegistry
from support.registry_server.faults import (
    DeleteUnsupported,
    DigestTags,
    FailRequests,
    Fault,
    HideManifests,
    LinkStyle,
    MoveTag,
    NoReferrers,
    PageLinks,
    ResetConnection,
    SlowResponses,
    StrangeNames,
)
from support.registry_server.options import Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import AuthenticationError, LayoutError, NotFoundError, RegistryError, UnsupportedError
from transship_registry.layout import LayoutStore
from transship_registry.login.credentials import CredentialSources
from transship_registry.reference import Reference, Repository
from transship_registry.registries import Registries

IMAGE = images.single("deleted")
OTHER = images.single("other")
PATH = "team/app"
BY_DIGEST = Options(delete_tags=False)
"""A registry that deletes by digest only."""

Scenario = Callable[[HttpRegistry, Reference], Awaitable[None]]


def served(*faults: Fault, options: Options = BY_DIGEST) -> RegistryServer:
    """Return a registry with the tag v1, to be deleted, and another tag on another image."""
    server = RegistryServer(options, faults=faults)
    server.store.add_image(PATH, "v1", IMAGE)
    server.store.add_image(PATH, "other", OTHER)
    return server


def run(server: RegistryServer | RealRegistry, scenario: Scenario) -> None:
    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
            await scenario(client, Reference.parse(f"{server.host}/{PATH}:v1"))

    asyncio.run(connected())


async def delete(client: HttpRegistry, reference: Reference) -> None:
    await client.delete_tag(reference)


def refusal(server: RegistryServer | RealRegistry, kind: type[RegistryError] = UnsupportedError) -> str:
    """Try to delete v1, and return what is said against it, after the reference."""
    messages: list[str] = []

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(kind) as caught:
            await client.delete_tag(reference)
        assert type(caught.value) is kind
        start = f"DELETE tag {reference}: "
        assert str(caught.value).startswith(start)
        messages.append(str(caught.value).removeprefix(start))

    run(server, scenario)
    return messages[0]


def still_needed(who: str, image: Image = IMAGE) -> str:
    return (
        f"this registry deletes by digest only, and {image.digest} is still needed by {who}; "
        "nothing was deleted: let the others go first, or remove the tag with the registry's own tools"
    )


def uncertain(why: str) -> str:
    return (
        f"this registry deletes by digest only, and who else needs {IMAGE.digest} is uncertain: {why}; "
        "nothing was deleted"
    )


def test_a_registry_that_deletes_tags_is_asked_for_nothing_else() -> None:
    with served(options=Options()) as server:
        server.store.set_tag(PATH, "same", IMAGE.digest)
        run(server, delete)
        assert server.requests.lines == [f"DELETE /v2/{PATH}/manifests/v1"]
        assert server.store.tags(PATH) == {"other": OTHER.digest, "same": IMAGE.digest}


def test_a_reference_without_a_tag_is_not_deleted() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        by_digest = reference.repository.at(Digest.parse(IMAGE.digest))
        with pytest.raises(UnsupportedError) as caught:
            await client.delete_tag(by_digest)
        assert str(caught.value) == f"DELETE tag {by_digest}: the reference has no tag; name the tag"

    with served() as server:
        run(server, scenario)
        assert len(server.requests) == 0


def test_a_digest_that_nobody_else_needs_is_deleted() -> None:
    """Everybody is asked first, and the tag itself once more at the end."""
    with served() as server:
        run(server, delete)
        assert server.store.tags(PATH) == {"other": OTHER.digest}
        assert server.requests.lines == [
            f"DELETE /v2/{PATH}/manifests/v1",
            f"HEAD /v2/{PATH}/manifests/v1",
            f"GET /v2/{PATH}/tags/list",
            f"HEAD /v2/{PATH}/manifests/other",
            f"GET /v2/{PATH}/referrers/{IMAGE.digest}",
            f"HEAD /v2/{PATH}/manifests/v1",
            f"DELETE /v2/{PATH}/manifests/{IMAGE.digest}",
        ]


def test_a_digest_with_another_tag_is_not_deleted() -> None:
    with served() as server:
        server.store.set_tag(PATH, "same", IMAGE.digest)
        before = server.store.snapshot()
        assert refusal(server) == still_needed("tag same")
        assert server.store.snapshot() == before
        assert server.requests.count("DELETE") == 1


def test_of_many_who_need_a_digest_five_are_named_and_the_rest_is_counted() -> None:
    with served() as server:
        for number in range(7):
            server.store.set_tag(PATH, f"same-{number}", IMAGE.digest)
        server.store.add_image(PATH, "multi", images.index([IMAGE]))
        assert refusal(server) == still_needed("tag same-0, tag same-1, tag same-2, tag same-3, tag same-4 and 3 more")


@pytest.mark.parametrize(
    "index",
    [
        images.index([OTHER, IMAGE]),
        images.index([OTHER, IMAGE], dialect=Dialect.DOCKER),
        images.index([OTHER, images.index([images.index([IMAGE])])]),
    ],
    ids=["OCI", "Docker", "nested"],
)
def test_a_digest_that_an_index_lists_is_not_deleted(index: Image) -> None:
    with served() as server:
        server.store.add_image(PATH, "multi", index)
        assert refusal(server) == still_needed("the index at tag multi")
        assert server.requests.count("DELETE") == 1
        server.store.assert_complete()


def test_an_index_is_deleted_although_its_images_have_tags() -> None:
    """What an index lists does not need the index."""
    index = images.index([OTHER])
    with served() as server:
        server.store.add_image(PATH, "v1", index)
        run(server, delete)
        assert server.store.tags(PATH) == {"other": OTHER.digest}


def test_an_index_without_a_tag_counts_when_something_is_attached_to_it() -> None:
    """Its referrers tag is what keeps it from being garbage."""
    index = images.index([IMAGE, OTHER])
    with served(options=Options(delete_tags=False, referrers_api=False)) as server:
        server.store.add_image(PATH, None, index)
        server.store.add_image(PATH, index.referrers_tag, images.referrers_index([images.artifact(index)]))
        assert refusal(server) == still_needed(
            f"the index {index.digest} with the attachment at tag {index.referrers_tag}"
        )


def test_a_referrers_tag_of_what_is_gone_or_no_digest_is_without_meaning() -> None:
    gone = images.index([IMAGE, OTHER])
    with served() as server:
        for tag in (images.cosign_tag(gone), f"sha512-{'0' * 64}"):
            server.store.add_image(PATH, tag, images.single("signature of what is gone"))
        run(server, delete)
        assert "v1" not in server.store.tags(PATH)


@pytest.mark.parametrize("api", [True, False])
def test_an_artifact_with_a_tag_of_its_own_needs_what_it_is_attached_to(api: bool) -> None:
    artifact = images.artifact(IMAGE)
    with served(options=Options(delete_tags=False, referrers_api=api)) as server:
        server.store.add_image(PATH, "sbom", artifact)
        if not api:
            server.store.add_image(PATH, IMAGE.referrers_tag, images.referrers_index([artifact]))
        assert refusal(server) == still_needed("the artifact at tag sbom")


@pytest.mark.parametrize("api", [True, False])
def test_what_is_attached_to_an_image_does_not_keep_it(api: bool) -> None:
    """Signatures and SBOMs are there for the image, and not the other way round."""
    referrer = images.artifact(IMAGE)
    with served(options=Options(delete_tags=False, referrers_api=api)) as server:
        server.store.add_image(PATH, None, referrer)
        server.store.add_image(PATH, images.cosign_tag(IMAGE), images.single("signature"))
        if not api:
            server.store.add_image(PATH, IMAGE.referrers_tag, images.referrers_index([referrer]))
        run(server, delete)
        assert server.store.get_manifest(PATH, IMAGE.digest) is None


def test_an_index_that_lacks_an_inner_index_is_no_obstacle() -> None:
    """A sparse index cannot need anything through what is not there."""
    inner = images.index([images.single("inner")])
    outer = images.index([OTHER, inner])
    with served() as server:
        server.store.put_manifest(PATH, outer.raw, outer.media_type, tag="sparse")
        run(server, delete)
        assert "v1" not in server.store.tags(PATH)


def test_a_tag_that_is_listed_and_names_nothing_is_no_obstacle() -> None:
    with served(HideManifests(reference="other")) as server:
        run(server, delete)
        assert "v1" not in server.store.tags(PATH)


def test_tags_that_are_to_go_along_do_not_need_the_digest() -> None:
    """Only those of the same digest go along: another one, and an index around the digest, are left as they are."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(UnsupportedError) as caught:
            await client.delete_tag(reference, along={"same", "other"})
        assert str(caught.value) == f"DELETE tag {reference}: {still_needed('tag kept')}"
        await client.delete_tag(reference, along={"same", "kept", "other"})

    with served() as server:
        server.store.set_tag(PATH, "same", IMAGE.digest)
        server.store.set_tag(PATH, "kept", IMAGE.digest)
        run(server, scenario)
        assert server.store.tags(PATH) == {"other": OTHER.digest}


def test_an_index_that_is_to_go_along_is_still_an_index() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        with pytest.raises(UnsupportedError, match="still needed by the index at tag multi"):
            await client.delete_tag(reference, along={"multi"})

    with served() as server:
        server.store.add_image(PATH, "multi", images.index([IMAGE]))
        run(server, scenario)


def test_an_incomplete_tag_list_forbids_deletion() -> None:
    with served(PageLinks(style=LinkStyle.BROKEN, page_size=1)) as server:
        message = refusal(server, RegistryError)
        assert message == uncertain(
            f"GET tags {server.host}/{PATH}: HTTP 500 UNKNOWN: internal error while reading the next page; "
            "the registry is failing: try again later"
        )
        assert "v1" in server.store.tags(PATH)


def test_a_tag_list_without_the_tag_itself_is_not_believed() -> None:
    """A registry that cuts its lists without saying so is found out by what is missing."""
    with served(PageLinks(style=LinkStyle.MISSING, page_size=1)) as server:
        message = refusal(server, RegistryError)
        assert message == uncertain(f"GET tags {server.host}/{PATH}: the list lacks v1, so it is not complete")


def test_names_that_cannot_be_looked_up_forbid_deletion() -> None:
    """What is listed under a name that no tag can have may need the digest all the same."""
    with served(StrangeNames(names=("a b",))) as server:
        assert refusal(server, RegistryError) == uncertain(
            f'the tag list of {server.host}/{PATH} has 1 entry that no tag can be called: "a b"; it is left out'
        )
        assert "v1" in server.store.tags(PATH)


def test_a_tag_that_cannot_be_looked_up_forbids_deletion() -> None:
    with served(FailRequests(status=500, reference="other")) as server:
        message = refusal(server, RegistryError)
        assert message == uncertain(
            f"HEAD manifest {server.host}/{PATH}:other: HTTP 500 Internal Server Error; "
            "the registry is failing: try again later"
        )


def test_the_first_of_many_failures_ends_the_search() -> None:
    with served(FailRequests(status=403, methods=("HEAD",), reference="t-*")) as server:
        for number in range(200):
            server.store.set_tag(PATH, f"t-{number}", OTHER.digest)
        start = uncertain(f"HEAD manifest {server.host}/{PATH}:t-").partition("; nothing")[0]
        assert refusal(server, RegistryError).startswith(start)
        assert server.requests.count("HEAD") < 50


def test_an_index_that_cannot_be_read_forbids_deletion() -> None:
    index = images.index([OTHER])
    with served(HideManifests(methods=("GET",))) as server:
        server.store.add_image(PATH, "multi", index)
        message = refusal(server, RegistryError)
        assert message == uncertain(
            f"GET manifest {server.host}/{PATH}@{index.digest}: HTTP 404 MANIFEST_UNKNOWN: manifest unknown to registry"
        )


def test_referrers_that_cannot_be_listed_forbid_deletion() -> None:
    fault = PageLinks(style=LinkStyle.CROSS_ORIGIN, page_size=1, endpoints=(Endpoint.REFERRERS,))
    with served(fault) as server:
        for number in range(2):
            server.store.add_image(PATH, None, images.artifact(IMAGE, seed=str(number)))
        place = f"/v2/{PATH}/referrers/{IMAGE.digest}"
        assert refusal(server, RegistryError) == uncertain(
            f"GET referrers {server.host}/{PATH}@{IMAGE.digest}: the link to the next page is not followed: "
            f"it leads to {server.side_url}{place}, away from {server.url}{place}; "
            "the list is incomplete: nothing may be deleted because of it"
        )


def test_a_tag_that_moves_during_the_search_is_not_deleted() -> None:
    with served(MoveTag(reference="v1", to=OTHER.digest)) as server:

        async def scenario(client: HttpRegistry, reference: Reference) -> None:
            with pytest.raises(RegistryError) as caught:
                await client.delete_tag(reference)
            assert str(caught.value) == (
                f"DELETE tag {reference}@{IMAGE.digest}: the tag names {OTHER.digest}; look again first"
            )

        run(server, scenario)
        assert server.requests.count("DELETE") == 1


def test_a_tag_that_vanishes_during_the_search_is_not_found() -> None:
    with served(HideManifests(reference="v1", skip=1)) as server:

        async def scenario(client: HttpRegistry, reference: Reference) -> None:
            with pytest.raises(NotFoundError) as caught:
                await client.delete_tag(reference)
            assert str(caught.value) == f"DELETE tag {reference}@{IMAGE.digest}: the tag is not there"

        run(server, scenario)


@pytest.mark.parametrize("options", [Options(), BY_DIGEST], ids=["by tag", "by digest"])
def test_a_tag_is_only_deleted_when_it_names_what_is_expected(options: Options) -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        wrong, right = Digest.parse(OTHER.digest), Digest.parse(IMAGE.digest)
        for attempt in (client.delete_tag(reference, wrong), client.delete_tag(reference.expecting(wrong))):
            with pytest.raises(RegistryError) as caught:
                await attempt
            assert str(caught.value) == (
                f"DELETE tag {reference}@{OTHER.digest}: the tag names {IMAGE.digest}; look again first"
            )
        await client.delete_tag(reference, right)
        with pytest.raises(NotFoundError) as absence:
            await client.delete_tag(reference, right)
        assert str(absence.value) == f"DELETE tag {reference}@{IMAGE.digest}: the tag is not there"

    with served(options=options) as server:
        run(server, scenario)
        assert server.store.tags(PATH) == {"other": OTHER.digest}


@pytest.mark.parametrize("options", [Options(), BY_DIGEST], ids=["by tag", "by digest"])
def test_an_absent_tag_is_not_found(options: Options) -> None:
    with served(options=options) as server:
        server.store.delete_tag(PATH, "v1")
        said = "the tag is not there" if options is BY_DIGEST else "HTTP 404 MANIFEST_UNKNOWN: manifest unknown"
        assert refusal(server, NotFoundError).startswith(said)


def test_a_registry_that_deletes_nothing_says_so() -> None:
    """What one repository has refused is not searched for again, and other repositories are their own."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        for tag in ("v1", "other"):
            with pytest.raises(UnsupportedError) as caught:
                await client.delete_tag(reference.repository.tag(tag))
            assert caught.value.status == 405
            assert str(caught.value) == (
                f"DELETE tag {reference.repository}:{tag}: neither by tag nor by digest: "
                "HTTP 405 UNSUPPORTED: deleting manifests by digest is not supported; "
                "switch deletion on in the registry (distribution: storage.delete.enabled), "
                "or remove the tag with the registry's own tools"
            )
        await client.delete_tag(Repository(reference.repository.registry, "team/mine").tag("v1"))

    with served(DeleteUnsupported(repository=PATH)) as server:
        server.store.add_image("team/mine", "v1", IMAGE)
        run(server, scenario)
        assert server.requests.count("GET", rf"{PATH}/tags/list") == 1
        assert server.requests.count("DELETE", rf"{PATH}/manifests/") == 2
        assert sorted(server.store.tags(PATH)) == ["other", "v1"]
        assert server.store.tags("team/mine") == {}


def test_that_tags_cannot_be_deleted_by_name_is_learnt_once() -> None:
    """An index that was read for one deletion is not read again for the next."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.delete_tag(reference)
        await client.delete_tag(reference.repository.tag("v2"))

    with served() as server:
        server.store.add_image(PATH, "v2", images.single("second"))
        server.store.add_image(PATH, "multi", images.index([OTHER]))
        run(server, scenario)
        assert sorted(server.store.tags(PATH)) == ["multi", "other"]
        assert server.requests.count("DELETE", "/manifests/v") == 1
        assert server.requests.count("GET", "/manifests/") == 1


@pytest.mark.parametrize("code", ["UNSUPPORTED", "DIGEST_INVALID"])
def test_a_400_may_mean_not_by_name(code: str) -> None:
    with served(FailRequests(status=400, code=code, methods=("DELETE",), reference="v1")) as server:
        run(server, delete)
        assert server.store.tags(PATH) == {"other": OTHER.digest}


def test_a_400_without_a_reason_means_not_by_name() -> None:
    async def scenario() -> None:
        client, transport = scripted_client(
            [
                httpx.Response(400),
                httpx.Response(404),
            ]
        )
        async with client:
            with pytest.raises(NotFoundError) as caught:
                await client.delete_tag(Reference.parse("r.example/a:b"))
        assert str(caught.value) == "DELETE tag r.example/a:b: the tag is not there"
        assert transport.lines == [
            "DELETE https://r.example/v2/a/manifests/b",
            "HEAD https://r.example/v2/a/manifests/b",
        ]

    asyncio.run(scenario())


def test_a_400_with_another_reason_is_the_end() -> None:
    """An immutable tag is not deleted by its digest instead."""
    fault = FailRequests(status=400, code="TAG_IMMUTABLE", message="no", methods=("DELETE",), reference="v1")
    with served(fault, options=Options()) as server:
        assert refusal(server) == (
            "HTTP 400 TAG_IMMUTABLE: no; the tag cannot be deleted as it is; remove it with the registry's own tools"
        )
        assert len(server.requests) == 1


def test_a_digest_that_the_registry_holds_on_to_is_not_called_unsupported() -> None:
    fault = FailRequests(status=400, code="DANGLING_PARENT", message="no", methods=("DELETE",), reference="sha256:*")
    with served(fault) as server:
        assert refusal(server, RegistryError) == "HTTP 400 DANGLING_PARENT: no"


def test_who_may_not_delete_is_told_so_at_once() -> None:
    with served(FailRequests(status=403, methods=("DELETE",)), options=Options()) as server:
        assert refusal(server, AuthenticationError).startswith("HTTP 403 DENIED: switched on by a test")
        assert len(server.requests) == 1


def test_a_tag_that_is_there_but_not_found_by_name_is_deleted_by_digest() -> None:
    with served(FailRequests(status=404, methods=("DELETE",), reference="v1"), options=Options()) as server:
        run(server, delete)
        assert server.store.tags(PATH) == {"other": OTHER.digest}


@pytest.mark.parametrize("options", [Options(), BY_DIGEST], ids=["by tag", "by digest"])
def test_a_deletion_whose_answer_gets_lost_is_done(options: Options) -> None:
    """The second attempt finds nothing to delete; the tag was seen just before, so the first one has done it."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.delete_tag(reference, Digest.parse(IMAGE.digest))

    lost = "v1" if options.delete_tags else "sha256:*"
    fault = ResetConnection(methods=("DELETE",), reference=lost, after_work=True, times=1)
    with served(fault, options=options) as server:
        run(server, scenario)
        assert server.faults.hits(ResetConnection) == 1
        assert server.store.tags(PATH) == {"other": OTHER.digest}


def test_a_registry_without_referrers_is_asked_for_them_once() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.delete_tag(reference)
        await client.delete_tag(reference.repository.tag("v2"))

    with served(NoReferrers()) as server:
        server.store.add_image(PATH, "v2", images.single("second"))
        run(server, scenario)
        assert server.requests.count("GET", "/referrers/") == 1


def test_all_tags_of_a_large_repository_are_looked_up_at_once() -> None:
    with served(SlowResponses(seconds=0.01, methods=("HEAD",), times=20)) as server:
        for number in range(300):
            server.store.set_tag(PATH, f"t-{number}", OTHER.digest)
        run(server, delete)
        assert server.requests.count("HEAD") == 303
        assert server.requests.in_flight_max > 4
        assert "v1" not in server.store.tags(PATH)


def test_a_real_registry_keeps_siblings_and_indexes() -> None:
    """Distribution 2 deletes by digest with all tags on it, and takes a tag for a malformed digest."""
    shared, alone, multi = images.single("shared"), images.single("alone"), images.multi_platform("multi")
    with RealRegistry() as registry:
        for tag, image in (("v1", shared), ("same", shared), ("alone", alone), ("multi", multi)):
            images.push(registry.url, PATH, tag, image)
        images.push(registry.url, PATH, "child", multi.children[0])
        assert refusal(registry) == still_needed("tag same", shared)

        async def scenario(client: HttpRegistry, reference: Reference) -> None:
            repository = reference.repository
            with pytest.raises(UnsupportedError) as caught:
                await client.delete_tag(repository.tag("child"))
            assert str(caught.value) == (
                f"DELETE tag {repository}:child: {still_needed('the index at tag multi', multi.children[0])}"
            )
            await client.delete_tag(repository.tag("alone"), Digest.parse(alone.digest))
            assert set((await client.list_tags(repository)).tags) == {"v1", "same", "multi", "child"}
            await client.delete_tag(reference, along={"same"})
            await client.delete_tag(repository.tag("multi"))
            await client.delete_tag(repository.tag("child"))
            assert (await client.list_tags(repository)).tags == ()

        run(registry, scenario)


def test_a_real_registry_with_deletion_switched_off() -> None:
    with RealRegistry(delete_enabled=False) as registry:
        images.push(registry.url, PATH, "v1", IMAGE)
        assert refusal(registry) == (
            "neither by tag nor by digest: HTTP 405 UNSUPPORTED: The operation is unsupported.; "
            "switch deletion on in the registry (distribution: storage.delete.enabled), "
            "or remove the tag with the registry's own tools"
        )


def test_a_layout_deletes_what_is_expected_and_nothing_along(tmp_path: Path) -> None:
    """Its tags are entries of a list, so there is never a reason for others to go along."""
    layout = Repository.layout(str(tmp_path / "layout"))
    for tag in ("v1", "same"):
        images.write_layout(Path(layout.path), tag, IMAGE)

    async def scenario() -> None:
        async with LayoutStore() as layouts, HttpRegistry() as http:
            registries = Registries(http, layouts, CredentialSources({}, tmp_path, {}))
            with pytest.raises(LayoutError) as caught:
                await registries.delete_tag(layout.tag("v1"), Digest.parse(OTHER.digest))
            assert str(caught.value) == (
                f"delete tag {layout}:v1@{OTHER.digest}: the tag names {IMAGE.digest}; look again first"
            )
            await registries.delete_tag(layout.tag("v1"), Digest.parse(IMAGE.digest), along={"same"})
            assert (await registries.list_tags(layout)).tags == ("same",)

    asyncio.run(scenario())


@pytest.mark.parametrize("options", [Options(), BY_DIGEST], ids=["by name", "by digest"])
def test_a_tag_that_is_answered_with_the_digest_it_spells_is_not_deleted(options: Options) -> None:
    """GitLab takes `sha256-<hex>` for the digest, and would delete the image with all its tags."""

    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        tag = reference.repository.tag(IMAGE.referrers_tag)
        for asked in (tag, Reference(tag.repository, tag.tag, Digest.parse(IMAGE.digest))):
            with pytest.raises(UnsupportedError) as caught:
                await client.delete_tag(asked)
            assert str(caught.value) == (
                f"DELETE tag {asked}: it names {IMAGE.digest}, so the registry may take it for that digest, and delete "
                "all its tags with it; nothing was deleted: remove the tag with the registry's own tools"
            )

    with served(DigestTags(methods=("GET", "HEAD", "PUT", "DELETE")), options=options) as server:
        run(server, scenario)
        assert server.store.tags(PATH) == {"other": OTHER.digest, "v1": IMAGE.digest}
        assert server.requests.count("DELETE") == 0


def test_a_list_of_referrers_is_deleted_like_any_tag() -> None:
    async def scenario(client: HttpRegistry, reference: Reference) -> None:
        await client.delete_tag(reference.repository.tag(IMAGE.referrers_tag))

    with served(options=Options(referrers_api=False)) as server:
        server.store.add_image(PATH, IMAGE.referrers_tag, images.referrers_index([]))
        run(server, scenario)
        assert set(server.store.tags(PATH)) == {"other", "v1"}
