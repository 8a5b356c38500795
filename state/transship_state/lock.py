"""The lock of a state: a file beside it that the kernel locks, and in which its holder says who it is."""

import contextlib
import errno
import fcntl
import getpass
import os
import socket
import stat
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Final

import msgspec

from transship_registry.codec import decode_json, encode_json
from transship_registry.errors import DocumentError
from transship_state.disk import Disk
from transship_state.errors import StateError, StateLockedError

_HELD: Final = frozenset({errno.EAGAIN, errno.EACCES})
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
_NOT_WRITABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MOST: Final = 4096
_BEGINNING: Final = b'{"who":"'
ANOTHER_PLACE: Final = "move it away, or name another state file (`state:` or --state)"


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock: written into the lock file for whoever finds it held."""

    who: str
    process: int
    operation: str
    since: str


@contextmanager
def locked(path: str, operation: str, now: Callable[[], str], disk: Disk) -> Generator[None]:
    """Hold the lock of the state at `path` for one operation.

    Whoever reaches one file by several links meets at the lock beside the file itself. Earlier versions locked beside
    the link, so that is held as well, where there can be one. The kernel gives a lock back when its process ends,
    however it ends, so that none is ever left behind. Raises `StateLockedError` naming the holder, and `StateError`.
    """
    holder = _Holder(who=_who(), process=os.getpid(), operation=operation, since=now())
    is_link = os.path.islink(path)
    with ExitStack() as stack:
        if is_link and (descriptor := _opened_beside_link(f"{path}.lock", disk)) is not None:
            stack.enter_context(_held(descriptor, f"{path}.lock", path, holder, disk))
        name = f"{os.path.realpath(path) if is_link else path}.lock"
        stack.enter_context(_held(_opened(name, disk, make_folder=not is_link), name, path, holder, disk))
        yield


@contextmanager
def _held(descriptor: int, name: str, path: str, holder: _Holder, disk: Disk) -> Generator[None]:
    try:
        _take(descriptor, name, path)
        try:
            disk.truncate(descriptor)
            disk.write(descriptor, encode_json(holder))
        except OSError as error:
            raise _cannot_lock(name, error) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # it says who held it last, which does no harm
                disk.truncate(descriptor)
    finally:
        os.close(descriptor)


def _opened_beside_link(name: str, disk: Disk) -> int | None:
    """Open the lock beside a link; None where no earlier version could have locked anything either."""
    try:
        return _opened(name, disk, make_folder=False)
    except StateError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NOT_WRITABLE:
            return None
        raise


def _opened(name: str, disk: Disk, *, make_folder: bool) -> int:
    """Open a lock file, which is made when it is not there; a link is not followed, and nothing is waited for."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if make_folder:
            disk.make_folder(os.path.dirname(name) or ".")
        descriptor = os.open(name, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StateError(f"{name}: cannot lock the state: this is a symbolic link; {ANOTHER_PLACE}") from None
        raise _cannot_lock(name, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StateError(f"{name}: cannot lock the state: this is not a regular file; {ANOTHER_PLACE}")
    return descriptor


def _take(descriptor: int, name: str, path: str) -> None:
    """Lock the file if it is one of ours, and leave it as it is if not."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = os.pread(descriptor, _MOST + 1, 0)
    except OSError as error:
        if error.errno in _HELD:
            raise StateLockedError(
                f"{path}: the state is in use by {_described(descriptor)}; wait for it to end"
            ) from None
        raise _cannot_lock(name, error) from error
    if not _is_ours(content):
        raise StateError(
            f"{name}: cannot lock the state: there is another file under the name of its lock; {ANOTHER_PLACE}"
        )


def _is_ours(content: bytes) -> bool:
    """Tell whether a lock file holds what we write into it: nothing, or the holder, maybe cut off by a kill."""
    if not content.endswith(b"}"):
        is_cut_off = _BEGINNING.startswith(content[: len(_BEGINNING)]) and b"\n" not in content
        return is_cut_off and len(content) < _MOST
    try:
        decode_json(content, _Holder)
    except DocumentError:
        return False
    return True


def _cannot_lock(name: str, error: OSError) -> StateError:
    way_out = "; name a state file on a file system that can lock files (flock)" if error.errno in _NO_LOCKS else ""
    return StateError(f"{name}: cannot lock the state: {error.strerror}{way_out}")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _described(descriptor: int) -> str:
    try:
        holder = decode_json(os.pread(descriptor, _MOST, 0), _Holder)
    except (DocumentError, OSError):
        return "another process"
    return f"{holder.who} (process {holder.process}, {holder.operation}, since {holder.since})"
