"""What a run has learnt and spent at each registry: requests by kind, warnings, the last stated quota."""

import re
from collections import Counter
from dataclasses import dataclass, field

import httpx

from transship_registry.foreign import one_line
from transship_registry.http.rate_limits import read_pull_quota, read_rate_limit
from transship_registry.quota import Quota

_WARNING = re.compile(r'299\s+\S+\s+"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class RegistryWarning:
    """What a registry wants its users to know (distribution-spec § Warnings)."""

    registry: str
    text: str


@dataclass(eq=False, slots=True)
class Counters:
    """Counts of one registry; `requests` counts every request that was sent, repeated ones too, by kind.

    `rate_limit` is the last quota stated, of whatever kind, `pull_quota` the last one of pulls.

    The kinds are those of the errors' `attempted` ("HEAD manifest", "GET blob", …), "GET token" and "follow redirect".
    """

    registry: str
    requests: Counter[str] = field(default_factory=Counter[str])
    rate_limit: Quota | None = None
    pull_quota: Quota | None = None
    warnings: dict[RegistryWarning, None] = field(default_factory=dict[RegistryWarning, None])

    def note_request(self, kind: str) -> None:
        """Count a request."""
        self.requests[kind] += 1

    def note_headers(self, headers: httpx.Headers) -> None:
        """Keep the quotas and the warnings that an answer of the registry itself states."""
        self.rate_limit = read_rate_limit(headers) or self.rate_limit
        self.pull_quota = read_pull_quota(headers) or self.pull_quota
        for text in _WARNING.findall(", ".join(headers.get_list("warning"))):
            self.warnings[RegistryWarning(self.registry, one_line(re.sub(r"\\(.)", r"\1", text)))] = None
