"""Put manifests at the targets, and keep up the lists of referrers where there is no referrers API."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext

from transship_executor.job import Job
from transship_planner.plans.plan import Change
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import referrers_tag
from transship_registry.referrers.lists import Referrer


class Putter:
    """Puts manifests for the pending changes of a plan.

    Where there is no referrers API, a manifest with a subject has to be listed under that one's referrers tag. A
    repository that is copied as a whole has such tags among its own: what the plan writes under them is the whole list,
    and a list that is kept up meanwhile would be neither what the plan saw there nor what it wants.

    What is attached to one manifest is put one after another: a registry that has the API keeps a list, too, and
    olareg 0.2.1 reads it, adds to it and writes it without a lock, so that of two that arrive at once one is lost.
    """

    def __init__(self, registry: RegistryWriter, pending: Iterable[Change]) -> None:
        self._registry = registry
        self._planned = frozenset(tag for change in pending for tag in _tags(change))
        self._turns: defaultdict[tuple[Repository, Digest], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def put(self, reference: Reference, manifest: Manifest) -> Referrer | None:
        """Store a manifest; return the referrer that it makes, if `keep_lists` is to list it."""
        async with self._turn(reference.repository, manifest):
            unlisted = await self._registry.put_manifest(reference, manifest, keep_list=False)
        if unlisted is None or reference.repository.tag(referrers_tag(unlisted.subject)) in self._planned:
            return None
        return unlisted

    def _turn(self, repository: Repository, manifest: Manifest) -> AbstractAsyncContextManager[object]:
        return self._turns[repository, manifest.subject.digest] if manifest.subject else nullcontext()

    async def put_listed(self, reference: Reference, manifest: Manifest, job: Job) -> None:
        """Store a manifest, and list it if it has to be."""
        await self.keep_lists(reference.repository, [await self.put(reference, manifest)], job)

    async def keep_lists(
        self, repository: Repository, referrers: Iterable[Referrer | None], job: Job, *, parts: bool = False
    ) -> None:
        """List what was put, in one go for each subject: where tags are immutable, a list is written only once.

        A target that does not let the list be written refuses what is attached, and the job says what that means; but
        `parts` of an index, such as buildkit's attestations, are found through that index, too.
        """
        subjects = defaultdict[Digest, list[Descriptor]](list)
        for each in referrers:
            if each is not None:
                subjects[each.subject].append(each.descriptor)
        for subject, descriptors in subjects.items():
            try:
                await self._registry.add_referrers(repository, subject, descriptors)
            except RegistryError as error:
                job.leave_behind(error, spares=parts)


def _tags(change: Change) -> Iterator[Reference]:
    """Yield every tag that a change writes."""
    yield change.target
    if change.backup is not None:
        yield change.backup
    yield from (each.target.tag(each.tag) for each in change.attached if each.tag)
