"""Have something happen inside a run of the program at a point that is chosen by name, and not by time."""

import signal
from dataclasses import dataclass
from pathlib import Path

_SITE = """\
import os, sys

struck = []

def strike(event, arguments):
    if not struck and event == {event!r} and arguments and str(arguments[0]).endswith({name!r}):
        struck.append(event)
        {deed}

sys.addaudithook(strike)
"""


@dataclass(frozen=True)
class Point:
    """The first audit event of a kind whose first argument ends so: a module is imported, a file is opened."""

    event: str
    name: str


def interfere(folder: Path, point: Point, deed: str) -> dict[str, str]:
    """Return the environment in which a run does `deed`, a line of Python, at a point."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE.format(event=point.event, name=point.name, deed=deed))
    return {"PYTHONPATH": str(site)}


def send(number: signal.Signals) -> str:
    """Return the deed of sending the process a signal."""
    return f"os.kill(os.getpid(), {number.value})"
