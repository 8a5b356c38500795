"""The JSON Schema (draft 2020-12) of both formats, from the tables that the loader reads by: for editors.

It takes whatever the loader takes, spellings in which a value is coerced included, and says as much of what the loader
refuses as a schema can: what needs templates expanded, a grammar parsed or two entries compared stays the loader's.
"""

from collections.abc import Iterator
from itertools import combinations, product
from typing import Final, TypeAlias

from transship_planner.config.schema import (
    EXTENSION_PREFIX,
    Anything,
    Choice,
    Decimal,
    Duration,
    Field,
    Flag,
    Format,
    Kind,
    ListOf,
    Record,
    ScalarOrRecord,
    Table,
    Text,
    TextMap,
    Whole,
)
from transship_planner.config.tables import ENTRY, top_level
from transship_planner.desired import Dialect

Schema: TypeAlias = "bool | int | float | str | list[Schema] | dict[str, Schema] | None"
Object: TypeAlias = dict[str, Schema]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_NULL: Final[Object] = {"type": "null"}
_DURATION: Final = r"^[+]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$|^$"
_DURATION_IN_DAYS: Final = _DURATION.replace("|h))+)", "|h|d))+)")
_NUMBER: Final = r"^[+-]?(0[box][0-9A-Fa-f_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][+-]?[0-9]+)?|\.[0-9][0-9_]*)$"
_FORMATS: Final = {
    Format.TAG: r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
    Format.PLATFORM: r"^\s*[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?(,osver=[^\s,]+)?\s*$",
}
_SCOPES: Final = {
    Dialect.REGSYNC: ("type", "tag", "tag_regex"),
    Dialect.IMGLIFE: ("type", "tag", "tag_regex", "tags", "tagSets"),
}
"""What an entry must have one of, to say what it mirrors (docs/configuration.md § Mixing both)."""


def json_schema() -> Object:
    """Return the schema of a whole file in either format."""
    return _Writer().document()


class _Writer:
    """Writes each table once, under `$defs`, and refers to it."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._definitions: Object = {}

    def document(self) -> Object:
        regsync, imglife = (self._table(top_level(dialect)) for dialect in Dialect)
        both = _properties(regsync)
        both["sync"] = {
            "description": "What is mirrored: a list in regsync's format, a mapping with `entries` in imglife's.",
            "if": {"type": "object"},
            "then": _properties(imglife)["sync"],
            "else": _properties(regsync)["sync"],
        }
        return {
            "$schema": DRAFT,
            "title": "transship configuration",
            "description": "regsync's format, and the sync section of imglife's.",
            **regsync,
            "type": ["object", "null"],
            "properties": both,
            "$defs": self._definitions,
        }

    def _refer(self, name: str, table: Table) -> Object:
        """Return a reference to a table; `name` is used unless the table has one."""
        key = id(table)
        if key not in self._names:
            self._names[key] = unique = _unused(name, self._definitions)
            self._definitions[unique] = {}  # its place, before those of the tables inside it
            self._definitions[unique] = self._table(table)
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _table(self, table: Table) -> Object:
        schema: Object = {
            "type": "object",
            "properties": {name: self._field(entry, name) for entry in table.fields for name in _spellings(entry)},
            "patternProperties": {f"^{EXTENSION_PREFIX}": True},
            "additionalProperties": table.open,
        }
        if required := [entry.name for entry in table.fields if entry.required and not entry.instead]:
            schema["required"] = list(required)
        rules: list[Schema] = [rule for ways in table.exclusive for rule in _exclusive(ways)]
        rules += [_any_of(entry) for entry in table.fields if entry.required and entry.instead]
        if rules:
            schema["allOf"] = rules
        return schema

    def _field(self, entry: Field, name: str) -> Schema:
        schema = self._entries(entry) if entry.name in {"sync", "entries"} else self._kind(entry.kind, name)
        if not schema:
            return {"description": entry.doc}
        described: Object = {"description": entry.doc}
        if entry.default is not None:
            default = entry.default
            described["default"] = list(default) if isinstance(default, tuple) else default
        if entry.caution or name != entry.name:
            described["deprecated"] = True
        return {**described, **(schema if entry.required and not entry.instead else _or_null(schema))}

    def _entries(self, entry: Field) -> Object:
        """Return what `sync` or `sync.entries` is: in a list, each entry must say what it mirrors in its format."""
        match entry.kind:
            case ListOf(Record(table)) if table is ENTRY:
                dialect = Dialect.IMGLIFE if entry.name == "entries" else Dialect.REGSYNC
                needed: list[Schema] = [_has(key) for key in _SCOPES[dialect]]
                return {"type": "array", "items": {**self._refer("entry", ENTRY), "anyOf": needed}}
            case _:
                return self._kind(entry.kind, entry.name)

    def _kind(self, kind: Kind, name: str) -> Object:
        match kind:
            case Record(table):
                return self._refer(name, table)
            case ListOf(item):
                return {"type": "array", "items": self._kind(item, name)}
            case TextMap():
                return {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
            case ScalarOrRecord(scalar, table):
                return {"anyOf": [_scalar(scalar), self._refer(name, table)]}
            case Anything():
                return {}
            case _:
                return _scalar(kind)


def _scalar(kind: Text | Choice | Flag | Whole | Decimal | Duration) -> Object:
    match kind:
        case Text():
            # a number or boolean is read as its text (semantics B3.5)
            pattern = _FORMATS.get(kind.format)
            return {"type": ["string", "number", "boolean"], **({"pattern": pattern} if pattern else {})}
        case Choice():
            return _choice(kind)
        case Flag():
            return {"type": "boolean"}
        case Whole():
            # a text that is a number, and a fraction, are accepted (semantics B3.6)
            least: Object = {} if kind.minimum is None else {"minimum": kind.minimum}
            most: Object = {} if kind.maximum is None else {"maximum": kind.maximum}
            return {"type": ["number", "string"], **least, **most, "pattern": _NUMBER}
        case Decimal():
            return {"type": ["number", "string"], "minimum": 0, "pattern": _NUMBER}
        case Duration():
            types: list[Schema] = ["string", "integer"] if kind.bare_nanoseconds else ["string"]
            duration = _DURATION_IN_DAYS if kind.days else _DURATION
            pattern = f"{duration}|{_NUMBER}" if kind.bare_nanoseconds else duration
            return {"type": types, "pattern": pattern, **({"minimum": 0} if kind.bare_nanoseconds else {})}


def _choice(kind: Choice) -> Object:
    words: list[Schema] = list(kind.options)
    if not kind.any_case:
        return {"enum": words}
    any_case = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in kind.options)
    return {"anyOf": [{"enum": words}, {"type": "string", "pattern": f"^({any_case})?$"}]}


def _or_null(schema: Object) -> Object:
    """Let a value be null, which means absent, as in Go."""
    if isinstance(types := schema.get("type"), list | str):
        return {**schema, "type": [*(types if isinstance(types, list) else [types]), "null"]}
    if isinstance(words := schema.get("enum"), list):
        return {**schema, "enum": [*words, None]}
    choices = schema.get("anyOf")
    return {"anyOf": [*(choices if isinstance(choices, list) else [schema]), _NULL]}


def _exclusive(ways: tuple[tuple[str, ...], ...]) -> Iterator[Object]:
    """Refuse keys of different ways beside each other; null is absent."""
    for one, other in combinations(ways, 2):
        for key, rival in product(one, other):
            yield {"not": {"allOf": [_has(key), _has(rival)]}}


def _any_of(entry: Field) -> Object:
    """Ask for a field or for one of those that do instead."""
    ways: list[Schema] = [_has(key) for key in (*_spellings(entry), *entry.instead)]
    return {"anyOf": ways}


def _has(key: str) -> Object:
    return {"required": [key], "properties": {key: {"not": _NULL}}}


def _spellings(entry: Field) -> tuple[str, ...]:
    return (entry.name, *entry.aliases)


def _properties(schema: Object) -> Object:
    properties = schema["properties"]
    assert isinstance(properties, dict)  # a table's schema has them
    return dict(properties)


def _unused(name: str, definitions: Object) -> str:
    number = 2
    unique = name
    while unique in definitions:
        unique = f"{name}-{number}"
        number += 1
    return unique
