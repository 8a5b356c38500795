"""Facts B4, `creds[]` and the top level: type, default and note of each key."""

from functools import partial

from support.config_facts import Row, desired, each, errors, host, warnings
from transship_registry.hosts import Credential, HelperSettings, HostSettings, TlsMode
from transship_registry.secret import Secret

MERGED = "| `creds` | same | two items for one registry are merged, the later wins |"
REGISTRY = "an item without `registry` is ignored with a warning; a malformed name is an error when the file is loaded"
ONE_OF_TWO = "one of `user` and `pass` without the other is warned about"
BLOB_CHUNK = "| `creds[].blobChunk` | different | 16 MiB when not given, instead of 1 MiB |"
CONCURRENT = "| `creds[].reqConcurrent` | different | 8 when not given, instead of 3"
NO_PEM = (
    "unusable certificates are an error that names the registry and the field; a text that is no PEM is warned about"
)
PRIORITY = "| `creds[].mirrors`, `creds[].priority` | better | the highest `priority` first"

ENTRY = "sync: [{source: a, target: r:1/a, type: image}]"


def registry(name: str) -> HostSettings:
    return desired(f"creds: [{{registry: '{name}'}}]").hosts[0]


def concurrent(keys: str) -> int:
    return host(keys).concurrent_requests


ROWS = [
    Row("B4 version", "is 1", lambda: errors("version: 1"), []),
    Row("B4 creds", "is a list", lambda: errors("creds: {}"), ["1:8: creds: expected a list, found a mapping"]),
    Row("B4 creds", "none", lambda: desired("version: 1").hosts, ()),
    Row(
        "B4 creds",
        "a registry given twice",
        lambda: desired("creds: [{registry: r:1, user: a, pass: a}, {registry: r:1, user: b, pass: b}]").hosts,
        (HostSettings(registry="r:1", credential=Credential(user="b", password=Secret("b"))),),
        MERGED,
    ),
    Row(
        "B4 defaults",
        "is a mapping",
        lambda: errors("defaults: []"),
        ["1:11: defaults: expected a mapping, found a list"],
    ),
    Row("B4 sync", "is a list", lambda: errors("sync: x"), ["1:7: sync: expected a list, found a string"]),
    Row("B4 creds.registry", "is the name in references", lambda: host().registry, "registry.example.org"),
    *(
        Row(
            "B4 creds.registry",
            f"{name} is Docker Hub",
            partial(registry, name),
            HostSettings(registry="docker.io"),
        )
        for name in ("docker.io", "registry-1.docker.io", "index.docker.io", "https://index.docker.io/v1/")
    ),
    Row(
        "B4 creds.registry",
        "an item without it is ignored",
        lambda: warnings(f"{{creds: [{{user: u, pass: p}}], {ENTRY}}}"),
        ["creds[0] has no 'registry' and is ignored"],
        REGISTRY,
    ),
    Row(
        "B4 creds.registry",
        "a malformed name",
        lambda: errors("creds: [{registry: 'r: 1'}]"),
        ["1:20: creds[0].registry: registry name 'r: 1' is malformed: expected host[:port]"],
        REGISTRY,
    ),
    Row(
        "B4 creds.registry",
        "of a URL the host counts",
        lambda: desired("creds: [{registry: 'https://registry.example.org/'}]").hosts[0],
        HostSettings(registry="registry.example.org"),
    ),
    Row(
        "B4 creds.registry",
        "of http:// the scheme counts too",
        lambda: desired("creds: [{registry: 'http://registry.example.org'}]").hosts[0],
        HostSettings(registry="registry.example.org", tls=TlsMode.DISABLED),
    ),
    Row(
        "B4 creds.registry",
        "a path in it does not count",
        lambda: warnings(f"{{creds: [{{registry: r:1/team}}], {ENTRY}}}"),
        ["creds[0].registry: only the host counts, not the path 'team'; use pathPrefix for repositories"],
    ),
    Row("B4 creds.hostname", "is where to connect", lambda: host("hostname: 'r:5000'").endpoint, "r:5000"),
    Row("B4 creds.hostname", "or else the registry", lambda: host().endpoint, "registry.example.org"),
    Row(
        "B4 creds.hostname",
        "or registry-1.docker.io",
        lambda: desired("creds: [{registry: docker.io}]").hosts[0].endpoint,
        "registry-1.docker.io",
    ),
    Row("B4 creds.user", "none", lambda: host().credential, None),
    Row(
        "B4 creds.user",
        "with a password",
        lambda: host("user: u, pass: p").credential,
        Credential(user="u", password=Secret("p")),
    ),
    Row(
        "B4 creds.user",
        "alone is no login",
        lambda: [given.login for given in [host("user: u").credential] if given],
        [None],
    ),
    Row(
        "B4 creds.user",
        "alone is warned about",
        lambda: warnings(f"{{creds: [{{registry: r:1, user: u}}], {ENTRY}}}"),
        ["creds[0].user has no effect without 'pass'"],
        ONE_OF_TWO,
    ),
    Row(
        "B4 creds.pass",
        "alone is warned about",
        lambda: warnings(f"{{creds: [{{registry: r:1, pass: p}}], {ENTRY}}}"),
        ["creds[0].pass has no effect without 'user'"],
        ONE_OF_TWO,
    ),
    Row(
        "B4 creds.token", "is no template", lambda: host("token: '{{t}}'").credential, Credential(token=Secret("{{t}}"))
    ),
    Row(
        "B4 creds.credHelper",
        "asks for the host it connects to, for an hour",
        lambda: host("credHelper: docker-credential-x, hostname: 'r:5000'").helper,
        HelperSettings(program="docker-credential-x", host="r:5000", expire_s=3600.0),
    ),
    Row("B4 creds.credHelper", "none", lambda: host().helper, None),
    Row(
        "B4 creds.credExpire",
        "is an hour",
        lambda: [
            helper.expire_s for keys in ("", ", credExpire: 0s") if (helper := host(f"credHelper: h{keys}").helper)
        ],
        [3600.0, 3600.0],
    ),
    Row(
        "B4 creds.credHost",
        "is the name the helper knows",
        lambda: host("credHelper: h, credHost: 'https://r/'").helper,
        HelperSettings(program="h", host="https://r/"),
    ),
    Row("B4 creds.tls", "is enabled", lambda: host().tls, TlsMode.ENABLED),
    Row(
        "B4 creds.tls",
        "also for localhost",
        lambda: desired("creds: [{registry: 'localhost:5000'}]").hosts[0].base_url,
        "https://localhost:5000",
    ),
    Row("B4 creds.regcert", "is text", lambda: host("regcert: PEM").ca, "PEM"),
    Row("B4 creds.regcert", "empty", lambda: host().ca, ""),
    *(
        Row(
            f"B4 creds.{key}",
            "is no path",
            partial(warnings, f"{{creds: [{{registry: r:1, {others}{key}: /etc/it.pem}}], {ENTRY}}}"),
            [f"""creds[0].{key} is no PEM text; a file is brought in by '{{{{file "PATH"}}}}'"""],
            NO_PEM,
        )
        for key, others in (
            ("regcert", ""),
            ("clientCert", "clientKey: '-----BEGIN x', "),
            ("clientKey", "clientCert: '-----BEGIN x', "),
        )
    ),
    Row(
        "B4 creds.clientCert",
        "with its key",
        lambda: (
            host("clientCert: C, clientKey: K").client_certificate,
            host("clientCert: C, clientKey: K").client_key,
        ),
        ("C", Secret("K")),
    ),
    Row(
        "B4 creds.clientCert",
        "needs its key",
        lambda: warnings(f"{{creds: [{{registry: r:1, clientCert: '-----BEGIN x'}}], {ENTRY}}}"),
        ["creds[0].clientCert has no effect without 'clientKey'"],
    ),
    Row(
        "B4 creds.clientKey",
        "needs its certificate",
        lambda: warnings(f"{{creds: [{{registry: r:1, clientKey: '-----BEGIN x'}}], {ENTRY}}}"),
        ["creds[0].clientKey has no effect without 'clientCert'"],
    ),
    Row("B4 creds.pathPrefix", "loses its outer slashes", lambda: host("pathPrefix: /a/b/").path_prefix, "a/b"),
    Row("B4 creds.pathPrefix", "empty", lambda: host().path_prefix, ""),
    Row(
        "B4 creds.mirrors",
        "under their canonical names",
        lambda: host("mirrors: ['m:5000', index.docker.io]").mirrors,
        ("m:5000", "docker.io"),
    ),
    Row("B4 creds.mirrors", "none", lambda: host().mirrors, ()),
    Row("B4 creds.priority", "is a rank", lambda: host("priority: 7").priority, 7, PRIORITY),
    Row("B4 creds.priority", "is 0", lambda: host().priority, 0),
    Row(
        "B4 creds.priority",
        "is not negative",
        lambda: errors("creds: [{registry: r:1, priority: -1}]"),
        ["1:35: creds[0].priority: expected a whole number of at least 0, found the number -1"],
    ),
    Row("B4 creds.repoAuth", "is false", lambda: host().repo_auth, False),
    Row("B4 creds.repoAuth", "true", lambda: host("repoAuth: true").repo_auth, True),
    Row(
        "B4 creds.repoAuth",
        "can only be switched on by merging",
        lambda: (
            desired("creds: [{registry: r:1, repoAuth: true}, {registry: r:1, repoAuth: false}]").hosts[0].repo_auth
        ),
        True,
    ),
    Row("B4 creds.apiOpts", "disableHead", lambda: host("apiOpts: {disableHead: true}").disable_head, True),
    Row("B4 creds.apiOpts", "disableHead in quotes", lambda: host("apiOpts: {disableHead: 'true'}").disable_head, True),
    Row("B4 creds.apiOpts", "disableHead off", lambda: host("apiOpts: {disableHead: '0'}").disable_head, False),
    Row("B4 creds.apiOpts", "is empty", lambda: host().disable_head, False),
    Row(
        "B4 creds.apiOpts",
        "disableHead is a boolean",
        lambda: errors("creds: [{registry: r:1, apiOpts: {disableHead: yes}}]"),
        ['1:34: creds[0].apiOpts.disableHead: expected "true" or "false", found \'yes\''],
    ),
    Row(
        "B4 creds.apiOpts",
        "other options are warned about",
        lambda: warnings(f"{{creds: [{{registry: r:1, apiOpts: {{x: y}}}}], {ENTRY}}}"),
        ["creds[0].apiOpts.x is unknown and has no effect"],
        "| `creds[].apiOpts` | same | `disableHead`; other options are warned about |",
    ),
    Row("B4 creds.blobChunk", "in bytes", lambda: host("blobChunk: 1048576").blob_chunk, 1048576),
    Row("B4 creds.blobChunk", "absent leaves the choice", lambda: host().blob_chunk, 0, BLOB_CHUNK),
    Row("B4 creds.blobMax", "in bytes", lambda: host("blobMax: 5000").blob_max, 5000),
    Row("B4 creds.blobMax", "is -1", lambda: host().blob_max, -1),
    Row("B4 creds.blobMax", "0 inherits -1", lambda: host("blobMax: 0").blob_max, -1),
    Row("B4 creds.reqPerSec", "is a decimal", lambda: host("reqPerSec: 0.5").requests_per_s, 0.5),
    Row("B4 creds.reqPerSec", "is unlimited", lambda: host().requests_per_s, 0.0),
    Row("B4 creds.reqConcurrent", "is a number", lambda: host("reqConcurrent: 9").concurrent_requests, 9),
    *(
        Row(
            "B4 creds.reqConcurrent",
            f"{keys or 'absent'} leaves the choice",
            partial(concurrent, keys),
            0,
            CONCURRENT,
        )
        for keys in ("", "reqConcurrent: 0", "reqConcurrent: -1")
    ),
    Row(
        "B4 creds.api",
        "is deprecated",
        lambda: warnings(f"{{creds: [{{registry: r:1, api: x}}], {ENTRY}}}"),
        ["creds[0].api is deprecated and has no effect; remove it"],
    ),
    Row(
        "B4 creds.scheme",
        "is deprecated",
        lambda: warnings(f"{{creds: [{{registry: r:1, scheme: http}}], {ENTRY}}}"),
        ["creds[0].scheme is deprecated and has no effect; write 'tls: disabled' for plain HTTP"],
    ),
    Row("B4 creds.scheme", "does not disable TLS", lambda: host("scheme: http").tls, TlsMode.ENABLED),
]


@each(ROWS)
def test_creds_mean_what_the_facts_say(row: Row) -> None:
    """What is loaded, warned about or refused is what the fact of this row says."""
    assert row.seen() == row.expected


def test_secrets_are_nowhere_but_in_secret() -> None:
    """Neither the loaded configuration nor anything about it shows a password, token or key."""
    found = desired(
        "creds: [{registry: 'r:1', user: u, pass: hunter2, token: hunter3, clientCert: c, clientKey: hunter4}]"
    )
    assert "hunter" not in repr(found)
    assert "hunter" not in str(found)
    assert found.hosts[0].credential == Credential(user="u", password=Secret("hunter2"), token=Secret("hunter3"))
