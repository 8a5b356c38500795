"""Killing an apply at any step and running it again converges: with two targets, attachments, a backup, a refresh."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, cast

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry, Shelf
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Result, Status
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan
from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError, RegistryError
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference, Repository

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
OLD, NEW = images.single("old", layers=["shared", "old"]), images.multi_platform("new")
SBOM = images.artifact(NEW, seed="sbom")
SIGNATURE_OF_SBOM = images.artifact(SBOM, seed="signature", artifact_type="application/vnd.example.signature.v1")
COSIGN = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")
COSIGN_TAG = images.cosign_tag(NEW)
SOURCE, KEPT = Repository.parse("src.io/app"), "a.io/attic/app:1"
ASYNCHRONOUS = frozenset({
    "head_manifest", "get_manifest", "head_blob", "list_referrers", "put_manifest", "mount_blob", "upload_blob"
})  # fmt: skip


class Stepping:
    """A registry whose every request takes a turn of the event loop, before which something may go wrong."""

    def __init__(self, world: MemoryRegistry, before: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self.steps: list[str] = []
        self._world = world
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._world, name)
        if name not in ASYNCHRONOUS:
            return method
        asked = cast(Callable[..., Awaitable[object]], method)

        async def step(*arguments: Any, **options: Any) -> object:
            self.steps.append(name)
            self._before(len(self.steps) - 1, name, arguments)
            await asyncio.sleep(0)
            return await asked(*arguments, **options)

        return step


@dataclass(frozen=True)
class Mirror:
    """A world with a plan that has everything in it, and the entries that it was made for."""

    world: MemoryRegistry
    entries: tuple[wishes.Entry, ...]
    plan: Plan

    def copy(self) -> "Mirror":
        """Return the same in a world of its own."""
        world = MemoryRegistry()
        world.mounts = self.world.mounts
        for place, shelf in self.world.shelves.items():
            world.shelves[place] = Shelf(dict(shelf.tags), dict(shelf.manifests), dict(shelf.blobs))
        return replace(self, world=world)


def mirror(*, mounts: bool) -> Mirror:
    """Two tags of a signed image for two registries and a layout; one of them replaces an image, one lacks things."""
    world = MemoryRegistry()
    world.mounts = mounts
    for tag in ("1", "latest"):
        world.seed(f"src.io/app:{tag}", NEW)
    for each in (SBOM, SIGNATURE_OF_SBOM):
        world.seed("src.io/app:untagged", each)
    del world.shelves[SOURCE].tags["untagged"]
    world.seed(f"src.io/app:{COSIGN_TAG}", COSIGN)
    world.seed("a.io/app:1", OLD)
    world.seed("b.io/app:latest", NEW)
    del world.shelves[Repository.parse("b.io/app")].blobs[Digest.parse(NEW.children[1].blobs[1].digest)]
    pairs = [
        ("src.io/app:1", "a.io/app:1"),
        ("src.io/app:latest", "a.io/app:latest"),
        ("src.io/app:1", "b.io/app:1"),
        ("src.io/app:latest", "b.io/app:latest"),
        ("src.io/app:1", "ocidir://copies/app:1"),
    ]
    entries = tuple(
        _with_all(wishes.image(source, target, backup=KEPT if target == "a.io/app:1" else ""))
        for source, target in pairs
    )
    return Mirror(world, entries, plan(world, entries))


def _with_all(entry: wishes.Entry) -> wishes.Entry:
    return replace(entry, copy=replace(entry.copy, referrers=True, digest_tags=True, force_recursive=True))


def plan(world: MemoryRegistry, entries: tuple[wishes.Entry, ...]) -> Plan:
    """Plan against the world, and forget that it was asked."""
    made = diff(asyncio.run(observe(wishes.desired(*entries), world)), CIRCUMSTANCES)
    assert made.problems == ()
    world.calls.clear()
    return made


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The temporary files that were opened."""
    opened: list[IO[bytes]] = []
    really = tempfile.TemporaryFile

    def keep(*, buffering: int) -> IO[bytes]:
        opened.append(really(buffering=buffering))
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", keep)
    return opened


def run(
    made: Mirror, at_once: int, files: Sequence[IO[bytes]], trouble: str = "", moment: int = -1
) -> tuple[Outcome, list[str]]:
    """Apply with a trouble at a step; return the outcome, and the steps that it took.

    Nothing may be left running, and no file open once the last change has ended.
    """
    ended: set[str] = set()

    async def note_end(entry: str, _: Sequence[Result]) -> None:
        ended.add(entry)
        if len(ended) == len(made.entries):
            assert all(file.closed for file in files)

    async def scenario() -> tuple[Outcome, list[str]]:
        def meet(number: int, method: str, arguments: tuple[Any, ...]) -> None:
            if number != moment:
                return
            if trouble == "killed":
                task.cancel()
            elif trouble == "failing":
                raise RegistryError(method, str(arguments[0]), "500", status=500)
            elif trouble == "forgetful":
                raise MissingContentError(method, str(arguments[0]), "MANIFEST_BLOB_UNKNOWN", digests=())

        registry = Stepping(made.world, meet)
        work = apply(made.plan, cast(RegistryWriter, registry), images_at_once=at_once, after_entry=note_end)
        task = asyncio.create_task(work)
        async with asyncio.timeout(20):
            outcome = await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return outcome, registry.steps

    return asyncio.run(scenario())


def check_tags(world: MemoryRegistry) -> None:
    """Nobody finds an image without what is attached to it, or without the backup of what it replaced.

    That its own content is whole is what the registry in memory sees to.
    """
    for target in ("a.io/app:1", "a.io/app:latest", "b.io/app:1", "ocidir://copies/app:1"):
        if world.tagged(target) != NEW.digest:
            assert world.tagged(target) == (OLD.digest if target == "a.io/app:1" else None)
            continue
        shelf = world.shelves[Reference.parse(target).repository]
        assert {Digest.parse(SBOM.digest), Digest.parse(SIGNATURE_OF_SBOM.digest)} <= shelf.manifests.keys()
        assert shelf.tags[COSIGN_TAG] == Digest.parse(COSIGN.digest)
    if world.tagged("a.io/app:1") == NEW.digest:
        assert world.tagged(KEPT) == OLD.digest


@pytest.mark.parametrize(
    ("trouble", "at_once", "mounts"),
    [("killed", 1, True), ("killed", 8, False), ("failing", 8, False), ("forgetful", 1, True), ("forgetful", 8, False)],
)
def test_whatever_goes_wrong_at_any_step_the_same_plan_again_converges(
    trouble: str, at_once: int, files: list[IO[bytes]], *, mounts: bool
) -> None:
    """Every tag is whole at any time, the second run finishes the work, and then there is nothing to plan or write."""
    fresh = mirror(mounts=mounts)
    made = fresh.copy()
    actions = [change.action for change in made.plan.changes]
    assert actions == [Action.UPDATE, Action.CREATE, Action.CREATE, Action.REFRESH, Action.CREATE]
    smooth, steps = run(made, at_once, files)
    assert _ends(smooth.results) == {Status.DONE}
    for moment, method in enumerate(steps):
        if trouble == "forgetful" and method != "put_manifest":
            continue
        made = fresh.copy()
        first, _ = run(made, at_once, files, trouble, moment)
        assert first.interrupted is (trouble == "killed")
        if trouble == "forgetful":
            assert _ends(first.results) <= {Status.DONE, Status.ALREADY}  # sent again for one is there for another
        check_tags(made.world)
        again, _ = run(made, at_once, files)
        assert _ends(again.results) <= {Status.DONE, Status.ALREADY}
        check_tags(made.world)
        assert plan(made.world, made.entries).changes == ()
        third, _ = run(made, at_once, files)
        assert _ends(third.results) == {Status.ALREADY}
        assert made.world.writes() == []
    assert files
    assert all(file.closed for file in files)


def _ends(results: Iterable[Result]) -> set[Status]:
    return {result.status for result in results}
