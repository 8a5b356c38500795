"""Manifests by tag and digest: read, stored, deleted (spec: Pulling, Pushing and Deleting Manifests)."""

import fnmatch
import json
from collections.abc import Iterable
from dataclasses import replace
from email.utils import formatdate

from support.registry_server import documents
from support.registry_server.content import BytesContent
from support.registry_server.core import Registry, method_not_allowed, require_digest
from support.registry_server.exchange import RefusedError, Request, Response
from support.registry_server.faults import (
    DeleteUnsupported,
    DigestTags,
    HideManifests,
    ImmutableTags,
    LoseBlobs,
    MoveTag,
    NoReferrers,
    OversizedManifests,
    OverwriteTag,
    PullQuota,
    RefuseMediaTypes,
    RequireSubject,
    RetryAfter,
    SchemaOneUnlessAccepted,
)
from support.registry_server.store import StoredManifest, index_of


async def answer(registry: Registry, request: Request) -> Response:
    """Answer a request on `/v2/<name>/manifests/<reference>`."""
    request = _understand(registry, request)
    match request.method:
        case "GET" | "HEAD":
            return _read(registry, request)
        case "PUT":
            return await _put(registry, request)
        case "DELETE":
            return _delete(registry, request)
        case _:
            raise method_not_allowed(request)


def _understand(registry: Registry, request: Request) -> Request:
    """Return the request with the digest in its route, if the fault makes one of the tag."""
    fault = registry.faults.take(DigestTags, request)
    route = request.route
    if fault is None or (fault.tag_wins and route.reference in registry.store.tags(route.repository)):
        return request
    return replace(request, route=replace(route, reference=route.reference.replace("-", ":")))


def _read(registry: Registry, request: Request) -> Response:
    quota = _count_pull(registry, request)
    repository, reference = request.route.repository, request.route.reference
    registry.require_repository(repository)
    if ":" in reference:
        require_digest(reference)
    stored = registry.store.get_manifest(repository, reference)
    if stored is None or registry.faults.take(HideManifests, request) is not None:
        raise RefusedError(404, "MANIFEST_UNKNOWN", "manifest unknown to registry", detail={"reference": reference})
    response = _represent(registry, request, stored)
    moved = registry.faults.take(MoveTag, request)
    if moved is not None:
        registry.store.set_tag(repository, reference, moved.to)
    return replace(response, headers={**response.headers, **quota})


def _represent(registry: Registry, request: Request, stored: StoredManifest) -> Response:
    accept = request.headers.get("accept", "")
    if "application/vnd.oci." not in accept and registry.faults.take(SchemaOneUnlessAccepted, request) is not None:
        return _schema1(request)
    if registry.options.negotiate and not _accepts(accept, stored.media_type):
        raise RefusedError(
            404,
            "MANIFEST_UNKNOWN",
            f"the manifest is of type {stored.media_type}, which the Accept header {accept!r} does not allow",
        )
    raw = stored.raw
    oversized = registry.faults.take(OversizedManifests, request)
    if oversized is not None:
        raw += b" " * (oversized.size - len(raw))
    headers = {
        "Content-Type": stored.media_type,
        "Docker-Content-Digest": stored.digest,
        "ETag": f'"{stored.digest}"',
    }
    return Response(200, headers, BytesContent(raw))


def _accepts(accept: str, media_type: str) -> bool:
    """Tell whether a type is acceptable; no header means all (RFC 9110 section 12.5.1)."""
    ranges = [each.partition(";")[0].strip().lower() for each in accept.split(",") if each.strip()]
    return not ranges or any(fnmatch.fnmatchcase(media_type, each) for each in ranges)


def _schema1(request: Request) -> Response:
    """Return a conversion: its bytes do not hash to the digest of the manifest that was asked for."""
    document = {
        "schemaVersion": 1,
        "name": request.route.repository,
        "tag": request.route.reference,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": "sha256:" + "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"}],
        "history": [{"v1Compatibility": json.dumps({"id": "0" * 64})}],
    }
    raw = json.dumps(document, indent=3).encode()
    headers = {"Content-Type": documents.SCHEMA1, "Docker-Content-Digest": documents.digest_of(raw)}
    return Response(200, headers, BytesContent(raw))


def _count_pull(registry: Registry, request: Request) -> dict[str, str]:
    """Count a GET against the quota, if there is one, and return the headers that tell how much is left."""
    quota = registry.faults.take(PullQuota, request)
    if quota is None:
        return {}
    used = quota.used + registry.quotas.count(quota, registry.options.clock(), counted=request.method == "GET")
    headers = {
        "ratelimit-limit": f"{quota.limit};w={quota.window_s}",
        "ratelimit-remaining": f"{max(quota.limit - used, 0)};w={quota.window_s}",
        "docker-ratelimit-source": quota.source,
    }
    if used <= quota.limit or request.method == "HEAD":
        return headers
    if quota.retry_after_s is not None:
        headers["Retry-After"] = retry_after(quota.retry_after, quota.retry_after_s, registry.options.clock())
    raise RefusedError(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.", headers=headers)


def retry_after(style: RetryAfter, seconds: float, now: float) -> str:
    """Return the value of a `Retry-After` header (RFC 9110 section 10.2.3)."""
    return f"{seconds:.0f}" if style is RetryAfter.SECONDS else formatdate(now + seconds, usegmt=True)


async def _put(registry: Registry, request: Request) -> Response:
    repository, reference = request.route.repository, request.route.reference
    if ":" in reference:
        require_digest(reference)
    elif documents.TAG.fullmatch(reference) is None:
        raise RefusedError(400, "TAG_INVALID", f"{reference!r} is not a tag")
    registry.require_or_create_repository(repository)
    raw = await _read_manifest(registry, request)
    document, digest = _parse(request, raw)
    _refuse_by_fault(registry, request, document, digest)
    _check_references(registry, request, document)
    before = registry.store.get_manifest(repository, reference)
    tag = None if ":" in reference else reference
    registry.store.put_manifest(repository, raw, document.media_type, tag=tag, digest=digest)
    _overwrite_by_fault(registry, request, before)
    headers = {
        "Location": registry.location(f"/v2/{repository}/manifests/{digest}"),
        "Docker-Content-Digest": digest,
    }
    # A registry with the referrers API MUST say that it has processed the subject (Pushing Manifests with Subject).
    if document.subject is not None and _has_referrers_api(registry, request):
        headers["OCI-Subject"] = document.subject
    return Response(201, headers)


async def _read_manifest(registry: Registry, request: Request) -> bytes:
    limit = registry.options.max_manifest_bytes
    raw = await request.body(limit)
    if len(raw) > limit:
        raise RefusedError(413, "SIZE_INVALID", f"manifests are limited to {limit} bytes")
    return raw


def _parse(request: Request, raw: bytes) -> tuple[documents.Document, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    reference = request.route.reference
    if not media_type:
        raise RefusedError(400, "MANIFEST_INVALID", "a manifest needs a Content-Type")
    algorithm = reference.partition(":")[0] if ":" in reference else "sha256"
    try:
        document = documents.parse(raw, media_type)
        digest = documents.manifest_digest(raw, media_type, algorithm)
    except documents.MalformedManifestError as error:
        raise RefusedError(400, "MANIFEST_INVALID", str(error)) from error
    if ":" in reference and digest != reference:
        raise RefusedError(
            400,
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
            detail={"expected": reference, "got": digest},
        )
    return document, digest


def _check_references(registry: Registry, request: Request, document: documents.Document) -> None:
    """Refuse a manifest on missing content; a missing subject MUST be accepted (Pushing Manifests with Subject)."""
    missing = registry.store.missing(request.route.repository, document)
    if registry.options.check_references and missing:
        raise _blob_unknown(registry, missing)


def _blob_unknown(registry: Registry, digests: Iterable[str]) -> RefusedError:
    listed = list(digests)
    return RefusedError(
        registry.options.missing_reference_status,
        "MANIFEST_BLOB_UNKNOWN",
        f"manifest references a manifest or blob unknown to registry: {', '.join(listed)}",
        detail={"digest": listed[0]},
    )


def _refuse_by_fault(registry: Registry, request: Request, document: documents.Document, digest: str) -> None:
    repository, reference = request.route.repository, request.route.reference
    tags = registry.store.tags(repository)
    if reference in tags:
        immutable = registry.faults.take(ImmutableTags, request)
        if immutable is not None and not (immutable.same_digest_is_fine and tags[reference] == digest):
            raise RefusedError(immutable.status, immutable.code, immutable.message)
    refused = registry.faults.take(RefuseMediaTypes, request)
    if refused is not None:
        kinds = {document.media_type, document.artifact_type, document.config_media_type} - {None}
        unwelcome = sorted(kind for kind in kinds if kind and any(fnmatch.fnmatch(kind, one) for one in refused.types))
        if unwelcome:
            raise RefusedError(refused.status, refused.code, f"unknown media type: {', '.join(unwelcome)}")
    subject = document.subject
    is_alone = subject is not None and registry.store.get_manifest(repository, subject) is None
    if subject is not None and is_alone and registry.faults.take(RequireSubject, request) is not None:
        raise _blob_unknown(registry, [subject])
    lost = registry.faults.take(LoseBlobs, request)
    if lost is not None:
        gone = [blob for blob in document.blobs if fnmatch.fnmatch(blob, lost.digest)]
        for blob in gone:
            registry.store.delete_blob(repository, blob)
        if gone:
            raise _blob_unknown(registry, gone)


def _has_referrers_api(registry: Registry, request: Request) -> bool:
    return registry.options.referrers_api and registry.faults.take(NoReferrers, request) is None


def _overwrite_by_fault(registry: Registry, request: Request, before: StoredManifest | None) -> None:
    fault = registry.faults.take(OverwriteTag, request)
    if fault is None:
        return
    raw = fault.raw
    if raw is None:
        foreign: dict[str, object] = {
            "mediaType": documents.OCI_MANIFEST,
            "digest": documents.digest_of(b"the artifact of another writer"),
            "size": 30,
            "artifactType": "application/vnd.example.foreign",
        }
        former: list[dict[str, object]] = [] if before is None else json.loads(before.raw)["manifests"]
        raw = index_of([*former, foreign])
    registry.store.put_manifest(request.route.repository, raw, documents.OCI_INDEX, tag=request.route.reference)


def _delete(registry: Registry, request: Request) -> Response:
    repository, reference = request.route.repository, request.route.reference
    registry.require_repository(repository)
    by_digest = ":" in reference
    supported = registry.options.delete_manifests if by_digest else registry.options.delete_tags
    if not supported or registry.faults.take(DeleteUnsupported, request) is not None:
        what = "by digest" if by_digest else "by tag"
        raise RefusedError(405, "UNSUPPORTED", f"deleting manifests {what} is not supported")
    if by_digest:
        found = registry.store.delete_manifest(repository, require_digest(reference))
    else:
        found = registry.store.delete_tag(repository, reference)
    if not found:
        raise RefusedError(404, "MANIFEST_UNKNOWN", "manifest unknown to registry", detail={"reference": reference})
    return Response(202)
