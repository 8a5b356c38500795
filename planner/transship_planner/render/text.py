"""A plan as text for a terminal or a log."""

from collections.abc import Iterable, Iterator

from transship_planner.plans.plan import Change, Plan
from transship_planner.render import wording
from transship_planner.render.causes import causes
from transship_planner.render.lifecycles import lifecycle_table
from transship_planner.render.remarks import Remark, remarks
from transship_planner.render.tables import table
from transship_registry.presentable import joined

_HEADERS = ("action", "target", "digest", "platforms", "transfer")


def render_text(plan: Plan, *, digest: str = "") -> str:
    """Return the whole plan: changes, what differs inside, remarks, lifecycles, problems, warnings and totals."""
    return joined(text_lines(plan, digest=digest))


def text_lines(plan: Plan, *, digest: str = "") -> Iterator[str]:
    """Return the lines of the same; texts from elsewhere are in them as they came."""
    changes = wording.by_name(plan.changes)
    if changes:
        yield from table(map(_row, changes), _HEADERS)
        yield ""
    for change in changes:
        yield from _details(change)
    yield from _remarks(remarks(changes))
    if plan.lifecycles:
        yield from lifecycle_table(plan.lifecycles)
        yield ""
    found = causes(plan.problems)
    yield from (f"problem: {cause}" for cause in found)
    yield from (f"warning: {warning}" for warning in plan.warnings)
    if not plan.changes and not plan.problems:
        yield "No changes. The targets are as the configuration wants them."
    yield wording.summary(plan, problems=len(found))
    yield from filter(None, (wording.cost(plan), wording.unrecorded(plan)))
    if digest:
        yield f"Plan digest: {digest}"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.action.value,
        str(change.target),
        wording.digests(change),
        wording.platforms(change.platforms),
        wording.transfer(change),
    )


def _details(change: Change) -> Iterator[str]:
    lines = [wording.difference(found) for found in change.differences]
    lines += [wording.attachment(found) for found in change.attached]
    lines += [f"the present image is kept as {change.backup}"] if change.backup else []
    if lines:
        yield f"{change.target}"
        yield from (f"  {line}" for line in lines)
        yield ""


def _remarks(found: Iterable[Remark]) -> Iterator[str]:
    for remark in found:
        yield f"{remark.kind}: {remark.text}"
        yield from (f"  {target}" for target in remark.targets)
        yield ""
