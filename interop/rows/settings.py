"""Settings of entries: backups, and what a target has lost."""

from typing import Final

from interop.places import Layouts, Place, Registry
from interop.situation import (
    REGISTRIES,
    TO_LAYOUT,
    Gives,
    Kind,
    Route,
    Situation,
    image,
    puts,
    repository,
    tagged,
)

from support import images
from support.images import Dialect

_OLD = images.single("old")
_NEW = images.multi_platform("new")
_LARGE = images.single("large", layers=[images.layer("large", 3_000_000)])
_DOCKER = images.single("docker", dialect=Dialect.DOCKER)
_MOVED = {"app:v1": _OLD}


def _damaged(place: Place, *, child: bool) -> None:
    """Put the image, and take a child manifest or a blob away behind its back."""
    place.push("app", "v1", _NEW)
    lost = _NEW.children[0] if child else _NEW.children[0].blobs[1]
    match place:
        case Registry():
            kind = "manifests" if child else "blobs"
            with place.asking() as client:
                client.request("DELETE", f"/v2/{place.prefix}/app/{kind}/{lost.digest}").expect(202)
        case Layouts():
            (place.folder / "app" / "blobs" / lost.digest.replace(":", "/")).unlink()
        case _:
            raise AssertionError(place)


def _lost_child(place: Place) -> None:
    _damaged(place, child=True)


def _lost_blob(place: Place) -> None:
    _damaged(place, child=False)


def _backup(name: str, key: str, gives: Gives, *, target: str = "app:v1") -> Situation:
    return Situation(
        name,
        image(key, target=target),
        gives,
        puts({"app:v1": _NEW}),
        target=puts({target: _OLD}),
        routes=REGISTRIES + TO_LAYOUT,
    )


SETTINGS: Final = (
    _backup(
        "`backup` as a tag",
        "backup: before",
        Gives("app:v1 app:before", points={"app:v1": _NEW, "app:before": _OLD}),
    ),
    _backup(
        "`backup` as a template",
        'backup: "before-{{ .Ref.Tag }}"',
        Gives("app:v1 app:before-v1", points={"app:before-v1": _OLD}),
    ),
    _backup(
        "`backup` as a full reference",
        'backup: "TARGET/attic/app:{{ .Ref.Tag }}"',
        Gives("app:v1 attic/app:v1", points={"attic/app:v1": _OLD}),
    ),
    Situation(
        "`backup` of a tag that is not there yet",
        image("backup: before"),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
    ),
    Situation(
        "`backup` of a tag that is right",
        image("backup: before"),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _NEW}),
    ),
    Situation(
        "`backup` over an older backup",
        image("backup: before"),
        Gives("app:v1 app:before", points={"app:before": _OLD}),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _OLD, "app:before": _DOCKER}),
    ),
    Situation(
        "`backup` from the defaults, in a repository",
        repository('tags: {allow: ["v.*"]}', defaults=['backup: "old-{{ .Ref.Tag }}"']),
        Gives("app:v1 app:v2 app:old-v1", points={"app:old-v1": _OLD}),
        tagged("app:v1", "app:v2"),
        target=puts(_MOVED),
    ),
    Situation(
        '`backup: ""` where the defaults have one',
        image('backup: ""', defaults=["backup: before"]),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
        target=puts(_MOVED),
        theirs=Gives("app:v1 app:before"),
        passage='what an entry says itself wins even if it says "none", so that `backup: ""`',
    ),
    Situation(
        "a child that the target has lost",
        image(),
        Gives("app:v1", lacking=1),
        puts({"app:v1": _NEW}),
        target=_lost_child,
    ),
    Situation(
        "a child that the target has lost, with `forceRecursive`",
        image("forceRecursive: true"),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
        target=_lost_child,
        routes=REGISTRIES + TO_LAYOUT,
    ),
    Situation(
        "a blob that the target has lost, with `forceRecursive`",
        image("forceRecursive: true"),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
        target=_lost_blob,
        routes=(*REGISTRIES, Route(Kind.DISTRIBUTION, Kind.LAYOUT)),
    ),
)
