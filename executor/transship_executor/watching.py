"""What an apply tells while it runs: the port for progress bars, log lines and records of what was done."""

from dataclasses import dataclass
from typing import Protocol

from transship_executor.outcome import Result
from transship_planner.plans.plan import Change
from transship_registry.quota import Quota


@dataclass(frozen=True, slots=True)
class Delay:
    """Why a change waits: its source's `quota` has less than `least` left; it is looked at again in `again_s` seconds.

    `is_known` when another change waits for the same reason, and has been told of.
    """

    quota: Quota
    least: int
    again_s: float
    is_known: bool = False


class Watcher(Protocol):
    """Somebody who is told what happens, as it happens; methods must return at once."""

    def change_started(self, change: Change) -> None:
        """A change is being worked on."""
        ...

    def change_delayed(self, change: Change, delay: Delay) -> None:
        """A change waits for its source's quota."""
        ...

    def bytes_sent(self, change: Change, count: int) -> None:
        """So many more bytes of blobs went to the target."""
        ...

    def change_ended(self, result: Result) -> None:
        """A change has ended, well or not."""
        ...


class Silent:
    """A watcher that does nothing."""

    def change_started(self, change: Change) -> None:
        """Ignore it."""

    def change_delayed(self, change: Change, delay: Delay) -> None:
        """Ignore it."""

    def bytes_sent(self, change: Change, count: int) -> None:
        """Ignore it."""

    def change_ended(self, result: Result) -> None:
        """Ignore it."""
