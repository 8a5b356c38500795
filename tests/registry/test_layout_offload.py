"""Work in threads: its results, its errors, and what a cancellation may not interrupt."""

import asyncio
import threading

import pytest

from transship_registry.layout.offload import Offload


def test_results_and_errors_come_through() -> None:
    async def scenario() -> None:
        offload = Offload(1)
        try:
            assert await offload.run(divmod, 7, 2) == (3, 1)
            with pytest.raises(ZeroDivisionError):
                await offload.run(divmod, 7, 0)
        finally:
            offload.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancelled_caller_waits_until_the_work_has_ended(fails: bool) -> None:
    """However often it is cancelled: a thread must not use a file that its owner has closed."""
    started, may_end = threading.Event(), threading.Event()
    ended: list[str] = []

    def work() -> None:
        started.set()
        may_end.wait()
        ended.append("work")
        if fails:
            raise OSError

    async def caller(offload: Offload) -> None:
        try:
            await offload.run(work)
        finally:
            ended.append("caller")

    async def scenario() -> None:
        offload = Offload(2)
        task = asyncio.ensure_future(caller(offload))
        await offload.run(started.wait)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        before = list(ended)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        offload.close()
        assert before == []

    asyncio.run(scenario())
    assert ended == ["work", "caller"]
