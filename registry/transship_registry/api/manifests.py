"""Manifests at a registry: head, get and put (distribution-spec § Pull, § Push)."""

from collections.abc import Collection

import httpx

from transship_registry.causes import IMMUTABLE, IMMUTABLE_STATUSES, explain
from transship_registry.digest import Digest
from transship_registry.errors import (
    ContentError,
    InvalidReferenceError,
    MissingContentError,
    NotFoundError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.header_numbers import read_number
from transship_registry.http.host import Host
from transship_registry.http.rate_limits import read_pull_quota
from transship_registry.http.refusals import Refusal
from transship_registry.limits import MANIFEST_LIMIT, PUSH_LIMIT
from transship_registry.login.scopes import pull, push
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import ACCEPT, ManifestKind, essence, manifest_kind
from transship_registry.reference import Reference

_ACCEPT = {"Accept": ACCEPT}
_HEAD_REFUSED = frozenset({405, 501})
_CONTENT_MISSING = ("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN")


async def head_manifest(host: Host, reference: Reference) -> Descriptor | None:
    """Describe a manifest; None when it is absent.

    HEAD is free of quotas where GET is not, so GET is asked only when HEAD is refused or says too little: without
    `Docker-Content-Digest` the bytes have to be hashed (https://github.com/concourse/registry-image-resource/issues/249).
    """
    if not (host.settings.disable_head or host.learnt.head_refused):
        answer = await host.exchange.fetch(_head(host, reference, ok={200, 404, 405, 501}))
        if answer.status == 404:
            return None
        host.learnt.head_refused = answer.status in _HEAD_REFUSED
        described = _describe(answer, reference) if answer.status == 200 else None
        if described is not None:
            return described
    try:
        return (await get_manifest(host, reference)).descriptor
    except NotFoundError:
        return None


async def head_quota(host: Host, reference: Reference) -> httpx.Headers:
    """HEAD a manifest for what the headers say of quotas; none where HEAD is not to be asked, since GET costs a pull.

    Whoever has no pulls left may be answered 429 here, too; that is an answer as long as it states the quota.
    """
    if host.settings.disable_head or host.learnt.head_refused:
        return httpx.Headers()
    answer = await host.exchange.fetch(_head(host, reference, ok={200, 405, 429, 501}))
    if answer.status == 429 and read_pull_quota(answer.headers) is None:
        answer = await host.exchange.fetch(_head(host, reference, ok={200, 405, 501}))
    host.learnt.head_refused = answer.status in _HEAD_REFUSED
    return answer.headers


def _head(host: Host, reference: Reference, *, ok: Collection[int]) -> Call:
    return host.call(
        "HEAD manifest",
        reference.repository,
        f"manifests/{reference.identifier}",
        reference=reference,
        scopes=frozenset({pull(host.path(reference.repository))}),
        headers=_ACCEPT,
        ok=frozenset(ok),
    )


async def get_manifest(host: Host, reference: Reference) -> Manifest:
    """Fetch a manifest and verify it against the digest asked for and the one in the answer's header."""
    call = host.call(
        "GET manifest",
        reference.repository,
        f"manifests/{reference.identifier}",
        reference=reference,
        scopes=frozenset({pull(host.path(reference.repository))}),
        headers=_ACCEPT,
        limit=MANIFEST_LIMIT,
    )
    answer = await host.exchange.fetch(call)
    content_type = answer.headers.get("content-type", "")
    _refuse_schema1("GET manifest", reference, content_type)
    manifest = Manifest.parse(answer.body, content_type, where=str(reference), expected=reference.digest)
    promised = _digest_header(answer.headers)
    if promised is not None and Digest.of(answer.body, promised.algorithm) != promised:
        raise ContentError(
            f"GET manifest {reference}: the bytes hash to {Digest.of(answer.body, promised.algorithm)}, "
            f"but the registry's Docker-Content-Digest says {promised}; nothing of it was used"
        )
    return manifest


async def put_manifest(host: Host, reference: Reference, manifest: Manifest) -> Answer:
    """Store a manifest's bytes as they are, under the reference's digest or else its tag; return the answer."""
    _check_before_put(reference, manifest)
    if reference.digest is None and manifest.digest.algorithm != "sha256":
        return await _put_under_digest_with_tag(host, reference, manifest)
    return await _put(host, reference, manifest, f"manifests/{reference.identifier}")


def _describe(answer: Answer, reference: Reference) -> Descriptor | None:
    """Read a HEAD answer; None when it says too little."""
    content_type = answer.headers.get("content-type", "")
    _refuse_schema1("HEAD manifest", reference, content_type)
    promised = _digest_header(answer.headers)
    asked = reference.digest
    if asked and promised and asked.algorithm == promised.algorithm and asked != promised:
        raise ContentError(f"HEAD manifest {reference}: the registry's Docker-Content-Digest says {promised}")
    digest = asked or promised
    length = read_number(answer.headers.get("content-length", ""))
    media_type = essence(content_type)
    if digest is None or manifest_kind(media_type) is None or not length:
        return None
    return Descriptor(media_type=media_type, digest=digest, size=length)


def _refuse_schema1(attempted: str, reference: Reference, content_type: str) -> None:
    """Refuse before hashing: the digest of a signed schema 1 manifest is not that of its bytes."""
    if manifest_kind(essence(content_type)) is ManifestKind.SCHEMA1:
        raise UnsupportedError(
            attempted,
            str(reference),
            f"the registry answers with a Docker schema 1 manifest ({essence(content_type)})",
            advice="push the image again with a current client",
        )


def _digest_header(headers: httpx.Headers) -> Digest | None:
    try:
        return Digest.parse(headers.get("docker-content-digest", "").strip())
    except InvalidReferenceError:
        return None


def _check_before_put(reference: Reference, manifest: Manifest) -> None:
    if len(manifest.raw) > PUSH_LIMIT:
        raise UnsupportedError(
            "PUT manifest",
            str(reference),
            f"the manifest has {len(manifest.raw)} bytes, registries need not take more than {PUSH_LIMIT}",
        )
    wanted = reference.digest
    if wanted is not None and Digest.of(manifest.raw, wanted.algorithm) != wanted:
        raise ContentError(f"PUT manifest {reference}: the manifest's digest is {manifest.digest}; nothing was sent")


async def _put_under_digest_with_tag(host: Host, reference: Reference, manifest: Manifest) -> Answer:
    """Push a manifest whose digest is not sha256: a push by tag would choose another (semantics B13.18)."""
    answer = await _put(host, reference, manifest, f"manifests/{manifest.digest}", {"tag": reference.identifier})
    if reference.identifier not in answer.headers.get_list("oci-tag", split_commas=True):
        await _put(host, reference, manifest, f"manifests/{reference.identifier}")
    return answer


async def _put(
    host: Host, reference: Reference, manifest: Manifest, rest: str, query: dict[str, str] | None = None
) -> Answer:
    call = host.call(
        "PUT manifest",
        reference.repository,
        rest,
        reference=reference,
        scopes=frozenset({push(host.path(reference.repository))}),
        query=query,
        headers={"Content-Type": manifest.media_type},
        body=manifest.raw,
        ok=frozenset({200, 201, 202, 400, 403, 404, 409, 412}),
    )
    try:
        answer = await host.exchange.fetch(call)
        if answer.status >= 400 and not await _is_there_already(host, reference, manifest, answer.refusal):
            raise _put_refused(answer)
    except RegistryError as error:
        explain(error, foreign={blob.digest for blob in manifest.blobs if blob.is_external})
        raise
    if answer.status >= 400:
        return answer
    stored = _digest_header(answer.headers)
    if stored is not None and Digest.of(manifest.raw, stored.algorithm) != stored:
        raise ContentError(
            f"PUT manifest {reference}: the registry stored {stored} where {manifest.digest} was sent; "
            "it must not change manifests, do not use what it stored"
        )
    if answer.status != 201 and stored is None:
        raise RegistryError(
            "PUT manifest",
            str(reference),
            f"HTTP {answer.status} where 201 was expected, and no Docker-Content-Digest confirms it",
            status=answer.status,
        )
    return answer


async def _is_there_already(host: Host, reference: Reference, manifest: Manifest, refusal: Refusal) -> bool:
    """Whether the immutable tag holds just this manifest, perhaps from a PUT whose answer got lost."""
    if reference.digest is not None or not _is_immutable(refusal):
        return False
    described = await head_manifest(host, reference)
    return described is not None and described.digest == Digest.of(manifest.raw, described.digest.algorithm)


def _is_immutable(refusal: Refusal) -> bool:
    return refusal.status in IMMUTABLE_STATUSES and IMMUTABLE.search(refusal.text) is not None


def _put_refused(answer: Answer) -> RegistryError:
    refusal, call = answer.refusal, answer.call
    if answer.status in {400, 404} and refusal.has(*_CONTENT_MISSING):
        return MissingContentError(
            call.attempted, call.reference, refusal.line, status=answer.status, digests=refusal.digests
        )
    if _is_immutable(refusal):
        return UnsupportedError(call.attempted, call.reference, refusal.line, status=answer.status)
    return answer.error
