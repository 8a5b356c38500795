"""The state file's contents, format 1 (docs/state-file.md): what each target reference was last known to be as wanted.

And what was seen at sources and not applied yet.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_registry.sizes import Size
from transship_state.errors import StateError

FORMAT_VERSION: Final = 1


class Origin(StrEnum):
    """How a target reference came to be as recorded."""

    APPLIED = "applied"
    FOUND = "found"


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What we know of one target reference; times in RFC 3339, UTC.

    `source_digest` is what the source tag pointed at, `target_digest` what the target tag was given, or was found to
    point at (`origin`). `first_seen` is when the source digest was first met at the source tag, `applied` when it was
    applied or found.
    """

    target: Reference
    source: Reference
    source_digest: Digest
    target_digest: Digest
    media_type: str
    entry: str
    plan: Digest
    first_seen: str
    applied: str
    platforms: tuple[Platform, ...] = ()
    origin: Origin = Origin.APPLIED

    def says(self, source: Reference, source_digest: Digest, target_digest: Digest) -> bool:
        """Tell whether just this is recorded already."""
        return (self.source, self.source_digest, self.target_digest) == (source, source_digest, target_digest)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A source tag whose content waits at its registry: what it points at, and when that was first seen there."""

    source: Reference
    digest: Digest
    entry: str
    first_seen: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A whole state file; `lineage` never changes, `serial` grows by one with each write.

    There is one record for each target, and they are in the order of these.
    """

    format_version: int = FORMAT_VERSION
    lineage: str
    serial: Size
    tool_version: str
    records: tuple[Record, ...] = ()
    seen: tuple[Seen, ...] = ()

    def with_records(
        self, changed: Iterable[Record], tool_version: str, *, seen: Iterable[Seen] | None = None
    ) -> "State":
        """Return the next state, in which the changed records replace those of the same target.

        What was seen at their sources waits no more: the records say since when it was there. With `seen`, just that
        was seen.
        """
        changed, records = tuple(changed), list(self.records)
        for record in changed:
            place = bisect_left(records, _order(record), key=_order)
            is_known = place < len(records) and records[place].target == record.target
            records[place : place + is_known] = [record]
        recorded = {(record.source, record.source_digest) for record in changed}
        waiting = self.seen if seen is None else sorted(seen, key=lambda each: str(each.source))
        return msgspec.structs.replace(
            self,
            serial=self.serial + 1,
            tool_version=tool_version,
            records=tuple(records),
            seen=tuple(each for each in waiting if (each.source, each.digest) not in recorded),
        )

    def first_sights(self) -> dict[tuple[Reference, Digest], str]:
        """Return when each digest was first seen at its source, as it stands in the state."""
        sights = {(record.source, record.source_digest): record.first_seen for record in reversed(self.records)}
        return sights | {(each.source, each.digest): each.first_seen for each in self.seen}

    def in_order(self) -> "State":
        """Return the same state in order, whoever has edited its file; of several records of a target the last."""
        if all(_order(one) < _order(other) for one, other in pairwise(self.records)):
            return self
        by_target = {record.target: record for record in self.records}
        return msgspec.structs.replace(self, records=tuple(sorted(by_target.values(), key=_order)))


def _order(record: Record) -> str:
    return str(record.target)


def moment(text: str, source: Reference) -> datetime:
    """Read a date of the state, in UTC; raises `StateError` when it is none."""
    found = parse_moment(text)
    if found is not None:
        return found
    raise StateError(
        f"the state's first_seen of {source} is {text!r}, expected a date in RFC 3339 such as 2026-01-02T03:04:05Z; "
        "correct it in the state file, or remove that member of its list"
    )


def parse_moment(text: str) -> datetime | None:
    """Read a date in RFC 3339, in UTC; None when it is none, or has no time zone."""
    try:
        found = msgspec.convert(text, datetime)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (msgspec.ValidationError, OverflowError):
        return None


def rfc3339(when: datetime) -> str:
    """Write a date as states and plans have it: in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
