"""Go's comparisons in templates: eq, ne, lt, le, gt, ge over basic types, nil and structs."""

from enum import Enum, auto

from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import to_bytes
from transship_planner.gotemplate.signature import Function
from transship_planner.gotemplate.values import NO_VALUE, Byte, Object, is_list, is_map, type_name


class _BasicKind(Enum):
    BOOL = auto()
    INT = auto()
    UINT = auto()
    FLOAT = auto()
    STRING = auto()


_INTEGERS = frozenset({_BasicKind.INT, _BasicKind.UINT})


def equal(first: object, *others: object) -> bool:
    """Tell whether the first value equals any of the others.

    Raises FunctionError for values that Go does not compare.
    """
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_equal(first, other) for other in others)


def not_equal(first: object, second: object) -> bool:
    """Tell whether two values differ."""
    return not equal(first, second)


def less(first: object, second: object) -> bool:
    """Tell whether the first of two numbers or strings is less.

    Raises FunctionError for booleans, other types, and types that do not match.
    """
    kinds = _basic_kind(first), _basic_kind(second)
    if kinds[0] is None or kinds[1] is None:
        raise FunctionError("invalid type for comparison")
    if kinds[0] is not kinds[1] and not _INTEGERS.issuperset(kinds):
        raise _incompatible(first, second)
    if isinstance(first, str) and isinstance(second, str):
        return to_bytes(first) < to_bytes(second)
    if isinstance(first, bool) or isinstance(second, bool):
        raise FunctionError("invalid type for comparison")
    assert isinstance(first, int | float)
    assert isinstance(second, int | float)
    return first < second


def less_or_equal(first: object, second: object) -> bool:
    """Tell whether the first of two values is not greater."""
    return less(first, second) or equal(first, second)


def greater(first: object, second: object) -> bool:
    """Tell whether the first of two values is greater."""
    return not less_or_equal(first, second)


def greater_or_equal(first: object, second: object) -> bool:
    """Tell whether the first of two values is not less."""
    return not less(first, second)


def _equal(first: object, second: object) -> bool:
    kinds = _basic_kind(first), _basic_kind(second)
    if kinds[0] is kinds[1] is None:
        return _composites_equal(first, second)
    if kinds[0] is kinds[1] or _INTEGERS.issuperset(kinds):
        return first == second
    if _is_nil(first) or _is_nil(second):
        return False
    raise _incompatible(first, second)


def _composites_equal(first: object, second: object) -> bool:
    if _is_nil(first) or _is_nil(second):
        return _is_nil(first) and _is_nil(second)
    for value in (first, second):
        if not _is_comparable(value):
            raise FunctionError(f"non-comparable type {type_name(value)}")
    return type_name(first) == type_name(second) and first == second


def _is_comparable(value: object) -> bool:
    if isinstance(value, Object):
        # A pointer compares by its address, whatever it points to.
        return value.name.startswith("*") or all(_is_comparable(item) for item in value.fields.values())
    return not (is_list(value) or is_map(value) or isinstance(value, Function))


def _is_nil(value: object) -> bool:
    return value is None or value is NO_VALUE


def _basic_kind(value: object) -> _BasicKind | None:
    if isinstance(value, bool):
        return _BasicKind.BOOL
    if isinstance(value, Byte):
        return _BasicKind.UINT
    if isinstance(value, int):
        return _BasicKind.INT
    if isinstance(value, float):
        return _BasicKind.FLOAT
    return _BasicKind.STRING if isinstance(value, str) else None


def _incompatible(first: object, second: object) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
