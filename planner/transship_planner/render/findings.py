"""What a check found: one line, or one object, per difference."""

from typing import Any

from transship_planner.plans.plan import Action, Plan
from transship_planner.render import wording
from transship_planner.render.lifecycles import as_lifecycles, lifecycle_table


def render_findings(plan: Plan) -> str:
    """Return a line for each target that is not as wanted, each problem and each warning, and a closing sentence."""
    lines = [
        f"{change.action.value}: {change.target}: {wording.digests(change)} ({change.reason}; {change.entry})"
        for change in wording.by_name(plan.changes)
    ]
    if plan.lifecycles:
        lines += [lifecycle_table(plan.lifecycles), ""]
    lines += [f"problem: {wording.problem(problem)}" for problem in plan.problems]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    lines.append(_verdict(plan))
    return "\n".join(lines) + "\n"


def as_findings(plan: Plan) -> dict[str, Any]:
    """Return the same as plain data: `in_sync`, `unchanged`, `differences`, `problems`, `warnings`, `lifecycles`."""
    return {
        "in_sync": _in_sync(plan),
        "unchanged": plan.unchanged.count,
        "differences": [
            {
                "action": change.action.value,
                "entry": change.entry,
                "source": str(change.source),
                "target": str(change.target),
                "before": str(change.before.digest) if change.before else None,
                "after": str(change.after.digest) if change.after else None,
                "reason": change.reason,
                **({"held_until": change.held_until} if change.held_until else {}),
            }
            for change in plan.changes
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
        "warnings": list(plan.warnings),
        "lifecycles": as_lifecycles(plan.lifecycles),
    }


def _in_sync(plan: Plan) -> bool:
    """Tell whether all is as wanted; a tag that is held will be, and needs nobody's attention yet."""
    return not plan.pending and not plan.count(Action.BLOCKED) and not plan.problems


def _verdict(plan: Plan) -> str:
    counts = [(plan.count(Action.BLOCKED), "blocked"), (plan.count(Action.HELD), "held")]
    restrained = [f"{count} {word}" for count, word in counts if count]
    if _in_sync(plan):
        aside = f" ({restrained[0]})" if restrained else ""
        return f"In sync: {wording.plural(plan.unchanged.count, 'tag')} as the configuration wants{aside}."
    parts = [f"{plan.unchanged.count} in sync", *restrained]
    if plan.problems:
        parts.append(wording.plural(len(plan.problems), "problem"))
    if plan.pending or plan.count(Action.BLOCKED):
        return f"Out of sync: {', '.join((wording.plural(len(plan.pending), 'tag') + ' to change', *parts))}."
    return f"Cannot tell: {', '.join(parts)}."
