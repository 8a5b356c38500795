"""Target tags that go by several names, and that entries want to fill differently."""

from collections.abc import Sequence

from transship_planner.observed import Sighting, Trouble
from transship_planner.places import Places


def settle_names(sightings: Sequence[Sighting], places: Places) -> tuple[list[Sighting], list[Trouble]]:
    """Take out what contradicts each other under different names of one tag: a trouble each.

    Contradictions under one name are left in: `diff` sees them itself.
    """
    repositories = {sighting.wish.target.repository for sighting in sightings}
    if len({places.repository(repository) for repository in repositories}) == len(repositories):
        return list(sightings), []
    by_place: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        by_place.setdefault(places.reference(sighting.wish.target), []).append(sighting)
    kept: list[Sighting] = []
    troubles: list[Trouble] = []
    for rivals in by_place.values():
        names = {rival.wish.target for rival in rivals}
        wanted = {rival.expected.digest for rival in rivals if rival.expected is not None}
        if len(names) > 1 and len(wanted) > 1:
            troubles.append(_trouble(rivals))
        else:
            kept += rivals
    return kept, troubles


def _trouble(rivals: Sequence[Sighting]) -> Trouble:
    claims = "; ".join(
        f"{rival.wish.entry.mark} ({rival.wish.entry.name}) wants {rival.expected.digest.short} of {rival.wish.source} "
        f"as {rival.wish.target}"
        for rival in rivals
        if rival.expected is not None
    )
    first = rivals[0].wish
    message = f"several entries want different content under one target tag, by several names: {claims}; let one own it"
    return Trouble(first.entry.name, str(first.target), message)
