"""A plan as text for a terminal or a log."""

from collections.abc import Iterator

from tabulate import tabulate

from transship_planner.plan import Change, Plan
from transship_planner.render import wording
from transship_planner.render.lifecycles import lifecycle_table

_HEADERS = ("action", "target", "digest", "platforms", "transfer")


def render_text(plan: Plan, *, digest: str = "") -> str:
    """Return the whole plan: a table of changes, what differs inside, problems, warnings, totals."""
    return "\n".join(_blocks(plan, digest)) + "\n"


def _blocks(plan: Plan, digest: str) -> Iterator[str]:
    if plan.changes:
        yield tabulate([_row(change) for change in plan.changes], headers=_HEADERS, tablefmt="simple") + "\n"
    for change in plan.changes:
        yield from _details(change)
    if plan.lifecycles:
        yield lifecycle_table(plan.lifecycles) + "\n"
    yield from (f"problem: {problem.entry} {problem.reference}: {problem.message}" for problem in plan.problems)
    yield from (f"warning: {warning}" for warning in plan.warnings)
    if not plan.changes and not plan.problems:
        yield "No changes. The targets are as the configuration wants them."
    yield wording.summary(plan)
    if sentence := wording.cost(plan):
        yield sentence
    if digest:
        yield f"Plan digest: {digest}"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.action.value,
        str(change.target),
        wording.digests(change),
        wording.platforms(change.platforms),
        wording.size(change.transfer),
    )


def _details(change: Change) -> Iterator[str]:
    lines = [] if change.action.is_pending else [f"{change.action.value}: {change.reason}"]
    lines += [wording.difference(found) for found in change.differences]
    lines += [wording.attachment(found) for found in change.attached]
    lines += [f"the present image is kept as {change.backup}"] if change.backup else []
    lines += [f"! {risk}" for risk in change.risks]
    if lines:
        yield f"{change.target}"
        yield from (f"  {line}" for line in lines)
        yield ""
