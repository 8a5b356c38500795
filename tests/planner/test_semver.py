"""Semver ranges: regsync's, and what users of semver expect beyond them (semantics B9.10-13)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.tags.semver import SEMVER_DIFFERENCES, InvalidRangeError, SemverDifference, SemverRange
from transship_planner.tags.versions import Suffix, Version


def matches(text: str, tag: str, suffix: Suffix = Suffix.PRERELEASE) -> bool:
    """Tell whether a range takes a tag that is a version."""
    version = Version.read(tag)
    assert version is not None
    return SemverRange.parse(text, suffix).matches(version)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        pytest.param(">=1.0.0", "1.0.0 1.5.0 2", "0.9.0 1.0.0-rc1", id="B9.11 >="),
        pytest.param("<=2.0.0", "2.0.0 1.5.0 2.0.0-rc1", "2.1.0 2.0.0.1", id="B9.11 <="),
        pytest.param(">1.0.0", "1.0.1 1.0.0.1", "1.0.0 0.9", id="B9.11 >"),
        pytest.param("<2.0.0", "1.9.9 2.0.0-rc1", "2.0.0 2", id="B9.11 <"),
        pytest.param("=1.0.0", "1.0.0 v1 1.0", "1.0.1 1.0.0-rc1", id="B9.11 ="),
        pytest.param("1.2", "1.2 1.2.0 v1.2.0.0", "1.2.1 1.2.0-alpine", id="B9.11 no operator is equals"),
        pytest.param("^1.2.3", "1.2.3 1.2.5 1.5.0 2.0.0-rc1", "2.0.0 1.2.2 1.2.3-rc1", id="B9.11 ^1.2.3"),
        pytest.param("^0.2.3", "0.2.3 0.2.5", "0.3.0 0.2.2", id="B9.11 ^0.2.3"),
        pytest.param("^0.0.3", "0.0.3 0.0.3.9", "0.0.4 0.0.2", id="B9.11 ^0.0.3"),
        pytest.param("^1.2", "1.2.0 1.9", "1.1 2.0", id="B9.11 ^1.2"),
        pytest.param("^10.0.17763.5", "10.0.17763.5 10.1", "10.0.17763.4 11", id="B9.11 ^ with four numbers"),
        pytest.param("^0.0.0.5", "0.0.0.5 0.0.0.9", "0.0.0.4 0.0.1", id="B9.11 ^ looks at three numbers"),
        pytest.param("^0.0.0", "0.0.0 0.0.0.1", "0.0.1", id="B9.11 ^0.0.0"),
        pytest.param("~1.2.3", "1.2.3 1.2.5", "1.3.0 1.2.2", id="B9.11 ~1.2.3"),
        pytest.param("~1.2", "1.2.0 1.2.9", "1.3 1.1.9", id="B9.11 ~1.2"),
        pytest.param("~1", "1.0.0 1.1.0 1.99", "2.0.0 0.9", id="B9.11 ~1 as npm reads it"),
        pytest.param("^0", "0.0.0 0.0.1 0.99", "1.0.0", id="B9.11 ^0 as npm reads it"),
        pytest.param("^0.0", "0.0.0 0.0.9", "0.1.0", id="B9.11 ^0.0 as npm reads it"),
        pytest.param(">=1.0.0 <2.0.0", "1.0.0 1.5.0", "0.9.0 2.0.0 2.1.0", id="B9.10 all must hold"),
        pytest.param(
            ">=1.0.0 <2.0.0",
            "v1.5.0-alpine v2.0.0-alpine3.21",
            "v1.0.0-alpine",
            id="B9.12 pre-releases are not excluded",
        ),
        pytest.param(">=5.0.0", "v6-scratch", "v5-scratch", id="B9.12 a suffix is a pre-release"),
        pytest.param(">=1.0.0-rc1", "1.0.0-rc2 1.0.0-rc11 1.0.0", "1.0.0-beta 0.9", id="B9.9 pre-release bounds"),
        pytest.param(">=v2", "2.0 v2.1", "1.9", id="B9.13 v in the range"),
        pytest.param(">=v1.0+build", "1.0", "0.9", id="B9.8 metadata in the range"),
        pytest.param(">= 1.0 < 2", "1.0 1.9", "2 0.9", id="space after the operator"),
        pytest.param(">=1.0, <2", "1.0 1.9", "2 0.9", id="comma is and"),
        pytest.param(">=1.0,<2", "1.0 1.9", "2 0.9", id="comma without space"),
        pytest.param(">=1.0<2", "1.0 1.9", "2 0.9", id="nothing between comparators"),
        pytest.param("<1 || >=3 <4 || =5", "0.5 3.1 5", "1 2 4 6", id="|| is or"),
        pytest.param("1||2", "1 2", "3", id="|| without spaces"),
        pytest.param("*", "0 99 1.0-rc1", "", id="any version"),
        pytest.param(">=*", "0 99 1.0-rc1", "", id="at least any version"),
        pytest.param("* || <1", "5", "", id="any version or another"),
        pytest.param("1.x", "1.0.0 1.99 1.0.0-rc1 1.5-alpine", "2.0.0-rc1 2 0.9", id="1.x"),
        pytest.param("1.2.X", "1.2 1.2.9 1.2-alpine", "1.3 1.3-rc1 1.1", id="1.2.X"),
        pytest.param("v1.2.*", "1.2 1.2.9", "1.3 1.1", id="v1.2.*"),
        pytest.param("1.x.x", "1.0 1.99", "2.0-rc1", id="1.x.x"),
        pytest.param("=1.x", "1.0 1.99", "2.0-rc1", id="=1.x"),
        pytest.param(">1.x", "2.0.0 2.0.0-rc1", "1.99", id="above 1.x"),
        pytest.param(">=1.x", "1.0.0-rc1 9", "0.99", id="from 1.x"),
        pytest.param("<1.x", "0.99", "1.0.0-rc1 1.0", id="below 1.x"),
        pytest.param("<=1.x", "1.99 0", "2.0.0-rc1 2.0", id="to 1.x"),
        pytest.param("^1.2.x", "1.2.0 1.9", "2.0.0-rc1 1.1", id="^1.2.x"),
        pytest.param("^0.x", "0.0.1 0.9", "1.0.0", id="^0.x"),
        pytest.param("~1.2.x", "1.2.0 1.2.9", "1.3.0-rc1 1.1", id="~1.2.x"),
        pytest.param("1.2 - 1.4", "1.2 1.2-rc1 1.3 1.4.99 1.4-alpine", "1.5.0 1.5.0-rc1 1.1.9", id="hyphen, partial"),
        pytest.param("1.2.3 - 2.3.4", "1.2.3 2.3.4", "1.2.2 2.3.5 1.2.3-rc1", id="hyphen, full"),
        pytest.param("1.2-rc1 - 2", "1.2-rc2 2.9", "1.2-beta 3", id="hyphen, from a pre-release"),
        pytest.param("1.x - 2.x", "1.0 2.9", "0.9 3.0", id="hyphen, wildcards"),
        pytest.param("1.2.3.x - 1.2.5.x", "1.2.3-rc1 1.2.5.9", "1.2.2 1.2.6", id="hyphen, fourth place"),
        pytest.param("* - 2", "0 2.9", "3.0", id="hyphen, from any"),
        pytest.param("2 - *", "2 99", "1.9", id="hyphen, to any"),
        pytest.param("1 - 2 || 5 - 6", "1 2 5 6", "3 7", id="two hyphen ranges"),
        pytest.param("1 - 3 >=2", "2 3", "1 4", id="hyphen and more"),
    ],
)
def test_range(text: str, inside: str, outside: str) -> None:
    """A range takes the versions inside it and no others."""
    tags = inside.split() + outside.split()
    assert [tag for tag in tags if matches(text, tag)] == inside.split()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        pytest.param(
            ">=3.22", "3.22-alpine 3.22 3.23-rfcurated", "3.22-rc1 3.21-alpine", id="a variant equals its release"
        ),
        pytest.param("<2.0.0", "1.9-alpine 2.0.0-rc1", "2.0.0-alpine3.21", id="B9.12 no variant slips under a bound"),
        pytest.param(
            "=1.22", "1.22-alpine 1.22-slim", "1.22-rc1-alpine", id="pre-releases of variants stay pre-releases"
        ),
        pytest.param(">=1.0-rc1", "1.0-rc2-alpine 1.0-alpine", "1.0-beta1-alpine", id="pre-release bounds"),
    ],
)
def test_variant_range(text: str, inside: str, outside: str) -> None:
    """With `semverSuffix: variant` a variant is compared by its numbers."""
    tags = inside.split() + outside.split()
    assert [tag for tag in tags if matches(text, tag, Suffix.VARIANT)] == inside.split()


def test_any_of_several_ranges_and_empty_ones_are_skipped() -> None:
    """Empty strings in a list of ranges do not count (semantics B9.10)."""
    assert [str(each) for each in SemverRange.parse_all(["", "^1", "  ", "=3"])] == ["^1", "=3"]


def test_equal_ranges_are_equal_values() -> None:
    """A range is a value: same text and same reading, same range."""
    assert SemverRange.parse("^1") == SemverRange.parse("^1")
    assert SemverRange.parse("^1") != SemverRange.parse("^1", Suffix.VARIANT)


@pytest.mark.parametrize("difference", SEMVER_DIFFERENCES, ids=lambda difference: difference.text)
def test_differences_from_regsync(difference: SemverDifference) -> None:
    """Each named difference is one: we take its witness, and regsync's reading in our language does not."""
    assert matches(difference.text, difference.witness)
    if difference.regsync.startswith(">"):
        assert not matches(difference.regsync, difference.witness)
        assert matches(difference.transship, difference.witness)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "semver range '': expected a version such as 1.2.3 or 1.x at position 1, found the end"),
        (">=abc", 3, "semver range '>=abc': expected a version such as 1.2.3 or 1.x at position 3, found 'abc'"),
        (
            "invalid range",
            1,
            "semver range 'invalid range': expected a version such as 1.2.3 or 1.x at position 1, found 'invalid'",
        ),
        (">=1 <", 6, "semver range '>=1 <': expected a version such as 1.2.3 or 1.x at position 6, found the end"),
        (">>1", 2, "semver range '>>1': expected a version such as 1.2.3 or 1.x at position 2, found '>'"),
        ("1 | 2", 3, "semver range '1 | 2': expected a version such as 1.2.3 or 1.x at position 3, found '|'"),
        ("1 ||", 5, "semver range '1 ||': expected a version such as 1.2.3 or 1.x at position 5, found the end"),
        ("|| 1", 1, "semver range '|| 1': expected a version such as 1.2.3 or 1.x at position 1, found '||'"),
        ("1,, 2", 3, "semver range '1,, 2': expected a version such as 1.2.3 or 1.x at position 3, found ','"),
        ("1,", 3, "semver range '1,': expected a version such as 1.2.3 or 1.x at position 3, found the end"),
        (
            "1." + "9" * 129,
            1,
            f"semver range '1.{'9' * 129}': "
            f"expected a version such as 1.2.3 or 1.x at position 1, found '1.{'9' * 129}'",
        ),
        ("1.x.3", 1, "semver range '1.x.3': expected only wildcards after a wildcard at position 1, found '1.x.3'"),
        (
            "^1.x-alpine",
            2,
            "semver range '^1.x-alpine': expected no suffix after a wildcard at position 2, found '1.x-alpine'; "
            "name a variant under allow, such as '.*-alpine'",
        ),
        (
            "1.2 -1.4",
            5,
            "semver range '1.2 -1.4': expected a version such as 1.2.3 or 1.x at position 5, found '-1.4'; "
            "a hyphen range has a space on both sides: 1.2 - 1.4",
        ),
        (
            "1.2- 1.4",
            1,
            "semver range '1.2- 1.4': expected a suffix after the '-' at position 1, found '1.2-'; "
            "a hyphen range has a space on both sides: 1.2 - 1.4",
        ),
        ("1.2 -", 6, "semver range '1.2 -': expected a version such as 1.2.3 or 1.x at position 6, found the end"),
        (
            ">1 - 2",
            4,
            "semver range '>1 - 2': expected a plain comparison at position 4, found '-'; a hyphen range takes no >",
        ),
        (
            "<*",
            2,
            "semver range '<*': expected a version with a number at position 2, found '*'; "
            "no version is < all versions",
        ),
        (
            ">x.x",
            2,
            "semver range '>x.x': expected a version with a number at position 2, found 'x.x'; "
            "no version is > all versions",
        ),
    ],
)
def test_range_errors(text: str, position: int, message: str) -> None:
    """An error says where, what was expected, what was found, and the way out."""
    with pytest.raises(InvalidRangeError) as caught:
        SemverRange.parse(text)
    assert str(caught.value) == message
    assert caught.value.position == position


def test_variant_in_a_variant_range_is_an_error() -> None:
    """A variant in a range that compares numbers only would be ignored, so it is refused."""
    with pytest.raises(InvalidRangeError) as caught:
        SemverRange.parse(">=3.22-alpine", Suffix.VARIANT)
    assert str(caught.value) == (
        "semver range '>=3.22-alpine': expected a version without a variant at position 3, found '3.22-alpine'; "
        "with semverSuffix: variant only numbers are compared; name a variant under allow"
    )


_PARTS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
_NUMBERS = _PARTS.map(lambda parts: ".".join(map(str, parts)))
_TAGS = st.tuples(_NUMBERS, st.sampled_from(["", "-rc1", "-rc2", "-alpine"])).map("".join)


@given(_TAGS, _TAGS)
def test_comparators_are_consistent(bound: str, tag: str) -> None:
    """Of below, equal and above exactly one holds, and the operators agree with them."""
    below, equal, above = (matches(f"{sign}{bound}", tag) for sign in "<=>")
    assert below + equal + above == 1
    assert matches(f"<={bound}", tag) == (below or equal)
    assert matches(f">={bound}", tag) == (above or equal)
    assert matches(bound, tag) == equal


@given(_PARTS, _TAGS)
def test_wildcard_is_what_begins_with_its_numbers(parts: list[int], tag: str) -> None:
    """`1.2.x` takes every version whose numbers begin with 1.2, and no other."""
    version = Version.read(tag)
    assert version is not None
    begins = (*version.parts, 0, 0, 0, 0)[: len(parts)] == tuple(parts)
    assert matches(".".join(map(str, parts)) + ".x", tag) == begins


@given(_TAGS, _TAGS, _TAGS)
def test_blanks_commas_and_alternatives(lower: str, upper: str, tag: str) -> None:
    """A comma or a blank means and, `||` means or, blanks after operators mean nothing."""
    both = matches(f">={lower}", tag) and matches(f"<{upper}", tag)
    assert matches(f">={lower} <{upper}", tag) == both
    assert matches(f" >= {lower} , < {upper} ", tag) == both
    assert matches(f"<{lower}||>={upper}", tag) == (matches(f"<{lower}", tag) or matches(f">={upper}", tag))
