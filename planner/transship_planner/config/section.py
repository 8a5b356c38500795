"""What was read from a mapping: typed values that know where they stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from transship_planner.errors import Mark

Data: TypeAlias = "str | int | float | bool | tuple[Value, ...] | tuple[tuple[str, str], ...] | Section"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that has the type its table asks for; `path` names it in messages, such as `sync[0].tags`.

    Durations are in nanoseconds.
    """

    path: str
    mark: Mark
    data: Data = field(repr=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping that was read by a table: the values that are there and not null, under the names of their fields.

    `wrong` names the fields whose values were refused.
    """

    path: str
    mark: Mark
    values: Mapping[str, Value]
    wrong: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def lacks(self, *keys: str) -> bool:
        """Tell whether none of these keys is written, not even with a wrong value."""
        return self.values.keys().isdisjoint(keys) and self.wrong.isdisjoint(keys)

    def at(self, key: str) -> str:
        """Return the path of a key here, for messages."""
        value = self.values.get(key)
        return value.path if value else join(self.path, key)

    def where(self, key: str) -> Mark:
        """Return where the value of a key stands, or the section itself when it has none."""
        value = self.values.get(key)
        return value.mark if value else self.mark

    def text(self, key: str, default: str = "") -> str:
        """Return a string."""
        data = self._data(key)
        return data if isinstance(data, str) else default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        data = self._data(key)
        return data if isinstance(data, bool) else default

    def whole(self, key: str, default: int = 0) -> int:
        """Return an integer; of a duration, its nanoseconds."""
        data = self._data(key)
        return data if isinstance(data, int) else default

    def decimal(self, key: str, default: float = 0.0) -> float:
        """Return a number."""
        data = self._data(key)
        return data if isinstance(data, float) else default

    def section(self, key: str) -> "Section":
        """Return a mapping; an empty one when it is absent."""
        data = self._data(key)
        return data if isinstance(data, Section) else Section(self.at(key), self.where(key), {})

    def items(self, key: str) -> tuple[Value, ...]:
        """Return the values of a list."""
        data = self._data(key)
        return tuple(item for item in data if isinstance(item, Value)) if isinstance(data, tuple) else ()

    def sections(self, key: str) -> "tuple[Section, ...]":
        """Return the mappings of a list."""
        return tuple(item.data for item in self.items(key) if isinstance(item.data, Section))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the strings of a list."""
        return tuple(item.data for item in self.items(key) if isinstance(item.data, str))

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return the members of a mapping from strings to strings."""
        data = self._data(key)
        return tuple(item for item in data if isinstance(item, tuple)) if isinstance(data, tuple) else ()

    def _data(self, key: str) -> "Data | None":
        value = self.values.get(key)
        return value.data if value else None


def join(path: str, key: str) -> str:
    """Return the path of `key` inside `path`."""
    return f"{path}.{key}" if path else key
