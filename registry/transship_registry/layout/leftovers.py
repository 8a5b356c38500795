"""Temporary files that processes left in a layout when they were killed."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from transship_registry.layout.folder import Folder
from transship_registry.layout.pending import is_leftover_name, is_of_this_host
from transship_registry.temporary import FORGOTTEN_S


def remove_leftovers(folder: Folder, now: float) -> None:
    """Remove the temporary files that nobody writes any more, as far as we may; nothing through a symbolic link.

    Who writes such a file has it locked. Other hosts' locks may not be seen here, depending on how a network's file
    system is mounted: their files have to be a day old, too.
    """
    for path in (folder.path, *_folders(folder)):
        with suppress(OSError):
            for name in filter(is_leftover_name, os.listdir(path)):
                with suppress(OSError):
                    _remove(os.path.join(path, name), now)


def _folders(folder: Folder) -> Iterator[str]:
    """Yield the folders of blobs that are the layout's own."""
    if os.path.islink(folder.blobs):
        return
    with suppress(OSError), os.scandir(folder.blobs) as entries:
        yield from (entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def _remove(path: str, now: float) -> None:
    """Remove a file while we have it locked, so that nobody can begin to write it."""
    # For writing, because NFS grants exclusive locks to writers only.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        is_old = now - max(found.st_mtime, found.st_ctime) >= FORGOTTEN_S
        if stat.S_ISREG(found.st_mode) and (is_old or is_of_this_host(path)):
            os.unlink(path)
    finally:
        os.close(descriptor)
