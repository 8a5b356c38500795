"""Counting pulls in windows of time."""

import threading
from dataclasses import dataclass

from support.registry_server.faults import PullQuota


@dataclass
class _Window:
    quota: PullQuota
    began_at: float
    pulls: int = 0


class Quotas:
    """How many pulls each quota has seen in its present window."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[int, _Window] = {}

    def count(self, quota: PullQuota, now: float, *, counted: bool) -> int:
        """Count a pull, or only look, and return the number of pulls in the window."""
        with self._lock:
            window = self._windows.setdefault(id(quota), _Window(quota, now))
            if now >= window.began_at + quota.window_s:
                window.began_at, window.pulls = now, 0
            window.pulls += counted
            return window.pulls
