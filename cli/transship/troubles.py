"""What can end a run at any point, in one line: output that nobody takes, and a system that gives no more."""

import errno
import os
import sys
from typing import Final

from transship.streams import OutputError

_FILES: Final = "raise the limit of open files (ulimit -n)"
_MEMORY: Final = "raise the limit of memory (ulimit -v, or that of the container)"
_ADVICE: Final = {errno.EMFILE: _FILES, errno.ENFILE: _FILES, errno.ENOMEM: _MEMORY}
_SHOWN: Final = 60
_NO_THREAD: Final = ("can't start new thread", "can't allocate lock")
"""Python's words, in an error that has no kind of its own."""

ANYWHERE: Final = (OutputError, MemoryError, OSError, RuntimeError, ImportError, UnicodeError, ExceptionGroup)
"""The kinds of errors of which `describe` knows some."""


def describe(error: BaseException) -> str | None:
    """Return what is wrong; None for a mistake of ours, whose traceback is worth having."""
    match error:
        case OutputError():
            return str(error)
        case MemoryError():
            return f"there is not enough memory; {_MEMORY}"
        case UnicodeEncodeError():
            return _unspeakable(error)
        case OSError():
            return _refusal(error)
        case RuntimeError() if str(error) in _NO_THREAD:
            return f"the system starts no more threads; {_MEMORY}, or that of processes (ulimit -u)"
        case ImportError() if error.path is not None and not isinstance(error, ModuleNotFoundError):
            return f"a library cannot be loaded: {error}"
        case ExceptionGroup():
            return describe(error.exceptions[0])
        case _:
            return None


def _refusal(error: OSError) -> str:
    if error.errno == errno.ENOENT and not _is_somewhere():
        return "the working directory does not exist any more"
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    advice = _ADVICE.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; {advice}" if advice else "")


def _is_somewhere() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _unspeakable(error: UnicodeEncodeError) -> str | None:
    """Name a text that the file system's encoding lacks, or an argument that is not UTF-8 and must become that."""
    text = error.object[max(0, error.start - _SHOWN) : error.end + _SHOWN]
    name = text.encode("ascii", "backslashreplace").decode("ascii")
    if error.encoding == sys.getfilesystemencoding() != "utf-8":
        return f"the file name {name} cannot be used in this locale; set LC_ALL to one with UTF-8, such as C.UTF-8"
    return f"{name} is not UTF-8" if "surrogates" in error.reason else None
