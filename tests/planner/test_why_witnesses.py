"""What `why` says when a rule depends on more than tag lists: digests, restraints, lists of referrers."""

import asyncio
from collections.abc import Sequence

from support import images
from support.memory_registry import MemoryRegistry
from transship_planner.config import loads
from transship_planner.desired import Desired
from transship_planner.observation.observe import observe, restraint_of
from transship_planner.observation.observed import Policy, Restraint, Sighting
from transship_planner.plans.plan import Action
from transship_planner.why import Reason, Witnesses, why
from transship_registry.errors import AuthenticationError
from transship_registry.reference import Reference

APP = "source: src.io/app, target: dst.io/app, type: repository"


def configured(entry: str) -> Desired:
    return loads(f"sync: [{{{entry}}}]".encode(), file="c.yaml", environment={})


def ask_all(
    world: MemoryRegistry, desired: Desired, reference: str, policies: Sequence[Policy] = ()
) -> tuple[Reason, ...]:
    """Ask with everything that a run of the program would have."""
    witnesses = Witnesses(
        world.list_tags, world.inventory, world.head_manifest, lambda wish: restraint_of(wish, world, policies)
    )
    return asyncio.run(why(desired, Reference.parse(reference), witnesses))


def ask(world: MemoryRegistry, desired: Desired, reference: str, policies: Sequence[Policy] = ()) -> Reason:
    """Ask where there is one answer."""
    (reason,) = ask_all(world, desired, reference, policies)
    return reason


def hold(sighting: Sighting) -> Restraint:
    """Hold everything that is not in sync."""
    assert not sighting.in_sync
    return Restraint(Action.HELD, "it is too young")


def test_a_change_that_is_held_is_selected_and_says_so() -> None:
    """From both ends; a tag that is in sync is not held."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    desired = configured(APP)
    for end in ("src.io/app:1", "dst.io/app:1"):
        reason = ask(world, desired, end, [hold])
        assert reason.selected
        assert reason.lines()[-1] == "held now: it is too young"
    world.seed("dst.io/app:1", images.single("new"))
    assert "held now" not in " ".join(ask(world, desired, "src.io/app:1", [hold]).lines())


def test_a_side_that_cannot_be_looked_at_is_said() -> None:
    """Whether a tag is selected is known all the same."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    call = ("head_manifest", "dst.io/app:1")
    world.fail[call] = AuthenticationError("HEAD manifest", call[1], "denied", status=403)
    reason = ask(world, configured(APP), "src.io/app:1", [hold])
    assert reason.selected
    assert reason.lines()[-1].startswith("whether it is held cannot be told: HEAD manifest dst.io/app:1: ")


def test_a_list_of_referrers_is_not_selected_where_the_target_keeps_its_own() -> None:
    """The tag rules select it, and `referrers` leaves it out."""
    world = MemoryRegistry()
    tag = images.single("signed").referrers_tag
    world.seed(f"src.io/app:{tag}", images.referrers_index([]))
    assert ask(world, configured(APP), f"src.io/app:{tag}").selected
    reason = ask(world, configured(f"{APP}, referrers: true"), f"src.io/app:{tag}")
    assert not reason.selected
    assert (
        f"{tag} lists referrers, and is no image of its own: with referrers, the target keeps such a list itself"
    ) in reason.lines()


def floating() -> MemoryRegistry:
    """A repository in which `alpine` floats on an older version than the highest."""
    world = MemoryRegistry()
    older = images.single("1.22")
    for tag, image in (
        ("alpine", older),
        ("1.22-alpine", older),
        ("1.22.5-alpine", older),
        ("1.23-alpine", images.single("1.23")),
        ("slim", older),
        ("1.22-slim", images.single("slim")),
    ):
        world.seed(f"src.io/app:{tag}", image)
    return world


def test_the_version_of_the_same_content_names_an_os_tag() -> None:
    """A6.3: in a plan and in `why`, the digest decides; without a choice nothing is asked."""
    world = floating()
    desired = configured(f"{APP}, tags: {{allow: [alpine, slim]}}, os_normalize: true")
    observed = asyncio.run(observe(desired, world, contents=False))
    named = {str(seen.wish.source): str(seen.wish.target) for seen in observed.sightings}
    assert named == {"src.io/app:alpine": "dst.io/app:1.22.5-alpine", "src.io/app:slim": "dst.io/app:1.22-slim"}
    heads = [reference for method, reference in world.calls if method == "head_manifest" and "src.io" in reference]
    assert sorted(heads) == [f"src.io/app:{tag}" for tag in ("1.22.5-alpine", "1.23-alpine", "alpine", "slim")]
    reason = ask(world, desired, "src.io/app:alpine")
    assert str(reason.target) == "dst.io/app:1.22.5-alpine"
    at_target = ask_all(world, desired, "dst.io/app:1.22.5-alpine")
    assert [str(each.source) for each in at_target if each.selected] == ["src.io/app:alpine"]


def test_without_a_twin_the_highest_version_counts() -> None:
    """Also when tags come from a file, and no registry is asked."""
    world = floating()
    world.seed("src.io/app:alpine", images.single("of its own"))
    desired = configured(f"{APP}, tags: {{allow: [alpine]}}, os_normalize: true")
    assert str(ask(world, desired, "src.io/app:alpine").target) == "dst.io/app:1.23-alpine"
    (offline,) = asyncio.run(why(desired, Reference.parse("src.io/app:alpine"), Witnesses(floating().list_tags)))
    assert str(offline.target) == "dst.io/app:1.23-alpine"
