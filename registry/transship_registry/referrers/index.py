"""The index under a referrers tag, for registries without referrers API (distribution-spec § Referrers Tag Schema).

Members and entries that others wrote are kept byte by byte.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from transship_registry.codec import decode_json, decode_list, encode_json, to_builtins
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, UnsupportedError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import Reference

GET_LIST: Final = "GET referrers tag"
PUT_LIST: Final = "PUT referrers tag"
LIST_ATTEMPTS: Final = frozenset({GET_LIST, PUT_LIST})
"""What is attempted with a referrers tag; an `UnsupportedError` of it says that no list can be kept there."""

TAG_IS_KEPT: Final = "the tag is kept for the list of referrers: give what is there another tag, and remove this one"

_ALGORITHM_LIMIT: Final = 32
_HEX_LIMIT: Final = 64
_REFERRERS_TAG: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64}")
_EMPTY: Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


def referrers_tag(digest: Digest) -> str:
    """Return the tag that lists the referrers of `digest`: its algorithm and digits, as far as the spec lets them."""
    return f"{digest.algorithm[:_ALGORITHM_LIMIT]}-{digest.hex[:_HEX_LIMIT]}"


def is_referrers_tag(tag: str) -> bool:
    """Whether a tag has the form of one that lists referrers: `sha256-<hex>`, nothing behind it."""
    return _REFERRERS_TAG.fullmatch(tag) is not None


def named_by(tag: str | None, answer: Digest | None) -> Digest | None:
    """Return what a tag names, by what a registry answers.

    A referrers tag that is answered with the digest that it spells counts as absent: GitLab answers so where there is
    no such tag (https://github.com/oras-project/oras-go/issues/1396).
    """
    return None if answer is not None and tag == referrers_tag(answer) else answer


def is_manifest_of(digest: Digest, found: Manifest) -> bool:
    """Whether what was found has this digest, in that one's algorithm."""
    return Digest.of(found.raw, digest.algorithm) == digest


def check_referrers_index(index: Manifest | None, place: Reference) -> Manifest | None:
    """Return what was found under a referrers tag if it is an OCI index, or nothing; raises `UnsupportedError`."""
    if index is None or index.media_type == OCI_INDEX:
        return index
    raise UnsupportedError(
        GET_LIST, str(place), f"it is a {index.media_type}, expected {OCI_INDEX}", advice=TAG_IS_KEPT
    )


def unlisted(referrers: Sequence[Descriptor], index: Manifest | None) -> tuple[Descriptor, ...]:
    """Return those that an index has no entry for."""
    listed = {child.digest for child in index.children} if index else set[Digest]()
    return tuple(each for each in referrers if each.digest not in listed)


def with_referrers(index: Manifest | None, referrers: Sequence[Descriptor], place: Reference) -> Manifest:
    """Return the index, or a new one, with these entries more; `place` names it in errors. Raises `ContentError`."""
    try:
        members = decode_json(index.raw if index else _EMPTY, dict[str, msgspec.Raw])
        entries = decode_list(members.get("manifests"))
    except DocumentError as error:
        raise ContentError(f"{place}: the list of referrers cannot be added to: {error}") from None
    raw = encode_json({**members, "manifests": (*entries, *map(to_builtins, referrers))})
    return Manifest.parse(raw, OCI_INDEX, where=str(place))
