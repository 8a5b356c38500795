"""What an apply tells while it runs: the port for progress bars, log lines and records of what was done."""

from typing import Protocol

from transship_executor.outcome import Result
from transship_planner.plan import Change


class Watcher(Protocol):
    """Somebody who is told what happens, as it happens; methods must return at once."""

    def change_started(self, change: Change) -> None:
        """A change is being worked on."""
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

    def bytes_sent(self, change: Change, count: int) -> None:
        """Ignore it."""

    def change_ended(self, result: Result) -> None:
        """Ignore it."""
