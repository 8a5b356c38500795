"""Copy content by digest from one repository to another, each thing once per run.

Order inside an image: blobs, then the manifests of an index, then the index itself; the tag is the caller's, and last.
What is at the target stays there, a blob that another repository of the target registry holds is mounted, and only the
rest crosses the wire (docs/adr/0002-transport.md § Copying).
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from transship_executor.job import Job
from transship_executor.outcome import Traffic
from transship_executor.putting import Putter
from transship_executor.sources import Sources
from transship_planner.asking import for_each
from transship_planner.plans.forecast import store_of
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Repository
from transship_registry.referrers.lists import Referrer

_Content: TypeAlias = tuple[str, Digest]


@dataclass(frozen=True, slots=True)
class _Parts:
    """All parts of one manifest, and those that were put and have to be listed as referrers."""

    all: Mapping[Digest, Descriptor]
    unlisted: list[Referrer | None] = field(default_factory=list["Referrer | None"])

    def subject_of(self, manifest: Manifest) -> Descriptor | None:
        """Return the part that is the subject of another one; a digest cannot be part of what it depends on."""
        return self.all.get(manifest.subject.digest) if manifest.subject else None


class Copier:
    """The copying of one run; it knows what this run has already brought where."""

    def __init__(self, registry: RegistryWriter, sources: Sources, putter: Putter) -> None:
        self._registry = registry
        self._putter = putter
        self._sources = sources
        self._locks: defaultdict[_Content, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._holders: defaultdict[_Content, dict[Repository, None]] = defaultdict(dict)
        self._stored: set[_Content] = set()
        self._complete: set[_Content] = set()

    async def bring(self, job: Job, manifest: Manifest) -> None:
        """Make everything that `manifest` points at present in the target repository, but not the manifest itself."""
        content = (str(job.target), manifest.digest)
        async with self._locks[content]:
            if not await self._is_complete(job, manifest.descriptor):
                await self._bring_parts(job, manifest)
                self._complete.add(content)

    async def bring_manifest(self, job: Job, manifest: Descriptor) -> None:
        """Make a manifest present in the target repository, with everything that it points at."""
        parts = _Parts({})
        await self._bring_manifest(job, manifest, parts)
        await self._putter.keep_lists(job.target, parts.unlisted, job)

    async def _bring_parts(self, job: Job, manifest: Manifest) -> None:
        wanted = (part for part in (*manifest.blobs, *manifest.children) if self._is_wanted(job, part))
        parts = _Parts({part.digest: part for part in wanted})
        await for_each(parts.all.values(), lambda part: self._bring_part(job, part, parts))
        await self._putter.keep_lists(job.target, parts.unlisted, job, parts=True)

    @staticmethod
    def _is_wanted(job: Job, part: Descriptor) -> bool:
        return job.include_external or not part.is_external

    async def _bring_part(self, job: Job, part: Descriptor, parts: "_Parts") -> None:
        if part.is_manifest:
            await self._bring_manifest(job, part, parts)
        else:
            await self._bring_blob(job, part)

    async def _bring_manifest(self, job: Job, part: Descriptor, parts: "_Parts") -> None:
        """Bring one of the parts with all below it, after the one that is its subject.

        GitLab takes no attestation before the image that it is about (https://github.com/moby/buildkit/issues/7007).
        """
        content = (str(job.target), part.digest)
        async with self._locks[content]:
            if await self._is_stored(job, part):
                return
            manifest = await self._sources.get_manifest(job.source.at(part.digest))
            await self._bring_parts(job, manifest)
            if (subject := parts.subject_of(manifest)) is not None:
                await self._bring_manifest(job, subject, parts)
            parts.unlisted.append(await self._putter.put(job.target.at(part.digest), manifest))
            job.traffic += Traffic(manifests=1)
            self._stored.add(content)

    async def _is_complete(self, job: Job, manifest: Descriptor) -> bool:
        """Whether the target repository has all that the manifest points at; it need not have the manifest yet."""
        if job.doubted or job.doubt_all:
            return False
        return (str(job.target), manifest.digest) in self._complete or await self._is_stored(job, manifest)

    async def _is_stored(self, job: Job, manifest: Descriptor) -> bool:
        """Whether the target repository has the manifest, and so, as registries check on PUT, all that it points at."""
        content = (str(job.target), manifest.digest)
        if job.doubts(manifest.digest):
            return False
        if content not in self._stored and await self._has_manifest(job.target, manifest):
            self._stored.add(content)
        return content in self._stored

    async def _has_manifest(self, target: Repository, manifest: Descriptor) -> bool:
        try:
            return await self._registry.holds(target, manifest)
        except RegistryError as error:
            # Distribution as a pull-through cache says 500 of a digest that it does not know; the push says why.
            if error.status == 500:
                return False
            raise

    async def _bring_blob(self, job: Job, blob: Descriptor) -> None:
        """Bring a blob; whoever needs the same blob in the same registry meanwhile waits, and then mounts it."""
        content = (store_of(job.target), blob.digest)
        async with self._locks[content]:
            holders = self._holders[content]
            if job.doubts(blob.digest):
                holders.clear()
            if job.target in holders or await self._is_there(job, blob, holders):
                job.traffic += Traffic(blobs_present=1)
            elif await self._mount(job, blob, holders):
                job.traffic += Traffic(blobs_mounted=1)
            else:
                await self._registry.upload_blob(job.target, blob, _SourceBlob(self._sources, job, blob))
                job.traffic += Traffic(sent=blob.size, blobs_sent=1)
            holders[job.target] = None
            await self._sources.arrived(job.target, blob.digest)

    async def _is_there(self, job: Job, blob: Descriptor, holders: Iterable[Repository]) -> bool:
        """Ask the target, unless a mount is likely to succeed: that costs one request whether or not it is there."""
        if job.doubts(blob.digest) or any(holders):
            return False
        return await self._registry.holds(job.target, blob)

    async def _mount(self, job: Job, blob: Descriptor, holders: Iterable[Repository]) -> bool:
        if job.doubts(blob.digest):
            return False
        origin = next(iter(holders), job.source)
        if job.target.is_layout != origin.is_layout or job.target.registry != origin.registry:
            return False
        return await self._registry.mount_blob(job.target, blob, origin)


@dataclass(frozen=True, slots=True)
class _SourceBlob:
    """The bytes of a blob at the source, for as often as an upload has to start again.

    They are `verified` as the sources hand them out, and need not be hashed a second time.
    """

    sources: Sources
    job: Job
    blob: Descriptor
    verified: bool = True

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
        """Stream the blob's bytes from `offset` on."""
        async with self.sources.get_blob(self.job.source, self.job.target, self.blob, offset) as pieces:
            yield self._counted(pieces)

    async def _counted(self, pieces: AsyncIterator[bytes | memoryview]) -> AsyncIterator[bytes | memoryview]:
        async for piece in pieces:
            self.job.on_bytes(len(piece))
            yield piece
