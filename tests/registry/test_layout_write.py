"""Writing image layouts: blobs, manifests, tags, and what goes wrong on a disk."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.errors import (
    ContentError,
    LayoutError,
    MissingContentError,
    NotFoundError,
    TransshipError,
    UnsupportedError,
)
from transship_registry.layout import LayoutStore
from transship_registry.layout.blobs import PIECE
from transship_registry.layout.links import LayoutLinks
from transship_registry.layout.lock import LockFile, lock_pauses
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference, Repository

T = TypeVar("T")

MULTI = images.multi_platform("write")
CHILD = MULTI.children[0]
OTHER = images.single("other")
BLOB = CHILD.blobs[1]


@dataclass
class Origin:
    """A blob's source that counts how often it was opened, and may stop in the middle."""

    data: bytes
    piece: int = 100_000
    opened: int = 0
    fails: BaseException | None = None

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        self.opened += 1
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncGenerator[bytes | memoryview, None]:
        for start in range(offset, len(self.data), self.piece):
            await asyncio.sleep(0)
            yield memoryview(self.data)[start : start + self.piece]
        if self.fails:
            raise self.fails


def descriptor(blob: images.Blob) -> Descriptor:
    return Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)


def parse(image: images.Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test", expected=Digest.parse(image.digest))


async def put(store: LayoutStore, layout: Repository, image: images.Image, tag: str | None = None) -> None:
    for blob in image.all_blobs():
        if not blob.urls:
            await store.upload_blob(layout, descriptor(blob), Origin(blob.data))
    for each in image.manifests():
        manifest = parse(each)
        is_tagged = tag is not None and each is image
        await store.put_manifest(layout.tag(tag) if is_tagged and tag else layout.at(manifest.digest), manifest)


def with_store(work: Callable[[LayoutStore], Awaitable[T]], store: LayoutStore | None = None) -> T:
    async def scenario() -> T:
        async with store or LayoutStore() as opened:
            return await work(opened)

    return asyncio.run(scenario())


def failure(
    kind: type[TransshipError], work: Callable[[LayoutStore], Awaitable[object]], store: LayoutStore | None = None
) -> str:
    with pytest.raises(kind) as caught:
        with_store(work, store)
    return str(caught.value)


def files(folder: Path) -> dict[str, bytes]:
    """The files of a layout, but not the locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def state(layout: Repository) -> dict[Path, tuple[int, int]]:
    """Identity and last change of every file and folder, but not the time of the last reading."""
    found = (path for path in Path(layout.path).rglob("*") if path.suffix != ".lock")
    return {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in found}


def blob_name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def entries(layout: Repository) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(Path(layout.path, "index.json").read_text())["manifests"]
    return found


def named(image: images.Image, tag: str) -> dict[str, object]:
    return {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": image.size,
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }


@pytest.fixture
def layout(tmp_path: Path) -> Repository:
    return Repository.layout(str(tmp_path / "deep" / "layout"))


def test_a_new_layout_has_what_the_specification_asks_for_and_nothing_else(layout: Repository) -> None:
    with_store(lambda store: put(store, layout, MULTI, "v1"))
    found = files(Path(layout.path))
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [named(MULTI, "v1")],
    }
    assert json.loads(found.pop("index.json")) == index
    assert json.loads(found.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    expected = {blob_name(blob.digest): blob.data for blob in MULTI.all_blobs()}
    assert found == expected | {blob_name(each.digest): each.raw for each in MULTI.manifests()}


def test_a_manifest_put_by_digest_gets_no_entry(layout: Repository) -> None:
    with_store(lambda store: put(store, layout, CHILD))
    assert entries(layout) == []
    found = with_store(lambda store: store.get_manifest(layout.at(Digest.parse(CHILD.digest))))
    assert found.raw == CHILD.raw


def test_a_reference_with_tag_and_digest_is_stored_by_digest(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, CHILD)
        await store.put_manifest(Reference(layout, "v1", Digest.parse(CHILD.digest)), parse(CHILD))

    with_store(work)
    assert entries(layout) == []


def test_a_manifest_of_another_digest_than_asked_for_is_refused(layout: Repository) -> None:
    reference = layout.at(Digest.parse(OTHER.digest))
    assert failure(ContentError, lambda store: store.put_manifest(reference, parse(CHILD))) == (
        f"PUT manifest {reference}: the manifest's bytes hash to {CHILD.digest}"
    )


def test_replacing_a_tag_touches_only_its_entry(layout: Repository) -> None:
    images.write_layout(Path(layout.path), "v1", CHILD)
    images.write_layout(Path(layout.path), "v2", MULTI)
    path = Path(layout.path, "index.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "annotations": {"owner": "me"}}))
    with_store(lambda store: put(store, layout, OTHER, "v1"))
    document = json.loads(path.read_text())
    assert document["annotations"] == {"owner": "me"}
    assert document["manifests"] == [named(OTHER, "v1"), named(MULTI, "v2")]


def test_the_same_image_under_the_same_tag_writes_nothing(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v1")
        before = state(layout)
        await put(store, layout, MULTI, "v1")
        assert state(layout) == before

    with_store(work)


def test_a_stored_blob_is_not_asked_for_again_but_one_of_another_size_is_replaced(layout: Repository) -> None:
    origin = Origin(BLOB.data)

    async def upload(store: LayoutStore) -> None:
        await store.upload_blob(layout, descriptor(BLOB), origin)

    with_store(upload)
    with_store(upload)
    assert origin.opened == 1
    path = Path(layout.path, blob_name(BLOB.digest))
    path.write_bytes(BLOB.data[:-1])
    with_store(upload)
    assert (origin.opened, path.read_bytes()) == (2, BLOB.data)


@pytest.mark.parametrize("piece", [1000, PIECE - 1, PIECE, 3 * PIECE])
def test_a_large_blob_arrives_whole_whatever_the_size_of_the_pieces(layout: Repository, piece: int) -> None:
    blob = images.layer("large", 2 * PIECE + 500)
    with_store(lambda store: store.upload_blob(layout, descriptor(blob), Origin(blob.data, piece)))
    assert Path(layout.path, blob_name(blob.digest)).read_bytes() == blob.data


def test_an_empty_blob_can_be_stored(layout: Repository) -> None:
    empty = images.blob(b"")
    with_store(lambda store: store.upload_blob(layout, descriptor(empty), Origin(b"")))
    assert Path(layout.path, blob_name(empty.digest)).read_bytes() == b""


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (BLOB.data[:-1], "the source sent 1023 bytes, expected 1024; nothing of it was stored"),
        (BLOB.data + b"x", "the source sent 1025 bytes or more, expected 1024; nothing of it was stored"),
        (
            BLOB.data[:-1] + b"x",
            f"what the source sent has digest {images.digest_of(BLOB.data[:-1] + b'x')}, expected {BLOB.digest}; "
            "nothing of it was stored",
        ),
    ],
    ids=["too short", "too long", "other bytes"],
)
def test_wrong_bytes_are_refused_and_leave_nothing(layout: Repository, data: bytes, problem: str) -> None:
    message = failure(ContentError, lambda store: store.upload_blob(layout, descriptor(BLOB), Origin(data)))
    assert message == f"upload blob {layout}@{BLOB.digest}: {problem}"
    assert set(files(Path(layout.path))) == {"index.json", "oci-layout"}


def test_a_source_that_fails_leaves_nothing_and_its_error_comes_through(layout: Repository) -> None:
    """A network error is an `OSError` too, but not one of the layout's disk."""
    lost = ConnectionResetError(errno.ECONNRESET, "gone")
    with pytest.raises(ConnectionResetError):
        with_store(lambda store: store.upload_blob(layout, descriptor(BLOB), Origin(BLOB.data, fails=lost)))
    assert set(files(Path(layout.path))) == {"index.json", "oci-layout"}


def test_a_cancelled_upload_leaves_nothing(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        blob = images.layer("cancelled", 3 * PIECE)
        started = asyncio.Event()

        class Stalling(Origin):
            async def _pieces(self, offset: int) -> AsyncGenerator[bytes | memoryview, None]:
                yield self.data[: 2 * PIECE]
                started.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(store.upload_blob(layout, descriptor(blob), Stalling(blob.data)))
            await started.wait()
            assert len(files(Path(layout.path))) == 3
            task.cancel()

    with_store(work)
    assert set(files(Path(layout.path))) == {"index.json", "oci-layout"}


def test_files_have_the_modes_that_the_umask_asks_for(layout: Repository) -> None:
    """Everything that regsync writes has mode 0600 (semantics B18.2), so that no other user can read the mirror."""
    before = os.umask(0o027)
    try:
        with_store(lambda store: put(store, layout, CHILD, "v1"))
    finally:
        os.umask(before)
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in Path(layout.path).rglob("*")}
    assert modes == {(False, 0o640), (True, 0o750)}


def test_a_full_disk_is_told_with_path_and_way_out_and_loses_nothing(
    layout: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_store(lambda store: put(store, layout, CHILD, "v1"))
    before = files(Path(layout.path))

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("transship_registry.layout.pending.os.write", full)
    blob = OTHER.blobs[1]
    path = Path(layout.path, blob_name(blob.digest))
    advice = "free space on its file system and run again; what was stored before is intact"
    assert failure(LayoutError, lambda store: store.upload_blob(layout, descriptor(blob), Origin(blob.data))) == (
        f"upload blob {layout}@{blob.digest}: {path}: No space left on device (ENOSPC); {advice}"
    )
    assert failure(LayoutError, lambda store: store.put_manifest(layout.tag("v2"), parse(CHILD))) == (
        f"PUT manifest {layout}:v2: {layout.path}/index.json: No space left on device (ENOSPC); {advice}"
    )
    assert files(Path(layout.path)) == before


def test_a_folder_that_may_not_be_written_is_told_with_path_and_way_out(
    layout: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, because tests that run as root are allowed everything."""

    def denied(path: str, exist_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("transship_registry.layout.opened.os.makedirs", denied)
    assert failure(LayoutError, lambda store: put(store, layout, CHILD, "v1")) == (
        f"create layout {layout}: {layout.path}: Permission denied (EACCES); "
        f"give user {os.geteuid()} the right to do so, or choose another folder"
    )


def test_a_manifest_is_refused_while_its_blobs_are_missing(layout: Repository) -> None:
    config, first, second = CHILD.blobs

    async def work(store: LayoutStore) -> None:
        await store.upload_blob(layout, descriptor(first), Origin(first.data))
        await store.put_manifest(layout.tag("v1"), parse(CHILD))

    assert failure(MissingContentError, work) == (
        f"PUT manifest {layout}:v1: the layout lacks what {CHILD.digest} points at: "
        f"{config.digest} ({config.media_type}, {config.size} bytes), "
        f"{second.digest} ({second.media_type}, {second.size} bytes); copy that first"
    )
    assert set(files(Path(layout.path))) == {"index.json", "oci-layout", blob_name(first.digest)}


def test_an_index_is_refused_while_a_child_is_missing(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, CHILD)
        await store.put_manifest(layout.tag("v1"), parse(MULTI))

    missing = MULTI.children[1]
    assert failure(MissingContentError, work) == (
        f"PUT manifest {layout}:v1: the layout lacks what {MULTI.digest} points at: "
        f"{missing.digest} ({missing.media_type}, {missing.size} bytes); copy that first"
    )


def test_an_index_is_refused_while_a_child_of_another_tool_lacks_a_layer(layout: Repository) -> None:
    """Reading a sparse layout is fine, but no tag that we write may point at incomplete content."""
    images.write_layout(Path(layout.path), "v1", MULTI)
    Path(layout.path, blob_name(BLOB.digest)).unlink()
    again = images.index(MULTI.children, annotations={"a": "b"})
    assert failure(MissingContentError, lambda store: store.put_manifest(layout.tag("v2"), parse(again))) == (
        f"PUT manifest {layout}:v2: the layout lacks what {again.digest} points at: "
        f"{BLOB.digest} ({BLOB.media_type}, {BLOB.size} bytes); copy that first"
    )


def test_many_missing_blobs_are_counted_and_not_all_listed(layout: Repository) -> None:
    many = images.single("many", layers=9)
    message = failure(MissingContentError, lambda store: store.put_manifest(layout.tag("v1"), parse(many)))
    assert message.endswith(" and 5 more; copy that first")


def test_external_layers_and_the_subject_may_be_missing(layout: Repository) -> None:
    foreign = images.single("foreign", layers=[images.layer("foreign", urls=("https://example.org/layer",))])
    signature = images.artifact(OTHER)

    async def work(store: LayoutStore) -> None:
        await put(store, layout, foreign, "v1")
        await put(store, layout, signature, "v2")

    with_store(work)
    *images_named, referrers = entries(layout)
    assert images_named == [named(foreign, "v1"), named(signature, "v2")]
    assert referrers["annotations"] == {"org.opencontainers.image.ref.name": OTHER.referrers_tag}


def test_a_nested_index_and_docker_types_and_sha512_are_stored_alike(layout: Repository) -> None:
    kinds = {
        "nested": images.nested("nested"),
        "docker": images.multi_platform("docker", dialect=images.Dialect.DOCKER),
        "long": images.single("long", algorithm="sha512"),
    }

    async def work(store: LayoutStore) -> None:
        for tag, image in kinds.items():
            await put(store, layout, image, tag)
            found = await store.get_manifest(layout.tag(tag))
            assert (found.raw, found.media_type, str(found.digest)) == (image.raw, image.media_type, image.digest)

    with_store(work)
    assert entries(layout) == [named(image, tag) for tag, image in kinds.items()]


def test_a_damaged_manifest_file_is_repaired_by_putting_it_again(layout: Repository) -> None:
    with_store(lambda store: put(store, layout, CHILD, "v1"))
    path = Path(layout.path, blob_name(CHILD.digest))
    path.write_bytes(b"x" * CHILD.size)
    with_store(lambda store: store.put_manifest(layout.tag("v1"), parse(CHILD)))
    assert path.read_bytes() == CHILD.raw


def test_deleting_a_tag_removes_its_entry_only(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, CHILD, "v1")
        await put(store, layout, CHILD, "v2")
        await store.delete_tag(layout.tag("v1"))
        assert (await store.list_tags(layout)).tags == ("v2",)

    with_store(work)
    assert entries(layout) == [named(CHILD, "v2")]
    assert blob_name(CHILD.digest) in files(Path(layout.path))


def test_deleting_what_is_not_there_is_an_error_and_makes_nothing(layout: Repository) -> None:
    reference = layout.tag("v1")
    assert failure(NotFoundError, lambda store: store.delete_tag(reference)) == (
        f"delete tag {reference}: there is no layout; check the path"
    )
    assert not Path(layout.path).exists()
    with_store(lambda store: put(store, layout, CHILD, "v2"))
    assert failure(NotFoundError, lambda store: store.delete_tag(reference)) == (
        f"delete tag {reference}: it is not in the layout; the layout has e.g. v2"
    )


def test_a_tag_is_deleted_only_if_it_names_the_digest_of_the_reference(layout: Repository) -> None:
    with_store(lambda store: put(store, layout, CHILD, "v1"))
    moved = Reference(layout, "v1", Digest.parse(OTHER.digest))
    assert failure(LayoutError, lambda store: store.delete_tag(moved)) == (
        f"delete tag {moved}: the tag names {CHILD.digest}; look again first"
    )
    with_store(lambda store: store.delete_tag(Reference(layout, "v1", Digest.parse(CHILD.digest))))
    assert entries(layout) == []


def test_only_a_tag_can_be_deleted_and_only_one_that_is_one_image(layout: Repository) -> None:
    by_digest = layout.at(Digest.parse(CHILD.digest))
    assert failure(UnsupportedError, lambda store: store.delete_tag(by_digest)) == (
        f"delete tag {by_digest}: the reference has no tag; name the tag"
    )
    images.write_layout(Path(layout.path), "alpine:v1", CHILD)
    images.write_layout(Path(layout.path), "busybox:v1", OTHER)
    assert failure(UnsupportedError, lambda store: store.delete_tag(layout.tag("v1"))) == (
        f"delete tag {layout}:v1: several images claim the tag: alpine:v1, busybox:v1; delete them by hand"
    )
    assert len(entries(layout)) == 2


def test_a_mounted_blob_is_a_file_of_its_own(layout: Repository, tmp_path: Path) -> None:
    """Who writes to the source's file afterwards does not change the mirror."""
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)
    assert with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source))
    mounted, origin = Path(layout.path, blob_name(BLOB.digest)), tmp_path / "source" / blob_name(BLOB.digest)
    assert not os.path.samefile(mounted, origin)
    origin.write_bytes(b"x" * BLOB.size)
    assert mounted.read_bytes() == BLOB.data
    assert with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source))


def test_a_mounted_blob_is_the_same_file_where_that_is_wanted(layout: Repository, tmp_path: Path) -> None:
    """`layoutLinks: hardlink` spares the disk."""
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)
    linking = LayoutStore(links=LayoutLinks.HARDLINK)
    assert with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source), linking)
    name = blob_name(BLOB.digest)
    assert os.path.samefile(Path(layout.path, name), tmp_path / "source" / name)


@pytest.mark.parametrize("links", LayoutLinks)
def test_a_symbolic_link_is_never_mounted_as_one(links: LayoutLinks, layout: Repository, tmp_path: Path) -> None:
    """The target gets a file of its own, or none: not a link whose end somebody else may change."""
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)
    origin = tmp_path / "source" / blob_name(BLOB.digest)
    origin.rename(tmp_path / "elsewhere")
    origin.symlink_to(tmp_path / "elsewhere")
    store = LayoutStore(links=links)
    assert with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source), store) is (
        links is LayoutLinks.COPY
    )
    mounted = Path(layout.path, blob_name(BLOB.digest))
    assert not mounted.is_symlink()
    assert mounted.exists() is (links is LayoutLinks.COPY)


def test_a_blob_is_cloned_where_the_file_system_can(
    layout: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is asked to share the blocks; what it gives is hashed before it is stored."""
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)

    def clone(target: int, request: int, origin: int) -> None:
        assert request == 0x40049409
        size = os.fstat(origin).st_size
        os.pwrite(target, os.pread(origin, size, 0)[:-1] + damage, 0)

    monkeypatch.setattr("transship_registry.layout.pending.fcntl.ioctl", clone)
    damage = b"!"
    assert not with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source))
    assert not Path(layout.path, blob_name(BLOB.digest)).exists()
    damage = BLOB.data[-1:]
    assert with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source))
    assert Path(layout.path, blob_name(BLOB.digest)).read_bytes() == BLOB.data


def test_what_cannot_be_linked_is_not_mounted(
    layout: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)

    def other_device(source: str, target: str, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)

    monkeypatch.setattr("transship_registry.layout.blobs.os.link", other_device)
    linking = LayoutStore(links=LayoutLinks.HARDLINK)
    assert not with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source), linking)


@pytest.mark.parametrize("source", ["ocidir://absent", "registry.example.org/app"])
def test_nothing_is_mounted_from_elsewhere_and_no_layout_is_made_for_it(
    layout: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), Repository.parse(source)))
    assert not Path(layout.path).exists()


def test_a_damaged_blob_is_not_mounted(layout: Repository, tmp_path: Path) -> None:
    source = Repository.layout(str(tmp_path / "source"))
    images.write_layout(tmp_path / "source", "v1", CHILD)
    (tmp_path / "source" / blob_name(BLOB.digest)).write_bytes(BLOB.data[:-1] + b"x")
    assert not with_store(lambda store: store.mount_blob(layout, descriptor(BLOB), source))
    assert blob_name(BLOB.digest) not in files(Path(layout.path))


def test_many_tags_written_at_once_are_all_there(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, CHILD)
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(store.put_manifest(layout.tag(f"v{number:02}"), parse(CHILD)))

    with_store(work)
    tags = with_store(lambda store: store.list_tags(layout)).tags
    assert tags == tuple(f"v{number:02}" for number in range(30))


def test_what_an_interrupted_creation_left_is_no_layout_yet_and_becomes_one(layout: Repository) -> None:
    folder = Path(layout.path)
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / ".transship.index.json.0123456789abcdef.tmp").write_text('{"schemaVers')
    assert with_store(lambda store: store.head_manifest(layout.tag("v1"))) is None
    with_store(lambda store: put(store, layout, CHILD, "v1"))
    assert entries(layout) == [named(CHILD, "v1")]


def test_writing_waits_for_another_process_that_changes_the_index(layout: Repository) -> None:
    pauses: list[float] = []
    Path(layout.path).mkdir(parents=True)
    other = LockFile(os.path.join(layout.path, ".transship.index.lock"))
    assert other.try_exclusive()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.release()

    with_store(lambda store: put(store, layout, CHILD, "v1"), LayoutStore(sleep=sleep))
    assert pauses == [0.005, 0.0075, 0.01125]
    assert entries(layout) == [named(CHILD, "v1")]


def test_patience_with_another_process_ends_with_a_message_that_names_the_lock(layout: Repository) -> None:
    Path(layout.path).mkdir(parents=True)
    path = os.path.join(layout.path, ".transship.index.lock")
    other = LockFile(path)
    assert other.try_exclusive()

    async def sleep(seconds: float) -> None:
        """Pass the time at once."""

    message = failure(LayoutError, lambda store: put(store, layout, CHILD, "v1"), LayoutStore(sleep=sleep))
    other.release()
    assert message == (
        f"lock layout {layout}: another process held {path} for 60 s; wait until it ends, or find it with: fuser {path}"
    )


def test_the_pauses_between_attempts_grow_and_fill_the_patience() -> None:
    pauses = list(lock_pauses(60))
    assert sum(pauses) == pytest.approx(60)
    assert pauses[:2] == [0.005, 0.0075]
    assert max(pauses) == 0.1


def test_reading_writes_nothing_not_even_a_lock(tmp_path: Path) -> None:
    images.write_layout(tmp_path, "v1", CHILD)
    layout = Repository.layout(str(tmp_path))
    before = set(tmp_path.rglob("*"))
    with_store(lambda store: store.get_manifest(layout.tag("v1")))
    with_store(lambda store: store.list_tags(layout))
    assert set(tmp_path.rglob("*")) == before
