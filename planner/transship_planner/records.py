"""What the records of a state add to a check: who moved a tag, immutable tags overwritten, tags gone upstream."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from transship_planner.asking import for_each
from transship_planner.desired import Desired, Entry, ImageScope
from transship_planner.drift import Drift, DriftKind, compare, unlooked
from transship_planner.observation.dating import Dates
from transship_planner.observation.headway import Headway
from transship_planner.observation.observed import Observed, Trouble
from transship_planner.observation.reading import OnceReader
from transship_planner.plans.bounds import could_want
from transship_planner.plans.plan import Change
from transship_planner.policies.immutability import immutable_targets
from transship_planner.wanting import Wanting
from transship_registry.errors import NotFoundError, TransshipError
from transship_registry.reference import Reference
from transship_state.document import Record


@dataclass(frozen=True, slots=True)
class Moves:
    """What the records tell: `records` by target, and how immutable tags differ from theirs (`overwritten`).

    `miscounted` is how many of these count as unchanged in the plan, which does not ask them. `gone` says which
    recorded tags are no longer there upstream, `troubles` what could not be looked at.
    """

    records: Mapping[Reference, Record] = field(default_factory=dict[Reference, Record])
    overwritten: tuple[Drift, ...] = ()
    miscounted: int = 0
    gone: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    def of(self, change: Change) -> tuple[Drift, ...]:
        """Return how the tags of a change differ from what was recorded of them; nothing when nothing was."""
        record = self.records.get(change.target)
        if record is None:
            return ()
        source = change.source_digest if change.source == record.source else record.source_digest
        return compare(record, change.before.digest if change.before else None, source)


async def find_moves(
    desired: Desired,
    observed: Observed,
    changes: Iterable[Change],
    records: Iterable[Record],
    reader: OnceReader,
    dates: Dates,
    headway: Headway | None = None,
) -> Moves:
    """Ask for each recorded tag that never changes whether it has, by one HEAD at the target.

    Nothing is asked of what the plan changes. Which tags are gone upstream the lists tell that were taken for planning.
    """
    by_target = {record.target: record for record in records}
    wished = {sighting.wish.target for sighting in observed.sightings} | {wish.target for wish in observed.existing}
    changing = {change.target for change in changes}
    is_immutable = immutable_targets(desired)
    frozen = [record for target, record in by_target.items() if target not in changing and is_immutable(target)]
    looks = await (headway or Headway()).each(
        frozen, unlooked, lambda record: _overwritten(record, reader, is_wished=record.target in wished)
    )
    overwritten = tuple(look for look in looks if isinstance(look, Drift))
    unlisted = [record for target, record in by_target.items() if target not in wished]
    return Moves(
        records=by_target,
        overwritten=overwritten,
        miscounted=sum(drift.record.target in wished for drift in overwritten),
        gone=await _gone(desired, unlisted, reader, Wanting(desired, reader, dates)),
        troubles=tuple(look for look in looks if isinstance(look, Trouble)),
    )


async def _overwritten(record: Record, reader: OnceReader, *, is_wished: bool) -> Drift | Trouble | None:
    """Return how a tag that never changes differs from its record; one that no entry wants may be deleted."""
    try:
        found = await reader.head_manifest(record.target)
    except TransshipError as error:
        return Trouble(record.entry, str(record.target), str(error))
    if found is None and not is_wished:
        return None
    drifts = compare(record, found.digest if found else None, record.source_digest)
    return next(iter(drifts), None)


async def _gone(desired: Desired, records: Sequence[Record], reader: OnceReader, wanting: Wanting) -> tuple[str, ...]:
    """Name the recorded tags that would be mirrored if they were still there."""
    looks = await for_each(records, lambda record: _is_gone(_entries(desired, record), record, reader))
    gone = [record for record, is_gone in zip(records, looks, strict=True) if is_gone]
    unwanted = await wanting.unwanted(gone)
    return tuple(
        f"{_entries(desired, record)[0].name}: {record.source} is gone upstream since {record.target} {since(record)}; "
        "the target keeps it"
        for record in gone
        if record.target not in unwanted
    )


def _entries(desired: Desired, record: Record) -> list[Entry]:
    """Return the entries that may have listed a record's source; a single image that is gone is a problem anyway."""
    listing = (entry for entry in desired.entries if not isinstance(entry.scope, ImageScope))
    return [entry for entry in listing if could_want(entry, record.source, record.target)]


async def _is_gone(entries: Sequence[Entry], record: Record, reader: OnceReader) -> bool:
    if not entries:
        return False
    try:
        return record.source.identifier not in (await reader.list_tags(record.source.repository)).tags
    except NotFoundError:
        return True
    except TransshipError:  # a problem of the plan
        return False


def since(record: Record) -> str:
    """Say when a target came to be as recorded."""
    return f"was {record.origin.value} on {record.applied}"


def told(drifts: Iterable[Drift]) -> str:
    """Say in words who moved a tag since it was recorded; empty when nobody did."""
    words = {
        DriftKind.TARGET_CHANGED: "overwritten at the target",
        DriftKind.TARGET_MISSING: "deleted at the target",
        DriftKind.UPSTREAM_MOVED: "upstream moved",
        DriftKind.UPSTREAM_MISSING: "gone upstream",
    }
    drifts = tuple(drifts)
    if not drifts:
        return ""
    first, *rest = (words[drift.kind] for drift in drifts)
    return ", and ".join((f"{first} since it {since(drifts[0].record)}", *rest))
