"""Go's duration texts."""

import pytest

from transship_planner.config.durations import HOUR, MINUTE, SECOND, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("100ms", 100_000_000),
        ("90s", 90 * SECOND),
        ("1.5h", 90 * MINUTE),
        (".5m", 30 * SECOND),
        ("1.s", SECOND),
        ("1h15m", 75 * MINUTE),
        ("1m1h", 61 * MINUTE),
        ("2h45m30.5s", 2 * HOUR + 45 * MINUTE + 30 * SECOND + SECOND // 2),
        ("-5m", -5 * MINUTE),
        ("+5m", 5 * MINUTE),
        ("0.0000000001s", 0),
        ("9223372036854775807ns", 2**63 - 1),
    ],
)
def test_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    """A duration is the sum of its parts, cut to whole nanoseconds."""
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("s", "'s' is no duration; write it like '90s', '15m' or '1h15m'"),
        (".s", "'.s' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("5 m", "'5 m' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("5M", "'5M' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("1d", "'1d' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("1h-5m", "'1h-5m' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("60", "'60' has no unit; write '60s' for seconds or '60m' for minutes"),
        ("9223372036854775808ns", "'9223372036854775808ns' is longer than the 292 years a duration can hold"),
        ("1" * 101, f"{'1' * 20!r}… is no duration"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, message: str) -> None:
    """A text that Go would not take is refused with the way out."""
    with pytest.raises(ValueError, match=r"duration|unit") as caught:
        parse_duration(text)
    assert str(caught.value) == message
