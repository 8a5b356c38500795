"""Which of a repository's tags an entry wants, and why."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from transship_planner.tags.semver import SemverRange
from transship_planner.tags.versions import Group, Suffix, Version, group_of, is_ordered, newest_first, split_suffix
from transship_registry.errors import TransshipError


class InvalidPatternError(TransshipError, ValueError):
    """A regular expression that RE2 does not take: what is wrong with it in words, and the way out if there is one."""

    def __init__(self, pattern: str, problem: str, advice: str = "") -> None:
        """Compose the message from its parts."""
        self.pattern = pattern
        self.problem = problem
        self.advice = advice
        message = f"pattern {pattern!r} is not a regular expression (RE2): {problem}"
        super().__init__(f"{message}; {advice}" if advice else message)


class InvalidKeepLastError(TransshipError, ValueError):
    """A `keep_last` that keeps less than nothing."""

    def __init__(self, count: int) -> None:
        """Compose the message from the count that was given."""
        self.count = count
        super().__init__(f"keep_last {count} is negative; give how many of the newest tags to keep, or 0 to keep all")


@dataclass(frozen=True, slots=True)
class TagPattern:
    """A regular expression (RE2 syntax) over tag or repository names; raises `InvalidPatternError`."""

    text: str
    anchored: bool = True

    def __post_init__(self) -> None:
        """Refuse what RE2 does not take."""
        _matcher(self.text, anchored=self.anchored)

    def matches(self, name: str) -> bool:
        """Tell whether the name matches: as a whole when anchored, else anywhere in it."""
        return bool(_matcher(self.text, anchored=self.anchored)(name))

    def regsync_differences(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names for which regsync's reading gives another answer.

        regsync puts `^` and `$` around a pattern without a group, so that `v1|v2` means "begins with v1, or ends with
        v2" (semantics B9.1). Only anchored patterns are compared: the others are not regsync's.
        """
        if not self.anchored:
            return ()
        theirs = _matcher(f"^{self.text}$", anchored=False)
        return tuple(name for name in names if bool(theirs(name)) != self.matches(name))


class Step(Enum):
    """What decided about a tag in one set of rules, in the order in which they are asked (semantics B9.3)."""

    NOT_A_VERSION = "not a version"
    OUT_OF_RANGE = "out of range"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"
    PASSED = "passed"


class Verdict(NamedTuple):
    """What one set of rules says of a tag: the deciding step, and the ranges or patterns that decided, as written."""

    step: Step
    rules: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the set wants the tag."""
        return self.step is Step.PASSED

    def __str__(self) -> str:
        """Say the verdict in words."""
        rules = ", ".join(map(repr, self.rules))
        match self.step:
            case Step.NOT_A_VERSION:
                return f"dropped: not a version, and the semver range {rules} takes versions only"
            case Step.OUT_OF_RANGE:
                return f"dropped: outside the semver range {rules}"
            case Step.NOT_ALLOWED:
                return f"dropped: no allow pattern matches ({rules})"
            case Step.DENIED:
                return f"dropped: the deny pattern {rules} matches"
            case Step.PASSED:
                return f"selected by {rules}" if rules else "selected: nothing in the set speaks against it"


@dataclass(frozen=True, slots=True)
class TagSet:
    """One filter: semver ranges, then allow, then deny, all of which must let a tag pass (semantics B9.3).

    Of several ranges, and of several allow patterns, any may match; an empty list lets everything pass.
    """

    semver: tuple[SemverRange, ...] = ()
    allow: tuple[TagPattern, ...] = ()
    deny: tuple[TagPattern, ...] = ()

    def judge(self, tag: str, versions: Mapping[str, Version | None]) -> Verdict:
        """Decide about a tag, given what each tag reads as."""
        rules: tuple[str, ...] = ()
        if self.semver:
            version = versions[tag]
            if version is None:
                return Verdict(Step.NOT_A_VERSION, _texts(self.semver))
            admitting = _admitting(self.semver, version)
            if admitting is None:
                return Verdict(Step.OUT_OF_RANGE, _texts(self.semver))
            rules = (admitting.text,)
        if self.allow:
            allowing = _matching(self.allow, tag)
            if allowing is None:
                return Verdict(Step.NOT_ALLOWED, _texts(self.allow))
            rules = (*rules, allowing.text)
        denying = _matching(self.deny, tag)
        return Verdict(Step.DENIED, (denying.text,)) if denying else Verdict(Step.PASSED, rules)


@dataclass(frozen=True, slots=True)
class KeepLast:
    """Keep the newest `count` tags of each group, 0 for all; raises `InvalidKeepLastError` (semantics A5)."""

    count: int = 0
    per: Group = Group.ALL

    def __post_init__(self) -> None:
        """Refuse a negative count (semantics A4.4)."""
        if self.count < 0:
            raise InvalidKeepLastError(self.count)

    def keeps(self, place: "Place") -> bool:
        """Tell whether a tag at this place stays."""
        return not self.count or place.rank <= self.count

    def ranked(
        self, tags: Iterable[str], versions: Mapping[str, Version | None], dates: Mapping[str, datetime]
    ) -> dict[str, "Place"]:
        """Return the place of every tag in its group; the tags are in order, newest first."""
        counts: dict[str | None, int] = {}
        places: dict[str, Place] = {}
        for tag in newest_first(tags, versions, dates):
            group = group_of(versions[tag], self.per)
            counts[group] = counts.get(group, 0) + 1
            places[tag] = Place(counts[group], group)
        return places


class Place(NamedTuple):
    """The place of a tag in its group for `keep_last`, from 1; tags that are no versions have the group None."""

    rank: int
    group: str | None


class Trap(Enum):
    """A rule that is easily read otherwise than it works."""

    SUFFIX_IS_PRERELEASE = "suffix is read as a pre-release"
    UNGROUPED_ALTERNATION = "regsync reads the alternation without a group"
    UNANCHORED = "pattern matches a part of the tag"
    RANGE_AND_ALLOW = "range and allow must both match"
    DATE_IS_VERSION = "date is read as a version"


class TrapFound(NamedTuple):
    """A trap that this tag and this rule meet, in words."""

    trap: Trap
    message: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a tag is selected or not.

    `verdicts` has one verdict for each set; `place` is None when the tag did not come as far as `keep_last`, or all are
    kept; `matching` is how many tags of the place's group did.
    """

    tag: str
    selected: bool
    listed: bool
    verdicts: tuple[Verdict, ...]
    keep_last: KeepLast
    place: Place | None = None
    matching: int = 0
    traps: tuple[TrapFound, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Say it in words, one thing a line."""
        found = [f"set {number}: {verdict}" for number, verdict in enumerate(self.verdicts, 1)]
        if not self.listed:
            found.insert(0, f"the repository has no tag {self.tag!r}")
        elif not self.verdicts:
            found.append("no tag rules: every tag is selected")
        if self.place:
            found.append(self._place_line(self.place))
        return *found, *(trap.message for trap in self.traps)

    def _place_line(self, place: Place) -> str:
        kept = "kept" if self.selected else "dropped"
        among = _group_words(self.keep_last.per, place.group)
        return (
            f"{kept} by keep_last: number {place.rank} of {self.matching} {among}, newest first; "
            f"the first {self.keep_last.count} are kept"
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The union of the sets in their order (no set: every tag), and of these the newest `keep_last` (0: all).

    `per` says of what groups the newest are kept; `min_tags` how many tags the sets must find, lest a pattern that has
    come to match next to nothing goes unnoticed. Raises `InvalidKeepLastError`.
    """

    sets: tuple[TagSet, ...] = ()
    keep_last: int = 0
    per: Group = Group.ALL
    min_tags: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative `keep_last`."""
        KeepLast(self.keep_last, self.per)

    @property
    def window(self) -> KeepLast:
        """What `keep_last` and `per` say together."""
        return KeepLast(self.keep_last, self.per)

    def select(self, tags: Sequence[str], dates: Mapping[str, datetime] | None = None) -> tuple[str, ...]:
        """Return the wanted tags, each once.

        Without `keep_last` they are in the order of the sets, and within a set in the order of `tags` (semantics B9.5);
        with it they are newest first, whatever the order of `tags`. `dates` are aware; tags without one count as older
        than the others, among those that are no versions.
        """
        return self._decide(tags, _Versions(), dates or {})[0]

    def needs_dates(self, tags: Sequence[str]) -> bool:
        """Tell whether it depends on dates which of these tags `select` returns.

        Dates order tags that are no versions, all behind the versions: they decide only where some of these are kept
        and some are not.
        """
        if not self.keep_last:
            return False
        versions = _Versions()
        matching = self._union(tags, versions)
        ordered = sum(is_ordered(versions[tag]) for tag in matching)
        kept = self.keep_last - ordered if self.per is Group.ALL else self.keep_last
        return 0 < kept < len(matching) - ordered

    def shortage(self, tags: Sequence[str]) -> str:
        """Say that the sets find fewer tags than `min_tags`, before `keep_last`; empty when there are enough."""
        if not self.min_tags:
            return ""
        found = len(self._union(tags, _Versions()))
        if found >= self.min_tags:
            return ""
        return (
            f"{found} of {len(tags)} tags match, min_tags asks for {self.min_tags}; nothing of this entry is planned: "
            "check its tag rules, or lower min_tags"
        )

    def explain(self, tag: str, tags: Sequence[str], dates: Mapping[str, datetime] | None = None) -> Explanation:
        """Say why `select` takes or drops the tag; it is asked about even when `tags` do not hold it."""
        versions = _Versions()
        selected, places = self._decide(tags, versions, dates or {})
        place = places.get(tag)
        return Explanation(
            tag=tag,
            selected=tag in selected,
            listed=tag in tags,
            verdicts=tuple(tag_set.judge(tag, versions) for tag_set in self.sets),
            keep_last=self.window,
            place=place,
            matching=sum(other.group == place.group for other in places.values()) if place else 0,
            traps=self._traps(tag, versions),
        )

    def _decide(
        self, tags: Sequence[str], versions: Mapping[str, Version | None], dates: Mapping[str, datetime]
    ) -> tuple[tuple[str, ...], dict[str, Place]]:
        matching = self._union(tags, versions)
        if not self.keep_last:
            return matching, {}
        window = self.window
        places = window.ranked(matching, versions, dates)
        return tuple(tag for tag, place in places.items() if window.keeps(place)), places

    def _union(self, tags: Sequence[str], versions: Mapping[str, Version | None]) -> tuple[str, ...]:
        if not self.sets:
            return tuple(dict.fromkeys(tags))
        return tuple(dict.fromkeys(tag for tag_set in self.sets for tag in tags if tag_set.judge(tag, versions).passed))

    def _traps(self, tag: str, versions: Mapping[str, Version | None]) -> tuple[TrapFound, ...]:
        found = [trap for tag_set in self.sets for trap in _set_traps(tag_set, tag, versions)]
        if self.keep_last or any(tag_set.semver for tag_set in self.sets):
            found += _date_traps(tag)
        return tuple(dict.fromkeys(found))


class _Versions(dict[str, Version | None]):
    """What each tag reads as; a tag is parsed when it is first asked for, and once."""

    def __missing__(self, tag: str) -> Version | None:
        version = self[tag] = Version.read(tag)
        return version


def _texts(rules: Iterable[SemverRange | TagPattern]) -> tuple[str, ...]:
    return tuple(rule.text for rule in rules)


def _admitting(ranges: Iterable[SemverRange], version: Version) -> SemverRange | None:
    return next((candidate for candidate in ranges if candidate.matches(version)), None)


def _matching(patterns: Iterable[TagPattern], tag: str) -> TagPattern | None:
    return next((pattern for pattern in patterns if pattern.matches(tag)), None)


def _group_words(per: Group, group: str | None) -> str:
    match per:
        case Group.ALL:
            return "matching tags"
        case _ if group is None:
            return "matching tags that are no versions"
        case Group.VARIANT:
            return f"matching tags of variant {group}" if group else "matching tags without a variant"
        case Group.MAJOR | Group.MINOR:
            return f"matching tags of version {group}"


def _set_traps(tag_set: TagSet, tag: str, versions: Mapping[str, Version | None]) -> Iterator[TrapFound]:
    verdict = tag_set.judge(tag, versions)
    version = versions[tag]
    if version is not None:
        yield from _suffix_traps(tag_set.semver, tag, version)
    if verdict.step is Step.NOT_A_VERSION and _matching(tag_set.allow, tag):
        yield TrapFound(
            Trap.RANGE_AND_ALLOW,
            f"trap: allow matches {tag!r}, but in one set semver range and allow must both match; "
            "put allow into a tag set of its own",
        )
    for pattern in (*tag_set.allow, *tag_set.deny):
        yield from _pattern_traps(pattern, tag)


def _suffix_traps(ranges: Iterable[SemverRange], tag: str, version: Version) -> Iterator[TrapFound]:
    variant = split_suffix(version.suffix)[1]
    for semver in ranges:
        admitted = semver.matches(version)
        if admitted == semver.admits(version.precedence(Suffix.VARIANT)):
            continue
        plain, place = tag.removesuffix(f"-{version.suffix}"), "inside" if admitted else "outside"
        yield TrapFound(
            Trap.SUFFIX_IS_PRERELEASE,
            f"trap: semver reads the suffix of {tag!r} as a pre-release, older than {plain!r}, which puts it {place} "
            f"{semver.text!r}; if {variant!r} is a variant, set semverSuffix: variant to compare numbers only",
        )


def _pattern_traps(pattern: TagPattern, tag: str) -> Iterator[TrapFound]:
    text = pattern.text
    if pattern.regsync_differences([tag]):
        theirs, ours = ("does not match", "does") if pattern.matches(tag) else ("matches", "does not")
        yield TrapFound(
            Trap.UNGROUPED_ALTERNATION,
            f"trap: regsync reads the pattern {text!r} as {f'^{text}$'!r}, which {theirs} {tag!r}; "
            f"transship reads {f'^(?:{text})$'!r}, which {ours}",
        )
    if not pattern.anchored and pattern.matches(tag) and not TagPattern(text).matches(tag):
        yield TrapFound(
            Trap.UNANCHORED,
            f"trap: the pattern {text!r} matches a part of {tag!r}; write {f'^(?:{text})$'!r} to match whole tags only",
        )


def _date_traps(tag: str) -> Iterator[TrapFound]:
    if _DATE.fullmatch(tag):
        yield TrapFound(
            Trap.DATE_IS_VERSION,
            f"trap: {tag!r} looks like a date, and is read as version {tag}.0.0, newer than any ordinary version",
        )


_DATE = re.compile(r"v?20[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])")

_PROBLEMS: Final = {
    "missing )": "a '(' is not closed",
    "unexpected )": "a ')' closes nothing",
    "missing ]": "the '[' in {part} is not closed",
    "trailing \\": "a lone '\\' stands at its end",
    "no argument for repetition operator": "{part} has nothing before it to repeat",
    "bad repetition operator": "{part} repeats a repetition",
    "invalid repetition size": "{part} repeats too often, or its bounds are in the wrong order (RE2 goes up to 1000)",
    "invalid character class range": "{part} is no class or range of characters",
    "invalid escape sequence": "{part} is not an escape that RE2 knows",
    "invalid perl operator": "{part} is not a group that RE2 knows",
    "invalid named capture group": "{part} does not name a group",
    "pattern too large - compile failed": "it is too large",
}
"""RE2's error codes in words; `{part}` is the part of the pattern that RE2 complains about."""

_ADVICE: Final = (
    (re.compile(r"\(\?<?[=!]"), "RE2 has no look-around: match what you want with allow and drop the rest with deny"),
    (re.compile(r"\\[1-9k]|\(\?P="), "RE2 has no back-references: write the repeated part out"),
    (re.compile(r"\(\?>|[*+?]\+"), "RE2 never backtracks, so a plain group or repetition does the same"),
    (re.compile(r"\\Z"), "write $ for the end of the tag"),
    (re.compile(r"^\*"), "a pattern is not a shell glob: write '.*' for any text"),
)
"""What in a refused pattern has a way out."""


@lru_cache(maxsize=4096)
def _matcher(text: str, *, anchored: bool) -> Callable[[str], object]:
    """Compile a pattern to a function whose result is true when a name matches."""
    # google-re2 has no type stubs, and loads a C++ library that commands without patterns do not need.
    re2: Any = import_module("re2")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        raise _invalid(text, error.args[0].decode(errors="replace")) from None
    except UnicodeEncodeError:
        raise InvalidPatternError(text, "it holds half of a character (a lone surrogate)") from None
    # A set of one pattern answers yes or no five times as fast as `search`, which tells the places of all groups.
    single = re2.Set.FullMatchSet(options) if anchored else re2.Set.SearchSet(options)
    single.Add(text)
    try:
        single.Compile()
    except re2.error:
        # Sets need more memory than the same pattern alone, which is then only slower.
        found: Callable[[str], object] = compiled.fullmatch if anchored else compiled.search
        return lambda name: found(name) is not None
    match: Callable[[str], object] = single.Match
    return match


def _invalid(text: str, error: str) -> InvalidPatternError:
    code, _, part = error.partition(": ")
    problem = _PROBLEMS.get(code, error).format(part=repr(part))
    return InvalidPatternError(text, problem, next((advice for sign, advice in _ADVICE if sign.search(text)), ""))
