"""Garbage collection in image layouts: what goes, what stays, and when nothing is touched."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.errors import LayoutError
from transship_registry.layout import Collected, LayoutStore
from transship_registry.layout.lock import LockFile
from transship_registry.layout.pending import PendingFile
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Repository

T = TypeVar("T")

HOUR = 3600.0
DAY = 24 * HOUR
OLD = images.single("old", layers=["base", "old"])
NEW = images.single("new", layers=["base", "new"])
MULTI = images.multi_platform("collect")


class Origin:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncGenerator[bytes, None]:
        yield self._data[offset:]


def parse(image: images.Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


async def put(store: LayoutStore, layout: Repository, image: images.Image, tag: str | None = None) -> None:
    for blob in image.all_blobs():
        found = Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)
        await store.upload_blob(layout, found, Origin(blob.data))
    for each in image.manifests():
        is_tagged = tag is not None and each is image
        reference = layout.tag(tag) if is_tagged and tag else layout.at(Digest.parse(each.digest))
        await store.put_manifest(reference, parse(each))


def after(seconds: float) -> LayoutStore:
    """A store to which everything that is on the disk now seems `seconds` old."""
    return LayoutStore(clock=lambda: time.time() + seconds)


def with_store(work: Callable[[LayoutStore], Awaitable[T]], store: LayoutStore | None = None) -> T:
    async def scenario() -> T:
        async with store or LayoutStore() as opened:
            return await work(opened)

    return asyncio.run(scenario())


def collect(layout: Repository, age: float = DAY) -> Collected:
    return with_store(lambda store: store.collect(layout), after(age))


def names(image: images.Image) -> set[str]:
    pieces = [*(blob.digest for blob in image.all_blobs()), *(each.digest for each in image.manifests())]
    return {digest.replace(":", "/") for digest in pieces}


def stored(layout: Repository) -> set[str]:
    blobs = Path(layout.path, "blobs")
    return {str(path.relative_to(blobs)) for path in blobs.rglob("*") if not path.is_dir()}


@pytest.fixture
def layout(tmp_path: Path) -> Repository:
    """A layout with the tag `v1` that once named `OLD` and now names `NEW`, so that `OLD` is garbage."""
    images.write_layout(tmp_path / "layout", "v1", OLD)
    images.write_layout(tmp_path / "layout", "v1", NEW)
    return Repository.layout(str(tmp_path / "layout"))


def garbage() -> tuple[int, int]:
    """Number and size of the files that only `OLD` needs."""
    return len(names(OLD) - names(NEW)), OLD.size + OLD.blobs[0].size + OLD.blobs[2].size


def test_what_no_tag_reaches_goes_and_what_one_shares_stays(layout: Repository) -> None:
    count, size = garbage()
    assert collect(layout) == Collected(removed=count, size=size)
    assert stored(layout) == names(NEW)
    assert collect(layout) == Collected()


def test_closing_collects_where_this_run_replaced_a_tag(layout: Repository) -> None:
    with_store(lambda store: put(store, layout, MULTI, "v1"), after(2 * HOUR))
    assert stored(layout) == names(MULTI)


def test_closing_collects_where_this_run_deleted_a_tag(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v2")
        await store.delete_tag(layout.tag("v1"))

    with_store(work, after(2 * HOUR))
    assert stored(layout) == names(MULTI)


def test_closing_collects_nothing_where_this_run_only_added_or_read(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v2")
        await put(store, layout, NEW, "v1")
        await store.list_tags(layout)

    with_store(work, after(DAY))
    assert stored(layout) == names(OLD) | names(NEW) | names(MULTI)


def test_a_run_that_failed_collects_nothing(layout: Repository) -> None:
    """What it had copied before is there for the next one."""

    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v1")
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        with_store(work, after(DAY))
    assert stored(layout) == names(OLD) | names(NEW) | names(MULTI)


def test_young_blobs_stay_because_another_tool_may_be_writing_them(layout: Repository) -> None:
    assert collect(layout, age=0.9 * HOUR) == Collected()
    assert stored(layout) == names(OLD) | names(NEW)


def test_young_blobs_go_if_this_run_wrote_them_and_replaced_them_itself(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v1")
        await put(store, layout, NEW, "v1")

    with_store(work)
    assert stored(layout) == names(OLD) | names(NEW)


def test_what_this_run_wrote_and_did_not_tag_yet_stays(layout: Repository) -> None:
    """An image that failed half-way need not be copied from the start by the next run."""

    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI)
        await store.delete_tag(layout.tag("v1"))

    with_store(work)
    assert names(MULTI) <= stored(layout)


def test_a_mounted_blob_is_as_young_as_the_mount(layout: Repository, tmp_path: Path) -> None:
    images.write_layout(tmp_path / "source", "v1", MULTI)
    for path in (tmp_path / "source").rglob("*"):
        os.utime(path, (0, 0))
    blob = next(MULTI.all_blobs())
    found = Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)
    source = Repository.layout(str(tmp_path / "source"))
    assert with_store(lambda store: store.mount_blob(layout, found, source))
    assert collect(layout, age=0) == Collected()


def test_everything_under_indexes_stays_in_any_depth(tmp_path: Path) -> None:
    layout = Repository.layout(str(tmp_path))
    kept = [images.nested("deep"), images.with_attestations("attested"), images.single("long", algorithm="sha512")]
    for number, image in enumerate(kept):
        images.write_layout(tmp_path, f"v{number}", image)
    images.write_layout(tmp_path, "gone", OLD)
    with_store(lambda store: store.delete_tag(layout.tag("gone")), after(DAY))
    assert stored(layout) == set().union(*map(names, kept))


@pytest.mark.parametrize("way", ["an entry of its own", "a referrers tag", "its subject alone"])
def test_referrers_of_what_stays_stay_however_they_are_kept_and_theirs_too(layout: Repository, way: str) -> None:
    signature = images.artifact(NEW, seed="signature")
    statement = images.artifact(signature, seed="statement")
    orphan = images.artifact(OLD, seed="orphan")
    folder = Path(layout.path)
    listed = {signature.digest, statement.digest}
    if way == "a referrers tag":
        images.write_layout(folder, NEW.referrers_tag, images.referrers_index([signature]))
        images.write_layout(folder, signature.referrers_tag, images.referrers_index([statement]))
    images.write_layout(folder, "v1", NEW, referrers=[signature, statement, orphan])
    index = json.loads((folder / "index.json").read_text())
    if way != "an entry of its own":
        index["manifests"] = [entry for entry in index["manifests"] if entry["digest"] not in listed]
    index["manifests"] = [entry for entry in index["manifests"] if entry["digest"] != orphan.digest]
    (folder / "index.json").write_text(json.dumps(index))
    assert collect(layout).skipped == ""
    assert names(signature) | names(statement) | names(NEW) <= stored(layout)
    assert not stored(layout) & {orphan.digest.replace(":", "/"), OLD.digest.replace(":", "/")}


def test_a_referrer_does_not_keep_its_subject(layout: Repository) -> None:
    """As in a registry: the referrers tag of a replaced image must not keep that image for ever."""
    signature = images.artifact(OLD)
    images.write_layout(Path(layout.path), OLD.referrers_tag, images.referrers_index([signature]))
    collect(layout)
    assert OLD.digest.replace(":", "/") not in stored(layout)
    assert names(signature) <= stored(layout)


def test_foreign_files_stay(layout: Repository, tmp_path: Path) -> None:
    blobs = Path(layout.path, "blobs")
    foreign = ["sha256/README", "sha256/" + "a" * 63, "sha256/" + "A" * 64, "blake3/" + "a" * 64, "sha256/.x.tmp"]
    for name in foreign:
        (blobs / name).parent.mkdir(exist_ok=True)
        (blobs / name).write_text("mine")
    (tmp_path / "elsewhere").write_text("mine")
    (blobs / "sha256" / ("b" * 64)).symlink_to(tmp_path / "elsewhere")
    (blobs / "sha256" / ("c" * 64)).mkdir()
    assert collect(layout).removed == garbage()[0]
    assert stored(layout) == names(NEW) | {*foreign, "sha256/" + "b" * 64}
    assert (blobs / "sha256" / ("c" * 64)).is_dir()


def remove_root(layout: Repository) -> str:
    Path(layout.path, "blobs", *NEW.digest.split(":")).unlink()
    return f"index.json names {NEW.digest}, which is missing"


def damage_root(layout: Repository) -> str:
    path = Path(layout.path, "blobs", *NEW.digest.split(":"))
    path.write_bytes(b"{}")
    return (
        f"not all that index.json names can be read: {layout}@{NEW.digest}: the manifest's bytes hash to "
        f"{images.digest_of(b'{}')}, expected {NEW.digest}"
    )


def remove_child(layout: Repository) -> str:
    images.write_layout(Path(layout.path), "multi", MULTI)
    child = MULTI.children[1]
    Path(layout.path, "blobs", *child.digest.split(":")).unlink()
    return f"an index names {child.digest}, which is missing"


def name_unknown_algorithm(layout: Repository) -> str:
    path = Path(layout.path, "index.json")
    index = json.loads(path.read_text())
    index["manifests"].append({"mediaType": images.OCI_MANIFEST, "digest": "blake3:00", "size": 1})
    path.write_text(json.dumps(index))
    return (
        "not all that index.json names can be read: digest algorithm 'blake3' is not supported; "
        "expected one of sha256, sha384, sha512"
    )


def name_schema_1(layout: Repository) -> str:
    old = images.schema1("old", signed=False)
    images.write_layout(Path(layout.path), "schema1", old)
    return (
        f"not all that index.json names can be read: read manifest {layout}@{old.digest}: media type "
        f"'{images.SCHEMA1}' is not supported; Docker schema 1 images must be pushed again by a current client"
    )


def name_unknown_child(layout: Repository) -> str:
    raw = b'{"novel":["sha256:..."]}'
    novel = images.Image(raw, "application/vnd.novel+json", images.digest_of(raw))
    images.write_layout(Path(layout.path), "multi", images.index([novel]))
    return f"an index names {novel.digest} of the unknown type 'application/vnd.novel+json'"


def break_referrer(layout: Repository) -> str:
    missing = images.single("missing")
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": images.OCI_INDEX,
            "manifests": [missing.descriptor()],
            "subject": NEW.descriptor(),
        }
    ).encode()
    path = Path(layout.path, "blobs", *images.digest_of(raw).split(":"))
    path.write_bytes(raw)
    return f"an index names {missing.digest}, which is missing"


@pytest.mark.parametrize(
    "spoil",
    [
        remove_root,
        damage_root,
        remove_child,
        name_unknown_algorithm,
        name_schema_1,
        name_unknown_child,
        break_referrer,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_nothing_is_collected_when_not_all_manifests_can_be_read(
    layout: Repository, spoil: Callable[[Repository], str]
) -> None:
    reason = spoil(layout)
    before = stored(layout)
    assert collect(layout) == Collected(skipped=reason)
    assert stored(layout) == before


def test_a_collection_that_is_skipped_at_the_end_is_told_and_is_no_error(
    layout: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    reason = name_schema_1(layout)
    with_store(lambda store: put(store, layout, MULTI, "v1"), after(DAY))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"garbage was not collected in {layout}: {reason}")
    ]


def test_a_layout_that_became_unreadable_is_not_collected_at_the_end(
    layout: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    index = Path(layout.path, "index.json")

    async def work(store: LayoutStore) -> None:
        await put(store, layout, MULTI, "v1")
        await asyncio.to_thread(index.write_text, "{")

    with_store(work, after(DAY))
    assert stored(layout) == names(OLD) | names(NEW) | names(MULTI)
    assert [record.getMessage() for record in caplog.records] == [
        f"garbage was not collected: read layout {layout}: index.json cannot be read: Input data was truncated; "
        "nothing was changed there; repair it, or name another folder"
    ]


def test_nothing_is_collected_when_index_json_changes_meanwhile(
    layout: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tools know no locks of ours."""
    real = os.listdir

    def meddling(path: str) -> list[str]:
        images.write_layout(Path(layout.path), "v2", OLD)
        return real(path)

    monkeypatch.setattr("transship_registry.layout.collect.os.listdir", meddling)
    assert collect(layout) == Collected(skipped="another program changed index.json meanwhile")
    assert stored(layout) == names(OLD) | names(NEW)


def test_nothing_is_collected_while_another_process_writes_the_layout(layout: Repository) -> None:
    other = LockFile(os.path.join(layout.path, ".transship.writers.lock"))
    assert other.try_shared()
    assert collect(layout) == Collected(skipped="another process is writing the layout")
    other.release()
    assert collect(layout).removed == garbage()[0]


def test_a_run_that_spells_one_layout_in_two_ways_does_not_stand_in_its_own_way(
    layout: Repository, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("layout")

    async def work(store: LayoutStore) -> None:
        await put(store, Repository.layout(str(tmp_path / "link")), MULTI, "v2")
        await store.delete_tag(layout.tag("v1"))

    with_store(work, after(DAY))
    assert stored(layout) == names(MULTI)


def test_writing_goes_on_after_a_collection(layout: Repository) -> None:
    async def work(store: LayoutStore) -> None:
        await store.collect(layout)
        await put(store, layout, OLD, "v2")
        other = LockFile(os.path.join(layout.path, ".transship.writers.lock"))
        assert not other.try_exclusive()

    with_store(work, after(DAY))
    assert stored(layout) == names(OLD) | names(NEW)


def test_where_there_is_no_layout_nothing_is_collected_and_nothing_made(tmp_path: Path) -> None:
    assert collect(Repository.layout(str(tmp_path / "none"))) == Collected(skipped="there is no layout")
    assert list(tmp_path.iterdir()) == []


def leave_behind(folder: Path, name: str) -> Path:
    path = folder / f".transship.{name}.0123456789abcdef.tmp"
    path.write_text("half")
    return path


def test_what_a_killed_process_left_goes_after_a_day(layout: Repository) -> None:
    folder = Path(layout.path)
    left = [leave_behind(folder, "index.json"), leave_behind(folder / "blobs" / "sha256", "a" * 64)]
    collect(layout, age=0.9 * DAY)
    assert all(path.exists() for path in left)
    collect(layout, age=1.1 * DAY)
    assert not any(path.exists() for path in left)


def test_a_temporary_file_that_somebody_still_writes_stays(layout: Repository) -> None:
    collect(layout)
    with PendingFile(str(Path(layout.path, "blobs", "sha256", "a" * 64))):
        assert collect(layout, age=2 * DAY) == Collected()
    assert stored(layout) == names(NEW)


def test_a_file_that_cannot_be_removed_is_told_with_its_path(
    layout: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", "/some/blob")

    monkeypatch.setattr("transship_registry.layout.collect.os.unlink", denied)
    with pytest.raises(LayoutError) as caught:
        collect(layout)
    assert str(caught.value) == (
        f"collect garbage {layout}: /some/blob: Permission denied (EACCES); "
        f"give user {os.geteuid()} the right to do so, or choose another folder"
    )
