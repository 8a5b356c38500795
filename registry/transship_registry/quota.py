"""A quota as a registry states it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a quota is left.

    `limit` and `remaining` count pulls, or requests, in a window of `window_s` seconds; `source` is what the registry
    counts them for (an address or an account). None, or empty, where the registry did not say.
    """

    limit: int | None
    remaining: int
    window_s: int | None = None
    source: str = ""


def left(remaining: int, limit: int | None) -> str:
    """Return what is left for people to read: `83 of 100`, or `83` where the limit is not known."""
    return f"{remaining} of {limit}" if limit is not None else str(remaining)
