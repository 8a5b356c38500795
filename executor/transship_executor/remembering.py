"""Remember in the state what a plan leaves where it is: since when its content has been at the source (`min_age`)."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from transship_planner.plans.plan import Plan
from transship_registry.digest import Digest
from transship_registry.reference import Reference
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
    found = defaultdict[Reference, set[Digest | None]](set)
    for change in plan.changes:
        found[change.source].add(change.source_digest)
    waiting = {each.source for each in state.seen if _still_waits(each, found.get(each.source), state, plan)}
    yield from (each for each in state.seen if each.source in waiting)
    recorded = {(record.source, record.source_digest) for record in state.records}
    for change in plan.changes:
        digest = change.source_digest
        if change.action.is_pending or digest is None or change.source in waiting:
            continue
        if (change.source, digest) not in recorded:
            waiting.add(change.source)
            yield Seen(source=change.source, digest=digest, entry=change.entry, first_seen=now)


def _still_waits(seen: Seen, found: Collection[Digest | None] | None, state: State, plan: Plan) -> bool:
    """Tell whether what was seen is to be remembered: until it is applied, has moved on, or is not wanted any more.

    `found` is what the plan's changes say that the source points at now. A plan for an earlier serial than the state
    has by now knows less than the state. What a plan could not look at, or did not compare, may still be waiting.
    """
    if plan.state.serial != state.serial:
        return True
    if found is not None:
        return seen.digest in found
    return plan.mode.missing or any(problem.entry == seen.entry for problem in plan.problems)
