"""The vocabulary in which a configuration format is declared: kinds of values, fields, tables.

A declaration is plain data: `reading` checks files against it, and documentation can be generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from transship_planner.desired import Dialect

EXTENSION_PREFIX: Final = "x-"
"""Keys with this prefix are the user's own, in every table."""


class Format(Enum):
    """What the text of a field is, beyond being text."""

    PLAIN = "text"
    REGISTRY = "registry name, host[:port]"
    REPOSITORY = "repository"
    REFERENCE = "image reference"
    REGEX = "regular expression (RE2)"
    SEMVER_RANGE = "semver range"
    PLATFORM = "platform, os/architecture[/variant][,osver=VERSION]"
    MEDIA_TYPE = "media type"
    SCHEDULE = "cron expression"
    TAG = "tag"
    PEM = "PEM text"
    COMMAND = "shell command"
    FILE = "file name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string, or a number or boolean for its text (semantics B3.5); `template`: a Go template is expanded."""

    format: Format = Format.PLAIN
    template: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]
    any_case: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An integer; a numeric string and a float are accepted, the float's fraction dropped (semantics B3.6)."""

    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number that is not negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A Go duration (semantics B3.7).

    `bare_nanoseconds`: an integer counts nanoseconds (B3.8); `days`: `d` is a unit too, of 24 hours; `shortest` and
    `longest` are in nanoseconds.
    """

    bare_nanoseconds: bool = False
    days: bool = False
    shortest: int = 0
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class TextMap:
    """A mapping from any keys to strings."""


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with the fields of a table."""

    table: "Table"


@dataclass(frozen=True, slots=True)
class ScalarOrRecord:
    """A value that is short for one field of a mapping, or that mapping."""

    scalar: Whole
    table: "Table"


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that is not looked into."""


Kind: TypeAlias = (
    Text | Choice | Flag | Whole | Decimal | Duration | ListOf | TextMap | Record | ScalarOrRecord | Anything
)
Default: TypeAlias = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a table.

    `home` is the format that defines it, None for both or our own; `default` is what its absence means when that can
    be said in a word; `aliases` are other spellings; `inherited` fields may also stand in `defaults`; `caution` is a
    warning for everyone who writes the key; `instead` are the keys of which one does for a required field, too.
    """

    name: str
    kind: Kind
    doc: str
    home: Dialect | None = None
    required: bool = False
    default: Default | None = None
    aliases: tuple[str, ...] = ()
    inherited: bool = False
    caution: str = ""
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The keys that a mapping may have.

    `exclusive` holds groups of keys that say the same thing in different ways: keys of one inner tuple go together,
    those of different ones do not. `refused` explains keys that people expect here. In an `open` table, an unknown key
    is only warned about: the format's documentation is not known to be complete.
    """

    fields: tuple[Field, ...]
    exclusive: tuple[tuple[tuple[str, ...], ...], ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    open: bool = False
    by_name: Mapping[str, Field] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the fields by every spelling."""
        index = {name: entry for entry in self.fields for name in (entry.name, *entry.aliases)}
        object.__setattr__(self, "by_name", index)

    def inheritable(self) -> tuple[Field, ...]:
        """Return the fields that may also stand in `defaults`."""
        return tuple(entry for entry in self.fields if entry.inherited)
