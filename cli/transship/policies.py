"""The policies of a run: what is held for its age, and what is held or blocked for its end of life."""

from collections.abc import Sequence
from datetime import UTC, datetime

from transship.lifecycles import policies as lifecycle_policies
from transship_planner.lifecycle.judge import Judge
from transship_planner.observation.observed import Policy
from transship_planner.policies.quarantine import Quarantine
from transship_registry.reference import Reference
from transship_state.document import State


def policies_of(
    judge: Judge | None, state: State | None, *, keeps_state: bool, ignored: Sequence[Reference] = ()
) -> tuple[Policy, ...]:
    """Return the policies by what is known of products and by what the state has seen; raises `StateError`."""
    quarantine = Quarantine(datetime.now(UTC), state, keeps_state=keeps_state, ignored=ignored)
    return quarantine, *lifecycle_policies(judge)
