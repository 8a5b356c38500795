"""What the registry must know of a manifest: the content it refers to, its subject, and its digest."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class MalformedManifestError(ValueError):
    """The bytes are not the manifest that they are said to be."""


@dataclass(frozen=True)
class Child:
    """A manifest that an index refers to."""

    digest: str
    size: int
    platform: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Document:
    """The parts of a manifest that matter to a registry. `blobs` maps digests to sizes, `urls` layers left out."""

    media_type: str
    blobs: Mapping[str, int | None]
    children: tuple[Child, ...] = ()
    subject: str | None = None
    artifact_type: str | None = None
    config_media_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def listed_artifact_type(self) -> str | None:
        """The `artifactType` that the referrers list shows: the config's media type stands in for a missing one."""
        return self.artifact_type or self.config_media_type


def parse(raw: bytes, media_type: str) -> Document:
    """Read a manifest that was sent with this content type.

    Raises:
        MalformedManifestError: it is not JSON, not an object, lacks a field, or says another `mediaType`.
    """
    try:
        loaded: object = json.loads(raw)
    except ValueError as error:
        raise MalformedManifestError(f"manifest is not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise MalformedManifestError("manifest is not a JSON object")
    fields = cast("dict[str, object]", loaded)
    declared = fields.get("mediaType")
    if declared is not None and declared != media_type:
        raise MalformedManifestError(f"mediaType is {declared!r}, but Content-Type is {media_type!r}")
    try:
        return _read(fields, media_type)
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedManifestError(f"manifest of type {media_type} lacks or misuses a field: {error!r}") from error


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of bytes as `algorithm:hex`."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def manifest_digest(raw: bytes, media_type: str, algorithm: str = "sha256") -> str:
    """Return a manifest's digest; that of a signed schema 1 manifest is over its payload without signatures."""
    return digest_of(_schema1_payload(raw) if media_type == SCHEMA1_SIGNED else raw, algorithm)


def _read(fields: Mapping[str, object], media_type: str) -> Document:
    if media_type in {SCHEMA1, SCHEMA1_SIGNED}:
        fs_layers = cast("list[dict[str, str]]", fields["fsLayers"])
        return Document(media_type, {layer["blobSum"]: None for layer in fs_layers})
    subject = cast("dict[str, str] | None", fields.get("subject"))
    found = Document(
        media_type,
        {},
        subject=None if subject is None else subject["digest"],
        artifact_type=cast("str | None", fields.get("artifactType")),
        annotations=cast("dict[str, str]", fields.get("annotations") or {}),
    )
    if media_type in {OCI_INDEX, DOCKER_LIST}:
        entries = cast("list[dict[str, object]]", fields["manifests"])
        return replace(found, children=tuple(map(_child, entries)))
    config = cast("dict[str, object]", fields["config"])
    parts = [config, *cast("list[dict[str, object]]", fields["layers"])]
    blobs = {str(part["digest"]): cast("int", part["size"]) for part in parts if not part.get("urls")}
    return replace(found, blobs=blobs, config_media_type=cast("str | None", config.get("mediaType")))


def _child(entry: Mapping[str, object]) -> Child:
    platform = cast("dict[str, str]", entry.get("platform") or {})
    return Child(str(entry["digest"]), cast("int", entry["size"]), platform)


def _schema1_payload(raw: bytes) -> bytes:
    try:
        signatures = cast("list[dict[str, str]]", json.loads(raw)["signatures"])
        protected = signatures[0]["protected"]
        header = json.loads(_from_base64url(protected))
        return raw[: int(header["formatLength"])] + _from_base64url(str(header["formatTail"]))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise MalformedManifestError(f"schema 1 manifest has no readable signature: {error!r}") from error


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
