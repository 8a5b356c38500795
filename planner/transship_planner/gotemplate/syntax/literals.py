"""Go's literals: strings, characters and numbers."""

import re
from dataclasses import dataclass

from transship_planner.gotemplate.gostring import from_bytes, quote, to_bytes

INT64_MIN, INT64_MAX, UINT64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1

_ESCAPE = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\\"'])|(?P<octal>[0-7]{3})|x(?P<byte>[0-9a-fA-F]{2})"
    r"|u(?P<u4>[0-9a-fA-F]{4})|U(?P<u8>[0-9a-fA-F]{8}))"
)
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34, "'": 39}
# An underscore stands between digits, or between a base prefix and a digit (Go spec, "Integer literals").
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_DIGITS = r"[0-9](?:_?[0-9])*"
_LONGEST_INTEGER = 640
_DECIMAL_FLOAT = re.compile(rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_FLOAT = re.compile(
    r"[+-]?0[xX](?:_?[0-9a-fA-F])+(?:\.(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?)?[pP][+-]?[0-9]+"
    r"|[+-]?0[xX]\.[0-9a-fA-F](?:_?[0-9a-fA-F])*[pP][+-]?[0-9]+"
)


class LiteralError(ValueError):
    """A literal that Go's syntax does not allow; the message is Go's."""


@dataclass(frozen=True)
class NumberValue:
    """A number literal as every type that can hold it: Go's ideal constant.

    `integer` is None for a fraction; `is_float` says that the spelling, read without context, means a float.
    """

    integer: int | None
    real: float
    is_float: bool


def unquote(literal: str) -> str:
    """Return the text of a quoted or raw string literal.

    Raises LiteralError for an escape that Go does not know.
    """
    if literal.startswith("`"):
        return literal[1:-1].replace("\r", "")
    if "\\" not in literal:
        return literal[1:-1]
    return from_bytes(_unescape(literal[1:-1], forbidden="'"))


def parse_char(literal: str) -> NumberValue:
    """Return the code point of a character literal.

    Raises LiteralError when it does not hold exactly one character.
    """
    body = literal[1:-1]
    escape = _ESCAPE.fullmatch(body)
    if not body or body == '\\"' or (body.startswith("\\") and _ESCAPE.match(body) is None):
        raise LiteralError("invalid syntax")
    if escape is None and len(body) > 1:
        raise LiteralError(f"malformed character constant: {literal}")
    code = ord(body) if escape is None else _escape_code(escape)
    return NumberValue(integer=code, real=float(code), is_float=False)


def parse_number(literal: str) -> NumberValue:
    """Return the value of an integer or float literal.

    Raises LiteralError for bad syntax, for an integer beyond 64 bits and for complex constants, which are left out.
    """
    if literal.endswith("i"):
        raise LiteralError(f"complex constants are not supported: {literal}")
    integer = _parse_integer(literal)
    if integer is not None:
        return NumberValue(integer=integer, real=float(integer), is_float=False)
    real = _parse_float(literal)
    if real is None:
        raise LiteralError(f"illegal number syntax: {quote(literal)}")
    if not any(mark in literal for mark in ".eEpP"):
        raise LiteralError(f"integer overflow: {quote(literal)}")
    whole = int(real) if real.is_integer() and INT64_MIN <= real <= UINT64_MAX else None
    return NumberValue(integer=whole, real=real, is_float=True)


def _unescape(body: str, *, forbidden: str) -> bytes:
    parts: list[bytes] = []
    position = 0
    while (backslash := body.find("\\", position)) >= 0:
        parts.append(to_bytes(body[position:backslash]))
        escape = _ESCAPE.match(body, backslash)
        if escape is None or escape["simple"] == forbidden:
            raise LiteralError("invalid syntax")
        parts.append(_escape_bytes(escape))
        position = escape.end()
    parts.append(to_bytes(body[position:]))
    return b"".join(parts)


def _escape_bytes(escape: re.Match[str]) -> bytes:
    code = _escape_code(escape)
    if escape["octal"] is not None or escape["byte"] is not None:
        return bytes([code])
    return chr(code).encode()


def _escape_code(escape: re.Match[str]) -> int:
    if escape["simple"] is not None:
        return _SIMPLE[escape["simple"]]
    if escape["octal"] is not None:
        code = int(escape["octal"], 8)
        if code > 0xFF:
            raise LiteralError("invalid syntax")
        return code
    code = int(escape["byte"] or escape["u4"] or escape["u8"], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise LiteralError("invalid syntax")
    return code


def _parse_integer(literal: str) -> int | None:
    # Of so many digits Python reads none, and Go no 64 bits.
    if _INTEGER.fullmatch(literal) is None or len(literal) > _LONGEST_INTEGER:
        return None
    digits = literal.replace("_", "").lstrip("+-")
    is_old_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdecimal()
    magnitude = int(digits, 8) if is_old_octal else int(digits, 0)
    value = -magnitude if literal.startswith("-") else magnitude
    # Go reads unsigned integers without a sign: +18446744073709551615 overflows.
    highest = INT64_MAX if literal.startswith("+") else UINT64_MAX
    return value if INT64_MIN <= value <= highest else None


def _parse_float(literal: str) -> float | None:
    try:
        if _DECIMAL_FLOAT.fullmatch(literal):
            value = float(literal.replace("_", ""))
        elif _HEX_FLOAT.fullmatch(literal):
            value = float.fromhex(literal.replace("_", ""))
        else:
            return None
    except OverflowError:
        return None
    return value if abs(value) != float("inf") else None
