"""The standard streams, made fit to write to: closed ones, full disks, and encodings that lack our characters.

What is written for people passes `hide` here, whoever wrote it. Documents (JSON, YAML) do not: a name in a plan would
become another name. Their texts are those of errors, which have passed it already.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

from typing_extensions import override

from transship_registry.secret import hide

READABLE: Final = "transship.readable"
"""The error handler of our streams: what an encoding lacks is spelled with characters that each of them has."""

_SPELLED: Final = {"→": "->", "…": "..."}
_OURS_TO_CHOOSE: Final = frozenset({"strict", "surrogateescape", "backslashreplace"})
"""Error handlers that Python chooses; another one was asked for by `PYTHONIOENCODING`."""


class OutputError(Exception):
    """A result could not be written to standard output; `is_unwanted` when its reader has gone."""

    def __init__(self, error: OSError) -> None:
        """Say so, and why."""
        super().__init__(f"cannot write the output: {error.strerror or error}")
        self.is_unwanted = error.errno == errno.EPIPE


def make_ready() -> None:
    """Make the standard streams of this process writable without surprises, whatever they are.

    One that is closed gets a descriptor nevertheless: the next file that is opened would otherwise take its number, and
    receive what is meant for the stream. What is written to a closed one goes nowhere, and reading it is an error.
    """
    for number in range(3):
        _occupy(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    sys.stdout = _rewrapped(Output, sys.stdout, 1)
    sys.stderr = _rewrapped(Notes, sys.stderr, 2)


def write_document(text: str) -> None:
    """Write JSON or YAML to standard output: in UTF-8 whatever the locale, as the formats want it."""
    sys.stdout.flush()
    with _output_errors():
        sys.stdout.buffer.write(text.encode("utf-8", READABLE))
        sys.stdout.buffer.flush()


def is_unicode(stream: TextIO) -> bool:
    """Return whether every character can be written to a stream."""
    return codecs.lookup(stream.encoding or "utf-8").name.startswith("utf-")


def silence_output() -> None:
    """Let all further output go nowhere, also what Python tries to write when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Output(io.TextIOWrapper):
    """Standard output: what cannot be written is an `OutputError`."""

    @override
    def write(self, text: str, /) -> int:
        with _output_errors():
            return super().write(hide(text))

    @override
    def flush(self) -> None:
        with _output_errors():
            super().flush()


class Notes(io.TextIOWrapper):
    """Standard error: what cannot be written is lost, and never a reason to leave work undone."""

    @override
    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return super().write(hide(text))
        return len(text)

    @override
    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


@contextmanager
def _output_errors() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error) from error


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        assert descriptor == number, "the lowest number is taken, and those below are occupied"
        os.set_inheritable(descriptor, True)


def _rewrapped(kind: type[io.TextIOWrapper], stream: TextIO | None, number: int) -> io.TextIOWrapper:
    """Return a stream of our kind in place of Python's, which stays in `sys.__stdout__` so that nothing is closed."""
    if stream is None:
        return kind(open(number, "wb", closefd=False), encoding="utf-8", errors=READABLE)
    errors = READABLE if stream.errors in _OURS_TO_CHOOSE else stream.errors
    return kind(
        stream.buffer,
        encoding=stream.encoding,
        errors=errors,
        newline="\n",
        line_buffering=number == 2 or bool(stream.line_buffering),
    )


def _readable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    spelled = (_SPELLED.get(character) or _escaped(character) for character in text)
    return "".join(spelled), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(READABLE, _readable)
