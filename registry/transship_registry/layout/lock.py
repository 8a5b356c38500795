"""Advisory locks between the processes that write one layout (flock on a file of the layout)."""

import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import Final

from transship_registry.errors import LayoutError
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.offload import Offload

FIRST_PAUSE_S: Final = 0.005
LONGEST_PAUSE_S: Final = 0.1


class LockFile:
    """A file that is locked, shared or exclusively; it is never removed, which would let two processes lock two files.

    Methods raise `OSError`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_shared(self) -> bool:
        """Take the lock together with others; False, and nothing is held, when one has it for itself."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take the lock alone, or turn a shared one into that; False, and nothing is held, when others have it."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        """Let go of the lock; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, mode: int) -> bool:
        if self._descriptor is None:
            # Read-write, because NFS grants exclusive locks to writers only.
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True


def lock_pauses(patience_s: float) -> Iterator[float]:
    """Yield the pauses in seconds between attempts to lock; together they are `patience_s`."""
    pause, left = FIRST_PAUSE_S, patience_s
    while left > 0:
        yield min(pause, left)
        left -= pause
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


async def wait_for_lock(
    lock: LockFile,
    *,
    exclusive: bool,
    layout: str,
    patience_s: float,
    offload: Offload,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Take the lock as soon as others let it go; raises `LayoutError` when patience ends.

    Polls, because a thread that waits inside `flock` cannot be cancelled.
    """
    for pause in chain((0.0,), lock_pauses(patience_s)):
        if pause:
            await sleep(pause)
        with disk_errors("lock layout", layout, lock.path):
            if await offload.run(lock.try_exclusive if exclusive else lock.try_shared):
                return
    raise LayoutError(
        "lock layout",
        layout,
        f"another process held {lock.path} for {patience_s:g} s",
        advice=f"wait until it ends, or find it with: fuser {lock.path}",
    )
