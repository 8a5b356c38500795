"""File work in threads, which a cancelled caller still waits for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Offload:
    """A few threads for work that blocks: files, and hashes of large pieces.

    They are not asyncio's own, so that name resolution never queues behind a slow disk.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="layout")

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Return what `work` returns; a cancellation takes effect once it has ended.

        Otherwise a thread could still use a buffer or a file descriptor that its owner has given up.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            future.exception()  # marks it as seen: the cancellation says enough
            raise cancelled
        return future.result()

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()
