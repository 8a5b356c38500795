"""What a check found: one line, or one object, per difference."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from transship_planner.drift import Drift
from transship_planner.plans.plan import Action, Change, Plan
from transship_planner.records import Moves, told
from transship_planner.render import wording
from transship_planner.render.causes import as_causes, causes
from transship_planner.render.lifecycles import as_lifecycles, lifecycle_table
from transship_registry.presentable import joined

NO_MOVES: Final = Moves()
_OVERWRITTEN: Final = "overwritten"


def render_findings(plan: Plan, moves: Moves = NO_MOVES) -> str:
    """Return a line for each target that is not as wanted, each problem and each warning, and a closing sentence."""
    return joined(findings_lines(plan, moves))


def findings_lines(plan: Plan, moves: Moves = NO_MOVES) -> Iterator[str]:
    """Return the lines of the same; texts from elsewhere are in them as they came."""
    for change in wording.by_name(plan.changes):
        why = f"{_why(change, moves)}; {change.entry}"
        yield f"{change.action.value}: {change.target}: {wording.digests(change)} ({why})"
    yield from map(_overwritten_line, moves.overwritten)
    if plan.lifecycles:
        yield from lifecycle_table(plan.lifecycles)
        yield ""
    yield from (f"problem: {cause}" for cause in causes(plan.problems))
    yield from (f"warning: {warning}" for warning in plan.warnings)
    yield _verdict(plan, moves)


def _overwritten_line(drift: Drift) -> str:
    now = drift.found.short if drift.found else "(absent)"
    record = drift.record
    return f"{_OVERWRITTEN}: {record.target}: {drift.recorded.short} → {now} ({_frozen(drift)}; {record.entry})"


def _frozen(drift: Drift) -> str:
    return f"immutable tag {told([drift])}"


def as_findings(plan: Plan, moves: Moves = NO_MOVES) -> dict[str, Any]:
    """Return the same as plain data: `in_sync`, `unchanged`, `differences`, `problems`, `warnings`, `lifecycles`.

    `causes` are the problems that say the same, with how many those are.
    """
    return {
        "in_sync": _in_sync(plan, moves) if _is_any_compared(plan) or not _in_sync(plan, moves) else None,
        "unchanged": plan.unchanged.count - moves.miscounted,
        "differences": [
            *(_difference(change, moves) for change in plan.changes),
            *(_overwritten(drift) for drift in moves.overwritten),
        ],
        "problems": [
            {
                "entry": problem.entry,
                "line": problem.line or None,
                "reference": problem.reference,
                "message": problem.message,
            }
            for problem in plan.problems
        ],
        "causes": as_causes(plan.problems),
        "warnings": list(plan.warnings),
        "lifecycles": as_lifecycles(plan.lifecycles),
    }


def _difference(change: Change, moves: Moves) -> dict[str, Any]:
    found: dict[str, Any] = {
        "action": change.action.value,
        "entry": change.entry,
        "source": str(change.source),
        "target": str(change.target),
        "before": str(change.before.digest) if change.before else None,
        "after": str(change.after.digest) if change.after else None,
        "reason": _why(change, moves),
        **({"held_until": change.held_until} if change.held_until else {}),
    }
    return {**found, **_recorded(moves.of(change))}


def _overwritten(drift: Drift) -> dict[str, Any]:
    return {
        "action": _OVERWRITTEN,
        "entry": drift.record.entry,
        "source": str(drift.record.source),
        "target": str(drift.record.target),
        "before": str(drift.found) if drift.found else None,
        "after": None,
        "reason": _frozen(drift),
        **_recorded([drift]),
    }


def _recorded(drifts: Sequence[Drift]) -> dict[str, Any]:
    """Say which tags moved since they were recorded, as `drift` calls it, and what was recorded of them."""
    if not drifts:
        return {}
    record = drifts[0].record
    return {
        "moved": [drift.kind.value for drift in drifts],
        "recorded": {
            "source_digest": str(record.source_digest),
            "target_digest": str(record.target_digest),
            "applied": record.applied,
            "origin": record.origin.value,
        },
    }


def _why(change: Change, moves: Moves) -> str:
    """Say why a target is not as wanted: who moved it, if the state knows; of what is left so, also why it is."""
    moved = told(moves.of(change))
    if not moved:
        return change.reason
    return moved if change.action in {Action.CREATE, Action.UPDATE} else f"{moved}; {change.reason}"


def _is_any_compared(plan: Plan) -> bool:
    return bool(plan.unchanged.count or plan.changes)


def _in_sync(plan: Plan, moves: Moves) -> bool:
    """Tell whether all is as wanted; a tag that is held will be, and needs nobody's attention yet."""
    return not (plan.pending or plan.count(Action.BLOCKED) or plan.problems or moves.overwritten)


def _verdict(plan: Plan, moves: Moves) -> str:
    counts = [
        (len(moves.overwritten), _OVERWRITTEN),
        (plan.count(Action.BLOCKED), "blocked"),
        (plan.count(Action.HELD), "held"),
    ]
    restrained = [f"{count} {word}" for count, word in counts if count]
    unchanged = plan.unchanged.count - moves.miscounted
    if _in_sync(plan, moves):
        if not unchanged:
            return f"Nothing to change: {restrained[0]}." if restrained else "Nothing was compared: no tag is wanted."
        aside = f" ({restrained[0]})" if restrained else ""
        return f"In sync: {wording.plural(unchanged, 'tag')} as the configuration wants{aside}."
    parts = [f"{unchanged} in sync", *restrained]
    if plan.problems:
        parts.append(wording.plural(len(causes(plan.problems)), "problem"))
    if plan.pending or plan.count(Action.BLOCKED) or moves.overwritten:
        return f"Out of sync: {', '.join((wording.plural(len(plan.pending), 'tag') + ' to change', *parts))}."
    return f"Cannot tell: {', '.join(parts)}."
