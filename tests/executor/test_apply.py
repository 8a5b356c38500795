"""Applying a plan: the approved digests, each target only if it is as planned, and the same again changes nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec import structs

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Result, Status
from transship_executor.watching import Silent
from transship_planner.desired import MissingAttestations, PlatformRule
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Change, ConfigPin, Plan
from transship_planner.plans.planfile import decode, encode, save
from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError, RegistryError
from transship_registry.manifest import Descriptor
from transship_registry.platform import Platform
from transship_registry.ports import BlobOrigin
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")


def plan(world: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    """Plan against the world, and forget that it was asked."""
    made = diff(asyncio.run(observe(wishes.desired(*entries), world)), CIRCUMSTANCES)
    world.calls.clear()
    return made


def carry_out(made: Plan, world: MemoryRegistry) -> Outcome:
    """Apply the plan."""
    return asyncio.run(apply(made, world))


def statuses(outcome: Outcome) -> list[Status]:
    """Return how the changes ended."""
    return [result.status for result in outcome.results]


def test_an_applied_plan_is_in_sync_and_a_second_apply_does_nothing() -> None:
    """Apply, then plan: nothing to do. Apply again: nothing is written."""
    world = MemoryRegistry()
    image = images.with_attestations("app")
    world.seed("src.io/app:1", image)
    entry = wishes.repository("src.io/app", "dst.io/mirror/app")
    made = plan(world, entry)
    assert statuses(carry_out(made, world)) == [Status.DONE]
    assert world.tagged("dst.io/mirror/app:1") == image.digest
    assert plan(world, entry).changes == ()
    again = carry_out(made, world)
    assert statuses(again) == [Status.ALREADY]
    assert world.writes() == []
    assert world.calls == [("head_manifest", "dst.io/mirror/app:1")]


def test_the_planned_digest_arrives_though_upstream_moved() -> None:
    """Apply never resolves a tag again at the source."""
    world = MemoryRegistry()
    approved = images.single("approved")
    world.seed("src.io/app:1", approved)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    world.seed("src.io/app:1", images.single("moved"))
    assert statuses(carry_out(made, world)) == [Status.DONE]
    assert world.tagged("dst.io/app:1") == approved.digest


def test_a_target_that_moved_is_left_untouched_and_the_others_go_on() -> None:
    """Neither before nor after: a conflict, which says what was found."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.single(f"new {tag}"))
    before = images.single("old")
    world.seed("dst.io/app:1", before)
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    stranger = images.single("stranger")
    world.seed("dst.io/app:1", stranger)
    outcome = carry_out(made, world)
    assert statuses(outcome) == [Status.CONFLICT, Status.DONE]
    assert outcome.results[0].message == (
        f"dst.io/app:1 moved since the plan was made: the plan saw {before.digest}, now it is {stranger.digest}; "
        "it was left untouched, plan again to see what would change"
    )
    assert world.tagged("dst.io/app:1") == stranger.digest
    assert world.tagged("dst.io/app:2") == images.single("new 2").digest


def test_a_target_that_moves_while_its_blobs_are_copied_is_left_untouched() -> None:
    """The precondition is checked again just before the tag is written."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    stranger = images.single("stranger")

    def appear(method: str, _: str) -> None:
        if method == "upload_blob" and world.tagged("dst.io/app:1") is None:
            world.seed("dst.io/app:1", stranger)

    world.before_call = appear
    assert statuses(carry_out(made, world)) == [Status.CONFLICT]
    assert world.tagged("dst.io/app:1") == stranger.digest


def test_blobs_come_before_manifests_and_the_tag_comes_last() -> None:
    """Nothing is written before what it points at, so an interrupted apply leaves no tag on incomplete content."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    carry_out(made, world)
    writes = world.writes()
    assert writes[-1] == ("put_manifest", "dst.io/app:1")
    assert [reference for method, reference in writes if method == "put_manifest" and "@" not in reference] == [
        "dst.io/app:1"
    ]


def test_a_blob_shared_by_twenty_images_is_sent_once_and_mounted() -> None:
    """Each blob crosses the wire once per target registry, however many repositories want it."""
    world = MemoryRegistry()
    names = [f"app{number}" for number in range(20)]
    for name in names:
        world.seed(f"src.io/{name}:1", images.single("same"))
    made = plan(world, *(wishes.image(f"src.io/{name}:1", f"dst.io/{name}:1") for name in names))
    outcome = carry_out(made, world)
    blobs = len(list(images.single("same").all_blobs()))
    assert statuses(outcome) == [Status.DONE] * 20
    assert world.count("upload_blob") == blobs == outcome.traffic.blobs_sent
    assert world.count("get_blob") == blobs
    assert outcome.traffic.blobs_mounted == 19 * blobs


def test_without_mounts_every_repository_gets_its_own_copy() -> None:
    """A registry that does not mount is sent the blob again."""
    world = MemoryRegistry()
    world.mounts = False
    for name in ("a", "b"):
        world.seed(f"src.io/{name}:1", images.single("same"))
    made = plan(world, *(wishes.image(f"src.io/{name}:1", f"dst.io/{name}:1") for name in ("a", "b")))
    assert statuses(carry_out(made, world)) == [Status.DONE] * 2
    assert world.count("upload_blob") == 2 * len(list(images.single("same").all_blobs()))


def test_two_tags_of_one_image_are_copied_once() -> None:
    """The second tag costs no blob request at all."""
    world = MemoryRegistry()
    for tag in ("1", "latest"):
        world.seed(f"src.io/app:{tag}", images.multi_platform("app"))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    assert statuses(carry_out(made, world)) == [Status.DONE] * 2
    assert world.count("upload_blob") == len({blob.digest for blob in images.multi_platform("app").all_blobs()})


def test_a_failing_image_does_not_stop_the_others() -> None:
    """The failure says what was attempted and what the registry answered."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    broken = f"src.io/app@{images.single('1').blobs[1].digest}"
    world.fail["get_blob", broken] = RegistryError("GET blob", broken, "500 Internal Server Error", status=500)
    outcome = carry_out(made, world)
    assert statuses(outcome) == [Status.FAILED, Status.DONE]
    assert outcome.results[0].message == f"GET blob {broken}: 500 Internal Server Error"
    assert world.tagged("dst.io/app:1") is None


def test_killed_at_any_write_and_applied_again_it_converges() -> None:
    """Whatever the moment of the interruption, every tag is whole, and the next apply finishes the work."""
    source = images.multi_platform("app", platforms=PLATFORMS)
    total = len(_write_all(source))
    for moment in range(total):
        world, made = _world_with(source)
        _interrupt_after(world, made, moment)
        assert world.tagged("dst.io/app:1") in {None, source.digest}
        world.before_call = lambda method, reference: None
        assert statuses(carry_out(made, world)) in ([Status.DONE], [Status.ALREADY])
        assert world.tagged("dst.io/app:1") == source.digest


def _world_with(source: images.Image) -> tuple[MemoryRegistry, Plan]:
    world = MemoryRegistry()
    world.seed("src.io/app:1", source)
    return world, plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))


def _write_all(source: images.Image) -> list[tuple[str, str]]:
    world, made = _world_with(source)
    carry_out(made, world)
    return world.writes()


def _interrupt_after(world: MemoryRegistry, made: Plan, moment: int) -> None:
    async def scenario() -> None:
        running = asyncio.ensure_future(apply(made, world))

        def stop(method: str, _: str) -> None:
            if len(world.writes()) >= moment and method in {"put_manifest", "upload_blob"}:
                running.cancel()
                raise asyncio.CancelledError

        world.before_call = stop
        outcome = await running
        assert outcome.interrupted
        assert Status.NOT_STARTED in statuses(outcome)

    asyncio.run(scenario())


def reducing(*platforms: Platform) -> tuple[MemoryRegistry, Plan]:
    """A world and the plan to bring some platforms of an index."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app", platforms=PLATFORMS))
    return world, plan(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule(platforms)))


def changed(made: Plan, **members: Any) -> Plan:
    """Return a plan of one change with other members, as somebody may have written it."""
    (change,) = made.changes
    return msgspec.structs.replace(made, changes=(msgspec.structs.replace(change, **members),))


def test_a_reduced_index_that_is_not_what_was_approved_is_not_written() -> None:
    """Another version may build it otherwise: then nothing arrives, rather than what nobody has seen."""
    world, made = reducing(Platform("linux", "amd64"), Platform("linux", "s390x"))
    (change,) = made.changes
    assert change.after is not None
    other = Digest.of(b"other")
    (result,) = carry_out(changed(made, after=msgspec.structs.replace(change.after, digest=other)), world).results
    assert (result.status, result.message) == (
        Status.FAILED,
        f"the index reduced to what is wanted hashes to {change.after.digest}, "
        f"but {other} was approved; plan again with this version of transship",
    )
    assert world.writes() == []


def test_a_platform_that_the_approved_index_does_not_have_names_the_source() -> None:
    """Only a plan that somebody wrote by hand asks for one."""
    world, made = reducing(Platform("linux", "amd64"), Platform("linux", "s390x"))
    wanted = (Platform("linux", "amd64"), Platform("linux", "riscv64"))
    (result,) = carry_out(changed(made, platforms_wanted=wanted), world).results
    assert (result.status, result.message) == (
        Status.FAILED,
        "select platform src.io/app:1: platform linux/riscv64 is not among those offered: "
        "linux/amd64, linux/arm64, linux/s390x; name an offered platform, or remove it from the entry",
    )


@pytest.mark.parametrize("lacking", ["after", "source_digest"])
def test_a_change_that_pins_no_digest_is_not_carried_out(lacking: str) -> None:
    """There is nothing that was approved; what the tag names now is not asked."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    made = changed(plan(world, wishes.image("src.io/app:1", "dst.io/app:1")), **{lacking: None})
    (result,) = carry_out(made, world).results
    assert (result.change, result.status) == (made.changes[0], Status.FAILED)
    assert result.message == (
        "this version of transship cannot carry out a change of this kind: create; "
        "apply the plan with the version that made it, or plan again"
    )
    assert world.calls == []


def test_a_backup_of_a_target_that_the_plan_saw_absent_is_nothing() -> None:
    """There is no image to keep."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    assert statuses(carry_out(changed(made, backup=Reference.parse("dst.io/app:old")), world)) == [Status.DONE]
    assert world.tagged("dst.io/app:old") is None


class Noting(Silent):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.sent = Counter[str]()
        self.working = set[str]()
        self.most = 0

    def change_started(self, change: Change) -> None:
        """Note how many are worked on."""
        self.working.add(str(change.target))
        self.most = max(self.most, len(self.working))

    def bytes_sent(self, change: Change, count: int) -> None:
        """Note for whom."""
        self.sent[str(change.target)] += count

    def change_ended(self, result: Result) -> None:
        """Note it."""
        self.working.remove(str(result.change.target))


def test_whoever_watches_is_told_of_the_bytes_of_each_change() -> None:
    """As they are sent; the sum is what the outcome says."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.single(tag, size=1000 * int(tag)))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    watcher = Noting()
    outcome = asyncio.run(apply(made, world, watcher=watcher))
    assert [(result.change, result.status, result.message) for result in outcome.results] == [
        (change, Status.DONE, "") for change in made.changes
    ]
    assert watcher.sent == {
        f"dst.io/app:{tag}": sum(blob.size for blob in images.single(tag, size=1000 * int(tag)).all_blobs())
        for tag in ("1", "2")
    }
    assert watcher.sent.total() == outcome.traffic.sent
    assert outcome.interrupted is False


class Leisurely(MemoryRegistry):
    """Lets others go on before each upload."""

    async def upload_blob(self, repository: Repository, blob: Descriptor, origin: BlobOrigin) -> None:
        """Take a while."""
        for _ in range(50):
            await asyncio.sleep(0)
        await super().upload_blob(repository, blob, origin)


@pytest.mark.parametrize(("applying", "most"), [(apply, 8), (partial(apply, images_at_once=3), 3)])
def test_so_many_images_are_copied_at_once(applying: Callable[..., Coroutine[Any, Any, Outcome]], most: int) -> None:
    """Eight, unless it is said otherwise."""
    world = Leisurely()
    for number in range(12):
        world.seed(f"src.io/app:{number}", images.single(str(number)))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    watcher = Noting()
    outcome = asyncio.run(applying(made, world, watcher=watcher))
    assert statuses(outcome) == [Status.DONE] * 12
    assert watcher.most == most


def test_a_change_whose_source_has_enough_pulls_left_needs_no_clock_of_its_caller() -> None:
    """The time is that of the machine unless another one is given."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.quotas["src.io"] = Quota(100, 99)
    made = plan(world, wishes.sparing(wishes.image("src.io/app:1", "dst.io/app:1"), 20))
    assert statuses(carry_out(made, world)) == [Status.DONE]


def test_a_reduced_index_arrives_with_the_planned_digest() -> None:
    """The index is built again from the approved source digest, and must give the approved bytes."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app", platforms=PLATFORMS))
    rule = PlatformRule((Platform("linux", "amd64"), Platform("linux", "s390x")))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=rule))
    assert statuses(carry_out(made, world)) == [Status.DONE]
    (change,) = made.changes
    assert change.after is not None
    assert world.tagged("dst.io/app:1") == str(change.after.digest)
    stored = world.shelves[Reference.parse("dst.io/app:1").repository]
    assert len(stored.manifests) == 3


@pytest.mark.parametrize(
    "platforms", [PlatformRule(), PlatformRule((Platform.parse(PLATFORMS[0]), Platform.parse(PLATFORMS[1])))]
)
def test_an_index_without_what_the_source_lacks_arrives_with_the_planned_digest(platforms: PlatformRule) -> None:
    """Apply builds it from the plan file alone, asks for nothing that is missing, and finds it in sync afterwards."""
    world = MemoryRegistry()
    image = images.with_attestations("app", platforms=PLATFORMS)
    source = world.seed("src.io/app:1", image)
    missing = Digest.parse(image.children[4].digest)
    del world.shelves[source.repository].manifests[missing]
    entry = wishes.image("src.io/app:1", "dst.io/app:1", platforms=platforms)
    entry = replace(entry, copy=replace(entry.copy, missing_attestations=MissingAttestations.SKIP))
    saved = decode(encode(save(plan(world, entry), created_at="")), "plan.json")
    assert statuses(carry_out(saved.plan, world)) == [Status.DONE]
    assert all(str(missing) not in reference for _, reference in world.calls)
    (change,) = saved.plan.changes
    assert change.after is not None
    assert world.tagged("dst.io/app:1") == str(change.after.digest)
    arrived = world.shelves[Reference.parse("dst.io/app:1").repository].manifests
    assert missing not in arrived
    assert Digest.parse(image.children[3].digest) in arrived
    assert plan(world, entry).changes == ()


def test_an_index_that_is_not_what_was_approved_is_not_written() -> None:
    """A plan that leaves out something else than it says fails, and the target stays as it is."""
    world = MemoryRegistry()
    image = images.with_attestations("app", platforms=PLATFORMS)
    world.seed("src.io/app:1", image)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    wrong = structs.replace(made.changes[0], left_out=(Digest.parse(image.children[3].digest),))
    outcome = carry_out(structs.replace(made, changes=(wrong,)), world)
    assert statuses(outcome) == [Status.FAILED]
    assert "the index reduced to what is wanted hashes to" in outcome.results[0].message
    assert world.tagged("dst.io/app:1") is None


@pytest.mark.parametrize("wanted", [False, True])
def test_external_layers_travel_only_when_wanted(*, wanted: bool) -> None:
    """Layers with urls stay where they are, unless `includeExternal` asks for them (B13.7)."""
    world = MemoryRegistry()
    foreign = replace(images.layer("windows base", 500), urls=("https://example.com/base",))
    world.seed("src.io/app:1", images.single("windows", layers=["own", foreign]))
    entry = wishes.image("src.io/app:1", "dst.io/app:1")
    made = plan(world, replace(entry, copy=replace(entry.copy, include_external=wanted)))
    assert statuses(carry_out(made, world)) == [Status.DONE]
    arrived = world.shelves[Reference.parse("dst.io/app:1").repository].blobs
    assert (Digest.parse(foreign.digest) in arrived) is wanted


@pytest.mark.parametrize("backup", ["old-{{.Ref.Tag}}", "dst.io/attic/app:{{.Ref.Tag}}"])
def test_the_image_that_is_replaced_is_kept_first(backup: str) -> None:
    """Beside the target or elsewhere, before the tag moves (B11, "Backup")."""
    world = MemoryRegistry()
    old = images.multi_platform("old")
    world.seed("src.io/app:1", images.multi_platform("new"))
    world.seed("dst.io/app:1", old)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup=backup))
    (change,) = made.changes
    outcome = carry_out(made, world)
    assert statuses(outcome) == [Status.DONE]
    assert world.tagged(str(change.backup)) == old.digest
    writes = [reference for method, reference in world.writes() if method == "put_manifest"]
    assert writes[-2:] == [str(change.backup), "dst.io/app:1"]
    new = len(list(images.multi_platform("new").manifests()))
    assert outcome.traffic.manifests == len(writes) == new + (1 if "/" not in backup else new)
    # A tag beside the target costs neither a look at what the repository has, nor more than one manifest.
    looked = ("head_manifest", str(change.target.repository.at(Digest.parse(old.digest)))) in world.calls
    assert not looked


@pytest.mark.parametrize("backup", ["old", "dst.io/attic/app:old"])
def test_a_backup_tag_that_holds_another_image_is_overwritten(backup: str) -> None:
    """It keeps what the tag pointed at last; were the older one left in its place, what is replaced would be lost."""
    world = MemoryRegistry()
    oldest, old, new = (images.single(age) for age in ("oldest", "old", "new"))
    world.seed("src.io/app:1", new)
    world.seed("dst.io/app:1", old)
    kept = backup if "/" in backup else f"dst.io/app:{backup}"
    world.seed(kept, oldest)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup=backup))
    assert statuses(carry_out(made, world)) == [Status.DONE]
    assert (world.tagged(kept), world.tagged("dst.io/app:1")) == (old.digest, new.digest)
    written = [reference for method, reference in world.writes() if method == "put_manifest"]
    assert written == [kept, "dst.io/app:1"]


def test_a_backup_tag_that_holds_the_image_already_is_not_written_again() -> None:
    """An apply that was broken off after its backup goes on behind it."""
    world = MemoryRegistry()
    old, new = images.single("old"), images.single("new")
    world.seed("src.io/app:1", new)
    world.seed("dst.io/app:1", old)
    world.seed("dst.io/app:old", old)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup="old"))
    assert statuses(carry_out(made, world)) == [Status.DONE]
    assert [reference for method, reference in world.writes() if method == "put_manifest"] == ["dst.io/app:1"]


def test_a_failing_backup_stops_its_change() -> None:
    """Regsync warns and overwrites the image all the same (B11); here the tag stays where it is."""
    world = MemoryRegistry()
    old = images.single("old")
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", old)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup="old"))
    world.fail["put_manifest", "dst.io/app:old"] = RegistryError("PUT manifest", "dst.io/app:old", "403", status=403)
    outcome = carry_out(made, world)
    assert statuses(outcome) == [Status.FAILED]
    assert outcome.results[0].message == "PUT manifest dst.io/app:old: 403"
    assert world.tagged("dst.io/app:1") == old.digest


def test_a_blob_that_was_said_to_exist_is_sent_once_more() -> None:
    """What was said to exist, and is then not known, is uploaded again, and only that."""
    world = MemoryRegistry()
    image = images.single("app", layers=3)
    world.seed("src.io/app:1", image)
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    target = Reference.parse("dst.io/app:1").repository
    lied_about = Digest.parse(image.blobs[1].digest)
    world.shelves[target].blobs[lied_about] = image.blobs[1].data
    refused: list[str] = []

    def forget(method: str, reference: str) -> None:
        if method == "put_manifest" and not refused:
            refused.append(reference)
            raise MissingContentError("PUT manifest", reference, "BLOB_UNKNOWN", status=404, digests=(lied_about,))

    world.before_call = forget
    assert statuses(carry_out(made, world)) == [Status.DONE]
    assert world.count("upload_blob") == 4
    assert world.calls.count(("upload_blob", f"dst.io/app@{lied_about}")) == 1
    assert world.count("get_manifest") == 1


def test_whoever_acts_after_an_entry_is_called_once_its_last_change_has_ended() -> None:
    """Once for each entry that has changes, with all of its results in the plan's order, however they ended."""
    world = MemoryRegistry()
    for tag in ("1", "2", "3"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
    made = plan(
        world,
        wishes.repository("src.io/app", "dst.io/app", allow=("1", "3")),
        wishes.repository("src.io/app", "dst.io/app", allow=("2",)),
    )
    world.fail["put_manifest", "dst.io/app:1"] = RegistryError("PUT manifest", "dst.io/app:1", "403", status=403)
    seen: list[tuple[str, list[tuple[str | None, Status]], bool]] = []

    async def after_entry(entry: str, results: Sequence[Result]) -> None:
        ended = [(result.change.target.tag, result.status) for result in results]
        seen.append((entry, ended, world.tagged("dst.io/app:3") is not None))

    outcome = asyncio.run(apply(made, world, images_at_once=1, after_entry=after_entry))
    assert statuses(outcome) == [Status.FAILED, Status.DONE, Status.DONE]
    assert seen == [
        ("sync[1]", [("2", Status.DONE)], False),
        ("sync[0]", [("1", Status.FAILED), ("3", Status.DONE)], True),
    ]


@pytest.mark.parametrize("side", ["head", "put"])
def test_a_refusing_target_is_a_failure_of_that_change(side: str) -> None:
    """No error of a registry ends the run."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    call = ("head_manifest" if side == "head" else "put_manifest", "dst.io/app:1")
    world.fail[call] = RegistryError(f"{side} manifest", "dst.io/app:1", "403 DENIED", status=403)
    assert statuses(carry_out(made, world)) == [Status.FAILED]
