"""What entries must not do to each other, or to themselves, as far as it shows without asking a registry."""

from collections.abc import Iterable

from transship_planner.config.problems import Problems
from transship_planner.desired import Entry, ImageScope, RegistryScope


def check_entries(entries: Iterable[Entry], problems: Problems) -> None:
    """Note entries that would copy something onto itself, and target tags that two entries fill differently."""
    writers: dict[str, tuple[Entry, ImageScope]] = {}
    for entry in entries:
        _check_itself(entry, problems)
        if isinstance(entry.scope, ImageScope):
            earlier, scope = writers.setdefault(str(entry.scope.target), (entry, entry.scope))
            both = f"{entry.name} and {earlier.name} (line {earlier.mark.line}) both write {scope.target}"
            if scope.source != entry.scope.source:
                message = f"{both}, from {entry.scope.source} and from {scope.source}; remove one"
                problems.error(entry.where("target"), message)
            elif earlier.copy.platforms != entry.copy.platforms:
                problems.error(entry.where("target"), f"{both}, with different platforms; remove one")


def _check_itself(entry: Entry, problems: Problems) -> None:
    source, target = str(entry.scope.source), str(entry.scope.target)
    if source == target:
        problems.error(entry.where("target"), f"{entry.name}: the target is the source, {source}")
    elif isinstance(entry.scope, RegistryScope) and target.startswith(f"{source}/"):
        message = f"{entry.name}: the target {target} lies inside the source, so that each run would mirror the mirror"
        problems.error(entry.where("target"), message)
