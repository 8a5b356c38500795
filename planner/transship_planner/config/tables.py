"""Every key of regsync's format and of imglife's, declared once (semantics B4; A3, A4, A8, A9, A13, A14).

Both formats share these tables: a field of either may be used in both, spelled as in its home.
"""

from dataclasses import replace
from typing import Final

from transship_planner.config.durations import HOUR, MILLISECOND, MINUTE
from transship_planner.config.schema import (
    Anything,
    Choice,
    Decimal,
    Duration,
    Field,
    Flag,
    Format,
    ListOf,
    Record,
    ScalarOrRecord,
    Table,
    Text,
    TextMap,
    Whole,
)
from transship_planner.desired import Dialect, MissingAttestations, OnEol
from transship_planner.tags.versions import Group, Suffix
from transship_registry.layout.links import LayoutLinks
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES
from transship_registry.referrers.refused import RefusedArtifactPolicy

_REGSYNC: Final = Dialect.REGSYNC
_IMGLIFE: Final = Dialect.IMGLIFE

_PATTERNS: Final = ListOf(Text(format=Format.REGEX))
_SUFFIXES: Final = Choice(options=tuple(suffix.value for suffix in Suffix))

TAGS: Final = Table(
    fields=(
        Field(name="allow", kind=_PATTERNS, home=_REGSYNC, doc="Patterns of which a tag must match one, as a whole."),
        Field(name="deny", kind=_PATTERNS, home=_REGSYNC, doc="Patterns of which a tag must match none."),
        Field(
            name="semverRange",
            kind=ListOf(Text(format=Format.SEMVER_RANGE)),
            home=_REGSYNC,
            doc="Version ranges of which a tag must be in one.",
        ),
        Field(
            name="semverSuffix",
            kind=_SUFFIXES,
            doc="What a suffix such as `-alpine` is for these ranges; when not given, what the entry says.",
        ),
    )
)

KEEP_LAST: Final = Table(
    fields=(
        Field(
            name="count",
            kind=Whole(minimum=0),
            required=True,
            doc="How many of the newest selected tags of each group are mirrored; 0 mirrors all.",
        ),
        Field(
            name="per",
            kind=Choice(options=tuple(group.value for group in Group if group is not Group.ALL)),
            doc="What makes a group: the minor or major version, or the variant; without it there is one group.",
        ),
    )
)

REPOS: Final = Table(
    fields=(
        Field(name="allow", kind=_PATTERNS, home=_REGSYNC, doc="Patterns of which a repository must match one."),
        Field(name="deny", kind=_PATTERNS, home=_REGSYNC, doc="Patterns of which a repository must match none."),
    )
)

RATELIMIT: Final = Table(
    fields=(
        Field(
            name="min",
            kind=Whole(minimum=0),
            home=_REGSYNC,
            default=0,
            doc="How many pulls must remain at the source for an image to be copied; 0 does not look.",
        ),
        Field(
            name="retry",
            kind=Duration(),
            home=_REGSYNC,
            default="5m",
            doc="How long to wait before the quota is looked at again; at least 5 minutes.",
        ),
    )
)

REFERRER_FILTER: Final = Table(
    fields=(
        Field(name="artifactType", kind=Text(), home=_REGSYNC, doc="The artifact type a referrer must have."),
        Field(
            name="annotations",
            kind=TextMap(),
            home=_REGSYNC,
            doc="Annotations a referrer must have; an empty value asks for the key only.",
        ),
    )
)

HOOK: Final = Table(
    fields=(
        Field(
            name="cmd", kind=Text(format=Format.COMMAND), home=_IMGLIFE, required=True, doc="The shell command to run."
        ),
        Field(
            name="timeout",
            kind=Duration(),
            home=_IMGLIFE,
            default="60s",
            doc="After how long the command is killed.",
        ),
        Field(
            name="continue_on_error",
            kind=Flag(),
            home=_IMGLIFE,
            default=False,
            doc="Whether a failure of the command leaves the run a success.",
        ),
    )
)

_REGSYNC_HOOK: Final = Table(
    fields=(
        Field(name="type", kind=Text(), home=_REGSYNC, doc="The kind of hook."),
        Field(name="params", kind=ListOf(Text()), home=_REGSYNC, doc="Parameters of the hook."),
    )
)

_NEVER_RAN: Final = "has never been run by regsync and is not run here; use hooks.post_sync"

HOOKS: Final = Table(
    fields=(
        Field(
            name="post_sync",
            kind=ListOf(Record(HOOK)),
            home=_IMGLIFE,
            doc="Commands to run afterwards.",
        ),
        *(
            Field(name=name, kind=Record(_REGSYNC_HOOK), home=_REGSYNC, caution=_NEVER_RAN, doc=doc)
            for name, doc in (
                ("pre", "Accepted, without effect."),
                ("post", "Accepted, without effect."),
                ("unchanged", "Accepted, without effect."),
            )
        ),
    )
)

GLOBAL_HOOKS: Final = Table(fields=tuple(entry for entry in HOOKS.fields if entry.name == "post_sync"))

_ON_EOL: Final = Field(
    name="on_eol",
    kind=Choice(options=tuple(choice.value for choice in OnEol)),
    default=OnEol.WARN.value,
    doc="What happens to a tag past its end of life that is to change: nothing but a warning, `hold` or `block`.",
)

LIFECYCLE: Final = Table(
    fields=(
        Field(
            name="product",
            kind=Text(),
            home=_IMGLIFE,
            required=True,
            doc="The product's name (slug) at endoflife.date.",
        ),
        Field(
            name="track",
            kind=Choice(options=("minor", "major")),
            home=_IMGLIFE,
            default="minor",
            aliases=("extract",),
            doc="How many parts of the tag's version name its cycle: `minor` two, `major` one.",
        ),
        _ON_EOL,
    )
)

ENTRY: Final = Table(
    fields=(
        Field(
            name="source",
            kind=Text(format=Format.REFERENCE, template=True),
            required=True,
            doc="The registry, repository or image to copy from.",
        ),
        Field(
            name="target",
            kind=Text(format=Format.REFERENCE, template=True),
            required=True,
            instead=("targets",),
            doc="The registry, repository or image to copy to.",
        ),
        Field(
            name="targets",
            kind=ListOf(Text(format=Format.REFERENCE, template=True)),
            doc="Several targets of the same source, instead of `target`.",
        ),
        Field(
            name="type",
            kind=Choice(options=("registry", "repository", "image")),
            home=_REGSYNC,
            doc="What `source` and `target` name; not needed beside `tag` or `tag_regex`.",
        ),
        Field(name="tag", kind=Text(format=Format.TAG), home=_IMGLIFE, doc="The one tag to mirror."),
        Field(
            name="tag_regex",
            kind=Text(format=Format.REGEX),
            home=_IMGLIFE,
            doc="A pattern found anywhere in the tags to mirror; write ^ and $ to match whole tags.",
        ),
        Field(
            name="keep_last",
            kind=ScalarOrRecord(Whole(minimum=0), KEEP_LAST),
            home=_IMGLIFE,
            default=0,
            doc="How many of the newest selected tags are mirrored, of all or per group; 0 mirrors all.",
        ),
        Field(
            name="semverSuffix",
            kind=_SUFFIXES,
            default=Suffix.PRERELEASE.value,
            inherited=True,
            doc="What a suffix such as `-alpine` is in semver ranges: a pre-release, as semver has it, or a variant.",
        ),
        Field(
            name="min_tags",
            kind=Whole(minimum=0),
            default=0,
            inherited=True,
            doc="How many tags must be selected, before `keep_last`; fewer are a problem of the entry.",
        ),
        Field(
            name="immutable_tags",
            kind=_PATTERNS,
            inherited=True,
            doc="Patterns of target tags, as a whole, that are never changed: one that exists is not compared.",
        ),
        Field(
            name="min_age",
            kind=Duration(days=True),
            default="0s",
            inherited=True,
            doc="How long a digest must have been at its tag, by date or by the state, before it is mirrored.",
        ),
        Field(
            name="target_name",
            kind=Text(template=True),
            inherited=True,
            doc="How a tag or repository is named below `target`, from `.Repository`, `.Tag` and `.Source`.",
        ),
        Field(name="tags", kind=Record(TAGS), home=_REGSYNC, doc="Which tags are mirrored."),
        Field(
            name="tagSets",
            kind=ListOf(Record(TAGS)),
            home=_REGSYNC,
            doc="Several filters, each over all tags; what any of them selects is mirrored.",
        ),
        Field(name="repos", kind=Record(REPOS), home=_REGSYNC, doc="Which repositories of a registry are mirrored."),
        Field(
            name="os_normalize",
            kind=Flag(),
            home=_IMGLIFE,
            default=False,
            doc="Whether tags that only name an operating system get the version in front.",
        ),
        Field(
            name="check_digest",
            kind=Flag(),
            home=_IMGLIFE,
            doc="Whether tags that exist at the target are compared by digest; otherwise they are left as they are.",
        ),
        Field(
            name="platform",
            kind=Text(format=Format.PLATFORM),
            home=_REGSYNC,
            doc="The one platform to mirror of a multi-platform image.",
        ),
        Field(
            name="platforms",
            kind=ListOf(Text(format=Format.PLATFORM)),
            doc="The platforms to mirror; an empty list mirrors all.",
        ),
        Field(
            name="missingAttestations",
            kind=Choice(options=tuple(choice.value for choice in MissingAttestations)),
            default=MissingAttestations.FAIL.value,
            inherited=True,
            doc="What happens when an image's index lists attestations that the source does not have: the image is a "
            "problem, or is mirrored without them, under a new index.",
        ),
        Field(
            name="lifecycle",
            kind=Record(LIFECYCLE),
            home=_IMGLIFE,
            doc="Where the end of life of these images is known.",
        ),
        Field(name="hooks", kind=Record(HOOKS), inherited=True, doc="Commands to run after the entry."),
        Field(
            name="digestTags",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            inherited=True,
            doc="Whether tags named after a copied digest (cosign's) are copied too.",
        ),
        Field(
            name="referrers",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            inherited=True,
            doc="Whether referrers of the copied manifests are copied too.",
        ),
        Field(
            name="referrerFilters",
            kind=ListOf(Record(REFERRER_FILTER)),
            home=_REGSYNC,
            inherited=True,
            doc="Which referrers are copied: those that pass any of these; all when there is none.",
        ),
        Field(
            name="referrerSource",
            kind=Text(format=Format.REPOSITORY, template=True),
            home=_REGSYNC,
            inherited=True,
            doc="The repository to look for referrers in, when it is not the source.",
        ),
        Field(
            name="referrerTarget",
            kind=Text(format=Format.REPOSITORY, template=True),
            home=_REGSYNC,
            inherited=True,
            doc="The repository to copy referrers to, when it is not the target.",
        ),
        Field(
            name="refusedReferrers",
            kind=Choice(options=tuple(policy.value for policy in RefusedArtifactPolicy)),
            default=RefusedArtifactPolicy.FAIL.value,
            inherited=True,
            doc="What happens when a target refuses what is attached to an image: the image fails, too, the loss is "
            "warned about, or it is passed over.",
        ),
        Field(
            name="referrerSlow",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            inherited=True,
            caution="has no effect",
            doc="Accepted, without effect.",
        ),
        Field(
            name="fastCheck",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            aliases=("fastCopy",),
            inherited=True,
            doc="Whether referrers and digest tags are left unchecked when the image itself is there.",
        ),
        Field(
            name="forceRecursive",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            inherited=True,
            doc="Whether everything below an image is checked and copied again even when the image is there.",
        ),
        Field(
            name="includeExternal",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            inherited=True,
            doc="Whether layers that live outside registries are copied.",
        ),
        Field(
            name="backup",
            kind=Text(format=Format.REFERENCE, template=True),
            home=_REGSYNC,
            inherited=True,
            doc="The tag or reference under which an image is kept before it is overwritten.",
        ),
        Field(
            name="interval",
            kind=Duration(),
            home=_REGSYNC,
            inherited=True,
            doc="How often the entry runs in server mode.",
        ),
        Field(
            name="schedule",
            kind=Text(format=Format.SCHEDULE),
            home=_REGSYNC,
            inherited=True,
            doc="When the entry runs in server mode; wins over `interval`.",
        ),
        Field(
            name="ratelimit",
            kind=Record(RATELIMIT),
            home=_REGSYNC,
            inherited=True,
            doc="What the entry does when the source's quota runs low.",
        ),
        Field(
            name="mediaTypes",
            kind=ListOf(Text(format=Format.MEDIA_TYPE)),
            home=_REGSYNC,
            default=DEFAULT_MEDIA_TYPES,
            inherited=True,
            doc="Media types of manifests that are mirrored; a tag of another type is passed over.",
        ),
    ),
    exclusive=(
        (("target",), ("targets",)),
        (("tag",), ("tag_regex",), ("tags", "tagSets")),
        (("platform",), ("platforms",)),
    ),
)

_NOT_INHERITED: Final = "is not inherited by entries; write it in each entry"

_PATIENCE: Final = (
    Field(
        name="connectTimeout",
        kind=Duration(shortest=100 * MILLISECOND, longest=10 * MINUTE),
        default="30s",
        doc="How long a connection may take, from the look-up of the name to the end of the TLS handshake.",
    ),
    Field(
        name="stallTimeout",
        kind=Duration(shortest=100 * MILLISECOND, longest=HOUR),
        default="1m",
        doc="How long a registry may be silent while an answer, or the rest of one, is due.",
    ),
    Field(
        name="tries",
        kind=Whole(minimum=1, maximum=20),
        default=5,
        doc="How often a request is made, all in all, when the connection fails or the registry has trouble.",
    ),
)

DEFAULTS: Final = Table(
    fields=(
        Field(
            name="parallel",
            kind=Whole(),
            home=_REGSYNC,
            default=0,
            doc="How many images are copied at once; 0 leaves the choice to transship.",
        ),
        Field(
            name="skipDockerConfig",
            kind=Flag(),
            home=_REGSYNC,
            default=False,
            doc="Whether Docker's own configuration is left unread.",
        ),
        Field(
            name="cacheCount",
            kind=Whole(minimum=0),
            home=_REGSYNC,
            default=0,
            doc="How many answers are kept, per kind.",
        ),
        Field(name="cacheTime", kind=Duration(), home=_REGSYNC, default="0s", doc="How long answers are kept."),
        Field(
            name="blobLimit",
            kind=Whole(minimum=0),
            home=_REGSYNC,
            default=0,
            doc="The largest chunk, in bytes, that a registry may ask for; 0 is 1 GiB.",
        ),
        Field(
            name="layoutLinks",
            kind=Choice(options=tuple(links.value for links in LayoutLinks)),
            default=LayoutLinks.COPY.value,
            doc="How a blob gets from one layout to another on the same file system: as a copy, or as a hard link.",
        ),
        Field(name="userAgent", kind=Text(), home=_REGSYNC, doc="What transship calls itself in requests."),
        *_PATIENCE,
        *ENTRY.inheritable(),
    ),
    refused={
        entry.name: _NOT_INHERITED
        for entry in ENTRY.fields
        if not entry.inherited and entry.name not in {"source", "target", "type"}
    },
)

CREDS: Final = Table(
    fields=(
        Field(
            name="registry",
            kind=Text(format=Format.REGISTRY, template=True),
            home=_REGSYNC,
            doc="The registry's name as references spell it; docker.io for Docker Hub.",
        ),
        Field(
            name="hostname",
            kind=Text(format=Format.REGISTRY),
            home=_REGSYNC,
            doc="Where to connect, when it is not `registry`.",
        ),
        Field(name="user", kind=Text(template=True), home=_REGSYNC, doc="The user to log in as."),
        Field(name="pass", kind=Text(template=True, secret=True), home=_REGSYNC, doc="The user's password."),
        Field(name="token", kind=Text(secret=True), home=_REGSYNC, doc="An identity (refresh) token."),
        Field(
            name="credHelper",
            kind=Text(),
            home=_REGSYNC,
            doc="The credential helper to ask: the whole name of the program.",
        ),
        Field(
            name="credExpire",
            kind=Duration(bare_nanoseconds=True),
            home=_REGSYNC,
            default="1h",
            doc="How long a helper's credential is used.",
        ),
        Field(name="credHost", kind=Text(), home=_REGSYNC, doc="The name the helper knows the registry by."),
        Field(
            name="tls",
            kind=Choice(options=("enabled", "insecure", "disabled"), any_case=True),
            home=_REGSYNC,
            default="enabled",
            doc="Whether the connection is encrypted, and the certificate verified; `insecure` is for this host only.",
        ),
        Field(
            name="regcert",
            kind=Text(format=Format.PEM, template=True),
            home=_REGSYNC,
            doc="A CA certificate to trust for this registry, and for the hosts that it leads to.",
        ),
        Field(
            name="clientCert",
            kind=Text(format=Format.PEM, template=True),
            home=_REGSYNC,
            doc="The certificate to show the registry (mTLS), and no other host.",
        ),
        Field(
            name="clientKey",
            kind=Text(format=Format.PEM, template=True, secret=True),
            home=_REGSYNC,
            doc="The private key of `clientCert`.",
        ),
        Field(
            name="pathPrefix",
            kind=Text(),
            home=_REGSYNC,
            doc="What comes before every repository's name at this registry.",
        ),
        Field(
            name="mirrors",
            kind=ListOf(Text(format=Format.REGISTRY)),
            home=_REGSYNC,
            doc="Registries to read from instead.",
        ),
        Field(
            name="priority",
            kind=Whole(minimum=0),
            home=_REGSYNC,
            default=0,
            doc="The rank of this registry among mirrors, highest first.",
        ),
        Field(
            name="repoAuth", kind=Flag(), home=_REGSYNC, default=False, doc="Whether to log in to each repository anew."
        ),
        Field(
            name="apiOpts",
            kind=TextMap(),
            home=_REGSYNC,
            doc='Quirks of this registry; `disableHead: "true"` avoids HEAD requests.',
        ),
        Field(
            name="blobChunk", kind=Whole(), home=_REGSYNC, default=0, doc="Bytes per chunk of an upload; 0 is 16 MiB."
        ),
        Field(
            name="blobMax",
            kind=Whole(),
            home=_REGSYNC,
            default=-1,
            doc="Above how many bytes a blob is sent in chunks from the start; -1 never.",
        ),
        Field(name="reqPerSec", kind=Decimal(), home=_REGSYNC, default=0.0, doc="Requests per second; 0 is unlimited."),
        Field(
            name="reqConcurrent",
            kind=Whole(),
            home=_REGSYNC,
            default=0,
            doc="Requests at once; 0 leaves the choice to transship.",
        ),
        *(
            replace(entry, default=None, doc=f"{entry.doc} When not given, what `defaults` says.")
            for entry in _PATIENCE
        ),
        Field(
            name="hubApi",
            kind=Text(),
            doc="Where Docker Hub's web API tells of this registry's tags; an empty text switches that off.",
        ),
        Field(
            name="api",
            kind=Text(),
            home=_REGSYNC,
            caution="is deprecated and has no effect; remove it",
            doc="Accepted, without effect.",
        ),
        Field(
            name="scheme",
            kind=Text(),
            home=_REGSYNC,
            caution="is deprecated and has no effect; write 'tls: disabled' for plain HTTP",
            doc="Accepted, without effect.",
        ),
    )
)

PACKAGE_REGISTRY: Final = Table(
    open=True,
    fields=(
        Field(
            name="provider",
            kind=Choice(options=("gitlab", "gitea", "s3")),
            home=_IMGLIFE,
            default="gitlab",
            doc="Where build records are kept; belongs to other commands of imglife.",
        ),
        Field(
            name="url",
            kind=Text(),
            home=_IMGLIFE,
            doc="Where the package registry is; with http:// its host is spoken to without TLS.",
        ),
        *(
            Field(name=name, kind=Text(), home=_IMGLIFE, doc="Belongs to other commands of imglife.")
            for name in ("api_url", "project_id", "owner", "repo", "bucket", "region", "prefix", "config_ref")
        ),
        Field(
            name="insecure_registries",
            kind=ListOf(Text(format=Format.REGISTRY)),
            home=_IMGLIFE,
            doc="Registries that are spoken to without TLS.",
        ),
    ),
)

RETENTION: Final = Table(
    open=True,
    fields=(
        Field(name="keep_last", kind=Whole(minimum=0), home=_IMGLIFE, default=5, doc="How many newest tags are kept."),
        Field(
            name="max_age_days", kind=Whole(minimum=0), home=_IMGLIFE, default=30, doc="After how many days tags go."
        ),
        Field(name="exclude_tags", kind=ListOf(Text(format=Format.TAG)), home=_IMGLIFE, doc="Tags that stay."),
        Field(
            name="archive",
            kind=Record(
                Table(
                    open=True,
                    fields=(
                        Field(name="enabled", kind=Flag(), home=_IMGLIFE, default=False, doc="Copy before deleting."),
                        Field(name="registry", kind=Text(), home=_IMGLIFE, doc="Where to copy."),
                        Field(
                            name="keep_days",
                            kind=Whole(minimum=0),
                            home=_IMGLIFE,
                            default=90,
                            doc="After how many days archived copies go.",
                        ),
                    ),
                )
            ),
            home=_IMGLIFE,
            doc="Whether and where tags are kept before they are deleted.",
        ),
    ),
)

EOL: Final = Table(
    open=True,
    fields=(
        Field(
            name="eol_provider",
            kind=Choice(options=("endoflife", "local")),
            home=_IMGLIFE,
            default="endoflife",
            doc="Where end-of-life dates come from: endoflife.date, or the file alone.",
        ),
        Field(
            name="eol_target",
            kind=Choice(options=("git", "pkgregistry")),
            home=_IMGLIFE,
            default="git",
            doc="Where end-of-life dates are kept: always in the file; `pkgregistry` is warned about.",
        ),
        Field(
            name="eol_data_file",
            kind=Text(format=Format.FILE),
            home=_IMGLIFE,
            default="eol-data.yaml",
            doc="The file with end-of-life dates, written by `eol update`.",
        ),
        Field(
            name="eol_url",
            kind=Text(),
            default="https://endoflife.date",
            doc="Below which address end-of-life dates are asked for.",
        ),
        _ON_EOL,
    ),
)

IMGLIFE_SYNC: Final = Table(
    fields=(
        Field(
            name="hooks", kind=Record(GLOBAL_HOOKS), home=_IMGLIFE, doc="Commands to run once, after all the entries."
        ),
        Field(
            name="platforms",
            kind=ListOf(Text(format=Format.PLATFORM)),
            home=_IMGLIFE,
            doc="The platforms to mirror, unless an entry says otherwise.",
        ),
        Field(name="entries", kind=ListOf(Record(ENTRY)), home=_IMGLIFE, doc="What is mirrored."),
    )
)

OTHER_SECTIONS: Final = ("build", "retention", "status")
"""Sections for imglife's other commands; `registry` is one too, but its hosts matter here."""


def top_level(dialect: Dialect) -> Table:
    """Return the table of a whole file; the two formats differ in what `sync` is."""
    sync = Record(IMGLIFE_SYNC) if dialect is Dialect.IMGLIFE else ListOf(Record(ENTRY))
    return Table(
        fields=(
            Field(name="version", kind=Whole(minimum=0), home=_REGSYNC, default=1, doc="The format's version."),
            Field(name="creds", kind=ListOf(Record(CREDS)), home=_REGSYNC, doc="Settings of registries."),
            Field(name="defaults", kind=Record(DEFAULTS), home=_REGSYNC, doc="Settings, and what entries inherit."),
            Field(name="sync", kind=sync, doc="What is mirrored."),
            Field(name="state", kind=Text(format=Format.FILE), doc="The file in which transship records what it did."),
            Field(
                name="registry",
                kind=Record(PACKAGE_REGISTRY),
                home=_IMGLIFE,
                doc="The package registry, which holds imglife's build records.",
            ),
            Field(name="build", kind=Anything(), home=_IMGLIFE, doc="Belongs to other commands of imglife."),
            Field(name="retention", kind=Record(RETENTION), home=_IMGLIFE, doc="Belongs to other commands of imglife."),
            Field(name="lifecycle", kind=Record(EOL), home=_IMGLIFE, doc="Where end-of-life dates come from."),
            Field(name="status", kind=Anything(), home=_IMGLIFE, doc="Belongs to other commands of imglife."),
        )
    )
