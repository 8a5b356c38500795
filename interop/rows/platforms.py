"""Entries that want one platform, or some."""

import json
from dataclasses import replace
from typing import Final

from interop.situation import (
    EVERYWHERE,
    FROM_LAYOUT,
    REGISTRIES,
    Gives,
    Kind,
    Route,
    Situation,
    image,
    puts,
    repository,
)

from support import images
from support.images import Dialect

_NAMES = ("linux/amd64", "linux/arm64", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "windows/amd64")
_MANY = images.multi_platform("many", platforms=_NAMES)
_CHILD = dict(zip(_NAMES, _MANY.children, strict=True))
_TWO = images.multi_platform("two")
_LIST = images.multi_platform("list", dialect=Dialect.DOCKER)
_ATTESTED = images.with_attestations("attested")
_ARM = images.single("arm only", platform="linux/arm64")
_CHART = images.artifact(None, seed="chart", config_media_type="application/vnd.cncf.helm.config.v1+json")
_STILL_INDEX = "a target tag that still points at the source's index gets the manifest of the platform"


def _as_written_anew(index: images.Image) -> images.Image:
    """Return the index as transship writes one that it has reduced, which is a promise: plans name its digest."""
    raw = json.dumps(json.loads(index.raw), separators=(",", ":"), sort_keys=True).encode()
    return replace(index, raw=raw, digest=images.digest_of(raw))


def _one(platform: str, given: images.Image) -> Situation:
    """Return the row of a platform that an index offers."""
    return Situation(
        f"`platform: {platform}`",
        image(f"platform: {platform}"),
        Gives("app:v1", points={"app:v1": given}),
        puts({"app:v1": _MANY}),
    )


PLATFORMS: Final = (
    *(_one(platform, given) for platform, given in _CHILD.items() if platform != "linux/arm/v5"),
    _one("linux/arm", _CHILD["linux/arm/v7"]),
    _one("linux/arm64/v8", _CHILD["linux/arm64"]),
    _one("linux/x86_64", _CHILD["linux/amd64"]),
    Situation(
        "`platform` where only an older variant is offered",
        image("platform: linux/arm/v7"),
        Gives("app:v1", points={"app:v1": _CHILD["linux/arm/v6"]}),
        puts({"app:v1": images.index([_CHILD["linux/arm/v5"], _CHILD["linux/arm/v6"], _CHILD["linux/amd64"]])}),
    ),
    Situation(
        "`platform` of a Docker manifest list",
        image("platform: linux/arm64"),
        Gives("app:v1", points={"app:v1": _LIST.children[1]}),
        puts({"app:v1": _LIST}),
        routes=EVERYWHERE,
    ),
    Situation(
        "`platform` of an index with attestations",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _ATTESTED.children[0]}),
        puts({"app:v1": _ATTESTED}),
    ),
    Situation(
        "`platform` of an image that is none",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _ARM}),
        puts({"app:v1": _ARM}),
        routes=REGISTRIES + FROM_LAYOUT,
    ),
    Situation(
        "`platform` of a chart",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _CHART}),
        puts({"app:v1": _CHART}),
    ),
    Situation(
        "`platform` that is not offered",
        image("platform: linux/s390x"),
        Gives(code=1),
        puts({"app:v1": _TWO}),
    ),
    Situation(
        "`platform` that one of two tags offers",
        repository("platform: linux/s390x"),
        Gives("app:v2", code=1),
        puts({"app:v1": _TWO, "app:v2": images.multi_platform("mainframe", platforms=("linux/s390x", "linux/amd64"))}),
    ),
    Situation(
        "`platform` of a repository of indexes, images and charts",
        repository("platform: linux/arm64"),
        Gives("app:v1 app:v2 app:v3", points={"app:v1": _TWO.children[1], "app:v2": _ARM, "app:v3": _CHART}),
        puts({"app:v1": _TWO, "app:v2": _ARM, "app:v3": _CHART}),
    ),
    Situation(
        "`platform`, and the index is what the target has",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _TWO.children[0]}),
        puts({"app:v1": _TWO}),
        target=puts({"app:v1": _TWO}),
        theirs=Gives("app:v1", points={"app:v1": _TWO}),
        passage=_STILL_INDEX,
    ),
    *(
        Situation(
            f"the same, with `platform` and `{key}`",
            image("platform: linux/amd64", f"{key}: true"),
            Gives("app:v1", points={"app:v1": _TWO.children[0]}),
            puts({"app:v1": _TWO}),
            target=puts({"app:v1": _TWO}),
            theirs=Gives("app:v1", points={"app:v1": _TWO}),
            passage=_STILL_INDEX,
        )
        for key in ("referrers", "digestTags")
    ),
    Situation(
        "the same, with `platform` and `forceRecursive`",
        image("platform: linux/amd64", "forceRecursive: true"),
        Gives("app:v1", points={"app:v1": _TWO.children[0]}),
        puts({"app:v1": _TWO}),
        target=puts({"app:v1": _TWO}),
    ),
    Situation(
        "`platform`, and the child is what the target has",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _TWO.children[0]}),
        puts({"app:v1": _TWO}),
        target=puts({"app:v1": _TWO.children[0]}),
    ),
    Situation(
        "`platform: linux/amd64` whose tag moves between two runs",
        image("platform: linux/amd64"),
        Gives("app:v1", points={"app:v1": _TWO.children[0]}),
        puts({"app:v1": _TWO}),
        then=puts({"app:v1": _MANY}),
        afterwards=Gives("app:v1", points={"app:v1": _CHILD["linux/amd64"]}),
    ),
    Situation(
        "`platforms`",
        image("platforms: [linux/amd64, linux/arm64]"),
        Gives(
            "app:v1", points={"app:v1": _as_written_anew(images.index([_CHILD["linux/amd64"], _CHILD["linux/arm64"]]))}
        ),
        puts({"app:v1": _MANY}),
        routes=(Route(Kind.DISTRIBUTION, Kind.LAYOUT), Route(Kind.OLAREG, Kind.LAYOUT)),
        theirs=Gives("app:v1", points={"app:v1": _MANY}, lacking=4),
        passage="a new index with just these platforms; regsync pushes the original index without some of its children",
    ),
    Situation(
        "`platforms` of an image that is none",
        image("platforms: [linux/arm64, linux/amd64]"),
        Gives("app:v1", points={"app:v1": _ARM}),
        puts({"app:v1": _ARM}),
    ),
)
