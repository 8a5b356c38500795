"""Wishes for one target tag, as values: who owns it, what contradicts, and what is told of whom."""

from dataclasses import replace
from typing import Any

from support import images, wishes
from transship_planner.desired import Comparison, Entry
from transship_planner.errors import Mark
from transship_planner.observation.observed import Observed, Restraint, SeenAttachment, Sighting, Trouble, Wish
from transship_planner.places import Places
from transship_planner.plans.plan import Action, Problem
from transship_planner.plans.rivals import settle, settle_names
from transship_planner.tags.tagrules import TagPattern
from transship_registry.digest import Digest
from transship_registry.hosts import HostSettings
from transship_registry.manifest import Descriptor
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import Reference
from transship_registry.referrers.lists import Via
from transship_registry.referrers.walk import ReferrerNode

ONE, TWO, THREE = (
    Descriptor(media_type=images.OCI_MANIFEST, digest=Digest.of(content), size=1) for content in (b"1", b"2", b"3")
)
TARGET = "dst.io/app:1"
HELD = Restraint(Action.HELD, "too young")


def entry(number: int, *, immutable: bool = False, media_types: tuple[str, ...] = (), **rules: Any) -> Entry:
    """An entry by its number in the configuration."""
    made = wishes.image("src.io/app:1", TARGET)
    kinds = media_types or made.copy.media_types
    patterns = (TagPattern(".*"),) if immutable else ()
    copy = replace(made.copy, immutable_tags=patterns, media_types=kinds, **rules)
    return replace(made, name=f"sync[{number}]", mark=Mark("mirror.yaml", 10 + number, 5), copy=copy)


def wish(number: int, target: str = TARGET, source: str = "src.io/app:1", **rules: Any) -> Wish:
    """A wish of an entry."""
    return Wish(entry(number, **rules), Reference.parse(source), Reference.parse(target))


def seen(wanted: Wish, expected: Descriptor | None = ONE, target: Descriptor | None = None, **more: Any) -> Sighting:
    """What a wish's tags point at."""
    return Sighting(wanted, expected, expected, target, **more)


def existing(wanted: Wish, target: Descriptor = ONE, **more: Any) -> Sighting:
    """What is wanted whatever it points at, as long as it is there: its source was not asked."""
    return seen(replace(wanted, comparison=Comparison.EXISTENCE), None, target, **more)


def settled(*sightings: Sighting, listed: tuple[Wish, ...] = ()) -> Any:
    """Settle what was seen."""
    return settle(Observed(sightings=sightings, existing=listed))


def test_of_several_entries_that_list_a_tag_the_first_counts_it() -> None:
    """The first in the file, whatever was observed first."""
    found = settled(listed=(wish(1), wish(0), wish(2)))
    assert [each.entry.name for each in found.existing] == ["sync[0]"]


def test_of_two_sources_of_one_entry_the_first_by_name_is_told_first() -> None:
    """Two tags may get one name at the target; the message does not depend on which was seen first."""
    first, second = (wish(0, source=f"src.io/app:{tag}") for tag in ("a", "b"))
    claims = (
        f"mirror.yaml:10:5 (sync[0]) wants {ONE.digest.short} of src.io/app:a; "
        f"mirror.yaml:10:5 (sync[0]) wants {TWO.digest.short} of src.io/app:b"
    )
    problem = Problem(
        entry="sync[0]",
        reference=TARGET,
        message=f"several entries want different content under one target tag: {claims}; let one entry own the tag",
    )
    assert settled(seen(second, TWO), seen(first, ONE)).problems == [problem]


def test_an_immutable_tag_that_is_not_there_yet_is_owned_by_nobody() -> None:
    """Who calls it immutable has no more right to fill it than another."""
    found = settled(seen(wish(0, immutable=True), ONE), seen(wish(1), TWO))
    assert found.agreed == []
    assert [problem.reference for problem in found.problems] == [TARGET]


def test_each_immutable_tag_is_kept_and_each_wish_for_it_told() -> None:
    """One does not make the others forgotten; a tag that is both listed and asked about is counted once."""
    both = wish(0, "dst.io/app:2", immutable=True)
    asked = [seen(wish(0, f"dst.io/app:{tag}", immutable=True), None, ONE) for tag in (1, 2, 3)]
    rivals = [seen(wish(1, f"dst.io/app:{tag}"), TWO, ONE) for tag in (1, 2, 3)]
    found = settled(seen(wish(2, "dst.io/app:0")), *asked, *rivals, listed=(both,))
    assert [str(each.wish.target) for each in found.agreed] == ["dst.io/app:1", "dst.io/app:3", "dst.io/app:0"]
    assert [str(each.target) for each in found.existing] == ["dst.io/app:2"]
    assert found.warnings == [
        f"sync[1]: dst.io/app:{tag} is left as it is, not made src.io/app:1: "
        "immutable_tags of sync[0] say that it never changes"
        for tag in (1, 2, 3)
    ]


def test_who_passes_over_an_immutable_tag_or_is_content_with_it_is_told_nothing() -> None:
    """Nothing comes of no wish of theirs."""
    found = settled(
        seen(wish(0, immutable=True), None, ONE),
        seen(wish(1, media_types=(OCI_INDEX,)), TWO, ONE),
        seen(wish(2), ONE, ONE),
    )
    assert found.warnings == []


def test_what_is_in_sync_is_wanted_though_it_would_be_passed_over() -> None:
    """An entry that mirrored the tag before its `mediaTypes` changed contradicts one that wants other content."""
    found = settled(seen(wish(0, media_types=(OCI_INDEX,)), ONE, ONE), seen(wish(1), TWO, ONE))
    assert found.agreed == []
    assert [problem.entry for problem in found.problems] == ["sync[0]"]


def test_only_who_wants_certain_content_is_named_in_a_contradiction() -> None:
    """An entry that is content with whatever is there wants nothing."""
    found = settled(existing(wish(0), THREE), seen(wish(1), ONE, THREE), seen(wish(2), TWO, THREE))
    assert [problem.message for problem in found.problems] == [
        "several entries want different content under one target tag: "
        f"mirror.yaml:11:5 (sync[1]) wants {ONE.digest.short} of src.io/app:1; "
        f"mirror.yaml:12:5 (sync[2]) wants {TWO.digest.short} of src.io/app:1; let one entry own the tag"
    ]


def test_only_who_keeps_a_backup_is_named_when_their_names_differ() -> None:
    """An entry without one says nothing about where."""
    kept = [seen(wish(n), ONE, TWO, backup=Reference.parse(f"dst.io/app:old{n}")) for n in (1, 2)]
    found = settled(seen(wish(0), ONE, TWO), *kept)
    assert [problem.message for problem in found.problems] == [
        "several entries keep the image that is replaced, under different names: mirror.yaml:11:5 (sync[1]) as "
        "dst.io/app:old1; mirror.yaml:12:5 (sync[2]) as dst.io/app:old2; let one entry own the tag"
    ]


def test_an_entry_that_knows_what_it_wants_speaks_for_those_that_do_not() -> None:
    """The tag is updated, though the first entry is content with it."""
    (agreed,) = settled(existing(wish(0), TWO), seen(wish(1), ONE, TWO)).agreed
    assert (agreed.wish.entry.name, agreed.expected, agreed.target) == ("sync[1]", ONE, TWO)
    (content,) = settled(existing(wish(0), TWO), existing(wish(1), TWO)).agreed
    assert content.wish.entry.name == "sync[0]"


def attachment() -> SeenAttachment:
    """Something that is attached and lacking at the target."""
    home = Reference.parse(TARGET).repository
    node = ReferrerNode(descriptor=TWO, subject=ONE.digest, repository=home, via=Via.API, depth=1)
    return SeenAttachment(node, home, present=False)


def test_what_any_entry_wants_beside_the_content_is_in_the_one_change() -> None:
    """External layers, what the target has lost, and what is attached."""
    lost = frozenset({THREE.digest})
    (agreed,) = settled(
        seen(wish(0), ONE, ONE),
        seen(wish(1, include_external=True), ONE, ONE, lost=lost),
        seen(wish(2), ONE, ONE, attached=(attachment(),)),
    ).agreed
    assert agreed.wish.entry.name == "sync[0]"
    assert agreed.wish.entry.copy.include_external
    assert (agreed.lost, agreed.attached) == (lost, (attachment(),))


def test_a_change_that_is_held_brings_nothing_of_the_others() -> None:
    """It is as if it were the only one: neither backup nor attachments are announced."""
    held = seen(wish(1), restraint=HELD)
    assert settled(seen(wish(0), attached=(attachment(),)), held).agreed == [held]


ALIASES = Places([HostSettings(registry="alias.io", hostname="dst.io")])


def test_under_several_names_only_what_contradicts_is_taken_out() -> None:
    """What one place is wanted to be under one name is for `settle`, contradictions included."""
    alone = [seen(wish(0, "dst.io/a:1")), seen(wish(0, "dst.io/b:1")), seen(wish(1, "dst.io/b:1"), TWO)]
    agreeing = [seen(wish(0, "dst.io/c:1")), seen(wish(1, "alias.io/c:1"))]
    more = [seen(wish(0, "dst.io/d:1")), seen(wish(1, "alias.io/d:1"))]
    rivals = [seen(wish(0, "dst.io/e:1")), seen(wish(1, "alias.io/e:1"), TWO)]
    kept, troubles = settle_names([*alone, *agreeing, *more, *rivals], ALIASES)
    assert kept == [*alone, *agreeing, *more]
    assert troubles == [
        Trouble(
            "sync[0]",
            "dst.io/e:1",
            "several entries want different content under one target tag, by several names: "
            f"mirror.yaml:10:5 (sync[0]) wants {ONE.digest.short} of src.io/app:1 as dst.io/e:1; "
            f"mirror.yaml:11:5 (sync[1]) wants {TWO.digest.short} of src.io/app:1 as alias.io/e:1; let one own it",
        )
    ]


def test_under_several_names_only_who_wants_certain_content_is_named() -> None:
    """As under one."""
    rivals = [
        existing(wish(0), THREE),
        seen(wish(1, "alias.io/app:1"), ONE, THREE),
        seen(wish(2), TWO, THREE),
    ]
    kept, (trouble,) = settle_names(rivals, ALIASES)
    assert kept == []
    assert trouble.message == (
        "several entries want different content under one target tag, by several names: "
        f"mirror.yaml:11:5 (sync[1]) wants {ONE.digest.short} of src.io/app:1 as alias.io/app:1; "
        f"mirror.yaml:12:5 (sync[2]) wants {TWO.digest.short} of src.io/app:1 as dst.io/app:1; let one own it"
    )


def test_what_restrains_one_name_restrains_what_changes_under_another() -> None:
    """What is right stays as it is."""
    right = existing(wish(0), THREE)
    changing = seen(wish(1, "alias.io/app:1"), ONE, THREE)
    held = seen(wish(2), ONE, THREE, restraint=HELD)
    kept, troubles = settle_names([right, changing, held], ALIASES)
    assert kept == [right, replace(changing, restraint=HELD), held]
    assert troubles == []
