"""Exit codes, and which of them wins when several apply (docs/cli.md § Exit codes)."""

from enum import IntEnum

from transship_executor.errors import ConflictError
from transship_executor.outcome import Outcome, Status
from transship_planner.errors import ForeignPlanError, StalePlanError, TamperedPlanError, UnsafePlanError
from transship_planner.plans.plan import Action, Plan
from transship_registry.errors import TransshipError
from transship_state.errors import LineageError


class Exit(IntEnum):
    """What the exit code of transship says."""

    OK = 0
    ERROR = 1
    PENDING = 2
    REFUSED = 3
    STALE = 4
    INTERRUPTED = 130


_PRECEDENCE = (Exit.INTERRUPTED, Exit.STALE, Exit.REFUSED, Exit.ERROR, Exit.PENDING, Exit.OK)


def most_specific(*codes: Exit) -> Exit:
    """Return the code that wins: interrupted, then 4, 3, 1, 2."""
    return min(codes, key=_PRECEDENCE.index, default=Exit.OK)


def of_error(error: TransshipError) -> Exit:
    """Return the code that an error ends the program with."""
    match error:
        case StalePlanError() | TamperedPlanError() | ForeignPlanError() | ConflictError() | LineageError():
            return Exit.STALE
        case UnsafePlanError():
            return Exit.REFUSED
        case _:
            return Exit.ERROR


def of_plan(plan: Plan) -> Exit:
    """Return the code that a plan calls for whatever is done with it: 3 when it refuses something, 1 for problems."""
    refused = Exit.REFUSED if plan.count(Action.BLOCKED) else Exit.OK
    return most_specific(refused, Exit.ERROR if plan.problems else Exit.OK)


def of_outcome(outcome: Outcome) -> Exit:
    """Return the code that an apply ends with."""
    codes = [Exit.OK]
    if outcome.interrupted:
        codes.append(Exit.INTERRUPTED)
    if outcome.count(Status.CONFLICT):
        codes.append(Exit.STALE)
    if outcome.count(Status.FAILED) or outcome.failed_hooks:
        codes.append(Exit.ERROR)
    return most_specific(*codes)
