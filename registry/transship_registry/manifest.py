"""Manifests and descriptors: the bytes as received, and a parsed view of them (OCI image-spec).

A digest is always of the received bytes; nothing is re-serialised on its way from source to target.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from transship_registry.codec import brief, decode_distinct, decode_json, encode_sorted, shortened
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, UnsupportedError
from transship_registry.limits import MANIFEST_LIMIT
from transship_registry.mediatypes import (
    OCI_INDEX,
    OCI_MANIFEST,
    ManifestKind,
    essence,
    manifest_kind,
)
from transship_registry.platform import Platform
from transship_registry.sizes import LARGEST, Size

_REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
_REFERENCE_TYPE: Final = "vnd.docker.reference.type"


class PlatformFields(msgspec.Struct, frozen=True):
    """The `platform` object of a descriptor as it is written."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = msgspec.field(name="os.version", default="")


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What points at content: its media type, digest and size in bytes (OCI image-spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: Size
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None
    platform: PlatformFields | None = None
    urls: tuple[str, ...] = ()
    data: str | None = None

    @property
    def normalised_platform(self) -> Platform | None:
        """The platform this descriptor names, normalised; None when it names none."""
        fields = self.platform
        if fields is None or not (fields.os or fields.architecture):
            return None
        return Platform.normalised(fields.os, fields.architecture, fields.variant, fields.os_version)

    @property
    def is_manifest(self) -> bool:
        """Whether the content is a manifest or an index of a kind that we know."""
        return manifest_kind(self.media_type) is not None

    @property
    def is_attestation(self) -> bool:
        """Whether this is what buildkit lists beside an image: provenance or an SBOM, itself for no platform.

        https://docs.docker.com/build/metadata/attestations/attestation-storage/
        """
        platform, notes = self.normalised_platform, self.annotations or {}
        is_for_none = platform is None or "unknown" in {platform.os, platform.architecture}
        return is_for_none and self.is_manifest and not notes.keys().isdisjoint({_REFERENCE_TYPE, _REFERENCE_DIGEST})

    @property
    def is_external(self) -> bool:
        """Whether this is a layer that is fetched from its own `urls` (a non-distributable or foreign layer)."""
        return bool(self.urls)


class _ManifestView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest or an index; programs in Go write lists that are empty as null."""

    schema_version: int = 0
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    blobs: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest or an index: `raw` bytes as received, their digest, and what they point at.

    `children` are the manifests of an index, in order; `blobs` are the config and the layers of an image, in order.
    """

    raw: bytes
    media_type: str
    digest: Digest
    kind: ManifestKind
    children: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, raw: bytes, content_type: str, *, where: str, expected: Digest | None = None) -> "Manifest":
        """Read a manifest.

        `content_type` is the response's; `where` names the reference in errors; `expected` is the digest that was asked
        for. Raises `ContentError` when the bytes do not match it, contradict their content type or are no manifest, and
        `UnsupportedError` for schema 1 and unknown media types.
        """
        digest = Digest.of(raw, expected.algorithm if expected else "sha256")
        if expected is not None and digest != expected:
            raise ContentError(f"{where}: the manifest's bytes hash to {digest}, expected {expected}")
        view = _read_view(raw, where)
        media_type = _decide_media_type(essence(content_type), view, where)
        kind = manifest_kind(media_type)
        if kind is None or kind is ManifestKind.SCHEMA1:
            raise UnsupportedError(
                "read manifest",
                where,
                f"media type {brief(media_type)} is not supported",
                advice="Docker schema 1 images must be pushed again by a current client"
                if kind
                else "transship copies Docker schema 2 and OCI manifests and indexes",
            )
        _refuse_ambiguity(kind, view, where)
        _refuse_sizes(view, where)
        return cls(
            raw=raw,
            media_type=media_type,
            digest=digest,
            kind=kind,
            children=view.manifests or (),
            config=view.config,
            layers=view.layers or view.blobs or (),
            subject=view.subject,
            artifact_type=view.artifact_type,
            annotations=tuple((view.annotations or {}).items()),
        )

    @property
    def is_index(self) -> bool:
        """Whether this lists manifests rather than blobs."""
        return self.kind is ManifestKind.INDEX

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config, then the layers."""
        return (*((self.config,) if self.config else ()), *self.layers)

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of these bytes."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.raw))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The real platforms of an index, in its order; attestations are left out."""
        found = (child.normalised_platform for child in self.children)
        return tuple(platform for platform in found if platform is not None and platform.is_known)

    def child_for(self, wanted: Platform) -> Descriptor | None:
        """Return the child that a host of platform `wanted` would run; None when there is none (semantics B11)."""
        best = wanted.best(self.platforms)
        return next((child for child in self.children if best and child.normalised_platform == best), None)


def reduce_index(
    index: Manifest, wanted: tuple[Platform, ...], *, where: str, without: Collection[Digest] = ()
) -> Manifest:
    """Return the index with only the children of the `wanted` platforms, built deterministically from `index`.

    With no platform given, all children are wanted; those of `without` are left out in any case.

    Children keep the source's order and their descriptors as they are, and so do all members of the document other than
    `manifests`. The same source and platforms always give the same bytes, so that the result can be compared by its
    digest. When nothing is left out, `index` itself is returned. Attestations travel with the child that they name
    (`vnd.docker.reference.digest`). Raises `UnsupportedError` when a platform is missing, and `ContentError` for a
    document that cannot be written again.
    """
    chosen = {str(child.digest) for platform in wanted for child in _required_children(index, platform, where)}
    left_out = frozenset(map(str, without))
    try:
        document = decode_distinct(index.raw)
        asked = [child for child in document["manifests"] if not wanted or _belongs(child, chosen)]
        kept = [child for child in asked if child["digest"] not in left_out]
        if len(kept) == len(document["manifests"]):
            return index
        document["manifests"] = kept
        raw = encode_sorted(document)
    except DocumentError as error:
        # Numbers of thousands of digits, or out of range; lists within lists within lists; a member twice.
        raise ContentError(f"{where}: the index cannot be reduced to some platforms: {error}") from error
    return Manifest.parse(raw, index.media_type, where=where)


def missing_platform(index: Manifest, platform: Platform, where: str) -> UnsupportedError:
    """Return the error that names what the index offers instead of `platform`."""
    offered = ", ".join(sorted({str(offer) for offer in index.platforms})) or "none"
    return UnsupportedError(
        "select platform",
        where,
        f"platform {platform} is not among those offered: {shortened(offered)}",
        advice="name an offered platform, or remove it from the entry",
    )


def _required_children(index: Manifest, wanted: Platform, where: str) -> tuple[Descriptor, ...]:
    """Return the children for one wanted platform: several when they differ in the OS version only (Windows)."""
    best = wanted.best(index.platforms)
    if best is None:
        raise missing_platform(index, wanted, where)
    return tuple(
        child
        for child in index.children
        if (platform := child.normalised_platform)
        and platform.any_version == best.any_version
        and wanted.runs(platform)
    )


def _belongs(child: Mapping[str, object], chosen: set[str]) -> bool:
    annotations = cast(Mapping[str, object], child.get("annotations") or {})
    subject = annotations.get(_REFERENCE_DIGEST)
    return child["digest"] in chosen or subject in chosen


def _read_view(raw: bytes, where: str) -> _ManifestView:
    if len(raw) > MANIFEST_LIMIT:
        raise ContentError(f"{where}: the manifest has {len(raw)} bytes, more than the {MANIFEST_LIMIT} allowed")
    try:
        return decode_json(raw, _ManifestView)
    except DocumentError as error:
        raise ContentError(f"{where}: the manifest is not well-formed: {error}") from error


def _decide_media_type(content_type: str, view: _ManifestView, where: str) -> str:
    declared = view.media_type
    if declared and manifest_kind(content_type) and declared != content_type:
        raise ContentError(
            f"{where}: the manifest says it is {brief(declared)}, but it was served as {brief(content_type)}; "
            "refusing to guess which one is right (CVE-2021-41190)"
        )
    if manifest_kind(content_type):
        return content_type
    return declared or _guess_media_type(view, content_type)


def _refuse_ambiguity(kind: ManifestKind, view: _ManifestView, where: str) -> None:
    """Refuse a document that one client would read as an index and another one as an image (CVE-2021-41190)."""
    if kind is ManifestKind.INDEX and (view.config or view.layers or view.blobs):
        raise ContentError(f"{where}: the index has a config or layers too; refusing to guess what it is")
    if kind is ManifestKind.IMAGE and view.manifests:
        raise ContentError(f"{where}: the image manifest lists manifests too; refusing to guess what it is")


def _refuse_sizes(view: _ManifestView, where: str) -> None:
    """Refuse what nobody can have: sizes that are numbers each, and none together."""
    parts = (
        *(view.manifests or ()),
        *(view.layers or ()),
        *(view.blobs or ()),
        *((view.config,) if view.config else ()),
    )
    if sum(part.size for part in parts) > LARGEST:
        raise ContentError(f"{where}: the sizes in the manifest add up to more than {LARGEST} bytes")


def _guess_media_type(view: _ManifestView, content_type: str) -> str:
    """Name the type of an OCI document served without a usable Content-Type (`mediaType` is optional in OCI)."""
    if view.schema_version == 2 and view.manifests and view.config is None:
        return OCI_INDEX
    if view.schema_version == 2 and view.config is not None and not view.manifests:
        return OCI_MANIFEST
    return content_type
