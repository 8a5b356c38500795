"""The commands that change targets: apply and once."""

import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from transship import interrupts
from transship.exits import Exit, most_specific, of_outcome, of_plan
from transship.hooking import hooks_of
from transship.invocation import LOG, Invocation, now
from transship.planning import make_plan, print_plan
from transship.progress import watching
from transship.streams import write_lines
from transship.summary import outcome_lines
from transship.versions import tool_version
from transship.wiring import find_config, load_config, registries, state_store
from transship_executor.apply import IMAGES_AT_ONCE, apply
from transship_executor.hooks import Hooks
from transship_executor.outcome import Outcome
from transship_executor.recording import StateRecorder, begin
from transship_executor.remembering import has_to_remember, remember
from transship_planner.config import config_digest
from transship_planner.desired import Desired
from transship_planner.errors import ForeignPlanError, PlanError, StalePlanError
from transship_planner.plans.bounds import check_bounds
from transship_planner.plans.plan import Origin, Plan
from transship_planner.plans.planfile import PlanFile, read
from transship_planner.render.causes import causes
from transship_planner.render.wording import plural
from transship_registry.reference import Repository
from transship_registry.registries import Registries
from transship_state.filestore import FileStore

_HEARD_WITHIN_S: Final = 0.1
_OUTAGE_S: Final = 60.0
"""How long a registry may be away, as for a restart, before the changes that need it fail without being tried."""

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


async def apply_file(invocation: Invocation, plan_file: Path, *, state_file: Path | None, with_hooks: bool) -> int:
    """Apply a saved plan."""
    saved = read(plan_file)
    desired = load_config(invocation) if find_config(invocation) else None
    store = state_store(desired, state_file)
    if desired is not None:
        _check_config(saved, desired, plan_file)
        check_bounds(saved.plan, desired, str(plan_file))
    _check_origin(saved, plan_file)
    _check_pin(saved, store, plan_file)
    hooks = hooks_of(desired, saved, wanted=with_hooks)
    async with registries(desired, outage_s=_OUTAGE_S) as opened:
        code = await _carry_out(invocation, saved, opened, desired, store, hooks)
    return most_specific(Exit(code), _unplanned(saved))


async def apply_now(
    invocation: Invocation,
    *,
    missing: bool,
    state_file: Path | None,
    approved: bool,
    with_hooks: bool,
    ignored: Sequence[str] = (),
) -> int:
    """Plan, show the plan, ask unless it is approved already, and apply."""
    desired = load_config(invocation)
    store = state_store(desired, state_file)
    async with registries(desired, outage_s=_OUTAGE_S) as opened:
        saved = await make_plan(desired, opened, missing=missing, store=store, ignored=ignored)
        print_plan(saved, "text")
        problems = _named_above(saved)
        hooks = hooks_of(desired, saved, wanted=with_hooks)
        if not saved.plan.pending:
            _remember(saved, store)
            return most_specific(problems, await _only_hooks(hooks))
        if not approved and not _ask():
            LOG.info("Nothing was changed.")
            return most_specific(Exit.ERROR, problems)
        return most_specific(problems, Exit(await _carry_out(invocation, saved, opened, desired, store, hooks)))


async def _carry_out(
    invocation: Invocation,
    saved: PlanFile,
    registry: Registries,
    desired: Desired | None,
    store: FileStore | None,
    hooks: Hooks,
) -> int:
    registry.add_targets(_written(saved.plan))  # what mirrors say of them may be out of date
    with ExitStack() as stack:
        recorder = None
        if store is not None:
            stack.enter_context(store.lock("apply", now))
            state = begin(store, saved.plan.state, tool_version=tool_version())
            state = remember(store, state, saved, tool_version=tool_version(), now=now())
            recorder = StateRecorder(store, state, plan=saved.digest, tool_version=tool_version(), now=now)
        watcher = stack.enter_context(watching(saved.plan, colors=invocation.colors))
        outcome = await apply(
            saved.plan,
            registry,
            images_at_once=(desired.parallel if desired else 0) or IMAGES_AT_ONCE,
            watcher=watcher,
            recorder=recorder,
            after_entry=hooks.after_entry,
        )
    outcome = await hooks.after_all(outcome)  # with the state's lock released: a hook may want to look at the state
    write_lines(outcome_lines(outcome))
    return of_outcome(outcome)


async def _only_hooks(hooks: Hooks) -> Exit:
    """Run the hooks that come last though there is nothing to apply; only a failure is worth a summary."""
    outcome = await hooks.after_all(Outcome(()))
    if outcome.failed_hooks:
        write_lines(outcome_lines(outcome))
    return of_outcome(outcome)


def _written(plan: Plan) -> Iterator[Repository]:
    """Name the repositories that a plan writes to; one may be named several times."""
    for change in plan.pending:
        yield change.target.repository
        yield from (each.target for each in change.attached)
        if change.backup is not None:
            yield change.backup.repository


def _remember(saved: PlanFile, store: FileStore | None) -> None:
    """Write what was seen into the state when there is nothing to apply."""
    if store is None or not has_to_remember(store.read(), saved):
        return
    with store.lock("apply", now):
        state = begin(store, saved.plan.state, tool_version=tool_version())
        remember(store, state, saved, tool_version=tool_version(), now=now())


def _named_above(saved: PlanFile) -> Exit:
    """Say that there are problems, which the plan names that was printed."""
    if found := causes(saved.plan.problems):
        LOG.error("not everything could be planned: the plan names %s", plural(len(found), "problem"))
    return of_plan(saved.plan)


def _unplanned(saved: PlanFile) -> Exit:
    """Say what could not be planned: then not everything that is wanted is true."""
    for cause in causes(saved.plan.problems):
        LOG.error("not planned: %s", cause)
    return of_plan(saved.plan)


def _check_config(saved: PlanFile, desired: Desired, plan_file: Path) -> None:
    """Refuse a plan that was made from another configuration: what was approved is not what is configured now."""
    current = config_digest(desired)
    if saved.plan.config.digest != current:
        raise StalePlanError(
            f"{plan_file}: the plan was made from another configuration than {desired.file}: "
            f"planned from {saved.plan.config.digest}, now {current}; plan again and have that approved"
        )


def _check_origin(saved: PlanFile, plan_file: Path) -> None:
    """Refuse a plan that no configuration founds, as long as nothing else vouches for it."""
    if saved.plan.origin is not Origin.ENTRIES:
        raise ForeignPlanError(
            f"{plan_file}: this plan is a {saved.plan.origin}, which this version of transship cannot verify; "
            "nothing was contacted; plan from a configuration"
        )


def _check_pin(saved: PlanFile, store: FileStore | None, plan_file: Path) -> None:
    """Refuse a plan without the pin that every plan is given: it could be replayed into any state."""
    pin = saved.plan.state
    if store is not None and not (pin.lineage or pin.nonce):
        raise ForeignPlanError(
            f"{plan_file}: the plan does not say which state it was made against, and {store.path} is kept; "
            "nothing was contacted; make a new plan"
        )


def _ask() -> bool:
    """Ask the person at the terminal; raises `PlanError` when there is none."""
    if not sys.stdin.isatty():
        raise PlanError(
            "there is no terminal to ask for approval: "
            "apply a plan file that was approved, or give --auto-approve; nothing was changed"
        )
    with interrupts.raising():  # the event loop's own handlers would wait until the question is answered
        return _answer()


def _typed() -> str:
    """Read a line. A signal that arrives just before the reading begins does not end that: it is heard in between."""
    while not select.select([sys.stdin], [], [], _HEARD_WITHIN_S)[0]:
        pass
    return sys.stdin.readline()


def _answer() -> bool:
    while True:
        sys.stdout.write("Apply these changes? [y/N]: ")
        sys.stdout.flush()
        line = _typed()
        if not line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            LOG.info("No answer is a no.")
            return False
        answer = line.strip().lower()
        if answer in _ANSWERS:
            return _ANSWERS[answer]
        sys.stdout.write("Only yes or no is an answer.\n")
