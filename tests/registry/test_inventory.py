"""What tag lists tell besides names: Google's manifest map, index.json, and nothing at all elsewhere."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.registry_server.faults import Fault, LinkStyle, PageLinks, StrangeNames
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import NotFoundError, RegistryError
from transship_registry.hosts import HostSettings
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.layout import LayoutStore
from transship_registry.login.credentials import CredentialSources
from transship_registry.reference import Repository
from transship_registry.registries import Registries

IMAGE = images.single("counted")
INDEX = images.multi_platform("counted")
DIGEST = Digest.parse(IMAGE.digest)
WHEN = 1_700_000_000.5
REPOSITORY = Repository.parse("r.example/team/app")
GOOGLE = Options(google_tags=True)


def served(*faults: Fault, options: Options | None = None) -> RegistryServer:
    server = RegistryServer(options, faults=faults)
    for tag, image in (("multi", INDEX), ("v1", IMAGE), ("v2", IMAGE)):
        server.store.add_image("team/app", tag, image)
        server.store.set_tag("team/app", tag, image.digest, at=WHEN)
    return server


def run(server: RegistryServer, scenario: Callable[[HttpRegistry, Repository], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
            await scenario(client, Repository.parse(f"{server.host}/team/app"))

    asyncio.run(connected())


def take(server: RegistryServer) -> Inventory:
    """Return the inventory of team/app."""
    taken: list[Inventory] = []

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        taken.append(await client.inventory(repository))

    run(server, scenario)
    return taken[0]


def read(*pages: httpx.Response) -> Inventory:
    """Return the inventory that these answers make."""

    async def scenario() -> Inventory:
        client, _ = scripted_client(pages)
        async with client:
            return await client.inventory(REPOSITORY)

    return asyncio.run(scenario())


def page(tags: list[str], manifest: object) -> httpx.Response:
    return httpx.Response(200, json={"name": "team/app", "tags": tags, "manifest": manifest})


def test_a_plain_tag_list_tells_names_only() -> None:
    with served() as server:
        assert take(server) == Inventory(
            tags=(TagFact(tag="multi"), TagFact(tag="v1"), TagFact(tag="v2")), source=InventorySource.TAGS
        )
        assert server.requests.lines == ["GET /v2/team/app/tags/list"]


def test_google_tells_digests_sizes_and_dates_in_one_request() -> None:
    with served(options=GOOGLE) as server:
        taken = take(server)
        assert (taken.source, taken.complete, taken.problem) == (InventorySource.GOOGLE, True, "")
        assert [(fact.tag, str(fact.digest), fact.media_type) for fact in taken.tags] == [
            ("multi", INDEX.digest, images.OCI_INDEX),
            ("v1", IMAGE.digest, images.OCI_MANIFEST),
            ("v2", IMAGE.digest, images.OCI_MANIFEST),
        ]
        assert taken.tags[1].size == sum(blob.size for blob in IMAGE.blobs)
        assert taken.tags[1].updated == datetime(2023, 11, 14, 22, 13, 20, 500_000, UTC)
        assert taken.tags[1].platforms == ()
        assert server.requests.lines == ["GET /v2/team/app/tags/list"]


def test_every_page_may_have_the_whole_map() -> None:
    with served(PageLinks(style=LinkStyle.OPAQUE, page_size=1), options=GOOGLE) as server:
        assert [str(fact.digest) for fact in take(server).tags] == [INDEX.digest, IMAGE.digest, IMAGE.digest]
        assert server.requests.count() == 3


def test_every_page_may_have_a_map_of_its_own() -> None:
    first = page(["a"], {IMAGE.digest: {"tag": ["a"]}})
    first.headers["link"] = '</v2/team/app/tags/list?cursor=1>; rel="next"'
    assert read(first, page(["b"], {INDEX.digest: {"tag": ["b"]}})).tags == (
        TagFact(tag="a", digest=DIGEST),
        TagFact(tag="b", digest=Digest.parse(INDEX.digest)),
    )


@pytest.mark.parametrize("options", [Options(), GOOGLE], ids=["names only", "Google"])
def test_an_inventory_whose_pages_break_off_is_incomplete(options: Options) -> None:
    with served(PageLinks(style=LinkStyle.BROKEN), options=options) as server:
        taken = take(server)
        assert [fact.tag for fact in taken.tags] == ["multi", "v1"]
        assert not taken.complete
        assert taken.problem == (
            f"GET tags {server.host}/team/app: HTTP 500 UNKNOWN: internal error while reading the next page; "
            "the registry is failing: try again later"
        )


def test_an_unknown_repository_has_no_inventory() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        unknown = Repository(repository.registry, "nobody/here")
        with pytest.raises(NotFoundError) as caught:
            await client.inventory(unknown)
        assert str(caught.value).startswith(f"GET tags {unknown}: HTTP 404 NAME_UNKNOWN: ")

    with served(options=GOOGLE) as server:
        run(server, scenario)


def test_google_may_say_less_of_a_tag() -> None:
    """Numbers may be numbers, and what is empty, 0 or nonsense is nothing known."""
    entries = {
        IMAGE.digest: {"tag": ["a"], "imageSizeBytes": 7, "timeUploadedMs": "0", "mediaType": ""},
        INDEX.digest: {"tag": ["b"], "imageSizeBytes": "many", "timeUploadedMs": "999999999999999999"},
        f"sha256:{'1' * 64}": {"tag": None, "layerId": ""},
        "sha256:short": {"tag": ["c"]},
    }
    assert read(page(["a", "b", "c"], entries)) == Inventory(
        tags=(
            TagFact(tag="a", digest=DIGEST, size=7),
            TagFact(tag="b", digest=Digest.parse(INDEX.digest)),
            TagFact(tag="c"),
        ),
        source=InventorySource.GOOGLE,
    )


def test_a_tag_at_two_manifests_names_neither() -> None:
    entries = {IMAGE.digest: {"tag": ["a", "b"]}, INDEX.digest: {"tag": ["a"]}}
    assert read(page(["a", "b"], entries)).tags == (TagFact(tag="a"), TagFact(tag="b", digest=DIGEST))


def test_a_tag_that_is_only_in_the_map_is_not_listed() -> None:
    assert read(page(["a"], {IMAGE.digest: {"tag": ["a", "b"]}})).tags == (TagFact(tag="a", digest=DIGEST),)


def test_a_map_that_is_none_costs_the_facts_and_not_the_tags() -> None:
    assert read(page(["a"], [])) == Inventory(
        tags=(TagFact(tag="a"),),
        source=InventorySource.TAGS,
        problem="GET tags r.example/team/app: the manifest map cannot be read: "
        "Expected `object | null`, got `array` - at `$.manifest`",
    )


def test_an_entry_of_the_map_that_is_none_costs_its_own_facts_only() -> None:
    strange = f"sha256:{'1' * 64}"
    entries = {strange: {"tag": "a"}, IMAGE.digest: {"tag": ["b", None, 7]}}
    assert read(page(["a", "b"], entries)) == Inventory(
        tags=(TagFact(tag="a"), TagFact(tag="b", digest=DIGEST)),
        source=InventorySource.GOOGLE,
        problem=f'GET tags r.example/team/app: what the manifest map says of "{strange[:59]}… cannot be read',
    )


@pytest.mark.parametrize(
    "number", [-1, 1.5, 2**53, 10**400, "-1", "1.5", str(2**53), "9" * 5000, "NaN", "٣", True, None, [], {"a": 1}, ""]
)
def test_a_number_that_makes_no_sense_is_nothing_known(number: object) -> None:
    """Neither a size nor a date, and no other fact is lost because of it."""
    body = json.dumps(
        {
            "tags": ["a"],
            "manifest": {IMAGE.digest: {"tag": ["a"], "imageSizeBytes": number, "timeUploadedMs": number}},
        }
    )
    assert read(httpx.Response(200, text=body)).tags == (TagFact(tag="a", digest=DIGEST),)


def test_strange_names_are_left_out() -> None:
    with served(StrangeNames(names=(None, "a b", 7)), options=GOOGLE) as server:
        assert [fact.tag for fact in take(server).tags] == ["multi", "v1", "v2"]


def test_an_empty_map_tells_nothing() -> None:
    assert read(page(["a"], {})) == Inventory(tags=(TagFact(tag="a"),), source=InventorySource.TAGS)


def test_an_answer_that_is_no_list_is_an_error() -> None:
    with pytest.raises(RegistryError, match=r"^GET tags r\.example/team/app: the answer is no list of tags: "):
        read(httpx.Response(200, text="<html>please log in</html>"))


def test_an_incomplete_inventory_of_a_mirror_is_not_taken() -> None:
    async def scenario() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "mirror.example":
                return httpx.Response(200, headers={"link": "<<<"}, json={"tags": ["a"]})
            return httpx.Response(200, json={"tags": ["a", "b"]})

        client, transport = scripted_client(answer, HostSettings(registry="r.example", mirrors=("mirror.example",)))
        async with client:
            taken = await client.inventory(REPOSITORY)
        assert [fact.tag for fact in taken.tags] == ["a", "b"]
        assert [request.url.host for request in transport.requests] == ["mirror.example", "r.example"]

    asyncio.run(scenario())


def test_a_layout_tells_what_its_index_says(tmp_path: Path) -> None:
    layout = Repository.layout(str(tmp_path / "layout"))
    for tag, image in (("v2", INDEX), ("v1", IMAGE)):
        images.write_layout(Path(layout.path), tag, image)
    index = Path(layout.path, "index.json")
    strange = {"mediaType": "text/x", "digest": "md5:0", "size": 1}
    name = '"annotations":{"org.opencontainers.image.ref.name":"x"}'
    entry = f'{{"mediaType":"{strange["mediaType"]}","digest":"{strange["digest"]}","size":1,{name}}}'
    index.write_text(index.read_text().replace('"manifests": [', f'"manifests": [{entry},'))

    async def scenario() -> None:
        async with LayoutStore() as layouts, HttpRegistry() as http:
            registries = Registries(http, layouts, CredentialSources({}, tmp_path, {}))
            assert await registries.inventory(layout) == Inventory(
                tags=(
                    TagFact(tag="v1", digest=DIGEST, media_type=images.OCI_MANIFEST),
                    TagFact(tag="v2", digest=Digest.parse(INDEX.digest), media_type=images.OCI_INDEX),
                    TagFact(tag="x", media_type="text/x"),
                ),
                source=InventorySource.LAYOUT,
            )
            with pytest.raises(NotFoundError, match=r": there is no layout; check the path$"):
                await registries.inventory(Repository.layout(str(tmp_path / "none")))

    asyncio.run(scenario())
