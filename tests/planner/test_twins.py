"""Which tags are looked at to name one that only names an operating system (semantics A6.3), and how many."""

import asyncio

import pytest

from support import images
from support.memory_registry import MemoryRegistry
from transship_planner.names.twins import twin_digests
from transship_registry.digest import Digest
from transship_registry.ports import TagList
from transship_registry.reference import Repository

APP = Repository.parse("src.io/app")


def look(tags: dict[str, str], *selected: str, listed: tuple[str, ...] = ()) -> tuple[dict[str, Digest], list[str]]:
    """Return the digests that were found, and the tags that were asked for; `tags` are the seeds of their images."""
    world = MemoryRegistry()
    for tag, seed in tags.items():
        world.seed(f"src.io/app:{tag}", images.single(seed))
    world.calls.clear()
    found = asyncio.run(twin_digests(world.head_manifest, APP, selected, TagList((*tags, *listed)).whole("list")))
    return dict(found), [reference.rpartition(":")[2] for method, reference in world.calls if method == "head_manifest"]


def digests(tags: dict[str, str], *names: str) -> dict[str, Digest]:
    """Return the digests of these tags."""
    return {name: Digest.parse(images.single(tags[name]).digest) for name in names}


def test_versions_are_looked_at_from_the_highest_down_to_the_twin() -> None:
    """What lies below it is not asked for."""
    tags = {"alpine": "now", "1.23-alpine": "next", "1.22-alpine": "now", "1.21-alpine": "old"}
    found, asked = look(tags, "alpine")
    assert found == digests(tags, "alpine", "1.23-alpine", "1.22-alpine")
    assert asked == ["alpine", "1.23-alpine", "1.22-alpine"]


def test_without_a_twin_all_versions_are_looked_at() -> None:
    """As many as there are."""
    tags = {"alpine": "now", "1.23-alpine": "next", "1.22-alpine": "old"}
    assert look(tags, "alpine") == (digests(tags, *tags), ["alpine", "1.23-alpine", "1.22-alpine"])


@pytest.mark.parametrize("versions", [{}, {"1.22-alpine": "old"}], ids=["none", "one"])
def test_where_there_is_no_choice_nothing_is_asked(versions: dict[str, str]) -> None:
    """Two versions make one."""
    assert look({"alpine": "now", **versions}, "alpine") == ({}, [])


def test_a_tag_that_is_gone_has_no_twin() -> None:
    """Its list was older than that; its versions are not asked for, and neither does one of them stand in the way."""
    tags = {"1.22-alpine": "old", "1.21-alpine": "older"}
    assert look(tags, "alpine") == ({}, ["alpine"])
    left = {"alpine": "now", "1.21-alpine": "now"}
    found, asked = look(left, "alpine", listed=("1.22-alpine",))
    assert found == digests(left, "alpine", "1.21-alpine")
    assert asked == ["alpine", "1.22-alpine", "1.21-alpine"]


def test_a_tag_is_looked_at_once_and_other_tags_are_not() -> None:
    """However often it was selected."""
    tags = {"alpine": "now", "1.22-alpine": "now", "1.21-alpine": "old", "latest": "now"}
    assert look(tags, "alpine", "latest", "1.21-alpine", "alpine")[1] == ["alpine", "1.22-alpine"]


def test_no_more_than_sixteen_versions_are_looked_at() -> None:
    """A tag that floats on an older one gets the highest."""
    tags = {"alpine": "now", **{f"1.{number}-alpine": str(number) for number in range(20)}}
    found, asked = look(tags, "alpine")
    assert asked == ["alpine", *(f"1.{number}-alpine" for number in range(19, 3, -1))]
    assert found.keys() == set(asked)
