"""`min_age`: a tag is held until its digest has been there long enough, as registry or state bear witness.

The image's own `created` is no witness: whoever makes an image writes there what they like.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from transship_planner.config.durations import SECOND, format_duration
from transship_planner.desired import Entry
from transship_planner.observation.observed import Restraint, Sighting
from transship_planner.plans.plan import Action
from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import State, moment

_BY_STATE: Final = "by the state"
_END_OF_TIME: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Since when a digest is known to be at a tag, and who says so."""

    since: datetime
    witness: str


class Quarantine:
    """A `Policy` that holds each change whose source has had its digest for less than the entry's `min_age`.

    `now` is aware; `state` is None when there is none yet, and `keeps_state` says whether there is going to be one.
    `ignored` are sources or targets that go through all the same; one with a digest lets only that digest through.
    Raises `StateError` when the state has a date that cannot be read.
    """

    def __init__(
        self, now: datetime, state: State | None, *, keeps_state: bool, ignored: Sequence[Reference] = ()
    ) -> None:
        self._now = now
        self._keeps_state = keeps_state
        self._ignored = ignored
        self._seen = _first_sights(state) if state is not None else {}

    def __call__(self, sighting: Sighting) -> Restraint | None:
        """Return why the change is held; None when its source is old enough."""
        source, entry = sighting.source, sighting.wish.entry
        if not entry.min_age_s or source is None or any(_is_meant(each, sighting) for each in self._ignored):
            return None
        evidence = self._evidence(sighting, source.digest)
        if evidence is None:
            return Restraint(Action.HELD, self._unknown(entry))
        until = _later(evidence.since, entry.min_age_s)
        if self._now >= until:
            return None
        seen = f"{source.digest.short} was first seen at {sighting.wish.source} on {text(evidence.since)}"
        rule = f"min_age is {age(entry)}: held until {text(until)}"
        return Restraint(Action.HELD, f"{seen} ({evidence.witness}), {rule}", until=text(until))

    def _evidence(self, sighting: Sighting, digest: Digest) -> _Evidence | None:
        """Return the earliest evidence that concerns the very digest."""
        found: list[_Evidence] = []
        if (recorded := self._seen.get((sighting.wish.source, digest))) is not None:
            found.append(_Evidence(recorded, _BY_STATE))
        if sighting.pushed is not None:
            found.append(_Evidence(sighting.pushed.at, f"by {sighting.pushed.told_by}"))
        return min(found, key=lambda evidence: evidence.since, default=None)

    def _unknown(self, entry: Entry) -> str:
        way_out = (
            "apply and once record in the state that they have seen it, and the time counts from then"
            if self._keeps_state
            else "keep a state, with --state FILE or `state: FILE`; apply and once record there when they first saw it"
        )
        return (
            f"min_age is {age(entry)}, and nothing tells since when the source tag has had this digest: "
            f"neither the registry nor a state; {way_out}"
        )


def bypasses(sightings: Iterable[Sighting], ignored: Sequence[Reference]) -> tuple[str, ...]:
    """Say for whom `min_age` is ignored; what was named and holds nothing back is said too."""
    wanting = (sighting for sighting in sightings if sighting.wish.entry.min_age_s)
    missed = (sighting for sighting in wanting if not sighting.in_sync and not sighting.is_unsupported)
    changing = sorted(missed, key=lambda sighting: (str(sighting.wish.target), sighting.wish.entry.name))
    return tuple(warning for reference in ignored for warning in _bypassed(reference, changing))


def _bypassed(reference: Reference, changing: Iterable[Sighting]) -> Iterator[str]:
    meant = [sighting for sighting in changing if _is_meant(reference, sighting)]
    for sighting in meant:
        wish = sighting.wish
        yield (
            f"{wish.entry.name}: min_age {age(wish.entry)} is ignored for {wish.source} → {wish.target}, "
            f"as --ignore-min-age {reference} asks"
        )
    if not meant:
        yield f"--ignore-min-age {reference}: no change that min_age concerns has it as source or target"


def _is_meant(reference: Reference, sighting: Sighting) -> bool:
    found = sighting.source.digest if sighting.source is not None else None
    return reference.digest in {None, found} and any(
        reference.repository == end.repository and reference.tag in {None, end.tag}
        for end in (sighting.wish.source, sighting.wish.target)
    )


def _first_sights(state: State) -> dict[tuple[Reference, Digest], datetime]:
    """Return when each digest was first seen at its source, the earliest of what the state tells."""
    sights: dict[tuple[Reference, Digest], datetime] = {}
    told = [(seen.source, seen.digest, seen.first_seen) for seen in state.seen]
    told += [(record.source, record.source_digest, record.first_seen) for record in state.records]
    for source, digest, first_seen in told:
        since = moment(first_seen, source)
        sights[source, digest] = min(since, sights.get((source, digest), since))
    return sights


def _later(since: datetime, seconds: float) -> datetime:
    try:
        return since + timedelta(seconds=seconds)
    except OverflowError:  # a date that somebody made up, such as in the year 9999
        return _END_OF_TIME


def age(entry: Entry) -> str:
    """Return an entry's `min_age` as a text."""
    return format_duration(round(entry.min_age_s * SECOND), days=True)


def text(at: datetime) -> str:
    """Return a date in RFC 3339, UTC, to the second; a fraction counts as a whole one, lest it be called too early."""
    whole = at.astimezone(UTC)
    if whole.microsecond:
        whole = _later(whole.replace(microsecond=0), 1)
    return whole.replace(tzinfo=None).isoformat() + "Z"
