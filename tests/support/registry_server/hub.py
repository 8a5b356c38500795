"""Docker Hub's web API for tag names and dates, under `/hub` so that it does not collide with the registry API.

A tag page is at `/hub/v2/repositories/<namespace>/<repository>/tags?page_size=100&page=1`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from support.registry_server.core import Registry, method_not_allowed
from support.registry_server.exchange import RefusedError, Request, Response, json_response
from support.registry_server.listings import strange_names
from support.registry_server.store import StoredManifest

DEFAULT_PAGE_SIZE = 10
LARGEST_PAGE_SIZE = 100


def answer(registry: Registry, request: Request) -> Response:
    """Answer with a page of tags, newest first, or with one tag."""
    if request.method != "GET":
        raise method_not_allowed(request)
    repository, tag = request.route.repository, request.route.reference
    if not registry.store.has_repository(repository):
        return json_response(404, {"message": "object not found", "errinfo": {"repository": repository}})
    tags = registry.store.tags(repository)
    if tag:
        if tag not in tags:
            return json_response(404, {"message": f"tag '{tag}' not found", "errinfo": {"tag": tag}})
        return json_response(200, _entry(registry, repository, tag))
    newest_first = sorted(tags, key=lambda name: (-registry.store.tag_time(repository, name), name))
    size = min(_number(request, "page_size", DEFAULT_PAGE_SIZE), LARGEST_PAGE_SIZE)
    page = _number(request, "page", 1)
    shown = newest_first[(page - 1) * size : page * size]
    if not shown and page > 1:
        return json_response(404, {"message": f"page {page} is out of range"})
    more = page * size < len(newest_first)
    strange = strange_names(registry, request)
    document = {
        "count": len(newest_first) + len(strange),
        "next": _page_url(registry, request, size, page + 1) if more else None,
        "previous": _page_url(registry, request, size, page - 1) if page > 1 else None,
        "results": [*strange, *(_entry(registry, repository, name) for name in shown)],
    }
    return json_response(200, document)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise RefusedError(400, "UNSUPPORTED", f"{name}={text} is not a positive number")
    return int(text)


def _page_url(registry: Registry, request: Request, size: int, page: int) -> str:
    return f"{registry.url}{request.path}?page={page}&page_size={size}"


def _entry(registry: Registry, repository: str, tag: str) -> Mapping[str, object]:
    stored = registry.store.get_manifest(repository, tag)
    assert stored is not None, f"{repository}:{tag} vanished while it was listed"
    at = datetime.fromtimestamp(registry.store.tag_time(repository, tag), UTC)
    images = _images(registry, repository, stored)
    return {
        "name": tag,
        "tag_status": "active",
        "last_updated": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "tag_last_pushed": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "digest": stored.digest,
        "media_type": stored.media_type,
        "full_size": _image_size(stored),
        "images": images,
    }


def _images(registry: Registry, repository: str, stored: StoredManifest) -> list[dict[str, object]]:
    if not stored.document.children:
        return [_image(stored.digest, _platform_of(registry, repository, stored), _image_size(stored))]
    found: list[dict[str, object]] = []
    for child in stored.document.children:
        held = registry.store.get_manifest(repository, child.digest)
        found.append(_image(child.digest, child.platform, 0 if held is None else _image_size(held)))
    return found


def _image(digest: str, platform: Mapping[str, str], size: int) -> dict[str, object]:
    return {
        "architecture": platform.get("architecture", "unknown"),
        "os": platform.get("os", "unknown"),
        "variant": platform.get("variant"),
        "digest": digest,
        "size": size,
        "status": "active",
    }


def _image_size(stored: StoredManifest) -> int:
    return sum(size or 0 for size in stored.document.blobs.values())


def _platform_of(registry: Registry, repository: str, stored: StoredManifest) -> Mapping[str, str]:
    """Return the platform that an image's config names."""
    for digest in stored.document.blobs:
        content = registry.store.get_blob(repository, digest)
        if content is None or content.size > 1024 * 1024:
            continue
        raw = b"".join(bytes(piece) for piece in content.pieces(0, content.size))
        try:
            config = json.loads(raw)
        except ValueError:
            continue
        return {name: config[name] for name in ("architecture", "os", "variant") if name in config}
    return {}
