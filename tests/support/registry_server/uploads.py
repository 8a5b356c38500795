"""Blob uploads: sessions, chunks, monolithic uploads and mounts (spec: Pushing Blobs)."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from support.registry_server import documents
from support.registry_server.content import BytesContent, Content, DiscardedContent
from support.registry_server.exchange import RefusedError, Request, Response
from support.registry_server.faults import (
    AnswerMount,
    ExpireUploads,
    KeepOnlyLastPatch,
    LoseChunk,
    RefuseFinalBody,
    RefuseLargeBody,
    RequireFinalBody,
)

if TYPE_CHECKING:
    from support.registry_server.core import Registry

_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)")
_MOUNT_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED"}


class Hasher(Protocol):
    """What `hashlib` returns."""

    def update(self, data: bytes, /) -> None:
        """Hash more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the hash so far."""
        ...


@dataclass
class Upload:
    """One session. `size` is what the registry acknowledges, which a fault can make differ from what it keeps."""

    id: str
    repository: str
    keep_bytes: bool
    size: int = 0
    state: str = field(default_factory=lambda: secrets.token_hex(8))
    short_chunk: bool = False
    _pieces: list[bytes] = field(default_factory=list[bytes])
    _kept: int = 0
    _hasher: Hasher = field(default_factory=hashlib.sha256)
    _algorithm: str = "sha256"

    def use_algorithm(self, algorithm: str) -> None:
        """Hash with this algorithm; what came before is hashed again."""
        if algorithm == self._algorithm:
            return
        if self._kept and not self.keep_bytes:
            raise RefusedError(400, "UNSUPPORTED", f"{algorithm} of a chunked upload cannot be checked here")
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        for piece in self._pieces:
            self._hasher.update(piece)

    def write(self, piece: bytes, *, verify: bool) -> None:
        """Append bytes."""
        if verify:
            self._hasher.update(piece)
        if self.keep_bytes:
            self._pieces.append(piece)
        self._kept += len(piece)
        self.size += len(piece)

    def forget_content(self) -> None:
        """Lose the bytes received so far without admitting it."""
        self._pieces.clear()
        self._kept = 0
        self._hasher = hashlib.new(self._algorithm)

    def digest(self) -> str:
        """Return the digest of the bytes kept."""
        return f"{self._algorithm}:{self._hasher.hexdigest()}"

    def content(self) -> Content:
        """Return what is to be stored."""
        return BytesContent(b"".join(self._pieces)) if self.keep_bytes else DiscardedContent(self._kept)


class Uploads:
    """The open sessions of a registry; used by the server's thread only, but for `__len__`."""

    def __init__(self) -> None:
        self._open: dict[str, Upload] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, repository: str, *, keep_bytes: bool) -> Upload:
        """Open a session."""
        upload = Upload(secrets.token_hex(16), repository, keep_bytes)
        self._open[upload.id] = upload
        return upload

    def find(self, request: Request) -> Upload:
        """Return the session of a request, or refuse with BLOB_UPLOAD_UNKNOWN."""
        upload = self._open.get(request.route.reference)
        if upload is None or upload.repository != request.route.repository:
            raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", f"upload {request.route.reference} is not known")
        return upload

    def close(self, upload: Upload) -> None:
        """Forget a session."""
        self._open.pop(upload.id, None)


async def start(registry: "Registry", request: Request) -> Response:
    """Answer `POST /v2/<name>/blobs/uploads/`: a session, a monolithic upload, or a mount."""
    repository = request.route.repository
    registry.require_or_create_repository(repository)
    if "mount" in request.query:
        return _mount(registry, request)
    upload = registry.uploads.open(repository, keep_bytes=not registry.options.discard_blobs)
    if "digest" in request.query and registry.options.single_post:
        return await _finish(registry, request, upload)
    return _accepted(registry, upload)


async def patch(registry: "Registry", request: Request) -> Response:
    """Answer `PATCH <location>`: a chunk with `Content-Range`, or the stream of the whole blob without it."""
    upload = _current(registry, request)
    _check_range(registry, upload, request)
    _check_chunk_length(registry, upload, request)
    if registry.faults.take(KeepOnlyLastPatch, request) is not None:
        upload.forget_content()
    lost = registry.faults.take(LoseChunk, request)
    if lost is not None:
        kept = (await request.body())[: lost.keep]
        upload.write(kept, verify=registry.options.verify_uploads)
        raise _range_refused(registry, upload, with_range=lost.with_range)
    await _receive(registry, request, upload)
    upload.state = secrets.token_hex(8)
    return _accepted(registry, upload)


async def put(registry: "Registry", request: Request) -> Response:
    """Answer `PUT <location>?digest=`: close the session, with the last chunk or the whole blob as body."""
    upload = _current(registry, request)
    if "digest" not in request.query:
        raise RefusedError(400, "DIGEST_INVALID", "the query parameter digest is missing")
    announced = request.content_length
    has_body = announced != 0 and (announced is not None or "transfer-encoding" in request.headers)
    if not has_body and registry.faults.take(RequireFinalBody, request) is not None:
        raise RefusedError(400, "BLOB_UPLOAD_INVALID", "the final PUT must have a body")
    refused = registry.faults.take(RefuseFinalBody, request) if has_body else None
    if refused is not None:
        raise RefusedError(refused.status, "BLOB_UPLOAD_INVALID", "send the blob by PATCH and then PUT without a body")
    _check_range(registry, upload, request)
    return await _finish(registry, request, upload)


def status(registry: "Registry", request: Request) -> Response:
    """Answer `GET <location>`: how far the upload has come. An old location will do."""
    _expire_if_told(registry, request)
    upload = registry.uploads.find(request)
    return Response(204, _progress(registry, upload))


def cancel(registry: "Registry", request: Request) -> Response:
    """Answer `DELETE <location>`: forget the session."""
    registry.uploads.close(registry.uploads.find(request))
    return Response(204)


def _mount(registry: "Registry", request: Request) -> Response:
    repository, source = request.route.repository, request.query.get("from")
    digest = request.query["mount"]
    if documents.DIGEST.fullmatch(digest) is None:
        raise RefusedError(400, "DIGEST_INVALID", f"{digest!r} is not a digest")
    forced = registry.faults.take(AnswerMount, request)
    if forced is not None and forced.status not in {201, 202}:
        code = _MOUNT_CODES.get(forced.status, "UNKNOWN")
        raise RefusedError(forced.status, code, f"cannot mount from {source}")
    mounted = forced is not None and forced.status == 201
    if forced is None and registry.options.mounts:
        mounted = _link(registry, repository, digest, source)
    if mounted:
        return _created(registry, repository, digest)
    return _accepted(registry, registry.uploads.open(repository, keep_bytes=not registry.options.discard_blobs))


def _link(registry: "Registry", repository: str, digest: str, source: str | None) -> bool:
    if source is not None:
        return registry.store.mount_blob(repository, digest, source)
    content = registry.store.find_blob(digest) if registry.options.anonymous_mount else None
    if content is None:
        return False
    registry.store.put_blob(repository, digest, content)
    return True


def _current(registry: "Registry", request: Request) -> Upload:
    """Return the session of a PATCH or PUT, which must use the last `Location` that the registry gave."""
    _expire_if_told(registry, request)
    upload = registry.uploads.find(request)
    if registry.options.strict_upload_location and request.query.get("_state") != upload.state:
        raise RefusedError(
            404, "BLOB_UPLOAD_UNKNOWN", "this is not the Location of the last answer, or its query was dropped"
        )
    return upload


def _expire_if_told(registry: "Registry", request: Request) -> None:
    if registry.faults.take(ExpireUploads, request) is not None:
        registry.uploads.close(registry.uploads.find(request))


def _check_range(registry: "Registry", upload: Upload, request: Request) -> None:
    content_range = request.headers.get("content-range")
    if content_range is None:
        return
    match = _CONTENT_RANGE.fullmatch(content_range)
    if match is None:
        raise RefusedError(400, "BLOB_UPLOAD_INVALID", f"Content-Range {content_range!r} is not <start>-<end>")
    first, last = int(match[1]), int(match[2])
    if first != upload.size:
        raise _range_refused(registry, upload, with_range=True)
    if request.content_length not in {None, last - first + 1}:
        raise RefusedError(
            400, "SIZE_INVALID", f"Content-Range {content_range} but Content-Length {request.content_length}"
        )


def _check_chunk_length(registry: "Registry", upload: Upload, request: Request) -> None:
    """Refuse the chunk after one that was shorter than the minimum: only the last chunk may be short."""
    least = registry.options.chunk_min_length
    if least is None or request.content_length is None:
        return
    if upload.short_chunk:
        raise RefusedError(400, "SIZE_INVALID", f"only the last chunk may be shorter than {least} bytes")
    upload.short_chunk = request.content_length < least


async def _receive(registry: "Registry", request: Request, upload: Upload) -> None:
    """Write the body to the session."""
    refused = registry.faults.take(RefuseLargeBody, request)
    limit = None if refused is None else refused.limit
    if refused is not None and (request.content_length or 0) > refused.limit:
        raise _too_large(refused)
    received = 0
    async for piece in request.pieces():
        received += len(piece)
        if refused is not None and limit is not None and received > limit:
            raise _too_large(refused)
        upload.write(piece, verify=registry.options.verify_uploads)


async def _finish(registry: "Registry", request: Request, upload: Upload) -> Response:
    digest = request.query["digest"]
    if documents.DIGEST.fullmatch(digest) is None:
        raise RefusedError(400, "DIGEST_INVALID", f"{digest!r} is not a digest")
    upload.use_algorithm(digest.partition(":")[0])
    await _receive(registry, request, upload)
    registry.uploads.close(upload)
    if registry.options.verify_uploads and upload.digest() != digest:
        raise RefusedError(
            400,
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
            detail={"expected": digest, "got": upload.digest(), "size": upload.size},
        )
    registry.store.put_blob(upload.repository, digest, upload.content())
    return _created(registry, upload.repository, digest)


def _created(registry: "Registry", repository: str, digest: str) -> Response:
    location = registry.location(f"/v2/{repository}/blobs/{digest}")
    return Response(201, {"Location": location, "Docker-Content-Digest": digest})


def _accepted(registry: "Registry", upload: Upload) -> Response:
    headers = _progress(registry, upload)
    if registry.options.chunk_min_length is not None:
        headers["OCI-Chunk-Min-Length"] = str(registry.options.chunk_min_length)
    return Response(202, headers)


def _progress(registry: "Registry", upload: Upload) -> dict[str, str]:
    """Return `Location` and `Range`; nothing received reads `0-0`, as the reference implementation has it."""
    path = f"/v2/{upload.repository}/blobs/uploads/{upload.id}?_state={upload.state}"
    return {
        "Location": registry.location(path),
        "Range": f"0-{max(upload.size - 1, 0)}",
        "Docker-Upload-UUID": upload.id,
    }


def _range_refused(registry: "Registry", upload: Upload, *, with_range: bool) -> RefusedError:
    headers = _progress(registry, upload)
    if not with_range:
        del headers["Range"]
    return RefusedError(
        416, "BLOB_UPLOAD_INVALID", f"the upload stands at {upload.size} bytes, continue there", headers=headers
    )


def _too_large(fault: RefuseLargeBody) -> RefusedError:
    return RefusedError(fault.status, "SIZE_INVALID", f"request bodies are limited to {fault.limit} bytes")
