"""Which referrers are wanted: by artifact type and annotations (semantics B12)."""

from collections.abc import Sequence
from typing import Protocol

from transship_registry.manifest import Descriptor


class ReferrerFilter(Protocol):
    """What a referrer must have: this artifact type, unless it is empty, and all these annotations.

    An empty annotation value asks for the key only.
    """

    @property
    def artifact_type(self) -> str:
        """The type, or empty for any."""
        ...

    @property
    def annotations(self) -> tuple[tuple[str, str], ...]:
        """Keys and values."""
        ...


def is_wanted(referrer: Descriptor, filters: Sequence[ReferrerFilter]) -> bool:
    """Whether a referrer passes one of the filters; without filters each one does."""
    return not filters or any(_passes(referrer, each) for each in filters)


def common_type(filters: Sequence[ReferrerFilter]) -> str:
    """Return the artifact type that all filters ask for, to be asked of the registry; empty when there is none."""
    types = {each.artifact_type for each in filters}
    return types.pop() if len(types) == 1 else ""


def _passes(referrer: Descriptor, wanted: ReferrerFilter) -> bool:
    if wanted.artifact_type and referrer.artifact_type != wanted.artifact_type:
        return False
    annotations = referrer.annotations or {}
    return all(key in annotations and value in {"", annotations[key]} for key, value in wanted.annotations)
