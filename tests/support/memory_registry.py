"""Registries in memory behind the ports of the house: for tests of planning and applying without any I/O."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from support.images import Image
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, NotFoundError, RegistryError, TransshipError
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import BlobOrigin, TagList
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import referrers_tag, unlisted, with_referrers
from transship_registry.referrers.lists import Referrer, ReferrerList


@dataclass
class Shelf:
    """What one repository holds."""

    tags: dict[str, Digest] = field(default_factory=dict[str, Digest])
    manifests: dict[Digest, Manifest] = field(default_factory=dict[Digest, Manifest])
    blobs: dict[Digest, bytes] = field(default_factory=dict[Digest, bytes])


class MemoryRegistry:
    """A `RegistryWriter` and `CatalogueReader` over any number of repositories; it refuses incomplete manifests.

    `calls` records every question and order as `(method, reference)`. `fail` maps such a pair to the error that
    it meets. `before_call` is called with the pair before it is carried out: this is where a test moves the world.
    With `keeps_lists` what has a subject is also listed under the referrers tag, as at registries that lack the API.
    `quotas` is what a look at the pull quota finds, by registry or, first, by repository; `stated` is what registries
    have stated in passing.

    `pushed` are the dates that `inventory` tells: with one of them a repository tells as Docker Hub does. `told` is
    what it says of tags that point elsewhere by now. `broken_lists` say why the list of a repository, or of
    a registry's repositories, breaks off after what there is, and `strange_names` what such a list warns of.
    """

    def __init__(self) -> None:
        self.shelves: defaultdict[Repository, Shelf] = defaultdict(Shelf)
        self.calls: list[tuple[str, str]] = []
        self.fail: dict[tuple[str, str], TransshipError] = {}
        self.mounts = True
        self.keeps_lists = False
        self.quotas: dict[str, Quota | None] = {}
        self.stated: dict[str, Quota] = {}
        self.pushed = dict[Reference, datetime]()
        self.told = dict[Reference, Digest]()
        self.inventory_problem = ""
        self.broken_lists = dict[str, str]()
        self.strange_names = dict[str, str]()
        self.before_call: Callable[[str, str], None] = lambda method, reference: None

    def seed(self, reference: str, image: Image) -> Reference:
        """Put an image there, whole, without that being recorded."""
        parsed = Reference.parse(reference)
        shelf = self.shelves[parsed.repository]
        for part in image.manifests():
            manifest = Manifest.parse(part.raw, part.media_type, where=reference)
            shelf.manifests[manifest.digest] = manifest
        for blob in image.all_blobs():
            shelf.blobs[Digest.parse(blob.digest)] = blob.data
        assert parsed.tag is not None
        shelf.tags[parsed.tag] = Digest.parse(image.digest)
        return parsed

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return Counter(name for name, _ in self.calls)[method]

    def writes(self) -> list[tuple[str, str]]:
        """Return the calls that changed something, in order."""
        return [call for call in self.calls if call[0] in {"put_manifest", "upload_blob", "mount_blob", "delete_tag"}]

    def tagged(self, reference: str) -> str | None:
        """Return the digest that a tag points at."""
        parsed = Reference.parse(reference)
        digest = self.shelves[parsed.repository].tags.get(parsed.tag or "")
        return str(digest) if digest else None

    def _met(self, method: str, reference: object) -> None:
        call = (method, str(reference))
        self.before_call(*call)
        self.calls.append(call)
        if error := self.fail.get(call):
            raise error

    def _digest(self, reference: Reference) -> Digest | None:
        shelf = self.shelves[reference.repository]
        digest = reference.digest or shelf.tags.get(reference.tag or "")
        return digest if digest in shelf.manifests else None

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """See `RegistryReader.head_manifest`."""
        self._met("head_manifest", reference)
        digest = self._digest(reference)
        return self.shelves[reference.repository].manifests[digest].descriptor if digest else None

    async def pull_quota(self, reference: Reference) -> Quota | None:
        """See `RegistryReader.pull_quota`."""
        self._met("pull_quota", reference)
        if self._digest(reference) is None:
            raise NotFoundError("HEAD manifest", str(reference), "not found", status=404)
        repository = reference.repository
        return self.quotas.get(str(repository), self.quotas.get(repository.registry))

    def stated_quota(self, repository: Repository) -> Quota | None:
        """See `RegistryReader.stated_quota`."""
        return self.stated.get(repository.registry)

    async def get_manifest(self, reference: Reference) -> Manifest:
        """See `RegistryReader.get_manifest`."""
        self._met("get_manifest", reference)
        digest = self._digest(reference)
        if digest is None:
            raise NotFoundError("GET manifest", str(reference), "not found", status=404)
        return self.shelves[reference.repository].manifests[digest]

    async def head_blob(self, repository: Repository, digest: Digest) -> int | None:
        """See `RegistryReader.head_blob`."""
        self._met("head_blob", repository.at(digest))
        content = self.shelves[repository].blobs.get(digest)
        return None if content is None else len(content)

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """See `RegistryReader.holds`."""
        if content.is_manifest:
            return await self.head_manifest(repository.at(content.digest)) is not None
        return await self.head_blob(repository, content.digest) == content.size

    @asynccontextmanager
    async def get_blob(
        self, repository: Repository, blob: Descriptor
    ) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
        """See `RegistryReader.get_blob`."""
        self._met("get_blob", repository.at(blob.digest))
        content = self.shelves[repository].blobs.get(blob.digest)
        if content is None:
            raise NotFoundError("GET blob", str(repository.at(blob.digest)), "not found", status=404)
        yield self._pieces(content)

    @staticmethod
    async def _pieces(content: bytes) -> AsyncIterator[bytes | memoryview]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    async def list_tags(self, repository: Repository) -> TagList:
        """See `RegistryReader.list_tags`."""
        self._met("list_tags", repository)
        if repository not in self.shelves:
            raise NotFoundError("list tags", str(repository), "NAME_UNKNOWN", status=404)
        return self._list(str(repository), self.shelves[repository].tags)

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """See `RegistryReader.list_referrers`."""
        self._met("list_referrers", repository.at(digest))
        stored = map(Referrer.of, self.shelves[repository].manifests.values() if repository in self.shelves else ())
        found = tuple(each.descriptor for each in stored if each and each.subject == digest)
        return ReferrerList(found).of_type(artifact_type)

    async def list_repositories(self, registry: str) -> TagList:
        """See `CatalogueReader.list_repositories`."""
        self._met("list_repositories", registry)
        return self._list(registry, sorted(place.path for place in self.shelves if place.registry == registry))

    def _list(self, where: str, names: Iterable[str]) -> TagList:
        problem = self.broken_lists.get(where, "")
        strange = tuple(filter(None, [self.strange_names.get(where)]))
        return TagList(tuple(names), complete=not problem, problem=problem, warnings=strange)

    async def inventory(self, repository: Repository) -> Inventory:
        """See `RegistryReader.inventory`: the names alone, unless the repository has dates."""
        self._met("inventory", repository)
        if repository not in self.shelves:
            raise NotFoundError("list tags", str(repository), "NAME_UNKNOWN", status=404)
        tags = self.shelves[repository].tags
        if not any(reference.repository == repository for reference in self.pushed):
            names = tuple(TagFact(tag=tag) for tag in tags)
            return Inventory(tags=names, source=InventorySource.TAGS, problem=self.inventory_problem)
        facts = tuple(self._fact(repository.tag(tag), digest) for tag, digest in tags.items())
        return Inventory(tags=facts, source=InventorySource.HUB, problem=self.inventory_problem)

    def _fact(self, reference: Reference, digest: Digest) -> TagFact:
        assert reference.tag is not None
        return TagFact(tag=reference.tag, digest=self.told.get(reference, digest), updated=self.pushed.get(reference))

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """See `RegistryWriter.put_manifest`."""
        self._met("put_manifest", reference)
        shelf = self.shelves[reference.repository]
        missing = [str(part.digest) for part in manifest.children if part.digest not in shelf.manifests]
        missing += [
            str(part.digest) for part in manifest.blobs if part.digest not in shelf.blobs and not part.is_external
        ]
        if missing:
            raise NotFoundError(
                "PUT manifest", str(reference), f"MANIFEST_BLOB_UNKNOWN: {', '.join(missing)}", status=404
            )
        shelf.manifests[manifest.digest] = manifest
        if reference.tag and not reference.digest:
            shelf.tags[reference.tag] = manifest.digest
        referrer = Referrer.of(manifest) if self.keeps_lists else None
        if referrer is None or not keep_list:
            return referrer
        await self.add_referrers(reference.repository, referrer.subject, (referrer.descriptor,))
        return None

    async def add_referrers(self, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """See `RegistryWriter.add_referrers`."""
        place = repository.tag(referrers_tag(subject))
        self._met("add_referrers", place)
        shelf = self.shelves[repository]
        before = shelf.manifests.get(shelf.tags[str(place.tag)]) if place.tag in shelf.tags else None
        if lacking := unlisted(referrers, before):
            after = with_referrers(before, lacking, place)
            shelf.manifests[after.digest] = after
            shelf.tags[str(place.tag)] = after.digest

    async def mount_blob(self, repository: Repository, blob: Descriptor, source: Repository) -> bool:
        """See `RegistryWriter.mount_blob`."""
        self._met("mount_blob", repository.at(blob.digest))
        content = self.shelves[source].blobs.get(blob.digest)
        if content is None or not self.mounts:
            return False
        self.shelves[repository].blobs[blob.digest] = content
        return True

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: BlobOrigin) -> None:
        """See `RegistryWriter.upload_blob`."""
        self._met("upload_blob", repository.at(blob.digest))
        async with origin.open() as pieces:
            content = b"".join([bytes(piece) async for piece in pieces])
        if hashlib.sha256(content).hexdigest() != blob.digest.hex:
            raise ContentError(f"{repository.at(blob.digest)}: the bytes do not hash to the digest")
        self.shelves[repository].blobs[blob.digest] = content

    async def delete_tag(
        self, reference: Reference, expected: Digest | None = None, *, along: Collection[str] = ()
    ) -> None:
        """See `RegistryWriter.delete_tag`; it is the tag alone that is deleted."""
        self._met("delete_tag", reference)
        tags = self.shelves[reference.repository].tags
        named, expected = tags.get(reference.tag or ""), expected or reference.digest
        if expected is not None and named != expected:
            raise RegistryError("DELETE tag", str(reference), f"the tag names {named}", advice="look again first")
        tags.pop(reference.tag or "", None)
