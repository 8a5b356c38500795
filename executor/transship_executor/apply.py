"""Make a plan true: exactly the digests it approved, each target tag only if it still is what the plan saw.

Nothing is resolved again at the source: manifests are fetched by digest (architecture §2.5, §5).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from transship_executor.attaching import Attacher
from transship_executor.copying import Copier, Job
from transship_executor.errors import ConflictError
from transship_executor.outcome import Outcome, Result, Status, Traffic
from transship_executor.pacing import Pacing
from transship_executor.refreshing import still_lacking
from transship_executor.slots import Slots
from transship_executor.sources import Sources
from transship_executor.spool import by_content
from transship_executor.watching import Silent, Watcher
from transship_planner.asking import for_each
from transship_planner.forecast import WRITING
from transship_planner.plan import Action, Change, Plan
from transship_registry.errors import ContentError, MissingContentError, TransshipError
from transship_registry.http.timing import Timing
from transship_registry.manifest import Descriptor, Manifest, reduce_index
from transship_registry.ports import RegistryWriter

IMAGES_AT_ONCE = 8
"""How many images are copied at a time, unless the configuration says otherwise."""


class Recorder(Protocol):
    """Whoever keeps a record of what was applied."""

    def record(self, result: Result) -> None:
        """Record a change that is done; returns only when the record is safe."""
        ...


class AfterEntry(Protocol):
    """Whoever acts when an entry is done; it takes up one of the slots for images while it does."""

    async def __call__(self, entry: str, results: Sequence[Result], /) -> None:
        """Act on the results of all changes of an entry, in the plan's order."""
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

    Those with a `ratelimit` may have to wait, and let others go on meanwhile.

    Cancelling the task is how a run is interrupted: what is under way stops where it is, no tag is left on incomplete
    content, and the outcome so far is returned. Raises only what `recorder` and `after_entry` raise.
    """
    watcher = watcher or Silent()
    slots = Slots(images_at_once)
    pacing = Pacing(registry, slots, timing or Timing(), watcher.change_delayed)
    entries = _Entries(plan)
    # Whoever waits for a quota gives up its place, and then there have to be others to take it.
    at_work = len(plan.changes) if any(change.ratelimit for change in plan.changes) else images_at_once
    async with Sources(registry, plan.changes) as sources:
        run = _Run(registry, sources, watcher, recorder, pacing)

        async def carry_out(change: Change) -> None:
            await run.carry_out(change)
            if entries.is_done_with(change) and after_entry is not None:
                await after_entry(change.entry, run.results(entries.changes[change.entry]))

        try:
            await for_each(by_content(plan.changes), slots.holding(carry_out), at_work)
        except asyncio.CancelledError:
            return run.outcome(plan, interrupted=True)
        return run.outcome(plan, interrupted=False)


class _Entries:
    """The changes of each entry, and how many of them are still to be done."""

    def __init__(self, plan: Plan) -> None:
        self.changes: defaultdict[str, list[Change]] = defaultdict(list)
        for change in plan.changes:
            self.changes[change.entry].append(change)
        self._left = {entry: len(changes) for entry, changes in self.changes.items()}

    def is_done_with(self, change: Change) -> bool:
        """Note that a change has ended, and tell whether it was the last one of its entry."""
        self._left[change.entry] -= 1
        return not self._left[change.entry]


class _Run:
    """One run over the changes of a plan."""

    def __init__(
        self,
        registry: RegistryWriter,
        sources: Sources,
        watcher: Watcher,
        recorder: Recorder | None,
        pacing: Pacing,
    ) -> None:
        self._registry = registry
        self._sources = sources
        self._pacing = pacing
        self._copier = Copier(registry, sources)
        self._attacher = Attacher(registry, sources, self._copier)
        self._watcher = watcher
        self._recorder = recorder
        self._results: dict[str, Result] = {}

    def outcome(self, plan: Plan, *, interrupted: bool) -> Outcome:
        """Return how far the run came."""
        return Outcome(self.results(plan.changes), interrupted)

    def results(self, changes: Iterable[Change]) -> tuple[Result, ...]:
        """Return how these changes ended."""
        return tuple(
            self._results.get(str(change.target)) or Result(change, Status.NOT_STARTED, "the run was interrupted")
            for change in changes
        )

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
            return Result(change, Status.SKIPPED, change.reason)
        job = Job(
            change.source.repository,
            change.target.repository,
            change.include_external,
            lambda count: self._watcher.bytes_sent(change, count),
        )
        try:
            status = await self._write(change, job)
        except ConflictError as error:
            return Result(change, Status.CONFLICT, str(error), job.traffic)
        except TransshipError as error:
            return Result(change, Status.FAILED, str(error), job.traffic)
        return Result(change, status, traffic=job.traffic, warnings=tuple(job.warnings))

    async def _write(self, change: Change, job: Job) -> Status:
        found = await self._registry.head_manifest(change.target)
        if change.action is Action.REFRESH:
            return await self._refresh(change, job, found)
        if _is_done(change, found):
            return Status.DONE if await self._attacher.attach(change, job) else Status.ALREADY
        await self._pacing.wait(change)
        await self._insist(job, lambda manifest: self._bring_and_tag(change, job, manifest), change)
        return Status.DONE

    async def _refresh(self, change: Change, job: Job, found: Descriptor | None) -> Status:
        """Bring what the target lacks beside the tag, which stays as it is."""
        _check_unmoved(change, found)
        lacking = await still_lacking(self._registry, change)
        if lacking:
            await self._pacing.wait(change)
            job.doubted = frozenset(each.digest for each in change.content.manifests if not each.present)
            await self._insist(job, lambda manifest: self._copier.bring(job, manifest), change)
        return Status.DONE if await self._attacher.attach(change, job) or lacking else Status.ALREADY

    async def _insist(self, job: Job, work: Callable[[Manifest], Awaitable[None]], change: Change) -> None:
        manifest = await self._approved(change)
        try:
            await work(manifest)
        except MissingContentError as error:
            # It said "exists" and then did not know it, as after a garbage collection: once more, for sure.
            job.doubted, job.doubt_all = job.doubted | frozenset(error.digests), not error.digests
            await work(manifest)

    async def _bring_and_tag(self, change: Change, job: Job, manifest: Manifest) -> None:
        await self._copier.bring(job, manifest)
        if change.attached:
            # What is attached follows its subject and precedes the tag: nobody finds the image without its signatures.
            await self._registry.put_manifest(change.target.repository.at(manifest.digest), manifest)
            job.traffic += Traffic(manifests=1)
            await self._attacher.attach(change, job)
        await self._back_up(change, job)
        if not _is_done(change, await self._registry.head_manifest(change.target)):
            await self._registry.put_manifest(change.target, manifest)
            job.traffic += Traffic(manifests=1)

    async def _back_up(self, change: Change, job: Job) -> None:
        """Keep what the target tag points at, as it was approved; when that fails, the tag stays where it is."""
        if change.backup is None or change.before is None:
            return
        kept = await self._registry.head_manifest(change.backup)
        if kept is not None and kept.digest == change.before.digest:
            return
        manifest = await self._registry.get_manifest(change.target.at(change.before.digest))
        if change.backup.repository != change.target.repository:
            moving = Job(change.target.repository, change.backup.repository, include_external=False)
            await self._copier.bring(moving, manifest)
            job.traffic += moving.traffic
        await self._registry.put_manifest(change.backup, manifest)
        job.traffic += Traffic(manifests=1)

    async def _approved(self, change: Change) -> Manifest:
        """Return the manifest that was approved, by its digest, or raise `ContentError`."""
        assert change.after is not None
        assert change.source_digest is not None
        if not change.platforms_wanted:
            return await self._sources.get_manifest(change.source.at(change.after.digest))
        index = await self._sources.get_manifest(change.source.at(change.source_digest))
        reduced = reduce_index(index, change.platforms_wanted, where=str(change.source))
        if reduced.digest != change.after.digest:
            raise ContentError(
                f"{change.target}: the index reduced to the wanted platforms hashes to {reduced.digest}, "
                f"but {change.after.digest} was approved; plan again with this version of transship"
            )
        return reduced


def _check_unmoved(change: Change, found: Descriptor | None) -> None:
    """Refuse to refresh an image under a tag that has moved since; raises `ConflictError`."""
    assert change.after is not None
    if found is None or found.digest != change.after.digest:
        raise ConflictError(change.target, str(change.after.digest), str(found.digest) if found else "absent")


def _is_done(change: Change, found: Descriptor | None) -> bool:
    """Tell whether the target tag is as planned; raises `ConflictError` when it is neither that nor as it was."""
    assert change.after is not None
    if found is not None and found.digest == change.after.digest:
        return True
    before = change.before.digest if change.before else None
    if (found.digest if found else None) != before:
        raise ConflictError(change.target, str(before or "absent"), str(found.digest) if found else "absent")
    return False
