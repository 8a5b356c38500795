"""Find out what is left of the pull quotas of the registries that a plan will read from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transship_planner.asking import for_each
from transship_planner.observation.observed import Sighting
from transship_registry.errors import TransshipError
from transship_registry.ports import RegistryReader
from transship_registry.quota import Quota
from transship_registry.reference import DOCKER_HUB, Reference


@dataclass(frozen=True, slots=True, order=True)
class _Pull:
    """A manifest that will be read because of a source tag; `is_spared` when the entry's `ratelimit` looks there."""

    tag: Reference
    manifest: Reference
    is_spared: bool


async def look_at_quotas(coming: Iterable[Sighting], reader: RegistryReader) -> Mapping[str, Quota]:
    """Return the quotas by registry, as they are after all the pulls that planning itself took.

    `coming` is what will be changed or refreshed. What a registry has stated in passing is not asked again. Otherwise
    one HEAD is spent on Docker Hub, and on a registry that an entry with `ratelimit` reads from. One that fails tells
    nothing: a forecast is no reason to stop.
    """
    sources: defaultdict[str, list[_Pull]] = defaultdict(list)
    for pull in sorted(pull for sighting in coming for pull in _pulls(sighting)):
        sources[pull.manifest.repository.registry].append(pull)
    found = await for_each(sources.values(), lambda pulls: _look(pulls, reader))
    return {registry: quota for registry, quota in zip(sources, found, strict=True) if quota is not None}


def _pulls(sighting: Sighting) -> Iterator[_Pull]:
    """Yield what will be read: the image, and what is attached to it, which may lie in another registry."""
    source, spares = sighting.wish.source, bool(sighting.wish.entry.timing.ratelimit_min)
    read = [(source.repository, sighting.source)] if sighting.is_changing or sighting.lost else []
    read += [(each.node.repository, each.node.descriptor) for each in sighting.attached if not each.present]
    for repository, descriptor in read:
        if descriptor is not None and not repository.is_layout:
            is_spared = spares and repository.registry == source.repository.registry
            yield _Pull(source, repository.at(descriptor.digest), is_spared)


async def _look(pulls: Sequence[_Pull], reader: RegistryReader) -> Quota | None:
    first = pulls[0].manifest
    stated = reader.stated_quota(first.repository)
    matters = first.repository.registry == DOCKER_HUB or any(pull.is_spared for pull in pulls)
    if stated is not None or not matters:
        return stated
    with suppress(TransshipError):
        return await reader.pull_quota(first)
    return None
