"""Facts B9, which repositories and tags a configuration selects."""

from functools import partial

from support.config_facts import Row, desired, each, errors, repository, selected, selection, warnings
from transship_planner.desired import RegistryScope
from transship_planner.tags.tagrules import TagPattern, TagSet

GROUPED = "`sync[].tags.deny` | different | a pattern is grouped"
AT_LOAD = "| patterns, ranges, references, schedules, types | better | checked when the file is loaded"
NO_MATCH = "| no tag matches | same | a warning, success |"
PRE_RELEASES = "| `>1.0.0-rc.1` | rc.1 and rc.2 are equal | rc.1 is older than rc.2 |"

TAGS = "edge latest 3 3.0 3.20 3.21 3.22-alpine 4.0-rc1 dev"


def semver(ranges: str, tags: str) -> list[str]:
    """Return which tags are in a range, or in any of several, in YAML's flow style."""
    return selected(f"tags: {{semverRange: [{ranges}]}}", tags)


def repositories(repos: str, names: str) -> list[str]:
    """Return which repositories an entry of type registry selects."""
    scope = desired(f"sync: [{{source: r:1, target: r:2, type: registry, repos: {repos}}}]").entries[0].scope
    assert isinstance(scope, RegistryScope)
    return [name for name in names.split() if scope.selects(name)]


ROWS = [
    Row(
        "B9.1",
        "a pattern matches whole names",
        lambda: selected("tags: {allow: [v1]}", "v1 v1.5 xv1"),
        ["v1"],
    ),
    Row(
        "B9.1",
        "alternatives are a group",
        lambda: selected("tags: {allow: [v1|v2]}", "v1 v2 v1.5 3-v2"),
        ["v1", "v2"],
        GROUPED,
    ),
    Row(
        "B9.1",
        "in deny and in repos, too",
        lambda: (
            selected("tags: {deny: [v1|v2]}", "v1 v2 v1.5 3-v2"),
            repositories("{allow: [a|b], deny: [b|c]}", "a b c a/c"),
        ),
        (["v1.5", "3-v2"], ["a"]),
        GROUPED,
    ),
    Row(
        "B9.1",
        "look-around is refused",
        lambda: errors("sync: [{source: a, target: r:1/a, type: repository, tags: {allow: ['(?!rc).*']}}]"),
        [
            "1:68: sync[0].tags.allow[0]: pattern '(?!rc).*' is not a regular expression (RE2): "
            "'(?!' is not a group that RE2 knows; "
            "RE2 has no look-around: match what you want with allow and drop the rest with deny"
        ],
        AT_LOAD,
    ),
    Row(
        "B9.1",
        "back-references are refused",
        lambda: errors("sync: [{source: r:1, target: r:2, type: registry, repos: {deny: ['(a)\\1']}}]"),
        [
            "1:66: sync[0].repos.deny[0]: pattern '(a)\\\\1' is not a regular expression (RE2): "
            "'\\\\1' is not an escape that RE2 knows; RE2 has no back-references: write the repeated part out"
        ],
        AT_LOAD,
    ),
    Row("B9.2", "empty lists let everything pass", lambda: selected("tags: {allow: [], deny: []}", "a b"), ["a", "b"]),
    Row("B9.2", "any allow pattern", lambda: selected("tags: {allow: [a, b]}", "a b c"), ["a", "b"]),
    Row("B9.2", "any deny pattern drops", lambda: selected("tags: {deny: [a, b]}", "a b c"), ["c"]),
    Row("B9.2", "deny after allow", lambda: selected("tags: {allow: [a, b], deny: [b]}", "a b c"), ["a"]),
    Row("B9.2", "the same for repos", lambda: repositories("{allow: ['a.*'], deny: [ab]}", "a ab ac b"), ["a", "ac"]),
    Row(
        "B9.3",
        "range, allow and deny in sequence",
        lambda: selected(r"tags: {semverRange: ['>=3'], allow: ['3.*'], deny: ['3\.20']}", TAGS),
        ["3", "3.0", "3.21", "3.22-alpine"],
    ),
    Row(
        "B9.3",
        "latest is no version",
        lambda: selected("tags: {semverRange: ['>=3'], allow: [latest]}", TAGS),
        [],
    ),
    Row(
        "B9.4",
        "sets in the order of the file, then tags",
        lambda: [
            found.allow[0].text
            for found in selection(repository("tags: {allow: [c]}, tagSets: [{allow: [a]}, {allow: [b]}]")).sets
        ],
        ["a", "b", "c"],
    ),
    Row(
        "B9.4",
        "are a union without duplicates",
        lambda: selected("tagSets: [{allow: [dev]}, {allow: ['e.*']}], tags: {allow: [dev, edge, '3']}", TAGS),
        ["dev", "edge", "3"],
    ),
    Row("B9.4", "tags with empty lists are no set", lambda: selection(repository("tags: {allow: []}")).sets, ()),
    Row("B9.4", "no sets and no tags: every tag", lambda: selected("", "b a"), ["b", "a"]),
    Row(
        "B9.4",
        "an empty set takes every tag",
        lambda: selection(repository("tagSets: [{}, {allow: [a]}]")).sets,
        (TagSet(), TagSet(allow=(TagPattern("a"),))),
    ),
    Row(
        "B9.5", "the registry's order within a set", lambda: selected("tags: {allow: ['.']}", "b a c"), ["b", "a", "c"]
    ),
    Row("B9.6", "nothing left", lambda: selected("tags: {allow: [nope]}", TAGS), [], NO_MATCH),
    Row(
        "B9.6",
        "a bad range is found when the file is loaded",
        lambda: errors("sync: [{source: a, target: r:1/a, type: repository, tags: {semverRange: ['>=a']}}]"),
        [
            "1:74: sync[0].tags.semverRange[0]: semver range '>=a': "
            "expected a version such as 1.2.3 or 1.x at position 3, found 'a'"
        ],
        AT_LOAD,
    ),
    Row(
        "B9.7",
        "repos do nothing for a repository",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: repository, repos: {allow: [x]}}]"),
        ["sync[0].repos has no effect on an entry of type 'repository'"],
        "| `sync[].tags`, `sync[].tagSets`, `sync[].repos` | same | `repos` with type `registry` only |",
    ),
    Row(
        "B9.7",
        "tag filters do nothing for an image",
        lambda: warnings(
            "sync: [{source: a, target: r:1/a, type: image, tags: {}, tagSets: [{}], repos: {}, keep_last: 2}]"
        ),
        [
            f"sync[0].{key} has no effect on an entry of type 'image'"
            for key in ("tags", "tagSets", "repos", "keep_last")
        ],
    ),
    Row(
        "B9.8",
        "what counts as a version",
        lambda: semver(
            "'>=0'", "1.2.3 v1.2 V1.2 1 20240101 10.0.17763.2114 01.02 1.2.3+meta 1.x latest 1.2.3-rc.1 vv1"
        ),
        ["1.2.3", "v1.2", "1", "20240101", "10.0.17763.2114", "01.02", "1.2.3+meta", "1.2.3-rc.1"],
    ),
    Row("B9.9", "missing parts are 0", lambda: semver("'=1.0.0'", "v1 1.0 1.0.0.0 1.0.1"), ["v1", "1.0", "1.0.0.0"]),
    Row("B9.9", "numbers by value", lambda: semver("'>=1.10'", "1.9 1.10 1.11"), ["1.10", "1.11"]),
    Row("B9.9", "a pre-release is older", lambda: semver("'>=1.0.0'", "1.0.0-rc1 1.0.0"), ["1.0.0"]),
    Row(
        "B9.9",
        "text and number runs",
        lambda: semver("'>1.0.0-rc2'", "1.0.0-alpha 1.0.0-rc1 1.0.0-rc11"),
        ["1.0.0-rc11"],
    ),
    Row(
        "B9.9",
        "also after a dot",
        lambda: semver("'>1.0.0-rc.1'", "1.0.0-rc.1 1.0.0-rc.2"),
        ["1.0.0-rc.2"],
        PRE_RELEASES,
    ),
    Row("B9.10", "all constraints must hold", lambda: semver("'>=1.0 <2.0'", "0.9 1.5 2.0"), ["1.5"]),
    Row("B9.10", "any of several strings may hold", lambda: semver("'=1.0', '=3.0'", "1.0 2.0 3.0"), ["1.0", "3.0"]),
    Row("B9.10", "empty strings are skipped", lambda: semver("'', '>=2'", "1.0 2.0"), ["2.0"]),
    Row("B9.10", "only empty strings are no range", lambda: semver("'', ' '", "1.0 latest"), ["1.0", "latest"]),
    *(
        Row("B9.11", text, partial(semver, f"'{text}'", "1.2.2 1.2.3 1.2.9 1.3.0 2.0.0"), found.split())
        for text, found in (
            (">=1.2.3", "1.2.3 1.2.9 1.3.0 2.0.0"),
            ("<=1.2.3", "1.2.2 1.2.3"),
            (">1.2.3", "1.2.9 1.3.0 2.0.0"),
            ("<1.2.3", "1.2.2"),
            ("=1.2.3", "1.2.3"),
            ("1.2.3", "1.2.3"),
            ("^1.2.3", "1.2.3 1.2.9 1.3.0"),
            ("~1.2.3", "1.2.3 1.2.9"),
        )
    ),
    *(
        Row("B9.11", text, partial(semver, f"'{text}'", "0.0.3 0.0.4 0.2.3 0.2.9 0.3.0"), found.split())
        for text, found in (("^0.2.3", "0.2.3 0.2.9"), ("^0.0.3", "0.0.3"))
    ),
    *(
        Row("B9.11", text, partial(semver, f"'{text}'", "0.0.5 0.5.0 1.0.0 1.5.0 2.5.0 3.0.0"), found.split(), row)
        for text, found, row in (
            ("~1", "1.0.0 1.5.0", "| `~1` | `>=1.0.0 <1.1.0` | `>=1.0.0 <2.0.0` |"),
            ("^0", "0.0.5 0.5.0", "| `^0` | `>=0.0.0 <0.0.1` | `>=0.0.0 <1.0.0` |"),
            (">= 1.0", "1.0.0 1.5.0 2.5.0 3.0.0", "| `>= 1.0` | an error | `>=1.0` |"),
            ("<1 || >=3", "0.0.5 0.5.0 3.0.0", r"| `<1 \|\| >=3` | an error | either of the two |"),
            ("*", "0.0.5 0.5.0 1.0.0 1.5.0 2.5.0 3.0.0", "| `*` | an error | every version |"),
            ("1.x", "1.0.0 1.5.0", "| `1.x` | an error | every version that begins with 1. |"),
        )
    ),
    Row(
        "B9.12",
        "pre-releases are not excluded",
        lambda: semver("'>=1.0.0 <2.0.0'", "v1.0.0-alpine v1.5.0-alpine v2.0.0-alpine3.21"),
        ["v1.5.0-alpine", "v2.0.0-alpine3.21"],
    ),
    Row("B9.12", "nor taken for their release", lambda: semver("'>=5.0.0'", "v5-scratch v6-scratch"), ["v6-scratch"]),
    Row("B9.13", "a range may carry v", lambda: semver("'>=v2'", "v1 2 v3"), ["2", "v3"]),
]


@each(ROWS)
def test_filters_select_what_the_facts_say(row: Row) -> None:
    """What a filter selects, or why it is refused, is what the fact of this row says."""
    assert row.seen() == row.expected
