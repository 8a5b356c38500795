"""Files that are about to become a state or its backup: how they are named, and when they are left behind."""

import contextlib
import os
import re
import socket
import time
from typing import Final

from transship_state.disk import Disk

_FORGOTTEN_S: Final = 86_400
"""How old such a file has to be for its writer to be gone, when that ran on a machine that cannot be asked."""


def temporary_name(file: str) -> str:
    """Name what is going to be `file` by host and process, so that others can tell when it is left behind."""
    folder, name = os.path.split(file)
    return os.path.join(folder, f".{name}.{_host()}.{os.getpid()}.tmp")


def remove_leftovers(state: str, disk: Disk) -> None:
    """Remove what writers of a state left behind that were killed; the caller holds its lock."""
    folder, name = os.path.split(state)
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _is_leftover(entry, name):
                disk.remove(entry.path)


def _is_leftover(entry: os.DirEntry[str], name: str) -> bool:
    """Tell whether a file was going to be this state or its backup, and its writer is gone."""
    found = re.fullmatch(rf"\.{re.escape(name)}(?:\.backup)?\.([A-Za-z0-9-]+)\.(\d+)\.tmp", entry.name)
    if found is None or not entry.is_file(follow_symlinks=False):
        return False
    if found[1] != _host():
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FORGOTTEN_S
    return int(found[2]) == os.getpid() or not _is_running(int(found[2]))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    return re.sub("[^A-Za-z0-9-]", "-", socket.gethostname()) or "-"
