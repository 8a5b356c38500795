"""The bounds of a plan: which changes the entries of a configuration could have planned, judged without a network.

A digest that was made anew makes a forged plan look like one of ours. So apply trusts a plan for its digests only,
which are what people approve, and holds everything else against the configuration: where content comes from and goes
to, under which names, and what becomes of the image that is replaced. What only a registry or the state could answer
(that a tag exists, dates, `keep_last`, `min_tags`) is not judged.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from transship_planner.desired import Desired, Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.errors import ForeignPlanError
from transship_planner.names.naming import could_be_named
from transship_planner.plans.found import unpack
from transship_planner.plans.plan import Action, Attachment, Change, Plan
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference
from transship_registry.referrers.index import referrers_tag

_SHOWN: Final = 3

_Bound: TypeAlias = Callable[[Change, Iterable[Entry]], str]
"""Says what a change does that none of the entries which want its target could have planned; empty when nothing is."""


def check_bounds(plan: Plan, desired: Desired, name: str) -> None:
    """Refuse a plan of which an entry could not have planned a change; `name` stands for its file in errors.

    Raises `ForeignPlanError`.
    """
    found = list(_overreaches(plan, desired))
    if found:
        more = f"; {len(found) - _SHOWN} more are like this" if len(found) > _SHOWN else ""
        raise ForeignPlanError(
            f"{name}: {desired.file} could not have planned this: {'; '.join(found[:_SHOWN])}{more}; "
            "nothing was contacted; make a new plan from this configuration, and find out who made this one"
        )


def _overreaches(plan: Plan, desired: Desired) -> Iterator[str]:
    names = {entry.name for entry in desired.entries}
    keepers = Counter(change.backup for change in plan.changes if change.backup is not None)
    targets = {change.target for change in plan.changes}
    for change in plan.changes:
        if problem := _overreach(change, desired, names):
            yield f"{change.entry}: {change.target}: {problem}"
        elif change.backup is not None and (keepers[change.backup] > 1 or change.backup in targets):
            yield f"{change.entry}: {change.target}: the backup {change.backup} is written by another change, too"
    for found in unpack(plan.found):
        able = [entry for entry in desired.entries if could_want(entry, found.source, found.target)]
        if not able:
            yield f"{found.entry}: {found.target}: it is called as wanted, and no entry mirrors {found.source} there"
        elif found.target_digest != found.source_digest and not any(entry.copy.platforms.wanted for entry in able):
            yield f"{found.entry}: {found.target}: it is called as wanted, and is not what {found.source} is"


def _overreach(change: Change, desired: Desired, names: Iterable[str]) -> str:
    """Return what the change does that its entry could not have planned; empty when it could."""
    able = [entry for entry in desired.entries if could_want(entry, change.source, change.target)]
    if not able:
        return f"no entry mirrors {change.source} there"
    if change.entry in names and change.entry not in {entry.name for entry in able}:
        return f"{change.entry} does not mirror {change.source} there"
    if not change.action.is_pending:
        return ""
    frozen = [entry.name for entry in _owners(desired, able, change.target) if _is_frozen(entry, change)]
    if frozen:
        return f"immutable_tags of {frozen[0]} say that it never changes"
    return next((problem for bound in _BOUNDS if (problem := bound(change, able))), "")


def could_want(entry: Entry, source: Reference, target: Reference) -> bool:
    """Tell whether an entry may mirror this source to this target: its scope, its tag rules, its names."""
    match entry.scope:
        case ImageScope():
            return source == entry.scope.source and could_be_named(entry, source, entry.scope.target.repository, target)
        case RepositoryScope():
            return _selects(entry, entry.scope, source) and could_be_named(entry, source, entry.scope.target, target)
        case RegistryScope():
            name = source.repository.path
            if source.repository.registry != entry.scope.source or not entry.scope.selects(name):
                return False
            scope = entry.scope.repository(name)
            return _selects(entry, scope, source) and could_be_named(entry, source, scope.target, target)


def _selects(entry: Entry, scope: RepositoryScope, source: Reference) -> bool:
    if source.repository != scope.source or source.tag is None or source.digest is not None:
        return False
    return bool(scope.selection.select([source.tag])) and not entry.copy.leaves_out(source.tag)


def _owners(desired: Desired, able: Iterable[Entry], target: Reference) -> Iterator[Entry]:
    """Yield the entries that are certain to want the target: those that may, and those of one image that name it."""
    yield from able
    for entry in desired.entries:
        if isinstance(entry.scope, ImageScope) and entry.scope.target == target:
            yield entry


def _is_frozen(entry: Entry, change: Change) -> bool:
    moves = change.before is not None and change.after is not None and change.before.digest != change.after.digest
    return moves and entry.copy.is_immutable(change.target.identifier)


def _action(change: Change, able: Iterable[Entry]) -> str:
    """Judge whether the change's members fit its action."""
    before, after = change.before, change.after
    if change.action is Action.DELETE:
        return "no entry deletes tags"
    if after is None or change.source_digest is None:
        return "it does not say which digest was approved"
    stays = before is not None and before.digest == after.digest
    fits = {Action.CREATE: before is None, Action.UPDATE: before is not None and not stays, Action.REFRESH: stays}
    return "" if fits[change.action] else f"a {change.action} does not go with what it says the target was"


def _platforms(change: Change, able: Iterable[Entry]) -> str:
    """Judge which part of the source arrives."""
    if any(_fits_platforms(change, entry) for entry in able):
        return ""
    if change.platforms_wanted:
        return f"the entry does not ask for {', '.join(map(str, change.platforms_wanted))}"
    return f"the source is {change.source_digest}, and {change.after.digest if change.after else 'nothing'} arrives"


def _fits_platforms(change: Change, entry: Entry) -> bool:
    wanted = entry.copy.platforms.wanted
    if change.platforms_wanted:
        return change.platforms_wanted == wanted
    # One platform gives a child of the source's index, by a digest that only the source can confirm.
    return len(wanted) == 1 or (change.after is not None and change.after.digest == change.source_digest)


def _external(change: Change, able: Iterable[Entry]) -> str:
    if change.include_external and not any(entry.copy.include_external for entry in able):
        return "it copies layers from outside of registries, for which the entry does not ask"
    return ""


def _ratelimit(change: Change, able: Iterable[Entry]) -> str:
    wanted = {entry.timing.ratelimit_min for entry in able}
    found = change.ratelimit.min if change.ratelimit else 0
    return "" if found in wanted else f"it spares {found} pulls, and the entry asks for {min(wanted)}"


def _refused(change: Change, able: Iterable[Entry]) -> str:
    if change.refused in {entry.copy.refused_referrers.value for entry in able}:
        return ""
    return f"refused artifacts would {change.refused}, for which the entry does not ask"


def _backup(change: Change, able: Iterable[Entry]) -> str:
    """Judge where the image that is replaced is kept."""
    if change.before is None or change.action is Action.REFRESH:
        return "" if change.backup is None else "it keeps an image that it does not replace"
    rules = [entry.backup for entry in able]
    if change.backup is None:
        return "" if None in rules else "the image that is replaced is not kept, though the entry has a backup"
    for rule in rules:
        try:
            if rule is not None and rule.could_give(change.backup, change.target):
                return ""
        except InvalidReferenceError:
            continue
    return f"the backup {change.backup} is not what the entry's template gives"


def _attached(change: Change, able: Iterable[Entry]) -> str:
    able = tuple(able)
    stray = (each for each in change.attached if not any(_could_attach(entry, each, change) for entry in able))
    return next(
        (f"the entry attaches nothing from {each.source} to {each.target}{_tagged(each)}" for each in stray), ""
    )


def _could_attach(entry: Entry, each: Attachment, change: Change) -> bool:
    rules = entry.copy
    if each.source not in {change.source.repository, rules.referrer_source or change.source.repository}:
        return False
    if each.tag:
        is_named_so = each.tag.startswith(referrers_tag(each.subject))
        return rules.digest_tags and is_named_so and each.target == change.target.repository
    return rules.referrers and each.target == (rules.referrer_target or change.target.repository)


def _tagged(each: Attachment) -> str:
    return f" as {each.tag}" if each.tag else ""


_BOUNDS: Final[tuple[_Bound, ...]] = (_action, _platforms, _external, _ratelimit, _refused, _backup, _attached)
