"""Open files for reading without waiting: a pipe, device or socket that stands where a file is expected is an error."""

import errno
import os
import stat
from io import BufferedReader
from typing import Final

_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_MOST_LINKS: Final = 40
_PIECE: Final = 1024 * 1024


class NotRegularError(OSError):
    """Something else than a regular file stands where one is expected; `strerror` says what."""

    def __init__(self, kind: str, path: str) -> None:
        super().__init__(errno.EINVAL, f"this is {kind}, not a regular file", path)


class TooLargeError(OSError):
    """A file has more bytes than are read; `strerror` says how many are allowed."""

    def __init__(self, size: int | None, limit: int, path: str) -> None:
        there = f"it has {size} bytes, more than" if size is not None else "there is more than"
        super().__init__(errno.EFBIG, f"{there} the {limit} allowed", path)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file, following links; raises `OSError`, which is `NotRegularError` for pipes and the like."""
    return open(path, "rb", opener=_open_regular)


def open_input(path: str | os.PathLike[str]) -> BufferedReader:
    """Open what the user names as input: a regular file, or what is open already, as `/dev/stdin` and `<(…)` are.

    Raises as `open_regular` does.
    """
    return open(path, "rb") if _is_open_already(os.fspath(path)) else open_regular(path)


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a regular file whole; raises `OSError`, which is `TooLargeError` for more than `limit` bytes."""
    with open_regular(path) as file:
        return read_open(file, limit)


def read_input(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read what the user names as input; raises as `read_regular` does."""
    with open_input(path) as file:
        return read_open(file, limit)


def read_open(file: BufferedReader, limit: int) -> bytes:
    """Read an open file to its end, but not what is too large by its size already; raises `TooLargeError`.

    A file may grow while it is read, and a pipe has no size.
    """
    status = os.fstat(file.fileno())
    name = os.fspath(file.name)
    if stat.S_ISREG(status.st_mode) and status.st_size > limit:
        raise TooLargeError(status.st_size, limit, name)
    pieces = [file.read(status.st_size + 1)]  # of the size that it takes, not of what it may have
    left = limit - len(pieces[0])
    while left >= 0 and (piece := file.read(min(left + 1, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if left < 0:
        raise TooLargeError(None, limit, name)
    return b"".join(pieces)


def _open_regular(path: str, flags: int) -> int:
    descriptor = _open_now(path, flags | os.O_NOCTTY)
    kind = _KINDS.get(stat.S_IFMT(os.fstat(descriptor).st_mode))
    if kind is not None:
        os.close(descriptor)
        raise NotRegularError(kind, path)
    return descriptor


def _open_now(path: str, flags: int) -> int:
    """Open without waiting for a pipe's other end or for a device."""
    try:
        return os.open(path, flags | os.O_NONBLOCK)
    except BlockingIOError:
        # Somebody has a lease on a file, as Samba does (fcntl(2), "Leases"): that is given up within seconds.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise
        return os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # open(2): a socket, or a device without hardware
            raise NotRegularError(_KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "a device"), path) from None
        raise


def _is_open_already(path: str) -> bool:
    """Whether a path leads to one of this process's descriptors."""
    own = {os.path.realpath("/proc/self/fd"), os.path.realpath("/dev/fd")}
    for _ in range(_MOST_LINKS):
        folder = os.path.dirname(path)
        if os.path.realpath(folder) in own:
            return True
        try:
            path = os.path.join(folder, os.readlink(path))
        except (OSError, ValueError):
            return False
    return False
