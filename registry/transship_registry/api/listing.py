"""Tag lists and the catalogue, page after page until something is wrong (distribution-spec § Listing Tags)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import httpx
import msgspec

from transship_registry.api.links import MalformedLinkError, next_target
from transship_registry.codec import decode_json, decode_list, read_as
from transship_registry.errors import ContentError, DocumentError, RegistryError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.host import Host
from transship_registry.http.origins import ForbiddenURLError, follow_within
from transship_registry.limits import LIST_LIMIT, NAME_LIMIT, NAMES_LIMIT, PAGE_LIMIT, PAGES_LIMIT
from transship_registry.login.scopes import catalog, pull
from transship_registry.ports import TagList
from transship_registry.reference import Repository, is_repository_path, is_tag
from transship_registry.strange_names import StrangeNames

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
    pages = Pages(LIST_LIMIT)
    try:
        while (following := pages.next_call(answer, len(names))) is not None:
            answer = await host.exchange.fetch(following)
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
        page = decode_json(answer.body.translate(_NO_CONTROLS), dict[str, msgspec.Raw])
        listed = decode_list(page.get(member))
    except DocumentError as error:
        problem = f"the answer is no list of {member}: {error}"
        raise RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status) from None
    for raw in listed:
        text = read_as(raw, str) if memoryview(raw).nbytes <= NAME_LIMIT else None
        yield bytes(memoryview(raw)[:NAME_LIMIT]) if text is None else text


@dataclass(eq=False, slots=True)
class Pages:
    """The pages of one list that were read: their URLs, and their bytes, of which there may be `limit`."""

    limit: int
    visited: set[str] = field(default_factory=set[str])
    size: int = 0

    def next_call(self, answer: Answer, known: int) -> Call | None:
        """Return the call for the page after `answer`, None at the end; `known` is how many names were found so far.

        Raises `RegistryError` for a link that leads nowhere, and for a list that has no end.
        """
        call = answer.call
        self.visited.add(str(call.url))
        self.size += len(answer.body)
        url = _next_url(answer)
        if url is None:
            return None
        if str(url) in self.visited:
            raise _broken_off(call, "the link to the next page leads back to a page that was read already")
        if len(self.visited) >= PAGES_LIMIT or known > NAMES_LIMIT:
            raise _broken_off(call, f"the list goes on after {len(self.visited)} pages with {known} names")
        if self.size >= self.limit:
            raise _broken_off(call, f"the list goes on after {self.size} bytes, {self.limit} are allowed")
        return replace(call, url=url)


def _next_url(answer: Answer) -> httpx.URL | None:
    call = answer.call
    try:
        target = next_target(answer.headers.get_list("link"))
        return None if target is None else follow_within(call.url, answer.url, target)
    except MalformedLinkError as error:
        raise _broken_off(call, str(error)) from None
    except ForbiddenURLError as error:
        raise _broken_off(call, f"the link to the next page is not followed: {error}") from None


def _broken_off(call: Call, problem: str) -> RegistryError:
    return RegistryError(
        call.attempted, call.reference, problem, advice="the list is incomplete: nothing may be deleted because of it"
    )
