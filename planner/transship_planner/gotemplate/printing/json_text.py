"""Values as encoding/json writes them, without its escapes for HTML."""

import json
from collections.abc import Iterable, Mapping
from math import isfinite

from transship_planner.gotemplate.clock.layout import format_time
from transship_planner.gotemplate.clock.time import Time
from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import mark_broken
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.printing.numbers import shortest_float
from transship_planner.gotemplate.values import NO_VALUE, Object, is_list, is_map, sorted_items


class _UnsupportedError(Exception):
    """A value that encoding/json refuses; regclient ignores that error, and so the text stays empty."""


class _TooDeepError(Exception):
    """A value nested beyond the limits."""


def encode(value: object, indent: str, limits: Limits) -> str:
    """Write a value as JSON with a newline at its end; "" if it holds what JSON cannot.

    Raises FunctionError for a value nested beyond the limits.
    """
    try:
        return _encode(value, "\n" if indent else "", indent, limits.nesting) + "\n"
    except _UnsupportedError:
        return ""
    except _TooDeepError:
        raise FunctionError(f"value is nested more than {limits.nesting} levels deep") from None


def _encode(value: object, newline: str, indent: str, room: int) -> str:
    if room < 0:
        raise _TooDeepError
    if is_list(value):
        parts = (_encode(item, newline + indent, indent, room - 1) for item in value)
        return _enclose("[]", parts, newline, indent)
    if is_map(value) or isinstance(value, Object):
        return _encode_object(_members(value), newline, indent, room)
    return _encode_scalar(value)


def _members(value: Mapping[object, object] | Object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Object):
        return ((value.json_names.get(name, name), item) for name, item in value.fields.items())
    if not all(isinstance(key, str | int) and not isinstance(key, bool) for key in value):
        raise _UnsupportedError
    return sorted((str(key), item) for key, item in sorted_items(value))


def _encode_object(members: Iterable[tuple[str, object]], newline: str, indent: str, room: int) -> str:
    colon = ": " if indent else ":"
    parts = (_encode_string(name) + colon + _encode(item, newline + indent, indent, room - 1) for name, item in members)
    return _enclose("{}", parts, newline, indent)


def _enclose(brackets: str, parts: Iterable[str], newline: str, indent: str) -> str:
    body = f",{newline}{indent}".join(parts)
    return f"{brackets[0]}{newline}{indent}{body}{newline}{brackets[1]}" if body else brackets


def _encode_scalar(value: object) -> str:
    if value is None or value is NO_VALUE:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _encode_string(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, Time):
        return _encode_string(format_time(value, "2006-01-02T15:04:05.999999999Z07:00"))
    raise _UnsupportedError


def _encode_string(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    # Valid in JSON, yet no valid JavaScript: Go escapes these two even without its escapes for HTML.
    written = written.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return mark_broken(written, "\\ufffd")


def _encode_float(value: float) -> str:
    if not isfinite(value):
        raise _UnsupportedError
    text = shortest_float(abs(value), exponent_from=21, exponent_below=-6)
    text = text.replace("e-0", "e-")
    return ("-" if value < 0 or str(value) == "-0.0" else "") + text
