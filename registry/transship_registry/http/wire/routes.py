"""Which proxy a request goes through, by the environment (the rules of curl and of Go's x/net/http/httpproxy)."""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import httpx

from transship_registry.secret import Secret, know_login

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and, out of sight, what proves that we may use it (a `Proxy-Authorization` value)."""

    scheme: str
    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the address without credentials."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an origin: its scheme, host and port, and the proxy in between."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        return f"{bracketed(self.host)}:{self.port}"

    def __str__(self) -> str:
        """Return `host:port`, and the proxy."""
        return self.authority if self.proxy is None else f"{self.authority} (through proxy {self.proxy})"


def bracketed(host: str) -> str:
    """Return `host` as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


class Routes:
    """Finds the route for a URL from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

    Names in lower case win. `HTTP_PROXY` in upper case is ignored in a CGI process, where a client may set it
    (https://httpoxy.org). `localhost` and loopback addresses are always reached directly.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read `environment` once."""
        in_cgi = "REQUEST_METHOD" in environment
        fallback = _variable(environment, "ALL_PROXY")
        http = environment.get("http_proxy") or ("" if in_cgi else environment.get("HTTP_PROXY", ""))
        self._proxy_urls = {"http": http or fallback, "https": _variable(environment, "HTTPS_PROXY") or fallback}
        self._exceptions = [entry.strip() for entry in _variable(environment, "NO_PROXY").split(",") if entry.strip()]

    def route(self, url: httpx.URL) -> Route:
        """Return the way to `url`; raises `httpx.UnsupportedProtocol`, or `httpx.ProxyError` for an unusable proxy."""
        scheme = url.scheme
        if scheme not in _DEFAULT_PORTS or not url.host:
            raise httpx.UnsupportedProtocol(f"{scheme}://{url.host} is not the address of an HTTP server")
        host, port = url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[scheme]
        proxy_url = self._proxy_urls[scheme]
        if not proxy_url or self._is_exception(host, port):
            return Route(scheme, host, port)
        return Route(scheme, host, port, parse_proxy(proxy_url))

    def _is_exception(self, host: str, port: int) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_covers(entry, host, address, port) for entry in self._exceptions)


def parse_proxy(url: str) -> Proxy:
    """Parse the address of a proxy, `http://` being understood; raises `httpx.ProxyError`, without its password."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise httpx.ProxyError("the proxy's address in the environment is no URL, or has an unusable port") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise httpx.ProxyError(
            f"the proxy's address in the environment is {parts.scheme}://{parts.hostname or ''}; "
            "expected http://host:port or https://host:port"
        )
    authorization = None
    if parts.username is not None:
        user, password = unquote(parts.username), Secret(unquote(parts.password or ""))
        know_login(user, password)
        authorization = b"Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode())
    return Proxy(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], authorization)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.lower()) or environment.get(name, "")


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _covers(entry: str, host: str, address: _Address | None, port: int) -> bool:
    """Say whether one entry of `NO_PROXY` names the host: `*`, an address, a network, a domain, perhaps with a port."""
    if address is not None and "/" in entry:
        return _in_network(address, entry)
    name, entry_port = _split_port(entry.lower())
    if entry_port not in {None, port}:
        return False
    if address is not None:
        return name == "*" or _address(name) == address
    name = name.removeprefix("*")
    return host == name or host.endswith(name if name.startswith(".") else f".{name}") or not name


def _in_network(address: _Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:
        return entry, None
    name, colon, port = entry.rpartition(":")
    if not colon or not port.isdigit():
        return entry.strip("[]"), None
    return name.strip("[]"), int(port)
