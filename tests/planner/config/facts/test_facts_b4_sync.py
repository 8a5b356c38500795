"""Facts B4, `defaults` and `sync[]`: type, default and note of each key."""

from functools import partial

from support.config_facts import Row, desired, each, errors, image, repository, selection, warnings
from transship_planner.desired import (
    Desired,
    Entry,
    ImageScope,
    PlatformRule,
    ReferrerFilter,
    RegistryScope,
    RepositoryScope,
)
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES, OCI_INDEX
from transship_registry.platform import Platform
from transship_registry.reference import Repository

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")

PARALLEL = "| `defaults.parallel` | different | how many images are copied at once, 8 when 0"
NO_CACHE = "| `defaults.cacheCount`, `defaults.cacheTime` | no effect |"
USER_AGENT = "| `defaults.userAgent` | same | the default is `transship` |"
UNKNOWN_KEY = "| unknown key | different | an error with a suggestion; regsync ignores it."
AT_LOAD = "| patterns, ranges, references, schedules, types | better | checked when the file is loaded"
GROUPED = "`sync[].tags.deny` | different | a pattern is grouped"
PLATFORMS = "| `sync[].platforms` | different | a new index with just these platforms"
BOTH_SPELLINGS = "both spellings are read, regsync's code knows `fastCheck` only"
NO_HOOKS = "| `sync[].hooks.pre`, `sync[].hooks.post`, `sync[].hooks.unchanged` | no effect | as there; warned about |"

FLAGS = (
    ("digestTags", "digest_tags"),
    ("referrers", "referrers"),
    ("fastCheck", "fast_copy"),
    ("forceRecursive", "force_recursive"),
    ("includeExternal", "include_external"),
)


def typed(kind: str, source: str, target: str, keys: str = "") -> Entry:
    return desired(f"sync: [{{source: '{source}', target: '{target}', type: {kind}, {keys}}}]").entries[0]


def of_defaults(keys: str, read: str) -> object:
    """Return one setting of a file with these defaults."""
    found: Desired = desired(f"defaults: {{{keys}}}")
    return getattr(found, read)


def rule(name: str, keys: str = "") -> object:
    """Return one of the rules for copying of an entry, by its name in `CopyRules`."""
    return getattr(image(keys).copy, name)


DEFAULTS = [
    Row("B4 defaults.parallel", "a number", lambda: of_defaults("parallel: 3", "parallel"), 3),
    Row("B4 defaults.parallel", "is 0", lambda: of_defaults("", "parallel"), 0, PARALLEL),
    Row("B4 defaults.skipDockerConfig", "is false", lambda: of_defaults("", "skip_docker_config"), False),
    Row(
        "B4 defaults.skipDockerConfig",
        "true",
        lambda: of_defaults("skipDockerConfig: true", "skip_docker_config"),
        True,
        "| `defaults.skipDockerConfig` | same | podman's login files are skipped, too |",
    ),
    Row("B4 defaults.cacheCount", "is 0", lambda: of_defaults("", "cache_count"), 0),
    Row("B4 defaults.cacheCount", "a number", lambda: of_defaults("cacheCount: 5", "cache_count"), 5, NO_CACHE),
    Row("B4 defaults.cacheTime", "is 0", lambda: of_defaults("", "cache_time_s"), 0.0),
    Row("B4 defaults.cacheTime", "a duration", lambda: of_defaults("cacheTime: 5m", "cache_time_s"), 300.0, NO_CACHE),
    Row("B4 defaults.blobLimit", "is 0", lambda: of_defaults("", "blob_limit"), 0),
    Row("B4 defaults.blobLimit", "bytes", lambda: of_defaults("blobLimit: 5", "blob_limit"), 5),
    Row("B4 defaults.userAgent", "the whole header", lambda: of_defaults("userAgent: us", "user_agent"), "us"),
    Row("B4 defaults.userAgent", "is our own", lambda: of_defaults("", "user_agent"), "", USER_AGENT),
    *(
        Row(
            f"B4 defaults.{key}",
            "is not inheritable",
            partial(errors, f"defaults: {{{key}: }}"),
            [f"1:12: defaults.{key} is not inherited by entries; write it in each entry"],
            UNKNOWN_KEY,
        )
        for key in ("platform", "platforms", "tags", "tagSets", "repos")
    ),
]

ENTRIES = [
    Row(
        "B4 sync.type",
        "image",
        lambda: typed("image", "alpine", "r:1/a:2").scope,
        ImageScope(Repository("docker.io", "library/alpine").tag("latest"), Repository("r:1", "a").tag("2")),
    ),
    Row(
        "B4 sync.type",
        "repository",
        lambda: typed("repository", "alpine", "r:1/a").scope,
        RepositoryScope(Repository("docker.io", "library/alpine"), Repository("r:1", "a"), Selection()),
    ),
    Row(
        "B4 sync.type",
        "registry",
        lambda: typed("registry", "r:1", "r:2/mirror/", "repos: {allow: [a.*], deny: [b]}, tags: {allow: [c]}").scope,
        RegistryScope(
            "r:1",
            "r:2/mirror",
            (TagPattern("a.*"),),
            (TagPattern("b"),),
            Selection((TagSet(allow=(TagPattern("c"),)),)),
        ),
    ),
    Row(
        "B4 sync.type",
        "a registry under a single name of Docker Hub",
        lambda: typed("registry", "r:1", "docker.io/team").scope.target,
        "docker.io/team",
    ),
    Row(
        "B4 sync.type",
        "is case-sensitive",
        lambda: errors("sync: [{source: a, target: r:1/a, type: Image}]"),
        [
            "1:41: sync[0].type: expected 'registry', 'repository' or 'image', found the string 'Image'; "
            "did you mean 'image'?"
        ],
        AT_LOAD,
    ),
    Row(
        "B4 sync.type",
        "is required",
        lambda: errors("sync: [{source: a, target: r:1/a}]"),
        ["1:8: sync[0] lacks 'type': 'image', 'repository' or 'registry'"],
        AT_LOAD,
    ),
    Row(
        "B4 sync.source",
        "is required",
        lambda: errors("sync: [{target: r:1/a, type: image}]"),
        ["1:8: sync[0] lacks 'source'"],
        AT_LOAD,
    ),
    Row(
        "B4 sync.target",
        "is required",
        lambda: [said.partition(": ")[2][:21] for said in errors("sync: [{source: a, target: , type: image}]")],
        ["sync[0] lacks 'target"],
        AT_LOAD,
    ),
    Row(
        "B4 sync.target",
        "may not be a digest",
        lambda: errors(f"sync: [{{source: a, target: r:1/a@sha256:{'a' * 64}, type: image}}]"),
        [f"1:28: sync[0].target: 'r:1/a@sha256:{'a' * 64}' names a digest; a target is a tag"],
        "a target with a digest is refused, because it would never set a tag",
    ),
    Row(
        "B4 sync.tags",
        "has allow, deny and semverRange",
        lambda: selection(repository("tags: {allow: [a], deny: [b], semverRange: ['>=1']}")).sets,
        (TagSet(SemverRange.parse_all([">=1"]), (TagPattern("a"),), (TagPattern("b"),)),),
        GROUPED,
    ),
    Row("B4 sync.tags", "is empty", lambda: selection(repository()).sets, ()),
    Row(
        "B4 sync.tagSets",
        "is a list of the same",
        lambda: selection(repository("tagSets: [{allow: [a]}, {deny: [b]}]")).sets,
        (TagSet(allow=(TagPattern("a"),)), TagSet(deny=(TagPattern("b"),))),
    ),
    Row("B4 sync.tagSets", "is empty", lambda: selection(repository("tagSets: []")).sets, ()),
    Row(
        "B4 sync.repos",
        "has allow and deny only",
        lambda: errors("sync: [{source: r:1, target: r:2, type: registry, repos: {semverRange: ['1']}}]"),
        ["1:59: unknown key 'semverRange' in sync[0].repos"],
        UNKNOWN_KEY,
    ),
    Row("B4 sync.repos", "is empty", lambda: getattr(typed("registry", "r:1", "r:2").scope, "allow"), ()),  # noqa: B009 -- only one kind of scope has it
    Row("B4 sync.platform", "is one", lambda: rule("platforms", "platform: linux/amd64"), PlatformRule((AMD64,), True)),
    Row("B4 sync.platform", "is empty", lambda: rule("platforms", "platform: ''"), PlatformRule()),
    Row(
        "B4 sync.platforms",
        "is a list",
        lambda: rule("platforms", "platforms: [linux/amd64, linux/arm64/v8, linux/arm64]"),
        PlatformRule((AMD64, ARM64)),
        PLATFORMS,
    ),
    Row("B4 sync.platforms", "is empty", lambda: rule("platforms"), PlatformRule()),
    *(Row(f"B4 sync.{key}", "is false", partial(rule, name), False) for key, name in FLAGS),
    *(Row(f"B4 sync.{key}", "true", partial(rule, name, f"{key}: true"), True) for key, name in FLAGS),
    Row("B4 sync.fastCheck", "is also fastCopy", lambda: rule("fast_copy", "fastCopy: true"), True, BOTH_SPELLINGS),
    Row(
        "B4 sync.fastCheck",
        "and fastCopy may agree",
        lambda: rule("fast_copy", "fastCopy: true, fastCheck: true"),
        True,
        BOTH_SPELLINGS,
    ),
    Row(
        "B4 sync.fastCheck",
        "and fastCopy may not disagree",
        lambda: errors("sync: [{source: a, target: r:1/a, type: image, fastCheck: true, fastCopy: false}]"),
        ["1:75: sync[0].fastCopy says the same thing as sync[0].fastCheck (line 1), differently; keep one"],
        BOTH_SPELLINGS,
    ),
    Row(
        "B4 sync.referrerSlow",
        "has no effect",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, referrerSlow: true}]"),
        ["sync[0].referrerSlow has no effect"],
    ),
    Row(
        "B4 sync.referrerFilters",
        "has types and annotations",
        lambda: rule("referrer_filters", "referrerFilters: [{artifactType: a}, {annotations: {k: v, l: }}]"),
        (ReferrerFilter("a"), ReferrerFilter("", (("k", "v"), ("l", "")))),
    ),
    Row("B4 sync.referrerFilters", "none", lambda: rule("referrer_filters"), ()),
    Row(
        "B4 sync.referrerSource",
        "is a repository",
        lambda: rule("referrer_source", "referrerSource: r:1/s"),
        Repository("r:1", "s"),
    ),
    Row("B4 sync.referrerSource", "is empty", lambda: rule("referrer_source"), None),
    Row(
        "B4 sync.referrerTarget",
        "is a repository",
        lambda: rule("referrer_target", "referrerTarget: r:1/t"),
        Repository("r:1", "t"),
    ),
    Row("B4 sync.referrerTarget", "is empty", lambda: rule("referrer_target"), None),
    Row("B4 sync.backup", "stays a template", lambda: rule("backup", "backup: 'b-{{.Ref.Tag}}'"), "b-{{.Ref.Tag}}"),
    Row("B4 sync.backup", "is empty", lambda: (rule("backup"), image().backup), ("", None)),
    Row("B4 sync.interval", "is a duration", lambda: image("interval: 1h").timing.interval_s, 3600.0),
    Row("B4 sync.interval", "none", lambda: image().timing.interval_s, 0.0),
    Row("B4 sync.schedule", "is cron's", lambda: image("schedule: '15 01 * * *'").timing.schedule, "15 01 * * *"),
    Row("B4 sync.schedule", "none", lambda: image().timing.schedule, ""),
    Row("B4 sync.ratelimit", "min", lambda: image("ratelimit: {min: 9}").timing.ratelimit_min, 9),
    Row("B4 sync.ratelimit", "retry", lambda: image("ratelimit: {retry: 9m}").timing.ratelimit_retry_s, 540.0),
    Row(
        "B4 sync.ratelimit",
        "is 0 and 5 minutes",
        lambda: (image().timing.ratelimit_min, image().timing.ratelimit_retry_s),
        (0, 300.0),
    ),
    Row("B4 sync.mediaTypes", "is the four", lambda: rule("media_types"), DEFAULT_MEDIA_TYPES),
    Row("B4 sync.mediaTypes", "replaces them", lambda: rule("media_types", f"mediaTypes: [{OCI_INDEX}]"), (OCI_INDEX,)),
    Row(
        "B4 sync.hooks",
        "of regsync never run",
        lambda: warnings(
            "sync: [{source: a, target: r:1/a, type: image, hooks: "
            "{pre: {type: exec, params: [x]}, post: {type: exec}, unchanged: {type: exec}}}]"
        ),
        [
            f"sync[0].hooks.{name} has never been run by regsync and is not run here; use hooks.post_sync"
            for name in ("pre", "post", "unchanged")
        ],
        NO_HOOKS,
    ),
    Row(
        "B4 sync.source",
        "may be a layout, and so may the target",
        lambda: typed("image", "ocidir://a:1", "ocidir:///b:2").scope,
        ImageScope(Repository.layout("a").tag("1"), Repository.layout("/b").tag("2")),
    ),
]


@each([*DEFAULTS, *ENTRIES])
def test_keys_mean_what_the_facts_say(row: Row) -> None:
    """What is loaded, warned about or refused is what the fact of this row says."""
    assert row.seen() == row.expected
