"""Writes normalised entries as they would be written in a file: the counterpart of `entries`."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Final, assert_never

from transship_planner.config.digest import Document
from transship_planner.config.durations import SECOND, format_duration
from transship_planner.desired import (
    Comparison,
    CopyRules,
    Entry,
    EolSettings,
    Hook,
    ImageScope,
    LifecycleRule,
    MissingAttestations,
    OnEol,
    PlatformRule,
    ReferrerFilter,
    RegistryScope,
    RepositoryScope,
    Scope,
    Timing,
)
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_planner.tags.versions import Group, Suffix
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES
from transship_registry.referrers.refused import RefusedArtifactPolicy

Documents = dict[str, Document]

_DEFAULT_EOL: Final = EolSettings()
_DEFAULT_TIMING: Final = Timing()


def entry_documents(entries: Iterable[Entry]) -> Iterator[Documents]:
    """Write the entries as they stand in a file: those that are one entry with several targets there as one."""
    written = ((entry.name, entry_document(entry)) for entry in entries)
    for _, group in groupby(written, key=lambda item: (item[0], {**item[1], "target": ""})):
        documents = [document for _, document in group]
        targets = [document["target"] for document in documents]
        yield dict(
            ("targets", targets) if key == "target" and len(targets) > 1 else (key, value)
            for key, value in documents[0].items()
        )


def entry_document(entry: Entry) -> Documents:
    """Return an entry with all that it inherited, references in full, and nothing that is off or not set.

    `check_digest` is always there, since its absence means different things in the two formats.
    """
    return {
        **_scope(entry.scope),
        "check_digest": entry.copy.comparison is Comparison.DIGEST,
        **_copy(entry.copy),
        **_timing(entry.timing),
        **known(
            os_normalize=entry.os_normalize,
            target_name=entry.target_name.text if entry.target_name else None,
            min_age=duration(entry.min_age_s, days=True),
            lifecycle=_lifecycle(entry.lifecycle),
            hooks=hooks_document(entry.post_sync),
        ),
    }


def hooks_document(hooks: tuple[Hook, ...]) -> Documents:
    """Return `hooks`; empty when there is no command to run."""
    return known(post_sync=[_hook(hook) for hook in hooks])


def known(**members: Document) -> Documents:
    """Return the members that say something: not those that are off, empty, zero or absent."""
    return {key: value for key, value in members.items() if value}


def duration(seconds: float, *, days: bool = False) -> str:
    """Return the text of a duration; empty for none. The decimal text of a float is exact to the nanosecond."""
    return format_duration(int(Decimal(repr(seconds)) * SECOND), days=days) if seconds else ""


def _scope(scope: Scope) -> Documents:
    ends: Documents = {"source": str(scope.source), "target": str(scope.target)}
    match scope:
        case ImageScope():
            return {**ends, "type": "image"}
        case RepositoryScope():
            return {**ends, "type": "repository", **_selection(scope.selection)}
        case RegistryScope():
            repos = known(allow=_texts(scope.allow), deny=_texts(scope.deny))
            return {**ends, "type": "registry", **known(repos=repos), **_selection(scope.selection)}
        case _:
            assert_never(scope)


def _selection(selection: Selection) -> Documents:
    searched = [pattern.text for tag_set in selection.sets for pattern in tag_set.allow if not pattern.anchored]
    if searched:  # only `tag_regex` is not anchored, and it stands alone
        return {**known(tag_regex=searched[0]), **_counts(selection)}
    sets: list[Document] = [_tag_set(tag_set) for tag_set in selection.sets]
    rules = known(tags=sets[0]) if len(sets) == 1 and sets[0] else known(tagSets=sets)
    return {**rules, **_counts(selection)}


def _counts(selection: Selection) -> Documents:
    count = selection.keep_last
    grouped: Documents = {"per": selection.per.value, "count": count}
    return known(
        keep_last=count if selection.per is Group.ALL else grouped,
        min_tags=selection.min_tags,
    )


def _tag_set(tag_set: TagSet) -> Documents:
    suffixes = {semver.suffix.value for semver in tag_set.semver if semver.suffix is not Suffix.PRERELEASE}
    return known(
        semverRange=[semver.text for semver in tag_set.semver],
        semverSuffix=next(iter(suffixes), None),
        allow=_texts(tag_set.allow),
        deny=_texts(tag_set.deny),
    )


def _texts(patterns: Iterable[TagPattern]) -> list[Document]:
    return [pattern.text for pattern in patterns]


def _copy(rules: CopyRules) -> Documents:
    return known(
        immutable_tags=_texts(rules.immutable_tags),
        **_platforms(rules.platforms),
        missingAttestations=None
        if rules.missing_attestations is MissingAttestations.FAIL
        else rules.missing_attestations.value,
        mediaTypes=list(rules.media_types) if rules.media_types != DEFAULT_MEDIA_TYPES else None,
        includeExternal=rules.include_external,
        forceRecursive=rules.force_recursive,
        fastCheck=rules.fast_copy,
        digestTags=rules.digest_tags,
        referrers=rules.referrers,
        referrerFilters=[_referrer_filter(rule) for rule in rules.referrer_filters],
        referrerSource=_text(rules.referrer_source),
        referrerTarget=_text(rules.referrer_target),
        refusedReferrers=None
        if rules.refused_referrers is RefusedArtifactPolicy.FAIL
        else rules.refused_referrers.value,
        backup=rules.backup,
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _platforms(rule: PlatformRule) -> Documents:
    if rule.index_only:
        return {"platform": str(rule.wanted[0])}
    return {"platforms": [str(platform) for platform in rule.wanted]}


def _referrer_filter(rule: ReferrerFilter) -> Documents:
    return known(artifactType=rule.artifact_type, annotations=dict(rule.annotations))


def _timing(timing: Timing) -> Documents:
    retry = timing.ratelimit_retry_s
    ratelimit = known(
        min=timing.ratelimit_min, retry=duration(retry) if retry != _DEFAULT_TIMING.ratelimit_retry_s else None
    )
    return known(interval=duration(timing.interval_s), schedule=timing.schedule, ratelimit=ratelimit)


def _lifecycle(rule: LifecycleRule | None) -> Documents:
    if rule is None:
        return {}
    on_eol: Documents = {"on_eol": rule.on_eol.value} if rule.on_eol is not OnEol.WARN else {}
    return {"product": rule.product, "track": rule.track, **on_eol}


def eol_document(settings: EolSettings) -> Documents:
    """Return `lifecycle` of the top level; empty when it says nothing. What entries take over stands in them."""
    return known(
        eol_provider=settings.provider if settings.provider != _DEFAULT_EOL.provider else None,
        eol_data_file=settings.data_file if settings.data_file != _DEFAULT_EOL.data_file else None,
        eol_url=settings.url if settings.url != _DEFAULT_EOL.url else None,
    )


def _hook(hook: Hook) -> Documents:
    return {"cmd": hook.cmd, "timeout": duration(hook.timeout_s), **known(continue_on_error=hook.continue_on_error)}
