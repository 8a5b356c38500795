"""What is attached to the images of an entry, and whether the target has it: referrers and digest tags (semantics B12).

Both sides are asked for their lists; a manifest of what is attached is fetched only where a list does not say what a
filter asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transship_planner.asking import for_each
from transship_planner.observation.observed import SeenAttachment, Sighting, Wish
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import ManifestKind, manifest_kind
from transship_registry.ports import TagList
from transship_registry.reference import Repository
from transship_registry.referrers.walk import ReferrerNode, ReferrerReader, ReferrerTree, walk_referrers


@dataclass(frozen=True, slots=True)
class AttachmentLook:
    """Looks at what is attached, through a reader that asks nothing twice."""

    reader: ReferrerReader

    async def at(self, sighting: Sighting, tags: TagList | None) -> Sighting:
        """Return the sighting with what is attached to its image.

        `tags` are the source's, of which digest tags are found; None when they are not wanted. Raises `RegistryError`
        when a list cannot be read as a whole: an image must not go without its signatures because of that.
        """
        wish, rules = sighting.wish, sighting.wish.entry.copy
        tree = await walk_referrers(
            self.reader,
            wish.source.repository,
            await self._image(sighting),
            filters=rules.referrer_filters,
            referrers=rules.referrers,
            source=rules.referrer_source,
            copies=_home(wish),
            tags=tags,
        )
        if not tree.complete:
            raise RegistryError("list what is attached to", str(wish.source), "; ".join(tree.problems))
        return replace(sighting, attached=await self._at_target(sighting, tree))

    async def _image(self, sighting: Sighting) -> Manifest | Descriptor:
        """Return the image that the target will have; of one that it has, the index is read there, which is no pull."""
        assert sighting.expected is not None, "only what the source was asked for is looked into"
        if sighting.reduced is not None:
            return sighting.reduced
        target = sighting.wish.target.at(sighting.expected.digest)
        may_be_damaged = target.repository.is_layout and sighting.expected.digest in sighting.lost
        if (
            sighting.in_sync
            and not may_be_damaged
            and manifest_kind(sighting.expected.media_type) is ManifestKind.INDEX
        ):
            return await self.reader.get_manifest(target)
        return sighting.expected

    async def _at_target(self, sighting: Sighting, tree: ReferrerTree) -> tuple[SeenAttachment, ...]:
        wish = sighting.wish
        here, home = wish.target.repository, _home(wish)
        listed = await self._listed(home, [node.subject for node in tree.nodes if not node.tag])

        async def seen(node: ReferrerNode) -> SeenAttachment:
            if not node.tag:
                return SeenAttachment(node, home, present=node.descriptor.digest in listed[node.subject])
            found = await self.reader.head_manifest(here.tag(node.tag))
            before = found.digest if found else None
            return SeenAttachment(node, here, before == node.descriptor.digest, before)

        return tuple(await for_each(tree.nodes, seen))

    async def _listed(self, home: Repository, subjects: Sequence[Digest]) -> dict[Digest, frozenset[Digest]]:
        """Return the referrers that the target lists; of a list that broke off, what is missing counts as absent."""
        wanted = tuple(dict.fromkeys(subjects))
        lists = await for_each(wanted, lambda subject: self.reader.list_referrers(home, subject))
        found = (frozenset(each.digest for each in listed.descriptors) for listed in lists)
        return dict(zip(wanted, found, strict=True))


def _home(wish: Wish) -> Repository:
    """Return the repository in which the referrers of an image shall be."""
    return wish.entry.copy.referrer_target or wish.target.repository
