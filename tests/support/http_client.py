"""The HTTP client under test, with time that a test holds in its hand, and transports that answer from a script."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypedDict, Unpack

import httpx
from typing_extensions import override

from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.hosts import Credential, HostSettings, TlsMode
from transship_registry.http.timing import Timing
from transship_registry.http.transport import TransportSettings
from transship_registry.login.logins import CredentialSource
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository

START = 1_000_000.0
WALL = 1_700_000_000.0
"""The Unix time at the start: 2023-11-14 22:13:20 UTC."""


@dataclass
class FakeTime:
    """Time that passes only by sleeping, and by `tick` seconds whenever one looks at the clock.

    `sleeps` are the sleeps asked for.
    """

    now: float = START
    chance: float = 0.5
    tick: float = 0.0
    sleeps: list[float] = field(default_factory=list[float])
    _calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list[tuple[float, Callable[[], None]]])

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once, and everybody else run."""
        self.sleeps.append(seconds)
        self.pass_by(seconds)
        await asyncio.sleep(0)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and call what is due meanwhile."""
        until = self.now + seconds
        while due := [call for call in self._calls if call[0] <= until]:
            first = min(due, key=lambda call: call[0])
            self._calls.remove(first)
            self.now = max(self.now, first[0])
            first[1]()
        self.now = until

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._calls.append((self.now + seconds, callback))

    def _look(self) -> float:
        self.now += self.tick
        return self.now

    @property
    def timing(self) -> Timing:
        """What the code under test takes."""
        return Timing(
            clock=self._look,
            wall=lambda: WALL + self.now - START,
            sleep=self.sleep,
            later=self._later,
            chance=lambda: self.chance,
        )


class PiecesBody(httpx.AsyncByteStream):
    """A body in pieces, which may end in an error; it knows whether it was closed."""

    def __init__(self, pieces: Iterable[bytes], error: httpx.TransportError | None = None) -> None:
        self._pieces = list(pieces)
        self._error = error
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            yield piece
        if self._error is not None:
            raise self._error

    @override
    async def aclose(self) -> None:
        self.closed = True


Reply = httpx.Response | httpx.TransportError
Answering = Callable[[httpx.Request], Reply | Awaitable[Reply]]


@dataclass
class Scripted(httpx.AsyncBaseTransport):
    """A transport that answers from a script, in order, or by a function; it keeps the requests and their bodies."""

    answers: Sequence[Reply] | Answering
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    closed: bool = False

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        self.bodies.append(b"")
        number = len(self.bodies) - 1
        async for piece in stream:
            self.bodies[number] += bytes(piece)
        reply = await self._reply(request, number)
        if isinstance(reply, httpx.TransportError):
            raise reply
        return reply

    async def _reply(self, request: httpx.Request, number: int) -> Reply:
        if not callable(self.answers):
            assert number < len(self.answers), f"request {number + 1} is not in the script: {self.lines[-1]}"
            return self.answers[number]
        reply = self.answers(request)
        return reply if isinstance(reply, httpx.Response | httpx.TransportError) else await reply

    @override
    async def aclose(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[str]:
        """Every request as `METHOD URL`."""
        return [f"{request.method} {request.url}" for request in self.requests]


class Served(Protocol):
    """A running registry: where it is."""

    @property
    def host(self) -> str:
        """Its `host:port`."""
        ...


class Given(TypedDict, total=False):
    """Settings of a host that differ from the defaults."""

    credential: Credential | None
    disable_head: bool
    blob_chunk: int
    blob_max: int
    concurrent_requests: int


def plain(server: Served, **settings: Unpack[Given]) -> HostSettings:
    """Return settings for a registry that runs without TLS."""
    return HostSettings(registry=server.host, tls=TlsMode.DISABLED, **settings)


def scripted_client(
    answers: Sequence[Reply] | Answering,
    *settings: HostSettings,
    time: FakeTime | None = None,
    credentials: CredentialSource | None = None,
    targets: Iterable[Repository] = (),
    target_prefixes: Iterable[str] = (),
    outage_s: float = 0.0,
) -> tuple[HttpRegistry, Scripted]:
    """Return a client, and the one transport that all its hosts share."""
    transport = Scripted(answers)

    def factory(_: TransportSettings) -> httpx.AsyncBaseTransport:
        return transport

    client = HttpRegistry(
        {one.registry: one for one in settings},
        transport_factory=factory,
        tls_factory=lambda _: None,
        timing=(time or FakeTime()).timing,
        credentials=credentials,
        targets=list(targets),
        target_prefixes=list(target_prefixes),
        outage_s=outage_s,
    )
    return client, transport


def blob_of(content: bytes, algorithm: str = "sha256") -> Descriptor:
    """Return the descriptor of some bytes."""
    return Descriptor(media_type="application/octet-stream", digest=Digest.of(content, algorithm), size=len(content))


@dataclass
class BytesOrigin:
    """A `BlobOrigin` of bytes in memory; `opened` are the offsets it was opened at."""

    content: bytes
    piece: int = 64 * 1024
    verified: bool = False
    opened: list[int] = field(default_factory=list[int])

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        """Stream the bytes from `offset` on, as they are."""
        self.opened.append(offset)
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncIterator[bytes | memoryview]:
        for start in range(offset, len(self.content), self.piece):
            await asyncio.sleep(0)
            yield memoryview(self.content)[start : start + self.piece]


async def read_blob(client: HttpRegistry, repository: Repository, blob: Descriptor) -> bytes:
    """Download a blob whole."""
    async with client.get_blob(repository, blob) as pieces:
        return b"".join([bytes(piece) async for piece in pieces])
