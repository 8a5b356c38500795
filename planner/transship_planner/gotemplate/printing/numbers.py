"""Numbers as Go's fmt writes them: one function per kind and verb, sign and zeros included, padding left to others."""

from dataclasses import dataclass
from decimal import Decimal
from math import frexp, isfinite, isnan
from typing import Literal

from transship_planner.gotemplate.gostring import rune

_BASES = {"b": ("b", "0b"), "o": ("o", "0"), "O": ("o", "0"), "x": ("x", "0x"), "X": ("X", "0X")}
_UINT64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Flags:
    """What stands between the percent sign and the verb; `plus_v` and `sharp_v` are those of %+v and %#v."""

    width: int | None = None
    precision: int | None = None
    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False

    @property
    def pads_with_zeros(self) -> bool:
        """Whether the room on the left is filled with zeros."""
        return self.zero and not self.minus


def pad(text: str, flags: Flags, *, zero: bool | None = None) -> str:
    """Fill a text up to the width; strings are filled with zeros too when asked to, as in Go."""
    if flags.width is None or len(text) >= flags.width:
        return text
    if flags.minus:
        return text.ljust(flags.width)
    return text.rjust(flags.width, "0" if (flags.zero if zero is None else zero) else " ")


def format_integer(value: int, verb: str, flags: Flags) -> str:
    """Write an integer for %d %b %o %O %x %X (and %v)."""
    if flags.precision == 0 and value == 0:
        return pad("", flags, zero=False)
    conversion, prefix = _BASES.get(verb, ("d", ""))
    digits = format(abs(value), conversion)
    digits = digits.rjust(_least_digits(value, flags), "0")
    if flags.sharp and not (conversion == "o" and digits.startswith("0")):
        digits = prefix + digits
    if verb == "O":
        digits = "0o" + digits
    return pad(_sign(negative=value < 0, flags=flags) + digits, flags, zero=False)


def _least_digits(value: int, flags: Flags) -> int:
    if flags.precision is not None:
        return flags.precision
    if not flags.pads_with_zeros or flags.width is None:
        return 0
    return flags.width - (1 if value < 0 or flags.plus or flags.space else 0)


def _sign(*, negative: bool, flags: Flags) -> str:
    if negative:
        return "-"
    if flags.plus:
        return "+"
    return " " if flags.space else ""


def format_unicode(value: int, flags: Flags) -> str:
    """Write a code point for %U, with its character for %#U."""
    code = value & _UINT64
    text = "U+" + format(code, "X").rjust(max(4, flags.precision or 0), "0")
    if flags.sharp and code <= 0x10FFFF and rune(code).isprintable():
        text += f" '{rune(code)}'"
    return pad(text, flags, zero=False)


def format_float(value: float, verb: str, flags: Flags) -> str:
    """Write a float for %v %g %G %e %E %f %F %b %x %X."""
    if not isfinite(value):
        return pad(_special_float(value, flags), flags, zero=False)
    sign = _sign(negative=value < 0 or str(value) == "-0.0", flags=flags)
    digits = _float_digits(abs(value), verb, flags)
    if sign and flags.pads_with_zeros and flags.width is not None:
        return sign + digits.rjust(flags.width - 1, "0")
    return pad(sign + digits, flags)


def _special_float(value: float, flags: Flags) -> str:
    if isnan(value):
        return _sign(negative=False, flags=flags) + "NaN"
    if value < 0:
        return "-Inf"
    return (" " if flags.space and not flags.plus else "+") + "Inf"


def _float_digits(value: float, verb: str, flags: Flags) -> str:
    match verb:
        case "e" | "E" | "f" | "F":
            precision = 6 if flags.precision is None else flags.precision
            return format(value, f"{'#' if flags.sharp else ''}.{precision}{verb}")
        case "b":
            return _binary_float(value)
        case "x" | "X":
            text = hex_float(value, flags.precision)
            return text.upper() if verb == "X" else text
        case _:
            return _general_float(value, "G" if verb == "G" else "g", flags)


def _general_float(value: float, verb: Literal["g", "G"], flags: Flags) -> str:
    if flags.precision is not None:
        return format(value, f"{'#' if flags.sharp else ''}.{flags.precision}{verb}")
    text = shortest_float(value)
    if flags.sharp:
        text = _with_point(text)
    return text.upper() if verb == "G" else text


def _with_point(text: str) -> str:
    """Add the point and the zeros, up to six significant digits, that %#g asks for."""
    mantissa, letter, exponent = text.partition("e")
    significant = len(mantissa.replace(".", "").lstrip("0")) or (1 if mantissa == "0" else 0)
    point = "" if "." in mantissa else "."
    return mantissa + point + "0" * (6 - significant) + letter + exponent


def shortest_float(value: float, *, exponent_from: int = 6, exponent_below: int = -4) -> str:
    """Write a positive float with as few digits as identify it (strconv's 'g' with precision -1)."""
    digits, point = _digits_and_point(value)
    exponent = point - 1
    if exponent_below <= exponent < exponent_from:
        return _plain(digits, point)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _digits_and_point(value: float) -> tuple[str, int]:
    """Return the shortest decimal digits of a float, and where its point stands among them."""
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    stripped = text.rstrip("0") or "0"
    return stripped, (1 if value == 0 else len(text) + exponent)


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]


def _binary_float(value: float) -> str:
    if value == 0:
        return "0p-1074"
    mantissa, exponent = frexp(value)
    # Subnormal numbers share one exponent.
    power = max(exponent - 53, -1074)
    return f"{int(mantissa * 2.0**53) >> (power - (exponent - 53))}p{power:+d}"


def hex_float(value: float, precision: int | None) -> str:
    """Write a positive float as hexadecimal mantissa and binary exponent."""
    if value == 0:
        return "0x0" + ("." + "0" * precision if precision else "") + "p+00"
    mantissa, exponent = frexp(value)
    bits, exponent = int(mantissa * 2.0**53), exponent - 1
    if precision is not None and precision < 13:
        bits, exponent = _round_mantissa(bits, exponent, 4 * (13 - precision))
    fraction = format(bits & ((1 << 52) - 1), "013x")
    fraction = fraction.rstrip("0") if precision is None else fraction.ljust(precision, "0")[:precision]
    point = "." if fraction else ""
    return f"0x1{point}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _round_mantissa(bits: int, exponent: int, dropped: int) -> tuple[int, int]:
    """Round half to even, as strconv does; a carry out of the mantissa moves the exponent."""
    kept, rest = divmod(bits, 1 << dropped)
    half = 1 << (dropped - 1)
    kept += rest > half or (rest == half and kept & 1)
    bits = kept << dropped
    return (bits >> 1, exponent + 1) if bits >> 53 else (bits, exponent)
