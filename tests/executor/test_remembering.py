"""The first sight of what is held goes into the state, stays there while it waits, and no longer."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from support import records
from transship_executor.outcome import Result, Status
from transship_executor.recording import StateRecorder
from transship_executor.remembering import has_to_remember, remember
from transship_planner.plans.plan import Action, Change, ConfigPin, Mode, Plan, Problem, StatePin, Version
from transship_planner.plans.planfile import PlanFile, save
from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import Seen, State
from transship_state.filestore import FileStore

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
NOW, BEFORE = "2026-03-10T00:00:00Z", "2026-03-01T00:00:00Z"
TYPE = "application/vnd.oci.image.index.v1+json"


def change(tag: str = "1", action: Action = Action.HELD, digest: Digest = ONE, target: str = "dst.io/app") -> Change:
    return Change(
        action=action,
        entry="sync[0]",
        source=Reference.parse(f"src.io/app:{tag}"),
        target=Reference.parse(f"{target}:{tag}"),
        reason="it is young",
        source_digest=digest,
        after=Version(digest=digest, media_type=TYPE, size=1),
    )


def seen(tag: str = "1", digest: Digest = ONE, first_seen: str = BEFORE, entry: str = "sync[0]") -> Seen:
    return Seen(source=Reference.parse(f"src.io/app:{tag}"), digest=digest, entry=entry, first_seen=first_seen)


def plan(*changes: Change, serial: int = 1, missing: bool = False, problems: tuple[Problem, ...] = ()) -> Plan:
    return Plan(
        format_version=1,
        tool_version="0",
        config=ConfigPin(digest=ONE, dialect="regsync"),
        mode=Mode(missing=missing),
        state=StatePin(lineage="feed", serial=serial),
        changes=changes,
        problems=problems,
    )


def saved(made: Plan) -> PlanFile:
    return save(made, created_at=NOW)


@dataclass(frozen=True)
class Kept:
    """What a state is after a plan, and whether that would have been written had there been nothing to apply."""

    seen: tuple[Seen, ...]
    news: bool


def keep(folder: Path, made: Plan, *known: Seen) -> Kept:
    store = FileStore(folder / "state.json")
    state = State(lineage="feed", serial=1, tool_version="0", seen=known)
    after = remember(store, state, saved(made), tool_version="1", now=NOW)
    assert store.read() == after
    assert after.serial == state.serial + 1
    return Kept(after.seen, news=has_to_remember(state, saved(made)))


@pytest.mark.parametrize("action", [Action.HELD, Action.BLOCKED])
def test_the_first_sight_of_what_is_left_is_written(tmp_path: Path, action: Action) -> None:
    """Of what is blocked too: the day on which it is let go, its age counts."""
    made = plan(change("2", action), change("1", action))
    assert keep(tmp_path, made) == Kept((seen("1", first_seen=NOW), seen("2", first_seen=NOW)), news=True)


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    """The state's serial stays while nothing new is seen."""
    assert keep(tmp_path, plan(change()), seen()) == Kept((seen(),), news=False)


def test_a_digest_that_moves_starts_anew(tmp_path: Path) -> None:
    """Also when the tag comes back to what it was once."""
    assert keep(tmp_path, plan(change(digest=TWO)), seen()) == Kept((seen("1", TWO, NOW),), news=True)


def test_what_is_going_to_be_applied_keeps_its_date_until_then(tmp_path: Path) -> None:
    """Should applying fail, it is not young again."""
    assert keep(tmp_path, plan(change(action=Action.CREATE)), seen()) == Kept((seen(),), news=False)


def test_what_is_not_held_is_not_written(tmp_path: Path) -> None:
    """A tag that is applied at once gets a record, and needs nothing else."""
    assert keep(tmp_path, plan(change(action=Action.CREATE))) == Kept((), news=False)


def test_what_is_no_longer_wanted_is_forgotten(tmp_path: Path) -> None:
    """The file does not grow with tags that are deleted, deselected, or in sync by other means."""
    assert keep(tmp_path, plan(change("2")), seen("1"), seen("2")) == Kept((seen("2"),), news=True)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(plan(serial=0), id="the state has moved on since the plan was made"),
        pytest.param(plan(missing=True), id="what exists was not compared"),
        pytest.param(
            plan(problems=(Problem(entry="sync[0]", reference="src.io/app", message="500"),)),
            id="its entry could not be looked at",
        ),
    ],
)
def test_what_was_not_looked_at_is_not_forgotten(tmp_path: Path, made: Plan) -> None:
    """A source that is out of order for a day does not make its tags young again."""
    assert keep(tmp_path, made, seen()) == Kept((seen(),), news=False)


def test_the_trouble_of_one_entry_keeps_nothing_of_another(tmp_path: Path) -> None:
    """Else one entry that always fails would let the file grow for ever."""
    made = plan(problems=(Problem(entry="sync[0]", reference="src.io/app", message="500"),))
    assert keep(tmp_path, made, seen(entry="sync[1]")) == Kept((), news=True)


def test_an_old_plan_only_adds(tmp_path: Path) -> None:
    """What the state saw later stays."""
    made = plan(change("1", digest=TWO), change("2"), serial=0)
    assert keep(tmp_path, made, seen("1")) == Kept((seen("1"), seen("2", first_seen=NOW)), news=True)


def test_one_source_for_two_targets_is_written_once(tmp_path: Path) -> None:
    """Also when one of them is not held: another entry may ask for less."""
    made = plan(change(), change(target="dst.io/second"), change(action=Action.CREATE, target="dst.io/third"))
    assert keep(tmp_path, made).seen == (seen(first_seen=NOW),)


def test_what_is_recorded_for_one_target_need_not_be_remembered_for_another(tmp_path: Path) -> None:
    """The record says already since when its source has had this digest."""
    store = FileStore(tmp_path / "state.json")
    state = State(lineage="feed", serial=1, tool_version="0", records=(records.record("dst.io/first:1", ONE),))
    assert remember(store, state, saved(plan(change())), tool_version="1", now=NOW).seen == ()
    made = plan(change(digest=TWO))
    assert remember(store, state, saved(made), tool_version="1", now=NOW).seen == (seen("1", TWO, NOW),)


def test_a_change_that_names_no_digest_leaves_nothing_to_remember(tmp_path: Path) -> None:
    """There is nothing that could grow older."""
    made = plan(msgspec.structs.replace(change(), source_digest=None))
    assert keep(tmp_path, made) == Kept((), news=False)


def test_a_record_has_the_date_of_the_first_sight(tmp_path: Path) -> None:
    """What waited is recorded with its true age for every target, and waits no more."""
    store = FileStore(tmp_path / "state.json")
    state = State(lineage="feed", serial=1, tool_version="0", seen=(seen(),))
    recorder = StateRecorder(store, state, plan=ONE, tool_version="1", now=lambda: NOW)
    for target in ("dst.io/app", "dst.io/second"):
        recorder.record(Result(change(action=Action.CREATE, target=target), Status.DONE))
    written = store.read()
    assert written is not None
    assert written.seen == ()
    assert [(record.first_seen, record.applied) for record in written.records] == [(BEFORE, NOW), (BEFORE, NOW)]


def test_nothing_is_locked_for_a_plan_without_cause() -> None:
    """A run that finds all in sync, and nothing that is not recorded, does not touch the state."""
    empty = State(lineage="feed", serial=1, tool_version="0")
    assert not has_to_remember(empty, saved(plan()))
    assert has_to_remember(empty, saved(plan(change())))
    assert has_to_remember(State(lineage="feed", serial=1, tool_version="0", seen=(seen(),)), saved(plan()))


def test_a_state_is_founded_though_there_is_nothing_to_tell() -> None:
    """Else `drift` would go on asking for one that no apply makes."""
    assert has_to_remember(None, saved(plan()))
