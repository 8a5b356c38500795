"""Run the whole suite and the type checkers with the newest versions of today, and report what they say.

Other people's releases must not turn a clone red, so whatever comes of it the report is printed and the exit code is 0.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from pythons import LOCKS, ROOT, VENVS

_VENV: Final = VENVS / "newest"
_PYTHON: Final = _VENV / "bin" / "python"
_STEPS: Final[dict[str, list[list[str | Path]]]] = {
    "install": [
        [sys.executable, "-m", "venv", "--clear", _VENV],
        [_PYTHON, "-m", "pip", "install", "--quiet", "--upgrade", "pip"],
        [_PYTHON, "-m", "pip", "install", "--quiet", "--editable", ".", "--group", "dev"],
    ],
    "lint": [[_PYTHON, "-m", "ruff", "check", "."]],
    "types": [[_PYTHON, "-m", "mypy"], [_PYTHON, "-m", "pyright", "--pythonpath", _PYTHON]],
    "tests": [[_PYTHON, "-m", "pytest", "-n", "auto"]],
}


def main() -> None:
    """Run each step, and print how they ended."""
    report = {"install": _ended("install")}
    newer = _differences() if report["install"] == "passed" else []
    for name in _STEPS:
        report.setdefault(name, _ended(name) if report["install"] == "passed" else "not run")
    print("\nWith the newest versions of today, where they differ from the lock:")
    print("\n".join(f"  {line}" for line in newer) or "  (none does)")
    for name, said in report.items():
        print(f"  {name:<8} {said}")
    if set(report.values()) != {"passed"}:
        print("NOT GREEN with the newest versions: mend it, then `make lock`. The lock itself is not affected.")


def _ended(name: str) -> str:
    print(f"\n== newest: {name}", flush=True)
    for command in _STEPS[name]:
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            return f"FAILED ({Path(command[0]).name} {' '.join(map(str, command[1:3]))} ended with {done.returncode})"
    return "passed"


def _differences() -> list[str]:
    freeze = [str(_PYTHON), "-m", "pip", "freeze", "--exclude-editable"]
    found = _versions(subprocess.run(freeze, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    locked = _versions((LOCKS / "dev.txt").read_text(encoding="utf-8"))
    changed = sorted(name for name in found if found[name] != locked.get(name))
    return [f"{name} {locked.get(name, '(none)')} → {found[name]}" for name in changed]


def _versions(requirements: str) -> dict[str, str]:
    """Return the version of each package of a list of pins."""
    pins = (line.partition("==") for line in requirements.splitlines() if "==" in line)
    return {name.lower().replace("_", "-"): version.split()[0] for name, _, version in pins}


if __name__ == "__main__":
    main()
