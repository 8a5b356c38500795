"""What a target tag should point at when only some platforms are wanted (semantics A7, B11; docs/configuration.md)."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from transship_planner.asking import for_each
from transship_planner.desired import PlatformRule
from transship_planner.observation.observed import Wish
from transship_registry.codec import decode_json, shortened
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, UnsupportedError
from transship_registry.limits import IMAGE_CONFIG_LIMIT
from transship_registry.manifest import Descriptor, Manifest, PlatformFields, missing_platform, reduce_index
from transship_registry.mediatypes import DOCKER_CONFIG, OCI_CONFIG, OCI_EMPTY
from transship_registry.platform import Platform
from transship_registry.ports import RegistryReader
from transship_registry.reference import Reference

_IMAGE_CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})


@dataclass(frozen=True, slots=True)
class Choice:
    """What an entry makes of a source: `expected` at the target, and the index that was built anew (`reduced`).

    `platform` is what a manifest without an index is for; `remark` is what people should know of the choice; `left_out`
    are the attestations that the new index lacks because the source does.
    """

    expected: Descriptor
    reduced: Manifest | None = None
    platform: Platform | None = None
    remark: str = ""
    left_out: tuple[Digest, ...] = ()


class HeadReader(Protocol):
    """The part of `RegistryReader` that tells whether a manifest is there."""

    async def head_manifest(self, reference: Reference) -> Descriptor | None:
        """See `RegistryReader.head_manifest`."""
        ...


async def leave_out_missing(reader: HeadReader, choice: Choice, index: Manifest, wish: Wish) -> Choice:
    """Take attestations out of an index that its source lists and does not have (404); one HEAD is spent on each.

    What is left is an index all the same: one that would be empty stays as it is.
    """
    kept = choice.reduced or index
    listed = tuple(child.digest for child in kept.children if child.is_attestation)
    found = await for_each(listed, lambda digest: reader.head_manifest(wish.source.repository.at(digest)))
    missing = tuple(digest for digest, there in zip(listed, found, strict=True) if there is None)
    if not missing or len(missing) == len(kept.children):
        return choice
    reduced = reduce_index(index, wish.platforms.wanted, where=str(wish.source), without=missing)
    return replace(choice, expected=reduced.descriptor, reduced=reduced, left_out=missing)


def choose_from_index(index: Manifest, rule: PlatformRule, where: str) -> Choice:
    """Choose from an index: one platform gives that child, several give a reduced index.

    Raises `UnsupportedError` naming what the index offers when a wanted platform is missing.
    """
    only, *others = rule.wanted
    if others:
        reduced = reduce_index(index, rule.wanted, where=where)
        return Choice(reduced.descriptor, reduced)
    child = index.child_for(only)
    if child is None:
        raise missing_platform(index, only, where)
    expected = Descriptor(media_type=child.media_type, digest=child.digest, size=child.size)
    return Choice(expected, platform=child.normalised_platform, remark=_rivals(index, child, only))


def _rivals(index: Manifest, chosen: Descriptor, wanted: Platform) -> str:
    """Say which children would have done as well as the one that is chosen; empty when there is no other."""
    platform = chosen.normalised_platform
    assert platform is not None, "only a child with a platform is chosen"
    alike = {
        child.digest: other
        for child in index.children
        if (other := child.normalised_platform) and other.any_version == platform.any_version and wanted.runs(other)
    }
    if len(alike) < 2:
        return ""
    versions = dict.fromkeys(other.os_version or "no version" for other in alike.values())
    if len(versions) == len(alike):
        return (
            f"{platform.any_version} is offered in the OS versions {shortened(', '.join(versions))}, of which "
            f"{platform.os_version or 'no version'} is taken (write {platform.any_version},osver=VERSION for another)"
        )
    return f"{platform} is offered {len(alike)} times, of which the first is taken ({chosen.digest.short})"


def choose_lone(image: Descriptor, platform: Platform | None, rule: PlatformRule, where: str) -> Choice:
    """Choose what is no index: it is taken as it is, if it is for a wanted platform or for none at all.

    With regsync's `platform` it is taken in any case (semantics B11). Raises `UnsupportedError` (semantics A7.6).
    """
    wanted = ", ".join(map(str, rule.wanted))
    if platform is None:
        return Choice(image, remark=f"what names no platform is mirrored as it is, not for {wanted}")
    missing = tuple(each for each in rule.wanted if not each.runs(platform))
    if rule.index_only and missing:
        remark = f"a single image for {platform} is mirrored as it is, not for {wanted}"
        return Choice(image, platform=platform, remark=f"{remark} (write platforms: [{wanted}] to refuse such images)")
    if len(missing) == len(rule.wanted):
        raise UnsupportedError(
            "select platform",
            where,
            f"the image is for {platform} only, expected {' or '.join(map(str, rule.wanted))}",
            advice="leave this tag out of the entry, or drop its platforms",
        )
    remark = f"a single image for {platform} is mirrored, which is not for {', '.join(map(str, missing))}"
    return Choice(image, platform=platform, remark=remark if missing else "")


async def lone_platform(reader: RegistryReader, source: Reference, image: Manifest) -> Platform | None:
    """Return what an image without an index is for, by its config; None for a chart, a signature or the like.

    Raises `ContentError` when the config of an image cannot be read.
    """
    if image.config is None or image.config.media_type == OCI_EMPTY:
        return None
    try:
        fields = decode_json(await _config(reader, source, image.config), PlatformFields)
    except (DocumentError, ContentError) as error:
        if image.config.media_type not in _IMAGE_CONFIGS:
            return None
        if isinstance(error, ContentError):
            raise
        raise ContentError(f"{source}: the image config is not well-formed: {error}") from error
    platform = Platform.normalised(fields.os, fields.architecture, fields.variant, fields.os_version)
    return platform if platform.is_known else None


async def _config(reader: RegistryReader, source: Reference, config: Descriptor) -> bytes:
    if config.size > IMAGE_CONFIG_LIMIT:
        raise ContentError(f"{source}: the image config has {config.size} bytes, more than {IMAGE_CONFIG_LIMIT}")
    async with reader.get_blob(source.repository, config) as pieces:
        return b"".join([bytes(piece) async for piece in pieces])
