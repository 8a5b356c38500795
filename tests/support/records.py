"""Short ways to write records of a state in tests."""

from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import Origin, Record

__all__ = ["record", "recorded"]


def record(
    target: str = "dst.io/app:1",
    digest: Digest | None = None,
    *,
    source: str = "src.io/app:1",
    source_digest: Digest | None = None,
    origin: Origin = Origin.APPLIED,
    first_seen: str = "2026-01-01T00:00:00Z",
    applied: str = "2026-01-02T00:00:00Z",
) -> Record:
    """What could be recorded of a target; its source has the same digest unless another one is given."""
    digest = digest or Digest.of(b"one")
    return Record(
        target=Reference.parse(target),
        source=Reference.parse(source),
        source_digest=source_digest or digest,
        target_digest=digest,
        media_type="application/vnd.oci.image.index.v1+json",
        entry="sync[0]",
        plan=Digest.of(b"plan"),
        first_seen=first_seen,
        applied=applied,
        origin=origin,
    )


def recorded(*records: Record) -> dict[Reference, Record]:
    """The records by their targets, as planning takes them."""
    return {each.target: each for each in records}
