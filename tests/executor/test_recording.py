"""What is recorded, as what, and when: what a run applied, and what it or its plan found as wanted already."""

from pathlib import Path

import msgspec
import pytest

from support import records
from transship_executor.outcome import Result, Status
from transship_executor.recording import StateRecorder
from transship_executor.remembering import has_to_remember, remember
from transship_planner.plans.plan import Action, Change, ConfigPin, Found, FoundTag, Plan, StatePin, Version
from transship_planner.plans.planfile import PlanFile, save
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository
from transship_state.document import Origin, Record, Seen, State
from transship_state.filestore import FileStore

ONE, TWO, PLAN = Digest.of(b"one"), Digest.of(b"two"), Digest.of(b"this plan")
EARLIER, MADE, NOW = "2026-01-01T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z"
TYPE = "application/vnd.oci.image.index.v1+json"


def change(tag: str = "1", digest: Digest = ONE, source: str = "src.io/app") -> Change:
    return Change(
        action=Action.CREATE,
        entry="sync[0]",
        source=Reference.parse(f"{source}:{tag}"),
        target=Reference.parse(f"dst.io/app:{tag}"),
        reason="the target tag does not exist",
        source_digest=digest,
        after=Version(digest=digest, media_type=TYPE, size=1),
    )


class Counting(FileStore):
    """A state file that counts how often it is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes = 0

    def write(self, state: State) -> None:
        """Count, and write."""
        self.writes += 1
        super().write(state)


def state(*known: Record, seen: tuple[Seen, ...] = ()) -> State:
    return State(lineage="feed", serial=7, tool_version="0", records=known, seen=seen)


def recorder(folder: Path, known: State) -> tuple[StateRecorder, Counting]:
    store = Counting(folder / "state.json")
    return StateRecorder(store, known, plan=PLAN, tool_version="1", now=lambda: NOW), store


def written(store: FileStore) -> tuple[Record, ...]:
    read = store.read()
    return read.records if read else ()


# While a plan is applied.


def test_what_was_applied_is_written_before_it_counts_as_done(tmp_path: Path) -> None:
    """One write for each, with the digest of the plan and the time."""
    keeper, store = recorder(tmp_path, state())
    keeper.record(Result(change(), Status.DONE))
    (first,) = written(store)
    assert first == msgspec.structs.replace(
        records.record(digest=ONE, first_seen=NOW, applied=NOW), plan=PLAN, origin=Origin.APPLIED
    )
    keeper.record(Result(change("2"), Status.DONE))
    assert (len(written(store)), store.writes) == (2, 2)


def test_what_was_as_planned_already_is_recorded_as_found_in_one_write(tmp_path: Path) -> None:
    """Ten thousand tags that an interrupted run has set cost no ten thousand writes."""
    keeper, store = recorder(tmp_path, state())
    for tag in "123":
        keeper.record(Result(change(tag), Status.ALREADY))
    assert store.writes == 0
    keeper.close()
    assert [(each.origin, each.applied) for each in written(store)] == [(Origin.FOUND, NOW)] * 3
    keeper.close()
    assert store.writes == 1


def test_what_was_found_is_written_with_what_is_applied_next(tmp_path: Path) -> None:
    """It does not have to wait for the end of the run."""
    keeper, store = recorder(tmp_path, state())
    keeper.record(Result(change("1"), Status.ALREADY))
    keeper.record(Result(change("2"), Status.DONE))
    assert [each.origin for each in written(store)] == [Origin.FOUND, Origin.APPLIED]
    keeper.close()
    assert store.writes == 1


@pytest.mark.parametrize("origin", list(Origin))
def test_what_is_recorded_so_already_stays_as_it_is(tmp_path: Path, origin: Origin) -> None:
    """A plan that is applied again does not make `applied` into `found`, nor anything younger."""
    keeper, store = recorder(tmp_path, state(records.record(digest=ONE, origin=origin)))
    keeper.record(Result(change(), Status.ALREADY))
    keeper.close()
    assert store.writes == 0


def test_what_is_recorded_so_already_stays_as_it_is_behind_what_is_written(tmp_path: Path) -> None:
    """The run still knows what the state said of other targets, and what it wrote itself."""
    known = records.record("dst.io/app:2", ONE, source="src.io/app:2")
    keeper, store = recorder(tmp_path, state(known))
    keeper.record(Result(change("1"), Status.DONE))
    for tag in "12":
        keeper.record(Result(change(tag), Status.ALREADY))
    keeper.close()
    assert (store.writes, written(store)[1]) == (1, known)


def test_what_was_recorded_otherwise_is_found_anew(tmp_path: Path) -> None:
    """The record of what the tag was before says nothing of what it is."""
    keeper, store = recorder(tmp_path, state(records.record(digest=TWO)))
    keeper.record(Result(change(), Status.ALREADY))
    keeper.close()
    (found,) = written(store)
    assert (found.target_digest, found.origin, found.first_seen) == (ONE, Origin.FOUND, NOW)


@pytest.mark.parametrize(
    ("known", "first_seen"),
    [
        pytest.param(records.record(digest=ONE, first_seen=EARLIER), EARLIER, id="applied again"),
        pytest.param(records.record("dst.io/other:1", ONE, first_seen=EARLIER), EARLIER, id="to another target"),
        pytest.param(records.record(digest=TWO, first_seen=EARLIER), NOW, id="other content"),
        pytest.param(records.record(digest=ONE, source="old.io/app:1", first_seen=EARLIER), NOW, id="another source"),
    ],
)
def test_a_digest_keeps_the_day_on_which_its_source_was_first_seen_with_it(
    tmp_path: Path, known: Record, first_seen: str
) -> None:
    """Of the same source and the same digest, whatever the target."""
    keeper, store = recorder(tmp_path, state(known))
    keeper.record(Result(change(), Status.DONE))
    (applied,) = (each for each in written(store) if each.plan == PLAN)
    assert applied.first_seen == first_seen


# When it begins.


def found(*tags: str, digest: Digest = ONE, serial: int = 7, created_at: str = MADE) -> PlanFile:
    group = Found(
        entry="sync[0]",
        source=Repository.parse("src.io/app"),
        target=Repository.parse("dst.io/app"),
        media_type=TYPE,
        tags=tuple(FoundTag(tag=tag, digest=digest) for tag in tags),
    )
    plan = Plan(
        format_version=1,
        tool_version="0",
        config=ConfigPin(digest=ONE, dialect="regsync"),
        state=StatePin(lineage="feed", serial=serial),
        found=(group,) if tags else (),
    )
    return save(plan, created_at=created_at)


def begun(folder: Path, known: State, saved: PlanFile) -> tuple[Record, ...]:
    """Return the records after the first write of a run, of which there is one."""
    store = Counting(folder / "state.json")
    after = remember(store, known, saved, tool_version="1", now=NOW)
    assert (store.writes, store.read(), after.serial) == (1, after, 8)
    return after.records


def test_a_run_writes_the_state_before_it_changes_anything(tmp_path: Path) -> None:
    """Also when there is nothing new: it has to be known whether the state can be written."""
    known = state(records.record(digest=ONE))
    assert begun(tmp_path, known, found()) == known.records


def test_what_a_plan_found_is_recorded_in_one_write(tmp_path: Path) -> None:
    """With the plan that found it, and its time."""
    saved = found("1", "2")
    expected = records.record(digest=ONE, origin=Origin.FOUND, first_seen=NOW, applied=MADE)
    first, second = begun(tmp_path, state(), saved)
    assert first == msgspec.structs.replace(expected, plan=saved.digest)
    assert (str(second.target), str(second.source)) == ("dst.io/app:2", "src.io/app:2")


def test_a_record_of_what_a_plan_found_names_its_platforms(tmp_path: Path) -> None:
    """Else nobody knows that the target is a part of its source."""
    platforms = (Platform("linux", "arm64"),)
    saved = found("1")
    group = msgspec.structs.replace(saved.plan.found[0], platforms=platforms)
    (record,) = begun(tmp_path, state(), save(msgspec.structs.replace(saved.plan, found=(group,)), created_at=MADE))
    assert record.platforms == platforms


@pytest.mark.parametrize("created_at", ["", "yesterday", "2026-03-09T00:00:00", "0001-01-01T00:00:00+23:00"])
def test_a_plan_without_a_usable_time_was_made_now(tmp_path: Path, created_at: str) -> None:
    """Its time is not covered by its digest, and may be anything."""
    (record,) = begun(tmp_path, state(), found("1", created_at=created_at))
    assert (record.applied, record.first_seen) == (NOW, NOW)


def test_the_time_in_a_plan_file_makes_nothing_old(tmp_path: Path) -> None:
    """Else whoever can write to the file could bring young content past `min_age`."""
    (record,) = begun(tmp_path, state(), found("1", created_at="1999-01-01T01:00:00+01:00"))
    assert (record.applied, record.first_seen) == ("1999-01-01T00:00:00Z", NOW)


def test_what_waited_and_is_found_as_wanted_waits_no_more(tmp_path: Path) -> None:
    """Somebody else has copied it; its record keeps the day on which it was first seen."""
    waiting = Seen(source=Reference.parse("src.io/app:1"), digest=ONE, entry="sync[0]", first_seen=EARLIER)
    store = FileStore(tmp_path / "state.json")
    after = remember(store, state(seen=(waiting,)), found("1"), tool_version="1", now=NOW)
    assert ([each.first_seen for each in after.records], after.seen) == ([EARLIER], ())


@pytest.mark.parametrize("known", [records.record(digest=ONE), records.record(digest=ONE, origin=Origin.FOUND)])
def test_a_plan_takes_nothing_from_a_record_that_says_the_same(tmp_path: Path, known: Record) -> None:
    """`applied` stays `applied`."""
    assert begun(tmp_path, state(known), found("1")) == (known,)


def test_a_plan_for_the_present_state_corrects_a_record(tmp_path: Path) -> None:
    """The tag was moved to what is wanted by other means."""
    (record,) = begun(tmp_path, state(records.record(digest=TWO)), found("1"))
    assert (record.target_digest, record.origin) == (ONE, Origin.FOUND)


def test_a_plan_for_an_earlier_state_only_adds(tmp_path: Path) -> None:
    """What has been recorded since the plan was made is newer than what the plan found."""
    known = records.record(digest=TWO)
    first, second = begun(tmp_path, state(known), found("1", "2", serial=6))
    assert (first, str(second.target)) == (known, "dst.io/app:2")


def test_records_of_others_are_not_touched(tmp_path: Path) -> None:
    """Neither of other entries nor of tags that no entry wants any more."""
    other = records.record("dst.io/zzz:9", TWO)
    assert begun(tmp_path, state(other), found("1"))[1] == other


def test_what_is_found_and_recorded_is_nothing_to_write(tmp_path: Path) -> None:
    """A run that changes nothing leaves the state alone; one that finds something new writes it."""
    assert not has_to_remember(state(records.record(digest=ONE)), found("1"))
    assert has_to_remember(state(records.record(digest=ONE)), found("1", "2"))
