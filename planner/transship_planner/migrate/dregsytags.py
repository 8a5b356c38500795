"""The `tags` of a dregsy mapping as tag rules of transship.

dregsy takes the union of its filters and of the tags that are named, drops what one of the `keep:` patterns does not
match, and of the versions that remain keeps the newest when there is a `keep: latest`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from transship_planner.config.problems import Problems, quote
from transship_planner.config.scalarkinds import nearest
from transship_planner.config.section import Section, Value
from transship_planner.errors import Finding, Mark
from transship_planner.migrate.blang import semver_range
from transship_planner.migrate.patterns import between_anchors, exact, has_alternatives, whole
from transship_planner.migrate.tagsets import Rules
from transship_planner.migrate.versions import BLANG_VERSION, NOT_BLANG_VERSION, prerelease_notes
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import TagPattern
from transship_registry.reference import check_tag

_SEMVER: Final = "semver:"
_REGEX: Final = "regex:"
_KEEP: Final = "keep:"
_ORDER: Final = (
    "of tags with the same numbers, transship counts variants before pre-releases and compares numbers in a suffix by "
    "value; dregsy goes letter by letter"
)
_UNLIMITED: Final = (
    "the tags that are no versions are in an entry of their own and all mirrored; "
    "dregsy limits them too when there is no version among the tags"
)
_DIGEST: Final = re.compile(r"(?:^|@)[a-z0-9+._-]+:[0-9a-zA-Z]{32,}$")
_PREFIX: Final = re.compile(r"[A-Za-z]+\s*:")
_KEEP_LATEST: Final = re.compile(r"keep:\s+latest\s+([0-9]{1,9})")
_MEANT_KEEP_LATEST: Final = re.compile(r"keep:\s*latest(?:\s*(-?[0-9]*))?")


@dataclass(slots=True)
class _Filters:
    """The items of `tags` by their kinds; patterns match whole tags."""

    named: list[str] = field(default_factory=list[str])
    digests: list[Value] = field(default_factory=list[Value])
    semver: list[str] = field(default_factory=list[str])
    regex: list[str] = field(default_factory=list[str])
    inverted: list[str] = field(default_factory=list[str])
    keep: list[str] = field(default_factory=list[str])
    drop: list[str] = field(default_factory=list[str])
    latest: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What one entry selects: the union of the sets, and of these the newest; a set without rules is every tag."""

    sets: tuple[Rules, ...]
    keep_last: int = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """What explains the sets."""
        about_versions = {BLANG_VERSION, *NOT_BLANG_VERSION}
        if not any(about_versions.intersection((*rules.allow, *rules.deny)) for rules in self.sets):
            return ()
        return ("the long patterns tell what dregsy takes for a version: a suffix only behind three numbers",)


@dataclass(frozen=True, slots=True)
class DregsyTags:
    """The entries that a mapping needs, the images that it names by digest, and what is to be said about both.

    `reason` says why the rules cannot be carried over; there are no parts then.
    """

    parts: tuple[Part, ...] = ()
    digests: tuple[Value, ...] = ()
    notes: tuple[Finding, ...] = ()
    reason: str = ""


def read_tags(mapping: Section, problems: Problems) -> DregsyTags:
    """Read the list of a mapping; what is wrong in it goes to `problems`."""
    filters = _Filters()
    notes: list[Finding] = []
    for item in mapping.items("tags"):
        try:
            notes += (Finding(item.mark, message) for message in _sort_in(item, filters))
        except ValueError as error:
            problems.error(item.mark, f"{item.path}: {error}")
    found = _combined(filters, mapping.at("tags"), mapping.where("tags"))
    digests = tuple(item for item in filters.digests if _survives(str(item.data), filters))
    return replace(found, digests=digests, notes=(*notes, *found.notes))


def _sort_in(item: Value, filters: _Filters) -> list[str]:
    """Put an item where it belongs, and return what there is to say about it; raises `ValueError`."""
    words, path = str(item.data).strip(), item.path
    if words.startswith(_SEMVER):
        text = semver_range(words.removeprefix(_SEMVER))
        SemverRange.parse(text)
        filters.semver.append(text)
        return list(prerelease_notes(text, path, "dregsy"))
    if words.startswith(_REGEX):
        return _sort_pattern(words.removeprefix(_REGEX), filters.regex, filters.inverted, path)
    if latest := _KEEP_LATEST.fullmatch(words):
        filters.latest = int(latest[1])
        return []
    if _MEANT_KEEP_LATEST.fullmatch(words):
        raise ValueError(f"expected a count as in 'keep: latest 5', found {quote(words)}, a pattern to dregsy")
    if words.startswith(_KEEP):
        return _sort_pattern(words.removeprefix(_KEEP), filters.keep, filters.drop, path)
    if _DIGEST.search(words):
        filters.digests.append(replace(item, data=words))
    elif prefix := _PREFIX.match(words):
        near = nearest(prefix[0], (_SEMVER, _REGEX, _KEEP))
        raise ValueError(f"expected a tag, a digest, 'semver:', 'regex:' or 'keep:', found {quote(words)}{near}")
    else:
        filters.named.append(check_tag(words))
    return []


def _sort_pattern(text: str, plain: list[str], inverted: list[str], path: str) -> list[str]:
    text = text.strip()
    pattern = text.removeprefix("!")
    (inverted if text.startswith("!") else plain).append(whole(between_anchors(pattern)))
    return alternatives_note(pattern, path)


def alternatives_note(pattern: str, path: str) -> list[str]:
    """Say what dregsy's anchors do to a pattern with alternatives; nothing when it has none."""
    if not has_alternatives(pattern):
        return []
    return [
        f"{path}: dregsy searches for {quote(between_anchors(pattern))}, whose anchors belong to the first and "
        "the last alternative only, and so does this entry; if whole names were meant, write the pattern itself"
    ]


def _combined(filters: _Filters, path: str, mark: Mark) -> DregsyTags:
    named = [tag for tag in filters.named if _survives(tag, filters)]
    bases = _bases(filters)
    if filters.keep and (len(filters.keep) > 1 or any(base.allow for base in bases)) and bases:
        return DregsyTags(
            reason=f"{path}: a tag must match a 'regex:' or another 'keep:' pattern besides a 'keep:' pattern; "
            "transship has no 'and' of two patterns, so join them to one"
        )
    if not (bases or named) and filters.digests:
        return DregsyTags()
    if not (bases or named):
        return DregsyTags(reason=f"{path}: the 'keep:' patterns drop all the tags that are named")
    bases = [_kept(base, filters) for base in bases]
    if not filters.latest:
        return DregsyTags(parts=(Part(tuple(_with_named(bases, named))),))
    parts, notes = _limited(bases, named, filters.latest)
    return DregsyTags(parts=parts, notes=tuple(Finding(mark, f"{path}: {message}") for message in notes))


def _survives(tag: str, filters: _Filters) -> bool:
    return all(TagPattern(pattern).matches(tag) for pattern in filters.keep) and not any(
        TagPattern(pattern).matches(tag) for pattern in filters.drop
    )


def _bases(filters: _Filters) -> list[Rules]:
    """Return a set for each filter, before anything is dropped; one without rules when there is no filter at all."""
    bases: list[Rules] = []
    if filters.semver:
        bases.append(Rules(semver=tuple(filters.semver)))
    if filters.regex:
        bases.append(Rules(allow=tuple(filters.regex)))
    bases += [Rules(deny=(pattern,)) for pattern in filters.inverted]
    return bases or ([] if filters.named or filters.digests else [Rules()])


def _kept(base: Rules, filters: _Filters) -> Rules:
    """Add what the `keep:` patterns ask for, and of a range that it is about what dregsy reads as versions."""
    kept = replace(base, allow=base.allow or tuple(filters.keep), deny=(*base.deny, *filters.drop))
    return _versions_of(kept) if base.semver else kept


def _versions_of(rules: Rules) -> Rules:
    """Return the rules for what of their tags dregsy reads as a version."""
    if not rules.allow:
        return replace(rules, allow=(BLANG_VERSION,))
    return replace(rules, semver=rules.semver or ("*",), deny=(*rules.deny, *NOT_BLANG_VERSION))


def _with_named(bases: Iterable[Rules], named: Iterable[str]) -> list[Rules]:
    """Add the named tags, to the patterns when there is such a set; the `keep:` patterns let them pass already."""
    patterns = tuple(exact(tag) for tag in named)
    if not patterns:
        return list(bases)
    sets = list(bases)
    place = next((place for place, rules in enumerate(sets) if rules.allow and not rules.semver), None)
    if place is None:
        return [Rules(allow=patterns), *sets]
    sets[place] = replace(sets[place], allow=(*patterns, *sets[place].allow))
    return sets


def _limited(bases: list[Rules], named: list[str], latest: int) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Split the tags, because the limit is for versions: other tags are all kept beside them."""
    is_version = TagPattern(BLANG_VERSION)
    named_versions = [tag for tag in named if is_version.matches(tag)]
    others = [tag for tag in named if not is_version.matches(tag)]
    if not bases and not named_versions:  # then the limit is for the others, ordered as texts
        return (Part((Rules(allow=tuple(exact(tag) for tag in sorted(others)[-latest:])),)),), ()
    versions = [rules if rules.semver else _versions_of(rules) for rules in bases]
    rest = [replace(rules, deny=(*rules.deny, BLANG_VERSION)) for rules in bases if not rules.semver]
    newest = Part(tuple(_with_named(versions, named_versions)), latest)
    beside = (Part(tuple(_with_named(rest, others))),) if rest or others else ()
    unlimited = (_UNLIMITED,) if rest or len(others) > latest else ()
    return (newest, *beside), (_ORDER, *unlimited)
