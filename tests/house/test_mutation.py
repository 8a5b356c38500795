"""Mutation testing itself: what is broken, which tests meet it, and the list of what survives."""

import tomllib
from pathlib import Path

import pytest

from mutation import farm
from mutation.mutants import Mutant, mutants_of
from mutation.surveying import Reached, Survey
from mutation.survivors import listed
from mutation.swapping import find_functions, swap

ROOT = Path(__file__).resolve().parents[2]
GROUPS = tomllib.loads((ROOT / "tests/mutation/groups.toml").read_text(encoding="utf-8"))["group"]


def changes(source: str) -> list[tuple[str, str]]:
    """Return what becomes of which line."""
    return [(mutant.was, mutant.now) for mutant in mutants_of("module.py", source)]


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("return a == b", ["return a != b"]),
        ("return a < 3", ["return a <= 3", "return a < 4"]),
        ("return a and b", ["return a or b", "return a", "return b"]),
        ("return not a", ["return a"]),
        ("return a is None", ["return a is not None"]),
        ("return a in {1}", ["return a not in {1}", "return a in {2}"]),
        ("return {a, b}", ["return {b}", "return {a}"]),
        ("return any(a)", ["return any(None)", "return all(a)"]),
        ("a = b(key=c)", ["a = None", "a = b(key=None)"]),
        ("max(a, k=b)", ["pass", "max(None, k=b)", "max(a, k=None)", "max(a)", "min(a, k=b)"]),
        ("sorted(a, k=b)", ["pass", "sorted(None, k=b)", "sorted(a, k=None)", "sorted(a)", "list(a)"]),
        ("return 'text'", ["return 'XXtextXX'"]),
        ('return f"{a} text"', ['return f"{a}XX text"']),
        ("return [x for x in a if x]", ["return [x for x in a if True]", "return [x for x in a if False]"]),
        ("return a if b else c", ["return a if (b) and False else c", "return a if (b) or True else c"]),
        ("b.append(a)", ["pass", "b.append(None)"]),
        ("raise ValueError", ["pass"]),
        ("a += b", ["a = b", "a -= b"]),
        ("a = b", ["a = None"]),
        ("zip(a, b, strict=True)", ["pass", "zip(None, b, strict=True)", "zip(a, None, strict=True)"]),
        ("assert a == b, 'never'", []),
        ("a: int", []),
    ],
)  # fmt: skip
def test_each_decision_is_broken_in_each_way(line: str, mutants: list[str]) -> None:
    """One thing at a time; types and assertions decide nothing."""
    assert sorted(changes(f"def f(a, b, c):\n    {line}\n")) == sorted((line, mutant) for mutant in mutants)


def test_conditions_handlers_locks_and_alternatives_are_broken_too() -> None:
    """What spans several lines is recognised by the lines that differ."""
    source = (
        "def f(a, lock):\n"
        "    if a:\n"
        "        return 1\n"
        "    try:\n"
        "        with lock:\n"
        "            return 2\n"
        "    except ValueError:\n"
        "        return 3\n"
    )
    found = changes(source)
    assert ("if a:", "if True:") in found
    assert ("if a:", "if False:") in found
    assert ("with lock:", "if True:") in found
    assert ("except ValueError:", "except ():") in found
    match = (
        "def f(a):\n    match a:\n        case int() | str():\n            pass\n        case _:\n            pass\n"
    )
    assert ("case int() | str():", "case str():") in changes(match)
    assert ("case int() | str():", "case int():") in changes(match)


def test_a_mutant_knows_where_it_takes_effect() -> None:
    """In a function when that is called; a constant, a field, a default and a decorator's argument on import."""
    source = "A = {1, 2}\n\n\nclass C:\n    b: int = 3\n\n    def f(self, c=4):\n        return [5 for _ in c]\n"
    found = {(mutant.function, mutant.place, mutant.now) for mutant in mutants_of("module.py", source)}
    assert found == {
        ("", "", "A = {2, 2}"),
        ("", "", "A = {1, 3}"),
        ("", "", "A = {2}"),
        ("", "", "A = {1}"),
        ("", "C", "b: int = 4"),
        ("", "C.f", "def f(self, c=5):"),
        ("C.f", "C.f", "return [6 for _ in c]"),
    }


def sample(first: int) -> int:
    """Something to be broken."""
    return first + 1


def test_a_function_that_is_imported_already_does_as_its_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has imported it; a function that the mutant does not have stays as it is."""
    source = Path(__file__).read_text(encoding="utf-8")
    functions = find_functions({__file__})
    monkeypatch.setattr(sample, "__code__", sample.__code__)
    assert swap(functions, Path(__file__), source.replace("first" + " + 1", "first + 2"), "sample")
    assert sample(1) == 3
    assert not swap(functions, Path(__file__), "def other(): pass\n", "sample")


def test_the_tests_that_run_a_line_meet_its_mutants_the_quickest_first() -> None:
    """Then those that run another part of the function; a constant may matter to all."""
    survey = Survey(
        tests=[
            Reached("slow", 2.0, {"m.py": {5}}),
            Reached("quick", 1.0, {"m.py": {5, 6}}),
            Reached("beside", 0.5, {"m.py": {6}}),
            Reached("elsewhere", 0.1, {"m.py": {9}}),
        ],
        on_import={"m.py": {1, 9}},
        red=[],
        loaded=[],
    )
    inside = Mutant("m.py", "f", "f", "a", "b", first=5, last=5, top=5, bottom=6, code="")
    constant = Mutant("m.py", "", "", "a", "b", first=1, last=1, top=0, bottom=0, code="")
    assert [test.test for test in survey.reaching(inside)] == ["quick", "slow", "beside"]
    assert [test.test for test in survey.reaching(constant)] == ["elsewhere", "beside", "quick", "slow"]
    assert [survey.takes_effect_on_import(mutant) for mutant in (inside, constant)] == [False, True]


def test_work_that_comes_to_no_end_is_ended() -> None:
    """Too much time on the processor, a crash, and an answer are told apart."""

    def run_on() -> None:
        while True:
            pass

    def crash() -> None:
        raise ZeroDivisionError

    jobs = [farm.Job(work, work, cpu_s=0, wall_s=60) for work in (run_on, crash, lambda: "done")]
    found = {answer.label: (answer.value, answer.ended) for answer in farm.run(jobs, at_once=3)}
    assert [found[job.label] for job in jobs] == [(None, "time"), (None, "crash"), ("done", "")]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["modules"][0])
def test_the_groups_name_files_that_there_are(group: dict[str, list[str]]) -> None:
    """A module that was renamed is not left out without a word."""
    assert [path for path in (*group["modules"], *group["tests"]) if not (ROOT / path).is_file()] == []


def test_each_listed_survivor_is_a_line_of_its_module_and_has_a_reason() -> None:
    """Whoever changes the line looks at the list again."""
    modules = {module for group in GROUPS for module in group["modules"]}
    for each in listed():
        assert each.module in modules
        assert each.reason
        lines = {line.strip() for line in (ROOT / each.module).read_text(encoding="utf-8").splitlines()}
        for was, now in each.mutants:
            assert was != now
            assert [part for part in was.split(" ⏎ ") if part not in lines] == [], f"{each.module}: {was}"
