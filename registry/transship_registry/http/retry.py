"""Whether a failed request is worth another try, and when: a pure function of the failure and the attempt."""

from dataclasses import dataclass
from math import inf
from typing import Final

TRIES: Final = 5
"""How often something is done in all whose number nobody sets."""

BASE_S: Final = 0.2
CAP_S: Final = 30.0
LONGEST_WAIT_S: Final = 600.0
"""A registry that asks for more than this is not waited for."""

TOTAL_S: Final = 900.0
"""For so long a request is tried again and again, the pauses included that the registry asks for."""

_TRANSIENT = frozenset({408, 425, 429})
_PERMANENT_5XX = frozenset({501, 505})
THROTTLED: Final = frozenset({429, 503})
"""Answers that ask the whole client, not only this request, to slow down."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: an HTTP status, or None when the connection failed or the body broke off.

    `retry_after_s` is what the registry asked for; a `lasting` failure (a certificate that is not trusted, a redirect
    loop) comes again however often one tries.
    """

    status: int | None = None
    retry_after_s: float | None = None
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Try again after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `asked_s` is the wait that the registry asked for, when that was too long."""

    asked_s: float | None = None


def is_transient(failure: Failure) -> bool:
    """Return whether the same request may well succeed later: never for 400, 403 or 404 (registries 6.2)."""
    status = failure.status
    if failure.lasting:
        return False
    if status is None or status in _TRANSIENT:
        return True
    return 500 <= status <= 599 and status not in _PERMANENT_5XX


def backoff_s(attempt: int, chance: float) -> float:
    """Return the pause after attempt number `attempt`: it grows exponentially, with full jitter."""
    return min(CAP_S, BASE_S * 2.0 ** min(attempt - 1, 16)) * chance


def decide(
    failure: Failure, attempt: int, chance: float, *, tries: int = TRIES, left_s: float = inf
) -> RetryIn | GiveUp:
    """Decide what follows attempt number `attempt` (1 is the first), when all has to be done in `left_s` seconds.

    The delay grows exponentially with full jitter (`chance` in [0, 1) places it), so that the clients which a registry
    has thrown out together do not come back together. What the registry asks for is the least it gets.
    """
    if not is_transient(failure):
        return GiveUp()
    asked = failure.retry_after_s
    jittered = backoff_s(attempt, chance)
    delay_s = jittered if asked is None else asked + jittered
    if asked is not None and (asked > LONGEST_WAIT_S or delay_s > left_s):
        return GiveUp(asked_s=asked)
    return RetryIn(delay_s) if attempt < tries and delay_s <= left_s else GiveUp()
