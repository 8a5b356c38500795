"""One image on its way, what it has moved so far, and what it may go without."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from transship_executor.outcome import Traffic
from transship_planner.plans.plan import Change
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Manifest
from transship_registry.reference import Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy, is_artifact_refusal


@dataclass(slots=True)
class Job:
    """One image on its way from `source` to `target`, and what it has moved so far.

    `on_bytes` is told of every piece that is sent; `approved` is the image's manifest, once it has been fetched. What
    the target said it had, and then did not know, is `doubted`: it is sent again whatever the target says; with
    `doubt_all`, so is everything. `image` is the target tag as `warnings` name it, and `refused` what happens when the
    target does not take something that is attached.
    """

    source: Repository
    target: Repository
    include_external: bool = False
    on_bytes: Callable[[int], None] = field(default=lambda _: None)
    image: str = ""
    refused: RefusedArtifactPolicy = RefusedArtifactPolicy.FAIL
    traffic: Traffic = Traffic()
    doubted: frozenset[Digest] = frozenset()
    doubt_all: bool = False
    warnings: list[str] = field(default_factory=list[str])
    approved: Manifest | None = None

    @classmethod
    def of(cls, change: Change, on_bytes: Callable[[int], None]) -> Self:
        """Begin the job of a change."""
        return cls(
            change.source.repository,
            change.target.repository,
            change.include_external,
            on_bytes,
            str(change.target),
            RefusedArtifactPolicy(change.refused),
        )

    def doubts(self, digest: Digest) -> bool:
        """Whether the target is not to be believed when it says that it has this."""
        return self.doubt_all or digest in self.doubted

    def leave_behind(self, error: RegistryError, *, spares: bool = False) -> None:
        """Go on without what the target refused because of its kind, and say so if that is wanted; or raise the error.

        To be called while that is handled. What the image `spares`, since it is whole without it, never fails it.
        """
        if not is_artifact_refusal(error) or (self.refused is RefusedArtifactPolicy.FAIL and not spares):
            raise error
        if self.refused is not RefusedArtifactPolicy.SKIP:
            self.warnings.append(f"{self.image}: left behind: {error}")

    @contextmanager
    def between(self, source: Repository, target: Repository) -> Generator["Job"]:
        """Go another way with the same job; what that moves counts here, however it ends."""
        moving = replace(self, source=source, target=target, traffic=Traffic())
        try:
            yield moving
        finally:
            self.traffic += moving.traffic
