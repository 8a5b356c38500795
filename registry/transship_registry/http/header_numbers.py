"""Numbers in response headers: sizes and counts that a registry states, however hostile."""

from typing import Final

_MOST_DIGITS: Final = 18
"""More than the digits of an exabyte; Python itself refuses to convert thousands of them."""


def read_number(text: str) -> int | None:
    """Return a decimal number; None for anything else, and for one that no size or count can be."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS else None
