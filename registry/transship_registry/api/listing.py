"""Tag lists and the catalogue, page after page until something is wrong (distribution-spec § Listing Tags)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from transship_registry.api.links import MalformedLinkError, next_target
from transship_registry.errors import ContentError, RegistryError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.host import Host
from transship_registry.http.origins import ForbiddenURLError, follow_within
from transship_registry.login.scopes import catalog, pull
from transship_registry.ports import TagList
from transship_registry.reference import Repository

PAGE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one page; some registries do not page at all (https://github.com/google/go-containerregistry/issues/897)."""

PAGES_LIMIT: Final = 20_000
NAMES_LIMIT: Final = 2_000_000


async def list_tags(host: Host, repository: Repository, page_size: int | None = None) -> TagList:
    """List the tags of a repository; what broke after the first page is said in the list, not raised."""
    return await collect(host, tags_call(host, repository, page_size), read_tags)


def tags_call(host: Host, repository: Repository, page_size: int | None = None) -> Call:
    """Compose the call for the first page of a repository's tags."""
    return host.call(
        "GET tags",
        repository,
        "tags/list",
        reference=repository,
        scopes=frozenset({pull(host.path(repository))}),
        query=_query(page_size),
        limit=PAGE_LIMIT,
    )


async def list_repositories(host: Host, page_size: int | None = None) -> TagList:
    """List the repositories of a registry, where it has a catalogue (`_catalog`); `tags` are their names."""
    call = Call(
        attempted="GET catalog",
        method="GET",
        url=host.url("_catalog", _query(page_size)),
        reference=host.settings.registry,
        path="",
        scopes=frozenset({catalog()}),
        limit=PAGE_LIMIT,
    )
    return await collect(host, call, lambda answer: _read_page(answer, "repositories").repositories or ())


class _Page(msgspec.Struct, frozen=True):
    name: str | None = None
    tags: tuple[str, ...] | None = None
    repositories: tuple[str, ...] | None = None


def _query(page_size: int | None) -> dict[str, str]:
    """`n` is only sent on request: some registries answer 400 to it (https://github.com/deckhouse/deckhouse/issues/22894)."""
    return {} if page_size is None else {"n": str(page_size)}


async def collect(host: Host, call: Call, read: Callable[[Answer], tuple[str, ...]]) -> TagList:
    """Walk the pages of a list, in each of which `read` finds names; without the first one there is no list at all."""
    answer = await host.exchange.fetch(call)
    names = dict.fromkeys(read(answer))
    visited = {str(call.url)}
    try:
        while (following := next_call(answer, visited, len(names))) is not None:
            answer = await host.exchange.fetch(following)
            visited.add(str(following.url))
            names.update(dict.fromkeys(read(answer)))
    except (RegistryError, ContentError) as error:
        return TagList(tuple(names), complete=False, problem=str(error))
    return TagList(tuple(names))


def read_tags(answer: Answer) -> tuple[str, ...]:
    """Read a page of tags; a repository without tags may have `null` where the list should be."""
    return _read_page(answer, "tags").tags or ()


def _read_page(answer: Answer, member: str) -> _Page:
    try:
        return msgspec.json.decode(answer.body, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"the answer is no list of {member}: {error}"
        raise RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status) from None


def next_call(answer: Answer, visited: set[str], known: int) -> Call | None:
    """Return the call for the next page, None at the end; raises `RegistryError` for a link that leads nowhere."""
    call = answer.call
    try:
        target = next_target(answer.headers.get_list("link"))
        if target is None:
            return None
        url = follow_within(call.url, answer.url, target)
    except MalformedLinkError as error:
        raise _broken_off(call, str(error)) from None
    except ForbiddenURLError as error:
        raise _broken_off(call, f"the link to the next page is not followed: {error}") from None
    if str(url) in visited:
        raise _broken_off(call, "the link to the next page leads back to a page that was read already")
    if len(visited) >= PAGES_LIMIT or known > NAMES_LIMIT:
        raise _broken_off(call, f"the list goes on after {len(visited)} pages with {known} names")
    return replace(call, url=url)


def _broken_off(call: Call, problem: str) -> RegistryError:
    return RegistryError(
        call.attempted, call.reference, problem, advice="the list is incomplete: nothing may be deleted because of it"
    )
