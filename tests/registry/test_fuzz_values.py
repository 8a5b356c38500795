"""Whatever strangers write, nothing comes of it but values and our own errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support import images
from support.http_client import BytesOrigin, FakeTime, Reply, blob_of, read_blob, scripted_client
from transship_registry.api.client import HttpRegistry
from transship_registry.api.links import MalformedLinkError, next_target
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, TransshipError, UnsupportedError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.http.origins import ForbiddenURLError, follow, printable, same_origin
from transship_registry.http.rate_limits import read_rate_limit, read_retry_after
from transship_registry.http.refusals import come_back, read_refusal
from transship_registry.login.auth import HostAuth
from transship_registry.login.challenges import parse_challenges
from transship_registry.login.login_files import parse_login_file
from transship_registry.login.scopes import pull
from transship_registry.manifest import Manifest, reduce_index
from transship_registry.mediatypes import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository, check_registry, check_tag
from transship_registry.secret import Secret

MANY_DIGITS = "9" * 5000
PASSWORD = "hunter2-hunter2"

# Text made of what the grammars are made of goes deeper than random text does.
pieces = st.sampled_from(
    [
        "a",
        "Z",
        "0",
        "library",
        "docker.io",
        "localhost",
        "[::1]",
        "xn--a",
        ":",
        ":5000",
        "/",
        "//",
        "@",
        ".",
        "..",
        "-",
        "_",
        "__",
        "sha256:",
        "0" * 64,
        "ocidir://",
        "http://",
        "%",
        "?",
        "#",
        " ",
        "\n",
        "\0",
        "\N{KELVIN SIGN}",
        "linux",
        "amd64",
        "/arm/v7",
        ",osver=",
        "10.0",
        "=",
        ",",
        ";",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "\ud800",
    ]
)
texts = st.text(max_size=60) | st.lists(pieces, max_size=10).map("".join)


@given(texts)
@example("@" * 1000)
@example("a/" * 500)
@example("[" + ":" * 300 + "]/a")
@example(f"a:{MANY_DIGITS}/b")
def test_text_is_a_value_or_an_invalid_reference(text: str) -> None:
    parsers: tuple[Callable[[str], object], ...] = (
        Reference.parse,
        Repository.parse,
        Repository.layout,
        Digest.parse,
        Platform.parse,
        check_tag,
        check_registry,
    )
    for parse in parsers:
        with suppress(InvalidReferenceError):
            value = parse(text)
            assert isinstance(value, str) or type(value).__name__ == "Repository" or parse(str(value)) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = ["schemaVersion", "mediaType", "config", "layers", "blobs", "manifests", "subject", "annotations"]
names += ["artifactType", "digest", "size", "platform", "os", "architecture", "os.version", "variant", "urls", "data"]
plausible = st.sampled_from([2, -1, 2**70, OCI_INDEX, OCI_MANIFEST, f"sha256:{'0' * 64}", "linux", "amd64", "a b"])
documents = st.recursive(
    plausible | json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=8),
    max_leaves=20,
)
REAL = [
    image.raw
    for image in (images.single(), images.with_attestations(), images.artifact(images.single()), images.schema1())
]
damaged = st.tuples(st.sampled_from(REAL), st.integers(0, 600), st.binary(max_size=4)).map(
    lambda damage: damage[0][: damage[1]] + damage[2] + damage[0][damage[1] + len(damage[2]) :]
)
manifests = st.binary(max_size=40) | documents.map(lambda document: json.dumps(document).encode()) | damaged
content_types = st.sampled_from([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, images.SCHEMA1_SIGNED, "", "text/html; x"])


@given(manifests, content_types | texts)
@example(b'{"manifests":' * 5000, OCI_INDEX)
@example(b'{"config":' + b'{"platform":' * 20000, OCI_MANIFEST)
@example(b'{"schemaVersion":' + MANY_DIGITS.encode() + b"}", OCI_INDEX)
def test_bytes_are_a_manifest_or_a_content_error(raw: bytes, content_type: str) -> None:
    with suppress(ContentError, UnsupportedError):
        manifest = Manifest.parse(raw, content_type, where="fuzz")
        assert manifest.digest == Digest.of(raw)
        for part in (*manifest.children, *manifest.blobs):
            assert part.size >= 0
            platform = part.normalised_platform
            assert platform is None or not platform.is_known or Platform.parse(str(platform)) == platform
        manifest.child_for(Platform.parse("linux/amd64"))
        if manifest.is_index:
            reduce_index(manifest, manifest.platforms[:1] or (Platform.parse("linux/amd64"),), where="fuzz")


header_pieces = st.sampled_from(
    [
        "<",
        ">",
        ";",
        ",",
        "=",
        '"',
        "\\",
        " ",
        "\t",
        "rel",
        "next",
        "/v2/a",
        "http://b.c/",
        "Bearer",
        "Basic",
        "realm",
        "service",
        "scope",
        "repository:a:pull",
        "https://auth.example/token",
        "a",
        "é",
        "\x7f",
        "%00",
        "abc==",
    ]
)
headers = st.text(max_size=60) | st.lists(header_pieces, max_size=20).map("".join)


@given(st.lists(headers, max_size=3))
@example(["<" * 30000])
@example(['<a>;rel="' + "\\" * 30000])
@example([";" * 30000])
@example(["<a>" + " ;" * 20000])
def test_a_link_header_leads_somewhere_or_is_malformed(found: list[str]) -> None:
    with suppress(MalformedLinkError):
        target = next_target(found)
        assert target is None or any(target in header for header in found)


@given(st.lists(headers, max_size=3))
@example(["a " * 20000])
@example(["a=" * 20000])
@example(["a" + " " * 40000])
@example(['Bearer realm="' + "\\" * 40000])
def test_challenges_are_read_whatever_they_are(found: list[str]) -> None:
    for challenge in parse_challenges(found):
        assert challenge.scheme
        assert challenge.scheme == challenge.scheme.lower()
        assert isinstance(challenge.get("realm"), str)


bodies = st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode())
token_members: list[object] = [PASSWORD, "t0ken", "t\n", "\N{SNOWMAN}", "", 0, -1, 1e300, 2**80, True, None, [], [{}]]
token_answers = st.dictionaries(
    st.sampled_from(["token", "access_token", "expires_in", "refresh_token", "errors", "error", "details"]),
    st.sampled_from(token_members),
)
statuses = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 405, 429, 500, 503])


def on_the_wire(text: str) -> bytes:
    """Return what of a text a server could send in a header."""
    return "".join(character for character in text if character.isprintable()).encode("latin-1", "ignore")


@given(st.lists(headers, max_size=2), st.lists(st.tuples(statuses, token_answers), max_size=4))
def test_a_login_ends_with_an_answer_or_with_our_error_and_tells_no_secret(
    challenges: list[str], answers: list[tuple[int, dict[str, object]]]
) -> None:
    credential = Credential(user="ann", password=Secret(PASSWORD))
    auth = HostAuth("https://r.example", credential, "test", lambda: 0.0)
    asked = httpx.Request("GET", "https://r.example/v2/a/manifests/1")
    challenge = httpx.Response(
        401, headers=[(b"WWW-Authenticate", on_the_wire(text)) for text in challenges], request=asked
    )
    flow = auth.handshake(challenge, [pull("a")])
    ending: Exception | None = None
    try:
        request = next(flow)
        for status, document in answers:
            assert request.url.scheme == "https"
            request = flow.send(httpx.Response(status, json=document, request=request))
    except (StopIteration, TransshipError) as error:
        ending = error
    finally:
        flow.close()
    assert PASSWORD not in str(ending)


@given(st.integers(100, 599), st.dictionaries(st.just("content-type"), texts), bodies)
@example(500, {}, b"[" * 100_000)
@example(500, {}, b'{"errors":' + b"[" * 100_000)
@example(500, {}, b"<Code>" * 10_000)
@example(500, {}, b"http://a?" * 10_000)
def test_a_refusal_is_one_short_line(status: int, fields: dict[str, str], body: bytes) -> None:
    line = read_refusal(status, fields, body).line
    assert line.startswith(f"HTTP {status} ")
    assert line.isprintable()
    assert len(line) < 400


numbers = st.integers().map(str) | st.floats().map(str) | st.sampled_from([MANY_DIGITS, "1;w=" + MANY_DIGITS, "1e5"])
dates = st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
oddities = st.sampled_from(["Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 99 Foo 2020 25:61:61 -9999", "0", "-0", "²", "٣"])


@given(texts | numbers | dates | oddities)
@example("67768036191676796")
@example("9" * 400)
def test_quotas_and_waits_are_read_or_ignored(text: str) -> None:
    quota = read_rate_limit({"ratelimit-remaining": text, "ratelimit-limit": text})
    assert quota is None or quota.remaining >= 0
    for name in ("retry-after", "x-retry-after"):
        asked_s = read_retry_after({name: text}, 1_700_000_000.0)
        assert asked_s is None or asked_s >= 0
        said = come_back(asked_s, 1_700_000_000.0)
        assert said.startswith("the registry asks ") if asked_s is not None else said == ""


url_pieces = st.sampled_from(
    [
        "http://",
        "https://",
        "//",
        "/",
        "ftp:",
        "r.example",
        "xn--",
        "xn--a.b",
        "[::1]",
        "[::::]",
        "127.0.0.1",
        "999.1.1.1",
        ":80",
        ":0",
        ":99999",
        "@",
        "u:p",
        "?",
        "#",
        "%",
        "%zz",
        "..",
        "\\",
        "\x00",
        " ",
        "é",
        "localhost.",
        "\ud800",
        "a",
    ]
)


@given(
    st.sampled_from(["https://r.example/v2/a", "http://127.0.0.1:5000/v2/"]), texts | st.lists(url_pieces).map("".join)
)
@example("https://r.example/", "a" * 100_000)
@example("https://r.example/", "https://xn--a/")
def test_a_location_is_followed_or_forbidden(base: str, target: str) -> None:
    home = httpx.URL(base)
    with suppress(ForbiddenURLError):
        url = follow(home, target)
        assert url.scheme == home.scheme or (home.scheme, url.scheme) == ("http", "https")
        assert printable(url).startswith(f"{url.scheme}://")
        assert isinstance(same_origin(home, url), bool)


login_names = st.sampled_from(["auths", "credHelpers", "credsStore", "auth", "username", "password", "identitytoken"])
login_hosts = st.sampled_from(["r.example", "https://index.docker.io/v1/", "http://r.example/v2/", "", "[::1", "xn--a"])
login_values = st.sampled_from(
    ["YW5uOnB3", "////", "ann", "../x", "pass", "<token>", "\0", "\N{SNOWMAN}", 1, None, True]
)
login_documents = st.recursive(
    login_values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(login_names | login_hosts, inner, max_size=5),
    max_leaves=20,
)


@given(st.binary(max_size=40) | login_documents.map(lambda document: json.dumps(document).encode()), st.booleans())
@example(b"[" * 100_000, False)
@example(b'{"auths":{"a":' + b"[" * 100_000, True)
def test_a_login_file_is_read_as_far_as_it_goes(data: bytes, namespaced: bool) -> None:
    found = parse_login_file(data, "config.json", namespaced=namespaced)
    for credential in found.logins.values():
        assert credential.is_usable
    for registry in ("r.example", "docker.io"):
        assert list(found.keys(registry, "team/app"))[-1] == registry


REPOSITORY = Repository.parse("r.example/team/app")
BLOB = blob_of(b"content")
DIGEST = str(BLOB.digest)
ANSWER_HEADERS = {
    "content-type": ["", OCI_INDEX, OCI_MANIFEST, images.SCHEMA1, "text/html", "application/json"],
    "content-length": ["", "0", "7", "-1", MANY_DIGITS, "\xb2", "7, 7"],
    "docker-content-digest": ["", DIGEST, "sha256:x", f"sha512:{'0' * 128}", "md5:0"],
    "location": ["", "/v2/x", "https://r.example/up?a=b", "http://r.example:1/", "//[", "https://xn--a/", "?", "\x7f"],
    "link": ["", '</v2/team/app/tags/list?last=a>; rel="next"', "<", '<https://xn--a/>; rel="next"', "<>;rel=next"],
    "range": ["", "0-6", "0-0", f"0-{MANY_DIGITS}", "bytes=0-3", "x"],
    "content-range": ["", "bytes 0-6/7", f"bytes 0-{MANY_DIGITS}/*", "bytes 3-6/9"],
    "oci-chunk-min-length": ["", "1", "-1", MANY_DIGITS],
    "ratelimit-remaining": ["", "1;w=2", MANY_DIGITS],
    "retry-after": ["", "1", MANY_DIGITS, "9" * 15, "Mon, 01 Jan 99999 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"],
    "www-authenticate": [
        "",
        "Basic",
        'Bearer realm="https://r.example/token"',
        'Bearer realm="http://xn--a/"',
        "B a==",
    ],
    "warning": ["", '299 - "old"', '299 - "\\', "299"],
    "oci-tag": ["", "v1"],
    "content-encoding": ["", "gzip", "br"],
}
ANSWER_STATUSES = [200, 200, 200, 201, 202, 204, 206, 301, 307, 400, 401, 403, 404, 405, 413, 416, 429, 500, 503]
ANSWER_BODIES = [
    b"",
    b"content",
    images.single().raw,
    images.multi_platform().raw,
    b'{"tags":["a","b"]}',
    b'{"tags":null}',
    b'{"token":"t"}',
    b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":"' + DIGEST.encode() + b'"}]}',
    b'{"config":{"digest":5}}',
    b'{"tags":[' + b"[" * 5000,
]
AnswerParts = tuple[int, dict[str, str], bytes]


def answer_parts(status: int, chosen: dict[str, str], body: bytes) -> AnswerParts:
    return status, {name: value for name, value in chosen.items() if value}, body


header_choices = {name: st.sampled_from(values) for name, values in ANSWER_HEADERS.items()}
answers = st.builds(
    answer_parts,
    st.sampled_from(ANSWER_STATUSES),
    st.fixed_dictionaries({}, optional=header_choices),
    st.sampled_from(ANSWER_BODIES),
)
Ask = Callable[[HttpRegistry], Awaitable[object]]
ASKS: list[Ask] = [
    lambda registry: registry.head_manifest(REPOSITORY.tag("v1")),
    lambda registry: registry.get_manifest(REPOSITORY.tag("v1")),
    lambda registry: registry.head_blob(REPOSITORY, BLOB.digest),
    lambda registry: read_blob(registry, REPOSITORY, BLOB),
    lambda registry: registry.list_tags(REPOSITORY),
    lambda registry: registry.list_repositories("r.example"),
    lambda registry: registry.mount_blob(REPOSITORY, BLOB, Repository.parse("r.example/other")),
    lambda registry: registry.upload_blob(REPOSITORY, BLOB, BytesOrigin(b"content")),
    lambda registry: registry.put_manifest(
        REPOSITORY.tag("v1"), Manifest.parse(images.single().raw, OCI_MANIFEST, where="test")
    ),
    lambda registry: registry.delete_tag(REPOSITORY.tag("v1")),
]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@example(ASKS[0], [(200, {"content-encoding": "gzip", "warning": "\xb2"}, b"content")])
@example(ASKS[0], [(401, {"content-encoding": "gzip", "warning": "\xb2"}, b"content")])
@given(st.sampled_from(ASKS), st.lists(answers, min_size=1, max_size=4))
def test_a_registry_that_answers_anything_gets_an_error_of_ours_at_worst(ask: Ask, script: list[AnswerParts]) -> None:
    """The script is repeated until the client gives up; it never gives more than a few dozen requests to it."""
    sent = 0

    def answer(request: httpx.Request) -> Reply:
        nonlocal sent
        status, fields, body = script[sent % len(script)]
        sent += 1
        assert sent < 500, "the client does not give up"
        return httpx.Response(
            status,
            headers={name.encode(): on_the_wire(text) for name, text in fields.items()},
            stream=httpx.ByteStream(b"" if request.method == "HEAD" else body),
        )

    host = HostSettings(registry="r.example", credential=Credential(user="ann", password=Secret(PASSWORD)))

    async def scenario() -> str:
        client, _ = scripted_client(answer, host, time=FakeTime())
        async with client:
            try:
                return repr(await ask(client))
            except TransshipError as error:
                return str(error)

    assert PASSWORD not in asyncio.run(scenario())
