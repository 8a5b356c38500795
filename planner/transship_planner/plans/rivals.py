"""Target tags that several entries want: what contradicts each other, and what those that agree want together."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from transship_planner.errors import Mark
from transship_planner.observation.observed import Observed, SeenAttachment, Sighting, Trouble, Wish
from transship_planner.places import Places
from transship_planner.plans.plan import Action, Problem
from transship_registry.digest import Digest
from transship_registry.referrers.refused import RefusedArtifactPolicy

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_STRICTEST_FIRST: Final = (RefusedArtifactPolicy.FAIL, RefusedArtifactPolicy.WARN, RefusedArtifactPolicy.SKIP)


@dataclass(frozen=True, slots=True)
class Settled:
    """Each target tag once: as it was seen (`agreed`), or only known to be there (`existing`)."""

    agreed: Sequence[Sighting]
    existing: Sequence[Wish]
    problems: Sequence[Problem]
    warnings: Sequence[str]


def settle(observed: Observed) -> Settled:
    """Let each target tag be wanted once: wishes that agree become one, contradicting ones become problems.

    A tag that one entry calls immutable is changed by none. The order of what was observed does not matter.
    """
    agreed: list[Sighting] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    existing = _grouped(sorted(observed.existing, key=_wish_order), lambda wish: wish.target)
    ordered = sorted(observed.sightings, key=lambda seen: _wish_order(seen.wish))
    immutable = {target: wish for target, wishes in existing.items() for wish in wishes if wish.is_immutable}
    seen = _grouped(ordered, lambda sighting: sighting.wish.target)
    for target, rivals in seen.items():
        kept = next((rival for rival in rivals if rival.wish.is_immutable and rival.target is not None), None)
        owner = immutable.get(target, kept.wish if kept is not None else None)
        if owner is not None:
            warnings += _left_alone(rivals, owner)
            agreed += [kept] if kept is not None and target not in immutable else []
        elif problem := _contradiction(supported := _supported(rivals)):
            problems.append(problem)
        else:
            agreed.append(_together(supported))
    only_listed = [wishes[0] for target, wishes in existing.items() if target not in seen or target in immutable]
    return Settled(agreed, only_listed, problems, warnings)


def settle_names(sightings: Sequence[Sighting], places: Places) -> tuple[list[Sighting], list[Trouble]]:
    """Take out what contradicts each other under different names of one tag, a trouble each.

    What restrains one of those that agree restrains all. Contradictions under one name are left in: `settle` sees them.
    """
    repositories = {sighting.wish.target.repository for sighting in sightings}
    if len({places.repository(repository) for repository in repositories}) == len(repositories):
        return list(sightings), []
    kept: list[Sighting] = []
    troubles: list[Trouble] = []
    for rivals in _grouped(sightings, lambda sighting: places.reference(sighting.wish.target)).values():
        if len({rival.wish.target for rival in rivals}) == 1:
            kept += rivals
        elif len(_wanted(supported := _supported(rivals))) > 1:
            troubles.append(_trouble(supported))
        else:
            restraint = _strictest(rivals).restraint
            kept += [replace(rival, restraint=restraint) if rival.is_changing else rival for rival in rivals]
    return kept, troubles


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _wish_order(wish: Wish) -> tuple[Mark, str, str]:
    return wish.entry.mark, wish.entry.name, str(wish.source)


def _left_alone(rivals: Iterable[Sighting], owner: Wish) -> Iterable[str]:
    for rival in rivals:
        if not rival.in_sync and not rival.is_unsupported:
            yield (
                f"{rival.wish.entry.name}: {owner.target} is left as it is, not made {rival.wish.source}: "
                f"immutable_tags of {owner.entry.name} say that it never changes"
            )


def _supported(rivals: Sequence[Sighting]) -> Sequence[Sighting]:
    """Leave out what its own entry passes over, unless all do."""
    return [rival for rival in rivals if rival.in_sync or not rival.is_unsupported] or rivals


def _wanted(rivals: Iterable[Sighting]) -> set[Digest]:
    return {rival.expected.digest for rival in rivals if rival.expected is not None}


def _contradiction(rivals: Sequence[Sighting]) -> Problem | None:
    """Tell whether entries want different content under one tag, or its present image under different names."""
    if len(_wanted(rivals)) > 1:
        message = f"several entries want different content under one target tag: {_claims(rivals)}"
    elif len({rival.backup for rival in rivals if rival.backup is not None}) > 1:
        names = "; ".join(f"{_who(rival)} as {rival.backup}" for rival in rivals if rival.backup is not None)
        message = f"several entries keep the image that is replaced, under different names: {names}"
    else:
        return None
    first = rivals[0].wish
    return Problem(entry=first.entry.name, reference=str(first.target), message=f"{message}; let one entry own the tag")


def _claims(rivals: Iterable[Sighting]) -> str:
    return "; ".join(
        f"{_who(rival)} wants {rival.expected.digest.short} of {rival.wish.source}"
        for rival in rivals
        if rival.expected is not None
    )


def _who(rival: Sighting) -> str:
    return f"{rival.wish.entry.mark} ({rival.wish.entry.name})"


def _strictest(rivals: Sequence[Sighting]) -> Sighting:
    """Return the wish that is blocked, else the one that is held, else the first that knows the content it wants."""
    actions = [rival.restraint.action if rival.restraint else None for rival in rivals]
    restrained = (rivals[actions.index(action)] for action in (Action.BLOCKED, Action.HELD) if action in actions)
    knowing = (rival for rival in rivals if rival.expected is not None)
    return next(restrained, None) or next(knowing, rivals[0])


def _together(rivals: Sequence[Sighting]) -> Sighting:
    """Return one sighting that has all that entries which agree on the content want beside it."""
    first = _strictest(rivals)
    if len(rivals) == 1 or first.restraint is not None:
        return first
    entry, entries = first.wish.entry, [rival.wish.entry for rival in rivals]
    attaching = [rival.wish.entry.copy.refused_referrers for rival in rivals if rival.attached]
    rules = replace(
        entry.copy,
        include_external=any(each.copy.include_external for each in entries),
        refused_referrers=min(attaching, key=_STRICTEST_FIRST.index, default=entry.copy.refused_referrers),
    )
    timing = max((each.timing for each in entries), key=lambda timing: timing.ratelimit_min)
    return replace(
        first,
        wish=replace(first.wish, entry=replace(entry, copy=rules, timing=timing)),
        attached=_attached(rivals),
        lost=frozenset(digest for rival in rivals for digest in rival.lost),
        backup=next((rival.backup for rival in rivals if rival.backup is not None), None),
    )


def _attached(rivals: Iterable[Sighting]) -> tuple[SeenAttachment, ...]:
    """Return what is attached for any of the entries, each once; what is nearer to the image stays before the rest."""
    found = {
        (each.node.descriptor.digest, each.node.subject, each.node.tag, each.home): each
        for rival in rivals
        for each in rival.attached
    }
    return tuple(found.values())


def _trouble(rivals: Sequence[Sighting]) -> Trouble:
    claims = "; ".join(
        f"{_who(rival)} wants {rival.expected.digest.short} of {rival.wish.source} as {rival.wish.target}"
        for rival in rivals
        if rival.expected is not None
    )
    first = rivals[0].wish
    message = f"several entries want different content under one target tag, by several names: {claims}; let one own it"
    return Trouble(first.entry.name, str(first.target), message)
