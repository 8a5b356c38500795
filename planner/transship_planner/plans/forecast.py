"""What applying a plan will cost, told from the content trees, and whether the sources' quotas are enough for that."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from transship_planner.plans.plan import Action, Change, ContentTree, Forecast, PullQuota, SourcePulls
from transship_planner.render.wording import plural
from transship_registry.quota import Quota, left
from transship_registry.reference import Repository
from transship_registry.sizes import LARGEST

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
    for _, target, content in brought(change):
        blobs += [
            blob.size for blob in content.blobs if not blob.present and _first(sent, store_of(target), blob.digest)
        ]
        manifests += [
            manifest.size
            for manifest in content.manifests
            if not manifest.present and _first(sent, str(target), manifest.digest)
        ]
    return Share(len(blobs), len(manifests), _total((*blobs, *manifests)))


def brought(change: Change) -> Iterator[tuple[Repository, Repository, ContentTree]]:
    """Yield what a change copies, the image first, as source, target and content."""
    if change.action in WRITING:
        yield change.source.repository, change.target.repository, change.content
        yield from ((each.source, each.target, each.content) for each in change.attached if not each.present)


def forecast(changes: Iterable[Change], costs: Iterable[Share], quotas: Mapping[str, Quota]) -> Forecast:
    """Add up the shares, and count the manifests that apply will GET from each source registry.

    `quotas` are what is left of the pull quotas, by registry, as far as that is known.
    """
    fetched = {
        (source, manifest.digest)
        for change in changes
        for source, _, content in brought(change)
        for manifest in content.manifests
        if not manifest.present
    }
    pulls = Counter(store_of(repository) for repository, _ in fetched)
    costs = tuple(costs)
    return Forecast(
        transfer=_total(share.transfer for share in costs),
        blobs=sum(share.blobs for share in costs),
        manifests=sum(share.manifests for share in costs),
        pulls=tuple(_pulls(name, count, quotas.get(name)) for name, count in sorted(pulls.items())),
    )


def _pulls(registry: str, manifests: int, quota: Quota | None) -> SourcePulls:
    if quota is None:
        return SourcePulls(registry=registry, manifests=manifests)
    seen = PullQuota(
        remaining=quota.remaining, fits=manifests <= quota.remaining, limit=quota.limit, window_s=quota.window_s
    )
    return SourcePulls(registry=registry, manifests=manifests, quota=seen)


def shortages(expected: Forecast, changes: Sequence[Change]) -> Iterator[str]:
    """Say, for each source registry, that its quota is not enough for the plan, and what can be done about it."""
    for pulls in expected.pulls:
        if pulls.quota is not None:
            coming = [change for change in changes if pulls.registry in _read_from(change)]
            yield from _shortage(pulls, pulls.quota, coming)
            yield from _never(pulls, pulls.quota, coming)


def _shortage(pulls: SourcePulls, quota: PullQuota, coming: Iterable[Change]) -> Iterator[str]:
    if quota.fits:
        return
    if all(change.ratelimit and store_of(change.source.repository) == pulls.registry for change in coming):
        advice = "apply will wait for more as ratelimit says; log in for a larger quota, or split the plan"
    else:
        advice = "give the entries ratelimit.min to let apply wait, log in for a larger quota, or split the plan"
    yield (
        f"{pulls.registry}: the plan takes {plural(pulls.manifests, 'manifest pull')}, "
        f"but {left(quota.remaining, quota.limit)} are left; {advice}"
    )


def _never(pulls: SourcePulls, quota: PullQuota, coming: Iterable[Change]) -> Iterator[str]:
    """Name the entries that want more to be left than there ever is."""
    if quota.limit is None:
        return
    spared = (change for change in coming if store_of(change.source.repository) == pulls.registry)
    wants = {(change.entry, change.ratelimit.min) for change in spared if change.ratelimit}
    for entry, least in sorted(wants):
        if least > quota.limit:
            yield (
                f"{entry}: ratelimit.min is {least}, but the whole quota of {pulls.registry} is {quota.limit} pulls, "
                "so nothing would be copied; lower ratelimit.min, or log in for a larger quota"
            )


def _read_from(change: Change) -> frozenset[str]:
    return frozenset(store_of(source) for source, _, content in brought(change) if content.manifests)


def store_of(repository: Repository) -> str:
    """Return within which a blob can be mounted: a registry, or a layout."""
    return str(repository) if repository.is_layout else repository.registry


def _total(sizes: Iterable[int]) -> int:
    """Add up sizes, whoever states them; what is more than a plan can hold is as much as it can."""
    return min(sum(sizes), LARGEST)


def _first(sent: set[tuple[str, object]], place: str, digest: object) -> bool:
    if (place, digest) in sent:
        return False
    sent.add((place, digest))
    return True
