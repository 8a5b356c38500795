"""What a check found: one line, or one object, per difference."""

from typing import Any

from transship_planner.plan import Plan
from transship_planner.render import wording


def render_findings(plan: Plan) -> str:
    """Return a line for each target that is not as wanted, each problem and each warning, and a closing sentence."""
    lines = [
        f"{change.action.value}: {change.target}: {wording.digests(change)} ({change.reason}; {change.entry})"
        for change in plan.changes
    ]
    lines += [f"problem: {problem.entry} {problem.reference}: {problem.message}" for problem in plan.problems]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    lines.append(_verdict(plan))
    return "\n".join(lines) + "\n"


def as_findings(plan: Plan) -> dict[str, Any]:
    """Return the same as plain data: `in_sync`, `unchanged`, `differences`, `problems`, `warnings`."""
    return {
        "in_sync": not plan.changes and not plan.problems,
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
            }
            for change in plan.changes
        ],
        "problems": [
            {"entry": problem.entry, "reference": problem.reference, "message": problem.message}
            for problem in plan.problems
        ],
        "warnings": list(plan.warnings),
    }


def _verdict(plan: Plan) -> str:
    if not plan.changes and not plan.problems:
        return f"In sync: {wording.plural(plan.unchanged.count, 'tag')} as the configuration wants."
    parts = [f"{wording.plural(len(plan.changes), 'tag')} to change", f"{plan.unchanged.count} in sync"]
    if plan.problems:
        parts.append(wording.plural(len(plan.problems), "problem"))
    return f"Out of sync: {', '.join(parts)}." if plan.changes else f"Cannot tell: {', '.join(parts[1:])}."
