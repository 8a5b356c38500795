"""The calls that change the files of a state, one method each: each may fail, or be the last that a process makes."""

import errno
import os
from typing import Final

_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF})


class Disk:
    """The file system; every method raises `OSError`."""

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, as far as they are not there."""
        os.makedirs(path, exist_ok=True)

    def create(self, path: str) -> int:
        """Create a file that was not there, for its owner alone, and open it for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Wait until a file or a folder is on the disk, where the file system can say so."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def link(self, path: str, other: str) -> None:
        """Give a file another name, which must not be there; some file systems cannot."""
        os.link(path, other, follow_symlinks=False)

    def rename(self, path: str, other: str) -> None:
        """Give a file another name in one step, in place of the file that has it."""
        os.replace(path, other)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def truncate(self, descriptor: int) -> None:
        """Empty an open file."""
        os.ftruncate(descriptor, 0)
