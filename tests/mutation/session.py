"""Let the tests of a group of modules meet its mutants: most in a pytest session that was collected once."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import zip_longest
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from mutation import farm
from mutation.mutants import Mutant
from mutation.surveying import ROOMS, ROOT, Reached, Survey, Surveyor, Tracer, file_of
from mutation.swapping import Functions, find_caches, find_functions, swap

_PLUGINS: Final = ("cacheprovider", "anyio", "xdist", "hypothesispytest")
ARGUMENTS: Final = (
    *("-q", "--assert=plain", "--capture=no", "--no-header", "--no-summary", "--tb=line", f"--rootdir={ROOT}"),
    *(argument for plugin in _PLUGINS for argument in ("-p", f"no:{plugin}")),
)


class Verdict(msgspec.Struct, frozen=True, tag=True):
    """What became of a mutant: which test noticed it, or `ended` saying why that is not known.

    It took too much `time`, or came to an end by a `crash`, or has to be met `afresh`, imported anew.
    """

    number: int
    noticed_by: str = ""
    ended: str = ""


class SameExamples:
    """A pytest plugin that lets Hypothesis try the same examples on each mutant, whatever the suite's own profile."""

    def pytest_sessionstart(self) -> None:
        """Come after `conftest.py`."""
        settings.register_profile(
            "mutation", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        settings.load_profile("mutation")


AFRESH: Final = "afresh"
Message: TypeAlias = Survey | Verdict


class Meeting:
    """A pytest plugin in whose session the mutants of functions that are imported already are met."""

    def __init__(self, mutants: Sequence[Mutant], at_once: int, tell: Callable[[Message], None]) -> None:
        self._mutants = mutants
        self._at_once = at_once
        self._tell = tell
        self._tracer = Tracer({mutant.module for mutant in mutants})

    def run(self, tests: Sequence[str]) -> None:
        """Collect the tests, survey them, and let them meet the mutants."""
        with self._tracer.watching():
            pytest.main([*ARGUMENTS, *tests], plugins=[self, SameExamples()])

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        on_import = dict(self._tracer.lines)
        caches = find_caches(ROOMS)
        (answer,) = farm.run([farm.Job(0, lambda: self._survey(session, caches, on_import), 3600, 7200)], 1)
        survey = self._controlled(msgspec.convert(answer.value, Survey), session, caches)
        self._tell(survey)
        if session.testsfailed or survey.red:
            return True
        functions = find_functions({str(ROOT / mutant.module) for mutant in self._mutants})
        for met in farm.run(self._jobs(session, survey, functions, caches), self._at_once):
            self._tell(_verdict(met))
        return True

    @staticmethod
    def _controlled(survey: Survey, session: pytest.Session, caches: Sequence[Any]) -> Survey:
        """See that the tests pass in the order in which mutants meet them, too: else they would fail for that."""
        order = {test.test: test.seconds for test in survey.tests}
        items = sorted(session.items, key=lambda item: order[item.nodeid])
        (met,) = farm.run([_job(0, survey.tests, partial(_first_failing, items, caches))], 1)
        failed = [met.value or met.ended] if met.value or met.ended else []
        return msgspec.structs.replace(survey, red=[*survey.red, *failed])

    def _survey(self, session: pytest.Session, caches: Sequence[Any], on_import: dict[str, set[int]]) -> Any:
        surveyor = Surveyor(self._tracer, lambda: _clear(caches))
        session.config.pluginmanager.register(surveyor)
        return msgspec.to_builtins(surveyor.survey(session.items, on_import), builtin_types=())

    def _jobs(
        self, session: pytest.Session, survey: Survey, functions: Functions, caches: Sequence[Any]
    ) -> Iterator[farm.Job[int]]:
        items = {item.nodeid: item for item in session.items}
        for number, mutant in enumerate(self._mutants):
            if survey.takes_effect_on_import(mutant):
                self._tell(Verdict(number, ended=AFRESH))
                continue
            tests = survey.reaching(mutant)
            chosen = [items[each.test] for each in tests]
            yield _job(number, tests, partial(_meet, mutant, chosen, functions, caches))


def _verdict(met: farm.Answer[int]) -> Verdict:
    return Verdict(met.label, ended=AFRESH) if met.value == AFRESH else Verdict(met.label, met.value or "", met.ended)


def _job(number: int, tests: Iterable[Reached], work: Callable[[], str]) -> farm.Job[int]:
    seconds = sum(test.seconds for test in tests)
    return farm.Job(number, work, cpu_s=10 + 5 * seconds, wall_s=60 + 20 * seconds)


def _meet(mutant: Mutant, items: Sequence[pytest.Item], functions: Functions, caches: Sequence[Any]) -> str:
    """Return the test that notices a mutant; empty when none does."""
    if not swap(functions, ROOT / mutant.module, mutant.code, mutant.function):
        return AFRESH
    return _first_failing(items, caches)


def _first_failing(items: Sequence[pytest.Item], caches: Sequence[Any]) -> str:
    _clear(caches)
    for item, following in zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return item.nodeid
    return ""


def _clear(caches: Sequence[Any]) -> None:
    for cache in caches:
        cache.cache_clear()


def meet_afresh(mutants: Sequence[Mutant], survey: Survey, at_once: int, numbers: Iterable[int]) -> Iterator[Verdict]:
    """Let the tests meet mutants that take effect on import: in processes that have imported nothing of ours."""
    jobs = (
        _job(number, tests := survey.reaching(mutants[number]), _Afresh(mutants[number], [each.test for each in tests]))
        for number in numbers
    )
    for met in farm.run(jobs, at_once):
        yield _verdict(met)


class _Afresh(MetaPathFinder):
    """A pytest session of its own for one mutant, whose module it lets be imported as mutated."""

    def __init__(self, mutant: Mutant, tests: Sequence[str]) -> None:
        self._file = ROOT / mutant.module
        self._name = ".".join(Path(mutant.module).with_suffix("").parts[1:])
        self._code = mutant.code
        self._order = {test: place for place, test in enumerate(tests)}
        self._noticed_by = ""

    def __call__(self) -> str:
        """Run the session in this process; return the test that notices the mutant."""
        sys.meta_path.insert(0, self)
        files = dict.fromkeys(file_of(test) for test in self._order)
        if not files:
            return ""
        ended = pytest.main([*ARGUMENTS, "-x", *(str(ROOT / file) for file in files)], plugins=[self, SameExamples()])
        return self._noticed_by or ("" if ended == pytest.ExitCode.OK else f"pytest ends with {ended}")

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the one module that is mutated."""
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self._file, loader=_Loader(fullname, str(self._file), self._code))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that may notice, in their order."""
        items[:] = sorted((item for item in items if item.nodeid in self._order), key=lambda it: self._order[it.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which test failed."""
        if report.failed:
            self._noticed_by = report.nodeid


class _Loader(SourceFileLoader):
    """Loads a module with other code."""

    def __init__(self, name: str, file: str, code: str) -> None:
        super().__init__(name, file)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """Compile the code of the mutant."""
        return compile(self._code, self.path, "exec")
