"""What the configuration wants: normalised entries in one vocabulary, whatever the dialect.

Every entry knows where it stands in its file. Patterns are compiled, references parsed, durations in seconds, templates
expanded except `backup`, which is expanded for each image that is overwritten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TypeAlias

from transship_planner.errors import Finding, Mark
from transship_planner.names.backup import BackupRule
from transship_planner.names.targetname import TargetName
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_registry.hosts import DEFAULT_PATIENCE, HostSettings, Patience
from transship_registry.layout.links import LayoutLinks
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import is_referrers_tag
from transship_registry.referrers.refused import RefusedArtifactPolicy


class Dialect(Enum):
    """Whose configuration format a file is written in."""

    REGSYNC = "regsync"
    IMGLIFE = "imglife"


class Comparison(Enum):
    """When a target tag that exists counts as up to date."""

    DIGEST = "digest"
    """It has the digest that the source would give it."""
    EXISTENCE = "existence"
    """It exists (imglife without `check_digest`, semantics A7.1; `--missing`; `immutable_tags`)."""


@dataclass(frozen=True, slots=True)
class ImageScope:
    """One image to one target tag."""

    source: Reference
    target: Reference


@dataclass(frozen=True, slots=True)
class RepositoryScope:
    """The selected tags of a repository, under their own names in the target repository."""

    source: Repository
    target: Repository
    selection: Selection


@dataclass(frozen=True, slots=True)
class RegistryScope:
    """The selected tags of the selected repositories of a registry; `target` is a prefix of repository names."""

    source: str
    target: str
    allow: tuple[TagPattern, ...]
    deny: tuple[TagPattern, ...]
    selection: Selection

    def selects(self, repository: str) -> bool:
        """Tell whether a repository of the source is wanted: allowed (all are, without patterns) and not denied."""
        allowed = not self.allow or any(pattern.matches(repository) for pattern in self.allow)
        return allowed and not any(pattern.matches(repository) for pattern in self.deny)

    def repository(self, name: str) -> RepositoryScope:
        """Return the scope of one repository of the source; raises `InvalidReferenceError`."""
        source = Repository.parse(f"{self.source}/{name}")
        return RepositoryScope(source, Repository.parse(f"{self.target}/{name}"), self.selection)


Scope: TypeAlias = ImageScope | RepositoryScope | RegistryScope


@dataclass(frozen=True, slots=True)
class PlatformRule:
    """Which platforms of an image are mirrored: all (`wanted` empty), one (as a plain image), or several (a new index).

    `index_only` is regsync's `platform`: a source that is no index is taken as it is (semantics B11).
    """

    wanted: tuple[Platform, ...] = ()
    index_only: bool = False


class MissingAttestations(Enum):
    """What becomes of an image whose index lists an attestation that the source does not have, as behind some proxies.

    FAIL: it is a problem of its tag. SKIP: the image is mirrored under a new index without that attestation.
    """

    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class ReferrerFilter:
    """A referrer passes when artifact type and every annotation match; an empty annotation value means "present"."""

    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRules:
    """How the images of an entry are compared and copied; `immutable_tags` are of the target, and never change."""

    comparison: Comparison = Comparison.DIGEST
    immutable_tags: tuple[TagPattern, ...] = ()
    platforms: PlatformRule = PlatformRule()
    missing_attestations: MissingAttestations = MissingAttestations.FAIL
    media_types: tuple[str, ...] = DEFAULT_MEDIA_TYPES
    include_external: bool = False
    force_recursive: bool = False
    fast_copy: bool = False
    digest_tags: bool = False
    referrers: bool = False
    referrer_filters: tuple[ReferrerFilter, ...] = ()
    referrer_source: Repository | None = None
    referrer_target: Repository | None = None
    refused_referrers: RefusedArtifactPolicy = RefusedArtifactPolicy.FAIL
    backup: str = ""

    @property
    def takes_along(self) -> bool:
        """Whether what is attached to an image is copied with it."""
        return self.referrers or self.digest_tags

    def leaves_out(self, tag: str) -> bool:
        """Whether a tag is no image of its own: the list of referrers that the target will have one of its own of."""
        return self.referrers and is_referrers_tag(tag)

    def is_immutable(self, tag: str) -> bool:
        """Tell whether that target tag is never changed."""
        return any(pattern.matches(tag) for pattern in self.immutable_tags)

    def comparison_of(self, tag: str) -> Comparison:
        """Return when that target tag counts as up to date."""
        return Comparison.EXISTENCE if self.is_immutable(tag) else self.comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When an entry runs in server mode, and what source quota it leaves alone. Times in seconds."""

    interval_s: float = 0.0
    schedule: str = ""
    ratelimit_min: int = 0
    ratelimit_retry_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command that runs after an entry, or after all of them (semantics A9)."""

    cmd: str
    timeout_s: float = 60.0
    continue_on_error: bool = False
    mark: Mark | None = field(default=None, compare=False)


class OnEol(StrEnum):
    """What happens to a tag that is to change, though its cycle has come to its end."""

    WARN = "warn"
    HOLD = "hold"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """How a tag maps to a cycle of a product at endoflife.date; `track` is `major` or `minor` (semantics A8)."""

    product: str
    track: str = "minor"
    on_eol: OnEol = OnEol.WARN


@dataclass(frozen=True, slots=True, kw_only=True)
class EolSettings:
    """Where end-of-life dates come from: `provider` is `endoflife` (asked below `url`) or `local` (`data_file` alone).

    A cycle that ends within less than `critical_days` is warned about.
    """

    provider: str = "endoflife"
    data_file: str = "eol-data.yaml"
    url: str = "https://endoflife.date"
    critical_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One wish: these images shall be there. `name` is its path in the file, such as `sync[0]`.

    An entry with several targets is several of these, of one name and side by side, that differ in the target only.
    `os_normalize` puts the version in front of target tags that only name an operating system (semantics A6);
    `target_name` names what lies below the target; `backup` is how `copy.backup` is expanded. A tag is held while its
    digest has been there for less than `min_age_s`, in seconds.
    """

    name: str
    mark: Mark
    scope: Scope
    copy: CopyRules = CopyRules()
    timing: Timing = Timing()
    post_sync: tuple[Hook, ...] = ()
    lifecycle: LifecycleRule | None = None
    os_normalize: bool = False
    target_name: TargetName | None = None
    min_age_s: float = 0.0
    backup: BackupRule | None = field(default=None, compare=False, hash=False)
    marks: Mapping[str, Mark] = field(default_factory=dict[str, Mark], compare=False, hash=False)

    def where(self, key: str) -> Mark:
        """Return where the value of `key` stands, or the entry itself when the key is not written there."""
        return self.marks.get(key, self.mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """A whole configuration.

    `parallel` is how many images are copied at once, 0 when the file does not say; `cache_count` answers of each kind
    are kept for `cache_time_s`, none when either is 0; `blob_limit` is the largest chunk in bytes that a registry may
    ask for, 0 when the file does not say; `patience` is that with registries without settings of their own; `warnings`
    are findings that do not stop anything.
    """

    file: str
    dialect: Dialect
    entries: tuple[Entry, ...]
    hosts: tuple[HostSettings, ...] = ()
    parallel: int = 0
    user_agent: str = ""
    skip_docker_config: bool = False
    cache_count: int = 0
    cache_time_s: float = 0.0
    blob_limit: int = 0
    layout_links: LayoutLinks = LayoutLinks.COPY
    patience: Patience = DEFAULT_PATIENCE
    post_sync: tuple[Hook, ...] = ()
    state: str = ""
    eol: EolSettings = EolSettings()
    warnings: tuple[Finding, ...] = ()
