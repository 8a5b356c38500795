"""What is running for a whole run: registries of both kinds, two of each, and the process that forks transship."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from interop.olareg import Olareg
from interop.places import Layouts, Place, Registry
from interop.situation import Kind
from interop.warm import Warm

from support.real_registry import RealRegistry

_NUMBERS = count()


@dataclass(frozen=True)
class Servers:
    """What is running: for each kind the one that images come from, and the one that they go to."""

    distribution: tuple[RealRegistry, RealRegistry]
    olareg: tuple[Olareg, Olareg]

    def place(self, kind: Kind, folder: Path, *, target: bool) -> Place:
        """Return an empty place: a prefix of a registry that nothing else uses, or a folder."""
        prefix = f"space{next(_NUMBERS)}"
        match kind:
            case Kind.DISTRIBUTION:
                registry = self.distribution[target]
                storage = registry.folder / "storage" / "docker/registry/v2/repositories"
                return Registry(registry.host, prefix, referrers_api=False, storage=storage)
            case Kind.OLAREG:
                olareg = self.olareg[target]
                return Registry(olareg.host, prefix, referrers_api=True, storage=olareg.folder)
            case Kind.LAYOUT:
                return Layouts(folder / prefix)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Run all four registries."""
    with ExitStack() as stack:
        source, target = (stack.enter_context(RealRegistry(schema1_enabled=True)) for _ in range(2))
        olareg_source, olareg_target = (stack.enter_context(Olareg()) for _ in range(2))
        yield Servers((source, target), (olareg_source, olareg_target))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Load transship once."""
    with Warm() as process:
        yield process
