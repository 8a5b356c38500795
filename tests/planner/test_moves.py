"""What the state adds to a check: who moved a tag, immutable tags that were overwritten, what is gone upstream."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from support import images, records, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import RepositoryScope
from transship_planner.drift import Drift, DriftKind
from transship_planner.observation.dating import Dates
from transship_planner.observation.observe import observe
from transship_planner.observation.reading import OnceReader
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Plan
from transship_planner.records import Moves, find_moves, told
from transship_planner.render.findings import as_findings, render_findings
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.reference import Reference
from transship_state.document import Origin, Record

ONE, TWO, STRANGER = (images.single(seed) for seed in ("one", "two", "stranger"))
WHOLE = wishes.repository("src.io/app", "dst.io/app")
RELEASES = replace(WHOLE, copy=replace(WHOLE.copy, immutable_tags=(TagPattern(r"\d"),)))
WHEN = "2026-01-02T00:00:00Z"


def digest(image: images.Image) -> Digest:
    return Digest.parse(image.digest)


def short(image: images.Image) -> str:
    return digest(image).short


def applied(tag: str = "1", origin: Origin = Origin.APPLIED, source: str = "src.io/app") -> Record:
    """Image one was recorded."""
    return records.record(f"dst.io/app:{tag}", digest(ONE), source=f"{source}:{tag}", origin=origin)


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    plan: Plan
    moves: Moves

    @property
    def text(self) -> list[str]:
        return render_findings(self.plan, self.moves).splitlines()

    @property
    def differences(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = as_findings(self.plan, self.moves)["differences"]
        return found


def check(world: MemoryRegistry, entry: wishes.Entry, *known: Record) -> Checked:
    """Look as `check` does."""
    return check_all(world, [entry], *known)


def check_all(world: MemoryRegistry, entries: Sequence[wishes.Entry], *known: Record) -> Checked:
    """Look as `check` does, with a configuration of several entries."""
    desired, once = wishes.desired(*entries), OnceReader(world)

    async def look() -> Checked:
        observed = await observe(desired, world, contents=False, once=once)
        pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
        made = diff(observed, Circumstances(tool_version="0", config=pin, records=records.recorded(*known)))
        moves = await find_moves(desired, observed, made.changes, known, once, Dates(world.inventory))
        return Checked(made, moves)

    return asyncio.run(look())


def world_of(source: images.Image | None, target: images.Image | None, tag: str = "1") -> MemoryRegistry:
    world = MemoryRegistry()
    for repository, image in (("src.io/app", source), ("dst.io/app", target)):
        if image is not None:
            world.seed(f"{repository}:{tag}", image)
        else:
            world.shelves[Reference.parse(f"{repository}:1").repository].tags.clear()
    return world


# Who moved a tag that is not as wanted.


@pytest.mark.parametrize(
    ("source", "target", "words", "moved"),
    [
        (ONE, STRANGER, f"overwritten at the target since it was applied on {WHEN}", ["target changed"]),
        (ONE, None, f"deleted at the target since it was applied on {WHEN}", ["target missing"]),
        (TWO, ONE, f"upstream moved since it was applied on {WHEN}", ["upstream moved"]),
        (
            TWO,
            STRANGER,
            f"overwritten at the target since it was applied on {WHEN}, and upstream moved",
            ["target changed", "upstream moved"],
        ),
        (
            TWO,
            None,
            f"deleted at the target since it was applied on {WHEN}, and upstream moved",
            ["target missing", "upstream moved"],
        ),
    ],
)
def test_a_tag_that_is_not_as_wanted_says_who_moved_it(
    source: images.Image, target: images.Image | None, words: str, moved: list[str]
) -> None:
    """In the text and in JSON, with what was recorded."""
    found = check(world_of(source, target), WHOLE, applied())
    (change,) = found.plan.changes
    before = f"{short(target)} → " if target else "→ "
    assert found.text[0] == f"{change.action}: dst.io/app:1: {before}{short(source)} ({words}; sync[0])"
    (difference,) = found.differences
    assert (difference["reason"], difference["moved"]) == (words, moved)
    assert difference["recorded"] == {
        "source_digest": ONE.digest,
        "target_digest": ONE.digest,
        "applied": WHEN,
        "origin": "applied",
    }


def test_what_was_only_found_was_not_applied() -> None:
    """The words say so."""
    found = check(world_of(ONE, STRANGER), WHOLE, applied(origin=Origin.FOUND))
    assert f"(overwritten at the target since it was found on {WHEN}; sync[0])" in found.text[0]


def test_without_a_record_nobody_is_named() -> None:
    """The reason is that of the plan, and JSON has no more members than before."""
    found = check(world_of(ONE, STRANGER), WHOLE)
    assert "(the source tag points at other content than the target tag; sync[0])" in found.text[0]
    assert found.differences[0].keys() == {"action", "entry", "source", "target", "before", "after", "reason"}


def test_another_source_has_not_moved() -> None:
    """What was recorded of the one that the entry had before says nothing about it."""
    found = check(world_of(TWO, ONE), WHOLE, applied(source="old.io/app"))
    assert "moved" not in found.differences[0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (DriftKind.TARGET_CHANGED, "overwritten at the target"),
        (DriftKind.TARGET_MISSING, "deleted at the target"),
        (DriftKind.UPSTREAM_MOVED, "upstream moved"),
        (DriftKind.UPSTREAM_MISSING, "gone upstream"),
    ],
)
def test_every_way_to_move_has_its_words(kind: DriftKind, words: str) -> None:
    """With the day on which the tag was as recorded."""
    drift = Drift(kind, applied(), applied().target, digest(ONE), None)
    assert told([drift]) == f"{words} since it was applied on {WHEN}"


# Immutable tags.


@pytest.mark.parametrize("origin", list(Origin))
def test_an_immutable_tag_that_was_overwritten_is_out_of_sync(origin: Origin) -> None:
    """By one HEAD for each recorded one, at the target only; nothing will be changed."""
    world = world_of(ONE, STRANGER)
    for tag in "23":
        world.seed(f"src.io/app:{tag}", ONE)
        world.seed(f"dst.io/app:{tag}", ONE)
    found = check(world, RELEASES, applied(origin=origin), applied("2"))
    reason = f"immutable tag overwritten at the target since it was {origin.value} on {WHEN}"
    assert found.text == [
        f"overwritten: dst.io/app:1: {short(ONE)} → {short(STRANGER)} ({reason}; sync[0])",
        "Out of sync: 0 tags to change, 2 in sync, 1 overwritten.",
    ]
    assert sorted(reference for method, reference in world.calls if method == "head_manifest") == [
        "dst.io/app:1",
        "dst.io/app:2",
    ]
    document = as_findings(found.plan, found.moves)
    assert (document["in_sync"], document["unchanged"]) == (False, 2)
    (difference,) = document["differences"]
    assert (difference["action"], difference["before"], difference["after"], difference["reason"]) == (
        "overwritten",
        STRANGER.digest,
        None,
        reason,
    )
    assert difference["moved"] == ["target changed"]
    assert found.moves.troubles == ()


def test_an_immutable_tag_that_the_target_lists_and_does_not_have_was_deleted() -> None:
    """Registries that drop a manifest may go on listing its tag, so that the plan takes it for present."""
    world = world_of(ONE, ONE)
    world.shelves[Reference.parse("dst.io/app:1").repository].manifests.clear()
    (drift,) = check(world, RELEASES, applied()).moves.overwritten
    assert (drift.kind, drift.found) == (DriftKind.TARGET_MISSING, None)


def test_an_immutable_tag_that_the_plan_brings_again_is_counted_once() -> None:
    """The plan's change says that it was deleted."""
    found = check(world_of(ONE, None), RELEASES, applied())
    assert [change.target for change in found.plan.changes] == [Reference.parse("dst.io/app:1")]
    assert found.moves.overwritten == ()


def test_a_tag_that_may_change_and_is_gone_upstream_is_not_looked_at() -> None:
    """Nobody said that it stays as it is."""
    world = world_of(None, STRANGER)
    world.seed("src.io/app:2", ONE)
    found = check(world, WHOLE, applied())
    assert found.moves.overwritten == ()
    assert ("head_manifest", "dst.io/app:1") not in world.calls


def test_an_immutable_tag_that_is_gone_upstream_is_looked_at_all_the_same() -> None:
    """It is the only copy left; it does not count as one that is in sync."""
    world = world_of(None, STRANGER)
    world.seed("src.io/app:2", ONE)
    world.seed("dst.io/app:2", ONE)
    found = check(world, RELEASES, applied())
    assert found.text[0].startswith("overwritten: dst.io/app:1: ")
    assert found.text[-1] == "Out of sync: 0 tags to change, 1 in sync, 1 overwritten."


def test_an_immutable_tag_that_was_deleted_and_that_nobody_wants_is_nothing() -> None:
    """The plan would bring one that is wanted."""
    world = world_of(None, None)
    world.seed("src.io/app:2", ONE)
    world.seed("dst.io/app:2", ONE)
    assert check(world, RELEASES, applied()).moves.overwritten == ()


def test_an_immutable_tag_that_cannot_be_looked_at_is_a_problem() -> None:
    """Nobody can say that it stayed as it was."""
    world = world_of(ONE, ONE)
    world.fail["head_manifest", "dst.io/app:1"] = RegistryError("HEAD manifest", "dst.io/app:1", "500", status=500)
    (trouble,) = check(world, RELEASES, applied()).moves.troubles
    assert (trouble.entry, trouble.reference) == ("sync[0]", "dst.io/app:1")
    assert trouble.message == "HEAD manifest dst.io/app:1: 500"


def test_other_tags_are_not_asked_again() -> None:
    """Of those that the plan compares it is known who moved them."""
    world = world_of(ONE, STRANGER)
    check(world, WHOLE, applied())
    assert world.count("head_manifest") == 2


# What is gone upstream.


def kept(number: int) -> wishes.Entry:
    assert isinstance(WHOLE.scope, RepositoryScope)
    return replace(WHOLE, scope=replace(WHOLE.scope, selection=Selection(keep_last=number)))


def upstream_of(*tags: str) -> MemoryRegistry:
    world = MemoryRegistry()
    for tag in tags:
        world.seed(f"src.io/app:{tag}", ONE)
    for tag in "123":
        world.seed(f"dst.io/app:{tag}", ONE)
    return world


@pytest.mark.parametrize("entry", [WHOLE, kept(2)])
def test_a_recorded_tag_that_is_gone_upstream_is_named(entry: wishes.Entry) -> None:
    """The lists that were taken anyway tell it."""
    world = upstream_of("1", "2")
    found = check(world, entry, applied("2"), applied("3", Origin.FOUND))
    assert found.moves.gone == (
        f"sync[0]: src.io/app:3 is gone upstream since dst.io/app:3 was found on {WHEN}; the target keeps it",
    )
    assert world.count("list_tags") == 1


def test_a_repository_that_is_gone_takes_its_tags_along() -> None:
    """A registry that does not know it any more says so by 404, which is a problem of the entry besides."""
    world = MemoryRegistry()
    world.seed("dst.io/app:1", ONE)
    found = check(world, WHOLE, applied())
    assert len(found.moves.gone) == 1
    assert len(found.plan.problems) == 1


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(wishes.repository("src.io/app", "dst.io/app", allow=("1",)), id="no rule selects it"),
        pytest.param(wishes.repository("src.io/app", "dst.io/elsewhere"), id="it goes elsewhere"),
        pytest.param(kept(1), id="newer ones took its place"),
    ],
)
def test_what_no_entry_wants_may_be_gone(entry: wishes.Entry) -> None:
    """Nothing is missed."""
    assert check(upstream_of("1", "2", "4"), entry, applied("3")).moves.gone == ()


def test_what_comes_from_another_source_by_now_is_not_gone() -> None:
    """The target does not keep what it was given from the first one."""
    old = wishes.repository("old.io/app", "dst.io/app")
    world = world_of(ONE, ONE)
    world.seed("old.io/app:2", ONE)
    assert check_all(world, [old, WHOLE], applied(source="old.io/app")).moves.gone == ()


def test_what_is_gone_is_told_with_the_entry_that_mirrored_it() -> None:
    """Not with the first of the configuration."""
    (gone,) = check_all(upstream_of("1"), [wishes.repository("src.io/app", "z.io/app"), WHOLE], applied("3")).moves.gone
    assert gone.startswith("sync[1]: src.io/app:3 is gone upstream ")


def test_a_source_that_no_entry_names_is_not_listed() -> None:
    """Its tags are not wanted, whether they are there or not."""
    world = upstream_of("1")
    world.seed("old.io/app:1", ONE)
    assert check(world, WHOLE, applied("3", source="old.io/app")).moves.gone == ()
    assert [reference for method, reference in world.calls if method == "list_tags"] == ["src.io/app"]


def test_a_single_image_that_is_gone_is_the_problem_of_its_entry() -> None:
    """The plan has it; nothing is listed to say it once more."""
    world = upstream_of("1")
    found = check(world, wishes.image("src.io/app:3", "dst.io/app:3"), applied("3"))
    assert (found.moves.gone, len(found.plan.problems), world.count("list_tags")) == ((), 1, 0)


def test_what_is_there_and_not_selected_is_not_gone() -> None:
    """`keep_last` has let it go."""
    assert check(upstream_of("1", "2"), kept(1), applied("1")).moves.gone == ()


def test_a_list_that_fails_says_of_no_tag_that_it_is_gone() -> None:
    """The plan has the problem."""
    world = upstream_of("1")
    world.fail["list_tags", "src.io/app"] = RegistryError("list tags", "src.io/app", "500", status=500)
    found = check(world, WHOLE, applied("3"))
    assert (found.moves.gone, len(found.plan.problems)) == ((), 1)


# What was not compared is not in sync.


def test_where_no_tag_is_wanted_nothing_is_said_to_be_in_sync() -> None:
    """There is a warning, and JSON says neither yes nor no."""
    found = check(upstream_of("1"), wishes.repository("src.io/app", "dst.io/app", allow=("9",)))
    assert found.text == [
        "warning: sync[0]: no tag of src.io/app matches (1 listed)",
        "Nothing was compared: no tag is wanted.",
    ]
    assert as_findings(found.plan, found.moves)["in_sync"] is None
