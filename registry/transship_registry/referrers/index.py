"""The index under a referrers tag, for registries without referrers API (distribution-spec § Referrers Tag Schema).

Members and entries that others wrote are kept byte by byte.
"""

import re
from typing import Final

import msgspec

from transship_registry.codec import to_builtins
from transship_registry.digest import Digest
from transship_registry.errors import UnsupportedError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import Reference

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


def check_referrers_index(index: Manifest, place: Reference) -> Manifest:
    """Return what was found under a referrers tag if it is an OCI index; raises `UnsupportedError`."""
    if index.media_type == OCI_INDEX:
        return index
    raise UnsupportedError(
        "GET referrers tag",
        str(place),
        f"it is a {index.media_type}, expected {OCI_INDEX}",
        advice="the tag is kept for the list of referrers: give what is there another tag, and remove this one",
    )


def is_listed(digest: Digest, index: Manifest | None) -> bool:
    """Whether an index has an entry for `digest`."""
    return index is not None and any(child.digest == digest for child in index.children)


def with_referrer(index: Manifest | None, referrer: Descriptor, place: Reference) -> Manifest:
    """Return the index, or a new one, with one entry more; `place` names it in errors."""
    members = msgspec.json.decode(index.raw if index else _EMPTY, type=dict[str, msgspec.Raw])
    # Go writes an empty list as null.
    entries = msgspec.json.decode(members.get("manifests", b"[]"), type=tuple[msgspec.Raw, ...] | None) or ()
    raw = msgspec.json.encode({**members, "manifests": (*entries, to_builtins(referrer))})
    return Manifest.parse(raw, OCI_INDEX, where=str(place))
