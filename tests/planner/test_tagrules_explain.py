"""Explaining a selection: which rule took or dropped a tag, and which traps it met."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import Place, Selection, Step, TagPattern, TagSet, Trap, Verdict
from transship_planner.tags.versions import Group, Suffix


def ranges(*texts: str, suffix: Suffix = Suffix.PRERELEASE) -> tuple[SemverRange, ...]:
    """Parse several ranges."""
    return SemverRange.parse_all(texts, suffix)


def patterns(*texts: str) -> tuple[TagPattern, ...]:
    """Make several anchored patterns."""
    return tuple(map(TagPattern, texts))


@pytest.mark.parametrize(
    ("tag_set", "tag", "verdict", "words"),
    [
        pytest.param(
            TagSet(ranges(">=1", "=0.5")),
            "dev",
            Verdict(Step.NOT_A_VERSION, (">=1", "=0.5")),
            "dropped: not a version, and the semver range '>=1', '=0.5' takes versions only",
            id="B9.3 not a version",
        ),
        pytest.param(
            TagSet(ranges(">=1", "=0.5")),
            "0.4",
            Verdict(Step.OUT_OF_RANGE, (">=1", "=0.5")),
            "dropped: outside the semver range '>=1', '=0.5'",
            id="B9.3 out of range",
        ),
        pytest.param(
            TagSet(allow=patterns("a", "b.*")),
            "c",
            Verdict(Step.NOT_ALLOWED, ("a", "b.*")),
            "dropped: no allow pattern matches ('a', 'b.*')",
            id="B9.2 not allowed",
        ),
        pytest.param(
            TagSet(ranges(">=1"), patterns(".*"), patterns("x", "2.*")),
            "2.0",
            Verdict(Step.DENIED, ("2.*",)),
            "dropped: the deny pattern '2.*' matches",
            id="B9.2 denied",
        ),
        pytest.param(
            TagSet(ranges("<1", ">=2"), patterns("x", "2.*")),
            "2.0",
            Verdict(Step.PASSED, (">=2", "2.*")),
            "selected by '>=2', '2.*'",
            id="B9.3 passed by range and pattern",
        ),
        pytest.param(
            TagSet(deny=patterns("x")),
            "2.0",
            Verdict(Step.PASSED),
            "selected: nothing in the set speaks against it",
            id="B9.2 not denied",
        ),
    ],
)
def test_verdicts(tag_set: TagSet, tag: str, verdict: Verdict, words: str) -> None:
    """Each set says which of its rules decided."""
    explanation = Selection((tag_set,)).explain(tag, [tag])
    assert explanation.verdicts == (verdict,)
    assert explanation.selected == verdict.passed
    assert explanation.lines() == (f"set 1: {words}",)


def test_every_set_is_told() -> None:
    """One set is enough to select a tag, and the others are told too."""
    selection = Selection((TagSet(allow=patterns("a")), TagSet(allow=patterns("b"))))
    explanation = selection.explain("b", ["a", "b", "c"])
    assert explanation.selected
    assert explanation.lines() == ("set 1: dropped: no allow pattern matches ('a')", "set 2: selected by 'b'")


def test_no_rules() -> None:
    """Without rules every tag is selected, and the explanation says so."""
    explanation = Selection().explain("a", ["a"])
    assert explanation.selected
    assert (explanation.place, explanation.matching) == (None, 0)
    assert explanation.lines() == ("no tag rules: every tag is selected",)


def test_a_tag_that_is_not_there() -> None:
    """A tag that the repository does not have is not selected, whatever the rules say."""
    explanation = Selection((TagSet(allow=patterns("b")),), keep_last=2).explain("b", ["a"])
    assert not explanation.selected
    assert explanation.lines() == ("the repository has no tag 'b'", "set 1: selected by 'b'")
    assert Selection().explain("b", ["a"]).lines() == ("the repository has no tag 'b'",)


@pytest.mark.parametrize(
    ("per", "tag", "place", "words"),
    [
        (Group.ALL, "1.1.1", Place(6, ""), "dropped by keep_last: number 6 of 7 matching tags"),
        (Group.MAJOR, "1.2.0", Place(1, "1"), "kept by keep_last: number 1 of 4 matching tags of version 1"),
        (Group.MINOR, "1.1.1", Place(3, "1.1"), "dropped by keep_last: number 3 of 3 matching tags of version 1.1"),
        (Group.MINOR, "edge", Place(1, None), "kept by keep_last: number 1 of 1 matching tags that are no versions"),
        (Group.VARIANT, "1.1.1", Place(4, ""), "dropped by keep_last: number 4 of 4 matching tags without a variant"),
        (
            Group.VARIANT,
            "2.0-alpine3.1",
            Place(2, "alpine"),
            "kept by keep_last: number 2 of 2 matching tags of variant alpine",
        ),
    ],
)
def test_keep_last_places(per: Group, tag: str, place: Place, words: str) -> None:
    """`keep_last` says the place of a tag in its group, and how many of it stay."""
    tags = ["2.0-alpine3.2", "2.0-alpine3.1", "1.2.0", "1.1.1", "1.1.2", "1.1.3", "edge"]
    explanation = Selection(keep_last=2, per=per).explain(tag, tags)
    assert explanation.place == place
    assert explanation.selected == (place.rank <= 2)
    assert explanation.lines() == (
        "no tag rules: every tag is selected",
        f"{words}, newest first; the first 2 are kept",
    )


def test_places_follow_dates() -> None:
    """Dates order the tags that are no versions for an explanation as for a selection."""
    dates = {"a": datetime(2024, 5, 3, tzinfo=UTC)}
    assert Selection(keep_last=1).explain("a", ["a", "b"], dates).selected
    assert not Selection(keep_last=1).explain("a", ["a", "b"]).selected


@pytest.mark.parametrize(
    ("selection", "tag", "trap", "message"),
    [
        pytest.param(
            Selection((TagSet(ranges(">=3.22")),)),
            "v3.22-alpine",
            Trap.SUFFIX_IS_PRERELEASE,
            "trap: semver reads the suffix of 'v3.22-alpine' as a pre-release, older than 'v3.22', which puts it "
            "outside '>=3.22'; if 'alpine' is a variant, set semverSuffix: variant to compare numbers only",
            id="B9.12 a variant falls out of a range",
        ),
        pytest.param(
            Selection((TagSet(ranges("<2.0.0")),)),
            "2.0.0-rc1-alpine3.21",
            None,
            "",
            id="B9.12 a real pre-release is no trap",
        ),
        pytest.param(
            Selection((TagSet(ranges("<2.0.0")),)),
            "2.0.0-alpine3.21",
            Trap.SUFFIX_IS_PRERELEASE,
            "trap: semver reads the suffix of '2.0.0-alpine3.21' as a pre-release, older than '2.0.0', which puts it "
            "inside '<2.0.0'; if 'alpine3.21' is a variant, set semverSuffix: variant to compare numbers only",
            id="B9.12 a variant slips under a bound",
        ),
        pytest.param(
            Selection((TagSet(ranges(">=3.22", suffix=Suffix.VARIANT)),)),
            "3.22-alpine",
            None,
            "",
            id="read as a variant",
        ),
        pytest.param(
            Selection((TagSet(ranges("<1", ">=3.22")),)),
            "3.22-alpine",
            Trap.SUFFIX_IS_PRERELEASE,
            "trap: semver reads the suffix of '3.22-alpine' as a pre-release, older than '3.22', which puts it "
            "outside '>=3.22'; if 'alpine' is a variant, set semverSuffix: variant to compare numbers only",
            id="B9.12 a variant falls out of the second range",
        ),
        pytest.param(
            Selection((TagSet(ranges(">=3.20")),)), "3.22-alpine", None, "", id="B9.12 the suffix makes no difference"
        ),
        pytest.param(
            Selection((TagSet(allow=patterns("v1|v2")),)),
            "v1.5",
            Trap.UNGROUPED_ALTERNATION,
            "trap: regsync reads the pattern 'v1|v2' as '^v1|v2$', which matches 'v1.5'; "
            "transship reads '^(?:v1|v2)$', which does not",
            id="B9.1 regsync would allow it",
        ),
        pytest.param(
            Selection((TagSet(deny=patterns("v1|v2")),)),
            "3-v2",
            Trap.UNGROUPED_ALTERNATION,
            "trap: regsync reads the pattern 'v1|v2' as '^v1|v2$', which matches '3-v2'; "
            "transship reads '^(?:v1|v2)$', which does not",
            id="B9.1 regsync would deny it",
        ),
        pytest.param(
            Selection((TagSet(allow=patterns(r"\Qa")),)),
            "a",
            Trap.UNGROUPED_ALTERNATION,
            r"trap: regsync reads the pattern '\\Qa' as '^\\Qa$', which does not match 'a'; "
            r"transship reads '^(?:\\Qa)$', which does",
            id="B9.1 regsync would not match it",
        ),
        pytest.param(Selection((TagSet(allow=patterns("v1|v2")),)), "v1", None, "", id="B9.1 both readings match"),
        pytest.param(
            Selection((TagSet(allow=(TagPattern("3.1", anchored=False),)),)),
            "13.10",
            Trap.UNANCHORED,
            "trap: the pattern '3.1' matches a part of '13.10'; write '^(?:3.1)$' to match whole tags only",
            id="A4.5 unanchored",
        ),
        pytest.param(
            Selection((TagSet(allow=(TagPattern("3.1", anchored=False),)),)),
            "3.1",
            None,
            "",
            id="A4.5 matches as a whole",
        ),
        pytest.param(
            Selection((TagSet(allow=(TagPattern("3.1", anchored=False),)),)), "4.0", None, "", id="A4.5 does not match"
        ),
        pytest.param(
            Selection((TagSet(ranges(">=1"), patterns("latest")),)),
            "latest",
            Trap.RANGE_AND_ALLOW,
            "trap: allow matches 'latest', but in one set semver range and allow must both match; "
            "put allow into a tag set of its own",
            id="B9.3 latest is no version",
        ),
        pytest.param(
            Selection((TagSet(ranges(">=1"), patterns("a")),)), "latest", None, "", id="B9.3 not allowed anyway"
        ),
        pytest.param(
            Selection((TagSet(ranges(">=1")),)),
            "20240131",
            Trap.DATE_IS_VERSION,
            "trap: '20240131' looks like a date, and is read as version 20240131.0.0, newer than any ordinary version",
            id="B9.8 a date in a range",
        ),
        pytest.param(
            Selection((TagSet(ranges(">=1")), TagSet(allow=patterns(".*")))),
            "20240131",
            Trap.DATE_IS_VERSION,
            "trap: '20240131' looks like a date, and is read as version 20240131.0.0, newer than any ordinary version",
            id="B9.8 a date in the range of one set",
        ),
        pytest.param(
            Selection(keep_last=1),
            "20240131",
            Trap.DATE_IS_VERSION,
            "trap: '20240131' looks like a date, and is read as version 20240131.0.0, newer than any ordinary version",
            id="A5 a date for keep_last",
        ),
        pytest.param(Selection((TagSet(allow=patterns(".*")),)), "20240131", None, "", id="A5 a date is not compared"),
        pytest.param(Selection(keep_last=1), "20241331", None, "", id="A5 no date"),
    ],
)
def test_traps(selection: Selection, tag: str, trap: Trap | None, message: str) -> None:
    """A rule that is easily misread is named when it touches the tag."""
    explanation = selection.explain(tag, [tag])
    assert [(found.trap, found.message) for found in explanation.traps] == ([(trap, message)] if trap else [])
    assert explanation.lines()[len(explanation.lines()) - len(explanation.traps) :] == ((message,) if trap else ())


def test_a_trap_of_two_sets_is_told_once() -> None:
    """The same words are not said twice."""
    explanation = Selection((TagSet(ranges(">=3.22")), TagSet(ranges(">=3.22")))).explain(
        "3.22-alpine", ["3.22-alpine"]
    )
    assert [found.trap for found in explanation.traps] == [Trap.SUFFIX_IS_PRERELEASE]


_SETS = st.lists(
    st.builds(
        TagSet,
        st.sampled_from([(), ranges(">=1"), ranges("<2", ">=3")]),
        st.sampled_from([(), patterns("latest", "1.*"), patterns(".*alpine.*")]),
        st.sampled_from([(), patterns(".*rc.*")]),
    ),
    max_size=3,
).map(tuple)
_LISTS = st.lists(
    st.from_regex(r"latest|edge|[0-3](\.[0-3]){0,2}(-alpine3\.[0-9]|-rc[0-9])?", fullmatch=True), min_size=1
)


@given(st.builds(Selection, _SETS, st.integers(0, 3), st.sampled_from(Group)), _LISTS)
def test_explanations_agree_with_the_selection(selection: Selection, tags: list[str]) -> None:
    """What is explained is what is selected, and the parts of an explanation agree with each other."""
    selected = selection.select(tags)
    for tag in tags:
        explanation = selection.explain(tag, tags)
        matched = not explanation.verdicts or any(verdict.passed for verdict in explanation.verdicts)
        assert explanation.selected == (tag in selected)
        assert (explanation.place is not None) == (matched and selection.keep_last > 0)
        assert explanation.selected == (
            matched and (not explanation.place or explanation.place.rank <= selection.keep_last)
        )
