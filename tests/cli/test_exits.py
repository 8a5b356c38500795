"""Exit codes: which one wins."""

import pytest

from transship.exits import Exit, most_specific, of_error
from transship_planner.errors import PlanError, StalePlanError, TamperedPlanError, UnsafePlanError
from transship_registry.errors import RegistryError, TransshipError
from transship_state.errors import LineageError, StateLockedError


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
        (UnsafePlanError("x"), Exit.REFUSED),
        (PlanError("x"), Exit.ERROR),
        (StateLockedError("x"), Exit.ERROR),
        (RegistryError("GET", "x", "500"), Exit.ERROR),
    ],
)
def test_every_error_has_its_code(error: TransshipError, code: Exit) -> None:
    """The branches of the error tree map to exit codes."""
    assert of_error(error) is code
