"""Patterns and version ranges of other tools mean the same to transship."""

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transship_planner.migrate import blang, masterminds
from transship_planner.migrate.patterns import between_anchors, exact, has_alternatives, whole
from transship_planner.migrate.tagsets import Rules, merged, selection
from transship_planner.migrate.versions import BLANG_VERSION, MASTERMINDS_VERSION, NOT_BLANG_VERSION
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import InvalidPatternError, Selection, TagPattern, TagSet
from transship_planner.tags.versions import Version

NUMBER: Final = st.integers(0, 3).map(str)
SUFFIXES: Final = (
    "",
    "-rc.1",
    "-rc.2",
    "-alpha",
    "-0",
    "-1",
    "-alpine3",
    "-rc-1",
    "-01",
    "-a..b",
    "-x_y",
    "-",
    "-a.01",
)


def spelt(v: str, numbers: list[str], suffix: str) -> str:
    """Write a version."""
    return v + ".".join(numbers) + suffix


def full(numbers: list[str], suffix: str) -> str:
    """Write a version of three numbers."""
    return spelt("", numbers, suffix)


def bound_of(numbers: list[str], wildcard: str, suffix: str) -> str:
    """Write what a comparison compares with: only three numbers have a suffix, and only fewer have a wildcard."""
    return spelt("", numbers, wildcard if len(numbers) < 3 else suffix)


def has_few_exclusions(comparisons: list[tuple[str, str]]) -> bool:
    """Tell whether a range can be carried over."""
    return sum(sign == "!=" for sign, _ in comparisons) <= blang.MOST_EXCLUDED


TAGS: Final = st.builds(
    spelt,
    st.sampled_from(["", "v"]),
    st.lists(NUMBER, min_size=1, max_size=4),
    st.sampled_from(SUFFIXES),
) | st.sampled_from(["latest", "edge-1", "a1.2.3"])
PATTERNS: Final = st.lists(
    st.sampled_from(
        ["a", "b", ".", r"\.", "|", "^", "$", r"\$", "(a|b)", "[|a]", "[]|]", "[^]$]", "*", "+", "?", ".*"]
    ),
    max_size=6,
).map("".join)
WORDS: Final = st.text("ab.$|]", max_size=5)


def valid(pattern: str) -> bool:
    """Tell whether RE2 takes a pattern."""
    try:
        TagPattern(pattern, anchored=False)
    except InvalidPatternError:
        return False
    return True


@given(PATTERNS.filter(valid), WORDS)
@settings(max_examples=500)
def test_a_pattern_that_is_searched_for_matches_whole_tags(pattern: str, word: str) -> None:
    """What Go's MatchString finds anywhere, the pattern made of it matches as a whole, and nothing else."""
    re2: Any = import_module("re2")
    assert TagPattern(whole(pattern)).matches(word) == (re2.search(pattern, word) is not None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^1\.13\.[12]-alpine-perl$", r"1\.13\.[12]-alpine-perl"),
        ("a+", ".*a+.*"),
        ("^v", "v.*"),
        ("slim$", ".*slim"),
        (r"cost\$", r".*cost\$.*"),
        ("2024.*", ".*2024.*"),
        (r"2024\.*", r".*2024\.*.*"),
        (".*-slim", ".*-slim.*"),
        ("a|b", ".*(?:a|b).*"),
        ("(a|b)", ".*(a|b).*"),
        ("[a|b]", ".*[a|b].*"),
        ("[]|]$", ".*[]|]"),
        ("[[:alpha:]|]", ".*[[:alpha:]|].*"),
        (r"a\|b", r".*a\|b.*"),
        (r"\Qa|b\E", r".*(?:\Qa|b\E).*"),
        ("", ".*"),
        ("^", ".*"),
        ("$", ".*"),
        ("^$", "(?:^$)"),
        ("^*a", ".*^*a.*"),
    ],
)
def test_patterns_stay_readable(pattern: str, expected: str) -> None:
    """Anchors go, what is open gets `.*`, and only what needs a group gets one."""
    assert whole(pattern) == expected


def test_dregsy_puts_anchors_around_the_text() -> None:
    """They are added where they do not stand yet, whatever the pattern is."""
    assert [between_anchors(pattern) for pattern in ("a", "^a", "a$", "^a$", "a|b")] == [
        *["^a$"] * 4,
        "^a|b$",
    ]
    assert has_alternatives("a|b")


def test_a_literal_tag() -> None:
    """Only the dot is escaped."""
    assert exact("v1.2_3-x") == r"v1\.2_3-x"


@given(TAGS)
@settings(max_examples=400)
def test_what_blang_does_not_take_for_a_version(tag: str) -> None:
    """Of what transship reads as versions, the two ways to say blang's are complements, and agree with its parser."""
    if Version.read(tag) is None:
        return
    taken = TagPattern(BLANG_VERSION).matches(tag)
    assert taken == (parse_tolerant(tag) is not None)
    assert taken != any(TagPattern(pattern).matches(tag) for pattern in NOT_BLANG_VERSION)


@given(TAGS)
def test_what_masterminds_takes_for_a_version(tag: str) -> None:
    """The pattern agrees with its parser."""
    assert TagPattern(MASTERMINDS_VERSION).matches(tag) == (new_version(tag) is not None)


Parsed = tuple[tuple[int, int, int], tuple[str, ...]]
IDENTIFIER = re.compile(r"0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*")


def parsed(numbers: list[str], suffix: str | None) -> Parsed | None:
    """Return numbers filled up with zeros and the identifiers of a suffix; None when SemVer does not allow those."""
    if len(numbers) > 3 or not all(number.isdigit() for number in numbers):
        return None
    identifiers = tuple(suffix.split(".")) if suffix is not None else ()
    if not all(IDENTIFIER.fullmatch(identifier) for identifier in identifiers):
        return None
    major, minor, patch = [*map(int, numbers), 0, 0][:3]
    return (major, minor, patch), identifiers


def parse_tolerant(tag: str) -> Parsed | None:
    """Read a tag as blang/semver 4's ParseTolerant does."""
    parts = tag.removeprefix("v").split(".", 2)
    if len(parts) < 3:
        return None if re.search("[+-]", parts[-1]) else parsed(parts, None)
    patch, dash, suffix = parts[2].partition("-")
    return parsed([parts[0], parts[1], *patch.split(".")], suffix if dash else None)


def new_version(tag: str) -> Parsed | None:
    """Read a tag as Masterminds/semver 3's NewVersion does."""
    release, dash, suffix = tag.removeprefix("v").partition("-")
    return parsed(release.split("."), suffix if dash else None)


def compare(a: Parsed, b: Parsed) -> int:
    """Compare as SemVer 2.0.0 § 11 says."""
    if a[0] != b[0]:
        return -1 if a[0] < b[0] else 1
    if not a[1] or not b[1]:
        return (not a[1]) - (not b[1])
    keys = [[(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in side[1]] for side in (a, b)]
    return (keys[0] > keys[1]) - (keys[0] < keys[1])


COMPARES: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}
FULL: Final = st.builds(
    full,
    st.lists(NUMBER, min_size=3, max_size=3),
    st.sampled_from(["", "", "-rc.1", "-alpha"]),
)


def selected(sets: tuple[Rules, ...], tag: str) -> bool:
    """Tell whether the sets select a tag."""
    tag_sets = [
        TagSet(
            SemverRange.parse_all(rules.semver),
            tuple(map(TagPattern, rules.allow)),
            tuple(map(TagPattern, rules.deny)),
        )
        for rules in sets
    ]
    return Selection(tuple(tag_sets)).select([tag]) == (tag,)


BLANG_RANGES: Final = st.lists(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "!=", "", "=="]), FULL), min_size=1
)


@given(BLANG_RANGES.filter(has_few_exclusions), TAGS)
@settings(max_examples=400)
def test_ranges_of_dregsy(comparisons: list[tuple[str, str]], tag: str) -> None:
    """A range selects what blang's comparisons let pass."""
    version = parse_tolerant(tag)
    wanted = version is not None and all(
        COMPARES[{"": "=", "==": "="}.get(sign, sign)](compare(version, parse_tolerant(bound) or version))
        for sign, bound in comparisons
    )
    text = blang.semver_range(" ".join(f"{sign}{bound}" for sign, bound in comparisons))
    assert selected((Rules(semver=(text,), allow=(BLANG_VERSION,)),), tag) == wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">=1.31.0 <1.31.9", ">=1.31.0 <1.31.9"),
        (">= 1.2.3", ">=1.2.3"),
        ("1.x", ">=1.0.0 <2.0.0"),
        ("1.2.x", ">=1.2.0 <1.3.0"),
        (">1.2.x", ">=1.3.0"),
        (">=1.2.x", ">=1.2.0"),
        ("<1.2.x", "<1.2.0"),
        ("<=1.x", "<2.0.0"),
        ("!1.2.3", "<1.2.3 || >1.2.3"),
        ("!=1.2.x", "<1.2.0 || >=1.3.0"),
        ("1.2.3 || 2.0.0+build", "=1.2.3 || =2.0.0"),
    ],
)
def test_spellings_of_blang(text: str, expected: str) -> None:
    """Wildcards are what blang expands them to."""
    assert blang.semver_range(text) == expected


BOUND: Final = st.builds(
    bound_of,
    st.lists(NUMBER, min_size=1, max_size=3),
    st.sampled_from(["", ".x", ".*"]),
    st.sampled_from(["", "", "-rc.1", "-alpha"]),
)
CONSTRAINTS: Final = st.lists(
    st.tuples(st.sampled_from(["<", "<=", "=<", ">", ">=", "=>", "=", "!=", "", "~", "~>", "^"]), BOUND),
    min_size=1,
    max_size=3,
)


Check = Callable[[Parsed, Parsed, int], bool]


def begins_alike(version: Parsed, bound: Parsed, known: int) -> bool:
    """Tell whether the numbers are the same as far as the bound has them."""
    return version[0][:known] == bound[0][:known]


def equal(version: Parsed, bound: Parsed, known: int) -> bool:
    """Check `=`, which is `~` for a bound that lacks numbers."""
    return compare(version, bound) == 0 if known == 3 else tilde(version, bound, known)


def not_equal(version: Parsed, bound: Parsed, known: int) -> bool:
    """Check `!=`."""
    return compare(version, bound) != 0 if known == 3 else not begins_alike(version, bound, known)


def tilde(version: Parsed, bound: Parsed, known: int) -> bool:
    """Check `~`, which accepts everything from 0.0.0 on; what lies below the bound, it refuses before."""
    is_all = known == 3 and bound == ((0, 0, 0), ())
    return compare(version, bound) >= 0 and (is_all or begins_alike(version, bound, min(known, 2)))


def caret(version: Parsed, bound: Parsed, known: int) -> bool:
    """Check `^`."""
    leading = next((place for place in range(known) if bound[0][place]), known - 1)
    return compare(version, bound) >= 0 and begins_alike(version, bound, leading + 1)


CHECKS: Final[dict[str, Check]] = {
    **dict.fromkeys(("=", ""), equal),
    "!=": not_equal,
    **dict.fromkeys(("~", "~>"), tilde),
    "^": caret,
    ">": lambda version, bound, known: (
        compare(version, bound) > 0 if known == 3 else version[0][:known] > bound[0][:known]
    ),
    **dict.fromkeys(
        ("<=", "=<"),
        lambda version, bound, known: (
            compare(version, bound) <= 0 if known == 3 else version[0][:known] <= bound[0][:known]
        ),
    ),
    **dict.fromkeys((">=", "=>"), lambda version, bound, _: compare(version, bound) >= 0),
    "<": lambda version, bound, _: compare(version, bound) < 0,
}


def masterminds_check(sign: str, bound: str, version: Parsed, *, includes_prereleases: bool) -> bool:
    """Check one comparison as Masterminds/semver 3.4's constraint functions do."""
    release, _, suffix = bound.partition("-")
    numbers = [number for number in release.split(".") if number.isdigit()]
    base = parsed(numbers, suffix or None)
    assert base is not None
    return (includes_prereleases or not version[1]) and CHECKS[sign](version, base, len(numbers))


@given(CONSTRAINTS, TAGS)
@settings(max_examples=800)
def test_constraints_of_skopeo(comparisons: list[tuple[str, str]], tag: str) -> None:
    """A constraint selects what Masterminds' comparisons let pass."""
    version = new_version(tag)
    suffixed = any("-" in bound for _, bound in comparisons)
    wanted = version is not None and all(
        masterminds_check(sign, bound, version, includes_prereleases=suffixed) for sign, bound in comparisons
    )
    sets = masterminds.tag_rules(", ".join(f"{sign} {bound}" for sign, bound in comparisons))
    assert selected(sets, tag) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a constraint such as '>= 1.2.3', found nothing"),
        (">= 1 ||", "expected a constraint such as '>= 1.2.3', found nothing"),
        (">= 1, oops", "expected a constraint such as '>= 1.2.3', found 'oops'"),
        ("< *", "no version is < all versions"),
        ("!=1 !=2 !=3 !=4 !=5", "more than 4 '!=' cannot be carried over; use 'deny' for them"),
    ],
)
def test_what_is_no_constraint(text: str, message: str) -> None:
    """What is expected instead is said."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        masterminds.tag_rules(text)


def test_sets_of_tags() -> None:
    """Sets that differ in their ranges only are one; a set without rules is every tag, whatever stands beside it."""
    first, second, other = Rules(("1.x",), ("a",)), Rules(("2.x",), ("a",)), Rules((), ("b",))
    assert merged([first, second, other]) == (Rules(("1.x", "2.x"), ("a",)), other)
    assert selection([first]) == {"tags": {"semverRange": ["1.x"], "allow": ["a"]}}
    assert selection([first, other]) == {"tagSets": [{"semverRange": ["1.x"], "allow": ["a"]}, {"allow": ["b"]}]}
    assert selection([first, Rules()]) == {}
