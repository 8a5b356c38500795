"""Selecting tags: patterns, sets and `keep_last` (semantics A4, A5, B9)."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.tags import tagrules
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import (
    InvalidKeepLastError,
    InvalidPatternError,
    KeepLast,
    Place,
    Selection,
    TagPattern,
    TagSet,
)
from transship_planner.tags.versions import Group, Suffix


def tag_set(*, semver: str = "", allow: str = "", deny: str = "", suffix: Suffix = Suffix.PRERELEASE) -> TagSet:
    """Make a set from patterns and ranges separated by `;`."""
    allowed, denied = (tuple(TagPattern(each) for each in texts.split(";") if each) for texts in (allow, deny))
    return TagSet(SemverRange.parse_all(semver.split(";"), suffix), allowed, denied)


@pytest.mark.parametrize(
    ("text", "anchored", "matching", "others"),
    [
        pytest.param("v1|v2", True, "v1 v2", "v1.5 xv2", id="B9.1 anchored as a group"),
        pytest.param("3", True, "3", "3.1 13", id="B9.1 whole tags"),
        pytest.param(r"3\.\d+", True, "3.1 3.21", "3.1.1 3", id="B21 first example"),
        pytest.param("", True, "", "a", id="B9.1 empty pattern"),
        pytest.param(r"\Qa.b", True, "a.b", "a.bc axb", id="B9.1 quoted to the end"),
        pytest.param("(?i)alpine", True, "Alpine ALPINE", "alpine3", id="B9.1 flags"),
        pytest.param(r"^3\.\d+\.\d+$", False, "3.21.3 3.20.6", "3.21 13.21.3", id="A4 three numbers"),
        pytest.param(
            r"^1\.\d+\.\d+-alpine3\.\d+$", False, "1.22.3-alpine3.21", "1.22.3 1.22-alpine3.21", id="A4 with variant"
        ),
        pytest.param(r"^\d+\.\d+$", False, "22.04 24.04", "22.04.1 v22.04", id="A4 two numbers"),
        pytest.param("alpine", False, "alpine 3-alpine3.21", "bookworm", id="A4.5 unanchored search"),
        pytest.param("", False, "a latest", "", id="A4.5 empty pattern"),
        pytest.param(r"\pL{200}", True, "a" * 200, f"{'a' * 199} {'a' * 201}", id="too large for a set, whole"),
        pytest.param(r"\pL{200}", False, "1" + "a" * 200, "a" * 199, id="too large for a set, anywhere"),
    ],
)
def test_pattern(text: str, anchored: bool, matching: str, others: str) -> None:
    """An anchored pattern matches whole names, another one any part of them."""
    pattern = TagPattern(text, anchored)
    names = matching.split() + others.split()
    assert [name for name in names if pattern.matches(name)] == matching.split()


@pytest.mark.parametrize(
    ("text", "names", "different"),
    [
        pytest.param("v1|v2", "v1 v2 v1.5 3-v2 v3", ("v1.5", "3-v2"), id="B9.1 ungrouped alternation"),
        pytest.param("(v1|v2)", "v1 v2 v1.5 3-v2 v3", (), id="B9.1 grouped alternation"),
        pytest.param("latest", "latest latest2", (), id="B9.1 no alternation"),
        pytest.param(r"\Qa", "a ab", ("a",), id="B9.1 an open quote swallows the $"),
    ],
)
def test_regsync_differences(text: str, names: str, different: tuple[str, ...]) -> None:
    """The tags that regsync's ungrouped reading treats otherwise can be told."""
    assert TagPattern(text).regsync_differences(names.split()) == different


def test_unanchored_patterns_are_not_compared_with_regsync() -> None:
    """Imglife's patterns are searched, so regsync's reading of them is of no interest."""
    assert TagPattern("v1|v2", anchored=False).regsync_differences(["v1.5"]) == ()


_LOOK_AROUND = "RE2 has no look-around: match what you want with allow and drop the rest with deny"
_BACK_REFERENCE = "RE2 has no back-references: write the repeated part out"
_BACKTRACKING = "RE2 never backtracks, so a plain group or repetition does the same"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(", "a '(' is not closed"),
        ("a)(b", "a ')' closes nothing"),
        ("a[b", "the '[' in '[b' is not closed"),
        ("a\\", "a lone '\\' stands at its end"),
        ("*", "'*' has nothing before it to repeat; a pattern is not a shell glob: write '.*' for any text"),
        ("+a", "'+' has nothing before it to repeat"),
        ("a**", "'**' repeats a repetition"),
        ("a++", f"'++' repeats a repetition; {_BACKTRACKING}"),
        (
            "a{1001}",
            "'{1001}' repeats too often, or its bounds are in the wrong order (RE2 goes up to 1000)",
        ),
        ("[z-a]", "'z-a' is no class or range of characters"),
        ("\\h", "'\\\\h' is not an escape that RE2 knows"),
        ("a\\Z", "'\\\\Z' is not an escape that RE2 knows; write $ for the end of the tag"),
        ("(a)\\1", f"'\\\\1' is not an escape that RE2 knows; {_BACK_REFERENCE}"),
        ("(?P<n>a)(?P=n)", f"'(?P' is not a group that RE2 knows; {_BACK_REFERENCE}"),
        ("(?<n>a)\\k<n>", f"'\\\\k' is not an escape that RE2 knows; {_BACK_REFERENCE}"),
        ("^(?!rc)", f"'(?!' is not a group that RE2 knows; {_LOOK_AROUND}"),
        ("(?=a)", f"'(?=' is not a group that RE2 knows; {_LOOK_AROUND}"),
        ("(?<=a)", f"'(?<=' is not a group that RE2 knows; {_LOOK_AROUND}"),
        ("(?<!a)", f"'(?<!' is not a group that RE2 knows; {_LOOK_AROUND}"),
        ("(?>a)", f"'(?>' is not a group that RE2 knows; {_BACKTRACKING}"),
        ("(?P<1-2>a)", "'(?P<1-2>' does not name a group"),
        (r"\pL{1000}", "it is too large"),
        ("a\ud83d", "it holds half of a character (a lone surrogate)"),
    ],
)
def test_pattern_errors(text: str, problem: str) -> None:
    """A pattern that RE2 does not take is refused when it is made, in words and with the way out."""
    with pytest.raises(InvalidPatternError) as caught:
        TagPattern(text)
    assert str(caught.value) == f"pattern {text!r} is not a regular expression (RE2): {problem}"


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [("(", "a '(' is not closed", ""), ("(?=a)", "'(?=' is not a group that RE2 knows", _LOOK_AROUND)],
)
def test_a_refused_pattern_has_its_parts(text: str, problem: str, advice: str) -> None:
    """For whoever words the message in another way."""
    with pytest.raises(InvalidPatternError) as caught:
        TagPattern(text)
    assert (caught.value.pattern, caught.value.problem, caught.value.advice) == (text, problem, advice)


def test_what_a_later_re2_complains_of_is_told_in_its_own_words() -> None:
    """Nothing is hidden because it is not known."""
    error = tagrules.__dict__["_invalid"]("a~b", "tilde out of place: ~")
    assert str(error) == "pattern 'a~b' is not a regular expression (RE2): tilde out of place: ~"


def test_refused_patterns_are_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 itself writes nothing about a refused pattern to stderr."""
    with pytest.raises(InvalidPatternError):
        TagPattern("(never seen before")
    assert capfd.readouterr() == ("", "")


_TAGS = ("latest", "edge", "3", "3.0", "3.20", "3.21", "3.21.1", "3.22-alpine", "4.0-rc1", "dev")


@pytest.mark.parametrize(
    ("sets", "selected"),
    [
        pytest.param((), _TAGS, id="B9.4 no sets: every tag"),
        pytest.param((tag_set(),), _TAGS, id="B9.2 empty lists let everything pass"),
        pytest.param((tag_set(allow="edge;latest"),), ("latest", "edge"), id="B9.2 any allow pattern"),
        pytest.param((tag_set(allow="missing"),), (), id="B9.6 nothing left is no error"),
        pytest.param((tag_set(deny=r"\d.*"),), ("latest", "edge", "dev"), id="B9.2 any deny pattern drops"),
        pytest.param(
            (tag_set(allow=r"latest;edge;3;3\.\d+", deny=r"3\.0"),),
            ("latest", "edge", "3", "3.20", "3.21"),
            id="B21 allow, then deny",
        ),
        pytest.param((tag_set(allow="latest", deny="dev"),), ("latest",), id="B20 allow and deny of another tag"),
        pytest.param(
            (tag_set(semver=">=3.20 <4"),), ("3.20", "3.21", "3.21.1", "3.22-alpine", "4.0-rc1"), id="B9.3 range"
        ),
        pytest.param((tag_set(semver="=3;=3.21"),), ("3", "3.0", "3.21"), id="B9.10 any of several ranges"),
        pytest.param((tag_set(semver=">=3", allow="latest"),), (), id="B9.3 latest is no version"),
        pytest.param(
            (tag_set(semver=">=3.20", allow=r"3\..*", deny=".*-.*"),),
            ("3.20", "3.21", "3.21.1"),
            id="B9.3 range, allow and deny in sequence",
        ),
        pytest.param((tag_set(semver=">=3.22"),), ("4.0-rc1",), id="B9.12 a suffix is a pre-release"),
        pytest.param(
            (tag_set(semver=">=3.22", suffix=Suffix.VARIANT),),
            ("3.22-alpine", "4.0-rc1"),
            id="semverSuffix: a variant is compared by its numbers",
        ),
        pytest.param(
            (tag_set(allow="dev"), tag_set(allow=r"edge|3.*", deny="3.+"), tag_set(allow="edge;latest")),
            ("dev", "edge", "3", "latest"),
            id="B9.4 B9.5 union in the order of the sets, each tag once",
        ),
    ],
)
def test_sets(sets: tuple[TagSet, ...], selected: tuple[str, ...]) -> None:
    """Sets select their union, in order."""
    assert Selection(sets).select(_TAGS) == selected


def test_repeated_tags_count_once() -> None:
    """A registry that lists a tag twice yields it once."""
    assert Selection().select(["b", "a", "b"]) == ("b", "a")


@pytest.mark.parametrize(
    ("selection", "tags", "selected"),
    [
        pytest.param(Selection(keep_last=0), "1 3 2", "1 3 2", id="A4.4 zero keeps all, in order"),
        pytest.param(Selection(keep_last=2), "1 3 2", "3 2", id="A5 newest first"),
        pytest.param(Selection(keep_last=9), "1 3 2", "3 2 1", id="A5 fewer than that"),
        pytest.param(
            Selection((TagSet(allow=(TagPattern(r"^1\.", anchored=False),)),), keep_last=2),
            "1.1 2.0 1.3 1.2 3.0",
            "1.3 1.2",
            id="A5 the filter comes before keep_last",
        ),
        pytest.param(Selection(keep_last=2), "latest 1.0 edge", "1.0 latest", id="A5 versions ahead of the others"),
        pytest.param(Selection(keep_last=1), "1.22.3-rc1 1.22.3", "1.22.3", id="A5 no release candidate before it"),
        pytest.param(
            Selection(keep_last=2),
            "1.22.3-alpine3.9 1.22.3-alpine3.21 1.22.3-alpine3.20",
            "1.22.3-alpine3.21 1.22.3-alpine3.20",
            id="A5 suffix by number",
        ),
        pytest.param(
            Selection(keep_last=1, per=Group.MAJOR),
            "1.1 1.2 2.0 2.1-rc1 1.2-rc1 latest",
            "2.1-rc1 1.2 latest",
            id="per major",
        ),
        pytest.param(
            Selection(keep_last=2, per=Group.MINOR), "1.1.1 1.1.2 1.1.3 1.2.0 2", "2 1.2.0 1.1.3 1.1.2", id="per minor"
        ),
        pytest.param(
            Selection(keep_last=1, per=Group.VARIANT),
            "1.1 1.2 1.3-rc1 1.1-alpine3.20 1.1-alpine3.21 1.0-slim edge latest",
            "1.3-rc1 1.1-alpine3.21 1.0-slim latest",
            id="per variant",
        ),
        pytest.param(
            Selection((tag_set(allow="edge;1.*"), tag_set(allow="dev;1.2")), keep_last=2),
            "dev 1.1 edge 1.2",
            "1.2 1.1",
            id="A5 keep_last is of the union",
        ),
    ],
)
def test_keep_last(selection: Selection, tags: str, selected: str) -> None:
    """`keep_last` keeps the newest of what the sets select."""
    assert selection.select(tags.split()) == tuple(selected.split())


def test_dates_decide_among_tags_that_are_no_versions() -> None:
    """With dates the newest of the other tags stay, and a tag without a date is the oldest (semantics A5)."""
    dates = {"main": datetime(2024, 5, 3, tzinfo=UTC), "edge": datetime(2024, 5, 2, tzinfo=UTC)}
    assert Selection(keep_last=2).select(["zeta", "edge", "main"], dates) == ("main", "edge")
    assert Selection(keep_last=2).select(["zeta", "edge", "main"]) == ("zeta", "main")


def test_window_is_what_keep_last_says() -> None:
    """Count and group together are one value."""
    assert Selection(keep_last=3, per=Group.MINOR).window == KeepLast(3, Group.MINOR)


def test_a_count_of_zero_keeps_all() -> None:
    """However far down a tag stands."""
    assert [KeepLast(count).keeps(Place(5, None)) for count in (0, 4, 5)] == [True, False, True]


def test_dates_are_needed_only_where_they_decide_among_what_matches() -> None:
    """Tags that are no versions and that no range admits are not counted."""
    tags = ["1.0", "2.0", "edge", "dev"]
    assert Selection(keep_last=3).needs_dates(tags)
    assert not Selection((tag_set(semver=">=1"),), keep_last=3).needs_dates(tags)
    assert not Selection(keep_last=4).needs_dates(tags)
    assert not Selection().needs_dates(tags)


def test_negative_keep_last_is_an_error() -> None:
    """Less than nothing cannot be kept (semantics A4.4)."""
    with pytest.raises(InvalidKeepLastError) as caught:
        Selection(keep_last=-1)
    assert caught.value.count == -1
    assert str(caught.value) == "keep_last -1 is negative; give how many of the newest tags to keep, or 0 to keep all"


_SETS = st.lists(
    st.builds(
        tag_set,
        semver=st.sampled_from(["", ">=1", "1.x;=2.0", "^1.2 || ~3"]),
        allow=st.sampled_from(["", ".*alpine.*", "latest;1.*", "v?[12].*"]),
        deny=st.sampled_from(["", ".*rc.*", "edge"]),
        suffix=st.sampled_from(Suffix),
    ),
    max_size=3,
).map(tuple)
_SELECTIONS = st.builds(Selection, _SETS, st.integers(0, 4), st.sampled_from(Group))
_LISTS = st.lists(
    st.one_of(
        st.sampled_from(["latest", "edge", "20240101", "1.0", "v1", "1", "1.0.0.0.0"]),
        st.from_regex(r"v?[0-3](\.[0-3]){0,3}(-(alpine3\.[0-9]+|rc[0-9]+|slim))?", fullmatch=True),
    )
)


@given(_SELECTIONS, _LISTS)
def test_selection_is_a_subset_without_duplicates(selection: Selection, tags: list[str]) -> None:
    """Only tags of the list are selected, each once."""
    selected = selection.select(tags)
    assert set(selected) <= set(tags)
    assert len(set(selected)) == len(selected)


@given(_SELECTIONS, _LISTS)
def test_selection_is_idempotent(selection: Selection, tags: list[str]) -> None:
    """Selecting from what is selected changes nothing."""
    selected = selection.select(tags)
    assert selection.select(selected) == selected


@given(_SELECTIONS, _LISTS, st.randoms())
def test_selection_does_not_depend_on_the_order_of_tags(selection: Selection, tags: list[str], random: Random) -> None:
    """The same tags in another order give the same selection, and with `keep_last` in the same order."""
    selected = selection.select(tags)
    shuffled = selection.select(random.sample(tags, len(tags)))
    if selection.keep_last:
        assert shuffled == selected
    assert set(shuffled) == set(selected)


@given(_SELECTIONS, _LISTS)
def test_keep_last_only_drops(selection: Selection, tags: list[str]) -> None:
    """`keep_last` keeps the newest of each group of what is selected without it, and at least one when there is any."""
    everything = Selection(selection.sets).select(tags)
    kept = selection.select(tags)
    assert set(kept) <= set(everything)
    assert bool(kept) == bool(everything)
    if selection.keep_last and selection.per is Group.ALL:
        assert len(kept) == min(selection.keep_last, len(everything))
