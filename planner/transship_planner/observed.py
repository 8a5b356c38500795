"""What was seen at the sources and targets: plain values, gathered by `observe` and compared by `diff`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from transship_planner.desired import Comparison, Entry, PlatformRule
from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference


@dataclass(frozen=True, slots=True)
class Wish:
    """One target tag that an entry wants, and the source tag whose content it shall have."""

    entry: Entry
    source: Reference
    target: Reference
    comparison: Comparison = Comparison.DIGEST

    @property
    def platforms(self) -> PlatformRule:
        """Which platforms of the source are wanted."""
        return self.entry.copy.platforms


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a wish's two tags point at.

    `source` is None when it did not have to be asked; `expected` is what the target tag should point at, which differs
    from `source` where platforms are selected; `reduced` holds the index that was built for several platforms; `backup`
    is where the image that is about to be replaced will be kept.
    """

    wish: Wish
    source: Descriptor | None
    expected: Descriptor | None
    target: Descriptor | None
    reduced: Manifest | None = None
    backup: Reference | None = None

    @property
    def in_sync(self) -> bool:
        """Whether the target tag is as it should be."""
        if self.target is None:
            return False
        if self.expected is None or self.wish.comparison is Comparison.EXISTENCE:
            return True
        return self.target.digest == self.expected.digest

    @property
    def is_unsupported(self) -> bool:
        """Whether the source is of a media type that the entry does not mirror (semantics B11.6)."""
        return self.source is not None and self.source.media_type not in self.wish.entry.copy.media_types


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be observed: the entry, the reference, and the error in words."""

    entry: str
    reference: str
    message: str


Contents: TypeAlias = Mapping[Digest, Manifest]
"""Manifests by their digest; what a digest names is the same wherever it lies."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was seen.

    `present` counts, per entry, the target tags known to exist without having been asked one by one. `contents`
    holds the manifests of what will change (sources whole, targets only their top) and is empty for a mere check.
    """

    sightings: tuple[Sighting, ...] = ()
    present: Mapping[str, int] = field(default_factory=dict[str, int])
    contents: Contents = field(default_factory=dict[Digest, Manifest])
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
