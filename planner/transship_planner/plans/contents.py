"""The content tree of a change: every manifest and blob that the new content consists of."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from transship_planner.observation.observed import Contents
from transship_planner.plans.plan import ContentTree, TreeBlob, TreeManifest
from transship_registry.digest import Digest
from transship_registry.errors import UnsupportedError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.platform import Platform
from transship_registry.reference import Reference

_NESTING_LIMIT: Final = 4
"""How deep an index may hold indexes; the specification sets no bound, and real ones need one level."""


def check_nesting(index: Reference, depth: int) -> None:
    """Refuse an index that lies too deep in others; raises `UnsupportedError`."""
    if depth > _NESTING_LIMIT:
        raise UnsupportedError("read index", str(index), f"indexes nest deeper than {_NESTING_LIMIT} levels")


def content_tree(
    top: Descriptor, contents: Contents, before: Manifest | None, *, include_external: bool = False
) -> ContentTree:
    """Return everything below `top`, from the top down, each digest once.

    What `before`, the manifest that the target tag points at now, reaches is marked as present; `top` never is, since
    it has to be fetched to be written under the tag. External layers are left out unless they are wanted, since they
    are not copied (semantics B13.7).
    """
    present = _reached(before)
    manifests: dict[Digest, TreeManifest] = {}
    blobs: dict[Digest, TreeBlob] = {}
    for descriptor, here in _descriptors(top, contents, present, here=False):
        if descriptor.is_manifest:
            manifests.setdefault(
                descriptor.digest,
                TreeManifest(
                    digest=descriptor.digest,
                    media_type=descriptor.media_type,
                    size=descriptor.size,
                    platform=_real_platform(descriptor),
                    present=here and descriptor.digest != top.digest,
                ),
            )
        elif include_external or not descriptor.is_external:
            blobs.setdefault(descriptor.digest, TreeBlob(digest=descriptor.digest, size=descriptor.size, present=here))
    return ContentTree(manifests=tuple(manifests.values()), blobs=tuple(blobs.values()))


def lost_tree(
    top: Descriptor, contents: Contents, lost: frozenset[Digest], *, include_external: bool = False
) -> ContentTree:
    """Return the content tree of an image that is at the target but for what is `lost`."""
    tree = content_tree(top, contents, None, include_external=include_external)
    return ContentTree(
        manifests=tuple(structs.replace(part, present=part.digest not in lost) for part in tree.manifests),
        blobs=tuple(structs.replace(part, present=part.digest not in lost) for part in tree.blobs),
    )


def _descriptors(
    descriptor: Descriptor, contents: Contents, present: frozenset[Digest], *, here: bool
) -> Iterator[tuple[Descriptor, bool]]:
    """Walk depth first, parents before their children, and tell of each whether it is at the target already.

    What is below a manifest that is there is there as well.
    """
    here = here or descriptor.digest in present
    yield descriptor, here
    manifest = contents.get(descriptor.digest)
    if manifest is None:
        return
    for part in (*manifest.blobs, *manifest.children):
        yield from _descriptors(part, contents, present, here=here)


def _reached(manifest: Manifest | None) -> frozenset[Digest]:
    if manifest is None:
        return frozenset()
    return frozenset(descriptor.digest for descriptor in (*manifest.children, *manifest.blobs))


def _real_platform(descriptor: Descriptor) -> Platform | None:
    platform = descriptor.normalised_platform
    return platform if platform is not None and platform.is_known else None
