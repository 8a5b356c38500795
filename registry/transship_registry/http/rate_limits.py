"""What response headers say about quotas and about when to come back."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from transship_registry.quota import Quota

_QUOTA = re.compile(r"\s*(\d{1,15})(?!\d)\s*(?:;\s*w=(\d{1,15})(?!\d))?")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_UNIX_TIME = 1_000_000_000
"""A number this large is a moment, not a delay: Docker Hub's `X-Retry-After` (https://github.com/docker/docs/issues/22916)."""


def read_rate_limit(headers: Mapping[str, str]) -> Quota | None:
    """Read the quota headers, of pulls or else of requests (`x-ratelimit-*`); None without a usable one."""
    return read_pull_quota(headers) or _read_quota(headers, "x-ratelimit-")


def read_pull_quota(headers: Mapping[str, str]) -> Quota | None:
    """Read what is left of the pulls: `ratelimit-remaining: 76;w=21600`, or `76`; None without a usable header."""
    return _read_quota(headers, "ratelimit-")


def _read_quota(headers: Mapping[str, str], prefix: str) -> Quota | None:
    remaining = _QUOTA.match(headers.get(f"{prefix}remaining", ""))
    if remaining is None:
        return None
    limit = _QUOTA.match(headers.get(f"{prefix}limit", ""))
    window = remaining[2] or (limit[2] if limit else None)
    return Quota(
        limit=int(limit[1]) if limit else None,
        remaining=int(remaining[1]),
        window_s=int(window) if window else None,
        source=headers.get("docker-ratelimit-source", ""),
    )


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
