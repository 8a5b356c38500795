"""Enter into the state what a plan has seen and leaves as it is: tags that are as wanted, and those that wait."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from transship_planner.plans.found import unpack
from transship_planner.plans.plan import Plan
from transship_planner.plans.planfile import PlanFile
from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import Origin, Record, Seen, State, parse_moment, rfc3339
from transship_state.filestore import FileStore


def remember(store: FileStore, state: State, saved: PlanFile, *, tool_version: str, now: str) -> State:
    """Write what the plan has seen, and return the state as it is then; the caller holds the lock.

    It is written even when the state knows it all already: who cannot write is to learn that before anything is
    pushed. Raises `StateError`.
    """
    after = entered(state, saved, tool_version=tool_version, now=now)
    if after is state:
        after = state.with_records((), tool_version)
    store.write(after)
    return after


def has_to_remember(state: State | None, saved: PlanFile) -> bool:
    """Tell whether there is something to write for a plan that changes nothing: a state, too, where there is none."""
    return state is None or entered(state, saved, tool_version="", now="") is not state


def entered(state: State, saved: PlanFile, *, tool_version: str, now: str) -> State:
    """Return the state that also knows what the plan has seen; the very same one when it knows all that already."""
    records = tuple(_found(state, saved, now))
    seen = tuple(_seen(state, saved.plan, now))
    if not records and seen == state.seen:
        return state
    return state.with_records(records, tool_version, seen=seen)


def _found(state: State, saved: PlanFile, now: str) -> Iterator[Record]:
    """Yield a record for each tag that the plan found as wanted, unless the state knows it, or knows better.

    A plan for an earlier serial than the state has by now knows less than the state.
    """
    known = {record.target: record for record in state.records}
    sights = state.first_sights()
    is_current = saved.plan.state.serial == state.serial
    when = parse_moment(saved.created_at)
    for each in unpack(saved.plan.found):
        before = known.get(each.target)
        if before is not None and (not is_current or before.says(each.source, each.source_digest, each.target_digest)):
            continue
        yield Record(
            target=each.target,
            source=each.source,
            source_digest=each.source_digest,
            target_digest=each.target_digest,
            media_type=each.media_type,
            entry=each.entry,
            plan=saved.digest,
            # The file's own time is not covered by its digest, and may not make anything older than it is (`min_age`).
            first_seen=sights.get((each.source, each.source_digest), now),
            applied=rfc3339(when) if when else now,
            platforms=each.platforms,
            origin=Origin.FOUND,
        )


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
