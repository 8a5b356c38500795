"""Write the lock files: what development and CI install, version by version and with hashes.

`make lock` runs this with the uv of `tools/locks/tools.txt`. Plain pip installs the locks, on each Python that is
supported, on x86_64 and aarch64; users' installs go by the ranges of pyproject.toml and not by these.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ROOT / "tools" / "locks"
_OLDEST_PYTHON: Final = "3.11"

_NEWEST: Final = "the newest of that day that pyproject.toml allows"
_LOWEST: Final = "the lowest versions that pyproject.toml declares, with the test tools of test.txt, for Python 3.11"


def main() -> None:
    """Write all locks for one day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date() - timedelta(days=1))
    day: date = parser.parse_args().day
    everything = _compile(day, "pyproject.toml", "--group", "dev")
    _write("dev", day, _NEWEST, everything)
    for name, group in (("run", "build"), ("test", "test")):
        _write(name, day, _NEWEST, _compile(day, "pyproject.toml", "--group", group, constraints=everything))
    _write("tools", day, _NEWEST, _compile(day, "--group", "pyproject.toml:tools"))
    _write("lowest", day, _LOWEST, _lowest(day, everything))


def _lowest(day: date, everything: str) -> str:
    """Lock the declared dependencies at their lowest, and the tools that test them as everywhere else."""
    lowest = _compile(day, "pyproject.toml", "--resolution", "lowest-direct")
    fixed = {name for name, _ in _pins(lowest)}
    others = (pin for name, pin in _pins(everything) if name not in fixed)
    constraints = "\n".join([*(pin for _, pin in _pins(lowest)), *others])
    return _compile(day, "pyproject.toml", "--group", "test", constraints=constraints)


def _pins(lock: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the requirement of each package of a lock, without its hashes."""
    for line in lock.splitlines():
        name, separator, _ = line.partition("==")
        if separator:
            yield name, line.removesuffix("\\").strip()


def _compile(day: date, *what: str, constraints: str = "") -> str:
    """Resolve for all platforms and every Python from the oldest on, as if `day` had just ended."""
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pin for _, pin in _pins(constraints)))
        file.flush()
        done = subprocess.run(
            [*_uv(what), "--exclude-newer", end.isoformat(), "--constraints", file.name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout


def _uv(what: Iterable[str]) -> list[str]:
    wanted = ["--universal", "--python-version", _OLDEST_PYTHON, "--generate-hashes"]
    return ["uv", "--no-config", "pip", "compile", "--quiet", "--no-header", "--no-annotate", *wanted, *what]


def _write(name: str, day: date, what: str, lock: str) -> None:
    header = f"# Locked by `make lock` for {day}: {what}.\n# Do not edit.\n"
    (LOCKS / f"{name}.txt").write_text(header + lock, encoding="utf-8")


if __name__ == "__main__":
    main()
