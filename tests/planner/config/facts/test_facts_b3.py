"""Facts B3, how regsync reads YAML."""

from functools import partial

from support.config_facts import (
    Row,
    desired,
    each,
    errors,
    host,
    image,
    patterns,
    repository,
    warnings,
)
from transship_planner.config.durations import parse_duration
from transship_planner.desired import Dialect, PlatformRule
from transship_registry.hosts import HelperSettings, TlsMode
from transship_registry.platform import Platform

UNKNOWN_KEY = "| unknown key | different | an error with a suggestion; regsync ignores it."
KEY_TWICE = "| key given twice | different | an error; in regsync the last one wins |"
AT_LOAD = "| patterns, ranges, references, schedules, types | better | checked when the file is loaded"
WANTS_QUOTES = "| unquoted `3.10` as a tag | better | read as `3.1`, as there, and warned about |"
CRED_EXPIRE = "| `creds[].credExpire` | better | a duration as documented (`1h15m`), or nanoseconds"

IMAGE = "source: a, target: r:1/a, type: image"
NOTHING = "there are no entries under 'sync': nothing is mirrored"


def interval(text: str) -> float:
    return image(f"interval: {text}").timing.interval_s


def tls(text: str) -> TlsMode:
    return host(f"tls: '{text}'").tls


ROWS = [
    Row(
        "B3.1",
        "an unknown key at the top",
        lambda: errors("verison: 1"),
        ["1:1: unknown key 'verison' at the top level; did you mean 'version'?"],
        UNKNOWN_KEY,
    ),
    Row(
        "B3.1",
        "an unknown key in creds",
        lambda: errors("creds: [{registry: r:1, mirors: []}]"),
        ["1:25: unknown key 'mirors' in creds[0]; did you mean 'mirrors'?"],
        UNKNOWN_KEY,
    ),
    Row(
        "B3.1",
        "an unknown key in defaults",
        lambda: errors("defaults: {intervall: 1h}"),
        ["1:12: unknown key 'intervall' in defaults; did you mean 'interval'?"],
        UNKNOWN_KEY,
    ),
    Row(
        "B3.1",
        "an unknown key in a table of an entry",
        lambda: errors(f"sync: [{{{IMAGE}, ratelimit: {{mim: 3}}}}]"),
        ["1:60: unknown key 'mim' in sync[0].ratelimit; did you mean 'min'?"],
        UNKNOWN_KEY,
    ),
    Row(
        "B3.1",
        "a key given twice",
        lambda: errors("{version: 1, version: 0}"),
        ["1:14: the key 'version' is given twice; it already stands on line 1"],
        KEY_TWICE,
    ),
    Row(
        "B3.1",
        "x- keys are the user's own, everywhere",
        lambda: (
            desired(
                "{x-a: 1, creds: [{x-b: 1, registry: r:1}], defaults: {x-c: 1, ratelimit: {x-d: 1}}, "
                "sync: [{source: a, target: r:1/a, type: repository, x-e: 1, tags: {x-f: 1}, hooks: {x-g: 1}}]}"
            ).warnings
        ),
        (),
    ),
    Row(
        "B3.1",
        "an alias stands for its anchor",
        lambda: (
            desired("{x-a: &a [linux/amd64], sync: [{source: a, target: r:1/a, type: image, platforms: *a}]}")
            .entries[0]
            .copy.platforms
        ),
        PlatformRule((Platform("linux", "amd64"),)),
    ),
    Row(
        "B3.1",
        "a local key overrides a merged one, wherever it stands",
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
        "B3.1",
        "of several merged mappings the first one wins",
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
    Row("B3.2", "an empty document wants nothing", lambda: desired("").entries, ()),
    Row("B3.2", "and says so", lambda: warnings(""), ["the configuration is empty: nothing is mirrored"]),
    Row(
        "B3.2",
        "comments only are empty",
        lambda: warnings("# x\n"),
        ["the configuration is empty: nothing is mirrored"],
    ),
    Row("B3.3", "no version is version 1", lambda: desired("defaults: {}").dialect, Dialect.REGSYNC),
    Row("B3.3", "version 0 is accepted", lambda: warnings("version: 0"), [NOTHING]),
    Row("B3.3", "version 1 is accepted", lambda: warnings("version: 1"), [NOTHING]),
    Row(
        "B3.3",
        "version 2 is not supported",
        lambda: errors("version: 2"),
        ["1:10: unsupported config version 2; the newest is 1"],
    ),
    Row(
        "B3.3",
        "a version that is no number",
        lambda: errors("version: v1"),
        ["1:10: version: expected a whole number of at least 0, found the string 'v1'"],
    ),
    Row(
        "B3.4",
        "yes is no boolean",
        lambda: errors("defaults: {referrers: yes}"),
        ["1:23: defaults.referrers: expected true or false, found the string 'yes'; write true"],
    ),
    Row(
        "B3.4",
        "no is no boolean",
        lambda: errors("creds: [{registry: r:1, repoAuth: no}]"),
        ["1:35: creds[0].repoAuth: expected true or false, found the string 'no'; write false"],
    ),
    Row("B3.4", "yes and no are strings", lambda: patterns(repository("tags: {allow: [yes, no]}")), ["yes", "no"]),
    Row("B3.5", "a number is taken as text", lambda: patterns(repository("tags: {allow: [3]}")), ["3"]),
    Row("B3.5", "a boolean is taken as text", lambda: patterns(repository("tags: {allow: [true]}")), ["true"]),
    Row("B3.5", "unquoted 3.10 is 3.1", lambda: patterns(repository("tags: {allow: [3.10]}")), ["3.1"]),
    Row("B3.5", "unquoted 1.0 is 1", lambda: patterns(repository("tags: {allow: [1.0]}")), ["1"]),
    Row("B3.5", "quoted 3.10 is 3.10", lambda: patterns(repository("tags: {allow: ['3.10']}")), ["3.10"]),
    Row(
        "B3.5",
        "a tag !!str makes a string of a number",
        lambda: patterns(repository("tags: {allow: [!!str 3.10]}")),
        ["3.10"],
    ),
    Row(
        "B3.5",
        "unquoted 3.10 is warned about",
        lambda: warnings("sync: [{source: a, target: r:1/a, type: repository, tags: {allow: [3.10]}}]"),
        ['sync[0].tags.allow[0]: 3.10 without quotes is read as 3.1; write "3.10" if that is meant'],
        WANTS_QUOTES,
    ),
    Row(
        "B3.5",
        "an octal is warned about, and a secret stays one",
        lambda: warnings("{creds: [{registry: r:1, user: u, pass: 0123}], sync: []}"),
        ["creds[0].pass without quotes is read as another text; put it in quotes", NOTHING],
        WANTS_QUOTES,
    ),
    Row("B3.6", "a numeric string is an integer", lambda: desired("defaults: {parallel: '3'}").parallel, 3),
    Row("B3.6", "a tag !!int does the same", lambda: desired("defaults: {parallel: !!int '3'}").parallel, 3),
    Row("B3.6", "a float is truncated", lambda: desired("defaults: {parallel: 2.7}").parallel, 2),
    Row(
        "B3.6",
        "and warned about",
        lambda: warnings(f"{{defaults: {{parallel: 2.7}}, sync: [{{{IMAGE}}}]}}"),
        ["defaults.parallel: 2.7 is read as 2"],
    ),
    *(
        Row("B3.7", text, partial(interval, text), seconds)
        for text, seconds in (("90s", 90.0), ("1h15m", 4500.0), ("1.5h", 5400.0), ("1500ms", 1.5))
    ),
    Row(
        "B3.7",
        "a bare number is no interval",
        lambda: errors("defaults: {interval: 90}"),
        ["1:22: defaults.interval: '90' has no unit; write '90s' for seconds or '90m' for minutes"],
    ),
    Row(
        "B3.7",
        "nor a ratelimit.retry",
        lambda: errors(f"sync: [{{{IMAGE}, ratelimit: {{retry: 300}}}}]"),
        ["1:67: sync[0].ratelimit.retry: '300' has no unit; write '300s' for seconds or '300m' for minutes"],
    ),
    Row(
        "B3.7",
        "nor a cacheTime",
        lambda: errors("defaults: {cacheTime: 5}"),
        ["1:23: defaults.cacheTime: '5' has no unit; write '5s' for seconds or '5m' for minutes"],
    ),
    Row("B3.7", "every unit of Go's", lambda: parse_duration("1h1m1s1ms1us1µs1μs1ns"), 3_661_001_003_001),
    Row(
        "B3.8",
        "nanoseconds",
        lambda: host("credHelper: h, credExpire: 60000000000").helper,
        HelperSettings(program="h", host="registry.example.org", expire_s=60.0),
    ),
    Row(
        "B3.8",
        "a duration too",
        lambda: host("credHelper: h, credExpire: 1h15m").helper,
        HelperSettings(program="h", host="registry.example.org", expire_s=4500.0),
        CRED_EXPIRE,
    ),
    *(
        Row("B3.9", f"{text or 'empty'} is a value of tls", partial(tls, text), mode)
        for text, mode in (
            ("enabled", TlsMode.ENABLED),
            ("insecure", TlsMode.INSECURE),
            ("disabled", TlsMode.DISABLED),
            ("DISABLED", TlsMode.DISABLED),
            ("Insecure", TlsMode.INSECURE),
            ("", TlsMode.ENABLED),
        )
    ),
    Row(
        "B3.9",
        "any other one is refused",
        lambda: errors("creds: [{registry: r:1, tls: on}]"),
        ["1:30: creds[0].tls: expected 'enabled', 'insecure' or 'disabled', found the string 'on'"],
    ),
    Row(
        "B3.10",
        "a type",
        lambda: errors("sync: [{source: a, target: r:1/a, type: images}]"),
        [
            "1:41: sync[0].type: expected 'registry', 'repository' or 'image', found the string 'images'; "
            "did you mean 'image'?"
        ],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a reference",
        lambda: errors("sync: [{source: A, target: r:1/a, type: image}]"),
        ["1:17: sync[0].source: reference 'A': repository 'library/A' must be lowercase"],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a pattern",
        lambda: errors("sync: [{source: a, target: r:1/a, type: repository, tags: {allow: ['(']}}]"),
        ["1:68: sync[0].tags.allow[0]: pattern '(' is not a regular expression (RE2): a '(' is not closed"],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a range",
        lambda: errors("sync: [{source: a, target: r:1/a, type: repository, tags: {semverRange: ['>>1']}}]"),
        [
            "1:74: sync[0].tags.semverRange[0]: semver range '>>1': "
            "expected a version such as 1.2.3 or 1.x at position 2, found '>'"
        ],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a schedule",
        lambda: errors(f"sync: [{{{IMAGE}, schedule: '0 15 1 * * *'}}]"),
        [
            "1:58: sync[0].schedule: '0 15 1 * * *' has 6 fields; "
            "expected 5: minute, hour, day of month, month, day of week"
        ],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a platform",
        lambda: errors(f"sync: [{{{IMAGE}, platform: amd64}}]"),
        [
            "1:58: sync[0].platform: platform 'amd64' is malformed: "
            "expected os/architecture[/variant], e.g. linux/amd64 or linux/arm/v7"
        ],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "a media type that no manifest has is only warned about",
        lambda: warnings(f"sync: [{{{IMAGE}, mediaTypes: [application/vnd.oci.image.index.v2+json]}}]"),
        [
            "sync[0].mediaTypes[0]: 'application/vnd.oci.image.index.v2+json' is no media type of a manifest; "
            "did you mean 'application/vnd.oci.image.index.v1+json'?"
        ],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "source",
        lambda: errors("sync: [{target: r:1/a, type: image}]"),
        ["1:8: sync[0] lacks 'source'"],
        AT_LOAD,
    ),
    Row(
        "B3.10",
        "target",
        lambda: [said.partition(": ")[2][:21] for said in errors("sync: [{source: a, type: image}]")],
        ["sync[0] lacks 'target"],
        AT_LOAD,
    ),
]


@each(ROWS)
def test_yaml_is_read_as_the_facts_say(row: Row) -> None:
    """What is loaded, warned about or refused is what the fact of this row says."""
    assert row.seen() == row.expected
