"""What a policy holds or blocks is shown, is not fetched, and is not for apply."""

import asyncio

from support import images, records, wishes
from support.memory_registry import MemoryRegistry
from transship.exits import Exit, of_plan
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Policy, Restraint, Sighting
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, ContentTree, Plan
from transship_planner.render.findings import as_findings, render_findings
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_registry.digest import Digest

HELD = Restraint(Action.HELD, "it is too young")
BLOCKED = Restraint(Action.BLOCKED, "it is too old")


def plan(*policies: Policy) -> tuple[Plan, MemoryRegistry]:
    """Plan one tag that is absent at the target and one that is in sync."""
    world = MemoryRegistry()
    world.seed("src.io/app:new", images.single("new"))
    for place in ("src.io", "dst.io"):
        world.seed(f"{place}/app:same", images.single("same"))
    desired = wishes.desired(wishes.repository("src.io/app", "dst.io/app"))
    observed = asyncio.run(observe(desired, world, policies=policies))
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return diff(observed, Circumstances(tool_version="0", config=pin)), world


def always(restraint: Restraint) -> Policy:
    """A policy that restrains whatever it is asked about, and refuses to be asked about what is in sync."""

    def policy(sighting: Sighting) -> Restraint:
        assert not sighting.in_sync
        return restraint

    return policy


def test_a_held_change_is_shown_with_its_reason_and_not_fetched() -> None:
    """It costs nothing, is not pending, and is no reason for a red check."""
    made, world = plan(lambda _: None, always(HELD))
    (change,) = made.changes
    assert (change.action, change.reason, change.transfer) == (Action.HELD, "it is too young", 0)
    assert change.after is not None
    assert world.count("get_manifest") == 0
    assert made.pending == ()
    assert of_plan(made) is Exit.OK
    assert as_findings(made)["in_sync"]
    assert render_findings(made).endswith("In sync: 1 tag as the configuration wants (1 held).\n")
    assert "held: it is too young\n  dst.io/app:new\n" in render_text(made)
    assert "- **held** sync[0]: it is too young: `dst.io/app:new`\n" in render_markdown(made)
    assert "Plan: 1 held, 1 unchanged." in render_text(made)


def test_what_is_blocked_is_refused_with_exit_3() -> None:
    """A check with a blocked change is not in sync, and blocking beats holding."""
    made, _ = plan(always(HELD), always(BLOCKED))
    (change,) = made.changes
    assert (change.action, change.reason) == (Action.BLOCKED, "it is too old")
    assert of_plan(made) is Exit.REFUSED
    assert not as_findings(made)["in_sync"]
    assert render_findings(made).endswith("Out of sync: 0 tags to change, 1 in sync, 1 blocked.\n")


def test_what_is_held_stays_out_of_all_numbers_though_another_tag_brings_the_same() -> None:
    """Its content is known because of the other tag, and yet it brings nothing, keeps no backup and has no risk."""
    world = MemoryRegistry()
    for tag in ("1", "latest"):
        world.seed(f"src.io/app:{tag}", images.single("new"))
        world.seed(f"dst.io/app:{tag}", images.single("old"))
    desired = wishes.desired(*(wishes.image(f"src.io/app:{tag}", f"dst.io/app:{tag}") for tag in ("1", "latest")))
    known = records.recorded(records.record("dst.io/app:latest", Digest.of(b"what we applied last")))

    def policy(sighting: Sighting) -> Restraint | None:
        return HELD if sighting.wish.target.tag == "latest" else None

    observed = asyncio.run(observe(desired, world, policies=[policy]))
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    made = diff(observed, Circumstances(tool_version="0", config=pin, records=known))
    updated, held = made.changes
    assert (updated.action, held.action) == (Action.UPDATE, Action.HELD)
    assert (held.content, held.differences, held.risks, held.transfer) == (ContentTree(), (), (), 0)
    assert made.forecast.transfer == updated.transfer


def test_of_two_entries_that_agree_the_stricter_decides() -> None:
    """What one of them holds or blocks, the other does not let through."""
    world = MemoryRegistry()
    world.seed("src.io/app:new", images.single("new"))
    desired = wishes.desired(*(wishes.image("src.io/app:new", "dst.io/app:new") for _ in range(3)))
    restraints = {"sync[1]": HELD, "sync[2]": BLOCKED}

    def policy(sighting: Sighting) -> Restraint | None:
        return restraints.get(sighting.wish.entry.name)

    for expected in (Action.BLOCKED, Action.HELD, Action.CREATE):
        observed = asyncio.run(observe(desired, world, policies=[policy]))
        pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
        made = diff(observed, Circumstances(tool_version="0", config=pin))
        assert [change.action for change in made.changes] == [expected]
        assert made.problems == ()
        if restraints:
            restraints.popitem()
