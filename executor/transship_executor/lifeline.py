"""End what a hook runs when this process is killed, and can do nothing any more."""

import subprocess
from contextlib import suppress
from typing import Final

# A shell that waits at the other end of a pipe: the kernel closes ours, however this process ends.
_WATCH: Final = 'read -r group && { read -r word || kill -s KILL -- "-$group"; }'


class Lifeline:
    """Kills a process group as soon as this process is gone, unless it was `released` before.

    To begin one raises `OSError`.
    """

    def __init__(self) -> None:
        self._watcher = subprocess.Popen(  # noqa: S603 - the script is our own
            ["/bin/sh", "-c", _WATCH],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )

    def hold(self, group: int) -> None:
        """Let a process group end with us."""
        self._say(str(group))

    def release(self) -> None:
        """Leave alone what was held; nothing is left of the watcher."""
        self._say("released")
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait()

    def _say(self, word: str) -> None:
        assert self._watcher.stdin is not None
        with suppress(BrokenPipeError):  # somebody killed the watcher
            self._watcher.stdin.write(f"{word}\n".encode())
