"""Run the unit tests with other Pythons or other versions of the dependencies than those of `.venv`.

    unit_tests.py pythons    with each supported Python that this machine has, but that of `.venv`, which runs all tests
    unit_tests.py lowest     with the lowest versions that pyproject.toml declares, on the oldest Python

Unit tests are those of the rooms, and those of hostile surroundings.
tests/integration and tests/house run once, on one Python.
A Python that is missing is a line of the report and no failure, since machines differ.
"""

import argparse
import subprocess
import sys
from typing import Final

from pythons import LOCKS, ROOT, VERSIONS, environment, find_python

UNIT: Final = ("tests/registry", "tests/state", "tests/planner", "tests/executor", "tests/cli", "tests/hostile")
_HERE: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"


def main() -> None:
    """Run what was asked for; exit 1 when a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pythons", "lowest"])
    if parser.parse_args().what == "lowest":
        report = {"lowest": _run("lowest", VERSIONS[0], "lowest")}
    else:
        report = {each: _run(each, each, "test") for each in VERSIONS if each != _HERE}
        report[_HERE] = "not run here: it is the Python of .venv, with which `make test` runs all tests"
    print("\nThe unit tests with")
    for name in sorted(report):
        print(f"  {name:<8}{report[name]}")
    if any(said.startswith("FAILED") for said in report.values()):
        sys.exit(1)


def _run(name: str, version: str, lock: str) -> str:
    """Run the unit tests in an environment, and say how they ended."""
    interpreter = find_python(version)
    if interpreter is None:
        return f"NOT RUN: this machine has no Python {version} (looked on PATH and among those of pyenv and uv)"
    print(f"\nThe unit tests with {name}: {interpreter}, {lock}.txt", flush=True)
    python = environment(name, interpreter, LOCKS / f"{lock}.txt")
    done = subprocess.run([python, "-m", "pytest", "-n", "auto", *UNIT], cwd=ROOT, check=False)
    return "passed" if done.returncode == 0 else f"FAILED (pytest ended with {done.returncode})"


if __name__ == "__main__":
    main()
