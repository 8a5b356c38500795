"""Find the tags that entries are about, by the lists of repositories and tags.

Other questions are asked only where a rule depends on the answer: dates for `keep_last`, digests for `os_normalize`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never

from transship_planner.asking import for_each
from transship_planner.desired import (
    Comparison,
    Entry,
    ImageScope,
    RegistryScope,
    RepositoryScope,
    Scope,
)
from transship_planner.names.layouts import name_image, name_source
from transship_planner.names.naming import Named, name_target
from transship_planner.names.twins import twin_digests
from transship_planner.observation.dating import Dates
from transship_planner.observation.observed import Trouble, Wish
from transship_planner.observation.reading import OnceReader
from transship_planner.places import Places
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError, NotFoundError, TransshipError
from transship_registry.ports import WholeTagList
from transship_registry.reference import Reference, Repository

_WAY_OUT: Final = "let repos leave it out"


@dataclass(frozen=True, slots=True)
class Listing:
    """What the lists say: the tags to ask about, and those known to be present already."""

    wishes: tuple[Wish, ...] = ()
    existing: tuple[Wish, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()


def joined(listings: Iterable[Listing]) -> Listing:
    """Make one listing of several."""
    listings = tuple(listings)
    return Listing(
        tuple(wish for listing in listings for wish in listing.wishes),
        tuple(wish for listing in listings for wish in listing.existing),
        tuple(trouble for listing in listings for trouble in listing.troubles),
        tuple(warning for listing in listings for warning in listing.warnings),
    )


class Lister:
    """Lists what entries select; with `missing`, target tags that exist are as they should be."""

    def __init__(self, reader: OnceReader, places: Places, dates: Dates, *, missing: bool) -> None:
        self._reader = reader
        self._tags = reader.list_tags
        self._places = places
        self._dates = dates
        self._missing = missing

    async def list_entry(self, entry: Entry) -> Listing:
        """Find the tags that an entry is about."""
        match entry.scope:
            case ImageScope(source, target) if not entry.os_normalize and not source.repository.is_layout:
                return Listing((self._wish(entry, source, target),))
            case _:
                try:
                    return await self._list_scope(entry, entry.scope)
                except TransshipError as error:
                    return Listing(troubles=(Trouble(entry.name, scope_name(entry.scope), str(error)),))

    async def _list_scope(self, entry: Entry, scope: Scope) -> Listing:
        match scope:
            case ImageScope(source, target):
                source = await name_image(self._tags, source, target.repository)
                if not entry.os_normalize:
                    return Listing((self._wish(entry, source, target),))
                return await self._list_renamed(entry, ImageScope(source, target))
            case RepositoryScope():
                return await self._list_repository(entry, scope)
            case RegistryScope():
                return await self._list_registry(entry, scope)
            case _:
                assert_never(scope)

    async def _list_registry(self, entry: Entry, scope: RegistryScope) -> Listing:
        """List the chosen repositories; one that cannot be listed is a trouble and does not stop the others."""
        listed = await self._reader.list_repositories(scope.source)
        chosen = [name for name in listed.tags if scope.selects(name)]
        about_list = Listing(warnings=_named(entry, listed.warnings))
        if not chosen:
            warning = f"{entry.name}: no repository of {scope.source} matches ({len(listed.tags)} listed)"
            return joined((about_list, Listing(warnings=(warning,))))

        async def list_one(name: str) -> Listing:
            try:
                repository = scope.repository(name)
                if self._places.is_below(repository.source, scope.target):
                    message = f"it lies below the target {scope.target}: each run would mirror the mirror; {_WAY_OUT}"
                    return Listing(troubles=(Trouble(entry.name, str(repository.source), message),))
                return await self._list_repository(entry, repository)
            except TransshipError as error:
                return Listing(troubles=(Trouble(entry.name, f"{scope.source}/{name}", str(error)),))

        return joined((about_list, *await for_each(chosen, list_one)))

    async def _list_renamed(self, entry: Entry, scope: ImageScope) -> Listing:
        listed = await self._tags(scope.source.repository)
        digests = await self._twins(scope.source.repository, [scope.target.identifier], listed)
        name = name_target(entry, scope.source, scope.target.repository, listed, digests)
        wish = self._wish(entry, scope.source, name.target)
        return Listing((wish,), warnings=_named(entry, (name.warning,)))

    async def _list_repository(self, entry: Entry, scope: RepositoryScope) -> Listing:
        named = await name_source(self._tags, scope.source, scope.target)
        scope = replace(scope, source=named.repository)
        listed = await self._tags(scope.source)
        about_list = Listing(warnings=_named(entry, (*named.warnings, *listed.warnings)))
        return joined((about_list, await self._select(entry, scope, listed)))

    async def _select(self, entry: Entry, scope: RepositoryScope, listed: WholeTagList) -> Listing:
        if shortage := scope.selection.shortage(listed.tags):
            return Listing(troubles=(Trouble(entry.name, str(scope.source), shortage),))
        dates = await self._dates.for_selection(scope.selection, scope.source, listed.tags)
        selected = [tag for tag in scope.selection.select(listed.tags, dates) if not entry.copy.leaves_out(tag)]
        if not selected:
            warning = f"{entry.name}: no tag of {scope.source} matches ({len(listed.tags)} listed)"
            return Listing(warnings=(warning,))
        digests = await self._twins(scope.source, selected if entry.os_normalize else (), listed)
        named, troubles = _name_all(entry, scope, selected, listed, digests)
        wishes = [self._wish(entry, source, name.target) for source, name in named.items()]
        existing = await self._existing(wishes)
        return Listing(
            tuple(wish for wish in wishes if wish.target not in existing),
            tuple(wish for wish in wishes if wish.target in existing),
            troubles=troubles,
            warnings=_named(entry, (name.warning for name in named.values())),
        )

    async def _twins(self, repository: Repository, selected: Iterable[str], tags: WholeTagList) -> Mapping[str, Digest]:
        return await twin_digests(self._reader.head_manifest, repository, selected, tags)

    def _wish(self, entry: Entry, source: Reference, target: Reference) -> Wish:
        comparison = Comparison.EXISTENCE if self._missing else entry.copy.comparison_of(target.identifier)
        return Wish(entry, source, target, comparison)

    async def _existing(self, wishes: Iterable[Wish]) -> frozenset[Reference]:
        """Return the targets that need no look, for it is enough that they exist, and the tag lists have them."""
        targets = [wish.target for wish in wishes if wish.comparison is Comparison.EXISTENCE]
        repositories = dict.fromkeys(target.repository for target in targets)
        tags = dict(zip(repositories, await for_each(repositories, self._existing_tags), strict=True))
        return frozenset(target for target in targets if target.identifier in tags[target.repository])

    async def _existing_tags(self, repository: Repository) -> frozenset[str]:
        """Return the tags of a target; a repository that does not exist has none, any other failure is an error."""
        try:
            listed = await self._tags(repository)
        except NotFoundError:
            return frozenset()
        return frozenset(listed.tags)


def _named(entry: Entry, warnings: Iterable[str]) -> tuple[str, ...]:
    """Say of which entry the warnings are; what is empty is none."""
    return tuple(f"{entry.name}: {warning}" for warning in warnings if warning)


def scope_name(scope: Scope) -> str:
    return scope.source if isinstance(scope, RegistryScope) else str(scope.source)


def _name_all(
    entry: Entry,
    scope: RepositoryScope,
    selected: Iterable[str],
    tags: WholeTagList,
    digests: Mapping[str, Digest],
) -> tuple[dict[Reference, Named], tuple[Trouble, ...]]:
    """Return how the selected tags are called at the target; one that gets no name is a trouble of its own."""
    named: dict[Reference, Named] = {}
    troubles: list[Trouble] = []
    for tag in selected:
        try:
            source = scope.source.tag(tag)
            named[source] = name_target(entry, source, scope.target, tags, digests)
        except InvalidReferenceError as error:
            troubles.append(Trouble(entry.name, f"{scope.source}:{tag}", str(error)))
    return named, tuple(troubles)
