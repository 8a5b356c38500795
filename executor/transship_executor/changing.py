"""Carry out one change: look at its target, bring what is lacking there, and set the tag last (docs/plan-file.md)."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from transship_executor.attaching import Attacher
from transship_executor.backup import back_up
from transship_executor.copying import Copier
from transship_executor.errors import ConflictError
from transship_executor.job import Job
from transship_executor.outcome import Status, Traffic
from transship_executor.pacing import Pacing
from transship_executor.putting import Putter
from transship_executor.refreshing import lacks_content
from transship_executor.sources import Sources
from transship_planner.plans.plan import Action, Change
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, MissingContentError
from transship_registry.manifest import Descriptor, Manifest, reduce_index
from transship_registry.ports import RegistryWriter
from transship_registry.referrers.index import named_by

_Work: TypeAlias = Callable[[Change, Job], Awaitable[bool]]
"""What there is to do for a change; it tells whether anything was written."""


class Changer:
    """Makes the changes of one run true; what one of them has brought, the others find there."""

    def __init__(self, registry: RegistryWriter, sources: Sources, pacing: Pacing, pending: Iterable[Change]) -> None:
        self._registry = registry
        self._sources = sources
        self._pacing = pacing
        pending = tuple(pending)
        self._planned = {
            (change.target.repository, part.digest): (change.source.repository, part)
            for change in pending
            if change.ratelimit is None and not change.platforms_wanted
            for part in change.content.manifests
        }
        self._putter = Putter(registry, pending)
        self._copier = Copier(registry, sources, self._putter)
        self._attacher = Attacher(registry, sources, self._copier, self._putter)

    async def make(self, change: Change, job: Job) -> Status:
        """Make a change true, and tell whether it was so already.

        Raises `ConflictError` when the target is neither as planned nor as it was, and what registries raise.
        """
        work = await self._find_work(change)
        if work is not None and await self._pacing.wait(change):
            # Hours may have passed: what somebody else has done is spared its pulls, what has moved is a conflict.
            work = await self._find_work(change)
        if work is None:
            return Status.ALREADY
        return Status.DONE if await self._insist(work, change, job) else Status.ALREADY

    async def _insist(self, work: _Work, change: Change, job: Job) -> bool:
        """Do the work, and once more for sure when a target said "exists" and then did not know it.

        That happens after a garbage collection; and where a subject has to be there before what is attached to it, as
        at GitLab, it may still be on its way with another change.
        """
        try:
            return await work(change, job)
        except MissingContentError as error:
            job.doubted, job.doubt_all = job.doubted | frozenset(error.digests), not error.digests
            job.warnings.clear()  # what they tell of will be tried again
            await self._bring_others(error.digests, change, job)
            return await work(change, job)

    async def _bring_others(self, digests: Iterable[Digest], change: Change, job: Job) -> None:
        """Bring what is missing for a change and comes with another one of the plan."""
        own = {part.digest for part in change.content.manifests}
        for digest in digests:
            source, part = self._planned.get((job.target, digest), (job.source, None))
            if part is not None and digest not in own:
                with job.between(source, job.target) as moving:
                    descriptor = Descriptor(media_type=part.media_type, digest=digest, size=part.size)
                    await self._copier.bring_manifest(moving, descriptor)

    async def _find_work(self, change: Change) -> _Work | None:
        """Compare the target with the plan, without asking the source for anything; None when it is as planned."""
        found = await self._registry.head_manifest(change.target)
        if change.action is Action.REFRESH:
            _check_unmoved(change, found)
            if await lacks_content(self._registry, change):
                return self._mend
        elif not _is_done(change, found):
            return self._bring_and_tag
        return self._attacher.attach if await self._attacher.lacks_any(change) else None

    async def _mend(self, change: Change, job: Job) -> bool:
        """Bring what the target has lost of an image; the manifests above that are sent again, though it has them."""
        job.doubted |= {each.digest for each in change.content.manifests if not each.present}
        manifest = await self._approved(change, job)
        await self._copier.bring(job, manifest)
        if not await self._registry.holds(job.target, manifest.descriptor):
            await self._putter.put(change.target, manifest)
            job.traffic += Traffic(manifests=1)
        await self._attacher.attach(change, job)
        return True

    async def _bring_and_tag(self, change: Change, job: Job) -> bool:
        manifest = await self._approved(change, job)
        await self._copier.bring(job, manifest)
        if change.attached or manifest.subject is not None:
            # What is attached follows its subject and precedes the tag: nobody finds the image without its signatures,
            # and no tag says that an artifact is here before it is listed.
            await self._putter.put_listed(change.target.repository.at(manifest.digest), manifest, job)
            job.traffic += Traffic(manifests=1)
            await self._attacher.attach(change, job)
        await back_up(self._registry, self._copier, self._putter, change, job)
        if not _is_done(change, await self._registry.head_manifest(change.target)):
            await self._putter.put(change.target, manifest)
            job.traffic += Traffic(manifests=1)
        return True

    async def _approved(self, change: Change, job: Job) -> Manifest:
        """Return the manifest that was approved, which is a pull only once, also when the work is done again."""
        if job.approved is None:
            job.approved = await self._fetch(change)
        return job.approved

    async def _fetch(self, change: Change) -> Manifest:
        """Fetch the manifest that was approved, by its digest, or raise `ContentError`."""
        assert change.after is not None
        assert change.source_digest is not None
        if not change.platforms_wanted and not change.left_out:
            return await self._sources.get_manifest(change.source.at(change.after.digest))
        index = await self._sources.get_manifest(change.source.at(change.source_digest))
        reduced = reduce_index(index, change.platforms_wanted, where=str(change.source), without=change.left_out)
        if reduced.digest != change.after.digest:
            raise ContentError(
                f"{change.target}: the index reduced to what is wanted hashes to {reduced.digest}, "
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
    tag, now = change.target.tag, found.digest if found else None
    if now == change.after.digest:
        return True
    before = change.before.digest if change.before else None
    if named_by(tag, now) != named_by(tag, before):
        raise ConflictError(change.target, str(before or "absent"), str(now or "absent"))
    return False
