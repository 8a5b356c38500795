"""Copy what is attached to an image: referrers and digest tags, those nearer to the image first (semantics B13.13)."""

from dataclasses import replace

from transship_executor.copying import Copier, Job
from transship_executor.errors import ConflictError
from transship_executor.outcome import Traffic
from transship_executor.sources import Sources
from transship_planner.plan import Attachment, Change
from transship_registry.errors import RegistryError
from transship_registry.ports import RegistryWriter
from transship_registry.referrers.refused import RefusedArtifactPolicy, is_artifact_refusal


class Attacher:
    """Attaches, at the target of a change, what its plan says; what is there already is left alone."""

    def __init__(self, registry: RegistryWriter, sources: Sources, copier: Copier) -> None:
        self._registry = registry
        self._sources = sources
        self._copier = copier

    async def attach(self, change: Change, job: Job) -> bool:
        """Bring all that is not there yet; tell whether anything was written.

        Raises `ConflictError` when a digest tag is neither what the plan saw nor what it wants. What the target refuses
        because of its kind is an error, or one of the job's warnings, as the change says.
        """
        written = False
        for each in change.attached:
            if not each.present and not await self._is_there(each):
                written |= await self._bring(each, change, job)
        return written

    async def _is_there(self, each: Attachment) -> bool:
        if not each.tag:
            listed = await self._registry.list_referrers(each.target, each.subject)
            return any(found.digest == each.digest for found in listed.descriptors)
        place = each.target.tag(each.tag)
        descriptor = await self._registry.head_manifest(place)
        found = descriptor.digest if descriptor else None
        if found not in {each.digest, each.before}:
            raise ConflictError(place, str(each.before or "absent"), str(found or "absent"))
        return found == each.digest

    async def _bring(self, each: Attachment, change: Change, job: Job) -> bool:
        """Copy one manifest with all below it; False when the target refused it and that is no error."""
        moving = replace(job, source=each.source, target=each.target, traffic=Traffic())
        place = each.target.tag(each.tag) if each.tag else each.target.at(each.digest)
        try:
            manifest = await self._sources.get_manifest(each.source.at(each.digest))
            await self._copier.bring(moving, manifest)
            await self._registry.put_manifest(place, manifest)
        except RegistryError as error:
            policy = RefusedArtifactPolicy(change.refused)
            if policy is RefusedArtifactPolicy.FAIL or not is_artifact_refusal(error):
                raise
            if policy is RefusedArtifactPolicy.WARN:
                job.warnings.append(f"{change.target}: left behind: {error}")
            return False
        finally:
            job.traffic += moving.traffic
        job.traffic += Traffic(manifests=1)
        return True
