"""See what the two tags of a wish point at, and whether the target has what belongs to the image beside its tag."""

from collections.abc import MutableMapping
from dataclasses import replace

from transship_planner.asking import Once, for_each
from transship_planner.desired import Comparison, MissingAttestations
from transship_planner.observation.attachments import AttachmentLook
from transship_planner.observation.completeness import lost_content
from transship_planner.observation.dating import Dates
from transship_planner.observation.observed import Sighting, Trouble, Wish
from transship_planner.observation.platforms import (
    Choice,
    choose_from_index,
    choose_lone,
    leave_out_missing,
    lone_platform,
)
from transship_planner.observation.reading import ImageReader, OnceReader
from transship_planner.places import Places
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, NotFoundError, TransshipError
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import ManifestKind, manifest_kind
from transship_registry.platform import Platform
from transship_registry.ports import RegistryReader
from transship_registry.reference import Reference
from transship_registry.referrers.refused import RefusedArtifactPolicy


class Looker:
    """Looks at tags one by one, and asks nothing twice; manifests of incomplete images are put into `contents`."""

    def __init__(
        self,
        reader: RegistryReader,
        once: OnceReader,
        places: Places,
        dates: Dates,
        contents: MutableMapping[Digest, Manifest],
    ) -> None:
        self._reader = reader
        self._once = once
        self._places = places
        self._dates = dates
        self._contents = contents
        self._lone_platform = Once[Reference, Platform | None](self._read_platform)

    async def sight(self, wish: Wish) -> Sighting | Trouble:
        """See what the two tags of a wish point at."""
        try:
            return await self._with_date(self._with_backup(await self._look_at(wish)))
        except TransshipError as error:
            return Trouble(wish.entry.name, str(wish.target), str(error))

    async def confirm(self, wish: Wish) -> Sighting | None:
        """See whether a tag of which it is enough that it exists is what its source gives; None when none can tell.

        It is left as it is whatever is found, so that nothing here is a trouble.
        """
        try:
            return await self._look_at(replace(wish, comparison=Comparison.DIGEST))
        except TransshipError:
            return None

    async def _look_at(self, wish: Wish) -> Sighting:
        if wish.comparison is Comparison.EXISTENCE:
            target = await self._once.head_manifest(wish.target)
            if target is not None:
                return Sighting(wish, None, None, target)
        target, source = await for_each((wish.target, wish.source), self._once.head_manifest)
        if source is None:
            raise NotFoundError("HEAD manifest", str(wish.source), "the source has no such tag", status=404)
        choice = await self._choose(wish, source, target)
        return Sighting(
            wish,
            source,
            choice.expected,
            target,
            choice.reduced,
            platform=choice.platform,
            remark=choice.remark,
            left_out=choice.left_out,
        )

    def _with_backup(self, sighting: Sighting) -> Sighting:
        """Say where the image is kept that will be replaced, if its entry wants that."""
        rule, target = sighting.wish.entry.backup, sighting.wish.target
        if rule is None or sighting.target is None or not sighting.is_changing:
            return sighting
        backup = rule.reference_for(target)
        if self._places.reference(backup) == self._places.reference(target):
            raise InvalidReferenceError(f"{target}: the backup template gives the target itself, by its name {backup}")
        return replace(sighting, backup=backup)

    async def _with_date(self, sighting: Sighting) -> Sighting:
        """Ask when the source was pushed, if the entry makes that matter."""
        wish, source = sighting.wish, sighting.source
        if not wish.entry.min_age_s or not sighting.is_changing or source is None:
            return sighting
        return replace(sighting, pushed=await self._dates.pushed(wish.source, source.digest))

    async def _choose(self, wish: Wish, source: Descriptor, target: Descriptor | None) -> Choice:
        """Decide what the target tag should point at; a manifest is only fetched when that depends on it."""
        where, wanted = wish.source.at(source.digest), wish.platforms.wanted
        is_there = target is not None and target.digest == source.digest
        if manifest_kind(source.media_type) is not ManifestKind.INDEX:
            if not wanted or wish.platforms.index_only or is_there:
                return Choice(source)
            return choose_lone(source, await self._lone_platform(where), wish.platforms, str(wish.source))
        skips = wish.entry.copy.missing_attestations is MissingAttestations.SKIP and len(wanted) != 1
        if not wanted and (is_there or not skips):
            return Choice(source)
        index = await self._once.get_manifest(where)
        choice = choose_from_index(index, wish.platforms, str(wish.source)) if wanted else Choice(source)
        return await leave_out_missing(self._once, choice, index, wish) if skips else choice

    async def _read_platform(self, where: Reference) -> Platform | None:
        return await lone_platform(self._reader, where, await self._once.get_manifest(where))

    async def _with_platform(self, sighting: Sighting) -> Sighting:
        """Find out what is mirrored in place of the platform that regsync's `platform` names: that needs no index."""
        wish, source = sighting.wish, sighting.source
        if source is None or sighting.platform is not None or not wish.platforms.index_only:
            return sighting
        try:
            platform = await self._lone_platform(wish.source.at(source.digest))
        except ContentError:  # it is mirrored as it is all the same
            platform = None
        choice = choose_lone(source, platform, wish.platforms, str(wish.source))
        return replace(sighting, platform=choice.platform, remark=choice.remark)

    async def look_into(self, sighting: Sighting, *, contents: bool) -> Sighting | Trouble:
        """See what belongs to an image beside its tag, if its entry wants that; without `contents` only that something
        is lacking matters.
        """
        rules, reader = sighting.wish.entry.copy, ImageReader(self._once, sighting.wish.source)
        try:
            if contents and sighting.is_changing:
                sighting = await self._with_platform(sighting)
            if not _is_deep(sighting, contents=contents):
                return sighting
            if rules.force_recursive and sighting.in_sync:
                sighting = replace(sighting, lost=await lost_content(reader, sighting, self._contents))
            if rules.takes_along and not (sighting.in_sync and rules.refused_referrers is RefusedArtifactPolicy.SKIP):
                tags = await self._once.list_tags(sighting.wish.source.repository) if rules.digest_tags else None
                sighting = await AttachmentLook(reader).at(sighting, tags)
        except TransshipError as error:
            return Trouble(sighting.wish.entry.name, str(sighting.wish.target), str(error))
        return sighting


def _is_deep(sighting: Sighting, *, contents: bool) -> bool:
    """Tell whether an image is looked into; `fastCheck` spares those whose tag is right (semantics B11.4)."""
    if sighting.expected is None or sighting.is_unsupported:
        return False
    return not sighting.wish.entry.copy.fast_copy if sighting.in_sync else contents and sighting.is_changing
