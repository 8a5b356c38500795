"""Whether the other end keeps moving: silence, a body that only drips, and an answer that does not come to its end."""

from collections import deque
from dataclasses import dataclass
from typing import Final

LOOKS_PER_STALL: Final = 4
"""How often progress is looked at in a stall time-out."""

LEAST_RATE: Final = 1000
"""Bytes per second that a body moves at least, over a stall time-out: what dnf takes for its `minrate`."""

ANY_LENGTH: Final = "any_length"
"""The extension of an `httpx.Request` whose answer has a body that may take any time, as long as it moves."""

ANSWER_STALLS: Final = 3
"""An answer may take so many stall time-outs: its head, and all of it unless it is a blob."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a connection: for how many seconds it has been waited for, and what has moved by then.

    `moved` counts the bytes that arrived and those that the other end took; `waiting` those that it is still to take.
    """

    waited_s: float
    moved: int
    waiting: int


class Pace:
    """Judges one request and its answer, by looks that are taken only while somebody waits for the other end.

    Nobody waits while the caller is busy: that time is not held against the other end.
    """

    def __init__(self, stall_timeout_s: float) -> None:
        """Begin with nothing seen."""
        self._stall_s = stall_timeout_s
        self._looks: deque[Look] = deque()
        self._quiet_looks = 0
        self._last: Look | None = None
        self._began: Look | None = None
        self._is_body = False

    def begin(self) -> None:
        """A request begins: all of it and of its answer's head, which has its time from when the request was taken."""
        self._looks.clear()
        self._last = self._began = None
        self._is_body = False

    def begin_body(self) -> None:
        """A body of any length begins: it may take as long as it moves."""
        self._is_body = True
        self._looks.clear()

    def begin_wait(self) -> None:
        """Each wait has its own time to be silent."""
        self._last = None
        self._quiet_looks = 0

    def complaint(self, look: Look) -> str:
        """Return what is wrong by this look, as in "sent …"; nothing when the other end keeps moving."""
        before, self._last = self._last, look
        is_quiet = before is not None and (before.moved, before.waiting) == (look.moved, look.waiting)
        self._quiet_looks = self._quiet_looks + 1 if is_quiet else 0
        if self._quiet_looks >= LOOKS_PER_STALL:
            return f"nothing for {self._stall_s:g} s"
        if self._is_body or look.waiting:
            self._began = None
            return "" if is_quiet else self._too_slow(look)
        return self._too_long(look)

    def _too_slow(self, look: Look) -> str:
        looks, least = self._looks, LEAST_RATE * self._stall_s
        looks.append(look)
        while len(looks) > 1 and look.waited_s - looks[1].waited_s >= self._stall_s:
            looks.popleft()
        span_s, moved = look.waited_s - looks[0].waited_s, look.moved - looks[0].moved
        return f"only {moved} bytes in {span_s:.3g} s" if span_s >= self._stall_s and moved < least else ""

    def _too_long(self, look: Look) -> str:
        self._looks.clear()
        self._began = self._began or look
        span_s = look.waited_s - self._began.waited_s
        return f"no whole answer in {span_s:.3g} s" if span_s >= ANSWER_STALLS * self._stall_s else ""
