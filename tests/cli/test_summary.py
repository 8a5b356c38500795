"""What an apply says in the end, and what its exit code is."""

import msgspec

from transship.exits import Exit, of_outcome
from transship.summary import render_outcome
from transship_executor.outcome import HookFailure, Outcome, Result, Status, Traffic
from transship_planner.plans.plan import Action, Change
from transship_registry.reference import Reference

CHANGE = Change(
    action=Action.CREATE,
    entry="sync[0]",
    source=Reference.parse("src.io/app:1"),
    target=Reference.parse("dst.io/app:1"),
    reason="the target tag does not exist",
)


def skipped(action: Action) -> Result:
    """Return the result of a change that is not begun."""
    return Result(msgspec.structs.replace(CHANGE, action=action), Status.SKIPPED, f"why it is {action}")


def test_every_end_is_told_and_counted_by_its_name() -> None:
    """What is held waits for its time, what is blocked was refused: they are not the same."""
    outcome = Outcome(
        (
            Result(CHANGE, Status.DONE, traffic=Traffic(2048, 2, 1, 3, 4), warnings=("one is left behind",)),
            Result(CHANGE, Status.ALREADY),
            Result(CHANGE, Status.CONFLICT, "dst.io/app:1 moved"),
            Result(CHANGE, Status.FAILED, "403"),
            Result(CHANGE, Status.NOT_STARTED, "the run was interrupted"),
            skipped(Action.HELD),
            skipped(Action.BLOCKED),
            skipped(Action.HELD),
        ),
        interrupted=True,
        failed_hooks=(HookFailure("sync.hooks.post_sync[0]", "exit code 1"),),
    )
    assert render_outcome(outcome) == (
        "warning: one is left behind\n"
        "conflict: dst.io/app:1 moved\n"
        "failed: dst.io/app:1: 403\n"
        "not done: dst.io/app:1: the run was interrupted\n"
        "held: dst.io/app:1: why it is held\n"
        "blocked: dst.io/app:1: why it is blocked\n"
        "held: dst.io/app:1: why it is held\n"
        "hook failed: sync.hooks.post_sync[0]: exit code 1\n"
        "Interrupted. Apply the same plan again to go on; no tag points at incomplete content.\n"
        "Apply: 1 applied, 1 already as planned, 1 conflict, 1 failed, 1 not done, 1 blocked, 2 held, 1 hook failed.\n"
        "Transferred 2.0 KiB in 2 blobs; 1 mounted, 3 already there; 4 manifests written.\n"
    )
    assert of_outcome(outcome) is Exit.INTERRUPTED


def test_failures_of_one_cause_are_one_line() -> None:
    """With the first change that failed so; what failed otherwise stays apart."""
    changes = [
        msgspec.structs.replace(CHANGE, target=Reference.parse(f"dst.io/app:{number}"), source=CHANGE.source)
        for number in range(1, 6)
    ]
    down = "connect to dst.io: connection refused"
    messages = [down, "403", down, down, "403 too"]
    results = (Result(change, Status.FAILED, text) for change, text in zip(changes, messages, strict=True))
    assert render_outcome(Outcome(tuple(results))).splitlines()[:4] == [
        f"failed: dst.io/app:1 and 2 other changes: {down}",
        "failed: dst.io/app:2: 403",
        "failed: dst.io/app:5: 403 too",
        "Apply: 0 applied, 0 already as planned, 5 failed.",
    ]


def test_a_conflict_after_blobs_were_sent_does_not_say_that_nothing_was_written() -> None:
    """The tag is untouched, but blobs are there that were not."""
    outcome = Outcome((Result(CHANGE, Status.CONFLICT, "dst.io/app:1 moved", Traffic(sent=10, blobs_sent=1)),))
    assert render_outcome(outcome).splitlines()[1:] == [
        "Apply: 0 applied, 0 already as planned, 1 conflict.",
        "Transferred 10 B in 1 blob; 0 mounted, 0 already there; 0 manifests written.",
    ]
    assert of_outcome(outcome) is Exit.STALE


def test_where_all_is_held_nothing_was_written() -> None:
    """And that is no error."""
    outcome = Outcome((skipped(Action.HELD),))
    assert render_outcome(outcome).splitlines()[1:] == [
        "Apply: 0 applied, 0 already as planned, 1 held.",
        "Nothing was written.",
    ]
    assert of_outcome(outcome) is Exit.OK
