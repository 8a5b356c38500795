"""Facts B6, templates: what is expanded, in which order, over which data, and by which functions."""

import json
from functools import partial

from support.config_facts import (
    Row,
    desired,
    each,
    errors,
    expanded,
    expanded_in_entry,
    host,
    image,
    patterns,
    repository,
    warnings,
)
from transship_planner.desired import ImageScope
from transship_registry.hosts import Credential, HelperSettings, HostSettings
from transship_registry.reference import Reference
from transship_registry.secret import Secret

LANGUAGE = "| templates | same | Go's language and regsync's functions"
MALFORMED = "a malformed name is an error when the file is loaded"
UNREADABLE_FILE = (
    "| `file` of a file that cannot be read | better | nothing, as there, and warned about where `creds` ask for it |"
)
TARGET = Reference.parse("registry.example.org/team/app:v1")


def texts(keys: str, defaults: str = "{}") -> dict[str, str]:
    """Return the four texts of an entry that are expanded when the file is loaded."""
    entry = desired(f"{{defaults: {defaults}, sync: [{{type: image, {keys}}}]}}").entries[0]
    assert isinstance(entry.scope, ImageScope)
    return {
        "source": str(entry.scope.source),
        "target": str(entry.scope.target),
        "referrerSource": str(entry.copy.referrer_source),
        "referrerTarget": str(entry.copy.referrer_target),
    }


def kept(backup: str, target: Reference = TARGET, **fields: object) -> str:
    """Return where the image of a target is kept before it is overwritten."""
    entry = {"source": "a:1", "target": "r:1/a:1", "type": "image", "backup": backup, **fields}
    rule = desired(json.dumps({"sync": [entry]})).entries[0].backup
    assert rule is not None
    return str(rule.reference_for(target))


WHAT = [
    Row(
        "B6.1",
        "of creds: registry, user, pass, regcert",
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
        "B6.1",
        "of creds: clientCert and clientKey",
        lambda: [
            (settings.client_certificate, settings.client_key)
            for settings in [host("clientCert: '{{env \"HOST\"}}', clientKey: '{{env \"PASSWORD\"}}'")]
        ],
        [("registry.example.org", Secret("hunter2"))],
    ),
    Row("B6.1", "creds have no data", lambda: expanded("{{ .Sync }}"), "<no value>"),
    Row(
        "B6.1",
        "of entries: source, referrerSource, target and referrerTarget",
        lambda: texts(
            "source: '{{ \"a\" }}', referrerSource: 'r:1/{{ \"b\" }}', target: 'r:1/{{ \"c\" }}', "
            "referrerTarget: 'r:1/{{ \"d\" }}'"
        ),
        {
            "source": "docker.io/library/a:latest",
            "referrerSource": "r:1/b",
            "target": "r:1/c:latest",
            "referrerTarget": "r:1/d",
        },
    ),
    Row("B6.1", "backup waits", lambda: image("backup: 'b-{{.Ref.Tag}}'").copy.backup, "b-{{.Ref.Tag}}"),
    Row(
        "B6.1",
        "not hostname",
        lambda: errors("creds: [{registry: r:1, hostname: '{{env \"HOST\"}}'}]"),
        ["1:35: creds[0].hostname: registry name '{{env \"HOST\"}}' is malformed: expected host[:port]"],
        MALFORMED,
    ),
    Row("B6.1", "not token", lambda: host("token: '{{t}}'").credential, Credential(token=Secret("{{t}}"))),
    Row(
        "B6.1",
        "not credHelper and credHost",
        lambda: host("credHost: '{{env \"HOST\"}}', credHelper: '{{h}}'").helper,
        HelperSettings(program="{{h}}", host='{{env "HOST"}}'),
    ),
    Row(
        "B6.1",
        "not mirrors",
        lambda: errors("creds: [{registry: r:1, mirrors: ['{{h}}']}]"),
        ["1:35: creds[0].mirrors[0]: registry name '{{h}}' is malformed: expected host[:port]"],
        MALFORMED,
    ),
    Row("B6.1", "not tags", lambda: patterns(repository("tags: {allow: ['{{']}")), ["{{"]),
    Row(
        "B6.1",
        "not platform",
        lambda: errors("sync: [{source: a, target: r:1/a, type: image, platform: '{{p}}'}]"),
        [
            "1:58: sync[0].platform: platform '{{p}}' is malformed: "
            "expected os/architecture[/variant], e.g. linux/amd64 or linux/arm/v7"
        ],
    ),
    Row(
        "B6.1",
        "not schedule",
        lambda: errors("sync: [{source: a, target: r:1/a, type: image, schedule: '{{s}}'}]"),
        ["1:58: sync[0].schedule: '{{s}}' has 1 field; expected 5: minute, hour, day of month, month, day of week"],
    ),
]

FIELDS: tuple[tuple[str, str, dict[str, object], str], ...] = (
    ("Source", "{{ .Sync.Source }}", {}, "a"),
    ("Target", "{{ len .Sync.Target }}", {}, "28"),
    ("Type", "{{ .Sync.Type }}", {}, "image"),
    ("Backup", "{{ .Sync.Backup }}", {"backup": "b"}, "b"),
    ("Interval", "{{ .Sync.Interval }}", {"interval": "90s"}, "1m30s"),
    ("Schedule", "{{ len .Sync.Schedule }}", {"schedule": "@daily"}, "6"),
    ("Platform", "{{ len .Sync.Platform }}", {"platform": "linux/amd64"}, "11"),
    ("Platforms", "{{ len .Sync.Platforms }}", {"platforms": ["linux/amd64"]}, "1"),
    ("Tags", "{{ index .Sync.Tags.Allow 0 }}", {"tags": {"allow": ["x"]}}, "x"),
    ("Tags.Deny", "{{ index .Sync.Tags.Deny 0 }}", {"tags": {"deny": ["x"]}}, "x"),
    ("TagSets", "{{ len (index .Sync.TagSets 0).Allow }}", {"tagSets": [{"allow": ["x"]}]}, "1"),
    ("Repos", "{{ len .Sync.Repos.Allow }}", {"repos": {"allow": ["x"]}}, "1"),
    ("ReferrerSrc", "{{ len .Sync.ReferrerSrc }}", {"referrerSource": "r/s"}, "3"),
    ("ReferrerTgt", "{{ len .Sync.ReferrerTgt }}", {"referrerTarget": "r/t"}, "3"),
    ("Referrers", "{{ .Sync.Referrers }}", {"referrers": True}, "true"),
    ("FastCheck", "{{ .Sync.FastCheck }}", {"fastCopy": True}, "true"),
    ("RateLimit.Min", "{{ .Sync.RateLimit.Min }}", {"ratelimit": {"min": 4}}, "4"),
    ("RateLimit.Retry", "{{ .Sync.RateLimit.Retry }}", {"ratelimit": {"retry": "1m"}}, "5m0s"),
    ("MediaTypes", "{{ len .Sync.MediaTypes }}", {}, "4"),
)
"""Fields of `.Sync`, a template that shows one, what the entry has for it, and what is seen."""

DATA = [
    *(
        Row("B6.2", f".Sync.{name}", partial(expanded_in_entry, template, **fields), seen)
        for name, template, fields, seen in FIELDS
    ),
    Row(
        "B6.2",
        "names of YAML are no names of Go",
        lambda: errors("sync: [{source: a, target: 'r:1/{{.Sync.source}}', type: image}]"),
        [
            "1:28: sync[0].target: the template fails at line 1, column 12 of the text, in {{.Sync.source}}: "
            "can't evaluate field source in type ConfigSync"
        ],
    ),
    Row(
        "B6.2",
        "inherited defaults are applied before",
        lambda: texts(
            "source: a, target: 'r:1/{{ .Sync.ReferrerTgt }}/{{ .Sync.Interval }}'",
            "{referrerTarget: t/u, interval: 60m}",
        )["target"],
        "r:1/t/u/1h0m0s:latest",
    ),
    Row(
        "B6.3",
        "target sees the source expanded",
        lambda: texts("source: '{{ \"a/b\" }}:1', target: 'registry:5000/hub/{{ .Sync.Source }}'")["target"],
        "registry:5000/hub/a/b:1",
    ),
    Row(
        "B6.3",
        "source sees the target raw",
        lambda: texts("source: 'a/b{{ len .Sync.Target }}', target: 'r:1/{{ \"b\" }}'")["source"],
        "docker.io/a/b13:latest",
    ),
    Row(
        "B6.3",
        "referrerSource sees the target raw",
        lambda: texts("source: a, target: 'r:1/{{ \"b\" }}', referrerSource: 'r:1/{{ len .Sync.Target }}'")[
            "referrerSource"
        ],
        "r:1/13",
    ),
    Row(
        "B6.3",
        "referrerTarget sees the target raw, and the others expanded",
        lambda: texts(
            "source: '{{ \"docker.io/a\" }}', target: 'r:1/{{ \"b\" }}', referrerSource: 'r:1/{{ \"c\" }}', "
            "referrerTarget: 'r:1/{{ len .Sync.Source }}-{{ len .Sync.ReferrerSrc }}-{{ len .Sync.Target }}'"
        )["referrerTarget"],
        "r:1/11-5-13",
    ),
    Row(
        "B6.3",
        "expansion is not recursive",
        lambda: texts('source: a, target: \'r:1/{{ len (print "{{" "}}") }}\'')["target"],
        "r:1/4:latest",
    ),
    *(
        Row(
            "B6.4",
            f".Ref.{name}",
            partial(kept, f"b-{{{{ .Ref.{name} | len }}}}"),
            f"{TARGET.repository}:b-{length}",
        )
        for name, length in (
            ("Scheme", len("reg")),
            ("Reference", len(str(TARGET))),
            ("Registry", len("registry.example.org")),
            ("Repository", len("team/app")),
            ("Tag", len("v1")),
            ("Digest", 0),
            ("Path", 0),
        )
    ),
    Row(
        "B6.4",
        ".Ref of a layout",
        lambda: kept("{{.Ref.Scheme}}-{{.Ref.Path}}-{{.Ref.Tag}}", Reference.parse("ocidir://app:v1")),
        "ocidir://app:ocidir-app-v1",
    ),
    Row("B6.4", ".Sync", lambda: kept("b-{{ .Sync.Type }}"), f"{TARGET.repository}:b-image"),
    Row("B6.4", ".Step is .Sync", lambda: kept("b-{{ .Step.Type }}"), f"{TARGET.repository}:b-image"),
    Row("B6.4", "the result is trimmed", lambda: kept(" \n{{ .Ref.Tag }}-old \n"), f"{TARGET.repository}:v1-old"),
    Row(
        "B6.4",
        "a full reference",
        lambda: kept("r:2/kept/{{ .Ref.Repository }}:{{ .Ref.Tag }}"),
        "r:2/kept/team/app:v1",
    ),
    Row(
        "B6.5",
        "an unknown field",
        lambda: errors("sync: [{source: a, target: 'r:1/{{.Sync.Foo}}', type: image}]"),
        [
            "1:28: sync[0].target: the template fails at line 1, column 12 of the text, in {{.Sync.Foo}}: "
            "can't evaluate field Foo in type ConfigSync"
        ],
    ),
    Row(
        "B6.6",
        "there is no $VAR",
        lambda: host("user: $HOST, pass: '${PASSWORD}'").credential,
        Credential(user="$HOST", password=Secret("${PASSWORD}")),
    ),
]

FUNCTIONS = [
    *(
        Row(f"B6.7 {name}", template, partial(expanded, template), seen, LANGUAGE if name == "builtins" else "")
        for name, template, seen in (
            ("default", '{{ env "NOPE" | default "y" }}', "y"),
            ("default", '{{ env "HOST" | default "y" }}', "registry.example.org"),
            ("default", '{{ default "y" 0 }}-{{ default "y" false }}-{{ default "y" 1 }}', "y-y-1"),
            ("default", '{{ default "y" . }}', "y"),
            ("env", '{{ env "HOST" }}', "registry.example.org"),
            ("env", '{{ env "NOPE" }}u', "u"),
            ("file", '{{ file "/run/token" }}', "from-file"),
            ("file", '{{ file "/nowhere" }}u', "u"),
            ("join", '{{ join (split "a,b,c" ",") "-" }}', "a-b-c"),
            ("split", '{{ index (split "gcr.io/a/b" "gcr.io/") 1 }}', "a/b"),
            ("json", '{{ json "<a&b>" }}', '"<a&b>"\n'),
            ("json", '{{ json (split "a,b" ",") }}', '["a","b"]\n'),
            ("jsonPretty", '{{ jsonPretty (split "a,b" ",") }}', '[\n  "a",\n  "b"\n]\n'),
            ("printPretty", '{{ printPretty (split "a" ",") }}', '[\n  "a"\n]\n'),
            ("lower", '{{ lower "ABC" }}', "abc"),
            ("upper", '{{ upper "abc" }}', "ABC"),
            ("trimSpace", '{{ trimSpace " a " }}', "a"),
            ("time", '{{ ($t := time.Parse "2006-01-02" "2024-02-29") }}', "2024-02-29 00:00:00 +0000 UTC"),
            ("time", '{{ $t := time.Parse "2006-01-02" "2024-02-29" }}{{ $t.Year }}', "2024"),
            ("time", "{{ $t := time.Now }}{{ gt $t.Year 2000 }}", "true"),
            ("builtins", '{{ printf "%s-%03d" "a" 7 }}', "a-007"),
            ("builtins", '{{ slice "abcdef" 1 3 }}', "bc"),
            ("builtins", '{{ len "abc" }}', "3"),
            ("builtins", "{{ if and (eq 1 1) (ne 1 2) (not false) }}yes{{ else }}no{{ end }}", "yes"),
        )
    ),
    Row(
        "B6.7 split",
        "upstream's example",
        lambda: texts("source: 'gcr.io/a/b:1', target: 'r:1/{{ index (split .Sync.Source \"gcr.io/\") 1 }}'")["target"],
        "r:1/a/b:1",
    ),
    Row(
        "B6.7 file",
        "one that cannot be read is warned about in creds",
        lambda: warnings(
            "{creds: [{registry: r:1, user: u, pass: '{{file \"/nowhere\"}}'}], "
            "sync: [{source: a, target: r:1/a, type: image}]}"
        ),
        ["creds[0].pass is empty once its template is expanded"],
        UNREADABLE_FILE,
    ),
]


@each([*WHAT, *DATA, *FUNCTIONS])
def test_templates_expand_as_the_facts_say(row: Row) -> None:
    """What a template gives, or why it is refused, is what the fact of this row says."""
    assert row.seen() == row.expected
