"""A plan as Markdown for a pull request: counts first, details folded."""

from collections.abc import Iterator

from tabulate import tabulate

from transship_planner.plans.plan import Change, Plan
from transship_planner.render import wording
from transship_planner.render.causes import Cause, causes
from transship_planner.render.lifecycles import lifecycle_counts, lifecycle_table
from transship_planner.render.markup import cell, code
from transship_planner.render.remarks import Remark, remarks

_HEADERS = ("action", "target", "source", "digest", "platforms", "transfer")


def render_markdown(plan: Plan, *, digest: str = "") -> str:
    """Return the plan as GitHub-flavoured Markdown."""
    return "\n\n".join(_blocks(plan, digest)) + "\n"


def _blocks(plan: Plan, digest: str) -> Iterator[str]:
    found = causes(plan.problems)
    yield f"### {wording.summary(plan, problems=len(found))}"
    yield from filter(None, (wording.cost(plan), wording.unrecorded(plan)))
    if found:
        yield "\n".join(map(_problem, found))
    changes = wording.by_name(plan.changes)
    if changes:
        yield tabulate([_row(change) for change in changes], headers=_HEADERS, tablefmt="github")
    if said := remarks(plan):
        yield "\n".join(_remark(remark) for remark in said)
    if details := [line for change in changes for line in _details(change)]:
        attached = ", and what is attached" if any(change.attached for change in changes) else ""
        yield f"<details><summary>What differs inside{attached}</summary>"
        yield "\n".join(details)
        yield "</details>"
    if plan.lifecycles:
        yield f"<details><summary>End of life: {lifecycle_counts(plan.lifecycles)}</summary>"
        yield lifecycle_table(plan.lifecycles, markdown=True)
        yield "</details>"
    if plan.warnings:
        yield "\n".join(f"- warning: {cell(warning)}" for warning in plan.warnings)
    if digest:
        yield f"Plan digest: `{digest}`"


def _problem(cause: Cause) -> str:
    found, *others = cause.problems
    if others:
        return f"- **problem** {cell(str(cause))}"
    return f"- **problem** {code(found.reference)} ({wording.place(found.entry, found.line)}): {cell(found.message)}"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.action.value,
        f"`{change.target}`",
        f"`{change.source}`",
        f"`{wording.digests(change)}`",
        cell(wording.platforms(change.platforms)),
        wording.transfer(change),
    )


def _details(change: Change) -> Iterator[str]:
    lines = [f"  - {code(wording.difference(found))}" for found in change.differences]
    lines += [f"  - {code(wording.attachment(found))}" for found in change.attached]
    lines += [f"  - the present image is kept as `{change.backup}`"] if change.backup else []
    if lines:
        yield f"- `{change.target}`"
        yield from lines


def _remark(remark: Remark) -> str:
    targets = ", ".join(f"`{target}`" for target in remark.targets)
    return f"- **{remark.kind}** {remark.entry}: {cell(remark.text)}: {targets}"
