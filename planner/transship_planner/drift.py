"""Compare what was recorded with what is there now: a pure comparison, and the asking that it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from transship_planner.asking import Once, for_each
from transship_planner.observation.headway import Headway
from transship_planner.plans.plan import Problem
from transship_planner.policies.immutability import MOVED
from transship_planner.wanting import Wanting
from transship_registry.digest import Digest
from transship_registry.errors import TransshipError
from transship_registry.manifest import Descriptor
from transship_registry.ports import RegistryReader
from transship_registry.reference import Reference
from transship_state.document import Record

UNWANTED: Final = "no longer wanted"
"""What a finding about a tag begins with that no entry wants any more."""


class DriftKind(Enum):
    """In which way the world has moved."""

    TARGET_CHANGED = "target changed"
    TARGET_MISSING = "target missing"
    UPSTREAM_MOVED = "upstream moved"
    UPSTREAM_MISSING = "upstream missing"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the record and the world; `found` is None when the tag is gone.

    `immutable` when the configuration says of the target tag that it never changes, `unwanted` when no entry wants it
    any more from this source.
    """

    kind: DriftKind
    record: Record
    reference: Reference
    recorded: Digest
    found: Digest | None
    immutable: bool = False
    unwanted: bool = False

    @property
    def immutable_moved(self) -> bool:
        """Whether a tag that never changes points at other content, here or upstream."""
        return self.immutable and self.found is not None

    @property
    def matters(self) -> bool:
        """Whether somebody has to look at it: what no entry wants any more may move, if it is not immutable here."""
        return not self.unwanted or (self.immutable and self.kind is DriftKind.TARGET_CHANGED)

    def __str__(self) -> str:
        words = [UNWANTED] if not self.matters else [MOVED] if self.immutable_moved else []
        kind = ", ".join((*words, self.kind.value))
        source = f" from {self.reference}" if self.reference != self.record.target else ""
        now = f"now {self.found}" if self.found else "now absent"
        return f"{kind}: {self.record.target}{source}: recorded {self.recorded}, {now}"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All drift, in the order of the targets, how many records were looked at, and what could not be (`unchecked`)."""

    drifts: tuple[Drift, ...]
    checked: int
    problems: tuple[Problem, ...] = ()
    unchecked: int = 0

    @property
    def mattering(self) -> tuple[Drift, ...]:
        """The drift of what is wanted."""
        return tuple(drift for drift in self.drifts if drift.matters)

    @property
    def unwanted(self) -> tuple[Drift, ...]:
        """The drift of what no entry wants any more."""
        return tuple(drift for drift in self.drifts if not drift.matters)


async def find_drift(
    records: Iterable[Record],
    reader: RegistryReader,
    is_immutable: Callable[[Reference], bool] = lambda target: False,
    wanting: Wanting | None = None,
    headway: Headway | None = None,
) -> DriftReport:
    """Ask both sides of every record once, by HEAD, and compare.

    `is_immutable` and `wanting`, without which all is wanted, are asked about the targets that differ. `headway` says
    meanwhile what is still to be looked at.
    """
    ordered = sorted(records, key=lambda record: str(record.target))
    head = Once[Reference, Descriptor | None](reader.head_manifest)

    async def look(record: Record) -> tuple[Drift, ...] | Problem:
        try:
            target, source = await for_each((record.target, record.source), head)
        except TransshipError as error:
            return Problem(entry=record.entry, reference=str(record.target), message=str(error))
        return compare(record, target.digest if target else None, source.digest if source else None)

    looks = await (headway or Headway()).each(ordered, unlooked, look)
    drifts = [drift for found in looks if not isinstance(found, Problem) for drift in found]
    moved = {drift.record.target: drift.record for drift in drifts}
    unwanted = await wanting.unwanted(moved.values()) if wanting is not None else frozenset[Reference]()
    problems = tuple(found for found in looks if isinstance(found, Problem))
    return DriftReport(
        drifts=tuple(
            replace(drift, immutable=is_immutable(drift.record.target), unwanted=drift.record.target in unwanted)
            for drift in drifts
        ),
        checked=len(ordered) - len(problems),
        problems=problems,
        unchecked=len(problems),
    )


def unlooked(record: Record) -> Problem:
    """Return that a record has not been looked at."""
    return Problem(entry=record.entry, reference=str(record.target), message="")


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
