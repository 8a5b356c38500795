"""The declared tables: complete, consistent, and documented."""

from collections.abc import Iterator

import pytest

from transship_planner.config.durations import parse_duration
from transship_planner.config.schema import (
    EXTENSION_PREFIX,
    Choice,
    Duration,
    Field,
    Flag,
    Kind,
    ListOf,
    Record,
    ScalarOrRecord,
    Table,
)
from transship_planner.config.tables import (
    CREDS,
    DEFAULTS,
    ENTRY,
    EOL,
    HOOK,
    HOOKS,
    IMGLIFE_SYNC,
    KEEP_LAST,
    LIFECYCLE,
    PACKAGE_REGISTRY,
    RATELIMIT,
    REFERRER_FILTER,
    REPOS,
    RETENTION,
    TAGS,
    top_level,
)
from transship_planner.desired import Dialect

REGSYNC_ENTRY = (
    "source target type tags tagSets repos platform platforms digestTags referrers referrerSlow fastCheck "
    "forceRecursive includeExternal referrerFilters referrerSource referrerTarget backup interval schedule ratelimit "
    "mediaTypes hooks fastCopy"
)
IMGLIFE_ENTRY = "source target tag tag_regex keep_last os_normalize check_digest platforms lifecycle hooks"
INHERITED = (
    "backup interval schedule ratelimit digestTags referrers referrerFilters referrerSource referrerTarget "
    "referrerSlow fastCheck fastCopy forceRecursive includeExternal mediaTypes hooks "
    "semverSuffix min_tags immutable_tags min_age target_name refusedReferrers missingAttestations"
)
OWN_ENTRY = "semverSuffix min_tags immutable_tags min_age target_name refusedReferrers missingAttestations"


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        pytest.param(top_level(Dialect.REGSYNC), "version creds defaults sync", id="B4 top level"),
        pytest.param(
            CREDS,
            "registry hostname user pass token credHelper credExpire credHost tls regcert clientCert clientKey "
            "pathPrefix mirrors priority repoAuth apiOpts blobChunk blobMax reqPerSec reqConcurrent api scheme hubApi "
            "connectTimeout stallTimeout tries",
            id="B4 creds",
        ),
        pytest.param(
            DEFAULTS,
            f"parallel skipDockerConfig cacheCount cacheTime blobLimit userAgent connectTimeout stallTimeout tries "
            f"{INHERITED}",
            id="B4 defaults",
        ),
        pytest.param(ENTRY, f"{REGSYNC_ENTRY} {IMGLIFE_ENTRY} {OWN_ENTRY}", id="B4 and A4 entry"),
        pytest.param(TAGS, "allow deny semverRange semverSuffix", id="B4 tags"),
        pytest.param(KEEP_LAST, "count per", id="keep_last per group"),
        pytest.param(REPOS, "allow deny", id="B4 repos"),
        pytest.param(RATELIMIT, "min retry", id="B4 ratelimit"),
        pytest.param(REFERRER_FILTER, "artifactType annotations", id="B4 referrerFilters"),
        pytest.param(HOOKS, "pre post unchanged post_sync", id="B4 and A9 hooks"),
        pytest.param(HOOK, "cmd timeout continue_on_error", id="A9 hook"),
        pytest.param(LIFECYCLE, "product track extract on_eol", id="A8 lifecycle of an entry"),
        pytest.param(EOL, "eol_provider eol_target eol_data_file eol_url on_eol", id="A8 lifecycle"),
        pytest.param(IMGLIFE_SYNC, "hooks platforms entries", id="A4 sync"),
        pytest.param(top_level(Dialect.IMGLIFE), "registry sync build retention lifecycle status", id="A3 top level"),
        pytest.param(RETENTION, "keep_last max_age_days exclude_tags archive", id="A13 retention"),
        pytest.param(
            PACKAGE_REGISTRY,
            "provider url api_url project_id owner repo bucket region prefix insecure_registries config_ref",
            id="A14 registry",
        ),
    ],
)
def test_every_documented_key_is_known(table: Table, keys: str) -> None:
    """Each key that the facts name is in the table of its place."""
    assert set(keys.split()) <= table.by_name.keys()


def test_defaults_hold_just_what_is_inherited() -> None:
    """`defaults` has the inheritable keys of an entry, and no other one (B4)."""
    assert {name for field in ENTRY.inheritable() for name in (field.name, *field.aliases)} == set(INHERITED.split())
    assert DEFAULTS.by_name.keys() & ENTRY.by_name.keys() == set(INHERITED.split())
    assert {"platform", "platforms", "tags", "tagSets", "repos"} <= DEFAULTS.refused.keys()


def fields(table: Table, path: str = "") -> Iterator[tuple[str, Field]]:
    for field in table.fields:
        yield f"{path}.{field.name}", field
        yield from (found for inner in records(field.kind) for found in fields(inner, f"{path}.{field.name}"))


def records(kind: Kind) -> tuple[Table, ...]:
    match kind:
        case Record() | ScalarOrRecord():
            return (kind.table,)
        case ListOf():
            return records(kind.item)
        case _:
            return ()


EVERY_FIELD = [found for dialect in Dialect for found in fields(top_level(dialect), dialect.value)]


@pytest.mark.parametrize("field", [field for _, field in EVERY_FIELD], ids=[path for path, _ in EVERY_FIELD])
def test_every_field_is_documented_and_sound(field: Field) -> None:
    """A field has one sentence of documentation, a default of its kind, and a name that is not the user's."""
    assert field.doc.endswith(".")
    assert field.doc[0].isupper()
    assert not field.name.startswith(EXTENSION_PREFIX)
    if isinstance(field.kind, Flag):
        assert field.default in {None, True, False}
    if isinstance(field.kind, Choice):
        assert field.default in {None, *field.kind.options}
    if isinstance(field.kind, Duration) and field.default is not None:
        assert parse_duration(str(field.default)) >= 0


@pytest.mark.parametrize("table", [ENTRY, CREDS, DEFAULTS, HOOKS, LIFECYCLE])
def test_no_key_has_two_meanings(table: Table) -> None:
    """Names and aliases of a table are different words, and groups that exclude each other name fields."""
    names = [name for field in table.fields for name in (field.name, *field.aliases)]
    assert len(names) == len(set(names))
    assert {key for ways in table.exclusive for way in ways for key in way} <= set(names)
