"""Fetch the manifests of what will be copied, which tell what that consists of."""

from collections.abc import MutableMapping
from dataclasses import dataclass

from transship_planner.asking import for_each
from transship_planner.observation.observed import Sighting, Trouble
from transship_planner.observation.reading import ImageReader, OnceReader
from transship_planner.plans.contents import check_nesting
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, NotFoundError, TransshipError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference, Repository


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches into `contents`."""

    reader: OnceReader
    contents: MutableMapping[Digest, Manifest]

    async def fetch(self, sighting: Sighting) -> Sighting | Trouble:
        """Fetch the manifests of a change: the source's whole tree, the top of what it replaces, what is attached.

        Nothing is fetched for a tag that stays, and lacks nothing that is attached to it.
        """
        wish = sighting.wish
        try:
            await _Fetch(ImageReader(self.reader, wish.source), self.contents).all_of(sighting)
        except TransshipError as error:
            return Trouble(wish.entry.name, str(wish.source), str(error))
        return sighting


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Fetches what belongs to one image."""

    reader: ImageReader
    contents: MutableMapping[Digest, Manifest]

    async def all_of(self, sighting: Sighting) -> None:
        if sighting.is_changing:
            await self._fetch_image(sighting)
        absent = [each.node for each in sighting.attached if not each.present]
        manifests = (node.repository.at(node.descriptor.digest) for node in absent)
        await for_each(manifests, lambda manifest: self._fetch_tree(manifest, frozenset(), depth=0))

    async def _fetch_image(self, sighting: Sighting) -> None:
        wish = sighting.wish
        held = await self._fetch_before(sighting)
        if sighting.reduced is not None:
            self.contents[sighting.reduced.digest] = sighting.reduced
            await self._fetch_children(wish.source.repository, sighting.reduced, held, depth=1)
        elif sighting.expected is not None:
            await self._fetch_tree(wish.source.at(sighting.expected.digest), held, depth=0)

    async def _fetch_before(self, sighting: Sighting) -> frozenset[Digest]:
        if sighting.target is None:
            return frozenset()
        target = sighting.wish.target.at(sighting.target.digest)
        try:
            before = self.contents.get(sighting.target.digest) or await self.reader.get_manifest(target)
        except ContentError:
            if not target.repository.is_layout:
                raise
            return frozenset()  # its file is damaged: all that it held is looked at anew
        self.contents[before.digest] = before
        return frozenset(child.digest for child in before.children)

    async def _fetch_tree(self, reference: Reference, held: frozenset[Digest], depth: int) -> None:
        manifest = await self.reader.get_manifest(reference)
        self.contents[manifest.digest] = manifest
        await self._fetch_children(reference.repository, manifest, held, depth + 1)

    async def _fetch_children(
        self, repository: Repository, manifest: Manifest, held: frozenset[Digest], depth: int
    ) -> None:
        check_nesting(repository.at(manifest.digest), depth)
        wanted = {child.digest: child for child in manifest.children if child.is_manifest and child.digest not in held}

        async def fetch(child: Descriptor) -> None:
            try:
                await self._fetch_tree(repository.at(child.digest), held, depth)
            except NotFoundError as error:
                raise _named(error, child) from error

        await for_each(wanted.values(), fetch)


def _named(error: NotFoundError, child: Descriptor) -> NotFoundError:
    """Say of an attestation that is listed and not there that it is one, and that the image can go without."""
    if not child.is_attestation or not error.reference.endswith(str(child.digest)):
        return error
    advice = "it is an attestation that the index lists; missingAttestations: skip mirrors the image without it"
    return NotFoundError(error.attempted, error.reference, error.answer, status=error.status, advice=advice)
