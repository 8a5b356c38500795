"""Tag lists and the catalogue, page after page until something is wrong (distribution-spec § Listing Tags)."""

from collections.abc import Callable, Iterator
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
from transship_registry.reference import Repository, is_repository_path, is_tag
from transship_registry.strange_names import StrangeNames

PAGE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one page; some registries do not page at all (https://github.com/google/go-containerregistry/issues/897)."""

PAGES_LIMIT: Final = 20_000
NAMES_LIMIT: Final = 2_000_000

_TEXT: Final = msgspec.json.Decoder(str)
_NO_CONTROLS: Final = bytes(byte if byte >= 0x20 or byte in b"\t\n\r" else ord("?") for byte in range(256))
"""JSON has no bare control characters; where a registry writes one into a name, it is one that `?` spoils as well."""


async def list_tags(host: Host, repository: Repository, page_size: int | None = None) -> TagList:
    """List the tags of a repository; what broke after the first page is said in the list, not raised.

    So is what no tag can be called: the other names of the list count.
    """
    strange = strange_tags(repository)
    return await collect(
        host, tags_call(host, repository, page_size), lambda answer: read_tags(answer, strange), strange
    )


def strange_tags(repository: Repository) -> StrangeNames:
    """Return where to note what stands in a repository's tag list and is no tag."""
    return StrangeNames(f"the tag list of {repository}", "tag")


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
    strange = StrangeNames(f"the list of repositories of {host.settings.registry}", "repository")
    return await collect(
        host, call, lambda answer: _names(answer, "repositories", is_repository_path, strange), strange
    )


def _query(page_size: int | None) -> dict[str, str]:
    """`n` is only sent on request: some registries answer 400 to it (https://github.com/deckhouse/deckhouse/issues/22894)."""
    return {} if page_size is None else {"n": str(page_size)}


async def collect(host: Host, call: Call, read: Callable[[Answer], tuple[str, ...]], strange: StrangeNames) -> TagList:
    """Walk the pages of a list, in each of which `read` finds names; without the first one there is no list at all.

    `strange` is where `read` notes what can be no name.
    """
    answer = await host.exchange.fetch(call)
    names = dict.fromkeys(read(answer))
    visited = {str(call.url)}
    try:
        while (following := next_call(answer, visited, len(names))) is not None:
            answer = await host.exchange.fetch(following)
            visited.add(str(following.url))
            names.update(dict.fromkeys(read(answer)))
    except (RegistryError, ContentError) as error:
        return TagList(tuple(names), complete=False, problem=str(error), warnings=strange.warnings)
    return TagList(tuple(names), warnings=strange.warnings)


def read_tags(answer: Answer, strange: StrangeNames) -> tuple[str, ...]:
    """Read a page of tags; a repository without tags may have `null` where the list should be."""
    return _names(answer, "tags", is_tag, strange)


def _names(answer: Answer, member: str, is_name: Callable[[str], bool], strange: StrangeNames) -> tuple[str, ...]:
    """Return the names of a page; what can be none is put into `strange`."""
    names: list[str] = []
    for entry in _entries(answer, member):
        if isinstance(entry, str) and is_name(entry):
            names.append(entry)
        else:
            strange.add(entry)
    return tuple(names)


def _entries(answer: Answer, member: str) -> Iterator[str | bytes]:
    """Yield the entries of a page's list: texts, and the JSON of what is none."""
    try:
        page = msgspec.json.decode(answer.body.translate(_NO_CONTROLS), type=dict[str, msgspec.Raw])
        listed = msgspec.json.decode(page.get(member, b"null"), type=tuple[msgspec.Raw, ...] | None) or ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"the answer is no list of {member}: {_reason(error)}"
        raise RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status) from None
    for raw in listed:
        try:
            yield _TEXT.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield bytes(raw)


def _reason(error: Exception) -> str:
    return "JSON is nested too deeply" if isinstance(error, RecursionError) else str(error)


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
