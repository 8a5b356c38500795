"""The tools that run tests elsewhere say what they did not run, and never call red what is not ours."""

from pathlib import Path

import pytest

import newest
import unit_tests
from pythons import find_python


def interpreter(path: Path, says: str) -> Path:
    """Write a program that answers like a Python of that version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a machine on which there is no Python."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    return tmp_path


def test_a_python_on_path_is_taken_first(machine: Path) -> None:
    """What the user calls by its name is meant."""
    on_path = interpreter(machine / "bin" / "python3.14", "echo 3.14")
    interpreter(machine / "pyenv" / "versions" / "3.14.1" / "bin" / "python", "echo 3.14")
    assert find_python("3.14") == on_path


def test_a_program_that_only_stands_for_a_python_is_passed_over(machine: Path) -> None:
    """Pyenv leaves programs on PATH that fail when the version is not active; the version itself is found."""
    interpreter(machine / "bin" / "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    interpreter(machine / "pyenv" / "versions" / "3.14.2" / "bin" / "python", "echo 3.14")
    newer = interpreter(machine / "pyenv" / "versions" / "3.14.10" / "bin" / "python", "echo 3.14")
    assert find_python("3.14") == newer


def test_a_python_of_uv_is_found(machine: Path) -> None:
    """Uv keeps its Pythons in a folder of its own."""
    python = interpreter(machine / "uv" / "cpython-3.14.0-linux-x86_64-gnu" / "bin" / "python3.14", "echo 3.14")
    assert find_python("3.14") == python


def test_a_python_that_cannot_make_environments_is_passed_over(machine: Path) -> None:
    """Debian's Python comes without ensurepip when python3-venv is missing."""
    interpreter(machine / "bin" / "python3.14", "echo \"No module named 'ensurepip'\" >&2; exit 1")
    assert find_python("3.14") is None


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("what", ["pythons", "lowest"])
def test_a_missing_python_is_said_and_fails_nothing(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of the report for each that did not run, in words that are seen."""
    monkeypatch.setattr("sys.argv", ["unit_tests.py", what])
    monkeypatch.setattr(unit_tests, "_HERE", "3.12")
    unit_tests.main()
    missing = "NOT RUN: this machine has no Python {} (looked on PATH and among those of pyenv and uv)"
    expected = {
        "pythons": [
            f"  3.11    {missing.format('3.11')}",
            "  3.12    not run here: it is the Python of .venv, with which `make test` runs all tests",
            f"  3.13    {missing.format('3.13')}",
            f"  3.14    {missing.format('3.14')}",
        ],
        "lowest": [f"  lowest  {missing.format('3.11')}"],
    }
    assert capsys.readouterr().out.splitlines()[2:] == expected[what]


def test_a_failure_with_another_python_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report says which, the others run all the same, and the exit code is 1."""
    ends = {"3.11": "passed", "3.12": "FAILED (pytest ended with 1)", "3.13": "passed"}
    monkeypatch.setattr("sys.argv", ["unit_tests.py", "pythons"])
    monkeypatch.setattr(unit_tests, "_HERE", "3.14")

    def run(name: str, version: str, lock: str) -> str:
        return ends[name]

    monkeypatch.setattr(unit_tests, "_run", run)
    with pytest.raises(SystemExit) as caught:
        unit_tests.main()
    assert caught.value.code == 1
    assert "  3.12    FAILED (pytest ended with 1)\n  3.13    passed\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ends", "report"),
    [
        (
            {"install": "passed", "lint": "passed", "types": "passed", "tests": "passed"},
            ["  install  passed", "  lint     passed", "  types    passed", "  tests    passed"],
        ),
        (
            {"install": "passed", "lint": "passed", "types": "FAILED (…)", "tests": "passed"},
            ["  install  passed", "  lint     passed", "  types    FAILED (…)", "  tests    passed"],
        ),
        (
            {"install": "FAILED (…)"},
            ["  install  FAILED (…)", "  lint     not run", "  types    not run", "  tests    not run"],
        ),
    ],
    ids=["green", "types", "nothing to install"],
)
def test_the_newest_versions_are_reported_and_never_fail(
    ends: dict[str, str],
    report: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever they break, the run ends well, and the last line is loud when something is broken."""

    def ended(name: str) -> str:
        return ends[name]

    monkeypatch.setattr(newest, "_ended", ended)
    monkeypatch.setattr(newest, "_differences", lambda: ["attrs 1 → 2"])
    newest.main()
    told = capsys.readouterr().out.splitlines()[1:]
    changed = ["  attrs 1 → 2"] if ends["install"] == "passed" else ["  (none does)"]
    loud = "NOT GREEN with the newest versions: mend it, then `make lock`. The lock itself is not affected."
    assert told[0] == "With the newest versions of today, where they differ from the lock:"
    assert told[1:] == changed + report + ([] if set(ends.values()) == {"passed"} else [loud])
