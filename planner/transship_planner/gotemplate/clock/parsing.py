"""Go's time.Parse: text written by a layout becomes a moment."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from transship_planner.gotemplate.clock.layout import ELEMENT
from transship_planner.gotemplate.clock.moment import DAY, MONTHS, WEEKDAYS, Moment
from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import quote


@dataclass(frozen=True, slots=True)
class _Fields:
    """What has been read of a time so far: the numbers by name, and the name of the zone."""

    numbers: Mapping[str, int] = field(default_factory=dict[str, int])
    zone: str = ""

    def with_number(self, name: str, number: int) -> Self:
        return replace(self, numbers={**self.numbers, name: number})

    def number(self, name: str) -> int:
        return self.numbers.get(name, 0)


class _OutOfRangeError(Exception):
    """A number that its field cannot hold; the message names the field."""


class _ContradictionError(Exception):
    """Two elements that cannot both be right; the message says so."""


class _MismatchError(Exception):
    """Text that is not what the layout wants at its place."""

    def __init__(self, rest: str, element: str) -> None:
        super().__init__(rest, element)
        self.rest = rest
        self.element = element


class _ExtraTextError(Exception):
    """What is left of the value after the layout's end."""


_NUMBER = {
    "2006": ("year", r"[0-9]{4}", 9999),
    "06": ("year", r"[0-9]{2}", 99),
    "01": ("month", r"[0-9]{2}", 12),
    "1": ("month", r"[0-9]{1,2}", 12),
    "02": ("day", r"[0-9]{2}", None),
    "_2": ("day", r" ?[0-9]{1,2}", None),
    "2": ("day", r"[0-9]{1,2}", None),
    "002": ("year_day", r"[0-9]{3}", None),
    "__2": ("year_day", r" {0,2}[0-9]{1,3}", None),
    "15": ("hour", r"[0-9]{1,2}", 23),
    "03": ("hour", r"[0-9]{2}", 12),
    "3": ("hour", r"[0-9]{1,2}", 12),
    "04": ("minute", r"[0-9]{2}", 59),
    "4": ("minute", r"[0-9]{1,2}", 59),
    "05": ("second", r"[0-9]{2}", 59),
    "5": ("second", r"[0-9]{1,2}", 59),
}
_HOURS = r"[+-]0*(?:2[0-3]|1?[0-9])(?![0-9])"
_ZONE_NAME = re.compile(rf"ChST|MeST|GMT(?:{_HOURS})?|(?:[A-Z]{{4}}T|[A-Z]{{3}}T|WITA|[A-Z]{{3}})(?![A-Z])|{_HOURS}")
_FRACTION = re.compile(r"[.,][0-9]+")


def parse_time(layout: str, value: str) -> Moment:
    """Read a moment that is written by a layout; what the layout leaves out is zero, the zone UTC.

    Raises FunctionError in Go's words.
    """
    try:
        return _parse(layout, value)
    except _OutOfRangeError as error:
        refusal = f": {error} out of range"
    except _ContradictionError as error:
        refusal = f": {error}"
    except _ExtraTextError as error:
        refusal = f": extra text: {quote(str(error))}"
    except _MismatchError as error:
        refusal = f" as {quote(layout)}: cannot parse {quote(error.rest)} as {quote(error.element)}"
    raise FunctionError(f"parsing time {quote(value)}{refusal}")


def _parse(layout: str, value: str) -> Moment:
    fields = _Fields()
    for literal, element, following in _chunks(layout):
        value = _skip(value, literal)
        if not element:
            break
        if element in {"05", "5"}:
            fields, value = _read(fields, element, value)
            fields, value = _read_unannounced_fraction(fields, value, following)
        else:
            fields, value = _read(fields, element, value)
    if value:
        raise _ExtraTextError(value)
    return _assemble(fields)


def _chunks(layout: str) -> Iterator[tuple[str, str, str]]:
    """Yield literal text, the element behind it and the element that comes after that; the last without element."""
    position = 0
    elements = list(ELEMENT.finditer(layout))
    for index, element in enumerate(elements):
        following = elements[index + 1] if index + 1 < len(elements) else None
        adjacent = following is not None and following.start() == element.end()
        yield layout[position : element.start()], element[0], following[0] if following and adjacent else ""
        position = element.end()
    yield layout[position:], "", ""


def _skip(value: str, literal: str) -> str:
    """Step over literal text; a run of spaces matches any run, also none at the value's end."""
    rest = literal
    while rest:
        if rest[0] == " ":
            if value and value[0] != " ":
                raise _MismatchError(value, literal)
            rest, value = rest.lstrip(" "), value.lstrip(" ")
        elif not value.startswith(rest[0]):
            raise _MismatchError(value, literal)
        else:
            rest, value = rest[1:], value[1:]
    return value


def _read(fields: _Fields, element: str, value: str) -> tuple[_Fields, str]:
    if element in _NUMBER:
        return _read_number(fields, element, value)
    if element[0] in ".,":
        return _read_fraction(fields, element, value)
    if element[0] in "-Z":
        return _read_offset(fields, element, value)
    if element == "MST":
        return _read_zone_name(fields, value)
    return _read_name(fields, element, value)


def _read_number(fields: _Fields, element: str, value: str) -> tuple[_Fields, str]:
    name, pattern, highest = _NUMBER[element]
    match = re.match(pattern, value)
    if match is None:
        raise _MismatchError(value, element)
    number = int(match[0])
    if (highest is not None and number > highest) or (name == "month" and number == 0):
        raise _OutOfRangeError(name)
    if element == "06":
        number += 1900 if number >= 69 else 2000
    return fields.with_number(name, number), value[match.end() :]


def _read_name(fields: _Fields, element: str, value: str) -> tuple[_Fields, str]:
    names = {
        "January": MONTHS,
        "Jan": tuple(name[:3] for name in MONTHS),
        "Monday": WEEKDAYS,
        "Mon": tuple(name[:3] for name in WEEKDAYS),
        "PM": ("AM", "PM"),
        "pm": ("am", "pm"),
    }[element]
    exact = element in {"PM", "pm"}
    for index, name in enumerate(names):
        start = value[: len(name)]
        if start == name or (not exact and start.isascii() and start.lower() == name.lower()):
            return _with_name(fields, element, index), value[len(name) :]
    raise _MismatchError(value, element)


def _with_name(fields: _Fields, element: str, index: int) -> _Fields:
    match element:
        case "January" | "Jan":
            return fields.with_number("month", index + 1)
        case "PM" | "pm":
            return fields.with_number("afternoon", index)
        case _:
            return fields


def _read_fraction(fields: _Fields, element: str, value: str) -> tuple[_Fields, str]:
    match = _FRACTION.match(value)
    if element[1] == "9":
        if match is None:
            return fields, value
        length = match.end()
    else:
        length = len(element)
        if match is None or match.end() < length:
            raise _MismatchError(value, element)
    nanosecond = int(value[1:length][:9].ljust(9, "0"))
    return fields.with_number("nanosecond", nanosecond), value[length:]


def _read_unannounced_fraction(fields: _Fields, value: str, following: str) -> tuple[_Fields, str]:
    """Accept a fraction behind the seconds although the layout has none."""
    match = _FRACTION.match(value)
    if match is None or following[:1] in {".", ","}:
        return fields, value
    return _read_fraction(fields, ".9", value)


def _read_offset(fields: _Fields, element: str, value: str) -> tuple[_Fields, str]:
    if element[0] == "Z" and value.startswith("Z"):
        return fields.with_number("is_utc", 1), value[1:]
    colon = ":" if ":" in element else ""
    count = len(element.replace(":", "")) // 2
    match = re.match("([+-])" + colon.join(["([0-9]{2})"] * count), value)
    if match is None:
        raise _MismatchError(value, element)
    hours, minutes, seconds = (int(part) for part in [*match.groups()[1:], "0", "0"][:3])
    if hours > 24:
        raise _OutOfRangeError("time zone offset hour")
    if minutes > 60 or seconds > 60:
        raise _OutOfRangeError(f"time zone offset {'minute' if minutes > 60 else 'second'}")
    offset = hours * 3600 + minutes * 60 + seconds
    return fields.with_number("offset", -offset if match[1] == "-" else offset), value[match.end() :]


def _read_zone_name(fields: _Fields, value: str) -> tuple[_Fields, str]:
    if value.startswith("UTC"):
        return fields.with_number("is_utc", 1), value[3:]
    match = _ZONE_NAME.match(value)
    if match is None:
        raise _MismatchError(value, "MST")
    return replace(fields, zone=match[0]), value[match.end() :]


def _assemble(fields: _Fields) -> Moment:
    year = fields.number("year")
    month, day = _month_and_day(fields, year)
    if not 1 <= day <= _days_in(year, month):
        raise _OutOfRangeError("day")
    seconds = _hour24(fields) * 3600 + fields.number("minute") * 60 + fields.number("second")
    return _placed(Moment.civil(year, month, day, seconds, fields.number("nanosecond")), fields)


def _month_and_day(fields: _Fields, year: int) -> tuple[int, int]:
    month, day = fields.numbers.get("month"), fields.numbers.get("day")
    if "year_day" not in fields.numbers:
        return 1 if month is None else month, 1 if day is None else day
    found_year, found_month, found_day = Moment.civil(year, 1, fields.number("year_day")).year_month_day
    if found_year != year:
        raise _OutOfRangeError("day-of-year")
    if month not in {None, found_month}:
        raise _ContradictionError("day-of-year does not match month")
    if day not in {None, found_day}:
        raise _ContradictionError("day-of-year does not match day")
    return found_month, found_day


def _days_in(year: int, month: int) -> int:
    return (Moment.civil(year, month + 1, 1).unix - Moment.civil(year, month, 1).unix) // DAY


def _hour24(fields: _Fields) -> int:
    hour = fields.number("hour")
    match fields.numbers.get("afternoon"):
        case 1 if hour < 12:
            return hour + 12
        case 0 if hour == 12:
            return 0
        case _:
            return hour


def _placed(moment: Moment, fields: _Fields) -> Moment:
    """Give the moment its zone: Z first, then an offset, then the name alone."""
    if fields.number("is_utc"):
        return moment
    if "offset" in fields.numbers:
        offset = fields.number("offset")
        # Go compares with the machine's own zone; here that is always UTC.
        zone = fields.zone or ("UTC" if offset == 0 else "")
        return Moment(moment.unix - offset, moment.nanosecond, offset, zone)
    # A name says nothing of the offset; only that of GMT+3 and its like is shown, though Go does not subtract it.
    return Moment(moment.unix, moment.nanosecond, _offset_of_name(fields.zone), fields.zone or "UTC")


def _offset_of_name(zone: str) -> int:
    return int(zone[3:]) * 3600 if zone.startswith("GMT") and len(zone) > 3 else 0
