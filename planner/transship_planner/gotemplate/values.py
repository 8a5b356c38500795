"""The values of a template: Python's own for Go's basic types, and those that carry a Go name, fields or methods.

| Python | Go |
|---|---|
| None | nil |
| bool, int, float, str | bool, int, float64, string |
| list, tuple | []string, []int, []float64, []bool when all items are of that type, else []interface {} |
| dict | map[string]interface {}; map[int]interface {} when all keys are int |
| Object | a struct, or a pointer to one when its name begins with `*` |
| Duration, Time, Month, Weekday | those of package time |
| Function | a func value |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, Protocol, TypeGuard, runtime_checkable

from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import to_bytes
from transship_planner.gotemplate.signature import Function, Parameter

_ELEMENT_NAMES: Final[dict[type, str]] = {str: "string", int: "int", float: "float64", bool: "bool"}
_PYTHONS_OWN: Final[frozenset[type]] = frozenset({str, int, float, bool, dict, list, tuple})
_ANY: Final = "interface {}"


class Missing(Enum):
    """Go's invalid reflect.Value: what a missing map key evaluates to; prints as `<no value>`."""

    NO_VALUE = "<no value>"


NO_VALUE: Final = Missing.NO_VALUE


@runtime_checkable
class GoValue(Protocol):
    """A value with a Go type of its own, and perhaps methods and a String method."""

    def go_type(self) -> str:
        """Return the type's name as Go prints it."""
        ...

    def go_method(self, name: str) -> Function | None:
        """Return a method bound to this value, None when the type has none of that name."""
        ...

    def go_string(self) -> str | None:
        """Return what Go's String method would, None when the type has none."""
        ...


def as_go_value(value: object) -> GoValue | None:
    """Return a value that carries a Go type, None for one of Python's own types."""
    # Asking a protocol costs microseconds, and nearly all values are of these types.
    if type(value) in _PYTHONS_OWN:
        return None
    return value if isinstance(value, GoValue) else None


class PlainInteger(int):
    """An integer whose Go type is not int and has neither methods nor a String method."""

    name: ClassVar[str]

    def go_type(self) -> str:
        """Return the type's name."""
        return self.name

    def go_method(self, name: str) -> Function | None:
        """Return None: there are no methods."""
        del name
        return None

    def go_string(self) -> str | None:
        """Return None: it prints as a number."""
        return None


class Int64(PlainInteger):
    """What `.Unix` of a time returns."""

    name = "int64"


class Byte(PlainInteger):
    """One byte of a string, as `index` returns it: the only unsigned integer here."""

    name = "uint8"


@dataclass(frozen=True)
class Object:
    """A Go struct: its type's name, its fields in order, and its methods by name.

    A name with a leading `*` is a pointer to the struct. `text` is what its String method returns, `pretty` what
    printPretty shows, `json_names` how its fields are called in JSON (by default as in Go).
    """

    name: str
    fields: Mapping[str, object] = field(repr=False)
    methods: Mapping[str, Function] = field(default_factory=dict[str, Function], repr=False)
    text: str | None = field(default=None, repr=False)
    pretty: str | None = field(default=None, repr=False)
    json_names: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def go_type(self) -> str:
        """Return the struct's name."""
        return self.name

    def go_method(self, name: str) -> Function | None:
        """Look the name up in `methods`."""
        return self.methods.get(name)

    def go_string(self) -> str | None:
        """Return `text`."""
        return self.text


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a value is a Go slice."""
    return isinstance(value, list | tuple)


def is_map(value: object) -> TypeGuard[Mapping[object, object]]:
    """Tell whether a value is a Go map."""
    return isinstance(value, Mapping)


def is_accepted(value: object, parameter: Parameter) -> bool:
    """Tell whether a value may be passed for a parameter; an empty list is a []string too, nil only an interface."""
    if parameter is Parameter.ANY:
        return True
    if parameter is Parameter.STRINGS:
        return is_list(value) and all(isinstance(item, str) for item in value)
    wanted: str = parameter.value
    return type_name(value) == wanted


def type_name(value: object) -> str:
    """Return the name of a value's Go type.

    Raises FunctionError for a Python value that stands for none.
    """
    if value is None or value is NO_VALUE:
        return "<nil>"
    go_value = as_go_value(value)
    if go_value is not None:
        return go_value.go_type()
    if isinstance(value, Function):
        return value.type_name
    if type(value) in _ELEMENT_NAMES:
        return _ELEMENT_NAMES[type(value)]
    if is_list(value):
        return f"[]{_element_name(value)}"
    if is_map(value):
        return f"map[{key_type_name(value)}]{_ANY}"
    raise FunctionError(f"a Python {type(value).__name__} has no counterpart in Go")


def key_type_name(mapping: Mapping[object, object]) -> str:
    """Return the name of the type of a map's keys."""
    kinds = {type(key) for key in mapping}
    if not kinds:
        return "string"
    return _ELEMENT_NAMES.get(kinds.pop(), _ANY) if len(kinds) == 1 else _ANY


def _element_name(items: Sequence[object]) -> str:
    kinds = {type(item) for item in items}
    return _ELEMENT_NAMES.get(kinds.pop(), _ANY) if len(kinds) == 1 else _ANY


def is_true(value: object) -> bool:
    """Tell whether a value counts as true: structs and functions always, others when not empty and not zero."""
    if isinstance(value, Object | Function):
        return True
    if value is None or value is NO_VALUE:
        return False
    if isinstance(value, bool | int | float):
        return value != 0
    if isinstance(value, str) or is_list(value) or is_map(value):
        return len(value) > 0
    return True


def is_zero(value: object) -> bool:
    """Tell whether a value is nil or its type's zero value; lists and maps count as zero when they are empty."""
    if isinstance(value, Object):
        return not value.name.startswith("*") and all(is_zero(item) for item in value.fields.values())
    return not is_true(value)


def sorted_items(mapping: Mapping[object, object]) -> list[tuple[object, object]]:
    """Return a map's items in the order in which Go prints and ranges over them."""
    return sorted(mapping.items(), key=lambda item: _key_order(item[0]))


def _key_order(key: object) -> tuple[int, float, bytes]:
    """Order keys as Go does: nil, then booleans and numbers, then strings bytewise."""
    if key is None:
        return (0, 0, b"")
    if isinstance(key, bool | int | float):
        return (1, key, b"")
    if isinstance(key, str):
        return (2, 0, to_bytes(key))
    raise FunctionError(f"a map with keys of Python type {type(key).__name__} has no counterpart in Go")
