"""Why a tag is mirrored or not: every entry that is about it, asked by the planner's own rules."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TypeAlias

from transship_planner.asking import Once, for_each
from transship_planner.desired import Comparison, Desired, Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.names.layouts import name_source
from transship_planner.names.naming import Named, name_target
from transship_planner.names.twins import Head, twin_digests
from transship_planner.observation.dating import Dates, TakeInventory
from transship_planner.observation.observed import Restraint, Trouble, Wish
from transship_planner.policies.quarantine import age
from transship_planner.tags.tagrules import Explanation
from transship_registry.digest import Digest
from transship_registry.errors import IncompleteListError, InvalidReferenceError, TransshipError
from transship_registry.inventory import Inventory, InventorySource
from transship_registry.ports import TagList, WholeTagList
from transship_registry.reference import Reference, Repository

ListTags: TypeAlias = Callable[[Repository], Awaitable[TagList]]


async def _undated(repository: Repository) -> Inventory:
    return Inventory(tags=(), source=InventorySource.TAGS)


async def _unseen(reference: Reference) -> None:
    return None


async def _unrestrained(wish: Wish) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who is asked: for tag lists always; for dates, digests and restraints where a rule depends on them.

    Whoever is not given knows nothing, as when the tags come from a file.
    """

    list_tags: ListTags
    take_inventory: TakeInventory = _undated
    head: Head = _unseen
    restraint_of: Callable[[Wish], Awaitable[Restraint | Trouble | None]] = _unrestrained


class Role(Enum):
    """Which end of an entry a reference is."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Reason:
    """What one entry says of a tag.

    `source` is the source tag that the rules were asked about: of a target, the one that is mirrored to it, or that has
    its name. `target` is where that goes; either is None when it cannot be told. `notes` say what the tag rules do not:
    a repository that is left out, a guard that stops the entry, another name, what happens to a tag that exists.
    `problem` says why the entry's tags could not be listed; it is also the only note then.
    """

    entry: Entry
    role: Role
    source: Reference | None
    target: Reference | None
    selected: bool
    explanation: Explanation | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""

    def lines(self) -> tuple[str, ...]:
        """Say it in words, one thing a line."""
        return *(self.explanation.lines() if self.explanation else ()), *self.notes


async def why(desired: Desired, reference: Reference, witnesses: Witnesses) -> tuple[Reason, ...]:
    """Ask every entry that has the tag's repository as source or target; nothing is read but what decides.

    An entry whose tags cannot be listed says so in its notes.
    """
    known = replace(witnesses, list_tags=Once[Repository, TagList](witnesses.list_tags))
    dates = Dates(witnesses.take_inventory)
    answers = await for_each(desired.entries, lambda entry: _Question(entry, reference, known, dates).answers())
    return tuple(reason for reasons in answers for reason in reasons)


@dataclass(frozen=True, slots=True)
class _Question:
    """One entry, and the tag it is asked about."""

    entry: Entry
    reference: Reference
    witnesses: Witnesses
    dates: Dates

    async def answers(self) -> list[Reason]:
        """Return what the entry says; nothing when it is about other repositories."""
        return await for_each(await self._by_scope(), self._with_restraint)

    async def _with_restraint(self, reason: Reason) -> Reason:
        """Add whether a selected tag is held or blocked now."""
        if not reason.selected or reason.source is None or reason.target is None:
            return reason
        comparison = self.entry.copy.comparison_of(reason.target.identifier)
        found = await self.witnesses.restraint_of(Wish(self.entry, reason.source, reason.target, comparison))
        match found:
            case None:
                return reason
            case Restraint(action, why_not):
                return replace(reason, notes=(*reason.notes, f"{action.value} now: {why_not}"))
            case Trouble(message=message):
                return replace(reason, notes=(*reason.notes, f"whether it is held cannot be told: {message}"))

    async def _by_scope(self) -> list[Reason]:
        scope = self.entry.scope
        match scope:
            case ImageScope():
                return await self._image(scope)
            case RepositoryScope():
                role = _role(scope, self.reference.repository, self._reaches_below)
                return await self._repository(scope, role) if role else []
            case RegistryScope():
                return await self._registry(scope)

    @property
    def _reaches_below(self) -> bool:
        return self.entry.target_name is not None

    async def _image(self, scope: ImageScope) -> list[Reason]:
        is_source = _is_tag(scope.source, self.reference)
        if not (is_source or self.reference.repository == scope.target.repository):
            return []
        listed = await self._listed(scope.source.repository) if self.entry.os_normalize else WholeTagList(())
        if isinstance(listed, str):
            return [self._unasked(Role.SOURCE if is_source else Role.TARGET, listed)]
        digests = await self._twins(scope.source.repository, [scope.target.identifier], listed)
        name = name_target(self.entry, scope.source, scope.target.repository, listed, digests)
        if not is_source and self.reference != name.target:
            return []
        role = Role.SOURCE if is_source else Role.TARGET
        notes = ("the entry is about this one tag", *self._notes(scope.source, name))
        return [Reason(self.entry, role, scope.source, name.target, selected=True, notes=notes)]

    async def _registry(self, scope: RegistryScope) -> list[Reason]:
        repository = self.reference.repository
        below = f"{scope.target}/"
        if repository.registry == scope.source:
            role, name = Role.SOURCE, repository.path
        elif not str(repository).startswith(below):
            return []
        elif self.entry.target_name:
            return [self._unknown(Role.TARGET, "target_name names what lies here; ask about the source tag instead")]
        else:
            role, name = Role.TARGET, str(repository).removeprefix(below)
        if not scope.selects(name):
            return [self._unknown(role, f"the repository {name!r} is left out by repos")]
        return await self._repository(scope.repository(name), role)

    async def _repository(self, scope: RepositoryScope, role: Role) -> list[Reason]:
        named = await name_source(self.witnesses.list_tags, scope.source, scope.target)
        scope = replace(scope, source=named.repository)
        listed = await self._listed(scope.source)
        if isinstance(listed, str):
            return [self._unasked(role, listed)]
        dates = await self.dates.for_selection(scope.selection, scope.source, listed.tags)
        candidates = [self.reference.identifier] if role is Role.SOURCE else listed.tags
        known = _Known(listed, dates, await self._twins(scope.source, candidates, listed))
        asked = candidates if role is Role.SOURCE else list(self._mirrored_here(scope, known))
        return [self._reason(scope, role, tag, known) for tag in asked or [self.reference.identifier]]

    async def _twins(
        self, repository: Repository, candidates: Sequence[str], listed: WholeTagList
    ) -> Mapping[str, Digest]:
        if not self.entry.os_normalize:
            return {}
        return await twin_digests(self.witnesses.head, repository, candidates, listed)

    def _mirrored_here(self, scope: RepositoryScope, known: "_Known") -> Iterator[str]:
        """Find the source tags that are called this at the target."""
        for tag in known.listed.tags:
            try:
                name = name_target(self.entry, scope.source.tag(tag), scope.target, known.listed, known.digests)
            except InvalidReferenceError:  # what has no name at the target has not this one
                continue
            if name.target == self.reference:
                yield tag

    def _reason(self, scope: RepositoryScope, role: Role, tag: str, known: "_Known") -> Reason:
        source = scope.source.tag(tag)
        explanation = scope.selection.explain(tag, known.listed.tags, known.dates)
        obstacles = tuple(filter(None, (scope.selection.shortage(known.listed.tags), self._list_of_referrers(tag))))
        try:
            name = name_target(self.entry, source, scope.target, known.listed, known.digests)
        except InvalidReferenceError as error:
            return Reason(self.entry, role, source, None, selected=False, explanation=explanation, notes=(str(error),))
        is_it = role is Role.SOURCE or name.target == self.reference
        return Reason(
            self.entry,
            role,
            source,
            name.target,
            selected=explanation.selected and is_it and not obstacles,
            explanation=explanation,
            notes=(*obstacles, *filter(None, (self.dates.warnings.get(scope.source),)), *self._notes(source, name)),
        )

    def _list_of_referrers(self, tag: str) -> str:
        if not self.entry.copy.leaves_out(tag):
            return ""
        return f"{tag} lists referrers, and is no image of its own: with referrers, the target keeps such a list itself"

    def _notes(self, source: Reference, name: Named) -> Iterator[str]:
        if name.warning:
            yield name.warning
        if name.renamed_by:
            yield f"renamed by {' and '.join(name.renamed_by)}: {source} is {name.target} at the target"
        rules = self.entry.copy
        if rules.comparison is Comparison.EXISTENCE:
            yield "check_digest is off: a target tag that exists is left as it is"
        elif rules.comparison_of(name.target.identifier) is Comparison.EXISTENCE:
            yield f"immutable_tags has {name.target.identifier!r}: a target tag that exists is left as it is"
        if self.entry.min_age_s:
            yield f"min_age is {age(self.entry)}: a change is held until its digest has been at the source that long"

    def _unknown(self, role: Role, note: str) -> Reason:
        source, target = (self.reference, None) if role is Role.SOURCE else (None, self.reference)
        return Reason(self.entry, role, source, target, selected=False, notes=(note,))

    def _unasked(self, role: Role, problem: str) -> Reason:
        return replace(self._unknown(role, problem), problem=problem)

    async def _listed(self, repository: Repository) -> WholeTagList | str:
        """Return the tags of a repository, or why they are not known."""
        try:
            return (await self.witnesses.list_tags(repository)).whole("tag list")
        except IncompleteListError as error:
            return f"{repository}: {error}"
        except TransshipError as error:
            return str(error)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a source repository: its tags, and dates and digests as far as rules depend on them."""

    listed: WholeTagList
    dates: Mapping[str, datetime]
    digests: Mapping[str, Digest]


def _role(scope: RepositoryScope, repository: Repository, reaches_below: bool) -> Role | None:
    if repository == scope.source:
        return Role.SOURCE
    if repository == scope.target or (reaches_below and str(repository).startswith(f"{scope.target}/")):
        return Role.TARGET
    return None


def _is_tag(source: Reference, asked: Reference) -> bool:
    """Tell whether an entry's source is what was asked about; a digest beside the tag does not matter."""
    return (source.repository, source.tag) == (asked.repository, asked.tag)
