"""Reading tags as versions, and ordering them (semantics A5, B9.8, B9.9)."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.tags.versions import Group, Suffix, Version, group_of, natural_key, newest_first, split_suffix

_NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_SUFFIXES = st.sampled_from(
    ["", "-rc1", "-rc2", "-rc11", "-alpha", "-alpha.1", "-beta.2", "-alpine", "-alpine3.9", "-alpine3.21", "-1", "-1.a"]
)
_VERSIONS = st.tuples(st.sampled_from(["", "v"]), _NUMBERS, _SUFFIXES).map("".join)


def version(tag: str) -> Version:
    """Read a tag that is a version."""
    found = Version.read(tag)
    assert found is not None
    return found


def regsync_compare(left: str, right: str) -> int:
    """Compare two versions step by step as the facts say it (semantics B9.9), without sort keys."""
    (left_numbers, _, left_suffix), (right_numbers, _, right_suffix) = (
        tag.removeprefix("v").partition("-") for tag in (left, right)
    )
    ours, theirs = ([int(part) for part in numbers.split(".")] for numbers in (left_numbers, right_numbers))
    for place in range(max(len(ours), len(theirs))):
        one = ours[place] if place < len(ours) else 0
        other = theirs[place] if place < len(theirs) else 0
        if one != other:
            return 1 if one > other else -1
    if not left_suffix or not right_suffix:
        return bool(right_suffix) - bool(left_suffix)
    return _compare_prereleases(left_suffix.split("."), right_suffix.split("."))


def _compare_prereleases(left: list[str], right: list[str]) -> int:
    for one, other in zip(left, right, strict=False):
        if answer := _compare_identifiers(one, other):
            return answer
    return (len(left) > len(right)) - (len(left) < len(right))


def _compare_identifiers(one: str, other: str) -> int:
    while one and other:
        one_text, other_text = (re.split("[0-9]", identifier, maxsplit=1)[0] for identifier in (one, other))
        if one_text != other_text:
            return 1 if one_text > other_text else -1
        one, other = one[len(one_text) :], other[len(other_text) :]
        one_number, other_number = (re.split("[^0-9]", identifier, maxsplit=1)[0] for identifier in (one, other))
        if int(one_number or -1) != int(other_number or -1):
            return 1 if int(one_number or -1) > int(other_number or -1) else -1
        one, other = one[len(one_number) :], other[len(other_number) :]
    return bool(one) - bool(other)


@pytest.mark.parametrize(
    ("tag", "parts", "suffix"),
    [
        pytest.param("1.2.3", (1, 2, 3), "", id="B9.8 three numbers"),
        pytest.param("v1.2.3", (1, 2, 3), "", id="B9.8 one leading v"),
        pytest.param("1", (1,), "", id="B9.8 one number"),
        pytest.param("10.0.17763.2114", (10, 0, 17763, 2114), "", id="B9.8 four numbers"),
        pytest.param("1.2.3.4.5.6", (1, 2, 3, 4, 5, 6), "", id="B9.8 any count"),
        pytest.param("20240101", (20240101,), "", id="B9.8 a date is a version"),
        pytest.param("01.002", (1, 2), "", id="B9.8 leading zeros"),
        pytest.param("1.2.3-rc1", (1, 2, 3), "rc1", id="B9.8 cut at the first -"),
        pytest.param("1.2-slim-bookworm", (1, 2), "slim-bookworm", id="B9.8 only at the first -"),
        pytest.param("1.2+build-7", (1, 2), "", id="B9.8 cut at + before -"),
        pytest.param("1.2-rc1+build", (1, 2), "rc1", id="B9.8 metadata is ignored"),
        pytest.param("1.2-", (1, 2), "", id="B9.8 an empty suffix is none"),
        pytest.param("9223372036854775807", (9223372036854775807,), "", id="B9.8 the largest number"),
        pytest.param("0" * 30 + "7", (7,), "", id="B9.8 many leading zeros"),
    ],
)
def test_reads_a_version(tag: str, parts: tuple[int, ...], suffix: str) -> None:
    """A version is its numbers and what follows the first hyphen."""
    assert Version.read(tag) == Version(parts, suffix)


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("latest", id="B9.3 a word"),
        pytest.param("", id="B9.8 nothing"),
        pytest.param("v", id="B9.8 no number"),
        pytest.param("V1.2", id="B9.8 capital V"),
        pytest.param("vv1", id="B9.8 two v"),
        pytest.param("1..2", id="B9.8 an empty part"),
        pytest.param("1.2.", id="B9.8 a last empty part"),
        pytest.param("1.2rc1", id="B9.8 a suffix without -"),
        pytest.param("1.2_3", id="B9.8 Helm's + as _"),
        pytest.param("-1", id="B9.8 only a suffix"),
        pytest.param("1.٣", id="B9.8 digits of another script"),
        pytest.param("9223372036854775808", id="B9.8 more than int64 holds"),
        pytest.param("1" * 40, id="B9.8 a commit hash of digits"),
        pytest.param("1.2\n", id="B9.8 a line break"),
    ],
)
def test_reads_no_version(tag: str) -> None:
    """Everything else is no version."""
    assert Version.read(tag) is None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param("1.2.3-rc", "1.2.3-rc0", id="B9.9 no number below zero"),
        pytest.param("1.2.3", "1.10.0", id="B9.9 numbers by value"),
        pytest.param("10.0.17763.2114", "10.0.17763.2115", id="B9.9 fourth part"),
        pytest.param("1.2.3", "1.2.3.1", id="B9.9 missing parts are zero"),
        pytest.param("1.2.3-rc1", "1.2.3", id="B9.9 pre-release below release"),
        pytest.param("1.2.3-rc2", "1.2.3-rc11", id="B9.9 number runs"),
        pytest.param("1.2.3-alpha", "1.2.3-beta", id="B9.9 text runs"),
        pytest.param("1.2.3-alpha", "1.2.3-alpha.1", id="B9.9 fewer identifiers"),
        pytest.param("1.2.3-alpha.1", "1.2.3-alpha.2", id="B9.9 later identifiers"),
        pytest.param("1.2.3-1", "1.2.3-alpha", id="B9.9 numbers below words"),
        pytest.param("1.2.3-rc", "1.2.3-rc1", id="B9.9 no number below any"),
        pytest.param("1.2.3-alpine3.9", "1.2.3-alpine3.21", id="B9.9 numbers in suffixes"),
        pytest.param("1.2.3-a.", "1.2.3-a.b", id="B9.9 an empty identifier"),
    ],
)
def test_precedence(older: str, newer: str) -> None:
    """Versions are compared number by number, then by their pre-releases."""
    assert version(older).precedence(Suffix.PRERELEASE) < version(newer).precedence(Suffix.PRERELEASE)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("v1", "1.0.0", id="B9.9 v1 equals 1.0.0"),
        pytest.param("10.0.17763", "10.0.17763.0", id="B9.9 a fourth part of zero"),
        pytest.param("0", "0.0.0", id="B9.9 zero"),
        pytest.param("1.2+a", "1.2+b", id="B9.9 metadata does not count"),
        pytest.param("1-rc01", "1-rc1", id="B9.9 leading zeros in a suffix"),
    ],
)
def test_equal_precedence(left: str, right: str) -> None:
    """Missing numbers are zero, and metadata does not count."""
    assert version(left).precedence(Suffix.PRERELEASE) == version(right).precedence(Suffix.PRERELEASE)


@given(_VERSIONS, _VERSIONS)
def test_precedence_agrees_with_a_comparison_in_steps(left: str, right: str) -> None:
    """Sort keys order versions as comparing them part by part does (semantics B9.9)."""
    ours, theirs = (version(tag).precedence(Suffix.PRERELEASE) for tag in (left, right))
    assert (ours > theirs) - (ours < theirs) == regsync_compare(left, right)


@pytest.mark.parametrize(
    ("suffix", "prerelease", "variant"),
    [
        ("", "", ""),
        ("alpine", "", "alpine"),
        ("alpine3.21", "", "alpine3.21"),
        ("slim-bookworm", "", "slim-bookworm"),
        ("rc1", "rc1", ""),
        ("rc.1", "rc.1", ""),
        ("beta.2.1", "beta.2.1", ""),
        ("alpha", "alpha", ""),
        ("pre3", "pre3", ""),
        ("dev", "dev", ""),
        ("SNAPSHOT", "SNAPSHOT", ""),
        ("canary.5", "canary.5", ""),
        ("nightly-20240101", "nightly-20240101", ""),
        ("nightly.20240101.abc", "nightly.20240101.abc", ""),
        ("preview1", "preview1", ""),
        ("M1", "M1", ""),
        ("m", "", "m"),
        ("ea-12-jdk-slim", "ea-12", "jdk-slim"),
        ("rc1-alpine3.21", "rc1", "alpine3.21"),
        ("alpine3.21-rc1", "rc1", "alpine3.21"),
        ("debian-12-r3", "", "debian-12-r3"),
        ("1", "", "1"),
        ("developer", "", "developer"),
        ("prefork", "", "prefork"),
    ],
)
def test_splits_a_suffix(suffix: str, prerelease: str, variant: str) -> None:
    """Words that mark a pre-release are told from names of variants."""
    assert split_suffix(suffix) == (prerelease, variant)


def test_variant_precedence_ignores_variants_only() -> None:
    """With `semverSuffix: variant` a variant equals its release, and a pre-release stays below it."""
    plain, alpine, candidate = (version(tag).precedence(Suffix.VARIANT) for tag in ("3.22", "3.22-alpine", "3.22-rc1"))
    assert alpine == plain
    assert candidate < plain
    assert version("3.22-rc1-alpine").precedence(Suffix.VARIANT) == candidate


def test_natural_key_compares_numbers_by_value() -> None:
    """Numbers inside names are compared by value."""
    assert sorted(["alpine3.21", "alpine10", "alpine3.9", "alpine"], key=natural_key) == [
        "alpine",
        "alpine3.9",
        "alpine3.21",
        "alpine10",
    ]


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(["1.22.3", "1.22.3-rc1"], id="A5 a pre-release never beats its release"),
        pytest.param(["1.22.3-alpine3.21", "1.22.3-alpine3.20"], id="A5 suffix by number"),
        pytest.param(["1.22.3-alpine3.21", "1.22.3-alpine3.9"], id="A5 3.9 before 3.21"),
        pytest.param(["1.22.4-alpine3.9", "1.22.3-alpine3.21"], id="A5 numeric core first"),
        pytest.param(["1.22.3", "1.22.3-alpine3.21", "1.22.3-rc1-alpine3.21"], id="A5 release, variant, pre-release"),
        pytest.param(["1.22.3-alpine", "1.22.3-rc2", "1.22.3-rc1", "1.22.3-beta9"], id="A5 pre-releases in order"),
        pytest.param(["v1.10", "1.9", "v1.8"], id="A5 optional v"),
        pytest.param(["10.0.17763.2115", "10.0.17763.2114"], id="A5 four parts"),
        pytest.param(["0.0.1", "latest"], id="A5 versions ahead of the others"),
        pytest.param(["1.0", "9.9.9.9.9"], id="A5 five numbers are no version"),
        pytest.param(["v1", "1.0.0", "1.0", "1"], id="A5 ties by name descending"),
        pytest.param(["edge", "build10", "build9"], id="A5 no dates: natural order of names"),
    ],
)
def test_newest_first(tags: list[str]) -> None:
    """Tags are ordered from new to old, from whatever order they come in."""
    versions = {tag: Version.read(tag) for tag in tags}
    assert newest_first(tags, versions, {}) == tags
    assert newest_first(tags[::-1], versions, {}) == tags


def test_dates_order_what_is_no_version() -> None:
    """Tags that are no versions go newest date first, unknown dates last, equal ones by name descending (A5)."""
    dates = {
        "edge": datetime(2024, 5, 2, tzinfo=UTC),
        "main": datetime(2024, 5, 3, tzinfo=UTC),
        "next": datetime(2024, 5, 2, tzinfo=UTC),
        "1.0": datetime(2020, 1, 1, tzinfo=UTC),
    }
    tags = ["zeta", "edge", "alpha", "main", "next", "1.0"]
    versions = {tag: Version.read(tag) for tag in tags}
    assert newest_first(tags, versions, dates) == ["1.0", "main", "next", "edge", "zeta", "alpha"]


@pytest.mark.parametrize(
    ("tag", "group", "expected"),
    [
        ("1.22.3", Group.ALL, ""),
        ("latest", Group.ALL, ""),
        ("1.22.3", Group.MAJOR, "1"),
        ("1.22.3-alpine", Group.MINOR, "1.22"),
        ("v3", Group.MINOR, "3.0"),
        ("1.22.3", Group.VARIANT, ""),
        ("1.22.3-rc1", Group.VARIANT, ""),
        ("1.22.3-alpine3.21", Group.VARIANT, "alpine"),
        ("1.22.3-rc1-alpine3.20", Group.VARIANT, "alpine"),
        ("1.22.3-slim-bookworm", Group.VARIANT, "slim-bookworm"),
        ("1.22.3-debian-12-r3", Group.VARIANT, "debian-r"),
        ("latest", Group.VARIANT, None),
        ("1.2.3.4.5", Group.MAJOR, None),
    ],
)
def test_groups(tag: str, group: Group, expected: str | None) -> None:
    """A tag is grouped by its leading numbers, or by its variant without numbers."""
    assert group_of(Version.read(tag), group) == expected
