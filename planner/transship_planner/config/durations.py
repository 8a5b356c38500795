"""Go's `time.Duration` texts, such as `1h15m`, from and to nanoseconds."""

import re
from decimal import Decimal
from typing import Final

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
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
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE: Final = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_LARGEST: Final = 2**63 - 1
_LONGEST_TEXT: Final = 100


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a Go duration; raises `ValueError` whose message continues "…: " in a sentence."""
    if text in {"0", "+0", "-0"}:
        return 0
    match = _WHOLE.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(_advice(text))
    sign, parts = match[1], match[2]
    total = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(parts))
    if total > _LARGEST:
        raise ValueError(f"{text!r} is longer than the 292 years a duration can hold")
    return -total if sign == "-" else total


def format_duration(nanoseconds: int) -> str:
    """Return the shortest Go text of a duration that is not negative: `1h15m`, `0.25s`."""
    hours, rest = divmod(nanoseconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = format(Decimal(rest).scaleb(-9).normalize(), "f") if rest else ""
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _advice(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        return f"{text[:20]!r}… is no duration"
    if _NUMBER.fullmatch(text):
        return f"{text!r} has no unit; write '{text}s' for seconds or '{text}m' for minutes"
    return f"{text!r} is no duration; write it like '90s', '15m' or '1h15m'"
