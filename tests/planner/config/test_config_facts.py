"""Facts about configuration beside those of the folder `facts`, and what of each format may be used in the other."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest

from support.config_facts import desired, imglife, repository, selection, warnings
from transship_planner.desired import (
    Comparison,
    Dialect,
    Hook,
    ImageScope,
    LifecycleRule,
    PlatformRule,
)
from transship_planner.errors import ConfigError
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.hosts import Credential, HelperSettings, HostSettings, TlsMode
from transship_registry.platform import Platform
from transship_registry.reference import Repository
from transship_registry.secret import Secret

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def schedule(text: str) -> str:
    return repository(f"schedule: '{text}'").timing.schedule


class Row(NamedTuple):
    fact: str
    seen: Callable[[], object]
    expected: object

    def __str__(self) -> str:
        return self.fact


WARNINGS = [
    Row(
        "B8.10 interval is raised",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, interval: 100ms}]"),
        ["sync[0].interval is raised to 1s, the shortest"],
    ),
    Row(
        "B10 the tag of a source repository is ignored",
        lambda: warnings("sync: [{source: 'alpine:3', target: r:1/a, type: repository}]"),
        ["sync[0].source: the tag '3' is ignored; 'tags' selects what is mirrored"],
    ),
    Row(
        "B10 also when it is latest",
        lambda: warnings("sync: [{source: 'alpine:latest', target: r:1/a, type: repository}]"),
        ["sync[0].source: the tag 'latest' is ignored; 'tags' selects what is mirrored"],
    ),
    Row(
        "A3 sections of other commands",
        lambda: warnings(
            "{registry: {provider: s3}, retention: {keep_last: 3}, build: {anything: [1]}, lifecycle: {}, status: x, "
            "sync: {entries: [{source: a, target: r:1/a, tag: x}]}}"
        ),
        ["other commands of imglife use 'build', 'retention', 'status'; transship does not"],
    ),
    Row(
        "A3 keys that imglife's documentation is not known to have",
        lambda: warnings("{registry: {insecure_registry: []}, sync: {entries: [{source: a, target: r:1/a, tag: x}]}}"),
        ["unknown key 'insecure_registry' in registry; did you mean 'insecure_registries'?"],
    ),
]

CREDS = [
    Row(
        "B17.1 what a later entry of the same registry says wins",
        lambda: (
            desired(
                "creds: [{registry: docker.io, user: a, pass: a, tls: insecure, repoAuth: true, "
                "apiOpts: {disableHead: true}}, "
                "{registry: index.docker.io, user: b, pass: b, repoAuth: false, priority: 0, apiOpts: {other: x}}]"
            ).hosts
        ),
        (
            HostSettings(
                registry="docker.io",
                credential=Credential(user="b", password=Secret("b")),
                tls=TlsMode.INSECURE,
                repo_auth=True,
                disable_head=True,
            ),
        ),
    ),
    Row(
        "B17.3 a later password drops an earlier helper",
        lambda: (
            desired("creds: [{registry: r:1, credHelper: h, credExpire: 5m}, {registry: r:1, user: b, pass: b}]").hosts
        ),
        (HostSettings(registry="r:1", credential=Credential(user="b", password=Secret("b"))),),
    ),
    Row(
        "B17.3 a later helper drops an earlier login",
        lambda: desired("creds: [{registry: r:1, user: b, pass: b, token: t}, {registry: r:1, credHelper: h}]").hosts,
        (HostSettings(registry="r:1", helper=HelperSettings(program="h", host="r:1")),),
    ),
    Row(
        "A10.5 insecure registries are spoken to without TLS",
        lambda: (
            desired("{registry: {url: 'http://git.example.org/api', insecure_registries: ['r:5000']}, sync: {}}").hosts
        ),
        (
            HostSettings(registry="r:5000", tls=TlsMode.DISABLED),
            HostSettings(registry="git.example.org", tls=TlsMode.DISABLED),
        ),
    ),
    Row(
        "A10.5 an https:// url says nothing",
        lambda: desired("{registry: {url: 'https://git.example.org/api'}, sync: {}}").hosts,
        (),
    ),
    Row(
        "A10.5 creds that say how to connect win over the list",
        lambda: (
            desired(
                "{registry: {insecure_registries: ['a:1', 'b:1']}, "
                "creds: [{registry: 'a:1', tls: insecure}, {registry: 'b:1', priority: 2}], sync: {}}"
            ).hosts
        ),
        (
            HostSettings(registry="a:1", tls=TlsMode.INSECURE),
            HostSettings(registry="b:1", tls=TlsMode.DISABLED, priority=2),
        ),
    ),
]

DEFAULTS = [
    Row("B8.2 a negative parallel is 0", lambda: desired("defaults: {parallel: -3}").parallel, 0),
    Row("state is ours", lambda: desired("state: mirror.state.json").state, "mirror.state.json"),
]

ENTRIES = [
    Row("B8.10 interval", lambda: repository("interval: 100ms").timing.interval_s, 1.0),
    *(
        Row(f"B8.9 {text}", partial(schedule, text), text)
        for text in (
            "*/5 0-6,22 ? JAN-mar mon",
            "CRON_TZ=Asia/Tokyo 0 4 * * 1",
            "TZ=UTC @hourly",
            "@every 1h30m",
            "@midnight",
        )
    ),
    Row(
        "B10 the tag of a source repository does not matter",
        lambda: desired("sync: [{source: 'alpine:3', target: r:1/a, type: repository}]").entries[0].scope.source,
        Repository("docker.io", "library/alpine"),
    ),
    Row("regsync compares digests", lambda: repository().copy.comparison, Comparison.DIGEST),
]

IMGLIFE = [
    Row("A3 so is a file with its sections only", lambda: desired("registry: {}").dialect, Dialect.IMGLIFE),
    Row("a list under sync is regsync's", lambda: desired("{sync: [], retention: {}}").dialect, Dialect.REGSYNC),
    Row("A11.1 parallelism is 4", lambda: desired("sync: {}", {}).parallel, 4),
    Row(
        "A11.1 or what the environment says", lambda: desired("sync: {}", {"IMGLIFE_SYNC_PARALLELISM": "9"}).parallel, 9
    ),
    Row("A11.1 empty says nothing", lambda: desired("sync: {}", {"IMGLIFE_SYNC_PARALLELISM": ""}).parallel, 4),
    Row("A11.1 not in regsync's format", lambda: desired("sync: []", {"IMGLIFE_SYNC_PARALLELISM": "9"}).parallel, 0),
    Row(
        "A11.1 the file wins",
        lambda: desired("{defaults: {parallel: 2}, sync: {}}", {"IMGLIFE_SYNC_PARALLELISM": "9"}).parallel,
        2,
    ),
]

BOTH = [
    Row(
        "regsync's format takes tag",
        lambda: str(desired("sync: [{source: a, target: r:1/a, tag: x}]").entries[0].scope),
        str(ImageScope(Repository("docker.io", "library/a").tag("x"), Repository("r:1", "a").tag("x"))),
    ),
    Row(
        "regsync's format takes tag beside type repository",
        lambda: str(desired("sync: [{source: a, target: r:1/a, type: repository, tag: x}]").entries[0].scope),
        str(ImageScope(Repository("docker.io", "library/a").tag("x"), Repository("r:1", "a").tag("x"))),
    ),
    Row(
        "regsync's format takes tag_regex and keep_last",
        lambda: selection(repository("tag_regex: a, keep_last: 2")),
        Selection((TagSet(allow=(TagPattern("a", anchored=False),)),), keep_last=2),
    ),
    Row(
        "regsync's format takes tag for every repository of a registry",
        lambda: selection(desired("sync: [{source: 'r:1', target: 'r:2', type: registry, tag: v1.2}]").entries[0]),
        Selection((TagSet(allow=(TagPattern(r"v1\.2"),)),)),
    ),
    Row(
        "regsync's format takes check_digest",
        lambda: repository("check_digest: false").copy.comparison,
        Comparison.EXISTENCE,
    ),
    Row(
        "regsync's format takes hooks.post_sync",
        lambda: repository("hooks: {post_sync: [{cmd: a}]}").post_sync,
        (Hook(cmd="a"),),
    ),
    Row(
        "regsync's format takes lifecycle",
        lambda: repository("lifecycle: {product: a}").lifecycle,
        LifecycleRule(product="a"),
    ),
    Row("imglife's format takes backup", lambda: imglife("tag: a, backup: b").copy.backup, "b"),
    Row("imglife's format takes referrers", lambda: imglife("tag: a, referrers: true").copy.referrers, True),
    Row(
        "imglife's format takes tags instead of tag_regex",
        lambda: selection(imglife("tags: {allow: [a]}")),
        Selection((TagSet(allow=(TagPattern("a"),)),)),
    ),
    Row(
        "imglife's format takes platform, which then wins over sync.platforms",
        lambda: imglife("tag: a, platform: linux/arm64", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule((ARM64,), index_only=True),
    ),
    Row(
        "imglife's format takes type",
        lambda: str(imglife("type: image").scope.target),
        "registry.example.org/alpine:latest",
    ),
    Row(
        "imglife's format takes templates",
        lambda: (
            desired("sync: {entries: [{source: a, target: '{{env \"HOST\"}}/a', tag: x}]}")
            .entries[0]
            .where("target")
            .column
        ),
        38,
    ),
    Row(
        "imglife's format takes creds and defaults",
        lambda: [
            (found.hosts, found.entries[0].timing.interval_s)
            for found in [
                desired(
                    "{creds: [{registry: 'r:1'}], defaults: {interval: 1h}, "
                    "sync: {entries: [{source: a, target: r:1/a, tag: x}]}}"
                )
            ]
        ],
        [((HostSettings(registry="r:1"),), 3600.0)],
    ),
]


def ids(rows: list[Row]) -> list[str]:
    return [f"{number}-{row}" for number, row in enumerate(rows)]


ROWS = [*WARNINGS, *CREDS, *DEFAULTS, *ENTRIES, *IMGLIFE, *BOTH]


@pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))
def test_configuration_means_what_the_facts_say(row: Row) -> None:
    """What is loaded is what the fact of this row says."""
    assert row.seen() == row.expected


def test_what_is_loaded_knows_its_place() -> None:
    """An entry and its values know the line and column where they stand."""
    entry = desired("sync:\n  - source: a\n    target: r:1/a\n    type: image\n").entries[0]
    assert [
        str(mark) for mark in (entry.mark, entry.where("source"), entry.where("target"), entry.where("backup"))
    ] == [
        "c.yaml:2:5",
        "c.yaml:2:13",
        "c.yaml:3:13",
        "c.yaml:2:5",
    ]


@pytest.mark.parametrize("value", ["0", "-1", "four", "2.5", "1e3", " 4"])
def test_invalid_parallelism_is_refused(value: str) -> None:
    """IMGLIFE_SYNC_PARALLELISM must be a whole number of at least 1 (A11.1)."""
    with pytest.raises(ConfigError) as caught:
        desired("sync: {entries: []}", {"IMGLIFE_SYNC_PARALLELISM": value})
    assert str(caught.value) == (
        "c.yaml:1:7: the environment variable IMGLIFE_SYNC_PARALLELISM is no whole number of at least 1"
    )
