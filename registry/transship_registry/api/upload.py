"""Sending a blob: in one PUT, or in chunks where the registry wants or needs that, resumed when it breaks off."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from transship_registry.api.download import PROGRESS, head_blob
from transship_registry.api.pieces import Piece, VerifiedOrigin, verified
from transship_registry.api.upload_session import Body, UploadSession, begin_session, check_stored, received_size
from transship_registry.errors import ContentError, RegistryError, TransshipError
from transship_registry.http.exchange import Answer
from transship_registry.http.host import Host, UploadWay
from transship_registry.http.retry import TRIES, Failure, is_transient
from transship_registry.login.logins import Visit
from transship_registry.manifest import Descriptor
from transship_registry.ports import BlobOrigin
from transship_registry.reference import Repository

CHUNK: Final = 16 * 1024 * 1024
"""Bytes of a chunk where the settings say nothing: few round trips, and below the 20 MB that ACR takes in one body."""

CHUNK_MIN: Final = 1024 * 1024
"""Bytes of the chunk below which a registry that finds chunks too large is not obeyed."""

CHUNK_MAX: Final = 1024 * 1024 * 1024
"""Bytes of the largest chunk that a registry may ask for with `OCI-Chunk-Min-Length`, unless the host's settings say
otherwise (semantics B14.10)."""


async def upload_blob(
    host: Host,
    repository: Repository,
    blob: Descriptor,
    origin: BlobOrigin,
    session: UploadSession | None,
    abandon: Callable[[UploadSession], None],
) -> None:
    """Store a blob; `session` is one that is open already, as after a mount that did not succeed.

    Raises `ContentError` before the upload is complete when the origin's bytes are not the blob. When the task is
    cancelled, its session is left to `abandon`: whoever cancels does not wait for one more request.
    """
    upload = _Upload(host, repository, blob, origin, session)
    try:
        await upload.run_or_cancel()
    except asyncio.CancelledError:
        if upload.session is not None:
            abandon(upload.session)
        raise


class _RefusedWayError(Exception):
    """The registry does not take a blob in this way; another way may do."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.refusal.line)
        self.answer = answer


class _InterruptedError(Exception):
    """An attempt broke off; another one may do, at once when there is no `failure`."""

    def __init__(self, failure: Failure | None, problem: RegistryError) -> None:
        super().__init__(str(problem))
        self.failure = failure
        self.problem = problem


class _Upload:
    """One blob on its way; `_offset` is how much of it the session has."""

    def __init__(
        self, host: Host, repository: Repository, blob: Descriptor, origin: BlobOrigin, session: UploadSession | None
    ) -> None:
        self._host = host
        self._repository = repository
        self._blob = blob
        self._origin = origin
        self.session = session
        self._offset = 0
        self._where = f"upload of blob {repository.at(blob.digest)}"
        self._attempt = 0
        self._counted_from = 0
        self._since = host.exchange.now
        self._sent_all = False
        self._refused: set[UploadWay] = set()
        self._visit = Visit()

    async def run_or_cancel(self) -> None:
        """Store the blob, or tell the registry to forget what it has received of it."""
        try:
            await self.run()
        except (TransshipError, OSError):
            await self.start_over()
            raise

    async def run(self) -> None:
        """Try the ways that this host may take until one succeeds."""
        ways = _ways(self._host, self._blob.size)
        while True:
            try:
                async with self._host.exchange.upload():
                    await self._send(ways[0])
                break
            except _RefusedWayError as error:
                self._drop(ways, error.answer)
                await self.start_over()
            except _InterruptedError as error:
                if await self._has_arrived():
                    break
                await self._pause(error)
                await self._recover(ways)
        self._host.learnt.refused_ways |= self._refused

    async def start_over(self) -> None:
        """Give up the session, with all that it has received."""
        self._offset = 0
        if self.session is not None:
            await self.session.cancel()
            self.session = None

    async def _send(self, way: UploadWay) -> None:
        self._sent_all = False
        if self.session is None:
            self.session = await begin_session(self._host, self._repository, self._blob.digest)
        if self.session is None:
            return
        self.session.visit = self._visit
        if way is UploadWay.PUT:
            await self._put_whole(self.session)
        else:
            await self._send_chunks(self.session, way)

    async def _put_whole(self, session: UploadSession) -> None:
        async with self._reading(0) as reader:
            await self._close(session, reader)

    async def _send_chunks(self, session: UploadSession, way: UploadWay) -> None:
        chunk = self._session_chunk(session.chunk_min)
        kept_for_put = chunk if way is UploadWay.PATCH_AND_PUT else 0
        async with self._reading(self._offset) as reader:
            while self._blob.size - self._offset > kept_for_put:
                await self._patch(session, reader, min(chunk, self._blob.size - self._offset))
            await self._close(session, reader)

    async def _patch(self, session: UploadSession, reader: "_Reader", size: int) -> None:
        body = Body(reader.take(size))
        answer = await self._answered(session.patch(self._offset, size, body), body)
        if answer.status >= 300:
            if answer.status == 413 and size > CHUNK_MIN:
                self._host.learnt.chunk_limit = max(CHUNK_MIN, size // 2)
                raise _InterruptedError(None, answer.error)
            raise self._obstacle(answer)
        expected = self._offset + size
        received = received_size(answer, expected)
        if received is not None and received != expected:
            problem = f"the registry has {received} bytes where {expected} were sent"
            raise _InterruptedError(None, RegistryError("PATCH upload", self._where, problem))
        self._offset = expected

    async def _close(self, session: UploadSession, reader: "_Reader") -> None:
        """Send the rest with the PUT that names the digest."""
        rest = self._blob.size - self._offset
        body = Body(reader.take(rest)) if rest else None
        self._sent_all = True
        answer = await self._answered(session.put(self._blob.digest, rest, body, self._offset), body)
        if answer.status not in {200, 201, 204}:
            raise self._obstacle(answer)
        check_stored(answer, self._blob.digest)

    async def _answered(self, answering: Awaitable[Answer], body: Body | None) -> Answer:
        """Await the answer to a request whose body may break off at either end; the origin's own error goes first."""
        try:
            return await answering
        except RegistryError as error:
            if body is not None and body.error is not None:
                raise body.error from None
            if error.status is not None:
                raise
            raise _InterruptedError(Failure(), error) from error

    def _obstacle(self, answer: Answer) -> _RefusedWayError | _InterruptedError | RegistryError:
        """Say what a refusal means for the upload."""
        if answer.status == 403:
            return answer.error
        if answer.status in {401, 404, 416}:
            # 401: logged in anew meanwhile; 404: the session has expired; 416: the registry has less than we thought.
            return _InterruptedError(None, answer.error)
        if is_transient(answer.failure):
            return _InterruptedError(answer.failure, answer.error)
        return _RefusedWayError(answer)

    def _drop(self, ways: deque[UploadWay], answer: Answer) -> None:
        """Drop the way that was refused, and those that would be for the same reason; raises when none is left."""
        refused = {ways.popleft()}
        if answer.call.method == "PATCH" or (UploadWay.PUT not in refused and answer.refusal.has("DIGEST_INVALID")):
            # It takes no chunks, or keeps only the last of them as GHCR does: only a single body can be whole.
            refused |= {UploadWay.PATCH, UploadWay.PATCH_AND_PUT}
            ways.extend([way for way in _drain(ways) if way not in refused])
        if answer.status == 413:
            self._learn_size(answer)
        else:
            self._refused |= refused
        if not ways:
            raise answer.error

    def _learn_size(self, answer: Answer) -> None:
        if answer.call.method == "PUT":
            learnt = self._host.learnt
            learnt.put_limit = min(self._blob.size, learnt.put_limit or self._blob.size)

    async def _has_arrived(self) -> bool:
        """Whether the blob is there although the answer to the last request got lost."""
        if not self._sent_all:
            return False
        try:
            return await head_blob(self._host, self._repository, self._blob.digest) == self._blob.size
        except (RegistryError, ContentError):
            return False

    async def _pause(self, error: _InterruptedError) -> None:
        """Wait before the next attempt; raises the problem when there shall be none."""
        # A login is no fault of the line: however short the chunks are, each may need one.
        enough = PROGRESS if error.failure is not None else 1
        if self._offset - self._counted_from >= enough:
            self._attempt, self._since = 0, self._host.exchange.now
        self._counted_from = self._offset
        self._attempt += 1
        again = self._attempt < TRIES
        if error.failure is not None:
            again = await self._host.exchange.pause(error.failure, self._attempt, since=self._since)
        if not again:
            raise error.problem

    async def _recover(self, ways: deque[UploadWay]) -> None:
        """Go on where the registry says it is; a single PUT starts again, and as chunks if it is a large one."""
        if ways[0] is UploadWay.PUT:
            await self.start_over()
            if self._session_chunk(0) < self._blob.size:
                ways.rotate(-1)
            return
        received = await self.session.received() if self.session is not None else None
        if received is None or received > self._blob.size:
            await self.start_over()
        else:
            self._offset = received

    def _session_chunk(self, wanted_min: int) -> int:
        """Return how large a chunk shall be."""
        wanted = max(self._host.settings.blob_chunk or CHUNK, min(wanted_min, self._host.chunk_max or CHUNK_MAX))
        return min(wanted, self._host.learnt.chunk_limit or wanted)

    @asynccontextmanager
    async def _reading(self, offset: int) -> AsyncGenerator["_Reader", None]:
        """Open the origin at `offset`; one that does not verify its bytes is read from its start, to be hashed."""
        if isinstance(self._origin, VerifiedOrigin) and self._origin.verified:
            async with self._origin.open(offset) as pieces:
                yield _Reader(pieces, self._where)
            return
        async with self._origin.open(0) as pieces, aclosing(verified(pieces, self._blob, self._where)) as checked:
            reader = _Reader(checked, self._where)
            async for _ in reader.take(offset):
                pass
            yield reader


_END: Final = memoryview(b"")


class _Reader:
    """A stream of pieces from which any number of bytes can be taken at a time."""

    def __init__(self, pieces: AsyncIterator[Piece], where: str) -> None:
        self._pieces = pieces
        self._where = where
        self._rest: Piece = b""

    async def take(self, size: int) -> AsyncIterator[Piece]:
        """Yield the next `size` bytes; raises `ContentError` when there are fewer."""
        while size:
            piece = self._rest or await anext(self._pieces, _END)
            if piece is _END:
                raise ContentError(f"{self._where}: the origin ended {size} bytes too early")
            now, self._rest = (piece, b"") if len(piece) <= size else _cut(piece, size)
            size -= len(now)
            yield now


def _drain(ways: deque[UploadWay]) -> list[UploadWay]:
    return [ways.popleft() for _ in range(len(ways))]


def _cut(piece: Piece, size: int) -> tuple[Piece, Piece]:
    view = memoryview(piece)
    return view[:size], view[size:]


def _ways(host: Host, size: int) -> deque[UploadWay]:
    """Return the ways to try: one PUT first unless it would be too large, and last what was refused before."""
    blob_max = host.settings.blob_max
    limits = [limit for limit in (blob_max + 1 if blob_max > 0 else None, host.learnt.put_limit) if limit]
    order = list(UploadWay)
    if any(size >= limit for limit in limits):
        order = [*order[1:], UploadWay.PUT]
    return deque(sorted(order, key=lambda way: way in host.learnt.refused_ways))
