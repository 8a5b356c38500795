"""Lifecycles of tags, as a table and as data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from transship_planner.plans.plan import Lifecycle, LifecycleStatus, TagLifecycle
from transship_planner.render.markup import cell, code
from transship_planner.render.tables import table
from transship_planner.render.wording import by_name, plural

_HEADERS: Final = ("target", "product", "cycle", "EOL date", "days left", "status")
_ALIGNED: Final = ("left", "left", "left", "left", "right", "left")


def lifecycle_table(lifecycles: Iterable[TagLifecycle], *, markdown: bool = False) -> list[str]:
    """Return the lines of a table with a row for each tag."""
    rows = [_row(tag) for tag in by_name(lifecycles)]
    if markdown:
        rows = [(code(target), *map(cell, others)) for target, *others in rows]
    return table(rows, _HEADERS, markdown=markdown, alignments=_ALIGNED)


def lifecycle_counts(lifecycles: Sequence[TagLifecycle]) -> str:
    """Return how many tags there are of each status: `3 tags, 2 ok, 1 ended`."""
    counts = Counter(tag.lifecycle.status for tag in lifecycles)
    told = [f"{counts[status]} {status.value}" for status in LifecycleStatus if counts[status]]
    return ", ".join((plural(len(lifecycles), "tag"), *told))


def as_lifecycles(lifecycles: Iterable[TagLifecycle]) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [{"entry": tag.entry, "target": str(tag.target), **_members(tag.lifecycle)} for tag in lifecycles]


def _row(tag: TagLifecycle) -> tuple[str, ...]:
    found = tag.lifecycle
    days = "-" if found.days_left is None else str(found.days_left)
    return str(tag.target), found.product, found.cycle or "-", found.eol or "-", days, found.status.value


def _members(found: Lifecycle) -> dict[str, Any]:
    return {
        "product": found.product,
        "cycle": found.cycle or None,
        "eol": found.eol or None,
        "days_left": found.days_left,
        "status": found.status.value,
        "note": found.note,
    }
