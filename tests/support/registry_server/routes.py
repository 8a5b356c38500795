"""The registry's endpoints and the paths that lead to them."""

import enum
import re
from dataclasses import dataclass


class Endpoint(enum.Enum):
    """What a path is about; `MANIFEST` and the others are named as the spec names them."""

    BASE = "base"
    CATALOG = "catalog"
    TAGS = "tags"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    REFERRERS = "referrers"
    TOKEN = "token"
    HUB = "hub"
    CDN = "cdn"
    UNKNOWN = "unknown"


_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?P<repository>{_PART}(?:/{_PART})*)"
_REFERENCE = r"(?P<reference>[^/]+)"

_PATHS = tuple(
    (endpoint, re.compile(pattern))
    for endpoint, pattern in (
        (Endpoint.BASE, r"/v2/?"),
        (Endpoint.CATALOG, r"/v2/_catalog"),
        (Endpoint.TAGS, rf"/v2/{_NAME}/tags/list"),
        (Endpoint.MANIFEST, rf"/v2/{_NAME}/manifests/{_REFERENCE}"),
        (Endpoint.UPLOADS, rf"/v2/{_NAME}/blobs/uploads/?"),
        (Endpoint.UPLOAD, rf"/v2/{_NAME}/blobs/uploads/{_REFERENCE}"),
        (Endpoint.BLOB, rf"/v2/{_NAME}/blobs/{_REFERENCE}"),
        (Endpoint.REFERRERS, rf"/v2/{_NAME}/referrers/{_REFERENCE}"),
        (Endpoint.TOKEN, r"/token"),
        (Endpoint.HUB, r"/hub/v2/repositories/(?P<repository>[^/]+/[^/]+)/tags(?:/(?P<reference>[^/]+))?/?"),
        (Endpoint.CDN, rf"/cdn/{_NAME}/blobs/{_REFERENCE}"),
    )
)
_BAD_NAME = re.compile(r"/v2/.+/(?:tags/list|manifests/[^/]+|blobs/[^/]+|blobs/uploads/.*|referrers/[^/]+)")


@dataclass(frozen=True)
class Route:
    """A path understood; `repository` and `reference` are empty where the endpoint has none."""

    endpoint: Endpoint
    repository: str = ""
    reference: str = ""
    bad_name: bool = False


def find(path: str) -> Route:
    """Return the route of a path; one with a repository name against the spec's pattern is marked so."""
    for endpoint, pattern in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None:
            parts = match.groupdict(default="")
            return Route(endpoint, parts.get("repository", ""), parts.get("reference", ""))
    return Route(Endpoint.UNKNOWN, bad_name=_BAD_NAME.fullmatch(path) is not None)
