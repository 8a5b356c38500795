"""The state file's contents, format 1 (architecture §6): what was last applied to each target reference.

And what was seen at sources and not applied yet.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.errors import StateError

FORMAT_VERSION: Final = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What we know of one target reference; times in RFC 3339, UTC.

    `source_digest` is what the source tag pointed at, `target_digest` what the target tag was given. `first_seen` is
    when the source digest was first met at the source tag.
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


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A source tag whose content waits at its registry: what it points at, and when that was first seen there."""

    source: Reference
    digest: Digest
    entry: str
    first_seen: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A whole state file; `lineage` never changes, `serial` grows by one with each write."""

    format_version: int = FORMAT_VERSION
    lineage: str
    serial: int
    tool_version: str
    records: tuple[Record, ...] = ()
    seen: tuple[Seen, ...] = ()

    def with_records(self, changed: Iterable[Record], tool_version: str) -> "State":
        """Return the next state, in which the changed records replace those of the same target.

        What was seen at their sources waits no more: the records say since when it was there.
        """
        changed = tuple(changed)
        by_target = {str(record.target): record for record in (*self.records, *changed)}
        records = tuple(by_target[target] for target in sorted(by_target))
        applied = {(record.source, record.source_digest) for record in changed}
        seen = tuple(each for each in self.seen if (each.source, each.digest) not in applied)
        return msgspec.structs.replace(
            self, serial=self.serial + 1, tool_version=tool_version, records=records, seen=seen
        )

    def with_seen(self, seen: Iterable[Seen], tool_version: str) -> "State":
        """Return the next state, in which just this was seen."""
        ordered = tuple(sorted(seen, key=lambda each: str(each.source)))
        return msgspec.structs.replace(self, serial=self.serial + 1, tool_version=tool_version, seen=ordered)

    def first_seen(self, source: Reference, digest: Digest) -> str:
        """Return when the digest was first seen at the source, as it stands in the state; empty when it was not."""
        told = [(each.source, each.digest, each.first_seen) for each in self.seen]
        told += [(record.source, record.source_digest, record.first_seen) for record in self.records]
        return next((since for *sight, since in told if sight == [source, digest]), "")


def moment(text: str, source: Reference) -> datetime:
    """Read a date of the state, in UTC; raises `StateError` when it is none."""
    try:
        found = msgspec.convert(text, datetime)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        pass
    raise StateError(
        f"the state's first_seen of {source} is {text!r}, expected a date in RFC 3339 such as 2026-01-02T03:04:05Z; "
        "correct it in the state file, or remove that member of its list"
    )
