"""Blobs: read whole or by range, deleted, and served from the second origin (spec: Pulling and Deleting Blobs)."""

import re
from dataclasses import replace

from support.registry_server.content import Content
from support.registry_server.core import Presigned, Registry, method_not_allowed, require_digest
from support.registry_server.exchange import RefusedError, Request, Response
from support.registry_server.faults import DeleteUnsupported, IgnoreRange, PhantomBlobs, RedirectBlobs

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def answer(registry: Registry, request: Request) -> Response:
    """Answer a request on `/v2/<name>/blobs/<digest>`."""
    match request.method:
        case "GET" | "HEAD":
            return _read(registry, request)
        case "DELETE":
            return _delete(registry, request)
        case _:
            raise method_not_allowed(request)


def answer_at_cdn(registry: Registry, request: Request) -> Response:
    """Answer a request on a presigned URL of the second origin, as an object store does."""
    if "authorization" in request.headers:
        raise RefusedError(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Signature query parameter or the Authorization header",
        )
    grant = registry.presigned.get(request.query.get("X-Signature", ""))
    wanted = (request.method, request.route.repository, request.route.reference)
    if grant is None or (grant.method, grant.repository, grant.digest) != wanted:
        raise RefusedError(403, "SignatureDoesNotMatch", "the request signature does not match the request")
    if grant.uses_left == 0:
        raise RefusedError(403, "AccessDenied", "Request has expired")
    if grant.uses_left is not None:
        grant.uses_left -= 1
    content = registry.store.get_blob(grant.repository, grant.digest)
    if content is None:
        raise RefusedError(404, "NoSuchKey", "The specified key does not exist.")
    return _serve(registry, request, content, {"Content-Type": "binary/octet-stream"})


def _read(registry: Registry, request: Request) -> Response:
    repository, digest = request.route.repository, require_digest(request.route.reference)
    headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
    content = registry.store.get_blob(repository, digest)
    if content is None:
        phantom = registry.faults.take(PhantomBlobs, request)
        if phantom is not None:
            known = registry.store.find_blob(digest)
            size = phantom.size if known is None else known.size
            return Response(200, {**headers, "Content-Length": str(size)})
        registry.require_repository(repository)
        raise RefusedError(404, "BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": digest})
    redirect = registry.faults.take(RedirectBlobs, request)
    if redirect is not None:
        location = registry.presign(Presigned("GET", repository, digest, redirect.uses))
        return Response(redirect.status, {"Location": location, "Docker-Content-Digest": digest})
    return _serve(registry, request, content, headers)


def _serve(registry: Registry, request: Request, content: Content, headers: dict[str, str]) -> Response:
    whole = Response(200, {**headers, "Accept-Ranges": "bytes"}, content)
    asked = request.headers.get("range")
    if asked is None or registry.faults.take(IgnoreRange, request) is not None:
        return whole
    match = _RANGE.fullmatch(asked.strip())
    # A range that is not understood, or several, MUST be ignored or MAY be (RFC 9110 section 14.2).
    if match is None or match[0] == "bytes=-":
        return whole
    start, stop = _resolve(match[1], match[2], content.size)
    if start >= stop:
        raise RefusedError(
            416,
            "UNSUPPORTED",
            f"the blob has {content.size} bytes",
            headers={"Content-Range": f"bytes */{content.size}"},
        )
    partial = {**whole.headers, "Content-Range": f"bytes {start}-{stop - 1}/{content.size}"}
    return replace(whole, status=206, headers=partial, start=start, stop=stop)


def _resolve(first: str, last: str, size: int) -> tuple[int, int]:
    """Return start and stop of a byte range; `-N` are the last N bytes (RFC 9110 section 14.1.2)."""
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _delete(registry: Registry, request: Request) -> Response:
    repository, digest = request.route.repository, require_digest(request.route.reference)
    registry.require_repository(repository)
    if not registry.options.delete_blobs or registry.faults.take(DeleteUnsupported, request) is not None:
        raise RefusedError(405, "UNSUPPORTED", "deleting blobs is not supported")
    if not registry.store.delete_blob(repository, digest):
        raise RefusedError(404, "BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": digest})
    return Response(202)
