"""The release cycles of a product, as endoflife.date's API (version 0) lists them."""

from dataclasses import dataclass
from datetime import date

import msgspec

from transship_registry.codec import decode_json
from transship_registry.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Cycle:
    """A release cycle, such as 3.20 of alpine.

    `eol` is the last day on which it is supported, True when it is over without a known day, and False when no end is
    set. `latest` is its newest release and `latest_date` the day of that, in ISO 8601; both may be empty.
    """

    name: str
    eol: date | bool = False
    latest: str = ""
    latest_date: str = ""


@dataclass(frozen=True, slots=True)
class ProductCycles:
    """What is known of a product; `problem` says why it comes from elsewhere, or is older, than it should be."""

    cycles: tuple[Cycle, ...]
    problem: str = ""


class _Cycle(msgspec.Struct, frozen=True):
    """A cycle on the wire; of its many members only these matter, and only the first two must be right."""

    cycle: str | int
    eol: date | bool | None = None
    latest: object = None
    latest_date: object = msgspec.field(default=None, name="latestReleaseDate")


def decode_cycles(body: bytes) -> tuple[Cycle, ...]:
    """Read an answer of the API; raises `DocumentError` that says what is wrong with it."""
    try:
        found = decode_json(body, tuple[_Cycle, ...])
    except DocumentError as error:
        raise DocumentError(f"the answer is no list of cycles: {error}") from None
    return tuple(Cycle(str(one.cycle), one.eol or False, _text(one.latest), _text(one.latest_date)) for one in found)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
