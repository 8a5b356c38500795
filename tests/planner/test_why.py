"""Why a tag is mirrored or not: every entry that is about it is asked, by the rules that planning uses."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import images
from support.memory_registry import MemoryRegistry
from transship_planner.config import loads
from transship_planner.desired import Desired
from transship_planner.observation.observe import observe
from transship_planner.why import Reason, Role, Witnesses, why
from transship_registry.errors import NotFoundError
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository


class Shelf:
    """Tag lists by repository, which records what it was asked."""

    def __init__(self, lists: Mapping[str, Sequence[str]]) -> None:
        self.lists = lists
        self.asked: list[str] = []

    async def list_tags(self, repository: Repository) -> TagList:
        """See `RegistryReader.list_tags`."""
        self.asked.append(str(repository))
        if str(repository) not in self.lists:
            raise NotFoundError("list tags", str(repository), "NAME_UNKNOWN", status=404)
        return TagList(tuple(self.lists[str(repository)]))


def desired(*entries: str) -> Desired:
    text = "sync:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)
    return loads(text.encode(), file="c.yaml", environment={})


def ask(config: Desired, reference: str, *tags: str) -> tuple[Reason, ...]:
    """Ask with one list of tags for `src.io/app`."""
    return asyncio.run(why(config, Reference.parse(reference), Witnesses(Shelf({"src.io/app": tags}).list_tags)))


def only(reasons: tuple[Reason, ...]) -> Reason:
    (reason,) = reasons
    return reason


APP = "source: src.io/app, target: dst.io/app, type: repository"


def test_a_selected_tag_from_both_ends() -> None:
    """A tag is found by its name at the source and by its name at the target, with the same reason."""
    config = desired(f"{APP}, tags: {{allow: ['1.*']}}")
    at_source = only(ask(config, "src.io/app:1.0", "1.0", "2.0"))
    at_target = only(ask(config, "dst.io/app:1.0", "1.0", "2.0"))
    assert (at_source.role, at_target.role) == (Role.SOURCE, Role.TARGET)
    for reason in (at_source, at_target):
        assert reason.selected
        assert (str(reason.source), str(reason.target)) == ("src.io/app:1.0", "dst.io/app:1.0")
        assert reason.lines() == ("set 1: selected by '1.*'",)


def test_a_dropped_tag_names_the_trap() -> None:
    """The question of regclient#1041 is answered with the way out."""
    reason = only(ask(desired(f"{APP}, tags: {{semverRange: ['>=3.22']}}"), "src.io/app:3.22-rf", "3.22-rf"))
    assert not reason.selected
    assert reason.lines() == (
        "set 1: dropped: outside the semver range '>=3.22'",
        "trap: semver reads the suffix of '3.22-rf' as a pre-release, older than '3.22', which puts it outside "
        "'>=3.22'; if 'rf' is a variant, set semverSuffix: variant to compare numbers only",
    )


def test_a_tag_that_falls_out_of_the_window() -> None:
    """`keep_last` says the tag's place."""
    reason = only(ask(desired(f"{APP}, keep_last: {{per: minor, count: 1}}"), "dst.io/app:1.0.1", "1.0.1", "1.0.2"))
    assert not reason.selected
    assert reason.lines() == (
        "no tag rules: every tag is selected",
        "dropped by keep_last: number 2 of 2 matching tags of version 1.0, newest first; the first 1 are kept",
    )


def test_a_tag_that_is_not_there() -> None:
    """A target tag that no source tag gives is not selected."""
    reason = only(ask(desired(APP), "dst.io/app:2", "1"))
    assert not reason.selected
    assert reason.lines() == ("the repository has no tag '2'",)


def test_a_guard_stops_the_entry() -> None:
    """With fewer matches than `min_tags` nothing of the entry is planned, not even what matches."""
    reason = only(ask(desired(f"{APP}, tags: {{allow: ['1']}}, min_tags: 2"), "src.io/app:1", "1", "2"))
    assert not reason.selected
    assert reason.lines() == (
        "set 1: selected by '1'",
        "1 of 2 tags match, min_tags asks for 2; nothing of this entry is planned: check its tag rules, "
        "or lower min_tags",
    )


@pytest.mark.parametrize("reference", ["src.io/app:alpine3.21", "dst.io/app:x-1.22-alpine3.21"])
def test_a_renamed_tag(reference: str) -> None:
    """The keys that rename are named, and a target is found by its new name."""
    config = desired(f"{APP}, os_normalize: true, target_name: 'x-{{{{ .Tag }}}}', tags: {{allow: ['alpine.*']}}")
    reason, *others = ask(config, reference, "alpine3.21", "1.22-alpine3.21")
    assert reason.selected
    assert reason.lines() == (
        "set 1: selected by 'alpine.*'",
        "renamed by os_normalize and target_name: src.io/app:alpine3.21 is dst.io/app:x-1.22-alpine3.21 at the target",
    )
    # the tag that has the version already would be called the same, and the rules drop it
    assert [other.selected for other in others] == [False] * (reason.role is Role.TARGET)


def test_the_old_name_of_a_renamed_tag() -> None:
    """A tag that is called otherwise at the target is not mirrored under its own name."""
    reason = only(ask(desired(f"{APP}, target_name: 'x-{{{{ .Tag }}}}'"), "dst.io/app:1", "1"))
    assert not reason.selected
    assert reason.lines() == (
        "no tag rules: every tag is selected",
        "renamed by target_name: src.io/app:1 is dst.io/app:x-1 at the target",
    )


def test_a_name_below_the_target() -> None:
    """A repository below the target belongs to an entry whose template names repositories."""
    config = desired(f"{APP}, target_name: '{{{{ .Tag }}}}:latest'", APP)
    reason = only(ask(config, "dst.io/app/v1:latest", "v1"))
    assert reason.selected
    assert str(reason.source) == "src.io/app:v1"


def test_a_name_that_cannot_be() -> None:
    """A tag that gets no name is not mirrored, and the others are found nevertheless."""
    config = desired(f"{APP}, target_name: '{{{{ index (split .Tag \"v\") 1 }}}}'")
    reason = only(ask(config, "src.io/app:w2", "w2", "v1"))
    assert (reason.selected, reason.target) == (False, None)
    assert reason.notes[0].startswith("src.io/app:w2: target_name fails: ")
    assert only(ask(config, "dst.io/app:1", "w2", "v1")).selected


def test_a_change_may_be_held() -> None:
    """How old a digest must be is told; how old this one is, the plan knows."""
    assert only(ask(desired(f"{APP}, min_age: 7d"), "src.io/app:1", "1")).notes == (
        "min_age is 7d: a change is held until its digest has been at the source that long",
    )


def test_what_happens_to_a_tag_that_exists() -> None:
    """Tags that are never compared again are told apart from those that follow their source."""
    immutable = desired(f"{APP}, immutable_tags: ['\\d+']")
    assert only(ask(immutable, "src.io/app:1", "1")).notes == (
        "immutable_tags has '1': a target tag that exists is left as it is",
    )
    assert only(ask(immutable, "src.io/app:latest", "latest")).notes == ()
    assert only(ask(desired(f"{APP}, check_digest: false"), "src.io/app:1", "1")).notes == (
        "check_digest is off: a target tag that exists is left as it is",
    )


def test_images() -> None:
    """An entry of one image selects it, without asking for a list of tags."""
    config = desired("source: src.io/app:1, target: dst.io/one:2, type: image")
    shelf = Shelf({})
    for reference in ("src.io/app:1", "dst.io/one:2"):
        reason = only(asyncio.run(why(config, Reference.parse(reference), Witnesses(shelf.list_tags))))
        assert reason.selected
        assert reason.lines() == ("the entry is about this one tag",)
    for reference in ("src.io/app:2", "dst.io/one:1", "src.io/other:1"):
        assert asyncio.run(why(config, Reference.parse(reference), Witnesses(shelf.list_tags))) == ()
    assert shelf.asked == []


def test_an_image_with_another_name() -> None:
    """With `os_normalize` the tags are listed, since they name the target."""
    config = desired("source: src.io/app:alpine3.21, target: dst.io/app:alpine3.21, type: image, os_normalize: true")
    tags = ("alpine3.21", "1.22-alpine3.21")
    assert only(ask(config, "dst.io/app:1.22-alpine3.21", *tags)).selected
    assert ask(config, "dst.io/app:alpine3.21", *tags) == ()
    lost = only(asyncio.run(why(config, Reference.parse("dst.io/app:x"), Witnesses(Shelf({}).list_tags))))
    assert (lost.selected, lost.notes) == (False, ("list tags src.io/app: NAME_UNKNOWN",))


REGISTRY = "source: src.io, target: dst.io/hub, type: registry, repos: {deny: ['old/.*']}"


def test_registries() -> None:
    """A repository of a registry is found at both ends, unless it is left out."""
    config = desired(f"{REGISTRY}, tags: {{allow: ['1']}}")
    assert only(ask(config, "src.io/app:1", "1")).selected
    assert only(ask(config, "dst.io/hub/app:1", "1")).selected
    assert only(ask(config, "src.io/old/app:1")).lines() == ("the repository 'old/app' is left out by repos",)
    assert ask(config, "dst.io/other:1") == ()


def test_names_of_a_registry_cannot_be_turned_round() -> None:
    """What a template made of a repository's name does not tell the repository."""
    config = desired(f"{REGISTRY}, target_name: 'x-{{{{ .Repository }}}}'")
    assert str(only(ask(config, "src.io/app:1", "1")).target) == "dst.io/hub/x-app:1"
    assert only(ask(config, "dst.io/hub/x-app:1", "1")).lines() == (
        "target_name names what lies here; ask about the source tag instead",
    )


def test_a_list_that_cannot_be_had() -> None:
    """An entry whose tags are not known says so, and the others answer; a list is asked for once."""
    config = desired(APP, "source: src.io/gone, target: dst.io/app, type: repository", f"{APP}, keep_last: 1")
    shelf = Shelf({"src.io/app": ["1"]})
    reasons = asyncio.run(why(config, Reference.parse("dst.io/app:1"), Witnesses(shelf.list_tags)))
    assert [reason.selected for reason in reasons] == [True, False, True]
    assert reasons[1].lines() == ("list tags src.io/gone: NAME_UNKNOWN",)
    assert sorted(shelf.asked) == ["src.io/app", "src.io/gone"]


def test_an_incomplete_list() -> None:
    """Planning does nothing with a list that broke off, and this says why."""

    async def broken(repository: Repository) -> TagList:
        return TagList(("1",), complete=False, problem="page 2: 500")

    reason = only(asyncio.run(why(desired(APP), Reference.parse("src.io/app:1"), Witnesses(broken))))
    assert (reason.selected, reason.lines()) == (False, ("src.io/app: the tag list is incomplete: page 2: 500",))


@given(
    st.lists(st.sampled_from(["1.0", "1.1", "2.0-rc1", "2.0", "latest", "alpine3.21", "2.0-alpine3.21"]), unique=True),
    st.sampled_from(["", "tags: {semverRange: ['>=1.1']}", "tags: {deny: ['.*rc.*']}, keep_last: 2", "min_tags: 3"]),
    st.sampled_from(["", "os_normalize: true", "target_name: 'x-{{ .Tag }}'"]),
)
def test_it_agrees_with_planning(tags: list[str], rules: str, naming: str) -> None:
    """What is said to be selected, under the name that is said, is just what planning looks at."""
    config = desired(", ".join(filter(None, (APP, rules, naming))))
    world = MemoryRegistry()
    for tag in ("unrelated", *tags):
        world.seed(f"src.io/app:{tag}", images.single("app"))
    observed = asyncio.run(observe(config, world, contents=False))
    planned = {(str(seen.wish.source), str(seen.wish.target)) for seen in observed.sightings}
    said = {
        (str(reason.source), str(reason.target))
        for tag in tags
        for reason in asyncio.run(why(config, Reference.parse(f"src.io/app:{tag}"), Witnesses(world.list_tags)))
        if reason.selected
    }
    assert said == {pair for pair in planned if not pair[0].endswith(":unrelated")}
    for source, target in said:
        reasons = asyncio.run(why(config, Reference.parse(target), Witnesses(world.list_tags)))
        assert source in {str(reason.source) for reason in reasons if reason.selected}


def test_an_entry_with_several_targets_answers_for_each_of_them() -> None:
    """Of a source tag it says where it goes to everywhere; of a target tag only what that target's part says."""
    wanted = desired("source: src.io/app, type: repository, targets: [a.io/app, b.io/app]")
    shelf = Shelf({"src.io/app": ["1"]})
    asked = Reference.parse("src.io/app:1")
    reasons = asyncio.run(why(wanted, asked, Witnesses(shelf.list_tags)))
    assert [(reason.entry.name, str(reason.target), reason.selected) for reason in reasons] == [
        ("sync[0]", "a.io/app:1", True),
        ("sync[0]", "b.io/app:1", True),
    ]
    assert shelf.asked == ["src.io/app"]
    (reason,) = asyncio.run(why(wanted, Reference.parse("b.io/app:1"), Witnesses(shelf.list_tags)))
    assert (reason.role, str(reason.source)) == (Role.TARGET, "src.io/app:1")
