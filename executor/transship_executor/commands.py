"""Run a shell command with everything that it starts: for a limited time, and with its output cut into lines."""

import asyncio
import errno
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from transship_executor.lifeline import Lifeline
from transship_registry.limits import HOOK_LINE_LIMIT, HOOK_OUTPUT_LIMIT

Say: TypeAlias = Callable[[str], None]

GRACE_S: Final = 2.0
"""How long a command that is told to end has for that, before it is killed."""

INTERRUPTED_GRACE_S: Final = 1.0
"""The same when the run is interrupted: somebody waits for it to end."""

DRAIN_S: Final = 1.0
"""How long what a command leaves in the background may hold its output, before it is killed."""

_REAPING_S: Final = 1.0
_PIECE: Final = 8192
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


async def run_command(
    command: str, *, environment: Mapping[str, str], timeout_s: float, say: Say, grace_s: float = GRACE_S
) -> str:
    """Run a command by `/bin/sh -c` in the working directory, and return why it failed, or nothing when it did not.

    It has no input; `say` gets its output and its errors, line by line. When the time is over, or the task is
    cancelled, it is ended with the whole process group that it leads, and so it is when this process is killed. What
    the command left in the background is ended only if it still holds the output, for that is never waited for.
    """
    try:
        running = _Running(command, environment, say)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"it cannot be started: {reason}"
    try:
        if in_time := await _happens(running.ended, timeout_s):
            await _happens(running.silent, DRAIN_S)
        else:
            await running.terminate(grace_s)
    except asyncio.CancelledError:
        await running.terminate(min(grace_s, INTERRUPTED_GRACE_S))
        raise
    finally:
        code = running.close()
    if code is None:
        return f"it is not done after {timeout_s:g}s, and cannot be killed"
    return _failure(code) if in_time else f"killed after {timeout_s:g}s"


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _failure(code: int) -> str:
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"ended by {names.get(-code, f'signal {-code}')}"
    return f"exit code {code}" if code else ""


def _shell(command: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - to run what the configuration says is what hooks are for
        ["/bin/sh", "-c", command],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


class _Running:
    """A command that runs; whoever starts it calls `close` in the end. Starting it raises `OSError` or `ValueError`.

    `ended` is set when the shell has ended, `silent` when nobody can write to its output any more.
    """

    def __init__(self, command: str, environment: Mapping[str, str], say: Say) -> None:
        self.ended = asyncio.Event()
        self.silent = asyncio.Event()
        self._told_to_end = False
        self._loop = asyncio.get_running_loop()
        self._lines = _Lines(say)
        self._lifeline = Lifeline()
        self._shell = self._start(command, environment)
        self._lifeline.hold(self._shell.pid)
        assert self._shell.stdout is not None
        self._output = self._shell.stdout
        os.set_blocking(self._output.fileno(), False)
        self._loop.add_reader(self._output.fileno(), self._read)
        self._waiter = threading.Thread(target=self._wait, name="transship-hook", daemon=True)
        try:
            self._waiter.start()
        except RuntimeError:  # Python's words for a thread that the system refuses; the shell is not to outlive that
            self._end_unwatched()
            raise OSError(errno.EAGAIN, "the system starts no more threads") from None

    def _start(self, command: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        try:
            return _shell(command, environment)
        except BaseException:
            self._lifeline.release()
            raise

    def _end_unwatched(self) -> None:
        self._signal(signal.SIGKILL)
        self._loop.remove_reader(self._output.fileno())
        self._output.close()
        self._shell.wait()
        self._lifeline.release()

    def _wait(self) -> None:
        """Wait for the shell without reaping it: as long as it is a zombie, its group's number is nobody else's."""
        # One that could not be killed may be reaped by somebody else, and after the loop has been closed.
        with suppress(ChildProcessError, RuntimeError):
            os.waitid(os.P_PID, self._shell.pid, os.WEXITED | os.WNOWAIT)
            self._loop.call_soon_threadsafe(self.ended.set)

    def _read(self) -> None:
        """Take what there is, and not too much at a time: registries are being talked to meanwhile."""
        with suppress(BlockingIOError):
            piece = os.read(self._output.fileno(), _PIECE)
            if piece:
                self._lines.feed(piece)
            else:
                self._loop.remove_reader(self._output.fileno())
                self.silent.set()

    async def terminate(self, grace_s: float) -> None:
        """Tell the whole group to end, and wait for that a little; `close` kills it."""
        self._told_to_end = True
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.ended.wait()
                await self.silent.wait()

    def close(self) -> int | None:
        """Kill what is still there, and return the shell's exit code; below zero, the signal that ended it.

        None when it cannot be killed, because it has taken on another user's rights; then it is left behind.
        """
        if self._told_to_end or not (self.ended.is_set() and self.silent.is_set()):
            self._signal(signal.SIGKILL)
        self._loop.remove_reader(self._output.fileno())
        self._output.close()
        self._lines.finish()
        self._waiter.join(_REAPING_S)
        self._lifeline.release()
        return None if self._waiter.is_alive() else self._shell.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._shell.pid, number)


class _Lines:
    """Cuts output into lines of bounded length and number, and says them."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._line = bytearray()
        self._is_cut = False
        self._left = HOOK_OUTPUT_LIMIT

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the output."""
        if self._left <= 0:
            return
        self._left -= len(piece)
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._add(line)
            self._end_line()
        self._add(rest)
        if self._left <= 0:
            self.finish()
            self._say(f"(more than {HOOK_OUTPUT_LIMIT // 1024} KiB of output; the rest is not shown)")

    def finish(self) -> None:
        """Say the last line, if the output did not end with one."""
        if self._line:
            self._end_line()

    def _add(self, part: bytes) -> None:
        room = HOOK_LINE_LIMIT - len(self._line)
        self._line += part[:room]
        self._is_cut |= len(part) > room

    def _end_line(self) -> None:
        text = self._line.removesuffix(b"\r").decode("utf-8", "replace")
        self._say(_UNPRINTABLE.sub(" ", text) + ("…" if self._is_cut else ""))
        self._line.clear()
        self._is_cut = False
