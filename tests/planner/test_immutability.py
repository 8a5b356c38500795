"""Immutable tags that moved: what is known without asking becomes a finding, and nothing is overwritten."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.config import loads
from transship_planner.desired import PlatformRule, RepositoryScope
from transship_planner.drift import find_drift
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed, Sighting, Wish
from transship_planner.policies.immutability import immutable_targets, moved_tags
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.document import Record

ONE, TWO, THREE = (images.single(seed) for seed in ("one", "two", "three"))
SHORT = {image.digest: Digest.parse(image.digest).short for image in (ONE, TWO, THREE)}
SOURCE, TARGET = "src.io/app:1.0", "dst.io/app:1.0"


def record(source: images.Image = ONE, target: images.Image = ONE, upstream: str = SOURCE) -> Record:
    return Record(
        target=Reference.parse(TARGET),
        source=Reference.parse(upstream),
        source_digest=Digest.parse(source.digest),
        target_digest=Digest.parse(target.digest),
        media_type=images.OCI_MANIFEST,
        entry="sync[0]",
        plan=Digest.of(b"plan"),
        first_seen="2026-01-01T00:00:00Z",
        applied="2026-01-01T00:00:00Z",
    )


def immutable(entry: wishes.Entry, pattern: str = r"\d+\.\d+") -> wishes.Entry:
    return replace(entry, copy=replace(entry.copy, immutable_tags=(TagPattern(pattern),)))


def world_with(source: images.Image, target: images.Image) -> MemoryRegistry:
    """A world with the tag 1.0, and two tags that are no versions, of which only one is kept: that takes dates."""
    world = MemoryRegistry()
    world.seed(SOURCE, source)
    world.seed(TARGET, target)
    for tag in ("edge", "dev"):
        world.pushed[world.seed(f"src.io/app:{tag}", images.single(tag))] = datetime(2026, 1, 1, tzinfo=UTC)
    return world


def repository(keep_last: int = 0) -> wishes.Entry:
    entry = immutable(wishes.repository("src.io/app", "dst.io/app"))
    assert isinstance(entry.scope, RepositoryScope)
    return replace(entry, scope=replace(entry.scope, selection=Selection(keep_last=keep_last)))


def findings(world: MemoryRegistry, *records: Record, entry: wishes.Entry) -> tuple[str, ...]:
    observed = asyncio.run(observe(wishes.desired(entry), world, contents=False))
    assert not any(sighting.wish.is_immutable and sighting.is_changing for sighting in observed.sightings)
    return moved_tags(observed, records)


def test_a_target_that_somebody_changed_is_found_by_its_record() -> None:
    """An entry of one image asks for the target anyway; its source is not asked."""
    world = world_with(ONE, TWO)
    entry = immutable(wishes.image(SOURCE, TARGET))
    assert findings(world, record(), entry=entry) == (
        f"sync[0]: immutable tag moved: {TARGET} was given {SHORT[ONE.digest]}, now it is {SHORT[TWO.digest]}; "
        f"{TARGET} is left as it is",
    )
    assert world.calls == [("head_manifest", TARGET)]


def test_a_source_that_moved_is_found_by_an_inventory_and_the_record() -> None:
    """The inventory that keep_last took tells what the source is now; no tag is asked for."""
    world = world_with(TWO, ONE)
    assert findings(world, record(), entry=repository(keep_last=2)) == (
        f"sync[0]: immutable tag moved: {SOURCE} was {SHORT[ONE.digest]} when it was mirrored, now it is "
        f"{SHORT[TWO.digest]}; {TARGET} is left as it is",
    )
    assert ("head_manifest", SOURCE) not in world.calls
    assert ("head_manifest", TARGET) not in world.calls


def test_both_ends_may_have_moved() -> None:
    """Each is a finding of its own."""
    world = world_with(TWO, THREE)
    observed = asyncio.run(
        observe(wishes.desired(immutable(wishes.image(SOURCE, TARGET)), repository(keep_last=2)), world, contents=False)
    )
    first, second, third = moved_tags(observed, [record()])
    assert first.startswith(f"sync[0]: immutable tag moved: {TARGET} was given {SHORT[ONE.digest]}")
    assert second.startswith(f"sync[0]: immutable tag moved: {SOURCE} was {SHORT[ONE.digest]}")
    assert third.startswith(f"sync[1]: immutable tag moved: {SOURCE} was {SHORT[ONE.digest]}")


def beside_an_inventory(platforms: PlatformRule | None = None) -> tuple[wishes.Entry, wishes.Entry]:
    """An entry of one image, and one of other tags of its repository, for which an inventory is taken."""
    others = wishes.repository("src.io/app", "dst.io/others", allow=("edge", "dev"))
    assert isinstance(others.scope, RepositoryScope)
    newest = replace(others.scope, selection=replace(others.scope.selection, keep_last=1))
    return immutable(wishes.image(SOURCE, TARGET, platforms=platforms)), replace(others, scope=newest)


@pytest.mark.parametrize("upstream", [None, "old.io/app:1.0"], ids=["no record", "a record of another source"])
def test_without_a_record_both_ends_are_compared(upstream: str | None) -> None:
    """What the inventory tells of the source, and what the target is."""
    world = world_with(TWO, ONE)
    observed = asyncio.run(observe(wishes.desired(*beside_an_inventory()), world, contents=False))
    records = [record(upstream=upstream)] if upstream else []
    assert moved_tags(observed, records) == (
        f"sync[0]: immutable tag moved: {SOURCE} is {SHORT[TWO.digest]}, and {TARGET} is {SHORT[ONE.digest]}; "
        f"{TARGET} is left as it is",
    )


def test_selected_platforms_are_no_sign_of_a_move() -> None:
    """With platforms the two ends differ by construction, and only a record can tell."""
    world = world_with(TWO, ONE)
    entries = beside_an_inventory(PlatformRule((Platform("linux", "amd64"),)))
    observed = asyncio.run(observe(wishes.desired(*entries), world, contents=False))
    assert moved_tags(observed, []) == ()


@pytest.mark.parametrize(
    ("source", "target"),
    [(TWO, TWO), (TWO, None), (None, TWO), (None, None)],
    ids=["equal", "target unknown", "source unknown", "both unknown"],
)
@pytest.mark.parametrize("records", [(), (record(upstream="old.io/app:1.0", target=TWO),)], ids=["none", "of another"])
def test_what_is_not_known_is_no_finding(
    source: images.Image | None, target: images.Image | None, records: tuple[Record, ...]
) -> None:
    """Without a record of this source, both ends have to be known, and to differ."""
    wish = Wish(immutable(wishes.image(SOURCE, TARGET)), Reference.parse(SOURCE), Reference.parse(TARGET))
    told = {wish.source: Digest.parse(source.digest)} if source else {}
    found = Descriptor(media_type=images.OCI_MANIFEST, digest=Digest.parse(target.digest), size=1) if target else None
    observed = Observed(sightings=(Sighting(wish, None, None, found),) if found else (), told=told)
    assert moved_tags(observed if found else replace(observed, existing=(wish,)), records) == ()


def test_a_target_that_is_not_there_yet_has_not_moved() -> None:
    """It is going to be created, whatever a record says of it."""
    world = world_with(TWO, ONE)
    del world.shelves[Reference.parse(TARGET).repository].tags["1.0"]
    observed = asyncio.run(observe(wishes.desired(immutable(wishes.image(SOURCE, TARGET))), world, contents=False))
    assert [sighting.target for sighting in observed.sightings] == [None]
    assert moved_tags(observed, [record()]) == ()


@pytest.mark.parametrize("keep_last", [0, 2])
def test_what_did_not_move_is_no_finding(keep_last: int) -> None:
    """Whether or not an inventory is at hand."""
    assert findings(world_with(ONE, ONE), record(), entry=repository(keep_last)) == ()


def test_other_tags_are_no_findings() -> None:
    """A tag that no pattern matches is compared and updated as ever."""
    entry = immutable(wishes.image(SOURCE, TARGET), "2.*")
    assert findings(world_with(TWO, THREE), record(), entry=entry) == ()


def test_nothing_is_asked_for_the_sake_of_a_finding() -> None:
    """Without an inventory at hand the source of a present tag stays unknown; drift asks it."""
    world = world_with(TWO, ONE)
    assert findings(world, record(), entry=repository()) == ()
    assert world.count("inventory") == 0


# drift


@pytest.mark.parametrize(
    ("entry", "target", "matches"),
    [
        ("source: src.io/app, target: dst.io/app, type: repository, immutable_tags: ['1.*']", "app", True),
        ("source: src.io/app, target: dst.io/app, type: repository, immutable_tags: ['2.*']", "app", False),
        ("source: src.io/app, target: dst.io/app, type: repository", "app", False),
        ("source: src.io/app, target: dst.io/app, type: repository, immutable_tags: ['1.*']", "other", False),
        ("source: src.io/app, target: dst.io/app, type: repository, immutable_tags: ['1.*']", "app/x", False),
        (
            "source: src.io/app, target: dst.io/app, type: repository, target_name: 'x:{{.Tag}}', "
            "immutable_tags: ['1.*']",
            "app/x",
            True,
        ),
        (
            "source: src.io/app, target: dst.io/app, type: repository, target_name: 'x:{{.Tag}}', "
            "immutable_tags: ['1.*']",
            "other",
            False,
        ),
        (
            "source: src.io/app, target: dst.io/app, type: repository, target_name: 'x:{{.Tag}}', "
            "immutable_tags: ['1.*']",
            "app2",
            False,
        ),
        ("source: 'src.io/a:1.0', target: 'dst.io/app:1.0', type: image, immutable_tags: ['1.*']", "app", True),
        ("source: src.io, target: dst.io, type: registry, immutable_tags: ['1.*']", "app", True),
        ("source: src.io, target: dst.io/app, type: registry, immutable_tags: ['1.*']", "app", False),
    ],
)
def test_whose_tag_a_record_is(entry: str, target: str, *, matches: bool) -> None:
    """An entry that may write the repository says by its patterns whether the tag 1.0 ever changes."""
    desired = loads(f"sync: [{{{entry}}}]".encode(), file="c.yaml", environment={})
    assert immutable_targets(desired)(Reference.parse(f"dst.io/{target}:1.0")) is matches


def test_drift_names_an_immutable_tag_that_moved() -> None:
    """Changed content, here or upstream, is told in its own words; a tag that is gone has not moved."""
    world = MemoryRegistry()
    world.seed(SOURCE, TWO)
    world.seed(TARGET, THREE)
    report = asyncio.run(find_drift([record()], world, lambda target: target == Reference.parse(TARGET)))
    assert [str(drift) for drift in report.drifts] == [
        f"immutable tag moved, target changed: {TARGET}: recorded {ONE.digest}, now {THREE.digest}",
        f"immutable tag moved, upstream moved: {TARGET} from {SOURCE}: recorded {ONE.digest}, now {TWO.digest}",
    ]
    gone = asyncio.run(find_drift([record()], MemoryRegistry(), lambda target: True))
    assert [(str(drift).partition(":")[0], drift.immutable_moved) for drift in gone.drifts] == [
        ("target missing", False),
        ("upstream missing", False),
    ]
