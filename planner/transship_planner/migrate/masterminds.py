"""Constraints of Masterminds/semver 3, which skopeo's `images-by-semver` are written in, as tag rules.

Three things differ from transship's ranges. A version with a suffix is outside unless the constraint names a suffix; a
constraint without patch stands for all of them, so that `1.2` is `~1.2` and `>1.2` means from 1.3 on; and more than
three numbers are no version.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from transship_planner.migrate.tagsets import Rules, merged
from transship_planner.migrate.versions import MASTERMINDS_RELEASE, MASTERMINDS_VERSION

MOST_EXCLUDED: Final = 4
"""How many `!=` one alternative may have: each doubles the alternatives of the range that comes of it."""

_VERSION: Final = r"v?(?:[0-9]{1,128}|[xX*])(?:\.(?:[0-9]{1,128}|[xX*])){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_OPERATOR: Final = r"=>|=<|>=|<=|!=|~>|[=<>~^]|"
_HYPHEN: Final = re.compile(rf"(?<!\S)({_VERSION})\s+-\s+({_VERSION})(?!\S)")
_COMPARISON: Final = re.compile(rf"({_OPERATOR})\s*({_VERSION})(?:\s*,\s*|\s+|$)")
_SAME: Final = {"=>": ">=", "=<": "<=", "~>": "~", "": "="}


@dataclass(frozen=True, slots=True)
class _Version:
    """A version in a constraint: its numbers before the first wildcard, and its suffix."""

    numbers: tuple[str, ...]
    suffix: str

    @property
    def partial(self) -> bool:
        return len(self.numbers) < 3

    @property
    def full(self) -> str:
        """The version with zeros for what is missing."""
        return ".".join((*self.numbers, "0", "0", "0")[:3]) + self.suffix

    @property
    def family(self) -> str:
        """Everything that begins with the numbers."""
        return ".".join((*self.numbers, "x")) if self.partial else self.full

    def below(self, place: int) -> str:
        """What lies below all that has a greater number at `place`, pre-releases included."""
        kept = self.full.partition("-")[0].split(".")[: place + 1]
        kept[-1] = str(int(kept[-1]) + 1)
        return f"<{'.'.join((*kept, 'x'))}" if len(kept) < 3 else f"<{'.'.join(kept)}-0"


def tag_rules(constraint: str) -> tuple[Rules, ...]:
    """Return the sets of tags that satisfy the constraint; raises `ValueError` when it is none."""
    found = [_alternative(text) for text in _HYPHEN.sub(r">=\1 <=\2", constraint).split("||")]
    return merged(found)


def _alternative(text: str) -> Rules:
    comparisons = _comparisons(text)
    if sum(sign == "!=" for sign, _ in comparisons) > MOST_EXCLUDED:
        raise ValueError(f"more than {MOST_EXCLUDED} '!=' cannot be carried over; use 'deny' for them")
    suffixed = any(version.suffix for _, version in comparisons)
    choices = [_ranges(sign, version, suffixed=suffixed) for sign, version in comparisons]
    semver = " || ".join(" ".join(chosen) for chosen in product(*choices))
    return Rules(semver=(semver,), allow=(MASTERMINDS_VERSION if suffixed else MASTERMINDS_RELEASE,))


def _comparisons(text: str) -> list[tuple[str, _Version]]:
    rest = text.strip()
    if not rest:
        raise ValueError("expected a constraint such as '>= 1.2.3', found nothing")
    found: list[tuple[str, _Version]] = []
    while rest:
        comparison = _COMPARISON.match(rest)
        if comparison is None:
            raise ValueError(f"expected a constraint such as '>= 1.2.3', found {rest!r}")
        found.append((_SAME.get(comparison[1], comparison[1]), _version(comparison[2])))
        rest = rest[comparison.end() :]
    return found


def _version(text: str) -> _Version:
    release, dash, suffix = text.partition("+")[0].removeprefix("v").partition("-")
    numbers: list[str] = []
    for number in release.split("."):
        if not number.isdigit():
            break
        numbers.append(number)
    return _Version(tuple(numbers), dash + suffix)


def _ranges(sign: str, version: _Version, *, suffixed: bool) -> tuple[str, ...]:
    """Return the ranges of which one must hold."""
    if not version.numbers:
        return _anything(sign)
    if sign == "!=":
        return f"<{version.family}", f">{version.family}"
    return (_RANGES[sign](version, suffixed),)


def _anything(sign: str) -> tuple[str, ...]:
    if sign in {"<", ">", "!="}:
        raise ValueError(f"no version is {sign} all versions")
    return ("*",)


def _equal(version: _Version, suffixed: bool) -> str:
    return _tilde(version, suffixed) if version.partial else f"={version.full}"


def _tilde(version: _Version, suffixed: bool) -> str:
    if version.full == "0.0.0" and not version.partial:  # "~0.0.0 is a special case where all constraints are accepted"
        return ">=0.0.0"
    place = 0 if len(version.numbers) == 1 else 1
    if suffixed:
        return f">={version.full} {version.below(place)}"
    return f"~{'.'.join(version.numbers)}" if not version.partial else version.family


def _caret(version: _Version, suffixed: bool) -> str:
    if not suffixed:
        return f"^{'.'.join(version.numbers)}"
    leading = next((place for place, number in enumerate(version.numbers) if int(number)), len(version.numbers) - 1)
    return f">={version.full} {version.below(leading)}"


_RANGES: Final[Mapping[str, Callable[[_Version, bool], str]]] = {
    "=": _equal,
    "~": _tilde,
    "^": _caret,
    ">": lambda version, _: f">{version.family}",
    ">=": lambda version, _: f">={version.full}",
    "<": lambda version, _: f"<{version.full}",
    "<=": lambda version, _: f"<={version.family}",
}
