"""An event loop whose time passes at once when nothing is left to do: no waiting, and no race with the machine.

It is for what happens within one process, over sockets of the Unix kind, whose bytes arrive as they are sent.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Reports what is ready; where nothing is, the time that it was to wait for has passed."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(timeout)
        self.passed_s += max(0.0, timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """A loop that believes its selector."""

    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        """Return the seconds that passed."""
        return self._passing.passed_s


def run_at_once(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario to its end, however long it would have waited."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(scenario)
