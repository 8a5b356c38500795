"""Everything found wrong or doubtful while one configuration is read."""

import re
from dataclasses import dataclass, field
from typing import Final

from transship_planner.errors import ConfigError, Finding, Mark

_LONGEST_QUOTE = 60
_SECRETS: Final = "pass|pwd|token|secret|auth|client_?key"
_FOR_SECRET: Final = re.compile(_SECRETS, re.IGNORECASE)
_WITH_SECRET: Final = re.compile(rf"[^:=]*(?:{_SECRETS})[^:=]*[:=]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problems:
    """Collects findings, so that a reader can go on after an error and report all of them at once.

    A thing that is found twice, such as a bad default that many entries inherit, counts once.
    """

    errors: set[Finding] = field(default_factory=set[Finding])
    warnings: set[Finding] = field(default_factory=set[Finding])
    reasons: dict[Mark, tuple[str, str]] = field(default_factory=dict[Mark, tuple[str, str]])

    def error(self, mark: Mark, message: str) -> None:
        """Note something that makes the configuration unusable."""
        self.errors.add(Finding(mark, message))

    def warn(self, mark: Mark, message: str) -> None:
        """Note something doubtful that stops nothing."""
        self.warnings.add(Finding(mark, message))

    def suspect(self, mark: Mark, path: str, reason: str) -> None:
        """Note what may be why the value at `path` is wrong; on its own it is a warning."""
        self.reasons[mark] = (path, reason)

    def check(self) -> None:
        """Raise `ConfigError` with every error noted so far, if there is one."""
        self._give_reasons()
        if self.errors:
            raise ConfigError(*self.errors)

    def _give_reasons(self) -> None:
        """Put each reason behind what was found at its place, or make a warning of it when nothing was."""
        for mark, (path, reason) in self.reasons.items():
            there = [(kind, each) for kind in (self.errors, self.warnings) for each in kind if each.mark == mark]
            for kind, finding in there:
                kind.remove(finding)
                kind.add(Finding(mark, f"{finding.message}; {reason}"))
            if not there:
                self.warn(mark, f"{path}: {reason}, so that nothing stands in its place")
        self.reasons.clear()


def quote(text: str) -> str:
    """Return user's text for a message: on one line, and no longer than a line bears."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def is_for_secret(key: str) -> bool:
    """Whether what stands under this key may be a secret, and is not to be shown."""
    return _FOR_SECRET.search(key) is not None


def quote_key(key: str) -> str:
    """Return a user's key for a message; without the value that belongs to `pass:value`, which is one word to YAML."""
    found = _WITH_SECRET.match(key)
    return quote(f"{found[0]}…" if found else key)
