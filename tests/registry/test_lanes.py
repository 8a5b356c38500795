"""Who may start when all slots of a host are taken, in which order, and when: the edges of the limiter."""

import asyncio
from dataclasses import replace

import pytest

from support.http_client import START, FakeTime
from support.limiting import limiter, run, settle
from transship_registry.http.limiter import HostLimiter, feeding_layout


async def uploading(host: HostLimiter, until: asyncio.Event) -> None:
    """Hold a slot as an upload does."""
    async with host.upload():
        await until.wait()


def test_a_plain_request_waits_for_an_upload() -> None:
    """Only what feeds an upload may start beyond the limit, and it feeds none any more when that has ended."""

    async def scenario() -> None:
        host, end = limiter(1), asyncio.Event()
        upload = asyncio.create_task(uploading(host, end))
        await settle()
        with feeding_layout():
            pass
        plain = asyncio.create_task(host.acquire())
        await settle()
        assert not plain.done()
        end.set()
        host.release(await plain)
        await upload

    run(scenario)


def test_one_feed_at_a_time_may_start_beyond_the_limit() -> None:
    """It comes to its end by itself, and then the next one may."""

    async def scenario() -> None:
        host, end = limiter(1), asyncio.Event()
        upload = asyncio.create_task(uploading(host, end))
        await settle()
        with feeding_layout():
            first, second = asyncio.create_task(host.acquire()), asyncio.create_task(host.acquire())
        await settle()
        assert (first.done(), second.done(), host.in_flight) == (True, False, 2)
        host.release(await first)
        await settle()
        assert second.done()
        host.release(await second)
        end.set()
        await upload
        assert host.in_flight == 0

    run(scenario)


@pytest.mark.parametrize("first", ["upload", "plain"])
def test_a_free_slot_goes_to_who_came_first_whatever_for(first: str) -> None:
    """An upload does not jump the queue, and does not let others jump it."""

    async def scenario() -> None:
        host = limiter(1)
        slot, order = await host.acquire(), list[str]()

        async def upload() -> None:
            async with host.upload():
                order.append("upload")

        async def plain() -> None:
            taken = await host.acquire()
            order.append("plain")
            host.release(taken)

        waiting = [upload, plain] if first == "upload" else [plain, upload]
        tasks = list[asyncio.Task[None]]()
        for each in waiting:
            tasks.append(asyncio.create_task(each()))
            await settle()
        host.release(slot)
        await asyncio.gather(*tasks)
        assert order == (["upload", "plain"] if first == "upload" else ["plain", "upload"])

    run(scenario)


def test_an_upload_within_another_gives_way_to_it_again() -> None:
    """A layout may be read from one host, and written to another, while something is uploaded to the first."""

    async def scenario() -> None:
        outer, inner = limiter(1), limiter(1)
        async with outer.upload():
            async with inner.upload():
                pass
            slot = await outer.acquire()
            assert outer.in_flight == 1
            outer.release(slot)

    run(scenario)


@pytest.mark.parametrize("turn_has_come", [False, True])
def test_who_is_cancelled_while_waiting_for_a_slot_does_not_go_on(*, turn_has_come: bool) -> None:
    """Not even when its turn had just come."""

    async def scenario() -> None:
        host = limiter(1)
        slot = await host.acquire()
        waiting = asyncio.create_task(host.acquire())
        await settle()
        if turn_has_come:
            host.release(slot)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(scenario)


def test_who_is_cancelled_while_waiting_for_its_moment_does_not_go_on() -> None:
    """The registry's pause is not cut short."""

    async def scenario() -> None:
        async def forever(_: float) -> None:
            await asyncio.Event().wait()

        host = HostLimiter(1, 0.0, replace(FakeTime().timing, sleep=forever))
        host.throttled(60.0)
        waiting = asyncio.create_task(host.acquire())
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(scenario)


def test_a_pause_that_is_asked_for_during_a_pause_is_kept_too() -> None:
    """Another request was answered with a longer one meanwhile."""

    async def scenario() -> None:
        time = FakeTime()
        asked = [20.0]

        async def sleep(seconds: float) -> None:
            time.now += seconds
            if asked:
                host.throttled(asked.pop())

        host = HostLimiter(4, 0.0, replace(time.timing, sleep=sleep))
        host.throttled(5.0)
        await host.acquire()
        assert time.now == START + 25.0

    run(scenario)


def test_a_protest_without_a_pause_delays_nothing() -> None:
    """It only lowers the number, to a whole one."""

    async def scenario() -> None:
        time = FakeTime()
        host = limiter(5, time=time)
        host.throttled()
        assert host.limit == 2
        await host.acquire()
        assert time.now == START

    run(scenario)


@pytest.mark.parametrize(("per_second", "starts"), [(1.0, [0.0, 1.0, 2.0]), (0.5, [0.0, 2.0, 4.0])])
def test_a_rate_may_be_one_a_second_or_less(per_second: float, starts: list[float]) -> None:
    """On a machine whose clock has just begun, too: the first request waits for nothing."""

    async def scenario() -> None:
        time = FakeTime()
        time.now = 0.0
        host = limiter(5, per_second, time)
        found = list[float]()
        for _ in starts:
            host.release(await host.acquire())
            found.append(time.now)
        assert found == starts

    run(scenario)


def test_eight_requests_are_in_flight_where_no_number_is_given() -> None:
    """As the documentation has it."""
    assert limiter(0).limit == 8
