"""Every fact about configuration has a test under its number, and what tests say of the documents stands there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from support.config_facts import Row
from transship_planner.config.tables import CREDS, DEFAULTS, ENTRY, IMGLIFE_SYNC
from transship_planner.desired import Dialect

HERE = Path(__file__).parent
PLANNER = HERE.parents[1]
COMPATIBILITY = (HERE.parents[3] / "docs" / "compatibility.md").read_text()

ROW_FILES = sorted(path for path in HERE.glob("test_facts_*.py") if path != Path(__file__))
OTHER_FILES = [
    PLANNER / f"{name}.py" for name in ("test_versions", "test_semver", "test_tagrules", "test_os_normalize")
]


def named(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names.split())


def numbered(section: str, count: int) -> tuple[str, ...]:
    return tuple(f"{section}.{number}" for number in range(1, count + 1))


FACTS: Mapping[str, tuple[str, ...]] = {
    "B3": numbered("B3", 10),
    "B4": (
        *named("B4 ", "version creds defaults sync"),
        *named(
            "B4 creds.",
            "registry hostname user pass token credHelper credExpire credHost tls regcert clientCert clientKey "
            "pathPrefix mirrors priority repoAuth apiOpts blobChunk blobMax reqPerSec reqConcurrent api scheme",
        ),
        *named(
            "B4 defaults.",
            "parallel skipDockerConfig cacheCount cacheTime blobLimit userAgent platform platforms tags tagSets repos",
        ),
        *named(
            "B4 sync.",
            "source target type tags tagSets repos platform platforms digestTags referrers referrerSlow fastCheck "
            "forceRecursive includeExternal referrerFilters referrerSource referrerTarget backup interval schedule "
            "ratelimit mediaTypes hooks",
        ),
    ),
    "B5": ("B5", *numbered("B5", 7)),
    "B6": (
        *numbered("B6", 6),
        *named("B6.7 ", "default env file join split json jsonPretty printPretty lower upper trimSpace time builtins"),
    ),
    "B9": numbered("B9", 13),
    "A4": (
        "A4 sync",
        *named("A4 sync.", "hooks.post_sync platforms entries"),
        *named(
            "A4 entry.",
            "source target tag tag_regex keep_last os_normalize check_digest platforms lifecycle hooks",
        ),
        *numbered("A4", 5),
        "A4 patterns",
    ),
    "A5": numbered("A5", 5),
    "A6": numbered("A6", 5),
    "A7": numbered("A7", 8),
    "A8": named(
        "A8 ",
        "product track extract eol_provider eol_target eol_data_file cycle data-file eol-update thresholds eol-notify",
    ),
    "A9": numbered("A9", 4),
}
"""The facts of each section: its numbers, or the rows of its tables."""

NOT_CONFIGURATION = {
    "A5.1": "how the tags of a repository are listed is the registry's affair",
    "A5.5": "each tag is decided about and copied when the registries are looked at",
    "A6.5": "the target tag is looked for when the registries are looked at",
    "A7.5": "what a target is compared with needs the source's manifests",
    "A7.6": "what a source lacks is seen when it is looked at",
    "A8 cycle": "the cycle of a tag is found when tags are known",
    "A8 data-file": "its format is not that of the configuration",
    "A8 eol-update": "a command of imglife, and what it fetches",
    "A8 thresholds": "taken from the environment",
    "A8 eol-notify": "a command of imglife, whose settings its documentation does not show",
    "A9.3": "what a command is given when it runs",
}
"""Facts without a test here, each with the reason."""

ALL = frozenset(fact for facts in FACTS.values() for fact in facts)
_NUMBER = re.compile(r"[AB][0-9]+\.[0-9]+")


def facts_of(test_id: str) -> Iterator[str]:
    """Yield the facts that a parametrisation id names: what stands before its colon, else its first numbers."""
    head, colon, _ = test_id.partition(": ")
    if colon and head in ALL:
        yield head
        return
    for word in test_id.split():
        if not _NUMBER.fullmatch(word):
            return
        yield word


def untested(ids: Iterable[str]) -> list[str]:
    """Return the facts that none of these ids names, and that are not excused, in the order of the list."""
    seen = {fact for test_id in ids for fact in facts_of(test_id)}
    return [fact for facts in FACTS.values() for fact in facts if fact not in seen | NOT_CONFIGURATION.keys()]


def load(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"read_for_its_ids_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parametrisations(module: ModuleType) -> Iterator[pytest.Mark]:
    for name, value in vars(module).items():
        if name.startswith("test_"):
            yield from (mark for mark in getattr(value, "pytestmark", ()) if mark.name == "parametrize")


def ids(module: ModuleType) -> list[str]:
    """Return the ids of all parametrised tests of a module."""
    found: list[str] = []
    for mark in parametrisations(module):
        given: object = mark.kwargs.get("ids")  # a list, or a function that names the values
        here: list[object] = (
            cast(list[object], given)
            if isinstance(given, list)
            else [getattr(values, "id", None) for values in mark.args[1]]
        )
        found += [str(test_id) for test_id in here if test_id]
    return found


ROWS = [row for path in ROW_FILES for mark in parametrisations(load(path)) for row in mark.args[1]]
ROW_IDS = [str(row) for row in ROWS]


def test_every_fact_has_a_test() -> None:
    """No fact of the list goes without a test under its number, unless it is not about configuration."""
    assert untested([*ROW_IDS, *(found for path in OTHER_FILES for found in ids(load(path)))]) == []


def test_a_fact_without_test_is_found() -> None:
    """Take the tests of one fact away, and it is missed."""
    for fact in ("B3.4", "B4 creds.tls", "B6.7 json"):
        assert untested(test_id for test_id in ROW_IDS if fact not in facts_of(test_id)).count(fact) == 1


def test_every_row_names_a_fact() -> None:
    """No row stands under a number that is not in the list, nor under one that is said to need no test."""
    assert [row for row in ROW_IDS if row.partition(": ")[0] not in ALL - NOT_CONFIGURATION.keys()] == []


def test_rows_are_told_apart() -> None:
    """Every row has words of its own."""
    assert [row for row in ROW_IDS if ROW_IDS.count(row) > 1] == []


def test_only_listed_facts_are_excused() -> None:
    """What needs no test is a fact of the list, and has a reason."""
    assert NOT_CONFIGURATION.keys() <= ALL
    assert all(NOT_CONFIGURATION.values())


def test_every_key_of_the_formats_is_a_fact() -> None:
    """A key that is declared as regsync's or imglife's is in the list."""
    declared = {
        *(f"B4 creds.{field.name}" for field in CREDS.fields if field.home is Dialect.REGSYNC),
        *(f"B4 sync.{field.name}" for field in ENTRY.fields if field.home is Dialect.REGSYNC),
        *(
            f"B4 defaults.{field.name}"
            for field in DEFAULTS.fields
            if field.home is Dialect.REGSYNC and not field.inherited
        ),
        *(f"A4 entry.{field.name}" for field in ENTRY.fields if field.home is Dialect.IMGLIFE),
        *(f"A4 sync.{field.name}" for field in IMGLIFE_SYNC.fields if field.name != "hooks"),
    }
    assert declared - ALL == set()


DIFFERENCES = sorted({row.differs or row.decided for row in ROWS if row.differs or row.decided})


@pytest.mark.parametrize("words", DIFFERENCES)
def test_what_differs_is_documented(words: str) -> None:
    """Where a row says that we differ, or what we decided, the page on compatibility says so in these words."""
    assert words in COMPATIBILITY


def test_rows_are_rows() -> None:
    """The files of facts hold tables of rows, and many of them."""
    assert all(isinstance(row, Row) for row in ROWS)
    assert len(ROWS) > 400
    assert len(DIFFERENCES) > 30
