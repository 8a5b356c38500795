"""Where the cycles of products come from, and the asking: each product once, and only those that entries name."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Protocol

from transship_planner.asking import for_each
from transship_planner.config.scalarkinds import nearest
from transship_planner.desired import Desired
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.lifecycle.datafile import parse_data
from transship_planner.lifecycle.judge import Judge
from transship_registry.endoflife.cycles import Cycle, ProductCycles
from transship_registry.errors import TransshipError


class CycleSource(Protocol):
    """Whoever knows the cycles of products."""

    async def get_cycles(self, product: str) -> ProductCycles:
        """Return the cycles of a product; raises `TransshipError` when they are not known."""
        ...


class DataFile:
    """The file with end-of-life data as a source; it is read when it is first asked, and once."""

    def __init__(self, path: str, read_file: Callable[[str], bytes]) -> None:
        self.path = path
        self._read_file = read_file
        self._products: Mapping[str, tuple[Cycle, ...]] | None = None

    async def get_cycles(self, product: str) -> ProductCycles:
        """Return the cycles that the file tells of a product; raises `ConfigError`."""
        if self._products is None:
            self._products = parse_data(self._read(), self.path)
        if product in self._products:
            return ProductCycles(self._products[product])
        raise self._error(f"there is no product {product!r}{nearest(product, tuple(self._products))}")

    def _read(self) -> bytes:
        try:
            return self._read_file(self.path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._error(f"the end-of-life data cannot be read: {reason}") from None

    def _error(self, message: str) -> ConfigError:
        return ConfigError(Finding(Mark(self.path, 1, 1), message))


class WithFallback:
    """A source, and the data file for what it does not tell."""

    def __init__(self, source: CycleSource, file: DataFile) -> None:
        self._source = source
        self._file = file

    async def get_cycles(self, product: str) -> ProductCycles:
        """Return the cycles of a product, with a problem when they are the file's; raises what the source raised."""
        try:
            return await self._source.get_cycles(product)
        except TransshipError as error:
            try:
                found = await self._file.get_cycles(product)
            except ConfigError:
                raise error from None
            return ProductCycles(found.cycles, f"{error}; what {self._file.path} says is used")


def products(desired: Desired) -> tuple[str, ...]:
    """Return the products that entries name, each once, in order."""
    return tuple(sorted({entry.lifecycle.product for entry in desired.entries if entry.lifecycle}))


async def make_judge(desired: Desired, source: CycleSource, *, today: date) -> Judge | None:
    """Ask for all products that entries name; None, and nothing asked, when there is none."""
    named = products(desired)
    if not named:
        return None

    async def ask(product: str) -> ProductCycles | str:
        try:
            return await source.get_cycles(product)
        except TransshipError as error:
            return _in_one_line(error)

    answers = dict(zip(named, await for_each(named, ask), strict=True))
    return Judge(
        today=today,
        critical_days=desired.eol.critical_days,
        known={product: found for product, found in answers.items() if isinstance(found, ProductCycles)},
        missing={product: reason for product, reason in answers.items() if isinstance(reason, str)},
    )


def _in_one_line(error: TransshipError) -> str:
    first, *others = error.lines
    return f"{first} (and {len(others)} more)" if others else first
