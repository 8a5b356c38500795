"""How SIGINT, SIGTERM and SIGHUP end the program, in each phase of its life."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

INTERRUPTED: Final = 130
"""The exit code."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_at_once() -> None:
    """End the process on a signal from now on: while it loads, and after its work, there is nothing to clean up.

    An exception could come up anywhere in an import, and be printed or lost there.
    """
    for number in _heeded():
        signal.signal(number, _exit)


@contextmanager
def raising() -> Generator[None]:
    """Raise `KeyboardInterrupt` on a signal: for work that blocks, and cleans up after itself."""
    with _handled(lambda number: signal.signal(number, signal.default_int_handler)):
        yield


@contextmanager
def calling(loop: "AbstractEventLoop", interrupt: Callable[[], object]) -> Generator[None]:
    """Have the event loop call `interrupt` on a signal."""
    with _handled(lambda number: loop.add_signal_handler(number, interrupt), loop.remove_signal_handler):
        yield


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
        os.write(2, b"error: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
