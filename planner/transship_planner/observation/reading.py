"""A reader that asks no registry the same question twice, and lets nothing rest on a list that broke off.

What it has read is held until the plan is made, so that there are limits for one image and for the whole run.
"""

from dataclasses import dataclass, field

from transship_planner.asking import Once
from transship_registry.digest import Digest
from transship_registry.errors import ContentError
from transship_registry.limits import IMAGE_METADATA_LIMIT, RUN_METADATA_LIMIT
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import CatalogueReader, WholeTagList
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import ReferrerList


@dataclass(eq=False, slots=True)
class Allowance:
    """How many bytes of manifests and lists of referrers may be held; each key counts once."""

    limit: int
    held: int = 0
    known: set[object] = field(default_factory=set[object])

    def take(self, key: object, size: int) -> bool:
        """Count what is held under a key; False when that is too much, and then it does not count."""
        if key in self.known:
            return True
        if self.held + size > self.limit:
            return False
        self.known.add(key)
        self.held += size
        return True


class OnceReader:
    """The questions of planning, each asked once; whoever asks again shares the answer or the error.

    `list_tags` and `list_repositories` raise `IncompleteListError` for a list that broke off. `get_manifest` and
    `list_referrers` raise `ContentError` once all that is held has `limit` bytes.
    """

    def __init__(self, reader: CatalogueReader, limit: int = RUN_METADATA_LIMIT) -> None:
        self._reader = reader
        self._allowance = Allowance(limit)
        self.list_repositories = Once[str, WholeTagList](self._whole_catalogue)
        self.list_tags = Once[Repository, WholeTagList](self._whole_tags)
        self._head_manifest = Once[Reference, Descriptor | None](reader.head_manifest)
        self._get_manifest = Once[Reference, Manifest](self._new_manifest)
        self._holds = Once[tuple[Repository, Descriptor], bool](lambda key: reader.holds(*key))
        self._list_referrers = Once[tuple[Repository, Digest, str], ReferrerList](self._new_referrers)

    async def _whole_tags(self, repository: Repository) -> WholeTagList:
        return (await self._reader.list_tags(repository)).whole("tag list")

    async def _whole_catalogue(self, registry: str) -> WholeTagList:
        return (await self._reader.list_repositories(registry)).whole("list of repositories")

    async def _new_manifest(self, reference: Reference) -> Manifest:
        manifest = await self._reader.get_manifest(reference)
        self._hold(f"GET manifest {reference}", reference, len(manifest.raw))
        return manifest

    async def _new_referrers(self, key: tuple[Repository, Digest, str]) -> ReferrerList:
        listed = await self._reader.list_referrers(*key)
        self._hold(f"GET referrers {key[0].at(key[1])}", key, _size(listed))
        return listed

    def _hold(self, attempted: str, key: object, size: int) -> None:
        if not self._allowance.take(key, size):
            raise ContentError(
                f"{attempted}: the manifests of this run have more than the {self._allowance.limit} bytes allowed; "
                "plan fewer entries at once"
            )

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


class ImageReader:
    """Reads what belongs to one image, called `image` in errors; raises `ContentError` when that has too many bytes."""

    def __init__(self, reader: OnceReader, image: Reference, limit: int = IMAGE_METADATA_LIMIT) -> None:
        self._reader = reader
        self._image = image
        self._allowance = Allowance(limit)
        self.head_manifest = reader.head_manifest
        self.holds = reader.holds

    async def get_manifest(self, reference: Reference) -> Manifest:
        """See `RegistryReader.get_manifest`."""
        manifest = await self._reader.get_manifest(reference)
        self._hold(manifest.digest, len(manifest.raw))
        return manifest

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """See `RegistryReader.list_referrers`."""
        listed = await self._reader.list_referrers(repository, digest, artifact_type)
        self._hold((repository, digest, artifact_type), _size(listed))
        return listed

    def _hold(self, key: object, size: int) -> None:
        if not self._allowance.take(key, size):
            raise ContentError(
                f"{self._image}: its manifests, with all that is attached to it, have more than the "
                f"{self._allowance.limit} bytes allowed"
            )


def _size(listed: ReferrerList) -> int:
    """Return about how many bytes a list was read from."""
    notes = (each.annotations or {} for each in listed.descriptors)
    return 200 * len(listed.descriptors) + sum(len(key) + len(value) for note in notes for key, value in note.items())
