"""Reads which tags and repositories an entry selects (semantics A4, B9)."""

from transship_planner.config.problems import Problems
from transship_planner.config.section import Section, Value
from transship_planner.tags.semver import InvalidRangeError, SemverRange
from transship_planner.tags.tagrules import InvalidPatternError, KeepLast, Selection, TagPattern, TagSet
from transship_planner.tags.versions import Group, Suffix


def read_selection(entry: Section, problems: Problems) -> Selection:
    """Return the tags an entry selects, in either format's spelling."""
    suffix = entry.text("semverSuffix", Suffix.PRERELEASE.value)
    sets = [_tag_set(section, suffix, problems) for section in entry.sections("tagSets")]
    tags = entry.section("tags")
    if any(tags.items(key) for key in ("semverRange", "allow", "deny")):
        sets.append(_tag_set(tags, suffix, problems))
    if "tag_regex" in entry:
        sets.append(TagSet(allow=_pattern(entry.values["tag_regex"], problems, anchored=False)))
    if "tag" in entry:
        # of the characters a tag may have, only the dot means more in a pattern
        sets.append(TagSet(allow=(TagPattern(entry.text("tag").replace(".", r"\.")),)))
    kept = read_keep_last(entry)
    return Selection(sets=tuple(sets), keep_last=kept.count, per=kept.per, min_tags=entry.whole("min_tags"))


def read_keep_last(entry: Section) -> KeepLast:
    """Return how many of the newest tags are kept, whether a number says it or a mapping."""
    rule = entry.section("keep_last")
    return KeepLast(entry.whole("keep_last") or rule.whole("count"), Group(rule.text("per", Group.ALL.value)))


def read_patterns(section: Section, key: str, problems: Problems) -> tuple[TagPattern, ...]:
    """Return the patterns of a list, which match whole names."""
    return tuple(pattern for value in section.items(key) for pattern in _pattern(value, problems, anchored=True))


def _tag_set(section: Section, suffix: str, problems: Problems) -> TagSet:
    own = Suffix(section.text("semverSuffix", suffix))
    return TagSet(
        semver=tuple(found for value in section.items("semverRange") for found in _range(value, own, problems)),
        allow=read_patterns(section, "allow", problems),
        deny=read_patterns(section, "deny", problems),
    )


def _pattern(value: Value, problems: Problems, *, anchored: bool) -> tuple[TagPattern, ...]:
    try:
        return (TagPattern(str(value.data), anchored=anchored),)
    except InvalidPatternError as error:
        problems.error(value.mark, f"{value.path}: {error}")
        return ()


def _range(value: Value, suffix: Suffix, problems: Problems) -> tuple[SemverRange, ...]:
    if not str(value.data).strip():  # semantics B9.10: empty strings are skipped
        return ()
    try:
        return (SemverRange.parse(str(value.data), suffix),)
    except InvalidRangeError as error:
        problems.error(value.mark, f"{value.path}: {error}")
        return ()
