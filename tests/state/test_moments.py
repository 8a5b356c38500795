"""Dates of the state: read in any zone, written in UTC."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from transship_state.document import parse_moment, rfc3339

NOON = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine be in Tokyo."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("text", ["2026-03-10T12:00:00Z", "2026-03-10T14:00:00+02:00", "2026-03-10T12:00:00.000Z"])
def test_a_date_is_read_in_utc_wherever_the_machine_is(text: str) -> None:
    found = parse_moment(text)
    assert found == NOON
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-10", "2026-03-10T12:00:00", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_date_with_a_zone_is_none(text: str) -> None:
    """A date before the first of all dates is none, either."""
    assert parse_moment(text) is None


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5))])
def test_a_date_is_written_in_utc_to_the_second_wherever_the_machine_is(zone: timezone) -> None:
    assert rfc3339(NOON.astimezone(zone).replace(microsecond=999_999)) == "2026-03-10T12:00:00Z"
