"""Digests: what parses, what is refused in which words, and that the text is the value."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError

LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

digests = st.sampled_from(list(LENGTHS)).flatmap(
    lambda algorithm: st.builds(
        Digest,
        st.just(algorithm),
        st.text("0123456789abcdef", min_size=LENGTHS[algorithm], max_size=LENGTHS[algorithm]),
    )
)


@given(digests)
def test_parsing_what_was_formatted_gives_the_same_digest(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@given(st.binary(), st.sampled_from(list(LENGTHS)))
def test_a_digest_is_the_hash_of_the_content(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    hasher = digest.hasher()
    hasher.update(content)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert hasher.hexdigest() == digest.hex


MALFORMED = {
    "": "digest '' is malformed: expected algorithm:hex, e.g. sha256:<64 digits>",
    "sha256": "digest 'sha256' is malformed: expected algorithm:hex, e.g. sha256:<64 digits>",
    f"sha256-{EMPTY}": f"digest 'sha256-{EMPTY}' is malformed: expected algorithm:hex, e.g. sha256:<64 digits>",
    f":{EMPTY}": "digest algorithm '' is not supported; expected one of sha256, sha384, sha512",
    f"md5:{EMPTY[:32]}": "digest algorithm 'md5' is not supported; expected one of sha256, sha384, sha512",
    f"SHA256:{EMPTY}": "digest algorithm 'SHA256' is not supported; expected one of sha256, sha384, sha512",
    f" sha256:{EMPTY}": "digest algorithm ' sha256' is not supported; expected one of sha256, sha384, sha512",
    "sha256:": "digest 'sha256:' is malformed: expected sha256: and 64 lower-case hex digits",
    f"sha256:{EMPTY[:-1]}": (
        f"digest 'sha256:{EMPTY[:-1]}' is malformed: expected sha256: and 64 lower-case hex digits"
    ),
    f"sha256:{EMPTY}0": f"digest 'sha256:{EMPTY}0' is malformed: expected sha256: and 64 lower-case hex digits",
    f"sha256:{EMPTY.upper()}": (
        f"digest 'sha256:{EMPTY.upper()}' is malformed: expected sha256: and 64 lower-case hex digits"
    ),
    f"sha256:{EMPTY[:-1]}g": (
        f"digest 'sha256:{EMPTY[:-1]}g' is malformed: expected sha256: and 64 lower-case hex digits"
    ),
    f"sha256:{EMPTY[:-1]}\n": (
        f"digest 'sha256:{EMPTY[:-1]}\\n' is malformed: expected sha256: and 64 lower-case hex digits"
    ),
    f"sha256:{EMPTY[:-1]}\N{ARABIC-INDIC DIGIT ONE}": (
        f"digest 'sha256:{EMPTY[:-1]}\N{ARABIC-INDIC DIGIT ONE}' is malformed: "
        "expected sha256: and 64 lower-case hex digits"
    ),
    f"sha512:{EMPTY}": f"digest 'sha512:{EMPTY}' is malformed: expected sha512: and 128 lower-case hex digits",
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.items(), ids=[repr(text)[:24] for text in MALFORMED])
def test_a_malformed_digest_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
        Digest.parse(text)


def test_a_digest_is_shortened_for_people() -> None:
    assert Digest.of(b"").short == "sha256:e3b0c44298fc"
