"""Blobs of a layout: read, written and linked as files, verified by size and digest."""

import os
import stat
from contextlib import suppress
from functools import cached_property
from typing import Final

from transship_registry.errors import ContentError, NotFoundError
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.folder import Folder
from transship_registry.layout.marks import Mark
from transship_registry.layout.pending import PendingFile, temporary_name
from transship_registry.manifest import Descriptor
from transship_registry.regular import open_regular

PIECE: Final = 1024 * 1024
"""Bytes that are read, hashed and written at once."""


class BlobReader:
    """An open blob that is verified while it is read; `where` names it in errors.

    Raises `NotFoundError`, `LayoutError`, and `ContentError` when the file's size is not the descriptor's.
    """

    def __init__(self, folder: Folder, blob: Descriptor) -> None:
        self._path = folder.blob_file(blob.digest)
        self._blob = blob
        self._where = f"{folder.name}@{blob.digest}"
        self._hasher = blob.digest.hasher()
        self._left = blob.size
        with disk_errors("get blob", self._where, self._path):
            try:
                self._file = open_regular(self._path)
            except FileNotFoundError:
                raise NotFoundError(
                    "get blob",
                    self._where,
                    f"there is no file {self._path}",
                    advice="copy the image into the layout again",
                ) from None
            status = os.fstat(self._file.fileno())
        self.mark = Mark.of(status)
        size = status.st_size
        if size != blob.size:
            self._file.close()
            raise self._damaged(f"has {size} bytes, expected {blob.size}")
        self._buffer = memoryview(bytearray(min(PIECE, blob.size)))

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file."""
        return self._file.fileno()

    def read(self) -> memoryview | None:
        """Return the next piece, valid until the next call; None at the end.

        Raises `ContentError` instead of returning the last piece of a blob that has another digest.
        """
        if self._left == 0:
            if self._blob.size == 0:
                self._check_digest()
            return None
        with disk_errors("get blob", self._where, self._path):
            count = os.readv(self._file.fileno(), (self._buffer[: self._left],))
        if not count:
            raise self._damaged(f"ended {self._left} bytes early, expected {self._blob.size}")
        piece = self._buffer[:count]
        self._hasher.update(piece)
        self._left -= count
        if self._left == 0:
            self._check_digest()
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_digest(self) -> None:
        found = f"{self._blob.digest.algorithm}:{self._hasher.hexdigest()}"
        if found != str(self._blob.digest):
            raise self._damaged(f"has digest {found}, expected {self._blob.digest}")

    def _damaged(self, problem: str) -> ContentError:
        return ContentError(
            f"get blob {self._where}: {self._path} {problem}; remove the file and copy the image into the layout again"
        )


class BlobWriter:
    """A blob that is verified while it is written, and stored by `finish` only."""

    def __init__(self, folder: Folder, blob: Descriptor) -> None:
        self.path = folder.blob_file(blob.digest)
        self._blob = blob
        self._where = f"{folder.name}@{blob.digest}"
        self._hasher = blob.digest.hasher()
        self._size = 0
        with disk_errors("upload blob", self._where, self.path):
            folder.make_blob_folder(blob.digest.algorithm)
            self._file = PendingFile(self.path)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`; raises `ContentError` as soon as it is more than expected."""
        self._take(data)
        with disk_errors("upload blob", self._where, self.path):
            self._file.write(data)

    def clone(self, source: "BlobReader") -> bool:
        """Take the bytes of another layout's file without copying them, where the file system can (a reflink).

        They still have to be verified, by `verify_next`.
        """
        with disk_errors("mount blob", self._where, self.path):
            return self._file.clone(source.descriptor)

    def verify_next(self) -> bool:
        """Read and hash the next piece of what was cloned; False at the end. Raises `ContentError` as `write` does."""
        with disk_errors("mount blob", self._where, self.path):
            count = self._file.read_into(self._buffer)
        self._take(self._buffer[:count])
        return bool(count)

    def finish(self) -> Mark | None:
        """Store the blob and return the mark of its file.

        Raises `ContentError` when size or digest are not the descriptor's.
        """
        if self._size != self._blob.size:
            raise self._refused(f"the source sent {self._size} bytes, expected {self._blob.size}")
        found = f"{self._blob.digest.algorithm}:{self._hasher.hexdigest()}"
        if found != str(self._blob.digest):
            raise self._refused(f"what the source sent has digest {found}, expected {self._blob.digest}")
        with disk_errors("upload blob", self._where, self.path):
            return Mark.of(self._file.commit())

    def discard(self) -> None:
        """Remove what was written, unless it is stored."""
        with disk_errors("upload blob", self._where, self.path):
            self._file.discard()

    def _take(self, data: bytes | bytearray | memoryview) -> None:
        self._size += len(data)
        if self._size > self._blob.size:
            raise self._refused(f"the source sent {self._size} bytes or more, expected {self._blob.size}")
        self._hasher.update(data)

    @cached_property
    def _buffer(self) -> memoryview:
        return memoryview(bytearray(PIECE))

    def _refused(self, problem: str) -> ContentError:
        return ContentError(f"upload blob {self._where}: {problem}; nothing of it was stored")


def link_blob(source: Folder, target: Folder, blob: Descriptor) -> Mark | None:
    """Make the source's file appear in the target too, as a hard link, in place of a file that is there.

    Returns its mark then; None when that cannot be done. The caller has verified the file: a link to a damaged one
    would spread the damage as a success. A symbolic link is not linked: the target would depend on where it leads.
    """
    origin = source.blob_file(blob.digest)
    if source.path == target.path or not _is_plain(origin):
        return None
    path = target.blob_file(blob.digest)
    with disk_errors("mount blob", f"{target.name}@{blob.digest}", path):
        target.make_blob_folder(blob.digest.algorithm)
    if not share_file_system(source, target):
        return None
    try:
        _link(origin, path)
        return Mark.of(os.lstat(path))
    except OSError:
        # Another mount, no hard links, too many, or not allowed (fs.protected_hardlinks): a copy will do.
        return None


def _link(origin: str, path: str) -> None:
    try:
        os.link(origin, path, follow_symlinks=False)
    except FileExistsError:
        temporary = temporary_name(path)
        try:
            os.link(origin, temporary, follow_symlinks=False)
            os.replace(temporary, path)
        finally:
            # To rename one name of a file to another of its names does nothing (rename(2)).
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def share_file_system(source: Folder, target: Folder) -> bool:
    """Whether two layouts lie on one file system."""
    try:
        return os.stat(source.blobs).st_dev == os.stat(target.blobs).st_dev
    except OSError:
        return False


def _is_plain(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
