"""Files in a layout that have the right name and other content: no tag is set on them, and they are written anew."""

import asyncio
import fcntl
import json
import logging
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError
from transship_registry.layout import LayoutStore
from transship_registry.layout.blobs import PIECE
from transship_registry.layout.links import LayoutLinks
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Repository

IMAGE = images.single("app", layers=["shared", "own"], size=3 * PIECE + 7)
NEXT = images.single("app-next", layers=["shared", "new"], size=3 * PIECE + 7)
TREE = images.index([images.multi_platform("inner"), images.single("beside")])
LAYER = IMAGE.blobs[1]


@dataclass
class Origin:
    """The bytes of a blob."""

    data: bytes

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncGenerator[bytes, None]:
        yield self.data[offset:]


def descriptor(blob: images.Blob) -> Descriptor:
    return Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)


def parse(image: images.Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


def file_of(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


def flip(path: Path) -> None:
    """Change one bit in the middle, in place."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def run(work: Callable[[LayoutStore], Awaitable[None]], store: LayoutStore | None = None) -> None:
    async def scenario() -> None:
        async with store or LayoutStore() as opened:
            await work(opened)

    asyncio.run(scenario())


def tags(folder: Path) -> list[str]:
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries if "annotations" in entry]


def is_whole(folder: Path, image: images.Image) -> bool:
    """Whether all of an image is there, byte by byte."""
    expected = {each.digest: each.raw for each in image.manifests()} | {b.digest: b.data for b in image.all_blobs()}
    return all(file_of(folder, digest).read_bytes() == data for digest, data in expected.items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A layout with an image under the tag `v1`."""
    images.write_layout(tmp_path / "layout", "v1", IMAGE)
    return tmp_path / "layout"


@pytest.fixture
def layout(folder: Path) -> Repository:
    return Repository.layout(str(folder))


class Readings:
    """How many bytes of each blob were read, also of a clone that has no name yet, and what to do meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.meanwhile: Callable[[], object] = lambda: None
        self._readv = os.readv
        monkeypatch.setattr(os, "readv", self._count)

    def _count(self, number: int, buffers: Sequence[memoryview]) -> int:
        self.meanwhile()
        count = self._readv(number, buffers)
        name = re.search("[0-9a-f]{64}", os.path.basename(os.readlink(f"/proc/self/fd/{number}")))
        self.counts[name[0] if name else ""] += count
        return count

    def of(self, blob: images.Blob) -> int:
        return self.counts[blob.digest.partition(":")[2]]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def test_a_damaged_blob_is_written_anew_and_that_is_said(
    folder: Path, layout: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the right name and size, so that it was taken for the blob."""
    path = file_of(folder, LAYER.digest)
    flip(path)

    async def work(store: LayoutStore) -> None:
        assert not await store.holds(layout, descriptor(LAYER))
        await store.upload_blob(layout, descriptor(LAYER), Origin(LAYER.data))
        assert await store.holds(layout, descriptor(LAYER))

    with caplog.at_level(logging.WARNING):
        run(work)
    assert path.read_bytes() == LAYER.data
    assert caplog.messages == [f"{path} had other content than its name says; it was written anew"]


def test_a_sound_blob_stays_the_file_that_it_is(folder: Path, layout: Repository) -> None:
    path = file_of(folder, LAYER.digest)
    before = path.stat()

    async def work(store: LayoutStore) -> None:
        await store.upload_blob(layout, descriptor(LAYER), Origin(b"nobody asks for this"))

    run(work)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("links", LayoutLinks)
def test_a_mount_replaces_a_damaged_blob(links: LayoutLinks, folder: Path, layout: Repository, tmp_path: Path) -> None:
    """By a copy and by a hard link; a second mount finds it right."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    flip(file_of(folder, LAYER.digest))

    async def work(store: LayoutStore) -> None:
        for _ in range(2):
            assert await store.mount_blob(layout, descriptor(LAYER), Repository.layout(str(tmp_path / "source")))

    run(work, LayoutStore(links=links))
    path = file_of(folder, LAYER.digest)
    assert path.read_bytes() == LAYER.data
    assert os.path.samefile(path, file_of(tmp_path / "source", LAYER.digest)) is (links is LayoutLinks.HARDLINK)
    assert not [each for each in path.parent.iterdir() if each.name.startswith(".")]


def test_a_link_to_other_content_is_replaced_by_a_hard_link(folder: Path, layout: Repository, tmp_path: Path) -> None:
    """What the link leads to stays as it is."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    path = file_of(folder, LAYER.digest)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(bytes(LAYER.size))

    async def work(store: LayoutStore) -> None:
        assert await store.mount_blob(layout, descriptor(LAYER), Repository.layout(str(tmp_path / "source")))

    run(work, LayoutStore(links=LayoutLinks.HARDLINK))
    assert not path.is_symlink()
    assert path.read_bytes() == LAYER.data
    assert (tmp_path / "elsewhere").read_bytes() == bytes(LAYER.size)


@pytest.mark.parametrize("number", range(3))
def test_no_tag_is_set_on_a_damaged_blob(folder: Path, layout: Repository, number: int) -> None:
    """The config, and each layer; the tag that is there is left as it is."""
    blob = IMAGE.blobs[number]
    flip(file_of(folder, blob.digest))

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v2"), parse(IMAGE))

    with pytest.raises(MissingContentError) as caught:
        run(work)
    assert str(caught.value) == (
        f"PUT manifest {layout}:v2: the layout lacks what {IMAGE.digest} points at: "
        f"{blob.digest} ({blob.media_type}, {blob.size} bytes, whose file is damaged); copy that first"
    )
    assert caught.value.digests == (Digest.parse(blob.digest),)
    assert tags(folder) == ["v1"]


def test_what_is_damaged_deep_below_an_index_is_named_with_the_manifests_above_it(tmp_path: Path) -> None:
    """They have to be sent again, so that somebody looks below them."""
    images.write_layout(tmp_path / "layout", None, TREE)
    inner = TREE.children[0]
    leaf = inner.children[1]
    flip(file_of(tmp_path / "layout", leaf.blobs[1].digest))
    layout = Repository.layout(str(tmp_path / "layout"))

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v1"), parse(TREE))

    with pytest.raises(MissingContentError) as caught:
        run(work)
    first, *above = map(str, caught.value.digests)
    assert first == leaf.blobs[1].digest
    assert above == sorted([inner.digest, leaf.digest])
    assert tags(tmp_path / "layout") == []


def test_no_tag_is_set_on_a_damaged_manifest(tmp_path: Path) -> None:
    """What one of its index's manifests was is not what the name says."""
    images.write_layout(tmp_path / "layout", None, TREE)
    child = TREE.children[1]
    flip(file_of(tmp_path / "layout", child.digest))
    layout = Repository.layout(str(tmp_path / "layout"))

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v1"), parse(TREE))

    with pytest.raises(MissingContentError) as caught:
        run(work)
    assert str(caught.value) == (
        f"PUT manifest {layout}:v1: the layout lacks what {TREE.digest} points at: "
        f"{child.digest} ({child.media_type}, {child.size} bytes, whose file is damaged); copy that first"
    )


def test_what_this_run_did_not_write_is_read_once_whatever_the_number_of_tags(
    layout: Repository, readings: Readings
) -> None:
    """Also when tags are set at once, and whoever asks."""

    async def work(store: LayoutStore) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(store.put_manifest(layout.tag(f"tag-{number}"), parse(IMAGE)))
                group.create_task(store.holds(layout, descriptor(LAYER)))
        await store.upload_blob(layout, descriptor(LAYER), Origin(LAYER.data))

    run(work)
    assert {blob.digest: readings.of(blob) for blob in IMAGE.blobs} == {b.digest: b.size for b in IMAGE.blobs}


def test_what_this_run_wrote_is_not_read_again(tmp_path: Path, readings: Readings) -> None:
    """It was hashed while it was written."""
    layout = Repository.layout(str(tmp_path / "layout"))

    async def work(store: LayoutStore) -> None:
        for blob in IMAGE.blobs:
            await store.upload_blob(layout, descriptor(blob), Origin(blob.data))
        for tag in ("v1", "v2"):
            await store.put_manifest(layout.tag(tag), parse(IMAGE))

    run(work)
    assert not readings.counts


@pytest.mark.parametrize("links", LayoutLinks)
def test_what_this_run_mounted_is_read_at_its_source_only(
    links: LayoutLinks, folder: Path, tmp_path: Path, readings: Readings
) -> None:
    """A hard link is verified before it is made, a copy while it is, and a clone after it."""
    layout = Repository.layout(str(tmp_path / "mirror"))

    async def work(store: LayoutStore) -> None:
        for blob in IMAGE.blobs:
            assert await store.mount_blob(layout, descriptor(blob), Repository.layout(str(folder)))
        await store.put_manifest(layout.tag("v1"), parse(IMAGE))

    run(work, LayoutStore(links=links))
    assert {blob.digest: readings.of(blob) for blob in IMAGE.blobs} == {b.digest: b.size for b in IMAGE.blobs}


def test_a_blob_that_is_changed_in_mid_run_is_read_again(folder: Path, layout: Repository) -> None:
    """By somebody who keeps its size and sets its time back."""
    path = file_of(folder, LAYER.digest)

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v2"), parse(IMAGE))
        status = path.stat()
        flip(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        await store.put_manifest(layout.tag("v3"), parse(IMAGE))

    with pytest.raises(MissingContentError):
        run(work)
    assert tags(folder) == ["v1", "v2"]


def test_files_are_read_while_nobody_has_to_wait(folder: Path, layout: Repository, readings: Readings) -> None:
    """Another process may change index.json while this one hashes."""
    asked: list[None] = []

    def lock() -> None:
        with (folder / ".transship.index.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asked.append(None)

    readings.meanwhile = lock

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v2"), parse(IMAGE))

    run(work)
    assert len(asked) == sum(-(-blob.size // PIECE) for blob in IMAGE.blobs)
    assert tags(folder) == ["v1", "v2"]


def test_a_blob_that_is_changed_after_it_was_read_is_found_before_the_tag_is_set(
    folder: Path, layout: Repository, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment is the one at which index.json is locked."""
    flock = fcntl.flock
    path = file_of(folder, LAYER.digest)

    def interfere(file: int, operation: int) -> None:
        flock(file, operation)
        if path.read_bytes() == LAYER.data and readings.of(LAYER) == LAYER.size:
            flip(path)

    monkeypatch.setattr(fcntl, "flock", interfere)

    async def work(store: LayoutStore) -> None:
        await store.put_manifest(layout.tag("v2"), parse(IMAGE))

    with pytest.raises(MissingContentError):
        run(work)
    assert readings.of(LAYER) == 2 * LAYER.size
    assert tags(folder) == ["v1"]


def test_who_gives_up_while_files_are_read_leaves_nothing_locked(
    folder: Path, layout: Repository, readings: Readings
) -> None:
    """Ctrl-C is answered between two pieces, and the next one reads on its own."""

    async def work(store: LayoutStore) -> None:
        setting = asyncio.create_task(store.put_manifest(layout.tag("v2"), parse(IMAGE)))
        loop = asyncio.get_running_loop()
        readings.meanwhile = lambda: loop.call_soon_threadsafe(setting.cancel)
        with pytest.raises(asyncio.CancelledError):
            await setting
        readings.meanwhile = lambda: None
        assert sum(readings.counts.values()) < sum(blob.size for blob in IMAGE.blobs)
        await store.put_manifest(layout.tag("v3"), parse(IMAGE))

    run(work)
    assert tags(folder) == ["v1", "v3"]


# What users see.


def configure(tmp_path: Path, *rules: str) -> None:
    entry = ["{source: 'ocidir://source:v1', target: 'ocidir://mirror:v1', type: image", *rules]
    (tmp_path / "mirror.yaml").write_text(f"version: 1\nsync:\n  - {', '.join(entry)}}}\n")


def program(tmp_path: Path, *arguments: str) -> Done:
    return transship(*arguments, "-c", "mirror.yaml", cwd=tmp_path)


def parts(image: images.Image) -> dict[str, str]:
    """One file of each kind in `TREE`, by what it is."""
    inner = image.children[0]
    leaf = inner.children[0]
    return {
        "layer": image.children[1].blobs[1].digest,
        "config": image.children[1].blobs[0].digest,
        "child": image.children[1].digest,
        "inner index": inner.digest,
        "grandchild": leaf.digest,
        "layer of a grandchild": leaf.blobs[1].digest,
    }


@pytest.mark.parametrize("part", parts(TREE))
def test_what_lies_damaged_at_the_target_is_brought_again_before_its_tag_is_set(tmp_path: Path, part: str) -> None:
    """A disk, or somebody, left it there; the source has it whole."""
    images.write_layout(tmp_path / "source", "v1", TREE)
    images.write_layout(tmp_path / "mirror", None, TREE)
    flip(file_of(tmp_path / "mirror", parts(TREE)[part]))
    configure(tmp_path)
    done = program(tmp_path, "once")
    assert done.code == 0, done.out + done.err
    assert tags(tmp_path / "mirror") == ["v1"]
    assert is_whole(tmp_path / "mirror", TREE)


@pytest.mark.parametrize("part", ["image", *parts(TREE)])
def test_force_recursive_reads_what_is_in_a_layout(tmp_path: Path, part: str) -> None:
    """The tag is right and a file is not: `check` says so, and the next run brings it again."""
    images.write_layout(tmp_path / "source", "v1", TREE)
    images.write_layout(tmp_path / "mirror", "v1", TREE)
    flip(file_of(tmp_path / "mirror", {"image": TREE.digest, **parts(TREE)}[part]))
    configure(tmp_path, "forceRecursive: true")
    checked = program(tmp_path, "check")
    assert checked.code == 2, checked.out + checked.err
    done = program(tmp_path, "once")
    assert done.code == 0, done.out + done.err
    assert is_whole(tmp_path / "mirror", TREE)
    again = program(tmp_path, "check")
    assert again.code == 0, again.out + again.err


@pytest.mark.parametrize("rules", [(), ("referrers: true", "forceRecursive: true")], ids=["plain", "with referrers"])
def test_an_image_whose_manifest_is_damaged_can_be_replaced(tmp_path: Path, rules: tuple[str, ...]) -> None:
    """Upstream moves, and what the mirror had before counts for nothing."""
    images.write_layout(tmp_path / "source", "v1", NEXT)
    images.write_layout(tmp_path / "mirror", "v1", TREE)
    flip(file_of(tmp_path / "mirror", TREE.digest))
    configure(tmp_path, *rules)
    done = program(tmp_path, "once")
    assert done.code == 0, done.out + done.err
    assert is_whole(tmp_path / "mirror", NEXT)


def test_a_damaged_index_with_referrers_is_read_at_its_source(tmp_path: Path) -> None:
    """What is attached to it is looked for by the index of the source, where the mirror's own cannot be believed."""
    signature = images.artifact(TREE)
    images.write_layout(tmp_path / "source", "v1", TREE, referrers=[signature])
    images.write_layout(tmp_path / "mirror", "v1", TREE, referrers=[signature])
    flip(file_of(tmp_path / "mirror", TREE.digest))
    configure(tmp_path, "referrers: true", "forceRecursive: true")
    done = program(tmp_path, "once")
    assert done.code == 0, done.out + done.err
    assert is_whole(tmp_path / "mirror", TREE)
