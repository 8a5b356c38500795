"""What a refresh has to mend in an image whose tag is right."""

from transship_planner.asking import for_each
from transship_planner.plans.plan import Change, TreeBlob, TreeManifest
from transship_registry.manifest import Descriptor
from transship_registry.ports import RegistryReader


async def lacks_content(registry: RegistryReader, change: Change) -> bool:
    """Tell whether the target still lacks what the plan found lost; no longer once the refresh has been carried out.

    The manifests above lost content are among those the plan lists, and are there all the time.
    """
    target = change.target.repository

    async def is_there(part: TreeManifest | TreeBlob) -> bool:
        media_type = part.media_type if isinstance(part, TreeManifest) else ""
        return await registry.holds(target, Descriptor(media_type=media_type, digest=part.digest, size=part.size))

    parts: tuple[TreeManifest | TreeBlob, ...] = (*change.content.manifests, *change.content.blobs)
    return not all(await for_each((part for part in parts if not part.present), is_there))
