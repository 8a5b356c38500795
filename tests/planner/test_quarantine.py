"""`min_age`: what is held, until when, by which evidence, and what nobody can say."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Pushed, Restraint, Sighting, Wish
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan
from transship_planner.policies.quarantine import Quarantine, bypasses, text
from transship_planner.render.findings import as_findings
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor
from transship_registry.reference import Reference
from transship_state.document import Record, Seen, State
from transship_state.errors import StateError

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)
WEEK = 7 * 86400.0
SOURCE, TARGET = Reference.parse("src.io/app:1"), Reference.parse("dst.io/app:1")
IMAGE, OTHER = images.single("now"), images.single("before")
DIGEST, EARLIER = Digest.parse(IMAGE.digest), Digest.parse(OTHER.digest)
HUB = "Docker Hub's tag API"


def days_ago(count: float) -> datetime:
    return NOW - timedelta(days=count)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def seen(first_seen: str, digest: Digest = DIGEST, source: Reference = SOURCE) -> Seen:
    return Seen(source=source, digest=digest, entry="sync[0]", first_seen=first_seen)


def record(first_seen: str, digest: Digest = DIGEST, target: str = "dst.io/other:1") -> Record:
    return Record(
        target=Reference.parse(target),
        source=SOURCE,
        source_digest=digest,
        target_digest=digest,
        media_type=images.OCI_MANIFEST,
        entry="sync[1]",
        plan=Digest.of(b"plan"),
        first_seen=first_seen,
        applied=first_seen,
    )


def state(*parts: Seen | Record) -> State:
    return State(
        lineage="feed",
        serial=1,
        tool_version="0",
        records=tuple(part for part in parts if isinstance(part, Record)),
        seen=tuple(part for part in parts if isinstance(part, Seen)),
    )


def sighting(pushed: datetime | None = None, min_age_s: float = WEEK) -> Sighting:
    entry = replace(wishes.image(str(SOURCE), str(TARGET)), min_age_s=min_age_s)
    source = Descriptor(media_type=images.OCI_MANIFEST, digest=DIGEST, size=1)
    told = Pushed(pushed, HUB) if pushed else None
    return Sighting(Wish(entry, SOURCE, TARGET), source, source, None, pushed=told)


def ask(
    recorded: State | None = None,
    pushed: datetime | None = None,
    *,
    min_age_s: float = WEEK,
    ignored: Sequence[str] = (),
    keeps_state: bool = True,
) -> Restraint | None:
    """Ask the rule about one absent tag."""
    urgent = tuple(map(Reference.parse, ignored))
    rule = Quarantine(NOW, recorded, keeps_state=keeps_state, ignored=urgent)
    return rule(sighting(pushed, min_age_s))


def held(since: datetime, until: datetime, witness: str, min_age: str = "7d") -> Restraint:
    reason = (
        f"{DIGEST.short} was first seen at src.io/app:1 on {stamp(since)} ({witness}), "
        f"min_age is {min_age}: held until {stamp(until)}"
    )
    return Restraint(Action.HELD, reason, until=stamp(until))


@pytest.mark.parametrize(
    ("age_s", "is_held"),
    [(0, True), (WEEK - 1, True), (WEEK, False), (WEEK + 1, False), (-1, True), (-1e6, True)],
)
def test_age_decides_to_the_second(age_s: float, *, is_held: bool) -> None:
    """At `min_age` exactly the tag is old enough; a date in the future, of a clock that is ahead, holds for longer."""
    since = NOW - timedelta(seconds=age_s)
    until = since + timedelta(seconds=WEEK)
    assert ask(state(seen(stamp(since)))) == (held(since, until, "by the state") if is_held else None)
    assert ask(None, since) == (held(since, until, f"by {HUB}") if is_held else None)


@pytest.mark.parametrize(
    ("known", "pushed", "since", "witness"),
    [
        (seen(stamp(days_ago(2))), days_ago(1), days_ago(2), "by the state"),
        (seen(stamp(days_ago(1))), days_ago(2), days_ago(2), f"by {HUB}"),
        (record(stamp(days_ago(3))), days_ago(2), days_ago(3), "by the state"),
        (seen(stamp(days_ago(30)), EARLIER), days_ago(2), days_ago(2), f"by {HUB}"),
        (record(stamp(days_ago(30)), EARLIER), days_ago(2), days_ago(2), f"by {HUB}"),
    ],
)
def test_the_earliest_evidence_of_this_digest_counts(
    known: Seen | Record, pushed: datetime, since: datetime, witness: str
) -> None:
    """Registry and state may both tell; what they tell of another digest is no evidence."""
    assert ask(state(known), pushed) == held(since, since + timedelta(days=7), witness)


def test_one_source_recorded_for_several_targets() -> None:
    """Any record of the source tag with this digest is evidence, and the earliest counts."""
    known = state(record(stamp(days_ago(1))), record(stamp(days_ago(8)), target="dst.io/more:1"))
    assert ask(known) is None


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_first_sight_and_a_record_the_earlier_counts(order: int) -> None:
    """Whichever the state tells first."""
    dates = [stamp(days_ago(days)) for days in (3, 1)][::order]
    assert ask(state(seen(dates[0]), record(dates[1]))) == held(days_ago(3), days_ago(-4), "by the state")


@pytest.mark.parametrize(
    "known",
    [
        None,
        state(seen(stamp(days_ago(30)), EARLIER)),
        state(seen(stamp(days_ago(30)), source=Reference.parse("src.io/app:2"))),
    ],
)
def test_without_evidence_a_tag_is_held(known: State | None) -> None:
    """A digest that nobody has seen yet, or that moved there, is held, and the reason says what happens next."""
    assert ask(known) == Restraint(
        Action.HELD,
        "min_age is 7d, and nothing tells since when the source tag has had this digest: neither the registry "
        "nor a state; apply and once record in the state that they have seen it, and the time counts from then",
    )


def test_without_a_state_the_way_out_is_to_keep_one() -> None:
    """Else such a tag would be held for ever."""
    assert ask(keeps_state=False, min_age_s=5400) == Restraint(
        Action.HELD,
        "min_age is 1h30m, and nothing tells since when the source tag has had this digest: neither the registry "
        "nor a state; keep a state, with --state FILE or `state: FILE`; apply and once record there when they first "
        "saw it",
    )


def test_an_entry_without_min_age_is_not_held() -> None:
    """The rule asks for no evidence there."""
    assert ask(min_age_s=0) is None


def test_a_date_that_somebody_made_up_crashes_nothing() -> None:
    """Holding until the end of time is as far as it goes."""
    restraint = ask(None, datetime(9999, 12, 31, tzinfo=UTC))
    assert restraint is not None
    assert restraint.until == "9999-12-31T23:59:59Z"


def test_a_fraction_of_a_second_is_not_rounded_away() -> None:
    """The date that is shown is never before the change is let go, and it is in UTC."""
    pushed = datetime(2026, 3, 9, 23, 59, 59, 1, tzinfo=timezone(timedelta(hours=2)))
    restraint = ask(None, pushed)
    assert restraint is not None
    assert restraint.until == "2026-03-16T22:00:00Z"


@pytest.mark.parametrize("text", ["yesterday", "2026-03-01T00:00:00", "", "0001-01-01T00:00:00+14:00"])
def test_a_state_with_an_unreadable_date_is_refused(text: str) -> None:
    """It is no evidence, and to hold the tag for ever without a word would help nobody."""
    message = (
        f"the state's first_seen of src.io/app:1 is {text!r}, expected a date in RFC 3339 such as "
        "2026-01-02T03:04:05Z; correct it in the state file, or remove that member of its list"
    )
    with pytest.raises(StateError) as caught:
        ask(state(seen(text)))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("reference", "goes"),
    [
        ("src.io/app:1", True),
        ("dst.io/app:1", True),
        (f"src.io/app:1@{IMAGE.digest}", True),
        (f"dst.io/app@{IMAGE.digest}", True),
        (f"src.io/app:1@{OTHER.digest}", False),
        ("src.io/app:2", False),
        ("src.io/other:1", False),
    ],
)
def test_what_is_urgent_goes_through(reference: str, *, goes: bool) -> None:
    """A source or a target, by tag or by digest; the plan says so, and says what matched nothing."""
    restraint = ask(ignored=[reference])
    assert (restraint is None) is goes
    said = bypasses([sighting(), sighting(min_age_s=0)], [Reference.parse(reference)])
    if goes:
        assert said == (
            f"sync[0]: min_age 7d is ignored for src.io/app:1 → dst.io/app:1, as --ignore-min-age {reference} asks",
        )
    else:
        assert said == (f"--ignore-min-age {reference}: no change that min_age concerns has it as source or target",)


def test_a_tag_whose_source_was_not_asked_is_not_held() -> None:
    """Nothing is going to change there."""
    unasked = replace(sighting(), source=None, expected=None)
    assert Quarantine(NOW, None, keeps_state=True, ignored=[SOURCE])(unasked) is None
    assert Quarantine(NOW, None, keeps_state=True)(unasked) is None


def test_what_is_right_or_passed_over_is_not_let_through() -> None:
    """Only what would be held is worth a word; else it is said that nothing was."""
    right = replace(sighting(), target=sighting().source)
    passed = sighting()
    kinds = replace(passed.wish.entry.copy, media_types=("application/x",))
    passed = replace(passed, wish=replace(passed.wish, entry=replace(passed.wish.entry, copy=kinds)))
    unasked = replace(right, source=None, expected=None)
    assert bypasses([right, passed, unasked], [SOURCE]) == (
        f"--ignore-min-age {SOURCE}: no change that min_age concerns has it as source or target",
    )


def test_a_digest_says_nothing_of_a_tag_whose_source_was_not_asked() -> None:
    """Nobody knows whether it is that one."""
    unasked = replace(sighting(), source=None, expected=None)
    urgent = Reference.parse(f"{SOURCE}@{DIGEST}")
    assert bypasses([unasked], [urgent]) == (
        f"--ignore-min-age {urgent}: no change that min_age concerns has it as source or target",
    )


def test_what_is_let_through_is_told_in_the_order_of_the_targets() -> None:
    """And of the entries, for one target; whatever was observed first."""

    def wanted(target: str, name: str) -> Sighting:
        one = sighting()
        entry = replace(one.wish.entry, name=name)
        return replace(one, wish=Wish(entry, SOURCE, Reference.parse(target)))

    several = [wanted("b.io/app:1", "sync[0]"), wanted("a.io/app:1", "sync[2]"), wanted("a.io/app:1", "sync[1]")]
    assert [said.partition(",")[0] for said in bypasses(several, [SOURCE])] == [
        "sync[1]: min_age 7d is ignored for src.io/app:1 → a.io/app:1",
        "sync[2]: min_age 7d is ignored for src.io/app:1 → a.io/app:1",
        "sync[0]: min_age 7d is ignored for src.io/app:1 → b.io/app:1",
    ]


def test_dates_are_shown_in_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that is made elsewhere says the same."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert text(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-03-10T12:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


# In a plan


def plan(world: MemoryRegistry, recorded: State | None = None, *, min_age_s: float = WEEK) -> Plan:
    """Plan a repository of which src.io/app:1 is absent at the target."""
    entry = replace(wishes.repository("src.io/app", "dst.io/app"), min_age_s=min_age_s)
    policy = Quarantine(NOW, recorded, keeps_state=True)
    observed = asyncio.run(observe(wishes.desired(entry), world, policies=[policy]))
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return diff(observed, Circumstances(tool_version="0", config=pin))


def world_with(pushed: datetime | None = None) -> MemoryRegistry:
    world = MemoryRegistry()
    world.seed("src.io/app:1", IMAGE)
    for place in ("src.io", "dst.io"):
        world.seed(f"{place}/app:same", images.single("same"))
    if pushed:
        world.pushed[SOURCE] = pushed
    return world


def test_the_registrys_date_lets_an_old_tag_go() -> None:
    """No state is needed where the registry tells dates."""
    (change,) = plan(world_with(days_ago(8))).changes
    assert (change.action, change.held_until) == (Action.CREATE, "")


def test_a_young_tag_is_held_and_not_fetched() -> None:
    """Its manifest is not read, one inventory is taken, and plan and findings tell until when it is held."""
    world = world_with(days_ago(2))
    made = plan(world)
    (change,) = made.changes
    expected = held(days_ago(2), days_ago(-5), f"by {HUB}")
    assert (change.action, change.reason, change.held_until) == (Action.HELD, expected.reason, expected.until)
    assert as_findings(made)["differences"][0]["held_until"] == "2026-03-15T12:00:00Z"
    assert (world.count("get_manifest"), world.count("inventory")) == (0, 1)


def test_a_date_of_another_digest_is_no_evidence() -> None:
    """What the registry's API tells may be minutes old: its date counts for the digest that it names only."""
    world = world_with(days_ago(30))
    world.told[SOURCE] = EARLIER
    (change,) = plan(world).changes
    assert change.action is Action.HELD
    assert change.reason.startswith("min_age is 7d, and nothing tells since when the source tag has had this digest: ")
    assert change.held_until == ""


def test_only_changes_of_entries_with_min_age_cost_inventories() -> None:
    """Neither an entry without it nor one whose tags are in sync asks for dates."""
    world = world_with(days_ago(30))
    plan(world, min_age_s=0)
    world.seed("dst.io/app:1", IMAGE)
    plan(world)
    assert world.count("inventory") == 0


def test_an_inventory_that_fails_is_a_warning() -> None:
    """The state may know; why the registry does not is said once."""
    world = world_with()
    world.seed("src.io/app:2", images.single("two"))
    world.fail["inventory", "src.io/app"] = RegistryError(
        "GET hub tags", "src.io/app", "it is out of order", status=500
    )
    made = plan(world, state(seen(stamp(days_ago(9)))))
    assert [change.action for change in made.changes] == [Action.CREATE, Action.HELD]
    assert made.warnings == (
        "the push dates of src.io/app are not all known: GET hub tags src.io/app: it is out of order; without them, "
        "keep_last orders tags that are no versions by name, and min_age goes by the state",
    )
    assert made.problems == ()


def test_a_source_by_digest_asks_no_inventory() -> None:
    """There is no tag that a registry could date; the state decides."""
    world = world_with(days_ago(30))
    entry = replace(wishes.image(f"src.io/app@{DIGEST}", "dst.io/app:1"), min_age_s=WEEK)
    policy = Quarantine(NOW, None, keeps_state=True)
    (found,) = asyncio.run(observe(wishes.desired(entry), world, policies=[policy])).sightings
    assert found.restraint is not None
    assert world.count("inventory") == 0
