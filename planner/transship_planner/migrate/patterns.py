"""Patterns of other tools, as ones that match whole tags, which is how `allow`, `deny` and `repos` read them."""

import re
from collections.abc import Iterator
from typing import Final

from transship_planner.tags.tagrules import TagPattern

_QUANTIFIERS: Final = frozenset("*+?{")
_ANYTHING: Final = ".*"
_LITERAL: Final = r"\Q"
_CLASS_START: Final = re.compile(r"\[\^?\]?")
_NAMED_CLASS: Final = re.compile(r"\[:\^?[a-z]+:\]")


def exact(text: str) -> str:
    """Return the pattern of a tag that is given literally: of the characters of a tag, only the dot means more."""
    return text.replace(".", r"\.")


def whole(pattern: str) -> str:
    """Return the pattern that matches the whole of the tags in which this one is found, as Go's `MatchString` looks.

    The anchors `^` and `$` at the ends go, and where there is none `.*` comes. Raises `InvalidPatternError`.
    """
    TagPattern(pattern, anchored=False)
    if _LITERAL in pattern or has_alternatives(pattern):
        return f".*(?:{pattern}).*"
    begins = pattern.startswith("^") and pattern[1:2] not in _QUANTIFIERS
    ends = pattern.endswith("$") and not _is_escaped(pattern, len(pattern) - 1)
    inner = pattern[1 if begins else 0 : -1 if ends else None]
    if begins and ends:
        return inner or f"(?:{pattern})"
    before = "" if begins or inner.startswith(_ANYTHING) else _ANYTHING
    after = "" if ends or _ends_with_anything(before + inner) else _ANYTHING
    return f"{before}{inner}{after}"


def between_anchors(pattern: str) -> str:
    """Return the pattern that dregsy searches for: `^` and `$` put around it as text, unless they stand there.

    With alternatives the anchors belong to the first and the last of them only: `a|b` becomes `^a|b$`.
    """
    return f"{'' if pattern.startswith('^') else '^'}{pattern}{'' if pattern.endswith('$') else '$'}"


def has_alternatives(pattern: str) -> bool:
    """Tell whether a `|` stands outside all groups, so that what is around the pattern belongs to one side of it."""
    depth = 0
    for character in _syntax(pattern):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and not depth:
            return True
    return False


def _syntax(pattern: str) -> Iterator[str]:
    """Yield the characters that are neither escaped nor in a character class."""
    place = 0
    while place < len(pattern):
        if pattern[place] == "\\":
            place += 2
        elif start := _CLASS_START.match(pattern, place):
            place = _class_end(pattern, start.end())
        else:
            yield pattern[place]
            place += 1


def _class_end(pattern: str, place: int) -> int:
    """Return the place behind the `]` of a class whose contents begin at `place`."""
    while place < len(pattern) and pattern[place] != "]":
        named = _NAMED_CLASS.match(pattern, place)
        place = named.end() if named else place + (2 if pattern[place] == "\\" else 1)
    return place + 1


def _ends_with_anything(pattern: str) -> bool:
    return pattern.endswith(_ANYTHING) and not _is_escaped(pattern, len(pattern) - len(_ANYTHING))


def _is_escaped(pattern: str, place: int) -> bool:
    before = pattern[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
