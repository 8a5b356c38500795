"""The planner's branches of the error tree (drawn in `transship_registry.errors`)."""

from collections.abc import Iterable
from dataclasses import dataclass

from typing_extensions import override

from transship_registry.errors import TransshipError


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where in a configuration file something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, or doubtful, in a configuration file."""

    mark: Mark
    message: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.message}"


class ConfigError(TransshipError):
    """A configuration that cannot be used; `findings` holds everything that is wrong with it, in file order."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("\n".join(str(finding) for finding in self.findings))

    @property
    @override
    def lines(self) -> tuple[str, ...]:
        """The findings."""
        return tuple(map(str, self.findings)) or super().lines


class MissingConfigError(ConfigError):
    """No configuration was named, and none was found."""

    def __init__(self, expected: Iterable[str]) -> None:
        super().__init__()
        self.args = (f"there is no configuration: name one with -c, or put one of {', '.join(expected)} here",)


class PlanError(TransshipError):
    """A plan that may not be used."""


class TamperedPlanError(PlanError):
    """A plan file whose contents do not have the digest it carries."""


class StalePlanError(PlanError):
    """A plan that was made against another world: expired, another configuration, another state."""


class ForeignPlanError(PlanError):
    """A plan that does what the configuration could not have planned, or that contradicts itself."""


class UnsafePlanError(PlanError):
    """A plan that a safety limit or a policy refuses."""
