"""Go's time layouts: a layout shows how the reference time, Mon Jan 2 15:04:05 MST 2006, would be written."""

import re
from collections.abc import Callable
from typing import Final

from transship_planner.gotemplate.clock.moment import MONTHS, WEEKDAYS, Moment

# `Jan` and `Mon` must not begin a longer word; the 2 of `_2006` is a year's; a run of zeros or nines ends the digits.
ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|3|4|5|PM|pm"
    r"|[-Z](?:070000|07:00:00|0700|07:00|07)|[.,](?:0+|9+)(?![0-9])"
)


def format_time(time: Moment, layout: str) -> str:
    """Write a moment by a layout."""
    return ELEMENT.sub(lambda element: _write(time, element[0]), layout)


def _write(time: Moment, element: str) -> str:
    if element[0] in ".,":
        return _write_fraction(time, element)
    if element[0] in "-Z":
        return _write_offset(time, element)
    return _WRITERS[element](time)


def _clock12(time: Moment) -> int:
    return time.second_of_day // 3600 % 12 or 12


def _year(time: Moment) -> str:
    year = time.year_month_day[0]
    return f"-{-year:04d}" if year < 0 else f"{year:04d}"


_WRITERS: Final[dict[str, Callable[[Moment], str]]] = {
    "2006": _year,
    "06": lambda t: f"{t.year_month_day[0] % 100:02d}",
    "January": lambda t: MONTHS[t.year_month_day[1] - 1],
    "Jan": lambda t: MONTHS[t.year_month_day[1] - 1][:3],
    "01": lambda t: f"{t.year_month_day[1]:02d}",
    "1": lambda t: str(t.year_month_day[1]),
    "Monday": lambda t: WEEKDAYS[t.weekday],
    "Mon": lambda t: WEEKDAYS[t.weekday][:3],
    "02": lambda t: f"{t.year_month_day[2]:02d}",
    "_2": lambda t: f"{t.year_month_day[2]:2d}",
    "2": lambda t: str(t.year_month_day[2]),
    "002": lambda t: f"{t.year_day:03d}",
    "__2": lambda t: f"{t.year_day:3d}",
    "15": lambda t: f"{t.second_of_day // 3600:02d}",
    "03": lambda t: f"{_clock12(t):02d}",
    "3": lambda t: str(_clock12(t)),
    "04": lambda t: f"{t.second_of_day // 60 % 60:02d}",
    "4": lambda t: str(t.second_of_day // 60 % 60),
    "05": lambda t: f"{t.second_of_day % 60:02d}",
    "5": lambda t: str(t.second_of_day % 60),
    "PM": lambda t: "PM" if t.second_of_day >= 43_200 else "AM",
    "pm": lambda t: "pm" if t.second_of_day >= 43_200 else "am",
    "MST": lambda t: t.zone or _short_offset(t.offset),
}


def _write_fraction(time: Moment, element: str) -> str:
    digits = f"{time.nanosecond:09d}"[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
        return element[0] + digits if digits else ""
    return element[0] + digits.ljust(len(element) - 1, "0")


def _write_offset(time: Moment, element: str) -> str:
    if element[0] == "Z" and time.offset == 0:
        return "Z"
    separator = ":" if ":" in element else ""
    hours, rest = divmod(abs(time.offset), 3600)
    parts = [f"{hours:02d}", f"{rest // 60:02d}", f"{rest % 60:02d}"]
    count = len(element.replace(":", "")) // 2
    return ("-" if time.offset < 0 else "+") + separator.join(parts[:count])


def _short_offset(offset: int) -> str:
    hours, rest = divmod(abs(offset), 3600)
    return ("-" if offset < 0 else "+") + f"{hours:02d}{rest // 60:02d}"
