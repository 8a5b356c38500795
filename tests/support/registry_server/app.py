"""The ASGI application: from a request to the endpoint that answers it."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast

from support.registry_server import blobs, hub, listings, manifests, uploads
from support.registry_server.core import Registry, method_not_allowed
from support.registry_server.delivery import deliver, drip_out
from support.registry_server.echoes import echo
from support.registry_server.exchange import (
    ClientGoneError,
    HangUpError,
    Receive,
    RefusedError,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    hang_up,
    join_headers,
    json_response,
    parse_query,
)
from support.registry_server.faults import (
    Deny,
    DripAnswer,
    ExpireTokens,
    FailRequests,
    HeadUnsupported,
    RefuseConcurrency,
    RefuseMethod,
    ResetConnection,
    SlowResponses,
)
from support.registry_server.options import Bearer
from support.registry_server.recording import Requests
from support.registry_server.routes import Endpoint, Route, find

TRANSPORT_KEY = "test.transport"
_CODES: Mapping[int, str] = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}


class CrashNote:
    """Notes an exception that nobody foresaw, so that the server can fail the test which met it."""

    def __init__(self, crashes: list[BaseException]) -> None:
        self._crashes = crashes

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._crashes.append(error)


class RegistryApp:
    """One origin of a registry: the registry itself, or the second origin with presigned blobs and tokens."""

    def __init__(self, registry: Registry, requests: Requests, *, origin: str, is_side: bool) -> None:
        self._registry = registry
        self._requests = requests
        self._origin = origin
        self._endpoints = _endpoints_of(registry, is_side=is_side)
        self.crashes: list[BaseException] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        path = cast("str", scope["path"])
        query = cast("bytes", scope["query_string"]).decode("latin-1")
        headers = join_headers(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        route = find(path)
        recorded = self._requests.begin(
            origin=self._origin,
            method=cast("str", scope["method"]),
            path=path,
            query=query,
            headers=headers,
            route=route,
        )
        request = Request(
            recorded.method,
            path,
            parse_query(query),
            headers,
            route if route.endpoint in self._endpoints else Route(Endpoint.UNKNOWN, bad_name=route.bad_name),
            self._origin,
            recorded,
            cast("Any", scope)[TRANSPORT_KEY],
            receive,
        )
        try:
            with CrashNote(self.crashes):
                await self._answer(request, send)
        finally:
            self._requests.end(recorded)

    async def _answer(self, request: Request, send: Send) -> None:
        try:
            cut = self._registry.faults.take(ResetConnection, request)
            if cut is not None and not cut.after_work:
                raise HangUpError(reset=cut.reset)
            drip = self._registry.faults.take(DripAnswer, request)
            if drip is not None:
                await drip_out(self._registry, request, send, drip)
                return
            response = await self._respond(request)
            if cut is not None:
                raise HangUpError(reset=cut.reset)
            await deliver(self._registry, request, response, send, lambda: self._requests.end(request.recorded))
        except HangUpError as asked:
            request.recorded.status = 0
            hang_up(request.transport, reset=asked.reset)
            await request.until_gone()
        except ClientGoneError:
            request.recorded.status = 0

    async def _respond(self, request: Request) -> Response:
        slow = self._registry.faults.take(SlowResponses, request)
        if slow is not None:
            await self._registry.pause(slow.seconds, slow.released)
        try:
            failed = self._fail_by_fault(request) or await echo(self._registry.faults, request)
            if failed is not None:
                return failed
            return await self._admit_and_dispatch(request)
        except RefusedError as refused:
            return refused.response
        finally:
            if self._registry.faults.take(ExpireTokens, request) is not None:
                self._registry.gate.revoke_all()

    def _fail_by_fault(self, request: Request) -> Response | None:
        faults, clock = self._registry.faults, self._registry.options.clock
        failed = faults.take(FailRequests, request)
        if failed is not None:
            headers = dict(failed.headers)
            if failed.retry_after_s is not None:
                headers["Retry-After"] = manifests.retry_after(failed.retry_after, failed.retry_after_s, clock())
            code = failed.code or _CODES.get(failed.status, "UNKNOWN")
            return error_response(failed.status, code, failed.message, headers=headers)
        crowded = faults.take(RefuseConcurrency, request)
        if crowded is not None and request.recorded.in_flight > crowded.limit:
            headers = {} if crowded.retry_after_s is None else {"Retry-After": f"{crowded.retry_after_s:.0f}"}
            return error_response(429, "TOOMANYREQUESTS", f"more than {crowded.limit} at once", headers=headers)
        if faults.take(HeadUnsupported, request) or faults.take(RefuseMethod, request):
            raise method_not_allowed(request)
        return None

    async def _admit_and_dispatch(self, request: Request) -> Response:
        endpoint = request.route.endpoint
        if endpoint not in {Endpoint.TOKEN, Endpoint.CDN, Endpoint.HUB, Endpoint.UNKNOWN}:
            self._registry.gate.admit(request)
        denied = self._registry.faults.take(Deny, request)
        if denied is not None:
            raise RefusedError(denied.status, denied.code, denied.message)
        return await self._dispatch(request)

    async def _dispatch(self, request: Request) -> Response:
        registry = self._registry
        match request.route.endpoint:
            case Endpoint.MANIFEST:
                return await manifests.answer(registry, request)
            case Endpoint.UPLOADS if request.method == "POST":
                return await uploads.start(registry, request)
            case Endpoint.UPLOAD:
                return await _answer_upload(registry, request)
            case Endpoint.TOKEN:
                return await registry.gate.issue(request)
            case _:
                return _answer_reading(registry, request)


async def _answer_upload(registry: Registry, request: Request) -> Response:
    match request.method:
        case "PATCH":
            return await uploads.patch(registry, request)
        case "PUT":
            return await uploads.put(registry, request)
        case "GET":
            return uploads.status(registry, request)
        case "DELETE":
            return uploads.cancel(registry, request)
        case _:
            raise method_not_allowed(request)


def _answer_reading(registry: Registry, request: Request) -> Response:
    """Answer at the endpoints that have no request body."""
    answers = {
        Endpoint.BLOB: blobs.answer,
        Endpoint.CDN: blobs.answer_at_cdn,
        Endpoint.TAGS: listings.tags,
        Endpoint.CATALOG: listings.catalog,
        Endpoint.REFERRERS: listings.referrers,
        Endpoint.HUB: hub.answer,
    }
    route = request.route
    if route.endpoint in answers:
        return answers[route.endpoint](registry, request)
    if route.endpoint is Endpoint.BASE and request.method in {"GET", "HEAD"}:
        return json_response(200, {})
    if route.endpoint is not Endpoint.UNKNOWN:
        raise method_not_allowed(request)
    if route.bad_name:
        raise RefusedError(400, "NAME_INVALID", f"invalid repository name in {request.path}")
    raise RefusedError(404, "NOT_FOUND", f"there is nothing at {request.path}")


def _endpoints_of(registry: Registry, *, is_side: bool) -> frozenset[Endpoint]:
    auth = registry.options.auth
    tokens_at_side = isinstance(auth, Bearer) and auth.separate_origin
    if is_side:
        return frozenset({Endpoint.CDN, Endpoint.TOKEN} if tokens_at_side else {Endpoint.CDN})
    elsewhere = {Endpoint.CDN, Endpoint.TOKEN} if tokens_at_side else {Endpoint.CDN}
    return frozenset(Endpoint) - elsewhere
