"""Ask registries what they hold, and no more than is needed (docs/compatibility.md).

Tag lists first, then one HEAD at each side for the tags that remain, then the manifests of what will change.
What cannot be answered becomes a trouble of its entry and does not stop the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from transship_planner.asking import for_each
from transship_planner.desired import Comparison, Desired, Entry
from transship_planner.observation.dating import Dates
from transship_planner.observation.fetching import Fetcher
from transship_planner.observation.headway import Headway
from transship_planner.observation.listing import Lister, joined, scope_name
from transship_planner.observation.observed import Observed, Policy, Restraint, Selected, Sighting, Trouble, Wish
from transship_planner.observation.quotas import look_at_quotas
from transship_planner.observation.reading import OnceReader
from transship_planner.observation.sighting import Looker
from transship_planner.places import Places
from transship_planner.plans.plan import Action, Problem
from transship_planner.plans.rivals import settle_names
from transship_registry.digest import Digest
from transship_registry.manifest import Manifest
from transship_registry.ports import CatalogueReader
from transship_registry.reference import Reference

_NAMED: Final = 3


async def observe(
    desired: Desired,
    reader: CatalogueReader,
    *,
    missing: bool = False,
    contents: bool = True,
    policies: Sequence[Policy] = (),
    unrecorded: Callable[[Reference], bool] | None = None,
    once: OnceReader | None = None,
    headway: Headway | None = None,
) -> Observed:
    """Look at everything the configuration names.

    With `missing`, a target tag that exists is as it should be, whatever it points at. Without `contents`, no manifest
    is fetched unless a platform has to be selected: that is enough to tell *that* something differs. What one of the
    `policies` restrains is not fetched either, since it will not be copied. Targets of which the configuration only
    wants that they exist are compared once, too, when a state is kept that has them `unrecorded`. With `once` the
    answers are there for others to ask again; `headway` says meanwhile what is still to be looked at.
    """
    headway = headway or Headway()
    each = headway.each
    once, places, dates = once or OnceReader(reader), Places(desired.hosts), Dates(reader.inventory)
    manifests = dict[Digest, Manifest]()
    looker = Looker(reader, once, places, dates, manifests)
    listed = joined(await each(desired.entries, _entry, Lister(once, places, dates, missing=missing).list_entry))
    troubles = list(listed.troubles)
    sightings = _seen(await each(listed.wishes, _wish, looker.sight), troubles)
    sightings, contradictions = settle_names([_restrained(found, policies) for found in sightings], places)
    troubles += contradictions
    look_into = partial(looker.look_into, contents=contents)
    sightings = _seen(await each(sightings, _sighting, look_into), troubles)
    if contents:
        sightings = _seen(await each(sightings, _sighting, Fetcher(once, manifests).fetch), troubles)
    coming = (found for found in sightings if contents and (found.is_changing or found.needs_refresh))
    return Observed(
        sightings=tuple(sightings),
        existing=listed.existing,
        contents=manifests,
        troubles=tuple(troubles),
        warnings=(*listed.warnings, *dates.warnings.values(), *_remarks(sightings)),
        told=dates.digests,
        quotas=await look_at_quotas(coming, reader),
        confirmed=await _confirmed(looker, (*listed.existing, *_only_there(sightings)), unrecorded, headway),
    )


def _entry(entry: Entry) -> Problem:
    return Problem(entry=entry.name, reference=scope_name(entry.scope), message="", line=entry.mark.line)


def _wish(wish: Wish) -> Problem:
    return Problem(entry=wish.entry.name, reference=str(wish.target), message="", line=wish.entry.mark.line)


def _sighting(sighting: Sighting) -> Problem:
    return _wish(sighting.wish)


async def restraint_of(wish: Wish, reader: CatalogueReader, policies: Sequence[Policy]) -> Restraint | Trouble | None:
    """Look at one wish, and tell whether a policy would hold or block it now; None when its target tag is right."""
    seen = await Looker(reader, OnceReader(reader), Places(), Dates(reader.inventory), {}).sight(wish)
    return seen if isinstance(seen, Trouble) else _restrained(seen, policies).restraint


async def select(desired: Desired, reader: CatalogueReader) -> Selected:
    """Find the tags that the configuration selects; only the tag lists of the sources are asked for."""
    dates = Dates(reader.inventory)
    lister = Lister(OnceReader(reader), Places(desired.hosts), dates, missing=False)
    compared = (replace(entry.copy, comparison=Comparison.DIGEST, immutable_tags=()) for entry in desired.entries)
    entries = [replace(entry, copy=rules) for entry, rules in zip(desired.entries, compared, strict=True)]
    listed = joined(await for_each(entries, lister.list_entry))
    return Selected(listed.wishes, listed.troubles, (*listed.warnings, *dates.warnings.values()))


def _only_there(sightings: Iterable[Sighting]) -> Iterator[Wish]:
    """Return the wishes whose target tags are there, and whose sources were not asked."""
    return (each.wish for each in sightings if each.source is None)


async def _confirmed(
    looker: Looker, existing: Iterable[Wish], unrecorded: Callable[[Reference], bool] | None, headway: Headway
) -> tuple[Sighting, ...]:
    wishes = [wish for wish in existing if unrecorded is not None and unrecorded(wish.target)]
    return tuple(each for each in await headway.each(wishes, _wish, looker.confirm) if each is not None)


def _seen(found: Iterable[Sighting | Trouble], troubles: list[Trouble]) -> list[Sighting]:
    """Return what could be seen, and put what could not into `troubles`."""
    found = tuple(found)
    troubles += [trouble for trouble in found if isinstance(trouble, Trouble)]
    return [sighting for sighting in found if isinstance(sighting, Sighting)]


def _remarks(sightings: Iterable[Sighting]) -> Iterator[str]:
    """Say what should be known of what will change, of all tags of an entry that it is true of at once."""
    tags: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for sighting in sightings:
        if sighting.remark and sighting.is_changing:
            tags[sighting.wish.entry.name, sighting.remark].append(str(sighting.wish.source))
    for (entry, remark), sources in tags.items():
        named = list(dict.fromkeys(sources))
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        yield f"{entry}: {remark}: {', '.join(named[:_NAMED])}{more}"


def _restrained(sighting: Sighting, policies: Sequence[Policy]) -> Sighting:
    """Ask the policies about a change; of several restraints the first that blocks counts, else the first."""
    if not policies or not sighting.is_changing:
        return sighting
    found = [restraint for policy in policies if (restraint := policy(sighting)) is not None]
    chosen = next((restraint for restraint in found if restraint.action is Action.BLOCKED), next(iter(found), None))
    return replace(sighting, restraint=chosen)
