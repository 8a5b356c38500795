"""Everything that a registry can do wrong, or merely differently, by name: switch it on while the server runs.

    server.faults.add(FailRequests(status=503, times=2, methods=("PUT",)))
    server.faults.add(TruncateBody(after=1000, reference=digest, times=1))
    server.faults.remove(TruncateBody)
    assert server.faults.hits(FailRequests) == 2     # the fault did strike

Each fault says which requests it concerns; the fields of `Fault` narrow that further.

| to test | faults |
|---|---|
| unreachable and flaky servers | FailRequests, ResetConnection, SlowResponses, CloseConnections, RefuseConcurrency |
| bodies | LargeBody, TruncateBody, StallBody, DripAnswer, CorruptBody, WrongContentLength, ReplaceBody, IgnoreRange |
| headers | OmitDigestHeader, FalsifyDigestHeader, OmitContentType, FalsifyContentType, ExtraHeaders, HeadUnsupported |
| quotas | PullQuota, FailRequests(status=429) |
| manifests | SchemaOneUnlessAccepted, OversizedManifests, HideManifests, MoveTag, RefuseMediaTypes, ImmutableTags |
| listings | PageLinks, RefuseListings, NullTags, StrangeNames |
| blob downloads | RedirectBlobs, PhantomBlobs |
| mounts | AnswerMount |
| uploads | RefuseMethod, RefuseLargeBody, RequireFinalBody, RefuseFinalBody, KeepOnlyLastPatch, LoseChunk, |
| | ExpireUploads, LoseBlobs |
| tokens | ExpireTokens, RefuseWiderScope |
| referrers and tags | NoReferrers, OverwriteTag, DigestTags, RequireSubject, |
| | DeleteUnsupported |
| permissions | Deny |
| secrets | RepeatCredentials |
"""

import enum
import fnmatch
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from typing_extensions import override

from support.registry_server.exchange import Request
from support.registry_server.routes import Endpoint

_ALL_PLACES = frozenset(Endpoint)
_ANY_VERB: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Which requests a fault concerns, and how often it strikes.

    `repository` and `reference` are globs (a reference is a tag, a digest or an upload id), `methods` and `endpoints`
    replace the fault's own, `path` is a regex searched in path and query. The first `skip` such requests are left
    alone, then `times` of them are hit (None: all).
    """

    repository: str = "*"
    reference: str = "*"
    methods: tuple[str, ...] | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    path: str = ""
    skip: int = 0
    times: int | None = None

    verbs: ClassVar[frozenset[str]] = _ANY_VERB
    places: ClassVar[frozenset[Endpoint]] = _ALL_PLACES

    def concerns(self, request: Request) -> bool:
        """Tell whether a request is of the kind that this fault is about."""
        route = request.route
        verbs = self.verbs if self.methods is None else frozenset(self.methods)
        places = self.places if self.endpoints is None else frozenset(self.endpoints)
        return (
            route.endpoint in places
            and (not verbs or request.method in verbs)
            and fnmatch.fnmatchcase(route.repository, self.repository)
            and fnmatch.fnmatchcase(route.reference, self.reference)
            and re.search(self.path, f"{request.path}?{request.recorded.query}") is not None
        )


_API = _ALL_PLACES - {Endpoint.TOKEN, Endpoint.HUB, Endpoint.CDN}
_CONTENT = frozenset({Endpoint.MANIFEST, Endpoint.BLOB, Endpoint.CDN})


class RetryAfter(enum.Enum):
    """How `Retry-After` is written."""

    SECONDS = "seconds"
    HTTP_DATE = "http-date"


@dataclass(frozen=True, kw_only=True)
class FailRequests(Fault):
    """Answer with this status, and `Retry-After` if a time is given; before authentication, and nothing is done."""

    status: int = 503
    code: str | None = None
    message: str = "switched on by a test"
    retry_after_s: float | None = None
    retry_after: RetryAfter = RetryAfter.SECONDS
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class RepeatCredentials(Fault):
    """Refuse requests that show a credential, and repeat it in each form, with the query, as debug pages do.

    Body, warning and reason hold it; with a `status` of a redirect, `Location` does.
    """

    status: int = 403


@dataclass(frozen=True, kw_only=True)
class ResetConnection(Fault):
    """Close the connection without an answer; `after_work`: the request was carried out; `reset`: by TCP reset."""

    after_work: bool = False
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class SlowResponses(Fault):
    """Wait before each answer, as a distant registry does; no longer than until `released` says so."""

    seconds: float
    released: Callable[[], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class CloseConnections(Fault):
    """Close the connection after each answer; `silently`: without saying so in a `Connection: close` header."""

    silently: bool = False


@dataclass(frozen=True, kw_only=True)
class RefuseConcurrency(Fault):
    """Answer 429 to each request above `limit` in flight."""

    limit: int
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class TruncateBody(Fault):
    """Send this many bytes of the body (None: half), then close the connection, short of `Content-Length`."""

    after: int | None = None

    verbs = frozenset({"GET"})
    places = _CONTENT


@dataclass(frozen=True, kw_only=True)
class StallBody(Fault):
    """Send this many bytes of the body (None: half), wait, then send the rest."""

    seconds: float
    after: int | None = None

    verbs = frozenset({"GET"})
    places = _CONTENT


@dataclass(frozen=True, kw_only=True)
class DripAnswer(Fault):
    """Send the head of a large answer, then a byte now and then, as long as anybody takes them."""

    every_s: float = 0.02
    length: int = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class CorruptBody(Fault):
    """Send a body of the same length with the byte at `at` turned over."""

    at: int = 0

    verbs = frozenset({"GET"})
    places = _CONTENT


@dataclass(frozen=True, kw_only=True)
class WrongContentLength(Fault):
    """Announce this many bytes too many (then close the connection) or, if negative, too few (the rest is cut)."""

    by: int = 1

    verbs = frozenset({"GET", "HEAD"})
    places = _CONTENT


@dataclass(frozen=True, kw_only=True)
class ReplaceBody(Fault):
    """Answer 200 with another body, such as the login page of a captive portal."""

    body: bytes = b"<html>please log in</html>"
    content_type: str = "text/html"
    status: int = 200

    verbs = frozenset({"GET"})
    places = _API


@dataclass(frozen=True, kw_only=True)
class LargeBody(Fault):
    """Answer 200 with `head`, then `filler` `times_over` times, then `tail`; the body is made while it is sent.

    With `endless`, each page has a link to yet another one, and `{page}` in `head` is its number.
    """

    head: bytes = b""
    filler: bytes = b" "
    times_over: int = 0
    tail: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    endless: bool = False

    verbs = frozenset({"GET"})


@dataclass(frozen=True, kw_only=True)
class IgnoreRange(Fault):
    """Answer 200 and the whole blob to a request for a range."""

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.BLOB, Endpoint.CDN})


@dataclass(frozen=True, kw_only=True)
class OmitDigestHeader(Fault):
    """Leave out `Docker-Content-Digest`."""

    places = _API


@dataclass(frozen=True, kw_only=True)
class FalsifyDigestHeader(Fault):
    """Send another `Docker-Content-Digest`."""

    digest: str = "sha256:" + "0" * 64

    places = frozenset({Endpoint.MANIFEST, Endpoint.BLOB})


@dataclass(frozen=True, kw_only=True)
class OmitContentType(Fault):
    """Leave out `Content-Type`."""

    places = _CONTENT


@dataclass(frozen=True, kw_only=True)
class FalsifyContentType(Fault):
    """Send another `Content-Type`, which contradicts the manifest's `mediaType`."""

    media_type: str = "application/json"

    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class ExtraHeaders(Fault):
    """Add headers to answers; the default is the spec's warning header (Warnings)."""

    headers: Mapping[str, str] = field(default_factory=lambda: {"Warning": '299 - "this registry will be retired"'})


@dataclass(frozen=True, kw_only=True)
class HeadUnsupported(Fault):
    """Answer 405 to HEAD."""

    verbs = frozenset({"HEAD"})
    places = frozenset({Endpoint.MANIFEST, Endpoint.BLOB})


@dataclass(frozen=True, kw_only=True)
class PullQuota(Fault):
    """Count manifest GETs as Docker Hub does, and answer 429 above `limit` until the window is over.

    Manifest answers, HEAD's too, have `ratelimit-limit: 100;w=21600` and `ratelimit-remaining`. HEAD is not counted.
    """

    limit: int = 100
    window_s: int = 21600
    used: int = 0
    retry_after_s: float | None = None
    retry_after: RetryAfter = RetryAfter.SECONDS
    source: str = "192.0.2.1"

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class SchemaOneUnlessAccepted(Fault):
    """Answer with a schema 1 manifest unless `Accept` names an OCI type, as Quay did."""

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class OversizedManifests(Fault):
    """Send manifests with so many spaces at their end that they have `size` bytes."""

    size: int = 8 * 1024 * 1024 + 1

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class HideManifests(Fault):
    """Answer 404 to reads of manifests that are there: eventual consistency, with `times`."""

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class MoveTag(Fault):
    """After a read of the tag `reference` move it to the digest `to`, which the repository must hold."""

    to: str
    times: int | None = 1

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class RefuseMediaTypes(Fault):
    """Refuse to store manifests whose type, `artifactType` or config type matches one of these globs."""

    types: tuple[str, ...]
    status: int = 400
    code: str = "MANIFEST_INVALID"

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class ImmutableTags(Fault):
    """Refuse to PUT a tag that exists, as ECR does, the same digest included unless `same_digest_is_fine`."""

    status: int = 400
    code: str = "TAG_INVALID"
    message: str = "ImageTagAlreadyExists: the tag already exists and cannot be overwritten"
    same_digest_is_fine: bool = False

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.MANIFEST})


class LinkStyle(enum.Enum):
    """What the `Link` header of a page looks like."""

    RELATIVE = "a path from the root, as the spec shows it"
    RELATIVE_PATH = "a reference relative to the request: list?n=2&last=b"
    ABSOLUTE = "a full URL of this origin"
    OPAQUE = "a cursor that cannot be guessed; `last` is answered with 405, as on ECR Public"
    LOOPING = "the last page leads to the first"
    MALFORMED = "a Link header that cannot be parsed"
    BROKEN = "a good link, but the second page answers 500"
    CROSS_ORIGIN = "a full URL of another origin"
    MISSING = "no link: the list is silently cut after the first page"


@dataclass(frozen=True, kw_only=True)
class PageLinks(Fault):
    """Cut tag lists, catalog and referrers into pages of `page_size` and link them in one of these styles."""

    style: LinkStyle
    page_size: int = 2

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.TAGS, Endpoint.CATALOG, Endpoint.REFERRERS})


@dataclass(frozen=True, kw_only=True)
class RefuseListings(Fault):
    """Refuse listings: `only_with_n` those that ask for a page size, as some registries answer 400 to it."""

    status: int = 400
    code: str = "UNSUPPORTED"
    only_with_n: bool = False

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.TAGS, Endpoint.CATALOG})


@dataclass(frozen=True, kw_only=True)
class NullTags(Fault):
    """Write an empty tag list as `null`, as the reference implementation does."""

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.TAGS})


@dataclass(frozen=True, kw_only=True)
class StrangeNames(Fault):
    """Put these values in front of the names of a tag list, a catalogue or a page of Docker Hub's tags."""

    names: tuple[object, ...]

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.TAGS, Endpoint.CATALOG, Endpoint.HUB})


@dataclass(frozen=True, kw_only=True)
class RedirectBlobs(Fault):
    """Redirect blob GETs to a presigned URL at the second origin, which answers 400 if `Authorization` comes along.

    A URL is good for one method and for `uses` requests (then 403). With `methods=("GET", "HEAD")` HEAD is redirected
    too, to a URL signed for GET, and so refused there (distribution issue 2055).
    """

    status: int = 307
    uses: int | None = None

    verbs = frozenset({"GET"})
    places = frozenset({Endpoint.BLOB})


@dataclass(frozen=True, kw_only=True)
class PhantomBlobs(Fault):
    """Claim by HEAD that blobs exist which the repository lacks; a manifest that refers to them is refused."""

    size: int = 1

    verbs = frozenset({"HEAD"})
    places = frozenset({Endpoint.BLOB})


@dataclass(frozen=True, kw_only=True)
class AnswerMount(Fault):
    """Answer a mount with this status whatever is there.

    201 lies: nothing is mounted. 202 opens an upload session. Other statuses are refusals with a fitting code.
    """

    status: int = 202

    verbs = frozenset({"POST"})
    places = frozenset({Endpoint.UPLOADS})


@dataclass(frozen=True, kw_only=True)
class RefuseMethod(Fault):
    """Answer 405 UNSUPPORTED; as it is: to PATCH, like registries that take only monolithic uploads."""

    verbs = frozenset({"PATCH"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class RefuseLargeBody(Fault):
    """Answer 413 to bodies above `limit` bytes, announced or streamed."""

    limit: int
    status: int = 413

    verbs = frozenset({"PUT", "PATCH", "POST"})
    places = frozenset({Endpoint.UPLOAD, Endpoint.UPLOADS})


@dataclass(frozen=True, kw_only=True)
class RequireFinalBody(Fault):
    """Refuse a final PUT without a body, as ECR does."""

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class RefuseFinalBody(Fault):
    """Refuse a PUT with a body, as registries that insist on PATCH do."""

    status: int = 400

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class KeepOnlyLastPatch(Fault):
    """Acknowledge every PATCH, but keep only the bytes of the last one."""

    verbs = frozenset({"PATCH"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class LoseChunk(Fault):
    """Keep only the first `keep` bytes of a chunk, and answer 416; `with_range`: with the true `Range`."""

    keep: int = 0
    with_range: bool = True

    verbs = frozenset({"PATCH"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class ExpireUploads(Fault):
    """Forget the upload session and answer 404 BLOB_UPLOAD_UNKNOWN."""

    verbs = frozenset({"PATCH", "PUT", "GET"})
    places = frozenset({Endpoint.UPLOAD})


@dataclass(frozen=True, kw_only=True)
class LoseBlobs(Fault):
    """At a manifest PUT forget the blobs it refers to that match `digest`, and refuse it: a garbage collection race."""

    digest: str = "*"

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class ExpireTokens(Fault):
    """After the request revoke all tokens; as it is: after each PATCH."""

    verbs = frozenset({"PATCH"})
    places = _API


@dataclass(frozen=True, kw_only=True)
class RefuseWiderScope(Fault):
    """Answer 403 to a token request for more than one repository."""

    places = frozenset({Endpoint.TOKEN})


@dataclass(frozen=True, kw_only=True)
class NoReferrers(Fault):
    """Answer to the referrers API with this status, and send no `OCI-Subject`."""

    status: int = 404

    places = frozenset({Endpoint.REFERRERS, Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class OverwriteTag(Fault):
    """After a PUT of the tag `reference` another writer wins: the tag's former index with one foreign entry more.

    That is the lost update on a referrers tag. `raw` (an OCI index) replaces the computed index.
    """

    reference: str = "sha256-*"
    raw: bytes | None = None
    times: int | None = 1

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class DigestTags(Fault):
    """Take the tag `sha256-<hex>` for the digest `sha256:<hex>`, as GitLab does.

    As it is: when reading, and a tag of that name, which can be stored, is not found again. With `tag_wins` it is found
    first. `methods=("GET", "HEAD", "PUT", "DELETE")` is for a registry that takes it for the digest throughout.
    """

    tag_wins: bool = False

    verbs = frozenset({"GET", "HEAD"})
    places = frozenset({Endpoint.MANIFEST})

    def concerns(self, request: Request) -> bool:
        """Tell whether the request is about such a tag."""
        return super().concerns(request) and re.fullmatch(r"sha256-[0-9a-f]{64}", request.route.reference) is not None


@dataclass(frozen=True, kw_only=True)
class RequireSubject(Fault):
    """Refuse a manifest whose subject is missing as if that were one of its blobs, as GitLab does."""

    verbs = frozenset({"PUT"})
    places = frozenset({Endpoint.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class DeleteUnsupported(Fault):
    """Answer 405 UNSUPPORTED to DELETE; `reference="sha*:*"` is by digest, `tags_only` by tag only."""

    tags_only: bool = False

    verbs = frozenset({"DELETE"})
    places = frozenset({Endpoint.MANIFEST, Endpoint.BLOB})

    @override
    def concerns(self, request: Request) -> bool:
        return super().concerns(request) and not (self.tags_only and ":" in request.route.reference)


@dataclass(frozen=True, kw_only=True)
class Deny(Fault):
    """Answer 403 DENIED to an authenticated request, such as a push that would have to create its repository."""

    status: int = 403
    code: str = "DENIED"
    message: str = "permission_denied: create_package"

    verbs = frozenset({"POST", "PUT", "PATCH", "DELETE"})
    places = _API


FaultT = TypeVar("FaultT", bound=Fault)


@dataclass
class _Active:
    fault: Fault
    seen: int = 0
    hits: int = 0

    def strikes(self, request: Request) -> bool:
        fault = self.fault
        if not fault.concerns(request):
            return False
        self.seen += 1
        if self.seen <= fault.skip or (fault.times is not None and self.hits >= fault.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The faults that are switched on. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[_Active] = []
        self._past_hits: dict[type[Fault], int] = {}

    def __contains__(self, kind: type[Fault]) -> bool:
        with self._lock:
            return any(isinstance(active.fault, kind) for active in self._active)

    def add(self, *faults: Fault) -> None:
        """Switch faults on. Two of one kind may stand side by side: the first that strikes is taken."""
        with self._lock:
            self._active += [_Active(fault) for fault in faults]

    def remove(self, kind: type[Fault]) -> None:
        """Switch off all faults of a kind."""
        with self._lock:
            self._retire(lambda active: isinstance(active.fault, kind))

    def clear(self) -> None:
        """Switch off everything."""
        with self._lock:
            self._retire(lambda _: True)

    @contextmanager
    def during(self, *faults: Fault) -> Generator[None]:
        """Switch faults on for the length of a `with` block."""
        self.add(*faults)
        try:
            yield
        finally:
            with self._lock:
                self._retire(lambda active: any(active.fault is fault for fault in faults))

    def hits(self, kind: type[Fault]) -> int:
        """Count how often faults of a kind have struck, those included that are switched off by now."""
        with self._lock:
            past = sum(hits for past_kind, hits in self._past_hits.items() if issubclass(past_kind, kind))
            return past + sum(active.hits for active in self._active if isinstance(active.fault, kind))

    def take(self, kind: type[FaultT], request: Request) -> FaultT | None:
        """Return the fault of this kind that strikes this request, and count it; to be asked once per request."""
        with self._lock:
            for active in self._active:
                if isinstance(active.fault, kind) and active.strikes(request):
                    return active.fault
        return None

    def _retire(self, which: Callable[[_Active], bool]) -> None:
        for active in self._active:
            if which(active):
                kind = type(active.fault)
                self._past_hits[kind] = self._past_hits.get(kind, 0) + active.hits
        self._active = [active for active in self._active if not which(active)]
