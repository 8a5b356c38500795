"""What became of a plan, change by change."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from transship_planner.plans.plan import Change


class Status(Enum):
    """How a change ended."""

    DONE = "done"
    ALREADY = "already"
    """The target was as planned before anything was written; this is what a second run finds."""
    CONFLICT = "conflict"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The plan itself says that nothing is to be done (blocked, held)."""
    NOT_STARTED = "not started"
    """The run was interrupted before this change was finished."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was moved: bytes sent to the target, blobs sent, mounted, and found there already; manifests written."""

    sent: int = 0
    blobs_sent: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0
    manifests: int = 0

    @property
    def is_any(self) -> bool:
        """Whether anything was written at a target."""
        return bool(self.blobs_sent or self.blobs_mounted or self.manifests)

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.sent + other.sent,
            self.blobs_sent + other.blobs_sent,
            self.blobs_mounted + other.blobs_mounted,
            self.blobs_present + other.blobs_present,
            self.manifests + other.manifests,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """How one change ended, why when it did not succeed, what it moved, and what was lost on the way (`warnings`)."""

    change: Change
    status: Status
    message: str = ""
    traffic: Traffic = Traffic()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HookFailure:
    """A hook that failed: where it is written, and what became of it. The command itself is nobody's business."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of all changes, in the plan's order; `interrupted` when the run was stopped from outside.

    `failed_hooks` are those that make the run a failure.
    """

    results: Sequence[Result]
    interrupted: bool = False
    failed_hooks: Sequence[HookFailure] = ()

    def count(self, status: Status) -> int:
        """Return how many changes ended so."""
        return sum(result.status is status for result in self.results)

    @property
    def traffic(self) -> Traffic:
        """Everything that was moved."""
        return sum((result.traffic for result in self.results), Traffic())
