"""Hooks: which of them run when, what they are told, and what their failures mean (semantics A9)."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.hooks import Hooks
from transship_executor.outcome import HookFailure, Outcome, Result, Status
from transship_planner.desired import Entry, Hook
from transship_planner.errors import Mark
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan, Problem
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.reference import Repository

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
PLAN_DIGEST = Digest.of(b"plan")
REFUSED = RegistryError("PUT manifest", "dst.io", "403", status=403)


@dataclass
class Heard:
    """A watcher of hooks that remembers what it was told."""

    started: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])
    failed: list[tuple[HookFailure, bool]] = field(default_factory=list[tuple[HookFailure, bool]])
    task: "asyncio.Task[object] | None" = None

    def hook_started(self, place: str) -> None:
        self.started.append(place)

    def hook_said(self, name: str, line: str) -> None:
        self.lines.append(line)
        if line == "interrupt me" and self.task is not None:
            self.task.cancel()

    def hook_failed(self, failure: HookFailure, *, tolerated: bool) -> None:
        self.failed.append((failure, tolerated))


@dataclass
class House:
    """A source with tags 1 and 2 of each of some images, the entries that mirror them, and the hooks."""

    entries: Sequence[Entry]
    last: Sequence[Hook] = ()
    world: MemoryRegistry = field(default_factory=MemoryRegistry)
    heard: Heard = field(default_factory=Heard)
    plan: Plan = field(init=False)

    def __post_init__(self) -> None:
        """Plan what is to be copied."""
        for name in ("a", "b"):
            for tag in ("1", "2"):
                self.world.seed(f"src.io/{name}:{tag}", images.single(name + tag))
        self.entries = wishes.desired(*self.entries).entries
        self.plan = diff(asyncio.run(observe(wishes.desired(*self.entries), self.world)), CIRCUMSTANCES)

    def hooks(self) -> Hooks:
        """Return the hooks of a run."""
        return Hooks(
            self.entries,
            self.last,
            plan=self.plan,
            digest=PLAN_DIGEST,
            environment={"PATH": os.environ["PATH"], "OURS": "inherited"},
            watcher=self.heard,
        )

    def run(self, images_at_once: int = 8) -> Outcome:
        """Apply the plan, with hooks."""

        async def scenario() -> Outcome:
            self.heard.task = asyncio.current_task()
            hooks = self.hooks()
            outcome = await apply(self.plan, self.world, images_at_once=images_at_once, after_entry=hooks.after_entry)
            return await hooks.after_all(outcome)

        return asyncio.run(scenario())


def mirror(name: str, *commands: str | Hook) -> Entry:
    """Return an entry that mirrors both tags of an image, with hooks."""
    hooks = tuple(Hook(cmd=each) if isinstance(each, str) else each for each in commands)
    return replace(wishes.repository(f"src.io/{name}", f"dst.io/{name}"), post_sync=hooks)


def copied(name: str, tag: str) -> str:
    """Return the line of the list of images that names a copied tag."""
    return f"dst.io/{name}:{tag}@{images.single(name + tag).digest}"


TELL = (
    "set -u; echo $TRANSSHIP_ENTRY/$TRANSSHIP_SOURCE/$TRANSSHIP_TARGET/$TRANSSHIP_STATUS/$TRANSSHIP_COPIED/"
    '$TRANSSHIP_FAILED; echo $TRANSSHIP_PLAN $OURS; cat "$TRANSSHIP_IMAGES_FILE"'
)
TELL_LAST = 'echo "last: $TRANSSHIP_STATUS $TRANSSHIP_COPIED $TRANSSHIP_FAILED"'


def test_the_hooks_of_an_entry_know_what_was_copied() -> None:
    """The variables of an entry: itself, how it went, the plan, and a file that names the images."""
    house = House([mirror("a", TELL)])
    outcome = house.run()
    assert outcome.failed_hooks == ()
    assert house.heard.started == ["sync[0].hooks.post_sync[0]"]
    assert house.heard.lines == [
        "sync[0]/src.io/a/dst.io/a/ok/2/0",
        f"{PLAN_DIGEST} inherited",
        copied("a", "1"),
        copied("a", "2"),
    ]


def test_the_last_hooks_run_once_after_all_the_others_and_count_over_all() -> None:
    """They have the same variables, of which those about one entry are empty."""
    house = House([mirror("a", "sleep 0.2; echo a"), mirror("b", "sleep 0.1; echo b")], [Hook(cmd=TELL)])
    house.run()
    assert sorted(house.heard.started[:2]) == ["sync[0].hooks.post_sync[0]", "sync[1].hooks.post_sync[0]"]
    assert house.heard.started[2:] == ["sync.hooks.post_sync[0]"]
    assert sorted(house.heard.lines[:2]) == ["a", "b"]
    assert house.heard.lines[2:] == [
        "///ok/4/0",
        f"{PLAN_DIGEST} inherited",
        *(copied(name, tag) for name in "ab" for tag in "12"),
    ]


def test_an_entry_of_which_nothing_was_copied_has_no_hooks_to_run() -> None:
    """Neither when all is already as planned nor when all failed; the last hooks run all the same."""
    house = House([mirror("a", "echo a"), mirror("b", "echo b")], [Hook(cmd=TELL_LAST)])
    for tag in ("1", "2"):
        house.world.fail["put_manifest", f"dst.io/b:{tag}"] = REFUSED
    house.run()
    assert house.heard.lines == ["a", "last: failed 2 2"]
    house.heard.lines.clear()
    house.world.fail.clear()
    house.run()
    assert house.heard.lines == ["b", "last: ok 2 0"]
    house.heard.lines.clear()
    house.run()
    assert house.heard.lines == ["last: ok 0 0"]


def test_an_entry_that_failed_in_part_runs_its_hooks_and_tells_them() -> None:
    """What failed and what met a conflict counts, what was copied is named."""
    house = House([mirror("a", TELL)])
    house.world.fail["put_manifest", "dst.io/a:1"] = REFUSED
    house.run()
    assert house.heard.lines == [
        "sync[0]/src.io/a/dst.io/a/failed/1/1",
        f"{PLAN_DIGEST} inherited",
        copied("a", "2"),
    ]
    other = House([mirror("a", TELL)])
    other.world.seed("dst.io/a:2", images.single("stranger"))
    other.run()
    assert other.heard.lines[::2] == ["sync[0]/src.io/a/dst.io/a/failed/1/1", copied("a", "1")]


def test_what_was_not_planned_or_is_refused_counts_as_failed() -> None:
    """A plan that leaves something undone is no success, of the entry or of the whole."""
    house = House([mirror("a", TELL), mirror("b", "echo $TRANSSHIP_FAILED of b")], [Hook(cmd=TELL_LAST)])
    first, *others = house.plan.changes
    house.plan = msgspec.structs.replace(
        house.plan,
        changes=(msgspec.structs.replace(first, action=Action.BLOCKED), *others),
        problems=(Problem(entry="sync[0]", reference="src.io/a:3", message="unreadable"),),
    )
    house.run(images_at_once=1)
    assert house.heard.lines == [
        "sync[0]/src.io/a/dst.io/a/failed/1/2",
        f"{PLAN_DIGEST} inherited",
        copied("a", "2"),
        "0 of b",
        "last: failed 3 2",
    ]


def test_the_hooks_of_an_entry_with_several_targets_run_once_for_all_of_them() -> None:
    """They are told all targets, one a line, and what was copied to each."""
    house = House([mirror("a", 'echo "$TRANSSHIP_TARGET"; echo $TRANSSHIP_COPIED; cat "$TRANSSHIP_IMAGES_FILE"')])
    (entry,) = house.entries
    other = wishes.repository("src.io/a", "other.io/a")
    house.entries = (entry, replace(entry, scope=other.scope))
    house.plan = diff(
        asyncio.run(observe(replace(wishes.desired(), entries=tuple(house.entries)), house.world)), CIRCUMSTANCES
    )
    house.run()
    assert house.heard.lines == [
        "dst.io/a",
        "other.io/a",
        "4",
        copied("a", "1"),
        copied("a", "2"),
        copied("a", "1").replace("dst", "other"),
        copied("a", "2").replace("dst", "other"),
    ]


def test_a_refresh_that_brings_something_counts_as_copied_and_one_that_does_not_does_not() -> None:
    """The image at the target is not what it was; the second time it is."""
    house = House([mirror("a", TELL)])
    house.world.seed("src.io/a:untagged", images.artifact(images.single("a1"), seed="sbom"))
    del house.world.shelves[Repository.parse("src.io/a")].tags["untagged"]
    for tag in ("1", "2"):
        house.world.seed(f"dst.io/a:{tag}", images.single("a" + tag))
    (entry,) = house.entries
    house.entries = (replace(entry, copy=replace(entry.copy, referrers=True)),)
    house.plan = diff(asyncio.run(observe(wishes.desired(*house.entries), house.world)), CIRCUMSTANCES)
    assert [change.action for change in house.plan.changes] == [Action.REFRESH]
    house.run()
    assert house.heard.lines == ["sync[0]/src.io/a/dst.io/a/ok/1/0", f"{PLAN_DIGEST} inherited", copied("a", "1")]
    house.heard.lines.clear()
    house.run()
    assert house.heard.lines == []


def test_the_last_hooks_run_when_there_was_nothing_to_apply() -> None:
    """Also then a run has ended."""
    house = House([], [Hook(cmd=TELL_LAST)])
    house.run()
    assert house.heard.lines == ["last: ok 0 0"]


def test_a_failing_hook_undoes_nothing_but_ends_its_list() -> None:
    """The other entries' hooks and the last ones run; these are told that something failed."""
    house = House([mirror("a", "echo one", "exit 3", "echo never", "echo never"), mirror("b", "echo b")])
    house.last = [Hook(cmd=TELL_LAST), Hook(cmd="exit 4"), Hook(cmd="echo never")]
    outcome = house.run(images_at_once=1)
    assert house.heard.lines == ["one", "b", "last: failed 4 0"]
    assert [result.status for result in outcome.results] == [Status.DONE] * 4
    failures = (
        HookFailure("sync[0].hooks.post_sync[1]", "exit code 3; 2 more after it were not run"),
        HookFailure("sync.hooks.post_sync[1]", "exit code 4; 1 more after it was not run"),
    )
    assert outcome.failed_hooks == failures
    assert house.heard.failed == [(failure, False) for failure in failures]


def test_a_tolerated_failure_is_told_and_the_list_goes_on() -> None:
    """It does not make the run a failure, nor the status that later hooks see."""
    house = House([mirror("a", Hook(cmd="exit 3", continue_on_error=True), "echo next")], [Hook(cmd=TELL_LAST)])
    outcome = house.run()
    assert outcome.failed_hooks == ()
    assert house.heard.lines == ["next", "last: ok 2 0"]
    assert house.heard.failed == [(HookFailure("sync[0].hooks.post_sync[0]", "exit code 3"), True)]


def test_a_hook_that_takes_too_long_has_failed() -> None:
    """Each hook has its own time."""
    house = House([mirror("a", Hook(cmd="sleep 300", timeout_s=0.2))])
    assert house.run().failed_hooks == (HookFailure("sync[0].hooks.post_sync[0]", "killed after 0.2s"),)


def test_a_failure_says_where_the_hook_is_written_and_not_what_it_says() -> None:
    """File, line and column; a command may hold a secret."""
    house = House([mirror("a", Hook(cmd="exit 1 # swordfish", mark=Mark("mirror.yaml", 12, 9)))])
    (failure,) = house.run().failed_hooks
    assert str(failure) == "mirror.yaml:12:9: sync[0].hooks.post_sync[0]: exit code 1"
    assert house.heard.started == ["mirror.yaml:12:9: sync[0].hooks.post_sync[0]"]


def test_hooks_of_one_entry_wait_for_each_other() -> None:
    """They run in the order in which they are written."""
    house = House([mirror("a", "sleep 0.2; echo 1", "sleep 0.1; echo 2", "echo 3")])
    house.run()
    assert house.heard.lines == ["1", "2", "3"]


def test_hooks_of_different_entries_run_side_by_side(tmp_path: Path) -> None:
    """Each of these waits for the other one to have begun."""
    meet = "touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.02; done; echo met"
    house = House([mirror("a", meet.format(tmp_path, "a", "b")), mirror("b", meet.format(tmp_path, "b", "a"))])
    assert house.run().failed_hooks == ()
    assert house.heard.lines == ["met", "met"]


def test_an_interruption_ends_the_hook_under_way_and_no_other_is_begun() -> None:
    """The outcome names every hook that will not run any more, for the next run finds its images copied."""
    house = House(
        [mirror("a", "echo interrupt me; sleep 300", "echo never"), mirror("b", "echo never")], [Hook(cmd="echo never")]
    )
    outcome = house.run(images_at_once=1)
    assert outcome.interrupted
    assert house.heard.lines == ["interrupt me"]
    assert outcome.failed_hooks == (
        HookFailure("sync[0].hooks.post_sync[0]", "interrupted; 1 more after it was not run"),
    )


def test_an_interruption_while_images_are_copied_runs_no_hook() -> None:
    """An entry of which something was copied is named, an entry of which nothing was is not."""
    house = House([mirror("a", "echo never"), mirror("b", "echo never")], [Hook(cmd="echo never")])

    def interrupt(method: str, reference: str) -> None:
        if (method, reference) == ("put_manifest", "dst.io/a:2") and house.heard.task is not None:
            house.heard.task.cancel()
            raise asyncio.CancelledError

    house.world.before_call = interrupt
    outcome = house.run(images_at_once=1)
    assert outcome.interrupted
    assert house.heard.lines == []
    assert outcome.failed_hooks == (
        HookFailure("sync[0].hooks.post_sync[0]", "not run, because the run was interrupted"),
    )


def test_an_interruption_of_the_last_hooks_interrupts_the_run() -> None:
    """What was copied is in the outcome all the same."""
    house = House([mirror("a")], [Hook(cmd="echo interrupt me; sleep 300")])
    outcome = house.run()
    assert outcome.interrupted
    assert [result.status for result in outcome.results] == [Status.DONE] * 2
    assert outcome.failed_hooks == (HookFailure("sync.hooks.post_sync[0]", "interrupted"),)


def test_thousands_of_images_are_no_trouble() -> None:
    """A variable could not hold them: the kernel takes 128 KiB at most."""
    house = House([mirror("a", 'wc -l < "$TRANSSHIP_IMAGES_FILE"')])
    change = house.plan.changes[0]
    results = [
        Result(msgspec.structs.replace(change, target=change.target.repository.tag(f"v{number}")), Status.DONE)
        for number in range(20_000)
    ]
    asyncio.run(house.hooks().after_entry("sync[0]", results))
    assert [line.strip() for line in house.heard.lines] == ["20000"]


def test_the_list_of_images_is_gone_afterwards_whoever_removes_it() -> None:
    """Each hook has a list of its own."""
    show = 'cat "$TRANSSHIP_IMAGES_FILE" | wc -l; echo "$TRANSSHIP_IMAGES_FILE"; rm "$TRANSSHIP_IMAGES_FILE"'
    house = House([mirror("a", show, show)])
    assert house.run().failed_hooks == ()
    first, one, second, two = house.heard.lines
    assert (first.strip(), second.strip()) == ("2", "2")
    assert one != two
    assert not Path(one).parent.exists()
    assert not Path(two).parent.exists()


def test_a_hook_without_its_list_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: it has failed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    house = House([mirror("a", "echo never")])
    assert house.run().failed_hooks == (
        HookFailure("sync[0].hooks.post_sync[0]", "the list of images cannot be written: No such file or directory"),
    )
    assert house.heard.lines == []
