"""What a run reads from its sources: each blob and each manifest once, though several changes need it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from transship_executor.spool import Piece, Spools
from transship_planner.plans.forecast import brought
from transship_planner.plans.plan import Change
from transship_registry.causes import explain
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import RegistryReader
from transship_registry.reference import Reference, Repository


class Sources:
    """The sources of a plan's changes; what is shared is kept until the last change that needs it has ended."""

    def __init__(self, reader: RegistryReader, changes: Iterable[Change]) -> None:
        changes = tuple(changes)
        self._reader = reader
        self._spools = Spools(reader, changes)
        uses = Counter(reference for change in changes for reference in _manifests(change))
        self._uses = {reference: count for reference, count in uses.items() if count > 1}
        self._locks: defaultdict[Reference, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._manifests: dict[Reference, Manifest] = {}

    async def __aenter__(self) -> Self:
        await self._spools.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._spools.__aexit__(kind, error, trace)

    async def get_manifest(self, reference: Reference) -> Manifest:
        """Fetch a manifest by its digest, or return it if another change that needs it has fetched it."""
        if reference not in self._uses:
            return await self._fetch(reference)
        async with self._locks[reference]:
            if reference not in self._manifests:
                self._manifests[reference] = await self._fetch(reference)
            return self._manifests[reference]

    async def _fetch(self, reference: Reference) -> Manifest:
        try:
            return await self._reader.get_manifest(reference)
        except RegistryError as error:
            explain(error, approved=True)
            raise

    @asynccontextmanager
    async def get_blob(
        self, source: Repository, target: Repository, blob: Descriptor, offset: int = 0
    ) -> AsyncGenerator[AsyncIterator[Piece]]:
        """Stream a blob's verified bytes from `offset` on, for an upload to `target`."""
        try:
            async with self._spools.get_blob(source, target, blob, offset) as pieces:
                yield pieces
        except RegistryError as error:
            explain(error, approved=True)  # of the upload's own errors, none is about getting a blob
            raise

    async def arrived(self, target: Repository, digest: Digest) -> None:
        """Take note that the registry or layout of `target` has a blob."""
        await self._spools.arrived(target, digest)

    async def ended(self, change: Change) -> None:
        """Take note that a change does not need anything any longer, however it ended."""
        for reference in _manifests(change):
            if reference in self._uses:
                self._uses[reference] -= 1
                if not self._uses[reference]:
                    del self._uses[reference]
                    self._manifests.pop(reference, None)
                    self._locks.pop(reference, None)
        await self._spools.ended(change)


def _manifests(change: Change) -> set[Reference]:
    """Return the manifests that a change fetches: its trees', and the index that it may be reduced from."""
    fetched = {source.at(manifest.digest) for source, _, content in brought(change) for manifest in content.manifests}
    if fetched and change.source_digest is not None:
        fetched.add(change.source.at(change.source_digest))
    return fetched
