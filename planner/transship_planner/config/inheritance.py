"""What an entry takes over from the defaults (semantics B5, A7.3).

What an entry says itself wins, also when it says "none": `backup: ""`, `schedule: ""` or `ratelimit: {min: 0}` switch
an inherited setting off, which regsync does not let them do. An empty `mediaTypes` would mirror nothing and inherits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from transship_planner.config.section import Section, Value
from transship_planner.config.tables import ENTRY

_INHERITED: Final = tuple(entry.name for entry in ENTRY.inheritable())
_TIMES: Final = frozenset({"interval", "schedule"})
_BY_PART: Final = frozenset({"hooks", "ratelimit"})


def inherit(entry: Section, defaults: Section) -> Section:
    """Return the entry with everything it inherits."""
    inherited = dict(_inherited(entry, defaults.values)) if defaults.values else {}
    return replace(entry, values={**entry.values, **inherited}) if inherited else entry


def inherit_platforms(entry: Section, platforms: Value | None) -> Section:
    """Return the entry with imglife's `sync.platforms`, unless it chooses platforms itself, be it an empty list."""
    if platforms is None or "platforms" in entry or "platform" in entry:
        return entry
    return replace(entry, values={**entry.values, "platforms": platforms})


def _inherited(entry: Section, defaults: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    has_time = not _TIMES.isdisjoint(entry.values)
    for key in _INHERITED:
        value = defaults.get(key)
        if value is None or (key in _TIMES and has_time):
            continue
        if key not in entry or (key == "mediaTypes" and not entry.items(key)):
            yield key, value
        elif key in _BY_PART and isinstance(value.data, Section):
            own = entry.section(key)
            whole = replace(own, values={**value.data.values, **own.values})
            yield key, Value(own.path, own.mark, whole)
