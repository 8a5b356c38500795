"""Registries over HTTP: the port's methods, for any number of hosts at once (OCI distribution-spec 1.1)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from transship_registry.api import deletion, download, google, hub, listing, manifests, upload, upload_session
from transship_registry.api.referrers import Referrers
from transship_registry.digest import Digest
from transship_registry.endoflife import asking
from transship_registry.errors import ContentError, InvalidReferenceError, RegistryError
from transship_registry.hosts import DEFAULT_PATIENCE, HostSettings, Patience, TlsMode
from transship_registry.http.address import Pause
from transship_registry.http.counters import Counters, RegistryWarning
from transship_registry.http.exchange import Exchange
from transship_registry.http.host import Host
from transship_registry.http.limiter import DEFAULT_CONCURRENT, HostLimiter
from transship_registry.http.origins import ForbiddenURLError, follow
from transship_registry.http.rate_limits import read_pull_quota
from transship_registry.http.timing import Timing
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.http.wire.reach import place_of_name, reach_from
from transship_registry.inventory import Inventory
from transship_registry.login.logins import ConfiguredCredential, CredentialSource, Logins
from transship_registry.login.tls import ssl_context, ssl_context_elsewhere
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import BlobOrigin, TagList
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer, ReferrerList

_HTTPS: Final = 443

USER_AGENT: Final = "transship"

T = TypeVar("T")


class HttpRegistry:
    """Every registry that is reached over HTTP; an async context manager, and a `RegistryWriter`.

    `settings` are looked up by the registry's name in references; a registry without any has the defaults.
    `credentials` None means those of the settings. Repositories among `targets`, those below one of `target_prefixes`
    (`registry`, or `registry/path`), and those that were written to are never read from a mirror, which may lag behind.
    `chunk_max` is the largest chunk, in bytes, that a registry may ask for (0: 1 GiB), `patience` that with hosts which
    have no settings. A host is given up when a request has used up its tries, no other was answered meanwhile, and it
    has been silent for `outage_s` seconds.
    """

    def __init__(
        self,
        settings: Mapping[str, HostSettings] | None = None,
        *,
        credentials: CredentialSource | None = None,
        transport_factory: Callable[[TransportSettings], httpx.AsyncBaseTransport] = open_transport,
        tls_factory: Callable[[HostSettings], SSLContext | None] = ssl_context,
        elsewhere_factory: Callable[[HostSettings], SSLContext | None] = ssl_context_elsewhere,
        timing: Timing | None = None,
        user_agent: str = "",
        targets: Collection[Repository] = (),
        target_prefixes: Collection[str] = (),
        chunk_max: int = 0,
        patience: Patience = DEFAULT_PATIENCE,
        outage_s: float = 0.0,
    ) -> None:
        self._settings = dict(settings or {})
        self._credentials = credentials
        self._transport_factory = transport_factory
        self._tls_factory = tls_factory
        self._elsewhere_factory = elsewhere_factory
        self._timing = timing or Timing()
        self._user_agent = user_agent or USER_AGENT
        self._targets = set(targets)
        self._below_targets = tuple(f"{prefix}/" for prefix in target_prefixes)
        self._chunk_max = chunk_max
        self._patience = patience
        self._outage_s = outage_s
        self._transports: list[httpx.AsyncBaseTransport] = []
        self._hosts: dict[str, Host] = {}
        self._sessions: dict[tuple[Repository, Digest], upload_session.UploadSession] = {}
        self._on_pause: Callable[[Pause], None] = lambda _: None
        self._abandoned: list[upload_session.UploadSession] = []
        self._referrers = Referrers(self._timing.clock)

    def watch_pauses(self, on_pause: Callable[[Pause], None]) -> None:
        """Have `on_pause` called whenever a host asks for a pause."""
        self._on_pause = on_pause

    def add_targets(self, repositories: Iterable[Repository]) -> None:
        """Name more repositories that are never to be read from a mirror."""
        self._targets.update(repositories)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel the upload sessions that nobody used, and close all connections.

        All are cancelled side by side, and those that take long are left to the registry.
        """
        self._abandoned += self._sessions.values()
        self._sessions.clear()
        cancelling = [asyncio.ensure_future(session.cancel()) for session in self._abandoned]
        self._abandoned.clear()
        cancelling += (farewell for host in self._hosts.values() for farewell in host.farewells)
        if cancelling:
            _, late = await asyncio.wait(cancelling, timeout=upload_session.FAREWELL_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*cancelling, return_exceptions=True)
        while self._transports:
            await self._transports.pop().aclose()

    @property
    def requests(self) -> Mapping[tuple[str, str], int]:
        """How many requests were sent, by registry and kind ("HEAD manifest", "GET blob", "follow redirect", …)."""
        return {
            (registry, kind): count
            for registry, host in self._hosts.items()
            for kind, count in host.counters.requests.items()
        }

    @property
    def warnings(self) -> tuple[RegistryWarning, ...]:
        """What the registries warned of, once each."""
        return tuple(warning for host in self._hosts.values() for warning in host.counters.warnings)

    @property
    def awaited(self) -> tuple[tuple[str, float], ...]:
        """The addresses that are waited for, and for how many seconds nothing has come from them; the longest first."""
        found = (each for host in self._hosts.values() for each in host.exchange.awaited)
        return tuple(sorted(found, key=lambda each: (-each[1], each[0])))

    def rate_limit(self, registry: str) -> Quota | None:
        """Return the quota as the registry last stated it; None when it never did."""
        host = self._hosts.get(registry)
        return host.counters.rate_limit if host else None

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """Return media type, digest and size of the manifest; None when it is absent (404)."""
        return await self._read(reference.repository, lambda host: manifests.head_manifest(host, reference))

    async def pull_quota(self, reference: Reference) -> Quota | None:
        """HEAD a manifest and return the quota that its answer states, be it a mirror's; None when it states none.

        None, too, where HEAD cannot be asked. Raises `NotFoundError` when the manifest is absent.
        """
        return read_pull_quota(
            await self._read(reference.repository, lambda host: manifests.head_quota(host, reference))
        )

    def stated_quota(self, repository: Repository) -> Quota | None:
        """Return the pull quota that the registry stated last; None when it did not, or a mirror may have answered."""
        *mirrors, upstream = self._readers(repository)
        return None if mirrors else upstream.counters.pull_quota

    async def get_manifest(self, reference: Reference) -> Manifest:
        """Fetch a manifest and verify its digest; raises `NotFoundError` when it is absent."""
        return await self._read(reference.repository, lambda host: manifests.get_manifest(host, reference))

    async def head_blob(self, repository: Repository, digest: Digest) -> int | None:
        """Return the size in bytes of a blob; None when it is absent (404)."""
        return await self._read(repository, lambda host: download.head_blob(host, repository, digest))

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """Whether the registry says that it has this blob or manifest."""
        if content.is_manifest:
            return await self.head_manifest(repository.at(content.digest)) is not None
        return await self.head_blob(repository, content.digest) == content.size

    @asynccontextmanager
    async def get_blob(
        self, repository: Repository, blob: Descriptor
    ) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        """Stream a blob, continued where it breaks off.

        The pieces come before the blob is known to be right; the last one only when it is.
        """
        hosts = self._readers(repository)
        sources = [download.blob_source(host, repository, blob.digest) for host in hosts]
        sources += [source for url in blob.urls if (source := self._external(hosts[-1], sources[-1], url))]
        async with download.get_blob(sources, blob) as pieces:
            yield pieces

    async def list_tags(self, repository: Repository, page_size: int | None = None) -> TagList:
        """List the tags, following all pages; raises `NotFoundError` when the repository is unknown."""
        return await self._read(repository, lambda host: listing.list_tags(host, repository, page_size))

    async def inventory(self, repository: Repository) -> Inventory:
        """List the tags with what the registry tells about them in few requests; raises as `list_tags` does."""

        def list_at_registry() -> Awaitable[Inventory]:
            return self._read(repository, lambda host: google.list_tags(host, repository))

        api = self._host(repository.registry).settings.hub_url
        if not api:
            return await list_at_registry()
        return await hub.inventory(self._outside(httpx.URL(api)), api, repository, list_at_registry)

    async def get_cycles(self, api: str, product: str) -> bytes:
        """Fetch what endoflife.date, or who stands in for it below the URL `api`, tells of a product's cycles."""
        return await asking.get_cycles(self._outside(httpx.URL(api)), api, product)

    async def list_repositories(self, registry: str, page_size: int | None = None) -> TagList:
        """List the repositories of a registry that has a catalogue; many have none, and say so with any error."""
        return await listing.list_repositories(self._host(registry), page_size)

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """List the manifests whose subject is `digest`, of one artifact type if it is given.

        Where the registry has no referrers API, those that are listed under the referrers tag.
        """
        return await self._read(
            repository, lambda host: self._referrers.list_referrers(host, repository, digest, artifact_type)
        )

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """Store the manifest's bytes under its digest or tag.

        Where the registry has no referrers API, a manifest with a subject is listed under the referrers tag, too;
        without `keep_list` the referrer that is to be listed is returned.
        Raises `MissingContentError` when the registry lacks what the manifest points at, `UnsupportedError` when the
        tag is immutable and holds something else.
        """
        host = self._writer(reference.repository)
        answer = await manifests.put_manifest(host, reference, manifest)
        unlisted = self._referrers.unlisted(host, reference.repository, manifest, answer.headers)
        if unlisted is None or not keep_list:
            return unlisted
        await self._referrers.add(host, reference.repository, unlisted.subject, (unlisted.descriptor,))
        return None

    async def add_referrers(self, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """List manifests that are stored under the referrers tag of their subject, all at once.

        Raises `UnsupportedError` when the tag holds something else, or the registry does not let it be written.
        """
        await self._referrers.add(self._writer(repository), repository, subject, referrers)

    async def mount_blob(self, repository: Repository, blob: Descriptor, source: Repository) -> bool:
        """Make a blob of another repository of the same registry appear here; False when the registry did not.

        The upload session that may come instead is kept for `upload_blob`.
        """
        if source.registry != repository.registry:
            return False
        mounted = await upload_session.mount(self._writer(repository), repository, blob.digest, source)
        if isinstance(mounted, bool):
            return mounted
        superseded = self._sessions.pop((repository, blob.digest), None)
        self._sessions[repository, blob.digest] = mounted
        if superseded is not None:
            await superseded.cancel()
        return False

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: BlobOrigin) -> None:
        """Store a blob; success is only reported for bytes that have the descriptor's digest and size."""
        session = self._sessions.pop((repository, blob.digest), None)
        await upload.upload_blob(self._writer(repository), repository, blob, origin, session, self._abandoned.append)

    async def delete_tag(
        self, reference: Reference, expected: Digest | None = None, *, along: Collection[str] = ()
    ) -> None:
        """Remove one tag and nothing else, if it names the digest expected (by default the reference's, if any).

        Raises `UnsupportedError` when the registry cannot do just that; of the tags `along`, those of the same digest
        may go at once.
        """
        host = self._writer(reference.repository)
        await deletion.delete_tag(host, reference.expecting(expected), self._referrers.list_referrers, along)

    async def _read(self, repository: Repository, ask: Callable[[Host], Awaitable[T]]) -> T:
        """Ask the mirrors, then the registry; whatever is wrong with a mirror's answer, the next one is asked."""
        *mirrors, upstream = self._readers(repository)
        for mirror in mirrors:
            with suppress(RegistryError, ContentError):
                answer = await ask(mirror)
                partial = isinstance(answer, TagList | Inventory | ReferrerList) and not answer.complete
                if answer is not None and not partial:
                    return answer
        return await ask(upstream)

    def _readers(self, repository: Repository) -> list[Host]:
        """Return the hosts to read a repository from: its registry's mirrors by falling priority, then itself."""
        upstream = self._host(repository.registry)
        if repository in self._targets or str(repository).startswith(self._below_targets):
            return [upstream]
        names = [name for name in upstream.settings.mirrors if name != repository.registry]
        mirrors = sorted(map(self._host, names), key=lambda mirror: -mirror.settings.priority)
        return [*(replace(mirror, mirrored=repository.registry) for mirror in mirrors), upstream]

    def _writer(self, repository: Repository) -> Host:
        self._targets.add(repository)
        return self._host(repository.registry)

    def _host(self, registry: str) -> Host:
        host = self._hosts.get(registry)
        if host is None:
            settings = self._settings.get(registry) or HostSettings(registry=registry, patience=self._patience)
            credentials = self._credentials or ConfiguredCredential(settings)
            host = self._hosts[registry] = self._open_host(settings, credentials)
        return host

    def _open_host(self, settings: HostSettings, credentials: CredentialSource) -> Host:
        home = _address(settings)
        concurrent = settings.concurrent_requests if settings.concurrent_requests > 0 else DEFAULT_CONCURRENT
        counters = Counters(settings.registry)
        # An upload and the download that feeds it share one slot, so there may be twice as many connections.
        transport = self._transport_factory(
            TransportSettings(
                tls=self._tls_factory(settings),
                home=home.host,
                tls_elsewhere=lambda host, port: self._tls_elsewhere(settings, host, port),
                connect_timeout_s=settings.patience.connect_timeout_s,
                stall_timeout_s=settings.patience.stall_timeout_s,
                max_connections=2 * concurrent + 2,
            )
        )
        self._transports.append(transport)
        exchange = Exchange(
            home=home,
            transport=transport,
            logins=Logins(settings, credentials, self._user_agent, self._timing.clock),
            limiter=HostLimiter(concurrent, settings.requests_per_s, self._timing),
            counters=counters,
            timing=self._timing,
            user_agent=self._user_agent,
            tries=settings.patience.tries,
            outage_s=self._outage_s,
            on_pause=self._note_pause,
        )
        return Host(settings, exchange, counters, chunk_max=self._chunk_max)

    def _tls_elsewhere(self, settings: HostSettings, host: str, port: int) -> SSLContext | None:
        """Return how to trust a host that one with these settings leads to: by its own settings, if it has any."""
        places = {f"{host}:{port}", host} if port == _HTTPS else {f"{host}:{port}"}
        named = (each for each in self._settings.values() if each.endpoint in places and each is not settings)
        own = next(named, None)
        return self._tls_factory(own) if own else self._elsewhere_factory(settings)

    def _note_pause(self, pause: Pause) -> None:
        self._on_pause(pause)

    def _external(self, host: Host, source: download.Source, url: str) -> download.Source | None:
        """Return the place outside the registry where a foreign layer lies, to be asked anonymously.

        An address that the registry could not redirect to is not visited either.
        """
        reach = reach_from(host.exchange.place, "the URL of the layer is not followed")
        try:
            target = follow(httpx.URL(host.settings.base_url), url)
        except ForbiddenURLError:
            return None
        if not reach.allows(place_of_name(target.host)):
            return None
        call = replace(source.call, attempted="GET external layer", url=target, path="", scopes=frozenset())
        return download.Source(self._outside(target).exchange, replace(call, reach=reach))

    def _outside(self, url: httpx.URL) -> Host:
        """Return the host of a URL that belongs to no registry, without any credentials."""
        place = f"{url.scheme}://{url.netloc.decode('ascii')}"
        outside = self._hosts.get(place)
        if outside is None:
            tls = TlsMode.ENABLED if url.scheme == "https" else TlsMode.DISABLED
            hostname = url.netloc.decode("ascii")
            settings = HostSettings(registry=place, hostname=hostname, tls=tls, patience=self._patience)
            outside = self._hosts[place] = self._open_host(settings, ConfiguredCredential(settings))
        return outside


def _address(settings: HostSettings) -> httpx.URL:
    """Return the URL of a host; raises `InvalidReferenceError` for a name that no host can have."""
    try:
        url = httpx.URL(settings.base_url)
        assert url.host, "the grammar of registry names leaves none empty"
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidReferenceError(
            f"registry {settings.registry}: {settings.endpoint!r} is not the address of a host: {error}"
        ) from error
    return url
