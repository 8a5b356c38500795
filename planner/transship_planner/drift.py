"""Compare what was recorded with what is there now: a pure comparison, and the asking that it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from transship_planner.asking import Once, for_each
from transship_planner.policies.immutability import MOVED
from transship_registry.digest import Digest
from transship_registry.errors import TransshipError
from transship_registry.manifest import Descriptor
from transship_registry.ports import RegistryReader
from transship_registry.reference import Reference
from transship_state.document import Record


class DriftKind(Enum):
    """In which way the world has moved."""

    TARGET_CHANGED = "target changed"
    TARGET_MISSING = "target missing"
    UPSTREAM_MOVED = "upstream moved"
    UPSTREAM_MISSING = "upstream missing"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the record and the world; `found` is None when the tag is gone.

    `immutable` when the configuration says of the target tag that it never changes.
    """

    kind: DriftKind
    record: Record
    reference: Reference
    recorded: Digest
    found: Digest | None
    immutable: bool = False

    @property
    def immutable_moved(self) -> bool:
        """Whether a tag that never changes points at other content, here or upstream."""
        return self.immutable and self.found is not None

    def __str__(self) -> str:
        now = f"now {self.found}" if self.found else "now absent"
        kind = f"{MOVED}, {self.kind.value}" if self.immutable_moved else self.kind.value
        return f"{kind}: {self.reference}: recorded {self.recorded}, {now}"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All drift, in the order of the targets, and what could not be looked at."""

    drifts: tuple[Drift, ...]
    checked: int
    problems: tuple[str, ...] = ()


async def find_drift(
    records: Iterable[Record], reader: RegistryReader, is_immutable: Callable[[Reference], bool] = lambda target: False
) -> DriftReport:
    """Ask both sides of every record once, by HEAD, and compare; `is_immutable` is asked about the targets."""
    ordered = sorted(records, key=lambda record: str(record.target))
    head = Once[Reference, Descriptor | None](reader.head_manifest)

    async def look(record: Record) -> tuple[Drift, ...] | str:
        try:
            target, source = await for_each((record.target, record.source), head)
        except TransshipError as error:
            return f"{record.target}: {error}"
        drifts = compare(record, target.digest if target else None, source.digest if source else None)
        return tuple(replace(drift, immutable=is_immutable(record.target)) for drift in drifts)

    looks = await for_each(ordered, look)
    return DriftReport(
        drifts=tuple(drift for found in looks if not isinstance(found, str) for drift in found),
        checked=len(ordered),
        problems=tuple(found for found in looks if isinstance(found, str)),
    )


def compare(record: Record, target: Digest | None, source: Digest | None) -> tuple[Drift, ...]:
    """Return how the target and the source of a record differ from it; None stands for an absent tag."""
    drifts: list[Drift] = []
    if target != record.target_digest:
        kind = DriftKind.TARGET_CHANGED if target else DriftKind.TARGET_MISSING
        drifts.append(Drift(kind, record, record.target, record.target_digest, target))
    if source != record.source_digest:
        kind = DriftKind.UPSTREAM_MOVED if source else DriftKind.UPSTREAM_MISSING
        drifts.append(Drift(kind, record, record.source, record.source_digest, source))
    return tuple(drifts)
