"""A record of every request that the server got, for tests to count."""

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from support.registry_server.routes import Route


@dataclass(frozen=True)
class Credential:
    """A secret that was shown to one origin: `scheme` is `basic`, `bearer`, `password` or `refresh_token`."""

    origin: str
    path: str
    scheme: str
    user: str
    secret: str


@dataclass
class Recorded:
    """One request. `status` is set before the answer is sent, 0 if there was none; byte counts grow as they pass."""

    origin: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    route: Route
    in_flight: int
    started_at: float
    status: int = 0
    received: int = 0
    sent: int = 0
    ended_at: float | None = None
    credentials: list[Credential] = field(default_factory=list[Credential])

    @property
    def line(self) -> str:
        """Method, path and query as on the wire, for messages and for comparing sequences."""
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


class Requests:
    """All requests in the order of their arrival. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: list[Recorded] = []
        self._in_flight = 0
        self._in_flight_max = 0

    def __iter__(self) -> Iterator[Recorded]:
        """Iterate over a copy, so that requests may arrive meanwhile."""
        with self._lock:
            return iter(list(self._recorded))

    def __len__(self) -> int:
        return len(self._recorded)

    @property
    def in_flight(self) -> int:
        """How many requests are being answered now."""
        return self._in_flight

    @property
    def in_flight_max(self) -> int:
        """The most requests that were being answered at one time since the last `clear`."""
        return self._in_flight_max

    @property
    def lines(self) -> list[str]:
        """Every request as `METHOD /path?query`."""
        return [each.line for each in self]

    @property
    def credentials(self) -> list[Credential]:
        """Every secret that any origin was shown, in order."""
        return [credential for each in self for credential in each.credentials]

    def select(
        self, method: str | None = None, path: str = "", status: int | None = None, *, query: str = ""
    ) -> list[Recorded]:
        """Return the requests whose method and status are these and in whose path and query the regexes are found."""
        return [
            each
            for each in self
            if method in {None, each.method}
            and status in {None, each.status}
            and re.search(path, each.path)
            and re.search(query, each.query)
        ]

    def count(self, method: str | None = None, path: str = "", status: int | None = None, *, query: str = "") -> int:
        """Count what `select` returns."""
        return len(self.select(method, path, status, query=query))

    def clear(self) -> None:
        """Forget all requests; those in flight are still counted as such."""
        with self._lock:
            self._recorded.clear()
            self._in_flight_max = self._in_flight

    def begin(
        self, *, origin: str, method: str, path: str, query: str, headers: Mapping[str, str], route: Route
    ) -> Recorded:
        """Record the arrival of a request."""
        with self._lock:
            self._in_flight += 1
            self._in_flight_max = max(self._in_flight_max, self._in_flight)
            recorded = Recorded(origin, method, path, query, headers, route, self._in_flight, time.monotonic())
            self._recorded.append(recorded)
        authorization = headers.get("authorization")
        if authorization is not None:
            recorded.credentials.append(_credential(recorded, authorization))
        return recorded

    def end(self, recorded: Recorded) -> None:
        """Record that a request is done with, answered or not; the second time does nothing."""
        with self._lock:
            if recorded.ended_at is None:
                self._in_flight -= 1
                recorded.ended_at = time.monotonic()


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Return user and password of a Basic Authorization header, or None if it is not one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password


def _credential(recorded: Recorded, authorization: str) -> Credential:
    pair = basic_credentials(authorization)
    if pair is not None:
        return Credential(recorded.origin, recorded.path, "basic", *pair)
    scheme, _, value = authorization.partition(" ")
    return Credential(recorded.origin, recorded.path, scheme.lower(), "", value)
