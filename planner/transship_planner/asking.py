"""Ask many questions at once, and none of them twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

QUESTIONS_AT_ONCE: Final = 256
"""How many tasks wait for answers at a time; each registry's own limits are kept by the client below."""


class Once(Generic[K, V]):
    """A question asked once for each key; whoever asks again, even meanwhile, shares the answer or the error."""

    def __init__(self, ask: Callable[[K], Awaitable[V]]) -> None:
        self._ask = ask
        self._answers: dict[K, asyncio.Future[V]] = {}

    async def __call__(self, key: K) -> V:
        """Return the answer for `key`, or raise what asking raised."""
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = asyncio.get_running_loop().create_future()
            await self._resolve(key, answer)
        return await asyncio.shield(answer)

    async def _resolve(self, key: K, answer: asyncio.Future[V]) -> None:
        try:
            answer.set_result(await self._ask(key))
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is handed on unchanged to everybody who asked
            answer.set_exception(error)


async def for_each(items: Iterable[K], work: Callable[[K], Awaitable[V]], at_once: int = QUESTIONS_AT_ONCE) -> list[V]:
    """Return the results of `work` on each item, in the items' order, with at most `at_once` under way.

    The first error cancels the rest and is raised itself, not a group of one.
    """
    queue = list(items)
    results: dict[int, V] = {}
    remaining = iter(range(len(queue)))

    async def worker() -> None:
        for position in remaining:
            results[position] = await work(queue[position])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(queue))):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[position] for position in range(len(queue))]
