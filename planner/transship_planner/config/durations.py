"""Go's `time.Duration` texts, such as `1h15m`, from and to nanoseconds; where a field wants them, also days: `7d`."""

import re
from decimal import Decimal
from typing import Final

SECOND: Final = 1_000_000_000
MILLISECOND: Final = SECOND // 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SHORTEST_RETRY: Final = 5 * MINUTE
"""What a shorter `ratelimit.retry` is raised to (semantics B5.3)."""

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu
    "ms": 1_000_000,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE: Final = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")
_PART_IN_DAYS: Final = re.compile(_PART.pattern.replace("|h)", "|h|d)"))
_WHOLE_IN_DAYS: Final = re.compile(rf"([+-]?)((?:{_PART_IN_DAYS.pattern})+)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_LARGEST: Final = 2**63 - 1
_LONGEST_TEXT: Final = 100
_WORDS: Final = ("'90s', '15m' or '1h15m'", ("s", "seconds"), ("m", "minutes"))
_WORDS_IN_DAYS: Final = ("'7d', '36h' or '1d12h'", ("d", "days"), ("h", "hours"))


def parse_duration(text: str, *, days: bool = False) -> int:
    """Return the nanoseconds of a Go duration; raises `ValueError` whose message continues "…: " in a sentence.

    With `days`, `d` is a unit too, of 24 hours; Go has none that long.
    """
    if text in {"0", "+0", "-0"}:
        return 0
    part, whole = (_PART_IN_DAYS, _WHOLE_IN_DAYS) if days else (_PART, _WHOLE)
    match = whole.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(_advice(text, days=days))
    sign, parts = match[1], match[2]
    total = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in part.findall(parts))
    if total > _LARGEST:
        raise ValueError(f"{text!r} is longer than the 292 years a duration can hold")
    return -total if sign == "-" else total


def format_duration(nanoseconds: int, *, days: bool = False) -> str:
    """Return the shortest Go text of a duration that is not negative: `1h15m`, `0.25s`; with `days`, `1d12h`."""
    whole_days, rest = divmod(nanoseconds, DAY) if days else (0, nanoseconds)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = format(Decimal(rest).scaleb(-9).normalize(), "f") if rest else ""
    parts = ((whole_days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _advice(text: str, *, days: bool) -> str:
    if len(text) > _LONGEST_TEXT:
        return f"{text[:20]!r}… is no duration"
    examples, (unit, name), (shorter, shorter_name) = _WORDS_IN_DAYS if days else _WORDS
    if _NUMBER.fullmatch(text):
        return f"{text!r} has no unit; write '{text}{unit}' for {name} or '{text}{shorter}' for {shorter_name}"
    return f"{text!r} is no duration; write it like {examples}"
