"""The tags of a Docker Hub repository as the Hub's web API tells them: names, dates, digests of each platform.

The API is not the registry: it has an origin and quotas of its own and is asked anonymously. At times it fails or lacks
tags (https://github.com/docker/hub-feedback/issues/2048), so the registry's own list stands by.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import httpx
import msgspec

from transship_registry.codec import decode_json, read_as
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, InvalidReferenceError, RegistryError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.host import Host
from transship_registry.http.origins import ForbiddenURLError, follow_within
from transship_registry.http.retry import THROTTLED
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.limits import HUB_LIST_LIMIT, NAMES_LIMIT, PAGE_LIMIT
from transship_registry.platform import Platform
from transship_registry.reference import Repository, is_tag
from transship_registry.sizes import LARGEST
from transship_registry.strange_names import show

PAGE_SIZE: Final = 100
"""The most tags that the API puts on a page."""

TRIES: Final = 3
"""There is another way to list tags, so an API that fails is not waited for as long as a registry."""

PAGES_LIMIT: Final = NAMES_LIMIT // PAGE_SIZE

_log = logging.getLogger(__name__)


async def inventory(
    hub: Host, api: str, repository: Repository, list_at_registry: Callable[[], Awaitable[Inventory]]
) -> Inventory:
    """List the tags with what the API below the URL `api` tells, else as the registry lists them.

    In the second case `problem` says why. Once the API is out of reach or out of patience it is not asked again.
    """
    problem = hub.learnt.given_up
    if not problem:
        try:
            return await list_tags(hub, api, repository)
        except (RegistryError, ContentError) as error:
            problem = str(error)
            if isinstance(error, RegistryError) and (error.status is None or error.status in THROTTLED):
                hub.learnt.given_up = problem
    _log.debug("falling back to the tag list of %s: %s", repository, problem)
    found = await list_at_registry()
    return replace(found, problem="; ".join(filter(None, (problem, found.problem))))


async def list_tags(hub: Host, api: str, repository: Repository) -> Inventory:
    """List the tags, all pages; raises `RegistryError` when one cannot be read or tags are missing in the end.

    The pages are numbered, so a tag that is pushed or deleted meanwhile shifts others out of sight; the count tells.
    """
    call = Call(
        attempted="GET hub tags",
        method="GET",
        url=httpx.URL(f"{api}/v2/repositories/{repository.path}/tags?page_size={PAGE_SIZE}"),
        reference=str(repository),
        path="",
        scopes=frozenset(),
        limit=PAGE_LIMIT,
        tries=TRIES,
    )
    facts: dict[str, TagFact] = {}
    strange: set[bytes] = set()
    visited: set[str] = set()
    size = 0
    following: Call | None = call
    while following is not None:
        visited.add(str(following.url))
        answer = await hub.exchange.fetch(following)
        size += len(answer.body)
        page = _read(answer)
        for entry in page.results:
            fact = _fact(entry)
            if fact is None:
                strange.add(bytes(entry))
            else:
                facts.setdefault(fact.tag, fact)
        if not page.next and len(facts) + len(strange) < page.count:
            raise _broken(answer, f"{len(facts) + len(strange)} tags came, where {page.count} are counted")
        if strange and not facts:
            raise _broken(answer, f"nothing on the page is a tag: {show(next(iter(strange)))}")
        following = _following(answer, page.next, visited, size)
    return Inventory(tags=tuple(facts.values()), source=InventorySource.HUB)


_NOTHING: Final = msgspec.Raw(b"null")


class _Image(msgspec.Struct, frozen=True):
    os: str | None = None
    os_version: str | None = None
    architecture: str | None = None
    variant: str | None = None
    digest: str | None = None


class _Tag(msgspec.Struct, frozen=True):
    """A tag, each member as it came; what was pushed long ago has neither date nor digest (hub-feedback#2344)."""

    name: msgspec.Raw = _NOTHING
    digest: msgspec.Raw = _NOTHING
    media_type: msgspec.Raw = _NOTHING
    full_size: msgspec.Raw = _NOTHING
    tag_last_pushed: msgspec.Raw = _NOTHING
    last_updated: msgspec.Raw = _NOTHING
    images: msgspec.Raw = _NOTHING


class _Page(msgspec.Struct, frozen=True):
    count: int
    results: tuple[msgspec.Raw, ...]
    next: str | None = None


def _read(answer: Answer) -> _Page:
    try:
        return decode_json(answer.body, _Page)
    except DocumentError as error:
        raise _broken(answer, f"the answer is no page of tags: {error}") from None


def _fact(entry: msgspec.Raw) -> TagFact | None:
    """Read what is said of a tag, as far as it makes sense; None for what can be no tag.

    The digest is never guessed from those of the tag's images, for it may be an index's.
    """
    said = read_as(entry, _Tag)
    name = read_as(said.name, str) if said else None
    if said is None or name is None or not is_tag(name):
        return None
    return TagFact(
        tag=name,
        digest=_digest(read_as(said.digest, str)),
        media_type=read_as(said.media_type, str) or None,
        size=_size(said.full_size),
        updated=_moment(read_as(said.tag_last_pushed, str)) or _moment(read_as(said.last_updated, str)),
        platforms=tuple(_platforms(read_as(said.images, tuple[msgspec.Raw, ...]) or ())),
    )


def _size(raw: msgspec.Raw) -> int | None:
    """Read a number of bytes; 0 says that it is unknown."""
    size = read_as(raw, int)
    return size if size is not None and 0 < size <= LARGEST else None


def _platforms(images: tuple[msgspec.Raw, ...]) -> Iterator[tuple[Platform, Digest]]:
    for image in (image for raw in images if (image := read_as(raw, _Image))):
        platform = Platform.normalised(
            image.os or "", image.architecture or "", image.variant or "", image.os_version or ""
        )
        digest = _digest(image.digest)
        if digest is not None and platform.is_known:
            yield platform, digest


def _digest(text: str | None) -> Digest | None:
    try:
        return Digest.parse(text) if text else None
    except InvalidReferenceError:
        return None


def _moment(text: str | None) -> datetime | None:
    """Read an RFC 3339 date; None for anything else, and for the year 1, in which Go's empty dates lie."""
    try:
        moment = msgspec.convert(text, datetime)
        return moment.astimezone(UTC) if moment.tzinfo is not None and moment.year > 1 else None
    except (msgspec.ValidationError, OverflowError):
        return None


def _following(answer: Answer, target: str | None, visited: set[str], size: int) -> Call | None:
    """Return the call for the next page, None at the end; raises `RegistryError` for a URL that leads nowhere."""
    if not target:
        return None
    try:
        url = follow_within(answer.call.url, answer.url, target)
    except ForbiddenURLError as error:
        raise _broken(answer, f"the next page is not fetched: {error}") from None
    if str(url) in visited:
        raise _broken(answer, "the next page is one that was read already")
    if len(visited) >= PAGES_LIMIT:
        raise _broken(answer, f"the list goes on after {len(visited)} pages")
    if size >= HUB_LIST_LIMIT:
        raise _broken(answer, f"the list goes on after {size} bytes, {HUB_LIST_LIMIT} are allowed")
    return replace(answer.call, url=url)


def _broken(answer: Answer, problem: str) -> RegistryError:
    return RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status)
