"""Registries that lead us to this machine, its link or the metadata service of its cloud, in whatever spelling."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.http_client import BytesOrigin, blob_of, read_blob
from support.names import Names, elsewhere, here
from support.registry_server.faults import FailRequests, RedirectBlobs
from support.registry_server.routes import Endpoint as Place_
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import RegistryError
from transship_registry.hosts import HostSettings, Patience, TlsMode
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.http.wire.looking_up import Endpoint
from transship_registry.http.wire.reach import (
    PLACE,
    REACH,
    ForbiddenPlaceError,
    Place,
    place_of,
    place_of_name,
    reach_from,
)
from transship_registry.reference import Repository

CONTENT = b"x" * 1000
BLOB = blob_of(CONTENT)
APP = Repository.parse("r.example/team/app")
FROM_ELSEWHERE = reach_from(Place.ELSEWHERE)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("127.0.0.1", Place.MACHINE),
        ("127.255.0.3", Place.MACHINE),
        ("2130706433", Place.MACHINE),
        ("0x7f000001", Place.MACHINE),
        ("0x7F.1", Place.MACHINE),
        ("017700000001", Place.MACHINE),
        ("127.1", Place.MACHINE),
        ("0", Place.MACHINE),
        ("0.0.0.0", Place.MACHINE),
        ("0.1.2.3", Place.MACHINE),
        ("::1", Place.MACHINE),
        ("[::1]", Place.MACHINE),
        ("::", Place.MACHINE),
        ("::ffff:127.0.0.1", Place.MACHINE),
        ("::ffff:0:0", Place.MACHINE),
        ("::127.0.0.1", Place.MACHINE),
        ("64:ff9b::7f00:1", Place.MACHINE),
        ("2002:7f00:1::", Place.MACHINE),
        ("localhost", Place.MACHINE),
        ("LOCALHOST.", Place.MACHINE),
        ("api.localhost", Place.MACHINE),
        ("ip6-localhost", Place.MACHINE),
        ("169.254.169.254", Place.LINK),
        ("2852039166", Place.LINK),
        ("::ffff:169.254.169.254", Place.LINK),
        ("fe80::1", Place.LINK),
        ("fe80::1%eth0", Place.LINK),
        ("fd00:ec2::254", Place.LINK),
        ("100.100.100.200", Place.LINK),
        ("168.63.129.16", Place.LINK),
        ("metadata.google.internal", Place.LINK),
        ("10.0.0.7", Place.ELSEWHERE),
        ("192.168.1.1", Place.ELSEWHERE),
        ("100.64.0.1", Place.ELSEWHERE),
        ("203.0.113.7", Place.ELSEWHERE),
        ("3405803783", Place.ELSEWHERE),
        ("2001:db8::1", Place.ELSEWHERE),
        ("2002:cb00:7107::", Place.ELSEWHERE),
        ("localhost.example.com", None),
        ("r.example", None),
        ("", None),
    ],
)
def test_a_name_is_judged_in_any_spelling(name: str, place: Place | None) -> None:
    """Where it is an address; what another name stands for only a look-up tells."""
    assert place_of_name(name) is place


@given(st.ip_addresses(v=4, network="127.0.0.0/8"), st.sampled_from(["{}", "0x{:x}", "0{:o}"]), st.integers(1, 4))
def test_every_spelling_of_a_loopback_address_is_this_machine(
    address: ipaddress.IPv4Address, form: str, parts: int
) -> None:
    """In decimal, hexadecimal and octal numbers, of which the last one may stand for several."""
    number = int(address)
    heads = [number >> shift & 0xFF for shift in (24, 16, 8)[: parts - 1]]
    spelled = ".".join(form.format(each) for each in (*heads, number & (1 << 8 * (5 - parts)) - 1))
    assert place_of_name(spelled) is Place.MACHINE


@given(st.ip_addresses())
def test_an_address_and_its_name_are_one_place(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Whatever the address is."""
    assert place_of(str(address)) is place_of_name(str(address))


def plain(registry: str) -> HostSettings:
    return HostSettings(registry=registry, tls=TlsMode.DISABLED, patience=Patience(tries=1))


def led(server: RegistryServer, names: Names, ask: Callable[[HttpRegistry], Awaitable[object]]) -> str:
    """Return what is said when a registry elsewhere leads us to a place."""
    names.known["r.example"] = [[elsewhere(server.host)]]

    async def scenario() -> str:
        async with names.client(plain("r.example")) as client:
            with pytest.raises(RegistryError) as caught:
                await ask(client)
        return str(caught.value)

    return asyncio.run(scenario())


HOSTS = ["2130706433", "0x7f000001", "127.1", "0", "127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "evil.example"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_redirect_from_elsewhere_does_not_reach_this_machine(host: str) -> None:
    """Judged by the address that would be connected to; a name that stands for it is no way round."""
    with RegistryServer() as server, RegistryServer() as inside:
        names = Names({"evil.example": [[here(inside.host)]]})
        location = f"http://{host}:{inside.host.rpartition(':')[2]}/v2/secret?sig=1"
        server.faults.add(FailRequests(status=307, headers={"Location": location}, endpoints=(Place_.BLOB,)))
        said = led(server, names, lambda client: read_blob(client, APP, BLOB))
        assert not inside.requests.lines
    what = "which is 127.0.0.1, an address" if host == "evil.example" else "an address"
    assert said == (
        f"GET blob r.example/team/app@{BLOB.digest}: HTTP 307, a redirect that is not followed: "
        f"it leads to {location.partition('?')[0]}, {what} of this machine or its link"
    )


def test_an_upload_does_not_go_to_this_machine() -> None:
    """Where a registry elsewhere says that its sessions are here."""
    with RegistryServer() as server, RegistryServer() as inside:
        names = Names({"evil.example": [[here(inside.host)]]})
        server.faults.add(
            FailRequests(status=202, headers={"Location": "http://evil.example/upload"}, methods=("POST",))
        )
        said = led(server, names, lambda client: client.upload_blob(APP, BLOB, BytesOrigin(CONTENT)))
        assert not inside.requests.lines
    assert said == (
        f"PUT upload r.example/team/app@{BLOB.digest}: its Location is not used: "
        "it leads to http://evil.example/upload, which is 127.0.0.1, an address of this machine or its link"
    )


def test_the_layer_of_a_manifest_does_not_come_from_this_machine() -> None:
    """Where the manifest of a registry elsewhere names a URL for it."""
    layer = blob_of(CONTENT)
    with RegistryServer() as server, RegistryServer() as inside:
        names = Names({"evil.example": [[here(inside.host)]]})
        foreign = type(layer)(
            media_type=layer.media_type, digest=layer.digest, size=layer.size, urls=("http://evil.example/layer",)
        )
        said = led(server, names, lambda client: read_blob(client, APP, foreign))
        assert not inside.requests.lines
    assert said == (
        f"GET external layer r.example/team/app@{layer.digest}: the URL of the layer is not followed: "
        "it leads to http://evil.example/layer, which is 127.0.0.1, an address of this machine or its link"
    )


def test_a_registry_on_this_machine_may_lead_to_it() -> None:
    """By another name of its own, too: what counts is what it was connected to."""
    with RegistryServer() as server:
        server.store.add_blob("team/app", CONTENT)
        server.faults.add(RedirectBlobs())
        names = Names({"registry.corp": [[here(server.host)]]})

        async def scenario() -> bytes:
            async with names.client(plain("registry.corp")) as client:
                return await read_blob(client, Repository.parse("registry.corp/team/app"), BLOB)

        assert asyncio.run(scenario()) == CONTENT
        assert server.faults.hits(RedirectBlobs) == 1


def asked(names: Names, *urls: str, proxy: str = "", first: bool = True) -> list[str]:
    """Return what comes of requests that may only go elsewhere; the first one may go anywhere."""

    async def scenario() -> list[str]:
        outcomes: list[str] = []
        settings = TransportSettings(look_up=names.look_up, proxy_environment={"http_proxy": proxy})
        async with open_transport(settings) as transport:
            for number, url in enumerate(urls):
                reach = {} if first and not number else {REACH: FROM_ELSEWHERE}
                try:
                    response = await transport.handle_async_request(httpx.Request("GET", url, extensions=reach))
                    await response.aread()
                    outcomes.append(response.extensions[PLACE].name)
                except ForbiddenPlaceError as error:
                    outcomes.append(str(error))
        return outcomes

    return asyncio.run(scenario())


def test_a_connection_that_is_open_is_no_way_round() -> None:
    """One that somebody else may use is not lent to a request that may not go there."""
    with RegistryServer() as inside:
        names = Names({"name.example": [[here(inside.host)]]})
        assert asked(names, *["http://name.example/v2/"] * 2) == [
            "MACHINE",
            "name.example is 127.0.0.1, an address of this machine or its link",
        ]


def test_what_is_judged_is_what_is_connected_to() -> None:
    """A name that stands for another address a moment later is looked up once for each connection."""
    with RegistryServer() as server, RegistryServer() as inside:
        names = Names({"name.example": [[elsewhere(server.host)], [here(inside.host)]]})
        assert asked(names, "http://name.example/v2/", first=False) == ["ELSEWHERE"]
        assert names.asked == ["name.example"]
        assert not inside.requests.lines


def test_of_several_addresses_only_those_elsewhere_are_connected_to() -> None:
    """Whatever their order."""
    with RegistryServer() as server, RegistryServer() as inside:
        for order in ([here(inside.host), elsewhere(server.host)], [elsewhere(server.host), here(inside.host)]):
            assert asked(Names({"name.example": [order]}), "http://name.example/v2/", first=False) == ["ELSEWHERE"]
        assert not inside.requests.lines


def test_an_address_that_does_not_answer_makes_way_for_the_next() -> None:
    """And several that do not are one error."""

    async def refused(endpoints: list[Endpoint]) -> str:
        async with open_transport(
            TransportSettings(look_up=Names({"name.example": [endpoints]}).look_up, proxy_environment={})
        ) as transport:
            with pytest.raises(httpx.ConnectError) as caught:
                await transport.handle_async_request(httpx.Request("GET", "http://name.example/"))
        return str(caught.value)

    with RegistryServer() as server:
        nobody = here("127.0.0.1:1")
        assert asked(Names({"name.example": [[nobody, here(server.host)]]}), "http://name.example/v2/") == ["MACHINE"]
    assert asyncio.run(refused([nobody, nobody])) == "cannot connect to name.example:80: Connection refused"
    assert asyncio.run(refused([])) == "cannot connect to name.example:80: the name has no address"


def test_through_a_proxy_the_name_is_judged() -> None:
    """And never the address of the proxy, which may well be this machine."""
    with RegistryServer() as proxy:
        urls = ["http://r.example/v2/", "http://r.example/v2/", "http://127.1/v2/", "http://2852039166/v2/"]
        assert asked(Names({}), *urls, proxy=proxy.host) == [
            "ELSEWHERE",
            "ELSEWHERE",
            "127.1 is 127.1, an address of this machine or its link",
            "2852039166 is 2852039166, an address of this machine or its link",
        ]
        assert len(proxy.requests) == 2
