"""Files that appear under their name whole, or not at all."""

import fcntl
import os
import re
import secrets
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from transship_registry.temporary import this_host

OWN_PREFIX: Final = ".transship."
"""How the names of all files begin that transship adds to those of the image-spec."""

_FICLONE: Final = 0x40049409
"""The request `FICLONE` of linux/fs.h, for which Python has no name."""

_LEFTOVER = re.compile(re.escape(OWN_PREFIX) + r".+\.[0-9a-f]{16}\.tmp")


class PendingFile:
    """A temporary file beside `target` that takes its name at `commit`; leaving the context before discards it.

    The file is locked while it is open, so that it can be told from what a killed process left behind. Its mode is
    what the umask makes of 0666. Methods raise `OSError`.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._descriptor: int | None
        self._path, self._descriptor = _create(target)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of `data`."""
        assert self._descriptor is not None
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def clone(self, source: int) -> bool:
        """Take the content of an open file without copying it, where the file system can; else False, and nothing is
        written (ioctl_ficlone(2)).
        """
        assert self._descriptor is not None
        try:
            fcntl.ioctl(self._descriptor, _FICLONE, source)
        except OSError:
            return False
        return True

    def read_into(self, buffer: memoryview) -> int:
        """Read on from where the last reading ended; returns how many bytes, 0 at the end."""
        assert self._descriptor is not None
        return os.readv(self._descriptor, (buffer,))

    def commit(self) -> os.stat_result:
        """Make the content durable, then visible under its name; the caller makes the name durable (`sync_folder`).

        Returns the file's status under that name.
        """
        assert self._descriptor is not None
        os.fsync(self._descriptor)
        os.replace(self._path, self._target)
        status = os.fstat(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
        return status

    def discard(self) -> None:
        """Remove the temporary file; does nothing after `commit`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def temporary_name(target: str) -> str:
    """Name a temporary file beside `target`."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f"{OWN_PREFIX}{name}.{this_host()}.{os.getpid()}.{secrets.token_hex(8)}.tmp")


def _create(target: str) -> tuple[str, int]:
    """Create a temporary file and lock it.

    Once more if somebody who removes leftovers came in between, when nobody had it locked yet.
    """
    while True:
        path = temporary_name(target)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
        except BlockingIOError:
            pass
        except OSError:
            os.close(descriptor)
            os.unlink(path)
            raise
        os.close(descriptor)


def write_whole(target: str, data: bytes) -> None:
    """Write a small file atomically and durably, except for its name; raises `OSError`."""
    with PendingFile(target) as pending:
        pending.write(data)
        pending.commit()


def sync_folder(path: str) -> None:
    """Make the names in a folder durable; raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_leftover_name(name: str) -> bool:
    """Whether a temporary file of ours may be called so."""
    return _LEFTOVER.fullmatch(name) is not None


def is_of_this_host(path: str) -> bool:
    """Whether a temporary file of ours was made on this machine."""
    return re.search(rf"\.{re.escape(this_host())}\.\d+\.[0-9a-f]{{16}}\.tmp$", path) is not None
