"""What applying a plan will cost, told from the content trees alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from transship_planner.plan import Action, Change, ContentTree, Forecast, SourcePulls
from transship_registry.reference import Repository

WRITING = frozenset({Action.CREATE, Action.UPDATE, Action.REFRESH})
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
    blobs: list[int] = []
    manifests: list[int] = []
    for _, target, content in _brought(change):
        blobs += [blob.size for blob in content.blobs if not blob.present and _first(sent, _store(target), blob.digest)]
        manifests += [
            manifest.size
            for manifest in content.manifests
            if not manifest.present and _first(sent, str(target), manifest.digest)
        ]
    return Share(len(blobs), len(manifests), sum(blobs) + sum(manifests))


def _brought(change: Change) -> Iterator[tuple[Repository, Repository, ContentTree]]:
    """Return what a change copies, the image first, and from where to where."""
    if change.action in WRITING:
        yield change.source.repository, change.target.repository, change.content
        yield from ((each.source, each.target, each.content) for each in change.attached if not each.present)


def forecast(changes: Iterable[Change], costs: Iterable[Share]) -> Forecast:
    """Add up the shares, and count the manifests that apply will GET from each source registry."""
    fetched = {
        (source, manifest.digest)
        for change in changes
        for source, _, content in _brought(change)
        for manifest in content.manifests
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
