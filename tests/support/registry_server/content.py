"""What a blob may consist of: bytes in memory, bytes made up while they are sent, or nothing but digest and size."""

import functools
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

PIECE = 512 * 1024


class Content(Protocol):
    """Bytes that can be read by range."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def pieces(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes from `start` up to, not including, `stop`."""
        ...


@dataclass(frozen=True)
class BytesContent:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def pieces(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes from `start` up to, not including, `stop`, without a copy."""
        view = memoryview(self.data)
        for begin in range(start, stop, PIECE):
            yield view[begin : min(begin + PIECE, stop)]


@dataclass(frozen=True)
class GeneratedContent:
    """A repeating block of zeros (seed None) or of seeded random bytes that takes no memory, whatever its size."""

    size: int
    seed: int | None = None

    def pieces(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes from `start` up to, not including, `stop`; each is a view of the same block."""
        block = memoryview(_block(self.seed))
        at = start
        while at < stop:
            begin = at % PIECE
            end = min(PIECE, begin + stop - at)
            yield block[begin:end]
            at += end - begin

    def digest(self, algorithm: str = "sha256") -> str:
        """Return the digest, by hashing all of it once."""
        return _digest_of_generated(self.size, self.seed, algorithm)


@dataclass(frozen=True)
class DiscardedContent:
    """An uploaded blob of which only the digest and the size were kept."""

    size: int

    def pieces(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Fail: the bytes are gone."""
        raise AssertionError(
            f"bytes {start}-{stop} of a blob of {self.size} bytes were asked for, but the server runs with "
            "discard_blobs=True and keeps only digests and sizes"
        )


@functools.lru_cache(maxsize=8)
def _block(seed: int | None) -> bytes:
    return bytes(PIECE) if seed is None else random.Random(seed).randbytes(PIECE)


@functools.lru_cache(maxsize=64)
def _digest_of_generated(size: int, seed: int | None, algorithm: str) -> str:
    hasher = hashlib.new(algorithm)
    for piece in GeneratedContent(size, seed).pieces(0, size):
        hasher.update(piece)
    return f"{algorithm}:{hasher.hexdigest()}"


@dataclass(frozen=True)
class RepeatedContent:
    """Bytes between a head and a tail that repeat, and are not held."""

    head: bytes = field(repr=False)
    filler: bytes = field(repr=False)
    times_over: int
    tail: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.head) + len(self.filler) * self.times_over + len(self.tail)

    def pieces(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes, of which a large answer is asked for as a whole."""
        assert (start, stop) == (0, self.size), "no part of it is served"
        yield self.head
        at_once = max(1, PIECE // len(self.filler))
        block = self.filler * min(at_once, self.times_over)
        for _ in range(self.times_over // at_once):
            yield block
        yield self.filler * (self.times_over % at_once)
        yield self.tail
