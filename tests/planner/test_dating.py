"""`keep_last` over tags that are no versions: by date where the registry tells it, asked only where it matters."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.config import loads
from transship_planner.desired import RepositoryScope
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed
from transship_planner.tags.tagrules import Selection
from transship_planner.tags.versions import Group
from transship_planner.why import Witnesses, why
from transship_registry.errors import RegistryError
from transship_registry.reference import Reference

DATES = {
    tag: datetime(2026, 1, day, tzinfo=UTC)
    for day, tag in enumerate(("zeta", "edge", "main", "dev"), start=1)  # which is no order of names
}


def world_with(*tags: str, dated: bool = True) -> MemoryRegistry:
    world = MemoryRegistry()
    for tag in tags:
        reference = world.seed(f"src.io/app:{tag}", images.single(tag))
        if dated and tag in DATES:
            world.pushed[reference] = DATES[tag]
    return world


def look(world: MemoryRegistry, selection: Selection) -> Observed:
    """Look at src.io/app with this selection, twice: a second entry has it, too."""
    entries: list[wishes.Entry] = []
    for target in ("dst.io/app", "dst.io/again"):
        entry = wishes.repository("src.io/app", target)
        assert isinstance(entry.scope, RepositoryScope)
        entries.append(replace(entry, scope=replace(entry.scope, selection=selection)))
    return asyncio.run(observe(wishes.desired(*entries), world, contents=False))


def selected(observed: Observed) -> set[str | None]:
    return {sighting.wish.source.tag for sighting in observed.sightings}


def test_the_newest_by_date_stay() -> None:
    """One inventory serves all entries, and a tag without a date is older than the others."""
    world = world_with("zeta", "edge", "main", "dev", "undated")
    assert selected(look(world, Selection(keep_last=2))) == {"dev", "main"}
    assert world.count("inventory") == 1


def test_versions_stay_ahead_of_dates() -> None:
    """However new a tag is that is no version, a version takes the slot (semantics A5)."""
    world = world_with("1.0", "zeta", "dev")
    assert selected(look(world, Selection(keep_last=2))) == {"1.0", "dev"}


def test_a_registry_without_dates_leaves_the_names() -> None:
    """It is no reason for a warning: most registries tell none."""
    world = world_with("zeta", "edge", "main", "dev", dated=False)
    observed = look(world, Selection(keep_last=2))
    assert selected(observed) == {"zeta", "main"}
    assert observed.warnings == ()


@pytest.mark.parametrize(
    ("problem", "fails"),
    [("GET hub tags src.io/app: 500", False), ("GET hub tags src.io/app: 500", True)],
    ids=["the API is out of order and the registry lists the names", "nothing answers"],
)
def test_dates_that_cannot_be_had_are_missed_aloud(problem: str, *, fails: bool) -> None:
    """The choice would be another one with them, so the plan says why it had to go by names."""
    world = world_with("zeta", "dev", dated=False)
    world.inventory_problem = problem
    if fails:
        world.fail["inventory", "src.io/app"] = RegistryError("GET hub tags", "src.io/app", "500", status=500)
    observed = look(world, Selection(keep_last=1))
    assert selected(observed) == {"zeta"}
    assert observed.warnings == (
        "the push dates of src.io/app are not all known: GET hub tags src.io/app: 500; without them, keep_last orders "
        "tags that are no versions by name, and min_age goes by the state",
    )


@pytest.mark.parametrize(
    ("selection", "tags", "needed"),
    [
        pytest.param(Selection(), "zeta dev", False, id="all are kept"),
        pytest.param(Selection(keep_last=2), "zeta dev", False, id="there are no more than are kept"),
        pytest.param(Selection(keep_last=1), "zeta dev", True, id="one of two"),
        pytest.param(Selection(keep_last=2), "1 2 3", False, id="only versions"),
        pytest.param(Selection(keep_last=2), "1 2 zeta dev", False, id="versions take all slots"),
        pytest.param(Selection(keep_last=2), "1 zeta", False, id="enough for all"),
        pytest.param(Selection(keep_last=2), "1 zeta dev", True, id="one slot is left for two"),
        pytest.param(Selection(keep_last=1, per=Group.MINOR), "1.1 1.2 zeta", False, id="a group of its own"),
        pytest.param(Selection(keep_last=1, per=Group.MINOR), "1.1 zeta dev", True, id="two in that group"),
        pytest.param(Selection(keep_last=1), "1.2.3.4.5 zeta", True, id="five numbers are no version"),
    ],
)
def test_dates_are_asked_for_where_they_decide(selection: Selection, tags: str, *, needed: bool) -> None:
    """Everywhere else an inventory would cost requests and change nothing."""
    world = world_with(*tags.split())
    look(world, selection)
    assert world.count("inventory") == needed


@given(
    st.lists(st.sampled_from(["1.0", "1.1", "2.0", "2.0-alpine", *DATES]), unique=True),
    st.integers(0, 5),
    st.sampled_from(Group),
)
def test_dates_that_are_not_needed_change_nothing(tags: list[str], keep_last: int, per: Group) -> None:
    """What `needs_dates` denies, `select` bears out, whatever the dates."""
    selection = Selection(keep_last=keep_last, per=per)
    if not selection.needs_dates(tags):
        assert set(selection.select(tags)) == set(selection.select(tags, DATES))


def explain(world: MemoryRegistry, reference: str) -> tuple[bool, tuple[str, ...]]:
    config = "sync: [{source: src.io/app, target: dst.io/app, type: repository, keep_last: 1}]"
    desired = loads(config.encode(), file="c.yaml", environment={})
    (reason,) = asyncio.run(why(desired, Reference.parse(reference), Witnesses(world.list_tags, world.inventory)))
    return reason.selected, reason.lines()


def test_why_goes_by_the_same_dates() -> None:
    """The place that it tells is that of the plan."""
    world = world_with("zeta", "dev")
    assert explain(world, "src.io/app:dev") == (
        True,
        (
            "no tag rules: every tag is selected",
            "kept by keep_last: number 1 of 2 matching tags, newest first; the first 1 are kept",
        ),
    )
    assert explain(world, "dst.io/app:zeta")[0] is False


def test_why_says_when_dates_are_missing() -> None:
    """Names decide then, and the answer says so."""
    world = world_with("zeta", "dev", dated=False)
    world.inventory_problem = "it is out of order"
    assert explain(world, "src.io/app:zeta") == (
        True,
        (
            "no tag rules: every tag is selected",
            "kept by keep_last: number 1 of 2 matching tags, newest first; the first 1 are kept",
            "the push dates of src.io/app are not all known: it is out of order; without them, keep_last orders tags "
            "that are no versions by name, and min_age goes by the state",
        ),
    )
