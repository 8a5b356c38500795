"""A process that is killed at a step of its work: calls of registries, and those that change the files of a state.

Nothing that it would do after that has any effect, its clean-up included.
"""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from typing_extensions import override

from support.memory_registry import MemoryRegistry
from transship_state.disk import Disk


class Killed(BaseException):
    """The process is gone."""


class Life:
    """So many steps, and no more."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.is_over = False

    def step(self) -> None:
        """Take a step, or be killed before it."""
        if self._left <= 0:
            self.is_over = True
            raise Killed
        self._left -= 1

    @property
    def is_last_moment(self) -> bool:
        """Whether the next step is the one before which the process is killed."""
        return self._left <= 0 and not self.is_over


class MortalDisk(Disk):
    """A disk whose calls are steps of a life; a write that is the last one is cut off in the middle."""

    def __init__(self, life: Life) -> None:
        self._life = life

    @override
    def make_folder(self, path: str) -> None:
        self._life.step()
        super().make_folder(path)

    @override
    def create(self, path: str) -> int:
        self._life.step()
        return super().create(path)

    @override
    def write(self, descriptor: int, data: bytes) -> None:
        if self._life.is_last_moment:
            os.write(descriptor, data[: len(data) // 2])
        self._life.step()
        super().write(descriptor, data)

    @override
    def sync(self, descriptor: int) -> None:
        self._life.step()
        super().sync(descriptor)

    @override
    def link(self, path: str, other: str) -> None:
        self._life.step()
        super().link(path, other)

    @override
    def rename(self, path: str, other: str) -> None:
        self._life.step()
        super().rename(path, other)

    @override
    def remove(self, path: str) -> None:
        self._life.step()
        super().remove(path)

    @override
    def truncate(self, descriptor: int) -> None:
        self._life.step()
        super().truncate(descriptor)


class MortalRegistry:
    """A registry in memory of which each request is a step of a life, and takes a turn of the event loop."""

    def __init__(self, world: MemoryRegistry, life: Life) -> None:
        self._world = world
        self._life = life

    def __getattr__(self, name: str) -> Any:
        """Return the method of the registry, as a step."""
        method = getattr(self._world, name)
        if not inspect.iscoroutinefunction(method):
            return method
        asked = cast(Callable[..., Awaitable[object]], method)

        async def step(*arguments: Any, **named: Any) -> object:
            self._life.step()
            await asyncio.sleep(0)
            return await asked(*arguments, **named)

        return step
