"""What entries must not do to each other, or to themselves, as far as it shows without asking a registry."""

from collections.abc import Sequence
from typing import Final

from transship_planner.config.problems import Problems
from transship_planner.desired import Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.places import Places

_SAMPLES: Final = ("app", "library/app", "team/project/app")
"""Names of repositories as they are everywhere."""


def check_entries(entries: Sequence[Entry], places: Places, problems: Problems) -> None:
    """Note entries that would copy something onto itself, and target tags that two entries fill differently.

    Names are compared by where they lead to: a registry may have several, and a layout several paths.
    """
    check = _Check(places, problems)
    targets: dict[tuple[str, str], Entry] = {}
    writers: dict[str, Entry] = {}
    for entry in entries:
        check.itself(entry)
        target = check.place_of_target(entry)
        earlier = targets.setdefault((entry.name, target), entry)
        if earlier is not entry:
            check.twice(entry, earlier)
        elif isinstance(entry.scope, ImageScope):
            check.rivals(entry, writers.setdefault(target, entry))


class _Check:
    """Compares the ends of entries, and notes what is wrong with them."""

    def __init__(self, places: Places, problems: Problems) -> None:
        self._places = places
        self._problems = problems

    def place_of_target(self, entry: Entry) -> str:
        """Return where an entry writes to."""
        match entry.scope:
            case ImageScope(_, target):
                return self._places.reference(target)
            case RepositoryScope(_, target, _):
                return self._places.repository(target)
            case RegistryScope() as scope:
                return self._places.prefix(scope.target)

    def _place_of_source(self, entry: Entry) -> str:
        match entry.scope:
            case ImageScope(source, _):
                return self._places.reference(source)
            case RepositoryScope(source, _, _):
                return self._places.repository(source)
            case RegistryScope() as scope:
                return self._places.registry(scope.source)

    def itself(self, entry: Entry) -> None:
        """Refuse an entry that reads what it writes."""
        source, target = self._place_of_source(entry), self.place_of_target(entry)
        scope = entry.scope
        inside = target.removeprefix(f"{source}/")
        if source == target:
            name = scope.source if str(scope.source) == str(scope.target) else f"{scope.source}, by another name"
            self._problems.error(entry.where("target"), f"{entry.name}: the target is the source, {name}")
        elif isinstance(scope, RegistryScope) and inside != target and (own := _own_repository(scope, inside)):
            message = (
                f"{entry.name}: the target {scope.target} lies inside the source, and repos let {own!r} there pass, "
                f"so that each run would mirror the mirror; write deny: ['{_literal(inside)}/.*'] in repos"
            )
            self._problems.error(entry.where("target"), message)

    def twice(self, entry: Entry, earlier: Entry) -> None:
        """Refuse a target that an entry names twice."""
        line = earlier.where("target").line
        message = f"{entry.name}: the target {_named(entry, earlier)} is there already (line {line}); remove one"
        self._problems.error(entry.where("target"), message)

    def rivals(self, entry: Entry, earlier: Entry) -> None:
        """Refuse two entries that give one tag different content."""
        line = earlier.where("target").line
        both = f"{entry.name} and {earlier.name} (line {line}) both write {_named(entry, earlier)}"
        if self._place_of_source(entry) != self._place_of_source(earlier):
            message = f"{both}, from {entry.scope.source} and from {earlier.scope.source}; remove one"
            self._problems.error(entry.where("target"), message)
        elif earlier.copy.platforms != entry.copy.platforms:
            self._problems.error(entry.where("target"), f"{both}, with different platforms; remove one")


def _own_repository(scope: RegistryScope, inside: str) -> str:
    """Return a repository below `inside`, where the entry writes, that it would read, too; empty when none is found.

    Only samples are tried, and what the patterns spell out: planning knows the repositories, and is sure.
    """
    spelt = (pattern.text.replace(".*", "app").replace(".+", "app") for pattern in scope.allow)
    names = [*(f"{inside}/{sample}" for sample in _SAMPLES), *(name for name in spelt if name.startswith(f"{inside}/"))]
    return next((name for name in names if scope.selects(name)), "")


def _named(entry: Entry, earlier: Entry) -> str:
    """Name the target of an entry, and how an earlier one calls it when that differs."""
    name, other = str(entry.scope.target), str(earlier.scope.target)
    return name if name == other else f"{name} (by another name {other})"


def _literal(name: str) -> str:
    """Return a pattern for the name of a repository, in which only dots mean something else."""
    return name.replace(".", "\\.")
