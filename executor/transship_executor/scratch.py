"""Temporary folders that tell whose they are, so that those of processes that were killed can be removed."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from transship_registry.temporary import is_running, this_host


@contextmanager
def scratch_folder(purpose: str) -> Generator[Path]:
    """Lend a temporary folder, and remove those of the same purpose that are left behind; raises `OSError`."""
    _remove_leftovers(tempfile.gettempdir(), purpose)
    name = f"transship-{purpose}.{this_host()}.{os.getpid()}."
    with tempfile.TemporaryDirectory(prefix=name, ignore_cleanup_errors=True) as folder:
        # A container may share the temporary folder and the host's name with others, and not see their processes.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(folder)
        finally:
            os.close(descriptor)


def _remove_leftovers(parent: str, purpose: str) -> None:
    pattern = re.compile(rf"transship-{purpose}\.{re.escape(this_host())}\.(\d+)\.\w+")
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and _is_left_behind(entry, int(found[1])):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left_behind(entry: os.DirEntry[str], process: int) -> bool:
    """Whether a folder is ours, and who made it is gone; of a process with our number, whether nobody holds it."""
    with suppress(OSError):
        found = entry.stat(follow_symlinks=False)
        is_ours = entry.is_dir(follow_symlinks=False) and found.st_uid == os.geteuid()
        return is_ours and (process == os.getpid() or not is_running(process)) and not _is_held(entry.path)
    return False


def _is_held(folder: str) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
