"""What a registry tells about all tags of a repository in a few requests: their names, and digests and dates if it can.

These facts spare HEAD requests, and are trusted no further: they may be minutes old. Whatever is to be copied,
overwritten, deleted or called absent is looked up with `head_manifest` first.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from transship_registry.digest import Digest
from transship_registry.platform import Platform


class InventorySource(Enum):
    """Where the facts come from, by falling richness."""

    HUB = "Docker Hub's tag API"
    GOOGLE = "Google's manifest map"
    LAYOUT = "index.json"
    TAGS = "the tag list"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFact:
    """What is told about a tag; None where nothing is.

    `digest` and `media_type` are those of the manifest or index that the tag points at. `size` is the sum of the
    image's blobs in bytes, as the registry counts it; `updated` is when the tag was last pushed. `platforms` are the
    images behind the tag with their manifests' digests, attestations left out.
    """

    tag: str
    digest: Digest | None = None
    media_type: str | None = None
    size: int | None = None
    updated: datetime | None = None
    platforms: tuple[tuple[Platform, Digest], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The tags of a repository, each once.

    `complete` as in `TagList`; `problem` says what is missing: tags when it is not complete, facts when it is.
    """

    tags: tuple[TagFact, ...]
    source: InventorySource
    complete: bool = True
    problem: str = ""
