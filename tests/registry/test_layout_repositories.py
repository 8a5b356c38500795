"""Layouts that hold several repositories by full name, as skopeo, podman, containerd and Docker write them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.errors import LayoutError, UnsupportedError
from transship_registry.inventory import TagFact
from transship_registry.layout import LayoutStore
from transship_registry.layout.names import IMAGE_NAME, REF_NAME, fitting
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository

T = TypeVar("T")

SERVER, PROXY, NEW = (images.single(name) for name in ("apiserver", "proxy", "new"))
SERVER_NAME, PROXY_NAME = "reg.example/kube-apiserver", "reg.example/kube-proxy"


def by_reference(name: str, tag: str) -> dict[str, str]:
    """Annotate as skopeo and podman do."""
    return {REF_NAME: f"{name}:{tag}"}


def by_tag(name: str, tag: str) -> dict[str, str]:
    """Annotate as containerd, Docker and buildkit do."""
    return {REF_NAME: tag, IMAGE_NAME: f"{name}:{tag}"}


def by_image_name(name: str, tag: str) -> dict[str, str]:
    """Annotate with no other name than containerd's."""
    return {IMAGE_NAME: f"{name}:{tag}"}


STYLES = [by_reference, by_tag, by_image_name]
Style = Callable[[str, str], dict[str, str]]


def put(layout: Repository, *entries: tuple[images.Image, Mapping[str, object]]) -> None:
    """Write a layout with these entries."""
    for image, _ in entries:
        images.write_layout(Path(layout.path), None, image)
    document = {
        "schemaVersion": 2,
        "manifests": [{**image.descriptor(), "annotations": annotations} for image, annotations in entries],
    }
    Path(layout.path, "index.json").write_text(json.dumps(document))


def names(layout: Repository) -> list[tuple[str, object]]:
    """Return the entries: which image, and all its annotations."""
    known = {SERVER.digest: "server", PROXY.digest: "proxy", NEW.digest: "new"}
    entries = json.loads(Path(layout.path, "index.json").read_text())["manifests"]
    return [(known[entry["digest"]], entry["annotations"]) for entry in entries]


def with_store(work: Callable[[LayoutStore], Awaitable[T]]) -> T:
    async def scenario() -> T:
        async with LayoutStore() as store:
            return await work(store)

    return asyncio.run(scenario())


def refusal(work: Callable[[LayoutStore], Awaitable[object]]) -> str:
    with pytest.raises(UnsupportedError) as caught:
        with_store(work)
    return str(caught.value)


def digest_at(reference: Reference) -> str | None:
    found: Descriptor | None = with_store(lambda store: store.head_manifest(reference))
    return str(found.digest) if found else None


def store_new(reference: Reference) -> Callable[[LayoutStore], Awaitable[None]]:
    async def work(store: LayoutStore) -> None:
        images.write_layout(Path(reference.repository.path, "..", "spare"), "v1", NEW)
        spare = Repository.layout(str(Path(reference.repository.path, "..", "spare")))
        for blob in NEW.all_blobs():
            found = Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)
            await store.mount_blob(reference.repository, found, spare)
        await store.put_manifest(reference, Manifest.parse(NEW.raw, NEW.media_type, where="test"))

    return work


@pytest.fixture
def folder(tmp_path: Path) -> Repository:
    return Repository.layout(str(tmp_path / "layout"))


def both(layout: Repository, style: Style) -> None:
    put(layout, (SERVER, style(SERVER_NAME, "v1")), (PROXY, style(PROXY_NAME, "v1")))


@pytest.mark.parametrize("style", STYLES)
def test_a_repository_in_a_layout_is_found_by_its_name(folder: Repository, style: Style) -> None:
    both(folder, style)
    assert digest_at(Repository.layout(folder.path, SERVER_NAME).tag("v1")) == SERVER.digest
    assert digest_at(Repository.layout(folder.path, PROXY_NAME).tag("v1")) == PROXY.digest
    assert digest_at(Repository.layout(folder.path, "reg.example/other").tag("v1")) is None


@pytest.mark.parametrize("style", STYLES)
def test_a_tag_that_several_repositories_claim_names_them_all(folder: Repository, style: Style) -> None:
    """The first would be as good a guess as the second; regsync takes it."""
    both(folder, style)
    claim = (
        f"several images claim the tag: {SERVER_NAME}:v1, {PROXY_NAME}:v1; "
        f"say which is meant, for example {folder}:{SERVER_NAME}:v1"
    )
    tag = folder.tag("v1")
    assert refusal(lambda store: store.head_manifest(tag)) == f"HEAD manifest {tag}: {claim}"
    assert refusal(lambda store: store.get_manifest(tag)) == f"GET manifest {tag}: {claim}"
    assert refusal(lambda store: store.delete_tag(tag)) == f"delete tag {tag}: {claim}"
    before = Path(folder.path, "index.json").read_bytes()
    assert refusal(store_new(tag)) == f"PUT manifest {tag}: {claim}"
    assert Path(folder.path, "index.json").read_bytes() == before


@pytest.mark.parametrize("style", STYLES)
def test_the_folders_name_decides_where_it_fits_one(tmp_path: Path, style: Style) -> None:
    """So a link with the name of a repository leads to that one; the list says what it leaves out."""
    layout = Repository.layout(str(tmp_path / "kube-proxy"))
    put(
        layout,
        (SERVER, style(SERVER_NAME, "v1")),
        (PROXY, style(PROXY_NAME, "v1")),
        (SERVER, style(SERVER_NAME, "v2")),
        (NEW, {REF_NAME: "own"}),
    )
    assert digest_at(layout.tag("v1")) == PROXY.digest
    assert digest_at(layout.tag("v2")) is None
    assert digest_at(layout.tag("own")) == NEW.digest
    assert with_store(lambda store: store.list_tags(layout)) == TagList(
        ("own", "v1"),
        warnings=(
            f"{layout} holds several repositories, of which its path names {PROXY_NAME}; "
            f"left out: {SERVER_NAME}:v1, {SERVER_NAME}:v2",
        ),
        repositories=(SERVER_NAME, PROXY_NAME),
    )


def test_a_list_has_the_tags_of_all_repositories_or_of_the_one_that_is_named(folder: Repository) -> None:
    put(
        folder,
        (SERVER, by_reference(SERVER_NAME, "v1")),
        (PROXY, by_reference(PROXY_NAME, "v1")),
        (PROXY, by_reference(PROXY_NAME, "v2")),
        (NEW, {REF_NAME: "own"}),
        (NEW, {REF_NAME: f"sha256-{'0' * 64}.sig"}),
    )
    signature = f"sha256-{'0' * 64}.sig"
    assert with_store(lambda store: store.list_tags(folder)) == TagList(
        ("own", signature, "v1", "v2"), repositories=(SERVER_NAME, PROXY_NAME)
    )
    named = Repository.layout(folder.path, PROXY_NAME)
    assert with_store(lambda store: store.list_tags(named)) == TagList((signature, "v1", "v2"))


def test_an_inventory_tells_nothing_of_a_tag_that_is_claimed_twice(folder: Repository) -> None:
    both(folder, by_reference)
    assert with_store(lambda store: store.inventory(folder)).tags == (TagFact(tag="v1"),)
    named = with_store(lambda store: store.inventory(Repository.layout(folder.path, PROXY_NAME)))
    assert [str(fact.digest) for fact in named.tags] == [PROXY.digest]


def test_an_image_of_no_repository_goes_before_the_others(folder: Repository) -> None:
    """A name that is the tag itself wins, as in regsync (semantics B18.4)."""
    put(folder, (SERVER, by_reference(SERVER_NAME, "v1")), (PROXY, by_tag(PROXY_NAME, "v1")), (NEW, {REF_NAME: "v1"}))
    assert digest_at(folder.tag("v1")) == NEW.digest


def test_the_same_image_under_two_names_is_no_rival(folder: Repository) -> None:
    put(folder, (NEW, by_reference(SERVER_NAME, "v1")), (NEW, by_reference(PROXY_NAME, "v1")))
    assert digest_at(folder.tag("v1")) == NEW.digest


@pytest.mark.parametrize("style", STYLES)
def test_a_tag_of_a_repository_replaces_its_own_entry_and_no_other(folder: Repository, style: Style) -> None:
    both(folder, style)
    with_store(store_new(Repository.layout(folder.path, PROXY_NAME).tag("v1")))
    written = {REF_NAME: f"{PROXY_NAME}:v1", **style(PROXY_NAME, "v1")}
    assert names(folder) == [("server", style(SERVER_NAME, "v1")), ("new", written)]


def test_a_new_tag_of_a_repository_is_called_by_its_full_name(folder: Repository) -> None:
    """As skopeo calls it, so that other repositories may have the same tag."""
    put(folder, (SERVER, by_reference(SERVER_NAME, "v1")))
    with_store(store_new(Repository.layout(folder.path, PROXY_NAME).tag("v1")))
    assert names(folder) == [("server", by_reference(SERVER_NAME, "v1")), ("new", by_reference(PROXY_NAME, "v1"))]


def test_a_tag_of_no_repository_replaces_none_of_one(folder: Repository) -> None:
    """Whether the other one is called by the tag alone or by the whole reference."""
    put(
        folder,
        (PROXY, by_tag(PROXY_NAME, "v1")),
        (SERVER, {REF_NAME: "v1"}),
        (SERVER, by_reference(SERVER_NAME, "v1")),
    )
    with_store(store_new(folder.tag("v1")))
    assert names(folder) == [
        ("proxy", by_tag(PROXY_NAME, "v1")),
        ("new", {REF_NAME: "v1"}),
        ("server", by_reference(SERVER_NAME, "v1")),
    ]


@pytest.mark.parametrize("style", STYLES)
def test_deleting_a_tag_of_a_repository_leaves_the_others(folder: Repository, style: Style) -> None:
    both(folder, style)
    with_store(lambda store: store.delete_tag(Repository.layout(folder.path, SERVER_NAME).tag("v1")))
    assert names(folder) == [("proxy", style(PROXY_NAME, "v1"))]


def test_what_is_attached_is_found_whatever_repository_is_named(folder: Repository) -> None:
    """A list of referrers is under a tag that is made of the subject's digest, and of no repository."""
    both(folder, by_reference)
    signature = images.artifact(PROXY)
    images.write_layout(Path(folder.path), PROXY.referrers_tag, images.referrers_index([signature]))
    images.write_layout(Path(folder.path), None, signature)
    named = Repository.layout(folder.path, PROXY_NAME)
    listed = with_store(lambda store: store.list_referrers(named, Digest.parse(PROXY.digest)))
    assert [str(each.digest) for each in listed.descriptors] == [signature.digest]


def test_names_that_are_none_are_one_warning_and_the_other_tags_are_listed(folder: Repository) -> None:
    """Neither an entry of another type nor a control character takes the layout with it."""
    put(
        folder,
        (SERVER, {REF_NAME: "v1", "org.example.number": 7}),
        (PROXY, {REF_NAME: None}),
        (PROXY, {REF_NAME: "a b\x1b[2J"}),
        (PROXY, {REF_NAME: f"{PROXY_NAME}@{PROXY.digest}"}),
        (PROXY, {REF_NAME: "reg.example:5000/kube-proxy"}),
        (PROXY, {"org.example.x": "y"}),
    )
    assert with_store(lambda store: store.list_tags(folder)) == TagList(
        ("v1",),
        warnings=(
            f"index.json of {folder} has 2 entries that no image can be called: "
            'null, "a b\\u001b[2J"; they are left out',
        ),
    )


@pytest.mark.parametrize("size", [-1, 1.5, 2**53, 10**400, "7", None])
def test_a_size_that_nothing_has_spoils_its_own_entry_only(folder: Repository, size: object) -> None:
    both(folder, by_reference)
    path = Path(folder.path, "index.json")
    document = json.loads(path.read_text())
    document["manifests"][0]["size"] = size
    path.write_text(json.dumps(document))
    assert digest_at(Repository.layout(folder.path, PROXY_NAME).tag("v1")) == PROXY.digest
    broken = Repository.layout(folder.path, SERVER_NAME).tag("v1")
    with pytest.raises(
        LayoutError, match=f"^read layout {broken}: index.json: the size of {SERVER.digest} is no size: "
    ):
        digest_at(broken)


@pytest.mark.parametrize(
    ("repositories", "wanted", "found"),
    [
        ((SERVER_NAME, PROXY_NAME), "mirror.example/k8s/kube-proxy", PROXY_NAME),
        ((SERVER_NAME, PROXY_NAME), "/srv/images/kube-apiserver", SERVER_NAME),
        ((SERVER_NAME, PROXY_NAME), "mirror.example/k8s", ""),
        (("a.io/one/app", "b.io/two/app"), "c.io/two/app", "b.io/two/app"),
        (("a.io/one/app", "b.io/two/app"), "c.io/app", ""),
        (("a.io/app", "b.io/app-debug"), "c.io/app", "a.io/app"),
        ((), "c.io/app", ""),
    ],
)
def test_a_name_fits_by_how_it_ends(repositories: tuple[str, ...], wanted: str, found: str) -> None:
    assert fitting(repositories, wanted) == found


def test_names_are_compared_in_full(folder: Repository) -> None:
    """`alpine` is what Docker calls `docker.io/library/alpine`."""
    put(folder, (SERVER, {REF_NAME: "alpine:v1"}), (PROXY, {REF_NAME: "docker.io/library/busybox:v1"}))
    assert digest_at(Reference.parse(f"{folder}:alpine:v1")) == SERVER.digest
    assert digest_at(Reference.parse(f"{folder}:index.docker.io/busybox:v1")) == PROXY.digest
