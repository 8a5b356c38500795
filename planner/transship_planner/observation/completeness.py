"""Whether a target has all of an image whose tag is right: what `forceRecursive` asks for (semantics B11.8, B13.14)."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Protocol

from transship_planner.asking import for_each
from transship_planner.desired import MissingAttestations
from transship_planner.observation.observed import Sighting
from transship_planner.plans.contents import check_nesting
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, NotFoundError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference, Repository


class ContentReader(Protocol):
    """The part of `RegistryReader` that tells whether content is there."""

    async def get_manifest(self, reference: Reference) -> Manifest:
        """See `RegistryReader.get_manifest`."""
        ...

    async def holds(self, repository: Repository, content: Descriptor) -> bool:
        """See `RegistryReader.holds`."""
        ...


async def lost_content(
    reader: ContentReader, sighting: Sighting, contents: MutableMapping[Digest, Manifest]
) -> frozenset[Digest]:
    """Return what the target lacks of the image that its tag names, with every manifest above what is lacking.

    What a layout has under the right name with other content is lacking, too.

    Manifests are read at the target, and at the source only where the target has lost them; they are put into
    `contents`. Each blob costs a HEAD at the target, or is read there if that is a layout. A reduced index is at no
    source: it is built anew.
    """
    assert sighting.expected is not None, "only what the source was asked for is looked into"
    target, source = sighting.wish.target.repository, sighting.wish.source.repository
    external = sighting.wish.entry.copy.include_external
    skips = sighting.wish.entry.copy.missing_attestations is MissingAttestations.SKIP

    if sighting.reduced is not None:
        contents[sighting.reduced.digest] = sighting.reduced

    async def manifest_lost(descriptor: Descriptor, depth: int) -> frozenset[Digest]:
        check_nesting(target.at(descriptor.digest), depth)
        manifest, lost = await _find(reader, descriptor.digest, target, source, contents)
        contents[manifest.digest] = manifest
        below = await for_each(_parts(manifest, external=external), lambda part: part_lost(part, depth + 1))
        missing = frozenset(digest for digests in below for digest in digests)
        return missing | {descriptor.digest} if missing or lost else frozenset()

    async def part_lost(part: Descriptor, depth: int) -> frozenset[Digest]:
        if part.is_manifest:
            try:
                return await manifest_lost(part, depth)
            except NotFoundError:  # the source has it neither
                if skips and part.is_attestation:
                    return frozenset()
                raise
        return frozenset() if await reader.holds(target, part) else frozenset({part.digest})

    return await manifest_lost(sighting.expected, 0)


async def _find(
    reader: ContentReader, digest: Digest, target: Repository, source: Repository, known: Mapping[Digest, Manifest]
) -> tuple[Manifest, bool]:
    """Return a manifest, and whether the target has lost it; then it is read at the source, unless it is `known`."""
    try:
        return await reader.get_manifest(target.at(digest)), False
    except (NotFoundError, ContentError) as error:
        if isinstance(error, ContentError) and not target.is_layout:
            raise  # to send it again would not help: registries verify what they take
        return known.get(digest) or await reader.get_manifest(source.at(digest)), True


def _parts(manifest: Manifest, *, external: bool) -> Iterator[Descriptor]:
    for part in (*manifest.blobs, *manifest.children):
        if external or not part.is_external:
            yield part
