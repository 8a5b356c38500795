"""Answers about end-of-life dates, kept on disk for a day.

A cache is never worth an error: what cannot be read is absent, and what cannot be written is not kept.
"""

import hashlib
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from transship_registry.endoflife.asking import cycles_url
from transship_registry.endoflife.cycles import Cycle, ProductCycles, decode_cycles
from transship_registry.errors import RegistryError
from transship_registry.limits import EOL_ANSWER_LIMIT
from transship_registry.regular import open_regular
from transship_registry.temporary import find_leftovers, temporary_name

FRESH_S: Final = 24 * 3600.0

GetCycles: TypeAlias = Callable[[str, str], Awaitable[bytes]]
"""Asks the API below a URL for the cycles of a product, as `HttpRegistry.get_cycles` does."""

_log = logging.getLogger(__name__)


def cache_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return where the answers are kept: below `$XDG_CACHE_HOME`, else below `~/.cache` (XDG Base Directory)."""
    named = environment.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else home / ".cache"  # the specification has relative ones ignored
    return base / "transship" / "endoflife"


@dataclass(frozen=True, slots=True)
class CachedCycles:
    """The cycles that the API below the URL `api` tells, asked for at most once a day; `wall` is the Unix time."""

    api: str
    ask: GetCycles
    folder: Path
    wall: Callable[[], float]

    async def get_cycles(self, product: str) -> ProductCycles:
        """Return the cycles of a product: kept ones of today, else asked for, else older ones with a problem.

        Raises `RegistryError` when there are none.
        """
        path = self._path(product)
        kept = _read(path)
        if kept is not None and 0 <= self.wall() - kept.moment < FRESH_S:
            return ProductCycles(kept.cycles)
        try:
            body = await self.ask(self.api, product)
        except RegistryError as error:
            if kept is None:
                raise
            day = datetime.fromtimestamp(kept.moment, UTC).date()
            return ProductCycles(kept.cycles, f"{error}; what was answered on {day} is used")
        _write(path, body)
        return ProductCycles(decode_cycles(body))

    def _path(self, product: str) -> Path:
        """Return the file of a product, which differs from that of the same product at another address."""
        digest = hashlib.sha256(cycles_url(self.api, product).encode()).hexdigest()
        return self.folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', product)[:64]}-{digest[:16]}.json"


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer that was kept, and the Unix time at which it came."""

    cycles: tuple[Cycle, ...]
    moment: float


def _read(path: Path) -> _Kept | None:
    try:
        with open_regular(path) as file:
            return _Kept(decode_cycles(file.read(EOL_ANSWER_LIMIT)), os.fstat(file.fileno()).st_mtime)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.debug("the cache file %s is not used: %s", path, error)
        return None


def _write(path: Path, body: bytes) -> None:
    """Keep an answer, in one step, so that another process never reads half of it."""
    temporary = Path(temporary_name(str(path)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in find_leftovers(str(path)):
            os.unlink(left)
        temporary.write_bytes(body)
        temporary.replace(path)
    except OSError as error:
        _log.debug("the cache file %s is not written: %s", path, error)
        with suppress(OSError):
            temporary.unlink()
