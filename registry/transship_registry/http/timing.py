"""The clocks, the sleep and the dice that talking to a registry needs, so that a test can hold them still."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


def _call_later(seconds: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, callback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where time and chance come from.

    `clock` is monotonic and `wall` the Unix time, both in seconds; `later` has something called after so many seconds;
    `chance` yields numbers in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    later: Callable[[float, Callable[[], None]], object] = _call_later
    chance: Callable[[], float] = random.random
