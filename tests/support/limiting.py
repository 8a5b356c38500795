"""A host's limiter in a scenario: made with a clock of its own, given time to settle, and never waited for in vain."""

import asyncio
from collections.abc import Awaitable, Callable

from support.http_client import FakeTime
from transship_registry.http.limiter import HostLimiter


def limiter(ceiling: int = 2, per_second: float = 0.0, time: FakeTime | None = None) -> HostLimiter:
    """Return the limiter of a host."""
    return HostLimiter(ceiling, per_second, (time or FakeTime()).timing)


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario; one that waits in a circle fails."""

    async def within_reason() -> None:
        async with asyncio.timeout(600):
            await scenario()

    asyncio.run(within_reason())
