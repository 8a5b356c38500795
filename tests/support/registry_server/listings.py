"""Tags, repositories and referrers, page by page (spec: Content Discovery)."""

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from support.registry_server import documents
from support.registry_server.core import Registry, method_not_allowed, require_digest
from support.registry_server.exchange import RefusedError, Request, Response, json_response
from support.registry_server.faults import LinkStyle, NoReferrers, NullTags, PageLinks, RefuseListings, StrangeNames
from support.registry_server.routes import Endpoint


@dataclass(frozen=True)
class _Page:
    """The items from `start` to `stop` of a list, the query that leads to the next page, and the link's style."""

    start: int
    stop: int
    next_query: Mapping[str, str] | None
    style: LinkStyle = LinkStyle.RELATIVE


def tags(registry: Registry, request: Request) -> Response:
    """Answer `GET /v2/<name>/tags/list`."""
    if request.method != "GET":
        raise method_not_allowed(request)
    repository = request.route.repository
    _refuse_by_fault(registry, request)
    registry.require_repository(repository)
    digests = registry.store.tags(repository)
    names = list(digests)
    page = _paginate(registry, request, names, registry.options.page_size)
    shown: list[object] | None = [*strange_names(registry, request), *names[page.start : page.stop]]
    if not shown and registry.faults.take(NullTags, request) is not None:
        shown = None
    document: dict[str, object] = {"name": repository, "tags": shown}
    if registry.options.google_tags:
        document |= {"child": [], "manifest": _google_manifests(registry, repository, digests)}
    return json_response(200, document, _link(registry, request, page))


def catalog(registry: Registry, request: Request) -> Response:
    """Answer `GET /v2/_catalog`, which the OCI spec leaves to the Docker API that it came from."""
    if request.method != "GET":
        raise method_not_allowed(request)
    _refuse_by_fault(registry, request)
    if not registry.options.catalog:
        raise RefusedError(404, "UNSUPPORTED", "this registry has no catalog")
    names = registry.store.repositories()
    page = _paginate(registry, request, names, registry.options.page_size)
    shown = [*strange_names(registry, request), *names[page.start : page.stop]]
    return json_response(200, {"repositories": shown}, _link(registry, request, page))


def strange_names(registry: Registry, request: Request) -> tuple[object, ...]:
    """Return what a fault puts among the names of a list."""
    strange = registry.faults.take(StrangeNames, request)
    return strange.names if strange is not None else ()


def referrers(registry: Registry, request: Request) -> Response:
    """Answer `GET /v2/<name>/referrers/<digest>`; a digest that nobody refers to, or that is unknown, has none."""
    if request.method != "GET":
        raise method_not_allowed(request)
    missing = registry.faults.take(NoReferrers, request)
    if missing is not None or not registry.options.referrers_api:
        status = 404 if missing is None else missing.status
        raise RefusedError(status, "UNSUPPORTED" if status != 404 else "NOT_FOUND", "no such endpoint")
    digest = require_digest(request.route.reference)
    found = registry.store.referrers(request.route.repository, digest)
    headers = {"Content-Type": documents.OCI_INDEX}
    wanted = request.query.get("artifactType")
    if wanted is not None:
        found = [each for each in found if each.get("artifactType") == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    names = [str(each["digest"]) for each in found]
    page = _paginate(registry, request, names, registry.options.referrers_page_size)
    document = {
        "schemaVersion": 2,
        "mediaType": documents.OCI_INDEX,
        "manifests": found[page.start : page.stop],
    }
    return json_response(200, document, {**headers, **_link(registry, request, page)})


def _refuse_by_fault(registry: Registry, request: Request) -> None:
    refused = registry.faults.take(RefuseListings, request)
    if refused is not None and ("n" in request.query or not refused.only_with_n):
        raise RefusedError(refused.status, refused.code, f"{request.path} does not take these parameters")


def _paginate(registry: Registry, request: Request, names: Sequence[str], most: int | None) -> _Page:
    fault = registry.faults.take(PageLinks, request)
    size = _page_size(request, most if fault is None else fault.page_size)
    start = _position(registry, request, names, fault)
    stop = len(names) if size is None else min(start + size, len(names))
    if size is None or size == 0:
        return _Page(start, stop, None)
    if fault is None:
        return _Page(start, stop, _after(request, names[stop - 1], size) if stop < len(names) else None)
    return _Page(start, stop, _next_by_fault(registry, request, names, stop, fault), fault.style)


def _page_size(request: Request, most: int | None) -> int | None:
    """Return the page size: `n`, but no more than the registry allows."""
    asked = request.query.get("n")
    if asked is None:
        return most
    if not asked.isdecimal():
        raise RefusedError(400, "PAGINATION_NUMBER_INVALID", f"invalid number of results requested: n={asked}")
    return int(asked) if most is None else min(int(asked), most)


def _position(registry: Registry, request: Request, names: Sequence[str], fault: PageLinks | None) -> int:
    """Return where a page starts: after `last`, or where a cursor leads."""
    style = None if fault is None else fault.style
    cursor, last = request.query.get("cursor"), request.query.get("last")
    if cursor is not None:
        if cursor not in registry.cursors.positions:
            raise RefusedError(400, "UNSUPPORTED", f"unknown cursor {cursor}")
        return registry.cursors.positions[cursor]
    if last is None:
        return 0
    if style is LinkStyle.OPAQUE:
        raise RefusedError(405, "UNSUPPORTED", "Invalid parameter at 'last'")
    if style is LinkStyle.BROKEN:
        raise RefusedError(500, "UNKNOWN", "internal error while reading the next page")
    if request.route.endpoint is Endpoint.REFERRERS:
        return names.index(last) + 1 if last in names else 0
    return sum(name <= last for name in names)


def _next_by_fault(
    registry: Registry, request: Request, names: Sequence[str], stop: int, fault: PageLinks
) -> Mapping[str, str] | None:
    more = stop < len(names)
    if fault.style is LinkStyle.OPAQUE:
        return {"cursor": registry.cursors.new(stop)} if more else None
    if fault.style is LinkStyle.LOOPING and not more:
        return {"n": str(fault.page_size), "last": ""}
    return _after(request, names[stop - 1], fault.page_size) if more else None


def _after(request: Request, last: str, size: int) -> Mapping[str, str]:
    """Return the query of the page after `last`; other parameters, such as a filter, stay."""
    kept = {name: value for name, value in request.query.items() if name not in {"n", "last", "cursor"}}
    return {**kept, "n": str(size), "last": last}


def _link(registry: Registry, request: Request, page: _Page) -> dict[str, str]:
    """Return the `Link` header to the next page (RFC 8288), if there is one."""
    if page.next_query is None:
        return {}
    query = urllib.parse.urlencode(page.next_query)
    match page.style:
        case LinkStyle.MISSING:
            return {}
        case LinkStyle.MALFORMED:
            return {"Link": f'{request.path}?{query}>>; rel="next'}
        case LinkStyle.RELATIVE_PATH:
            target = f"{request.path.rpartition('/')[2]}?{query}"
        case LinkStyle.ABSOLUTE:
            target = f"{registry.url}{request.path}?{query}"
        case LinkStyle.CROSS_ORIGIN:
            target = f"{registry.side_url}{request.path}?{query}"
        case LinkStyle.RELATIVE | LinkStyle.OPAQUE | LinkStyle.LOOPING | LinkStyle.BROKEN:
            target = f"{request.path}?{query}"
        case _:
            assert_never(page.style)
    return {"Link": f'<{target}>; rel="next"'}


def _google_manifests(registry: Registry, repository: str, digests: Mapping[str, str]) -> dict[str, object]:
    """Return what Google's registries add to a tag list: every manifest by digest, with its tags, size and times."""
    found: dict[str, object] = {}
    for stored in registry.store.manifests(repository):
        millis = str(int(stored.stored_at * 1000))
        tags_here = [tag for tag, digest in digests.items() if digest == stored.digest]
        if tags_here:
            uploaded = str(int(max(registry.store.tag_time(repository, tag) for tag in tags_here) * 1000))
        else:
            uploaded = millis
        found[stored.digest] = {
            "imageSizeBytes": str(sum(size or 0 for size in stored.document.blobs.values())),
            "layerId": "",
            "mediaType": stored.media_type,
            "tag": tags_here,
            "timeCreatedMs": millis,
            "timeUploadedMs": uploaded,
        }
    return found
