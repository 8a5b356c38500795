"""Find out what is left of the pull quotas of the registries that a plan will read from."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from transship_planner.asking import for_each
from transship_planner.observed import Sighting
from transship_registry.errors import TransshipError
from transship_registry.ports import RegistryReader
from transship_registry.quota import Quota
from transship_registry.reference import DOCKER_HUB


async def look_at_quotas(changing: Iterable[Sighting], reader: RegistryReader) -> Mapping[str, Quota]:
    """Return the quotas by registry, as they are after all the pulls that planning itself took.

    What a registry has stated in passing is not asked again. Otherwise one HEAD is spent on Docker Hub, and on a
    registry that an entry with `ratelimit` reads from. One that fails tells nothing: a forecast is no reason to stop.
    """
    sources: dict[str, list[Sighting]] = {}
    for sighting in changing:
        if not sighting.wish.source.repository.is_layout:
            sources.setdefault(sighting.wish.source.repository.registry, []).append(sighting)

    async def look(registry: str) -> Quota | None:
        return await _look(registry, sources[registry], reader)

    found = await for_each(sources, look)
    return {registry: quota for registry, quota in zip(sources, found, strict=True) if quota is not None}


async def _look(registry: str, sightings: Sequence[Sighting], reader: RegistryReader) -> Quota | None:
    first = min(sightings, key=lambda sighting: str(sighting.wish.source))
    stated = reader.stated_quota(first.wish.source.repository)
    matters = registry == DOCKER_HUB or any(sighting.wish.entry.timing.ratelimit_min for sighting in sightings)
    if stated is not None or not matters or first.source is None:
        return stated
    with suppress(TransshipError):
        return await reader.pull_quota(first.wish.source.at(first.source.digest))
    return None
