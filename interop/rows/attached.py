"""What is attached to images: referrers, by either way of finding them, and digest tags."""

from typing import Final

from interop.places import Place
from interop.situation import (
    API_REGISTRIES,
    CROSSWISE,
    EVERYWHERE,
    FROM_LAYOUT,
    PLAIN_REGISTRIES,
    REGISTRIES,
    TO_LAYOUT,
    Fill,
    Gives,
    Kind,
    Route,
    Situation,
    both,
    image,
    puts,
    repository,
)

from support import images

_SBOM_TYPE = "application/vnd.example.sbom.v1"
_SIGNATURE_TYPE = "application/vnd.example.signature.v1"
_APP = images.single("app")
_INDEX = images.multi_platform("index")
_SBOM = images.artifact(_APP, seed="sbom", artifact_type=_SBOM_TYPE, annotations={"org.example.by": "build"})
_SIGNATURE = images.artifact(_APP, seed="sig", artifact_type=_SIGNATURE_TYPE, annotations={"org.example.by": "release"})
_SIGNATURE_OF_SBOM = images.artifact(_SBOM, seed="sig of sbom", artifact_type=_SIGNATURE_TYPE)
_OF_CHILD = images.artifact(_INDEX.children[1], seed="of child", artifact_type=_SBOM_TYPE)
_OF_INDEX = images.artifact(_INDEX, seed="of index", artifact_type=_SBOM_TYPE)
_ALL_OF_APP = puts({"app:v1": _APP}, _SBOM, _SIGNATURE)
_WITHOUT_API = (*PLAIN_REGISTRIES, Route(Kind.DISTRIBUTION, Kind.OLAREG), *FROM_LAYOUT)
_TO_PLAIN = (*PLAIN_REGISTRIES, Route(Kind.OLAREG, Kind.DISTRIBUTION))


def _signed(*kinds: str) -> Fill:
    """Put an image, and signatures as cosign 2 keeps them, under tags that begin with its digest."""
    content = {"app:v1": _INDEX}
    for kind in kinds:
        content[f"app:{images.cosign_tag(_INDEX, kind)}"] = _cosigned(kind)
    return puts(content)


def _cosigned(kind: str) -> images.Image:
    return images.single(f"cosign {kind}", layers=1)


def _names(*kinds: str) -> str:
    return " ".join(["app:v1", *(f"app:{images.cosign_tag(_INDEX, kind)}" for kind in kinds)])


def _attach(*referrers: images.Image) -> Fill:
    def fill(place: Place) -> None:
        place.push("app", "v1", _APP, *referrers)

    return fill


def _filtered(name: str, keys: str, attached: int) -> Situation:
    return Situation(
        name,
        image("referrers: true", keys),
        Gives("app:v1", attached=attached),
        puts({"app:v1": _APP}, _SBOM, _SIGNATURE, _SIGNATURE_OF_SBOM),
        routes=REGISTRIES + CROSSWISE,
    )


ATTACHED: Final = (
    Situation("referrers, which are not asked for", image(), Gives("app:v1"), _ALL_OF_APP, routes=EVERYWHERE),
    Situation("`referrers`", image("referrers: true"), Gives("app:v1", attached=2), _ALL_OF_APP, routes=EVERYWHERE),
    Situation(
        "`referrers` of an index and of its children",
        image("referrers: true"),
        Gives("app:v1", attached=2, points={"app:v1": _INDEX}),
        puts({"app:v1": _INDEX}, _OF_CHILD, _OF_INDEX),
        routes=EVERYWHERE,
    ),
    Situation(
        "`referrers` of referrers",
        image("referrers: true"),
        Gives("app:v1", attached=3),
        puts({"app:v1": _APP}, _SBOM, _SIGNATURE, _SIGNATURE_OF_SBOM),
        routes=EVERYWHERE,
    ),
    Situation(
        "`referrers` where nothing is attached",
        image("referrers: true"),
        Gives("app:v1"),
        puts({"app:v1": _INDEX}),
        routes=EVERYWHERE,
    ),
    _filtered("`referrerFilters` by type", f"referrerFilters: [{{artifactType: {_SBOM_TYPE}}}]", 1),
    _filtered("`referrerFilters` by annotation", "referrerFilters: [{annotations: {org.example.by: release}}]", 1),
    _filtered(
        "`referrerFilters` by annotation, any value", 'referrerFilters: [{annotations: {org.example.by: ""}}]', 2
    ),
    _filtered(
        "`referrerFilters`: type and annotation must both fit",
        f"referrerFilters: [{{artifactType: {_SBOM_TYPE}, annotations: {{org.example.by: release}}}}]",
        0,
    ),
    _filtered(
        "`referrerFilters`: one of several is enough",
        f"referrerFilters: [{{artifactType: {_SBOM_TYPE}}}, {{artifactType: {_SIGNATURE_TYPE}}}]",
        3,
    ),
    Situation(
        "`referrers: false` where the defaults say `true`",
        image("referrers: false", defaults=["referrers: true"]),
        Gives("app:v1"),
        _ALL_OF_APP,
    ),
    Situation(
        "`referrerFilters: []` where the defaults have some",
        image(
            "referrers: true",
            "referrerFilters: []",
            defaults=[f"referrerFilters: [{{artifactType: {_SBOM_TYPE}}}]"],
        ),
        Gives("app:v1", attached=2),
        _ALL_OF_APP,
    ),
    Situation(
        "`referrers` of every tag of a repository",
        repository("referrers: true"),
        Gives("app:v1 app:v2", attached=2),
        puts({"app:v1": _APP, "app:v2": _INDEX}, _SBOM, _SIGNATURE),
        routes=(*API_REGISTRIES, Route(Kind.OLAREG, Kind.DISTRIBUTION), Route(Kind.OLAREG, Kind.LAYOUT)),
    ),
    Situation(
        "`referrers` of every tag of a repository that has lists of them",
        repository("referrers: true"),
        Gives("app:v1 app:v2", attached=2, lists=0),
        puts({"app:v1": _APP, "app:v2": _INDEX}, _SBOM, _SIGNATURE),
        routes=(Route(Kind.DISTRIBUTION, Kind.OLAREG), Route(Kind.LAYOUT, Kind.OLAREG)),
        theirs=Gives("app:v1 app:v2", attached=2, lists=1),
        passage="with `referrers` it is no image of its own; "
        "regsync copies it over the list that it keeps at the target",
    ),
    Situation(
        "the same, into a registry without the referrers API",
        repository("referrers: true"),
        Gives("app:v1 app:v2", attached=2, lists=1),
        puts({"app:v1": _APP, "app:v2": _INDEX}, _SBOM, _SIGNATURE),
        then=_attach(_SBOM, _SIGNATURE, _SIGNATURE_OF_SBOM),
        afterwards=Gives("app:v1 app:v2", attached=3, lists=2),
        routes=(*PLAIN_REGISTRIES, Route(Kind.LAYOUT, Kind.DISTRIBUTION)),
    ),
    Situation(
        "`referrerTarget`",
        image("referrers: true", "referrerTarget: TARGET/attached"),
        Gives("app:v1"),
        _ALL_OF_APP,
    ),
    Situation(
        "`referrerSource`",
        image("referrers: true", "referrerSource: SOURCE/attached"),
        Gives("app:v1", attached=1),
        both(puts({"app:v1": _APP}), puts({"attached:any": _APP}, _SBOM)),
    ),
    Situation(
        "`platform` and `referrers`",
        image("platform: linux/arm64", "referrers: true"),
        Gives("app:v1", attached=1, points={"app:v1": _INDEX.children[1]}),
        puts({"app:v1": _INDEX}, _OF_CHILD, _OF_INDEX),
        routes=REGISTRIES + CROSSWISE,
    ),
    Situation(
        "what is attached to a right tag between two runs",
        image("referrers: true"),
        Gives("app:v1", attached=1),
        puts({"app:v1": _APP}, _SBOM),
        then=_attach(_SBOM, _SIGNATURE),
        afterwards=Gives("app:v1", attached=2),
        routes=EVERYWHERE,
    ),
    Situation(
        "the same, with `fastCheck`",
        image("referrers: true", "fastCheck: true"),
        Gives("app:v1", attached=1),
        puts({"app:v1": _APP}, _SBOM),
        then=_attach(_SBOM, _SIGNATURE),
        afterwards=Gives("app:v1", attached=1),
    ),
    Situation(
        "the same, with `fastCopy`, which regsync does not know",
        image("referrers: true", "fastCopy: true"),
        Gives("app:v1", attached=1),
        _ALL_OF_APP,
        target=puts({"app:v1": _APP}, _SBOM),
        theirs=Gives("app:v1", attached=2),
        passage="both spellings are read, regsync's code knows `fastCheck` only",
    ),
    Situation(
        "what only the target has attached stays",
        image("referrers: true"),
        Gives("app:v1", attached=2),
        puts({"app:v1": _APP}, _SBOM),
        target=puts({"app:v1": _APP}, _SIGNATURE),
        routes=REGISTRIES + CROSSWISE,
    ),
    Situation(
        "`referrers` and `--missing` of a tag that is there",
        image("referrers: true"),
        Gives("app:v1"),
        _ALL_OF_APP,
        target=puts({"app:v1": _APP}),
        command=("once", "--missing"),
    ),
    Situation(
        "a tag that points at a referrer",
        image(source="app:sbom", target="app:sbom"),
        Gives("app:sbom"),
        puts({"app:v1": _APP, "app:sbom": _SBOM}),
        routes=REGISTRIES + CROSSWISE,
    ),
    Situation(
        "a repository with lists of referrers, without `referrers`",
        repository(),
        Gives("app:v1", attached=1, lists=1),
        puts({"app:v1": _APP}, _SBOM),
        routes=_WITHOUT_API,
    ),
    Situation(
        "the same, with two lists, several in one, and referrers of referrers",
        repository(),
        Gives("app:v1 app:v2", attached=4, lists=3),
        both(puts({"app:v1": _APP}, _SBOM, _SIGNATURE, _SIGNATURE_OF_SBOM), puts({"app:v2": _INDEX}, _OF_INDEX)),
        routes=_WITHOUT_API,
    ),
    Situation(
        "the same, and more is attached between two runs",
        repository(),
        Gives("app:v1", attached=1, lists=1),
        puts({"app:v1": _APP}, _SBOM),
        then=_attach(_SBOM, _SIGNATURE),
        afterwards=Gives("app:v1", attached=2, lists=1),
        routes=_WITHOUT_API,
    ),
    Situation(
        "the same, with `--missing`",
        repository(),
        Gives("app:v1", attached=1, lists=1),
        puts({"app:v1": _APP}, _SBOM),
        command=("once", "--missing"),
        routes=_WITHOUT_API,
    ),
    Situation(
        "a repository with lists of referrers that `deny` leaves out",
        repository('tags: {deny: ["sha256-.*"]}'),
        Gives("app:v1"),
        puts({"app:v1": _APP}, _SBOM),
        routes=_WITHOUT_API,
    ),
    Situation(
        "a repository with lists of referrers into a layout, without `referrers`",
        repository(),
        Gives("app:v1", attached=1, lists=1),
        puts({"app:v1": _APP}, _SBOM),
        routes=(Route(Kind.DISTRIBUTION, Kind.LAYOUT),),
    ),
    Situation("`digestTags`", image("digestTags: true"), Gives(_names("sig", "att")), _signed("sig", "att")),
    Situation("digest tags that are not asked for", image(), Gives("app:v1"), _signed("sig")),
    Situation(
        "digest tags of a whole repository, without `digestTags`",
        repository(),
        Gives(_names("sig", "att", "sbom")),
        _signed("sig", "att", "sbom"),
        routes=REGISTRIES + TO_LAYOUT + FROM_LAYOUT,
    ),
    Situation(
        "digest tags of a whole repository whose `allow` leaves them out",
        repository('tags: {allow: ["v.*"]}', "digestTags: true"),
        Gives(_names("sig")),
        _signed("sig"),
    ),
    Situation(
        "a digest tag that moves between two runs",
        image("digestTags: true"),
        Gives(_names("sig")),
        _signed("sig"),
        then=puts({f"app:{images.cosign_tag(_INDEX)}": images.single("signed again", layers=1)}),
        afterwards=Gives(
            _names("sig"), points={f"app:{images.cosign_tag(_INDEX)}": images.single("signed again", layers=1)}
        ),
    ),
    Situation(
        "`digestTags` and `referrers`",
        image("digestTags: true", "referrers: true"),
        Gives(_names("sig"), attached=2),
        both(_signed("sig"), puts({"app:v1": _INDEX}, _OF_CHILD, _OF_INDEX)),
        routes=_TO_PLAIN + API_REGISTRIES,
    ),
)
