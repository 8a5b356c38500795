"""A point in time on Go's calendar, which reaches beyond the years of Python's datetime."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from transship_planner.gotemplate.errors import FunctionError

NANOSECONDS: Final = 1_000_000_000
DAY: Final = 86_400
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
# The Gregorian calendar repeats every 400 years; Python's dates cover only the years 1 to 9999.
_CYCLE_DAYS = 146_097
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_CYCLE_START = date(2000, 1, 1).toordinal()
_YEARS_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds since 1970 and nanoseconds, shown at an offset from UTC under a zone's name.

    The zone's name is "" for an offset without one, as time.Parse yields for `+02:00`.
    """

    unix: int
    nanosecond: int = 0
    offset: int = 0
    zone: str = "UTC"

    @classmethod
    def civil(cls, year: int, month: int, day: int, seconds: int = 0, nanosecond: int = 0) -> Self:
        """Return a moment of the calendar in UTC; days and months beyond their range count on, as in Go.

        Raises FunctionError a million years away.
        """
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        if max(abs(year), abs(day) // 366) > _YEARS_LIMIT:
            raise FunctionError("date is out of range")
        cycles, year_of_cycle = divmod(year - 2000, 400)
        ordinal = date(2000 + year_of_cycle, month, 1).toordinal() + cycles * _CYCLE_DAYS + day - 1
        return cls((ordinal - _EPOCH_DAY) * DAY + seconds, nanosecond)

    @property
    def year_month_day(self) -> tuple[int, int, int]:
        """The date at the time's offset."""
        days = (self.unix + self.offset) // DAY + _EPOCH_DAY
        cycles, day_of_cycle = divmod(days - _CYCLE_START, _CYCLE_DAYS)
        found = date.fromordinal(_CYCLE_START + day_of_cycle)
        return found.year + 400 * cycles, found.month, found.day

    @property
    def second_of_day(self) -> int:
        """The clock at the time's offset."""
        return (self.unix + self.offset) % DAY

    @property
    def year_day(self) -> int:
        """The day of the year, 1 for the first of January."""
        year = self.year_month_day[0]
        first = Moment.civil(year, 1, 1)
        return (self.unix + self.offset - first.unix) // DAY + 1

    @property
    def weekday(self) -> int:
        """The day of the week, 0 for Sunday."""
        return ((self.unix + self.offset) // DAY + 4) % 7

    @property
    def unix_nanoseconds(self) -> int:
        """Nanoseconds since 1970."""
        return self.unix * NANOSECONDS + self.nanosecond
