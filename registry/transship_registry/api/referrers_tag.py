"""The list under the referrers tag of a subject, for registries without referrers API (§ Referrers Tag Schema)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from transship_registry.api import manifests
from transship_registry.api.listing import list_tags
from transship_registry.digest import Digest
from transship_registry.errors import (
    MissingContentError,
    NotFoundError,
    RateLimitedError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.http.host import Host
from transship_registry.http.retry import TRIES, Failure
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import (
    PUT_LIST,
    check_referrers_index,
    is_manifest_of,
    referrers_tag,
    unlisted,
    with_referrers,
)

_NO_REFUSAL: Final = frozenset({401, 408, 425, 429})
_WHY: Final = "the registry has no referrers API, so the list of referrers must be written under this tag"


@dataclass(frozen=True, slots=True)
class ListTag:
    """The referrers tag of a subject.

    Some registries take such a tag for the digest that it spells, and answer with the subject itself: GitLab's does
    (https://github.com/oras-project/oras-go/issues/1396). That is no list.
    """

    host: Host
    repository: Repository
    subject: Digest

    @property
    def reference(self) -> Reference:
        """The tag."""
        return self.repository.tag(referrers_tag(self.subject))

    async def read(self) -> Manifest | None:
        """Return the list; None when there is none. Raises `UnsupportedError` when something else has the tag."""
        found = await self._get()
        return None if self._is_subject(found) else check_referrers_index(found, self.reference)

    async def add(self, referrers: Sequence[Descriptor]) -> None:
        """Merge, write all at once, read again, until they are there: no PUT is conditional, so another writer may undo
        this one (https://github.com/google/go-containerregistry/issues/2205).
        """
        for attempt in count(1):
            found = await self._get()
            if self._is_subject(found):
                await self._check_free()
                found = None
            index = check_referrers_index(found, self.reference)
            lacking = unlisted(referrers, index)
            if lacking:
                await self._put(with_referrers(index, lacking, self.reference))
                lacking = unlisted(referrers, await self._read_again())
            if not lacking:
                return
            if not await self.host.exchange.pause(Failure(), attempt, TRIES):
                raise self._lost(attempt, lacking)

    async def _get(self) -> Manifest | None:
        try:
            return await manifests.get_manifest(self.host, self.reference)
        except NotFoundError:
            return None

    def _is_subject(self, found: Manifest | None) -> bool:
        return found is not None and is_manifest_of(self.subject, found)

    async def _check_free(self) -> None:
        """Raise an error unless the subject is only answered for want of a tag of that name; a tag is never lost."""
        try:
            listed = await list_tags(self.host, self.repository)
        except NotFoundError:
            return
        if self.reference.tag in listed.tags:
            raise UnsupportedError(
                PUT_LIST,
                str(self.reference),
                f"there is such a tag, and it is answered with {self.subject} itself",
                advice="it was left alone: if it names the image, give that another tag and remove this one; "
                "if it does not, the registry takes the tag for a digest and can keep no list",
            )
        if not listed.complete:
            problem = f"whether the tag is free is uncertain: {listed.problem}"
            raise RegistryError(PUT_LIST, str(self.reference), problem, advice="nothing was written there")

    async def _put(self, index: Manifest) -> None:
        try:
            await manifests.put_manifest(self.host, self.reference, index)
        except RegistryError as error:
            if not _is_refusal(error):
                raise
            advice = f"{_WHY}: let tags that begin with {self.subject.algorithm}- be written and overwritten"
            raise UnsupportedError(
                PUT_LIST, str(self.reference), error.answer, status=error.status, advice=advice
            ) from error

    async def _read_again(self) -> Manifest | None:
        found = await self._get()
        if self._is_subject(found):
            answer = f"the registry took the list, but still answers with {self.subject} itself"
            advice = "it has no referrers API and takes this tag for a digest, so it cannot list what is attached"
            raise UnsupportedError(PUT_LIST, str(self.reference), answer, advice=advice)
        return check_referrers_index(found, self.reference)

    def _lost(self, attempts: int, lacking: Sequence[Descriptor]) -> RegistryError:
        names = ", ".join(str(each.digest) for each in lacking)
        return RegistryError(
            PUT_LIST,
            str(self.reference),
            f"after {attempts} attempts the index still lacks {names}: another writer replaces it",
            advice="run again when nobody else attaches to the same image",
        )


def _is_refusal(error: RegistryError) -> bool:
    """Whether the registry does not want this tag to be written, in whatever words.

    What is listed was stored a moment ago with the same rights. ECR answers 400 TAG_INVALID, Harbor 412, Google and
    Quay 400 or 409, Docker Hub 403, zot 405.
    """
    if isinstance(error, MissingContentError | RateLimitedError):
        return False
    if error.status is None:
        return isinstance(error, UnsupportedError)
    return 400 <= error.status < 500 and error.status not in _NO_REFUSAL
