"""What a plan found as wanted and no state records yet: packed into the plan file, and taken out of it again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from transship_planner.observation.observed import Sighting
from transship_planner.plans.plan import Found, FoundTag
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.document import Record


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """One target tag that is as wanted: where its content comes from, and what both ends point at."""

    entry: str
    source: Reference
    source_digest: Digest
    target: Reference
    target_digest: Digest
    media_type: str
    platforms: tuple[Platform, ...] = ()


def find_unrecorded(sightings: Iterable[Sighting], records: Mapping[Reference, Record]) -> tuple[Found, ...]:
    """Return what was compared, is as wanted, and is not recorded so, each target once.

    The order of the sightings does not matter.
    """
    compared = (each for each in map(_compared, sightings) if each is not None and not _is_recorded(each, records))
    by_target = {each.target: each for each in sorted(compared, key=_order, reverse=True)}
    return _packed(by_target.values())


def unpack(found: Iterable[Found]) -> Iterator[FoundTarget]:
    """Take the target tags out again, one by one."""
    for group in found:
        for each in group.tags:
            yield FoundTarget(
                entry=group.entry,
                source=each.source or group.source.tag(each.tag),
                source_digest=each.digest,
                target=group.target.tag(each.tag),
                target_digest=each.given or each.digest,
                media_type=group.media_type,
                platforms=group.platforms,
            )


def _compared(sighting: Sighting) -> FoundTarget | None:
    """Return what a look at both ends of a wish found; None when they do not agree, or one end was not asked."""
    source, target, expected, wish = sighting.source, sighting.target, sighting.expected, sighting.wish
    if source is None or target is None or expected is None or target.digest != expected.digest:
        return None
    chosen = wish.platforms.wanted if expected.digest != source.digest else ()
    return FoundTarget(
        wish.entry.name, wish.source, source.digest, wish.target, target.digest, expected.media_type, chosen
    )


def _is_recorded(found: FoundTarget, records: Mapping[Reference, Record]) -> bool:
    record = records.get(found.target)
    return record is not None and record.says(found.source, found.source_digest, found.target_digest)


def _order(found: FoundTarget) -> tuple[str, str, str]:
    return str(found.target), found.entry, str(found.source)


def _packed(found: Iterable[FoundTarget]) -> tuple[Found, ...]:
    """Name once what many tags have in common."""
    groups = defaultdict[Found, list[FoundTag]](list)
    for each in sorted(found, key=_order):
        groups[_group(each)].append(_tag(each))
    return tuple(msgspec.structs.replace(group, tags=tuple(tags)) for group, tags in groups.items())


def _group(found: FoundTarget) -> Found:
    return Found(
        entry=found.entry,
        source=found.source.repository,
        target=found.target.repository,
        media_type=found.media_type,
        platforms=found.platforms,
        tags=(),
    )


def _tag(found: FoundTarget) -> FoundTag:
    tag = found.target.identifier
    return FoundTag(
        tag=tag,
        digest=found.source_digest,
        source=None if found.source == found.source.repository.tag(tag) else found.source,
        given=None if found.target_digest == found.source_digest else found.target_digest,
    )
