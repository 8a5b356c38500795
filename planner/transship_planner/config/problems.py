"""Everything found wrong or doubtful while one configuration is read."""

from dataclasses import dataclass, field

from transship_planner.errors import ConfigError, Finding, Mark

_LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class Problems:
    """Collects findings, so that a reader can go on after an error and report all of them at once.

    A thing that is found twice, such as a bad default that many entries inherit, counts once.
    """

    errors: set[Finding] = field(default_factory=set[Finding])
    warnings: set[Finding] = field(default_factory=set[Finding])

    def error(self, mark: Mark, message: str) -> None:
        """Note something that makes the configuration unusable."""
        self.errors.add(Finding(mark, message))

    def warn(self, mark: Mark, message: str) -> None:
        """Note something doubtful that stops nothing."""
        self.warnings.add(Finding(mark, message))

    def check(self) -> None:
        """Raise `ConfigError` with every error noted so far, if there is one."""
        if self.errors:
            raise ConfigError(*self.errors)


def quote(text: str) -> str:
    """Return user's text for a message: on one line, and no longer than a line bears."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")
