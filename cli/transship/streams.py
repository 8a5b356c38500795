"""The standard streams, made fit to write to: closed ones, full disks, and encodings that lack our characters.

They are also the last door: what a terminal would obey is spelled out, whoever wrote it, unless it is known to be ours.

What is written for people passes `hide` here, whoever wrote it. Documents (JSON, YAML) do not: a name in a plan would
become another name. Their texts are those of errors, which have passed it already.
"""

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO, TypeVar, cast

from typing_extensions import override

from transship_registry.presentable import ended, presentable_json, presentable_lines
from transship_registry.secret import hide

READABLE: Final = "transship.readable"
"""The error handler of our streams: what an encoding lacks is spelled with characters that each of them has."""

_SPELLED: Final = {"→": "->", "…": "..."}
_PIECE: Final = 64 * 1024
_OURS_TO_CHOOSE: Final = frozenset({"strict", "surrogateescape", "backslashreplace"})
"""Error handlers that Python chooses; another one was asked for by `PYTHONIOENCODING`."""


_Door = TypeVar("_Door", bound="Door")


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
    sys.stdout.is_open = True
    sys.stderr = _rewrapped(Notes, sys.stderr, 2)


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output, each of them as one line."""
    for piece in _gathered(ended(lines)):
        sys.stdout.write(piece)


def _gathered(texts: Iterable[str]) -> Iterator[str]:
    """Put texts together to pieces that are searched for secrets in one pass."""
    piece, size = list[str](), 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)


def write_json(document: object) -> None:
    """Write a document as JSON for programs and people: the exact value, of which a terminal obeys nothing."""
    write_document([presentable_json(json.dumps(document, indent=2, ensure_ascii=False)), "\n"])


def write_yaml(text: str) -> None:
    """Write YAML, in whose double quotes alone there is something to spell out: as the format itself does."""
    write_document([presentable_lines(text)])


def write_document(pieces: Iterable[str]) -> None:
    """Write a document to standard output: in UTF-8 whatever the locale, as JSON and YAML want it."""
    sys.stdout.flush()
    with _output_errors():
        for piece in pieces:
            sys.stdout.buffer.write(piece.encode("utf-8", READABLE))
        sys.stdout.buffer.flush()


def our_controls(stream: TextIO) -> TextIO:
    """Return a way to write to a stream what has colours and movements of ours; all else in it has to be clean."""
    return cast(TextIO, _Controls(stream)) if isinstance(stream, Door) else stream


def begin_foreign_text() -> None:
    """Shut the door of standard output, which is open for the colours of our own help."""
    if isinstance(sys.stdout, Door):
        sys.stdout.is_open = False


def is_unicode(stream: TextIO) -> bool:
    """Return whether every character can be written to a stream."""
    return codecs.lookup(stream.encoding or "utf-8").name.startswith("utf-")


def silence_output() -> None:
    """Let all further output go nowhere, also what Python tries to write when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Door(io.TextIOWrapper):
    """A stream of which a terminal obeys nothing but line ends, unless it `is_open`."""

    is_open = False

    @override
    def write(self, text: str, /) -> int:
        return self.write_as_is(text if self.is_open else presentable_lines(text))

    def write_as_is(self, text: str) -> int:
        """Write text whose controls are ours."""
        return super().write(hide(text))


class Output(Door):
    """Standard output: what cannot be written is an `OutputError`."""

    @override
    def write_as_is(self, text: str) -> int:
        with _output_errors():
            return super().write_as_is(text)

    @override
    def flush(self) -> None:
        with _output_errors():
            super().flush()


class Notes(Door):
    """Standard error: what cannot be written is lost, and never a reason to leave work undone."""

    @override
    def write_as_is(self, text: str) -> int:
        with suppress(OSError):
            return super().write_as_is(text)
        return len(text)

    @override
    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _Controls:
    """A door that is open, for one who writes controls of our own beside others who do not."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def write(self, text: str) -> int:
        return self._door.write_as_is(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)


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


def _rewrapped(kind: type[_Door], stream: TextIO | None, number: int) -> _Door:
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
