"""Facts B5, what entries inherit from `defaults`."""

from functools import partial

from support.config_facts import Row, each, image, repository, warnings
from transship_planner.desired import Hook, ReferrerFilter
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES, OCI_INDEX, OCI_MANIFEST
from transship_registry.reference import Repository

SAYS_NONE = 'what an entry says itself wins even if it says "none"'
NO_HOOKS = "| `sync[].hooks.pre`, `sync[].hooks.post`, `sync[].hooks.unchanged` | no effect | as there; warned about |"
BOTH_TIMES = "{interval: 1h, schedule: '@daily'}"
FLAGS = (
    ("digestTags", "digest_tags"),
    ("referrers", "referrers"),
    ("fastCheck", "fast_copy"),
    ("fastCopy", "fast_copy"),
    ("forceRecursive", "force_recursive"),
    ("includeExternal", "include_external"),
)


def rule(name: str, keys: str, defaults: str) -> object:
    """Return one of the rules for copying, by its name in `CopyRules`."""
    return getattr(image(keys, defaults).copy, name)


def times(keys: str, defaults: str) -> tuple[float, str]:
    """Return interval and schedule; the schedule wins, so that the interval beside it is 0."""
    timing = image(keys, defaults).timing
    return timing.interval_s, timing.schedule


def ratelimit(keys: str, defaults: str) -> tuple[int, float]:
    timing = image(keys, defaults).timing
    return timing.ratelimit_min, timing.ratelimit_retry_s


ROWS = [
    Row("B5.1", "backup", lambda: rule("backup", "", "{backup: b}"), "b"),
    Row("B5.1", "an entry's backup wins", lambda: rule("backup", "backup: c", "{backup: b}"), "c"),
    Row("B5.1", "empty switches it off", lambda: rule("backup", "backup: ''", "{backup: b}"), "", SAYS_NONE),
    Row("B5.2", "interval", lambda: times("", "{interval: 1h}"), (3600.0, "")),
    Row("B5.2", "schedule", lambda: times("", "{schedule: '@daily'}"), (0.0, "@daily")),
    Row("B5.2", "of both defaults schedule wins", lambda: times("", BOTH_TIMES), (0.0, "@daily")),
    Row("B5.2", "an entry's interval beats both", lambda: times("interval: 2h", BOTH_TIMES), (7200.0, "")),
    Row("B5.2", "an entry's schedule beats both", lambda: times("schedule: '@weekly'", BOTH_TIMES), (0.0, "@weekly")),
    Row(
        "B5.2",
        "of both in an entry schedule wins",
        lambda: times("interval: 1h, schedule: '@daily'", "{}"),
        (0.0, "@daily"),
    ),
    Row("B5.2", "empty switches both off", lambda: times("interval: ''", BOTH_TIMES), (0.0, ""), SAYS_NONE),
    Row("B5.3", "min", lambda: ratelimit("ratelimit: {retry: 9m}", "{ratelimit: {min: 3}}"), (3, 540.0)),
    Row("B5.3", "retry", lambda: ratelimit("ratelimit: {min: 9}", "{ratelimit: {retry: 9m}}"), (9, 540.0)),
    Row(
        "B5.3",
        "an entry's retry is raised to 5 minutes",
        lambda: ratelimit("ratelimit: {retry: 1m}", "{ratelimit: {retry: 9m}}"),
        (0, 300.0),
    ),
    Row("B5.3", "so is the default one", lambda: ratelimit("", "{ratelimit: {retry: 1m}}"), (0, 300.0)),
    Row(
        "B5.3",
        "which is warned about",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: image, ratelimit: {retry: 1m}}]"),
        ["sync[0].ratelimit.retry is raised to 5m, the shortest"],
    ),
    Row(
        "B5.3",
        "0 switches min off",
        lambda: ratelimit("ratelimit: {min: 0}", "{ratelimit: {min: 3}}"),
        (0, 300.0),
        SAYS_NONE,
    ),
    Row("B5.4", "mediaTypes", lambda: rule("media_types", "", f"{{mediaTypes: [{OCI_INDEX}]}}"), (OCI_INDEX,)),
    Row(
        "B5.4",
        "an entry's replace",
        lambda: rule("media_types", f"mediaTypes: [{OCI_MANIFEST}]", f"{{mediaTypes: [{OCI_INDEX}]}}"),
        (OCI_MANIFEST,),
    ),
    Row(
        "B5.4",
        "empty inherits",
        lambda: rule("media_types", "mediaTypes: []", f"{{mediaTypes: [{OCI_INDEX}]}}"),
        (OCI_INDEX,),
    ),
    Row(
        "B5.4",
        "empty in both is the built-in four",
        lambda: rule("media_types", "mediaTypes: []", "{mediaTypes: []}"),
        DEFAULT_MEDIA_TYPES,
    ),
    *(Row("B5.5", f"{key} unset", partial(rule, name, "", f"{{{key}: true}}"), True) for key, name in FLAGS),
    *(
        Row("B5.5", f"{key} false", partial(rule, name, f"{key}: false", f"{{{key}: true}}"), False)
        for key, name in FLAGS
    ),
    Row(
        "B5.5",
        "false by the other spelling",
        lambda: rule("fast_copy", "fastCopy: false", "{fastCheck: true}"),
        False,
    ),
    Row(
        "B5.6",
        "referrerFilters",
        lambda: rule("referrer_filters", "", "{referrerFilters: [{artifactType: a}]}"),
        (ReferrerFilter("a"),),
    ),
    Row(
        "B5.6",
        "an explicit [] means no filter",
        lambda: rule("referrer_filters", "referrerFilters: []", "{referrerFilters: [{artifactType: a}]}"),
        (),
    ),
    Row(
        "B5.7",
        "referrerSource",
        lambda: rule("referrer_source", "", "{referrerSource: r:1/s}"),
        Repository("r:1", "s"),
    ),
    Row(
        "B5.7",
        "referrerTarget",
        lambda: rule("referrer_target", "", "{referrerTarget: r:1/t}"),
        Repository("r:1", "t"),
    ),
    Row(
        "B5.7",
        "an empty one switches it off",
        lambda: rule("referrer_target", "referrerTarget: ''", "{referrerTarget: r:1/t}"),
        None,
        SAYS_NONE,
    ),
    Row(
        "B5.7",
        "each hook for itself",
        lambda: repository("hooks: {pre: {type: x}}", "{hooks: {post_sync: [{cmd: a}]}}").post_sync,
        (Hook(cmd="a"),),
        NO_HOOKS,
    ),
    Row(
        "B5.7",
        "an empty list switches hooks off",
        lambda: repository("hooks: {post_sync: []}", "{hooks: {post_sync: [{cmd: a}]}}").post_sync,
        (),
        SAYS_NONE,
    ),
    Row(
        "B5",
        "an inherited value stands where the default is written",
        lambda: str(repository("", "{backup: b}").where("backup")),
        "c.yaml:1:21",
    ),
]


@each(ROWS)
def test_entries_inherit_as_the_facts_say(row: Row) -> None:
    """What an entry has in the end is what the fact of this row says."""
    assert row.seen() == row.expected
