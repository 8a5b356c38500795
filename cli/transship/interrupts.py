"""How SIGINT, SIGTERM and SIGHUP end the program, in each phase of its life.

The first one has the work cancelled, which cleans up. A line says so when that takes longer than `NOTICE_S`, and after
`END_S`, or at another signal, the process ends whatever it is at: a timer of the system sees to it, which needs neither
a thread nor the event loop.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

INTERRUPTED: Final = 130
"""The exit code."""

NOTICE_S: Final = 0.5
"""After so long a line says that the signal was heard."""

END_S: Final = 3.0
"""After so long the process ends."""

_FLUSH_S: Final = 0.5
"""So long the output has that is still to be written then."""

_TICK_S: Final = 0.1
"""How often the time is looked at: a signal that comes just before something blocks does not end that; the next does.
"""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_at_once() -> None:
    """End the process on a signal from now on: while it loads, and after its work, there is nothing to clean up.

    An exception could come up anywhere in an import, and be printed or lost there.
    """
    for number in _heeded():
        signal.signal(number, _exit)


def write_lines_by(form: Callable[[logging.LogRecord], str]) -> None:
    """Have the lines of this module look as all the others, from now on."""
    _forms[:] = [form]


@contextmanager
def raising() -> Generator[None]:
    """Raise `KeyboardInterrupt` on a signal: for work that blocks, and cleans up after itself."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _begin_to_end()
        raise KeyboardInterrupt

    with _handled(lambda number: signal.signal(number, interrupt)):
        yield


@contextmanager
def calling(loop: "AbstractEventLoop", interrupt: Callable[[], object]) -> Generator[None]:
    """Have the event loop call `interrupt` on a signal."""

    def hear(number: int, frame: FrameType | None) -> None:
        _begin_to_end()
        loop.call_soon_threadsafe(interrupt)

    def handle(number: signal.Signals) -> None:
        # The loop wakes up for those that it handles; its own handler would wait for it, though, if it is busy.
        loop.add_signal_handler(number, lambda: None)
        signal.signal(number, hear)

    with _handled(handle, loop.remove_signal_handler):
        yield


def leave(code: int) -> None:
    """End the process with `code` if it was interrupted, and would wait for a thread; else let Python do so.

    Python gives up our handlers before it has ended, and the timer would then kill the process.
    """
    if signal.getsignal(signal.SIGALRM) is not _tick:
        return
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _begin_to_end() -> None:
    """Let the end come soon, and at the next signal."""
    for number in _heeded():
        signal.signal(number, _end)
    _end_comes.begin()
    signal.signal(signal.SIGALRM, _tick)
    signal.setitimer(signal.ITIMER_REAL, NOTICE_S, _TICK_S)


class _EndComes:
    """What is still to be done until the end."""

    def __init__(self) -> None:
        self.at = 0.0
        self.is_said = False

    def begin(self) -> None:
        """Count from now on."""
        self.at, self.is_said = time.monotonic() + END_S, False


def _tick(number: int, frame: FrameType | None) -> None:
    if not _end_comes.is_said:
        _end_comes.is_said = True
        _say(logging.INFO, "Interrupted: stopping what is under way; once more ends it at once.")
    elif time.monotonic() >= _end_comes.at:
        _end(number, frame)


def _end(number: int, frame: FrameType | None) -> None:
    """End the process; output that nobody takes is not waited for."""
    for each in (*_heeded(), signal.SIGALRM):
        signal.signal(each, _exit)
    signal.setitimer(signal.ITIMER_REAL, _FLUSH_S, _TICK_S)
    with suppress(OSError, RuntimeError, ValueError):  # one may be in the middle of writing
        sys.stdout.flush()
    _exit(number, frame)


def _say(level: int, line: str) -> None:
    record = logging.makeLogRecord({"levelno": level, "levelname": logging.getLevelName(level), "msg": line})
    with suppress(OSError):
        os.write(2, f"{_forms[0](record)}\n".encode())


@contextmanager
def _held_back() -> Generator[None]:
    """Let signals wait while their handlers change, which for a moment would be the system's own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled(
    handle: Callable[[signal.Signals], object], forget: Callable[[signal.Signals], object] = lambda _: None
) -> Generator[None]:
    numbers = _heeded()
    before = [signal.getsignal(number) for number in numbers]
    try:
        for number in numbers:
            handle(number)
        yield
    finally:
        with _held_back():
            for number, handler in zip(numbers, before, strict=True):
                forget(number)
                signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """Leave a terminal that goes away alone where that was asked for, as by nohup."""
    return [
        number for number in _SIGNALS if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]


def _exit(number: int, frame: FrameType | None) -> None:
    try:
        _say(logging.ERROR, "interrupted")
    finally:
        os._exit(INTERRUPTED)


def _plain_line(record: logging.LogRecord) -> str:
    return f"{record.levelname.lower()}: {record.getMessage()}"


_end_comes: Final = _EndComes()
_forms: Final[list[Callable[[logging.LogRecord], str]]] = [_plain_line]
