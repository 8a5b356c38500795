"""How the cycles that tags belong to stand on a day: a pure function of the data and that day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from transship_planner.desired import LifecycleRule
from transship_planner.lifecycle.tagcycle import TRACKS, Version, cycle_of, version_of
from transship_planner.observation.observed import Wish
from transship_planner.plans.plan import Lifecycle, LifecycleStatus
from transship_registry.endoflife.cycles import Cycle, ProductCycles

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Judge:
    """The day, what is known of products, and why nothing is known of the others (`missing`).

    A cycle whose last day is less than `critical_days` away ends soon.
    """

    today: date
    critical_days: int
    known: Mapping[str, ProductCycles] = field(default_factory=dict[str, ProductCycles])
    missing: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the data, product by product."""
        doubtful = {product: found.problem for product, found in self.known.items() if found.problem}
        return (
            *(f"{_unknown_data(product)}: {reason}" for product, reason in sorted(self.missing.items())),
            *(f"end-of-life data of {product}: {problem}" for product, problem in sorted(doubtful.items())),
        )

    def of(self, wish: Wish) -> Lifecycle | None:
        """Return where a mirrored tag stands; None when its entry has no lifecycle.

        The source tag names the version; when it has none, the target tag may, as with `os_normalize`.
        """
        rule = wish.entry.lifecycle
        if rule is None:
            return None
        version = version_of(wish.source.tag or "") or version_of(wish.target.tag or "")
        return self.judge(rule, version)

    def judge(self, rule: LifecycleRule, version: Version) -> Lifecycle:
        """Return where a version stands."""
        if not version:
            return Lifecycle(product=rule.product, status=LifecycleStatus.UNVERSIONED)
        name = cycle_of(version, rule.track)
        found = self.known.get(rule.product)
        if found is None:
            note = _unknown_data(rule.product)
            return Lifecycle(product=rule.product, cycle=name, status=LifecycleStatus.UNKNOWN, note=note)
        cycle = next((cycle for cycle in found.cycles if cycle.name == name), None)
        if cycle is None:
            note = _unknown_cycle(rule, version, [cycle.name for cycle in found.cycles])
            return Lifecycle(product=rule.product, cycle=name, status=LifecycleStatus.UNKNOWN, note=note)
        return self._standing(rule.product, cycle)

    def _standing(self, product: str, cycle: Cycle) -> Lifecycle:
        if isinstance(cycle.eol, bool):
            status = LifecycleStatus.ENDED if cycle.eol else LifecycleStatus.UNDATED
            return Lifecycle(product=product, cycle=cycle.name, status=status)
        days = (cycle.eol - self.today).days
        return Lifecycle(
            product=product, cycle=cycle.name, status=self._status(days), eol=cycle.eol.isoformat(), days_left=days
        )

    def _status(self, days: int) -> LifecycleStatus:
        """Judge the days that are left; on its last day a cycle is not over yet, as at endoflife.date."""
        if days < 0:
            return LifecycleStatus.ENDED
        return LifecycleStatus.SOON if days < self.critical_days else LifecycleStatus.OK


def _unknown_data(product: str) -> str:
    return f"end-of-life data of {product} is not known"


def _unknown_cycle(rule: LifecycleRule, version: Version, names: Sequence[str]) -> str:
    """Say that there is no such cycle, and what there is when `track` is likely to be wrong."""
    cycle = cycle_of(version, rule.track)
    note = f"{rule.product} has no cycle {cycle!r}"
    for track in TRACKS:
        if (other := cycle_of(version, track)) in names:
            return f"{note}, but {other!r}: write track: {track}"
    near = [name for name in names if name.startswith(f"{cycle}.")]
    if near:
        more = ", …" if len(near) > _SHOWN else ""
        return f"{note}, but {', '.join(map(repr, near[:_SHOWN]))}{more}"
    return note
