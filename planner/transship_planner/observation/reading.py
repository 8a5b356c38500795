"""A reader that asks no registry the same question twice, and lets nothing rest on a list that broke off."""

from transship_planner.asking import Once
from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import CatalogueReader, WholeTagList
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import ReferrerList


class OnceReader:
    """The questions of planning, each asked once; whoever asks again shares the answer or the error.

    `list_tags` and `list_repositories` raise `IncompleteListError` for a list that broke off.
    """

    def __init__(self, reader: CatalogueReader) -> None:
        self._reader = reader
        self.list_repositories = Once[str, WholeTagList](self._whole_catalogue)
        self.list_tags = Once[Repository, WholeTagList](self._whole_tags)
        self._head_manifest = Once[Reference, Descriptor | None](reader.head_manifest)
        self._get_manifest = Once[Reference, Manifest](reader.get_manifest)
        self._holds = Once[tuple[Repository, Descriptor], bool](lambda key: reader.holds(*key))
        self._list_referrers = Once[tuple[Repository, Digest, str], ReferrerList](
            lambda key: reader.list_referrers(*key)
        )

    async def _whole_tags(self, repository: Repository) -> WholeTagList:
        return (await self._reader.list_tags(repository)).whole("tag list")

    async def _whole_catalogue(self, registry: str) -> WholeTagList:
        return (await self._reader.list_repositories(registry)).whole("list of repositories")

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """See `RegistryReader.head_manifest`."""
        return await self._head_manifest(reference)

    async def get_manifest(self, reference: Reference) -> Manifest:
        """See `RegistryReader.get_manifest`."""
        return await self._get_manifest(reference)

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """See `RegistryReader.holds`."""
        plain = Descriptor(media_type=content.media_type, digest=content.digest, size=content.size)
        return await self._holds((repository, plain))

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """See `RegistryReader.list_referrers`."""
        return await self._list_referrers((repository, digest, artifact_type))
