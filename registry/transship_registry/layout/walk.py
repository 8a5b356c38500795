"""What manifests of a layout point at, directly and through each other."""

from collections.abc import Iterable
from dataclasses import dataclass

from transship_registry.digest import Digest
from transship_registry.layout.folder import Folder
from transship_registry.manifest import Descriptor, Manifest


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached from some manifests, themselves included.

    `missing` are blobs and manifests that are not there or have another size, `missing_manifests` those of them that
    are manifests, `opaque` those children of indexes that are no manifests we can read and may point at anything.
    """

    digests: frozenset[Digest]
    missing: tuple[Descriptor, ...] = ()
    missing_manifests: tuple[Descriptor, ...] = ()
    opaque: tuple[Descriptor, ...] = ()


def walk(folder: Folder, roots: Iterable[Manifest]) -> Reach:
    """Follow manifests to their children, configs and layers, but not to their subject: it may be gone.

    Layers with `urls` may be missing. Raises `ContentError`, `UnsupportedError` and `LayoutError` for a manifest that
    cannot be read.
    """
    waiting = list(roots)
    manifests = {manifest.digest for manifest in waiting}
    blobs: set[Digest] = set()
    missing: list[Descriptor] = []
    missing_manifests: list[Descriptor] = []
    opaque: list[Descriptor] = []
    while waiting:
        manifest = waiting.pop()
        missing += _missing_blobs(folder, manifest, blobs)
        blobs.update(blob.digest for blob in manifest.blobs)
        for child in manifest.children:
            if child.digest in manifests:
                continue
            manifests.add(child.digest)
            if not folder.holds(child):
                missing_manifests.append(child)
            elif not child.is_manifest:
                opaque.append(child)
            elif found := folder.load_manifest(child.digest, child.media_type):
                waiting.append(found)
            else:
                missing_manifests.append(child)
    return Reach(frozenset(manifests | blobs), (*missing, *missing_manifests), tuple(missing_manifests), tuple(opaque))


def _missing_blobs(folder: Folder, manifest: Manifest, known: set[Digest]) -> list[Descriptor]:
    return [
        blob for blob in manifest.blobs if blob.digest not in known and not blob.is_external and not folder.holds(blob)
    ]
