"""The words and numbers that all views of a plan share."""

from collections.abc import Iterable
from typing import Final, TypeVar

from transship_planner.plans.plan import (
    Action,
    Attachment,
    Change,
    Difference,
    Plan,
    Problem,
    SourcePulls,
    TagLifecycle,
)
from transship_planner.tags.versions import natural_key
from transship_registry.platform import Platform
from transship_registry.quota import left

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_COUNTED: Final = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.DELETE: "to delete",
    Action.REFRESH: "to refresh",
    Action.BLOCKED: "blocked",
    Action.HELD: "held",
}

_Named = TypeVar("_Named", Change, TagLifecycle)


def by_name(found: Iterable[_Named]) -> list[_Named]:
    """Return what has targets in the order in which people look for them: `3.9` before `3.20`."""
    return sorted(found, key=lambda one: (natural_key(str(one.target)), str(one.target)))


def transfer(change: Change) -> str:
    """Return how much a change copies; what stays undone copies nothing."""
    return size(change.transfer) if change.action.is_pending else "-"


def size(number: int) -> str:
    """Return a number of bytes for people: `1.5 MiB`."""
    value, unit = float(number), "B"
    for larger in _UNITS:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{number} B" if unit == "B" else f"{value:.1f} {unit}"


def plural(number: int, noun: str) -> str:
    """Return `1 blob`, `2 blobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def platforms(found: Iterable[Platform]) -> str:
    """Return platforms in one cell."""
    return ", ".join(str(platform) for platform in found)


def digests(change: Change) -> str:
    """Return `old → new`, digests shortened; of a refresh, the digest that stays."""
    if change.action is Action.REFRESH and change.after:
        return f"= {change.after.digest.short}"
    after = change.after.digest.short if change.after else "(absent)"
    return f"{change.before.digest.short} → {after}" if change.before else f"→ {after}"


def attachment(found: Attachment) -> str:
    """Return one thing that travels along in one line: `+ referrer sha256:… (its type) of sha256:…`."""
    sign = "=" if found.present else "+"
    name = f"digest tag {found.tag}" if found.tag else f"referrer {found.digest.short}"
    kind = f" ({found.artifact_type})" if found.artifact_type else ""
    if found.before:
        return f"~ {name}: {found.before.short} → {found.digest.short}"
    return f"{sign} {name}{kind} of {found.subject.short}"


def place(entry: str, line: int) -> str:
    """Return an entry with the line on which it begins, if that is known."""
    return f"{entry} (line {line})" if line else entry


def problem(found: Problem) -> str:
    """Return a problem in one line: whose it is, of what, and the error."""
    return f"{place(found.entry, found.line)} {found.reference}: {found.message}"


def difference(found: Difference) -> str:
    """Return one difference inside an image in one line: `~ platform linux/amd64: old → new`."""
    line = f"{_SIGNS.get(found.kind, '?')} {found.what}"
    values = " → ".join(_shorten(value) for value in (found.before, found.after) if value)
    return f"{line}: {values}" if values else line


def summary(plan: Plan, *, problems: int) -> str:
    """Return the closing sentence: counts of changes, of what stays, and of the problems as they are shown."""
    counts = [f"{count} {words}" for action, words in _COUNTED.items() if (count := plan.count(action))]
    counts.append(f"{plan.unchanged.count} unchanged")
    if problems:
        counts.append(plural(problems, "problem"))
    return "Plan: " + ", ".join(counts) + "."


def cost(plan: Plan) -> str:
    """Return what applying costs, in one sentence; empty when there is nothing to transfer."""
    expected = plan.forecast
    if not expected.blobs and not expected.manifests:
        return ""
    parts = f"{plural(expected.blobs, 'blob')} and {plural(expected.manifests, 'manifest')}"
    pulls = ", ".join(map(_pulls, expected.pulls))
    text = f"To transfer: at most {size(expected.transfer)} in {parts}."
    return f"{text} Manifest pulls: {pulls}." if pulls else text


def unrecorded(plan: Plan) -> str:
    """Return how many tags apply will only record, in one sentence; empty when there are none."""
    count = sum(len(group.tags) for group in plan.found)
    if not count:
        return ""
    return f"To record in the state: {plural(count, 'tag')} as wanted already."


def _pulls(pulls: SourcePulls) -> str:
    quota = f" ({left(pulls.quota.remaining, pulls.quota.limit)} left)" if pulls.quota else ""
    return f"{pulls.manifests} from {pulls.registry}{quota}"


def _shorten(value: str) -> str:
    algorithm, colon, digits = value.partition(":")
    return f"{algorithm}:{digits[:12]}" if colon and len(digits) >= 64 and "/" not in value else value
