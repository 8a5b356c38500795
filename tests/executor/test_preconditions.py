"""What must hold before anything is changed: the state is that of the plan, the tags are where the plan saw them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Result, Status
from transship_executor.recording import begin
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan, StatePin
from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import State
from transship_state.errors import LineageError
from transship_state.filestore import FileStore

NEW, OLD = images.single("new"), images.single("old")
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"


def store(folder: Path, lineage: str = "feed", serial: int = 7) -> FileStore:
    """Keep a state of this serial."""
    kept = FileStore(folder / "state.json")
    kept.write(State(lineage=lineage, serial=serial, tool_version="1"))
    return kept


def refusal(kept: FileStore, pin: StatePin) -> str:
    """Return why a plan with this pin cannot go on with the state."""
    with pytest.raises(LineageError) as caught:
        begin(kept, pin, tool_version="2")
    return str(caught.value)


@pytest.mark.parametrize("serial", [7, 8])
def test_a_state_that_is_as_old_as_the_plan_or_newer_goes_on(tmp_path: Path, serial: int) -> None:
    """What others applied since the plan was made is no hindrance: each target is looked at again."""
    kept = store(tmp_path, serial=serial)
    assert begin(kept, StatePin(lineage="feed", serial=7), tool_version="2") == kept.read()


@pytest.mark.parametrize("serial", [0, 6])
def test_a_state_that_is_older_than_the_plan_is_refused(tmp_path: Path, serial: int) -> None:
    """By one serial suffices: somebody put an older copy in its place."""
    kept = store(tmp_path, serial=serial)
    assert refusal(kept, StatePin(lineage="feed", serial=7)) == (
        f"{tmp_path}/state.json: the plan was made against serial 7 of the state, but this is {serial}: "
        "an older copy was put in its place; restore the newer one, or plan again"
    )


def test_a_state_of_another_lineage_is_refused(tmp_path: Path) -> None:
    """Whatever its serial: a plan is not carried over into another world."""
    kept = store(tmp_path, lineage="cafe", serial=9)
    assert refusal(kept, StatePin(lineage="feed", serial=7)) == (
        f"{tmp_path}/state.json: the plan was made against state feed, but this is cafe; "
        "name the right file with --state, or plan again"
    )


def test_a_plan_made_on_a_state_needs_one(tmp_path: Path) -> None:
    """A missing file is no empty state."""
    assert refusal(FileStore(tmp_path / "state.json"), StatePin(lineage="feed", serial=7)) == (
        f"{tmp_path}/state.json: the plan was made against state feed, but there is no state here; "
        "name the right file with --state, or plan again"
    )


def test_a_plan_made_without_a_state_founds_one_with_its_nonce_as_lineage(tmp_path: Path) -> None:
    """It begins at serial 0, so that its first write is serial 1; the same plan goes on with just that state."""
    kept, pin = FileStore(tmp_path / "state.json"), StatePin(nonce="beef")
    founded = begin(kept, pin, tool_version="2")
    assert founded == State(lineage="beef", serial=0, tool_version="2")
    kept.write(founded.with_records([], "2"))
    assert begin(kept, pin, tool_version="2") == State(lineage="beef", serial=1, tool_version="2")


def test_a_plan_made_without_a_state_is_not_replayed_into_that_of_another(tmp_path: Path) -> None:
    """Two first plans do not share a state, though both were made on none."""
    kept = store(tmp_path, lineage="dead", serial=1)
    assert refusal(kept, StatePin(nonce="beef")) == (
        f"{tmp_path}/state.json: the plan was made against state beef, but this is dead; "
        "name the right file with --state, or plan again"
    )


def plan(world: MemoryRegistry, entry: wishes.Entry, action: Action) -> Plan:
    """Plan the one change that this entry asks for, and forget that the world was asked."""
    observed = asyncio.run(observe(wishes.desired(entry), world))
    made = diff(observed, Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync")))
    assert [change.action for change in made.changes] == [action]
    world.calls.clear()
    return made


def replacing() -> tuple[MemoryRegistry, Plan]:
    """A world in which the target has the old image, and the plan to replace it."""
    world = MemoryRegistry()
    world.seed(SOURCE, NEW)
    world.seed(TARGET, OLD)
    return world, plan(world, wishes.image(SOURCE, TARGET), Action.UPDATE)


def delete(world: MemoryRegistry, reference: str) -> None:
    """Let somebody delete a tag."""
    parsed = Reference.parse(reference)
    assert parsed.tag is not None
    world.shelves[parsed.repository].tags.pop(parsed.tag, None)


def during_uploads(meanwhile: Callable[[], object]) -> Callable[[str, str], None]:
    """Let something happen while blobs are sent."""

    def happen(method: str, _: str) -> None:
        if method == "upload_blob":
            meanwhile()

    return happen


def applied(made: Plan, world: MemoryRegistry) -> Result:
    """Apply a plan of one change."""
    (result,) = asyncio.run(apply(made, world)).results
    return result


GONE = (
    f"{TARGET} moved since the plan was made: the plan saw {OLD.digest}, now it is absent; "
    "it was left untouched, plan again to see what would change"
)


def test_a_target_that_was_deleted_since_the_plan_is_a_conflict() -> None:
    """Whoever deleted it meant to: what is absent is not what the plan saw, and nothing is brought."""
    world, made = replacing()
    delete(world, TARGET)
    result = applied(made, world)
    assert (result.status, result.message) == (Status.CONFLICT, GONE)
    assert world.tagged(TARGET) is None
    assert world.writes() == []


def test_a_target_that_appeared_since_the_plan_is_a_conflict() -> None:
    """The plan saw that the tag was absent: what somebody put there is not overwritten."""
    world = MemoryRegistry()
    world.seed(SOURCE, NEW)
    made = plan(world, wishes.image(SOURCE, TARGET), Action.CREATE)
    world.seed(TARGET, OLD)
    result = applied(made, world)
    assert result.status is Status.CONFLICT
    assert result.message == (
        f"{TARGET} moved since the plan was made: the plan saw absent, now it is {OLD.digest}; "
        "it was left untouched, plan again to see what would change"
    )
    assert world.writes() == []


def test_a_target_that_is_deleted_while_its_blobs_are_copied_is_a_conflict() -> None:
    """The precondition is checked again just before the tag is written, for absence, too."""
    world, made = replacing()
    world.before_call = during_uploads(lambda: delete(world, TARGET))
    result = applied(made, world)
    assert (result.status, result.message) == (Status.CONFLICT, GONE)
    assert world.tagged(TARGET) is None


def test_a_target_that_somebody_brings_up_to_date_while_its_blobs_are_copied_is_not_written_again() -> None:
    """What is right needs no write."""
    world, made = replacing()
    world.before_call = during_uploads(lambda: world.seed(TARGET, NEW))
    assert applied(made, world).status is Status.DONE
    assert ("put_manifest", TARGET) not in world.writes()


def test_a_refresh_of_a_tag_that_was_deleted_is_a_conflict() -> None:
    """What is attached belongs to an image that a tag names; nothing is brought for one that has gone."""
    world = MemoryRegistry()
    image = images.multi_platform("app")
    world.seed(SOURCE, image)
    world.seed(TARGET, image)
    world.seed("src.io/app:untagged", images.artifact(image, seed="sbom"))
    delete(world, "src.io/app:untagged")
    entry = wishes.image(SOURCE, TARGET)
    made = plan(world, replace(entry, copy=replace(entry.copy, referrers=True)), Action.REFRESH)
    delete(world, TARGET)
    result = applied(made, world)
    assert result.status is Status.CONFLICT
    assert result.message == (
        f"{TARGET} moved since the plan was made: the plan saw {image.digest}, now it is absent; "
        "it was left untouched, plan again to see what would change"
    )
    assert world.writes() == []
