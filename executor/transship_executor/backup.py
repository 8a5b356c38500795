"""Keep the image that a target tag is about to leave (semantics B11, "Backup")."""

from transship_executor.copying import Copier
from transship_executor.job import Job
from transship_executor.outcome import Traffic
from transship_executor.putting import Putter
from transship_planner.plans.plan import Change
from transship_registry.ports import RegistryReader


async def back_up(registry: RegistryReader, copier: Copier, putter: Putter, change: Change, job: Job) -> None:
    """Keep what the target tag points at, as it was approved; when that fails, the tag stays where it is."""
    if change.backup is None or change.before is None:
        return
    kept = await registry.head_manifest(change.backup)
    if kept is not None and kept.digest == change.before.digest:
        return
    manifest = await registry.get_manifest(change.target.at(change.before.digest))
    if change.backup.repository != change.target.repository:
        with job.between(change.target.repository, change.backup.repository) as moving:
            await copier.bring(moving, manifest)
    await putter.put_listed(change.backup, manifest, job)
    job.traffic += Traffic(manifests=1)
