"""What an apply did, in words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from transship_executor.outcome import Outcome, Result, Status
from transship_planner.plans.plan import Action
from transship_planner.render.wording import plural, size
from transship_registry.presentable import joined

_TOLD: Final[Mapping[Status | Action, str]] = {
    Status.CONFLICT: "conflict",
    Status.FAILED: "failed",
    Status.NOT_STARTED: "not done",
    Action.BLOCKED: "blocked",
    Action.HELD: "held",
}


def render_outcome(outcome: Outcome) -> str:
    """Return a line for each change that is not done, then the totals."""
    return joined(outcome_lines(outcome))


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Return the lines of the same; texts from elsewhere are in them as they came."""
    failures: dict[str, list[Result]] = {}
    for result in outcome.results:
        if result.status is Status.FAILED:
            failures.setdefault(result.message, []).append(result)
    for result in outcome.results:
        how = _how(result)
        if how is Status.FAILED:
            yield from _failure(failures.pop(result.message, ()))
        elif how in _TOLD:
            about = "" if how is Status.CONFLICT else f"{result.change.target}: "
            yield f"{_TOLD[how]}: {about}{result.message}"
        yield from (f"warning: {warning}" for warning in result.warnings)
    yield from (f"hook failed: {failure}" for failure in outcome.failed_hooks)
    if outcome.interrupted:
        yield "Interrupted. Apply the same plan again to go on; no tag points at incomplete content."
    counts = [f"{outcome.count(Status.DONE)} applied", f"{outcome.count(Status.ALREADY)} already as planned"]
    ends = Counter(map(_how, outcome.results))
    counts += [f"{ends[how]} {words}" for how, words in _TOLD.items() if ends[how]]
    counts += [f"{plural(len(outcome.failed_hooks), 'hook')} failed"] if outcome.failed_hooks else []
    yield f"Apply: {', '.join(counts)}."
    traffic = outcome.traffic
    if traffic.is_any:
        yield (
            f"Transferred {size(traffic.sent)} in {plural(traffic.blobs_sent, 'blob')}; "
            f"{traffic.blobs_mounted} mounted, {traffic.blobs_present} already there; "
            f"{plural(traffic.manifests, 'manifest')} written."
        )
    elif outcome.results and not outcome.count(Status.FAILED) and not outcome.interrupted:
        yield "Nothing was written."


def _failure(results: Sequence[Result]) -> Iterator[str]:
    """Say once why changes have failed for the same reason, such as a registry that does not answer."""
    if not results:
        return
    first, *others = results
    more = f" and {plural(len(others), 'other change')}" if others else ""
    yield f"{_TOLD[Status.FAILED]}: {first.change.target}{more}: {first.message}"


def _how(result: Result) -> Status | Action:
    """Return how a change ended, or why it was not begun at all."""
    return result.change.action if result.status is Status.SKIPPED else result.status
