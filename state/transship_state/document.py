"""The state file's contents, format 1 (architecture §6): what was last applied to each target reference."""

from collections.abc import Iterable
from typing import Final

import msgspec

from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference

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


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A whole state file; `lineage` never changes, `serial` grows by one with each write."""

    format_version: int = FORMAT_VERSION
    lineage: str
    serial: int
    tool_version: str
    records: tuple[Record, ...] = ()

    def with_records(self, changed: Iterable[Record], tool_version: str) -> "State":
        """Return the next state, in which the changed records replace those of the same target."""
        by_target = {str(record.target): record for record in (*self.records, *changed)}
        records = tuple(by_target[target] for target in sorted(by_target))
        return msgspec.structs.replace(self, serial=self.serial + 1, tool_version=tool_version, records=records)
