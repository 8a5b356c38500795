"""A plan as Markdown for a pull request: counts first, details folded."""

from collections.abc import Iterable, Iterator

from transship_planner.plans.plan import Change, Plan
from transship_planner.render import wording
from transship_planner.render.causes import Cause, causes
from transship_planner.render.lifecycles import lifecycle_counts, lifecycle_table
from transship_planner.render.markup import cell, code
from transship_planner.render.remarks import Remark, remarks
from transship_planner.render.tables import table
from transship_registry.presentable import joined

_HEADERS = ("action", "target", "source", "digest", "platforms", "transfer")


def render_markdown(plan: Plan, *, digest: str = "") -> str:
    """Return the plan as GitHub-flavoured Markdown."""
    return joined(markdown_lines(plan, digest=digest))


def markdown_lines(plan: Plan, *, digest: str = "") -> Iterator[str]:
    """Return the lines of the same."""
    for place, block in enumerate(_blocks(plan, digest)):
        if place:
            yield ""
        yield from block


def _blocks(plan: Plan, digest: str) -> Iterator[Iterable[str]]:
    """Yield the lines of each block; a blank line parts them."""
    found = causes(plan.problems)
    yield [f"### {wording.summary(plan, problems=len(found))}"]
    yield from ([cell(sentence)] for sentence in (wording.cost(plan), wording.unrecorded(plan)) if sentence)
    if found:
        yield map(_problem, found)
    changes = wording.by_name(plan.changes)
    if changes:
        yield table(map(_row, changes), _HEADERS, markdown=True)
    if said := remarks(changes):
        yield map(_remark, said)
    if any(map(_has_details, changes)):
        attached = ", and what is attached" if any(change.attached for change in changes) else ""
        yield [f"<details><summary>What differs inside{attached}</summary>"]
        yield (line for change in changes if _has_details(change) for line in _details(change))
        yield ["</details>"]
    if plan.lifecycles:
        yield [f"<details><summary>End of life: {lifecycle_counts(plan.lifecycles)}</summary>"]
        yield lifecycle_table(plan.lifecycles, markdown=True)
        yield ["</details>"]
    if plan.warnings:
        yield (f"- warning: {cell(warning)}" for warning in plan.warnings)
    if digest:
        yield [f"Plan digest: {code(digest)}"]


def _problem(cause: Cause) -> str:
    found, *others = cause.problems
    if others:
        return f"- **problem** {cell(str(cause))}"
    place = wording.place(found.entry, found.line)
    return f"- **problem** {code(found.reference)} ({cell(place)}): {cell(found.message)}"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.action.value,
        code(str(change.target)),
        code(str(change.source)),
        code(wording.digests(change)),
        cell(wording.platforms(change.platforms)),
        wording.transfer(change),
    )


def _has_details(change: Change) -> bool:
    return bool(change.differences or change.attached or change.backup)


def _details(change: Change) -> Iterator[str]:
    yield f"- {code(str(change.target))}"
    yield from (f"  - {code(wording.difference(found))}" for found in change.differences)
    yield from (f"  - {code(wording.attachment(found))}" for found in change.attached)
    if change.backup:
        yield f"  - the present image is kept as {code(str(change.backup))}"


def _remark(remark: Remark) -> str:
    targets = ", ".join(code(str(target)) for target in remark.targets)
    return f"- **{remark.kind}** {cell(remark.entry)}: {cell(remark.text)}: {targets}"
