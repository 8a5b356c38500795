"""The document index.json: which tags a layout has (OCI image-spec, image-layout.md § index.json file).

Members and entries that others wrote are kept byte by byte.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import msgspec

from transship_registry.codec import brief, decode_json, decode_list, encode_json, read_as
from transship_registry.errors import DocumentError
from transship_registry.layout.names import REF_NAME, EntryName, fitting, is_digest_tag, is_strange, read_name
from transship_registry.manifest import Descriptor
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.sizes import LARGEST

_CONTENT_ANNOTATIONS: Final = "org.opencontainers.image."


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", dict=True):
    """A descriptor in index.json; its digest may be of an algorithm that we do not know, and its size no number."""

    media_type: str
    digest: str
    size: msgspec.Raw
    annotations: dict[str, msgspec.Raw] | None = None

    @property
    def ref_name(self) -> str | None:
        """The name that the entry gives its content: a tag, or a whole reference that ends in one."""
        return read_as((self.annotations or {}).get(REF_NAME, b"null"), str)

    @cached_property
    def name(self) -> EntryName | None:
        """Its tag, and the repository that it is a tag of; None when it has no tag."""
        return read_name(self.annotations or {})

    @property
    def repository(self) -> str:
        """The repository that its name has, in full; empty when it has none."""
        return self.name.repository if self.name else ""

    @property
    def bytes_stated(self) -> int | None:
        """Its size; None when what stands there is none."""
        size = read_as(self.size, int)
        return size if size is not None and 0 <= size <= LARGEST else None


Entries: TypeAlias = tuple[tuple[Entry, msgspec.Raw], ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of several repositories in a layout is meant: the one called `name`, else the one that fits the `path`."""

    name: str = ""
    path: str = ""


_ANY: Final = Wanted()


@dataclass(frozen=True)
class LayoutIndex:
    """What index.json says: `entries` with the JSON of each, and all `members` of the document, `manifests` too."""

    members: Mapping[str, msgspec.Raw]
    entries: Entries

    @classmethod
    def parse(cls, data: bytes) -> "LayoutIndex":
        """Read the document; raises `DocumentError` when it is no image index."""
        members = decode_json(data, dict[str, msgspec.Raw])
        if "manifests" not in members:
            raise DocumentError("Object missing required field `manifests`")
        version = decode_json(members.get("schemaVersion", b"2"), object)
        media_type = decode_json(members.get("mediaType", b'""'), object)
        if version != 2 or media_type not in ("", OCI_INDEX):
            raise DocumentError(f"schemaVersion is {brief(version)}, mediaType {brief(media_type)}: not an OCI index")
        return cls(members, tuple((decode_json(raw, Entry), raw) for raw in decode_list(members["manifests"])))

    @classmethod
    def empty(cls) -> "LayoutIndex":
        """Return the index of a new layout."""
        return cls({"schemaVersion": msgspec.Raw(b"2"), "mediaType": _raw(OCI_INDEX), "manifests": _raw([])}, ())

    def encode(self) -> bytes:
        """Return the document as JSON."""
        return encode_json({**self.members, "manifests": [raw for _, raw in self.entries]})

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all repositories, each once, sorted."""
        return self.tags_of(_ANY)

    @cached_property
    def repositories(self) -> tuple[str, ...]:
        """The repositories that entries are called by, sorted."""
        return tuple(sorted({entry.repository for entry, _ in self.entries if entry.repository}))

    @cached_property
    def strange(self) -> tuple[bytes, ...]:
        """The JSON of names that are neither tags nor references."""
        named = (entry.annotations for entry, _ in self.entries if entry.annotations and is_strange(entry.annotations))
        return tuple(bytes(annotations[REF_NAME]) for annotations in named)

    def repository_of(self, wanted: Wanted) -> str:
        """Return the repository that counts among several: the one named, or the one that fits; empty for all."""
        if wanted.name:
            return wanted.name
        return fitting(self.repositories, wanted.path) if len(self.repositories) > 1 else ""

    def tags_of(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the tags of the repository that is meant, sorted."""
        return tuple(sorted(self._view(wanted)))

    def left_out(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the names of what belongs to other repositories than the one meant, in the order of the entries."""
        visible = {id(entry) for claims in self._view(wanted).values() for entry in claims}
        return tuple(entry.name.written for entry, _ in self.entries if entry.name and id(entry) not in visible)

    def find_tag(self, tag: str, wanted: Wanted = _ANY) -> Entry | None:
        """Return the entry of a tag in the repository that is meant; of `rivals`, the first.

        An entry of no repository goes before others, then one whose name is the tag itself (semantics B18.4).
        """
        return next(iter(self._view(wanted).get(tag, ())), None)

    def find_digest(self, digest: str) -> Entry | None:
        """Return the first entry of a digest."""
        return self._by_digest.get(digest)

    def rivals(self, tag: str, wanted: Wanted = _ANY) -> tuple[Entry, ...]:
        """Return the entries of several repositories that claim a tag, if they name different content."""
        claims = self._view(wanted).get(tag, ())
        is_one_place = not claims or not claims[0].repository or len({each.repository for each in claims}) == 1
        return () if is_one_place or len({each.digest for each in claims}) == 1 else claims

    def with_tag(self, tag: str, target: Descriptor, wanted: Wanted = _ANY) -> "LayoutIndex":
        """Return the index in which the tag of the repository that is meant names `target`, in its old place.

        Without a repository that is the entry called `tag`, and one of a repository that is called by more than the tag
        stays beside it. The annotations of the old entry stay, except those of the image-spec that describe the old
        content. The caller has made sure that there are no `rivals`.
        """
        old = self._replaced(tag, wanted)
        position = min((self._positions[id(entry)] for entry in old), default=len(self.entries))
        kept = (old[0].annotations or {}) if old else {}
        name = f"{wanted.name}:{tag}" if wanted.name and not is_digest_tag(tag) else tag
        annotations: dict[str, object] = {
            key: value for key, value in kept.items() if not key.startswith(_CONTENT_ANNOTATIONS)
        }
        raw = _raw(
            {
                "mediaType": target.media_type,
                "digest": str(target.digest),
                "size": target.size,
                "annotations": {**annotations, REF_NAME: (old[0].ref_name if old else None) or name},
            }
        )
        entry = decode_json(raw, Entry)
        before = self._without(old, self.entries[:position])
        return LayoutIndex(self.members, (*before, (entry, raw), *self._without(old, self.entries[position:])))

    def without_tag(self, tag: str, wanted: Wanted = _ANY) -> "LayoutIndex":
        """Return the index without the entry that `find_tag` gives; other names of the same content stay."""
        found = self.find_tag(tag, wanted)
        if found is None:
            return self
        same = [entry for entry, _ in self.entries if entry.name == found.name and entry.ref_name == found.ref_name]
        return LayoutIndex(self.members, self._without(same, self.entries))

    def _replaced(self, tag: str, wanted: Wanted) -> list[Entry]:
        """Return the entries whose place a tag takes that is set: those of the same repository, or of none."""
        claims = list(self._view(wanted).get(tag, ()))
        if not wanted.name or is_digest_tag(tag):
            claims = [entry for entry in claims if entry.ref_name == tag]
        return [entry for entry in claims if entry.repository == claims[0].repository]

    def _view(self, wanted: Wanted) -> Mapping[str, tuple[Entry, ...]]:
        """Return the entries that claim each tag, in the order in which they count."""
        if wanted not in self._views:
            found: defaultdict[str, list[Entry]] = defaultdict(list)
            for entry in self._visible(wanted):
                if entry.name:
                    found[entry.name.tag].append(entry)
            self._views[wanted] = {
                tag: tuple(sorted(claims, key=lambda each: (bool(each.repository), each.ref_name != tag)))
                for tag, claims in found.items()
            }
        return self._views[wanted]

    def _visible(self, wanted: Wanted) -> Iterator[Entry]:
        """Yield what may be meant: all of one repository, and what is of none, unless one is named.

        A tag that is made of a digest belongs to that digest, wherever it is.
        """
        repository = self.repository_of(wanted)
        for entry, _ in self.entries:
            tag = entry.name.tag if entry.name and not entry.repository else ""
            is_free = bool(tag) and (not wanted.name or is_digest_tag(tag))
            if not repository or entry.repository == repository or is_free:
                yield entry

    @staticmethod
    def _without(gone: Iterable[Entry], entries: Entries) -> Entries:
        ids = {id(entry) for entry in gone}
        return tuple((entry, raw) for entry, raw in entries if id(entry) not in ids)

    @cached_property
    def _views(self) -> dict[Wanted, Mapping[str, tuple[Entry, ...]]]:
        return {}

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {id(entry): number for number, (entry, _) in enumerate(self.entries)}

    @cached_property
    def _by_digest(self) -> dict[str, Entry]:
        return {entry.digest: entry for entry, _ in reversed(self.entries)}


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(encode_json(value))
