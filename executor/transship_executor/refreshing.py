"""What a refresh has to mend in an image whose tag is right."""

from transship_planner.asking import for_each
from transship_planner.plan import Change
from transship_registry.digest import Digest
from transship_registry.ports import RegistryReader


async def still_lacking(registry: RegistryReader, change: Change) -> frozenset[Digest]:
    """Return what the plan found lost and the target still lacks; nothing once the refresh has been carried out.

    The manifests above lost content are among those the plan lists, and are there all the time.
    """
    target = change.target.repository
    manifests = {each.digest for each in change.content.manifests if not each.present}

    async def is_there(digest: Digest) -> bool:
        if digest in manifests:
            return await registry.head_manifest(target.at(digest)) is not None
        return await registry.head_blob(target, digest) is not None

    lost = (*manifests, *(each.digest for each in change.content.blobs if not each.present))
    there = await for_each(lost, is_there)
    return frozenset(digest for digest, found in zip(lost, there, strict=True) if not found)
