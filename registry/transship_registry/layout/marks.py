"""What tells one state of a file from the next, and which files this run knows to hold what their names say."""

import os
import stat
from typing import NamedTuple

from transship_registry.digest import Digest


class Mark(NamedTuple):
    """Identity, size and last changes of a file: as long as they are the same, so is its content.

    The time of change is part of it because a copy that keeps times sets that of modification back.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Mark | None":
        """Return the mark of a regular file; None for anything else."""
        if not stat.S_ISREG(found.st_mode):
            return None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def is_same_content(self, other: "Mark | None") -> bool:
        """Whether only the names of the file may differ: a new hard link changes its time of change."""
        return other is not None and self[:-1] == other[:-1]


class Verdicts:
    """What hashing files has shown, for as long as they stay as they were."""

    def __init__(self) -> None:
        self._found: dict[tuple[Digest, Mark], bool] = {}

    def note(self, digest: Digest, mark: Mark | None, *, is_right: bool = True) -> None:
        """Remember whether a file has the content of a digest."""
        if mark is not None:
            self._found[digest, mark] = is_right

    def find(self, digest: Digest, mark: Mark) -> bool | None:
        """Return what is known of a file; None when it has to be hashed."""
        return self._found.get((digest, mark))
