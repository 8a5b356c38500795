"""Go's package time for templates: Time, Duration, Month and Weekday, with the methods a template may call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Self, TypeAlias, TypeVar

from transship_planner.gotemplate.clock.layout import format_time
from transship_planner.gotemplate.clock.moment import MONTHS, NANOSECONDS, WEEKDAYS, Moment
from transship_planner.gotemplate.clock.parsing import parse_time
from transship_planner.gotemplate.signature import Function, Parameter
from transship_planner.gotemplate.values import Int64

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1

# Methods with arguments: what runs, and the types of the arguments.
_Methods: TypeAlias = Mapping[str, tuple[Callable[..., object], tuple[Parameter, ...]]]
_Value = TypeVar("_Value")


def _bind(
    name: str, receiver: _Value, getters: Mapping[str, Callable[[_Value], object]], methods: _Methods
) -> Function | None:
    if name in getters:
        return Function(partial(getters[name], receiver))
    if name in methods:
        implementation, parameters = methods[name]
        return Function(partial(implementation, receiver), parameters)
    return None


class Month(int):
    """A month, 1 for January; prints as its English name."""

    def go_type(self) -> str:
        """Return time.Month."""
        return "time.Month"

    def go_method(self, name: str) -> Function | None:
        """Return String."""
        return Function(self.go_string) if name == "String" else None

    def go_string(self) -> str:
        """Return the English name."""
        return MONTHS[self - 1]


class Weekday(int):
    """A day of the week, 0 for Sunday; prints as its English name."""

    def go_type(self) -> str:
        """Return time.Weekday."""
        return "time.Weekday"

    def go_method(self, name: str) -> Function | None:
        """Return String."""
        return Function(self.go_string) if name == "String" else None

    def go_string(self) -> str:
        """Return the English name."""
        return WEEKDAYS[self]


class Duration(int):
    """A duration in nanoseconds; prints like `1m30s`."""

    @classmethod
    def of(cls, delta: timedelta) -> Self:
        """Convert Python's durations."""
        return cls(delta // timedelta(microseconds=1) * 1000)

    def go_type(self) -> str:
        """Return time.Duration."""
        return "time.Duration"

    def go_method(self, name: str) -> Function | None:
        """Return a method of Go's time.Duration."""
        return _bind(name, self, _DURATION_GETTERS, _DURATION_METHODS)

    def go_string(self) -> str:
        """Write hours, minutes and seconds, leaving out leading zeros; below a second in ms, µs or ns."""
        if self == 0:
            return "0s"
        sign, rest = ("-" if self < 0 else ""), abs(self)
        if rest < NANOSECONDS:
            return sign + _small_duration(rest)
        seconds, fraction = divmod(rest, NANOSECONDS)
        minutes, seconds = divmod(seconds, 60)
        text = f"{_with_fraction(seconds, fraction, 9)}s"
        if not minutes:
            return sign + text
        hours, minutes = divmod(minutes, 60)
        return sign + (f"{hours}h" if hours else "") + f"{minutes}m{text}"

    def truncate(self, step: "Duration") -> "Duration":
        """Round towards zero to a multiple of a step."""
        if step <= 0:
            return self
        kept = abs(self) - abs(self) % step
        return Duration(-kept if self < 0 else kept)

    def round(self, step: "Duration") -> "Duration":
        """Round to the nearest multiple of a step, halves away from zero."""
        if step <= 0:
            return self
        kept = (2 * abs(self) + step) // (2 * step) * step
        return Duration(-kept if self < 0 else kept)


def _small_duration(nanoseconds: int) -> str:
    for unit, digits in (("ms", 6), ("µs", 3)):
        whole, fraction = divmod(nanoseconds, 10**digits)
        if whole:
            return _with_fraction(whole, fraction, digits) + unit
    return f"{nanoseconds}ns"


def _with_fraction(whole: int, fraction: int, digits: int) -> str:
    return f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".") if fraction else str(whole)


def _saturated(nanoseconds: int) -> Duration:
    return Duration(min(max(nanoseconds, _INT64_MIN), _INT64_MAX))


_DURATION_GETTERS: Final[Mapping[str, Callable[[Duration], object]]] = {
    "Hours": lambda d: _in_units(d, 3600 * NANOSECONDS),
    "Minutes": lambda d: _in_units(d, 60 * NANOSECONDS),
    "Seconds": lambda d: _in_units(d, NANOSECONDS),
    "Milliseconds": lambda d: Int64(_towards_zero(d, 1_000_000)),
    "Microseconds": lambda d: Int64(_towards_zero(d, 1_000)),
    "Nanoseconds": Int64,
    "Abs": lambda d: _saturated(abs(d)),
    "String": Duration.go_string,
}
_DURATION_METHODS: Final[_Methods] = {
    "Truncate": (Duration.truncate, (Parameter.DURATION,)),
    "Round": (Duration.round, (Parameter.DURATION,)),
}


def _in_units(value: int, unit: int) -> float:
    """Divide as Go does, the whole and the rest each for itself: the last digit depends on it."""
    whole = _towards_zero(value, unit)
    return float(whole) + float(value - whole * unit) / unit


def _towards_zero(value: int, step: int) -> int:
    return value // step if value >= 0 else -(-value // step)


@dataclass(frozen=True, slots=True)
class Time(Moment):
    """A moment that prints in full, date, time and zone."""

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Convert an aware datetime."""
        offset = moment.utcoffset()
        assert offset is not None
        since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return cls(
            unix=since_epoch // timedelta(seconds=1),
            nanosecond=moment.microsecond * 1000,
            offset=offset // timedelta(seconds=1),
            zone=moment.tzname() or "",
        )

    @classmethod
    def parse(cls, layout: str, value: str) -> Self:
        """Read a time that is written by a layout.

        Raises FunctionError in Go's words.
        """
        moment = parse_time(layout, value)
        return cls(moment.unix, moment.nanosecond, moment.offset, moment.zone)

    def go_type(self) -> str:
        """Return time.Time."""
        return "time.Time"

    def go_method(self, name: str) -> Function | None:
        """Return a method of Go's time.Time."""
        return _bind(name, self, _TIME_GETTERS, _TIME_METHODS)

    def go_string(self) -> str:
        """Write date, time and zone in full."""
        return format_time(self, "2006-01-02 15:04:05.999999999 -0700 MST")

    def shifted(self, nanoseconds: int) -> Self:
        """Return the time that many nanoseconds later, in the same zone."""
        seconds, nanosecond = divmod(self.nanosecond + nanoseconds, NANOSECONDS)
        return replace(self, unix=self.unix + seconds, nanosecond=nanosecond)

    def add_date(self, years: int, months: int, days: int) -> Self:
        """Return the time some calendar years, months and days later; a day that does not exist counts on."""
        year, month, day = self.year_month_day
        local = Time.civil(year + years, month + months, day + days, self.second_of_day)
        return replace(self, unix=local.unix - self.offset)

    def truncate(self, step: Duration) -> Self:
        """Round down to a multiple of a step since the year 1."""
        if step <= 0:
            return self
        since_year_one = self.unix_nanoseconds - _YEAR_ONE.unix_nanoseconds
        return self.shifted(-(since_year_one % step))


_YEAR_ONE: Final = Time.civil(1, 1, 1)


def _sub(left: Time, right: Time) -> Duration:
    return _saturated(left.unix_nanoseconds - right.unix_nanoseconds)


def _compare(left: Time, right: Time) -> int:
    difference = left.unix_nanoseconds - right.unix_nanoseconds
    return (difference > 0) - (difference < 0)


def _before(left: Time, right: Time) -> bool:
    return _compare(left, right) < 0


def _after(left: Time, right: Time) -> bool:
    return _compare(left, right) > 0


def _same_instant(left: Time, right: Time) -> bool:
    return _compare(left, right) == 0


_TIME_GETTERS: Final[Mapping[str, Callable[[Time], object]]] = {
    "Year": lambda t: t.year_month_day[0],
    "Month": lambda t: Month(t.year_month_day[1]),
    "Day": lambda t: t.year_month_day[2],
    "YearDay": lambda t: t.year_day,
    "Weekday": lambda t: Weekday(t.weekday),
    "Hour": lambda t: t.second_of_day // 3600,
    "Minute": lambda t: t.second_of_day // 60 % 60,
    "Second": lambda t: t.second_of_day % 60,
    "Nanosecond": lambda t: t.nanosecond,
    "Unix": lambda t: Int64(t.unix),
    "UnixMilli": lambda t: Int64(t.unix_nanoseconds // 1_000_000),
    "UnixMicro": lambda t: Int64(t.unix_nanoseconds // 1_000),
    "UnixNano": lambda t: Int64(t.unix_nanoseconds),
    "UTC": lambda t: replace(t, offset=0, zone="UTC"),
    "IsZero": lambda t: t.unix_nanoseconds == _YEAR_ONE.unix_nanoseconds,
    "String": Time.go_string,
}
_TIME_METHODS: Final[_Methods] = {
    "Format": (format_time, (Parameter.STRING,)),
    "Add": (Time.shifted, (Parameter.DURATION,)),
    "AddDate": (Time.add_date, (Parameter.INT, Parameter.INT, Parameter.INT)),
    "Truncate": (Time.truncate, (Parameter.DURATION,)),
    "Sub": (_sub, (Parameter.TIME,)),
    "Before": (_before, (Parameter.TIME,)),
    "After": (_after, (Parameter.TIME,)),
    "Equal": (_same_instant, (Parameter.TIME,)),
    "Compare": (_compare, (Parameter.TIME,)),
}


@dataclass(frozen=True, slots=True)
class TimeFunctions:
    """What the function `time` returns: `.Now` and `.Parse LAYOUT VALUE`."""

    now: Callable[[], datetime]

    def go_type(self) -> str:
        """Return the name of regclient's type."""
        return "*template.TimeFuncs"

    def go_method(self, name: str) -> Function | None:
        """Return Now or Parse."""
        if name == "Now":
            return Function(lambda: Time.of(self.now()))
        if name == "Parse":
            return Function(Time.parse, (Parameter.STRING, Parameter.STRING))
        return None

    def go_string(self) -> str:
        """Return what a struct without fields prints."""
        return "{}"
