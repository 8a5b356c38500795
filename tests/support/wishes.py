"""Short ways to write desired entries in tests."""

from dataclasses import replace

from transship_planner.desired import (
    Comparison,
    CopyRules,
    Desired,
    Dialect,
    Entry,
    ImageScope,
    PlatformRule,
    RepositoryScope,
    Scope,
)
from transship_planner.errors import Mark
from transship_planner.gotemplate import Template
from transship_planner.names.backup import BackupRule
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES
from transship_registry.reference import Reference, Repository

__all__ = ["Entry", "desired", "image", "repository", "sparing"]


def image(
    source: str,
    target: str,
    *,
    comparison: Comparison = Comparison.DIGEST,
    platforms: PlatformRule | None = None,
    media_types: tuple[str, ...] = DEFAULT_MEDIA_TYPES,
    backup: str = "",
) -> Entry:
    """One image to one tag."""
    scope = ImageScope(Reference.parse(source), Reference.parse(target))
    entry = _entry(scope, comparison, platforms, media_types)
    return replace(entry, backup=BackupRule(Template.parse(backup), None)) if backup else entry


def repository(
    source: str,
    target: str,
    *,
    allow: tuple[str, ...] = (),
    comparison: Comparison = Comparison.DIGEST,
    platforms: PlatformRule | None = None,
) -> Entry:
    """The tags of a repository that `allow` matches; all without."""
    sets = (TagSet(allow=tuple(TagPattern(pattern) for pattern in allow)),) if allow else ()
    scope = RepositoryScope(Repository.parse(source), Repository.parse(target), Selection(sets))
    return _entry(scope, comparison, platforms, DEFAULT_MEDIA_TYPES)


def sparing(entry: Entry, minimum: int, retry_s: float = 300.0) -> Entry:
    """The entry with a `ratelimit`."""
    return replace(entry, timing=replace(entry.timing, ratelimit_min=minimum, ratelimit_retry_s=retry_s))


def desired(*entries: Entry) -> Desired:
    """A configuration of these entries, named by their position."""
    named = (
        replace(entry, name=f"sync[{number}]", mark=Mark("mirror.yaml", 10 + number, 5))
        for number, entry in enumerate(entries)
    )
    return Desired(file="mirror.yaml", dialect=Dialect.REGSYNC, entries=tuple(named))


def _entry(
    scope: Scope,
    comparison: Comparison,
    platforms: PlatformRule | None,
    media_types: tuple[str, ...],
) -> Entry:
    rules = CopyRules(comparison=comparison, platforms=platforms or PlatformRule(), media_types=media_types)
    return Entry(name="sync[0]", mark=Mark("mirror.yaml", 1, 1), scope=scope, copy=rules)
