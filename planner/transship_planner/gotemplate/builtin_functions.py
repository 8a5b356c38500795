"""The functions that every Go template knows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from transship_planner.gotemplate import comparison
from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import byte_length, from_bytes, to_bytes
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.printing.escaping import escape_html, escape_js, escape_query
from transship_planner.gotemplate.printing.formatting import sprint, sprintln
from transship_planner.gotemplate.printing.printf import sprintf
from transship_planner.gotemplate.signature import Function, Parameter
from transship_planner.gotemplate.values import Byte, is_accepted, is_list, is_map, is_true, key_type_name, type_name

_ANY = Parameter.ANY


def builtin_functions(limits: Limits) -> dict[str, Function]:
    """Return the built-ins by name; what they print obeys the limits."""
    return {
        "and": Function(partial(_first_or_last, False), (_ANY,), rest=_ANY, lazy=True),
        "or": Function(partial(_first_or_last, True), (_ANY,), rest=_ANY, lazy=True),
        "not": Function(_not, (_ANY,)),
        "call": Function(_call, (_ANY,), rest=_ANY),
        "index": Function(_index, (_ANY,), rest=_ANY),
        "slice": Function(_slice, (_ANY,), rest=_ANY),
        "len": Function(_length, (_ANY,)),
        "eq": Function(comparison.equal, (_ANY,), rest=_ANY),
        "ne": Function(comparison.not_equal, (_ANY, _ANY)),
        "lt": Function(comparison.less, (_ANY, _ANY)),
        "le": Function(comparison.less_or_equal, (_ANY, _ANY)),
        "gt": Function(comparison.greater, (_ANY, _ANY)),
        "ge": Function(comparison.greater_or_equal, (_ANY, _ANY)),
        "print": Function(partial(_print, limits), rest=_ANY),
        "println": Function(partial(_println, limits), rest=_ANY),
        "printf": Function(partial(_printf, limits), (Parameter.STRING,), rest=_ANY),
        "html": Function(partial(_escape, escape_html, limits), rest=_ANY),
        "js": Function(partial(_escape, escape_js, limits), rest=_ANY),
        "urlquery": Function(partial(_escape, escape_query, limits), rest=_ANY),
    }


def _first_or_last(truth: bool, values: Iterable[object]) -> object:
    """Return the first value that is as true as wanted, else the last; those behind it are not evaluated."""
    last: object = None
    for last in values:
        if is_true(last) is truth:
            break
    return last


def _not(value: object) -> bool:
    return not is_true(value)


def _print(limits: Limits, *values: object) -> str:
    return sprint(values, limits)


def _println(limits: Limits, *values: object) -> str:
    return sprintln(values, limits)


def _printf(limits: Limits, template: str, *values: object) -> str:
    return sprintf(template, values, limits)


def _call(function: object, *arguments: object) -> object:
    if function is None:
        raise FunctionError("call of nil")
    if not isinstance(function, Function):
        raise FunctionError(f"non-function of type {type_name(function)}")
    wrong_count = function.wrong_count(len(arguments))
    if wrong_count is not None:
        raise FunctionError(f"wrong number of args: {wrong_count}")
    for position, argument in enumerate(arguments):
        parameter = function.parameter(position)
        if not is_accepted(argument, parameter):
            found = "is nil; should be of type" if argument is None else f"has type {type_name(argument)}; should be"
            raise FunctionError(f"arg {position}: value {found} {parameter.value}")
    return function.implementation(*arguments)


def _escape(escape: Callable[[str], str], limits: Limits, *values: object) -> str:
    shown = ["<no value>" if value is None else value for value in values]
    return escape(sprint(shown, limits))


def _index(item: object, *indexes: object) -> object:
    if item is None:
        raise FunctionError("index of untyped nil")
    for index in indexes:
        item = _index_once(item, index)
    return item


def _index_once(item: object, index: object) -> object:
    if item is None:
        raise FunctionError("index of nil pointer")
    if is_map(item):
        return _index_map(item, index)
    if isinstance(item, str):
        data = to_bytes(item)
        return Byte(data[_position(index, len(data) - 1)])
    if is_list(item):
        return item[_position(index, len(item) - 1)]
    raise FunctionError(f"can't index item of type {type_name(item)}")


def _index_map(mapping: Mapping[object, object], index: object) -> object:
    wanted = key_type_name(mapping)
    if index is None:
        raise FunctionError(f"value is nil; should be of type {wanted}")
    found = type_name(index)
    if wanted not in {found, "interface {}"} and not (wanted == "int" and isinstance(index, int)):
        raise FunctionError(f"value has type {found}; should be {wanted}")
    if not isinstance(index, str | int | float):
        raise FunctionError(f"can't use a value of type {found} as a key")
    return mapping.get(index)


def _position(index: object, highest: int) -> int:
    if index is None:
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(index, int) or isinstance(index, bool):
        raise FunctionError(f"cannot index slice/array with type {type_name(index)}")
    if not 0 <= index <= highest:
        raise FunctionError(f"index out of range: {index}")
    return int(index)


def _slice(item: object, *indexes: object) -> object:
    if item is None:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if isinstance(item, str):
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        data = to_bytes(item)
        start, end = _bounds(indexes, len(data))
        return from_bytes(data[start:end])
    if is_list(item):
        start, end = _bounds(indexes, len(item))
        return item[start:end]
    raise FunctionError(f"can't slice item of type {type_name(item)}")


def _bounds(indexes: Sequence[object], length: int) -> tuple[int, int]:
    """Return start and end; a third index would be a capacity, which shows in nothing a template can do."""
    positions = [_position(index, length) for index in indexes]
    bounds = [0, length, length]
    bounds[: len(positions)] = positions
    for lower, upper in ((bounds[0], bounds[1]), (bounds[1], bounds[2])):
        if lower > upper:
            raise FunctionError(f"invalid slice index: {lower} > {upper}")
    return bounds[0], bounds[1]


def _length(item: object) -> int:
    if item is None:
        raise FunctionError("len of nil pointer")
    if isinstance(item, str):
        return byte_length(item)
    if is_list(item) or is_map(item):
        return len(item)
    raise FunctionError(f"len of type {type_name(item)}")
