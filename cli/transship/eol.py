"""The commands about the end of life of what is mirrored: eol, eol update."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from transship.exits import Exit, most_specific
from transship.files import replace_file
from transship.invocation import LOG, Invocation
from transship.lifecycles import find_judge
from transship.streams import write_json, write_lines, write_yaml
from transship.wiring import load_config, registries
from transship_planner.asking import for_each
from transship_planner.desired import Desired
from transship_planner.errors import PlanError
from transship_planner.lifecycle.datafile import data_text
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.mirrored import lifecycle_warnings, mirrored_lifecycles
from transship_planner.lifecycle.sources import products
from transship_planner.observation.observe import select
from transship_planner.observation.observed import Selected
from transship_planner.plans.plan import LifecycleStatus, Problem, TagLifecycle
from transship_planner.render.causes import causes
from transship_planner.render.lifecycles import as_lifecycles, lifecycle_counts, lifecycle_table
from transship_planner.render.wording import plural
from transship_registry.endoflife.cycles import Cycle, decode_cycles
from transship_registry.errors import RegistryError
from transship_registry.registries import Registries

_ALARMING = frozenset({LifecycleStatus.ENDED, LifecycleStatus.SOON})


async def eol(invocation: Invocation, *, form: str, detailed: bool) -> int:
    """Print where each tag stands that an entry with a lifecycle selects; the targets are not asked."""
    desired = load_config(invocation)
    entries = tuple(entry for entry in desired.entries if entry.lifecycle)
    async with registries(desired) as opened:
        judge = await find_judge(desired, opened)
        selected = await select(replace(desired, entries=entries), opened)
    tags = mirrored_lifecycles(selected.wishes, judge)
    if form == "json":
        write_json(_as_json(judge, selected, tags))
    else:
        write_lines(_as_text(judge, selected, tags))
    failed = bool(selected.troubles or (judge and judge.missing))
    alarming = detailed and any(tag.lifecycle.status in _ALARMING for tag in tags)
    return most_specific(Exit.ERROR if failed else Exit.OK, Exit.PENDING if alarming else Exit.OK)


async def update(invocation: Invocation, *, data_file: Path | None, dry_run: bool) -> int:
    """Fetch what is known of all products that entries name, and write it to the data file, all or nothing."""
    desired = load_config(invocation)
    if not products(desired):
        LOG.info("No entry has a lifecycle; nothing is fetched.")
        return Exit.OK
    async with registries(desired) as opened:
        fetched = await _fetch(desired, opened)
    path = data_file or Path(desired.eol.data_file)
    failures = [found for found in fetched.values() if isinstance(found, RegistryError)]
    if failures:
        for failure in failures:
            LOG.error("%s", failure)
        LOG.error("%s is left as it is.", path)
        return Exit.ERROR
    known = {product: found for product, found in fetched.items() if not isinstance(found, RegistryError)}
    text = data_text(known, origin=desired.eol.url)
    if dry_run:
        write_yaml(text)
        return Exit.OK
    _write(path, text)
    cycles = sum(map(len, known.values()))
    write_lines([f"{path}: {plural(len(known), 'product')}, {plural(cycles, 'cycle')}."])
    return Exit.OK


async def _fetch(desired: Desired, opened: Registries) -> Mapping[str, tuple[Cycle, ...] | RegistryError]:
    named = products(desired)

    async def ask(product: str) -> tuple[Cycle, ...] | RegistryError:
        try:
            return decode_cycles(await opened.http.get_cycles(desired.eol.url, product))
        except RegistryError as error:
            return error

    return dict(zip(named, await for_each(named, ask), strict=True))


def _write(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise PlanError(f"{path}: cannot write the end-of-life data: {error.strerror}") from error


def _as_text(judge: Judge | None, selected: Selected, tags: tuple[TagLifecycle, ...]) -> Iterator[str]:
    if tags:
        yield from lifecycle_table(tags)
        yield ""
    problems = (Problem(entry=each.entry, reference=each.reference, message=each.message) for each in selected.troubles)
    yield from (f"problem: {cause}" for cause in causes(problems))
    yield from (f"warning: {warning}" for warning in _warnings(judge, selected, tags))
    yield f"End of life: {lifecycle_counts(tags)}." if judge else "No entry has a lifecycle."


def _warnings(judge: Judge | None, selected: Selected, tags: tuple[TagLifecycle, ...]) -> tuple[str, ...]:
    return (*selected.warnings, *lifecycle_warnings(tags, judge))


def _as_json(judge: Judge | None, selected: Selected, tags: tuple[TagLifecycle, ...]) -> dict[str, object]:
    return {
        "today": judge.today.isoformat() if judge else None,
        "critical_days": judge.critical_days if judge else None,
        "tags": as_lifecycles(tags),
        "problems": [
            {"entry": trouble.entry, "reference": trouble.reference, "message": trouble.message}
            for trouble in selected.troubles
        ],
        "warnings": list(_warnings(judge, selected, tags)),
    }
