"""What an apply did, in words."""

from collections.abc import Iterator

from transship_executor.outcome import Outcome, Status
from transship_planner.render.wording import plural, size

_TOLD = {
    Status.CONFLICT: "conflict",
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.NOT_STARTED: "not done",
}


def render_outcome(outcome: Outcome) -> str:
    """Return a line for each change that is not done, then the totals."""
    return "\n".join(_lines(outcome)) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    for result in outcome.results:
        if result.status in _TOLD:
            about = "" if result.status is Status.CONFLICT else f"{result.change.target}: "
            yield f"{_TOLD[result.status]}: {about}{result.message}"
        yield from (f"warning: {warning}" for warning in result.warnings)
    yield from (f"hook failed: {failure}" for failure in outcome.failed_hooks)
    if outcome.interrupted:
        yield "Interrupted. Apply the same plan again to go on; no tag points at incomplete content."
    counts = [f"{outcome.count(Status.DONE)} applied", f"{outcome.count(Status.ALREADY)} already as planned"]
    counts += [f"{count} {words}" for status, words in _TOLD.items() if (count := outcome.count(status))]
    counts += [f"{plural(len(outcome.failed_hooks), 'hook')} failed"] if outcome.failed_hooks else []
    yield f"Apply: {', '.join(counts)}."
    traffic = outcome.traffic
    if traffic.manifests:
        yield (
            f"Transferred {size(traffic.sent)} in {plural(traffic.blobs_sent, 'blob')}; "
            f"{traffic.blobs_mounted} mounted, {traffic.blobs_present} already there; "
            f"{plural(traffic.manifests, 'manifest')} written."
        )
    elif outcome.results and not outcome.count(Status.FAILED) and not outcome.interrupted:
        yield "Nothing was written."
