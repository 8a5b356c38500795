"""Exit codes: which one wins."""

from itertools import combinations

import msgspec
import pytest

from transship.exits import Exit, most_specific, of_error, of_outcome, of_plan
from transship_executor.errors import ConflictError
from transship_executor.outcome import HookFailure, Outcome, Result, Status
from transship_planner.errors import PlanError, StalePlanError, TamperedPlanError, UnsafePlanError
from transship_planner.plans.plan import Action, Change, ConfigPin, Plan, Problem
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError, TransshipError
from transship_registry.reference import Reference
from transship_state.errors import LineageError, StateLockedError

CHANGE = Change(
    action=Action.CREATE,
    entry="sync[0]",
    source=Reference.parse("src.io/app:1"),
    target=Reference.parse("dst.io/app:1"),
    reason="the target tag does not exist",
)
PROBLEM = Problem(entry="sync[0]", reference="dst.io/app:2", message="500")


def test_the_numbers_are_those_of_the_manual() -> None:
    """Pipelines rest on them: 0, 1, 2, 3, 4, and 130 as shells have it for an interruption."""
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "ERROR": 1,
        "PENDING": 2,
        "REFUSED": 3,
        "STALE": 4,
        "INTERRUPTED": 130,
    }


def test_of_any_two_codes_one_wins() -> None:
    """Whichever comes first."""
    ranked = [Exit.INTERRUPTED, Exit.STALE, Exit.REFUSED, Exit.ERROR, Exit.PENDING, Exit.OK]
    for winner, loser in combinations(ranked, 2):
        assert most_specific(winner, loser) is most_specific(loser, winner) is winner


@pytest.mark.parametrize(
    ("codes", "winner"),
    [
        ((), Exit.OK),
        ((Exit.OK, Exit.PENDING), Exit.PENDING),
        ((Exit.PENDING, Exit.ERROR), Exit.ERROR),
        ((Exit.ERROR, Exit.REFUSED), Exit.REFUSED),
        ((Exit.REFUSED, Exit.STALE, Exit.ERROR), Exit.STALE),
        ((Exit.STALE, Exit.INTERRUPTED), Exit.INTERRUPTED),
    ],
)
def test_the_most_specific_code_wins(codes: tuple[Exit, ...], winner: Exit) -> None:
    """In the order 4, 3, 1, 2; an interruption beats them all."""
    assert most_specific(*codes) is winner


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TamperedPlanError("x"), Exit.STALE),
        (StalePlanError("x"), Exit.STALE),
        (LineageError("x"), Exit.STALE),
        (ConflictError(Reference.parse("dst.io/app:1"), "absent", "sha256:feed"), Exit.STALE),
        (UnsafePlanError("x"), Exit.REFUSED),
        (PlanError("x"), Exit.ERROR),
        (StateLockedError("x"), Exit.ERROR),
        (RegistryError("GET", "x", "500"), Exit.ERROR),
    ],
)
def test_every_error_has_its_code(error: TransshipError, code: Exit) -> None:
    """The branches of the error tree map to exit codes."""
    assert of_error(error) is code


def plan(*actions: Action, problems: tuple[Problem, ...] = ()) -> Plan:
    changes = tuple(msgspec.structs.replace(CHANGE, action=action) for action in actions)
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return Plan(format_version=1, tool_version="0", config=pin, changes=changes, problems=problems)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (plan(), Exit.OK),
        (plan(Action.CREATE, Action.UPDATE, Action.REFRESH, Action.HELD), Exit.OK),
        (plan(Action.CREATE, Action.BLOCKED), Exit.REFUSED),
        (plan(Action.CREATE, problems=(PROBLEM,)), Exit.ERROR),
        (plan(Action.BLOCKED, problems=(PROBLEM,)), Exit.REFUSED),
    ],
)
def test_what_a_plan_refuses_or_could_not_look_at_has_a_code(made: Plan, code: Exit) -> None:
    """Whatever is done with the plan; what is held waits, and is no failure."""
    assert of_plan(made) is code


def outcome(*statuses: Status, interrupted: bool = False, failed_hooks: int = 0) -> Outcome:
    return Outcome(
        tuple(Result(CHANGE, status) for status in statuses),
        interrupted,
        (HookFailure("hooks[0]", "1"),) * failed_hooks,
    )


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (outcome(), Exit.OK),
        (outcome(Status.DONE, Status.ALREADY, Status.SKIPPED), Exit.OK),
        (outcome(Status.DONE, Status.FAILED), Exit.ERROR),
        (outcome(Status.DONE, failed_hooks=1), Exit.ERROR),
        (outcome(Status.FAILED, failed_hooks=1), Exit.ERROR),
        (outcome(Status.FAILED, Status.CONFLICT), Exit.STALE),
        (outcome(Status.NOT_STARTED, Status.CONFLICT, interrupted=True), Exit.INTERRUPTED),
    ],
)
def test_an_apply_ends_with_the_code_of_the_worst_that_happened(ended: Outcome, code: Exit) -> None:
    """Failures and failed hooks are errors, a conflict wants a new plan, and an interruption beats them all."""
    assert of_outcome(ended) is code
