"""Two real registries for each module, as a mirror has two sides."""

from collections.abc import Iterator

import pytest

from support.real_registry import RealRegistry


@pytest.fixture(scope="module")
def upstream() -> Iterator[RealRegistry]:
    """Run a real registry that images come from."""
    with RealRegistry() as registry:
        yield registry


@pytest.fixture(scope="module")
def mirror() -> Iterator[RealRegistry]:
    """Run a real registry that images go to."""
    with RealRegistry() as registry:
        yield registry
