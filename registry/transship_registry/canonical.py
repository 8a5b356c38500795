"""Canonical JSON (RFC 8785): by rfc8785, or by msgspec where that writes the same, which it does 20 times as fast."""

from types import NoneType
from typing import Any, Final, cast

import msgspec
import rfc8785

_INT_MAX: Final = 2**53 - 1


def canonical(document: object) -> bytes:
    """Return dicts, lists and scalars in canonical form; raises `rfc8785.CanonicalizationError` for what has none."""
    if _is_plain(document):
        try:
            return msgspec.json.encode(document, order="sorted")
        except UnicodeEncodeError:  # rfc8785 says what is wrong
            pass
    return rfc8785.dumps(cast(Any, document))


def _is_plain(document: object) -> bool:
    """Whether there is nothing in it of which forms differ: fractions, large numbers, keys that UTF-16 sorts apart."""
    left: list[object] = [document]
    while left:
        part = left.pop()
        kind = type(part)
        if kind is dict:
            members = cast("dict[object, object]", part)
            if not all(type(key) is str and key.isascii() for key in members):
                return False
            left.extend(members.values())
        elif kind is list or kind is tuple:
            left.extend(cast("list[object]", part))
        elif kind is int:
            if abs(cast(int, part)) > _INT_MAX:
                return False
        elif kind is not str and kind is not bool and kind is not NoneType:
            return False
    return True
