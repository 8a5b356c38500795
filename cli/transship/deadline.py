"""How long a command may take, where `--timeout` says so."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Final, TypeVar

from transship_planner.observation.headway import Headway
from transship_planner.render.causes import not_looked_at
from transship_registry.errors import TransshipError
from transship_registry.http.address import Pause
from transship_registry.registries import Registries

T = TypeVar("T")
Later = Callable[[float, Callable[[], None]], object]
"""Has something called after so many seconds."""

_NAMED: Final = 3


class TimeUpError(TransshipError):
    """The time that a command had is over."""


def _call_later(seconds: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, callback)


class Deadline:
    """The time that a command has from now on; `text` is how it was written, None: as much as it wants.

    `clock` counts seconds.
    """

    def __init__(
        self,
        text: str | None,
        seconds: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        later: Later = _call_later,
    ) -> None:
        self._text = text
        self._clock = clock
        self._later = later
        self._ends_at = clock() + seconds
        self.headway = Headway()

    async def keep(self, work: Coroutine[object, object, T], registries: Registries, *, what: str, then: str = "") -> T:
        """Do the work of `what`; when the time is over it is cancelled, and `TimeUpError` says how far it came.

        So it is at once when a registry asks for a pause that is longer than what is left of the time.

        `then` says what comes of that.
        """
        if self._text is None:
            return await work
        task, said = asyncio.ensure_future(work), list[str]()

        def end(*reasons: str) -> None:
            if not task.done() and not said:
                said.append("; ".join(filter(None, (*reasons, then))))
                task.cancel()

        def ring() -> None:
            end(*self._outlook(what, registries.awaited))

        def pause(asked: Pause) -> None:
            if self._clock() + asked.seconds > self._ends_at:
                end(f"the {what} cannot be done within {self._text} (--timeout)", f"waiting for {asked}")

        registries.watch_pauses(pause)
        self._later(max(0.0, self._ends_at - self._clock()), ring)
        try:
            return await task
        except asyncio.CancelledError:
            if not said or _is_cancelled():
                raise
            raise TimeUpError(said[0]) from None

    def _outlook(self, what: str, awaited: Sequence[tuple[str, float]]) -> Iterator[str]:
        yield f"the {what} was not done within {self._text} (--timeout)"
        if awaited:
            named = [f"{name} for {silent_s:.0f} s" for name, silent_s in awaited[:_NAMED]]
            more = [f"{len(awaited) - _NAMED} more"] if len(awaited) > _NAMED else []
            yield f"no answer from {', '.join(named + more)}"
        if self.headway.left:
            yield f"not looked at: {not_looked_at(self.headway.left)}"


def _is_cancelled() -> bool:
    """Whether the command itself is cancelled, by a signal."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
