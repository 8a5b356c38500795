"""The two ports through which the house sees registries and layouts: reading, and writing."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from transship_registry.digest import Digest
from transship_registry.errors import IncompleteListError
from transship_registry.inventory import Inventory
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer, ReferrerList


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a repository in the registry's order.

    `complete` is False when the listing broke after some pages: such a list may be read, but nothing may be deleted or
    called absent because of it. `problem` says why. `warnings` say what else is wrong with it: what is no name is left
    out, and the others count. `repositories` are those of which a layout holds images under their full names, when
    there are several and none of them was asked for.
    """

    tags: tuple[str, ...]
    complete: bool = True
    problem: str = ""
    warnings: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()

    def whole(self, what: str) -> "WholeTagList":
        """Return the list for what rests on its being complete; raises `IncompleteListError`, which calls it `what`."""
        if not self.complete:
            raise IncompleteListError(f"the {what} is incomplete: {self.problem}")
        return WholeTagList(self.tags, warnings=self.warnings, repositories=self.repositories)


@dataclass(frozen=True, slots=True)
class WholeTagList(TagList):
    """A list that did not break off; what is concluded from a name that is missing takes this type.

    Only `TagList.whole` makes one.
    """


class RegistryReader(Protocol):
    """Read access to registries and OCI image layouts; every reference names its own registry or layout.

    Every method raises `RegistryError` (with its branches) when the registry does not answer as the distribution spec
    says, and `ContentError` when bytes are not what they promised. "Absent" is only ever an answer of 404.
    """

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """Return media type, digest and size of the manifest; None when it is absent (404)."""
        ...

    async def get_manifest(self, reference: Reference) -> Manifest:
        """Fetch a manifest and verify its digest; raises `NotFoundError` when it is absent."""
        ...

    async def pull_quota(self, reference: Reference) -> Quota | None:
        """HEAD the manifest and return what the answer says of the pull quota; None when it says nothing.

        Registries do not count HEAD as a pull. Raises `NotFoundError` when the manifest is absent.
        """
        ...

    def stated_quota(self, repository: Repository) -> Quota | None:
        """Return the pull quota that was stated last for this repository's registry, without asking; None if none."""
        ...

    async def head_blob(self, repository: Repository, digest: Digest) -> int | None:
        """Return the size in bytes of a blob; None when it is absent (404)."""
        ...

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """Whether the repository has this blob or manifest, so that it need not be brought.

        A registry is believed: it verified what it took. The file of a layout may have been written by anybody: it is
        read and hashed, once in a run.
        """
        ...

    def get_blob(
        self, repository: Repository, blob: Descriptor
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        """Stream a blob in large pieces.

        They are verified on the way: instead of the last piece comes `ContentError` when size or digest are not those
        of the descriptor. A piece is valid until the next one is asked for.
        """
        ...

    async def list_tags(self, repository: Repository) -> TagList:
        """List the tags, following all pages; raises `NotFoundError` when the repository is unknown."""
        ...

    async def inventory(self, repository: Repository) -> Inventory:
        """List the tags with what few requests tell about them; raises as `list_tags` does.

        The facts save HEAD requests and may be minutes old: look with `head_manifest` before anything is changed.
        """
        ...

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """List the manifests whose subject is `digest`, of one artifact type if it is given.

        What does not say its type is listed all the same, since only its manifest tells. A repository or a subject that
        is unknown has no referrers.
        """
        ...


class CatalogueReader(RegistryReader, Protocol):
    """Read access that also finds out which repositories a registry has."""

    async def list_repositories(self, registry: str) -> TagList:
        """List the repositories of a registry by its catalogue; raises `UnsupportedError` when it has none."""
        ...


class RegistryWriter(RegistryReader, Protocol):
    """Read and write access to registries and OCI image layouts."""

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """Store the manifest's raw bytes under a tag, or by its digest; what it points at must be there already.

        Where there is no referrers API, a manifest with a subject is listed under the referrers tag, too. Without
        `keep_list` that is the caller's task, by `add_referrers`: the referrer that is not listed yet is returned.
        """
        ...

    async def add_referrers(self, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """List manifests that are stored under the referrers tag of their subject, all at once, beside those of others.

        Raises `UnsupportedError` when no list can be kept there: the tag holds something else, or may not be written.
        """
        ...

    async def mount_blob(self, repository: Repository, blob: Descriptor, source: Repository) -> bool:
        """Make a blob of another repository of the same registry appear here; False when the registry did not."""
        ...

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: "BlobOrigin") -> None:
        """Store a blob; success is only reported for bytes that have the descriptor's digest and size."""
        ...

    async def delete_tag(
        self, reference: Reference, expected: Digest | None = None, *, along: Collection[str] = ()
    ) -> None:
        """Remove one tag and nothing else; raises `UnsupportedError` when the registry cannot do just that.

        Only if the tag names the digest `expected` (by default the reference's, if it has one). `along` are other tags
        that are to be deleted too: where a registry deletes by digest only, those of the same digest may go at once.
        """
        ...


class BlobOrigin(Protocol):
    """Where an upload takes its bytes from; it may be opened again from any offset when the upload must resume."""

    def open(self, offset: int = 0) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        """Stream the blob's bytes from `offset` on, verified to the end of the blob."""
        ...
