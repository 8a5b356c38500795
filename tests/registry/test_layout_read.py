"""Reading image layouts: those of other tools, sparse and damaged ones, and folders that are none."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, LayoutError, NotFoundError, RegistryError, TransshipError
from transship_registry.layout import LayoutStore
from transship_registry.layout.blobs import PIECE
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_MANIFEST
from transship_registry.reference import Reference, Repository

T = TypeVar("T")

MULTI = images.multi_platform("read")
CHILD = MULTI.children[0]


@pytest.fixture
def layout(tmp_path: Path) -> Repository:
    """A layout with one tag, `v1`, written by other code than ours."""
    images.write_layout(tmp_path / "layout", "v1", MULTI)
    return Repository.layout(str(tmp_path / "layout"))


def with_store(work: Callable[[LayoutStore], Awaitable[T]]) -> T:
    async def scenario() -> T:
        async with LayoutStore() as store:
            return await work(store)

    return asyncio.run(scenario())


def failure(kind: type[TransshipError], work: Callable[[LayoutStore], Awaitable[object]]) -> str:
    with pytest.raises(kind) as caught:
        with_store(work)
    return str(caught.value)


def head(reference: Reference) -> Descriptor | None:
    return with_store(lambda store: store.head_manifest(reference))


def get(reference: Reference) -> Manifest:
    return with_store(lambda store: store.get_manifest(reference))


async def read_blob(store: LayoutStore, layout: Repository, blob: Descriptor) -> list[bytes]:
    async with store.get_blob(layout, blob) as pieces:
        return [bytes(piece) async for piece in pieces]


def descriptor(blob: images.Blob) -> Descriptor:
    return Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)


def edit_index(layout: Repository, **members: object) -> None:
    path = Path(layout.path, "index.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def blob_file(layout: Repository, digest: str) -> Path:
    return Path(layout.path, "blobs", *digest.split(":"))


def test_a_tag_gives_the_descriptor_of_its_entry(layout: Repository) -> None:
    assert head(layout.tag("v1")) == Descriptor(
        media_type=MULTI.media_type, digest=Digest.parse(MULTI.digest), size=MULTI.size
    )


def test_a_manifest_is_its_bytes_as_stored(layout: Repository) -> None:
    found = get(layout.tag("v1"))
    assert (found.raw, found.media_type, str(found.digest)) == (MULTI.raw, MULTI.media_type, MULTI.digest)


def test_a_child_is_found_by_its_digest_and_its_type_comes_from_its_content(layout: Repository) -> None:
    reference = layout.at(Digest.parse(CHILD.digest))
    assert get(reference).raw == CHILD.raw
    assert head(reference) == Descriptor(media_type=OCI_MANIFEST, digest=Digest.parse(CHILD.digest), size=CHILD.size)


def test_an_entry_without_media_type_in_the_manifest_gets_it_from_the_index(tmp_path: Path) -> None:
    raw = b'{"schemaVersion":2,"layers":[]}'
    bare = images.Image(raw, images.OCI_MANIFEST, images.digest_of(raw))
    images.write_layout(tmp_path / "bare", "v1", bare)
    bare_layout = Repository.layout(str(tmp_path / "bare"))
    assert get(bare_layout.at(Digest.parse(bare.digest))).media_type == OCI_MANIFEST


def test_the_digest_decides_when_a_reference_has_both(layout: Repository) -> None:
    reference = Reference(layout, tag="other", digest=Digest.parse(CHILD.digest))
    assert get(reference).raw == CHILD.raw


def test_tags_are_sorted_and_include_referrer_tags(layout: Repository) -> None:
    signature = images.artifact(MULTI)
    images.write_layout(Path(layout.path), MULTI.referrers_tag, images.referrers_index([signature]))
    images.write_layout(Path(layout.path), "a", CHILD)
    tags = with_store(lambda store: store.list_tags(layout))
    assert (tags.tags, tags.complete) == (("a", MULTI.referrers_tag, "v1"), True)


@pytest.mark.parametrize("make", [False, True], ids=["no folder", "an empty folder"])
def test_where_there_is_no_layout_everything_is_absent(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "none"
    if make:
        (folder / "lost+found").mkdir(parents=True)
        (folder / ".transship.index.lock").touch()
    nowhere = Repository.layout(str(folder))
    digest = Digest.parse(MULTI.digest)
    assert head(nowhere.tag("v1")) is None
    assert with_store(lambda store: store.head_blob(nowhere, digest)) is None
    assert failure(NotFoundError, lambda store: store.get_manifest(nowhere.tag("v1"))) == (
        f"GET manifest ocidir://{folder}:v1: there is no layout; check the path"
    )
    assert failure(NotFoundError, lambda store: store.list_tags(nowhere)) == (
        f"list tags ocidir://{folder}: there is no layout; check the path"
    )
    assert folder.exists() == make


def test_a_tag_or_digest_that_is_not_there_is_absent(layout: Repository) -> None:
    absent = Digest.of(b"absent")
    assert head(layout.tag("v2")) is None
    assert head(layout.at(absent)) is None
    assert with_store(lambda store: store.head_blob(layout, absent)) is None
    assert failure(NotFoundError, lambda store: store.get_manifest(layout.tag("v2"))) == (
        f"GET manifest {layout}:v2: it is not in the layout; the layout has e.g. v1"
    )
    blob = Descriptor(media_type="a/b", digest=absent, size=1)
    path = blob_file(layout, str(absent))
    assert failure(NotFoundError, lambda store: read_blob(store, layout, blob)) == (
        f"get blob {layout}@{absent}: there is no file {path}; copy the image into the layout again"
    )


def test_an_entry_whose_manifest_is_gone_is_an_error_and_not_absence(layout: Repository) -> None:
    path = blob_file(layout, MULTI.digest)
    path.unlink()
    problem = f"index.json names {MULTI.digest}, but {path} is missing; "
    advice = "put the file back, or remove the entry from index.json to have the image copied again"
    assert failure(LayoutError, lambda store: store.head_manifest(layout.tag("v1"))) == (
        f"HEAD manifest {layout}:v1: {problem}{advice}"
    )
    assert failure(LayoutError, lambda store: store.get_manifest(layout.tag("v1"))) == (
        f"GET manifest {layout}:v1: {problem}{advice}"
    )


def test_a_manifest_that_was_cut_short_is_not_taken_for_the_one_that_was_stored(layout: Repository) -> None:
    path = blob_file(layout, MULTI.digest)
    path.write_bytes(MULTI.raw[:-1])
    assert failure(ContentError, lambda store: store.head_manifest(layout.tag("v1"))) == (
        f"HEAD manifest {layout}:v1: {path} has {MULTI.size - 1} bytes, expected {MULTI.size}; "
        "remove the tag's entry from index.json to have the image copied again"
    )
    assert failure(ContentError, lambda store: store.get_manifest(layout.tag("v1"))) == (
        f"{layout}@{MULTI.digest}: the manifest's bytes hash to {images.digest_of(MULTI.raw[:-1])}, "
        f"expected {MULTI.digest}"
    )


def test_a_file_larger_than_any_manifest_is_not_read_as_one(layout: Repository) -> None:
    path = blob_file(layout, MULTI.digest)
    with path.open("wb") as file:
        file.truncate(9_000_000)
    assert failure(ContentError, lambda store: store.get_manifest(layout.tag("v1"))) == (
        f"{layout}@{MULTI.digest}: the file has 9000000 bytes, a manifest has 8388608 at most"
    )


def test_an_entry_in_an_unknown_digest_algorithm_spoils_only_itself(layout: Repository) -> None:
    path = Path(layout.path, "index.json")
    entries = json.loads(path.read_text())["manifests"]
    novel = {
        "mediaType": OCI_MANIFEST,
        "digest": "blake3:" + "0" * 64,
        "size": 1,
        "annotations": {"org.opencontainers.image.ref.name": "novel"},
    }
    edit_index(layout, manifests=[novel, *entries])
    assert head(layout.tag("v1")) is not None
    assert failure(LayoutError, lambda store: store.head_manifest(layout.tag("novel"))) == (
        f"read layout {layout}:novel: index.json: digest algorithm 'blake3' is not supported; "
        "expected one of sha256, sha384, sha512"
    )


def test_a_changed_layout_is_read_again(layout: Repository) -> None:
    """What another program does to a layout is seen at once, though the index is remembered."""

    async def work(store: LayoutStore) -> tuple[Descriptor | None, Descriptor | None]:
        before = await store.head_manifest(layout.tag("v2"))
        images.write_layout(Path(layout.path), "v2", CHILD)
        return before, await store.head_manifest(layout.tag("v2"))

    before, after = with_store(work)
    assert before is None
    assert after is not None
    assert str(after.digest) == CHILD.digest


def test_two_spellings_of_a_folder_are_one_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write_layout(tmp_path / "real", "v1", CHILD)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    for spelling in ("real", "./real/", "link", "real/../link", str(tmp_path / "link")):
        assert head(Repository.layout(spelling).tag("v1")) is not None, spelling


def test_a_layout_that_another_process_is_just_making_is_not_taken_for_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.listdir

    def listing(path: str) -> list[str]:
        images.write_layout(tmp_path, "v1", CHILD)
        return real(path)

    monkeypatch.setattr("transship_registry.layout.folder.os.listdir", listing)
    assert head(Repository.layout(str(tmp_path)).tag("v1")) is not None


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_blob_is_streamed_in_pieces_of_one_mebibyte(tmp_path: Path, size: int) -> None:
    blob = images.blob(bytes(size))
    path = tmp_path / "blobs" / "sha256" / blob.digest.removeprefix("sha256:")
    path.parent.mkdir(parents=True)
    path.write_bytes(blob.data)
    layout = Repository.layout(str(tmp_path))
    pieces = with_store(lambda store: read_blob(store, layout, descriptor(blob)))
    assert b"".join(pieces) == blob.data
    assert [len(piece) for piece in pieces] == [PIECE] * (size // PIECE) + [size % PIECE] * bool(size % PIECE)


def test_a_blob_in_another_registered_algorithm_is_verified_too(tmp_path: Path) -> None:
    image = images.single("long", algorithm="sha512")
    images.write_layout(tmp_path, "v1", image)
    layout = Repository.layout(str(tmp_path))
    assert get(layout.tag("v1")).raw == image.raw
    blob = image.blobs[1]
    assert b"".join(with_store(lambda store: read_blob(store, layout, descriptor(blob)))) == blob.data


def test_a_blob_of_another_size_is_refused_before_its_first_byte(layout: Repository) -> None:
    blob = CHILD.blobs[1]
    path = blob_file(layout, blob.digest)
    path.write_bytes(blob.data + b"x")
    assert failure(ContentError, lambda store: read_blob(store, layout, descriptor(blob))) == (
        f"get blob {layout}@{blob.digest}: {path} has {blob.size + 1} bytes, expected {blob.size}; "
        "remove the file and copy the image into the layout again"
    )


def test_a_blob_of_another_digest_is_refused_before_its_last_piece(tmp_path: Path) -> None:
    good, bad = images.blob(bytes(PIECE + 1)), bytes(PIECE) + b"x"
    path = tmp_path / "blobs" / "sha256" / good.digest.removeprefix("sha256:")
    path.parent.mkdir(parents=True)
    path.write_bytes(bad)
    layout = Repository.layout(str(tmp_path))
    seen = 0

    async def work(store: LayoutStore) -> None:
        nonlocal seen
        async with store.get_blob(layout, descriptor(good)) as pieces:
            async for piece in pieces:
                seen += len(piece)

    assert failure(ContentError, work) == (
        f"get blob {layout}@{good.digest}: {path} has digest {images.digest_of(bad)}, expected {good.digest}; "
        "remove the file and copy the image into the layout again"
    )
    assert seen == PIECE


def test_a_reader_that_stops_early_leaves_nothing_open(layout: Repository) -> None:
    """Warnings are errors: an open file or generator would fail this test."""

    async def work(store: LayoutStore) -> int:
        async with store.get_blob(layout, descriptor(CHILD.blobs[1])) as pieces:
            async for piece in pieces:
                return len(piece)
        return 0

    assert with_store(work) == CHILD.blobs[1].size


def other_version(folder: Path) -> None:
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')


def broken_version(folder: Path) -> None:
    (folder / "oci-layout").write_text('{"imageLayoutVersion":')


def no_version(folder: Path) -> None:
    (folder / "oci-layout").unlink()


def broken_index(folder: Path) -> None:
    (folder / "index.json").write_text('{"manifests":[')


def no_index(folder: Path) -> None:
    (folder / "index.json").unlink()


def index_is_a_folder(folder: Path) -> None:
    (folder / "index.json").unlink()
    (folder / "index.json").mkdir()


def something_else(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")


UNREADABLE: dict[Callable[[Path], None], str] = {
    other_version: "oci-layout says version '2.0.0', expected '1.0.0'",
    broken_version: "oci-layout cannot be read: Input data was truncated",
    no_version: "the folder holds 'blobs', but no oci-layout file",
    broken_index: "index.json cannot be read: Input data was truncated",
    no_index: "index.json is missing, but there are blobs such as",
    index_is_a_folder: "index.json: Is a directory (EISDIR)",
    something_else: "the folder holds 'thesis.tex', but no oci-layout file",
}


class NoOrigin:
    def open(self, offset: int = 0) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        raise AssertionError("an unreadable layout must be refused before the source is asked")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("spoil", UNREADABLE, ids=[spoil.__name__ for spoil in UNREADABLE])
def test_an_unreadable_layout_is_never_taken_for_absent_nor_written_nor_collected(
    layout: Repository, spoil: Callable[[Path], None]
) -> None:
    """There, regsync starts an empty index, and its collection deletes all other images (semantics B18.7)."""
    folder = Path(layout.path)
    spoil(folder)
    before = snapshot(folder)
    manifest = Manifest.parse(CHILD.raw, CHILD.media_type, where="test")
    blob = descriptor(images.blob(b"new"))
    other = Repository.layout(f"{layout.path}-other")
    attempts: list[Callable[[LayoutStore], Awaitable[object]]] = [
        lambda store: store.head_manifest(layout.tag("v1")),
        lambda store: store.get_manifest(layout.tag("v1")),
        lambda store: store.head_manifest(layout.at(Digest.parse(CHILD.digest))),
        lambda store: store.head_blob(layout, blob.digest),
        lambda store: store.list_tags(layout),
        lambda store: store.put_manifest(layout.tag("v2"), manifest),
        lambda store: store.put_manifest(layout.at(manifest.digest), manifest),
        lambda store: store.upload_blob(layout, blob, NoOrigin()),
        lambda store: store.mount_blob(other, blob, layout),
        lambda store: store.delete_tag(layout.tag("v1")),
        lambda store: store.collect(layout),
    ]
    for attempt in attempts:
        message = failure(LayoutError, attempt)
        assert message.startswith(f"read layout ocidir://{folder}")
        assert UNREADABLE[spoil] in message
    assert snapshot(folder) == before
    assert not Path(other.path).exists()


def test_the_message_about_an_unreadable_layout_says_that_nothing_was_changed(layout: Repository) -> None:
    other_version(Path(layout.path))
    assert failure(RegistryError, lambda store: store.list_tags(layout)) == (
        f"read layout {layout}: oci-layout says version '2.0.0', expected '1.0.0'; "
        "nothing was changed there; repair it, or name another folder"
    )


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    layout = Repository.layout(str(tmp_path / "file"))
    assert failure(LayoutError, lambda store: store.head_manifest(layout.tag("v1"))) == (
        f"read layout {layout}: {tmp_path}/file/oci-layout: Not a directory (ENOTDIR); name a folder in the reference"
    )
