"""The document index.json: which tags a layout has (OCI image-spec, image-layout.md § index.json file).

Members and entries that others wrote are kept byte by byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec

from transship_registry.errors import InvalidReferenceError
from transship_registry.manifest import Descriptor
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import check_tag

REF_NAME: Final = "org.opencontainers.image.ref.name"
_CONTENT_ANNOTATIONS: Final = "org.opencontainers.image."
_ENTRIES: Final[msgspec.json.Decoder[tuple[msgspec.Raw, ...] | None]] = msgspec.json.Decoder(
    tuple[msgspec.Raw, ...] | None
)


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A descriptor in index.json; its digest may be of an algorithm that we do not know."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None

    @property
    def ref_name(self) -> str | None:
        """The name that the entry gives its content: a tag, or a whole reference that ends in one."""
        return (self.annotations or {}).get(REF_NAME)


@dataclass(frozen=True)
class LayoutIndex:
    """What index.json says: `entries` with the JSON of each, and all `members` of the document, `manifests` too."""

    members: Mapping[str, msgspec.Raw]
    entries: tuple[tuple[Entry, msgspec.Raw], ...]

    @classmethod
    def parse(cls, data: bytes) -> "LayoutIndex":
        """Read the document; raises `msgspec.DecodeError` when it is no image index."""
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "manifests" not in members:
            raise msgspec.ValidationError("Object missing required field `manifests`")
        version = msgspec.json.decode(members.get("schemaVersion", b"2"))
        media_type = msgspec.json.decode(members.get("mediaType", b'""'))
        if version != 2 or media_type not in {"", OCI_INDEX}:
            raise msgspec.ValidationError(f"schemaVersion is {version!r}, mediaType {media_type!r}: not an OCI index")
        # Go writes an empty list as null.
        raws = _ENTRIES.decode(members["manifests"]) or ()
        return cls(members, tuple((msgspec.json.decode(raw, type=Entry), raw) for raw in raws))

    @classmethod
    def empty(cls) -> "LayoutIndex":
        """Return the index of a new layout."""
        return cls({"schemaVersion": msgspec.Raw(b"2"), "mediaType": _raw(OCI_INDEX), "manifests": _raw([])}, ())

    def encode(self) -> bytes:
        """Return the document as JSON."""
        return msgspec.json.encode({**self.members, "manifests": [raw for _, raw in self.entries]})

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags, each once, sorted."""
        return tuple(sorted(self._by_tag))

    def find_tag(self, tag: str) -> Entry | None:
        """Return the entry of a tag: one that is called so, else the first whose name ends in `:tag`."""
        return self._by_name.get(tag) or self._by_tag.get(tag)

    def find_digest(self, digest: str) -> Entry | None:
        """Return the first entry of a digest."""
        return self._by_digest.get(digest)

    def rivals(self, tag: str) -> tuple[Entry, ...]:
        """Return the entries that all claim a tag that no entry is called, if they name different content."""
        if tag in self._by_name:
            return ()
        claims = tuple(entry for entry, _ in self.entries if _tag_of(entry) == tag)
        return claims if len({entry.digest for entry in claims}) > 1 else ()

    def with_tag(self, tag: str, target: Descriptor) -> "LayoutIndex":
        """Return the index in which the entry called `tag` names `target`, in its old place.

        The annotations of the old entry stay, except those of the image-spec that describe the old content.
        """
        kept = {}
        position = len(self.entries)
        for number, (entry, _) in reversed(tuple(enumerate(self.entries))):
            if entry.ref_name == tag:
                position, kept = number, entry.annotations or {}
        annotations = {key: value for key, value in kept.items() if not key.startswith(_CONTENT_ANNOTATIONS)}
        raw = _raw(
            {
                "mediaType": target.media_type,
                "digest": str(target.digest),
                "size": target.size,
                "annotations": {**annotations, REF_NAME: tag},
            }
        )
        entry = msgspec.json.decode(raw, type=Entry)
        before = self._others(tag, self.entries[:position])
        return LayoutIndex(self.members, (*before, (entry, raw), *self._others(tag, self.entries[position:])))

    def without_tag(self, tag: str) -> "LayoutIndex":
        """Return the index without the entry that `find_tag` gives; other names of the same content stay."""
        found = self.find_tag(tag)
        name = found.ref_name if found else None
        return LayoutIndex(self.members, self._others(name, self.entries)) if name is not None else self

    @staticmethod
    def _others(
        name: str | None, entries: tuple[tuple[Entry, msgspec.Raw], ...]
    ) -> tuple[tuple[Entry, msgspec.Raw], ...]:
        return tuple((entry, raw) for entry, raw in entries if entry.ref_name != name)

    @cached_property
    def _by_name(self) -> dict[str, Entry]:
        return _first({entry.ref_name: entry for entry, _ in reversed(self.entries)})

    @cached_property
    def _by_tag(self) -> dict[str, Entry]:
        return _first({_tag_of(entry): entry for entry, _ in reversed(self.entries)})

    @cached_property
    def _by_digest(self) -> dict[str, Entry]:
        return {entry.digest: entry for entry, _ in reversed(self.entries)}


def _first(found: Mapping[str | None, Entry]) -> dict[str, Entry]:
    return {key: entry for key, entry in found.items() if key is not None}


def _tag_of(entry: Entry) -> str | None:
    """Return the part of an entry's name after its last colon, if that can be a tag (semantics B18.4)."""
    name = entry.ref_name
    if name is None or "@" in name:
        return None
    try:
        return check_tag(name.rpartition(":")[2])
    except InvalidReferenceError:
        return None


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
