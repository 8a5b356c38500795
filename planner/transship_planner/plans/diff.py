"""Compare what is wanted with what was seen: a pure function from observations to a plan.

No clock, network, environment or randomness inside: what a plan needs of these is handed in as `Circumstances`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.mirrored import lifecycle_warnings, mirrored_lifecycles
from transship_planner.observation.observed import Observed, Sighting, Wish
from transship_planner.plans.change import change_of
from transship_planner.plans.forecast import forecast, shares, shortages
from transship_planner.plans.found import find_unrecorded
from transship_planner.plans.plan import (
    FORMAT_VERSION,
    Change,
    ConfigPin,
    EntryCount,
    Mode,
    Plan,
    Problem,
    StatePin,
    Unchanged,
)
from transship_planner.plans.rivals import settle
from transship_registry.reference import Reference
from transship_state.document import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a plan is made under: tool version, configuration, mode, and what was recorded before.

    `records` is what the state says of each target, None when no state is kept; `judge` knows today's date and the
    lifecycles of products; `lines` are where the entries stand in the configuration.
    """

    tool_version: str
    config: ConfigPin
    mode: Mode = Mode()
    state: StatePin = StatePin()
    records: Mapping[Reference, Record] | None = None
    expires_at: str = ""
    warnings: tuple[str, ...] = ()
    judge: Judge | None = None
    lines: Mapping[str, int] = field(default_factory=dict[str, int])


def diff(observed: Observed, circumstances: Circumstances) -> Plan:
    """Return the plan that makes the targets what the entries want; changes are sorted by target."""
    settled = settle(observed)
    records = circumstances.records or {}
    in_sync, pending, skipped = _sort_out(settled.agreed)
    lifecycles = mirrored_lifecycles(observed.mirrored, circumstances.judge)
    changed = (
        change_of(sighting, observed.contents, records.get(sighting.wish.target), circumstances.judge)
        for sighting in pending
    )
    unchanged = (*(sighting.wish for sighting in in_sync), *settled.existing)
    changes, clashes = _keep_backups_apart(sorted(changed, key=lambda change: str(change.target)), unchanged)
    costs = shares(changes)
    priced = tuple(
        msgspec.structs.replace(change, transfer=share.transfer) for change, share in zip(changes, costs, strict=True)
    )
    expected = forecast(priced, costs, observed.quotas)
    return Plan(
        format_version=FORMAT_VERSION,
        tool_version=circumstances.tool_version,
        config=circumstances.config,
        mode=circumstances.mode,
        state=circumstances.state,
        changes=priced,
        unchanged=_counted(unchanged),
        forecast=expected,
        problems=_located({*_problems(observed), *settled.problems, *clashes}, circumstances.lines),
        warnings=(
            *circumstances.warnings,
            *sorted({*observed.warnings, *settled.warnings}),
            *dict.fromkeys(_skips(skipped)),
            *shortages(expected, changes),
            *lifecycle_warnings(lifecycles, circumstances.judge),
        ),
        expires_at=circumstances.expires_at,
        lifecycles=lifecycles,
        found=find_unrecorded((*in_sync, *observed.confirmed), records) if circumstances.records is not None else (),
    )


def _sort_out(sightings: Iterable[Sighting]) -> tuple[list[Sighting], list[Sighting], list[Sighting]]:
    """Split into what is in sync, what is pending, and what the entry's media types leave out."""
    in_sync: list[Sighting] = []
    pending: list[Sighting] = []
    skipped: list[Sighting] = []
    for sighting in sightings:
        if sighting.in_sync and not sighting.needs_refresh:
            in_sync.append(sighting)
        elif sighting.is_unsupported:
            skipped.append(sighting)
        else:
            pending.append(sighting)
    return in_sync, pending, skipped


def _keep_backups_apart(changes: Iterable[Change], unchanged: Iterable[Wish]) -> tuple[list[Change], list[Problem]]:
    """Refuse a change whose backup would overwrite what is mirrored, or what another change keeps."""
    changes = tuple(changes)
    writers = Counter(reference for change in changes for reference in (change.target, change.backup) if reference)
    mirrored = {wish.target: wish.entry.name for wish in unchanged}
    kept: list[Change] = []
    clashes: list[Problem] = []
    for change in changes:
        if change.backup in mirrored:
            clash = f"is a tag that {mirrored[change.backup]} mirrors"
        elif change.backup is not None and writers[change.backup] > 1:
            clash = "is written by another change too"
        else:
            kept.append(change)
            continue
        message = f"the backup {change.backup} {clash}; let the template name the tag"
        clashes.append(Problem(entry=change.entry, reference=str(change.target), message=message))
    return kept, clashes


def _counted(unchanged: Iterable[Wish]) -> Unchanged:
    counts = Counter(wish.entry.name for wish in unchanged)
    entries = tuple(EntryCount(entry=entry, count=count) for entry, count in sorted(counts.items()))
    return Unchanged(count=counts.total(), entries=entries)


def _problems(observed: Observed) -> list[Problem]:
    return [
        Problem(entry=trouble.entry, reference=trouble.reference, message=trouble.message)
        for trouble in observed.troubles
    ]


def _located(problems: Iterable[Problem], lines: Mapping[str, int]) -> tuple[Problem, ...]:
    """Sort the problems, and say where the entries of each stand."""
    ordered = sorted(problems, key=lambda problem: (problem.entry, problem.reference, problem.message))
    return tuple(msgspec.structs.replace(problem, line=lines.get(problem.entry, 0)) for problem in ordered)


def _skips(skipped: Iterable[Sighting]) -> tuple[str, ...]:
    return tuple(
        f"{sighting.wish.entry.name}: {sighting.wish.source} is skipped: its media type "
        f"{sighting.source.media_type} is not among the entry's mediaTypes"
        for sighting in skipped
        if sighting.source is not None
    )
