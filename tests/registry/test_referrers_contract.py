"""Referrers at every kind of place: with the referrers API, without it, at docker-registry, and in layouts."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path

import pytest
from typing_extensions import override

from support import images, outside
from support.http_client import BytesOrigin, blob_of, plain
from support.images import Image
from support.real_registry import RealRegistry
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import UnsupportedError
from transship_registry.layout import LayoutStore
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import RegistryWriter, TagList
from transship_registry.reference import Repository
from transship_registry.referrers.lists import ReferrerList, Via
from transship_registry.referrers.walk import walk_referrers

SBOM, SIGNATURE = "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"
IMAGE = images.single("signed")
INDEX = images.multi_platform("signed")
_numbers = count()


class Place(ABC):
    """A kind of place, reached by the code under test and by other code."""

    via: Via

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        """Open the code under test."""

    @abstractmethod
    def repository(self) -> Repository:
        """Return a repository that does not exist yet."""

    @abstractmethod
    def seed(self, repository: Repository, tag: str, image: Image, referrers: Iterable[Image] = ()) -> None:
        """Put an image and its referrers there with other code."""

    @abstractmethod
    def outside(self, repository: Repository, tag: str) -> str:
        """Return a reference as skopeo writes it."""


class HttpPlace(Place):
    """A registry that is running."""

    def __init__(self, server: RegistryServer | RealRegistry, via: Via) -> None:
        self.server = server
        self.via = via

    @override
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        return HttpRegistry({self.server.host: plain(self.server)})

    @override
    def repository(self) -> Repository:
        return Repository(self.server.host, f"referrers/r{next(_numbers)}")

    @override
    def seed(self, repository: Repository, tag: str, image: Image, referrers: Iterable[Image] = ()) -> None:
        images.push(self.server.url, repository.path, tag, image, referrers=referrers)

    @override
    def outside(self, repository: Repository, tag: str) -> str:
        return f"docker://{repository}:{tag}"


class LayoutPlace(Place):
    """Layouts in a folder; other code writes referrers as entries of index.json, or under the referrers tag."""

    via = Via.LAYOUT

    def __init__(self, folder: Path, *, tagged: bool) -> None:
        self._folder = folder
        self._tagged = tagged

    @override
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        return LayoutStore()

    @override
    def repository(self) -> Repository:
        return Repository.layout(str(self._folder / f"l{next(_numbers)}"))

    @override
    def seed(self, repository: Repository, tag: str, image: Image, referrers: Iterable[Image] = ()) -> None:
        folder, extras = Path(repository.path), tuple(referrers)
        if not self._tagged:
            images.write_layout(folder, tag, image, referrers=extras)
            return
        images.write_layout(folder, tag, image)
        for subject in {extra.subject for extra in extras}:
            assert subject is not None
            listed = images.referrers_index(extra for extra in extras if extra.subject == subject)
            images.write_layout(folder, subject.replace(":", "-"), listed)

    @override
    def outside(self, repository: Repository, tag: str) -> str:
        return f"oci:{repository.path}:{tag}"


PLACES = ("api", "pages", "no api", "real", "layout entries", "layout tags")


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield each kind of place in turn, running."""
    match request.param:
        case "api":
            with RegistryServer() as server:
                yield HttpPlace(server, Via.API)
        case "pages":
            with RegistryServer(Options(referrers_page_size=1)) as server:
                yield HttpPlace(server, Via.API)
        case "no api":
            with RegistryServer(Options(referrers_api=False)) as server:
                yield HttpPlace(server, Via.TAG)
        case "real":
            with RealRegistry() as registry:
                yield HttpPlace(registry, Via.TAG)
        case name:
            yield LayoutPlace(tmp_path_factory.mktemp("layouts"), tagged=name == "layout tags")


def run(place: Place, scenario: Callable[[RegistryWriter], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with asyncio.timeout(60), place.open() as registry:
            await scenario(registry)

    asyncio.run(connected())


def digest_of(image: Image) -> Digest:
    return Digest.parse(image.digest)


def listed_as(image: Image) -> Descriptor:
    """Return the descriptor by which lists show a referrer."""
    return Descriptor(
        media_type=image.media_type,
        digest=digest_of(image),
        size=image.size,
        artifact_type=image.artifact_type,
        annotations=dict(image.annotations) or None,
    )


def shown(found: ReferrerList) -> list[Descriptor]:
    return sorted(found.descriptors, key=lambda each: each.digest)


def expected(*referrers: Image) -> list[Descriptor]:
    return sorted(map(listed_as, referrers), key=lambda each: each.digest)


async def store(registry: RegistryWriter, repository: Repository, image: Image, tag: str = "") -> None:
    """Store an image or artifact by the code under test, by its digest without a tag."""
    for blob in image.blobs:
        await registry.upload_blob(repository, blob_of(blob.data), BytesOrigin(blob.data))
    for child in image.children:
        await store(registry, repository, child)
    manifest = Manifest.parse(image.raw, image.media_type, where="test")
    await registry.put_manifest(repository.tag(tag) if tag else repository.at(manifest.digest), manifest)


def test_referrers_are_listed_with_their_types_and_annotations(place: Place) -> None:
    repository = place.repository()
    sbom = images.artifact(IMAGE, artifact_type=SBOM, annotations={"made": "today"})
    signature = images.artifact(IMAGE, artifact_type=SIGNATURE)
    by_config = images.artifact(IMAGE, seed="config", config_media_type="application/vnd.example.config.v1+json")
    place.seed(repository, "v1", IMAGE, [sbom, signature, by_config])

    async def scenario(registry: RegistryWriter) -> None:
        found = await registry.list_referrers(repository, digest_of(IMAGE))
        assert shown(found) == expected(sbom, signature, by_config)
        assert (found.complete, found.problem, found.via) == (True, "", place.via)

    run(place, scenario)


def test_only_the_referrers_of_one_artifact_type_are_listed_on_request(place: Place) -> None:
    repository = place.repository()
    sboms = [images.artifact(IMAGE, artifact_type=SBOM, seed=seed) for seed in "ab"]
    place.seed(repository, "v1", IMAGE, [sboms[0], images.artifact(IMAGE, artifact_type=SIGNATURE), sboms[1]])

    async def scenario(registry: RegistryWriter) -> None:
        assert shown(await registry.list_referrers(repository, digest_of(IMAGE), SBOM)) == expected(*sboms)
        none = await registry.list_referrers(repository, digest_of(IMAGE), "application/vnd.example.other+json")
        assert (none.descriptors, none.complete) == ((), True)

    run(place, scenario)


def test_what_is_unknown_has_no_referrers(place: Place) -> None:
    repository, nowhere = place.repository(), place.repository()
    place.seed(repository, "v1", IMAGE)

    async def scenario(registry: RegistryWriter) -> None:
        for asked, digest in ((repository, digest_of(IMAGE)), (repository, Digest.of(b"")), (nowhere, Digest.of(b""))):
            found = await registry.list_referrers(asked, digest)
            assert (found.descriptors, found.complete, found.problem) == ((), True, "")

    run(place, scenario)


@pytest.mark.parametrize("tag", ["", "signature"])
def test_a_referrer_that_is_stored_is_listed_with_those_of_others(place: Place, tag: str) -> None:
    repository = place.repository()
    theirs = images.artifact(IMAGE, artifact_type=SIGNATURE, seed="theirs", annotations={"by": "others"})
    ours = images.artifact(IMAGE, artifact_type=SBOM, seed="ours", annotations={"by": "us"})
    place.seed(repository, "v1", IMAGE, [theirs])

    async def scenario(registry: RegistryWriter) -> None:
        await store(registry, repository, ours, tag)
        assert shown(await registry.list_referrers(repository, digest_of(IMAGE))) == expected(theirs, ours)

    run(place, scenario)


def test_a_referrer_may_be_stored_before_its_subject_and_again(place: Place) -> None:
    repository = place.repository()
    sbom = images.artifact(INDEX, artifact_type=SBOM)

    async def scenario(registry: RegistryWriter) -> None:
        await store(registry, repository, sbom)
        await store(registry, repository, INDEX, "v1")
        await store(registry, repository, sbom)
        assert shown(await registry.list_referrers(repository, digest_of(INDEX))) == expected(sbom)
        assert (await registry.get_manifest(repository.tag("v1"))).raw == INDEX.raw

    run(place, scenario)


def test_referrers_stored_at_once_are_all_listed(place: Place) -> None:
    repository = place.repository()
    sboms = [images.artifact(IMAGE, artifact_type=SBOM, seed=f"at-once-{number}") for number in range(5)]
    place.seed(repository, "v1", IMAGE)

    async def scenario(registry: RegistryWriter) -> None:
        async with asyncio.TaskGroup() as group:
            for sbom in sboms:
                group.create_task(store(registry, repository, sbom))
        assert shown(await registry.list_referrers(repository, digest_of(IMAGE))) == expected(*sboms)

    run(place, scenario)


def test_referrers_that_are_stored_first_can_be_listed_together(place: Place) -> None:
    """Where the place lists them itself, nothing is left to be listed."""
    repository = place.repository()
    theirs = images.artifact(IMAGE, artifact_type=SIGNATURE, seed="theirs")
    sboms = [images.artifact(IMAGE, artifact_type=SBOM, seed=f"together-{number}") for number in range(3)]
    place.seed(repository, "v1", IMAGE, [theirs])

    async def scenario(registry: RegistryWriter) -> None:
        unlisted: list[Descriptor] = []
        for sbom in sboms:
            for blob in sbom.blobs:
                await registry.upload_blob(repository, blob_of(blob.data), BytesOrigin(blob.data))
            manifest = Manifest.parse(sbom.raw, sbom.media_type, where="test")
            referrer = await registry.put_manifest(repository.at(manifest.digest), manifest, keep_list=False)
            unlisted += [referrer.descriptor] if referrer else []
        assert unlisted == ([] if place.via is Via.API else list(map(listed_as, sboms)))
        if unlisted:
            assert shown(await registry.list_referrers(repository, digest_of(IMAGE))) == expected(theirs)
            await registry.add_referrers(repository, digest_of(IMAGE), unlisted)
            await registry.add_referrers(repository, digest_of(IMAGE), unlisted)
        assert shown(await registry.list_referrers(repository, digest_of(IMAGE))) == expected(theirs, *sboms)

    run(place, scenario)


@pytest.mark.parametrize("subject", [IMAGE, INDEX], ids=["image", "index"])
def test_a_tag_that_names_the_subject_itself_is_no_list_and_stays(place: Place, subject: Image) -> None:
    repository = place.repository()
    sbom = images.artifact(subject, artifact_type=SBOM)
    place.seed(repository, "v1", subject)
    place.seed(repository, subject.referrers_tag, subject)

    async def scenario(registry: RegistryWriter) -> None:
        found = await registry.list_referrers(repository, digest_of(subject))
        assert (found.descriptors, found.complete, found.problem) == ((), True, "")
        if place.via is Via.API:
            return
        with pytest.raises(UnsupportedError) as caught:
            await store(registry, repository, sbom)
        tag = repository.tag(subject.referrers_tag)
        said = {
            Via.TAG: f"there is such a tag, and it is answered with {subject.digest} itself; it was left alone: if it "
            "names the image, give that another tag and remove this one; if it does not, the registry takes the tag "
            "for a digest and can keep no list",
            Via.LAYOUT: f"the tag names {subject.digest} itself; the tag is kept for the list of referrers: give what "
            "is there another tag, and remove this one",
        }
        assert str(caught.value) == f"PUT referrers tag {tag}: {said[place.via]}"
        named = await registry.head_manifest(tag)
        assert named is not None
        assert str(named.digest) == subject.digest

    run(place, scenario)


def test_an_index_can_be_a_referrer(place: Place) -> None:
    repository = place.repository()
    place.seed(repository, "v1", IMAGE)
    child = images.artifact(None, artifact_type=SBOM, seed="child")
    document = {
        "schemaVersion": 2,
        "mediaType": images.OCI_INDEX,
        "artifactType": SBOM,
        "manifests": [child.descriptor()],
        "subject": {"mediaType": IMAGE.media_type, "digest": IMAGE.digest, "size": IMAGE.size},
    }
    raw = json.dumps(document).encode()
    bundle = Image(
        raw, images.OCI_INDEX, images.digest_of(raw), children=(child,), artifact_type=SBOM, subject=IMAGE.digest
    )

    async def scenario(registry: RegistryWriter) -> None:
        await store(registry, repository, bundle)
        assert shown(await registry.list_referrers(repository, digest_of(IMAGE))) == expected(bundle)

    run(place, scenario)


def test_another_program_reads_the_referrers_tag_and_all_that_it_lists(place: Place, tmp_path: Path) -> None:
    """Skopeo knows no referrers, but an index when it sees one; with the API there is no tag for it to see."""
    repository = place.repository()
    sboms = [images.artifact(IMAGE, artifact_type=SBOM, seed=f"outside-{number}") for number in range(2)]
    place.seed(repository, "v1", IMAGE)

    async def scenario(registry: RegistryWriter) -> None:
        for sbom in sboms:
            await store(registry, repository, sbom)

    run(place, scenario)
    if place.via is Via.API:
        assert outside.tags(f"docker://{repository}") == ["v1"]
        return
    reference = place.outside(repository, IMAGE.referrers_tag)
    assert json.loads(outside.raw_manifest(reference)) == {
        "schemaVersion": 2,
        "mediaType": images.OCI_INDEX,
        "manifests": [sbom.descriptor() for sbom in sboms],
    }
    outside.copy_whole(reference, str(tmp_path / "copy"))
    copied = {path.read_bytes() for path in (tmp_path / "copy").glob("*.manifest.json")}
    assert copied == {sbom.raw for sbom in sboms}


def test_a_walk_finds_the_same_at_every_place(place: Place) -> None:
    """What is attached to the image, to its children, and to what is attached; digest tags, too."""
    repository = place.repository()
    of_top = images.artifact(INDEX, artifact_type=SBOM, seed="top")
    of_child = images.artifact(INDEX.children[1], artifact_type=SBOM, seed="child")
    of_sbom = images.artifact(of_child, artifact_type=SIGNATURE, seed="nested")
    cosign = images.artifact(None, artifact_type="application/vnd.example.cosign", seed="cosign")
    place.seed(repository, "v1", INDEX, [of_top, of_child, of_sbom])
    place.seed(repository, images.cosign_tag(INDEX.children[0]), cosign)
    top, first, second = map(digest_of, (INDEX, *INDEX.children))

    async def scenario(registry: RegistryWriter) -> None:
        image = await registry.get_manifest(repository.tag("v1"))
        tags = await registry.list_tags(repository)
        tree = await walk_referrers(registry, repository, image, tags=tags)
        assert [(node.descriptor.digest, node.subject, node.via, node.tag, node.depth) for node in tree.nodes] == [
            (digest_of(of_top), top, place.via, "", 1),
            (digest_of(cosign), first, Via.DIGEST_TAG, images.cosign_tag(INDEX.children[0]), 1),
            (digest_of(of_child), second, place.via, "", 1),
            (digest_of(of_sbom), digest_of(of_child), place.via, "", 2),
        ]
        assert (tree.problems, tree.complete) == ((), True)

    run(place, scenario)


def test_a_referrers_tag_is_a_digest_tag_only_for_who_does_not_read_referrers(place: Place) -> None:
    repository = place.repository()
    sbom = images.artifact(IMAGE, artifact_type=SBOM)
    place.seed(repository, "v1", IMAGE)
    place.seed(repository, IMAGE.referrers_tag, images.referrers_index([sbom]))

    async def scenario(registry: RegistryWriter) -> None:
        image = await registry.get_manifest(repository.tag("v1"))
        tags = TagList(("v1", IMAGE.referrers_tag))
        read = await walk_referrers(registry, repository, image, tags=tags)
        assert {node.tag for node in read.nodes} == {""}
        assert [node.descriptor.digest for node in read.nodes] == [digest_of(sbom)]
        unread = await walk_referrers(registry, repository, image, tags=tags, referrers=False)
        assert [node.tag for node in unread.nodes] == [IMAGE.referrers_tag]

    run(place, scenario)
