"""Immutable tags that moved: found by what is known anyway, since they are not asked about (`immutable_tags`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from transship_planner.desired import Desired, Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.observation.observed import Observed, Wish
from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import Record

MOVED = "immutable tag moved"
"""What a finding of this kind begins with."""


def moved_tags(observed: Observed, records: Iterable[Record], *, of_targets: bool = True) -> tuple[str, ...]:
    """Return a warning for each immutable tag that is there, and at either end is known not to be what it was.

    Known without asking are: what the records say, what the target of an entry of one image points at, what an
    inventory told that was taken for other reasons, and what was compared because there is no record yet. Without
    `of_targets` nothing is said of targets that are not as recorded.
    """
    recorded = {record.target: record for record in records}
    told = {**observed.told, **{each.wish.source: each.source.digest for each in observed.confirmed if each.source}}
    present: list[tuple[Wish, Digest | None]] = [(wish, None) for wish in observed.untouched]
    present += [
        (sighting.wish, sighting.target.digest)
        for sighting in (*observed.sightings, *observed.confirmed)
        if sighting.wish.is_immutable and sighting.target is not None
    ]
    found = {
        f"{wish.entry.name}: {MOVED}: {finding}; {wish.target} is left as it is"
        for wish, target in present
        for finding in (
            *(_at_target(wish, target, recorded.get(wish.target)) if of_targets else ()),
            *_at_source(wish, target, recorded.get(wish.target), told),
        )
    }
    return tuple(sorted(found))


def _at_target(wish: Wish, target: Digest | None, record: Record | None) -> Iterator[str]:
    if record is not None and target is not None and target != record.target_digest:
        yield f"{wish.target} was given {record.target_digest.short}, now it is {target.short}"


def _at_source(
    wish: Wish, target: Digest | None, record: Record | None, told: Mapping[Reference, Digest]
) -> Iterator[str]:
    source = told.get(wish.source)
    if record is not None and record.source == wish.source:
        if source is not None and source != record.source_digest:
            yield f"{wish.source} was {record.source_digest.short} when it was mirrored, now it is {source.short}"
    elif source is not None and target is not None and source != target and not wish.platforms.wanted:
        yield f"{wish.source} is {source.short}, and {wish.target} is {target.short}"


def immutable_targets(desired: Desired) -> Callable[[Reference], bool]:
    """Return the question whether a target tag is one of those that an entry never changes."""
    entries = [entry for entry in desired.entries if entry.copy.immutable_tags]
    return lambda target: any(
        _reaches(entry, target) and entry.copy.is_immutable(target.identifier) for entry in entries
    )


def _reaches(entry: Entry, target: Reference) -> bool:
    """Tell whether an entry may write this target; by its repository alone, for its tags may have gone upstream."""
    match entry.scope:
        case ImageScope(_, written):
            return written.repository == target.repository
        case RepositoryScope(_, repository, _):
            below = entry.target_name is not None and str(target.repository).startswith(f"{repository}/")
            return target.repository == repository or below
        case RegistryScope(_, prefix):
            return str(target.repository).startswith(f"{prefix}/")
