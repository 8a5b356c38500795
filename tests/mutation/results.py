"""What became of each mutant: kept in a file for each module, so that a later run can go on from there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from tabulate import tabulate

from mutation.mutants import Key, Mutant
from mutation.session import Verdict
from mutation.surveying import ROOT

FOLDER: Final = ROOT / "build" / "mutation"
_COLUMNS: Final = ("tried", "killed", "timed out", "crashed", "listed", "survived")
_ENDED: Final = {"time": "timed out", "crash": "crashed"}


class Result(msgspec.Struct, frozen=True):
    """What became of a mutant: `killed`, `timed out`, `crashed` or `survived`, and by which test it was noticed."""

    module: str
    place: str
    was: str
    now: str
    line: int
    outcome: str
    by: str = ""

    @property
    def key(self) -> Key:
        """What the mutant is recognised by."""
        return self.module, self.place, self.was, self.now

    def __str__(self) -> str:
        return f"{self.outcome}: {self.module}:{self.line} {self.place}\n  - {self.was}\n  + {self.now}"


def result_of(mutant: Mutant, verdict: Verdict) -> Result:
    """Say what a verdict means."""
    outcome = _ENDED.get(verdict.ended) or ("killed" if verdict.noticed_by else "survived")
    return Result(*mutant.key, mutant.first, outcome, verdict.noticed_by)


def read(module: str) -> dict[Key, Result]:
    """Return what is known of a module's mutants."""
    path = _path(module)
    found = msgspec.json.decode(path.read_bytes(), type=list[Result]) if path.exists() else []
    return {result.key: result for result in found}


def write(module: str, results: Iterable[Result]) -> None:
    """Keep what is known of a module's mutants."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _path(module).write_bytes(msgspec.json.encode(list(results)))


def _path(module: str) -> Path:
    return FOLDER / f"{module.replace('/', '.')}.json"


def table(results: Iterable[Result], known: Mapping[Key, str]) -> str:
    """Return the figures of each module; `listed` are those that survive for a known reason."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        outcome = "listed" if result.outcome == "survived" and result.key in known else result.outcome
        counts.setdefault(result.module, Counter()).update(["tried", outcome])
    rows = [(module, *(found[column] for column in _COLUMNS)) for module, found in sorted(counts.items())]
    rows.append(("all", *(sum(found[column] for found in counts.values()) for column in _COLUMNS)))
    return tabulate(rows, headers=("module", *_COLUMNS), tablefmt="github")
