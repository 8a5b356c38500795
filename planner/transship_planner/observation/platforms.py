"""What a target tag should point at when only some platforms are wanted (semantics A7, B11; architecture §9)."""

from typing import Final

import msgspec

from transship_planner.desired import PlatformRule
from transship_planner.observation.observed import Wish
from transship_registry.codec import decode_json
from transship_registry.errors import ContentError, UnsupportedError
from transship_registry.manifest import Descriptor, Manifest, PlatformFields, missing_platform, reduce_index
from transship_registry.platform import Platform
from transship_registry.ports import RegistryReader

_CONFIG_LIMIT: Final = 8 * 1024 * 1024


def expected_content(index: Manifest, rule: PlatformRule, where: str) -> tuple[Descriptor, Manifest | None]:
    """Return what the rule makes of an index: one platform gives that child, several a reduced index (also returned).

    Raises `UnsupportedError` naming what the index offers when a wanted platform is missing.
    """
    only, *others = rule.wanted
    if others:
        reduced = reduce_index(index, rule.wanted, where=where)
        return reduced.descriptor, reduced
    child = index.child_for(only)
    if child is None:
        raise missing_platform(index, only, where)
    return Descriptor(media_type=child.media_type, digest=child.digest, size=child.size), None


async def check_lone_platform(reader: RegistryReader, wish: Wish, image: Manifest) -> None:
    """Refuse an image without an index whose config is not of a wanted platform (semantics A7.6)."""
    if image.config is None:
        return
    if image.config.size > _CONFIG_LIMIT:
        raise ContentError(f"{wish.source}: the image config has {image.config.size} bytes, more than {_CONFIG_LIMIT}")
    async with reader.get_blob(wish.source.repository, image.config) as pieces:
        raw = b"".join([bytes(piece) async for piece in pieces])
    try:
        fields = decode_json(raw, PlatformFields)
    except (msgspec.DecodeError, ValueError) as error:
        raise ContentError(f"{wish.source}: the image config is not well-formed: {error}") from error
    platform = Platform.normalised(fields.os, fields.architecture, fields.variant, fields.os_version)
    if not any(wanted.runs(platform) for wanted in wish.platforms.wanted):
        expected = " or ".join(str(wanted) for wanted in wish.platforms.wanted)
        raise UnsupportedError(
            "select platform",
            str(wish.source),
            f"the image is for {platform} only, expected {expected}",
            advice="leave this tag out of the entry, or drop its platforms",
        )
