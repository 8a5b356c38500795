"""Entries of one image: what is copied, what is left, and what stands in the way."""

from typing import Final

from interop.places import Layouts, Place, Registry
from interop.situation import (
    EVERYWHERE,
    FROM_LAYOUT,
    PLAIN_REGISTRIES,
    REGISTRIES,
    TO_LAYOUT,
    Gives,
    Route,
    Situation,
    both,
    image,
    puts,
    tagged,
)

from support import images
from support.images import Dialect

_OLD = images.single("old")
_NEW = images.single("new")
_INDEX = images.multi_platform("index")
_FOREIGN_LAYER = images.layer("foreign", dialect=Dialect.DOCKER, urls=("https://layers.example.com/1",))
_FOREIGN = images.single("foreign", layers=["own", _FOREIGN_LAYER], dialect=Dialect.DOCKER)
_CHART = images.artifact(
    None,
    seed="chart",
    artifact_type="application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    config_media_type="application/vnd.cncf.helm.config.v1+json",
)


def _with_foreign_layer(place: Place) -> None:
    """Put the image, and the layer that could also be had elsewhere."""
    match place:
        case Registry():
            with place.asking() as client:
                client.upload(f"{place.prefix}/app", _FOREIGN_LAYER.digest, _FOREIGN_LAYER.data)
        case Layouts():
            path = place.folder / "app" / "blobs" / _FOREIGN_LAYER.digest.replace(":", "/")
            path.parent.mkdir(parents=True)
            path.write_bytes(_FOREIGN_LAYER.data)
        case _:
            raise AssertionError(place)
    place.push("app", "v1", _FOREIGN)


def _whole(name: str, published: images.Image, routes: tuple[Route, ...] = REGISTRIES) -> Situation:
    """Return the row of an image that arrives as it is."""
    return Situation(
        name,
        image(),
        Gives("app:v1", points={"app:v1": published}),
        puts({"app:v1": published}),
        routes=routes,
    )


COPYING: Final = (
    _whole("an image", images.single("plain")),
    _whole("a Docker image", images.single("docker", dialect=Dialect.DOCKER)),
    _whole("an index of two platforms", _INDEX, EVERYWHERE),
    _whole("a Docker manifest list", images.multi_platform("list", dialect=Dialect.DOCKER), EVERYWHERE),
    _whole("an index in an index", images.nested("nested")),
    _whole("an index with buildkit's attestations", images.with_attestations("attested")),
    _whole("an artifact without a subject", images.artifact(None, seed="artifact")),
    _whole("a Helm chart", _CHART),
    _whole("an image with annotations", images.single("noted", annotations={"org.example.note": "a → b"})),
    _whole("an image with one layer twice", images.single("twice", layers=["same", "same"])),
    _whole("an image without layers", images.single("empty", layers=0)),
    Situation(
        "blobs with SHA-512 digests",
        image(),
        Gives("app:v1"),
        puts({"app:v1": images.single("long", algorithm="sha512")}),
    ),
    Situation(
        "a source by digest",
        image(source=f"app@{_INDEX.digest}"),
        Gives("app:v1", points={"app:v1": _INDEX}),
        puts({"app:elsewhere": _INDEX}),
    ),
    Situation(
        "a source by tag and digest, whose tag has moved",
        image(source=f"app:v1@{_OLD.digest}"),
        Gives("app:v1", points={"app:v1": _OLD}),
        both(puts({"app:old": _OLD}), puts({"app:v1": _NEW})),
    ),
    Situation(
        "another repository and another tag at the target",
        image(target="some/other-name:stable"),
        Gives("some/other-name:stable"),
        tagged("app:v1"),
        routes=REGISTRIES + FROM_LAYOUT + TO_LAYOUT,
    ),
    Situation("a tag that the source does not have", image(), Gives(code=1), tagged("app:v2")),
    Situation("a repository that the source does not have", image(), Gives(code=1)),
    Situation(
        "a tag that points at something else at the target",
        image(),
        Gives("app:v1 app:kept", points={"app:v1": _NEW}),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _OLD, "app:kept": _OLD}),
        routes=REGISTRIES + TO_LAYOUT,
    ),
    Situation(
        "a tag that points at something else at the target, with `--missing`",
        image(),
        Gives("app:v1", points={"app:v1": _OLD}),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _OLD}),
        command=("once", "--missing"),
    ),
    Situation(
        "an absent tag, with `--missing`",
        image(),
        Gives("app:v1", points={"app:v1": _NEW}),
        puts({"app:v1": _NEW}),
        command=("once", "--missing"),
    ),
    Situation(
        "a tag that is right already",
        image(),
        Gives("app:v1", points={"app:v1": _NEW}),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _NEW}),
    ),
    Situation(
        "the content under another name at the target",
        image(),
        Gives("app:v1 app:other", points={"app:v1": _INDEX}),
        puts({"app:v1": _INDEX}),
        target=puts({"app:other": _INDEX}),
    ),
    Situation(
        "a tag that moves between two runs",
        image(),
        Gives("app:v1", points={"app:v1": _OLD}),
        puts({"app:v1": _OLD}),
        then=puts({"app:v1": _INDEX}),
        afterwards=Gives("app:v1", points={"app:v1": _INDEX}),
        routes=EVERYWHERE,
    ),
    Situation(
        "two repositories of one registry",
        image().replace("SOURCE", "TARGET").replace("TARGET/app:v1\n    type", "TARGET/copy:v1\n    type"),
        Gives("app:v1 copy:v1", points={"copy:v1": _INDEX}),
        target=puts({"app:v1": _INDEX}),
    ),
    Situation(
        "two tags of one repository",
        image().replace("SOURCE", "TARGET").replace("TARGET/app:v1\n    type", "TARGET/app:stable\n    type"),
        Gives("app:v1 app:stable", points={"app:stable": _INDEX}),
        target=puts({"app:v1": _INDEX}),
    ),
    Situation(
        "a layer that has URLs",
        image(),
        Gives("app:v1", points={"app:v1": _FOREIGN}, lacking=1),
        _with_foreign_layer,
        routes=REGISTRIES + TO_LAYOUT,
    ),
    Situation(
        "a layer that has URLs, with `includeExternal`",
        image("includeExternal: true"),
        Gives("app:v1", points={"app:v1": _FOREIGN}),
        _with_foreign_layer,
        routes=REGISTRIES + TO_LAYOUT,
    ),
    Situation(
        "a Docker schema 1 image",
        image(),
        Gives(code=1, says="schema 1"),
        puts({"app:v1": images.schema1()}),
        routes=PLAIN_REGISTRIES,
        theirs=Gives(),
        passage="| Docker schema 1 | different | an error that says what to do |",
    ),
    Situation(
        "a target with a digest",
        image(target=f"app:v1@{_NEW.digest}"),
        Gives(code=1, says="digest"),
        puts({"app:v1": _NEW}),
        theirs=Gives(),
        passage="a target with a digest is refused, because it would never set a tag",
    ),
    Situation(
        "`check` of a tag that is absent",
        image(),
        Gives(code=2),
        tagged("app:v1"),
        command=("check",),
        theirs=Gives(),
        passage="exits with 2 when something is out of date; regsync always exits with 0",
    ),
    Situation(
        "`check` of a tag that is right",
        image(),
        Gives("app:v1"),
        tagged("app:v1"),
        target=tagged("app:v1"),
        command=("check",),
    ),
)
