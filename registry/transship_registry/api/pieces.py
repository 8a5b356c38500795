"""A blob's bytes on their way: verified against the descriptor before the last of them is handed on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeAlias, runtime_checkable

from transship_registry.digest import Hasher
from transship_registry.errors import ContentError
from transship_registry.manifest import Descriptor

Piece: TypeAlias = bytes | memoryview

_THREAD_FROM: Final = 128 * 1024
"""Bytes from which hashing in a thread is cheaper than keeping the event loop waiting."""


@runtime_checkable
class VerifiedOrigin(Protocol):
    """A `BlobOrigin` whose pieces were verified on the way, so that an upload need not hash them again.

    The piece that ends the blob is only handed out once size and digest are known to be right.
    """

    verified: bool

    def open(self, offset: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Piece]]:
        """Stream the blob's bytes from `offset` on."""
        ...


async def verified(pieces: AsyncIterator[Piece], blob: Descriptor, where: str) -> AsyncGenerator[Piece, None]:
    """Hand on the pieces of a blob; raises `ContentError` before the last one when they are not the blob.

    So whoever sends the pieces on with the blob's length as `Content-Length` never completes a wrong blob. `where`
    names the blob's place in errors. Hashing runs in a thread while the consumer deals with the piece.
    """
    hasher = blob.digest.hasher()
    size = 0
    async for piece in pieces:
        size += len(piece)
        hashing = _begin(hasher, piece)
        if size >= blob.size:
            await _finish(hashing)
            last = bytes(piece)
            _compare(blob, where, size + await _drain(pieces), hasher)
            yield last
            return
        yield piece
        await _finish(hashing)
    _compare(blob, where, size, hasher)


def _begin(hasher: Hasher, piece: Piece) -> asyncio.Future[None] | None:
    if len(piece) < _THREAD_FROM:
        hasher.update(piece)
        return None
    return asyncio.get_running_loop().run_in_executor(None, hasher.update, piece)


async def _finish(hashing: asyncio.Future[None] | None) -> None:
    if hashing is not None:
        await hashing


async def _drain(pieces: AsyncIterator[Piece]) -> int:
    """Return how many bytes follow, as soon as there are any."""
    async for piece in pieces:
        if piece:
            return len(piece)
    return 0


def _compare(blob: Descriptor, where: str, size: int, hasher: Hasher) -> None:
    if size != blob.size:
        came = "more came" if size > blob.size else f"only {size} came"
        raise ContentError(f"{where}: its descriptor says {blob.size} bytes, but {came}")
    found = f"{blob.digest.algorithm}:{hasher.hexdigest()}"
    if found != str(blob.digest):
        raise ContentError(f"{where}: the {size} bytes hash to {found}, expected {blob.digest}")
