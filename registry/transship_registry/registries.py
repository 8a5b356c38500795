"""Registries and image layouts behind one door: each repository's requests go to the place that it names."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.home import home_folder
from transship_registry.hosts import DEFAULT_PATIENCE, HostSettings, Patience
from transship_registry.http.address import Pause
from transship_registry.http.limiter import feeding_layout
from transship_registry.inventory import Inventory
from transship_registry.layout import LayoutStore
from transship_registry.layout.links import LayoutLinks
from transship_registry.login.credentials import CredentialSources
from transship_registry.login.tls import ssl_context, ssl_context_elsewhere
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import BlobOrigin, RegistryWriter, TagList
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer, ReferrerList


class Registries:
    """Registries over HTTP and layouts on disk as one `RegistryWriter`."""

    def __init__(self, http: HttpRegistry, layouts: LayoutStore, credentials: CredentialSources) -> None:
        self.http = http
        self.layouts = layouts
        self.credentials = credentials

    @property
    def awaited(self) -> tuple[tuple[str, float], ...]:
        """The addresses that are waited for, and for how many seconds nothing has come from them; the longest first."""
        return self.http.awaited

    def watch_pauses(self, on_pause: Callable[[Pause], None]) -> None:
        """Have `on_pause` called whenever a registry asks for a pause."""
        self.http.watch_pauses(on_pause)

    def add_targets(self, repositories: Iterable[Repository]) -> None:
        """Name more repositories that mirrors never answer for: those about to be written, where what is is checked."""
        self.http.add_targets(repositories)

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """Return media type, digest and size of the manifest; None when it is absent."""
        return await self._at(reference.repository).head_manifest(reference)

    async def get_manifest(self, reference: Reference) -> Manifest:
        """Fetch a manifest and verify its digest; raises `NotFoundError` when it is absent."""
        return await self._at(reference.repository).get_manifest(reference)

    async def pull_quota(self, reference: Reference) -> Quota | None:
        """HEAD the manifest and return what the answer says of the pull quota; None when it says nothing."""
        return await self._at(reference.repository).pull_quota(reference)

    def stated_quota(self, repository: Repository) -> Quota | None:
        """Return the pull quota that was stated last for this repository's registry; None if none."""
        return self._at(repository).stated_quota(repository)

    async def head_blob(self, repository: Repository, digest: Digest) -> int | None:
        """Return the size in bytes of a blob; None when it is absent."""
        return await self._at(repository).head_blob(repository, digest)

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """Whether the repository has this blob or manifest; see `RegistryReader.holds`."""
        return await self._at(repository).holds(repository, content)

    def get_blob(
        self, repository: Repository, blob: Descriptor
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        """Stream a blob in large pieces, verified before the last of them."""
        return self._at(repository).get_blob(repository, blob)

    async def list_tags(self, repository: Repository) -> TagList:
        """List the tags; raises `NotFoundError` when the repository is unknown."""
        return await self._at(repository).list_tags(repository)

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """List the manifests whose subject is `digest`, of one artifact type if it is given."""
        return await self._at(repository).list_referrers(repository, digest, artifact_type)

    async def list_repositories(self, registry: str) -> TagList:
        """List the repositories of a registry that has a catalogue."""
        return await self.http.list_repositories(registry)

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """Store the manifest's raw bytes under a tag, or by its digest; see `RegistryWriter.put_manifest`."""
        return await self._at(reference.repository).put_manifest(reference, manifest, keep_list=keep_list)

    async def add_referrers(self, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """List manifests that are stored under the referrers tag of their subject, all at once."""
        await self._at(repository).add_referrers(repository, subject, referrers)

    async def mount_blob(self, repository: Repository, blob: Descriptor, source: Repository) -> bool:
        """Make a blob of another repository of the same place appear here; False when that cannot be."""
        if repository.is_layout != source.is_layout:
            return False
        return await self._at(repository).mount_blob(repository, blob, source)

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: BlobOrigin) -> None:
        """Store a blob; success is only reported for bytes that have the descriptor's digest and size."""
        if repository.is_layout:
            with feeding_layout():
                await self.layouts.upload_blob(repository, blob, origin)
        else:
            await self.http.upload_blob(repository, blob, origin)

    async def inventory(self, repository: Repository) -> Inventory:
        """List the tags with what few requests tell about them; raises as `list_tags` does."""
        return await self._at(repository).inventory(repository)

    async def delete_tag(
        self, reference: Reference, expected: Digest | None = None, *, along: Collection[str] = ()
    ) -> None:
        """Remove one tag and nothing else, if it names what is expected."""
        await self._at(reference.repository).delete_tag(reference, expected, along=along)

    def _at(self, repository: Repository) -> RegistryWriter:
        return self.layouts if repository.is_layout else self.http


@asynccontextmanager
async def open_registries(
    hosts: Iterable[HostSettings] = (),
    *,
    user_agent: str = "",
    skip_docker_config: bool = False,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
    targets: Collection[Repository] = (),
    target_prefixes: Collection[str] = (),
    chunk_max: int = 0,
    patience: Patience = DEFAULT_PATIENCE,
    outage_s: float = 0.0,
    layout_links: LayoutLinks = LayoutLinks.COPY,
) -> AsyncGenerator[Registries, None]:
    """Open all registries and layouts for one run.

    `hosts` are the settings that differ from the defaults; credentials come from them, from `environment` and from the
    login files below `home`. Mirrors never answer for the `targets`, nor below `target_prefixes`. `chunk_max` is the
    largest chunk of an upload, in bytes, that a registry may ask for; 0 is 1 GiB. `patience` is that with hosts which
    have no settings; `outage_s` is for how many seconds a host has to be silent before it is given up for this run.
    `layout_links` is how blobs get from one layout to another.
    """
    settings = {host.registry: host for host in hosts}
    credentials = CredentialSources(
        os.environ if environment is None else environment, home or home_folder(), settings, skip_docker_config
    )
    async with (
        LayoutStore(links=layout_links) as layouts,
        HttpRegistry(
            settings,
            credentials=credentials,
            tls_factory=lambda host: ssl_context(host, use_certs_d=not skip_docker_config),
            elsewhere_factory=lambda host: ssl_context_elsewhere(host, use_certs_d=not skip_docker_config),
            user_agent=user_agent,
            targets=targets,
            target_prefixes=target_prefixes,
            chunk_max=chunk_max,
            patience=patience,
            outage_s=outage_s,
        ) as http,
    ):
        yield Registries(http, layouts, credentials)
