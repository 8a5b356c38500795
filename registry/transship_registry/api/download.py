"""Blobs from a registry: their size, and their bytes as a verified stream that survives interruptions."""

import base64
import binascii
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import httpx

from transship_registry.api.pieces import Piece, verified
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, RegistryError
from transship_registry.http.diagnosis import broken
from transship_registry.http.exchange import Call, Exchange, Held
from transship_registry.http.header_numbers import read_number
from transship_registry.http.host import Host
from transship_registry.http.origins import printable
from transship_registry.http.retry import Failure
from transship_registry.login.scopes import pull
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository

PROGRESS: Final = 1024 * 1024
"""Bytes after which an interruption counts as the first again."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Source:
    """A place that has a blob, and how to ask for it."""

    exchange: Exchange
    call: Call


def blob_source(host: Host, repository: Repository, digest: Digest) -> Source:
    """Return a registry as the source of a blob."""
    call = host.call(
        "GET blob",
        repository,
        f"blobs/{digest}",
        reference=repository.at(digest),
        scopes=frozenset({pull(host.path(repository))}),
    )
    return Source(host.exchange, call)


async def head_blob(host: Host, repository: Repository, digest: Digest) -> int | None:
    """Return the size of a blob; None when it is absent.

    Registries redirect HEAD to storage URLs that are signed for GET only, or send no length
    (https://github.com/distribution/distribution/issues/2055): then one byte is asked for with GET.
    """
    source = blob_source(host, repository, digest)
    if not host.settings.disable_head:
        head = replace(source.call, attempted="HEAD blob", method="HEAD", ok=frozenset({200, 400, 403, 404, 405, 501}))
        answer = await host.exchange.fetch(head)
        if answer.status == 404:
            return None
        length = read_number(answer.headers.get("content-length", ""))
        if answer.status == 200 and length is not None:
            return length
    return await _probe(source)


async def _probe(source: Source) -> int | None:
    headers = {"Range": "bytes=0-0"}
    async with source.exchange.open(replace(source.call, headers=headers, ok=frozenset({200, 206, 404, 416}))) as held:
        response = held.response
        if response.status_code == 404:
            return None
        size = _whole_size(response)
    if size is None:
        call = source.call
        raise RegistryError(call.attempted, call.reference, "the answer does not say how large the blob is")
    return size


def _whole_size(response: httpx.Response) -> int | None:
    if response.status_code == 200:
        return read_number(response.headers.get("content-length", ""))
    return read_number(response.headers.get("content-range", "").partition("/")[2])


@asynccontextmanager
async def get_blob(sources: Sequence[Source], blob: Descriptor) -> AsyncGenerator[AsyncIterator[Piece], None]:
    """Stream a blob from the first source that has it; the others take over when that one fails for good."""
    embedded = _embedded(blob)
    where = f"blob {sources[0].call.reference}"
    if embedded is not None:
        yield _once(embedded)
        return
    download = _Download(sources, blob)
    await download.start()
    try:
        async with aclosing(download.pieces()) as pieces, aclosing(verified(pieces, blob, where)) as checked:
            yield checked
    finally:
        await download.stop()


class _Download:
    """The bytes of a blob, continued from where they broke off.

    Continued at the registry's URL, not at the storage that it redirected to: presigned URLs expire.
    """

    def __init__(self, sources: Sequence[Source], blob: Descriptor) -> None:
        self._sources = list(sources)
        self._blob = blob
        self._received = 0
        self._to_skip = 0
        self._held: Held | None = None

    async def start(self) -> None:
        """Ask for the rest of the blob; raises `RegistryError` when no source has it."""
        while True:
            try:
                self._held = await self._sources[0].exchange.hold(self._call())
                self._to_skip = self._read_head(self._held.response)
                return
            except (RegistryError, ContentError):
                await self.stop()
                if len(self._sources) == 1:
                    raise
                del self._sources[0]

    async def stop(self) -> None:
        """Give back the connection."""
        if self._held is not None:
            await self._held.release()
            self._held = None

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the bytes, over as many connections as it takes."""
        attempt, counted_from = 0, 0
        while True:
            problem: httpx.TransportError = httpx.RemoteProtocolError(
                f"the body ended after {self._received} of {self._blob.size} bytes"
            )
            try:
                async for piece in self._connection_pieces():
                    yield piece
            except httpx.TransportError as error:
                problem = error
            if self._received >= self._blob.size:
                return
            attempt = 1 if self._received - counted_from >= PROGRESS else attempt + 1
            counted_from = self._received
            await self._resume(problem, attempt)

    async def _connection_pieces(self) -> AsyncIterator[Piece]:
        assert self._held is not None, "start() comes first"
        async for piece in self._held.pieces:
            fresh = memoryview(piece)[self._to_skip :] if self._to_skip else piece
            self._to_skip = max(0, self._to_skip - len(piece))
            if fresh:
                self._received += len(fresh)
                yield fresh

    async def _resume(self, problem: httpx.TransportError, attempt: int) -> None:
        await self.stop()
        source = self._sources[0]
        if not await source.exchange.pause(Failure(), attempt):
            if len(self._sources) == 1:
                origin = printable(source.call.url.copy_with(path="/")).rstrip("/")
                raise broken(source.call.attempted, source.call.reference, problem, origin, begun=True) from problem
            del self._sources[0]
        await self.start()

    def _call(self) -> Call:
        call = self._sources[0].call
        if not self._received:
            return call
        return replace(call, headers={"Range": f"bytes={self._received}-"}, ok=frozenset({200, 206, 416}))

    def _read_head(self, response: httpx.Response) -> int:
        """Return how many bytes of the answer are known already; raises `ContentError` when it is not this blob."""
        call = self._sources[0].call
        if response.status_code == 416:
            raise self._mismatch(f"there are only {self._received}")
        if response.status_code == 200:
            length = read_number(response.headers.get("content-length", ""))
            if length is not None and length != self._blob.size:
                raise self._mismatch(f"the registry's Content-Length says {length}")
            return self._received
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found[1]) > self._received:
            answer = f"it answers another range than the bytes from {self._received} on that were asked for"
            raise RegistryError(call.attempted, call.reference, answer, status=206)
        if found[3] not in {"*", str(self._blob.size)}:
            raise self._mismatch(f"the registry's Content-Range says {found[3]}")
        return self._received - int(found[1])

    def _mismatch(self, got: str) -> ContentError:
        return ContentError(
            f"blob {self._sources[0].call.reference}: its descriptor says {self._blob.size} bytes, but {got}"
        )


async def _once(content: bytes) -> AsyncIterator[Piece]:
    yield content


def _embedded(blob: Descriptor) -> bytes | None:
    """Return the content that the descriptor itself carries (image-spec, descriptor.md § Embedded Content)."""
    if blob.data is None:
        return None
    try:
        content = base64.b64decode(blob.data, validate=True)
    except binascii.Error:
        return None
    return content if Digest.of(content, blob.digest.algorithm) == blob.digest else None
