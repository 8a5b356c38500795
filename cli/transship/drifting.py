"""The command drift: what was recorded against what is there now."""

from collections.abc import Iterator
from pathlib import Path

from transship.deadline import Deadline
from transship.exits import Exit, most_specific
from transship.invocation import Invocation
from transship.streams import write_json, write_lines
from transship.wiring import find_config, load_config, registries, state_store
from transship_planner.desired import Desired
from transship_planner.drift import UNWANTED, Drift, DriftReport, find_drift
from transship_planner.observation.dating import Dates
from transship_planner.observation.headway import Headway
from transship_planner.observation.reading import OnceReader
from transship_planner.policies.immutability import immutable_targets
from transship_planner.render.causes import Cause, as_causes, causes
from transship_planner.render.wording import plural
from transship_planner.wanting import Wanting
from transship_registry.registries import Registries
from transship_state.document import State
from transship_state.errors import StateError


async def drift(invocation: Invocation, *, state_file: Path | None, form: str, deadline: Deadline) -> int:
    """Ask both sides of everything that was recorded, and print what moved."""
    desired = load_config(invocation) if find_config(invocation) else None
    store = state_store(desired, state_file)
    if store is None:
        raise StateError("drift needs a state file: name one with --state FILE, or `state: FILE` in the configuration")
    state = store.read()
    if state is None:
        raise StateError(f"{store.path}: there is no state yet; `transship apply --state {store.path}` records one")
    async with registries(desired) as opened:
        report = await deadline.keep(_find(desired, state, opened, deadline.headway), opened, what="comparison")
    if form == "json":
        write_json(_as_json(report))
    else:
        write_lines(_as_text(report))
    return most_specific(Exit.ERROR if report.problems else Exit.OK, Exit.PENDING if report.mattering else Exit.OK)


async def _find(desired: Desired | None, state: State, opened: Registries, headway: Headway) -> DriftReport:
    if desired is None:
        return await find_drift(state.records, opened, headway=headway)
    wanting = Wanting(desired, OnceReader(opened), Dates(opened.inventory))
    return await find_drift(state.records, opened, immutable_targets(desired), wanting, headway)


def _as_text(report: DriftReport) -> Iterator[str]:
    yield from (str(drift) for drift in (*report.mattering, *report.unwanted))
    yield from (f"problem: {_problem(cause)}" for cause in causes(report.problems))
    yield f"Drift: {_found(report)}; {_checked(report)}."


def _problem(cause: Cause) -> str:
    """Say what could not be looked at; of one tag without its entry, as all that drift says of tags."""
    found, *others = cause.problems
    return str(cause) if others else f"{found.reference}: {found.message}"


def _found(report: DriftReport) -> str:
    if report.mattering:
        return plural(len(report.mattering), "difference")
    return "no difference found" if report.problems else "nothing moved"


def _checked(report: DriftReport) -> str:
    """Say how much of the state was looked at, and what else there was."""
    recorded = plural(report.checked + report.unchecked, "recorded tag")
    parts = [f"{report.checked} of {recorded} checked" if report.unchecked else f"{recorded} checked"]
    if report.problems:
        parts.append(plural(len(causes(report.problems)), "problem"))
    if unwanted := {drift.record.target for drift in report.unwanted}:
        parts.append(f"{len(unwanted)} {UNWANTED}")
    return ", ".join(parts)


def _as_json(report: DriftReport) -> dict[str, object]:
    return {
        "recorded": report.checked + report.unchecked,
        "checked": report.checked,
        "drift": [_drift(drift) for drift in report.mattering],
        "no_longer_wanted": [_drift(drift) for drift in report.unwanted],
        "problems": [f"{problem.reference}: {problem.message}" for problem in report.problems],
        "causes": as_causes(report.problems),
    }


def _drift(drift: Drift) -> dict[str, object]:
    return {
        "kind": drift.kind.value,
        "target": str(drift.record.target),
        "reference": str(drift.reference),
        "recorded": str(drift.recorded),
        "found": str(drift.found) if drift.found else None,
        "entry": drift.record.entry,
        "origin": drift.record.origin.value,
        "applied": drift.record.applied,
        "immutable_tag_moved": drift.immutable_moved,
    }
