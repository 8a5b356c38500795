"""When tags were pushed, as their registry tells it: asked only where a rule depends on it, and of no repository twice.

Docker Hub and Google's registries tell; of the others the names of their tags are all that is learnt.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from transship_planner.asking import Once
from transship_planner.observation.observed import Pushed
from transship_planner.tags.tagrules import Selection
from transship_registry.digest import Digest
from transship_registry.errors import TransshipError
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.reference import Reference, Repository

TakeInventory: TypeAlias = Callable[[Repository], Awaitable[Inventory]]


class Dates:
    """What registries tell about their tags, in one look at the world.

    `digests` is what the tags pointed at by what was told: it may be minutes old. `warnings` say of which repositories
    the dates could not be learnt; one that tells none is no reason for a warning.
    """

    def __init__(self, ask: TakeInventory) -> None:
        self._ask = ask
        self._facts = Once[Repository, _Facts](self._learn)
        self.digests: dict[Reference, Digest] = {}
        self.warnings: dict[Repository, str] = {}

    async def for_selection(
        self, selection: Selection, repository: Repository, tags: Sequence[str]
    ) -> Mapping[str, datetime]:
        """Return the dates that a selection among these tags depends on; none when names and numbers decide alone."""
        if not selection.needs_dates(tags):
            return {}
        facts = await self._facts(repository)
        return {tag: fact.updated for tag, fact in facts.by_tag.items() if fact.updated is not None}

    async def pushed(self, reference: Reference, digest: Digest) -> Pushed | None:
        """Return when the tag was last pushed with this very digest, as far as the registry tells."""
        if reference.tag is None:
            return None
        facts = await self._facts(reference.repository)
        fact = facts.by_tag.get(reference.tag)
        if fact is None or fact.digest != digest or fact.updated is None:
            return None
        return Pushed(fact.updated, facts.told_by)

    async def _learn(self, repository: Repository) -> "_Facts":
        try:
            found = await self._ask(repository)
        except TransshipError as error:
            found = Inventory(tags=(), source=InventorySource.TAGS, problem=str(error))
        if found.problem:
            self.warnings[repository] = (
                f"the push dates of {repository} are not all known: {found.problem}; without them, keep_last orders "
                "tags that are no versions by name, and min_age goes by the state"
            )
        self.digests |= {Reference(repository, fact.tag): fact.digest for fact in found.tags if fact.digest}
        return _Facts({fact.tag: fact for fact in found.tags}, found.source.value)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What an inventory tells of each tag, and what it is called."""

    by_tag: Mapping[str, TagFact]
    told_by: str
