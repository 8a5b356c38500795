"""Write the files that commands are asked for."""

import os
from contextlib import suppress
from pathlib import Path

from transship_registry.permissions import take_over
from transship_registry.temporary import find_leftovers, temporary_name


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in one step, so that no half of it is ever read; raises `OSError`, and leaves nothing behind.

    A symbolic link stays one, and a file keeps its mode. A device or a pipe is written to, and never replaced. What
    processes left beside it that were killed while they wrote it is removed.
    """
    file = path.resolve()
    if file.exists() and not file.is_file():
        file.write_bytes(data)
        return
    with suppress(OSError):
        for left in find_leftovers(str(file)):
            os.unlink(left)
    temporary = temporary_name(str(file))
    try:
        _create(temporary, data, like=file)
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _create(path: str, data: bytes, *, like: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        take_over(descriptor, like)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)
