"""Limit how many images are copied at once, and let one that has to wait give up its place meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class Slots:
    """Places for `count` images; who asks first gets one first. Places belong to tasks."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._holders: set[asyncio.Task[object] | None] = set()

    def holding(self, work: Callable[[T], Awaitable[None]]) -> Callable[[T], Awaitable[None]]:
        """Return `work` as a function that has a place while it works."""

        async def held(item: T) -> None:
            await self._take()
            try:
                await work(item)
            finally:
                self._give_up()

        return held

    @asynccontextmanager
    async def given_up(self) -> AsyncGenerator[None]:
        """Let others have this task's place, and then queue for one again; not after an error, which ends the work."""
        self._give_up()
        yield
        await self._take()

    async def _take(self) -> None:
        await self._free.acquire()
        self._holders.add(asyncio.current_task())

    def _give_up(self) -> None:
        task = asyncio.current_task()
        if task in self._holders:
            self._holders.remove(task)
            self._free.release()
