"""Real multi-platform images for the demonstration, made here and always the same, in an OCI image layout."""

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from transship_registry.platform import Platform
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference, Repository

LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
PLATFORMS: Final = (Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "arm", "v7"))
_BASE_SIZE: Final = 256 * 1024
_APP_SIZE: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes in memory as the origin of an upload."""

    content: bytes

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
        """Stream the content from `offset` on."""
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncIterator[bytes | memoryview]:
        yield self.content[offset:]


async def push_image(
    registry: RegistryWriter, target: Reference, version: str, platforms: tuple[Platform, ...] = PLATFORMS
) -> Digest:
    """Make the image of `version` for the platforms, store it under the tag, and return its digest.

    Every platform has a base layer that all versions share, and a layer of its own for each version.
    """
    children = [await _push_platform(registry, target.repository, version, platform) for platform in platforms]
    index = _manifest({"mediaType": OCI_INDEX, "manifests": children}, OCI_INDEX)
    await registry.put_manifest(target, index)
    return index.digest


async def _push_platform(
    registry: RegistryWriter, repository: Repository, version: str, platform: Platform
) -> Mapping[str, object]:
    fields = {"os": platform.os, "architecture": platform.architecture}
    fields |= {"variant": platform.variant} if platform.variant else {}
    layers = (
        _layer({"usr/lib/base.bin": _noise(f"base {platform}", _BASE_SIZE)}),
        _layer({"app/version": version.encode(), "app/app.bin": _noise(f"app {version} {platform}", _APP_SIZE)}),
    )
    rootfs = {"type": "layers", "diff_ids": [str(Digest.of(layer)) for layer in layers]}
    config = _canonical({**fields, "config": {"Cmd": ["/app/app.bin"]}, "rootfs": rootfs})
    descriptors = [_descriptor(config, OCI_CONFIG), *(_descriptor(layer, LAYER_TYPE) for layer in layers)]
    for content, descriptor in zip((config, *layers), descriptors, strict=True):
        await registry.upload_blob(repository, descriptor, _Bytes(content))
    written = [_written(descriptor) for descriptor in descriptors]
    manifest = _manifest({"mediaType": OCI_MANIFEST, "config": written[0], "layers": written[1:]}, OCI_MANIFEST)
    await registry.put_manifest(repository.at(manifest.digest), manifest)
    return {**_written(manifest.descriptor), "platform": fields}


def _layer(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _noise(seed: str, size: int) -> bytes:
    """Return bytes that do not compress, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def _manifest(document: Mapping[str, object], media_type: str) -> Manifest:
    return Manifest.parse(_canonical({"schemaVersion": 2, **document}), media_type, where="demonstration image")


def _canonical(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _descriptor(content: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content))


def _written(descriptor: Descriptor) -> Mapping[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
