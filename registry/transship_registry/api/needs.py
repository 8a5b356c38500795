"""Who needs a digest of a repository besides one tag: other tags, the indexes behind them, artifacts attached to it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from transship_registry.api import listing
from transship_registry.api.manifests import get_manifest, head_manifest
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, NotFoundError, RegistryError
from transship_registry.http.host import Host
from transship_registry.manifest import Descriptor
from transship_registry.mediatypes import ManifestKind, manifest_kind
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import ReferrerList

_AT_ONCE: Final = 32
"""Questions in flight; the host's limiter lets fewer through."""

_SUBJECT_TAG: Final = re.compile(r"(sha(?:256|384|512))-([0-9a-f]{64,128})(?:\.[a-z]+)?")
"""The referrers tag of the spec (§ Referrers Tag Schema), or one of cosign 2: `sha256-<hex>.sig`."""

ListReferrers: TypeAlias = Callable[[Host, Repository, Digest], Awaitable[ReferrerList]]

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class UncertainError(Exception):
    """Something keeps us from knowing who needs a digest; the text says what."""


async def who_needs(
    host: Host, reference: Reference, digest: Digest, list_referrers: ListReferrers, along: Collection[str] = ()
) -> tuple[str, ...]:
    """Return who needs the digest, in words: nobody, for certain, when it is empty.

    The reference's own tag does not count, nor do those of the tags `along`, nor what is attached to the digest without
    a tag of its own, such as signatures. Manifests of single images are not fetched: that would reset the clock of
    retention rules (https://github.com/containers/skopeo/issues/1516). Raises `UncertainError`.
    """
    try:
        tags = await _look_up_tags(host, reference)
        search = _Search(host, reference.repository, digest, tags, list_referrers)
        same = tuple(f"tag {tag}" for tag in search.tags_naming(digest) if tag not in along)
        return (*same, *await search.indexes(), *await search.artifacts())
    except (RegistryError, ContentError) as error:
        raise UncertainError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Search:
    """The search for `digest` among what the other `tags` of the repository name."""

    host: Host
    repository: Repository
    digest: Digest
    tags: Mapping[str, Descriptor]
    list_referrers: ListReferrers

    def tags_naming(self, digest: Digest) -> Iterator[str]:
        return (tag for tag, found in self.tags.items() if found.digest == digest)

    async def indexes(self) -> list[str]:
        """Return the indexes that list the digest, themselves or through other indexes."""
        roots: dict[Digest, str] = {}
        for tag, found in self.tags.items():
            if _is_index(found):
                roots.setdefault(found.digest, f"the index at tag {tag}")
        roots |= await self._subjects()
        roots.pop(self.digest, None)
        hits = await _ask_all(list(roots), self._leads_to_digest)
        return [label for label, hit in zip(roots.values(), hits, strict=True) if hit]

    async def artifacts(self) -> list[str]:
        """Return the artifacts that are attached to the digest and have a tag of their own."""
        listed = await self.list_referrers(self.host, self.repository, self.digest)
        if not listed.complete:
            raise UncertainError(listed.problem)
        attached = {referrer.digest for referrer in listed.descriptors}
        return [
            f"the artifact at tag {tag}"
            for tag, found in self.tags.items()
            if found.digest in attached and _subject_of(tag) != self.digest
        ]

    async def _subjects(self) -> dict[Digest, str]:
        """Return the indexes without a tag that something with a referrers tag is attached to."""
        tagged = {found.digest for found in self.tags.values()}
        subjects = {
            subject: f"the index {subject} with the attachment at tag {tag}"
            for tag in self.tags
            if (subject := _subject_of(tag)) and subject not in tagged
        }
        found = await _ask_all(list(subjects), lambda subject: head_manifest(self.host, self.repository.at(subject)))
        return {each.digest: subjects[each.digest] for each in found if each is not None and _is_index(each)}

    async def _leads_to_digest(self, root: Digest) -> bool:
        waiting, visited = [root], {root}
        while waiting:
            digest = waiting.pop()
            for child in await self._children(digest, may_be_absent=digest != root):
                if child.digest == self.digest:
                    return True
                if _is_index(child) and child.digest not in visited:
                    visited.add(child.digest)
                    waiting.append(child.digest)
        return False

    async def _children(self, index: Digest, *, may_be_absent: bool) -> tuple[Descriptor, ...]:
        """Return what an index lists and what it is attached to; an index within another one may be missing."""
        known = self.host.learnt.children.get(index)
        if known is None:
            try:
                manifest = await get_manifest(self.host, self.repository.at(index))
            except NotFoundError:
                if may_be_absent:
                    return ()
                raise
            known = (*manifest.children, *((manifest.subject,) if manifest.subject else ()))
            self.host.learnt.children[index] = known
        return known


async def _look_up_tags(host: Host, reference: Reference) -> dict[str, Descriptor]:
    """Return what all other tags name; those that are listed and name nothing are left out."""
    listed = await listing.list_tags(host, reference.repository)
    if not listed.complete:
        raise UncertainError(listed.problem)
    if listed.warnings:  # nobody can ask what these name
        raise UncertainError("; ".join(listed.warnings))
    if reference.tag not in listed.tags:
        raise UncertainError(f"GET tags {reference.repository}: the list lacks {reference.tag}, so it is not complete")
    others = [tag for tag in listed.tags if tag != reference.tag]
    found = await _ask_all(others, lambda tag: head_manifest(host, Reference(reference.repository, tag=tag)))
    return {tag: each for tag, each in zip(others, found, strict=True) if each is not None}


async def _ask_all(items: Sequence[_Item], ask: Callable[[_Item], Awaitable[_Found]]) -> list[_Found]:
    """Ask about every item, many at once; the first failure is raised, and ends it all."""
    answers: dict[int, _Found] = {}
    failures: list[RegistryError | ContentError] = []
    queue = iter(enumerate(items))

    async def work() -> None:
        for number, item in queue:
            try:
                answers[number] = await ask(item)
            except (RegistryError, ContentError) as error:
                failures.append(error)
            if failures:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, len(items))):
            group.create_task(work())
    if failures:
        raise failures[0]
    return [answers[number] for number in range(len(items))]


def _is_index(found: Descriptor) -> bool:
    return manifest_kind(found.media_type) is ManifestKind.INDEX


def _subject_of(tag: str) -> Digest | None:
    """Return the digest that a referrers tag is made of."""
    match = _SUBJECT_TAG.fullmatch(tag)
    try:
        return Digest(match[1], match[2]) if match else None
    except InvalidReferenceError:
        return None
