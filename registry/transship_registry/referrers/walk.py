"""Everything attached to an image: referrers and digest tags, of its children and of what is attached, too."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from transship_registry.digest import Digest
from transship_registry.errors import ContentError, RegistryError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX, ManifestKind, manifest_kind
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.digest_tags import digest_tags
from transship_registry.referrers.filters import ReferrerFilter, common_type, is_wanted, is_wanted_as_listed
from transship_registry.referrers.index import referrers_tag
from transship_registry.referrers.lists import ReferrerList, Via, as_listed

DEPTH_CAP: Final = 4
"""How far referrers of referrers are followed; a signature of a signature of an SBOM is three."""


class ReferrerReader(Protocol):
    """The part of `RegistryReader` that finds what is attached."""

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """See `RegistryReader.head_manifest`."""
        ...

    async def get_manifest(self, reference: Reference) -> Manifest:
        """See `RegistryReader.get_manifest`."""
        ...

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        """See `RegistryReader.list_referrers`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerNode:
    """A manifest that is attached to `subject`, `depth` steps from the image, to be read in `repository`.

    `tag` is the name by which a digest tag is attached; referrers have none.
    """

    descriptor: Descriptor
    subject: Digest
    repository: Repository
    via: Via
    depth: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ReferrerTree:
    """All that is attached to an image, what is nearer to it first; `problems` say what could not be found out."""

    nodes: tuple[ReferrerNode, ...]
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether this is certainly everything."""
        return not self.problems


async def walk_referrers(
    reader: ReferrerReader,
    repository: Repository,
    image: Manifest | Descriptor,
    *,
    filters: Sequence[ReferrerFilter] = (),
    referrers: bool = True,
    source: Repository | None = None,
    copies: Repository | None = None,
    tags: TagList | None = None,
    depth: int = DEPTH_CAP,
) -> ReferrerTree:
    """Find what is attached to an image of `repository`, to the children of an index, and to what was found.

    Of an image that is given as a descriptor, the manifest is fetched only if it is an index.
    Referrers are looked for in `source`, if it is given, unless `referrers` is False; those that pass none of the
    `filters` are left out, with all that is attached to them alone. Where a list does not say what the filters ask for,
    the manifest is read, in `copies` if that repository has it. Digest tags are looked for among `tags`, those of
    `repository`. A referrers tag is no digest tag when its index was read as a list of referrers. The order depends
    on nothing but the content. What a registry refuses becomes one of the problems.
    """
    walk = _Walk(reader, repository, source or repository, copies, tuple(filters), referrers, tags)
    return await walk.run(image, depth)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A manifest to which something may be attached, and where it is."""

    digest: Digest
    home: Repository


@dataclass(eq=False, slots=True)
class _Walk:
    reader: ReferrerReader
    repository: Repository
    source: Repository
    copies: Repository | None
    filters: tuple[ReferrerFilter, ...]
    referrers: bool
    tags: TagList | None
    seen: set[Digest] = field(default_factory=set[Digest])
    problems: set[str] = field(default_factory=set[str])

    async def run(self, image: Manifest | Descriptor, depth: int) -> ReferrerTree:
        """Go level by level; whatever was seen before is not looked at again, so that loops end."""
        if self.tags is not None and not self.tags.complete:
            self.problems.add(self.tags.problem)
        nodes: list[ReferrerNode] = []
        subjects = await self._image(image)
        for level in range(1, depth + 2):
            fresh = self._fresh(await self._attached(subjects, level))
            if level > depth:
                self._note_depth(fresh, depth)
                break
            nodes += fresh
            subjects = await self._subjects(fresh)
        return ReferrerTree(tuple(nodes), tuple(sorted(self.problems)))

    async def _image(self, image: Manifest | Descriptor) -> list[_Subject]:
        if isinstance(image, Descriptor):
            return await self._tree(image, self.repository)
        self.seen.add(image.digest)
        return [_Subject(image.digest, self.repository), *await self._below(image, self.repository)]

    def _fresh(self, found: Sequence[ReferrerNode]) -> list[ReferrerNode]:
        """Leave out referrers that were met before; a digest tag has to be copied whatever it names."""
        fresh: dict[tuple[Digest, str], ReferrerNode] = {}
        for node in found:
            if node.tag or node.descriptor.digest not in self.seen:
                fresh.setdefault((node.descriptor.digest, node.tag), node)
        return list(fresh.values())

    def _note_depth(self, fresh: Sequence[ReferrerNode], depth: int) -> None:
        for node in fresh:
            problem = (
                f"{node.repository.at(node.descriptor.digest)} is attached to {node.subject}, more than {depth} steps "
                "away from the image; it is left out, with all that is attached to it"
            )
            self.problems.add(problem)

    async def _subjects(self, nodes: Sequence[ReferrerNode]) -> list[_Subject]:
        """Return those nodes, with their children, that are not known yet as what something is attached to."""
        found: list[_Subject] = []
        for node in nodes:
            found += await self._tree(node.descriptor, node.repository)
        return found

    async def _tree(self, descriptor: Descriptor, home: Repository) -> list[_Subject]:
        if descriptor.digest in self.seen:
            return []
        self.seen.add(descriptor.digest)
        subject = _Subject(descriptor.digest, home)
        if manifest_kind(descriptor.media_type) is not ManifestKind.INDEX:
            return [subject]
        try:
            index = await self.reader.get_manifest(home.at(descriptor.digest))
        except (RegistryError, ContentError) as error:
            self.problems.add(str(error))
            return [subject]
        return [subject, *await self._below(index, home)]

    async def _below(self, manifest: Manifest, home: Repository) -> list[_Subject]:
        found: list[_Subject] = []
        for child in manifest.children:
            if child.is_manifest:
                found += await self._tree(child, home)
        return found

    async def _attached(self, subjects: Sequence[_Subject], level: int) -> list[ReferrerNode]:
        """Ask for all subjects at once; what comes back is in their order."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._attached_to(subject, level)) for subject in subjects]
        return [node for task in tasks for node in task.result()]

    async def _attached_to(self, subject: _Subject, level: int) -> list[ReferrerNode]:
        return [*await self._referrers_of(subject, level), *await self._digest_tags_of(subject, level)]

    async def _referrers_of(self, subject: _Subject, level: int) -> list[ReferrerNode]:
        if not self.referrers:
            return []
        listed = await self._list(subject)
        # What is below a subject is no referrer of it, whatever a list says.
        fresh = sorted(
            (each for each in listed.descriptors if each.digest not in self.seen), key=lambda each: each.digest
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._if_wanted(each, subject, listed.via)) for each in fresh]
        return [
            ReferrerNode(descriptor=each, subject=subject.digest, repository=self.source, via=listed.via, depth=level)
            for task in tasks
            if (each := task.result()) is not None
        ]

    async def _if_wanted(self, referrer: Descriptor, subject: _Subject, via: Via) -> Descriptor | None:
        """Return a referrer if it passes the filters, by its manifest where the list does not say enough."""
        verdict = is_wanted_as_listed(referrer, self.filters, via)
        if verdict is not None:
            return referrer if verdict else None
        try:
            described = as_listed(await self._read(referrer, subject))
        except (RegistryError, ContentError) as error:
            self.problems.add(str(error))
            return None
        return described if is_wanted(described, self.filters) else None

    async def _read(self, referrer: Descriptor, subject: _Subject) -> Manifest:
        """Read the manifest of a referrer: its copy, if there is one, since that is no pull from the source."""
        if self.copies is not None:
            with suppress(RegistryError, ContentError):
                copied = await self.reader.list_referrers(self.copies, subject.digest)
                if any(each.digest == referrer.digest for each in copied.descriptors):
                    return await self.reader.get_manifest(self.copies.at(referrer.digest))
        return await self.reader.get_manifest(self.source.at(referrer.digest))

    async def _list(self, subject: _Subject) -> ReferrerList:
        try:
            listed = await self.reader.list_referrers(self.source, subject.digest, common_type(self.filters))
        except (RegistryError, ContentError) as error:
            listed = ReferrerList((), complete=False, problem=str(error))
        if not listed.complete:
            self.problems.add(listed.problem)
        return listed

    async def _digest_tags_of(self, subject: _Subject, level: int) -> list[ReferrerNode]:
        if self.tags is None:
            return []
        nodes: list[ReferrerNode] = []
        for tag in digest_tags(self.tags.tags, subject.digest):
            descriptor = await self._head(tag)
            if descriptor is None or self._is_list(tag, subject, descriptor):
                continue
            nodes.append(
                ReferrerNode(
                    descriptor=descriptor,
                    subject=subject.digest,
                    repository=self.repository,
                    via=Via.DIGEST_TAG,
                    depth=level,
                    tag=tag,
                )
            )
        return nodes

    async def _head(self, tag: str) -> Descriptor | None:
        try:
            return await self.reader.head_manifest(self.repository.tag(tag))
        except (RegistryError, ContentError) as error:
            self.problems.add(str(error))
            return None

    def _is_list(self, tag: str, subject: _Subject, descriptor: Descriptor) -> bool:
        """Whether a tag holds the list of referrers that has been read, or that the target will have its own of."""
        return self.referrers and tag == referrers_tag(subject.digest) and descriptor.media_type == OCI_INDEX
