"""Which recorded tags are still wanted: asked of the entries' own rules, as if each recorded source tag were there."""

from collections.abc import Iterable

from transship_planner.asking import for_each
from transship_planner.desired import Desired, Entry, ImageScope
from transship_planner.observation.dating import Dates
from transship_planner.observation.reading import OnceReader
from transship_planner.plans.bounds import could_want
from transship_planner.tags.tagrules import Selection
from transship_registry.errors import TransshipError
from transship_registry.reference import Reference
from transship_state.document import Record


class Wanting:
    """Tells what no entry wants any more; tags are only listed, and dates only asked for, where `keep_last` decides."""

    def __init__(self, desired: Desired, reader: OnceReader, dates: Dates) -> None:
        self._desired = desired
        self._reader = reader
        self._dates = dates

    async def unwanted(self, records: Iterable[Record]) -> frozenset[Reference]:
        """Return the targets that no entry mirrors from where they were; one of which that cannot be told is wanted."""
        records = tuple(records)
        wanted = await for_each(records, self._is_wanted)
        return frozenset(record.target for record, is_wanted in zip(records, wanted, strict=True) if not is_wanted)

    async def _is_wanted(self, record: Record) -> bool:
        able = [entry for entry in self._desired.entries if could_want(entry, record.source, record.target)]
        return any([await self._is_kept(entry, record.source) for entry in able])

    async def _is_kept(self, entry: Entry, source: Reference) -> bool:
        """Tell whether a tag that the rules let through is among the newest that `keep_last` leaves."""
        if isinstance(entry.scope, ImageScope) or not entry.scope.selection.keep_last:
            return True
        try:
            return await self._is_selected(entry.scope.selection, source)
        except TransshipError:
            return True

    async def _is_selected(self, selection: Selection, source: Reference) -> bool:
        listed = (await self._reader.list_tags(source.repository)).tags
        tags = (*listed, source.identifier)  # a selection has each tag once
        dates = await self._dates.for_selection(selection, source.repository, tags)
        return source.identifier in selection.select(tags, dates)
