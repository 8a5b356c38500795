"""What is still to be looked at, for a command that is broken off."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from transship_planner.asking import for_each
from transship_planner.plans.plan import Problem

K = TypeVar("K")
V = TypeVar("V")


class Headway:
    """How far a command has come in what it does step by step."""

    def __init__(self) -> None:
        self._left: dict[int, Problem] = {}

    @property
    def left(self) -> tuple[Problem, ...]:
        """What the present step has not looked at yet, without a message."""
        return tuple(self._left.values())

    async def each(
        self, items: Iterable[K], name: Callable[[K], Problem], work: Callable[[K], Awaitable[V]]
    ) -> list[V]:
        """Return the results of a step, as `for_each` does; `name` says what an item is."""
        queue = tuple(items)
        left = self._left = {position: name(item) for position, item in enumerate(queue)}

        async def do(position: int) -> V:
            result = await work(queue[position])
            del left[position]
            return result

        return await for_each(range(len(queue)), do)
