"""OCI image layouts as registries: `RegistryWriter` for every `ocidir://` repository."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Final, Self

from transship_registry.digest import Digest
from transship_registry.errors import ContentError, LayoutError, NotFoundError, UnsupportedError
from transship_registry.inventory import Inventory, InventorySource
from transship_registry.layout.blobs import PIECE, BlobReader, BlobWriter, link_blob, share_file_system
from transship_registry.layout.checking import Checker
from transship_registry.layout.collect import Collected, Rules, collect
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.folder import Folder
from transship_registry.layout.leftovers import remove_leftovers
from transship_registry.layout.links import LayoutLinks
from transship_registry.layout.lock import LockFile, wait_for_lock
from transship_registry.layout.marks import Mark
from transship_registry.layout.offload import Offload
from transship_registry.layout.opened import OpenLayout
from transship_registry.layout.referrers import add_referrers, list_referrers
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import BlobOrigin, TagList
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer, ReferrerList

GRACE_S: Final = 3600.0
"""Age in seconds from which an unreachable blob may be collected."""

PATIENCE_S: Final = 60.0
"""Seconds to wait for another process that writes the same layout."""

_THREADS: Final = 8

_log = logging.getLogger(__name__)


class LayoutStore:
    """All the layouts that one run reads and writes; an async context manager.

    Open one for each run: until it is closed it keeps other processes from collecting garbage in the layouts that it
    writes. Several processes may write one layout at once. Reading takes no lock and writes nothing.
    """

    def __init__(
        self,
        *,
        links: LayoutLinks = LayoutLinks.COPY,
        grace_s: float = GRACE_S,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._links = links
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._offload = Offload(_THREADS)
        self._checker = Checker(self._offload)
        self._layouts: dict[Folder, OpenLayout] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; after an error without collecting, so that the next run finds what this one had copied."""
        if error is None:
            await self.aclose()
        else:
            self._release()

    async def aclose(self) -> None:
        """Collect garbage in the layouts where this run replaced or deleted a tag, and let go of all.

        A collection that fails is logged and left to a later run: what was asked for has been done.
        """
        try:
            for layout in self._layouts.values():
                if layout.has_garbage:
                    await self._collect_quietly(layout)
        finally:
            self._release()

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """Return media type, digest and size of the manifest; None when there is no layout, or it is not in it."""
        layout = self._layout(reference.repository)
        return await self._offload.run(layout.head_manifest, reference)

    async def get_manifest(self, reference: Reference) -> Manifest:
        """Read a manifest and verify its digest; raises `NotFoundError` when it is absent."""
        layout = self._layout(reference.repository)
        return await self._offload.run(layout.get_manifest, reference)

    async def pull_quota(self, reference: Reference) -> Quota | None:
        """Return None: a layout has no quota."""
        return None

    def stated_quota(self, repository: Repository) -> Quota | None:
        """Return None: a layout has no quota."""
        return None

    async def head_blob(self, repository: Repository, digest: Digest) -> int | None:
        """Return the size in bytes of a blob; None when it is absent."""
        layout = self._layout(repository)
        return await self._offload.run(layout.head_blob, digest)

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """Whether the layout has this blob or manifest; a file that this run did not write is read, once in a run."""
        layout = self._layout(repository)
        if await self._offload.run(layout.index) is None:
            return False
        return await self._checker.find(layout.folder, content) is not None

    @asynccontextmanager
    async def get_blob(
        self, repository: Repository, blob: Descriptor
    ) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        """Stream a blob in pieces of 1 MiB, each valid until the next one is asked for.

        Raises `NotFoundError`, and `ContentError` at once for a wrong size, before the last piece for a wrong digest.
        """
        folder = self._layout(repository).folder
        reader = await self._offload.run(BlobReader, folder, blob)
        try:
            async with aclosing(self._pieces(reader)) as pieces:
                yield pieces
        finally:
            reader.close()

    async def list_tags(self, repository: Repository) -> TagList:
        """List the tags, sorted; raises `NotFoundError` when there is no layout."""
        layout = self._layout(repository)
        return await self._offload.run(layout.list_tags, repository)

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """List the manifests whose subject is `digest`: those of its referrers tag, and those in index.json."""
        layout = self._layout(repository)
        return await self._offload.run(list_referrers, layout, repository, digest, artifact_type)

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """Store the manifest under a tag, or by its digest as a blob only.

        A reference with both is stored by digest (semantics B7). Raises `ContentError` when the digest is another, and
        `MissingContentError` when something that it points at, through its children too, is missing or damaged; layers
        with `urls` may be missing. Files that this run did not write are read for that, while nobody else has to wait.
        A manifest with a subject is listed under that one's referrers tag; without `keep_list` it is returned instead.
        """
        if reference.digest is not None and reference.digest != manifest.digest:
            raise ContentError(f"PUT manifest {reference}: the manifest's bytes hash to {manifest.digest}")
        layout = await self._begin(reference.repository)
        checked = await self._checker.check_complete(layout.folder, manifest, reference)
        if reference.digest is not None:
            await self._offload.run(layout.put_digest, manifest, reference)
        else:
            async with self._updating(layout):
                if not await self._offload.run(checked.is_unchanged, layout.folder):
                    checked = await self._checker.check_complete(layout.folder, manifest, reference)
                await self._offload.run(layout.put_tag, manifest, reference.identifier, reference, checked)
        unlisted = Referrer.of(manifest)
        if unlisted is None or not keep_list:
            return unlisted
        await self.add_referrers(reference.repository, unlisted.subject, (unlisted.descriptor,))
        return None

    async def add_referrers(self, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """List manifests that are stored under the referrers tag of their subject, all at once.

        Raises `UnsupportedError` when the tag holds something else than an OCI index.
        """
        layout = await self._begin(repository)
        async with self._updating(layout):
            await self._offload.run(add_referrers, layout, repository, subject, referrers)

    async def mount_blob(self, repository: Repository, blob: Descriptor, source: Repository) -> bool:
        """Make a blob of another layout on the same file system appear here: a copy, or a hard link where wanted.

        A copy shares the blocks on the disk where the file system can. False when the other layout lacks the blob, has
        another one under its name, or lies on another file system.
        """
        if not (repository.is_layout and source.is_layout):
            return False
        origin = self._layout(source)
        if await self._offload.run(origin.head_blob, blob.digest) != blob.size:
            return False
        layout = await self._begin(repository)
        if await self._checker.find(layout.folder, blob):
            return True
        if self._links is LayoutLinks.HARDLINK:
            return await self._link_blob(origin, layout, blob)
        if not await self._offload.run(share_file_system, origin.folder, layout.folder):
            return False
        return await self._copy_blob(origin, layout, blob)

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: BlobOrigin) -> None:
        """Store a blob, unless its file is there already and right; a damaged one is replaced."""
        layout = await self._begin(repository)
        if await self._checker.find(layout.folder, blob):
            return
        is_there = await self._offload.run(layout.folder.has_file, blob)
        writer = await self._offload.run(BlobWriter, layout.folder, blob)
        try:
            async with origin.open() as pieces:
                await self._write_pieces(writer, pieces)
            self._note(layout, blob, await self._offload.run(writer.finish))
        finally:
            await self._offload.run(writer.discard)
        if is_there:
            _log.warning("%s had other content than its name says; it was written anew", writer.path)

    async def _copy_blob(self, origin: OpenLayout, layout: OpenLayout, blob: Descriptor) -> bool:
        try:
            reader = await self._offload.run(BlobReader, origin.folder, blob)
        except (NotFoundError, ContentError):
            return False
        try:
            writer = await self._offload.run(BlobWriter, layout.folder, blob)
            try:
                await self._fill(writer, reader)
                self._note(layout, blob, await self._offload.run(writer.finish))
            except ContentError:
                return False
            finally:
                await self._offload.run(writer.discard)
        finally:
            reader.close()
        return True

    async def _link_blob(self, origin: OpenLayout, layout: OpenLayout, blob: Descriptor) -> bool:
        before = await self._checker.find(origin.folder, blob)
        if before is None:
            return False
        after = await self._offload.run(link_blob, origin.folder, layout.folder, blob)
        if after is None:
            return False
        self._note(layout, blob, after if before.is_same_content(after) else None)
        return True

    def _note(self, layout: OpenLayout, blob: Descriptor, mark: Mark | None) -> None:
        """Take note of a blob that this run has stored."""
        layout.written.add(blob.digest)
        self._checker.note(blob.digest, mark)

    async def _fill(self, writer: BlobWriter, reader: BlobReader) -> None:
        """Let the writer have the reader's bytes, piece by piece, so that it can be interrupted."""
        if await self._offload.run(writer.clone, reader):
            while await self._offload.run(writer.verify_next):
                pass
            return
        while (piece := await self._offload.run(reader.read)) is not None:
            await self._offload.run(writer.write, piece)

    async def inventory(self, repository: Repository) -> Inventory:
        """List the tags, sorted, with what index.json says of them; raises `NotFoundError` when there is no layout."""
        layout = self._layout(repository)
        return Inventory(tags=await self._offload.run(layout.inventory, repository), source=InventorySource.LAYOUT)

    async def delete_tag(
        self, reference: Reference, expected: Digest | None = None, *, along: Collection[str] = ()
    ) -> None:
        """Remove the tag's entry from index.json; raises `NotFoundError` when there is none.

        With a digest expected, here or in the reference, only if the tag names that. Other tags always stay. Raises
        `UnsupportedError` when several images of other tools claim the tag.
        """
        reference = reference.expecting(expected)
        tag = reference.tag
        if tag is None:
            raise UnsupportedError("delete tag", str(reference), "the reference has no tag", advice="name the tag")
        await self._offload.run(self._layout(reference.repository).check_deletable, reference, tag)
        layout = await self._begin(reference.repository)
        async with self._updating(layout):
            await self._offload.run(layout.delete_tag, reference, tag)

    async def collect(self, repository: Repository) -> Collected:
        """Remove blobs that no tag reaches, unless that is uncertain or another process writes the layout.

        Call it while nothing is being copied into the layout. Raises `LayoutError` for a folder that is no layout.
        """
        layout = self._layout(repository)
        if await self._offload.run(layout.index) is None:
            return Collected(skipped="there is no layout")
        return await self._collect(await self._begin(repository))

    async def _collect_quietly(self, layout: OpenLayout) -> None:
        try:
            result = await self._collect(layout)
        except LayoutError as error:
            _log.warning("garbage was not collected: %s", error)
            return
        if result.skipped:
            _log.warning("garbage was not collected in %s: %s", layout.folder.name, result.skipped)
        else:
            _log.debug("collected %d files, %d bytes, in %s", result.removed, result.size, layout.folder.name)

    async def _collect(self, layout: OpenLayout) -> Collected:
        async with layout.mutex:
            with disk_errors("lock layout", layout.folder.name, layout.writers.path):
                is_alone = await self._offload.run(layout.writers.try_exclusive)
            try:
                if not is_alone:
                    return Collected(skipped="another process is writing the layout")
                disposable = frozenset(layout.written & layout.tagged)
                rules = Rules(now=self._clock(), grace_s=self._grace_s, disposable=disposable)
                result = await self._offload.run(collect, layout.folder, rules)
                layout.has_garbage = False
                return result
            finally:
                layout.stop_writing()

    async def _begin(self, repository: Repository) -> OpenLayout:
        """Open a layout for writing: made if need be, and safe from collections until this run ends."""
        layout = self._layout(repository)
        async with layout.mutex:
            if not layout.is_writing:
                # Before anything is written: a folder that is no layout stays as it is (semantics B18.7).
                await self._offload.run(layout.index)
                await self._offload.run(layout.make_folder)
                await self._lock(layout, layout.writers, exclusive=False)
                async with self._holding_updates(layout):
                    await self._offload.run(layout.prepare)
                await self._offload.run(remove_leftovers, layout.folder, self._clock())
                layout.is_writing = True
        return layout

    @asynccontextmanager
    async def _updating(self, layout: OpenLayout) -> AsyncGenerator[None, None]:
        async with layout.mutex, self._holding_updates(layout):
            yield

    @asynccontextmanager
    async def _holding_updates(self, layout: OpenLayout) -> AsyncGenerator[None, None]:
        await self._lock(layout, layout.updates, exclusive=True)
        try:
            yield
        finally:
            layout.updates.release()

    async def _lock(self, layout: OpenLayout, lock: LockFile, *, exclusive: bool) -> None:
        await wait_for_lock(
            lock,
            exclusive=exclusive,
            layout=layout.folder.name,
            patience_s=self._patience_s,
            offload=self._offload,
            sleep=self._sleep,
        )

    async def _pieces(self, reader: BlobReader) -> AsyncGenerator[bytes | memoryview, None]:
        while (piece := await self._offload.run(reader.read)) is not None:
            yield piece

    async def _write_pieces(self, writer: BlobWriter, pieces: AsyncIterator[bytes | memoryview]) -> None:
        """Write pieces of any size; small ones are gathered, because a visit to a thread costs 50 µs."""
        gathered = bytearray()
        async for piece in pieces:
            if not gathered and len(piece) >= PIECE:
                await self._offload.run(writer.write, piece)
                continue
            gathered += piece
            if len(gathered) >= PIECE:
                await self._offload.run(writer.write, gathered)
                gathered.clear()
        await self._offload.run(writer.write, gathered)

    def _layout(self, repository: Repository) -> OpenLayout:
        folder = Folder.of(repository)
        layout = self._layouts.get(folder)
        if layout is None:
            layout = self._layouts[folder] = OpenLayout(folder)
        return layout

    def _release(self) -> None:
        for layout in self._layouts.values():
            layout.stop_writing()
        self._layouts.clear()
        self._offload.close()
