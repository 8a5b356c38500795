"""Remember in the state what a plan leaves where it is: since when its content has been at the source (`min_age`)."""

from collections.abc import Iterator

from transship_planner.plan import Plan
from transship_state.document import Seen, State
from transship_state.filestore import FileStore


def remember(store: FileStore, state: State, plan: Plan, *, tool_version: str, now: str) -> State:
    """Write the first sight of each change that is held or blocked, and return the state as it is then.

    The caller holds the lock. Nothing is written when the state knows it all already. Raises `StateError`.
    """
    seen = tuple(sorted(_seen(state, plan, now), key=lambda each: str(each.source)))
    if seen == state.seen:
        return state
    state = state.with_seen(seen, tool_version)
    store.write(state)
    return state


def has_to_remember(state: State | None, plan: Plan) -> bool:
    """Tell whether a plan may give cause to write what was seen."""
    return any(not change.action.is_pending for change in plan.changes) or bool(state and state.seen)


def _seen(state: State, plan: Plan, now: str) -> Iterator[Seen]:
    """Yield what the state has to say after this plan: what it said before unless that is over, and what is new."""
    waiting = {each.source: each for each in state.seen if _still_waits(each, state, plan)}
    yield from waiting.values()
    for change in plan.changes:
        digest = change.source_digest
        if change.action.is_pending or digest is None or change.source in waiting:
            continue
        if not state.first_seen(change.source, digest):
            waiting[change.source] = Seen(source=change.source, digest=digest, entry=change.entry, first_seen=now)
            yield waiting[change.source]


def _still_waits(seen: Seen, state: State, plan: Plan) -> bool:
    """Tell whether what was seen is to be remembered: until it is applied, has moved on, or is not wanted any more.

    A plan for an earlier serial than the state has by now knows less than the state. What a plan could not look at, or
    did not compare, may be waiting all the same.
    """
    if plan.state.serial != state.serial:
        return True
    digests = {change.source_digest for change in plan.changes if change.source == seen.source}
    if digests:
        return seen.digest in digests
    return plan.mode.missing or any(problem.entry == seen.entry for problem in plan.problems)
