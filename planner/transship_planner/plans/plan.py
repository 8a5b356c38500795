"""The plan: what will be changed at the targets, as plain values that are shown, written to a file, and applied.

These documents are the plan file's format 1 (docs/plan-file.md). A plan holds no secret, and nothing to execute.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository

FORMAT_VERSION: Final = 1


class Action(StrEnum):
    """What happens to a target reference; nothing does when it is held until later, or blocked by a policy."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REFRESH = "refresh"
    BLOCKED = "blocked"
    HELD = "held"

    @property
    def is_pending(self) -> bool:
        """Whether apply has something to do."""
        return self not in {Action.BLOCKED, Action.HELD}


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the plan file; a member that is not known is an error, since it cannot be honoured."""


class Version(_Document, frozen=True, kw_only=True):
    """What a tag points at: digest, media type and size in bytes of its manifest."""

    digest: Digest
    media_type: str
    size: int

    @classmethod
    def of(cls, descriptor: Descriptor) -> "Version":
        """Take the part of a descriptor that identifies the content of a tag."""
        return cls(digest=descriptor.digest, media_type=descriptor.media_type, size=descriptor.size)


class TreeManifest(_Document, frozen=True, kw_only=True):
    """A manifest of the content that a change brings; `present` when the target's tag already reaches it."""

    digest: Digest
    media_type: str
    size: int
    platform: Platform | None = None
    present: bool = False


class TreeBlob(_Document, frozen=True, kw_only=True):
    """A blob of the content that a change brings; `present` when the target's tag already reaches it."""

    digest: Digest
    size: int
    present: bool = False


class ContentTree(_Document, frozen=True, kw_only=True):
    """Everything a change brings: manifests from the top down, and blobs, each digest once."""

    manifests: tuple[TreeManifest, ...] = ()
    blobs: tuple[TreeBlob, ...] = ()


class Difference(_Document, frozen=True, kw_only=True):
    """One difference inside an updated image: `kind` is `added`, `removed` or `changed`, `what` a name for people.

    `what` is `platform linux/amd64`, `layer 3`, `annotation org.opencontainers.image.version`, `media type`, ….
    """

    kind: str
    what: str
    before: str = ""
    after: str = ""


class Attachment(_Document, frozen=True, kw_only=True):
    """A manifest that travels with an image because it is attached to it: a signature, an SBOM, an attestation.

    It is attached to `subject`: by naming it, or by its own `tag` (a digest tag); `before` is what that tag names at
    the target. `source` and `target` are where it is read and written; `present` when it is there already.
    """

    digest: Digest
    media_type: str
    size: int
    subject: Digest
    source: Repository
    target: Repository
    artifact_type: str = ""
    tag: str = ""
    before: Digest | None = None
    present: bool = False
    content: ContentTree = ContentTree()


class RateLimit(_Document, frozen=True, kw_only=True):
    """How many pulls must be left at the source before a change is copied, and after how long to look again."""

    min: Annotated[int, msgspec.Meta(ge=1)]
    retry_s: Annotated[float, msgspec.Meta(ge=300)]


class LifecycleStatus(StrEnum):
    """How the cycle that a tag belongs to stands."""

    OK = "ok"
    SOON = "soon"
    ENDED = "ended"
    UNDATED = "no date"
    UNKNOWN = "unknown"
    UNVERSIONED = "no cycle"


class Lifecycle(_Document, frozen=True, kw_only=True):
    """Where a tag stands in the life of its product, on the day of the plan.

    `cycle` is empty when the tag has no version; `eol` is a date in ISO 8601, the last supported day, or empty when
    none is known; `days_left` until it are negative when it is over; `note` says why nothing is known.
    """

    product: str
    cycle: str = ""
    status: LifecycleStatus
    eol: str = ""
    days_left: int | None = None
    note: str = ""


class TagLifecycle(_Document, frozen=True, kw_only=True):
    """The lifecycle of a mirrored target tag, whether it changes or not."""

    entry: str
    target: Reference
    lifecycle: Lifecycle


class Change(_Document, frozen=True, kw_only=True):
    """One target reference that will change.

    `source` is the tag that was observed and `source_digest` what it pointed at; `after` is what the target tag will
    point at. They differ when `platforms_wanted` selects: one platform gives that child, several give a reduced index
    that is built from `source_digest` again and must have the digest of `after`; so does an index without the
    attestations `left_out`, which the source lists and does not have. `before` is absent when the target tag was;
    `backup` is where that content is kept before the tag moves. `attached` is what travels along, what is nearer
    to the image first, and `refused` what happens when the target does not take it (`fail`, `warn`, `skip`). `transfer`
    is how many bytes this change adds to the transfer of the whole plan, at most. `held_until` is when a held change
    may be planned, if time decides.

    A `refresh` leaves the tag as it is: `before` and `after` are equal, and what is not `present` is brought.
    """

    action: Action
    entry: str
    source: Reference
    target: Reference
    reason: str
    source_digest: Digest | None = None
    before: Version | None = None
    after: Version | None = None
    platforms: tuple[Platform, ...] = ()
    platforms_wanted: tuple[Platform, ...] = ()
    left_out: tuple[Digest, ...] = ()
    include_external: bool = False
    backup: Reference | None = None
    ratelimit: RateLimit | None = None
    content: ContentTree = ContentTree()
    attached: tuple[Attachment, ...] = ()
    refused: str = "fail"
    differences: tuple[Difference, ...] = ()
    transfer: int = 0
    risks: tuple[str, ...] = ()
    held_until: str = ""
    lifecycle: Lifecycle | None = None


class Problem(_Document, frozen=True, kw_only=True):
    """Something that could not be planned: the entry, the reference, and the error in words.

    `line` is where the entry stands in the configuration; 0 when that is not known.
    """

    entry: str
    reference: str
    message: str
    line: int = 0


class ConfigPin(_Document, frozen=True, kw_only=True):
    """Which configuration a plan was made from: digest of its normalised entries without secrets, and dialect."""

    digest: Digest
    dialect: str


class Mode(_Document, frozen=True, kw_only=True):
    """How the plan was made: `missing` plans absent tags only."""

    missing: bool = False


class StatePin(_Document, frozen=True, kw_only=True):
    """Which recorded state a plan was made against; a plan made on none carries a nonce instead."""

    lineage: str = ""
    serial: int = 0
    nonce: str = ""


class Origin(StrEnum):
    """Where a plan comes from, which decides by what apply judges it.

    The entries of a configuration; a return to what the state recorded; or a copy that somebody asked for once.
    """

    ENTRIES = "entries"
    ROLLBACK = "rollback"
    COPY = "copy"


class EntryCount(_Document, frozen=True, kw_only=True):
    """How many target tags of one entry are as they should be."""

    entry: str
    count: int


class Unchanged(_Document, frozen=True, kw_only=True):
    """How many target tags are as they should be: in all, and per entry."""

    count: int = 0
    entries: tuple[EntryCount, ...] = ()


class FoundTag(_Document, frozen=True, kw_only=True):
    """A target tag that is as wanted, and what its source points at.

    `source` is set where that is not the same tag of the source repository, `given` where the target points at another
    digest than the source, as it does when platforms are selected.
    """

    tag: str
    digest: Digest
    source: Reference | None = None
    given: Digest | None = None


class Found(_Document, frozen=True, kw_only=True):
    """Target tags of one repository that are as wanted and that the state does not record so: apply records them.

    `source` and `target` are where they come from and lie; all are of one media type.
    """

    entry: str
    source: Repository
    target: Repository
    media_type: str
    platforms: tuple[Platform, ...] = ()
    tags: tuple[FoundTag, ...] = ()


class PullQuota(_Document, frozen=True, kw_only=True):
    """What a source registry said is left of its quota, in pulls, and whether the pulls foretold fit in it.

    `window_s` is the time in seconds that the quota is for.
    """

    remaining: int
    fits: bool
    limit: int | None = None
    window_s: int | None = None


class SourcePulls(_Document, frozen=True, kw_only=True):
    """How many manifests apply will GET from one source registry, which is what quotas count."""

    registry: str
    manifests: int
    quota: PullQuota | None = None


class Forecast(_Document, frozen=True, kw_only=True):
    """What applying the plan costs.

    `transfer` is an upper bound of the bytes sent to the targets: each blob counts once per target registry, and not at
    all when the target's tag already reaches it.
    """

    transfer: int = 0
    blobs: int = 0
    manifests: int = 0
    pulls: tuple[SourcePulls, ...] = ()


class Plan(_Document, frozen=True, kw_only=True):
    """A plan, complete: the digest of a plan file is of this document in canonical JSON."""

    format_version: int
    tool_version: str
    config: ConfigPin
    origin: Origin = Origin.ENTRIES
    mode: Mode = Mode()
    state: StatePin = StatePin()
    changes: tuple[Change, ...] = ()
    unchanged: Unchanged = Unchanged()
    forecast: Forecast = Forecast()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    expires_at: str = ""
    lifecycles: tuple[TagLifecycle, ...] = ()
    found: tuple[Found, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that apply will make: all but those that are held or blocked."""
        return tuple(change for change in self.changes if change.action.is_pending)

    def count(self, action: Action) -> int:
        """Return how many changes have this action."""
        return sum(change.action is action for change in self.changes)
