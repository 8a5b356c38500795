"""A registry on free loopback ports, in a thread of its own.

with RegistryServer(Options(auth=Bearer(users={"ann": "secret"}))) as server:
    server.store.add_image("team/app", "v1", images.single())
    server.faults.add(FailRequests(status=503, times=2))
    ...  # let the code under test work on server.host or server.url
    assert server.requests.count("GET", r"/manifests/") == 1
    server.store.assert_complete()
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from support.registry_server.app import TRANSPORT_KEY, RegistryApp
from support.registry_server.core import Registry
from support.registry_server.faults import Fault, Faults
from support.registry_server.options import Bearer, Options, Tls
from support.registry_server.recording import Requests
from support.registry_server.store import Store
from support.registry_server.tokens import Gate
from support.registry_server.uploads import Uploads

START_TIMEOUT_S = 300.0
DRAIN_TIMEOUT_S = 1.0
_BACKLOG = 1024


class RegistryServer:
    """Run a registry and its second origin (`side_url`: presigned blobs, foreign links) while the context is open.

    Leaving the context fails if the server crashed on a request, which is a bug of the server or of its test.
    """

    def __init__(self, options: Options | None = None, *, faults: tuple[Fault, ...] = ()) -> None:
        given = Options() if options is None else options
        self._clock_ahead_s = 0.0
        self._given_clock = given.clock
        self.options = replace(given, clock=self._clock)
        self.store = Store(self._clock)
        self.faults = Faults()
        self.faults.add(*faults)
        self.requests = Requests()
        self._gate = Gate(given.auth, self._clock, self.faults)
        self._uploads = Uploads()
        self._sockets: list[socket.socket] = []
        self._apps: list[RegistryApp] = []
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._registry: Registry | None = None

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as it stands in a reference."""
        return self._address(0)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self._scheme}://{self.host}"

    @property
    def side_host(self) -> str:
        """`127.0.0.1:PORT` of the second origin."""
        return self._address(1)

    @property
    def side_url(self) -> str:
        """The base URL of the second origin."""
        return f"{self._scheme}://{self.side_host}"

    @property
    def open_uploads(self) -> int:
        """How many upload sessions are neither finished nor cancelled."""
        return len(self._uploads)

    def advance(self, seconds: float) -> None:
        """Put the registry's clock forward: tokens expire, quota windows pass."""
        self._clock_ahead_s += seconds

    def revoke_tokens(self) -> None:
        """Make every token that was issued so far invalid."""
        self._gate.revoke_all()

    def __enter__(self) -> Self:
        self._sockets = [_loopback_listener() for _ in range(2)]
        self._gate.realm = self._realm()
        self._thread = threading.Thread(target=self._run, name=f"registry {self.host}", daemon=True)
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S) or self._failure:
            self._stop()
            raise RuntimeError(f"the test registry did not start on {self.host}") from next(iter(self._failure), None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        crashes = [crash for app in self._apps for crash in app.crashes] + self._failure
        if crashes and error is None:
            raise ExceptionGroup("the test registry crashed", [_as_exception(crash) for crash in crashes])

    @property
    def _scheme(self) -> str:
        return "http" if self.options.tls is None else "https"

    def _realm(self) -> str:
        auth = self.options.auth
        at_side = isinstance(auth, Bearer) and auth.separate_origin
        return f"{self.side_url if at_side else self.url}/token"

    def _address(self, number: int) -> str:
        assert self._sockets, "the registry is not running"
        host, port = cast("tuple[str, int]", self._sockets[number].getsockname())
        return f"{host}:{port}"

    def _clock(self) -> float:
        return self._given_clock() + self._clock_ahead_s

    def _stop(self) -> None:
        if self._loop is not None and self._registry is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._registry.closing.set)
        if self._thread is not None:
            self._thread.join()
        for listener in self._sockets:
            listener.close()

    def _run(self) -> None:
        with _noting(self._failure), asyncio.Runner() as runner:
            runner.run(self._serve())
        self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._registry = Registry(
            self.options, self.store, self.faults, self._gate, self._uploads, self.url, self.side_url
        )
        self._apps = [
            RegistryApp(self._registry, self.requests, origin=host, is_side=is_side)
            for host, is_side in ((self.host, False), (self.side_host, True))
        ]
        context = None if self.options.tls is None else server_context(self.options.tls)
        state = ServerState()
        servers = [
            await _listen(app, state, listener, context)
            for app, listener in zip(self._apps, self._sockets, strict=True)
        ]
        self._started.set()
        await self._registry.closing.wait()
        for server in servers:
            server.close()
        await _drain(state)


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which shows the application its transport so that a fault can cut the connection."""

    def __init__(self, config: uvicorn.Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, state, {}, loop)
        self.access_log = False
        self.gone = asyncio.Event()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT_KEY] = self.transport


def _loopback_listener() -> socket.socket:
    """Return a listening socket whose protocol is named: asyncio sets TCP_NODELAY on no other, which costs 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


async def _listen(
    app: RegistryApp, state: ServerState, listener: socket.socket, context: ssl.SSLContext | None
) -> asyncio.Server:
    config = uvicorn.Config(
        cast("Any", app), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: _Protocol(config, state, loop),
        sock=listener.dup(),
        backlog=_BACKLOG,
        ssl=context,
        ssl_shutdown_timeout=None if context is None else DRAIN_TIMEOUT_S,
    )


async def _drain(state: ServerState) -> None:
    """Give answers under way a moment, then cut every connection and see it gone."""
    if state.tasks:
        _, late = await asyncio.wait(state.tasks, timeout=DRAIN_TIMEOUT_S)
        for task in late:
            task.cancel()
    connections = [cast("_Protocol", connection) for connection in state.connections]
    for connection in connections:
        connection.transport.abort()
    for connection in connections:
        await connection.gone.wait()
    if state.tasks:
        await asyncio.wait(state.tasks)


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS context of a server; with a client CA every client must show a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.client_ca)
    return context


@contextlib.contextmanager
def _noting(failures: list[BaseException]) -> Generator[None]:
    try:
        yield
    except (OSError, RuntimeError, ssl.SSLError, ValueError) as error:
        failures.append(error)


def _as_exception(crash: BaseException) -> Exception:
    return crash if isinstance(crash, Exception) else RuntimeError(repr(crash))
