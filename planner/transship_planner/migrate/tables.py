"""The keys of other tools' files, and what becomes of each."""

from typing import Final

from transship_planner.config.schema import Anything, Choice, Field, Flag, ListOf, Record, Table, Text, Whole

_SECRET: Final = Text(secret=True)

SKOPEO_CREDENTIALS: Final = Table(
    fields=(
        Field(name="username", kind=_SECRET, doc="A placeholder in `creds`."),
        Field(name="password", kind=_SECRET, doc="A placeholder in `creds`."),
        Field(name="identitytoken", kind=_SECRET, doc="Not carried over."),
    )
)

SKOPEO_REGISTRY: Final = Table(
    fields=(
        Field(name="images", kind=Anything(), doc="An entry for each repository."),
        Field(name="images-by-tag-regex", kind=Anything(), doc="An entry for each repository, with `tags.allow`."),
        Field(name="images-by-semver", kind=Anything(), doc="An entry for each repository, with `tags.semverRange`."),
        Field(name="credentials", kind=Record(SKOPEO_CREDENTIALS), doc="Placeholders in `creds`."),
        Field(name="tls-verify", kind=Flag(), doc="`tls: insecure` in `creds` when it is `false`."),
        Field(name="cert-dir", kind=Text(), doc="Not carried over."),
    )
)

DREGSY_LISTER: Final = Table(
    fields=(
        Field(name="type", kind=Choice(options=("catalog", "dockerhub", "index")), required=True, doc="How to list."),
        Field(name="search", kind=Text(), doc="Not carried over."),
        Field(name="maxItems", kind=Text(), doc="Not carried over."),
        Field(name="cacheDuration", kind=Text(), doc="Not carried over."),
    )
)

DREGSY_LOCATION: Final = Table(
    fields=(
        Field(name="registry", kind=Text(), required=True, doc="The first part of `source` and `target`."),
        Field(name="auth", kind=_SECRET, doc="Placeholders in `creds`."),
        Field(name="auth-refresh", kind=Text(), doc="Not carried over."),
        Field(name="skip-tls-verify", kind=Flag(), doc="`tls: insecure` in `creds` when it is `true`."),
        Field(name="lister", kind=Record(DREGSY_LISTER), doc="Not carried over."),
    )
)

DREGSY_MAPPING: Final = Table(
    fields=(
        Field(name="from", kind=Text(), required=True, doc="The rest of `source`, or `repos.allow`."),
        Field(name="to", kind=Text(), doc="The rest of `target`."),
        Field(name="tags", kind=ListOf(Text()), doc="`tags` or `tagSets`, and `keep_last`."),
        Field(name="platform", kind=Text(), doc="`platform`."),
    )
)

DREGSY_TASK: Final = Table(
    fields=(
        Field(name="name", kind=Text(), required=True, doc="A comment."),
        Field(name="interval", kind=Whole(minimum=0), doc="`interval`."),
        Field(name="verbose", kind=Flag(), doc="Not carried over."),
        Field(name="source", kind=Record(DREGSY_LOCATION), required=True, doc="`source` of the entries."),
        Field(name="target", kind=Record(DREGSY_LOCATION), required=True, doc="`target` of the entries."),
        Field(name="mappings", kind=ListOf(Record(DREGSY_MAPPING)), doc="An entry for each."),
    )
)

_DREGSY_DOCKER: Final = Table(
    fields=(
        Field(name="dockerhost", kind=Text(), doc="Not carried over."),
        Field(name="api-version", kind=Text(), doc="Not carried over."),
    )
)

_DREGSY_SKOPEO: Final = Table(
    fields=(
        Field(name="binary", kind=Text(), doc="Not carried over."),
        Field(name="certs-dir", kind=Text(), doc="Not carried over."),
    )
)

_DREGSY_LISTERS: Final = Table(
    fields=(
        Field(name="maxItems", kind=Whole(), doc="Not carried over."),
        Field(name="cacheDuration", kind=Text(), doc="Not carried over."),
    )
)

DREGSY: Final = Table(
    fields=(
        Field(name="relay", kind=Choice(options=("skopeo", "docker")), doc="Not carried over."),
        Field(name="watch", kind=Flag(), doc="Not carried over."),
        Field(name="skopeo", kind=Record(_DREGSY_SKOPEO), doc="Not carried over."),
        Field(name="docker", kind=Record(_DREGSY_DOCKER), doc="Not carried over."),
        Field(name="dockerhost", kind=Text(), doc="Not carried over."),
        Field(name="api-version", kind=Text(), doc="Not carried over."),
        Field(name="lister", kind=Record(_DREGSY_LISTERS), doc="Not carried over."),
        Field(name="tasks", kind=ListOf(Record(DREGSY_TASK)), doc="An entry for each mapping."),
    )
)

IMAGE_SYNCER_LOGIN: Final = Table(
    fields=(
        Field(name="username", kind=_SECRET, doc="A placeholder in `creds`, or the variable that it names."),
        Field(name="password", kind=_SECRET, doc="A placeholder in `creds`, or the variable that it names."),
        Field(name="identityToken", kind=_SECRET, doc="Not carried over."),
        Field(name="insecure", kind=Flag(), doc="`tls: insecure` in `creds` when it is `true`."),
    )
)

IMAGE_SYNCER: Final = Table(
    fields=(
        Field(name="auth", kind=Anything(), doc="`creds`."),
        Field(name="images", kind=Anything(), doc="An entry for each source and target."),
    )
)

TABLES: Final = {
    "skopeo": (SKOPEO_REGISTRY, SKOPEO_CREDENTIALS),
    "dregsy": (DREGSY, DREGSY_TASK, DREGSY_LOCATION, DREGSY_LISTER, DREGSY_MAPPING),
    "image-syncer": (IMAGE_SYNCER, IMAGE_SYNCER_LOGIN),
}
"""The tables of each tool whose keys are documented."""

FLAGS: Final = frozenset(
    field.name for tables in TABLES.values() for table in tables for field in table.fields if field.kind == Flag()
)
"""The keys whose values are booleans, in any of the tables."""
