"""What a plain YAML scalar means to the tools whose files are read (semantics B3.4-6).

YAML 1.2's core schema, with the number spellings that goccy/go-yaml adds: `0b…`, `0o…` or a leading zero for octal, and
`_` between digits.
"""

import math
import re
from decimal import Decimal
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_NUMERIC_START: Final = frozenset("0123456789+-.")
_INTEGER: Final = re.compile(r"([+-]?)(?:(0[box])([0-9A-Fa-f_]+)|([0-9][0-9_]*))")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?")
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}
_LONGEST_NUMBER: Final = 80
_SMALLEST_INTEGER: Final = -(2**63)
_LARGEST_INTEGER: Final = 2**64 - 1


def resolve(text: str) -> Scalar:
    """Return what an unquoted scalar means: nothing, a boolean, a number, or its own text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START or len(text) > _LONGEST_NUMBER:
        return text
    if match := _INTEGER.fullmatch(text):
        return _integer(match)
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return number if math.isfinite(number) else text
    return text


def go_text(value: bool | float) -> str:
    """Return the text that Go's `fmt.Sprint` gives for a boolean or number: `3.10` was 3.1, so it gives `3.1`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    shortest = Decimal(repr(value)).normalize()
    # strconv.FormatFloat(v, 'g', -1) as %v calls it: an exponent below -4 and from 21 on
    return format(shortest, "f") if value == 0.0 or -4 <= shortest.adjusted() < 21 else repr(value)


def _integer(match: re.Match[str]) -> int | str:
    sign, prefix, digits, decimal = match.groups()
    base = _BASES[prefix] if prefix else 8 if decimal.startswith("0") and len(decimal) > 1 else 10
    try:
        number = int(sign + (digits or decimal).replace("_", ""), base)
    except ValueError:  # digits that the base has not, such as 089
        return match[0]
    return number if _SMALLEST_INTEGER <= number <= _LARGEST_INTEGER else match[0]
