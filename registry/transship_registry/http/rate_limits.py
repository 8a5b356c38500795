"""What response headers say about quotas and about when to come back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_QUOTA = re.compile(r"\s*(\d{1,15})(?!\d)\s*(?:;\s*w=(\d{1,15})(?!\d))?")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_UNIX_TIME = 1_000_000_000
"""A number this large is a moment, not a delay: Docker Hub's `X-Retry-After` (https://github.com/docker/docs/issues/22916)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A quota as the registry last stated it.

    `limit` and `remaining` count requests in a window of `window_s` seconds; `source` is what the registry counts them
    for (an address or an account). None where the registry did not say.
    """

    limit: int | None
    remaining: int
    window_s: int | None = None
    source: str = ""


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Read the quota headers (`ratelimit-remaining: 76;w=21600`, or `x-ratelimit-*`); None without a usable one."""
    for prefix in ("ratelimit-", "x-ratelimit-"):
        remaining = _QUOTA.match(headers.get(f"{prefix}remaining", ""))
        if remaining is None:
            continue
        limit = _QUOTA.match(headers.get(f"{prefix}limit", ""))
        window = remaining[2] or (limit[2] if limit else None)
        return RateLimit(
            limit=int(limit[1]) if limit else None,
            remaining=int(remaining[1]),
            window_s=int(window) if window else None,
            source=headers.get("docker-ratelimit-source", ""),
        )
    return None


def read_retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Return for how many seconds to stay away; None when the registry did not say.

    `Retry-After` is in seconds or an HTTP date (RFC 9110 § 10.2.3); `wall` is the Unix time to count a date from.
    """
    for name in ("retry-after", "x-retry-after"):
        text = headers.get(name, "").strip()
        if text:
            return _delay(text, wall)
    return None


def _delay(text: str, wall: float) -> float | None:
    if _SECONDS.fullmatch(text):
        number = float(text)
        return max(0.0, number - wall) if number >= _UNIX_TIME else number
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall)
    except (ValueError, OverflowError):
        return None
