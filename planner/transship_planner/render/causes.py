"""Problems that have one cause, such as a registry that does not answer: said once, with all that it is about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from transship_planner.plans.plan import Problem
from transship_planner.render.wording import place, plural, problem

_NAMED: Final = 3
"""How many repositories of an entry, and how many entries, are named; more are counted, as tags always are."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, in words that do not depend on what was asked for, and the problems that come of it."""

    message: str
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """Return it in one line."""
        if len(self.problems) == 1:
            return problem(self.problems[0])
        return f"{self.message}; not looked at: {not_looked_at(self.problems)}"


def causes(problems: Iterable[Problem]) -> tuple[Cause, ...]:
    """Gather the problems that say the same, in the order in which they come."""
    gathered: dict[str, list[Problem]] = {}
    for found in problems:
        gathered.setdefault(found.message, []).append(found)
    return tuple(Cause(message, tuple(found)) for message, found in gathered.items())


def not_looked_at(problems: Iterable[Problem]) -> str:
    """Return what problems are about: how many tags of which entries."""
    return ", ".join(_places(problems))


def _places(problems: Iterable[Problem]) -> Iterator[str]:
    entries: dict[str, list[str]] = {}
    for found in problems:
        entries.setdefault(place(found.entry, found.line), []).append(found.reference)
    named = list(entries.items())
    shown = len(named) if len(named) <= _NAMED + 1 else _NAMED
    for entry, references in named[:shown]:
        yield f"{_counted(references)} of {entry}" if entry else _counted(references)
    if more := named[shown:]:
        yield f"{_counted(each for _, references in more for each in references)} of {len(more)} other entries"


def as_causes(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [
        {"message": cause.message, "problems": len(cause.problems), "text": str(cause)} for cause in causes(problems)
    ]


def _counted(references: Iterable[str]) -> str:
    distinct = tuple(dict.fromkeys(references))
    tags = sum(map(_is_tag, distinct))
    others = [reference for reference in distinct if not _is_tag(reference)]
    parts = [plural(tags, "tag")] if tags else []
    if len(others) > _NAMED:
        parts.append(f"{len(others)} repositories")
    else:
        parts += others
    return " and ".join(parts)


def _is_tag(reference: str) -> bool:
    """Whether a reference names a tag or a digest; one of a registry alone may have a port."""
    path, slash, last = reference.rpartition("/")
    return bool(path and slash) and not {":", "@"}.isdisjoint(last)
