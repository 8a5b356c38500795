"""Numbers in response headers: sizes and counts that a registry states, however hostile."""

from typing import Final

from transship_registry.sizes import LARGEST

_MOST_DIGITS: Final = 18
"""More than any size or count has; Python itself refuses to convert thousands of them."""


def read_number(text: str) -> int | None:
    """Return a decimal number; None for anything else, and for one that no size or count can be."""
    digits = text.strip()
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS else None
    return number if number is not None and number <= LARGEST else None
