"""The folder of a layout: where its files are, and whether they are a layout at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import msgspec

from transship_registry.codec import brief, decode_json, encode_json
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, LayoutError
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.index import LayoutIndex
from transship_registry.layout.marks import Mark
from transship_registry.layout.pending import OWN_PREFIX, sync_folder, write_whole
from transship_registry.limits import LAYOUT_INDEX_LIMIT, LAYOUT_VERSION_LIMIT, MANIFEST_LIMIT
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import LAYOUT_SCHEME, Repository
from transship_registry.regular import open_regular, read_regular

VERSION: Final = "1.0.0"

_UNTOUCHED: Final = "nothing was changed there; repair it, or name another folder"

Signature = tuple[tuple[int, int, int, int], ...]
"""What changes whenever `oci-layout` or index.json do."""


class _VersionFile(msgspec.Struct, frozen=True, rename="camel"):
    image_layout_version: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a layout by its real path, so that every spelling of it is one layout."""

    path: str

    @classmethod
    def of(cls, repository: Repository) -> Self:
        """Find the folder of an `ocidir://` repository, whether it exists or not."""
        assert repository.is_layout, f"{repository} is no layout"
        return cls(os.path.realpath(repository.path))

    @property
    def name(self) -> str:
        """The layout as a repository, for messages."""
        return f"{LAYOUT_SCHEME}://{self.path}"

    @property
    def version_file(self) -> str:
        """Path of `oci-layout`."""
        return os.path.join(self.path, "oci-layout")

    @property
    def index_file(self) -> str:
        """Path of index.json."""
        return os.path.join(self.path, "index.json")

    @property
    def blobs(self) -> str:
        """Path of the folder that has one folder of blobs for each digest algorithm."""
        return os.path.join(self.path, "blobs")

    def own_file(self, name: str) -> str:
        """Path of a file that only transship uses."""
        return os.path.join(self.path, OWN_PREFIX + name)

    def blob_folder(self, algorithm: str) -> str:
        """Path of the folder of one algorithm's blobs."""
        return os.path.join(self.blobs, algorithm)

    def blob_file(self, digest: Digest) -> str:
        """Path of a blob, whether it exists or not."""
        return os.path.join(self.blobs, digest.algorithm, digest.hex)

    def blob_mark(self, digest: Digest) -> Mark | None:
        """Return what tells the file of a blob from what it is after a change; None when there is no such file."""
        path = self.blob_file(digest)
        with disk_errors("look up blob", f"{self.name}@{digest}", path):
            try:
                return Mark.of(os.stat(path))
            except FileNotFoundError:
                return None

    def blob_size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes; None when there is no such file."""
        mark = self.blob_mark(digest)
        return mark.size if mark else None

    def has_file(self, blob: Descriptor) -> bool:
        """Whether there is a file of this digest and size, whatever is in it."""
        return self.blob_size(blob.digest) == blob.size

    def make_blob_folder(self, algorithm: str) -> None:
        """Make sure that there is a folder for the algorithm's blobs; raises `OSError`."""
        path = self.blob_folder(algorithm)
        if not os.path.isdir(path):
            os.makedirs(path, exist_ok=True)
            sync_folder(self.blobs)

    def sync_blobs(self, digests: Iterable[Digest]) -> None:
        """Make the names of stored blobs durable; raises `OSError`."""
        for algorithm in sorted({digest.algorithm for digest in digests}):
            # There is none when all that is of this algorithm are external layers.
            with suppress(FileNotFoundError):
                sync_folder(self.blob_folder(algorithm))

    def load_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        """Read and verify a manifest; None when there is no such blob.

        `media_type` is what a descriptor says, or empty. Raises `ContentError` and `UnsupportedError` as
        `Manifest.parse` does, and `LayoutError`.
        """
        found = self.read_manifest(digest, media_type)
        return found[0] if found else None

    def read_manifest(self, digest: Digest, media_type: str) -> tuple[Manifest, Mark | None] | None:
        """Read and verify a manifest as `load_manifest` does, and return the mark of its file too."""
        where, path = f"{self.name}@{digest}", self.blob_file(digest)
        with disk_errors("read manifest", where, path):
            try:
                with open_regular(path) as file:
                    found = os.fstat(file.fileno())
                    raw = file.read(MANIFEST_LIMIT) if found.st_size <= MANIFEST_LIMIT else b""
            except FileNotFoundError:
                return None
        if found.st_size > MANIFEST_LIMIT:
            raise ContentError(f"{where}: the file has {found.st_size} bytes, a manifest has {MANIFEST_LIMIT} at most")
        return Manifest.parse(raw, media_type, where=where, expected=digest), Mark.of(found)

    def signature(self) -> Signature | None:
        """Return what tells one state of the layout's documents from the next; None when one is missing."""
        with disk_errors("read layout", self.name, self.path):
            try:
                found = (os.stat(self.version_file), os.stat(self.index_file))
            except FileNotFoundError:
                return None
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)

    def read_index(self) -> LayoutIndex | None:
        """Read the layout's index; None when there is no layout yet.

        Raises `LayoutError` for a folder that holds anything else than a layout of our version.
        """
        # A second look, because another process may have been making the layout during the first.
        with suppress(LayoutError):
            return self._read_index()
        return self._read_index()

    def initialise(self) -> None:
        """Make an empty layout; the caller has made sure that there is none.

        A process killed on the way leaves what `read_index` takes for no layout yet.
        """
        with disk_errors("create layout", self.name, self.path):
            write_whole(self.version_file, encode_json({"imageLayoutVersion": VERSION}))
            os.makedirs(self.blobs, exist_ok=True)
            write_whole(self.index_file, LayoutIndex.empty().encode())
            sync_folder(self.path)

    def _read_index(self) -> LayoutIndex | None:
        version_json = self._read(self.version_file, LAYOUT_VERSION_LIMIT)
        if version_json is None:
            names = self._names()
            if names:
                raise self._no_layout(f"the folder holds {names[0]!r}, but no oci-layout file")
            return None
        self._check_version(version_json)
        index_json = self._read(self.index_file, LAYOUT_INDEX_LIMIT)
        if index_json is None:
            blob = next(self._any_blob(), None)
            if blob:
                raise self._no_layout(f"index.json is missing, but there are blobs such as {blob}")
            return None
        try:
            return LayoutIndex.parse(index_json)
        except DocumentError as error:
            raise self._no_layout(f"index.json cannot be read: {error}") from error

    def _check_version(self, data: bytes) -> None:
        try:
            version = decode_json(data, _VersionFile).image_layout_version
        except DocumentError as error:
            raise self._no_layout(f"oci-layout cannot be read: {error}") from error
        if version != VERSION:
            raise self._no_layout(f"oci-layout says version {brief(version)}, expected {VERSION!r}")

    def _read(self, path: str, limit: int) -> bytes | None:
        with disk_errors("read layout", self.name, path):
            try:
                return read_regular(path, limit)
            except FileNotFoundError:
                return None

    def _names(self) -> list[str]:
        with disk_errors("read layout", self.name, self.path):
            try:
                return sorted(name for name in os.listdir(self.path) if not _may_precede_layout(name))
            except FileNotFoundError:
                return []

    def _any_blob(self) -> Iterator[str]:
        with disk_errors("read layout", self.name, self.blobs):
            for parent, _, names in os.walk(self.blobs):
                yield from (os.path.join(parent, name) for name in names if not name.startswith(OWN_PREFIX))

    def _no_layout(self, answer: str) -> LayoutError:
        return LayoutError("read layout", self.name, answer, advice=_UNTOUCHED)


def _may_precede_layout(name: str) -> bool:
    """Whether a file may be in a folder that is about to become a layout: ours, or that of a fresh ext4 volume."""
    return name.startswith(OWN_PREFIX) or name == "lost+found"
