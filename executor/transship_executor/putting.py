"""Put manifests at the targets, without touching the referrers tags that the plan writes itself."""

from collections.abc import Iterable, Iterator

from transship_planner.plans.plan import Change
from transship_registry.manifest import Manifest
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference
from transship_registry.referrers.index import referrers_tag


class Putter:
    """Puts manifests for the pending changes of a plan.

    Where there is no referrers API, a manifest with a subject has to be listed under that one's referrers tag. A
    repository that is copied as a whole has such tags among its own: what the plan writes under them is the whole list,
    and a list that is kept up meanwhile would be neither what the plan saw there nor what it wants.
    """

    def __init__(self, registry: RegistryWriter, pending: Iterable[Change]) -> None:
        self._registry = registry
        self._planned = frozenset(tag for change in pending for tag in _tags(change))

    async def put(self, reference: Reference, manifest: Manifest) -> None:
        """Store a manifest, and list it under its subject's referrers tag unless the plan writes that."""
        subject = manifest.subject
        planned = subject is not None and reference.repository.tag(referrers_tag(subject.digest)) in self._planned
        await self._registry.put_manifest(reference, manifest, keep_list=not planned)


def _tags(change: Change) -> Iterator[Reference]:
    """Yield every tag that a change writes."""
    yield change.target
    if change.backup is not None:
        yield change.backup
    yield from (each.target.tag(each.tag) for each in change.attached if each.tag)
