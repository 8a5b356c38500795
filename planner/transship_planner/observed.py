"""What was seen at the sources and targets: plain values, gathered by `observe` and compared by `diff`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from transship_planner.desired import Comparison, Entry, PlatformRule
from transship_planner.plan import Action
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
class Restraint:
    """Why a target tag is left as it is, though it is not as wanted.

    `action` is HELD when time or a person will let the change go, and BLOCKED when a policy refuses it.
    """

    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a wish's two tags point at.

    `source` is None when it did not have to be asked; `expected` is what the target tag should point at, which differs
    from `source` where platforms are selected; `reduced` holds the index that was built for several platforms; `backup`
    is where the image that is about to be replaced will be kept; `restraint` is why it is not replaced now.
    """

    wish: Wish
    source: Descriptor | None
    expected: Descriptor | None
    target: Descriptor | None
    reduced: Manifest | None = None
    backup: Reference | None = None
    restraint: Restraint | None = None

    @property
    def in_sync(self) -> bool:
        """Whether the target tag is as it should be."""
        if self.target is None:
            return False
        if self.expected is None or self.wish.comparison is Comparison.EXISTENCE:
            return True
        return self.target.digest == self.expected.digest

    @property
    def is_changing(self) -> bool:
        """Whether the target tag will be written."""
        return not self.in_sync and not self.is_unsupported and self.restraint is None

    @property
    def is_unsupported(self) -> bool:
        """Whether the source is of a media type that the entry does not mirror (semantics B11.6)."""
        return self.source is not None and self.source.media_type not in self.wish.entry.copy.media_types


Policy: TypeAlias = Callable[[Sighting], Restraint | None]
"""A rule that may hold or block a change; it is asked about what is not in sync, before its content is fetched."""


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

    `present` counts, per entry, the target tags known to exist without having been asked one by one, which are the
    wishes of `existing`. `contents`
    holds the manifests of what will change (sources whole, targets only their top) and is empty for a mere check.
    """

    sightings: tuple[Sighting, ...] = ()
    present: Mapping[str, int] = field(default_factory=dict[str, int])
    contents: Contents = field(default_factory=dict[Digest, Manifest])
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
    existing: tuple[Wish, ...] = ()

    @property
    def mirrored(self) -> Iterator[Wish]:
        """The wishes whose target tags are, or shall be, what the source tags are: all but those passed over."""
        seen = (sighting.wish for sighting in self.sightings if sighting.in_sync or not sighting.is_unsupported)
        return chain(seen, self.existing)


@dataclass(frozen=True, slots=True)
class Selected:
    """The tags that the configuration selects, by the tag lists of the sources alone."""

    wishes: tuple[Wish, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
