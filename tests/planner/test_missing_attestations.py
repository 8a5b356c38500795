"""`missingAttestations`: an index that lists attestations which its source does not have."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import MissingAttestations, PlatformRule
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, Change, ConfigPin, Plan
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.manifest import Descriptor, Manifest, reduce_index
from transship_registry.platform import Platform
from transship_registry.reference import Reference

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
SOURCE = Reference.parse("src.io/app:1")
IMAGE = images.with_attestations("app", platforms=("linux/amd64", "linux/arm64"))
AMD64, ARM64 = IMAGE.children[:2]
OF_AMD64, OF_ARM64 = IMAGE.children[2:]
BOTH = PlatformRule((Platform("linux", "amd64"), Platform("linux", "arm64")))


def world(*missing: images.Image, source: images.Image = IMAGE) -> MemoryRegistry:
    """Return a world whose source has lost these manifests, as behind a proxy that drops what has no platform."""
    registry = MemoryRegistry()
    registry.seed(str(SOURCE), source)
    for each in missing:
        del registry.shelves[SOURCE.repository].manifests[Digest.parse(each.digest)]
    return registry


def entry(*, policy: str = "skip", platforms: PlatformRule | None = None, **rules: Any) -> wishes.Entry:
    wish = wishes.image(str(SOURCE), "dst.io/app:1", platforms=platforms)
    return replace(wish, copy=replace(wish.copy, missing_attestations=MissingAttestations(policy), **rules))


def look(registry: MemoryRegistry, *entries: wishes.Entry, contents: bool = True) -> Observed:
    return asyncio.run(observe(wishes.desired(*entries), registry, contents=contents))


def plan(registry: MemoryRegistry, *entries: wishes.Entry) -> Plan:
    return diff(look(registry, *entries), CIRCUMSTANCES)


def only_change(registry: MemoryRegistry, *entries: wishes.Entry) -> Change:
    made = plan(registry, *entries)
    assert made.problems == ()
    (change,) = made.changes
    return change


def without(*digests: images.Image, platforms: tuple[Platform, ...] = ()) -> Manifest:
    """Return the index that is left."""
    index = Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test")
    return reduce_index(index, platforms, where="test", without=[Digest.parse(each.digest) for each in digests])


def test_an_attestation_that_is_missing_is_a_problem_that_names_the_way_out() -> None:
    """By default nothing is left out."""
    (problem,) = plan(world(OF_ARM64), entry(policy="fail")).problems
    assert problem.message == (
        f"GET manifest src.io/app@{OF_ARM64.digest}: not found; "
        "it is an attestation that the index lists; missingAttestations: skip mirrors the image without it"
    )


def test_with_skip_the_image_goes_under_an_index_without_it_and_the_plan_says_so() -> None:
    change = only_change(world(OF_ARM64), entry())
    reduced = without(OF_ARM64)
    assert [str(child.digest) for child in reduced.children] == [AMD64.digest, ARM64.digest, OF_AMD64.digest]
    assert change.after is not None
    assert (change.after.digest, str(change.source_digest)) == (reduced.digest, IMAGE.digest)
    assert [str(digest) for digest in change.left_out] == [OF_ARM64.digest]
    assert change.platforms_wanted == ()
    assert change.risks == (
        "without 1 attestation that the index lists and the source does not have: "
        "signatures of the source's index do not apply to the new one",
    )
    assert OF_ARM64.digest not in {str(manifest.digest) for manifest in change.content.manifests}


def test_several_are_left_out_together_and_of_the_wanted_platforms_only() -> None:
    """What belongs to a platform that is not wanted is not asked for."""
    registry = world(OF_AMD64, OF_ARM64)
    change = only_change(registry, entry(platforms=BOTH))
    assert change.left_out == (Digest.parse(OF_AMD64.digest), Digest.parse(OF_ARM64.digest))
    assert change.platforms_wanted == BOTH.wanted
    assert change.after is not None
    assert change.after.digest == without(OF_AMD64, OF_ARM64, platforms=BOTH.wanted).digest
    assert change.risks == (
        "without 2 attestations that the index lists and the source does not have: "
        "signatures of the source's index do not apply to the new one",
        "reduced to the wanted platforms: signatures of the source's index do not apply to the new one",
    )
    third = images.with_attestations("app", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    registry = world(third.children[5], source=third)
    change = only_change(registry, entry(platforms=BOTH))
    assert change.left_out == ()
    assert ("head_manifest", f"src.io/app@{third.children[5].digest}") not in registry.calls


@pytest.mark.parametrize("contents", [True, False])
def test_what_was_mirrored_without_it_is_in_sync(*, contents: bool) -> None:
    """The index is built in the same way each time, so that `check` stays green; it costs the index and a HEAD each."""
    registry = world(OF_ARM64)
    target = Reference.parse("dst.io/app:1")
    shelf = registry.shelves[target.repository]
    shelf.manifests[without(OF_ARM64).digest] = without(OF_ARM64)
    shelf.tags["1"] = without(OF_ARM64).digest
    (sighting,) = look(registry, entry(), contents=contents).sightings
    assert sighting.in_sync
    assert sorted(registry.calls) == sorted(
        [
            ("head_manifest", str(target)),
            ("head_manifest", str(SOURCE)),
            ("get_manifest", f"src.io/app@{IMAGE.digest}"),
            ("head_manifest", f"src.io/app@{OF_AMD64.digest}"),
            ("head_manifest", f"src.io/app@{OF_ARM64.digest}"),
        ]
    )


def test_an_image_that_is_there_as_a_whole_costs_nothing_more() -> None:
    """Where the target tag points at what the source tag points at, nothing can be missing."""
    registry = world(OF_ARM64)
    registry.seed("dst.io/app:1", IMAGE)
    (sighting,) = look(registry, entry()).sightings
    assert sighting.in_sync
    assert len(registry.calls) == 2


def test_an_attestation_that_comes_back_is_an_update() -> None:
    registry = world()
    target = Reference.parse("dst.io/app:1")
    shelf = registry.shelves[target.repository]
    shelf.manifests[without(OF_ARM64).digest] = without(OF_ARM64)
    shelf.tags["1"] = without(OF_ARM64).digest
    change = only_change(registry, entry())
    assert change.action is Action.UPDATE
    assert (change.left_out, change.risks) == ((), ())
    assert change.after is not None
    assert str(change.after.digest) == IMAGE.digest


def test_an_update_says_what_the_target_tag_is_not() -> None:
    registry = world(OF_ARM64)
    registry.seed("dst.io/app:1", images.single("old"))
    assert only_change(registry, entry()).reason == (
        "the target tag is not the source tag's index without the attestations that are missing at the source"
    )


def test_only_an_answer_of_404_is_absence() -> None:
    """A proxy that fails, or that refuses, has not said that it lacks anything."""
    registry = world()
    where = f"src.io/app@{OF_ARM64.digest}"
    registry.fail["head_manifest", where] = RegistryError("HEAD manifest", where, "HTTP 502", status=502)
    (problem,) = plan(registry, entry()).problems
    assert problem.message == f"HEAD manifest {where}: HTTP 502"


@pytest.mark.parametrize("platforms", [None, BOTH])
def test_an_image_that_is_missing_is_a_problem_with_skip_too(platforms: PlatformRule | None) -> None:
    """Only attestations can be done without."""
    (problem,) = plan(world(ARM64), entry(platforms=platforms)).problems
    assert problem.message == f"GET manifest src.io/app@{ARM64.digest}: not found"


def test_an_index_of_nothing_but_what_is_missing_is_a_problem() -> None:
    """No empty index is ever made."""
    bare = images.index([OF_AMD64, OF_ARM64])
    registry = world(OF_AMD64, OF_ARM64, source=bare)
    (problem,) = plan(registry, entry()).problems
    assert problem.message.startswith(f"GET manifest src.io/app@{OF_AMD64.digest}: not found")


def test_one_platform_needs_no_attestation() -> None:
    """It is mirrored without an index, and nothing is asked for."""
    registry = world(OF_AMD64, OF_ARM64)
    change = only_change(registry, entry(platforms=PlatformRule((Platform("linux", "amd64"),))))
    assert change.after is not None
    assert (str(change.after.digest), change.left_out) == (AMD64.digest, ())
    assert registry.count("head_manifest") == 2


def test_a_target_that_lacks_it_has_lost_nothing() -> None:
    """`forceRecursive` does not look at the source in vain for what an index that was copied whole still lists."""
    registry = world(OF_ARM64)
    registry.seed("dst.io/app:1", IMAGE)
    target = Reference.parse("dst.io/app:1")
    del registry.shelves[target.repository].manifests[Digest.parse(OF_ARM64.digest)]
    assert plan(registry, entry(force_recursive=True)).changes == ()
    (problem,) = plan(registry, entry(policy="fail", force_recursive=True)).problems
    assert problem.message == f"GET manifest src.io/app@{OF_ARM64.digest}: not found"


@pytest.mark.parametrize(
    ("platform", "annotations", "expected"),
    [
        ({"os": "unknown", "architecture": "unknown"}, {"vnd.docker.reference.digest": AMD64.digest}, True),
        ({"os": "unknown", "architecture": "unknown"}, {"vnd.docker.reference.type": "attestation-manifest"}, True),
        (None, {"vnd.docker.reference.type": "attestation-manifest"}, True),
        ({"os": "unknown", "architecture": "unknown"}, {}, False),
        ({"os": "linux", "architecture": "amd64"}, {"vnd.docker.reference.digest": AMD64.digest}, False),
        (None, {}, False),
    ],
)
def test_an_attestation_is_told_from_an_image(
    platform: dict[str, str] | None, annotations: dict[str, str], *, expected: bool
) -> None:
    """It says so by an annotation, and is for no platform: an image is never taken for one."""
    document = {**OF_AMD64.descriptor(), "annotations": annotations, "platform": platform}
    index = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [document]}
    child: Descriptor = Manifest.parse(json.dumps(index).encode(), images.OCI_INDEX, where="test").children[0]
    assert child.is_attestation is expected
