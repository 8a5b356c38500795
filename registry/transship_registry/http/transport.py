"""The one place that decides how HTTP requests travel (ADR 0002)."""

import functools
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from transship_registry.http.wire.dial import Dialer
from transship_registry.http.wire.looking_up import LookUp, look_up
from transship_registry.http.wire.pool import WireTransport
from transship_registry.http.wire.routes import Routes


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """How to reach the hosts of one registry configuration.

    `tls`: context for https, `None` for certifi's roots; certificates, client certificates and host name checks are its
    business. Where there is `tls_elsewhere`, that is for the host `home`, and all others have what it returns for their
    host and port. `connect_timeout_s` spans name resolution (`look_up`), TCP, proxy and TLS handshake.
    `stall_timeout_s` is the longest silence while bytes are due in either direction, and what `wire/pace.py` measures
    by. `max_connections` holds per origin (scheme, host, port). An idle connection is not used again after
    `keepalive_s`. A response head larger than `max_head_bytes` is refused. Proxies come from `proxy_environment`;
    `None` reads `os.environ`.
    """

    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 30.0
    stall_timeout_s: float = 60.0
    max_connections: int = 32
    keepalive_s: float = 30.0
    max_head_bytes: int = 64 * 1024
    proxy_environment: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    home: str = ""
    tls_elsewhere: Callable[[str, int], ssl.SSLContext | None] | None = None
    look_up: LookUp = look_up


def open_transport(settings: TransportSettings) -> httpx.AsyncBaseTransport:
    """Open a transport for `settings`; close it with `aclose()` or use it as an asynchronous context manager.

    Its `handle_async_request` takes any `httpx.Request` and returns the response with its body unread and as sent (no
    decompression); read or `aclose()` every response, for it holds a connection. It follows no redirect, retries
    nothing but replayable requests on an idle connection that turned out dead, and raises only
    `httpx.TransportError`s, without secrets in their messages.
    """

    @functools.cache
    def tls(host: str, port: int) -> ssl.SSLContext:
        elsewhere = settings.tls_elsewhere
        is_home = elsewhere is None or host.lower() == settings.home
        found = settings.tls if is_home or elsewhere is None else elsewhere(host, port)
        return found or default()

    default = functools.cache(httpx.create_ssl_context)
    dialer = Dialer(
        tls, settings.connect_timeout_s, settings.stall_timeout_s, settings.max_head_bytes, settings.look_up
    )
    environment = os.environ if settings.proxy_environment is None else settings.proxy_environment
    return WireTransport(dialer, Routes(environment), settings.max_connections, settings.keepalive_s)
