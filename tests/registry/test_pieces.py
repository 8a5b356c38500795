"""A blob's bytes on their way: whole and right, or an error before the last of them is handed on."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.http_client import blob_of
from transship_registry.api.pieces import verified
from transship_registry.errors import ContentError
from transship_registry.manifest import Descriptor

BLOB = blob_of(b"content")


async def each(pieces: tuple[bytes, ...]) -> AsyncIterator[bytes | memoryview]:
    for piece in pieces:
        yield piece


def through(*pieces: bytes, blob: Descriptor = BLOB) -> list[bytes]:
    """Return what is handed on."""

    async def scenario() -> list[bytes]:
        return [bytes(piece) async for piece in verified(each(pieces), blob, "here")]

    return asyncio.run(scenario())


@pytest.mark.parametrize("pieces", [(b"content",), (b"con", b"tent"), (b"con", b"", b"tent", b"")])
def test_the_pieces_of_a_blob_are_handed_on(pieces: tuple[bytes, ...]) -> None:
    """An empty piece behind the last byte is none too many."""
    assert b"".join(through(*pieces)) == b"content"


def test_a_blob_without_bytes_needs_no_piece() -> None:
    assert through(blob=blob_of(b"")) == []
    assert through(b"", blob=blob_of(b"")) == [b""]


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ((), "its descriptor says 7 bytes, but only 0 came"),
        ((b"con",), "its descriptor says 7 bytes, but only 3 came"),
        ((b"content", b"!"), "its descriptor says 7 bytes, but more came"),
        ((b"content", b"", b"!"), "its descriptor says 7 bytes, but more came"),
        ((b"contents",), "its descriptor says 7 bytes, but more came"),
        ((b"CONTENT",), f"the 7 bytes hash to {blob_of(b'CONTENT').digest}, expected {BLOB.digest}"),
    ],
)
def test_what_is_not_the_blob_is_an_error(pieces: tuple[bytes, ...], problem: str) -> None:
    """With the place where it came from."""
    with pytest.raises(ContentError) as caught:
        through(*pieces)
    assert str(caught.value) == f"here: {problem}"


def test_an_empty_blob_has_the_digest_of_nothing() -> None:
    """No piece comes that would have to be hashed."""
    wrong = Descriptor(media_type=BLOB.media_type, digest=BLOB.digest, size=0)
    with pytest.raises(ContentError) as caught:
        through(blob=wrong)
    assert str(caught.value) == f"here: the 0 bytes hash to {blob_of(b'').digest}, expected {BLOB.digest}"
