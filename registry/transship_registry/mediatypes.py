"""Media types of manifests and what kind of document each is (OCI image-spec; Docker v2.2)."""

from enum import Enum
from typing import Final

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"


class ManifestKind(Enum):
    """What a manifest's media type makes of it."""

    INDEX = "index"
    IMAGE = "image manifest"
    SCHEMA1 = "schema 1 manifest"


_KINDS: Final = {
    OCI_INDEX: ManifestKind.INDEX,
    DOCKER_LIST: ManifestKind.INDEX,
    OCI_MANIFEST: ManifestKind.IMAGE,
    DOCKER_MANIFEST: ManifestKind.IMAGE,
    OCI_ARTIFACT: ManifestKind.IMAGE,
    DOCKER_SCHEMA1: ManifestKind.SCHEMA1,
    DOCKER_SCHEMA1_SIGNED: ManifestKind.SCHEMA1,
}

ACCEPT: Final = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT))
"""Sent on every manifest request: a registry that is not told may answer with schema 1, whose bytes do not hash to its
digest (https://github.com/eclipse-che/che-plugin-registry/issues/2082)."""

DEFAULT_MEDIA_TYPES: Final = (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX)
"""What a tag may be to be mirrored, unless the configuration says otherwise (semantics B4)."""


def essence(content_type: str) -> str:
    """Return a Content-Type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def manifest_kind(media_type: str) -> ManifestKind | None:
    """Return what kind of manifest the media type names; None when it names none that we know."""
    return _KINDS.get(media_type)
