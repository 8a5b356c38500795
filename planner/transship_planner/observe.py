"""Ask registries what they hold, and no more than is needed (architecture §2, §11).

Tag lists first, then one HEAD at each side for the tags that remain, then the manifests of what will change.
What cannot be answered becomes a trouble of its entry and does not stop the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from transship_planner.asking import for_each
from transship_planner.attachments import AttachmentLook
from transship_planner.completeness import lost_content
from transship_planner.contents import check_nesting
from transship_planner.dating import Dates
from transship_planner.desired import (
    Comparison,
    Desired,
    Entry,
    ImageScope,
    RegistryScope,
    RepositoryScope,
    Scope,
)
from transship_planner.names.naming import Named, name_target
from transship_planner.observed import Observed, Policy, Selected, Sighting, Trouble, Wish
from transship_planner.places import Places
from transship_planner.plan import Action
from transship_planner.platforms import check_lone_platform, expected_content
from transship_planner.quotas import look_at_quotas
from transship_planner.reading import OnceReader
from transship_planner.rivals import settle_names
from transship_registry.digest import Digest
from transship_registry.errors import (
    InvalidReferenceError,
    NotFoundError,
    RegistryError,
    TransshipError,
)
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import ManifestKind, manifest_kind
from transship_registry.ports import CatalogueReader
from transship_registry.reference import Reference, Repository

_WAY_OUT: Final = "let repos leave it out"


async def observe(
    desired: Desired,
    reader: CatalogueReader,
    *,
    missing: bool = False,
    contents: bool = True,
    policies: Sequence[Policy] = (),
) -> Observed:
    """Look at everything the configuration names.

    With `missing`, a target tag that exists is as it should be, whatever it points at. Without `contents`, no manifest
    is fetched unless a platform has to be selected: that is enough to tell *that* something differs. What one of the
    `policies` restrains is not fetched either, since it will not be copied.
    """
    places = Places(desired.hosts)
    look = _Look(reader, places, missing=missing)
    listings = await for_each(desired.entries, look.list_entry)
    found = await for_each((wish for listing in listings for wish in listing.wishes), look.sight)
    sightings = [_restrained(sighting, policies) for sighting in found if isinstance(sighting, Sighting)]
    troubles = [trouble for listing in listings for trouble in listing.troubles]
    troubles += [trouble for trouble in found if isinstance(trouble, Trouble)]
    sightings, contradictions = settle_names(sightings, places)
    troubles += contradictions
    looked = await for_each(sightings, lambda sighting: look.look_into(sighting, contents=contents))
    sightings = [sighting for sighting in looked if isinstance(sighting, Sighting)]
    troubles += [trouble for trouble in looked if isinstance(trouble, Trouble)]
    coming = [sighting for sighting in sightings if contents and (sighting.is_changing or sighting.needs_refresh)]
    fetched = await for_each(coming, look.fetch)
    lost = {id(sighting) for sighting, trouble in zip(coming, fetched, strict=True) if trouble}
    troubles += [trouble for trouble in fetched if trouble]
    sightings = [sighting for sighting in sightings if id(sighting) not in lost]
    return Observed(
        sightings=tuple(sightings),
        contents=look.contents,
        troubles=tuple(troubles),
        warnings=(*(warning for listing in listings for warning in listing.warnings), *look.dates.warnings.values()),
        told=look.dates.digests,
        quotas=await look_at_quotas((seen for seen in coming if id(seen) not in lost), reader),
        existing=tuple(wish for listing in listings for wish in listing.existing),
    )


async def select(desired: Desired, reader: CatalogueReader) -> Selected:
    """Find the tags that the configuration selects; only the tag lists of the sources are asked for."""
    look = _Look(reader, Places(desired.hosts), missing=False)
    compared = (replace(entry.copy, comparison=Comparison.DIGEST, immutable_tags=()) for entry in desired.entries)
    entries = [replace(entry, copy=rules) for entry, rules in zip(desired.entries, compared, strict=True)]
    listings = await for_each(entries, look.list_entry)
    return Selected(
        wishes=tuple(wish for listing in listings for wish in listing.wishes),
        troubles=tuple(trouble for listing in listings for trouble in listing.troubles),
        warnings=(*(warning for listing in listings for warning in listing.warnings), *look.dates.warnings.values()),
    )


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the tag lists say of one entry: the tags to ask about, and those known to be present already."""

    entry: Entry
    wishes: tuple[Wish, ...] = ()
    existing: tuple[Wish, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()


class _Look:
    """One look at the world, in which nothing is asked twice."""

    def __init__(self, reader: CatalogueReader, places: Places, *, missing: bool) -> None:
        self._reader = reader
        self._places = places
        self._missing = missing
        self._once = OnceReader(reader)
        self._tags = self._once.list_tags
        self._head = self._once.head_manifest
        self._manifest = self._once.get_manifest
        self._attachments = AttachmentLook(self._once)
        self.dates = Dates(reader.inventory)
        self.contents: dict[Digest, Manifest] = {}

    async def list_entry(self, entry: Entry) -> _Listing:
        """Find the tags that an entry is about."""
        match entry.scope:
            case ImageScope(source, target) if not entry.os_normalize:
                return _Listing(entry, (self._wish(entry, source, target),))
            case _:
                try:
                    return await self._list_scope(entry, entry.scope)
                except TransshipError as error:
                    return _Listing(entry, troubles=(Trouble(entry.name, _where(entry.scope), str(error)),))

    async def _list_scope(self, entry: Entry, scope: Scope) -> _Listing:
        match scope:
            case ImageScope():
                return await self._list_renamed(entry, scope)
            case RepositoryScope():
                return await self._list_repository(entry, scope)
            case RegistryScope():
                return await self._list_registry(entry, scope)
            case _:
                assert_never(scope)

    async def _list_registry(self, entry: Entry, scope: RegistryScope) -> _Listing:
        """List the chosen repositories; one that cannot be listed is a trouble and does not stop the others."""
        listed = await self._reader.list_repositories(scope.source)
        if not listed.complete:
            raise RegistryError("list repositories", scope.source, f"the list is incomplete: {listed.problem}")
        chosen = [name for name in listed.tags if scope.selects(name)]
        if not chosen:
            warning = f"{entry.name}: no repository of {scope.source} matches ({len(listed.tags)} listed)"
            return _Listing(entry, warnings=(warning,))

        async def list_one(name: str) -> _Listing:
            try:
                repository = scope.repository(name)
                if self._places.is_below(repository.source, scope.target):
                    message = f"it lies below the target {scope.target}: each run would mirror the mirror; {_WAY_OUT}"
                    return _Listing(entry, troubles=(Trouble(entry.name, str(repository.source), message),))
                return await self._list_repository(entry, repository)
            except TransshipError as error:
                return _Listing(entry, troubles=(Trouble(entry.name, f"{scope.source}/{name}", str(error)),))

        return _joined(entry, await for_each(chosen, list_one))

    async def _list_renamed(self, entry: Entry, scope: ImageScope) -> _Listing:
        listed = await self._tags(scope.source.repository)
        name = name_target(entry, scope.source, scope.target.repository, listed.tags)
        wish = self._wish(entry, scope.source, name.target)
        return _Listing(entry, (wish,), warnings=(f"{entry.name}: {name.warning}",) if name.warning else ())

    async def _list_repository(self, entry: Entry, scope: RepositoryScope) -> _Listing:
        listed = await self._tags(scope.source)
        if not listed.complete:
            message = f"the tag list is incomplete: {listed.problem}"
            return _Listing(entry, troubles=(Trouble(entry.name, str(scope.source), message),))
        if shortage := scope.selection.shortage(listed.tags):
            return _Listing(entry, troubles=(Trouble(entry.name, str(scope.source), shortage),))
        dates = await self.dates.for_selection(scope.selection, scope.source, listed.tags)
        selected = [tag for tag in scope.selection.select(listed.tags, dates) if not entry.copy.leaves_out(tag)]
        if not selected:
            warning = f"{entry.name}: no tag of {scope.source} matches ({len(listed.tags)} listed)"
            return _Listing(entry, warnings=(warning,))
        named, troubles = _name_all(entry, scope, selected, listed.tags)
        wishes = [self._wish(entry, source, name.target) for source, name in named.items()]
        existing = await self._existing(wishes)
        return _Listing(
            entry,
            tuple(wish for wish in wishes if wish.target not in existing),
            tuple(wish for wish in wishes if wish.target in existing),
            troubles=troubles,
            warnings=tuple(f"{entry.name}: {name.warning}" for name in named.values() if name.warning),
        )

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

    async def sight(self, wish: Wish) -> Sighting | Trouble:
        """See what the two tags of a wish point at."""
        try:
            return await self._with_date(self._with_backup(await self._look_at(wish)))
        except TransshipError as error:
            return Trouble(wish.entry.name, str(wish.target), str(error))

    async def _look_at(self, wish: Wish) -> Sighting:
        if wish.comparison is Comparison.EXISTENCE:
            target = await self._head(wish.target)
            if target is not None:
                return Sighting(wish, None, None, target)
        target, source = await for_each((wish.target, wish.source), self._head)
        if source is None:
            raise NotFoundError("HEAD manifest", str(wish.source), "the source has no such tag", status=404)
        if not wish.platforms.wanted:
            return Sighting(wish, source, source, target)
        return await self._select_platforms(wish, source, target)

    def _with_backup(self, sighting: Sighting) -> Sighting:
        """Say where the image is kept that will be replaced, if its entry wants that."""
        rule, target = sighting.wish.entry.backup, sighting.wish.target
        if rule is None or sighting.target is None or not sighting.is_changing:
            return sighting
        backup = rule.reference_for(target)
        if self._places.reference(backup) == self._places.reference(target):
            raise InvalidReferenceError(f"{target}: the backup template gives the target itself, by its name {backup}")
        return replace(sighting, backup=backup)

    async def _with_date(self, sighting: Sighting) -> Sighting:
        """Ask when the source was pushed, if the entry makes that matter."""
        wish, source = sighting.wish, sighting.source
        if not wish.entry.min_age_s or not sighting.is_changing or source is None:
            return sighting
        return replace(sighting, pushed=await self.dates.pushed(wish.source, source.digest))

    async def _select_platforms(self, wish: Wish, source: Descriptor, target: Descriptor | None) -> Sighting:
        where = wish.source.at(source.digest)
        if manifest_kind(source.media_type) is ManifestKind.INDEX:
            expected, reduced = expected_content(await self._manifest(where), wish.platforms, str(wish.source))
            return Sighting(wish, source, expected, target, reduced)
        is_there = target is not None and target.digest == source.digest
        if not is_there and not wish.platforms.index_only:
            await check_lone_platform(self._reader, wish, await self._manifest(where))
        return Sighting(wish, source, source, target)

    async def look_into(self, sighting: Sighting, *, contents: bool) -> Sighting | Trouble:
        """See what belongs to an image beside its tag, if its entry wants that; without `contents` only that something
        is lacking matters.
        """
        rules = sighting.wish.entry.copy
        if not _is_deep(sighting, contents=contents):
            return sighting
        try:
            if rules.force_recursive and sighting.in_sync:
                sighting = replace(sighting, lost=await lost_content(self._once, sighting, self.contents))
            if rules.referrers or rules.digest_tags:
                tags = await self._tags(sighting.wish.source.repository) if rules.digest_tags else None
                sighting = await self._attachments.at(sighting, tags)
        except TransshipError as error:
            return Trouble(sighting.wish.entry.name, str(sighting.wish.target), str(error))
        return sighting

    async def fetch(self, sighting: Sighting) -> Trouble | None:
        """Fetch the manifests of a change: the source's whole tree, the top of what it replaces, what is attached."""
        wish = sighting.wish
        try:
            if sighting.is_changing:
                await self._fetch_image(sighting)
            for each in sighting.attached:
                if not each.present:
                    await self._fetch_tree(each.node.repository.at(each.node.descriptor.digest), frozenset(), depth=0)
        except TransshipError as error:
            return Trouble(wish.entry.name, str(wish.source), str(error))
        return None

    async def _fetch_image(self, sighting: Sighting) -> None:
        wish = sighting.wish
        held = await self._fetch_before(sighting)
        if sighting.reduced is not None:
            self.contents[sighting.reduced.digest] = sighting.reduced
            await self._fetch_children(wish.source.repository, sighting.reduced, held, depth=1)
        elif sighting.expected is not None:
            await self._fetch_tree(wish.source.at(sighting.expected.digest), held, depth=0)

    async def _fetch_before(self, sighting: Sighting) -> frozenset[Digest]:
        if sighting.target is None:
            return frozenset()
        before = await self._manifest(sighting.wish.target.at(sighting.target.digest))
        self.contents[before.digest] = before
        return frozenset(child.digest for child in before.children)

    async def _fetch_tree(self, reference: Reference, held: frozenset[Digest], depth: int) -> None:
        manifest = await self._manifest(reference)
        self.contents[manifest.digest] = manifest
        await self._fetch_children(reference.repository, manifest, held, depth + 1)

    async def _fetch_children(
        self, repository: Repository, manifest: Manifest, held: frozenset[Digest], depth: int
    ) -> None:
        check_nesting(repository.at(manifest.digest), depth)
        wanted = [child for child in manifest.children if child.is_manifest and child.digest not in held]
        await for_each(_unique(wanted), lambda digest: self._fetch_tree(repository.at(digest), held, depth))


def _where(scope: Scope) -> str:
    return scope.source if isinstance(scope, RegistryScope) else str(scope.source)


def _joined(entry: Entry, listings: Sequence[_Listing]) -> _Listing:
    """Make one listing of those of several repositories."""
    return _Listing(
        entry,
        tuple(wish for listing in listings for wish in listing.wishes),
        tuple(wish for listing in listings for wish in listing.existing),
        tuple(trouble for listing in listings for trouble in listing.troubles),
        tuple(warning for listing in listings for warning in listing.warnings),
    )


def _name_all(
    entry: Entry, scope: RepositoryScope, selected: Iterable[str], tags: Sequence[str]
) -> tuple[dict[Reference, Named], tuple[Trouble, ...]]:
    """Return how the selected tags are called at the target; one that gets no name is a trouble of its own."""
    named: dict[Reference, Named] = {}
    troubles: list[Trouble] = []
    for tag in selected:
        source = scope.source.tag(tag)
        try:
            named[source] = name_target(entry, source, scope.target, tags)
        except InvalidReferenceError as error:
            troubles.append(Trouble(entry.name, str(source), str(error)))
    return named, tuple(troubles)


def _is_deep(sighting: Sighting, *, contents: bool) -> bool:
    """Tell whether an image is looked into; `fastCheck` spares those whose tag is right (semantics B11.4)."""
    if sighting.expected is None or sighting.is_unsupported:
        return False
    return not sighting.wish.entry.copy.fast_copy if sighting.in_sync else contents and sighting.is_changing


def _restrained(sighting: Sighting, policies: Sequence[Policy]) -> Sighting:
    """Ask the policies about a change; of several restraints the first that blocks counts, else the first."""
    if not policies or not sighting.is_changing:
        return sighting
    found = [restraint for policy in policies if (restraint := policy(sighting)) is not None]
    chosen = next((restraint for restraint in found if restraint.action is Action.BLOCKED), next(iter(found), None))
    return replace(sighting, restraint=chosen)


def _unique(children: Iterable[Descriptor]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(child.digest for child in children))
