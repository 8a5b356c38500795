"""What has a subject is put so that it is listed: referrers tags of whole repositories, and referrers of one image."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Status
from transship_planner.gotemplate import Template
from transship_planner.names.backup import BackupRule
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan
from transship_registry.digest import Digest
from transship_registry.manifest import Manifest
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
IMAGE = images.multi_platform("app")
SBOM, SIGNATURE, THEIRS = (images.artifact(IMAGE, seed=seed) for seed in ("sbom", "signature", "theirs"))
LIST_TAG = IMAGE.referrers_tag
WHOLE = wishes.repository("src.io/app", "dst.io/app")


def world(*attached: images.Image, tags: tuple[str, ...] = ("1", "latest")) -> MemoryRegistry:
    """Registries without referrers API; the source holds an image by two tags, and the list of what is attached."""
    made = MemoryRegistry()
    made.keeps_lists = True
    for tag in tags:
        made.seed(f"src.io/app:{tag}", IMAGE)
    made.seed(f"src.io/app:{LIST_TAG}", images.referrers_index(attached))
    return made


def plan(registry: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    """Plan against the world, and forget that it was asked."""
    made = diff(asyncio.run(observe(wishes.desired(*(entries or (WHOLE,))), registry)), CIRCUMSTANCES)
    assert made.problems == ()
    registry.calls.clear()
    return made


def carry_out(made: Plan, registry: MemoryRegistry, at_once: int = 8) -> Outcome:
    """Apply the plan."""
    return asyncio.run(apply(made, registry, images_at_once=at_once))


def statuses(outcome: Outcome) -> set[Status]:
    """Return how the changes ended."""
    return {result.status for result in outcome.results}


def same(registry: MemoryRegistry) -> bool:
    """Tell whether the target's tags are the source's."""
    source, target = (registry.shelves[Repository.parse(name)].tags for name in ("src.io/app", "dst.io/app"))
    return source == target


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_list_is_copied_as_it_is_and_a_second_run_does_nothing(at_once: int) -> None:
    """What is attached is written before the list's own tag, and does not list itself there."""
    registry = world(SBOM, SIGNATURE)
    made = plan(registry)
    assert len(made.changes) == 3
    assert statuses(carry_out(made, registry, at_once)) == {Status.DONE}
    assert same(registry)
    assert plan(registry).changes == ()


def test_what_is_attached_later_updates_the_list() -> None:
    """The next run's plan saw the list that the first one left; writing what is new does not move it."""
    registry = world(SBOM)
    carry_out(plan(registry), registry)
    registry.seed(f"src.io/app:{LIST_TAG}", images.referrers_index([SBOM, SIGNATURE]))
    made = plan(registry)
    assert [(change.action, change.target.tag) for change in made.changes] == [(Action.UPDATE, LIST_TAG)]
    assert statuses(carry_out(made, registry)) == {Status.DONE}
    assert same(registry)
    assert plan(registry).changes == ()


def test_what_others_attached_at_the_target_gives_way_to_the_list_of_the_source() -> None:
    """Without `referrers` the tag is one like any other, so that it is overwritten, and kept if there is a backup."""
    registry = world(SBOM)
    theirs = images.referrers_index([THEIRS])
    registry.seed("dst.io/app:1", IMAGE)
    registry.seed(f"dst.io/app:{LIST_TAG}", theirs)
    kept = replace(WHOLE, backup=BackupRule(Template.parse("kept.io/app:{{.Ref.Tag}}"), None))
    made = plan(registry, kept)
    assert statuses(carry_out(made, registry)) == {Status.DONE}
    assert same(registry)
    assert registry.tagged(f"kept.io/app:{LIST_TAG}") == theirs.digest
    assert plan(registry, kept).changes == ()


def test_a_run_that_broke_off_is_continued_with_the_same_plan_and_with_a_new_one() -> None:
    """After any number of calls: the plan that was saved still holds, for nothing but it writes the list."""
    registry = world(SBOM, SIGNATURE)
    carry_out(plan(registry), registry, at_once=1)
    calls = len(registry.calls)
    assert calls > 20
    for allowed in range(calls):
        for plans_again in (False, True):
            registry = world(SBOM, SIGNATURE)
            made = plan(registry)
            break_off(registry, made, allowed)
            again = plan(registry) if plans_again else made
            assert statuses(carry_out(again, registry)) <= {Status.DONE, Status.ALREADY}
            assert same(registry)


def break_off(registry: MemoryRegistry, made: Plan, allowed: int) -> None:
    """Apply the plan, cancelled before the call that is one too many."""

    async def run() -> None:
        task = asyncio.ensure_future(apply(made, registry, images_at_once=1))

        def stop(_method: str, _reference: str) -> None:
            if len(registry.calls) == allowed:
                task.cancel()
                raise asyncio.CancelledError

        registry.before_call = stop
        assert (await task).interrupted

    asyncio.run(run())
    registry.before_call = lambda method, reference: None


def test_a_list_that_another_entry_copies_is_left_to_that() -> None:
    """One entry brings an SBOM by its tag, the other one the list, in whatever order."""
    registry = world(SIGNATURE, SBOM)
    registry.seed("src.io/app:sbom", SBOM)
    one, other = (wishes.image(f"src.io/app:{tag}", f"dst.io/app:{tag}") for tag in ("sbom", LIST_TAG))
    for entries in ((one, other), (other, one)):
        registry.shelves.pop(Repository.parse("dst.io/app"), None)
        assert statuses(carry_out(plan(registry, *entries), registry, at_once=1)) == {Status.DONE}
        assert registry.tagged(f"dst.io/app:{LIST_TAG}") == registry.tagged(f"src.io/app:{LIST_TAG}")
        assert plan(registry, *entries).changes == ()


def test_a_list_that_is_a_digest_tag_is_left_to_it() -> None:
    """With `digestTags` it is attached to both images and a tag of its own; it is written as it is."""
    registry = world(SBOM, SIGNATURE)
    entry = replace(WHOLE, copy=replace(WHOLE.copy, digest_tags=True))
    assert statuses(carry_out(plan(registry, entry), registry)) <= {Status.DONE, Status.ALREADY}
    assert same(registry)
    assert plan(registry, entry).changes == ()


def test_a_list_that_no_change_writes_is_kept_up() -> None:
    """A manifest with a subject that comes alone is listed, as the specification asks of whoever pushes it."""
    registry = world(tags=())
    registry.seed("src.io/app:sbom", SBOM)
    entry = wishes.image("src.io/app:sbom", "dst.io/app:sbom")
    assert statuses(carry_out(plan(registry, entry), registry)) == {Status.DONE}
    tagged = registry.tagged(f"dst.io/app:{LIST_TAG}")
    assert tagged is not None
    listed = registry.shelves[Repository.parse("dst.io/app")].manifests[Digest.parse(tagged)]
    assert [str(child.digest) for child in listed.children] == [SBOM.digest]


def test_a_list_in_another_repository_is_kept_up() -> None:
    """Only the tag in the very repository is left to the plan: the copy beside it gets its list from our puts."""
    registry = world(SBOM)
    registry.seed("src.io/app:sbom", SBOM)
    both = (WHOLE, wishes.image("src.io/app:sbom", "dst.io/other:sbom"))
    assert statuses(carry_out(plan(registry, *both), registry)) == {Status.DONE}
    assert registry.tagged(f"dst.io/app:{LIST_TAG}") == registry.tagged(f"src.io/app:{LIST_TAG}")
    assert registry.tagged(f"dst.io/other:{LIST_TAG}") is not None


class Forgetful(MemoryRegistry):
    """Has the referrers API, and keeps each list as olareg does: read, then written, whatever came between."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: defaultdict[tuple[Repository, Digest], frozenset[Digest]] = defaultdict(frozenset)

    async def put_manifest(
        self, reference: Reference, manifest: Manifest, *, keep_list: bool = True
    ) -> Referrer | None:
        """Store the manifest, and let others go on between reading the list and writing it."""
        stored = await super().put_manifest(reference, manifest, keep_list=keep_list)
        if manifest.subject is not None:
            place = (reference.repository, manifest.subject.digest)
            before = self.listed[place]
            for _ in range(50):
                await asyncio.sleep(0)
            self.listed[place] = before | {manifest.digest}
        return stored


def by_list(registry: MemoryRegistry) -> None:
    """Have the referrers under the list of them, as parts of one index."""
    registry.seed(f"src.io/app:{LIST_TAG}", images.referrers_index([SBOM, SIGNATURE, THEIRS]))


def by_tags(registry: MemoryRegistry) -> None:
    """Have the referrers under tags of their own, as changes of their own."""
    for tag, referrer in {"sbom": SBOM, "signature": SIGNATURE, "theirs": THEIRS}.items():
        registry.seed(f"src.io/app:{tag}", referrer)


@pytest.mark.parametrize(
    ("fill", "entry"),
    [(by_list, WHOLE), (by_tags, WHOLE), (by_list, replace(WHOLE, copy=replace(WHOLE.copy, referrers=True)))],
    ids=["parts of a list", "tags", "referrers"],
)
def test_what_is_attached_to_one_image_arrives_one_after_another(
    fill: Callable[[MemoryRegistry], None], entry: wishes.Entry
) -> None:
    """Registries lose one of two referrers of an image that arrive at once."""
    registry = Forgetful()
    registry.seed("src.io/app:1", IMAGE)
    fill(registry)
    assert statuses(carry_out(plan(registry, entry), registry)) == {Status.DONE}
    everything = {Digest.parse(each.digest) for each in (SBOM, SIGNATURE, THEIRS)}
    assert registry.listed == {(Repository.parse("dst.io/app"), Digest.parse(IMAGE.digest)): everything}
