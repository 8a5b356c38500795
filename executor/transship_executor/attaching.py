"""Copy what is attached to an image: referrers and digest tags, those nearer to the image first (semantics B13.13)."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from transship_executor.copying import Copier
from transship_executor.errors import ConflictError
from transship_executor.job import Job
from transship_executor.outcome import Traffic
from transship_executor.putting import Putter
from transship_executor.sources import Sources
from transship_planner.plans.plan import Attachment, Change
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.ports import RegistryReader
from transship_registry.reference import Repository
from transship_registry.referrers.index import named_by
from transship_registry.referrers.lists import Referrer

_Subject: TypeAlias = tuple[Repository, Digest]


class Attacher:
    """Attaches, at the target of a change, what its plan says; what is there already is left alone.

    Tags of one image share what is attached to it. Only one change at a time looks at what a subject has and brings
    what it lacks, so that the others find it there.
    """

    def __init__(self, registry: RegistryReader, sources: Sources, copier: Copier, putter: Putter) -> None:
        self._registry = registry
        self._sources = sources
        self._copier = copier
        self._putter = putter
        self._locks: defaultdict[_Subject, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def lacks_any(self, change: Change) -> bool:
        """Tell whether something is to be brought; raises `ConflictError` as `attach` does."""
        for subject, wanted in _by_subject(change):
            if await self._absent(subject, wanted):
                return True
        return False

    async def attach(self, change: Change, job: Job) -> bool:
        """Bring all that is not there yet; tell whether anything was written.

        Raises `ConflictError` when a digest tag is neither what the plan saw nor what it wants. What the target refuses
        because of its kind is an error, or one of the job's warnings, as the change says.
        """
        written = False
        for subject, wanted in _by_subject(change):
            async with self._locks[subject]:
                absent = await self._absent(subject, wanted)
                unlisted = list[Referrer | None]()
                for each in absent:
                    written |= await self._bring(each, job, unlisted)
                await self._putter.keep_lists(subject[0], unlisted, job)
        return written

    async def _absent(self, subject: _Subject, wanted: Iterable[Attachment]) -> list[Attachment]:
        """Return what is not there of what is wanted at a subject, whose referrers are listed once."""
        wanted = tuple(wanted)
        there = await self._listed(subject) if any(not each.tag for each in wanted) else frozenset[Digest]()
        return [each for each in wanted if not (await self._is_tagged(each) if each.tag else each.digest in there)]

    async def _listed(self, subject: _Subject) -> frozenset[Digest]:
        listed = await self._registry.list_referrers(*subject)
        return frozenset(found.digest for found in listed.descriptors)

    async def _is_tagged(self, each: Attachment) -> bool:
        place = each.target.tag(each.tag)
        descriptor = await self._registry.head_manifest(place)
        found = descriptor.digest if descriptor else None
        if found != each.digest and named_by(each.tag, found) != named_by(each.tag, each.before):
            raise ConflictError(place, str(each.before or "absent"), str(found or "absent"))
        return found == each.digest

    async def _bring(self, each: Attachment, job: Job, unlisted: list[Referrer | None]) -> bool:
        """Copy one manifest with all below it, to be listed then; False when the target refused it, and may."""
        place = each.target.tag(each.tag) if each.tag else each.target.at(each.digest)
        try:
            with job.between(each.source, each.target) as moving:
                manifest = await self._sources.get_manifest(each.source.at(each.digest))
                await self._copier.bring(moving, manifest)
                unlisted.append(await self._putter.put(place, manifest))
        except RegistryError as error:
            job.leave_behind(error)
            return False
        job.traffic += Traffic(manifests=1)
        return True


def _by_subject(change: Change) -> Iterator[tuple[_Subject, list[Attachment]]]:
    """Yield what the plan did not find at the target, by what it is attached to; each subject after what brings it."""
    subjects: defaultdict[_Subject, list[Attachment]] = defaultdict(list)
    for each in change.attached:
        if not each.present:
            subjects[each.target, each.subject].append(each)
    yield from subjects.items()
