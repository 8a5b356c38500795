"""Deterministic container images as raw bytes, for tests: the same arguments give the same digests, always.

    image = images.single("app", layers=2, size=4096)
    images.push(server.url, "team/app", "v1", image)
    images.write_layout(tmp_path / "layout", "v1", image)

Nothing here uses the code under test. Layers are valid gzip of exactly the size asked for, and depend on nothing but
their seed and size: images that name the same layer seeds share the blobs.
"""

import base64
import enum
import functools
import gzip
import hashlib
import json
import random
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from support.registry_server.plain_client import PlainClient

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

EMPTY_TAR = bytes(1024)
CREATED = "2024-01-02T03:04:05Z"
SMALLEST_LAYER = 64
_MEMBER_OVERHEAD = 22  # gzip header 10, FEXTRA length 2, empty deflate block 2, CRC and size 8
_MEMBER_MOST = 65535


class Dialect(enum.Enum):
    """The two families of media types."""

    OCI = "oci"
    DOCKER = "docker"


@dataclass(frozen=True)
class Blob:
    """Content that a manifest refers to; with `urls` it is a non-distributable layer."""

    data: bytes = field(repr=False)
    media_type: str
    digest: str
    urls: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def descriptor(self) -> dict[str, object]:
        """Return the OCI descriptor of this blob."""
        found: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return {**found, "urls": list(self.urls)} if self.urls else found


@dataclass(frozen=True)
class Image:
    """A manifest or an index with all it needs: the raw bytes, and the values that went into them.

    `subject` is the digest of the manifest that this one refers to; it is not part of `children`.
    """

    raw: bytes = field(repr=False)
    media_type: str
    digest: str
    blobs: tuple[Blob, ...] = ()
    children: "tuple[Image, ...]" = ()
    platform: str | None = None
    artifact_type: str | None = None
    subject: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size(self) -> int:
        """Length of the manifest in bytes."""
        return len(self.raw)

    @property
    def referrers_tag(self) -> str:
        """The tag under which a registry without referrers API keeps this manifest's referrers."""
        return self.digest.replace(":", "-", 1)

    def descriptor(self) -> dict[str, object]:
        """Return the descriptor by which an index refers to this manifest."""
        found: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.platform is not None:
            found["platform"] = _platform_document(self.platform)
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        if self.artifact_type is not None:
            found["artifactType"] = self.artifact_type
        return found

    def manifests(self) -> "Iterator[Image]":
        """Yield every manifest of the tree, children before their parent, each digest once."""
        seen: set[str] = set()
        for image in self._post_order():
            if image.digest not in seen:
                seen.add(image.digest)
                yield image

    def all_blobs(self) -> Iterator[Blob]:
        """Yield every blob of the tree, each digest once."""
        seen: set[str] = set()
        for image in self.manifests():
            for blob in image.blobs:
                if blob.digest not in seen:
                    seen.add(blob.digest)
                    yield blob

    def _post_order(self) -> "Iterator[Image]":
        for child in self.children:
            yield from child._post_order()
        yield self


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of bytes as `algorithm:hex`."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def blob(data: bytes, media_type: str = "application/octet-stream", *, algorithm: str = "sha256") -> Blob:
    """Wrap any bytes as a blob."""
    return Blob(data, media_type, digest_of(data, algorithm))


@functools.lru_cache(maxsize=64)
def layer(
    seed: str,
    size: int = 1024,
    *,
    dialect: Dialect = Dialect.OCI,
    urls: tuple[str, ...] = (),
    algorithm: str = "sha256",
) -> Blob:
    """Return a layer of exactly `size` bytes (64 at least): the gzip of an empty tar, made unique by its headers."""
    data = _gzip_of_size(seed, size)
    media_type = OCI_LAYER
    if dialect is Dialect.DOCKER:
        media_type = DOCKER_FOREIGN_LAYER if urls else DOCKER_LAYER
    return Blob(data, media_type, digest_of(data, algorithm), urls)


def single(
    seed: str = "image",
    *,
    layers: int | Sequence[str | Blob] = 2,
    size: int = 1024,
    platform: str = "linux/amd64",
    dialect: Dialect = Dialect.OCI,
    annotations: Mapping[str, str] | None = None,
    algorithm: str = "sha256",
) -> Image:
    """Return an image of one platform.

    `layers` is their number (seeded by `seed`), or a sequence of seeds and blobs, by which images share layers.
    """
    seeds = [f"{seed}-{number}" for number in range(layers)] if isinstance(layers, int) else layers
    stack = tuple(
        given if isinstance(given, Blob) else layer(given, size, dialect=dialect, algorithm=algorithm)
        for given in seeds
    )
    config = _config(seed, platform, len(stack), dialect, algorithm)
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST if dialect is Dialect.OCI else DOCKER_MANIFEST,
        "config": config.descriptor(),
        "layers": [each.descriptor() for each in stack],
    }
    if annotations:
        document["annotations"] = dict(annotations)
    return replace(_manifest(document, algorithm), blobs=(config, *stack), platform=platform)


def index(
    children: Iterable[Image],
    *,
    dialect: Dialect = Dialect.OCI,
    annotations: Mapping[str, str] | None = None,
    algorithm: str = "sha256",
) -> Image:
    """Return an index (or a Docker manifest list) of any images; an index among them makes it a nested one."""
    kept = tuple(children)
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX if dialect is Dialect.OCI else DOCKER_LIST,
        "manifests": [child.descriptor() for child in kept],
    }
    if annotations:
        document["annotations"] = dict(annotations)
    return replace(_manifest(document, algorithm), children=kept)


def multi_platform(
    seed: str = "image",
    *,
    platforms: Sequence[str] = ("linux/amd64", "linux/arm64"),
    layers: int = 2,
    size: int = 1024,
    dialect: Dialect = Dialect.OCI,
) -> Image:
    """Return an OCI index, or a Docker manifest list, with one image for each platform."""
    return index(
        (
            single(f"{seed}-{platform}", layers=layers, size=size, platform=platform, dialect=dialect)
            for platform in platforms
        ),
        dialect=dialect,
    )


def with_attestations(
    seed: str = "image", *, platforms: Sequence[str] = ("linux/amd64", "linux/arm64"), size: int = 1024
) -> Image:
    """Return an index as buildkit writes it: each image has an attestation manifest of platform unknown/unknown."""
    images = [single(f"{seed}-{platform}", size=size, platform=platform) for platform in platforms]
    return index([*images, *(_attestation(image) for image in images)])


def nested(seed: str = "image", *, platforms: Sequence[str] = ("linux/amd64", "linux/arm64")) -> Image:
    """Return an index that holds an index of platforms and a plain image."""
    return index([multi_platform(f"{seed}-inner", platforms=platforms), single(f"{seed}-outer")])


def artifact(
    subject: Image | None,
    *,
    artifact_type: str = "application/vnd.example.sbom.v1",
    seed: str = "artifact",
    size: int = 256,
    annotations: Mapping[str, str] | None = None,
    config_media_type: str = OCI_EMPTY,
) -> Image:
    """Return an OCI 1.1 artifact; with a `subject` it is a referrer (signature, SBOM) of that manifest.

    With the empty config the manifest has an `artifactType`; with another config type that type stands for it.
    """
    config = blob(b"{}", config_media_type)
    payload = blob(_random_bytes(f"{seed}-payload", size), artifact_type)
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if config_media_type == OCI_EMPTY:
        document["artifactType"] = artifact_type
    document |= {"config": config.descriptor(), "layers": [payload.descriptor()]}
    if subject is not None:
        document["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    if annotations:
        document["annotations"] = dict(annotations)
    return replace(
        _manifest(document),
        blobs=(config, payload),
        artifact_type=artifact_type if config_media_type == OCI_EMPTY else config_media_type,
        subject=None if subject is None else subject.digest,
        annotations=dict(annotations or {}),
    )


def cosign_tag(subject: Image, kind: str = "sig") -> str:
    """Return the tag under which cosign 2 keeps a signature (`sig`), attestation (`att`) or SBOM (`sbom`)."""
    return f"{subject.referrers_tag}.{kind}"


def referrers_index(referrers: Iterable[Image]) -> Image:
    """Return the index that a client keeps under the referrers tag of registries without referrers API."""
    return index(referrers)


def schema1(seed: str = "old", *, name: str = "library/old", tag: str = "latest", signed: bool = True) -> Image:
    """Return a Docker schema 1 image; if signed, its digest is over the payload without the signatures."""
    only_layer = layer(f"{seed}-schema1", dialect=Dialect.DOCKER)
    history = json.dumps({"id": hashlib.sha256(seed.encode()).hexdigest(), "created": CREATED})
    document: dict[str, object] = {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": only_layer.digest}],
        "history": [{"v1Compatibility": history}],
    }
    payload = json.dumps(document, indent=3).encode()
    if not signed:
        return Image(payload, SCHEMA1, digest_of(payload), blobs=(only_layer,), platform="linux/amd64")
    return Image(_sign(payload), SCHEMA1_SIGNED, digest_of(payload), blobs=(only_layer,), platform="linux/amd64")


def push(
    base_url: str,
    repository: str,
    tag: str | None,
    image: Image,
    *,
    auth: tuple[str, str] | None = None,
    context: ssl.SSLContext | None = None,
    referrers: Iterable[Image] = (),
    skip_digests: frozenset[str] = frozenset(),
) -> None:
    """Push an image and its referrers: blobs, children by digest, the image by tag (or by digest without one).

    Blobs with `urls` are not uploaded. Without an `OCI-Subject` answer the referrers tag is written, as clients must.
    `skip_digests` names blobs and child manifests to leave out, for a registry that does not check references.
    """
    with PlainClient(base_url, auth=auth, context=context) as client:
        for extra in referrers:
            _push_tree(client, repository, None, extra, skip_digests)
        _push_tree(client, repository, tag, image, skip_digests)


def write_layout(path: Path, tag: str | None, image: Image, *, referrers: Iterable[Image] = ()) -> None:
    """Add an image to the OCI image layout at `path`, which is made if it is missing; a tag there moves."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    extras = tuple(referrers)
    for root in (image, *extras):
        for piece in root.all_blobs():
            if not piece.urls:
                _write_content(path, piece.digest, piece.data)
        for each in root.manifests():
            _write_content(path, each.digest, each.raw)
    index_file = path / "index.json"
    entries: list[dict[str, object]] = []
    if index_file.exists():
        entries = json.loads(index_file.read_text())["manifests"]
    entries = [entry for entry in entries if tag is None or _ref_name(entry) != tag]
    entry = image.descriptor()
    if tag is not None:
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    entries += [entry, *(extra.descriptor() for extra in extras)]
    index_file.write_text(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))


def _push_tree(
    client: PlainClient, repository: str, tag: str | None, image: Image, skip_digests: frozenset[str]
) -> None:
    for piece in image.all_blobs():
        if not piece.urls and piece.digest not in skip_digests:
            client.upload(repository, piece.digest, piece.data)
    for each in image.manifests():
        if each.digest in skip_digests:
            continue
        reference = tag if each is image and tag is not None else each.digest
        answer = client.put_manifest(repository, reference, each.raw, each.media_type).expect(201)
        if each.subject is not None and "oci-subject" not in answer.headers:
            _add_to_referrers_tag(client, repository, each)


def _add_to_referrers_tag(client: PlainClient, repository: str, referrer: Image) -> None:
    assert referrer.subject is not None
    tag = referrer.subject.replace(":", "-", 1)
    answer = client.get_manifest(repository, tag)
    entries: list[object] = []
    if answer.status == 200:
        entries = json.loads(answer.body)["manifests"]
    if referrer.descriptor() not in entries:
        entries.append(referrer.descriptor())
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    client.put_manifest(repository, tag, raw, OCI_INDEX).expect(201)


def _write_content(path: Path, digest: str, data: bytes) -> None:
    algorithm, _, encoded = digest.partition(":")
    folder = path / "blobs" / algorithm
    folder.mkdir(parents=True, exist_ok=True)
    (folder / encoded).write_bytes(data)


def _ref_name(entry: Mapping[str, object]) -> str | None:
    annotations = cast("Mapping[str, str]", entry.get("annotations", {}))
    return annotations.get("org.opencontainers.image.ref.name")


def _manifest(document: Mapping[str, object], algorithm: str = "sha256") -> Image:
    raw = json.dumps(document, indent=2).encode()
    return Image(raw, str(document["mediaType"]), digest_of(raw, algorithm))


def _attestation(subject: Image) -> Image:
    statement = blob(
        json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject.digest}]}).encode(),
        "application/vnd.in-toto+json",
    )
    attested = single(f"attestation-{subject.digest}", layers=[statement], platform="unknown/unknown")
    return replace(
        attested,
        annotations={
            "vnd.docker.reference.digest": subject.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        },
    )


def _config(seed: str, platform: str, layers: int, dialect: Dialect, algorithm: str) -> Blob:
    document = {
        **_platform_document(platform),
        "created": CREATED,
        "config": {"Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(EMPTY_TAR)] * layers},
        "history": [{"created": CREATED, "created_by": f"layer {number}"} for number in range(layers)],
    }
    media_type = OCI_CONFIG if dialect is Dialect.OCI else DOCKER_CONFIG
    return blob(json.dumps(document).encode(), media_type, algorithm=algorithm)


def _platform_document(platform: str) -> dict[str, object]:
    names, _, version = platform.partition(",osver=")
    system, architecture, *variant = names.split("/")
    found: dict[str, object] = {"architecture": architecture, "os": system}
    found |= {"os.version": version} if version else {}
    return {**found, "variant": variant[0]} if variant else found


def _random_bytes(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _gzip_of_size(seed: str, size: int) -> bytes:
    """Return the gzip of an empty tar in `size` bytes.

    gzip members of no content follow the tar; their FEXTRA fields hold the random bytes. A file name or a comment
    could not: Go's reader refuses those above 512 bytes.
    """
    start = bytearray(gzip.compress(EMPTY_TAR, mtime=0))
    start[9] = 3  # the operating system, which each Python names otherwise (RFC 1952, section 2.3.1)
    rest = size - len(start)
    assert size >= SMALLEST_LAYER, f"a layer needs {SMALLEST_LAYER} bytes at least, {size} asked for"
    members = -(-rest // (_MEMBER_MOST + _MEMBER_OVERHEAD))
    filler = memoryview(_random_bytes(f"{seed}-{size}", rest - members * _MEMBER_OVERHEAD))
    pieces = [bytes(start)]
    for number in range(members):
        begin, end = len(filler) * number // members, len(filler) * (number + 1) // members
        pieces.append(_empty_member(filler[begin:end]))
    return b"".join(pieces)


def _empty_member(extra: memoryview) -> bytes:
    header = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + len(extra).to_bytes(2, "little")
    return b"".join([header, extra, b"\x03\x00", zlib.crc32(b"").to_bytes(4, "little"), bytes(4)])


def _sign(payload: bytes) -> bytes:
    """Return a schema 1 payload with a libtrust signature: ES256 over a protected header that says where to cut."""
    key = ec.derive_private_key(2**200 + 7, ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    cut = payload.rindex(b"\n}")
    protected = _base64url(
        json.dumps({"formatLength": cut, "formatTail": _base64url(payload[cut:]), "time": CREATED}).encode()
    )
    signed = f"{protected}.{_base64url(payload)}".encode()
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
    signature = {
        "header": {
            "jwk": {
                "crv": "P-256",
                "kty": "EC",
                "x": _base64url(numbers.x.to_bytes(32)),
                "y": _base64url(numbers.y.to_bytes(32)),
            },
            "alg": "ES256",
        },
        "signature": _base64url(r.to_bytes(32) + s.to_bytes(32)),
        "protected": protected,
    }
    return payload[:cut] + b',\n   "signatures": ' + json.dumps([signature], indent=3).encode() + payload[cut:]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
