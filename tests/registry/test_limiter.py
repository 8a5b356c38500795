"""The limiter of a host: slots, pace, adaptation, and no circle of waiting."""

import asyncio

import pytest

from support.http_client import START, FakeTime
from support.limiting import limiter, run, settle
from transship_registry.http.limiter import DEFAULT_CONCURRENT, HostLimiter, feeding_layout


def test_a_request_waits_until_a_slot_is_free() -> None:
    async def scenario() -> None:
        host = limiter(2)
        slots = [await host.acquire(), await host.acquire()]
        third = asyncio.create_task(host.acquire())
        await settle()
        assert not third.done()
        host.release(slots[0])
        assert host.in_flight == 2
        host.release(await third)

    run(scenario)


def test_a_host_without_a_number_gets_the_default() -> None:
    assert limiter(0).limit == limiter(-1).limit == DEFAULT_CONCURRENT


def test_requests_are_let_in_in_order_of_arrival() -> None:
    async def scenario() -> None:
        host = limiter(1)
        order: list[int] = []

        async def request(number: int) -> None:
            slot = await host.acquire()
            order.append(number)
            await asyncio.sleep(0)
            host.release(slot)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(request(number))
        assert order == [0, 1, 2, 3, 4]

    run(scenario)


def test_releasing_a_slot_twice_changes_nothing() -> None:
    async def scenario() -> None:
        host = limiter(2)
        slot = await host.acquire()
        host.release(slot)
        host.release(slot)
        assert host.in_flight == 0

    run(scenario)


@pytest.mark.parametrize("turn_has_come", [False, True])
def test_a_request_that_is_cancelled_while_it_waits_leaves_no_gap(*, turn_has_come: bool) -> None:
    """A slot is not lost to a task that is cancelled, before its turn or in the very moment of it."""

    async def scenario() -> None:
        host = limiter(1)
        slot = await host.acquire()
        waiting = asyncio.create_task(host.acquire())
        behind = asyncio.create_task(host.acquire())
        await settle()
        if turn_has_come:
            host.release(slot)
        waiting.cancel()
        if not turn_has_come:
            host.release(slot)
        host.release(await behind)
        assert waiting.cancelled() or waiting.exception() is None
        assert host.in_flight == 0

    run(scenario)


def test_starts_are_spaced_when_the_rate_is_limited() -> None:
    async def scenario() -> None:
        time = FakeTime()
        host = limiter(5, 4.0, time)
        starts: list[float] = []
        for _ in range(3):
            host.release(await host.acquire())
            starts.append(time.now - START)
        assert starts == [0.0, 0.25, 0.5]

    run(scenario)


def test_a_request_cancelled_while_it_waits_for_its_start_gives_its_slot_back() -> None:
    async def scenario() -> None:
        async def forever(_: float) -> None:
            await asyncio.Event().wait()

        time = FakeTime()
        timing = time.timing
        host = HostLimiter(
            1, 0.0, type(timing)(clock=timing.clock, wall=timing.wall, sleep=forever, chance=timing.chance)
        )
        host.throttled(60.0)
        waiting = asyncio.create_task(host.acquire())
        await settle()
        waiting.cancel()
        await settle()
        assert host.in_flight == 0

    run(scenario)


def test_nothing_starts_while_the_registry_wants_a_pause() -> None:
    async def scenario() -> None:
        time = FakeTime()
        host = limiter(4, time=time)
        host.throttled(30.0)
        host.release(await host.acquire())
        assert time.now == START + 30.0

    run(scenario)


def test_the_limit_is_halved_on_protest_and_never_zero() -> None:
    host = limiter(8)
    limits: list[int] = []
    for _ in range(5):
        host.throttled()
        limits.append(host.limit)
    assert limits == [4, 2, 1, 1, 1]


def test_the_limit_grows_back_by_one_after_as_many_successes_as_it_is() -> None:
    host = limiter(4)
    host.throttled()
    limits: list[int] = []
    for _ in range(8):
        host.succeeded()
        limits.append(host.limit)
    assert limits == [2, 3, 3, 3, 4, 4, 4, 4]


def test_a_grown_limit_lets_in_who_was_waiting() -> None:
    async def scenario() -> None:
        host = limiter(2)
        host.throttled()
        first = await host.acquire()
        second = asyncio.create_task(host.acquire())
        await settle()
        assert not second.done()
        host.succeeded()
        host.release(await second)
        host.release(first)

    run(scenario)


def test_all_requests_of_an_upload_share_its_slot() -> None:
    """A download from the host that is uploaded to needs no second slot, even when there is only one."""

    async def scenario() -> None:
        host = limiter(1)
        async with host.upload():
            slot = await host.acquire()
            assert host.in_flight == 1
            host.release(slot)
            assert host.in_flight == 1
        assert host.in_flight == 0

    run(scenario)


def test_requests_outside_an_upload_do_not_share_its_slot() -> None:
    async def scenario() -> None:
        host, other = limiter(2), limiter(2)
        async with host.upload():
            slot = await other.acquire()
            assert other.in_flight == 1
            other.release(slot)
        slot = await host.acquire()
        assert host.in_flight == 1
        host.release(slot)

    run(scenario)


def test_copies_in_both_directions_do_not_wait_in_a_circle() -> None:
    """One plain request gets through although uploads, which wait for downloads, hold every slot of both hosts."""

    async def scenario() -> None:
        one, two = limiter(1), limiter(1)
        both_upload = asyncio.Barrier(2)

        async def copy(source: HostLimiter, target: HostLimiter) -> None:
            async with target.upload():
                await both_upload.wait()
                slot = await source.acquire()
                await asyncio.sleep(0)
                source.release(slot)

        async with asyncio.TaskGroup() as group:
            group.create_task(copy(one, two))
            group.create_task(copy(two, one))
        assert one.in_flight == two.in_flight == 0

    run(scenario)


def test_a_download_to_a_layout_gets_through_though_uploads_hold_every_slot() -> None:
    """Uploads to its host may wait for what it brings."""

    async def scenario() -> None:
        host = limiter(1)
        has_arrived = asyncio.Event()

        async def download_to_layout() -> None:
            with feeding_layout():
                slot = await host.acquire()
                has_arrived.set()
                host.release(slot)

        async def upload() -> None:
            async with host.upload():
                await has_arrived.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(upload())
            await settle()
            group.create_task(download_to_layout())
        assert host.in_flight == 0

    run(scenario)


def test_a_download_to_a_layout_keeps_to_the_limit_of_a_host_without_uploads() -> None:
    """What is in flight comes to its end by itself there, so the download waits like any request."""

    async def scenario() -> None:
        host = limiter(1)
        plain = await host.acquire()
        with feeding_layout():
            download = asyncio.create_task(host.acquire())
        await settle()
        assert not download.done()
        host.release(plain)
        host.release(await download)
        assert host.in_flight == 0

    run(scenario)


def test_an_upload_that_cannot_start_does_not_hold_up_plain_requests() -> None:
    async def scenario() -> None:
        host = limiter(1)
        async with host.upload():
            waiting = asyncio.create_task(_upload_once(host))
            await settle()
            plain = asyncio.create_task(host.acquire(), context=None)
            await settle()
            assert plain.done()
            host.release(await plain)
        await waiting

    run(scenario)


async def _upload_once(host: HostLimiter) -> None:
    async with host.upload():
        await asyncio.sleep(0)


def test_a_request_for_a_token_gets_through_though_uploads_hold_every_slot() -> None:
    """They may wait for that token; one at a time is let through, and none where no upload is under way."""

    async def scenario() -> None:
        host = limiter(1)
        has_token = asyncio.Event()
        begun = asyncio.Event()

        async def upload() -> None:
            async with host.upload():
                begun.set()
                await has_token.wait()

        async def get_token() -> None:
            slot = await host.acquire(for_token=True)
            assert host.in_flight == 2
            has_token.set()
            host.release(slot)

        async with asyncio.TaskGroup() as group:
            group.create_task(upload())
            await begun.wait()
            group.create_task(get_token())
        plain = await host.acquire()
        token = asyncio.create_task(host.acquire(for_token=True))
        await settle()
        assert not token.done()
        host.release(plain)
        host.release(await token)
        assert host.in_flight == 0

    run(scenario)
