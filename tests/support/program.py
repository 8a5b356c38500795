"""Run transship as its users do: as a program, with its streams and exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_QUIET = {"DOCKER_CONFIG": "/nonexistent", "NO_PROXY": "*", "PYTHONWARNINGS": "error"}


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "transship", *(str(argument) for argument in arguments)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing of the machine's user is seen."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled modules; compiling them anew doubles the start-up
    return {**kept, **_QUIET, **(extra or {})}


def transship(
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float = 1200,
) -> Done:
    """Run transship to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
