"""The command drift: what was recorded against what is there now."""

import json
import sys
from pathlib import Path

from transship.exits import Exit, most_specific
from transship.invocation import Invocation
from transship.streams import write_document
from transship.wiring import find_config, load_config, registries, state_store
from transship_planner.drift import DriftReport, find_drift
from transship_planner.policies.immutability import immutable_targets
from transship_planner.render.wording import plural
from transship_state.errors import StateError


async def drift(invocation: Invocation, *, state_file: Path | None, form: str) -> int:
    """Ask both sides of everything that was recorded, and print what moved."""
    desired = load_config(invocation) if find_config(invocation) else None
    store = state_store(desired, state_file)
    if store is None:
        raise StateError("drift needs a state file: name one with --state FILE, or `state: FILE` in the configuration")
    state = store.read()
    if state is None:
        raise StateError(f"{store.path}: there is no state yet; `transship apply --state {store.path}` records one")
    async with registries(desired) as opened:
        report = await find_drift(state.records, opened, immutable_targets(desired) if desired else lambda _: False)
    if form == "json":
        write_document(_as_json(report))
    else:
        sys.stdout.write(_as_text(report))
    return most_specific(Exit.ERROR if report.problems else Exit.OK, Exit.PENDING if report.drifts else Exit.OK)


def _as_text(report: DriftReport) -> str:
    lines = [str(drift) for drift in report.drifts]
    lines += [f"problem: {problem}" for problem in report.problems]
    found = plural(len(report.drifts), "difference") if report.drifts else "nothing moved"
    lines.append(f"Drift: {found}; {plural(report.checked, 'recorded tag')} checked.")
    return "\n".join(lines) + "\n"


def _as_json(report: DriftReport) -> str:
    document = {
        "checked": report.checked,
        "drift": [
            {
                "kind": drift.kind.value,
                "target": str(drift.record.target),
                "reference": str(drift.reference),
                "recorded": str(drift.recorded),
                "found": str(drift.found) if drift.found else None,
                "entry": drift.record.entry,
                "immutable_tag_moved": drift.immutable_moved,
            }
            for drift in report.drifts
        ],
        "problems": list(report.problems),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
