"""What the state holds after an apply: what each target was given, and since when its content was at the source."""

import asyncio
from pathlib import Path

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Status
from transship_executor.recording import StateRecorder, begin
from transship_planner.desired import PlatformRule
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Plan, StatePin
from transship_planner.plans.planfile import plan_digest
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.document import Record
from transship_state.filestore import FileStore

ONE, TWO = images.single("one"), images.single("two")
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"
DAYS = tuple(f"2026-03-0{day}T00:00:00Z" for day in range(1, 6))


class Mirror:
    """A world with a state; each time something is recorded it is a day later."""

    def __init__(self, folder: Path) -> None:
        self.world = MemoryRegistry()
        self.store = FileStore(folder / "state.json")
        self._days = iter(DAYS)

    def plan(self, *entries: wishes.Entry) -> Plan:
        """Plan against the world as it is."""
        observed = asyncio.run(observe(wishes.desired(*entries), self.world))
        pin = ConfigPin(digest=Digest.of(b"config"), dialect="regsync")
        return diff(observed, Circumstances(tool_version="0", config=pin, state=StatePin(nonce="feed")))

    def apply(self, made: Plan) -> Outcome:
        """Apply a plan, and record what it gave to the targets."""
        state = begin(self.store, made.state, tool_version="0")
        recorder = StateRecorder(
            self.store, state, plan=plan_digest(made), tool_version="0", now=lambda: next(self._days)
        )
        return asyncio.run(apply(made, self.world, images_at_once=1, recorder=recorder))

    def records(self) -> tuple[Record, ...]:
        """Return what was recorded."""
        state = self.store.read()
        return state.records if state else ()


def statuses(outcome: Outcome) -> list[Status]:
    """Return how the changes ended."""
    return [result.status for result in outcome.results]


def test_a_record_says_what_was_given_to_the_target_and_where_it_came_from(tmp_path: Path) -> None:
    """Of a selected platform, the digest of the source is that of its index, and the target's that of the child."""
    mirror = Mirror(tmp_path)
    index = images.multi_platform("app", platforms=("linux/amd64", "linux/arm64"))
    mirror.world.seed(SOURCE, index)
    made = mirror.plan(wishes.image(SOURCE, TARGET, platforms=PlatformRule((Platform("linux", "arm64"),))))
    assert statuses(mirror.apply(made)) == [Status.DONE]
    assert mirror.records() == (
        Record(
            target=Reference.parse(TARGET),
            source=Reference.parse(SOURCE),
            source_digest=Digest.parse(index.digest),
            target_digest=Digest.parse(index.children[1].digest),
            media_type=index.children[1].media_type,
            entry="sync[0]",
            plan=plan_digest(made),
            first_seen=DAYS[0],
            applied=DAYS[0],
            platforms=(Platform("linux", "arm64"),),
        ),
    )


def test_what_is_applied_again_keeps_its_record(tmp_path: Path) -> None:
    """Nothing was written the second time: its age, and the day on which it was applied, stay."""
    mirror = Mirror(tmp_path)
    mirror.world.seed(SOURCE, ONE)
    made = mirror.plan(wishes.image(SOURCE, TARGET))
    mirror.apply(made)
    assert statuses(mirror.apply(made)) == [Status.ALREADY]
    assert [(each.first_seen, each.applied) for each in mirror.records()] == [(DAYS[0], DAYS[0])]


def test_other_content_is_first_seen_anew_also_when_it_comes_back(tmp_path: Path) -> None:
    """The day belongs to the digest at the source tag, and the record knows one digest."""
    mirror = Mirror(tmp_path)
    found = list[tuple[str, str]]()
    for image in (ONE, TWO, ONE):
        mirror.world.seed(SOURCE, image)
        mirror.apply(mirror.plan(wishes.image(SOURCE, TARGET)))
        found += [(each.first_seen, each.applied) for each in mirror.records()]
    assert found == [(day, day) for day in DAYS[:3]]


def test_a_second_target_of_one_source_has_the_day_of_the_first(tmp_path: Path) -> None:
    """What was seen at the source then was seen for both."""
    mirror = Mirror(tmp_path)
    mirror.world.seed(SOURCE, ONE)
    mirror.apply(mirror.plan(wishes.image(SOURCE, TARGET)))
    mirror.apply(mirror.plan(wishes.image(SOURCE, "dst.io/second:1")))
    assert [(str(each.target), each.first_seen, each.applied) for each in mirror.records()] == [
        (TARGET, DAYS[0], DAYS[0]),
        ("dst.io/second:1", DAYS[0], DAYS[1]),
    ]


def test_a_target_that_was_right_already_is_recorded(tmp_path: Path) -> None:
    """Somebody else made it so since the plan: what the state knows is what the target has, whoever brought it."""
    mirror = Mirror(tmp_path)
    mirror.world.seed(SOURCE, ONE)
    made = mirror.plan(wishes.image(SOURCE, TARGET))
    mirror.world.seed(TARGET, ONE)
    mirror.world.calls.clear()
    assert statuses(mirror.apply(made)) == [Status.ALREADY]
    assert mirror.world.writes() == []
    assert [(str(each.target), str(each.target_digest)) for each in mirror.records()] == [(TARGET, ONE.digest)]


def test_what_failed_met_a_conflict_or_was_not_begun_is_not_recorded(tmp_path: Path) -> None:
    """The state never says that a target was given what it was not."""
    mirror = Mirror(tmp_path)
    for tag in ("1", "2", "3"):
        mirror.world.seed(f"src.io/app:{tag}", images.single(tag))
    made = mirror.plan(wishes.repository("src.io/app", "dst.io/app"))
    mirror.world.seed(TARGET, images.single("stranger"))
    mirror.world.fail["put_manifest", "dst.io/app:2"] = RegistryError("PUT manifest", "dst.io/app:2", "403", status=403)
    assert statuses(mirror.apply(made)) == [Status.CONFLICT, Status.FAILED, Status.DONE]
    assert [str(each.target) for each in mirror.records()] == ["dst.io/app:3"]
