"""Keep a blob that several targets need on disk meanwhile, so that its source is read once for all of them."""

import asyncio
import logging
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Final, Self, TypeAlias, TypeVarTuple

from transship_planner.plans.forecast import brought, store_of
from transship_planner.plans.plan import Change
from transship_registry.digest import Digest
from transship_registry.layout.offload import Offload
from transship_registry.manifest import Descriptor
from transship_registry.ports import RegistryReader
from transship_registry.reference import Repository

Piece: TypeAlias = bytes | memoryview
Ts = TypeVarTuple("Ts")

PIECE: Final = 1024 * 1024
"""Bytes that are read from a file at once."""

_THREADS: Final = 4
_log = logging.getLogger(__name__)


def by_content(changes: Iterable[Change]) -> list[Change]:
    """Bring changes with the same source content together, in the order in which the contents first appear.

    Then a blob is soon with all who need it, and does not lie on the disk until the run's end.
    """
    groups: defaultdict[object, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.source_digest or change.target].append(change)
    return [change for group in groups.values() for change in group]


class Spools:
    """The blobs of a plan that more than one store needs, each from its first reading until all of them have it.

    The first upload reads the source, and writes what it passes on to a temporary file without a name; the uploads to
    other stores wait until that is complete, and read it. When the first one breaks off, the next in line reads the
    source. A file that cannot be written or read costs the saving only: the source is read again. What lies in a
    layout is on the disk already, and read from there.

    Nobody waits in a circle: whoever reads the source is inside an upload that has what it needs at its target already,
    and a download that feeds an upload is let through at the source even if uploads hold all its slots (`HostLimiter`).
    So it needs nothing of those who wait; they are inside uploads, too, and need no more than that to take its place.
    """

    def __init__(self, reader: RegistryReader, changes: Iterable[Change]) -> None:
        self._reader = reader
        self._offload = Offload(_THREADS)
        self._spools = {digest: _Spool(uses) for digest, uses in _uses(changes).items() if len(uses) > 1}
        self._has_warned = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove all that is still there."""
        for spool in self._spools.values():
            if spool.file is not None:
                spool.file.close()
        self._offload.close()

    @asynccontextmanager
    async def get_blob(
        self, source: Repository, target: Repository, blob: Descriptor, offset: int = 0
    ) -> AsyncGenerator[AsyncIterator[Piece]]:
        """Stream a blob's bytes from `offset` on, for an upload to `target`.

        They are verified as those of `RegistryReader.get_blob` are: a spool is only complete when they were.
        """
        reading = _Reading(source, target, blob, offset)
        async with AsyncExitStack() as stack:
            yield await self._open(reading, stack)

    async def _open(self, reading: "_Reading", stack: AsyncExitStack) -> AsyncIterator[Piece]:
        """Wait until the spool is complete, or until it is this upload's turn to read the source."""
        spool = self._spools.get(reading.blob.digest)
        if spool is None:
            return await stack.enter_async_context(self._from_source(reading))
        turn = await stack.enter_async_context(_Turn(spool.lock))
        if spool.file is not None and not spool.is_spoilt:
            turn.end()
            return await stack.enter_async_context(self._from_file(reading, spool, spool.file))
        if not spool.is_wanted_besides(reading.store):
            turn.end()
            return await stack.enter_async_context(self._from_source(reading))
        pieces = await stack.enter_async_context(self._reader.get_blob(reading.source, reading.blob))
        filling = await stack.enter_async_context(aclosing(self._fill(reading, spool, turn, pieces)))
        return await stack.enter_async_context(aclosing(_from(reading.offset, filling)))

    async def arrived(self, target: Repository, digest: Digest) -> None:
        """Take note that the store of `target` has a blob."""
        spool = self._spools.get(digest)
        if spool is not None:
            del spool.uses[store_of(target)]
            await self._drop_unless_needed(spool)

    async def ended(self, change: Change) -> None:
        """Take note that a change does not need its blobs any longer, however it ended."""
        for store, digest in _blobs(change):
            spool = self._spools.get(digest)
            if spool is not None and store in spool.uses:
                spool.uses[store] -= 1
                if not spool.uses[store]:
                    del spool.uses[store]
                await self._drop_unless_needed(spool)

    async def _drop_unless_needed(self, spool: "_Spool") -> None:
        if not spool.uses:
            await self._close(spool)

    @asynccontextmanager
    async def _from_source(self, reading: "_Reading") -> AsyncGenerator[AsyncIterator[Piece]]:
        async with (
            self._reader.get_blob(reading.source, reading.blob) as read,
            aclosing(_from(reading.offset, read)) as pieces,
        ):
            yield pieces

    async def _fill(
        self, reading: "_Reading", spool: "_Spool", turn: "_Turn", pieces: AsyncIterator[Piece]
    ) -> AsyncGenerator[Piece]:
        """Hand on the pieces of a blob, each after it was written to the spool.

        The turn ends with the last piece, which only comes when the blob is right, or as soon as writing is in vain.
        """
        left = reading.blob.size
        draft = _Draft()
        try:
            await self._attempt(spool, draft.open)
            async for piece in pieces:
                left -= len(piece)
                if draft.file is not None:
                    await self._attempt(spool, draft.write, piece)
                    if not spool.is_wanted_besides(reading.store):
                        await self._close(draft)
                    elif left == 0:
                        spool.file, draft.file = draft.file, None
                if draft.file is None:
                    turn.end()
                yield piece
        finally:
            await self._close(draft)

    async def _attempt(self, spool: "_Spool", work: Callable[[*Ts], None], *arguments: *Ts) -> None:
        """Do what needs the disk in a thread; the spool is spoilt when it fails."""
        try:
            await self._offload.run(work, *arguments)
        except OSError as error:
            self._spoil(spool, error)

    async def _close(self, holder: "_Draft | _Spool") -> None:
        """Give the disk space back, in a thread: for a large file that takes its time."""
        file, holder.file = holder.file, None
        if file is not None:
            with suppress(OSError):  # nobody needs the file any more
                await self._offload.run(file.close)

    @asynccontextmanager
    async def _from_file(
        self, reading: "_Reading", spool: "_Spool", file: IO[bytes]
    ) -> AsyncGenerator[AsyncIterator[Piece]]:
        """Read a complete spool by a descriptor of its own, which outlives the spool."""
        try:
            descriptor = os.dup(file.fileno())
        except OSError as error:
            self._spoil(spool, error)
            async with self._from_source(reading) as pieces:
                yield pieces
            return
        try:
            async with aclosing(self._stored(reading, spool, descriptor)) as pieces:
                yield pieces
        finally:
            await self._offload.run(os.close, descriptor)

    async def _stored(self, reading: "_Reading", spool: "_Spool", descriptor: int) -> AsyncGenerator[Piece]:
        """Yield the bytes of a spool; those that cannot be read come from the source."""
        offset = reading.offset
        while offset < reading.blob.size:
            try:
                piece = await self._offload.run(_read_some, descriptor, offset)
            except OSError as error:
                self._spoil(spool, error)
                async with self._from_source(reading.at(offset)) as rest:
                    async for remaining in rest:
                        yield remaining
                return
            offset += len(piece)
            yield piece

    def _spoil(self, spool: "_Spool", error: OSError) -> None:
        """Let everybody read the source from now on; it is said once what is wrong with the disk."""
        spool.is_spoilt = True
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "a temporary file for blobs that several targets need cannot be used: %s; "
                "they are read from their source once for each target",
                error.strerror or error,
            )


@dataclass(eq=False, slots=True)
class _Spool:
    """One blob: the stores that do not have it, each with the number of changes that need it there, and its file.

    `lock` is held by whoever reads the source; `file` is only set once it is complete.
    """

    uses: Counter[str]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    file: IO[bytes] | None = None
    is_spoilt: bool = False

    def is_wanted_besides(self, store: str) -> bool:
        """Whether a copy on disk would serve another store."""
        return not self.is_spoilt and bool(self.uses.keys() - {store})


@dataclass(eq=False, slots=True)
class _Draft:
    """A file that is being written; its methods block.

    It is kept here, and not returned, as whoever waits for a thread may be cancelled meanwhile.
    """

    file: IO[bytes] | None = None

    def open(self) -> None:
        """Make a file that has no name, so that nothing is left of it whatever happens."""
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by whoever has it at last

    def write(self, piece: Piece) -> None:
        """Append a piece whole."""
        assert self.file is not None, "open() comes first"
        rest = memoryview(piece)
        while rest:
            rest = rest[self.file.write(rest) :]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What an upload asks for."""

    source: Repository
    target: Repository
    blob: Descriptor
    offset: int

    @property
    def store(self) -> str:
        """Where the blob goes."""
        return store_of(self.target)

    def at(self, offset: int) -> "_Reading":
        """Return the same from another offset on."""
        return _Reading(self.source, self.target, self.blob, offset)


class _Turn:
    """A lock that is held from the beginning of a block until its end, or until `end` is called."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._is_held = False

    async def __aenter__(self) -> Self:
        await self._lock.acquire()
        self._is_held = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Let the next one in; doing so again changes nothing."""
        if self._is_held:
            self._is_held = False
            self._lock.release()


async def _from(offset: int, pieces: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
    """Leave out the first bytes, which were read to be verified."""
    async for piece in pieces:
        rest = memoryview(piece)[offset:]
        offset = max(0, offset - len(piece))
        if rest:
            yield rest


def _read_some(descriptor: int, offset: int) -> bytes:
    piece = os.pread(descriptor, PIECE, offset)
    if not piece:
        raise OSError("it is shorter than what was written to it")
    return piece


def _uses(changes: Iterable[Change]) -> dict[Digest, Counter[str]]:
    """Count the changes that need each blob, by store."""
    uses: defaultdict[Digest, Counter[str]] = defaultdict(Counter)
    for change in changes:
        for store, digest in _blobs(change):
            uses[digest][store] += 1
    return uses


def _blobs(change: Change) -> set[tuple[str, Digest]]:
    """Return what a change brings over the network, and to which store; a blob without bytes is nothing to keep."""
    return {
        (store_of(target), blob.digest)
        for source, target, content in brought(change)
        if not source.is_layout
        for blob in content.blobs
        if not blob.present and blob.size
    }
