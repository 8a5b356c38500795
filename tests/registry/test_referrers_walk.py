"""Walking what is attached to an image: filters, depth, loops, other repositories, problems."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from msgspec import structs

from support import images
from support.http_client import plain
from support.images import Image
from support.memory_registry import MemoryRegistry
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import RateLimitedError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from transship_registry.ports import TagList
from transship_registry.reference import Repository
from transship_registry.referrers.digest_tags import digest_tags
from transship_registry.referrers.filters import ReferrerFilter, common_type, is_wanted
from transship_registry.referrers.index import referrers_tag
from transship_registry.referrers.lists import ReferrerList, Via
from transship_registry.referrers.walk import ReferrerTree, walk_referrers

SBOM, SIGNATURE = "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"
REPOSITORY = Repository.parse("r.example/team/app")
IMAGE = images.single("signed")


@dataclass(frozen=True)
class Wanted:
    """A filter as the configuration holds it."""

    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


def manifest_of(image: Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


def digest_of(image: Image) -> Digest:
    return Digest.parse(image.digest)


def holding(
    *stored: Image, repository: Repository = REPOSITORY, tags: Sequence[tuple[str, Image]] = ()
) -> MemoryRegistry:
    registry = MemoryRegistry()
    for number, image in enumerate(stored):
        registry.seed(f"{repository}:t{number}", image)
    for tag, image in tags:
        registry.seed(f"{repository}:{tag}", image)
    return registry


def walk(registry: MemoryRegistry, image: Image = IMAGE, **options: object) -> ReferrerTree:
    return asyncio.run(walk_referrers(registry, REPOSITORY, manifest_of(image), **options))  # type: ignore[arg-type]  # as given


def found(tree: ReferrerTree) -> list[tuple[str, int]]:
    return [(str(node.descriptor.digest), node.depth) for node in tree.nodes]


def chain(length: int) -> list[Image]:
    """Return referrers of referrers: the first one's subject is the image."""
    links = [images.artifact(IMAGE, seed="link-1")]
    for number in range(2, length + 1):
        links.append(images.artifact(links[-1], seed=f"link-{number}"))
    return links


def test_the_order_depends_on_nothing_but_the_content() -> None:
    sboms = [images.artifact(IMAGE, seed=f"sbom-{number}") for number in range(5)]
    tags = [(images.cosign_tag(IMAGE, kind), images.artifact(None, seed=kind)) for kind in ("sig", "att")]
    forth = walk(holding(*sboms, tags=tags), tags=TagList(tuple(tag for tag, _ in tags)))
    back = walk(holding(*reversed(sboms), tags=tags[::-1]), tags=TagList(tuple(tag for tag, _ in reversed(tags))))
    assert forth == back
    assert [node.tag for node in forth.nodes] == ["", "", "", "", "", *sorted(tag for tag, _ in tags)]
    assert found(forth)[:5] == sorted(found(forth)[:5])


def test_referrers_of_referrers_are_followed_to_the_depth_cap_and_what_lies_beyond_is_told() -> None:
    links = chain(6)
    tree = walk(holding(*links))
    assert found(tree) == [(link.digest, depth) for depth, link in enumerate(links[:4], start=1)]
    assert tree.problems == (
        f"{REPOSITORY.at(digest_of(links[4]))} is attached to {links[3].digest}, more than 4 steps away from the "
        "image; it is left out, with all that is attached to it",
    )
    assert not tree.complete
    assert walk(holding(*links[:4])).complete
    assert found(walk(holding(*links), depth=1)) == [(links[0].digest, 1)]


def test_every_child_of_nested_indexes_is_asked_about() -> None:
    nested = images.nested("deep")
    inner = nested.children[0]
    sbom = images.artifact(inner.children[1], seed="deep")
    tree = walk(holding(nested, sbom), nested)
    assert [(node.descriptor.digest, node.subject) for node in tree.nodes] == [
        (digest_of(sbom), digest_of(inner.children[1]))
    ]


def test_an_index_that_is_attached_has_children_to_which_something_may_be_attached() -> None:
    bundle = images.multi_platform("bundle")
    signature = images.artifact(bundle.children[0], artifact_type=SIGNATURE)
    tag = images.cosign_tag(IMAGE, "bundle")
    tree = walk(holding(signature, tags=[(tag, bundle)]), tags=TagList((tag,)))
    assert found(tree) == [(bundle.digest, 1), (signature.digest, 2)]


def test_an_artifact_with_two_names_is_one_referrer_and_one_digest_tag() -> None:
    """The tag has to be copied even where its content travels along as a referrer."""
    signature = images.artifact(IMAGE, artifact_type=SIGNATURE)
    tag = images.cosign_tag(IMAGE)
    registry = holding(tags=[(tag, signature)])
    tree = walk(registry, tags=TagList((tag,)))
    assert [(node.descriptor.digest, node.tag, node.via) for node in tree.nodes] == [
        (digest_of(signature), "", Via.API),
        (digest_of(signature), tag, Via.DIGEST_TAG),
    ]
    assert registry.count("list_referrers") == 2


def test_a_digest_tag_is_kept_that_names_what_was_met_on_the_way_and_the_walk_still_ends() -> None:
    sbom, signature = images.artifact(IMAGE, seed="sbom"), images.artifact(IMAGE, seed="signature")
    names = (images.cosign_tag(sbom), images.cosign_tag(signature, "copy"))
    registry = holding(sbom, signature, IMAGE, tags=[(names[0], signature), (names[1], IMAGE)])
    tree = walk(registry, tags=TagList(names))
    assert tree.complete
    assert {(node.tag, node.depth, node.descriptor.digest) for node in tree.nodes} == {
        ("", 1, digest_of(sbom)),
        ("", 1, digest_of(signature)),
        (names[0], 2, digest_of(signature)),
        (names[1], 2, digest_of(IMAGE)),
    }


def test_without_tags_or_referrers_nothing_is_asked() -> None:
    registry = holding(images.artifact(IMAGE), tags=[(images.cosign_tag(IMAGE), images.artifact(None))])
    assert walk(registry, referrers=False) == ReferrerTree(())
    assert registry.calls == []


def test_referrers_are_looked_for_in_another_repository_but_digest_tags_are_not() -> None:
    elsewhere = Repository.parse("r.example/team/signatures")
    sbom, tag = images.artifact(IMAGE), images.cosign_tag(IMAGE)
    registry = holding(sbom, repository=elsewhere)
    registry.seed(f"{REPOSITORY}:{tag}", images.artifact(None))
    tree = walk(registry, source=elsewhere, tags=TagList((tag,)))
    assert [(node.repository, node.tag) for node in tree.nodes] == [(elsewhere, ""), (REPOSITORY, tag)]


KINDS = {
    "a": images.artifact(IMAGE, artifact_type=SBOM, seed="a", annotations={"level": "1"}),
    "b": images.artifact(IMAGE, artifact_type=SBOM, seed="b", annotations={"level": "2"}),
    "c": images.artifact(IMAGE, artifact_type=SIGNATURE, seed="c", annotations={"level": "2", "more": "x"}),
    "d": images.artifact(IMAGE, artifact_type=SIGNATURE, seed="d"),
}
"""Referrers of four kinds, by the names that `FILTERED` has for them."""

FILTERED = [
    pytest.param([], "abcd", id="no filter"),
    pytest.param([Wanted(SBOM)], "ab", id="artifact type"),
    pytest.param([Wanted(SBOM, (("level", "1"),))], "a", id="type and annotation"),
    pytest.param([Wanted(SBOM, (("level", ""),))], "ab", id="annotation present"),
    pytest.param([Wanted("", (("level", "2"),))], "bc", id="annotation of any type"),
    pytest.param([Wanted("", (("level", "2"), ("more", "")))], "c", id="all annotations"),
    pytest.param([Wanted(SBOM), Wanted("", (("more", ""),))], "abc", id="one filter or the other"),
    pytest.param([Wanted("application/vnd.example.none")], "", id="none"),
]


@pytest.mark.parametrize(("filters", "names"), FILTERED)
def test_filters_choose_by_type_and_annotations(filters: Sequence[ReferrerFilter], names: str) -> None:
    tree = walk(holding(*KINDS.values()), filters=filters)
    assert {digest for digest, _ in found(tree)} == {KINDS[name].digest for name in names}


def test_what_is_attached_to_a_referrer_that_is_not_wanted_is_not_wanted() -> None:
    sbom = images.artifact(IMAGE, artifact_type=SBOM)
    signature = images.artifact(sbom, artifact_type=SIGNATURE)
    assert walk(holding(sbom, signature), filters=[Wanted(SIGNATURE)]).nodes == ()


def test_the_registry_is_asked_for_a_type_when_all_filters_agree_on_it() -> None:
    assert common_type([]) == ""
    assert common_type([Wanted(SBOM), Wanted(SBOM, (("a", "b"),))]) == SBOM
    assert common_type([Wanted(SBOM), Wanted(SIGNATURE)]) == ""
    assert common_type([Wanted(SBOM), Wanted("", (("a", "b"),))]) == ""


class BareLists(MemoryRegistry):
    """A registry whose lists were written by clients that leave things out: `keep` is applied to each entry."""

    def __init__(self, keep: Callable[[Descriptor], Descriptor], via: Via = Via.TAG) -> None:
        super().__init__()
        self._keep = keep
        self._via = via
        for number, image in enumerate(KINDS.values()):
            self.seed(f"{REPOSITORY}:t{number}", image)

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        listed = (await super().list_referrers(repository, digest)).descriptors
        return ReferrerList(tuple(map(self._keep, listed)), via=self._via).of_type(artifact_type)

    def read(self) -> list[str]:
        """Return the digests of the manifests that were read."""
        return [reference.partition("@")[2] for method, reference in self.calls if method == "get_manifest"]


def bare(entry: Descriptor) -> Descriptor:
    """As go-containerregistry wrote entries first: nothing but what every descriptor has."""
    return structs.replace(entry, artifact_type=None, annotations=None)


def with_config(entry: Descriptor) -> Descriptor:
    """As it wrote them later: with the config's media type, which is the empty one for artifacts with a type."""
    return structs.replace(entry, artifact_type=OCI_EMPTY, annotations=None)


def typed(entry: Descriptor) -> Descriptor:
    """As it wrote them after that: with the type, and without annotations."""
    return structs.replace(entry, annotations=None)


@pytest.mark.parametrize("keep", [bare, with_config, typed])
@pytest.mark.parametrize(("filters", "names"), FILTERED)
def test_filters_choose_the_same_where_lists_lack_what_they_ask_for(
    filters: Sequence[ReferrerFilter], names: str, keep: Callable[[Descriptor], Descriptor]
) -> None:
    """Nothing is dropped for what an old list does not say; no manifest is read twice, or without filters."""
    registry = BareLists(keep)
    tree = walk(registry, filters=filters)
    assert tree.problems == ()
    assert {digest for digest, _ in found(tree)} == {KINDS[name].digest for name in names}
    assert len(set(registry.read())) == len(registry.read())
    assert not (registry.read() and not filters)


def test_only_what_a_list_leaves_open_is_read() -> None:
    """What is of another type needs no reading, nor does what has all that is asked for."""
    by_type, by_key = [Wanted(SBOM, (("level", "1"),))], [Wanted("", (("level", "1"),))]
    registry = BareLists(typed)
    walk(registry, filters=by_type)
    assert set(registry.read()) == {KINDS[name].digest for name in "ab"}
    registry = BareLists(lambda entry: entry)
    walk(registry, filters=by_key)
    assert registry.read() == [KINDS["d"].digest]


def test_what_the_manifest_says_stands_in_the_tree() -> None:
    registry = BareLists(bare)
    nodes = walk(registry, filters=[Wanted(SBOM, (("level", "1"),))]).nodes
    assert [(node.descriptor.artifact_type, node.descriptor.annotations, node.via) for node in nodes] == [
        (SBOM, {"level": "1"}, Via.TAG)
    ]


@pytest.mark.parametrize(("keep", "reads"), [(typed, 0), (bare, 4)])
def test_a_registry_that_lists_itself_is_believed_if_it_says_the_types(
    keep: Callable[[Descriptor], Descriptor], reads: int
) -> None:
    """The referrers API owes each entry the annotations of its manifest."""
    registry = BareLists(keep, Via.API)
    tree = walk(registry, filters=[Wanted("", (("level", ""),))])
    assert len(registry.read()) == reads
    assert len(tree.nodes) == (3 if reads else 0)


def test_a_referrer_that_a_list_leaves_open_and_that_cannot_be_read_is_a_problem() -> None:
    registry = BareLists(bare)
    busy = RateLimitedError("GET manifest", f"{REPOSITORY}@{KINDS['a'].digest}", "HTTP 429", status=429, advice="wait")
    registry.fail["get_manifest", f"{REPOSITORY}@{KINDS['a'].digest}"] = busy
    tree = walk(registry, filters=[Wanted(SBOM)])
    assert found(tree) == [(KINDS["b"].digest, 1)]
    assert tree.problems == (str(busy),)


def test_the_copy_is_read_where_there_is_one() -> None:
    """That is no pull from the source; what the copies' registry refuses is read at the source all the same."""
    copies = Repository.parse("copies.example/app")
    registry = BareLists(bare)
    registry.seed(f"{copies}:a", KINDS["a"])
    tree = walk(registry, filters=[Wanted(SBOM)], copies=copies)
    assert {digest for digest, _ in found(tree)} == {KINDS["a"].digest, KINDS["b"].digest}
    assert {node.repository for node in tree.nodes} == {REPOSITORY}
    read = {reference for method, reference in registry.calls if method == "get_manifest"}
    assert read == {f"{copies}@{KINDS['a'].digest}", *(f"{REPOSITORY}@{KINDS[name].digest}" for name in "bcd")}
    registry.calls.clear()
    registry.fail["get_manifest", f"{copies}@{KINDS['a'].digest}"] = RateLimitedError("GET manifest", "x", "HTTP 429")
    assert walk(registry, filters=[Wanted(SBOM)], copies=copies) == tree


def test_what_lies_below_a_subject_is_no_referrer_of_it_and_is_not_read() -> None:
    """A list that a client has begun with the index itself, where a registry took the tag for the digest."""
    index = images.multi_platform("index")
    sbom = images.artifact(index, artifact_type=SBOM)

    class Polluted(MemoryRegistry):
        async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
            children = tuple(map(bare, manifest_of(index).children)) if digest == digest_of(index) else ()
            listed = (await super().list_referrers(repository, digest)).descriptors
            return ReferrerList((*children, *listed), via=Via.TAG)

    registry = Polluted()
    registry.seed(f"{REPOSITORY}:v1", index)
    registry.seed(f"{REPOSITORY}:sbom", sbom)
    for filters in ([], [Wanted(SBOM)]):
        assert found(walk(registry, index, filters=filters)) == [(sbom.digest, 1)]
    assert registry.count("get_manifest") == 0


def test_a_descriptor_without_annotations_passes_no_filter_on_them() -> None:
    bare_one = Descriptor(media_type=OCI_MANIFEST, digest=digest_of(IMAGE), size=1)
    assert is_wanted(bare_one, [])
    assert not is_wanted(bare_one, [Wanted("", (("a", ""),))])


def test_what_a_registry_refuses_becomes_a_problem_and_the_rest_is_found() -> None:
    index = images.multi_platform("busy")
    sbom = images.artifact(index.children[1])
    tag = images.cosign_tag(index)
    registry = holding(index, sbom, tags=[(tag, images.artifact(None))])
    busy = RateLimitedError("GET referrers", f"{REPOSITORY}@{index.digest}", "HTTP 429", status=429, advice="wait")
    head = RateLimitedError("HEAD manifest", f"{REPOSITORY}:{tag}", "HTTP 429", status=429, advice="wait")
    registry.fail["list_referrers", f"{REPOSITORY}@{index.digest}"] = busy
    registry.fail["head_manifest", f"{REPOSITORY}:{tag}"] = head
    tags = TagList((tag,), complete=False, problem="GET tags r.example/team/app: HTTP 500; the list is incomplete")
    tree = walk(registry, index, tags=tags)
    assert found(tree) == [(sbom.digest, 1)]
    assert tree.problems == (
        f"GET referrers {REPOSITORY}@{index.digest}: HTTP 429; wait",
        "GET tags r.example/team/app: HTTP 500; the list is incomplete",
        f"HEAD manifest {REPOSITORY}:{tag}: HTTP 429; wait",
    )


def test_a_nested_index_that_cannot_be_read_is_a_problem() -> None:
    nested = images.nested("gone")
    registry = MemoryRegistry()
    tree = walk(registry, nested)
    assert tree.problems == (f"GET manifest {REPOSITORY}@{nested.children[0].digest}: not found",)


def test_an_incomplete_list_makes_the_tree_incomplete() -> None:
    class Broken(MemoryRegistry):
        async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
            listed = await super().list_referrers(repository, digest, artifact_type)
            return ReferrerList(listed.descriptors, complete=False, problem="page 2 is missing")

    registry, sbom = Broken(), images.artifact(IMAGE)
    registry.seed(f"{REPOSITORY}:sbom", sbom)
    tree = walk(registry)
    assert (found(tree), tree.problems, tree.complete) == ([(sbom.digest, 1)], ("page 2 is missing",), False)


def test_a_digest_tag_that_is_gone_is_no_problem() -> None:
    assert walk(MemoryRegistry(), tags=TagList((images.cosign_tag(IMAGE),))) == ReferrerTree(())


def test_lists_that_lead_in_a_circle_end() -> None:
    """A referrers tag may list anything: here the image itself, what lies above, and each other."""
    one, two = images.artifact(IMAGE, seed="one"), images.artifact(IMAGE, seed="two")
    with RegistryServer(Options(referrers_api=False)) as server:
        server.store.add_image("team/app", "v1", IMAGE, referrers=[one, two])
        for subject, listed in ((IMAGE, [one, IMAGE]), (one, [two, IMAGE, one]), (two, [one, IMAGE])):
            server.store.add_image("team/app", subject.referrers_tag, images.referrers_index(listed))

        async def scenario() -> ReferrerTree:
            async with HttpRegistry({server.host: plain(server)}) as client:
                repository = Repository(server.host, "team/app")
                return await walk_referrers(client, repository, manifest_of(IMAGE))

        tree = asyncio.run(scenario())
        assert found(tree) == [(one.digest, 1), (two.digest, 2)]
        assert tree.complete
        assert server.requests.count("GET", "/manifests/sha256-") == 3


def test_digest_tags_are_those_of_one_digest_whatever_their_suffix() -> None:
    digest, other = Digest.of(b"one"), Digest.of(b"other")
    plain_tag = f"sha256-{digest.hex}"
    own = [plain_tag, f"{plain_tag}.att", f"{plain_tag}.sbom", f"{plain_tag}.sig", f"{plain_tag}_x"]
    strangers = ["v1", f"sha256-{other.hex}.sig", f"sha256-{digest.hex[:20]}.sig", f"x{plain_tag}.sig"]
    assert digest_tags([*strangers, *reversed(own), own[0]], digest) == tuple(own)
    assert digest_tags(strangers, digest) == ()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_referrers_tag_has_64_digits_at_most(algorithm: str) -> None:
    digest = Digest.of(b"", algorithm)
    assert referrers_tag(digest) == f"{algorithm}-{digest.hex[:64]}"


def test_a_referrers_tag_with_an_index_is_no_digest_tag() -> None:
    listed = images.referrers_index([images.artifact(IMAGE)])
    assert listed.media_type == OCI_INDEX
    tag = IMAGE.referrers_tag
    assert walk(holding(tags=[(tag, images.single("odd"))]), tags=TagList((tag,))).nodes[0].tag == tag
    assert [node.tag for node in walk(holding(tags=[(tag, listed)]), tags=TagList((tag,))).nodes] == [""]
