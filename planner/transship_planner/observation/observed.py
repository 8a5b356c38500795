"""What was seen at the sources and targets: plain values, gathered by `observe` and compared by `diff`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TypeAlias

from transship_planner.desired import Comparison, Entry, PlatformRule
from transship_planner.plans.plan import Action
from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.platform import Platform
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.walk import ReferrerNode


@dataclass(frozen=True, slots=True)
class Wish:
    """One target tag that an entry wants, and the source tag whose content it shall have."""

    entry: Entry
    source: Reference
    target: Reference
    comparison: Comparison = Comparison.DIGEST

    @property
    def is_immutable(self) -> bool:
        """Whether the target tag never changes once it is there."""
        return self.entry.copy.is_immutable(self.target.identifier)

    @property
    def platforms(self) -> PlatformRule:
        """Which platforms of the source are wanted."""
        return self.entry.copy.platforms


@dataclass(frozen=True, slots=True)
class Restraint:
    """Why a target tag is left as it is, though it is not as wanted.

    `action` is HELD when time or a person will let the change go, and BLOCKED when a policy refuses it. `until` is when
    time will, in RFC 3339, UTC; empty when that is not known.
    """

    action: Action
    reason: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """When a registry says that a digest was pushed to its tag; `told_by` is what says so."""

    at: datetime
    told_by: str


@dataclass(frozen=True, slots=True)
class SeenAttachment:
    """Something that is attached to an image at the source, and how it stands at the target.

    `home` is the repository in which it should be; `before` is what its digest tag names there.
    """

    node: ReferrerNode
    home: Repository
    present: bool
    before: Digest | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a wish's two tags point at.

    `source` is None when it did not have to be asked; `expected` is what the target tag should point at, which differs
    from `source` where platforms are selected; `reduced` holds the index that was built for several platforms; `backup`
    is where the image that is about to be replaced will be kept; `restraint` is why it is not replaced now. `attached`
    is what belongs to the image, if its entry wants that; `lost` is the content that the target should have and has not
    (`forceRecursive`), with the manifests above it. `pushed` is asked for only where the entry has a `min_age`.
    `platform` is what a manifest without an index is for, and `remark` what people should know of the choice of
    platforms, where the entry chooses any. `left_out` are attestations that the source lists and does not have: then
    `reduced` is built without them.
    """

    wish: Wish
    source: Descriptor | None
    expected: Descriptor | None
    target: Descriptor | None
    reduced: Manifest | None = None
    backup: Reference | None = None
    restraint: Restraint | None = None
    attached: tuple[SeenAttachment, ...] = ()
    lost: frozenset[Digest] = frozenset()
    pushed: Pushed | None = None
    platform: Platform | None = None
    remark: str = ""
    left_out: tuple[Digest, ...] = ()

    @property
    def in_sync(self) -> bool:
        """Whether the target tag is as it should be."""
        if self.target is None:
            return False
        if self.expected is None or self.wish.comparison is Comparison.EXISTENCE:
            return True
        return self.target.digest == self.expected.digest

    @property
    def needs_refresh(self) -> bool:
        """Whether the target tag is right, but not all that belongs to the image is there."""
        return self.in_sync and bool(self.lost or any(not each.present for each in self.attached))

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

    `existing` are the wishes whose target tags are known to exist without having been asked one by one. `contents`
    holds the manifests of what will change (sources whole, targets only their top) and is empty for a mere check.
    `quotas` are the pull quotas that the source registries state, by registry. `told` is what source tags point at by
    what their registries told on other occasions, which may be minutes old. `confirmed` are looks at both ends of tags
    for which it is enough that they exist, for the sake of the state.
    """

    sightings: tuple[Sighting, ...] = ()
    contents: Contents = field(default_factory=dict[Digest, Manifest])
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
    quotas: Mapping[str, Quota] = field(default_factory=dict[str, Quota])
    told: Mapping[Reference, Digest] = field(default_factory=dict[Reference, Digest])
    existing: tuple[Wish, ...] = ()
    confirmed: tuple[Sighting, ...] = ()

    @property
    def untouched(self) -> Iterator[Wish]:
        """The immutable tags among those that are known to exist, which nothing was asked about."""
        return (wish for wish in self.existing if wish.is_immutable)

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
