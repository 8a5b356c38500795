"""Manifests: what is read of their bytes, what is refused in which words, and indexes reduced to some platforms."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import images
from support.images import Dialect, Image
from transship_registry.codec import decode_json, from_builtins, to_builtins
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, InvalidReferenceError, UnsupportedError
from transship_registry.limits import MANIFEST_LIMIT
from transship_registry.manifest import Descriptor, Manifest, missing_platform, reduce_index
from transship_registry.mediatypes import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ManifestKind,
    essence,
    manifest_kind,
)
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository

WHERE = "r.example/app:v1"
DIGEST = f"sha256:{'0' * 64}"
OTHER = f"sha256:{'1' * 64}"
BLOB: dict[str, object] = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": 3}
CHILD: dict[str, object] = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 3}


def parse(document: object, content_type: str = OCI_MANIFEST) -> Manifest:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Manifest.parse(raw, content_type, where=WHERE)


def refused(document: object, content_type: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        parse(document, content_type)


KINDS = [
    (images.single(), ManifestKind.IMAGE),
    (images.single(dialect=Dialect.DOCKER), ManifestKind.IMAGE),
    (images.multi_platform(), ManifestKind.INDEX),
    (images.multi_platform(dialect=Dialect.DOCKER), ManifestKind.INDEX),
    (images.nested(), ManifestKind.INDEX),
    (images.artifact(images.single()), ManifestKind.IMAGE),
    (images.single(algorithm="sha512"), ManifestKind.IMAGE),
]


@pytest.mark.parametrize(("image", "kind"), KINDS, ids=[image.media_type.rpartition(".")[2] for image, _ in KINDS])
def test_a_manifest_is_its_bytes_and_what_they_point_at(image: Image, kind: ManifestKind) -> None:
    manifest = Manifest.parse(image.raw, image.media_type, where=WHERE, expected=Digest.parse(image.digest))
    assert (manifest.raw, str(manifest.digest), manifest.kind) == (image.raw, image.digest, kind)
    assert manifest.is_index is (kind is ManifestKind.INDEX)
    assert [str(child.digest) for child in manifest.children] == [child.digest for child in image.children]
    assert [(str(part.digest), part.size) for part in manifest.blobs] == [
        (blob.digest, blob.size) for blob in image.blobs
    ]
    assert manifest.descriptor == Descriptor(
        media_type=image.media_type, digest=Digest.parse(image.digest), size=len(image.raw)
    )
    assert (str(manifest.subject.digest) if manifest.subject else None) == image.subject


def test_the_digest_is_that_of_the_bytes_and_not_of_the_document() -> None:
    """Two spellings of one document are two manifests."""
    compact, spaced = (json.dumps({"config": BLOB}, indent=indent).encode() for indent in (None, 4))
    assert parse(compact).config == parse(spaced).config
    assert parse(compact).digest == Digest.of(compact)
    assert parse(spaced).digest == Digest.of(spaced)


def test_bytes_that_are_not_those_asked_for_are_refused_before_they_are_read() -> None:
    digest = Digest.of(b"not json")
    with pytest.raises(ContentError, match=f"^{WHERE}: the manifest's bytes hash to {digest}, expected {DIGEST}$"):
        Manifest.parse(b"not json", OCI_MANIFEST, where=WHERE, expected=Digest.parse(DIGEST))


TYPES: list[tuple[str, str | None, dict[str, object], str]] = [
    # Content-Type, mediaType, members, what it is read as
    (OCI_MANIFEST, OCI_MANIFEST, {"config": BLOB}, OCI_MANIFEST),
    (f"{OCI_INDEX}; charset=utf-8", OCI_INDEX, {"manifests": [CHILD]}, OCI_INDEX),
    (DOCKER_MANIFEST.upper(), DOCKER_MANIFEST, {"config": BLOB}, DOCKER_MANIFEST),
    (OCI_MANIFEST, None, {"config": BLOB}, OCI_MANIFEST),
    (OCI_INDEX, None, {"manifests": []}, OCI_INDEX),
    (OCI_ARTIFACT, OCI_ARTIFACT, {"blobs": [BLOB]}, OCI_ARTIFACT),
    ("", DOCKER_LIST, {"manifests": [CHILD]}, DOCKER_LIST),
    ("application/json", OCI_MANIFEST, {"config": BLOB}, OCI_MANIFEST),
    ("text/plain; charset=utf-8", None, {"config": BLOB}, OCI_MANIFEST),
    ("application/json", None, {"manifests": [CHILD]}, OCI_INDEX),
    (OCI_MANIFEST, "", {"config": BLOB}, OCI_MANIFEST),
]


@pytest.mark.parametrize(("content_type", "declared", "members", "expected"), TYPES)
def test_the_media_type_is_that_of_the_answer_or_else_of_the_document(
    content_type: str, declared: str | None, members: dict[str, object], expected: str
) -> None:
    document = {"schemaVersion": 2, **({} if declared is None else {"mediaType": declared}), **members}
    assert parse(document, content_type).media_type == expected


def unsupported(media_type: str, advice: str = "transship copies Docker schema 2 and OCI manifests and indexes") -> str:
    return f"read manifest {WHERE}: media type {media_type!r} is not supported; {advice}"


SCHEMA1_ADVICE = "Docker schema 1 images must be pushed again by a current client"
NOT_SUPPORTED: list[tuple[object, str, str]] = [
    (images.schema1(signed=False).raw, images.SCHEMA1, unsupported(images.SCHEMA1, SCHEMA1_ADVICE)),
    (images.schema1().raw, images.SCHEMA1_SIGNED, unsupported(images.SCHEMA1_SIGNED, SCHEMA1_ADVICE)),
    ({"mediaType": images.SCHEMA1}, "application/json", unsupported(images.SCHEMA1, SCHEMA1_ADVICE)),
    ({"schemaVersion": 1, "config": BLOB}, "application/json", unsupported("application/json")),
    ({"mediaType": "application/x-unknown"}, "application/json", unsupported("application/x-unknown")),
    ({"schemaVersion": 2}, "text/html", unsupported("text/html")),
    ({"schemaVersion": 2, "config": BLOB, "manifests": [CHILD]}, "application/json", unsupported("application/json")),
    ({}, "", unsupported("")),
]


@pytest.mark.parametrize(("document", "content_type", "message"), NOT_SUPPORTED)
def test_what_is_no_manifest_that_we_know_is_unsupported(document: object, content_type: str, message: str) -> None:
    refused(document, content_type, UnsupportedError, message)


def contradiction(declared: str, served: str) -> str:
    return (
        f"{WHERE}: the manifest says it is {declared!r}, but it was served as {served!r}; "
        "refusing to guess which one is right (CVE-2021-41190)"
    )


def malformed(problem: str) -> str:
    return f"{WHERE}: the manifest is not well-formed: {problem}"


def with_size(size: object) -> dict[str, object]:
    return {"config": {**BLOB, "size": size}}


MALFORMED: list[tuple[object, str, str]] = [
    ({"mediaType": OCI_INDEX, "manifests": []}, OCI_MANIFEST, contradiction(OCI_INDEX, OCI_MANIFEST)),
    ({"mediaType": OCI_MANIFEST, "config": BLOB}, DOCKER_MANIFEST, contradiction(OCI_MANIFEST, DOCKER_MANIFEST)),
    ({"mediaType": "application/json"}, OCI_MANIFEST, contradiction("application/json", OCI_MANIFEST)),
    (
        {"mediaType": OCI_INDEX, "manifests": [CHILD], "layers": [BLOB]},
        OCI_INDEX,
        f"{WHERE}: the index has a config or layers too; refusing to guess what it is",
    ),
    (
        {"manifests": [CHILD], "config": BLOB},
        OCI_INDEX,
        f"{WHERE}: the index has a config or layers too; refusing to guess what it is",
    ),
    (
        {"manifests": [CHILD], "config": BLOB},
        OCI_MANIFEST,
        f"{WHERE}: the image manifest lists manifests too; refusing to guess what it is",
    ),
    (b"", OCI_MANIFEST, malformed("Input data was truncated")),
    (b"<html>", OCI_MANIFEST, malformed("JSON is malformed: invalid character (byte 0)")),
    (b"[]", OCI_MANIFEST, malformed("Expected `object`, got `array`")),
    (b"{} {}", OCI_MANIFEST, malformed("JSON is malformed: trailing characters (byte 4)")),
    (b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", OCI_MANIFEST, malformed("JSON is nested too deeply")),
    (
        {"config": {"mediaType": "x", "size": 1}},
        OCI_MANIFEST,
        malformed("Object missing required field `digest` - at `$.config`"),
    ),
    ({"config": {**BLOB, "digest": 5}}, OCI_MANIFEST, malformed("Expected `str`, got `int` - at `$.config.digest`")),
    (
        {"layers": [BLOB, {**BLOB, "digest": "sha256:x"}]},
        OCI_MANIFEST,
        malformed(
            "digest 'sha256:x' is malformed: expected sha256: and 64 lower-case hex digits - at `$.layers[1].digest`"
        ),
    ),
    (with_size(-1), OCI_MANIFEST, malformed("Expected `int` >= 0 - at `$.config.size`")),
    (with_size(2**53), OCI_MANIFEST, malformed("Expected `int` <= 9007199254740991 - at `$.config.size`")),
    (with_size(2**64), OCI_MANIFEST, malformed("Expected `int` <= 9007199254740991 - at `$.config.size`")),
    (
        {**with_size(2**53 - 1), "layers": [BLOB]},
        OCI_MANIFEST,
        f"{WHERE}: the sizes in the manifest add up to more than 9007199254740991 bytes",
    ),
    (with_size("3"), OCI_MANIFEST, malformed("Expected `int`, got `str` - at `$.config.size`")),
    (with_size(1.5), OCI_MANIFEST, malformed("Expected `int`, got `float` - at `$.config.size`")),
    ({"manifests": {}}, OCI_INDEX, malformed("Expected `array | null`, got `object` - at `$.manifests`")),
]


@pytest.mark.parametrize(("document", "content_type", "message"), MALFORMED)
def test_a_manifest_that_is_wrong_is_a_content_error_that_says_where(
    document: object, content_type: str, message: str
) -> None:
    refused(document, content_type, ContentError, message)


def test_a_manifest_beyond_the_limit_is_refused() -> None:
    raw = json.dumps({"config": BLOB}).encode().ljust(MANIFEST_LIMIT)
    assert parse(raw).config is not None
    refused(
        raw + b" ",
        OCI_MANIFEST,
        ContentError,
        f"{WHERE}: the manifest has {MANIFEST_LIMIT + 1} bytes, more than the {MANIFEST_LIMIT} allowed",
    )


def test_null_is_an_empty_list_as_go_programs_write_it() -> None:
    assert parse({"config": BLOB, "layers": None, "annotations": None, "subject": None}).layers == ()
    assert parse({"manifests": None}, OCI_INDEX).children == ()


def test_unknown_members_change_nothing() -> None:
    assert parse({"config": {**BLOB, "x": [1]}, "future": {"deep": [None]}}).blobs == parse({"config": BLOB}).blobs


def test_a_foreign_layer_is_external_and_a_known_type_is_a_manifest() -> None:
    manifest = parse({"config": BLOB, "layers": [{**BLOB, "urls": ["https://a.b/c"]}]})
    assert [blob.is_external for blob in manifest.blobs] == [False, True]
    assert [manifest_kind(essence(text)) for text in (f"{OCI_INDEX} ; a=b", "x", "")] == [
        ManifestKind.INDEX,
        None,
        None,
    ]
    assert parse({"manifests": [CHILD, BLOB]}, OCI_INDEX).children[0].is_manifest
    assert not parse({"manifests": [CHILD, BLOB]}, OCI_INDEX).children[1].is_manifest


def test_only_real_platforms_of_an_index_are_offered() -> None:
    """Attestations, children without a platform, and names that no platform can have are left out."""
    platforms: list[object] = [
        {"os": "linux", "architecture": "amd64"},
        {"os": "unknown", "architecture": "unknown"},
        None,
        {},
        {"os": "linux", "architecture": "arm"},
        {"os": "linux", "architecture": "../../etc"},
        {"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1"},
    ]
    index = parse({"manifests": [{**CHILD, "platform": platform} for platform in platforms]}, OCI_INDEX)
    assert [str(platform) for platform in index.platforms] == [
        "linux/amd64",
        "linux/arm/v7",
        "windows/amd64,osver=10.0.17763.1",
    ]


def manifest_of(image: Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where=WHERE)


def wanted(*texts: str) -> tuple[Platform, ...]:
    return tuple(Platform.parse(text) for text in texts)


THREE = ("linux/amd64", "linux/arm64", "linux/s390x")


def test_the_child_for_a_platform_is_the_best_of_the_index() -> None:
    index = images.multi_platform(platforms=("linux/arm/v6", "linux/amd64/v3", "linux/amd64", "linux/arm/v5"))
    manifest = manifest_of(index)
    for platform, number in (("linux/amd64", 2), ("linux/amd64/v3", 1), ("linux/amd64/v2", 2), ("linux/arm/v7", 0)):
        found = manifest.child_for(Platform.parse(platform))
        assert found is not None
        assert str(found.digest) == index.children[number].digest
    assert manifest.child_for(Platform.parse("linux/s390x")) is None


def test_a_reduced_index_has_the_wanted_children_as_they_were() -> None:
    """The order is the source's, whatever is wanted first, and so are all other members."""
    image = images.index(images.multi_platform(platforms=THREE).children, annotations={"a": "\N{SNOWMAN}", "b": "2"})
    source = json.loads(image.raw)
    reduced = reduce_index(manifest_of(image), wanted("linux/s390x", "linux/amd64"), where=WHERE)
    document = json.loads(reduced.raw)
    assert document == {**source, "manifests": [source["manifests"][0], source["manifests"][2]]}
    assert reduced.media_type == image.media_type
    assert reduced.raw == json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def test_reducing_is_deterministic() -> None:
    """Known bytes: were this code to write others, every reduced index there is would be pushed anew."""
    raw = b"""{ "schemaVersion": 2, "z": [1.50, "\\u00e9"], "manifests": [
        {"size": 3, "digest": "%(a)s", "mediaType": "m", "platform": {"os": "linux", "architecture": "amd64"}},
        {"size": 3, "digest": "%(b)s", "mediaType": "m", "platform": {"os": "linux", "architecture": "arm64"}},
        {"size": 3, "digest": "%(b)s", "mediaType": "m", "platform": {"os": "linux", "architecture": "s390x"}}]}"""
    index = parse(raw % {b"a": DIGEST.encode(), b"b": OTHER.encode()}, OCI_INDEX)
    for order in (("linux/amd64",), ("linux/amd64/v1", "linux/amd64/v3")):
        assert reduce_index(index, wanted(*order), where=WHERE).raw.decode() == (
            '{"manifests":[{"digest":"' + DIGEST + '","mediaType":"m",'
            '"platform":{"architecture":"amd64","os":"linux"},"size":3}],'
            '"schemaVersion":2,"z":[1.5,"\N{LATIN SMALL LETTER E WITH ACUTE}"]}'
        )


def test_an_index_that_has_only_what_is_wanted_stays_itself() -> None:
    index = manifest_of(images.with_attestations(platforms=THREE))
    assert reduce_index(index, wanted(*THREE), where=WHERE) is index


def test_attestations_travel_with_the_image_that_they_name() -> None:
    image = images.with_attestations(platforms=THREE)
    reduced = reduce_index(manifest_of(image), wanted("linux/arm64", "linux/amd64"), where=WHERE)
    kept = [str(child.digest) for child in reduced.children]
    assert kept == [image.children[number].digest for number in (0, 1, 3, 4)]


def test_windows_children_that_differ_in_their_os_version_stay_together() -> None:
    versions = ("10.0.17763.1", "10.0.20348.1", "10.0.17763.2")
    children = [
        {
            **CHILD,
            "digest": f"sha256:{number}{'0' * 63}",
            "platform": {"os": "windows", "architecture": "amd64", "os.version": version},
        }
        for number, version in enumerate(versions)
    ]
    linux = {**CHILD, "platform": {"os": "linux", "architecture": "amd64"}, "digest": f"sha256:{'a' * 64}"}
    other = {**CHILD, "platform": {"os": "linux", "architecture": "arm64"}, "digest": f"sha256:{'b' * 64}"}
    index = parse({"mediaType": OCI_INDEX, "manifests": [*children, linux, other]}, OCI_INDEX)

    def kept(*texts: str) -> list[str]:
        return [child.digest.hex[0] for child in reduce_index(index, wanted(*texts), where=WHERE).children]

    assert kept("windows/amd64", "linux/amd64") == ["0", "1", "2", "a"]
    assert kept("windows/amd64,osver=10.0.17763.9", "linux/amd64") == ["0", "2", "a"]


def test_a_missing_platform_is_an_error_that_names_what_there_is() -> None:
    index = manifest_of(images.with_attestations(platforms=("linux/arm", "linux/amd64")))
    message = (
        f"select platform {WHERE}: platform linux/s390x is not among those offered: linux/amd64, linux/arm/v7; "
        "name an offered platform, or remove it from the entry"
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        reduce_index(index, wanted("linux/amd64", "linux/s390x"), where=WHERE)
    nothing = str(missing_platform(parse({"manifests": []}, OCI_INDEX), Platform.parse("linux/amd64"), WHERE))
    assert "is not among those offered: none;" in nothing


HOSTILE = [
    # a member that JSON allows and Python does not take
    (b"1" * 5000, "a number has too many digits"),
    (b"1e999", "a number is out of range"),
]


@pytest.mark.parametrize(("member", "problem"), HOSTILE)
def test_an_index_that_cannot_be_written_again_cannot_be_reduced(member: bytes, problem: str) -> None:
    children = [{**CHILD, "platform": {"os": "linux", "architecture": "amd64"}}, {**CHILD, "digest": OTHER}]
    index = parse(b'{"x":' + member + b',"manifests":' + json.dumps(children).encode() + b"}", OCI_INDEX)
    message = f"{WHERE}: the index cannot be reduced to some platforms: {problem}"
    with pytest.raises(ContentError, match=f"^{re.escape(message)}"):
        reduce_index(index, wanted("linux/amd64"), where=WHERE)


choices = st.lists(st.sampled_from(THREE), min_size=1, max_size=3, unique=True)


@given(choices)
def test_reducing_again_changes_nothing(chosen: list[str]) -> None:
    index = manifest_of(images.with_attestations(platforms=THREE))
    once = reduce_index(index, wanted(*chosen), where=WHERE)
    assert reduce_index(once, wanted(*chosen), where=WHERE) is once
    assert [str(platform) for platform in once.platforms] == [text for text in THREE if text in chosen]


class _Document(msgspec.Struct):
    digest: Digest
    platform: Platform
    reference: Reference
    repository: Repository


def test_values_are_their_text_in_documents() -> None:
    written = {
        "digest": DIGEST,
        "platform": "linux/amd64",
        "reference": "a.b/c:t",
        "repository": "ocidir://a",
    }
    document = decode_json(json.dumps(written).encode(), _Document)
    assert document.platform == Platform.parse("linux/amd64")
    assert to_builtins(document) == written
    assert from_builtins(written, _Document) == document


@pytest.mark.parametrize(
    ("member", "value", "problem"),
    [
        ("digest", 5, "Expected `str`, got `int` - at `$.digest`"),
        ("platform", None, "Expected `str`, got `NoneType` - at `$.platform`"),
        (
            "platform",
            "amd64",
            "platform 'amd64' is malformed: expected os/architecture[/variant], "
            "e.g. linux/amd64 or linux/arm/v7 - at `$.platform`",
        ),
        ("reference", ["a"], "Expected `str`, got `list` - at `$.reference`"),
        ("repository", "A", "reference 'A': repository 'library/A' must be lowercase - at `$.repository`"),
    ],
)
def test_a_value_that_is_wrong_in_a_document_is_named_by_its_path(member: str, value: object, problem: str) -> None:
    document = {"digest": DIGEST, "platform": "linux/amd64", "reference": "a", "repository": "a", member: value}
    with pytest.raises(DocumentError, match=f"^{re.escape(problem)}$") as caught:
        decode_json(json.dumps(document).encode(), _Document)
    assert not isinstance(value, str) or isinstance(caught.value.__cause__, InvalidReferenceError)
