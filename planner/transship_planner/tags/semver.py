"""Semver ranges: the language in which `semverRange` says which versions it wants."""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, Self

from transship_planner.tags.versions import BELOW, RELEASE, Precedence, Suffix, Version, core, precedence, split_suffix
from transship_registry.errors import TransshipError


class InvalidRangeError(TransshipError, ValueError):
    """A semver range that cannot be read; `position` counts characters of `text` from 1."""

    def __init__(self, text: str, position: int, expected: str, found: str, advice: str = "") -> None:
        """Compose the message from its parts."""
        self.text = text
        self.position = position
        self.expected = expected
        self.found = found
        message = f"semver range {text!r}: expected {expected} at position {position}, found {found}"
        super().__init__(f"{message}; {advice}" if advice else message)


@dataclass(frozen=True, slots=True)
class Comparator:
    """One bound that a version is compared with: the relation is one of `<`, `<=`, `>`, `>=`, `=`."""

    relation: str
    bound: Precedence

    def admits(self, version: Precedence) -> bool:
        """Tell whether a version lies on the right side of the bound."""
        return _RELATIONS[self.relation](version, self.bound)


@dataclass(frozen=True, slots=True)
class SemverRange:
    """A range of versions: any of the alternatives admits a version that all of its comparators admit."""

    text: str
    alternatives: tuple[tuple[Comparator, ...], ...]
    suffix: Suffix = Suffix.PRERELEASE

    @classmethod
    def parse(cls, text: str, suffix: Suffix = Suffix.PRERELEASE) -> Self:
        """Parse a range; raises `InvalidRangeError`.

        The grammar is regsync's (semantics B9.10, B9.11) and what users of npm and Masterminds expect beyond it: `||`,
        commas, a space after an operator, the wildcards `*`, `1.x` and `1.2.*`, and `1.2 - 1.4` with both ends in.
        Wildcards and hyphen ranges take in the pre-releases of the versions they name and no others.
        """
        return cls(text, _Parser(text, suffix).alternatives(), suffix)

    @classmethod
    def parse_all(cls, texts: Iterable[str], suffix: Suffix = Suffix.PRERELEASE) -> tuple[Self, ...]:
        """Parse ranges of which any may hold; empty ones are skipped (semantics B9.10)."""
        return tuple(cls.parse(text, suffix) for text in texts if text.strip())

    def matches(self, version: Version) -> bool:
        """Tell whether the version is in the range, its suffix read the way the range was parsed for."""
        return self.admits(version.precedence(self.suffix))

    def admits(self, version: Precedence) -> bool:
        """Tell whether a version whose suffix has been read already is in the range."""
        return any(all(comparator.admits(version) for comparator in every) for every in self.alternatives)

    def __str__(self) -> str:
        """Return the range as written."""
        return self.text


@dataclass(frozen=True, slots=True)
class SemverDifference:
    """A range that transship reads otherwise than regsync, both readings, and a version that only transship admits."""

    text: str
    regsync: str
    transship: str
    witness: str
    reason: str


_NPM = "npm and Masterminds read it so"
_ERROR = "an error"

SEMVER_DIFFERENCES: Final = (
    SemverDifference("~1", ">=1.0.0 <1.1.0", ">=1.0.0 <2.0.0", "1.5.0", _NPM),
    SemverDifference("~0", ">=0.0.0 <0.1.0", ">=0.0.0 <1.0.0", "0.5.0", _NPM),
    SemverDifference("^0", ">=0.0.0 <0.0.1", ">=0.0.0 <1.0.0", "0.5.0", _NPM),
    SemverDifference("^0.0", ">=0.0.0 <0.0.1", ">=0.0.0 <0.1.0", "0.0.5", _NPM),
    SemverDifference(
        ">1.0.0-rc.1",
        "rc.1 and rc.2 are equal",
        "rc.1 is older than rc.2",
        "1.0.0-rc.2",
        "SemVer 2.0.0 § 11; regsync stops comparing at two equal words without a number",
    ),
    SemverDifference(">= 1.0", _ERROR, ">=1.0", "1.0.0", "a space after the operator is common"),
    SemverDifference(">=1.0, <2.0", _ERROR, ">=1.0 <2.0", "1.5.0", "a comma means and, as in Masterminds"),
    SemverDifference("<1 || >=3", _ERROR, "either of the two", "3.0.0", _NPM),
    SemverDifference("*", _ERROR, "every version", "0.0.0-rc1", _NPM),
    SemverDifference("1.x", _ERROR, "every version that begins with 1.", "1.0.0-rc1", _NPM),
    SemverDifference("1.2 - 1.4", _ERROR, "every version from 1.2 to the last 1.4", "1.4.9", _NPM),
)
"""Every deliberate difference between regsync's ranges and ours."""


_RELATIONS: dict[str, Callable[[Precedence, Precedence], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_TOKEN = re.compile(r"(?P<blank>\s+)|(?P<or>\|\|)|(?P<comma>,)|(?P<operator>[<>]=?|[=^~])|(?P<word>[^\s,|<>=^~]+|.)")
_WORD = re.compile(r"v?(?P<numbers>(?:[0-9]{1,128}|[xX*])(?:\.(?:[0-9]{1,128}|[xX*]))*)(?P<suffix>-[^+]*)?(?:\+.*)?")
_WILDCARDS = frozenset("xX*")
_A_VERSION = "a version such as 1.2.3 or 1.x"
_HYPHEN_ADVICE = "a hyphen range has a space on both sides: 1.2 - 1.4"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class _Partial:
    """A version in a range: its numbers up to the first wildcard, and its suffix."""

    parts: tuple[int, ...]
    wildcard: bool
    suffix: str
    token: _Token

    @property
    def is_open(self) -> bool:
        """Whether an end of a hyphen range stands for everything that begins with these numbers, as in npm."""
        return self.wildcard or (len(self.parts) < 3 and not self.suffix)

    @property
    def exact(self) -> Precedence:
        return precedence(self.parts, self.suffix)

    @property
    def floor(self) -> Precedence:
        """Below everything that begins with these numbers, pre-releases included."""
        return core(self.parts), BELOW, ()

    @property
    def ceiling(self) -> Precedence:
        """Above everything that begins with these numbers."""
        return core(_bumped(self.parts, len(self.parts) - 1)), BELOW, ()


class _Parser:
    """A parser of one range, left to right."""

    def __init__(self, text: str, suffix: Suffix) -> None:
        self._text = text
        self._suffix = suffix
        self._end = _Token("end", "", len(text) + 1)
        self._tokens = [
            _Token(match.lastgroup or "", match[0], match.start() + 1)
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "blank"
        ]
        self._next = 0

    def alternatives(self) -> tuple[tuple[Comparator, ...], ...]:
        found = [self._every()]
        while self._take("or"):
            found.append(self._every())
        return tuple(found)

    def _every(self) -> tuple[Comparator, ...]:
        comparators = self._simple_or_hyphen()
        while self._take("comma") or self._peek().kind not in {"or", "end"}:
            comparators += self._simple_or_hyphen()
        return comparators

    def _simple_or_hyphen(self) -> tuple[Comparator, ...]:
        sign = self._take("operator")
        version = self._version()
        if self._peek().text != "-":
            return self._simple(sign.text if sign else "=", version)
        if sign:
            self._fail(self._peek(), "a plain comparison", f"a hyphen range takes no {sign.text}")
        self._next += 1
        return _hyphen(version, self._version())

    def _version(self) -> _Partial:
        token = self._peek()
        match = _WORD.fullmatch(token.text) if token.kind == "word" else None
        if match is None:
            self._fail(token, _A_VERSION, _HYPHEN_ADVICE if token.text.startswith("-") else "")
        self._next += 1
        numbers = match["numbers"].split(".")
        parts = tuple(int(number) for number in numbers if number not in _WILDCARDS)
        wildcard = len(parts) < len(numbers)
        if wildcard and _WILDCARDS.intersection(numbers[: len(parts)]):
            self._fail(token, "only wildcards after a wildcard")
        suffix = match["suffix"] or ""
        self._check_suffix(token, wildcard, suffix)
        return _Partial(parts, wildcard, suffix[1:], token)

    def _check_suffix(self, token: _Token, wildcard: bool, suffix: str) -> None:
        if wildcard and suffix:
            self._fail(token, "no suffix after a wildcard", "name a variant under allow, such as '.*-alpine'")
        if suffix == "-":
            self._fail(token, "a suffix after the '-'", _HYPHEN_ADVICE)
        if self._suffix is Suffix.VARIANT and split_suffix(suffix[1:])[1]:
            advice = "with semverSuffix: variant only numbers are compared; name a variant under allow"
            self._fail(token, "a version without a variant", advice)

    def _simple(self, sign: str, version: _Partial) -> tuple[Comparator, ...]:
        if not version.wildcard:
            return _compared(sign, version)
        if version.parts:
            return _compared_wildcard(sign, version)
        if sign in {"<", ">"}:
            self._fail(version.token, "a version with a number", f"no version is {sign} all versions")
        return ()

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end

    def _take(self, kind: str) -> _Token | None:
        token = self._peek()
        if token.kind != kind:
            return None
        self._next += 1
        return token

    def _fail(self, token: _Token, expected: str, advice: str = "") -> NoReturn:
        found = repr(token.text) if token.text else "the end"
        raise InvalidRangeError(self._text, token.position, expected, found, advice)


def _compared(sign: str, version: _Partial) -> tuple[Comparator, ...]:
    if sign not in {"^", "~"}:
        return (Comparator(sign, version.exact),)
    upper = _caret_end(version.parts) if sign == "^" else _tilde_end(version.parts)
    # As in regsync the upper bound is the release, so that pre-releases of it are inside (semantics B9.12).
    return Comparator(">=", version.exact), Comparator("<", (core(upper), RELEASE, ()))


def _compared_wildcard(sign: str, version: _Partial) -> tuple[Comparator, ...]:
    match sign:
        case ">" | "<=":
            return (Comparator(">=" if sign == ">" else "<", version.ceiling),)
        case ">=" | "<":
            return (Comparator(sign, version.floor),)
        case "^":
            return Comparator(">=", version.floor), Comparator("<", (core(_caret_end(version.parts)), BELOW, ()))
        case _:
            return Comparator(">=", version.floor), Comparator("<", version.ceiling)


def _hyphen(first: _Partial, last: _Partial) -> tuple[Comparator, ...]:
    lower = Comparator(">=", first.floor if first.is_open else first.exact)
    if not last.parts:
        return (lower,)
    return lower, Comparator("<", last.ceiling) if last.is_open else Comparator("<=", last.exact)


def _caret_end(parts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first release that changes the leftmost number that is not zero, or else the last one given."""
    leading = parts[:3]
    place = next((place for place, number in enumerate(leading) if number), len(leading) - 1)
    return _bumped(parts, place)


def _tilde_end(parts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the next minor release, or the next major one when no minor number is given."""
    return _bumped(parts, min(len(parts), 2) - 1)


def _bumped(parts: tuple[int, ...], place: int) -> tuple[int, ...]:
    return *parts[:place], parts[place] + 1
