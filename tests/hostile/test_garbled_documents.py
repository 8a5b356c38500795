"""Documents from outside that are not what they should be: one line for what they are about, and the rest goes on.

Each kind of document meets each family of oddities in every place that it has, and texts that Hypothesis makes up.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support import images
from support.program import transship
from support.registry_server import RegistryServer
from support.registry_server.faults import FalsifyDigestHeader, ReplaceBody
from transship_planner.config.loader import loads
from transship_planner.errors import ConfigError
from transship_planner.gotemplate.template import Template
from transship_planner.lifecycle.datafile import parse_data
from transship_planner.migrate.migration import Options as MigrateOptions
from transship_planner.migrate.migration import migrate
from transship_planner.observation.platforms import lone_platform
from transship_planner.plans import planfile
from transship_planner.plans.differences import differences
from transship_planner.tags.tagrules import Selection
from transship_planner.tags.versions import natural_key
from transship_registry.codec import brief, decode_distinct, decode_json, encode_canonically, encode_json
from transship_registry.digest import Digest
from transship_registry.endoflife.cycles import decode_cycles
from transship_registry.errors import DocumentError, TransshipError
from transship_registry.hosts import Credential
from transship_registry.http.refusals import read_refusal
from transship_registry.layout.folder import Folder
from transship_registry.layout.index import LayoutIndex
from transship_registry.login.auth import HostAuth
from transship_registry.login.login_files import parse_login_file
from transship_registry.login.scopes import pull
from transship_registry.manifest import Descriptor, Manifest, missing_platform, reduce_index
from transship_registry.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret
from transship_state.filestore import FileStore

DEEP: Final = 100_000
DIGEST: Final = "sha256:" + "a" * 64
WHERE: Final = "reg.example/app:v1"

VALUES: Final = {
    "lists in lists": b"[" * DEEP + b"]" * DEEP,
    "lists without end": b"[" * DEEP,
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "bytes that are not UTF-8": b'"\xff\xfe"',
    "a UTF-8 sequence that is cut off": b'"\xe2\x82"',
    "half of a surrogate pair": b'"\\ud800"',
    "halves in the wrong order": b'"\\udc00\\ud800"',
    "a NUL": b'"\\u0000"',
    "an integer above 2**53": b"9007199254740993",
    "an integer above 2**64": b"18446744073709551616",
    "an integer below -2**63": b"-9223372036854775809",
    "400 digits": b"9" * 400,
    "5,000 digits": b"9" * 5000,
    "5,000 digits below zero": b"-" + b"9" * 5000,
    "5,000 digits in a text": b'"' + b"9" * 5000 + b'"',
    "digits that are none": '"²"'.encode(),
    "1e999": b"1e999",
    "5,000 digits and a fraction": b"9" * 5000 + b".5",
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a fraction": b"0.5",
    "a text": b'"text"',
    "an empty text": b'""',
    "a list": b"[]",
    "a list of nulls": b"[null,null]",
    "an object": b"{}",
    "an object with a member twice": b'{"a":1,"a":2}',
}
"""What may stand where another value is expected; each is JSON, or meant to look like it."""

LIBRARY_WORDS: Final = (
    "Traceback",
    "msgspec",
    "rfc8785",
    "codec can't decode",
    "recursion depth",
    "int_max_str_digits",
    "surrogates not allowed",
    "Error(",
)

# The kinds of documents: a sound one of each, and who reads it.

DESCRIPTOR: Final = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 7, "annotations": {"a": "b"}}
PLATFORM: Final = {"os": "linux", "architecture": "amd64", "variant": "v1", "os.version": "1"}
CHILD: Final = {
    **DESCRIPTOR,
    "platform": PLATFORM,
    "urls": ["https://a.example/"],
    "data": "YQ==",
    "artifactType": "a/b",
}
IMAGE: Final = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": {**DESCRIPTOR, "mediaType": OCI_CONFIG},
    "layers": [DESCRIPTOR],
    "subject": DESCRIPTOR,
    "annotations": {"a": "b"},
}
INDEX: Final = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD, CHILD], "annotations": {"a": "b"}}
LAYOUT: Final = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [{**DESCRIPTOR, "annotations": {"org.opencontainers.image.ref.name": "v1"}}],
}
RECORD: Final = {
    "target": "mirror.example/app:v1",
    "source": "reg.example/app:v1",
    "source_digest": DIGEST,
    "target_digest": DIGEST,
    "media_type": OCI_MANIFEST,
    "entry": "app",
    "plan": DIGEST,
    "first_seen": "2026-01-02T03:04:05Z",
    "applied": "2026-01-02T03:04:05Z",
    "platforms": ["linux/amd64"],
    "origin": "found",
}
SEEN: Final = {"source": "reg.example/app:v1", "digest": DIGEST, "entry": "app", "first_seen": "2026-01-02T03:04:05Z"}
STATE: Final = {
    "format_version": 1,
    "lineage": "a",
    "serial": 1,
    "tool_version": "0",
    "records": [RECORD],
    "seen": [SEEN],
}
TOKEN: Final = {"token": "t", "access_token": "t", "expires_in": 300, "refresh_token": "r", "issued_at": "now"}
ERRORS: Final = {
    "errors": [{"code": "DENIED", "message": "no", "detail": {"DriverName": "s", "Enclosed": {"Err": 28}}}]
}
LOGINS: Final = {
    "auths": {"reg.example": {"auth": "YWRhOnM=", "username": "ada", "password": "s", "identitytoken": "t"}},
    "credHelpers": {"other.example": "pass"},
    "credsStore": "pass",
}
CYCLES: Final = [{"cycle": "3.20", "eol": "2026-04-01", "latest": "3.20.1", "latestReleaseDate": "2025-01-01"}]
TAGS: Final = {"name": "app", "tags": ["v1", "v2"], "manifest": {DIGEST: {"tag": ["v1"], "imageSizeBytes": "7"}}}
CONFIG: Final = {
    "architecture": "amd64",
    "os": "linux",
    "variant": "v1",
    "os.version": "1",
    "rootfs": {"diff_ids": [DIGEST]},
}
PLAN: Final = json.loads((Path(__file__).parents[1] / "planner" / "samples" / "plan-0.1.0.json").read_bytes())


def whole(data: bytes) -> object:
    return Manifest.parse(data, OCI_INDEX, where=WHERE)


def image(data: bytes) -> object:
    return Manifest.parse(data, OCI_MANIFEST, where=WHERE)


def reduced(data: bytes) -> object:
    """Read an index and build it anew for one of two platforms."""
    index = Manifest.parse(data, OCI_INDEX, where=WHERE)
    without = [child.digest for child in index.children[1:]]
    return reduce_index(index, (Platform.parse("linux/amd64"),), where=WHERE, without=without)


@dataclass(frozen=True)
class ConfigReader:
    """A registry that has one blob."""

    data: bytes

    def get_blob(self, repository: Repository, blob: Descriptor) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Return the config."""
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncIterator[bytes]]:
        yield self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield self.data


def image_config(data: bytes) -> object:
    reader = cast("Any", ConfigReader(data))
    return asyncio.run(lone_platform(reader, Reference.parse(WHERE), cast("Manifest", image(encode_json(IMAGE)))))


def layout_index(data: bytes) -> object:
    index = LayoutIndex.parse(data)
    return index.tags, index.repositories, index.strange, [entry.bytes_stated for entry, _ in index.entries]


def token(data: bytes) -> object:
    """Log in at a token service that answers so."""
    auth = HostAuth("https://reg.example", Credential(user="ada", password=Secret("s")), "test", time.monotonic)
    challenge = {"WWW-Authenticate": 'Bearer realm="https://reg.example/token"'}
    asked = httpx.Request("GET", "https://reg.example/v2/")
    refused = httpx.Response(401, headers=challenge, request=asked)
    handshake = auth.handshake(refused, [pull("app")])
    next(handshake)
    return send(handshake, httpx.Response(200, content=data))


def send(handshake: Generator[httpx.Request, httpx.Response, bool], answer: httpx.Response) -> bool:
    try:
        handshake.send(answer)
    except StopIteration as end:
        return cast("bool", end.value)
    raise AssertionError("it asks again")


def refused_token(data: bytes) -> object:
    """Be refused by a token service, with these words."""
    auth = HostAuth("https://reg.example", None, "test", time.monotonic)
    challenge = {"WWW-Authenticate": 'Bearer realm="https://reg.example/token"'}
    asked = httpx.Request("GET", "https://reg.example/v2/")
    handshake = auth.handshake(httpx.Response(401, headers=challenge, request=asked), [pull("app")])
    next(handshake)
    return send(handshake, httpx.Response(403, content=data))


def refusal(data: bytes) -> object:
    found = read_refusal(500, {}, data)
    check(found.line)
    return found


def logins(data: bytes) -> object:
    found = parse_login_file(data, "config.json")
    for problem in found.problems:
        check(problem)
    return found


def plan(data: bytes) -> object:
    return planfile.decode(data, "plan.json")


def sealed_plan(data: bytes) -> object:
    """Read a plan whose digest was made anew, if that can be done."""
    try:
        document = decode_distinct(data)
        inner = {key: value for key, value in document.items() if key not in {"digest", "created_at", "signatures"}}
        document["digest"] = str(Digest.of(encode_canonically(inner)))
        return planfile.decode(encode_json(document), "plan.json")
    except AttributeError:
        return None  # not even an object


KINDS: Final[dict[str, tuple[object, Callable[[bytes], object]]]] = {
    "index": (INDEX, whole),
    "index to be reduced": (INDEX, reduced),
    "manifest": (IMAGE, image),
    "image config": (CONFIG, image_config),
    "index of a layout": (LAYOUT, layout_index),
    "answer of a token service": (TOKEN, token),
    "refusal of a token service": (ERRORS, refused_token),
    "refusal": (ERRORS, refusal),
    "login file": (LOGINS, logins),
    "end-of-life data": (CYCLES, decode_cycles),
    "plan": (PLAN, plan),
    "plan with a digest made anew": (PLAN, sealed_plan),
}


def check(message: str) -> None:
    """Tell whether a message is one line for people, of bounded length."""
    assert "\n" not in message
    assert len(message) < 2000, message
    assert not [word for word in LIBRARY_WORDS if word in message], message


def read(kind: str, data: bytes) -> None:
    """Let a document be read; whatever is wrong with it is an error of ours."""
    try:
        KINDS[kind][1](data)
    except TransshipError as error:
        check(str(error))


def failure(work: Callable[[], object]) -> str:
    """Return what is said of a document, and nothing when it can be read."""
    try:
        work()
    except TransshipError as error:
        check(str(error))
        return str(error)
    return ""


HOLE: Final = "a hole to be filled"


def places(document: Any) -> Iterator[Any]:
    """Yield the document with a hole in each place in turn, unknown members included."""
    yield HOLE
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        yield {**members, "unknown member": HOLE}
        for key, value in members.items():
            yield from ({**members, key: inner} for inner in places(value))
    if isinstance(document, list):
        items = cast("list[object]", document)
        for position, value in enumerate(items[:1]):
            yield from ([*items[:position], inner, *items[position + 1 :]] for inner in places(value))


def filled(document: Any, value: bytes) -> bytes:
    return json.dumps(document).encode().replace(json.dumps(HOLE).encode(), value)


def keyed(document: Any, key: bytes) -> bytes:
    """Return a document with a strange name of a member."""
    return b"{" + key + b":1," + json.dumps(document).encode().removeprefix(b"{")


@pytest.mark.parametrize("kind", KINDS)
def test_sound_documents_are_read(kind: str) -> None:
    """Or else the tests below would show nothing."""
    document, reader = KINDS[kind]
    if kind != "refusal of a token service":
        reader(json.dumps(document).encode())


@pytest.mark.parametrize("family", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_strange_value_in_any_place_is_an_error_of_its_document(kind: str, family: str) -> None:
    """Of the document as a whole, of each of its members, and of members that nobody knows."""
    for document in places(KINDS[kind][0]):
        read(kind, filled(document, VALUES[family]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_is_no_document_is_an_error(kind: str) -> None:
    """In another encoding, cut off, empty, or with strange names of members."""
    sound = json.dumps(KINDS[kind][0])
    texts = [
        sound.encode("utf-16"),
        sound.encode("utf-16-le"),
        b"\xef\xbb\xbf" + sound.encode(),
        sound.encode()[:-1],
        sound.encode() + b"}",
        b"",
        b" ",
        b"\x00" * 10,
        b"\xff" * 10,
        b"<html>",
        keyed(KINDS[kind][0], b'"\xff"'),
        keyed(KINDS[kind][0], b'"\\ud800"'),
        keyed(KINDS[kind][0], b'"' + b"9" * 5000 + b'"'),
    ]
    for text in texts:
        read(kind, text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_value_in_any_place_is_an_error_at_most(kind: str, data: st.DataObject) -> None:
    """Found by Hypothesis."""
    document = data.draw(st.sampled_from(list(places(KINDS[kind][0]))))
    value = data.draw(JSON_VALUES.map(lambda each: json.dumps(each).encode()) | st.binary(max_size=40))
    read(kind, filled(document, value))


# Files.


@pytest.mark.parametrize("family", VALUES)
def test_a_strange_state_is_an_error_that_names_the_file(tmp_path: Path, family: str) -> None:
    """As a whole, and in each of its members."""
    store = FileStore(tmp_path / "state.json")
    for document in places(STATE):
        store.path.write_bytes(filled(document, VALUES[family]))
        if message := failure(store.read):
            assert message.startswith(f"{store.path}: ")
        elif found := store.read():
            store.write(found.with_records((), "0"))  # what can be read can be written again


@pytest.mark.parametrize("family", VALUES)
def test_a_strange_lock_of_a_state_is_an_error_that_names_the_file(tmp_path: Path, family: str) -> None:
    """What stands there is not ours, so that it is left alone."""
    store = FileStore(tmp_path / "state.json")
    lock = tmp_path / "state.json.lock"
    holder = {"who": "ada@host", "process": 1, "operation": "apply", "since": "now"}
    for document in places(holder):
        lock.write_bytes(filled(document, VALUES[family]))
        try:
            with store.lock("apply", lambda: "now"):
                pass
        except TransshipError as error:
            check(str(error))
            assert lock.read_bytes() == filled(document, VALUES[family])


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
@pytest.mark.parametrize("family", VALUES)
def test_a_strange_document_of_a_layout_is_an_error_that_names_the_layout(
    tmp_path: Path, name: str, family: str
) -> None:
    """It is left as it is."""
    images.write_layout(tmp_path / "layout", "v1", images.single())
    folder = Folder(str(tmp_path / "layout"))
    for document in places(json.loads((tmp_path / "layout" / name).read_bytes())):
        data = filled(document, VALUES[family])
        (tmp_path / "layout" / name).write_bytes(data)
        message = failure(folder.read_index)
        assert message.startswith(f"read layout ocidir://{tmp_path}/layout: {name} ") or not message
        assert (tmp_path / "layout" / name).read_bytes() == data


def unspeakable(work: Callable[[], object]) -> list[str]:
    """Return the words of libraries in what is said of a file, which may quote at length what its user wrote."""
    try:
        work()
    except ConfigError as error:
        return [word for word in LIBRARY_WORDS if word in str(error)]
    return []


CONFIGURATION: Final = {
    "version": 1,
    "creds": [{"registry": "reg.example", "user": "ada", "pass": "s", "reqPerSec": 1, "tls": "enabled"}],
    "defaults": {"parallel": 2, "ratelimit": {"min": 1, "retry": "10m"}, "userAgent": "{{ env `A` }}"},
    "sync": [
        {
            "source": "reg.example/app",
            "target": "mirror.example/app",
            "type": "repository",
            "tags": {"allow": ["v.*"], "semverRange": [">=1.0"], "keep_last": 3},
            "platforms": ["linux/amd64"],
            "min_age": "3d",
        }
    ],
}
SKOPEO: Final = {"reg.example": {"tls-verify": False, "images": {"app": ["v1"]}, "images-by-semver": {"b": "^1"}}}
DREGSY: Final = {
    "relay": "skopeo",
    "tasks": [
        {
            "name": "a",
            "interval": 60,
            "source": {"registry": "reg.example"},
            "target": {"registry": "mirror.example"},
            "mappings": [{"from": "app", "to": "app", "tags": ["v1", "keep: latest 3", "semver: >=1.2.x"]}],
        }
    ],
}
SYNCER: Final = {"reg.example/app:v1": "mirror.example/app", "reg.example/b": ["mirror.example/b"]}
EOL_DATA: Final = {"alpine": [{"cycle": "3.20", "eol": "2026-04-01", "latest": "3.20.1"}]}


def configuration(data: bytes) -> object:
    return loads(data, file="mirror.yaml", environment={})


def migrated(to: str) -> Callable[[bytes], object]:
    return lambda data: migrate(data, "old.yaml", MigrateOptions(to=to))


YAML_KINDS: Final[dict[str, tuple[object, Callable[[bytes], object]]]] = {
    "configuration": (CONFIGURATION, configuration),
    "end-of-life data": (EOL_DATA, lambda data: parse_data(data, "eol.yaml")),
    "skopeo": (SKOPEO, migrated("mirror.example/x")),
    "dregsy": (DREGSY, migrated("")),
    "image-syncer": (SYNCER, migrated("mirror.example/x")),
}
EXPRESSIONS: Final = ("semver: {}", "keep: latest {}", "semver: >={}.x", "regex: {}", "^{}", "!= {}.1", "{{{{ {} }}}}")


@pytest.mark.parametrize("family", VALUES)
@pytest.mark.parametrize("kind", YAML_KINDS)
def test_a_strange_value_in_a_file_of_the_user_is_one_error_with_its_line(kind: str, family: str) -> None:
    """Configurations, data files, and what is migrated."""
    document, reader = YAML_KINDS[kind]
    for place in places(document):
        data = filled(place, VALUES[family])
        assert not unspeakable(partial(reader, data))


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("kind", YAML_KINDS)
def test_expressions_with_5000_digits_are_one_error_with_their_line(kind: str, expression: str) -> None:
    """Python refuses to read so long a number, since that takes time."""
    document, reader = YAML_KINDS[kind]
    for place in places(document):
        data = filled(place, json.dumps(expression.format("9" * 5000)).encode())
        assert not unspeakable(partial(reader, data))


# Tags and templates.


NAMES: Final = st.dictionaries(st.text(max_size=9) | st.sampled_from(["²", "1", "9" * 5000, "a'b", '"]["']), st.text())


@settings(max_examples=60)
@given(before=NAMES, after=NAMES)
@example(before={"²": "a"}, after={})
@example(before={"9" * 5000: "a"}, after={"٣": "a"})
def test_annotations_of_any_name_are_compared(before: dict[str, str], after: dict[str, str]) -> None:
    """An update tells what has changed, in an order of its own."""
    old, new = (
        Manifest.parse(json.dumps({**IMAGE, "annotations": notes}).encode(), OCI_MANIFEST, where=WHERE)
        for notes in (before, after)
    )
    found = differences(old, new)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert len(found) == len(changed)


def test_an_index_of_many_platforms_names_some_of_them() -> None:
    """What it offers may be as long as it likes."""
    offers = [{**DESCRIPTOR, "platform": {"os": f"os{number}", "architecture": "a"}} for number in range(1000)]
    index = Manifest.parse(json.dumps({**INDEX, "manifests": offers}).encode(), OCI_INDEX, where=WHERE)
    check(str(missing_platform(index, Platform.parse("linux/amd64"), WHERE)))


def test_tags_of_5000_digits_are_ordered_by_value() -> None:
    """The longer number is the larger one."""
    tags = ["a" + "9" * 5000, "a1", "a" + "9" * 4999, "9" * 5000, "1-rc" + "9" * 5000, "1-rc2"]
    assert Selection(keep_last=6).select(tags) == (
        "1-rc" + "9" * 5000,
        "1-rc2",
        "a" + "9" * 5000,
        "a" + "9" * 4999,
        "a1",
        "9" * 5000,
    )
    assert natural_key("a10") > natural_key("a9")


@pytest.mark.parametrize("digits", ["9" * 641, "9" * 5000, "0x" + "f" * 5000, "0" + "7" * 5000, "0b" + "1" * 5000])
def test_a_number_of_5000_digits_in_a_template_overflows(digits: str) -> None:
    with pytest.raises(TransshipError) as caught:
        Template.parse("{{ " + digits + " }}").execute()
    check(str(caught.value)[-200:])
    assert "integer overflow" in str(caught.value) or "illegal number" in str(caught.value)


# What users see.

CONFIGURED: Final = """\
version: 1
creds: [{{registry: "{host}", tls: disabled}}]
sync:
  - {{source: "{host}/tags", target: "ocidir://mirror/tags", type: repository}}
  - {{source: "{host}/index:v1", target: "ocidir://mirror/index:v1", type: image, platform: linux/amd64}}
  - {{source: "{host}/attached:v1", target: "ocidir://mirror/attached:v1", type: image, referrers: true}}
  - {{source: "{host}/good:v1", target: "ocidir://mirror/good:v1", type: image}}
"""
APP: Final = images.multi_platform("app")


def garbled(family: str) -> RegistryServer:
    """Return a registry with a list of tags, an index and a list of referrers that are garbage."""
    server = RegistryServer()
    for name in ("tags", "index", "attached", "good"):
        server.store.add_image(name, "v1", APP)
    server.faults.add(FalsifyDigestHeader(digest=images.digest_of(VALUES[family]), repository="index"))
    server.faults.add(ReplaceBody(body=VALUES[family], path="/index/manifests/", content_type=OCI_INDEX))
    server.faults.add(ReplaceBody(body=VALUES[family], path="/tags/list"))
    server.faults.add(ReplaceBody(body=VALUES[family], path="/referrers/", content_type=OCI_INDEX))
    return server


@pytest.mark.parametrize(
    ("family", "of_tags", "of_index"),
    [
        ("lists in lists", "Expected `object`, got `array`", "Expected `object`, got `array`"),
        ("objects in objects", "JSON is nested too deeply", "JSON is nested too deeply"),
        ("bytes that are not UTF-8", "Expected `object`, got `str`", "Expected `object`, got `str`"),
        ("5,000 digits", "Number out of range", "Number out of range"),
        ("null", "Expected `object`, got `null`", "Expected `object`, got `null`"),
    ],
)
def test_a_registry_that_answers_garbage_costs_its_own_entries_only(
    tmp_path: Path, family: str, of_tags: str, of_index: str
) -> None:
    """The others are mirrored."""
    with garbled(family) as server:
        host = server.host
        (tmp_path / "mirror.yaml").write_text(CONFIGURED.format(host=host))
        done = transship("once", "-c", "mirror.yaml", cwd=tmp_path)
    assert done.code == 1, done.err
    assert [line for line in done.out.splitlines() if line.startswith("problem")] == [
        f"problem: sync[0] (line 4) {host}/tags: GET tags {host}/tags: the answer is no list of tags: {of_tags}",
        f"problem: sync[1] (line 5) ocidir://mirror/index:v1: {host}/index@{images.digest_of(VALUES[family])}: "
        f"the manifest is not well-formed: {of_index}",
        f"problem: sync[2] (line 6) ocidir://mirror/attached:v1: list what is attached to {host}/attached:v1: "
        + "; ".join(
            f"GET referrers {host}/attached@{digest}: the answer is no OCI index: {of_index}"
            for digest in sorted((APP.digest, *(child.digest for child in APP.children)))
        ),
    ]
    assert "Traceback" not in done.err
    assert (tmp_path / "mirror" / "good" / "index.json").exists()


# The one reader.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (VALUES["lists in lists"], "JSON is nested too deeply"),
        (b'{"a": "\xff"}', "byte 0xff is not UTF-8"),
        (b'{"a":1}'.decode().encode("utf-16"), "it is UTF-16, expected UTF-8"),
        (b"\xef\xbb\xbf{}", "it begins with a byte order mark, which JSON does not have"),
        (b"[" + b"0," * 2_000_001 + b"0]", "it has more than 2000000 values"),
    ],
)
def test_the_reasons_are_words(data: bytes, reason: str) -> None:
    for reader in (lambda: decode_json(data, object), lambda: decode_distinct(data)):
        with pytest.raises(DocumentError) as caught:
            reader()
        assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the member 'c' is there twice"),
        (b'{"a": NaN}', "NaN is no number in JSON"),
        (b"9" * 5000, "a number has too many digits"),
    ],
)
def test_what_is_read_for_its_digest_is_read_strictly(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        decode_distinct(data)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"a": 2**53}, "a number is larger than 9007199254740991"),
        ({"a": float("inf")}, "a number is out of range"),
        ({"a": "\ud800"}, "a text holds half of a surrogate pair, which is no character"),
    ],
)
def test_canonical_json_holds_what_all_readers_agree_about(document: object, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        encode_canonically(document)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        ("v1", "'v1'"),
        ("a\x1bb", "'a\\x1bb'"),
        ("x" * 100, "'" + "x" * 79 + "…"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        (10**20, "a number of more than 18 digits"),
    ],
)
def test_what_stands_in_a_document_is_shown_briefly(value: object, shown: str) -> None:
    assert brief(value) == shown
