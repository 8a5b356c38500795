"""Settings of entries, hosts and the file itself."""

from typing import Final

from interop.places import Layouts, Place, Registry
from interop.situation import (
    PLAIN_REGISTRIES,
    REGISTRIES,
    TO_LAYOUT,
    Gives,
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
        routes=REGISTRIES + TO_LAYOUT,
    ),
    Situation(
        "`forceRecursive` and `fastCheck`",
        image("forceRecursive: true", "fastCheck: true"),
        Gives("app:v1", lacking=1),
        puts({"app:v1": _NEW}),
        target=_lost_child,
    ),
    Situation(
        "`mediaTypes` that pass an image over",
        repository("mediaTypes: [application/vnd.docker.distribution.manifest.v2+json]"),
        Gives("app:docker"),
        puts({"app:v1": _NEW, "app:docker": _DOCKER}),
    ),
    Situation(
        "`mediaTypes` from the defaults",
        repository(defaults=["mediaTypes: [application/vnd.oci.image.index.v1+json]"]),
        Gives("app:v1"),
        puts({"app:v1": _NEW, "app:docker": _DOCKER}),
    ),
    Situation(
        "`mediaTypes` of the entry replace those of the defaults",
        repository(
            "mediaTypes: [application/vnd.docker.distribution.manifest.v2+json]",
            defaults=["mediaTypes: [application/vnd.oci.image.index.v1+json]"],
        ),
        Gives("app:docker"),
        puts({"app:v1": _NEW, "app:docker": _DOCKER}),
    ),
    Situation(
        "`mediaTypes` and a right tag of another type",
        image("mediaTypes: [application/vnd.docker.distribution.manifest.v2+json]"),
        Gives("app:v1"),
        puts({"app:v1": _NEW}),
        target=puts({"app:v1": _NEW}),
    ),
    Situation(
        "`parallel` and several entries",
        "defaults: {parallel: 3}\nsync:\n"
        + "".join(
            f"  - {{source: 'SOURCE/app:v{number}', target: 'TARGET/copy{number}:v{number}', type: image}}\n"
            for number in range(1, 5)
        ),
        Gives("copy1:v1 copy2:v2 copy3:v3 copy4:v4"),
        tagged("app:v1", "app:v2", "app:v3", "app:v4"),
    ),
    Situation(
        "one entry fails, and the others go on",
        "sync:\n"
        + "".join(
            f"  - {{source: 'SOURCE/app:{tag}', target: 'TARGET/app:{tag}', type: image}}\n"
            for tag in ("v1", "absent", "v2")
        ),
        Gives("app:v1 app:v2", code=1),
        tagged("app:v1", "app:v2"),
    ),
    Situation(
        "a template in `target`",
        image().replace("TARGET/app:v1", 'TARGET/{{ index (split .Sync.Source "/") 2 }}'),
        Gives("app:v1"),
        tagged("app:v1"),
    ),
    Situation(
        "a template that reads the environment",
        image().replace("TARGET/app:v1", 'TARGET/{{ env "TEAM" | default "nobody" | lower }}/app:v1'),
        Gives("red/app:v1"),
        tagged("app:v1"),
        environment={"TEAM": "RED"},
    ),
    Situation(
        "a template that fails",
        image().replace("TARGET/app:v1", "TARGET/{{ .Sync.Nonsense }}:v1"),
        Gives(code=1),
        tagged("app:v1"),
    ),
    Situation(
        "keys that begin with `x-`, anchors and merges",
        'x-all: &all\n  type: repository\n  tags: {allow: ["v1"]}\nsync:\n'
        "  - <<: *all\n    source: SOURCE/app\n    target: TARGET/app\n"
        "  - <<: *all\n    source: SOURCE/tool\n    target: TARGET/tool\n    tags: {allow: [v2]}\n",
        Gives("app:v1 tool:v2"),
        tagged("app:v1", "app:v2", "tool:v1", "tool:v2"),
    ),
    Situation(
        "`blobMax` and `blobChunk`",
        image(),
        Gives("app:v1", points={"app:v1": _LARGE}),
        puts({"app:v1": _LARGE}),
        host_settings=("blobMax: 1000000", "blobChunk: 700000"),
    ),
    Situation(
        "`reqPerSec` and `reqConcurrent`",
        repository(),
        Gives("app:v1 app:v2"),
        tagged("app:v1", "app:v2"),
        host_settings=("reqPerSec: 200", "reqConcurrent: 1"),
    ),
    Situation(
        "`apiOpts.disableHead`",
        repository(),
        Gives("app:v1 app:v2"),
        tagged("app:v1", "app:v2"),
        host_settings=('apiOpts: {disableHead: "true"}',),
    ),
    Situation(
        "`repoAuth`, `credExpire` and `priority` without need",
        image(),
        Gives("app:v1"),
        tagged("app:v1"),
        host_settings=("repoAuth: true", "priority: 3"),
    ),
    Situation(
        "`hostname` and `pathPrefix`",
        "creds:\n"
        "  - {registry: from.example.com, hostname: SOURCE_HOST, tls: disabled, pathPrefix: SOURCE_PREFIX}\n"
        "  - {registry: to.example.com, hostname: TARGET_HOST, tls: disabled, pathPrefix: /TARGET_PREFIX/}\n"
        "sync:\n  - {source: from.example.com/app, target: to.example.com/app, type: repository}\n",
        Gives("app:v1 app:v2"),
        tagged("app:v1", "app:v2"),
    ),
    Situation(
        "a mirror that has nothing",
        "creds:\n  - {registry: SOURCE_HOST, tls: disabled, mirrors: ['TARGET_HOST'], priority: 5}\n"
        "  - {registry: TARGET_HOST, tls: disabled, priority: 1}\n" + image(),
        Gives("app:v1"),
        tagged("app:v1"),
    ),
    Situation("no entries", "sync: []\n", Gives()),
    Situation(
        "a type that does not exist", image().replace("type: image", "type: Image"), Gives(code=1), tagged("app:v1")
    ),
    Situation("a reference that is none", image(target="App:v1"), Gives(code=1), tagged("app:v1")),
    Situation(
        "`ratelimit` at a registry that states no limit",
        image("ratelimit: {min: 50, retry: 15m}"),
        Gives("app:v1"),
        tagged("app:v1"),
    ),
    Situation(
        "`schedule` and `interval`, which `once` does not heed",
        image('schedule: "15 3 * * *"', "interval: 60m"),
        Gives("app:v1"),
        tagged("app:v1"),
    ),
    Situation(
        "`hooks` of regsync's own kinds",
        image('hooks: {pre: {type: exec, params: ["false"]}}'),
        Gives("app:v1"),
        tagged("app:v1"),
    ),
    Situation(
        "an unknown key",
        image("referers: true"),
        Gives(code=1, says="unknown key"),
        tagged("app:v1"),
        routes=PLAIN_REGISTRIES,
        theirs=Gives("app:v1"),
        passage="| unknown key | different | an error with a suggestion; regsync ignores it.",
    ),
    Situation(
        "two entries for one target tag",
        "sync:\n"
        "  - {source: 'SOURCE/app:v1', target: 'TARGET/app:stable', type: image}\n"
        "  - {source: 'SOURCE/app:v2', target: 'TARGET/app:stable', type: image}\n",
        Gives(code=1, says="app:stable"),
        tagged("app:v1", "app:v2"),
        routes=PLAIN_REGISTRIES,
        theirs=Gives("app:stable", points={"app:stable": images.single("app:v2")}),
        passage="an error that names both lines, also when the registry or layout has two names; "
        "in regsync the later one overwrites",
    ),
    Situation(
        "two entries that want different content under one tag",
        "sync:\n"
        "  - {source: 'SOURCE/one', target: 'TARGET/app', type: repository}\n"
        "  - {source: 'SOURCE/two', target: 'TARGET/app', type: repository}\n",
        Gives("app:v1 app:v2", code=1),
        tagged("one:v1", "one:both", "two:v2", "two:both"),
        routes=PLAIN_REGISTRIES,
        theirs=Gives("app:v1 app:v2 app:both", points={"app:both": images.single("two:both")}),
        passage="| two entries that want different content under one tag | better | a problem of the plan",
    ),
)
