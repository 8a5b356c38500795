"""Desired against observed: which changes a plan holds, why, and what they cost."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import date
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import images, records, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, LifecycleRule, OnEol, PlatformRule
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.policy import eol_policy
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan, Problem
from transship_planner.plans.planfile import plan_digest
from transship_registry.digest import Digest
from transship_registry.endoflife.cycles import Cycle, ProductCycles
from transship_registry.errors import RegistryError
from transship_registry.hosts import HostSettings
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.platform import Platform
from transship_registry.sizes import LARGEST

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
CYCLES = (Cycle("2", date(2025, 12, 31)), Cycle("1", date(2026, 1, 20)))
JUDGE = Judge(date(2026, 1, 1), critical_days=30, known={"app": ProductCycles(CYCLES)})
WITH_LIFECYCLES = replace(CIRCUMSTANCES, judge=JUDGE)
T = TypeVar("T")


def look(world: MemoryRegistry, *entries: wishes.Entry) -> Observed:
    """Observe, with contents."""
    return asyncio.run(observe(wishes.desired(*entries), world))


def plan(world: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    """Plan against the world."""
    return diff(look(world, *entries), CIRCUMSTANCES)


def test_equal_sides_give_an_empty_plan() -> None:
    """`diff(x, x)` is empty, and counts what is in sync per entry."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
        world.seed(f"dst.io/app:{tag}", images.single(tag))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    assert made.changes == ()
    assert made.unchanged.count == 2
    assert [(count.entry, count.count) for count in made.unchanged.entries] == [("sync[0]", 2)]
    assert made.forecast.transfer == 0


def test_an_absent_target_is_created_with_its_whole_tree() -> None:
    """The change names every manifest and blob, and counts each once."""
    world = MemoryRegistry()
    image = images.multi_platform("app")
    world.seed("src.io/app:1", image)
    (change,) = plan(world, wishes.image("src.io/app:1", "dst.io/app:1")).changes
    assert change.action is Action.CREATE
    assert change.before is None
    assert change.reason == "the target tag does not exist"
    assert {str(manifest.digest) for manifest in change.content.manifests} == {
        part.digest for part in image.manifests()
    }
    assert {str(blob.digest) for blob in change.content.blobs} == {blob.digest for blob in image.all_blobs()}
    assert change.transfer == sum({blob.digest: blob.size for blob in image.all_blobs()}.values()) + sum(
        len(part.raw) for part in image.manifests()
    )
    assert change.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))


def test_an_updated_index_says_which_platforms_changed() -> None:
    """Added, removed and changed platforms, with the digests of both sides."""
    world = MemoryRegistry()
    amd64, arm64 = images.single("amd64"), images.single("arm64", platform="linux/arm64")
    newer, s390x = images.single("amd64 newer"), images.single("s390x", platform="linux/s390x")
    world.seed("dst.io/app:1", images.index([amd64, arm64]))
    world.seed("src.io/app:1", images.index([newer, s390x]))
    (change,) = plan(world, wishes.image("src.io/app:1", "dst.io/app:1")).changes
    assert change.action is Action.UPDATE
    assert [(found.kind, found.what, found.before, found.after) for found in change.differences] == [
        ("added", "platform linux/s390x", "", s390x.digest),
        ("changed", "platform linux/amd64", amd64.digest, newer.digest),
        ("removed", "platform linux/arm64", arm64.digest, ""),
    ]


def test_an_updated_image_says_which_layers_and_annotations_changed() -> None:
    """Layers are named by their number, annotations by their key."""
    world = MemoryRegistry()
    world.seed("dst.io/app:1", images.single("app", layers=["base", "old"], annotations={"version": "1"}))
    world.seed("src.io/app:1", images.single("app", layers=["base", "new"], annotations={"version": "2"}))
    (change,) = plan(world, wishes.image("src.io/app:1", "dst.io/app:1")).changes
    assert [(found.kind, found.what) for found in change.differences] == [
        ("changed", "layer 2"),
        ("changed", "annotation version"),
    ]
    assert change.differences[1].before == "1"
    assert sum(not blob.present for blob in change.content.blobs) == 1


def test_a_platform_that_the_target_has_is_not_fetched_again() -> None:
    """Of an updated index only the children that are new count for transfer and pulls."""
    world = MemoryRegistry()
    kept = images.single("arm64", platform="linux/arm64")
    world.seed("dst.io/app:1", images.index([images.single("old"), kept]))
    world.seed("src.io/app:1", images.index([images.single("new"), kept]))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    assert [pull.manifests for pull in made.forecast.pulls] == [2]
    present = [str(manifest.digest) for manifest in made.changes[0].content.manifests if manifest.present]
    assert present == [kept.digest]


def test_a_shared_blob_is_counted_once_per_target_registry() -> None:
    """Mounted blobs cost no transfer; another registry is another transfer."""
    world = MemoryRegistry()
    for name in ("a", "b"):
        world.seed(f"src.io/{name}:1", images.single("same"))
    one = plan(world, wishes.image("src.io/a:1", "dst.io/a:1"))
    both = plan(world, wishes.image("src.io/a:1", "dst.io/a:1"), wishes.image("src.io/b:1", "dst.io/b:1"))
    apart = plan(world, wishes.image("src.io/a:1", "dst.io/a:1"), wishes.image("src.io/b:1", "other.io/b:1"))
    assert both.forecast.blobs == one.forecast.blobs
    assert apart.forecast.blobs == 2 * one.forecast.blobs


def test_sizes_that_are_too_much_for_a_plan_together_are_as_much_as_it_can_hold() -> None:
    """What registries state may be a lie; the plan can be written all the same."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        image = images.single(tag, layers=1)
        document = json.loads(image.raw)
        document["layers"][0]["size"] = LARGEST - 1_000_000
        raw = json.dumps(document).encode()
        world.seed(f"src.io/app:{tag}", replace(image, raw=raw, digest=images.digest_of(raw)))
    made = plan(world, wishes.repository("src.io/app", "dst.io/app"))
    assert made.forecast.transfer == LARGEST
    assert len(plan_digest(made).hex) == 64


def test_two_entries_that_contradict_each_other_are_a_problem_naming_both() -> None:
    """No change is planned for a tag that two entries want differently."""
    world = MemoryRegistry()
    first, second = images.single("a"), images.single("b")
    world.seed("src.io/a:1", first)
    world.seed("src.io/b:1", second)
    made = plan(world, wishes.image("src.io/a:1", "dst.io/x:1"), wishes.image("src.io/b:1", "dst.io/x:1"))
    assert made.changes == ()
    assert [problem.message for problem in made.problems] == [
        "several entries want different content under one target tag: "
        f"mirror.yaml:10:5 (sync[0]) wants {first.digest[:19]} of src.io/a:1; "
        f"mirror.yaml:11:5 (sync[1]) wants {second.digest[:19]} of src.io/b:1; let one entry own the tag"
    ]


def test_two_entries_that_agree_are_one_change() -> None:
    """The same content under the same tag is wanted once."""
    world = MemoryRegistry()
    world.seed("src.io/a:1", images.single("same"))
    world.seed("src.io/b:1", images.single("same"))
    made = plan(world, wishes.image("src.io/a:1", "dst.io/x:1"), wishes.image("src.io/b:1", "dst.io/x:1"))
    assert [(change.entry, str(change.source)) for change in made.changes] == [("sync[0]", "src.io/a:1")]


def test_an_unwanted_media_type_is_skipped_with_a_warning() -> None:
    """`mediaTypes` decides which kinds of tags are mirrored (B11.6)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("a"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", media_types=(OCI_INDEX,)))
    assert made.changes == ()
    assert made.warnings == (
        "sync[0]: src.io/app:1 is skipped: its media type application/vnd.oci.image.manifest.v1+json "
        "is not among the entry's mediaTypes",
    )


def test_a_reduced_index_carries_a_risk() -> None:
    """Signatures of the source's index do not apply to the reduced one."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app", platforms=("linux/amd64", "linux/arm64", "linux/s390x")))
    rule = PlatformRule((Platform("linux", "amd64"), Platform("linux", "arm64")))
    (change,) = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=rule)).changes
    assert change.risks == (
        "reduced to the wanted platforms: signatures of the source's index do not apply to the new one",
    )
    assert change.platforms_wanted == rule.wanted


def test_a_target_that_somebody_else_changed_carries_a_risk() -> None:
    """The state tells that the tag is not what we applied last."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("stranger"))
    ours = Digest.parse(images.single("ours").digest)
    circumstances = replace(CIRCUMSTANCES, records=records.recorded(records.record("dst.io/app:1", ours)))
    (change,) = diff(look(world, wishes.image("src.io/app:1", "dst.io/app:1")), circumstances).changes
    assert change.risks == (
        f"somebody changed the target tag since {ours.short} was applied; that will be overwritten",
    )


def test_a_backup_is_named_by_its_template_and_only_for_what_is_replaced() -> None:
    """A tag beside the target, or a full reference; nothing for a tag that is new."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("src.io/app:2", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    made = plan(
        world,
        wishes.image("src.io/app:1", "dst.io/app:1", backup="old-{{ .Ref.Tag }}"),
        wishes.image("src.io/app:2", "dst.io/app:2", backup="old-{{ .Ref.Tag }}"),
    )
    assert [str(change.backup) for change in made.changes] == ["dst.io/app:old-1", "None"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ .Ref.Nope }}", "dst.io/app:1: the backup template fails: "),
        ("-bad", "dst.io/app:1: the backup template gives no reference: tag '-bad' is malformed"),
        ("{{ .Ref.Tag }}", "dst.io/app:1: the backup template gives the target itself"),
        (f"x.io/y@sha256:{'0' * 64}", "dst.io/app:1: the backup template gives "),
    ],
)
def test_a_backup_that_cannot_be_named_is_a_problem(template: str, message: str) -> None:
    """The image is not replaced when there is no place to keep it."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup=template))
    assert made.changes == ()
    assert [problem.message.startswith(message) for problem in made.problems] == [True]


def test_backups_that_would_overwrite_each_other_are_problems() -> None:
    """A fixed backup tag can keep one image only."""
    world = MemoryRegistry()
    for tag in ("1", "2"):
        world.seed(f"src.io/app:{tag}", images.single(f"new {tag}"))
        world.seed(f"dst.io/app:{tag}", images.single(f"old {tag}"))
    made = plan(
        world,
        wishes.image("src.io/app:1", "dst.io/app:1", backup="old"),
        wishes.image("src.io/app:2", "dst.io/app:2", backup="old"),
    )
    assert made.changes == ()
    assert made.problems == tuple(
        Problem(
            entry=f"sync[{number}]",
            reference=f"dst.io/app:{number + 1}",
            message="the backup dst.io/app:old is written by another change too; let the template name the tag",
        )
        for number in (0, 1)
    )


def test_a_backup_that_would_overwrite_what_is_mirrored_is_a_problem() -> None:
    """Whether that tag is known to be right or only to be there: each run would move it to and fro."""
    world = MemoryRegistry()
    for tag in ("1", "latest"):
        world.seed(f"src.io/app:{tag}", images.single(f"new {tag}"))
    world.seed("dst.io/app:1", images.single("old"))
    world.seed("dst.io/app:latest", images.single("new latest"))
    changing = wishes.image("src.io/app:1", "dst.io/app:1", backup="latest")
    for comparison in Comparison:
        listed = wishes.repository("src.io/app", "dst.io/app", allow=("latest",), comparison=comparison)
        made = plan(world, changing, listed)
        assert made.changes == ()
        assert [problem.message for problem in made.problems] == [
            "the backup dst.io/app:latest is a tag that sync[1] mirrors; let the template name the tag"
        ]


def test_a_backup_may_not_be_the_target_by_another_name() -> None:
    """It would be overwritten by what it is to be kept from."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    desired = wishes.desired(wishes.image("src.io/app:1", "dst.io/app:1", backup="alias.io/app:1"))
    hosts = (HostSettings(registry="alias.io", hostname="dst.io"),)
    made = diff(asyncio.run(observe(replace(desired, hosts=hosts), world)), CIRCUMSTANCES)
    assert made.changes == ()
    assert [problem.message for problem in made.problems] == [
        "dst.io/app:1: the backup template gives the target itself, by its name alias.io/app:1"
    ]


def test_a_backup_is_not_named_for_what_is_passed_over() -> None:
    """A template that fails is no problem of a tag that will not be replaced."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    made = plan(world, wishes.image("src.io/app:1", "dst.io/app:1", backup="-bad", media_types=(OCI_INDEX,)))
    assert (made.changes, made.problems) == ((), ())


def test_what_is_in_sync_is_counted_by_entry_in_their_order() -> None:
    """Also where one of them only lists its targets, and another asks for each."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app"))
    for target in ("a.io/app:1", "b.io/app:1"):
        world.seed(target, images.single("app"))
    made = plan(
        world,
        wishes.repository("src.io/app", "a.io/app", comparison=Comparison.EXISTENCE),
        wishes.repository("src.io/app", "b.io/app"),
    )
    assert [(count.entry, count.count) for count in made.unchanged.entries] == [("sync[0]", 1), ("sync[1]", 1)]


def test_warnings_come_in_one_order_each_once() -> None:
    """First those of the circumstances, then what was observed, sorted."""
    words = ("some", "words", "that", "nobody", "would", "take", "for", "sorted")
    made = diff(Observed(warnings=(*words, *words)), replace(CIRCUMSTANCES, warnings=("zuerst",)))
    assert made.warnings == ("zuerst", *sorted(words))


def test_a_plan_says_how_long_it_is_good() -> None:
    """If anybody has said so."""
    assert diff(Observed(), CIRCUMSTANCES).expires_at == ""
    made = diff(Observed(), replace(CIRCUMSTANCES, expires_at="2026-01-01T00:00:00Z"))
    assert made.expires_at == "2026-01-01T00:00:00Z"


def everything_at_once() -> Observed:
    """What is seen of entries that use every feature, contradict each other, agree, and cannot be read."""
    world = MemoryRegistry()
    for number in range(3):
        app = images.single(f"app {number % 2}")
        world.seed(f"src.io/app:{number}", app)
        world.seed(f"copy.io/app:{number}", app)
        world.seed("src.io/app:untagged", images.artifact(app, seed=f"sbom {number}"))
        world.seed(f"src.io/app:{images.cosign_tag(app)}", images.artifact(app, seed=f"signature {number}"))
        world.seed(f"src.io/other:{number}", images.single(f"other {number}"))
    world.seed("dst.io/same:0", images.single("app 0"))
    world.seed("dst.io/app:0", images.single("app 0"))
    world.seed("dst.io/app:1", images.single("old"))
    world.seed("dst.io/other:0", images.single("old"))
    world.fail["head_manifest", "dst.io/other:2"] = RegistryError("HEAD manifest", "dst.io/other:2", "HTTP 500")
    plain = wishes.repository("src.io/app", "dst.io/app", allow=("[0-9]",))
    attached = replace(plain, copy=replace(plain.copy, referrers=True, digest_tags=True, force_recursive=True))
    entries = (
        replace(plain, lifecycle=LifecycleRule(product="app", on_eol=OnEol.HOLD)),
        replace(attached, scope=wishes.repository("copy.io/app", "dst.io/app", allow=("[0-9]",)).scope),
        wishes.sparing(attached, 3),
        wishes.image("src.io/app:1", "dst.io/quarrel:1"),
        wishes.image("src.io/other:1", "dst.io/quarrel:1"),
        wishes.image("src.io/app:0", "dst.io/same:0"),
        wishes.repository("src.io/other", "dst.io/other", comparison=Comparison.EXISTENCE),
        wishes.repository("src.io/other", "dst.io/other"),
        wishes.image("src.io/app:1", "dst.io/app:1", backup="kept-{{ .Ref.Tag }}"),
        wishes.image("src.io/app:2", "dst.io/odd:2", media_types=(OCI_INDEX,)),
        wishes.repository("src.io/app", "dst.io/none", allow=("none",)),
        wishes.repository("src.io/none", "dst.io/none"),
    )
    return asyncio.run(observe(wishes.desired(*entries), world, policies=[eol_policy(JUDGE)]))


OBSERVED = everything_at_once()


def test_what_is_shuffled_has_something_of_everything() -> None:
    """Lest the property below is about an empty plan."""
    made = diff(OBSERVED, WITH_LIFECYCLES)
    assert {change.action for change in made.changes} == {Action.REFRESH, Action.UPDATE, Action.CREATE, Action.HELD}
    assert all((made.problems, made.warnings, made.lifecycles, made.unchanged.count, OBSERVED.existing))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers())
def test_a_plan_does_not_depend_on_the_order_of_observations(seed: int) -> None:
    """The same facts in any order give the same bytes."""
    shuffled = random.Random(seed)

    def mixed(facts: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(shuffled.sample(facts, len(facts)))

    again = replace(
        OBSERVED,
        sightings=mixed(OBSERVED.sightings),
        existing=mixed(OBSERVED.existing),
        troubles=mixed(OBSERVED.troubles),
        warnings=mixed(OBSERVED.warnings),
        contents=dict(mixed(tuple(OBSERVED.contents.items()))),
    )
    assert plan_digest(diff(again, WITH_LIFECYCLES)) == plan_digest(diff(OBSERVED, WITH_LIFECYCLES))
