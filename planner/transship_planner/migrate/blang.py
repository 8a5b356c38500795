"""Ranges of blang/semver 4, which dregsy's `semver:` filters are written in, as transship's.

A version in them has exactly three numbers and no `v`, or ends in `.x`. Pre-releases are compared like versions, as in
transship.
"""

import re
from itertools import product
from typing import Final

MOST_EXCLUDED: Final = 4
"""How many `!=` one alternative may have: each doubles the alternatives of the range that comes of it."""

_SUFFIX: Final = r"(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_VERSION: Final = re.compile(rf"([0-9]{{1,128}})\.(?:x|([0-9]{{1,128}})\.(?:x|([0-9]{{1,128}})({_SUFFIX})))")
_COMPARISON: Final = re.compile(r"(>=|<=|!=|==|[<>=!]|)\s*([^\s<>=!|]+)(?:\s+|$)")
_SAME: Final = {"": "=", "==": "=", "!": "!="}


def semver_range(text: str) -> str:
    """Return the range as transship writes it; raises `ValueError` when it is none."""
    return " || ".join(alternative for every in text.split("||") for alternative in _alternatives(every.strip()))


def _alternatives(text: str) -> list[str]:
    if not text:
        raise ValueError("expected a range such as '>=1.2.3 <2.0.0', found nothing")
    choices: list[tuple[str, ...]] = []
    rest = text
    while rest:
        comparison = _COMPARISON.match(rest)
        if comparison is None:
            raise ValueError(f"expected a comparison such as '>=1.2.3', found {rest!r}")
        choices.append(_ranges(_SAME.get(comparison[1], comparison[1]), comparison[2]))
        rest = rest[comparison.end() :]
    if sum(len(choice) > 1 for choice in choices) > MOST_EXCLUDED:
        raise ValueError(f"more than {MOST_EXCLUDED} '!=' cannot be carried over; use 'deny' for them")
    return [" ".join(chosen) for chosen in product(*choices)]


def _ranges(sign: str, text: str) -> tuple[str, ...]:
    """Return the ranges of which one must hold."""
    version = _VERSION.fullmatch(text)
    if version is None:
        advice = "; a range takes no 'v'" if text.startswith("v") else ""
        raise ValueError(f"expected a version with three numbers, such as 1.2.3, or 1.2.x, found {text!r}{advice}")
    major, minor, patch, suffix = version.groups()
    if patch is not None:
        exact = f"{major}.{minor}.{patch}{suffix.partition('+')[0]}"
        return (f"<{exact}", f">{exact}") if sign == "!=" else (f"{sign}{exact}",)
    first = f"{major}.{minor or 0}.0"
    after = f"{major}.{int(minor) + 1}.0" if minor else f"{int(major) + 1}.0.0"
    # as blang's expandWildcardVersion has it
    return {
        "=": (f">={first} <{after}",),
        "!=": (f"<{first}", f">={after}"),
        ">": (f">={after}",),
        ">=": (f">={first}",),
        "<": (f"<{first}",),
        "<=": (f"<{after}",),
    }[sign]
