"""One run of the program: its common options, its streams, and how it ends."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NoReturn

import typer

LOG = logging.getLogger("transship")
_LOGGERS = (
    LOG,
    *(logging.getLogger(f"transship_{room}") for room in ("executor", "planner", "registry", "state")),
)
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogFormat(StrEnum):
    """How log lines are written to standard error."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Invocation:
    """The common options of one run."""

    config: str | None
    verbosity: str
    log_format: LogFormat
    no_color: bool

    def start(self) -> None:
        """Set up logging; ends the program when the level is unknown."""
        level = _LEVELS.get(self.verbosity.lower())
        if level is None:
            self.fail(f"log level {self.verbosity!r} is unknown; expected debug, info, warn or error")
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonLines() if self.log_format is LogFormat.JSON else _TextLines())
        for logger in _LOGGERS:
            logger.handlers[:] = [handler]
            logger.setLevel(level)
            logger.propagate = False

    @property
    def colors(self) -> bool:
        """Whether a terminal may be given colours (https://no-color.org)."""
        return not self.no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def finish(self, work: Coroutine[object, object, int]) -> NoReturn:
        """Run the work of a command, and end the program with its exit code."""
        import asyncio

        self.finish_now(lambda: asyncio.run(_until_signalled(work)))

    def finish_now(self, work: Callable[[], int]) -> NoReturn:
        """Do the work of a command that needs no event loop, and end the program with its exit code."""
        from asyncio import CancelledError

        from transship import exits
        from transship_registry.errors import TransshipError

        try:
            code = work()
            sys.stdout.flush()
        except TransshipError as error:
            self.fail(str(error), exits.of_error(error))
        except (KeyboardInterrupt, CancelledError):
            self.fail("interrupted", exits.Exit.INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has gone; say nothing, not even when Python closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(exits.Exit.ERROR) from None
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.fail(f"cannot write the output: {error.strerror}")
        raise typer.Exit(code)

    def fail(self, message: str, code: int = 1) -> NoReturn:
        """Say what is wrong on standard error, and end the program."""
        for line in message.splitlines():
            if LOG.handlers:
                LOG.error("%s", line)
            else:
                typer.echo(f"error: {line}", err=True)
        raise typer.Exit(code)


async def _until_signalled(work: Coroutine[object, object, int]) -> int:
    """Let SIGTERM interrupt as SIGINT does: the work is cancelled, cleans up and says how far it came."""
    import asyncio

    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def now() -> str:
    """Return the present time in RFC 3339, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _TextLines(logging.Formatter):
    """`error: message`, one line each, as people read it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        if record.levelno == logging.INFO:
            return record.getMessage()
        level = "warning" if record.levelno == logging.WARNING else record.levelname.lower()
        return f"{level}: {record.getMessage()}"


class _JsonLines(logging.Formatter):
    """One JSON object per line: time, level, msg and the fields that were given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = {"time": now(), "level": record.levelname, "msg": record.getMessage()}
        return json.dumps({**fields, **getattr(record, "fields", {})}, ensure_ascii=False)
