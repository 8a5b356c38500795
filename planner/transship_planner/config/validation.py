"""Checks a configuration without using it: everything that is wrong or doubtful, and nothing contacted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from transship_planner.config.expansion import ReadFile
from transship_planner.config.loader import STDIN, STDIN_NAME, load_noting, read_path, read_stdin
from transship_planner.config.problems import Problems
from transship_planner.desired import Dialect
from transship_planner.errors import ConfigError, Finding


class Severity(Enum):
    """Whether a finding makes the configuration unusable."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found in a file: `findings` are in file order; `dialect` is None when the file is refused."""

    file: str
    findings: tuple[tuple[Finding, Severity], ...]
    dialect: Dialect | None = None
    entries: int = 0

    @property
    def valid(self) -> bool:
        """Whether the file can be used."""
        return self.dialect is not None

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(found is severity for _, found in self.findings)


def validate(
    path: str,
    *,
    environment: Mapping[str, str],
    read_file: ReadFile = read_path,
    stdin: Callable[[], bytes] = read_stdin,
) -> Validation:
    """Load the file at `path`, `-` being standard input, only to see whether it can be."""
    file = STDIN_NAME if path == STDIN else path
    problems = Problems()
    try:
        desired = load_noting(problems, path, environment=environment, read_file=read_file, stdin=stdin)
    except ConfigError as error:
        return Validation(file, _in_order(error.findings, problems))
    return Validation(file, _in_order((), problems), desired.dialect, len({entry.name for entry in desired.entries}))


def _in_order(errors: tuple[Finding, ...], problems: Problems) -> tuple[tuple[Finding, Severity], ...]:
    found = [(finding, Severity.ERROR) for finding in errors]
    found += [(finding, Severity.WARNING) for finding in problems.warnings]
    return tuple(sorted(found, key=lambda item: (item[0].mark, item[1].value, item[0].message)))
