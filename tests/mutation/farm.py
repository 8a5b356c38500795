"""Run pieces of work in processes of their own, each within bounds of time and memory."""

import os
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

T = TypeVar("T")

_IDLE_S: Final = 30.0
"""A process that has done nothing for so long waits for something that never comes."""

_MEMORY: Final = 3 << 30


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work for a process; `label` is the caller's, and what the work returns has to fit into JSON."""

    label: T
    work: Callable[[], Any]
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What came of a job: its `value`, or None with `ended` saying why there is none."""

    label: T
    value: Any
    ended: str = ""


class _Child(Generic[T]):
    """A process at work."""

    def __init__(self, job: Job[T]) -> None:
        self.job = job
        self.folder = tempfile.mkdtemp(prefix="mutant-")
        self.pipe, writing = os.pipe()
        self._began = time.monotonic()
        self._data = bytearray()
        self._cpu, self._busy_at = 0, self._began
        with warnings.catch_warnings():
            # From Python 3.12 on it warns of threads, of which a child has none; it takes none of their locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = os.fork()
        if self.process == 0:
            os.close(self.pipe)
            _work(job, writing, self.folder)
        os.close(writing)

    def has_more(self) -> bool:
        """Read what is there; False when that was all."""
        piece = os.read(self.pipe, 1 << 16)
        self._data += piece
        return bool(piece)

    def is_over_time(self) -> bool:
        """Tell whether the process has had its time, or does nothing any more."""
        now = time.monotonic()
        cpu = _cpu_ticks(self.process)
        if cpu != self._cpu:
            self._cpu, self._busy_at = cpu, now
        return now - self._began > self.job.wall_s or now - self._busy_at > _IDLE_S

    def end(self, why: str = "") -> Answer[T]:
        """Stop all that is left of it."""
        for stop in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                stop(self.process, signal.SIGKILL)
        _, status = os.waitpid(self.process, 0)
        os.close(self.pipe)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._data and not why:
            return Answer(self.job.label, msgspec.json.decode(self._data))
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            why = "time"
        return Answer(self.job.label, None, why or "crash")


def run(jobs: Iterable[Job[T]], at_once: int) -> Iterator[Answer[T]]:
    """Do all jobs, and yield what comes of each as soon as it is known."""
    waiting = iter(jobs)
    children: dict[int, _Child[T]] = {}
    while True:
        while len(children) < at_once and (job := next(waiting, None)) is not None:
            child = _Child(job)
            children[child.pipe] = child
        if not children:
            return
        ready, _, _ = select.select(list(children), [], [], 1.0)
        for pipe in ready:
            if not children[pipe].has_more():
                yield children.pop(pipe).end()
        for pipe in [pipe for pipe, child in children.items() if child.is_over_time()]:
            yield children.pop(pipe).end("time")


def _work(job: Job[Any], pipe: int, folder: str) -> NoReturn:
    """Be the child."""
    try:
        os.setsid()
        log = os.open(Path(folder) / "output", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        tempfile.tempdir = folder
        os.environ["TMPDIR"] = folder
        used = int(sum(os.times()[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + int(job.cpu_s) + 1, used + int(job.cpu_s) + 10))
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        answer = msgspec.json.encode(job.work())
        with os.fdopen(pipe, "wb") as file:
            file.write(answer)
    except BaseException:  # noqa: BLE001 - what the work raises is no answer
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _cpu_ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))
