"""Asking endoflife.date, or who stands in for it, on loopback; and the cache on disk."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import httpx
import pytest

from support.eol_server import EolServer
from support.http_client import FakeTime
from transship_registry.api.client import HttpRegistry
from transship_registry.endoflife.asking import cycles_url
from transship_registry.endoflife.cache import CachedCycles, cache_folder
from transship_registry.endoflife.cycles import Cycle, ProductCycles, decode_cycles
from transship_registry.errors import AuthenticationError, NotFoundError, RateLimitedError, RegistryError
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.limits import EOL_ANSWER_LIMIT

ALPINE = [
    {
        "cycle": "3.20",
        "releaseDate": "2024-05-22",
        "eol": "2026-04-01",
        "latest": "3.20.6",
        "latestReleaseDate": "2025-02-13",
        "lts": False,
    },
    {"cycle": "3.2", "eol": True},
    {"cycle": 4, "eol": False, "latest": None},
    {"cycle": "edge"},
    {"cycle": "5", "eol": None},
]
CYCLES = (
    Cycle("3.20", date(2026, 4, 1), "3.20.6", "2025-02-13"),
    Cycle("3.2", True),
    Cycle("4", False),
    Cycle("edge", False),
    Cycle("5", False),
)
ADVICE = "check the address of the end-of-life data, the network and the proxy, or try again later"
DAY_S = 24 * 3600.0


def impatient(settings: TransportSettings) -> httpx.AsyncBaseTransport:
    """Open a transport that waits for an answer for a moment only."""
    return open_transport(replace(settings, stall_timeout_s=0.2, proxy_environment={}))


def get(url: str, product: str = "alpine") -> bytes:
    """Ask below a URL for a product."""

    async def ask() -> bytes:
        timing = FakeTime().timing
        async with HttpRegistry(transport_factory=impatient, timing=timing, user_agent="transship/test") as client:
            return await client.get_cycles(url, product)

    return asyncio.run(ask())


def refusal(url: str, product: str = "alpine") -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        get(url, product)
    return caught.value


def test_the_cycles_of_a_product() -> None:
    """One request, without credentials; of an answer, what matters is read, with or without a date."""
    with EolServer({"alpine": ALPINE}) as server:
        assert decode_cycles(get(server.url)) == CYCLES
    assert server.requests == ["/api/alpine.json"]
    assert server.headers[0]["User-Agent"] == "transship/test"
    assert "Authorization" not in server.headers[0]


def test_a_stand_in_may_live_below_a_path() -> None:
    """What is special in a name is escaped, so that it cannot lead elsewhere."""
    assert cycles_url("https://h/eol/", "../a b?c") == "https://h/eol/api/..%2Fa%20b%3Fc.json"
    with EolServer() as server:
        server.odd["/eol/api/go.json"] = (200, {}, b"[]")
        assert get(f"{server.url}/eol", "go") == b"[]"


def test_a_product_that_is_not_there() -> None:
    """It is asked for once, and the message names what was written."""
    with EolServer({"go": []}) as server:
        error = refusal(server.url, "golang")
    assert isinstance(error, NotFoundError)
    assert str(error) == (
        f"GET cycles of golang at {server.url}/api/golang.json: HTTP 404 Not Found; "
        f"no product is called 'golang' there; products go by their names in the site's addresses, "
        f"see {server.url}"
    )
    assert server.requests == ["/api/golang.json"]


@pytest.mark.parametrize(
    ("status", "kind", "said", "tries"),
    [
        (500, RegistryError, "Internal Server Error: oops", 3),
        (503, RegistryError, "Service Unavailable: oops", 3),
        (429, RateLimitedError, "Too Many Requests: oops", 3),
        (403, AuthenticationError, "Forbidden: oops", 1),
    ],
)
def test_refusals(status: int, kind: type[RegistryError], said: str, tries: int) -> None:
    """What may pass is tried again, three times in all; the advice is not that of a registry."""
    with EolServer() as server:
        server.odd["/api/alpine.json"] = (status, {}, b"oops")
        error = refusal(server.url)
    assert type(error) is kind
    assert str(error) == f"GET cycles of alpine at {server.url}/api/alpine.json: HTTP {status} {said}; {ADVICE}"
    assert len(server.requests) == tries


def test_nobody_there() -> None:
    """A connection that is refused says so, with the place."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = refusal(url)
    assert str(error) == f"connect to {url.removeprefix('http://')}: connection refused; {ADVICE}"


def test_an_answer_that_does_not_come() -> None:
    """It is not waited for for ever."""
    with EolServer({"alpine": ALPINE}, delay_s=1.0) as server:
        error = refusal(server.url)
    place = server.url.removeprefix("http://")
    assert str(error) == (
        f"connect to {place}: no answer since 22:13:20 UTC "
        f"({place} sent nothing for 0.2 s; the connection was dropped); {ADVICE}"
    )
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>log in here</html>", "JSON is malformed: invalid character (byte 0)"),
        (b"", "Input data was truncated"),
        (b'{"result": []}', "Expected `array`, got `object`"),
        (b'[{"eol": true}]', "Object missing required field `cycle` - at `$[0]`"),
        (b'[{"cycle": "1", "eol": "soon"}]', "Invalid RFC3339 encoded date - at `$[0].eol`"),
        (b'[{"cycle": "1", "eol": 7}]', "Expected `bool | date | null`, got `int` - at `$[0].eol`"),
        (b'[{"cycle": "\xff"}]', "byte 0xff is not UTF-8"),
    ],
)
def test_an_answer_that_is_something_else(body: bytes, problem: str) -> None:
    """A page of a proxy, or another version of the API, is an error and never a list of cycles."""
    with EolServer() as server:
        server.odd["/api/alpine.json"] = (200, {}, body)
        error = refusal(server.url)
    assert error.status == 200
    assert str(error) == (
        f"GET cycles of alpine at {server.url}/api/alpine.json: the answer is no list of cycles: {problem}"
    )
    assert len(server.requests) == 1


def test_an_answer_without_end() -> None:
    """No more of it is read than the longest list of cycles could need."""
    with EolServer() as server:
        server.odd["/api/alpine.json"] = (200, {}, b"[" + b" " * EOL_ANSWER_LIMIT + b"]")
        error = refusal(server.url)
    assert str(error) == (
        f"GET cycles of alpine at {server.url}/api/alpine.json: the answer has more than the 1048576 bytes allowed"
    )


def test_a_redirect_is_followed() -> None:
    """Sites move; a loop ends."""
    with EolServer({"alpine": ALPINE}) as server:
        server.odd["/old/api/alpine.json"] = (301, {"Location": "/api/alpine.json"}, b"")
        assert decode_cycles(get(f"{server.url}/old")) == CYCLES
        server.odd["/api/loop.json"] = (302, {"Location": "/api/loop.json"}, b"")
        error = refusal(server.url, "loop")
    assert str(error) == (
        f"GET cycles of loop at {server.url}/api/loop.json: it redirects more than 10 times; {ADVICE}"
    )


@dataclass
class Api:
    """An API that is asked through a cache; `failing` makes it fail."""

    failing: bool = False
    body: bytes = b'[{"cycle": "3.20", "eol": true}]'
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def get_cycles(self, api: str, product: str) -> bytes:
        self.asked.append((api, product))
        if self.failing:
            raise RegistryError("GET cycles", f"of {product}", "no answer")
        return self.body


FOUND = ProductCycles((Cycle("3.20", True),))
NOW = 1_750_000_000.0


def cached(
    api: Api, folder: Path, *, now: float = NOW, url: str = "https://e.org", product: str = "go"
) -> ProductCycles:
    cache = CachedCycles(url, api.get_cycles, folder, lambda: now)
    return asyncio.run(cache.get_cycles(product))


def kept(folder: Path, *, at: float = NOW) -> Path:
    """Return the one file of the cache, made to look as if it was written at that time."""
    (path,) = folder.iterdir()
    os.utime(path, (at, at))
    return path


def test_an_answer_is_kept_for_a_day(tmp_path: Path) -> None:
    """Within 24 hours nobody is asked, and then again; nothing but whole answers lie in the folder."""
    api, folder = Api(), tmp_path / "new" / "folder"
    assert cached(api, folder) == FOUND
    kept(folder)
    assert cached(api, folder, now=NOW + DAY_S - 1) == FOUND
    assert len(api.asked) == 1
    api.body = b'[{"cycle": "3.21", "eol": false}]'
    assert cached(api, folder, now=NOW + DAY_S) == ProductCycles((Cycle("3.21", False),))
    assert kept(folder).read_bytes() == api.body


def test_an_answer_from_the_future_is_not_believed(tmp_path: Path) -> None:
    """A clock that was wrong once does not keep an answer for years."""
    api = Api()
    cached(api, tmp_path)
    kept(tmp_path, at=NOW + 1)
    cached(api, tmp_path)
    assert len(api.asked) == 2


def test_an_older_answer_is_better_than_none(tmp_path: Path) -> None:
    """It is used with a problem that says why, and how old it is."""
    cached(Api(), tmp_path)
    kept(tmp_path, at=NOW - 7 * DAY_S)
    assert cached(Api(failing=True), tmp_path) == ProductCycles(
        FOUND.cycles, "GET cycles of go: no answer; what was answered on 2025-06-08 is used"
    )


def test_without_any_answer_the_error_is_raised(tmp_path: Path) -> None:
    """There is nothing to go on."""
    with pytest.raises(RegistryError, match=r"^GET cycles of go: no answer$"):
        cached(Api(failing=True), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_places_and_products_are_kept_apart(tmp_path: Path) -> None:
    """Also those that would have the same name as a file."""
    api = Api()
    places = [
        ("https://e.org", "a/b"),
        ("https://e.org", "a_b"),
        ("https://e.net", "a_b"),
        ("https://e.net", ".." * 90),
    ]
    for url, product in places:
        cached(api, tmp_path, url=url, product=product, now=time.time())
        cached(api, tmp_path, url=url, product=product, now=time.time() + 60)
    assert api.asked == places
    assert len(list(tmp_path.iterdir())) == 4


def _is_a_file(folder: Path) -> None:
    folder.write_text("")


def _has_a_folder_for_a_file(folder: Path) -> None:
    cached(Api(), folder)
    path = kept(folder)
    path.unlink()
    path.mkdir()


def _holds_garbage(folder: Path) -> None:
    cached(Api(), folder)
    kept(folder).write_bytes(b'[{"cycle"')


@pytest.mark.parametrize("breaking", [_is_a_file, _has_a_folder_for_a_file, _holds_garbage])
def test_a_cache_that_cannot_be_used_is_no_error(tmp_path: Path, breaking: Callable[[Path], None]) -> None:
    """The API is asked instead, and nothing is left behind."""
    folder = tmp_path / "cache"
    breaking(folder)
    before = sorted(tmp_path.rglob("*"))
    assert cached(Api(), folder) == FOUND
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, "/home/ann/.cache/transship/endoflife"),
        ({"XDG_CACHE_HOME": ""}, "/home/ann/.cache/transship/endoflife"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ann/.cache/transship/endoflife"),
        ({"XDG_CACHE_HOME": "/var/cache/ci"}, "/var/cache/ci/transship/endoflife"),
    ],
)
def test_where_answers_are_kept(environment: dict[str, str], folder: str) -> None:
    """As the XDG Base Directory Specification has it."""
    assert cache_folder(environment, Path("/home/ann")) == Path(folder)
