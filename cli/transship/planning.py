"""The commands that only look: plan, show, check."""

import secrets
import shlex
import sys
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from transship import lifecycles
from transship.deadline import Deadline
from transship.exits import Exit, most_specific, of_plan
from transship.files import replace_file
from transship.invocation import LOG, Invocation, now
from transship.policies import policies_of
from transship.streams import write_document, write_json, write_lines
from transship.versions import tool_version
from transship.wiring import load_config, registries, state_store
from transship_planner.config import config_digest
from transship_planner.desired import Desired
from transship_planner.errors import PlanError
from transship_planner.observation.dating import Dates
from transship_planner.observation.headway import Headway
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed
from transship_planner.observation.reading import OnceReader
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Mode, Plan, Problem, StatePin
from transship_planner.plans.planfile import PlanFile, encode, indented, read, save
from transship_planner.policies.immutability import moved_tags
from transship_planner.policies.quarantine import bypasses
from transship_planner.records import Moves, find_moves
from transship_planner.render.findings import as_findings, findings_lines
from transship_planner.render.markdown import markdown_lines
from transship_planner.render.text import text_lines
from transship_planner.render.wording import plural
from transship_registry.presentable import presentable_json
from transship_registry.reference import Reference
from transship_registry.registries import Registries
from transship_state.document import State
from transship_state.filestore import FileStore


async def plan(
    invocation: Invocation,
    *,
    out: Path | None,
    missing: bool,
    detailed: bool,
    form: str,
    state_file: Path | None,
    deadline: Deadline,
    ignored: Sequence[str] = (),
) -> int:
    """Plan, print the plan, and write the plan file when one is wanted."""
    desired = load_config(invocation)
    async with registries(desired) as opened:
        store = state_store(desired, state_file)
        made = make_plan(desired, opened, missing=missing, store=store, ignored=ignored, headway=deadline.headway)
        saved = await deadline.keep(made, opened, what="plan", then=f"{out} was not written" if out else "")
    if out is not None:
        _write(out, encode(saved))
    print_plan(saved, form)
    if out is not None:
        sys.stdout.flush()  # what comes next is the last line also where both streams are one pipe
        option = f" -c {shlex.quote(invocation.config)}" if invocation.config else ""
        LOG.info("The plan is in %s. Apply it with: transship apply%s %s", out, option, shlex.quote(str(out)))
    pending = Exit.PENDING if detailed and saved.plan.pending else Exit.OK
    return most_specific(of_plan(saved.plan), pending)


def show(plan_file: Path, *, form: str) -> int:
    """Print a plan file; the file alone is enough."""
    print_plan(read(plan_file), form)
    return Exit.OK


async def check(
    invocation: Invocation,
    *,
    missing: bool,
    form: str,
    state_file: Path | None,
    deadline: Deadline,
    strict: bool = False,
) -> int:
    """Print one line for each target that is not as wanted; with `strict`, warnings are differences, too."""
    desired = load_config(invocation)
    async with registries(desired) as opened:
        compared = _compare(desired, opened, missing, state_store(desired, state_file), deadline.headway)
        look, moves = await deadline.keep(compared, opened, what="check")
    made = _with_moves(look.plan, moves, desired)
    if form == "json":
        write_json(as_findings(made, moves))
    else:
        write_lines(findings_lines(made, moves))
    warnings = len(made.warnings) + len(desired.warnings) + len(opened.credentials.warnings)
    if strict and warnings and form != "json":
        write_lines([f"Not accepted, as --strict asks: {plural(warnings, 'warning')}."])
    differs = bool(made.pending or moves.overwritten or (strict and warnings))
    return most_specific(of_plan(made), Exit.PENDING if differs else Exit.OK)


async def _compare(
    desired: Desired, opened: Registries, missing: bool, store: FileStore | None, headway: Headway
) -> "tuple[_Look, Moves]":
    look = await _look(desired, opened, missing=missing, store=store, contents=False, headway=headway)
    if not look.state or missing:
        return look, Moves()
    dates = Dates(opened.inventory)
    changes, records = look.plan.changes, look.state.records
    return look, await find_moves(desired, look.observed, changes, records, look.once, dates, headway)


def _with_moves(made: Plan, moves: Moves, desired: Desired) -> Plan:
    """Add to a plan what a check says beside it."""
    lines = {entry.name: entry.mark.line for entry in desired.entries}
    problems = (
        Problem(entry=each.entry, reference=each.reference, message=each.message, line=lines.get(each.entry, 0))
        for each in moves.troubles
    )
    nothing = ("there are no entries: nothing was compared",) if not desired.entries else ()
    return structs.replace(made, problems=(*made.problems, *problems), warnings=(*made.warnings, *moves.gone, *nothing))


async def make_plan(
    desired: Desired,
    opened: Registries,
    *,
    missing: bool,
    store: FileStore | None,
    ignored: Sequence[str] = (),
    headway: Headway | None = None,
) -> PlanFile:
    """Observe and compare; nothing is written anywhere. `ignored` are references that `min_age` does not hold."""
    look = await _look(desired, opened, missing=missing, store=store, ignored=ignored, headway=headway)
    return save(look.plan, created_at=now())


@dataclass(frozen=True, slots=True)
class _Look:
    """A plan, and what it was made from; `once` can be asked again for nothing."""

    plan: Plan
    observed: Observed
    state: State | None
    once: OnceReader


async def _look(
    desired: Desired,
    opened: Registries,
    *,
    missing: bool,
    store: FileStore | None,
    contents: bool = True,
    ignored: Sequence[str] = (),
    headway: Headway | None = None,
) -> _Look:
    state = store.read() if store else None
    urgent = tuple(Reference.parse(text) for text in ignored)
    judge = await lifecycles.find_judge(desired, opened)
    records = {record.target: record for record in state.records} if state else {}
    once = OnceReader(opened)
    observed = await observe(
        desired,
        opened,
        missing=missing,
        contents=contents,
        policies=policies_of(judge, state, keeps_state=store is not None, ignored=urgent),
        unrecorded=_not_in(records) if store and contents and not missing else None,
        once=once,
        headway=headway,
    )
    moved = moved_tags(observed, records.values(), of_targets=contents or missing)
    circumstances = Circumstances(
        tool_version=tool_version(),
        config=ConfigPin(digest=config_digest(desired), dialect=desired.dialect.value),
        mode=Mode(missing=missing),
        state=StatePin(lineage=state.lineage, serial=state.serial) if state else StatePin(nonce=secrets.token_hex(16)),
        records=records if store else None,
        warnings=(*bypasses(observed.sightings, urgent), *moved),
        judge=judge,
        lines={entry.name: entry.mark.line for entry in desired.entries},
    )
    return _Look(diff(observed, circumstances), observed, state, once)


def _not_in(records: Container[Reference]) -> Callable[[Reference], bool]:
    return lambda target: target not in records


def print_plan(saved: PlanFile, form: str) -> None:
    """Print a plan in the form that was asked for."""
    match form:
        case "json":
            write_document(map(presentable_json, indented(saved)))
        case "markdown":
            write_lines(markdown_lines(saved.plan, digest=str(saved.digest)))
        case _:
            write_lines(text_lines(saved.plan, digest=str(saved.digest)))


def _write(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data)
    except OSError as error:
        raise PlanError(f"{path.resolve()}: cannot write the plan file: {error.strerror}") from error
