"""The functions that regsync adds to Go's, and the outside world that two of them read."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from transship_planner.gotemplate.clock.time import TimeFunctions
from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import from_bytes, mark_broken
from transship_planner.gotemplate.limits import DEFAULT_LIMITS, Limits
from transship_planner.gotemplate.printing.json_text import encode
from transship_planner.gotemplate.signature import Function, Parameter
from transship_planner.gotemplate.values import Object, is_zero
from transship_registry.regular import open_input

# unicode.IsSpace; str.strip() would also take the separators U+001C to U+001F.
_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
# One byte more than any result may have, so that a file too large is refused and not cut.
_READ_LIMIT = DEFAULT_LIMITS.output_bytes + 1


def _read_file(path: str) -> bytes:
    with open_input(path) as file:
        return file.read(_READ_LIMIT)


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Environment:
    """What templates see of the outside: variables, files (OSError or ValueError if unreadable), an aware clock."""

    get_variable: Callable[[str], str | None] = os.environ.get
    read_file: Callable[[str], bytes] = _read_file
    now: Callable[[], datetime] = _now


def configuration_functions(
    environment: Environment | None = None, limits: Limits = DEFAULT_LIMITS
) -> dict[str, Function]:
    """Return regsync's functions by name; without an environment they see the real one."""
    world = environment or Environment()
    text, any_value = Parameter.STRING, Parameter.ANY
    return {
        "default": Function(_default, (any_value, any_value)),
        "env": Function(partial(_variable, world), (text,)),
        "file": Function(partial(_file, world), (text,)),
        "join": Function(partial(_join, limits), (Parameter.STRINGS, text)),
        "split": Function(_split, (text, text)),
        "json": Function(partial(encode, indent="", limits=limits), (any_value,)),
        "jsonPretty": Function(partial(encode, indent="  ", limits=limits), (any_value,)),
        "printPretty": Function(partial(_print_pretty, limits), (any_value,)),
        "lower": Function(_lower, (text,)),
        "upper": Function(_upper, (text,)),
        "trimSpace": Function(_trim_space, (text,)),
        "time": Function(partial(TimeFunctions, world.now)),
    }


def _default(fallback: object, value: object) -> object:
    return fallback if is_zero(value) else value


def _variable(world: Environment, name: str) -> str:
    try:
        return world.get_variable(name) or ""
    except ValueError:
        # A name that the operating system cannot hold names no variable.
        return ""


def _file(world: Environment, path: str) -> str:
    try:
        data = world.read_file(path)
    except (OSError, ValueError):
        # regclient: a file that cannot be read counts as empty, so that optional secrets can be mounted or not.
        return ""
    return _trim_space(from_bytes(data))


def _join(limits: Limits, items: Sequence[str], separator: str) -> str:
    # A separator of a megabyte between a million items would be more than any machine holds.
    if sum(map(len, items)) + len(separator) * (len(items) - 1) > limits.output_bytes:
        raise FunctionError(f"result is longer than {limits.output_bytes} bytes")
    return separator.join(items)


def _split(text: str, separator: str) -> Sequence[str]:
    return text.split(separator) if separator else list(text)


def _trim_space(text: str) -> str:
    return text.strip(_WHITE_SPACE)


def _lower(text: str) -> str:
    """Map character by character, as Go does; only İ becomes two in Python, the first of which Go takes."""
    return "".join(char.lower()[0] for char in mark_broken(text, "\ufffd"))


def _upper(text: str) -> str:
    """Map character by character, as Go does; what Python would write as several, such as ß, stays."""
    return "".join(upper if len(upper := char.upper()) == 1 else char for char in mark_broken(text, "\ufffd"))


def _print_pretty(limits: Limits, value: object) -> str:
    if isinstance(value, Object) and value.pretty is not None:
        return value.pretty
    return encode(value, "  ", limits)
