"""Write the files that commands are asked for."""

import secrets
from contextlib import suppress
from pathlib import Path

from transship_registry.permissions import take_over


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in one step, so that no half of it is ever read; raises `OSError`, and leaves nothing behind.

    A symbolic link stays one, and a file keeps its mode. A device or a pipe is written to, and never replaced.
    """
    file = path.resolve()
    if file.exists() and not file.is_file():
        file.write_bytes(data)
        return
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as opened:
            take_over(opened.fileno(), file)
            opened.write(data)
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
