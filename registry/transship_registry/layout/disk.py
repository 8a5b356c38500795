"""What the operating system says about a layout's files, told as `LayoutError` with a way out."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from transship_registry.errors import LayoutError
from transship_registry.regular import NotRegularError, TooLargeError

_FULL: Final = "free space on its file system and run again; what was stored before is intact"
_DENIED: Final = "give user {uid} the right to do so, or choose another folder"
_NO_LOCKS: Final = "choose a folder on a file system that can lock files (flock)"
_IN_THE_WAY: Final = "move it away: a file belongs there"
_TOO_LARGE: Final = "no layout has such a file; repair it, or name another folder"
_FILES: Final = "raise the limit of open files (ulimit -n)"
_ADVICE: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "mount the file system for writing, or choose another folder",
    errno.ENOLCK: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: "name a folder in the reference",
}


@contextmanager
def disk_errors(attempted: str, reference: object, path: str) -> Generator[None, None, None]:
    """Turn an `OSError` within into a `LayoutError` that names `path`, unless the error names a path itself."""
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else path
        if isinstance(error, TooLargeError):
            raise LayoutError(attempted, str(reference), f"{named}: {error.strerror}", advice=_TOO_LARGE) from error
        if isinstance(error, NotRegularError):
            raise LayoutError(attempted, str(reference), f"{named}: {error.strerror}", advice=_IN_THE_WAY) from error
        symbol = errno.errorcode.get(error.errno or 0, "unknown error")
        advice = _ADVICE.get(error.errno or 0, "check the disk that holds it").format(uid=os.geteuid())
        raise LayoutError(
            attempted, str(reference), f"{named}: {error.strerror or error} ({symbol})", advice=advice
        ) from error
