"""Entries of repositories and registries: which tags and repositories are mirrored."""

from typing import Final

from interop.situation import (
    API_REGISTRIES,
    EVERYWHERE,
    FROM_LAYOUT,
    PLAIN_REGISTRIES,
    REGISTRIES,
    Gives,
    Kind,
    Route,
    Situation,
    puts,
    registry,
    repository,
    tagged,
)

from support import images

_OLD = images.single("old")
_VERSIONS = (
    "app:1.0.0",
    "app:v1.2.3",
    "app:1.5.0-alpine",
    "app:1.10",
    "app:2.0.0-alpine3.21",
    "app:2.0.0",
    "app:2.1.0-rc.1",
    "app:20240101",
    "app:latest",
    "app:edge",
)
_FROM_CATALOGUE = (Route(Kind.DISTRIBUTION, Kind.DISTRIBUTION), Route(Kind.DISTRIBUTION, Kind.OLAREG))
_BELOW = 'repos: {allow: ["SOURCE_PREFIX/.*"]}'


def _chosen(name: str, rule: str, tags: str) -> Situation:
    """Return the row of a rule that both read alike."""
    return Situation(name, repository(rule), Gives(tags), tagged(*_VERSIONS))


def _read_otherwise(rule: str, ours: Gives, theirs: Gives, passage: str, *tags: str) -> Situation:
    """Return the row of a rule that is read otherwise on purpose."""
    return Situation(
        f"`{rule}`",
        repository(rule),
        ours,
        tagged(*(tags or _VERSIONS)),
        theirs=theirs,
        passage=passage,
        routes=PLAIN_REGISTRIES,
    )


SELECTING: Final = (
    Situation(
        "all tags of a repository",
        repository(),
        Gives(" ".join(_VERSIONS)),
        tagged(*_VERSIONS),
        routes=EVERYWHERE,
    ),
    _chosen("`allow`", 'tags: {allow: [latest, "1\\\\..*"]}', "app:latest app:1.0.0 app:1.5.0-alpine app:1.10"),
    _chosen("`allow` matches whole tags", 'tags: {allow: ["1", "\\\\d"]}', ""),
    _chosen(
        "`deny`",
        'tags: {deny: [".*alpine.*", "\\\\d+", edge]}',
        "app:1.0.0 app:v1.2.3 app:1.10 app:2.0.0 app:2.1.0-rc.1 app:latest",
    ),
    _chosen("`deny` after `allow`", 'tags: {allow: ["2.*"], deny: [".*-.*"]}', "app:2.0.0 app:20240101"),
    _chosen(
        "`semverRange`: pre-releases of the upper bound are below it",
        'tags: {semverRange: [">=1.0.0 <2.0.0"]}',
        "app:1.0.0 app:v1.2.3 app:1.5.0-alpine app:1.10 app:2.0.0-alpine3.21",
    ),
    _chosen(
        "`semverRange`: a tag that is a date is a large version",
        'tags: {semverRange: [">=2.0.0"]}',
        "app:2.0.0 app:2.1.0-rc.1 app:20240101",
    ),
    _chosen(
        "`semverRange`: any of several ranges, with `v`",
        'tags: {semverRange: ["v1.0.0", "^1.2.3 <1.9"]}',
        "app:1.0.0 app:v1.2.3 app:1.5.0-alpine",
    ),
    _chosen("`semverRange`: `~1.2.0`", 'tags: {semverRange: ["~1.2.0"]}', "app:v1.2.3"),
    _chosen(
        "`semverRange` and `allow` must both let a tag pass",
        'tags: {semverRange: ["<2.0.0"], allow: [".*alpine.*", latest]}',
        "app:1.5.0-alpine app:2.0.0-alpine3.21",
    ),
    _chosen(
        "`semverRange`, `allow` and `deny`",
        'tags: {semverRange: [">=1"], allow: ["\\\\d.*"], deny: [".*-rc.*", "\\\\d{8}"]}',
        "app:1.0.0 app:1.5.0-alpine app:1.10 app:2.0.0-alpine3.21 app:2.0.0",
    ),
    _chosen(
        "`tagSets` are a union",
        'tagSets: [{allow: [latest]}, {semverRange: [">=2.0.0 <3"]}, {allow: ["la.*"]}]',
        "app:latest app:2.0.0 app:2.1.0-rc.1",
    ),
    Situation(
        "`tagSets` and `tags`",
        repository("tagSets: [{allow: [latest]}]", 'tags: {semverRange: ["=1.10.0"]}'),
        Gives("app:latest app:1.10"),
        tagged(*_VERSIONS),
    ),
    _chosen("no tag that matches", "tags: {allow: [none]}", ""),
    _chosen("an unquoted tag that YAML reads as a number", "tags: {allow: [1.10, 1.0.0]}", "app:1.0.0"),
    _read_otherwise(
        'tags: {allow: ["1.0|3.0"]}',
        Gives("app:1.0"),
        Gives("app:1.0 app:1.0.1 app:2.3.0"),
        'a pattern is grouped: `v1\\|v2` means one of the two; regsync reads "begins with v1, or ends with v2"',
        "app:1.0",
        "app:1.0.1",
        "app:2.3.0",
    ),
    *(
        _read_otherwise(
            f'tags: {{semverRange: ["{given}"]}}',
            Gives(ours),
            Gives(theirs, code=1 if theirs == "" and "an error" in passage else 0),
            passage,
            "app:0.0.0",
            "app:0.0.5",
            "app:0.5.0",
            "app:1.0.0-rc.1",
            "app:1.0.0-rc.2",
            "app:1.0.0",
            "app:1.5.0",
            "app:3.0.0",
        )
        for given, ours, theirs, passage in (
            (
                "~1",
                "app:1.0.0 app:1.5.0",
                "app:1.0.0",
                "| `~1` | `>=1.0.0 <1.1.0` | `>=1.0.0 <2.0.0` |",
            ),
            (
                "~0",
                "app:0.0.0 app:0.0.5 app:0.5.0 app:1.0.0-rc.1 app:1.0.0-rc.2",
                "app:0.0.0 app:0.0.5",
                "| `~0` | `>=0.0.0 <0.1.0` | `>=0.0.0 <1.0.0` |",
            ),
            (
                "^0",
                "app:0.0.0 app:0.0.5 app:0.5.0 app:1.0.0-rc.1 app:1.0.0-rc.2",
                "app:0.0.0",
                "| `^0` | `>=0.0.0 <0.0.1` | `>=0.0.0 <1.0.0` |",
            ),
            (
                "^0.0",
                "app:0.0.0 app:0.0.5",
                "app:0.0.0",
                "| `^0.0` | `>=0.0.0 <0.0.1` | `>=0.0.0 <0.1.0` |",
            ),
            (
                ">1.0.0-rc.1 <1.5.0",
                "app:1.0.0-rc.2 app:1.0.0",
                "app:1.0.0",
                "| `>1.0.0-rc.1` | rc.1 and rc.2 are equal | rc.1 is older than rc.2 |",
            ),
            (
                ">= 1.5",
                "app:1.5.0 app:3.0.0",
                "",
                "| `>= 1.0` | an error |",
            ),
            (
                ">=1.0, <2.0",
                "app:1.0.0 app:1.5.0",
                "",
                "| `>=1.0, <2.0` | an error |",
            ),
            (
                "<0.1 || >=3",
                "app:0.0.0 app:0.0.5 app:3.0.0",
                "",
                "| `<1 \\|\\| >=3` | an error |",
            ),
            (
                "*",
                "app:0.0.0 app:0.0.5 app:0.5.0 app:1.0.0-rc.1 app:1.0.0-rc.2 app:1.0.0 app:1.5.0 app:3.0.0",
                "",
                "| `*` | an error |",
            ),
            (
                "1.x",
                "app:1.0.0-rc.1 app:1.0.0-rc.2 app:1.0.0 app:1.5.0",
                "",
                "| `1.x` | an error |",
            ),
            (
                "1.2 - 1.6",
                "app:1.5.0",
                "",
                "| `1.2 - 1.4` | an error |",
            ),
        )
    ),
    Situation("a pattern that is none", repository('tags: {allow: ["("]}'), Gives(code=1), tagged("app:v1")),
    Situation("a range that is none", repository('tags: {semverRange: ["newest"]}'), Gives(code=1), tagged("app:v1")),
    Situation("a repository that is not there", repository(), Gives(code=1), routes=PLAIN_REGISTRIES),
    Situation("a repository that is not there, whose list is empty", repository(), Gives(), routes=API_REGISTRIES),
    Situation(
        "a repository in which tags are right, moved, absent, and the target's own",
        repository(),
        Gives("app:right app:moved app:absent app:own", points={"app:own": _OLD}),
        tagged("app:right", "app:moved", "app:absent"),
        target=puts({"app:right": images.single("app:right"), "app:moved": _OLD, "app:own": _OLD}),
    ),
    Situation(
        "the same with `--missing`",
        repository(),
        Gives("app:right app:moved app:absent app:own", points={"app:moved": _OLD}),
        tagged("app:right", "app:moved", "app:absent"),
        target=puts({"app:right": images.single("app:right"), "app:moved": _OLD, "app:own": _OLD}),
        command=("once", "--missing"),
    ),
    Situation(
        "two tags of one image",
        repository(),
        Gives("app:v1 app:latest"),
        puts({"app:v1": _OLD, "app:latest": _OLD}),
        routes=REGISTRIES + FROM_LAYOUT,
    ),
    Situation(
        "tags that are added between two runs",
        repository('tags: {allow: ["v.*"]}'),
        Gives("app:v1"),
        tagged("app:v1"),
        then=tagged("app:v2", "app:w3"),
        afterwards=Gives("app:v1 app:v2"),
    ),
    Situation(
        "a repository with a tag behind its name",
        repository(source="app:v1"),
        Gives("app:v1 app:v2"),
        tagged("app:v1", "app:v2"),
        theirs=Gives(code=1),
        passage="a source of type `repository` may have a tag, which is ignored with a warning, "
        "where regsync fails on each tag",
    ),
    Situation(
        "a whole registry",
        registry(_BELOW),
        Gives("SOURCE_PREFIX/app:v1 SOURCE_PREFIX/app:v2 SOURCE_PREFIX/team/tool:v1"),
        tagged("app:v1", "app:v2", "team/tool:v1"),
        routes=_FROM_CATALOGUE,
    ),
    Situation(
        "a whole registry, `repos.deny`",
        registry('repos: {allow: ["SOURCE_PREFIX/.*"], deny: [".*/team/.*"]}'),
        Gives("SOURCE_PREFIX/app:v1"),
        tagged("app:v1", "team/tool:v1"),
        routes=_FROM_CATALOGUE,
    ),
    Situation(
        "a whole registry, filtered by tags",
        registry(_BELOW, 'tags: {semverRange: [">=2"]}'),
        Gives("SOURCE_PREFIX/app:2.1 SOURCE_PREFIX/team/tool:3.0"),
        tagged("app:1.0", "app:2.1", "team/tool:3.0", "team/old:1.0"),
        routes=_FROM_CATALOGUE,
    ),
    Situation(
        "a whole registry, with `--missing`",
        registry(_BELOW),
        Gives("SOURCE_PREFIX/app:v1"),
        tagged("app:v1"),
        command=("once", "--missing"),
        routes=_FROM_CATALOGUE,
    ),
    Situation(
        "a registry with a path",
        registry(_BELOW).replace("SOURCE_HOST", "SOURCE_HOST/below"),
        Gives(code=1),
        tagged("app:v1"),
        routes=_FROM_CATALOGUE,
    ),
)
