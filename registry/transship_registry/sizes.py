"""Numbers of bytes, and other counts, as somebody else states them."""

from typing import Annotated, Final, TypeAlias

import msgspec

LARGEST: Final = 2**53 - 1
"""The largest number that is believed: readers of JSON disagree about larger ones, and no plan has them (RFC 8785)."""

Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
"""A number of bytes in a document of somebody else."""
