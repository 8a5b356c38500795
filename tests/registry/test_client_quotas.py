"""What a client tells of pull quotas: of the very answer that it was given, and without spending any."""

import asyncio
from collections.abc import Callable, Mapping

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.registry_server.faults import PullQuota
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import NotFoundError, RateLimitedError
from transship_registry.hosts import HostSettings
from transship_registry.layout import LayoutStore
from transship_registry.quota import Quota
from transship_registry.reference import Reference

IMAGE = images.single()
REFERENCE = Reference.parse("r.example/app:1")
FOUND = {"content-type": IMAGE.media_type, "docker-content-digest": IMAGE.digest}


def answer(status: int = 200, **headers: str) -> httpx.Response:
    """Return an answer with these headers, their names written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.Response(status, headers={**FOUND, **named})


def look(*answers: httpx.Response, settings: HostSettings | None = None) -> tuple[Quota | None, list[str]]:
    """Ask for the quota once, and return it with the requests that were made."""

    async def scenario() -> tuple[Quota | None, list[str]]:
        client, transport = scripted_client(answers, *([settings] if settings else []))
        async with client:
            return await client.pull_quota(REFERENCE), transport.lines

    return asyncio.run(scenario())


HEAD = "HEAD https://r.example/v2/app/manifests/1"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit_limit": "100;w=21600", "ratelimit_remaining": "76;w=21600"}, Quota(100, 76, 21600)),
        ({"ratelimit_limit": "100", "ratelimit_remaining": "76"}, Quota(100, 76)),
        ({"ratelimit_remaining": "0", "docker_ratelimit_source": "192.0.2.1"}, Quota(None, 0, None, "192.0.2.1")),
        ({"ratelimit_remaining": "none"}, None),
        ({"x_ratelimit_limit": "180", "x_ratelimit_remaining": "3"}, None),
        ({}, None),
    ],
)
def test_the_quota_is_what_the_answer_says(headers: Mapping[str, str], expected: Quota | None) -> None:
    """With a window or without one; `x-ratelimit-*` counts requests, and no pulls."""
    assert look(answer(200, **headers)) == (expected, [HEAD])


def test_looking_costs_no_pull() -> None:
    """However often one looks: HEAD is not counted, GET is."""

    async def scenario(server: RegistryServer) -> None:
        reference = Reference.parse(f"{server.host}/team/app:v1")
        async with HttpRegistry({server.host: plain(server)}) as client:
            assert client.stated_quota(reference.repository) is None
            for _ in range(3):
                assert await client.pull_quota(reference) == Quota(100, 100, 21600, "192.0.2.1")
            await client.get_manifest(reference)
            assert client.stated_quota(reference.repository) == Quota(100, 99, 21600, "192.0.2.1")
            assert await client.pull_quota(reference) == Quota(100, 99, 21600, "192.0.2.1")

    with RegistryServer(faults=(PullQuota(),)) as server:
        server.store.add_image("team/app", "v1", IMAGE)
        asyncio.run(scenario(server))


def test_an_answer_without_a_quota_is_not_made_up_for_by_an_earlier_one() -> None:
    """The value is of that answer; what was stated last is another question."""

    async def scenario() -> None:
        client, _ = scripted_client([answer(ratelimit_remaining="7"), answer(), answer(x_ratelimit_remaining="1")])
        async with client:
            assert await client.pull_quota(REFERENCE) == Quota(None, 7)
            assert await client.pull_quota(REFERENCE) is None
            assert await client.pull_quota(REFERENCE) is None
            assert client.stated_quota(REFERENCE.repository) == Quota(None, 7)

    asyncio.run(scenario())


def test_where_head_is_refused_nothing_is_asked_with_get() -> None:
    """A GET would be a pull."""
    assert look(httpx.Response(405)) == (None, [HEAD])
    assert look(settings=HostSettings(registry="r.example", disable_head=True)) == (None, [])


def test_where_head_is_refused_it_is_not_tried_again() -> None:
    """What was learnt is kept for the run."""

    async def scenario() -> None:
        client, transport = scripted_client([httpx.Response(405)])
        async with client:
            assert await client.pull_quota(REFERENCE) is None
            assert await client.pull_quota(REFERENCE) is None
        assert transport.lines == [HEAD]

    asyncio.run(scenario())


def test_a_manifest_that_is_absent_is_an_error() -> None:
    with pytest.raises(NotFoundError) as caught:
        look(httpx.Response(404))
    assert str(caught.value) == "HEAD manifest r.example/app:1: HTTP 404 Not Found"


def test_429_is_an_answer_when_it_states_the_quota() -> None:
    """It says what one wanted to know: nothing is left. So it is not asked again at once."""
    spent = answer(429, ratelimit_limit="100;w=21600", ratelimit_remaining="0;w=21600")
    assert look(spent) == (Quota(100, 0, 21600), [HEAD])


def test_429_without_a_quota_is_waited_for_as_ever() -> None:
    """It asks to come back, and that is done."""
    assert look(answer(429), answer(429), answer(ratelimit_remaining="5")) == (Quota(None, 5), [HEAD] * 3)


def test_429_without_an_end_is_an_error() -> None:
    async def scenario() -> None:
        client, _ = scripted_client(lambda _: httpx.Response(429), time=FakeTime())
        async with client:
            await client.pull_quota(REFERENCE)

    with pytest.raises(RateLimitedError) as caught:
        asyncio.run(scenario())
    assert str(caught.value) == (
        "HEAD manifest r.example/app:1: HTTP 429 Too Many Requests; "
        "too many requests: try again later, or log in for a larger quota"
    )


MIRRORED = HostSettings(registry="r.example", mirrors=("mirror.example",))


@pytest.mark.parametrize(
    ("mirror", "expected", "asked"),
    [
        (lambda: answer(ratelimit_remaining="3"), Quota(None, 3), ["mirror.example"]),
        (answer, None, ["mirror.example"]),
        (lambda: httpx.Response(404), Quota(None, 50), ["mirror.example", "r.example"]),
    ],
)
def test_the_quota_is_that_of_whoever_answers(
    mirror: Callable[[], httpx.Response], expected: Quota | None, asked: list[str]
) -> None:
    """A mirror that has the manifest will be read from: its quota counts, or that it has none."""

    def by_host(request: httpx.Request) -> httpx.Response:
        return mirror() if request.url.host == "mirror.example" else answer(ratelimit_remaining="50")

    async def scenario() -> None:
        client, transport = scripted_client(by_host, MIRRORED)
        async with client:
            assert await client.pull_quota(REFERENCE) == expected
            assert [request.url.host for request in transport.requests] == asked
            assert client.stated_quota(REFERENCE.repository) is None

    asyncio.run(scenario())


def test_a_layout_has_no_quota() -> None:
    async def scenario() -> None:
        reference = Reference.parse("ocidir://nowhere:1")
        async with LayoutStore() as layouts:
            assert await layouts.pull_quota(reference) is None
            assert layouts.stated_quota(reference.repository) is None

    asyncio.run(scenario())
