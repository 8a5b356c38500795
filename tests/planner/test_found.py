"""What a plan finds as wanted already: with a state, it says so once, so that applying can record it."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from support import images, records, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, PlatformRule
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.found import FoundTarget, find_unrecorded, unpack
from transship_planner.plans.plan import ConfigPin, Found, FoundTag, Plan
from transship_planner.plans.planfile import decode, encode, save
from transship_planner.policies.immutability import moved_tags
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_planner.tags.tagrules import TagPattern
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.document import Record

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
ONE, TWO, INDEX = images.single("one"), images.single("two"), images.multi_platform("index")
DIGEST = Digest.parse(ONE.digest)
WHOLE = wishes.repository("src.io/app", "dst.io/app")


def mirrored(*tags: str) -> MemoryRegistry:
    """A world in which these tags are the same at both ends."""
    world = MemoryRegistry()
    for tag in tags:
        world.seed(f"src.io/app:{tag}", ONE)
        world.seed(f"dst.io/app:{tag}", ONE)
    return world


def plan(
    world: MemoryRegistry, *entries: wishes.Entry, known: Iterable[Record] | None = (), missing: bool = False
) -> Plan:
    """Plan with a state of these records, or without one."""
    state = None if known is None else records.recorded(*known)

    def unrecorded(target: Reference) -> bool:
        return state is not None and target not in state

    look = observe(wishes.desired(*entries), world, missing=missing, unrecorded=None if missing else unrecorded)
    observed = asyncio.run(look)
    return diff(observed, replace(CIRCUMSTANCES, records=state))


def found_of(image: images.Image, tags: Iterable[str] = ("1",)) -> Found:
    found = tuple(FoundTag(tag=tag, digest=Digest.parse(image.digest)) for tag in tags)
    source, target = Reference.parse("src.io/app:1").repository, Reference.parse("dst.io/app:1").repository
    return Found(entry="sync[0]", source=source, target=target, media_type=image.media_type, tags=found)


def test_tags_that_are_as_wanted_are_told_once_for_the_state() -> None:
    """Those of one repository together, in the order of their names."""
    world = mirrored("2", "1")
    world.seed("src.io/app:3", TWO)
    made = plan(world, WHOLE)
    assert made.found == (found_of(ONE, ("1", "2")),)
    assert ([str(change.target) for change in made.changes], made.unchanged.count) == (["dst.io/app:3"], 2)


def test_what_is_found_as_it_was_recorded_is_no_news() -> None:
    """A state that knows the mirror makes no plan longer."""
    assert plan(mirrored("1"), WHOLE, known=[records.record(digest=DIGEST)]).found == ()


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(records.record(digest=Digest.parse(TWO.digest)), id="other content"),
        pytest.param(records.record(digest=DIGEST, source="old.io/app:1"), id="another source"),
        pytest.param(records.record(digest=DIGEST, source_digest=Digest.parse(TWO.digest)), id="source was elsewhere"),
    ],
)
def test_what_was_recorded_otherwise_is_news(known: Record) -> None:
    """It has come to be as wanted by other means than the run that recorded it."""
    assert plan(mirrored("1"), WHOLE, known=[known]).found == (found_of(ONE),)


def test_without_a_state_a_plan_stays_as_it_was() -> None:
    """No member, the same digest, and no word."""
    made = plan(mirrored("1"), WHOLE, known=None)
    assert made.found == ()
    assert "found" not in json.loads(encode(save(made, created_at="")))
    assert "To record" not in render_text(made)


def test_with_missing_nothing_is_found() -> None:
    """A tag that is there was not compared; nothing is asked for the sake of the state."""
    world = mirrored("1")
    assert plan(world, WHOLE, missing=True).found == ()
    assert world.count("head_manifest") == 0


def test_what_lacks_something_is_not_as_wanted() -> None:
    """A tag that is right, but whose image is to be refreshed, is recorded when that is done."""
    world = mirrored("1")
    shelf = world.shelves[Reference.parse("dst.io/app:1").repository]
    shelf.blobs.clear()
    deep = replace(WHOLE, copy=replace(WHOLE.copy, force_recursive=True))
    made = plan(world, deep)
    assert (len(made.pending), made.found) == (1, ())


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/amd64", "linux/arm64"]])
def test_selected_platforms_give_the_target_a_digest_of_its_own(platforms: list[str]) -> None:
    """Both digests are told, and the platforms."""
    world = MemoryRegistry()
    whole = images.multi_platform("index", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    world.seed("src.io/app:1", whole)
    wanted = tuple(Platform.parse(each) for each in platforms)
    entry = wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule(wanted))
    (change,) = plan(world, entry).changes
    assert change.after is not None
    given = change.after.digest
    observed = asyncio.run(observe(wishes.desired(entry), world))
    (sighting,) = observed.sightings
    (found,) = unpack(find_unrecorded([replace(sighting, target=sighting.expected)], {}))
    assert found == FoundTarget(
        "sync[0]",
        Reference.parse("src.io/app:1"),
        Digest.parse(whole.digest),
        Reference.parse("dst.io/app:1"),
        given,
        change.after.media_type,
        wanted,
    )


@pytest.mark.parametrize("source", ["src.io/app:new", f"src.io/app@{ONE.digest}", f"src.io/app:1@{ONE.digest}"])
def test_whatever_names_the_source_survives_the_plan_file(source: str) -> None:
    """Another tag, a digest, or both."""
    world = mirrored("1")
    world.seed("src.io/app:new", ONE)
    made = plan(world, wishes.image(source, "dst.io/app:1"))
    read = decode(encode(save(made, created_at="")), "plan.json").plan
    assert read == made
    assert [(str(each.source), str(each.target)) for each in unpack(read.found)] == [(source, "dst.io/app:1")]


def test_ten_thousand_tags_take_a_hundred_bytes_each() -> None:
    """What many tags have in common is written once."""
    world = mirrored(*(f"1.0.{number}" for number in range(1000)))
    empty, full = (len(encode(save(plan(world, WHOLE, known=known), created_at=""))) for known in (None, ()))
    assert (full - empty) / 1000 < 110


def test_people_are_told_how_many_will_be_recorded() -> None:
    """In the text and in Markdown, one sentence."""
    made = plan(mirrored("1", "2"), WHOLE)
    assert render_text(made) == (
        "No changes. The targets are as the configuration wants them.\n"
        "Plan: 2 unchanged.\nTo record in the state: 2 tags as wanted already.\n"
    )
    assert render_markdown(made) == "### Plan: 2 unchanged.\n\nTo record in the state: 2 tags as wanted already.\n"


@pytest.mark.parametrize("number", [1, 2])
def test_entries_that_want_the_same_find_it_once(number: int) -> None:
    """The first of them is named, whatever their order."""
    entry = wishes.image("src.io/app:1", "dst.io/app:1")
    assert plan(mirrored("1"), *[entry] * number).found == (found_of(ONE),)


# Tags of which it is enough that they exist.

IMMUTABLE = replace(WHOLE, copy=replace(WHOLE.copy, immutable_tags=(TagPattern(".*"),)))
UNCOMPARED = wishes.repository("src.io/app", "dst.io/app", comparison=Comparison.EXISTENCE)
ONE_IMMUTABLE = replace(wishes.image("src.io/app:1", "dst.io/app:1"), copy=IMMUTABLE.copy)


@pytest.mark.parametrize("entry", [IMMUTABLE, UNCOMPARED, ONE_IMMUTABLE])
def test_a_tag_that_need_only_exist_is_compared_until_it_is_recorded(entry: wishes.Entry) -> None:
    """Once, one HEAD at each side: else a mirror of such tags would never enter the state."""
    world = mirrored("1")
    assert plan(world, entry).found == (found_of(ONE),)
    assert sorted(call for call in world.calls if call[0] == "head_manifest") == [
        ("head_manifest", "dst.io/app:1"),
        ("head_manifest", "src.io/app:1"),
    ]
    world.calls.clear()
    assert plan(world, entry, known=[records.record(digest=DIGEST)]).found == ()
    assert ("head_manifest", "src.io/app:1") not in world.calls


@pytest.mark.parametrize("entry", [IMMUTABLE, UNCOMPARED, ONE_IMMUTABLE])
def test_a_tag_that_need_only_exist_and_differs_is_left_alone(entry: wishes.Entry) -> None:
    """It is not recorded as if it had ever been right, and no change."""
    world = mirrored("1")
    world.seed("dst.io/app:1", TWO)
    made = plan(world, entry)
    assert (made.found, made.changes, made.problems, made.unchanged.count) == ((), (), (), 1)


@pytest.mark.parametrize("entry", [IMMUTABLE, ONE_IMMUTABLE])
def test_an_immutable_tag_that_differs_from_its_source_is_told(entry: wishes.Entry) -> None:
    """What was found by comparing it is not kept back."""
    world = mirrored("1")
    world.seed("dst.io/app:1", TWO)
    observed = asyncio.run(observe(wishes.desired(entry), world, unrecorded=lambda target: True))
    short = {image.digest: Digest.parse(image.digest).short for image in (ONE, TWO)}
    assert moved_tags(observed, []) == (
        f"sync[0]: immutable tag moved: src.io/app:1 is {short[ONE.digest]}, and dst.io/app:1 is {short[TWO.digest]}; "
        "dst.io/app:1 is left as it is",
    )


@pytest.mark.parametrize("entry", [IMMUTABLE, UNCOMPARED, ONE_IMMUTABLE])
@pytest.mark.parametrize("fate", ["gone", "failing"])
def test_a_source_that_does_not_answer_is_no_trouble_of_a_tag_that_need_only_exist(
    entry: wishes.Entry, fate: str
) -> None:
    """Nothing is wanted of it."""
    world = mirrored("1")
    if fate == "failing":
        world.fail["head_manifest", "src.io/app:1"] = RegistryError("HEAD manifest", "src.io/app:1", "500", status=500)
    else:

        def go(method: str, reference: str) -> None:
            if method == "head_manifest":
                world.shelves[Reference.parse("src.io/app:1").repository].tags.pop("1", None)

        world.before_call = go
    made = plan(world, entry)
    assert (made.found, made.problems, made.unchanged.count) == ((), (), 1)
