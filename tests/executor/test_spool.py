"""Several targets of one source: each blob is read once, and nothing else is different from reading it each time."""

import asyncio
import errno
import hashlib
import io
import logging
import os
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Buffer

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor import spool
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Status
from transship_executor.spool import Spools, by_content
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, Change, ConfigPin, ContentTree, Plan, TreeBlob
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
SOURCE = Repository.parse("src.io/app")
TARGETS = tuple(map(Repository.parse, ("a.io/app", "b.io/app", "ocidir://copies/app")))
CONTENT = bytes(range(256)) * 20
STEP = 70
WARNING = (
    "a temporary file for blobs that several targets need cannot be used: No space left on device; "
    "they are read from their source once for each target"
)


class Disk:
    """Opens temporary files, remembers them, and fills up after `room` bytes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.fails_at_closing = False
        self.files: list[io.FileIO] = []

    def open(self, *, buffering: int) -> io.FileIO:
        """Open a file without a buffer; a disk without any room refuses even that."""
        assert buffering == 0
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        file = _File(self)
        self.files.append(file)
        return file

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return all(file.closed for file in self.files)


class _File(io.FileIO):
    """A temporary file that takes a thousand bytes at a time, as a raw file may."""

    def __init__(self, disk: Disk) -> None:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
        super().__init__(descriptor, "w+")
        self._disk = disk

    def write(self, data: Buffer) -> int:
        now = memoryview(data)[:1000]
        if self._disk.room < len(now):
            raise OSError(errno.ENOSPC, "No space left on device")
        self._disk.room -= len(now)
        return super().write(now)

    def close(self) -> None:
        was_open = not self.closed
        super().close()
        if was_open and self._disk.fails_at_closing:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk on which the temporary files are."""
    made = Disk()
    monkeypatch.setattr(tempfile, "TemporaryFile", made.open)
    return made


def plan(world: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    """Plan against the world, and forget that it was asked."""
    made = diff(asyncio.run(observe(wishes.desired(*entries), world)), CIRCUMSTANCES)
    world.calls.clear()
    return made


def to_all(targets: Sequence[str], *tags: images.Image) -> tuple[MemoryRegistry, Plan]:
    """A repository of these images, and a plan to bring them to all targets."""
    world = MemoryRegistry()
    for number, image in enumerate(tags):
        world.seed(f"src.io/app:{number}", image)
    return world, plan(world, *(wishes.repository("src.io/app", target) for target in targets))


def reads(world: MemoryRegistry) -> list[str]:
    """Return what was read from the source repository, sorted."""
    return sorted(
        reference
        for method, reference in world.calls
        if method in {"get_blob", "get_manifest"} and "src.io" in reference
    )


def everything(image: images.Image) -> list[str]:
    """Return the references of all that an image consists of."""
    digests = [*(part.digest for part in image.manifests()), *(blob.digest for blob in image.all_blobs())]
    return sorted(f"src.io/app@{digest}" for digest in digests)


@pytest.mark.parametrize("targets", [("a.io/app", "b.io/app"), ("a.io/app", "b.io/x", "ocidir://copies/app")])
@pytest.mark.parametrize("at_once", [1, 8])
def test_everything_is_read_once_for_all_targets(targets: Sequence[str], at_once: int) -> None:
    """Each blob and each manifest crosses the wire from the source once, and is whole at each target."""
    image = images.multi_platform("app", size=5000)
    world, made = to_all(targets, image)
    outcome = asyncio.run(apply(made, world, images_at_once=at_once))
    assert [result.status for result in outcome.results] == [Status.DONE] * len(targets)
    assert [result.change for result in outcome.results] == list(made.changes)
    assert reads(world) == everything(image)
    assert [world.tagged(f"{target}:0") for target in targets] == [image.digest] * len(targets)


def test_the_manifests_that_are_fetched_are_those_that_the_plan_foretold() -> None:
    """The plan counts a manifest once for all targets, and so does the source's quota."""
    world, made = to_all(("a.io/app", "b.io/app"), images.multi_platform("1"), images.single("2"))
    asyncio.run(apply(made, world))
    fetched = [reference for method, reference in world.calls if method == "get_manifest"]
    assert [(pulls.registry, pulls.manifests) for pulls in made.forecast.pulls] == [("src.io", len(fetched))]


def test_changes_of_one_content_are_carried_out_together_and_told_in_the_order_of_the_plan() -> None:
    """Or else what the first target has must lie on the disk until the last one begins."""
    world, made = to_all(("a.io/app", "b.io/app"), *(images.single(str(number)) for number in range(3)))
    outcome = asyncio.run(apply(made, world, images_at_once=1))
    tagged = [reference for method, reference in world.calls if method == "put_manifest"]
    assert tagged == [f"{host}.io/app:{tag}" for tag in range(3) for host in ("a", "b")]
    assert [result.change for result in outcome.results] == list(made.changes)
    assert [str(change.target) for change in by_content(made.changes)] == tagged
    assert [str(change.target) for change in made.changes] == sorted(tagged)


def test_a_target_that_refuses_leaves_the_others_whole() -> None:
    """What one target does not take goes to the others all the same, and is not read again for them."""
    image = images.single("app", layers=2)
    world, made = to_all(("a.io/app", "b.io/app", "c.io/app"), image)
    for blob in image.blobs:
        world.fail["upload_blob", f"b.io/app@{blob.digest}"] = RegistryError(
            "PUT upload", "b.io/app", "403", status=403
        )
    outcome = asyncio.run(apply(made, world))
    assert [result.status for result in outcome.results] == [Status.DONE, Status.FAILED, Status.DONE]
    assert reads(world) == everything(image)


def test_a_source_that_fails_is_asked_again_for_the_next_target() -> None:
    """An error of the source is one of the change that met it; the next one tries for itself."""
    image = images.single("app", layers=1)
    world, made = to_all(("a.io/app", "b.io/app"), image)
    layer = f"src.io/app@{image.blobs[1].digest}"
    met: list[str] = []

    def fail_once(method: str, reference: str) -> None:
        if (method, reference) == ("get_blob", layer) and not met:
            met.append(reference)
            raise RegistryError("GET blob", reference, "500", status=500)

    world.before_call = fail_once
    outcome = asyncio.run(apply(made, world, images_at_once=1))
    assert [result.status for result in outcome.results] == [Status.FAILED, Status.DONE]
    assert outcome.results[0].message == f"GET blob {layer}: 500"


class Source:
    """A `RegistryReader` of one blob that can be stopped on its way; it counts how often the blob is read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.blob = Descriptor(media_type="application/octet-stream", digest=Digest.of(content), size=len(content))
        self.opened = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def get_blob(self, where: Repository, blob: Descriptor) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
        """See `RegistryReader.get_blob`; the buffer of a piece is used again for the next one."""
        assert (where, blob) == (SOURCE, self.blob)
        self.opened += 1
        yield self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes | memoryview]:
        buffer = bytearray(STEP)
        for start in range(0, len(self.content), STEP):
            piece = self.content[start : start + STEP]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]
            await self.gate.wait()


class Several:
    """A `RegistryReader` of several blobs."""

    def __init__(self, sources: dict[Digest, Source]) -> None:
        self._sources = sources

    def get_blob(
        self, where: Repository, blob: Descriptor
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        """See `RegistryReader.get_blob`."""
        return self._sources[blob.digest].get_blob(where, blob)


def change_for(source: Source, target: Repository, tag: str = "1", *, present: bool = False) -> Change:
    """A change that brings the source's blob to a target, unless the target has it: then only what goes with it."""
    return Change(
        action=Action.CREATE,
        entry="sync[0]",
        source=SOURCE.tag(tag),
        target=target.tag(tag),
        reason="",
        content=ContentTree(blobs=(TreeBlob(digest=source.blob.digest, size=source.blob.size, present=present),)),
    )


def spools_for(source: Source, *changes: Change) -> Spools:
    """Spools for a plan of these changes; without any, all targets need the source's blob."""
    changes = changes or tuple(change_for(source, target) for target in TARGETS)
    return Spools(source, changes)  # type: ignore[arg-type]  # a reader of blobs will do


async def read(spools: Spools, source: Source, target: Repository, offset: int = 0) -> bytes:
    """Read a blob for an upload to the target; no piece is empty."""
    async with spools.get_blob(SOURCE, target, source.blob, offset) as pieces:
        found = [bytes(piece) async for piece in pieces]
    assert all(found)
    return b"".join(found)


async def settle() -> None:
    """Let everybody come as far as they can, those who write files included."""
    for _ in range(20):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("offset", [0, 1, 7, 4000, len(CONTENT) - 1, len(CONTENT)])
@pytest.mark.parametrize("first", [0, 5])
def test_a_spool_is_read_from_any_offset(disk: Disk, offset: int, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that goes on where it broke off gets the rest, be it the first reader or a later one."""
    monkeypatch.setattr(spool, "PIECE", 1000)

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            assert await read(spools, source, TARGETS[0], first) == CONTENT[first:]
            assert await read(spools, source, TARGETS[1], offset) == CONTENT[offset:]
            assert await read(spools, source, TARGETS[2], offset) == CONTENT[offset:]
        assert source.opened == 1
        assert disk.is_clean

    asyncio.run(scenario())


def test_the_others_wait_until_the_spool_is_complete_and_not_until_its_reader_has_ended(disk: Disk) -> None:
    """The last piece is handed out when the blob is known to be right: then the others may begin."""

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools, spools.get_blob(SOURCE, TARGETS[0], source.blob) as pieces:
            waiting = asyncio.create_task(read(spools, source, TARGETS[1]))
            received = 0
            async for piece in pieces:
                received += len(piece)
                await asyncio.sleep(0)
                assert not waiting.done()
                if received == len(CONTENT):
                    break
            assert await waiting == CONTENT
        assert source.opened == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["cancelled", "closed early"])
def test_when_the_first_reader_breaks_off_the_next_in_line_reads_the_source(disk: Disk, how: str) -> None:
    """Nobody waits for what will never be complete, and the half of a file is thrown away."""

    async def scenario() -> None:
        source = Source(CONTENT)
        source.gate.clear()
        async with spools_for(source) as spools:

            async def begin() -> None:
                async with spools.get_blob(SOURCE, TARGETS[0], source.blob) as pieces:
                    await anext(pieces)
                    if how == "cancelled":
                        await anext(pieces)

            first = asyncio.create_task(begin())
            others = [asyncio.create_task(read(spools, source, target)) for target in TARGETS[1:]]
            await settle()
            first.cancel()
            await asyncio.wait([first])
            source.gate.set()
            assert await asyncio.gather(*others) == [CONTENT] * 2
            assert await read(spools, source, TARGETS[0]) == CONTENT
        assert source.opened == 2
        assert disk.is_clean

    asyncio.run(scenario())


def test_one_who_waits_can_be_cancelled(disk: Disk) -> None:
    """It leaves the line, and nobody behind it is kept waiting."""

    async def scenario() -> None:
        source = Source(CONTENT)
        source.gate.clear()
        async with spools_for(source) as spools:
            first, second, third = (asyncio.create_task(read(spools, source, target)) for target in TARGETS)
            await settle()
            second.cancel()
            await asyncio.wait([second])
            source.gate.set()
            assert [await first, await third] == [CONTENT, CONTENT]
        assert source.opened == 1
        assert disk.is_clean

    asyncio.run(scenario())


@pytest.mark.parametrize("room", [0, 100, len(CONTENT) - 1])
def test_without_room_on_the_disk_every_target_reads_the_source(
    disk: Disk, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The copy does not fail, and it is said once why the source is read again."""

    async def scenario() -> None:
        source = Source(CONTENT)
        disk.room = room
        async with spools_for(source) as spools:
            for target in TARGETS:
                assert await read(spools, source, target) == CONTENT
        assert source.opened == 3
        assert disk.is_clean

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == [WARNING]


def test_a_full_disk_is_told_once_for_all_blobs(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """It is the same disk."""

    async def scenario() -> None:
        one, other = Source(CONTENT), Source(CONTENT[::-1])
        both = {one.blob.digest: one, other.blob.digest: other}
        changes = [change_for(source, target) for source in both.values() for target in TARGETS]
        disk.room = 0
        async with Spools(Several(both), changes) as spools:  # type: ignore[arg-type]  # a reader of blobs will do
            for source in both.values():
                assert await read(spools, source, TARGETS[0]) == source.content
        assert (one.opened, other.opened) == (1, 1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == [WARNING]


def test_those_who_wait_read_side_by_side_once_the_disk_is_full(disk: Disk) -> None:
    """They do not wait for each other when that saves nothing."""

    async def scenario() -> None:
        source = Source(CONTENT)
        disk.room = 10
        source.gate.clear()
        async with spools_for(source) as spools:
            tasks = [asyncio.create_task(read(spools, source, target)) for target in TARGETS]
            await settle()
            source.gate.set()
            await settle()
            source.gate.clear()
            assert source.opened == 3
            source.gate.set()
            assert await asyncio.gather(*tasks) == [CONTENT] * 3

    asyncio.run(scenario())


def test_what_cannot_be_read_from_the_disk_comes_from_the_source(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An upload under way goes on with the source, at the byte that it needs."""
    monkeypatch.setattr(spool, "PIECE", 1000)

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            disk.files[0].truncate(2500)
            assert await read(spools, source, TARGETS[1]) == CONTENT
            assert await read(spools, source, TARGETS[2], 3) == CONTENT[3:]
        assert source.opened == 3
        assert disk.is_clean

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == [WARNING.replace("No space left on device", "it is shorter than what was written to it")]


def test_what_could_not_be_read_from_the_disk_once_is_not_tried_again(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever comes later goes to the source at once."""

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            disk.files[0].truncate(0)
            await read(spools, source, TARGETS[1])
            monkeypatch.delattr(os, "pread")  # whoever tried again would fail
            assert await read(spools, source, TARGETS[2]) == CONTENT
        assert source.opened == 3

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert len(caplog.messages) == 1


def test_a_spool_that_cannot_be_opened_again_is_read_from_the_source(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when too many files are open."""

    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            monkeypatch.setattr(os, "dup", refuse)
            assert await read(spools, source, TARGETS[1], 5) == CONTENT[5:]
            monkeypatch.undo()
            assert await read(spools, source, TARGETS[2]) == CONTENT
        assert source.opened == 3

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == [WARNING.replace("No space left on device", "Too many open files")]
    assert caplog.records[0].name == spool.__name__


def test_a_disk_that_fails_when_a_file_is_given_up_does_no_harm(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Everybody has its content by then."""

    async def scenario() -> None:
        source = Source(CONTENT)
        disk.fails_at_closing = True
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            for target in TARGETS:
                await spools.arrived(target, source.blob.digest)
            assert disk.is_clean

    asyncio.run(scenario())
    assert caplog.messages == []


def test_a_blob_without_bytes_is_not_kept(disk: Disk) -> None:
    """Reading it again costs nothing."""

    async def scenario() -> None:
        source = Source(b"")
        async with spools_for(source) as spools:
            assert [await read(spools, source, target) for target in TARGETS] == [b""] * 3
        assert disk.files == []

    asyncio.run(scenario())


def test_a_target_that_has_the_blob_already_does_not_count(disk: Disk) -> None:
    """The plan knows of it, so that nothing is kept for it."""

    async def scenario() -> None:
        source = Source(CONTENT)
        bringing, having = change_for(source, TARGETS[0]), change_for(source, TARGETS[1], present=True)
        async with spools_for(source, bringing, having) as spools:
            assert await read(spools, source, TARGETS[0]) == CONTENT
        assert disk.files == []

    asyncio.run(scenario())


def test_a_complete_spool_is_read_side_by_side(disk: Disk) -> None:
    """Nobody who only reads the disk keeps another one waiting."""

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            async with (
                spools.get_blob(SOURCE, TARGETS[1], source.blob) as one,
                spools.get_blob(SOURCE, TARGETS[2], source.blob) as other,
            ):
                assert b"".join([bytes(piece) async for piece in other]) == CONTENT
                assert b"".join([bytes(piece) async for piece in one]) == CONTENT
        assert source.opened == 1

    asyncio.run(scenario())


def test_the_source_is_read_side_by_side_when_a_copy_on_disk_would_serve_nobody(disk: Disk) -> None:
    """Two repositories of one registry that does not mount, when the other targets have the blob."""

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            for target in TARGETS[1:]:
                await spools.arrived(target, source.blob.digest)
            async with (
                spools.get_blob(SOURCE, TARGETS[0], source.blob) as one,
                spools.get_blob(SOURCE, TARGETS[0], source.blob) as other,
            ):
                assert b"".join([bytes(piece) async for piece in other]) == CONTENT
                assert b"".join([bytes(piece) async for piece in one]) == CONTENT
        assert (source.opened, disk.files) == (2, [])

    asyncio.run(scenario())


def test_a_spool_is_dropped_when_the_last_change_that_needs_it_has_ended(disk: Disk) -> None:
    """However it ended: each change counts for its own store, and none for a store that has the blob."""

    async def scenario() -> None:
        source = Source(CONTENT)
        first, again = (change_for(source, TARGETS[0], tag) for tag in ("1", "2"))
        second = change_for(source, TARGETS[1])
        async with spools_for(source, first, again, second) as spools:
            await read(spools, source, TARGETS[0])
            await spools.arrived(TARGETS[1], source.blob.digest)
            await spools.ended(second)
            await spools.ended(first)
            assert [file.closed for file in disk.files] == [False]
            assert await read(spools, source, TARGETS[0]) == CONTENT
            await spools.ended(again)
            assert [file.closed for file in disk.files] == [True]
            await spools.ended(again)  # what is not kept any more is no trouble
        assert source.opened == 1

    asyncio.run(scenario())


def test_a_change_that_has_ended_frees_the_disk_for_the_next(disk: Disk) -> None:
    """One target refuses the first image: what was kept for it is gone when the second image begins."""
    world, made = to_all(("a.io/app", "b.io/app"), images.single("first"), images.single("second"))
    second = {f"src.io/app@{blob.digest}" for blob in images.single("second").all_blobs()}
    clean: list[bool] = []

    def meet(method: str, reference: str) -> None:
        if method == "upload_blob" and reference.startswith("b.io") and len(clean) == 0:
            raise RegistryError("PUT upload", reference, "403", status=403)
        if method == "get_blob" and reference in second and not clean:
            clean.append(disk.is_clean)

    world.before_call = meet
    outcome = asyncio.run(apply(made, world, images_at_once=1))
    assert [result.status for result in outcome.results] == [Status.DONE, Status.DONE, Status.FAILED, Status.DONE]
    assert clean == [True]


def test_the_threads_end_with_the_run(disk: Disk) -> None:
    """None is left waiting for work."""
    before = set(threading.enumerate())

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            await read(spools, source, TARGETS[0])
            assert set(threading.enumerate()) - before

    asyncio.run(scenario())
    assert set(threading.enumerate()) - before == set()


def test_changes_without_a_source_digest_are_not_taken_for_one_content() -> None:
    """They stay where they are among the others."""
    source = Source(CONTENT)
    unpinned = [change_for(source, target) for target in TARGETS]
    pinned = msgspec.structs.replace(unpinned[1], source_digest=source.blob.digest)
    assert by_content([unpinned[0], pinned, unpinned[2]]) == [unpinned[0], pinned, unpinned[2]]
    assert by_content([pinned, unpinned[0], pinned]) == [pinned, pinned, unpinned[0]]


def test_a_spool_is_dropped_as_soon_as_everybody_has_the_blob(disk: Disk) -> None:
    """One who has it, or whose change has ended in any way, does not count; one who reads meanwhile can read on."""

    async def scenario() -> None:
        source = Source(CONTENT)
        spools = spools_for(source)
        async with spools:
            await read(spools, source, TARGETS[0])
            await spools.arrived(TARGETS[0], source.blob.digest)
            await spools.arrived(TARGETS[1], source.blob.digest)
            assert [file.closed for file in disk.files] == [False]
            async with spools.get_blob(SOURCE, TARGETS[2], source.blob) as pieces:
                await spools.arrived(TARGETS[2], source.blob.digest)
                assert [file.closed for file in disk.files] == [True]
                assert b"".join([bytes(piece) async for piece in pieces]) == CONTENT
            assert await read(spools, source, TARGETS[2]) == CONTENT
        assert source.opened == 2

    asyncio.run(scenario())


def test_nothing_is_written_for_a_blob_that_nobody_else_needs_any_longer(disk: Disk) -> None:
    """When the others have found or mounted it, a file would serve nobody; writing one stops then."""

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            async with spools.get_blob(SOURCE, TARGETS[0], source.blob) as pieces:
                await anext(pieces)
                assert len(disk.files) == 1
                for target in TARGETS[1:]:
                    await spools.arrived(target, source.blob.digest)
                await anext(pieces)
                assert disk.is_clean
            assert await read(spools, source, TARGETS[0]) == CONTENT
        assert len(disk.files) == 1

    asyncio.run(scenario())


def test_a_run_leaves_no_file_open_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when it is done, when a target refuses, nor when it is interrupted; and few are open at a time."""
    image = images.single("app", layers=2)
    for trouble in ("none", "refused", "interrupted"):
        disk = Disk()
        monkeypatch.setattr(tempfile, "TemporaryFile", disk.open)
        world, made = to_all(("a.io/app", "b.io/app"), image, images.single("second"))
        outcome = asyncio.run(_apply_with(trouble, world, made))
        assert outcome.interrupted is (trouble == "interrupted")
        assert disk.files
        assert disk.is_clean


async def _apply_with(trouble: str, world: MemoryRegistry, made: Plan) -> Outcome:
    running = asyncio.ensure_future(apply(made, world, images_at_once=1))

    def meet(method: str, reference: str) -> None:
        if method == "upload_blob" and reference.startswith("b.io"):
            if trouble == "refused":
                raise RegistryError("PUT upload", reference, "403", status=403)
            if trouble == "interrupted":
                running.cancel()

    world.before_call = meet
    return await running


def test_reading_a_spool_leaves_no_descriptor_open(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is read; each reader has one of its own."""
    closed: list[int] = []
    opened: list[int] = []
    system_dup, system_close = os.dup, os.close

    def dup(descriptor: int) -> int:
        opened.append(system_dup(descriptor))
        return opened[-1]

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        system_close(descriptor)

    monkeypatch.setattr(os, "dup", dup)
    monkeypatch.setattr(os, "close", close)

    async def scenario() -> None:
        source = Source(CONTENT)
        async with spools_for(source) as spools:
            for target in TARGETS:
                await read(spools, source, target)

    asyncio.run(scenario())
    assert disk.is_clean
    assert len(opened) == 2
    assert [descriptor for descriptor in closed if descriptor in opened] == opened


def test_what_lies_in_a_layout_is_not_copied_to_another_file() -> None:
    """It is on the disk, and is read there once for each target."""
    world = MemoryRegistry()
    world.seed("ocidir://here:1", images.single("app", layers=1))
    made = plan(world, *(wishes.image("ocidir://here:1", f"{host}.io/app:1") for host in ("a", "b")))
    asyncio.run(apply(made, world))
    assert world.count("get_blob") == 4


def test_a_mounted_blob_is_read_for_the_other_registry_only() -> None:
    """The source's own registry mounts; then the other target needs the blob alone, once."""
    image = images.single("app")
    world, made = to_all(("src.io/copy", "b.io/app"), image)
    outcome = asyncio.run(apply(made, world))
    assert outcome.traffic.blobs_mounted == outcome.traffic.blobs_sent == 3
    assert reads(world) == everything(image)


@settings(max_examples=60, deadline=None)
@given(
    tags=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=4),
    targets=st.sets(st.sampled_from(["a.io/x", "a.io/y", "b.io/x", "src.io/copy", "ocidir://c/x"]), min_size=1),
    mounts=st.booleans(),
    refusing=st.sampled_from(["", "a.io/x", "b.io/x"]),
    at_once=st.integers(1, 5),
    room=st.sampled_from([0, 1500, 1 << 20]),
)
def test_the_outcome_is_that_of_reading_the_source_each_time(
    tags: list[tuple[int, int]], targets: set[str], mounts: bool, refusing: str, at_once: int, room: int
) -> None:
    """Whatever is shared, mounted, refused or too large for the disk: the same changes succeed, with the same bytes."""

    def run(disk: Disk) -> tuple[MemoryRegistry, Outcome]:
        stack = [images.single(f"{a}", layers=[f"shared {a}", f"other {b}"]) for a, b in tags]
        world, made = to_all(sorted(targets), *stack)
        world.mounts = mounts
        refused = RegistryError("PUT upload", refusing, "403", status=403)
        if refusing:
            for image in stack:
                world.fail["upload_blob", f"{refusing}@{image.blobs[1].digest}"] = refused
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "TemporaryFile", disk.open)
            return world, asyncio.run(apply(made, world, images_at_once=at_once))

    disk, without = Disk(room), Disk(0)
    spooled, outcome = run(disk)
    direct, expected = run(without)
    assert disk.is_clean
    assert [result.status for result in outcome.results] == [result.status for result in expected.results]
    assert _tags(spooled) == _tags(direct)


def _tags(world: MemoryRegistry) -> dict[str, dict[str, Digest]]:
    """Return the tags of every repository, whose content is whole: nothing else can be tagged there."""
    for shelf in world.shelves.values():
        assert all(digest.hex == hashlib.sha256(content).hexdigest() for digest, content in shelf.blobs.items())
    return {str(place): shelf.tags for place, shelf in world.shelves.items() if shelf.tags}
