"""Make a plan true: exactly the digests it approved, each target tag only if it still is what the plan saw.

Nothing is resolved again at the source: manifests are fetched by digest (docs/plan-file.md § What apply checks).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from transship_executor.changing import Changer
from transship_executor.errors import ConflictError
from transship_executor.job import Job
from transship_executor.outcome import Outcome, Result, Status
from transship_executor.pacing import Pacing
from transship_executor.slots import Slots
from transship_executor.sources import Sources
from transship_executor.spool import by_content
from transship_executor.watching import Silent, Watcher
from transship_planner.asking import for_each
from transship_planner.plans.forecast import WRITING
from transship_planner.plans.plan import Change, Plan
from transship_registry.errors import TransshipError
from transship_registry.http.timing import Timing
from transship_registry.ports import RegistryWriter

IMAGES_AT_ONCE = 8
"""How many images are copied at a time, unless the configuration says otherwise."""


class Recorder(Protocol):
    """Whoever keeps a record of what was applied."""

    def record(self, result: Result) -> None:
        """Record a change that is done; returns only when the record is safe, if anything was written for it."""
        ...

    def close(self) -> None:
        """Make safe what is not yet; called once, when no change is under way any more."""
        ...


class AfterEntry(Protocol):
    """Whoever acts when an entry is done; it takes up one of the slots for images while it does."""

    async def __call__(self, entry: str, results: Sequence[Result], /) -> None:
        """Act on the results of all pending changes of an entry, in the plan's order."""
        ...


async def apply(
    plan: Plan,
    registry: RegistryWriter,
    *,
    images_at_once: int = IMAGES_AT_ONCE,
    watcher: Watcher | None = None,
    recorder: Recorder | None = None,
    timing: Timing | None = None,
    after_entry: AfterEntry | None = None,
) -> Outcome:
    """Carry out the plan's changes, those with the same source together, and go on when one fails.

    Those with a `ratelimit` may have to wait, and let others go on meanwhile. What is held or blocked is not begun.

    Cancelling the task is how a run is interrupted: what is under way stops where it is, no tag is left on incomplete
    content, and the outcome so far is returned. Raises only what `recorder` and `after_entry` raise.
    """
    watcher = watcher or Silent()
    slots = Slots(images_at_once)
    pacing = Pacing(registry, slots, timing or Timing(), watcher.change_delayed)
    entries = _Entries(plan)
    # Whoever waits for a quota gives up its place, and then there have to be others to take it.
    at_work = len(plan.pending) if any(change.ratelimit for change in plan.pending) else images_at_once
    async with Sources(registry, plan.pending) as sources:
        run = _Run(Changer(registry, sources, pacing, plan.pending), sources, watcher, recorder)

        async def carry_out(change: Change) -> None:
            await run.carry_out(change)
            if entries.is_done_with(change) and after_entry is not None:
                await after_entry(change.entry, run.results(entries.changes[change.entry]))

        try:
            await for_each(by_content(plan.pending), slots.holding(carry_out), at_work)
        except asyncio.CancelledError:
            return run.ended(plan, interrupted=True)
        return run.ended(plan, interrupted=False)


class _Entries:
    """The pending changes of each entry, and how many of them are still to be done."""

    def __init__(self, plan: Plan) -> None:
        self.changes: defaultdict[str, list[Change]] = defaultdict(list)
        for change in plan.pending:
            self.changes[change.entry].append(change)
        self._left = {entry: len(changes) for entry, changes in self.changes.items()}

    def is_done_with(self, change: Change) -> bool:
        """Note that a change has ended, and tell whether it was the last one of its entry."""
        self._left[change.entry] -= 1
        return not self._left[change.entry]


class _Run:
    """One run over the changes of a plan."""

    def __init__(self, changer: Changer, sources: Sources, watcher: Watcher, recorder: Recorder | None) -> None:
        self._changer = changer
        self._sources = sources
        self._watcher = watcher
        self._recorder = recorder
        self._results: dict[str, Result] = {}

    def ended(self, plan: Plan, *, interrupted: bool) -> Outcome:
        """Return how far the run came, when all is recorded."""
        if self._recorder is not None:
            self._recorder.close()
        return Outcome(self.results(plan.changes), interrupted)

    def results(self, changes: Iterable[Change]) -> tuple[Result, ...]:
        """Return how these changes ended."""
        return tuple(self._results.get(str(change.target)) or _not_begun(change) for change in changes)

    async def carry_out(self, change: Change) -> None:
        """Carry out one change and say how it ended."""
        self._watcher.change_started(change)
        result = await self._attempt(change)
        if self._recorder is not None and result.status in {Status.DONE, Status.ALREADY}:
            self._recorder.record(result)
        self._results[str(change.target)] = result
        self._watcher.change_ended(result)
        await self._sources.ended(change)

    async def _attempt(self, change: Change) -> Result:
        if change.action not in WRITING or change.after is None or change.source_digest is None:
            return Result(change, Status.FAILED, _unknown(change))
        job = Job.of(change, lambda count: self._watcher.bytes_sent(change, count))
        try:
            status, message = await self._changer.make(change, job), ""
        except ConflictError as error:
            status, message = Status.CONFLICT, str(error)
        except TransshipError as error:
            # The result names its target already.
            status, message = Status.FAILED, str(error).removeprefix(f"{change.target}: ")
        return Result(change, status, message, job.traffic, tuple(job.warnings))


def _not_begun(change: Change) -> Result:
    if change.action.is_pending:
        return Result(change, Status.NOT_STARTED, "the run was interrupted")
    return Result(change, Status.SKIPPED, change.reason)


def _unknown(change: Change) -> str:
    return (
        f"this version of transship cannot carry out a change of this kind: {change.action}; "
        "apply the plan with the version that made it, or plan again"
    )
