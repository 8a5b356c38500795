"""What lies between the features: content that changes share, retries, waiting, backups, and what is attached."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Status, Traffic
from transship_executor.watching import Silent
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, Change, ConfigPin, Plan
from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError, RegistryError
from transship_registry.http.timing import Timing
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
IMAGE = images.multi_platform("app")
SBOM = images.artifact(IMAGE, seed="sbom")
OTHER_SBOM = images.artifact(IMAGE, seed="other sbom")
SIGNATURE_OF_SBOM = images.artifact(SBOM, seed="signature", artifact_type="application/vnd.example.signature.v1")
COSIGN = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")
COSIGN_TAG = images.cosign_tag(IMAGE)
ATTACHED = (SBOM, OTHER_SBOM, SIGNATURE_OF_SBOM, COSIGN)
SOURCE = Repository.parse("src.io/app")


def plan(world: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    """Plan against the world, and forget that it was asked."""
    made = diff(asyncio.run(observe(wishes.desired(*entries), world)), CIRCUMSTANCES)
    assert made.problems == ()
    world.calls.clear()
    return made


def signed(*tags: str) -> MemoryRegistry:
    """A source with a signed image under these tags."""
    world = MemoryRegistry()
    for tag in tags:
        world.seed(f"src.io/app:{tag}", IMAGE)
    for each in ATTACHED[:-1]:
        world.seed("src.io/app:untagged", each)
    del world.shelves[SOURCE].tags["untagged"]
    world.seed(f"src.io/app:{COSIGN_TAG}", COSIGN)
    return world


def whole(entry: wishes.Entry, **rules: Any) -> wishes.Entry:
    """The entry with all that is attached to its images."""
    return replace(entry, copy=replace(entry.copy, **{"referrers": True, "digest_tags": True, **rules}))


def statuses(outcome: Outcome) -> list[Status]:
    """Return how the changes ended."""
    return [result.status for result in outcome.results]


def forgetting(world: MemoryRegistry, image: images.Image, blob: images.Blob) -> None:
    """Let every registry refuse the manifest of an image once, for a blob that it said it had, and has lost."""
    refused: set[str] = set()

    def forget(method: str, reference: str) -> None:
        place = Reference.parse(reference).repository
        if method == "put_manifest" and reference.endswith(image.digest) and str(place) not in refused:
            refused.add(str(place))
            lost = Digest.parse(blob.digest)
            world.shelves[place].blobs.pop(lost, None)
            raise MissingContentError("PUT manifest", reference, "MANIFEST_BLOB_UNKNOWN", digests=(lost,))

    world.before_call = forget


def test_an_image_that_is_part_of_another_is_not_taken_for_stored_before_it_is() -> None:
    """One tag names a platform of what the other names; the first meets a conflict after its blobs were brought."""
    world = MemoryRegistry()
    world.seed("src.io/app:amd64", IMAGE.children[0])
    world.seed("src.io/app:multi", IMAGE)
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    stranger = images.single("stranger")

    def move(method: str, _: str) -> None:
        if method == "upload_blob" and world.tagged("dst.io/app:amd64") is None:
            world.seed("dst.io/app:amd64", stranger)

    world.before_call = move
    outcome = asyncio.run(apply(made, world, images_at_once=1))
    assert statuses(outcome) == [Status.CONFLICT, Status.DONE]
    assert world.tagged("dst.io/app:multi") == IMAGE.digest
    assert Counter(world.writes()).most_common(1)[0][1] == 1


@pytest.mark.parametrize("at_once", [1, 8])
def test_what_is_attached_to_an_image_of_two_tags_and_two_targets_is_copied_once(at_once: int) -> None:
    """Read once from the source, listed and written once at each target."""
    world = signed("1", "latest")
    entries = [whole(wishes.repository("src.io/app", f"{host}.io/app", allow=("1", "latest"))) for host in "ab"]
    outcome = asyncio.run(apply(plan(world, *entries), world, images_at_once=at_once))
    assert statuses(outcome) == [Status.DONE] * 4
    calls = Counter(world.calls)
    for each in ATTACHED:
        assert calls["get_manifest", f"src.io/app@{each.digest}"] == 1
        for blob in each.all_blobs():
            assert calls["get_blob", f"src.io/app@{blob.digest}"] == 1
    for host in "ab":
        assert calls["put_manifest", f"{host}.io/app:{COSIGN_TAG}"] == 1
        assert [calls["put_manifest", f"{host}.io/app@{each.digest}"] for each in ATTACHED[:-1]] == [1, 1, 1]
        # Both tags' changes look, each once at the image and once at the SBOM that is signed itself.
        assert calls["list_referrers", f"{host}.io/app@{IMAGE.digest}"] == 2
        assert calls["list_referrers", f"{host}.io/app@{SBOM.digest}"] == 2
    assert plan(world, *entries).changes == ()


def test_a_refresh_that_only_attaches_gets_a_forgotten_blob_again() -> None:
    """As an image that is copied does: it is sent once more, whatever the target says."""
    world = signed("1")
    world.seed("dst.io/app:1", IMAGE)
    made = plan(world, whole(wishes.image("src.io/app:1", "dst.io/app:1")))
    forgetting(world, SBOM, SBOM.blobs[1])
    assert statuses(asyncio.run(apply(made, world))) == [Status.DONE]
    assert world.writes().count(("upload_blob", f"dst.io/app@{SBOM.blobs[1].digest}")) == 2


def test_what_is_left_behind_is_told_once_though_it_is_tried_twice() -> None:
    """The target refuses one SBOM for its kind, and the other for a blob that it has forgotten."""
    world = signed("1")
    entry = whole(wishes.image("src.io/app:1", "dst.io/app:1"), refused_referrers=RefusedArtifactPolicy.WARN)
    made = plan(world, entry)
    first, second = (image for image in _in_order(made) if image in {SBOM.digest, OTHER_SBOM.digest})
    kind = RegistryError("PUT manifest", "dst.io/app", "MANIFEST_INVALID: unknown media type", status=400)
    world.fail["put_manifest", f"dst.io/app@{first}"] = kind
    forgotten = next(each for each in ATTACHED if each.digest == second)
    forgetting(world, forgotten, forgotten.blobs[1])
    (result,) = asyncio.run(apply(made, world)).results
    assert result.status is Status.DONE
    assert result.warnings.count(f"dst.io/app:1: left behind: {kind}") == 1


def test_what_is_left_behind_is_told_though_the_change_fails_later() -> None:
    """The tag could not be written; that the SBOM was refused is worth knowing all the same."""
    world = signed("1")
    entry = whole(wishes.image("src.io/app:1", "dst.io/app:1"), refused_referrers=RefusedArtifactPolicy.WARN)
    made = plan(world, entry)
    kind = RegistryError("PUT manifest", "dst.io/app", "MANIFEST_INVALID: unknown media type", status=400)
    world.fail["put_manifest", f"dst.io/app@{SBOM.digest}"] = kind
    world.fail["put_manifest", "dst.io/app:1"] = RegistryError("PUT manifest", "dst.io/app:1", "403", status=403)
    (result,) = asyncio.run(apply(made, world)).results
    assert (result.status, result.message) == (Status.FAILED, "PUT manifest dst.io/app:1: 403")
    assert f"dst.io/app:1: left behind: {kind}" in result.warnings


def _in_order(made: Plan) -> list[str]:
    return [str(each.digest) for change in made.changes for each in change.attached]


def test_a_backup_gets_a_forgotten_blob_again() -> None:
    """Its repository said that it had the blob; the second time it is not believed."""
    world = MemoryRegistry()
    world.mounts = False
    old = images.single("old")
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", old)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup="dst.io/attic/app:1"))
    attic = Repository.parse("dst.io/attic/app")
    lost = Digest.parse(old.blobs[1].digest)
    refused: list[str] = []

    def forget(method: str, reference: str) -> None:
        if (method, reference) == ("put_manifest", "dst.io/attic/app:1") and not refused:
            refused.append(reference)
            del world.shelves[attic].blobs[lost]
            raise MissingContentError("PUT manifest", reference, "MANIFEST_BLOB_UNKNOWN", digests=(lost,))

    world.before_call = forget
    assert statuses(asyncio.run(apply(made, world))) == [Status.DONE]
    assert world.tagged("dst.io/attic/app:1") == old.digest


def test_what_a_backup_has_moved_counts_though_it_failed() -> None:
    """The summary tells what went over the wire."""
    world = MemoryRegistry()
    world.mounts = False
    old, new = images.single("old", layers=1), images.single("new", layers=1)
    world.seed("src.io/app:1", new)
    world.seed("dst.io/app:1", old)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup="dst.io/attic/app:1"))

    def refuse(method: str, reference: str) -> None:
        if (method, reference) == ("upload_blob", f"dst.io/attic/app@{old.blobs[1].digest}"):
            raise RegistryError("PUT upload", reference, "403", status=403)

    world.before_call = refuse
    (result,) = asyncio.run(apply(made, world)).results
    assert result.status is Status.FAILED
    assert result.traffic == Traffic(sent=sum(blob.size for blob in (*new.blobs, old.blobs[0])), blobs_sent=3)


class Clock:
    """A clock whose sleeps take no time, and during which a test may do something."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.now = 0.0
        self.sleeps = 0
        self._meanwhile = meanwhile

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.now += seconds
        self.sleeps += 1
        self._meanwhile()
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        """What apply takes."""
        return Timing(clock=lambda: self.now, sleep=self.sleep)


def waiting(world: MemoryRegistry, made: Plan, meanwhile: Callable[[], object] = lambda: None) -> tuple[Outcome, Clock]:
    """Apply while the source has too few pulls left until the first period is over."""
    world.quotas["src.io"] = Quota(100, 3)

    def pass_by() -> None:
        world.quotas["src.io"] = Quota(100, 99)
        meanwhile()

    clock = Clock(pass_by)
    return asyncio.run(apply(made, world, timing=clock.timing)), clock


def sparing_refresh() -> tuple[MemoryRegistry, Plan]:
    """A world in which the target has the image without what is attached, and the source few pulls left."""
    world = signed("1")
    world.seed("dst.io/app:1", IMAGE)
    made = plan(world, wishes.sparing(whole(wishes.image("src.io/app:1", "dst.io/app:1")), 20))
    assert [change.action for change in made.changes] == [Action.REFRESH]
    return world, made


def test_a_refresh_that_only_attaches_waits_before_its_first_pull() -> None:
    """Manifests of signatures are counted as pulls, too."""
    world, made = sparing_refresh()
    outcome, clock = waiting(world, made)
    assert statuses(outcome) == [Status.DONE]
    assert clock.sleeps == 1
    methods = [method for method, reference in world.calls if reference.startswith("src.io")]
    assert methods[:3] == ["pull_quota", "pull_quota", "get_manifest"]


def test_a_refresh_that_finds_nothing_lacking_does_not_wait() -> None:
    """It takes no pull."""
    world, made = sparing_refresh()
    asyncio.run(apply(made, world))
    world.calls.clear()
    outcome, clock = waiting(world, made)
    assert (statuses(outcome), clock.sleeps, world.count("pull_quota")) == ([Status.ALREADY], 0, 0)


def test_a_tag_that_moves_while_its_refresh_waits_is_a_conflict() -> None:
    """What is attached to the old image is not brought for the new one."""
    world, made = sparing_refresh()
    outcome, _ = waiting(world, made, partial(world.seed, "dst.io/app:1", images.single("stranger")))
    assert statuses(outcome) == [Status.CONFLICT]
    assert (world.writes(), world.count("get_manifest")) == ([], 0)


def test_what_another_did_while_a_change_waited_costs_no_pull() -> None:
    """The target is looked at again when the wait is over."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", IMAGE)
    made = plan(world, wishes.sparing(wishes.image("src.io/app:1", "dst.io/app:1"), 20))
    outcome, _ = waiting(world, made, partial(world.seed, "dst.io/app:1", IMAGE))
    assert statuses(outcome) == [Status.ALREADY]
    assert world.count("get_manifest") == 0


def test_a_blob_of_the_wrong_size_is_mended() -> None:
    """The plan finds it lost, and so does apply: else the refresh would be planned for ever."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", IMAGE)
    world.seed("dst.io/app:1", IMAGE)
    broken = IMAGE.children[0].blobs[1]
    target = world.shelves[Repository.parse("dst.io/app")].blobs
    target[Digest.parse(broken.digest)] = b"half"
    entry = wishes.image("src.io/app:1", "dst.io/app:1")
    entry = replace(entry, copy=replace(entry.copy, force_recursive=True))
    assert statuses(asyncio.run(apply(plan(world, entry), world))) == [Status.DONE]
    assert target[Digest.parse(broken.digest)] == broken.data
    assert plan(world, entry).changes == ()


class Started(Silent):
    """Notes what was started and ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def change_started(self, change: Change) -> None:
        """Note it."""
        self.seen.append(f"{change.action} {change.target}")


def restrained(world: MemoryRegistry, *actions: Action) -> Plan:
    """A plan in which the first changes have these actions."""
    for number in range(3):
        world.seed(f"src.io/app:{number}", images.single(str(number)))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    changed = [
        msgspec.structs.replace(change, action=action, reason=f"it is {action}")
        for change, action in zip(made.changes, actions, strict=False)
    ]
    return msgspec.structs.replace(made, changes=(*changed, *made.changes[len(changed) :]))


def test_what_is_held_or_blocked_is_never_started() -> None:
    """Nobody is told that it is worked on, and it is skipped also when the run is interrupted before it is done."""
    world = MemoryRegistry()
    made = restrained(world, Action.HELD, Action.BLOCKED)
    watcher = Started()

    async def scenario() -> Outcome:
        running = asyncio.ensure_future(apply(made, world, watcher=watcher))

        def stop(method: str, _: str) -> None:
            if method == "put_manifest":
                running.cancel()
                raise asyncio.CancelledError

        world.before_call = stop
        return await running

    outcome = asyncio.run(scenario())
    assert outcome.interrupted
    assert [(result.change, result.status, result.message) for result in outcome.results] == [
        (made.changes[0], Status.SKIPPED, "it is held"),
        (made.changes[1], Status.SKIPPED, "it is blocked"),
        (made.changes[2], Status.NOT_STARTED, "the run was interrupted"),
    ]
    assert watcher.seen == ["create dst.io/app:2"]


def test_an_action_that_this_version_does_not_know_how_to_do_is_a_failure() -> None:
    """A plan that was approved is carried out, or it is said that it was not."""
    world = MemoryRegistry()
    made = restrained(world, Action.DELETE)
    outcome = asyncio.run(apply(made, world))
    assert statuses(outcome) == [Status.FAILED, Status.DONE, Status.DONE]
    assert outcome.results[0].message == (
        "this version of transship cannot carry out a change of this kind: delete; "
        "apply the plan with the version that made it, or plan again"
    )
