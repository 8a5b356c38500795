"""The retry policy: which failures are worth another try, and after what delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.http.retry import (
    CAP_S,
    LONGEST_WAIT_S,
    THROTTLED,
    TRIES,
    Failure,
    GiveUp,
    RetryIn,
    decide,
    is_transient,
)


@pytest.mark.parametrize("status", [None, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int | None) -> None:
    assert decide(Failure(status), 1, 0.5) == RetryIn(0.1)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 409, 412, 413, 416, 501, 505])
def test_what_will_not_change_is_not_tried_again(status: int) -> None:
    assert decide(Failure(status), 1, 0.5) == GiveUp()


def test_a_status_beyond_those_of_servers_is_not_tried_again() -> None:
    """Nobody knows what it means."""
    assert not is_transient(Failure(600))


def test_two_answers_ask_the_whole_client_to_slow_down() -> None:
    """Too many requests, and out of order for now."""
    assert set(THROTTLED) == {429, 503}


def test_ten_minutes_are_waited_for_and_no_more() -> None:
    """A registry that asks for more may be asked by the next run."""
    assert decide(Failure(429, 600.0), 1, 0.0) == RetryIn(600.0)
    assert decide(Failure(429, 600.5), 1, 0.0) == GiveUp(asked_s=600.5)


def test_a_lasting_failure_is_not_tried_again_whatever_its_status() -> None:
    assert not is_transient(Failure(503, lasting=True))
    assert decide(Failure(lasting=True), 1, 0.5) == GiveUp()


def test_the_delay_doubles_with_each_attempt_up_to_the_cap() -> None:
    """With the least favourable dice the delays are 0.2, 0.4, 0.8 … and never more than 30 seconds."""
    delays = [decide(Failure(500), attempt, 0.999, tries=20) for attempt in (1, 2, 3, 8, 9, 15)]
    assert [round(delay.delay_s, 1) for delay in delays if isinstance(delay, RetryIn)] == [
        0.2, 0.4, 0.8, 25.6, 30.0, 30.0,
    ]  # fmt: skip


def test_after_the_last_try_it_is_given_up() -> None:
    assert isinstance(decide(Failure(500), TRIES - 1, 0.5), RetryIn)
    assert decide(Failure(500), TRIES, 0.5) == GiveUp()


def test_what_the_registry_asks_for_is_the_least_it_gets() -> None:
    assert decide(Failure(429, 12.0), 1, 0.0) == RetryIn(12.0)
    assert decide(Failure(429, 12.0), 1, 0.5) == RetryIn(12.1)


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    assert decide(Failure(429, LONGEST_WAIT_S), 1, 0.0) == RetryIn(LONGEST_WAIT_S)
    assert decide(Failure(429, LONGEST_WAIT_S + 1), 1, 0.0) == GiveUp(asked_s=LONGEST_WAIT_S + 1)


@given(attempt=st.integers(1, 60), chance=st.floats(0, 1, exclude_max=True))
def test_no_delay_is_negative_or_above_the_cap(attempt: int, chance: float) -> None:
    decision = decide(Failure(503), attempt, chance, tries=61)
    assert isinstance(decision, RetryIn)
    assert 0 <= decision.delay_s <= CAP_S
