"""What stands in a list of names and can be none: it is left out and told, so that the other names go on."""

import json
from dataclasses import dataclass, field
from typing import Final

_SHOWN: Final = 5
_LENGTH: Final = 60


@dataclass(eq=False, slots=True)
class StrangeNames:
    """The entries of one list that can be no names; `place` is what has the list, `kind` what its names are for."""

    place: str
    kind: str
    count: int = 0
    shown: dict[str, None] = field(default_factory=dict[str, None])

    def add(self, entry: str | bytes) -> None:
        """Note an entry: a text, or the JSON of anything else."""
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown[show(entry)] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What there is to say, in one line; nothing when all entries are names."""
        if not self.count:
            return ()
        entries, they_are = ("1 entry", "it is") if self.count == 1 else (f"{self.count} entries", "they are")
        more = ", …" if self.count > len(self.shown) else ""
        shown = ", ".join(self.shown)
        return (f"{self.place} has {entries} that no {self.kind} can be called: {shown}{more}; {they_are} left out",)


def show(entry: str | bytes) -> str:
    """Return an entry of a list for people: JSON in ASCII, from which no terminal takes orders, and not too long."""
    text = json.dumps(entry) if isinstance(entry, str) else entry.decode("ascii", "backslashreplace")
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"
