"""Image layouts that skopeo wrote are read, and layouts that we wrote are read by skopeo."""

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.layout import LayoutStore
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference, Repository

T = TypeVar("T")

# No Docker media types: skopeo finds no descriptor of those in a layout.
IMAGES = {
    "single": images.single("interop"),
    "multi": images.multi_platform("interop", platforms=("linux/amd64", "linux/arm64")),
    "attested": images.with_attestations("interop"),
}


@dataclass
class Stored:
    """A blob of a layout as the source of an upload."""

    store: LayoutStore
    layout: Repository
    blob: Descriptor

    def open(self, offset: int = 0) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        assert offset == 0
        return self.store.get_blob(self.layout, self.blob)


async def copy(store: LayoutStore, source: Reference, target: Reference) -> Manifest:
    """Copy an image from layout to layout through the port, as the house does."""
    manifest = await store.get_manifest(source)
    for blob in manifest.blobs:
        await store.upload_blob(target.repository, blob, Stored(store, source.repository, blob))
    for child in manifest.children:
        await copy(store, source.repository.at(child.digest), target.repository.at(child.digest))
    await store.put_manifest(target, manifest)
    return manifest


def with_store(work: Callable[[LayoutStore], Awaitable[T]]) -> T:
    async def scenario() -> T:
        async with LayoutStore() as store:
            return await work(store)

    return asyncio.run(scenario())


def skopeo(*arguments: str) -> bytes:
    """Run skopeo, which must be installed (a package of that name in Debian, Fedora, Homebrew)."""
    return subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, capture_output=True).stdout


@pytest.fixture(params=IMAGES)
def tag(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ours(tmp_path: Path, tag: str) -> Repository:
    """A layout that we wrote, with one tag."""
    source, target = Repository.layout(str(tmp_path / "source")), Repository.layout(str(tmp_path / "ours"))
    images.write_layout(tmp_path / "source", tag, IMAGES[tag])
    with_store(lambda store: copy(store, source.tag(tag), target.tag(tag)))
    return target


def test_skopeo_shows_the_manifest_that_we_wrote(ours: Repository, tag: str) -> None:
    assert skopeo("inspect", "--raw", f"oci:{ours.path}:{tag}") == IMAGES[tag].raw


def test_skopeo_copies_an_image_that_we_wrote(ours: Repository, tag: str, tmp_path: Path) -> None:
    skopeo("copy", "--all", f"oci:{ours.path}:{tag}", f"dir:{tmp_path}/dir")
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "dir").iterdir()}
    pieces = [*(blob.digest for blob in IMAGES[tag].all_blobs()), *(each.digest for each in IMAGES[tag].manifests())]
    assert {digest.removeprefix("sha256:") for digest in pieces} <= found


def test_an_image_of_a_layout_that_skopeo_wrote_arrives_unchanged(tmp_path: Path) -> None:
    """There and back: skopeo's layout is read, and skopeo adds a tag to ours that leaves our own alone."""
    image = IMAGES["multi"]
    images.write_layout(tmp_path / "source", "multi", image)
    skopeo("copy", "--all", f"oci:{tmp_path}/source:multi", f"oci:{tmp_path}/theirs:v1")
    theirs, ours = Repository.layout(str(tmp_path / "theirs")), Repository.layout(str(tmp_path / "ours"))
    manifest = with_store(lambda store: copy(store, theirs.tag("v1"), ours.tag("v1")))
    assert manifest.raw == image.raw
    skopeo("copy", "--all", f"oci:{tmp_path}/source:multi", f"oci:{tmp_path}/ours:v2")
    tags = with_store(lambda store: store.list_tags(ours)).tags
    assert tags == ("v1", "v2")
    for each in tags:
        reference = ours.tag(each)
        assert with_store(partial(LayoutStore.get_manifest, reference=reference)).raw == image.raw


def test_repositories_that_skopeo_put_into_one_layout_are_kept_apart(tmp_path: Path) -> None:
    """Each is read under its full name, one is written so that skopeo reads it, and the other stays as it was."""
    names = {"reg.example/kube-apiserver": IMAGES["multi"], "reg.example/kube-proxy": IMAGES["single"]}
    for name, image in names.items():
        images.write_layout(tmp_path / "source", "v1", image)
        skopeo("copy", "--all", f"oci:{tmp_path}/source:v1", f"oci:{tmp_path}/all:{name}:v1")
    for name, image in names.items():
        reference = Repository.layout(str(tmp_path / "all"), name).tag("v1")
        assert with_store(partial(LayoutStore.get_manifest, reference=reference)).raw == image.raw
    images.write_layout(tmp_path / "source", "v2", IMAGES["attested"])
    source = Repository.layout(str(tmp_path / "source")).tag("v2")
    proxy = Repository.layout(str(tmp_path / "all"), "reg.example/kube-proxy").tag("v1")
    with_store(lambda store: copy(store, source, proxy))
    assert skopeo("inspect", "--raw", f"oci:{tmp_path}/all:reg.example/kube-proxy:v1") == IMAGES["attested"].raw
    assert skopeo("inspect", "--raw", f"oci:{tmp_path}/all:reg.example/kube-apiserver:v1") == IMAGES["multi"].raw


def test_a_tag_that_skopeo_wrote_can_be_replaced_and_collected(tmp_path: Path) -> None:
    layout = Repository.layout(str(tmp_path / "layout"))
    images.write_layout(tmp_path / "source", "multi", IMAGES["multi"])
    images.write_layout(tmp_path / "source", "single", IMAGES["single"])
    skopeo("copy", "--all", f"oci:{tmp_path}/source:multi", f"oci:{layout.path}:v1")
    source = Repository.layout(str(tmp_path / "source"))

    async def work() -> None:
        async with LayoutStore(grace_s=0) as store:
            await copy(store, source.tag("single"), layout.tag("v1"))

    asyncio.run(work())
    kept = {path.name for path in Path(layout.path, "blobs", "sha256").iterdir()}
    single = IMAGES["single"]
    pieces = [single.digest, *(blob.digest for blob in single.all_blobs())]
    assert kept == {Digest.parse(digest).hex for digest in pieces}
    assert skopeo("inspect", "--raw", f"oci:{layout.path}:v1") == single.raw
