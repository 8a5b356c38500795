"""Say how the measured coverage compares with its floor, and how to raise that; `make coverage` runs this last.

coverage itself fails a run below `fail_under`. A test in tests/house sees to it that nobody lowers it.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print one line."""
    measured = float(_total())
    print(comparison(measured, _floor()))


def comparison(measured: float, floor: float) -> str:
    """Return the line: what was measured, the floor, and the new floor where a whole point was gained."""
    said = f"Coverage: {measured:.2f} %, the floor is {floor:g} %."
    if measured >= floor + 1:
        said += f" Raise the floor: set fail_under = {int(measured)} in pyproject.toml."
    return said


def _total() -> str:
    total = [sys.executable, "-m", "coverage", "report", "--format=total", "--precision=2", "--fail-under=0"]
    return subprocess.run(total, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _floor() -> float:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return float(settings["tool"]["coverage"]["report"]["fail_under"])


if __name__ == "__main__":
    main()
