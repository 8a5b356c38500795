"""What manifests of a layout point at, directly and through each other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from transship_registry.digest import Digest
from transship_registry.errors import ContentError
from transship_registry.layout.folder import Folder
from transship_registry.layout.marks import Mark
from transship_registry.manifest import Descriptor, Manifest


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached from some manifests, themselves included.

    `missing` are blobs and manifests that are not there or have another size, `missing_manifests` those of them that
    are manifests, `opaque` those children of indexes that are no manifests we can read and may point at anything.
    `damaged` are manifests that are not what their digest says, each with the error. `files` are the blobs that are
    there, not yet read, and `marks` those of the manifests as they were read.
    """

    digests: frozenset[Digest]
    missing: tuple[Descriptor, ...] = ()
    missing_manifests: tuple[Descriptor, ...] = ()
    opaque: tuple[Descriptor, ...] = ()
    damaged: tuple[tuple[Descriptor, ContentError], ...] = ()
    files: tuple[Descriptor, ...] = ()
    marks: Mapping[Digest, Mark] = field(default_factory=dict[Digest, Mark])
    holders: Mapping[Digest, tuple[Digest, ...]] = field(default_factory=dict[Digest, tuple[Digest, ...]])

    def above(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return the manifests that reach any of the digests."""
        found: set[Digest] = set()
        waiting = [holder for digest in digests for holder in self.holders.get(digest, ())]
        while waiting:
            holder = waiting.pop()
            if holder not in found:
                found.add(holder)
                waiting += self.holders.get(holder, ())
        return frozenset(found)


def walk(folder: Folder, roots: Iterable[Manifest]) -> Reach:
    """Follow manifests to their children, configs and layers, but not to their subject: it may be gone.

    Layers with `urls` may be missing. Raises `UnsupportedError` and `LayoutError` for a manifest that cannot be read.
    """
    return _Walk(folder).through(roots)


class _Walk:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._manifests: set[Digest] = set()
        self._blobs: set[Digest] = set()
        self._looked_at: set[Digest] = set()
        self._missing: list[Descriptor] = []
        self._missing_manifests: list[Descriptor] = []
        self._opaque: list[Descriptor] = []
        self._damaged: list[tuple[Descriptor, ContentError]] = []
        self._files: list[Descriptor] = []
        self._marks: dict[Digest, Mark] = {}
        self._holders: defaultdict[Digest, list[Digest]] = defaultdict(list)

    def through(self, roots: Iterable[Manifest]) -> Reach:
        waiting = list(roots)
        self._manifests.update(manifest.digest for manifest in waiting)
        while waiting:
            manifest = waiting.pop()
            for part in (*manifest.blobs, *manifest.children):
                self._holders[part.digest].append(manifest.digest)
            for blob in manifest.blobs:
                self._look_at_blob(blob)
            waiting += [found for child in manifest.children if (found := self._look_at_child(child))]
        return self._reach()

    def _look_at_blob(self, blob: Descriptor) -> None:
        self._blobs.add(blob.digest)
        if blob.is_external or blob.digest in self._looked_at:
            return
        self._looked_at.add(blob.digest)
        (self._files if self._folder.has_file(blob) else self._missing).append(blob)

    def _look_at_child(self, child: Descriptor) -> Manifest | None:
        """Return a child that was not seen yet, to be followed."""
        if child.digest in self._manifests:
            return None
        self._manifests.add(child.digest)
        if not self._folder.has_file(child):
            self._missing_manifests.append(child)
        elif not child.is_manifest:
            self._opaque.append(child)
            self._files.append(child)
        else:
            return self._load(child)
        return None

    def _load(self, child: Descriptor) -> Manifest | None:
        try:
            found = self._folder.read_manifest(child.digest, child.media_type)
        except ContentError as error:
            self._damaged.append((child, error))
            return None
        if found is None:
            self._missing_manifests.append(child)
            return None
        manifest, mark = found
        if mark is not None:
            self._marks[child.digest] = mark
        return manifest

    def _reach(self) -> Reach:
        return Reach(
            digests=frozenset(self._manifests | self._blobs),
            missing=(*self._missing, *self._missing_manifests),
            missing_manifests=tuple(self._missing_manifests),
            opaque=tuple(self._opaque),
            damaged=tuple(self._damaged),
            files=tuple(self._files),
            marks=self._marks,
            holders={digest: tuple(holders) for digest, holders in self._holders.items()},
        )
