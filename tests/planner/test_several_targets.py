"""Planning for entries with several targets, and for targets that lie inside their source."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, Desired, Entry, RegistryScope
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Trouble
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, EntryCount, Plan, Problem
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_registry.digest import Digest
from transship_registry.hosts import HostSettings

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))


def several(*entries: Entry) -> Desired:
    """A configuration in which one written entry has all these targets."""
    desired = wishes.desired(*entries)
    return replace(desired, entries=tuple(replace(entry, name="sync[0]") for entry in desired.entries))


def plan(world: MemoryRegistry, desired: Desired) -> Plan:
    """Plan against the world."""
    return diff(asyncio.run(observe(desired, world)), CIRCUMSTANCES)


def test_the_source_is_asked_once_for_all_targets() -> None:
    """Its tags are listed once, each tag's HEAD and each manifest are asked once."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.multi_platform(tag))
    targets = ("a.io/app", "b.io/app", "ocidir://copies/app")
    made = plan(world, several(*(wishes.repository("src.io/app", target) for target in targets)))
    assert [(change.entry, str(change.target)) for change in made.changes] == [
        ("sync[0]", f"{target}:{tag}") for target in targets for tag in ("1", "2")
    ]
    asked = Counter(call for call in world.calls if call[1].startswith("src.io/"))
    assert max(asked.values()) == 1
    assert asked["list_tags", "src.io/app"] == 1


def test_the_repositories_of_a_registry_are_listed_once_for_all_targets() -> None:
    """Its catalogue may be long."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app"))
    made = plan(world, several(mirror_inside("src.io", "a.io/mirror"), mirror_inside("src.io", "b.io/mirror")))
    assert [str(change.target) for change in made.changes] == ["a.io/mirror/app:1", "b.io/mirror/app:1"]
    assert world.count("list_repositories") == 1


def test_what_is_in_sync_is_added_up_over_the_targets() -> None:
    """The entry has the count of all its targets, however it is known that they are there."""
    for comparison in Comparison:
        world = MemoryRegistry()
        for tag in ("1", "2"):
            world.seed(f"src.io/app:{tag}", images.single(tag))
            world.seed(f"a.io/app:{tag}", images.single(tag))
        world.seed("b.io/app:1", images.single("1"))
        entries = (
            wishes.repository("src.io/app", target, comparison=comparison) for target in ("a.io/app", "b.io/app")
        )
        made = plan(world, several(*entries))
        assert [str(change.target) for change in made.changes] == ["b.io/app:2"]
        assert made.unchanged.entries == (EntryCount(entry="sync[0]", count=3),)


def test_what_is_wrong_with_the_source_is_said_once() -> None:
    """A problem or warning of the source is no more than one because there are several targets."""
    world = MemoryRegistry()
    world.seed("src.io/empty:x", images.single("x"))
    world.seed("src.io/odd:1", images.single("odd"))
    targets = ("a.io", "b.io")
    desired = several(
        *(wishes.repository("src.io/none", f"{target}/none") for target in targets),
        *(wishes.repository("src.io/empty", f"{target}/empty", allow=("1",)) for target in targets),
        *(wishes.image("src.io/odd:1", f"{target}/odd:1", media_types=("application/x",)) for target in targets),
    )
    made = plan(world, desired)
    assert made.problems == (
        Problem(entry="sync[0]", reference="src.io/none", message="list tags src.io/none: NAME_UNKNOWN"),
    )
    assert made.warnings == (
        "sync[0]: no tag of src.io/empty matches (1 listed)",
        "sync[0]: src.io/odd:1 is skipped: its media type application/vnd.oci.image.manifest.v1+json is not among the "
        "entry's mediaTypes",
    )


def mirror_inside(source: str, target: str, *deny: str) -> Entry:
    """Mirror a whole registry into another place."""
    scope = RegistryScope(source, target, (), tuple(TagPattern(pattern) for pattern in deny), Selection())
    return replace(wishes.repository("src.io/app", "dst.io/app"), scope=scope)


@pytest.mark.parametrize("source", ["src.io", "alias.io"])
def test_a_repository_below_the_target_is_not_mirrored_into_it(source: str) -> None:
    """It is a problem that names it, under whatever name the registry is read; the others are planned."""
    world = MemoryRegistry()
    for path in ("app", "mirror", "mirrored/app", "mirror/app"):
        world.seed(f"{source}/{path}:1", images.single(path))
    hosts = (HostSettings(registry="alias.io", hostname="src.io"),)
    desired = replace(wishes.desired(mirror_inside(source, "src.io/mirror")), hosts=hosts)
    observed = asyncio.run(observe(desired, world))
    assert observed.troubles == (
        Trouble(
            "sync[0]",
            f"{source}/mirror/app",
            "it lies below the target src.io/mirror: each run would mirror the mirror; let repos leave it out",
        ),
    )
    assert sorted(str(sighting.wish.target) for sighting in observed.sightings) == [
        "src.io/mirror/app:1",
        "src.io/mirror/mirror:1",
        "src.io/mirror/mirrored/app:1",
    ]


def test_what_repos_leave_out_is_no_problem() -> None:
    """A mirror inside its source is fine when the source's part of the entry leaves it out."""
    world = MemoryRegistry()
    for path in ("app", "mirror/app"):
        world.seed(f"src.io/{path}:1", images.single("same"))
    made = plan(world, wishes.desired(mirror_inside("src.io", "src.io/mirror", "mirror/.*")))
    assert made.problems == ()
    assert made.changes == ()
    assert made.unchanged.count == 1


@pytest.mark.parametrize("second", ["dst.io/app", "alias.io/app"])
def test_two_entries_that_fill_one_tag_differently_are_a_problem_by_whatever_names(second: str) -> None:
    """It names both places in the file; what they agree on is planned."""
    world = MemoryRegistry()
    for source in ("one.io/app", "two.io/app"):
        world.seed(f"{source}:same", images.single("same"))
        world.seed(f"{source}:1", images.single(source))
    desired = replace(
        wishes.desired(wishes.repository("one.io/app", "dst.io/app"), wishes.repository("two.io/app", second)),
        hosts=(HostSettings(registry="alias.io", hostname="dst.io"),),
    )
    made = plan(world, desired)
    one, two = (Digest.parse(images.single(source).digest).short for source in ("one.io/app", "two.io/app"))
    if second == "dst.io/app":
        message = (
            f"several entries want different content under one target tag: mirror.yaml:10:5 (sync[0]) wants {one} of "
            f"one.io/app:1; mirror.yaml:11:5 (sync[1]) wants {two} of two.io/app:1; let one entry own the tag"
        )
    else:
        message = (
            "several entries want different content under one target tag, by several names: "
            f"mirror.yaml:10:5 (sync[0]) wants {one} of one.io/app:1 as dst.io/app:1; "
            f"mirror.yaml:11:5 (sync[1]) wants {two} of two.io/app:1 as alias.io/app:1; let one own it"
        )
    assert made.problems == (Problem(entry="sync[0]", reference="dst.io/app:1", message=message),)
    assert {str(change.target) for change in made.changes} == {f"{target}:same" for target in ("dst.io/app", second)}
