"""Files that are about to take another one's place: how they are named, and when they are left behind."""

import os
import re
import socket
import time
from collections.abc import Collection, Iterator
from typing import Final

FORGOTTEN_S: Final = 86_400.0
"""How old such a file has to be for its writer to be gone, when that ran on a machine that cannot be asked."""


def temporary_name(file: str) -> str:
    """Name what is going to be `file` by host and process, so that others can tell when it is left behind."""
    folder, name = os.path.split(file)
    return os.path.join(folder, f".{name}.{this_host()}.{os.getpid()}.tmp")


def find_leftovers(file: str, names: Collection[str] = ()) -> Iterator[str]:
    """Yield what writers that are gone left beside a file, of it and of other `names` there; raises `OSError`.

    What a process with our number left is among them: the caller makes sure that nobody writes the file now.
    """
    folder, name = os.path.split(file)
    wanted = "|".join(re.escape(each) for each in (name, *names))
    pattern = re.compile(rf"\.(?:{wanted})\.([A-Za-z0-9-]+)\.(\d+)\.tmp")
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and entry.is_file(follow_symlinks=False) and _is_gone(entry, found[1], int(found[2])):
                yield os.path.join(folder, entry.name)


def is_running(process: int) -> bool:
    """Whether there is a process of this number on this host."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def this_host() -> str:
    """Return the name of this machine, as it stands in names of files."""
    return re.sub("[^A-Za-z0-9-]", "-", socket.gethostname()) or "-"


def _is_gone(entry: os.DirEntry[str], host: str, process: int) -> bool:
    if host != this_host():
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_S
    return process == os.getpid() or not is_running(process)
