"""Find out which tests run which lines when nothing is broken."""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
import pytest

from mutation.mutants import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("transship", "transship_executor", "transship_planner", "transship_registry", "transship_state")


class Reached(msgspec.Struct, frozen=True):
    """A test: its processor time in seconds, and which lines it runs, by file relative to the root."""

    test: str
    seconds: float
    lines: dict[str, set[int]]

    def runs(self, file: str, first: int, last: int) -> bool:
        """Tell whether it runs one of these lines."""
        return any(first <= line <= last for line in self.lines.get(file, ()))


class Survey(msgspec.Struct, frozen=True, tag=True):
    """What each test reaches, which lines importing runs, and which tests fail though nothing is broken.

    `loaded` are the modules that are imported then.
    """

    tests: list[Reached]
    on_import: dict[str, set[int]]
    red: list[str]
    loaded: list[str]

    def takes_effect_on_import(self, mutant: Mutant) -> bool:
        """Tell whether what a mutant changes is run on import: then it has to be imported anew."""
        imported = self.on_import.get(mutant.module, ())
        return not mutant.function or any(mutant.top <= line <= mutant.bottom for line in imported)

    def reaching(self, mutant: Mutant) -> list[Reached]:
        """Return the tests that may notice a mutant, first those that run the very lines, the quickest first.

        A constant is read without a trace: every test may notice it.
        """
        near = (mutant.first, mutant.last) if mutant.function else (0, sys.maxsize)
        able = [
            test for test in self.tests if not mutant.function or test.runs(mutant.module, mutant.top, mutant.bottom)
        ]
        return sorted(able, key=lambda test: (not test.runs(mutant.module, *near), test.seconds))


class Tracer:
    """Notes which lines of some files are run."""

    def __init__(self, files: Iterable[str]) -> None:
        self._names = {str(ROOT / file): file for file in files}
        self.lines = defaultdict[str, set[int]](set)

    @contextmanager
    def watching(self) -> Generator[dict[str, set[int]]]:
        """Note what is run within, also in threads that begin there."""
        self.lines = defaultdict[str, set[int]](set)
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            yield self.lines
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        del event, argument
        return self._line if frame.f_code.co_filename in self._names else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        del event, argument
        self.lines[self._names[frame.f_code.co_filename]].add(frame.f_lineno)
        return self._line


class Surveyor:
    """Runs all tests of a session once, and notes what they reach."""

    def __init__(self, tracer: Tracer, before_each: Callable[[], None]) -> None:
        self._tracer = tracer
        self._before_each = before_each
        self._shared = defaultdict[str, list[dict[str, set[int]]]](list)
        self._red: list[str] = []

    def survey(self, items: Sequence[pytest.Item], on_import: dict[str, set[int]]) -> Survey:
        """Run the tests in their order."""
        tests = [self._reached(item, following) for item, following in zip_longest(items, items[1:])]
        return Survey([self._with_shared(test) for test in tests], on_import, self._red, _foreign(sys.modules))

    def _reached(self, item: pytest.Item, following: pytest.Item | None) -> Reached:
        self._before_each()
        began = time.process_time()
        with self._tracer.watching() as lines:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return Reached(item.nodeid, time.process_time() - began, dict(lines))

    def _with_shared(self, test: Reached) -> Reached:
        """Count what fixtures run for one test for all of its file: they may be shared."""
        lines = {file: set(found) for file, found in test.lines.items()}
        for shared in self._shared[file_of(test.test)]:
            for file, found in shared.items():
                lines[file] = lines.get(file, set()) | found
        return Reached(test.test, test.seconds, lines)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Note what the fixtures of a test have run."""
        yield
        self._shared[file_of(item.nodeid)].append({file: set(found) for file, found in self._tracer.lines.items()})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what fails."""
        if report.failed:
            self._red.append(report.nodeid)


def _foreign(names: Iterable[str]) -> list[str]:
    """Return the modules that are neither ours nor tests."""
    ours = {*ROOMS, "tests", "conftest", *(path.stem for path in (ROOT / "tests").iterdir())}
    return sorted(name for name in names if name.partition(".")[0] not in ours and not name.startswith("_"))


def file_of(test: str) -> str:
    """Return the file of a test."""
    return test.partition("::")[0]
