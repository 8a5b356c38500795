"""The shape of a cron expression, as far as it can be wrong without a calendar (semantics B8.9)."""

import re
from typing import Final

from transship_planner.config.durations import parse_duration

_NAMES: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY: Final = "@every "
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=\S+\s+")
_FIELDS: Final = ("minute", "hour", "day of month", "month", "day of week")
_PART: Final = r"(?:[*?]|[0-9A-Za-z]+(?:-[0-9A-Za-z]+)?)(?:/[0-9]+)?"
_FIELD: Final = re.compile(rf"{_PART}(?:,{_PART})*")


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
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(fields)} fields; expected 5: {', '.join(_FIELDS)}")
    for name, field in zip(_FIELDS, fields, strict=True):
        if not _FIELD.fullmatch(field):
            raise ValueError(f"{text!r}: {field!r} is no {name}")
