"""One target tag that several entries want: what they agree on becomes one change that has all they ask for."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, Desired
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Policy, Restraint, Sighting
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, EntryCount, Plan, RateLimit
from transship_planner.tags.tagrules import TagPattern
from transship_registry.digest import Digest
from transship_registry.hosts import HostSettings
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy

IMAGE, OLD = images.single("app"), images.single("old")
SBOM = images.artifact(IMAGE, seed="sbom")
SIGNATURE = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"


def entry(source: str = SOURCE, target: str = TARGET, **rules: Any) -> wishes.Entry:
    """One image, with rules of copying."""
    made = wishes.image(source, target)
    return replace(made, copy=replace(made.copy, **rules))


def source(target: images.Image | None = None) -> MemoryRegistry:
    """A world whose source has an image with an SBOM and a signature."""
    world = MemoryRegistry()
    world.seed(SOURCE, IMAGE)
    world.seed("src.io/app:untagged", SBOM)
    del world.shelves[Repository.parse("src.io/app")].tags["untagged"]
    world.seed(f"src.io/app:{images.cosign_tag(IMAGE)}", SIGNATURE)
    if target is not None:
        world.seed(TARGET, target)
    return world


def plan(world: MemoryRegistry, desired: Desired, policies: Sequence[Policy] = ()) -> Plan:
    """Plan against the world."""
    observed = asyncio.run(observe(desired, world, policies=policies))
    return diff(observed, Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync")))


@pytest.mark.parametrize(("present", "action"), [(None, Action.CREATE), (IMAGE, Action.REFRESH)])
def test_what_only_the_second_entry_wants_attached_travels_along(present: images.Image | None, action: Action) -> None:
    """The referrers of one and the digest tags of another make one change, which fails as the stricter says."""
    entries = (
        entry(),
        entry(referrers=True, refused_referrers=RefusedArtifactPolicy.SKIP),
        entry(referrers=True, digest_tags=True, refused_referrers=RefusedArtifactPolicy.WARN),
    )
    (change,) = plan(source(present), wishes.desired(*entries)).changes
    assert (change.action, change.entry, change.refused) == (action, "sync[0]", "warn")
    assert [str(each.digest) for each in change.attached] == [SBOM.digest, SIGNATURE.digest]


def test_the_image_that_is_replaced_is_kept_though_only_one_entry_asks_for_it() -> None:
    """A backup is not lost because an entry before it wants none; nor are its pulls spared the less."""
    second = replace(wishes.image(SOURCE, TARGET, backup="old"), timing=wishes.sparing(entry(), 7).timing)
    (change,) = plan(source(OLD), wishes.desired(entry(), second)).changes
    assert str(change.backup) == "dst.io/app:old"
    assert change.ratelimit == RateLimit(min=7, retry_s=300.0)


def test_two_names_for_one_backup_are_a_problem() -> None:
    """The image can be kept, but which entry decides where is not for the tool to say."""
    entries = (wishes.image(SOURCE, TARGET, backup=name) for name in ("old", "older"))
    made = plan(source(OLD), wishes.desired(*entries))
    assert made.changes == ()
    assert [problem.message for problem in made.problems] == [
        "several entries keep the image that is replaced, under different names: "
        "mirror.yaml:10:5 (sync[0]) as dst.io/app:old; mirror.yaml:11:5 (sync[1]) as dst.io/app:older; "
        "let one entry own the tag"
    ]


@pytest.mark.parametrize("content", ["app", "other"])
def test_an_entry_that_passes_the_tag_over_does_not_stand_in_the_way(content: str) -> None:
    """What `mediaTypes` of one leave out, another mirrors; neither a contradiction nor a warning comes of it."""
    world = source()
    world.seed("src.io/second:1", images.single(content))
    passing = wishes.image(SOURCE, TARGET, media_types=(OCI_INDEX,))
    made = plan(world, wishes.desired(passing, entry("src.io/second:1")))
    assert [(change.action, change.entry) for change in made.changes] == [(Action.CREATE, "sync[1]")]
    assert (made.problems, made.warnings) == ((), ())


@pytest.mark.parametrize("kind", ["image", "repository"])
def test_a_tag_that_one_entry_calls_immutable_is_changed_by_none(kind: str) -> None:
    """Whether it was asked about or is known by its name; the other entry is told why nothing comes of its wish."""
    immutable = (TagPattern("1"),)
    first = (
        wishes.image(SOURCE, TARGET) if kind == "image" else wishes.repository("src.io/app", "dst.io/app", allow=("1",))
    )
    first = replace(first, copy=replace(first.copy, immutable_tags=immutable))
    world = source(OLD)
    world.seed("src.io/second:1", images.single("second"))
    made = plan(world, wishes.desired(entry("src.io/second:1"), first))
    assert (made.changes, made.problems) == ((), ())
    assert made.unchanged.entries == (EntryCount(entry="sync[1]", count=1),)
    assert made.warnings == (
        "sync[0]: dst.io/app:1 is left as it is, not made src.io/second:1: "
        "immutable_tags of sync[1] say that it never changes",
    )
    absent = source()
    assert [change.action for change in plan(absent, wishes.desired(entry(), first)).changes] == [Action.CREATE]


def test_a_tag_is_counted_once_however_many_entries_want_it() -> None:
    """Neither what is listed by several, nor what one lists and another compares, counts twice."""
    world = source(IMAGE)
    listed = wishes.repository("src.io/app", "dst.io/app", allow=("1",), comparison=Comparison.EXISTENCE)
    assert plan(world, wishes.desired(listed, listed)).unchanged.count == 1
    both = plan(world, wishes.desired(listed, entry()))
    assert both.unchanged.entries == (EntryCount(entry="sync[1]", count=1),)
    world.seed(TARGET, OLD)
    made = plan(world, wishes.desired(listed, entry()))
    assert [change.action for change in made.changes] == [Action.UPDATE]
    assert made.unchanged.count == 0


def test_what_is_held_under_one_name_is_held_under_all() -> None:
    """A second name of the target registry is no way around a policy."""
    world = source()
    desired = wishes.desired(entry(), entry(target="alias.io/app:1"))
    desired = replace(desired, hosts=(HostSettings(registry="alias.io", hostname="dst.io"),))

    def policy(sighting: Sighting) -> Restraint | None:
        return Restraint(Action.HELD, "too young") if sighting.wish.entry.name == "sync[1]" else None

    made = plan(world, desired, [policy])
    assert [(str(change.target), change.action, change.reason) for change in made.changes] == [
        ("alias.io/app:1", Action.HELD, "too young"),
        (TARGET, Action.HELD, "too young"),
    ]
    assert made.forecast.manifests == 0
