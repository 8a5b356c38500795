"""The process that has loaded transship: it reads one run per line, as JSON, forks for it, and answers how it ended."""

import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import transship.applying
import transship.entry
import transship.main
import transship.planning

for name in ("typer._adapters", "pydantic.type_adapter", "zoneinfo", "resource"):  # loaded by its first run otherwise
    importlib.import_module(name)

_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h, which transship never ends with


def serve() -> None:
    """Fork for each run until standard input ends; what transship loads is what has been loaded here."""
    gc.freeze()
    for run in _runs():
        process = os.fork()
        if process == 0:
            _become(run)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _runs() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def _become(run: dict[str, Any]) -> NoReturn:
    """Be the program, as if it had been started with these arguments, streams, environment and working directory."""
    code: object = _CRASHED
    try:
        for number, name in enumerate((os.devnull, run["out"], run["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        os.chdir(run["cwd"])
        os.environ.clear()
        os.environ.update(run["env"])
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
        sys.argv = ["transship", *run["arguments"]]
        code = transship.entry.run()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - or the fork would go on as the one that serves
        traceback.print_exc()
    os._exit(code if isinstance(code, int) else _CRASHED)


if __name__ == "__main__":
    serve()
