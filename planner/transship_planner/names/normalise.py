"""`os_normalize`: a tag that names only an operating system gets the version of the product in front (semantics A6)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from transship_planner.tags.versions import Version, is_ordered
from transship_registry.digest import Digest

OS_NAMES: Final = (
    "alpine",
    "debian",
    "ubuntu",
    "bookworm",
    "bullseye",
    "buster",
    "trixie",
    "jammy",
    "noble",
    "focal",
    "slim",
    "windowsservercore",
    "nanoserver",
)

_OS_ONLY = re.compile(rf"(?:{'|'.join(OS_NAMES)})(?:[0-9]+(?:\.[0-9]+)*)?")
_Rank: TypeAlias = tuple[tuple[int, ...], int, str]


@dataclass(frozen=True, slots=True)
class Normalised:
    """The name that a tag gets at the target, and a warning when it should have changed and could not."""

    target: str
    warning: str = ""


def os_candidates(tag: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that may name the version of one that only names an operating system, the highest first."""
    return tuple(sorted(ranks := _candidates(tag, tags), key=ranks.__getitem__, reverse=True))


def os_normalize(tag: str, tags: Iterable[str], digests: Mapping[str, Digest] | None = None) -> Normalised:
    """Name a tag at the target: `alpine3.21` becomes `1.22-alpine3.21`, every other tag keeps its name.

    The version is that of the highest `<version>-alpine3.21` among `tags`, of those with the digest of `tag` if there
    are any. Of equal versions the one with more numbers counts (1.22.0 before 1.22).
    """
    if not _OS_ONLY.fullmatch(tag):
        return Normalised(tag)
    known = digests or {}
    own = known.get(tag)
    candidates = os_candidates(tag, tags)
    twin = next((candidate for candidate in candidates if own is not None and known.get(candidate) == own), None)
    if candidates:
        return Normalised(twin or candidates[0])
    return Normalised(
        tag,
        f"os_normalize: tag {tag!r} keeps its name: no tag of the form VERSION-{tag} gives the version to put in front",
    )


def os_names_in(tag: str, text: str) -> tuple[str, ...]:
    """Return the names in a text that `os_normalize` might give a tag: a version, a hyphen, the tag."""
    if not _OS_ONLY.fullmatch(tag):
        return ()
    found = re.findall(rf"[0-9A-Za-z_.]+-{re.escape(tag)}(?![0-9A-Za-z_.-])", text)
    return tuple(name for name in found if _prefix(name, f"-{tag}"))


def _candidates(tag: str, tags: Iterable[str]) -> dict[str, _Rank]:
    if not _OS_ONLY.fullmatch(tag):
        return {}
    return {
        candidate: (version.core, len(version.parts), candidate)
        for candidate in tags
        if (version := _prefix(candidate, f"-{tag}"))
    }


def _prefix(candidate: str, ending: str) -> Version | None:
    if not candidate.endswith(ending):
        return None
    version = Version.read(candidate.removesuffix(ending))
    return version if version and is_ordered(version) and not version.suffix else None
