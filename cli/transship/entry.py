"""The way in: what has to be in order before anything heavy is loaded, and what is said when nothing else did."""

import sys
import threading
from typing import Final

from transship import interrupts, streams
from transship.troubles import ANYWHERE, describe
from transship_registry.presentable import presentable

_ERROR: Final = 1
_OPEN_FILES: Final = 8192
"""More than the connections to a hundred hosts; systems that know nothing of that often allow 1024 at first."""
_STACK: Final = 1024 * 1024
"""Bytes for the stack of a thread, which reads files, hashes or resolves names; the system's 8 MiB count as memory."""


def run() -> int:
    """Run transship with the arguments of the process, and return its exit code."""
    code = _run()
    interrupts.leave(code)
    return code


def _run() -> int:
    interrupts.exit_at_once()
    streams.make_ready()
    _raise_open_files()
    threading.stack_size(_STACK)
    try:
        from transship.main import run as run_commands

        code = run_commands()
        sys.stdout.flush()
    except ANYWHERE as error:
        return _fail(error)
    return code


def _raise_open_files() -> None:
    """Use what the system allows of open files, as programs in Go do of their own accord."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _fail(error: Exception) -> int:
    message = describe(error)
    if message is None:
        raise error
    streams.silence_output()
    if not (isinstance(error, streams.OutputError) and error.is_unwanted):
        sys.stderr.write(f"error: {presentable(message)}\n")
    return _ERROR
