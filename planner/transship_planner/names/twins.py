"""Which versioned tags have the content of a tag that only names an operating system (semantics A6.3)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

from transship_planner.asking import for_each
from transship_planner.names.normalise import os_candidates
from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor
from transship_registry.ports import WholeTagList
from transship_registry.reference import Reference, Repository

LOOKS: Final = 16
"""How many versions are looked at, from the highest down; what floats on an older one gets the highest."""

Head: TypeAlias = Callable[[Reference], Awaitable[Descriptor | None]]


async def twin_digests(
    head: Head, repository: Repository, selected: Iterable[str], tags: WholeTagList
) -> Mapping[str, Digest]:
    """Return the digests that decide about the names of the selected tags, as far as they had to be asked for.

    Nothing is asked about a tag for whose version there is no choice, and nothing more once its twin is found.
    """
    found: dict[str, Digest] = {}

    async def digest(tag: str) -> Digest | None:
        descriptor = await head(repository.tag(tag))
        if descriptor is not None:
            found[tag] = descriptor.digest
        return found.get(tag)

    async def look(tag: str) -> None:
        candidates = os_candidates(tag, tags.tags)
        if len(candidates) < 2 or (own := await digest(tag)) is None:
            return
        for candidate in candidates[:LOOKS]:
            if await digest(candidate) == own:
                return

    await for_each(dict.fromkeys(selected), look)
    return found
