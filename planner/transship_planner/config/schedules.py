"""The cron expressions of schedules, as far as they can be wrong without a calendar (semantics B8.9)."""

import re
from typing import Final, NamedTuple

from transship_planner.config.durations import parse_duration

_NAMES: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY: Final = "@every "
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=\S+\s+")
_LONGEST_NUMBER: Final = 9
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Field(NamedTuple):
    """One of the five fields: its values, and names for them, the first of which stands for the least value."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)
_PART: Final = re.compile(r"(?:[*?]|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]+))?")


def check_schedule(text: str) -> None:
    """Raise `ValueError` when this cannot be a cron expression; the message goes after the field's path."""
    if zone := _ZONE.match(text):
        text = text[zone.end() :]
    if text.startswith(_EVERY):
        if parse_duration(text.removeprefix(_EVERY)) <= 0:
            raise ValueError(f"{text!r} needs a duration above zero")
    elif text.startswith("@"):
        if text not in _NAMES:
            raise ValueError(f"{text!r} is unknown; expected '@every DURATION' or one of {', '.join(sorted(_NAMES))}")
    else:
        _check_fields(text)


def _check_fields(text: str) -> None:
    texts = text.split()
    if len(texts) != len(_FIELDS):
        number = "1 field" if len(texts) == 1 else f"{len(texts)} fields"
        names = ", ".join(field.name for field in _FIELDS)
        raise ValueError(f"{text!r} has {number}; expected {len(_FIELDS)}: {names}")
    for field, part in (
        (field, part) for field, found in zip(_FIELDS, texts, strict=True) for part in found.split(",")
    ):
        if problem := _problem_of(field, part):
            raise ValueError(f"{text!r}: {part!r} is no {field.name}{problem}")


def _problem_of(field: _Field, part: str) -> str:
    """Say what is wrong with a value, range or step of a field, as the rest of a sentence; empty when it is right."""
    expected = (
        f"; expected {field.least} to {field.most}{f' or {field.names[0]} to {field.names[-1]}' if field.names else ''}"
    )
    matched = _PART.fullmatch(part)
    if matched is None:
        return expected
    first, last, step = matched.groups()
    values = [_value(field, given) for given in (first, last) if given is not None]
    if any(value is None for value in values):
        return expected
    if values != sorted(value for value in values if value is not None):
        return ": it ends before it begins"
    return ": its step is 0" if step is not None and not step.strip("0") else ""


def _value(field: _Field, text: str) -> int | None:
    """Return the number that a value or its name stands for, in any case; None when the field has no such value."""
    if text.lower() in field.names:
        return field.least + field.names.index(text.lower())
    value = int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else -1
    return value if field.least <= value <= field.most else None
