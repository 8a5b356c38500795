"""Docker Hub's tag API as an inventory, and the registry's own list where the API fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from support import images
from support.http_client import START, WALL, FakeTime, Reply, scripted_client
from support.registry_server.faults import ExtraHeaders, FailRequests, Fault, ResetConnection, StrangeNames
from support.registry_server.options import Basic, Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api import hub
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import NotFoundError
from transship_registry.hosts import Credential, HostSettings, TlsMode
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.platform import Platform
from transship_registry.quota import Quota
from transship_registry.reference import DOCKER_HUB, Repository
from transship_registry.secret import Secret

REPOSITORY = Repository.parse("alpine")
IMAGE = images.single("hub")
INDEX = images.with_attestations("hub")
DIGEST = Digest.parse(IMAGE.digest)
WHEN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
AT_HUB = (Endpoint.HUB,)
API = "https://hub.docker.com/v2/repositories/library/alpine/tags"
FIRST = f"{API}?page_size=100"

Scenario = Callable[[HttpRegistry], Awaitable[None]]


def served(*faults: Fault, tags: int = 3, options: Options | None = None) -> RegistryServer:
    """Return a registry with library/alpine: tag 0 is the newest and multi-platform, the others are one image."""
    server = RegistryServer(options, faults=faults)
    server.store.add_image(REPOSITORY.path, "0", INDEX)
    server.store.set_tag(REPOSITORY.path, "0", INDEX.digest, at=WHEN.timestamp())
    server.store.add_image(REPOSITORY.path, None, IMAGE)
    for number in range(1, tags):
        server.store.set_tag(REPOSITORY.path, str(number), IMAGE.digest, at=WHEN.timestamp() - number)
    return server


def settings(server: RegistryServer) -> HostSettings:
    return HostSettings(registry=DOCKER_HUB, hostname=server.host, tls=TlsMode.DISABLED, hub_api=f"{server.url}/hub/")


def run(server: RegistryServer, scenario: Scenario, time: FakeTime | None = None, **changes: object) -> None:
    async def connected() -> None:
        own = replace(settings(server), **changes)  # type: ignore[arg-type]  # as given
        async with HttpRegistry({DOCKER_HUB: own}, timing=(time or FakeTime()).timing) as client:
            await scenario(client)

    asyncio.run(connected())


def take(server: RegistryServer, time: FakeTime | None = None) -> Inventory:
    """Return the inventory of library/alpine."""
    taken: list[Inventory] = []

    async def scenario(client: HttpRegistry) -> None:
        taken.append(await client.inventory(REPOSITORY))

    run(server, scenario, time)
    return taken[0]


def read(*pages: Reply) -> tuple[Inventory, Sequence[str]]:
    """Return the inventory that these answers of the API make, and the requests; the registry lists the tag `own`."""

    async def scenario() -> tuple[Inventory, Sequence[str]]:
        waiting = list(pages)

        def answer(request: httpx.Request) -> Reply:
            if request.url.host == "hub.docker.com":
                return waiting.pop(0)
            return httpx.Response(200, json={"tags": ["own"]})

        client, transport = scripted_client(answer)
        async with client:
            return await client.inventory(REPOSITORY), transport.lines

    return asyncio.run(scenario())


def page(*tags: Mapping[str, object], following: str | None = None, count: int | None = None) -> httpx.Response:
    document = {"count": len(tags) if count is None else count, "next": following, "results": list(tags)}
    return httpx.Response(200, json=document)


def own_list(problem: str) -> Inventory:
    return Inventory(tags=(TagFact(tag="own"),), source=InventorySource.TAGS, problem=problem)


def test_the_hub_tells_names_dates_and_the_digests_of_each_platform() -> None:
    with served() as server:
        taken = take(server)
        assert (taken.source, taken.complete, taken.problem) == (InventorySource.HUB, True, "")
        size = sum(blob.size for blob in IMAGE.blobs)
        amd64, arm64 = (Digest.parse(child.digest) for child in INDEX.children[:2])
        assert taken.tags[0] == TagFact(
            tag="0",
            digest=Digest.parse(INDEX.digest),
            media_type=images.OCI_INDEX,
            updated=WHEN,
            platforms=((Platform("linux", "amd64"), amd64), (Platform("linux", "arm64"), arm64)),
        )
        assert taken.tags[1] == TagFact(
            tag="1",
            digest=DIGEST,
            media_type=images.OCI_MANIFEST,
            size=size,
            updated=datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC),
            platforms=((Platform("linux", "amd64"), DIGEST),),
        )
        assert server.requests.lines == ["GET /hub/v2/repositories/library/alpine/tags?page_size=100"]


def test_the_hub_is_asked_without_credentials() -> None:
    """They belong to the registry, and to no other origin."""
    credential = Credential(user="ann", password=Secret("secret"))

    async def scenario(client: HttpRegistry) -> None:
        await client.head_manifest(REPOSITORY.tag("1"))
        await client.inventory(REPOSITORY)

    with served(options=Options(auth=Basic(users={"ann": "secret"}))) as server:
        run(server, scenario, credential=credential)
        assert {each.path for each in server.requests.credentials} == {"/v2/library/alpine/manifests/1"}
        assert server.requests.count("GET", "^/hub/") == 1


def test_pages_are_followed_a_hundred_tags_at_a_time() -> None:
    with served(tags=250) as server:
        taken = take(server)
        assert [fact.tag for fact in taken.tags] == [str(number) for number in range(250)]
        assert [each.query for each in server.requests] == [
            "page_size=100",
            "page=2&page_size=100",
            "page=3&page_size=100",
        ]


def test_ten_thousand_tags_take_a_hundred_requests() -> None:
    images_of = [{"os": "linux", "architecture": "amd64", "digest": IMAGE.digest}] * 8
    pages = [
        page(
            *({"name": f"t{number * 100 + k}", "digest": IMAGE.digest, "images": images_of} for k in range(100)),
            following=f"{API}?page={number + 2}&page_size=100" if number < 99 else None,
            count=10_000,
        )
        for number in range(100)
    ]
    taken, lines = read(*pages)
    assert [fact.tag for fact in taken.tags] == [f"t{number}" for number in range(10_000)]
    assert len(lines) == 100
    assert (taken.source, taken.complete) == (InventorySource.HUB, True)


def test_old_tags_have_neither_date_nor_digest() -> None:
    """The digest of an image is not taken for the tag's: that may be the digest of an index."""
    nothing = {"digest": None, "media_type": "", "full_size": 0, "tag_last_pushed": None, "last_updated": None}
    taken, _ = read(
        page(
            {"name": "a", **nothing, "images": [{"os": "", "architecture": "amd64", "digest": IMAGE.digest}]},
            {"name": "b", "images": None, "last_updated": "2021-01-02T03:04:05.678901+02:00"},
            {"name": "c", "tag_last_pushed": "0001-01-01T00:00:00Z", "digest": "sha256:short"},
            {"name": "d", "tag_last_pushed": "9999-12-31T23:59:59-01:00", "last_updated": "2021-01-02"},
            {"name": "e", "images": [{"os": "linux", "architecture": "arm", "variant": "v6", "digest": None}]},
        )
    )
    assert taken.tags == (
        TagFact(tag="a"),
        TagFact(tag="b", updated=datetime(2021, 1, 2, 1, 4, 5, 678901, UTC)),
        TagFact(tag="c"),
        TagFact(tag="d"),
        TagFact(tag="e"),
    )


def test_strange_entries_are_left_out_and_counted() -> None:
    """A name that no tag has, or a member of another type, spoils neither the page nor what else is told of a tag."""
    strange: tuple[object, ...] = (
        None,
        7,
        {},
        {"name": None},
        {"name": "a b"},
        {"name": f"sha256:{'0' * 64}"},
        {"name": "1", "digest": 7, "media_type": [], "full_size": "7", "last_updated": 7, "images": {}},
    )
    with served(StrangeNames(names=strange, times=1), tags=1) as server:
        taken = take(server)
        assert (taken.source, taken.complete, taken.problem) == (InventorySource.HUB, True, "")
        assert [(fact.tag, fact.updated) for fact in taken.tags] == [("1", None), ("0", WHEN)]
    taken, _ = read(page({"name": "a", "images": [None, {"os": 7}, {"os": "linux", "digest": IMAGE.digest}]}))
    assert taken.tags == (TagFact(tag="a"),)


@pytest.mark.parametrize("size", [-1, 0, 1.5, 2**53, 10**400, "7", True, None])
def test_a_size_that_makes_no_sense_is_nothing_known(size: object) -> None:
    taken, _ = read(httpx.Response(200, text=json.dumps({"count": 1, "results": [{"name": "a", "full_size": size}]})))
    assert taken.tags == (TagFact(tag="a"),)


@pytest.mark.parametrize(
    "date",
    [7, -1, 1e300, "0000-00-00T00:00:00Z", "99999-01-01T00:00:00Z", "2021-13-01T00:00:00Z", "now", "1e9", ["2021"]],
)
def test_a_date_that_makes_no_sense_is_nothing_known(date: object) -> None:
    taken, _ = read(page({"name": "a", "tag_last_pushed": date, "last_updated": date}))
    assert taken.tags == (TagFact(tag="a"),)


def test_windows_platforms_have_their_version() -> None:
    image = {"os": "windows", "architecture": "amd64", "os_version": "10.0.20348.1", "digest": IMAGE.digest}
    taken, _ = read(page({"name": "a", "images": [image]}))
    assert taken.tags[0].platforms == ((Platform("windows", "amd64", "", "10.0.20348.1"), DIGEST),)


def test_a_tag_on_two_pages_is_listed_once_as_it_was_seen_first() -> None:
    """A push between two pages shifts the tags."""
    taken, _ = read(
        page({"name": "a", "digest": IMAGE.digest}, {"name": "b"}, following=f"{API}?page=2", count=3),
        page({"name": "b"}, {"name": "a"}, {"name": "c"}, following="", count=3),
    )
    assert taken.tags == (TagFact(tag="a", digest=DIGEST), TagFact(tag="b"), TagFact(tag="c"))


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ([httpx.Response(404, json={"message": "object not found"})], "HTTP 404 object not found"),
        ([httpx.Response(403)], "HTTP 403 Forbidden"),
        ([httpx.Response(500)] * 3, "HTTP 500 Internal Server Error; the registry is failing: try again later"),
        (
            [page({"name": "a"}, following=f"{API}?page=2", count=2), httpx.Response(404)],
            "HTTP 404 Not Found",
        ),
        (
            [page({"name": "a"}, following=f"{API}?page=2", count=3), page({"name": "b"}, count=3)],
            "2 tags came, where 3 are counted",
        ),
        ([page({"name": "a"}, following=FIRST)], "the next page is one that was read already"),
        (
            [page({"name": "a"}, following="https://evil.example/?page=2")],
            f"the next page is not fetched: it leads to https://evil.example/, away from {API}",
        ),
        (
            [page({"name": "a"}, following="file:///etc/passwd")],
            "the next page is not fetched: its scheme 'file' is neither http nor https",
        ),
        (
            [httpx.Response(200, text="<html>")],
            "the answer is no page of tags: JSON is malformed: invalid character (byte 0)",
        ),
        (
            [httpx.Response(200, json={"results": []})],
            "the answer is no page of tags: Object missing required field `count`",
        ),
        (
            [page({"name": None})],
            'nothing on the page is a tag: {"name":null}',
        ),
        (
            [httpx.Response(200, content=b'{"count": 1, "results": [' + b"[" * 90_000)],
            "the answer is no page of tags: JSON is nested too deeply",
        ),
        (
            [page({"name": "a"}, count=2**80)],
            f"1 tags came, where {2**80} are counted",
        ),
    ],
)
def test_an_api_that_fails_is_replaced_by_the_list_of_the_registry(pages: list[Reply], problem: str) -> None:
    """The list is complete, and the inventory says why it knows so little."""
    taken, lines = read(*pages)
    assert taken.problem.startswith(f"GET hub tags docker.io/library/alpine: {problem}")
    assert taken == own_list(taken.problem)
    assert lines[0] == f"GET {FIRST}"
    assert lines[-1] == "GET https://registry-1.docker.io/v2/library/alpine/tags/list"
    assert len(lines) == len(pages) + 1


def test_an_api_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PAGES_LIMIT", 2)
    taken, lines = read(*(page({"name": "a"}, following=f"{API}?page={number}", count=9) for number in (2, 3, 4)))
    assert taken == own_list("GET hub tags docker.io/library/alpine: the list goes on after 2 pages")
    assert len(lines) == 3


def test_a_page_beyond_all_bounds_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PAGE_LIMIT", 50)
    taken, _ = read(page({"name": "a" * 50}))
    assert taken == own_list("GET hub tags docker.io/library/alpine: the answer has more than the 50 bytes allowed")


def test_a_next_page_named_with_http_is_read_with_https() -> None:
    taken, lines = read(
        page({"name": "a"}, following=API.replace("https", "http") + "?page=2", count=2), page({"name": "b"}, count=2)
    )
    assert [fact.tag for fact in taken.tags] == ["a", "b"]
    assert lines[1] == f"GET {API}?page=2"


@pytest.mark.parametrize(
    "headers",
    [{"X-Retry-After": str(int(WALL) + 30)}, {"Retry-After": "30"}],
    ids=["a moment", "seconds"],
)
def test_an_api_that_is_out_of_patience_for_a_moment_is_waited_for(headers: Mapping[str, str]) -> None:
    """Both headers are in use, the older one with the moment instead of the delay (docker/docs issue 22916)."""
    time = FakeTime()
    with served(FailRequests(status=429, headers=headers, endpoints=AT_HUB, times=1)) as server:
        assert take(server, time).source is InventorySource.HUB
        assert 30 <= time.now - START < 31


def test_an_api_that_is_out_of_patience_for_long_is_not_asked_again() -> None:
    said = (
        "GET hub tags docker.io/library/alpine: HTTP 429 TOOMANYREQUESTS: switched on by a test; "
        "the registry asks to come back in 3600 s, at 2023-11-14 23:13:20 UTC"
    )

    async def scenario(client: HttpRegistry) -> None:
        for _ in range(2):
            taken = await client.inventory(REPOSITORY)
            assert taken == Inventory(
                tags=(TagFact(tag="0"), TagFact(tag="1"), TagFact(tag="2")),
                source=InventorySource.TAGS,
                problem=said,
            )

    fault = FailRequests(status=429, headers={"X-Retry-After": str(int(WALL) + 3600)}, endpoints=AT_HUB)
    with served(fault) as server:
        run(server, scenario)
        assert [each.status for each in server.requests] == [429, 200, 200]


def test_an_api_that_cannot_be_reached_is_not_asked_again() -> None:
    async def scenario(client: HttpRegistry) -> None:
        for _ in range(2):
            taken = await client.inventory(REPOSITORY)
            assert taken.complete
            assert taken.problem.startswith(
                f"connect to {server.host}: no answer since 22:13:20 UTC ({server.host} closed the connection"
            )
        assert server.faults.hits(ResetConnection) == hub.TRIES

    with served(ResetConnection(endpoints=AT_HUB)) as server:
        run(server, scenario)


def test_one_repository_that_the_api_does_not_know_says_nothing_about_others() -> None:
    """The API shows nobody's private repositories; the registry does, to those who may."""

    async def scenario(client: HttpRegistry) -> None:
        private = await client.inventory(Repository.parse("team/private"))
        assert (private.source, private.complete) == (InventorySource.TAGS, True)
        assert private.problem.startswith("GET hub tags docker.io/team/private: HTTP 404 ")
        assert (await client.inventory(REPOSITORY)).source is InventorySource.HUB

    with served(FailRequests(status=404, repository="team/private", endpoints=AT_HUB)) as server:
        server.store.add_image("team/private", "v1", IMAGE)
        run(server, scenario)


def test_a_repository_that_nobody_knows_is_not_found() -> None:
    async def scenario(client: HttpRegistry) -> None:
        with pytest.raises(NotFoundError, match=r"^GET tags docker\.io/nobody/here: HTTP 404 NAME_UNKNOWN: "):
            await client.inventory(Repository.parse("nobody/here"))

    with served() as server:
        run(server, scenario)


def test_both_lists_may_fail() -> None:
    """A registry's list that breaks off is incomplete, whatever the API said before."""
    link = '<https://elsewhere.example/>; rel="next"'

    async def scenario() -> None:
        def answer(request: httpx.Request) -> Reply:
            if request.url.host == "hub.docker.com":
                return httpx.Response(404)
            return httpx.Response(200, headers={"link": link}, json={"tags": ["own"]})

        client, _ = scripted_client(answer)
        async with client:
            taken = await client.inventory(REPOSITORY)
        assert not taken.complete
        assert taken.problem == (
            "GET hub tags docker.io/library/alpine: HTTP 404 Not Found; GET tags docker.io/library/alpine: "
            "the link to the next page is not followed: it leads to https://elsewhere.example/, away from "
            "https://registry-1.docker.io/v2/library/alpine/tags/list; "
            "the list is incomplete: nothing may be deleted because of it"
        )

    asyncio.run(scenario())


def test_the_quota_of_the_api_is_not_that_of_the_registry() -> None:
    async def scenario(client: HttpRegistry) -> None:
        await client.inventory(REPOSITORY)
        assert client.rate_limit(DOCKER_HUB) is None
        assert client.rate_limit(server.url) == Quota(limit=180, remaining=179)
        assert client.requests == {(server.url, "GET hub tags"): 1}

    headers = {"X-RateLimit-Limit": "180", "X-RateLimit-Remaining": "179", "X-RateLimit-Reset": "1700000060"}
    with served(ExtraHeaders(headers=headers, endpoints=AT_HUB)) as server:
        run(server, scenario)


@pytest.mark.parametrize(
    ("own", "url"),
    [
        (HostSettings(registry=DOCKER_HUB), "https://hub.docker.com"),
        (HostSettings(registry=DOCKER_HUB, hostname="registry-1.docker.io"), "https://hub.docker.com"),
        (HostSettings(registry=DOCKER_HUB, hostname="proxy.example"), ""),
        (HostSettings(registry=DOCKER_HUB, hub_api=""), ""),
        (HostSettings(registry="r.example"), ""),
        (HostSettings(registry="r.example", hub_api="https://hub.example/api/"), "https://hub.example/api"),
    ],
)
def test_only_docker_hub_itself_has_the_api_unless_it_is_configured(own: HostSettings, url: str) -> None:
    """A proxy under the name of Docker Hub may hold something else."""
    assert own.hub_url == url


def test_an_api_that_is_switched_off_is_not_asked() -> None:
    async def scenario(client: HttpRegistry) -> None:
        assert (await client.inventory(REPOSITORY)).source is InventorySource.TAGS

    with served() as server:
        run(server, scenario, hub_api="")
        assert server.requests.lines == ["GET /v2/library/alpine/tags/list"]
