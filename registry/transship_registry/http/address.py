"""An address that requests go to, and whether anybody answers there."""

import asyncio
import logging
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from transship_registry.errors import UnreachableError
from transship_registry.http.diagnosis import Diagnosis
from transship_registry.http.retry import backoff_s
from transship_registry.http.timing import Timing

FIRST_NOTICE_S: Final = 10.0
"""After so long without an answer a line says what is waited for."""

NEXT_NOTICE_S: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """How long nothing is asked of an address, which is called `name`, until which Unix time, and what asked for it."""

    name: str
    seconds: float
    until: float
    reason: str

    def __str__(self) -> str:
        """Return it as lines say it."""
        until = datetime.fromtimestamp(self.until, UTC).strftime("%H:%M:%S UTC")
        return f"{self.name}: going on in {self.seconds:.0f} s, at {until} ({self.reason})"


class Address:
    """One address: what it is called in messages, since when it is silent, and why it is given up if it is.

    When a request is not answered, nobody knows whether that is its own fault. From then on the others take turns, one
    at a time and with growing pauses, until one of them is answered; requests are told apart by the objects `asker`.
    After `tries` silent turns, and `outage_s` seconds of silence, the address is given up for all that is still to be
    asked. Any answer ends that.
    """

    def __init__(self, name: str, timing: Timing, tries: int, outage_s: float) -> None:
        self.name = name
        self.answers = 0
        self._timing = timing
        self._tries = tries
        self._outage_s = outage_s
        self._given_up: tuple[str, str] | None = None
        self._silent_turns = 0
        self._askers: set[int] = set()
        self._turn: object = None
        self._queue: deque[tuple[object, asyncio.Future[None]]] = deque()
        self._resume_at = 0.0
        self._waiting = 0
        self._silent_since: float | None = None
        self._told_at = -inf
        self._quiet_until = -inf
        self._is_watched = False

    @property
    def given_up(self) -> UnreachableError | None:
        """The error of all requests, when the address is given up."""
        return self._error(*self._given_up) if self._given_up else None

    @property
    def is_hopeless(self) -> bool:
        """Whether so many were silent, and for so long, that it is not worth while to go on."""
        return self._silent_turns >= self._tries and self._silent_s >= self._outage_s

    @property
    def has_ignored_several(self) -> bool:
        """Whether more than one request was not answered, so that none of them alone is at fault."""
        return len(self._askers) > 1

    @property
    def awaited_s(self) -> float | None:
        """For how many seconds those who wait have had no answer; None when nobody waits for one."""
        is_awaited = self._waiting > 0 or self._turn is not None
        return self._silent_s if is_awaited and self._silent_since is not None else None

    def admits(self, asker: object) -> bool:
        """Whether a request may be sent now."""
        return not self._silent_turns or self._given_up is not None or self._turn is asker

    async def line_up(self, asker: object) -> None:
        """Wait for one's turn, if turns are taken; to be followed by `leave`, whatever happens."""
        if self.admits(asker):
            return
        if self._turn is None:
            self._turn = asker
        else:
            called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append((asker, called))
            await called
        pause_s = self._resume_at - self._timing.clock()
        if self._turn is asker and pause_s > 0:
            await self._timing.sleep(pause_s)

    def leave(self, asker: object) -> None:
        """Let the next one have its turn."""
        self._queue = deque((other, called) for other, called in self._queue if other is not asker)
        if self._turn is not asker:
            return
        self._turn = None
        if self._given_up is not None:
            self._call_all()
        while self._queue and self._turn is None:
            other, called = self._queue.popleft()
            if not called.done():
                self._turn = other
                called.set_result(None)

    @contextmanager
    def awaited(self) -> Generator[None]:
        """Have somebody wait for an answer; a line says so when it takes long."""
        if self._silent_since is None:
            self._begin_silence()
        self._waiting += 1
        self._watch()
        try:
            yield
        finally:
            self._waiting -= 1

    def note_answer(self) -> None:
        """Take note of an answer, whatever it says."""
        self.answers += 1
        self._given_up = self._silent_since = None
        if self._silent_turns:
            self._silent_turns = 0
            self._askers.clear()
            self._call_all()
        if self._waiting:
            self._begin_silence()

    def note_silence(self, asker: object, answers: int) -> None:
        """Take note that a request was not answered, which was sent when there were so many `answers`."""
        if self.answers != answers:
            return
        self._askers.add(id(asker))
        if not self._silent_turns or self._turn is asker:
            self._silent_turns += 1
            self._resume_at = self._timing.clock() + backoff_s(self._silent_turns, self._timing.chance())

    def fail(self, diagnosis: Diagnosis) -> UnreachableError:
        """Return the error of a request that is not tried any more; others may share it from now on."""
        if self._given_up is not None:
            return self._error(*self._given_up)
        answer = diagnosis.answer or f"no answer since {self._silent_from} ({diagnosis.detail})"
        if diagnosis.lasting or self._silent_s >= self._outage_s:
            self._given_up = answer, diagnosis.advice
            self._call_all()
        return self._error(answer, diagnosis.advice)

    def note_pause(self, pause: Pause) -> None:
        """Say that requests wait because the other end wants that; once for all that wait."""
        now = self._timing.clock()
        if pause.seconds >= FIRST_NOTICE_S and now >= self._quiet_until:
            self._quiet_until = now + max(pause.seconds, NEXT_NOTICE_S)
            _log.info("waiting for %s", pause)

    def _call_all(self) -> None:
        while self._queue:
            _, called = self._queue.popleft()
            if not called.done():
                called.set_result(None)

    def _error(self, answer: str, advice: str) -> UnreachableError:
        return UnreachableError("connect to", self.name, answer, advice=advice)

    @property
    def _silent_s(self) -> float:
        return 0.0 if self._silent_since is None else self._timing.clock() - self._silent_since

    @property
    def _silent_from(self) -> str:
        return datetime.fromtimestamp(self._timing.wall() - self._silent_s, UTC).strftime("%H:%M:%S UTC")

    def _begin_silence(self) -> None:
        self._silent_since = self._timing.clock()

    @property
    def _until_notice_s(self) -> float:
        """In how many seconds a line is due, if nothing changes."""
        since_told_s = self._timing.clock() - self._told_at
        return max(FIRST_NOTICE_S - self._silent_s, NEXT_NOTICE_S - since_told_s)

    def _watch(self) -> None:
        """See to it that somebody looks when the next line is due."""
        if not self._is_watched:
            self._is_watched = True
            self._timing.later(max(0.0, self._until_notice_s), self._look)

    def _look(self) -> None:
        self._is_watched = False
        if not self._waiting:
            return
        if self._until_notice_s <= 0:
            self._told_at = self._timing.clock()
            _log.info("waiting for %s: no answer for %.0f s", self.name, self._silent_s)
        self._watch()
