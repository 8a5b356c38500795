"""Versions in tags: how a tag is read as one, and which of two tags is newer."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Final, Self, TypeAlias

PRERELEASE_WORDS: Final = (
    "alpha",
    "beta",
    "rc",
    "pre",
    "prerelease",
    "preview",
    "milestone",
    "dev",
    "ea",
    "snapshot",
    "canary",
    "nightly",
)
"""What a part of a suffix begins with when it marks a real pre-release; `m` counts too when a digit follows."""

PrereleaseKey: TypeAlias = tuple[tuple[tuple[str, int], ...], ...]
Precedence: TypeAlias = tuple[tuple[int, ...], int, PrereleaseKey]
"""Numbers without trailing zeros, rank (`BELOW`, `PRERELEASE`, `RELEASE`), and the pre-release; greater is newer."""
NaturalKey: TypeAlias = tuple[str | int, ...]

BELOW: Final = -1
"""Rank of the bound that lies below every pre-release of its numbers."""
PRERELEASE: Final = 0
RELEASE: Final = 1

# Go's strconv.Atoi, with which regsync reads the parts, refuses what int64 cannot hold: an all-digit commit hash is no
# version (semantics B9.8). No tag has more than 128 characters (distribution-spec § Pull).
_INT64_MAX = 2**63 - 1
_VERSION = re.compile(r"v?([0-9]{1,128}(?:\.[0-9]{1,128})*)(?:-([^+]*))?(?:\+.*)?", re.DOTALL)
_RUNS = re.compile(r"([0-9]+)")
_TEXT_THEN_NUMBER = re.compile(r"([^0-9]*)([0-9]*)")
_PRERELEASE_PART = re.compile(rf"(?:(?:{'|'.join(PRERELEASE_WORDS)})[0-9]*|m[0-9]+)(?:[._].*)?", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9.]+")
_ORDERED_PARTS = 4
_READABLE_DIGITS = 640  # what sys.set_int_max_str_digits leaves in any case
# The suffixes of a repository's tags are few, and each stands on thousands of tags.
_SUFFIXES = 4096
_NO_DATE = datetime.min.replace(tzinfo=UTC)


class Suffix(Enum):
    """What `-alpine` in `3.22-alpine` says: a pre-release of 3.22, or a variant of it (`semverSuffix`)."""

    PRERELEASE = "prerelease"
    VARIANT = "variant"


class Group(Enum):
    """Of what `keep_last` keeps the newest: of all tags, or of each major or minor version or variant."""

    ALL = "all"
    MAJOR = "major"
    MINOR = "minor"
    VARIANT = "variant"


@dataclass(frozen=True, slots=True)
class Version:
    """A tag read as a version: its numbers as written, and what follows the first `-` without it."""

    parts: tuple[int, ...]
    suffix: str = ""

    @classmethod
    def read(cls, tag: str) -> Self | None:
        """Read a tag as regsync does (semantics B9.8); None when it is not a version."""
        match = _VERSION.fullmatch(tag)
        if match is None:
            return None
        parts = tuple(map(int, match[1].split(".")))
        return cls(parts, match[2] or "") if max(parts) <= _INT64_MAX else None

    @property
    def core(self) -> tuple[int, ...]:
        """The numbers without trailing zeros, so that 1 equals 1.0.0."""
        return core(self.parts)

    def precedence(self, suffix: Suffix) -> Precedence:
        """Return the place of this version among all (semantics B9.9)."""
        prerelease = self.suffix if suffix is Suffix.PRERELEASE else split_suffix(self.suffix)[0]
        return precedence(self.parts, prerelease)


def core(parts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers without trailing zeros."""
    end = len(parts)
    while end and not parts[end - 1]:
        end -= 1
    return parts[:end]


def precedence(parts: tuple[int, ...], prerelease: str = "") -> Precedence:
    """Return the place of a release, or of a pre-release of it, among all versions."""
    if not prerelease:
        return core(parts), RELEASE, ()
    return core(parts), PRERELEASE, _prerelease_key(prerelease)


@lru_cache(_SUFFIXES)
def split_suffix(suffix: str) -> tuple[str, str]:
    """Split a suffix into what marks a pre-release and what names a variant: `rc1-alpine` is `rc1` and `alpine`.

    Numbers belong to the word before them, as in `nightly-20240101`.
    """
    if not suffix:
        return "", ""
    prerelease: list[str] = []
    variant: list[str] = []
    target = variant
    for part in suffix.split("-"):
        if _PRERELEASE_PART.fullmatch(part):
            target = prerelease
        elif not _NUMBERS.fullmatch(part):
            target = variant
        target.append(part)
    return "-".join(prerelease), "-".join(variant)


def natural_key(text: str) -> NaturalKey:
    """Return a sort key that compares numbers in a text by value: `alpine3.9` before `alpine3.21`."""
    return tuple(_number(run) if place % 2 else run for place, run in enumerate(_RUNS.split(text)))


def _number(digits: str) -> int:
    """Read a number; of those that Python does not read, since that takes time, the longer one is the larger."""
    return int(digits) if len(digits) <= _READABLE_DIGITS else 10 ** len(digits)


def is_ordered(version: Version | None) -> bool:
    """Tell whether `keep_last` orders a tag as a version: up to four numbers, as in 10.0.17763.2114 (semantics A5)."""
    return version is not None and len(version.parts) <= _ORDERED_PARTS


def newest_first(
    tags: Iterable[str], versions: Mapping[str, Version | None], dates: Mapping[str, datetime]
) -> list[str]:
    """Order tags from new to old: versions by number, then the others by date (semantics A5).

    A pre-release comes after its release, and after all its variants; a variant after the plain version. Tags without
    a date come last, and what is equal otherwise is ordered by name, descending, with numbers by value. `dates` are
    aware.
    """
    ordered: dict[str, Version] = {}
    others: list[str] = []
    for tag in tags:
        version = versions[tag]
        if version is not None and is_ordered(version):
            ordered[tag] = version
        else:
            others.append(tag)
    newest = sorted(ordered, key=lambda tag: _version_key(tag, ordered[tag]), reverse=True)
    others.sort(key=lambda tag: (dates.get(tag, _NO_DATE), natural_key(tag), tag), reverse=True)
    return newest + others


def group_of(version: Version | None, group: Group) -> str | None:
    """Return the group that `keep_last` counts a tag in: `1`, `1.22` or `alpine`; all that are no versions share None.

    A variant is named without its numbers, so that alpine3.20 gives way to alpine3.21; a pre-release is in the group of
    its release.
    """
    if group is Group.ALL:
        return ""
    if version is None or not is_ordered(version):
        return None
    if group is Group.VARIANT:
        return _variant_family(split_suffix(version.suffix)[1])
    major, minor, *_ = *version.parts, 0
    return str(major) if group is Group.MAJOR else f"{major}.{minor}"


def _variant_family(variant: str) -> str:
    return "-".join(word for part in variant.split("-") if (word := _NUMBERS.sub("", part)))


def _version_key(tag: str, version: Version) -> tuple[Precedence, bool, NaturalKey, str]:
    prerelease, variant = split_suffix(version.suffix)
    return precedence(version.parts, prerelease), not variant, _variant_key(variant), tag


@lru_cache(_SUFFIXES)
def _variant_key(variant: str) -> NaturalKey:
    return natural_key(variant)


@lru_cache(_SUFFIXES)
def _prerelease_key(prerelease: str) -> PrereleaseKey:
    return tuple(map(_identifier_key, prerelease.split(".")))


def _identifier_key(identifier: str) -> tuple[tuple[str, int], ...]:
    """Return the runs of text and number of an identifier; -1 stands for no number, which is less than any."""
    runs = _TEXT_THEN_NUMBER.findall(identifier)
    return tuple((text, _number(number) if number else -1) for text, number in runs if text or number)
