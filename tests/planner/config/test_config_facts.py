"""Facts of `semantics`, parts A and B, that concern configuration: one row each, named by its number."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import pytest

from transship_planner.config import loads
from transship_planner.desired import (
    Comparison,
    Desired,
    Dialect,
    Entry,
    Hook,
    ImageScope,
    LifecycleRule,
    PlatformRule,
    ReferrerFilter,
    RegistryScope,
    RepositoryScope,
)
from transship_planner.errors import ConfigError
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.hosts import Credential, HelperSettings, HostSettings, TlsMode
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES, OCI_INDEX, OCI_MANIFEST
from transship_registry.platform import Platform
from transship_registry.reference import Repository
from transship_registry.secret import Secret

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
FILES = {"/run/token": b" from-file\n", "/run/ca.pem": b"CA"}
ENVIRONMENT = {"HOST": "registry.example.org", "USER_NAME": "robot", "PASSWORD": "hunter2"}


def read_file(path: str) -> bytes:
    if path not in FILES:
        raise FileNotFoundError(path)
    return FILES[path]


def desired(text: str, environment: Mapping[str, str] = ENVIRONMENT) -> Desired:
    return loads(text.encode(), file="c.yaml", environment=environment, read_file=read_file)


def repository(keys: str = "", defaults: str = "{}") -> Entry:
    """Load an entry of regsync's format with these further members, in flow style, beside these defaults."""
    source = f"{{source: alpine, target: registry.example.org/alpine, type: repository, {keys}}}"
    return desired(f"{{defaults: {defaults}, sync: [{source}]}}").entries[0]


def imglife(keys: str = "tag_regex: ^3", sync: str = "") -> Entry:
    """Load an entry of imglife's format with these further members, in flow style."""
    source = f"{{source: alpine, target: registry.example.org/alpine, {keys}}}"
    return desired(f"{{sync: {{{sync} entries: [{source}]}}}}").entries[0]


def host(keys: str) -> HostSettings:
    """Load the settings of one registry with these members, in flow style."""
    return desired(f"{{creds: [{{registry: registry.example.org, {keys}}}]}}").hosts[0]


def selection(entry: Entry) -> Selection:
    assert isinstance(entry.scope, RepositoryScope | RegistryScope)
    return entry.scope.selection


def patterns(entry: Entry) -> list[str]:
    return [pattern.text for pattern in selection(entry).sets[0].allow]


def warnings(text: str) -> list[str]:
    return [finding.message for finding in desired(text).warnings]


def first_host(text: str) -> HostSettings:
    return desired(text).hosts[0]


def copy_rule(name: str, keys: str, defaults: str) -> object:
    """Return one of the rules for copying, by its name in `CopyRules`."""
    return getattr(repository(keys, defaults).copy, name)


def schedule(text: str) -> str:
    return repository(f"schedule: '{text}'").timing.schedule


class Row(NamedTuple):
    fact: str
    seen: Callable[[], object]
    expected: object

    def __str__(self) -> str:
        return self.fact


LOADING = [
    Row("B3.1 x- keys are the user's own, everywhere", lambda: repository("x-a: 1").name, "sync[0]"),
    Row(
        "B3.1 an alias stands for its anchor",
        lambda: (
            desired("{x-a: &a [linux/amd64], sync: [{source: a, target: r:1/a, type: image, platforms: *a}]}")
            .entries[0]
            .copy.platforms
        ),
        PlatformRule((AMD64,)),
    ),
    Row(
        "B3.1 a local key overrides a merged one, wherever it stands",
        lambda: [
            entry.timing.interval_s
            for entry in desired(
                "x-a: &a {type: image, interval: 1h}\n"
                "sync:\n"
                "- {<<: *a, source: a, target: r:1/a, interval: 2h}\n"
                "- {source: b, target: r:1/b, interval: 3h, <<: *a}\n"
                "- {<<: *a, source: c, target: r:1/c}\n"
            ).entries
        ],
        [7200.0, 10800.0, 3600.0],
    ),
    Row(
        "B3.1 of several merged mappings the first one wins",
        lambda: (
            desired(
                "x-a: &a {interval: 1h}\nx-b: &b {interval: 2h, type: image}\n"
                "sync: [{<<: [*a, *b], source: a, target: r:1/a}]"
            )
            .entries[0]
            .timing.interval_s
        ),
        3600.0,
    ),
    Row("B3.2 an empty document wants nothing", lambda: desired("").entries, ()),
    Row("B3.2 and says so", lambda: warnings(""), ["the configuration is empty: nothing is mirrored"]),
    Row("B3.2 comments only are empty", lambda: warnings("# x\n"), ["the configuration is empty: nothing is mirrored"]),
    Row("B3.3 version 0 is accepted", lambda: desired("version: 0").dialect, Dialect.REGSYNC),
    Row("B3.3 version 1 is accepted", lambda: desired("version: 1").dialect, Dialect.REGSYNC),
    Row("B3.5 a number is taken as text", lambda: patterns(repository("tags: {allow: [3]}")), ["3"]),
    Row("B3.5 a boolean is taken as text", lambda: patterns(repository("tags: {allow: [true]}")), ["true"]),
    Row("B3.5 unquoted 3.10 is 3.1", lambda: patterns(repository("tags: {allow: [3.10]}")), ["3.1"]),
    Row("B3.5 unquoted 1.0 is 1", lambda: patterns(repository("tags: {allow: [1.0]}")), ["1"]),
    Row("B3.5 quoted 3.10 is 3.10", lambda: patterns(repository("tags: {allow: ['3.10']}")), ["3.10"]),
    Row("B3.4 yes and no are strings", lambda: patterns(repository("tags: {allow: [yes, no]}")), ["yes", "no"]),
    Row("a tag !!int makes a number of a string", lambda: desired("defaults: {parallel: !!int '3'}").parallel, 3),
    Row(
        "a tag !!str makes a string of a number", lambda: patterns(repository("tags: {allow: [!!str 3.10]}")), ["3.10"]
    ),
    Row("B3.6 a numeric string is an integer", lambda: desired("defaults: {parallel: '3'}").parallel, 3),
    Row("B3.6 a float is truncated", lambda: desired("defaults: {parallel: 2.7}").parallel, 2),
    Row("B3.7 90s", lambda: repository("interval: 90s").timing.interval_s, 90.0),
    Row("B3.7 1h15m", lambda: repository("interval: 1h15m").timing.interval_s, 4500.0),
    Row(
        "B3.8 nanoseconds",
        lambda: host("credHelper: h, credExpire: 60000000000").helper,
        HelperSettings(program="h", host="registry.example.org", expire_s=60.0),
    ),
    Row(
        "B3.8 a duration too",
        lambda: host("credHelper: h, credExpire: 1h15m").helper,
        HelperSettings(program="h", host="registry.example.org", expire_s=4500.0),
    ),
    Row("B3.9 disabled", lambda: host("tls: disabled").tls, TlsMode.DISABLED),
    Row("B3.9 in any case", lambda: host("tls: INSECURE").tls, TlsMode.INSECURE),
    Row("B3.9 empty", lambda: host("tls: ''").tls, TlsMode.ENABLED),
    Row("B3.9 absent", lambda: host("").tls, TlsMode.ENABLED),
]

NO_QUOTES = "without quotes is read as"
WARNINGS = [
    Row(
        "B3.5 3.10 wants quotes",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: repository, tags: {allow: [3.10]}}]"),
        ['sync[0].tags.allow[0]: 3.10 without quotes is read as 3.1; write "3.10" if that is meant'],
    ),
    Row(
        "B3.5 an octal wants quotes, and a secret stays one",
        lambda: warnings("{creds: [{registry: r:1, user: u, pass: 0123}], sync: []}"),
        [
            "creds[0].pass without quotes is read as another text; put it in quotes",
            "there are no entries under 'sync': nothing is mirrored",
        ],
    ),
    Row(
        "B3.6 a float for an integer",
        lambda: warnings("{defaults: {parallel: 2.7}, sync: [{source: a, target: r:1/a, type: image}]}"),
        ["defaults.parallel: 2.7 is read as 2"],
    ),
    Row(
        "B4 creds without registry are ignored",
        lambda: warnings("{creds: [{user: u}], sync: [{source: a, target: r:1/a, type: image}]}"),
        ["creds[0] has no 'registry' and is ignored"],
    ),
    Row(
        "B4 api and scheme are deprecated",
        lambda: warnings(
            "{creds: [{registry: r:1, api: x, scheme: http}], sync: [{source: a, target: r:1/a, type: image}]}"
        ),
        [
            "creds[0].api is deprecated and has no effect; remove it",
            "creds[0].scheme is deprecated and has no effect; write 'tls: disabled' for plain HTTP",
        ],
    ),
    Row(
        "B4 regsync's hooks never ran",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, hooks: {pre: {type: exec, params: [x]}}}]"),
        ["sync[0].hooks.pre has never been run by regsync and is not run here; use hooks.post_sync"],
    ),
    Row(
        "B12 referrerSlow has no effect",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, referrerSlow: true}]"),
        ["sync[0].referrerSlow has no effect"],
    ),
    Row(
        "B4 user and pass go together",
        lambda: warnings(
            "{creds: [{registry: r:1, user: u, clientCert: c}], sync: [{source: a, target: r:1/a, type: image}]}"
        ),
        ["creds[0].user has no effect without 'pass'", "creds[0].clientCert has no effect without 'clientKey'"],
    ),
    Row(
        "B4 apiOpts knows disableHead",
        lambda: warnings(
            "{creds: [{registry: r:1, apiOpts: {x: y}}], sync: [{source: a, target: r:1/a, type: image}]}"
        ),
        ["creds[0].apiOpts.x is unknown and has no effect"],
    ),
    Row(
        "B4 a path in a registry's name does not count",
        lambda: warnings("{creds: [{registry: r:1/team}], sync: [{source: a, target: r:1/a, type: image}]}"),
        ["creds[0].registry: only the host counts, not the path 'team'; use pathPrefix for repositories"],
    ),
    Row(
        "B4 media types that no manifest has",
        lambda: warnings(
            "sync: [{source: a, target: r:1/a, type: image, mediaTypes: [application/vnd.oci.image.index.v2+json]}]"
        ),
        [
            "sync[0].mediaTypes[0]: 'application/vnd.oci.image.index.v2+json' is no media type of a manifest; "
            "did you mean 'application/vnd.oci.image.index.v1+json'?"
        ],
    ),
    Row(
        "B5.3 retry is raised",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, ratelimit: {retry: 1m}}]"),
        ["sync[0].ratelimit.retry is raised to 5m, the shortest"],
    ),
    Row(
        "B6.7 a file that cannot be read gives nothing",
        lambda: warnings(
            "{creds: [{registry: r:1, user: u, pass: '{{file \"/nowhere\"}}'}], "
            "sync: [{source: a, target: r:1/a, type: image}]}"
        ),
        ["creds[0].pass is empty once its template is expanded"],
    ),
    Row(
        "B8.10 interval is raised",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, interval: 100ms}]"),
        ["sync[0].interval is raised to 1s, the shortest"],
    ),
    Row(
        "B9.7 tag filters do nothing for an image",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, tags: {allow: [x]}, keep_last: 2}]"),
        [
            "sync[0].tags has no effect on an entry of type 'image'",
            "sync[0].keep_last has no effect on an entry of type 'image'",
        ],
    ),
    Row(
        "B9.7 repos do nothing for a repository",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: repository, repos: {allow: [x]}}]"),
        ["sync[0].repos has no effect on an entry of type 'repository'"],
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
    Row(
        "A4.4 keep_last has no effect beside tag",
        lambda: warnings("sync: {entries: [{source: a, target: r:1/a, tag: x, keep_last: 3}]}"),
        ["sync.entries[0].keep_last has no effect beside 'tag'"],
    ),
    Row(
        "A8 extract is the old name of track",
        lambda: warnings(
            "sync: {entries: [{source: a, target: r:1/a, tag: x, lifecycle: {product: a, extract: major}}]}"
        ),
        ["sync.entries[0].lifecycle.extract is the old name of 'track'; write track: major"],
    ),
]

CREDS = [
    Row("B4 registry", lambda: host("").registry, "registry.example.org"),
    *(
        Row(
            f"B4 {name} is Docker Hub",
            partial(first_host, f"creds: [{{registry: '{name}'}}]"),
            HostSettings(registry="docker.io"),
        )
        for name in ("docker.io", "registry-1.docker.io", "index.docker.io", "https://index.docker.io/v1/")
    ),
    Row(
        "B4 an http:// registry is spoken to without TLS",
        lambda: desired("creds: [{registry: 'http://registry.example.org'}]").hosts[0],
        HostSettings(registry="registry.example.org", tls=TlsMode.DISABLED),
    ),
    Row(
        "B4 an https:// registry is its host",
        lambda: desired("creds: [{registry: 'https://registry.example.org/'}]").hosts[0],
        HostSettings(registry="registry.example.org"),
    ),
    Row("B4 hostname", lambda: host("hostname: 'r:5000'").endpoint, "r:5000"),
    Row(
        "B4 user and pass",
        lambda: host("user: u, pass: p").credential,
        Credential(user="u", password=Secret("p")),
    ),
    Row("B4 token", lambda: host("token: '{{t}}'").credential, Credential(token=Secret("{{t}}"))),
    Row("B4 no login", lambda: host("").credential, None),
    Row(
        "B4 credHelper asks for the host it connects to, for an hour",
        lambda: host("credHelper: docker-credential-x, hostname: 'r:5000'").helper,
        HelperSettings(program="docker-credential-x", host="r:5000", expire_s=3600.0),
    ),
    Row(
        "B4 credHost is the name the helper knows",
        lambda: host("credHelper: h, credHost: 'https://r/'").helper,
        HelperSettings(program="h", host="https://r/"),
    ),
    Row("B4 regcert", lambda: host("regcert: PEM").ca, "PEM"),
    Row(
        "B4 clientCert and clientKey",
        lambda: (host("clientCert: C, clientKey: K").client_certificate, host("clientKey: K").client_key),
        ("C", Secret("K")),
    ),
    Row("B4 pathPrefix loses its outer slashes", lambda: host("pathPrefix: /a/b/").path_prefix, "a/b"),
    Row(
        "B4 mirrors under their canonical names",
        lambda: host("mirrors: ['m:5000', index.docker.io]").mirrors,
        ("m:5000", "docker.io"),
    ),
    Row("B4 priority", lambda: host("priority: 7").priority, 7),
    Row("B4 repoAuth", lambda: host("repoAuth: true").repo_auth, True),
    Row("B4 disableHead", lambda: host("apiOpts: {disableHead: true}").disable_head, True),
    Row("B4 disableHead off", lambda: host("apiOpts: {disableHead: '0'}").disable_head, False),
    Row("B4 blobChunk", lambda: host("blobChunk: 1048576").blob_chunk, 1048576),
    Row("B4 blobMax", lambda: host("blobMax: 5000").blob_max, 5000),
    Row("B4 blobMax 0 inherits -1", lambda: host("blobMax: 0").blob_max, -1),
    Row("B4 reqPerSec", lambda: host("reqPerSec: 0.5").requests_per_s, 0.5),
    Row("B4 reqConcurrent", lambda: host("reqConcurrent: 9").concurrent_requests, 9),
    Row("B4 a negative reqConcurrent says nothing", lambda: host("reqConcurrent: -1").concurrent_requests, 0),
    Row(
        "B6.1 registry, user, pass and regcert are templates",
        lambda: desired(
            "creds: [{registry: '{{env \"HOST\"}}', user: '{{env \"USER_NAME\"}}', "
            "pass: '{{file \"/run/token\"}}', regcert: '{{file \"/run/ca.pem\"}}'}]"
        ).hosts[0],
        HostSettings(
            registry="registry.example.org",
            credential=Credential(user="robot", password=Secret("from-file")),
            ca="CA",
        ),
    ),
    Row(
        "B6.1 clientCert and clientKey are templates",
        lambda: host("clientCert: '{{env \"HOST\"}}', clientKey: '{{env \"PASSWORD\"}}'").client_key,
        Secret("hunter2"),
    ),
    Row(
        "B6.1 hostname is no template",
        lambda: host("credHost: '{{env \"HOST\"}}', credHelper: h").helper,
        HelperSettings(program="h", host='{{env "HOST"}}'),
    ),
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
    Row("B4 parallel is 0", lambda: desired("version: 1").parallel, 0),
    Row("B4 parallel", lambda: desired("defaults: {parallel: 3}").parallel, 3),
    Row("B8.2 a negative parallel is 0", lambda: desired("defaults: {parallel: -3}").parallel, 0),
    Row("B4 skipDockerConfig is false", lambda: desired("version: 1").skip_docker_config, False),
    Row("B4 skipDockerConfig", lambda: desired("defaults: {skipDockerConfig: true}").skip_docker_config, True),
    Row(
        "B4 cacheCount and cacheTime",
        lambda: [
            getattr(desired("defaults: {cacheCount: 500, cacheTime: 5m}"), key)
            for key in ("cache_count", "cache_time_s")
        ],
        [500, 300.0],
    ),
    Row("B4 blobLimit", lambda: desired("defaults: {blobLimit: 5}").blob_limit, 5),
    Row("B4 userAgent", lambda: desired("defaults: {userAgent: us}").user_agent, "us"),
    Row("state is ours", lambda: desired("state: mirror.state.json").state, "mirror.state.json"),
]

ENTRIES = [
    Row(
        "B4 type image",
        lambda: str(desired("sync: [{source: alpine, target: 'r:1/a:2', type: image}]").entries[0].scope),
        str(ImageScope(Repository("docker.io", "library/alpine").tag("latest"), Repository("r:1", "a").tag("2"))),
    ),
    Row(
        "B4 type repository",
        lambda: repository().scope,
        RepositoryScope(
            Repository("docker.io", "library/alpine"), Repository("registry.example.org", "alpine"), Selection()
        ),
    ),
    Row(
        "B4 type registry",
        lambda: (
            desired(
                "sync: [{source: 'r:1', target: 'r:2/mirror/', type: registry, repos: {allow: [a.*], deny: [b]}, "
                "tags: {allow: [c]}}]"
            )
            .entries[0]
            .scope
        ),
        RegistryScope(
            "r:1",
            "r:2/mirror",
            (TagPattern("a.*"),),
            (TagPattern("b"),),
            Selection((TagSet(allow=(TagPattern("c"),)),)),
        ),
    ),
    Row(
        "B4 a registry under a single name of Docker Hub",
        lambda: desired("sync: [{source: 'r:1', target: docker.io/team, type: registry}]").entries[0].scope.target,
        "docker.io/team",
    ),
    Row(
        "B18 layouts",
        lambda: str(desired("sync: [{source: 'ocidir://a:1', target: 'ocidir:///b:2', type: image}]").entries[0].scope),
        str(ImageScope(Repository.layout("a").tag("1"), Repository.layout("/b").tag("2"))),
    ),
    Row(
        "B4 platform",
        lambda: repository("platform: linux/amd64").copy.platforms,
        PlatformRule((AMD64,), index_only=True),
    ),
    Row(
        "B4 platforms",
        lambda: repository("platforms: [linux/amd64, linux/arm64/v8, linux/arm64]").copy.platforms,
        PlatformRule((AMD64, ARM64)),
    ),
    *(
        Row(f"B4 {key}", partial(copy_rule, name, f"{key}: true", "{}"), True)
        for key, name in (
            ("digestTags", "digest_tags"),
            ("referrers", "referrers"),
            ("fastCheck", "fast_copy"),
            ("fastCopy", "fast_copy"),
            ("forceRecursive", "force_recursive"),
            ("includeExternal", "include_external"),
        )
    ),
    Row(
        "B20 fastCopy and fastCheck may agree",
        lambda: repository("fastCopy: true, fastCheck: true").copy.fast_copy,
        True,
    ),
    Row(
        "B4 referrerFilters",
        lambda: repository("referrerFilters: [{artifactType: a}, {annotations: {k: v, l: }}]").copy.referrer_filters,
        (ReferrerFilter("a"), ReferrerFilter("", (("k", "v"), ("l", "")))),
    ),
    Row(
        "B4 referrerSource and referrerTarget",
        lambda: (
            repository("referrerSource: r:1/s").copy.referrer_source,
            repository("referrerTarget: r:1/t").copy.referrer_target,
        ),
        (Repository("r:1", "s"), Repository("r:1", "t")),
    ),
    Row("B4 backup stays a template", lambda: repository("backup: 'b-{{.Ref.Tag}}'").copy.backup, "b-{{.Ref.Tag}}"),
    Row("B4 schedule", lambda: repository("schedule: '15 01 * * *'").timing.schedule, "15 01 * * *"),
    Row("B5.2 schedule wins", lambda: repository("interval: 1h, schedule: '@daily'").timing.interval_s, 0.0),
    Row("B4 ratelimit.min", lambda: repository("ratelimit: {min: 9}").timing.ratelimit_min, 9),
    Row("B4 ratelimit.retry", lambda: repository("ratelimit: {retry: 9m}").timing.ratelimit_retry_s, 540.0),
    Row("B4 ratelimit.retry is 5 minutes", lambda: repository().timing.ratelimit_retry_s, 300.0),
    Row("B4 mediaTypes", lambda: repository().copy.media_types, DEFAULT_MEDIA_TYPES),
    Row("B4 mediaTypes replace", lambda: repository(f"mediaTypes: [{OCI_INDEX}]").copy.media_types, (OCI_INDEX,)),
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
        "B9.1 patterns match whole names",
        lambda: selection(repository("tags: {allow: [v1|v2], deny: [x]}")).sets,
        (TagSet(allow=(TagPattern("v1|v2", anchored=True),), deny=(TagPattern("x", anchored=True),)),),
    ),
    Row(
        "B9.4 sets in the order of the file, then tags",
        lambda: [
            tag_set.allow[0].text
            for tag_set in selection(repository("tags: {allow: [c]}, tagSets: [{allow: [a]}, {allow: [b]}]")).sets
        ],
        ["a", "b", "c"],
    ),
    Row("B9.4 tags with empty lists are no set", lambda: selection(repository("tags: {allow: []}")).sets, ()),
    Row(
        "B9.10 empty ranges are skipped",
        lambda: [found.text for found in selection(repository("tags: {semverRange: ['', '>=1']}")).sets[0].semver],
        [">=1"],
    ),
    Row(
        "B10 the tag of a source repository does not matter",
        lambda: desired("sync: [{source: 'alpine:3', target: r:1/a, type: repository}]").entries[0].scope.source,
        Repository("docker.io", "library/alpine"),
    ),
    Row("regsync compares digests", lambda: repository().copy.comparison, Comparison.DIGEST),
]

INHERITANCE = [
    Row("B5.1 backup", lambda: repository("", "{backup: b}").copy.backup, "b"),
    Row("B5.1 an entry's backup wins", lambda: repository("backup: c", "{backup: b}").copy.backup, "c"),
    Row("B5.1 unlike regsync, empty switches it off", lambda: repository("backup: ''", "{backup: b}").copy.backup, ""),
    Row("B5.2 interval", lambda: repository("", "{interval: 1h}").timing.interval_s, 3600.0),
    Row("B5.2 schedule", lambda: repository("", "{interval: 1h, schedule: '@daily'}").timing.schedule, "@daily"),
    Row(
        "B5.2 an entry's interval beats the default schedule",
        lambda: repository("interval: 2h", "{interval: 1h, schedule: '@daily'}").timing.interval_s,
        7200.0,
    ),
    Row(
        "B5.2 an entry's schedule beats the default interval",
        lambda: repository("schedule: '@weekly'", "{interval: 1h, schedule: '@daily'}").timing.schedule,
        "@weekly",
    ),
    Row(
        "B5.2 unlike regsync, empty switches it off",
        lambda: repository("interval: ''", "{interval: 1h}").timing.interval_s,
        0.0,
    ),
    Row("B5.3 min", lambda: repository("ratelimit: {retry: 9m}", "{ratelimit: {min: 3}}").timing.ratelimit_min, 3),
    Row(
        "B5.3 retry",
        lambda: repository("ratelimit: {min: 9}", "{ratelimit: {retry: 9m}}").timing.ratelimit_retry_s,
        540.0,
    ),
    Row(
        "B5.3 retry is at least 5 minutes",
        lambda: repository("ratelimit: {retry: 1m}", "{ratelimit: {retry: 9m}}").timing.ratelimit_retry_s,
        300.0,
    ),
    Row("B5.3 so is the default", lambda: repository("", "{ratelimit: {retry: 1m}}").timing.ratelimit_retry_s, 300.0),
    Row(
        "B5.3 unlike regsync, 0 switches it off",
        lambda: repository("ratelimit: {min: 0}", "{ratelimit: {min: 3}}").timing.ratelimit_min,
        0,
    ),
    Row("B5.4 mediaTypes", lambda: repository("", f"{{mediaTypes: [{OCI_INDEX}]}}").copy.media_types, (OCI_INDEX,)),
    Row(
        "B5.4 mediaTypes replace",
        lambda: repository(f"mediaTypes: [{OCI_MANIFEST}]", f"{{mediaTypes: [{OCI_INDEX}]}}").copy.media_types,
        (OCI_MANIFEST,),
    ),
    Row(
        "B5.4 empty inherits",
        lambda: repository("mediaTypes: []", f"{{mediaTypes: [{OCI_INDEX}]}}").copy.media_types,
        (OCI_INDEX,),
    ),
    *(
        Row(f"B5.5 {key}", partial(copy_rule, name, "", f"{{{key}: true}}"), True)
        for key, name in (
            ("digestTags", "digest_tags"),
            ("referrers", "referrers"),
            ("fastCheck", "fast_copy"),
            ("fastCopy", "fast_copy"),
            ("forceRecursive", "force_recursive"),
            ("includeExternal", "include_external"),
        )
    ),
    Row(
        "B5.5 explicit false overrides",
        lambda: repository("referrers: false", "{referrers: true}").copy.referrers,
        False,
    ),
    Row(
        "B5.5 also by the other spelling",
        lambda: repository("fastCopy: false", "{fastCheck: true}").copy.fast_copy,
        False,
    ),
    Row(
        "B5.6 referrerFilters",
        lambda: repository("", "{referrerFilters: [{artifactType: a}]}").copy.referrer_filters,
        (ReferrerFilter("a"),),
    ),
    Row(
        "B5.6 an explicit [] means no filter",
        lambda: repository("referrerFilters: []", "{referrerFilters: [{artifactType: a}]}").copy.referrer_filters,
        (),
    ),
    Row(
        "B5.7 referrerSource",
        lambda: repository("", "{referrerSource: r:1/s}").copy.referrer_source,
        Repository("r:1", "s"),
    ),
    Row(
        "B5.7 each hook for itself",
        lambda: repository("hooks: {pre: {type: x}}", "{hooks: {post_sync: [{cmd: a}]}}").post_sync,
        (Hook(cmd="a"),),
    ),
    Row(
        "B5.7 an empty list switches hooks off",
        lambda: repository("hooks: {post_sync: []}", "{hooks: {post_sync: [{cmd: a}]}}").post_sync,
        (),
    ),
    Row(
        "an inherited value stands where the default is written",
        lambda: str(repository("", "{backup: b}").where("backup")),
        "c.yaml:1:21",
    ),
]


def texts(keys: str, defaults: str = "{}") -> dict[str, str]:
    """Load an entry whose source, target and so on are templates."""
    scope = desired(f"{{defaults: {defaults}, sync: [{{type: image, {keys}}}]}}").entries[0]
    assert isinstance(scope.scope, ImageScope)
    return {
        "source": str(scope.scope.source),
        "target": str(scope.scope.target),
        "referrerSource": str(scope.copy.referrer_source),
        "referrerTarget": str(scope.copy.referrer_target),
    }


def printed(name: str, keys: str, defaults: str) -> str:
    """Return the target that a template makes of one field of `.Sync`."""
    return texts(f"source: a, target: 'r:1/{{{{ .Sync.{name} }}}}', {keys}", defaults)["target"]


TEMPLATES = [
    Row(
        "B6.2 the target may use the source",
        lambda: texts("source: 'a/b:1', target: 'registry:5000/hub/{{ .Sync.Source }}'")["target"],
        "registry:5000/hub/a/b:1",
    ),
    Row(
        "B6.7 upstream's example",
        lambda: texts("source: 'gcr.io/a/b:1', target: 'r:1/{{ index (split .Sync.Source \"gcr.io/\") 1 }}'")["target"],
        "r:1/a/b:1",
    ),
    Row(
        "B6.7 env", lambda: texts("source: a, target: '{{env \"HOST\"}}/a'")["target"], "registry.example.org/a:latest"
    ),
    *(
        Row(
            f"B6.2 .Sync.{name}",
            partial(printed, name, keys, defaults),
            f"r:1/{shown}:latest",
        )
        for name, keys, defaults, shown in (
            ("Source", "", "{}", "a"),
            ("Type", "", "{}", "image"),
            ("Backup", "", "{backup: b}", "b"),
            ("Interval", "interval: 90s", "{}", "1m30s"),
            ("Interval", "", "{interval: 60m}", "1h0m0s"),
            ("Platform", "platform: linux/amd64", "{}", "linux/amd64"),
            ("Referrers", "referrers: true", "{}", "true"),
            ("RateLimit.Min", "ratelimit: {min: 4}", "{}", "4"),
            ("ReferrerSrc", "referrerSource: r/s", "{}", "r/s"),
        )
    ),
    Row(
        "B6.2 lists of an entry",
        lambda: texts(
            "source: a, target: 'r:1/{{ join .Sync.Platforms \"-\" }}/{{ index .Sync.Tags.Allow 0 }}', "
            "platforms: [linux/amd64], tags: {allow: [x]}"
        )["target"],
        "r:1/linux/amd64/x:latest",
    ),
    Row(
        "B6.3 referrerTarget sees the target raw, and the others expanded",
        lambda: texts(
            "source: '{{ \"docker.io/a\" }}', target: 'r:1/{{ \"b\" }}', referrerSource: 'r:1/{{ \"c\" }}', "
            "referrerTarget: 'r:1/{{ len .Sync.Source }}-{{ len .Sync.ReferrerSrc }}-{{ len .Sync.Target }}'"
        )["referrerTarget"],
        "r:1/11-5-13",
    ),
    Row(
        "B6.3 referrerSource sees what comes later raw",
        lambda: texts("source: a, target: 'r:1/{{ \"b\" }}', referrerSource: 'r:1/{{ len .Sync.Target }}'")[
            "referrerSource"
        ],
        "r:1/13",
    ),
    Row(
        "B6.3 expansion is not recursive",
        lambda: texts('source: a, target: \'r:1/{{ len (print "{{" "}}") }}\'')["target"],
        "r:1/4:latest",
    ),
    Row(
        "B6.2 inherited defaults are applied before",
        lambda: texts("source: a, target: 'r:1/{{ .Sync.ReferrerTgt }}'", "{referrerTarget: t/u}")["target"],
        "r:1/t/u:latest",
    ),
    Row(
        "B6.6 there is no $VAR",
        lambda: host("user: $HOST, pass: x").credential,
        Credential(user="$HOST", password=Secret("x")),
    ),
]

IMGLIFE = [
    Row("A4 a mapping under sync is imglife's", lambda: desired("sync: {entries: []}").dialect, Dialect.IMGLIFE),
    Row("A3 so is a file with its sections only", lambda: desired("registry: {}").dialect, Dialect.IMGLIFE),
    Row("a list under sync is regsync's", lambda: desired("{sync: [], retention: {}}").dialect, Dialect.REGSYNC),
    Row(
        "A4 tag",
        lambda: str(imglife("tag: '3.21.3'").scope),
        str(
            ImageScope(
                Repository("docker.io", "library/alpine").tag("3.21.3"),
                Repository("registry.example.org", "alpine").tag("3.21.3"),
            )
        ),
    ),
    Row(
        "A4.5 tag_regex is searched anywhere",
        lambda: selection(imglife("tag_regex: 'v1|v2'")),
        Selection((TagSet(allow=(TagPattern("v1|v2", anchored=False),)),)),
    ),
    Row("A4 keep_last", lambda: selection(imglife("tag_regex: a, keep_last: 3")).keep_last, 3),
    Row("A4.4 keep_last 0 keeps all", lambda: selection(imglife("tag_regex: a, keep_last: 0")).keep_last, 0),
    Row("A6 os_normalize", lambda: imglife("tag: a, os_normalize: true").os_normalize, True),
    Row("A6.1 off by default", lambda: imglife().os_normalize, False),
    Row("A7.1 a tag that exists is left", lambda: imglife().copy.comparison, Comparison.EXISTENCE),
    Row(
        "A7.1 check_digest: false", lambda: imglife("tag: a, check_digest: false").copy.comparison, Comparison.EXISTENCE
    ),
    Row("A7.2 check_digest: true", lambda: imglife("tag: a, check_digest: true").copy.comparison, Comparison.DIGEST),
    Row(
        "A7.3 sync.platforms",
        lambda: imglife(sync="platforms: [linux/amd64],").copy.platforms,
        PlatformRule((AMD64,)),
    ),
    Row(
        "A7.3 an entry's platforms replace",
        lambda: imglife("tag: a, platforms: [linux/arm64]", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule((ARM64,)),
    ),
    Row(
        "A7.3 an explicit empty list copies everything",
        lambda: imglife("tag: a, platforms: []", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule(),
    ),
    Row(
        "A7.3 null is absent",
        lambda: imglife("tag: a, platforms: ", "platforms: [linux/amd64],").copy.platforms,
        PlatformRule((AMD64,)),
    ),
    Row(
        "A8 lifecycle",
        lambda: imglife("tag: a, lifecycle: {product: go, track: major}").lifecycle,
        LifecycleRule(product="go", track="major"),
    ),
    Row(
        "A8 track is minor", lambda: imglife("tag: a, lifecycle: {product: go}").lifecycle, LifecycleRule(product="go")
    ),
    Row(
        "A8 extract is track",
        lambda: imglife("tag: a, lifecycle: {product: go, extract: major}").lifecycle,
        LifecycleRule(product="go", track="major"),
    ),
    Row(
        "A9 hooks of an entry",
        lambda: (
            imglife(
                "tag: a, hooks: {post_sync: [{cmd: a}, {cmd: b, timeout: 1.5s, continue_on_error: true}]}"
            ).post_sync
        ),
        (Hook(cmd="a", timeout_s=60.0), Hook(cmd="b", timeout_s=1.5, continue_on_error=True)),
    ),
    Row(
        "A9 hooks at the end",
        lambda: desired("sync: {hooks: {post_sync: [{cmd: a}]}, entries: []}").post_sync,
        (Hook(cmd="a"),),
    ),
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


ROWS = [*LOADING, *WARNINGS, *CREDS, *DEFAULTS, *ENTRIES, *INHERITANCE, *TEMPLATES, *IMGLIFE, *BOTH]


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
        f"c.yaml:1:7: the environment variable IMGLIFE_SYNC_PARALLELISM is {value!r}; "
        "expected a whole number of at least 1"
    )


def test_secrets_are_nowhere_but_in_secret() -> None:
    """Neither the loaded configuration nor anything about it shows a password, token or key."""
    found = desired(
        "creds: [{registry: 'r:1', user: u, pass: hunter2, token: hunter3, clientCert: c, clientKey: hunter4}]"
    )
    assert "hunter" not in repr(found)
    assert "hunter" not in str(found)
    assert found.hosts[0].credential == Credential(user="u", password=Secret("hunter2"), token=Secret("hunter3"))
