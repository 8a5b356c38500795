"""Where a URL that a registry hands out may lead: origins, redirects, upload locations, next pages."""

import re
from typing import Final

import httpx

from transship_registry.secret import know_passing

_PORTS = {"http": 80, "https": 443}
_SECRET_NAME: Final = re.compile(r"sig|token|state|key|credential|secret|policy|auth|jwt|pass", re.IGNORECASE)
_LONG: Final = 32
"""Characters from which on the value of a query counts as a secret, whatever its name is."""


class ForbiddenURLError(ValueError):
    """A registry pointed to a place that is not followed; the message names no query, which may hold a signature."""


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port; equal values share credentials (RFC 6454)."""
    return url.scheme, url.host.lower(), url.port or _PORTS.get(url.scheme)


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Return whether two URLs share scheme, host and port."""
    return origin(one) == origin(other)


def network_address(url: httpx.URL) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{origin(url)[2]}"


def printable(url: httpx.URL) -> str:
    """Return the URL without user, query and fragment, fit for a message: queries of presigned URLs are secrets."""
    return f"{place(url)}{url.path}"


def place(url: httpx.URL) -> str:
    """Return scheme, host and port of the URL, fit for a message about an address that is a secret as a whole."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{host}{port}"


def note_signature(url: httpx.URL) -> None:
    """Remember what of the query of a redirect's or an upload's address is a secret, so that no message repeats it."""
    query = url.query.decode("ascii", "replace")
    if query:
        know_passing(query)
    for name, value in url.params.multi_items():
        if _SECRET_NAME.search(name) or len(value) >= _LONG:
            know_passing(value)


def follow(base: httpx.URL, target: str) -> httpx.URL:
    """Resolve what a `Location` header names; raises `ForbiddenURLError` for a place that must not be visited.

    A registry behind a proxy that ends TLS often names itself with http; that is read as https. Any other step from
    https to http is refused (semantics B16.3). Whether the place may be reached is judged when it is (`wire/reach.py`).
    """
    url = _join(base, target)
    if base.scheme == "https" and url.scheme == "http":
        if url.host.lower() != base.host.lower() or url.port not in (None, origin(base)[2]):
            raise ForbiddenURLError(f"it leads from https to {printable(url)}, which is not encrypted")
        url = url.copy_with(scheme="https", port=base.port)
    return url


def follow_within(home: httpx.URL, base: httpx.URL, target: str) -> httpx.URL:
    """Resolve a link that `base` gave and that must stay on `home`; raises `ForbiddenURLError` when it leaves it."""
    url = follow(base, target)
    if not same_origin(home, url):
        raise ForbiddenURLError(f"it leads to {printable(url)}, away from {printable(home)}")
    return url


def with_query(url: httpx.URL, query: str) -> httpx.URL:
    """Append `query` to the URL's own query, which is kept to the letter: it carries the registry's state."""
    own = url.query
    return url.copy_with(query=own + (b"&" if own else b"") + query.encode("ascii"))


def _join(base: httpx.URL, target: str) -> httpx.URL:
    try:
        url = base.join(target)
        host = url.host
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenURLError("it is not a URL") from error
    if url.port is not None and not 0 < url.port < 65536:
        raise ForbiddenURLError("it is not a URL")
    if url.scheme not in _PORTS or not host:
        raise ForbiddenURLError(f"its scheme {url.scheme!r} is neither http nor https")
    return url
