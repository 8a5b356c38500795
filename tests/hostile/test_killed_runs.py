"""A run that is killed at any step: the next one brings targets and state together, and nothing is left over."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from support.mortal import Killed, Life, MortalDisk, MortalRegistry
from transship_executor.apply import apply
from transship_executor.recording import StateRecorder, begin
from transship_executor.remembering import has_to_remember, remember
from transship_planner.desired import Comparison, PlatformRule
from transship_planner.drift import find_drift
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, StatePin
from transship_planner.plans.planfile import PlanFile, save
from transship_planner.tags.tagrules import TagPattern
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference
from transship_state.filestore import FileStore

NOW = "2026-01-01T00:00:00Z"
NEW, OLD, INDEX = images.single("new"), images.single("old"), images.multi_platform("index")


def entries() -> Iterator[wishes.Entry]:
    """One of each kind in which a target is compared, and of each a tag that is there and one that is not."""
    yield wishes.repository("src.io/app", "dst.io/app")
    immutable = wishes.repository("src.io/app", "dst.io/release")
    yield replace(immutable, copy=replace(immutable.copy, immutable_tags=(TagPattern(".*"),)))
    yield wishes.repository("src.io/app", "dst.io/only-there", comparison=Comparison.EXISTENCE)
    yield wishes.image("src.io/index:1", "dst.io/arm:1", platforms=PlatformRule((Platform("linux", "arm64"),)))
    yield wishes.image("src.io/app:2", "dst.io/updated:1", backup="old")


TARGETS = {
    **{f"dst.io/{name}:{tag}": NEW.digest for name in ("app", "release", "only-there") for tag in "12"},
    "dst.io/arm:1": INDEX.children[1].digest,
    "dst.io/updated:1": NEW.digest,
}


@dataclass
class Mirror:
    """A world, and a folder with a state; the next run makes a plan, or goes on with that of the first."""

    folder: Path
    plans_anew: bool
    world: MemoryRegistry = field(default_factory=MemoryRegistry)
    plan: PlanFile | None = None

    def __post_init__(self) -> None:
        for tag in "12":
            self.world.seed(f"src.io/app:{tag}", NEW)
        self.world.seed("src.io/index:1", INDEX)
        for name in ("app", "release", "only-there"):
            self.world.seed(f"dst.io/{name}:1", NEW)
        self.world.seed("dst.io/updated:1", OLD)

    def run(self, life: Life) -> None:
        """Plan unless there is a plan, and apply it, as `once` and `apply` do."""
        store = FileStore(self.folder / "state.json", MortalDisk(life))
        registry = MortalRegistry(self.world, life)
        saved = self.plan or asyncio.run(_plan(store, registry))
        self.plan = None if self.plans_anew else saved
        if not saved.plan.pending and not has_to_remember(store.read(), saved):
            return
        with store.lock("apply", lambda: NOW):
            state = begin(store, saved.plan.state, tool_version="1")
            state = remember(store, state, saved, tool_version="1", now=NOW)
            recorder = StateRecorder(store, state, plan=saved.digest, tool_version="1", now=lambda: NOW)
            asyncio.run(apply(saved.plan, cast(RegistryWriter, registry), images_at_once=2, recorder=recorder))

    def check(self) -> None:
        """All targets are as wanted and recorded as they are, the next run has nothing to do, and nothing is left."""
        state = FileStore(self.folder / "state.json").read()
        assert state is not None
        assert {str(record.target): str(record.target_digest) for record in state.records} == TARGETS
        assert {target: self.world.tagged(target) for target in TARGETS} == TARGETS
        report = asyncio.run(find_drift(state.records, self.world))
        assert (report.drifts, report.problems, report.checked) == ((), (), len(TARGETS))
        assert {path.name for path in self.folder.iterdir()} == {"state.json", "state.json.backup", "state.json.lock"}
        with FileStore(self.folder / "state.json").lock("apply", lambda: NOW):
            pass
        assert (self.folder / "state.json.lock").read_bytes() == b""
        saved = asyncio.run(_plan(FileStore(self.folder / "state.json"), self.world))
        assert (saved.plan.changes, saved.plan.found) == ((), ())
        assert not has_to_remember(state, saved)


async def _plan(store: FileStore, registry: Any) -> PlanFile:
    state = store.read()
    known = {record.target: record for record in state.records} if state else {}

    def unrecorded(target: Reference) -> bool:
        return target not in known

    observed = await observe(wishes.desired(*entries()), registry, unrecorded=unrecorded)
    circumstances = Circumstances(
        tool_version="1",
        config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
        state=StatePin(lineage=state.lineage, serial=state.serial) if state else StatePin(nonce="feed"),
        records=known,
    )
    made = diff(observed, circumstances)
    assert made.problems == ()
    return save(made, created_at=NOW)


def _is_killing(error: BaseException) -> bool:
    """Tell whether that is all that went wrong."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_killing, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, Killed)


@pytest.mark.parametrize("plans_anew", [True, False], ids=["plan again", "the same plan again"])
def test_whatever_a_run_is_killed_at_the_next_one_records_what_is_there(tmp_path: Path, *, plans_anew: bool) -> None:
    """At each request, and each call that writes, renames, links or syncs a file of the state."""
    steps = 0
    for steps in range(1000):
        folder = tmp_path / str(steps)
        folder.mkdir()
        mirror, life = Mirror(folder, plans_anew), Life(steps)
        try:
            mirror.run(life)
        except BaseException as error:
            if not _is_killing(error):
                raise
        mirror.run(Life(10_000))
        mirror.check()
        if not life.is_over:
            break
    assert 100 < steps < 999
