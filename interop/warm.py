"""Run transship many times and load it once: each run is a process of its own, forked from one that has loaded it.

Loading takes longer than most situations do. Nothing else is spared: a run has its own arguments, environment, working
directory, streams and exit code, and goes in at the door of the program.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from support.program import Done, environment

Run: TypeAlias = Callable[..., Done]
"""A way to run transship: `Warm.transship`, or `support.program.transship`."""

_FORKING: Final = Path(__file__).with_name("forking.py")


class Warm:
    """The process that has loaded transship, from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(_FORKING)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate()

    def transship(self, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
        """Run transship to its end, as `support.program.transship` does."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            run = {
                "arguments": [str(argument) for argument in arguments],
                "cwd": str(cwd),
                "env": environment(env),
                "out": str(out),
                "err": str(err),
            }
            self._process.stdin.write(f"{json.dumps(run)}\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Done(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
