"""Which referrers are wanted: by artifact type and annotations (semantics B12)."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from transship_registry.manifest import Descriptor
from transship_registry.referrers.lists import Via, stated_type


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
    """Whether a referrer, described as its manifest says, passes one of the filters; without filters each one does."""
    stated = referrer.artifact_type or ""
    return not filters or any(all(_verdicts(referrer, stated, each)) for each in filters)


def is_wanted_as_listed(referrer: Descriptor, filters: Sequence[ReferrerFilter], via: Via) -> bool | None:
    """Whether an entry of a list passes; None when it lacks what a filter asks for, so that only the manifest tells.

    A registry that lists by itself leaves nothing out but what it does not know at all, which then lacks the type too;
    clients that keep lists under a tag have left out types and annotations
    (https://github.com/sigstore/cosign/issues/4641).
    """
    if not filters:
        return True
    complete = via is Via.API and bool(stated_type(referrer))
    verdicts = [_as_listed(referrer, each, complete=complete) for each in filters]
    return True if True in verdicts else None if None in verdicts else False


def common_type(filters: Sequence[ReferrerFilter]) -> str:
    """Return the artifact type that all filters ask for, to be asked of the registry; empty when there is none."""
    types = {each.artifact_type for each in filters}
    return types.pop() if len(types) == 1 else ""


def _as_listed(referrer: Descriptor, wanted: ReferrerFilter, *, complete: bool) -> bool | None:
    verdicts = set(_verdicts(referrer, stated_type(referrer), wanted))
    if False in verdicts:
        return False
    if None in verdicts:
        return False if complete else None
    return True


def _verdicts(referrer: Descriptor, stated: str, wanted: ReferrerFilter) -> Iterator[bool | None]:
    """Say of each thing that is wanted whether the referrer has it; None when it says nothing about that.

    `stated` is its artifact type.
    """
    if wanted.artifact_type:
        yield stated == wanted.artifact_type if stated else None
    annotations = referrer.annotations or {}
    for key, value in wanted.annotations:
        yield value in {"", annotations[key]} if key in annotations else None
