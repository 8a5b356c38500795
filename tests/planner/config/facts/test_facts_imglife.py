"""Facts A4 to A9, the `sync` section of imglife's configuration."""

from functools import partial

from support.config_facts import Row, desired, each, errors, imglife, selection, warnings
from transship_planner.desired import (
    Comparison,
    Dialect,
    Hook,
    ImageScope,
    LifecycleRule,
    PlatformRule,
    RepositoryScope,
)
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.platform import Platform
from transship_registry.reference import Repository

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")

ALPINE = Repository("docker.io", "library/alpine")
MIRROR = Repository("registry.example.org", "alpine")
ONE_ENTRY = "source: a, target: r:1/a"

# imglife's documentation leaves these open, so they are no differences; the page says how they are decided
OPEN_BOTH = "| `sync.entries[].tag`, `sync.entries[].tag_regex` | same | both at once is an error (open there)"
OPEN_ANYWHERE = "a pattern is found anywhere in a tag (open there)"
OPEN_KEEP_LAST = "0 keeps all, a negative number is an error (open there)"
WITHOUT_TAG = "with a warning (open there). Not with `tag`, which lists no tags"


def entry_errors(keys: str) -> list[str]:
    return errors(f"sync: {{entries: [{{{keys}}}]}}")


def kept(keys: str, tags: str) -> list[str]:
    """Return which of some tags, separated by spaces, an entry of imglife's format with these members selects."""
    return list(selection(imglife(keys)).select(tags.split()))


SCHEMA = [
    Row("A4 sync", "is a mapping", lambda: desired("sync: {entries: []}").dialect, Dialect.IMGLIFE),
    Row(
        "A4 sync.hooks.post_sync",
        "run once, at the end",
        lambda: desired("sync: {hooks: {post_sync: [{cmd: a}]}, entries: []}").post_sync,
        (Hook(cmd="a"),),
    ),
    Row("A4 sync.hooks.post_sync", "none", lambda: desired("sync: {entries: []}").post_sync, ()),
    Row(
        "A4 sync.platforms",
        "is the default of entries",
        lambda: imglife(sync="platforms: [linux/amd64],").copy.platforms,
        PlatformRule((AMD64,)),
    ),
    Row("A4 sync.platforms", "is everything", lambda: imglife().copy.platforms, PlatformRule()),
    Row(
        "A4 sync.entries",
        "is a list",
        lambda: errors("sync: {entries: {source: a}}"),
        ["1:17: sync.entries: expected a list, found a mapping"],
    ),
    Row(
        "A4 entry.source",
        "and target are repositories",
        lambda: imglife("tag_regex: '.'").scope,
        RepositoryScope(ALPINE, MIRROR, Selection((TagSet(allow=(TagPattern(".", anchored=False),)),))),
    ),
    Row(
        "A4 entry.source",
        "has no tag",
        lambda: entry_errors("source: 'a:1', target: r:1/a, tag: x"),
        ["1:27: sync.entries[0].source: 'a:1' names a tag or digest where a repository is expected"],
    ),
    Row(
        "A4 entry.target",
        "has no tag",
        lambda: entry_errors("source: a, target: 'r:1/a:2', tag: x"),
        ["1:38: sync.entries[0].target: 'r:1/a:2' names a tag or digest where a repository is expected"],
    ),
    Row(
        "A4 entry.tag",
        "is the one tag",
        lambda: imglife("tag: '3.21.3'").scope,
        ImageScope(ALPINE.tag("3.21.3"), MIRROR.tag("3.21.3")),
    ),
    Row(
        "A4 entry.tag",
        "wants quotes",
        lambda: warnings(f"sync: {{entries: [{{{ONE_ENTRY}, tag: 22.10}}]}}"),
        ['sync.entries[0].tag: 22.10 without quotes is read as 22.1; write "22.10" if that is meant'],
    ),
    Row(
        "A4 entry.tag_regex",
        "is a pattern",
        lambda: selection(imglife(r"tag_regex: '^3\.\d+$'")),
        Selection((TagSet(allow=(TagPattern(r"^3\.\d+$", anchored=False),)),)),
    ),
    Row("A4 entry.keep_last", "a number", lambda: selection(imglife("tag_regex: a, keep_last: 3")).keep_last, 3),
    Row("A4 entry.keep_last", "is all matches", lambda: selection(imglife()).keep_last, 0),
    Row("A4 entry.os_normalize", "is false", lambda: imglife().os_normalize, False),
    Row("A4 entry.os_normalize", "true", lambda: imglife("tag_regex: a, os_normalize: true").os_normalize, True),
    Row("A4 entry.check_digest", "is false", lambda: imglife().copy.comparison, Comparison.EXISTENCE),
    Row(
        "A4 entry.check_digest",
        "true",
        lambda: imglife("tag: a, check_digest: true").copy.comparison,
        Comparison.DIGEST,
    ),
    Row(
        "A4 entry.platforms",
        "is a list",
        lambda: imglife("tag: a, platforms: [linux/arm64]").copy.platforms,
        PlatformRule((ARM64,)),
    ),
    Row("A4 entry.lifecycle", "none", lambda: imglife().lifecycle, None),
    Row(
        "A4 entry.lifecycle",
        "has product and track",
        lambda: imglife("tag: a, lifecycle: {product: go, track: major}").lifecycle,
        LifecycleRule(product="go", track="major"),
    ),
    Row("A4 entry.hooks", "none", lambda: imglife().post_sync, ()),
    Row(
        "A4 entry.hooks",
        "has post_sync",
        lambda: imglife("tag: a, hooks: {post_sync: [{cmd: a}]}").post_sync,
        (Hook(cmd="a"),),
    ),
    Row(
        "A4.1",
        "source is required",
        lambda: entry_errors("target: r:1/a, tag: x"),
        ["1:18: sync.entries[0] lacks 'source'"],
    ),
    Row(
        "A4.1",
        "target is required",
        lambda: [said.partition(": ")[2][:29] for said in entry_errors("source: a, tag: x")],
        ["sync.entries[0] lacks 'target"],
    ),
    Row(
        "A4.2",
        "neither tag nor tag_regex",
        lambda: entry_errors(ONE_ENTRY),
        ["1:18: sync.entries[0] lacks 'tag' or 'tag_regex'"],
    ),
    Row(
        "A4.2",
        "both at once",
        lambda: entry_errors(f"{ONE_ENTRY}, tag: x, tag_regex: y"),
        ["1:64: sync.entries[0] has 'tag' and 'tag_regex', which say the same thing; keep one"],
        decided=OPEN_BOTH,
    ),
    Row(
        "A4.3",
        "a bad tag_regex fails when the file is loaded",
        lambda: entry_errors(f"{ONE_ENTRY}, tag_regex: '('"),
        ["1:56: sync.entries[0].tag_regex: pattern '(' is not a regular expression (RE2): a '(' is not closed"],
    ),
    Row(
        "A4.4",
        "keep_last 0 keeps all",
        lambda: kept("tag_regex: ., keep_last: 0", "1 3 2"),
        ["1", "3", "2"],
        decided=OPEN_KEEP_LAST,
    ),
    Row(
        "A4.4",
        "keep_last is not negative",
        lambda: entry_errors(f"{ONE_ENTRY}, tag_regex: a, keep_last: -1"),
        ["1:70: sync.entries[0].keep_last: expected a whole number of at least 0, found the number -1"],
        decided=OPEN_KEEP_LAST,
    ),
    Row(
        "A4.4",
        "keep_last has no effect beside tag",
        lambda: warnings(f"sync: {{entries: [{{{ONE_ENTRY}, tag: x, keep_last: 3}}]}}"),
        ["sync.entries[0].keep_last has no effect beside 'tag'"],
    ),
    Row(
        "A4.5",
        "tag_regex is found anywhere",
        lambda: kept("tag_regex: v1", "v1 xv1.5 v2"),
        ["v1", "xv1.5"],
        decided=OPEN_ANYWHERE,
    ),
    *(
        Row(
            "A4 patterns",
            pattern,
            partial(kept, f"tag_regex: '{pattern}'", f"{matching} {others}"),
            matching.split(),
        )
        for pattern, matching, others in (
            (r"^3\.\d+\.\d+$", "3.21.3 3.20.6", "3.21 13.21.3 3.21.3-rc1"),
            (r"^1\.\d+\.\d+-alpine3\.\d+$", "1.22.3-alpine3.21", "1.22-alpine3.21 1.22.3"),
            (r"^\d+\.\d+$", "22.04 24.04", "22 22.04.1"),
            (r"^\d+\.\d+\.\d+$", "1.2.3 10.20.30", "v1.2.3 1.2"),
        )
    ),
]

SELECTING = [
    Row(
        "A5.2",
        "the filter comes before keep_last",
        lambda: kept(r"tag_regex: '^1\.', keep_last: 2", "1.1 2.0 1.3 1.2 3.0"),
        ["1.3", "1.2"],
    ),
    Row(
        "A5.3",
        "by version, newest first",
        lambda: kept("tag_regex: ., keep_last: 3", "1.9 1.10 1.2"),
        ["1.10", "1.9", "1.2"],
    ),
    Row(
        "A5.3",
        "versions ahead of the others",
        lambda: kept("tag_regex: ., keep_last: 3", "latest 1.0 edge"),
        ["1.0", "latest", "edge"],
    ),
    Row("A5.4", "keep_last counts matches", lambda: kept("tag_regex: ., keep_last: 9", "1 2"), ["2", "1"]),
    Row("A6.1", "os_normalize is off", lambda: imglife("tag_regex: a").os_normalize, False),
    Row(
        "A6.1",
        "os_normalize leaves the filter alone",
        lambda: kept("tag_regex: ^alpine, os_normalize: true", "alpine3.21 1.22-alpine3.21"),
        ["alpine3.21"],
    ),
    Row(
        "A6.3",
        "os_normalize needs a list of tags",
        lambda: warnings(f"sync: {{entries: [{{{ONE_ENTRY}, tag: alpine3.21, os_normalize: true}}]}}"),
        ["sync.entries[0].os_normalize has no effect beside 'tag'"],
        decided=WITHOUT_TAG,
    ),
    Row(
        "A6.3",
        "os_normalize renames nothing beside tag",
        lambda: imglife("tag: alpine3.21, os_normalize: true").os_normalize,
        False,
        decided=WITHOUT_TAG,
    ),
]

COPYING = [
    Row("A7.1", "a tag that exists is left", lambda: imglife().copy.comparison, Comparison.EXISTENCE),
    Row(
        "A7.1",
        "check_digest: false",
        lambda: imglife("tag: a, check_digest: false").copy.comparison,
        Comparison.EXISTENCE,
    ),
    Row("A7.2", "check_digest: true", lambda: imglife("tag: a, check_digest: true").copy.comparison, Comparison.DIGEST),
    Row(
        "A7.3",
        "sync.platforms",
        lambda: imglife(sync="platforms: [linux/amd64],").copy.platforms,
        PlatformRule((AMD64,)),
    ),
    Row(
        "A7.3",
        "an entry's platforms replace them",
        lambda: imglife("tag: a, platforms: [linux/arm64]", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule((ARM64,)),
    ),
    Row(
        "A7.3",
        "an explicit empty list copies everything",
        lambda: imglife("tag: a, platforms: []", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule(),
    ),
    Row(
        "A7.3",
        "null is absent",
        lambda: imglife("tag: a, platforms: ", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule((AMD64,)),
    ),
    Row(
        "A7.4",
        "the list says how many, in its order, each once",
        lambda: imglife("tag: a, platforms: [linux/arm64, linux/amd64, linux/arm64]").copy.platforms,
        PlatformRule((ARM64, AMD64)),
    ),
    Row(
        "A7.7",
        "os/arch and os/arch/variant",
        lambda: imglife("tag: a, platforms: [linux/amd64, linux/arm/v7]").copy.platforms,
        PlatformRule((AMD64, Platform("linux", "arm", "v7"))),
    ),
    Row(
        "A7.7",
        "and nothing else",
        lambda: entry_errors(f"{ONE_ENTRY}, tag: x, platforms: [amd64]"),
        [
            "1:65: sync.entries[0].platforms[0]: platform 'amd64' is malformed: "
            "expected os/architecture[/variant], e.g. linux/amd64 or linux/arm/v7"
        ],
    ),
    Row(
        "A7.8",
        "regsync's platform is told from a list of one",
        lambda: imglife("tag: a, platform: linux/amd64").copy.platforms,
        PlatformRule((AMD64,), index_only=True),
    ),
]

LIFECYCLE = [
    Row(
        "A8 product",
        "is required",
        lambda: entry_errors(f"{ONE_ENTRY}, tag: x, lifecycle: {{track: major}}"),
        ["1:64: sync.entries[0].lifecycle lacks 'product'"],
    ),
    Row(
        "A8 track",
        "minor",
        lambda: imglife("tag: a, lifecycle: {product: go, track: minor}").lifecycle,
        LifecycleRule(product="go"),
    ),
    Row(
        "A8 track",
        "major",
        lambda: imglife("tag: a, lifecycle: {product: go, track: major}").lifecycle,
        LifecycleRule(product="go", track="major"),
    ),
    Row(
        "A8 track",
        "is minor",
        lambda: imglife("tag: a, lifecycle: {product: go}").lifecycle,
        LifecycleRule(product="go"),
    ),
    Row(
        "A8 track",
        "nothing else",
        lambda: entry_errors(f"{ONE_ENTRY}, tag: x, lifecycle: {{product: a, track: patch}}"),
        ["1:84: sync.entries[0].lifecycle.track: expected 'minor' or 'major', found the string 'patch'"],
    ),
    Row(
        "A8 extract",
        "is the old name of track",
        lambda: imglife("tag: a, lifecycle: {product: go, extract: major}").lifecycle,
        LifecycleRule(product="go", track="major"),
    ),
    Row(
        "A8 extract",
        "is warned about",
        lambda: warnings(f"sync: {{entries: [{{{ONE_ENTRY}, tag: x, lifecycle: {{product: a, extract: major}}}}]}}"),
        ["sync.entries[0].lifecycle.extract is the old name of 'track'; write track: major"],
        "the old spelling is warned about",
    ),
    Row(
        "A8 extract",
        "may not disagree with track",
        lambda: entry_errors(f"{ONE_ENTRY}, tag: x, lifecycle: {{product: a, track: major, extract: minor}}"),
        [
            "1:100: sync.entries[0].lifecycle.extract says the same thing as sync.entries[0].lifecycle.track (line 1), "
            "differently; keep one"
        ],
    ),
    *(
        Row(f"A8 {key}", value, partial(errors, f"{{lifecycle: {{{key}: {value}}}, sync: {{}}}}"), [])
        for key, value in (
            ("eol_provider", "endoflife"),
            ("eol_provider", "local"),
            ("eol_target", "git"),
            ("eol_target", "pkgregistry"),
            ("eol_data_file", "eol.yaml"),
        )
    ),
    Row(
        "A8 eol_provider",
        "nothing else",
        lambda: errors("{lifecycle: {eol_provider: x}, sync: {}}"),
        ["1:28: lifecycle.eol_provider: expected 'endoflife' or 'local', found the string 'x'"],
    ),
    Row(
        "A8 eol_target",
        "nothing else",
        lambda: errors("{lifecycle: {eol_target: x}, sync: {}}"),
        ["1:26: lifecycle.eol_target: expected 'git' or 'pkgregistry', found the string 'x'"],
    ),
    Row(
        "A8 eol_data_file",
        "is a path",
        lambda: errors("{lifecycle: {eol_data_file: [a]}, sync: {}}"),
        ["1:29: lifecycle.eol_data_file: expected a string, found a list"],
    ),
]

HOOKS = [
    Row(
        "A9.1",
        "of an entry, and of all",
        lambda: [
            (found.post_sync, found.entries[0].post_sync)
            for found in [
                desired(
                    f"sync: {{hooks: {{post_sync: [{{cmd: a}}]}}, "
                    f"entries: [{{{ONE_ENTRY}, tag: x, hooks: {{post_sync: [{{cmd: b}}, {{cmd: c}}]}}}}]}}"
                )
            ]
        ],
        [((Hook(cmd="a"),), (Hook(cmd="b"), Hook(cmd="c")))],
    ),
    Row(
        "A9.1",
        "there is no pre_sync",
        lambda: errors("sync: {hooks: {pre_sync: []}}"),
        ["1:16: unknown key 'pre_sync' in sync.hooks; did you mean 'post_sync'?"],
    ),
    Row(
        "A9.2",
        "cmd, timeout and continue_on_error",
        lambda: (
            imglife(
                "tag: a, hooks: {post_sync: [{cmd: \"curl -d '{}' x:1\", timeout: 1.5s, continue_on_error: true}]}"
            ).post_sync
        ),
        (Hook(cmd="curl -d '{}' x:1", timeout_s=1.5, continue_on_error=True),),
    ),
    Row(
        "A9.2",
        "cmd is required",
        lambda: errors("sync: {hooks: {post_sync: [{timeout: 3s}]}}"),
        ["1:28: sync.hooks.post_sync[0] lacks 'cmd'"],
    ),
    Row(
        "A9.2",
        "cmd is not empty",
        lambda: errors("sync: {hooks: {post_sync: [{cmd: ' '}]}}"),
        ["1:34: sync.hooks.post_sync[0].cmd is empty"],
    ),
    Row(
        "A9.2",
        "timeout has a unit",
        lambda: errors("sync: {hooks: {post_sync: [{cmd: a, timeout: 30}]}}"),
        ["1:46: sync.hooks.post_sync[0].timeout: '30' has no unit; write '30s' for seconds or '30m' for minutes"],
    ),
    Row(
        "A9.2",
        "timeout is above zero",
        lambda: errors("sync: {hooks: {post_sync: [{cmd: a, timeout: 0s}]}}"),
        ["1:46: sync.hooks.post_sync[0].timeout: a command needs a time above zero"],
    ),
    Row(
        "A9.4",
        "timeout is 60s and continue_on_error false",
        lambda: imglife("tag: a, hooks: {post_sync: [{cmd: a}]}").post_sync,
        (Hook(cmd="a", timeout_s=60.0, continue_on_error=False),),
    ),
]


@each([*SCHEMA, *SELECTING, *COPYING, *LIFECYCLE, *HOOKS])
def test_imglife_is_read_as_the_facts_say(row: Row) -> None:
    """What is loaded, warned about or refused is what the fact of this row says."""
    assert row.seen() == row.expected
