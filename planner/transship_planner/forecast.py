"""What applying a plan will cost, told from the content trees alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transship_planner.plan import Action, Change, Forecast, SourcePulls
from transship_registry.reference import Repository

WRITING = frozenset({Action.CREATE, Action.UPDATE})
"""The actions that bring content to a target."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one change adds to the cost of a plan, after everything that earlier changes bring already."""

    blobs: int
    manifests: int
    transfer: int


def shares(changes: Sequence[Change]) -> tuple[Share, ...]:
    """Return each change's share, in the order given.

    A blob is sent once to each target registry (then it is mounted) or layout; a manifest once to each repository.
    """
    sent: set[tuple[str, object]] = set()
    return tuple(_share(change, sent) for change in changes)


def _share(change: Change, sent: set[tuple[str, object]]) -> Share:
    if change.action not in WRITING:
        return Share(0, 0, 0)
    repository = change.target.repository
    blobs = [
        blob.size for blob in change.content.blobs if not blob.present and _first(sent, _store(repository), blob.digest)
    ]
    manifests = [
        manifest.size
        for manifest in change.content.manifests
        if not manifest.present and _first(sent, str(repository), manifest.digest)
    ]
    return Share(len(blobs), len(manifests), sum(blobs) + sum(manifests))


def forecast(changes: Iterable[Change], costs: Iterable[Share]) -> Forecast:
    """Add up the shares, and count the manifests that apply will GET from each source registry."""
    fetched = {
        (change.source.repository, manifest.digest)
        for change in changes
        if change.action in WRITING
        for manifest in change.content.manifests
        if not manifest.present
    }
    pulls = Counter(_store(repository) for repository, _ in fetched)
    costs = tuple(costs)
    return Forecast(
        transfer=sum(share.transfer for share in costs),
        blobs=sum(share.blobs for share in costs),
        manifests=sum(share.manifests for share in costs),
        pulls=tuple(SourcePulls(registry=name, manifests=count) for name, count in sorted(pulls.items())),
    )


def _store(repository: Repository) -> str:
    return str(repository) if repository.is_layout else repository.registry


def _first(sent: set[tuple[str, object]], place: str, digest: object) -> bool:
    if (place, digest) in sent:
        return False
    sent.add((place, digest))
    return True
