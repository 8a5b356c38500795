"""Tag lists and catalogues: every way of paging, and every way in which paging breaks."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.registry_server.faults import (
    Fault,
    LinkStyle,
    NullTags,
    PageLinks,
    RefuseListings,
    ReplaceBody,
    StrangeNames,
)
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api import listing
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import ContentError, NotFoundError, RegistryError
from transship_registry.ports import TagList
from transship_registry.reference import Repository

TAGS = ("v1", "v2", "v3", "v4", "v5")
REPOSITORY = Repository.parse("r.example/team/app")


def run(scenario: Callable[[HttpRegistry, Repository], Awaitable[None]], server: RegistryServer) -> None:
    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
            await scenario(client, Repository.parse(f"{server.host}/team/app"))

    asyncio.run(connected())


def served(*faults: Fault, options: Options | None = None) -> RegistryServer:
    server = RegistryServer(options, faults=faults)
    image = images.single()
    for tag in TAGS:
        server.store.add_image("team/app", tag, image)
    return server


@pytest.mark.parametrize("style", [LinkStyle.RELATIVE, LinkStyle.RELATIVE_PATH, LinkStyle.ABSOLUTE, LinkStyle.OPAQUE])
def test_pages_are_followed_however_their_links_are_written(style: LinkStyle) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.list_tags(repository) == TagList(TAGS)

    with served(PageLinks(style=style)) as server:
        run(scenario, server)
        assert server.requests.count("GET") == 3


@pytest.mark.parametrize(
    ("style", "tags", "problem"),
    [
        (LinkStyle.LOOPING, TAGS, "the link to the next page leads back to a page that was read already"),
        (LinkStyle.CROSS_ORIGIN, TAGS[:2], "the link to the next page is not followed: it leads to "),
        (LinkStyle.MALFORMED, TAGS[:2], "the Link header '"),
    ],
)
def test_a_list_whose_links_go_wrong_is_incomplete(style: LinkStyle, tags: tuple[str, ...], problem: str) -> None:
    """What was read is returned, but marked, so that nothing is deleted because of it."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_tags(repository)
        assert (found.tags, found.complete) == (tags, False)
        assert found.problem.startswith(f"GET tags {repository}: {problem}")
        assert found.problem.endswith("; the list is incomplete: nothing may be deleted because of it")

    with served(PageLinks(style=style)) as server:
        run(scenario, server)


def test_a_page_that_fails_for_good_leaves_an_incomplete_list() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_tags(repository)
        assert (found.tags, found.complete) == (TAGS[:2], False)
        assert found.problem.startswith(f"GET tags {repository}: HTTP 500 ")

    with served(PageLinks(style=LinkStyle.BROKEN)) as server:
        run(scenario, server)


def test_a_page_size_is_only_sent_on_request() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.list_tags(repository) == TagList(TAGS)
        with pytest.raises(RegistryError) as caught:
            await client.list_tags(repository, page_size=2)
        assert caught.value.status == 400

    with served(RefuseListings(only_with_n=True)) as server:
        run(scenario, server)
        assert [each.query for each in server.requests] == ["", "n=2"]


def test_a_page_size_makes_pages() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.list_tags(repository, page_size=2) == TagList(TAGS)

    with served() as server:
        run(scenario, server)
        assert server.requests.count("GET") == 3


def test_a_repository_without_tags_is_empty_even_when_it_says_null() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.list_tags(Repository(repository.registry, "team/empty")) == TagList(())

    with served(NullTags()) as server:
        server.store.create_repository("team/empty")
        run(scenario, server)


def test_an_unknown_repository_is_not_an_empty_one() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        unknown = Repository(repository.registry, "nobody/here")
        with pytest.raises(NotFoundError) as caught:
            await client.list_tags(unknown)
        assert str(caught.value).startswith(f"GET tags {unknown}: HTTP 404 NAME_UNKNOWN: ")

    with served() as server:
        run(scenario, server)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>please log in</html>",
        b'["v1"]',
        b'{"tags": "v1"}',
        b"\xff",
        b'{"tags": ' + b"[" * 90_000,
        b'{"tags": ["v1",}',
    ],
)
def test_an_answer_that_is_no_list_is_an_error(body: bytes) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError, match=f"^GET tags {repository}: the answer is no list of tags: "):
            await client.list_tags(repository)

    with served(ReplaceBody(body=body)) as server:
        run(scenario, server)


STRANGE_TAGS = {
    "a digest": (f"sha256:{'0' * 64}", f'"sha256:{"0" * 52}…'),
    "a control character": ("v1\x1b[31m", r'"v1\u001b[31m"'),
    "markup": ("<b>v1</b>", '"<b>v1</b>"'),
    "a line end": ("v1\n", r'"v1\n"'),
    "a slash": ("../../etc", '"../../etc"'),
    "nothing": ("", '""'),
    "other letters": ("v１", r'"v\uff11"'),
    "text from right to left": ("\u202ev1", r'"\u202ev1"'),
    "too long": ("v" * 129, f'"{"v" * 59}…'),
    "null": (None, "null"),
    "a number": (1.10, "1.1"),
    "a huge number": (10**400, f"1{'0' * 59}…"),
    "true": (True, "true"),
    "a list": (["v9"], '["v9"]'),
    "an object": ({"name": "v9"}, '{"name": "v9"}'),
}


@pytest.mark.parametrize(("name", "shown"), STRANGE_TAGS.values(), ids=STRANGE_TAGS)
def test_what_can_be_no_tag_is_left_out_with_a_warning_and_the_others_count(name: object, shown: str) -> None:
    """One malformed name blocks neither its page nor the repository, and reaches no terminal as it is."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        warning = f"the tag list of {repository} has 1 entry that no tag can be called: {shown}; it is left out"
        assert await client.list_tags(repository) == TagList(TAGS, warnings=(warning,))

    with served(StrangeNames(names=(name,))) as server:
        run(scenario, server)


def test_strange_names_of_all_pages_are_one_warning_that_shows_five() -> None:
    names = ("a b", None, "c:d", "e/f", "a b", "g,h", "i j")

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_tags(repository)
        assert (found.tags, found.complete) == (TAGS, True)
        assert found.warnings == (
            f"the tag list of {repository} has 21 entries that no tag can be called: "
            '"a b", null, "c:d", "e/f", "g,h", …; they are left out',
        )

    with served(StrangeNames(names=names), options=Options(page_size=2)) as server:
        run(scenario, server)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"tags": ["v1", "v\x1b[31m", "v2"]}', '"v?[31m"'),
        (b'{"tags": ["v1", "v\xff", "v2"]}', r'"v\xff"'),
        (b'{"tags": ["v1", "\xe2\x80\xae", "v2"]}', r'"\u202e"'),
        (b'{"tags": ["v1", 1e999, "v2"]}', "1e999"),
        (b'{"tags": ["v1", -' + b"9" * 5000 + b', "v2"]}', f"-{'9' * 59}…"),
    ],
    ids=["a bare control character", "no UTF-8", "a character that turns the line", "no float", "no int"],
)
def test_what_python_could_not_even_read_is_left_out_too(body: bytes, shown: str) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        warning = f"the tag list of {repository} has 1 entry that no tag can be called: {shown}; it is left out"
        assert await client.list_tags(repository) == TagList(("v1", "v2"), warnings=(warning,))

    with served(ReplaceBody(body=body)) as server:
        run(scenario, server)


def test_what_can_be_no_repository_is_left_out_of_the_catalogue() -> None:
    names = ("team/App", "a//b", None, "team/\x00", "a" * 256)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert await client.list_repositories(repository.registry) == TagList(
            ("team/app",),
            warnings=(
                f"the list of repositories of {repository.registry} has 5 entries that no repository can be called: "
                f'"team/App", "a//b", null, "team/\\u0000", "{"a" * 59}…; they are left out',
            ),
        )

    with served(StrangeNames(names=names)) as server:
        run(scenario, server)


@pytest.mark.parametrize(
    "target",
    ["\x7f", "%", "?last=%00", "?last=%zz", "?last=\u202e", "//[", "http://[::1", "?" + "n" * 70_000],
    ids=["DEL", "a percent sign", "a zero byte", "no escape", "no ASCII", "no host", "no address", "very long"],
)
def test_a_strange_link_to_the_next_page_ends_the_list_and_not_the_run(target: str) -> None:
    """Whatever the link is, the list either goes on with it, or is marked as incomplete."""

    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if "last" in request.url.params or len(str(request.url)) > 100 or "%" in request.url.raw_path.decode():
                return httpx.Response(200, json={"tags": ["b"]})
            link = f'<{target}>; rel="next"'.encode()
            return httpx.Response(200, headers=[(b"link", link)], json={"tags": ["a"]})

        client, _ = scripted_client(answer)
        async with client:
            found = await client.list_tags(REPOSITORY)
        assert found.tags[0] == "a"
        assert found.complete is (found.tags == ("a", "b"))

    asyncio.run(scenario())


def test_a_list_without_end_is_cut_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGES_LIMIT", 3)

    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            number = int(request.url.params.get("last", "0")) + 1
            link = f'</v2/team/app/tags/list?last={number}>; rel="next"'
            return httpx.Response(200, headers={"link": link}, json={"tags": [f"v{number}"]})

        client, _ = scripted_client(answer)
        async with client:
            found = await client.list_tags(REPOSITORY)
        assert found.tags == ("v1", "v2", "v3")
        assert found.problem == (
            "GET tags r.example/team/app: the list goes on after 3 pages with 3 names; "
            "the list is incomplete: nothing may be deleted because of it"
        )

    asyncio.run(scenario())


def test_a_page_beyond_all_bounds_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_LIMIT", 100)

    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(200, json={"tags": ["v" * 100]})])
        async with client:
            with pytest.raises(ContentError) as caught:
                await client.list_tags(REPOSITORY)
        assert str(caught.value) == "GET tags r.example/team/app: the answer has more than the 100 bytes allowed"

    asyncio.run(scenario())


def test_a_tag_on_two_pages_is_listed_once() -> None:
    async def scenario() -> None:
        link = '</v2/team/app/tags/list?last=b>; rel="next"'
        client, _ = scripted_client(
            [
                httpx.Response(200, headers={"link": link}, json={"tags": ["b", "a"]}),
                httpx.Response(200, json={"tags": ["a", "c"]}),
            ]
        )
        async with client:
            assert await client.list_tags(REPOSITORY) == TagList(("b", "a", "c"))

    asyncio.run(scenario())


def test_the_catalogue_is_listed_page_by_page() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_repositories(repository.registry)
        assert found == TagList(("team/app", "team/b", "team/c"))

    with served(options=Options(page_size=2)) as server:
        server.store.create_repository("team/b")
        server.store.create_repository("team/c")
        run(scenario, server)
        assert server.requests.lines[0] == "GET /v2/_catalog"
        assert server.requests.count() == 2


def test_a_registry_without_a_catalogue_says_so() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError, match=f"^GET catalog {repository.registry}: HTTP 4"):
            await client.list_repositories(repository.registry)

    with served(options=Options(catalog=False)) as server:
        run(scenario, server)
