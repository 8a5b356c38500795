"""Drift: what was recorded, against what is there now."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import RepositoryScope
from transship_planner.drift import DriftKind, DriftReport, compare, find_drift
from transship_planner.observation.dating import Dates
from transship_planner.observation.reading import OnceReader
from transship_planner.tags.tagrules import Selection
from transship_planner.wanting import Wanting
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.reference import Reference
from transship_state.document import Record

ONE, TWO, STRANGER = images.single("one"), images.single("two"), images.single("stranger")


def record(target: str, source: str = "src.io/app:1") -> Record:
    """Record that image one was applied."""
    return Record(
        target=Reference.parse(target),
        source=Reference.parse(source),
        source_digest=Digest.parse(ONE.digest),
        target_digest=Digest.parse(ONE.digest),
        media_type=ONE.media_type,
        entry="sync[0]",
        plan=Digest.of(b"plan"),
        first_seen="2026-01-01T00:00:00Z",
        applied="2026-01-01T00:00:00Z",
    )


def find(world: MemoryRegistry, *records: Record) -> DriftReport:
    """Look for drift."""
    return asyncio.run(find_drift(records, world))


def test_what_is_as_recorded_has_not_drifted() -> None:
    """One HEAD at each side, and nothing to say."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", ONE)
    world.seed("dst.io/app:1", ONE)
    assert find(world, record("dst.io/app:1")) == DriftReport((), checked=1)
    assert sorted(world.calls) == [("head_manifest", "dst.io/app:1"), ("head_manifest", "src.io/app:1")]


@pytest.mark.parametrize(
    ("target", "source", "kinds"),
    [
        (TWO, ONE, [DriftKind.TARGET_CHANGED]),
        (None, ONE, [DriftKind.TARGET_MISSING]),
        (ONE, TWO, [DriftKind.UPSTREAM_MOVED]),
        (ONE, None, [DriftKind.UPSTREAM_MISSING]),
        (TWO, TWO, [DriftKind.TARGET_CHANGED, DriftKind.UPSTREAM_MOVED]),
        (None, None, [DriftKind.TARGET_MISSING, DriftKind.UPSTREAM_MISSING]),
    ],
)
def test_every_way_to_drift_has_its_name(
    target: images.Image | None, source: images.Image | None, kinds: list[DriftKind]
) -> None:
    """Target and upstream are told apart, changed and missing, too."""
    world = MemoryRegistry()
    if target:
        world.seed("dst.io/app:1", target)
    if source:
        world.seed("src.io/app:1", source)
    assert [drift.kind for drift in find(world, record("dst.io/app:1")).drifts] == kinds


def selected(target: images.Image, source: images.Image) -> Record:
    """Record that one platform of an index was applied: the target has another digest than the source."""
    return replace(
        record("dst.io/app:1"), source_digest=Digest.parse(source.digest), target_digest=Digest.parse(target.digest)
    )


def test_each_side_is_compared_with_its_own_digest() -> None:
    """Of one platform out of an index, the source is still the index, and the target that platform."""
    world = MemoryRegistry()
    index = images.multi_platform("app")
    child = index.children[0]
    world.seed("src.io/app:1", index)
    world.seed("dst.io/app:1", child)
    assert find(world, selected(child, index)) == DriftReport((), checked=1)


def test_a_source_that_has_become_what_the_target_was_given_has_moved() -> None:
    """The index is gone, and the tag names the one platform: upstream moved, though the target has just that."""
    world = MemoryRegistry()
    index = images.multi_platform("app")
    child = index.children[0]
    for reference in ("src.io/app:1", "dst.io/app:1"):
        world.seed(reference, child)
    found = find(world, selected(child, index))
    assert [drift.record for drift in found.drifts] == [selected(child, index)]
    assert [str(drift) for drift in found.drifts] == [
        f"upstream moved: dst.io/app:1 from src.io/app:1: recorded {index.digest}, now {child.digest}"
    ]


def test_a_source_that_has_gone_is_named_with_its_own_digest() -> None:
    """Not with that of the target."""
    world = MemoryRegistry()
    index = images.multi_platform("app")
    world.seed("dst.io/app:1", index.children[0])
    found = find(world, selected(index.children[0], index))
    assert [str(drift) for drift in found.drifts] == [
        f"upstream missing: dst.io/app:1 from src.io/app:1: recorded {index.digest}, now absent"
    ]


def test_a_drift_says_what_was_recorded_and_what_is_there() -> None:
    """One line per drift."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", ONE)
    world.seed("dst.io/app:1", TWO)
    (drift,) = find(world, record("dst.io/app:1")).drifts
    assert (drift.record, drift.immutable) == (record("dst.io/app:1"), False)
    assert str(drift) == f"target changed: dst.io/app:1: recorded {ONE.digest}, now {TWO.digest}"


def test_a_registry_that_fails_is_a_problem_not_a_drift() -> None:
    """The other records are looked at all the same."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", ONE)
    world.fail["head_manifest", "a.io/app:1"] = RegistryError("HEAD manifest", "a.io/app:1", "500", status=500)
    report = find(world, record("a.io/app:1"), record("b.io/app:1"))
    (problem,) = report.problems
    assert (problem.reference, problem.message) == ("a.io/app:1", "HEAD manifest a.io/app:1: 500")
    assert [drift.kind for drift in report.drifts] == [DriftKind.TARGET_MISSING]
    assert (report.checked, report.unchecked) == (1, 1)


def test_a_mere_comparison_calls_nothing_immutable() -> None:
    """That is for the configuration to say."""
    found = compare(record("dst.io/app:1"), None, Digest.parse(TWO.digest))
    assert [(drift.kind, drift.immutable) for drift in found] == [
        (DriftKind.TARGET_MISSING, False),
        (DriftKind.UPSTREAM_MOVED, False),
    ]


def test_a_mere_comparison_leaves_nothing_out() -> None:
    """Only entries can say that nobody wants a tag any more."""
    found = compare(record("dst.io/app:1"), None, Digest.parse(TWO.digest))
    assert [drift.matters for drift in found] == [True, True]


def test_drifts_come_in_the_order_of_the_targets() -> None:
    """Whatever the order of the records."""
    names = ["c.io/app:1", "a.io/app:1", "b.io/app:1"]
    report = find(MemoryRegistry(), *map(record, names))
    assert [str(drift.record.target) for drift in report.drifts[::2]] == sorted(names)


# What no entry wants any more.


def wanted_of(
    world: MemoryRegistry, *entries: wishes.Entry, immutable: bool = False, records: list[Record]
) -> DriftReport:
    """Look for drift with a configuration of these entries."""
    wanting = Wanting(wishes.desired(*entries), OnceReader(world), Dates(world.inventory))
    return asyncio.run(find_drift(records, world, lambda target: immutable, wanting))


def kept(number: int) -> wishes.Entry:
    """The newest tags of the repository."""
    entry = wishes.repository("src.io/app", "dst.io/app")
    assert isinstance(entry.scope, RepositoryScope)
    return dataclasses.replace(entry, scope=dataclasses.replace(entry.scope, selection=Selection(keep_last=number)))


def moved() -> MemoryRegistry:
    """A world in which both ends of the tag 1 were moved, and upstream has a 2."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", TWO)
    world.seed("src.io/app:2", ONE)
    world.seed("dst.io/app:1", STRANGER)
    return world


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(wishes.repository("src.io/app", "dst.io/app", allow=("2",)), id="no rule selects it"),
        pytest.param(wishes.repository("other.io/app", "dst.io/app"), id="it comes from another source"),
        pytest.param(wishes.repository("src.io/app", "dst.io/elsewhere"), id="it goes to another target"),
        pytest.param(wishes.image("src.io/app:2", "dst.io/app:2"), id="one other tag"),
        pytest.param(kept(1), id="a newer one took its place"),
    ],
)
def test_what_no_entry_wants_any_more_is_told_apart(entry: wishes.Entry) -> None:
    """It may move; the mirror's tag is named first in any case."""
    report = wanted_of(moved(), entry, records=[record("dst.io/app:1")])
    assert report.mattering == ()
    assert [str(drift) for drift in report.unwanted] == [
        f"no longer wanted, target changed: dst.io/app:1: recorded {ONE.digest}, now {STRANGER.digest}",
        f"no longer wanted, upstream moved: dst.io/app:1 from src.io/app:1: recorded {ONE.digest}, now {TWO.digest}",
    ]


@pytest.mark.parametrize(
    "entry",
    [wishes.repository("src.io/app", "dst.io/app"), wishes.image("src.io/app:1", "dst.io/app:1"), kept(2)],
)
def test_what_an_entry_wants_matters(entry: wishes.Entry) -> None:
    """Tags are listed only where `keep_last` decides."""
    world = moved()
    report = wanted_of(world, entry, records=[record("dst.io/app:1")])
    assert [drift.kind for drift in report.mattering] == [DriftKind.TARGET_CHANGED, DriftKind.UPSTREAM_MOVED]
    assert report.unwanted == ()
    assert world.count("list_tags") == (entry == kept(2))


@pytest.mark.parametrize(("newest", "matters"), [("alpha", True), ("zeta", False)])
def test_push_dates_decide_which_tags_without_versions_are_still_wanted(newest: str, *, matters: bool) -> None:
    """By name alone, zeta would always be the newest."""
    world = MemoryRegistry()
    for day, tag in enumerate(sorted(("alpha", "zeta"), key=lambda tag: tag == newest), start=1):
        reference = world.seed(f"src.io/app:{tag}", TWO)
        world.pushed[reference] = datetime(2026, 3, day, tzinfo=UTC)
    world.seed("dst.io/app:alpha", ONE)
    (drift,) = wanted_of(world, kept(1), records=[record("dst.io/app:alpha", "src.io/app:alpha")]).drifts
    assert (drift.kind, drift.matters) == (DriftKind.UPSTREAM_MOVED, matters)


@pytest.mark.parametrize("entry", [wishes.repository("src.io/app", "dst.io/app"), kept(2)])
def test_a_tag_that_is_gone_upstream_is_still_wanted(entry: wishes.Entry) -> None:
    """It would be mirrored if it were there, which is what has to be looked at."""
    world = MemoryRegistry()
    world.seed("src.io/app:2", ONE)
    world.seed("dst.io/app:1", ONE)
    report = wanted_of(world, entry, records=[record("dst.io/app:1")])
    assert [drift.kind for drift in report.mattering] == [DriftKind.UPSTREAM_MISSING]


def test_what_cannot_be_told_is_wanted() -> None:
    """A list that fails lets nothing pass unseen."""
    world = moved()
    world.fail["list_tags", "src.io/app"] = RegistryError("list tags", "src.io/app", "500", status=500)
    assert len(wanted_of(world, kept(1), records=[record("dst.io/app:1")]).mattering) == 2


def test_an_immutable_tag_that_was_overwritten_matters_though_nothing_mirrors_it_any_more() -> None:
    """Nobody may change it at the target; upstream may do what it likes."""
    entry = wishes.repository("src.io/app", "dst.io/app", allow=("2",))
    report = wanted_of(moved(), entry, immutable=True, records=[record("dst.io/app:1")])
    assert [str(drift).partition(":")[0] for drift in report.drifts] == [
        "immutable tag moved, target changed",
        "no longer wanted, upstream moved",
    ]


def test_nothing_is_asked_about_what_has_not_moved() -> None:
    """A quiet night costs two HEADs for each record."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", ONE)
    world.seed("dst.io/app:1", ONE)
    assert wanted_of(world, kept(1), records=[record("dst.io/app:1")]).drifts == ()
    assert {method for method, _ in world.calls} == {"head_manifest"}
