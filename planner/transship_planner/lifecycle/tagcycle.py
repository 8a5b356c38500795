"""Which release cycle of a product a tag belongs to (semantics A8)."""

import re
from typing import Final, TypeAlias

Version: TypeAlias = tuple[str, ...]
"""The numbers of a version as they are written: 04 is not 4, and 3.20 is not 3.2."""

TRACKS: Final = {"major": 1, "minor": 2}
"""How many numbers of a version name a cycle."""

# Official images write pre-releases without a hyphen: python:3.14.0b3, golang:1.23rc1, postgres:17beta1.
_VERSION: Final = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(?:(?:alpha|beta|a|b|rc)[0-9]+)?(?=[-_+]|$)")


def version_of(tag: str) -> Version:
    """Return the version that a tag begins with, whatever suffix follows; empty when it begins with none."""
    match = _VERSION.match(tag)
    return tuple(match[1].split(".")) if match else ()


def cycle_of(version: Version, track: str) -> str:
    """Return the cycle of a version; one that has fewer numbers than `track` asks for names what it has."""
    return ".".join(version[: TRACKS[track]])
