"""One run of the program: its common options, its streams, and how it ends."""

import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NoReturn

import typer

from transship import interrupts
from transship.streams import OutputError, begin_foreign_text, is_unicode, silence_output
from transship.troubles import ANYWHERE, describe
from transship_registry.presentable import presentable, presentable_json
from transship_registry.secret import hide

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
        begin_foreign_text()
        level = _LEVELS.get(self.verbosity.lower())
        if level is None:
            self.fail(f"log level {self.verbosity!r} is unknown; expected debug, info, warn or error")
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonLines() if self.log_format is LogFormat.JSON else _TextLines())
        interrupts.write_lines_by(handler.format)
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

        self._finish(nullcontext(), lambda: asyncio.run(_until_signalled(work)))

    def finish_now(self, work: Callable[[], int]) -> NoReturn:
        """Do the work of a command that needs no event loop, and end the program with its exit code."""
        self._finish(interrupts.raising(), work)

    def _finish(self, interruptible: AbstractContextManager[None], work: Callable[[], int]) -> NoReturn:
        from asyncio import CancelledError

        from transship import exits
        from transship_registry.errors import TransshipError

        try:
            with interruptible:
                code = work()
                sys.stdout.flush()
        except TransshipError as error:
            self.fail(*error.lines, code=exits.of_error(error))
        except (KeyboardInterrupt, CancelledError):
            self.fail("interrupted", code=exits.Exit.INTERRUPTED)
        except ANYWHERE as error:
            self._give_up(error)
        raise typer.Exit(code)

    def _give_up(self, error: Exception) -> NoReturn:
        """End the program for something that may befall it anywhere; a mistake of ours is raised again."""
        message = describe(error)
        if message is None:
            raise error
        silence_output()
        if isinstance(error, OutputError) and error.is_unwanted:
            raise typer.Exit(1)
        self.fail(message)

    def fail(self, *messages: str, code: int = 1) -> NoReturn:
        """Say what is wrong on standard error, one line each, and end the program."""
        for message in messages:
            if LOG.handlers:
                LOG.error("%s", message)
            else:
                sys.stderr.write(f"error: {presentable(message)}\n")
        raise typer.Exit(code)


async def _until_signalled(work: Coroutine[object, object, int]) -> int:
    """Let a signal interrupt: the work is cancelled, cleans up and says how far it came."""
    import asyncio

    task = asyncio.ensure_future(work)
    with interrupts.calling(asyncio.get_running_loop(), task.cancel):
        return await task


def now() -> str:
    """Return the present time in RFC 3339, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _TextLines(logging.Formatter):
    """`error: message`, one line each, as people read it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        message = presentable(hide(record.getMessage()))
        if record.levelno == logging.INFO:
            return message
        level = "warning" if record.levelno == logging.WARNING else record.levelname.lower()
        return f"{level}: {message}"


class _JsonLines(logging.Formatter):
    """One JSON object per line: time, level, msg and the fields that were given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = {"time": now(), "level": record.levelname, "msg": hide(record.getMessage())}
        fields |= getattr(record, "fields", {})
        return presentable_json(json.dumps(fields, ensure_ascii=not is_unicode(sys.stderr)))
