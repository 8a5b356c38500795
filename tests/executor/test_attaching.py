"""Applying what is attached: after its subject, before the tag, once, and only what the plan saw."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Status
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan
from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError, RegistryError
from transship_registry.reference import Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy

IMAGE = images.multi_platform("app")
SBOM = images.artifact(IMAGE, seed="sbom")
SIGNATURE_OF_SBOM = images.artifact(SBOM, seed="signature", artifact_type="application/vnd.example.signature.v1")
COSIGN = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")
COSIGN_TAG = images.cosign_tag(IMAGE)
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"
REFUSED = RegistryError("PUT manifest", "dst.io/app", "MANIFEST_INVALID: unknown media type", status=400)


def entry(**rules: Any) -> wishes.Entry:
    """One image with all that is attached to it."""
    made = wishes.image(SOURCE, TARGET)
    return replace(made, copy=replace(made.copy, **{"referrers": True, "digest_tags": True, **rules}))


def world() -> MemoryRegistry:
    """A source with a signed image."""
    made = MemoryRegistry()
    made.seed(SOURCE, IMAGE)
    for each in (SBOM, SIGNATURE_OF_SBOM):
        made.seed("src.io/app:untagged", each)
    del made.shelves[Repository.parse("src.io/app")].tags["untagged"]
    made.seed(f"src.io/app:{COSIGN_TAG}", COSIGN)
    return made


def plan(registry: MemoryRegistry, **rules: Any) -> Plan:
    """Plan against the world, and forget that it was asked."""
    observed = asyncio.run(observe(wishes.desired(entry(**rules)), registry))
    made = diff(observed, Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync")))
    assert made.problems == ()
    registry.calls.clear()
    return made


def carry_out(made: Plan, registry: MemoryRegistry) -> Outcome:
    """Apply the plan."""
    return asyncio.run(apply(made, registry))


def manifests_written(registry: MemoryRegistry) -> list[str]:
    """Return what was put, in order."""
    return [reference for method, reference in registry.calls if method == "put_manifest"]


def held(registry: MemoryRegistry) -> set[str]:
    """Return the digests of the manifests that the target holds."""
    return {str(digest) for digest in registry.shelves[Repository.parse("dst.io/app")].manifests}


def test_what_is_attached_follows_its_subject_and_precedes_the_tag() -> None:
    """Index, SBOM, the SBOM's signature, the digest tag, and last the tag; then there is nothing to plan."""
    registry = world()
    outcome = carry_out(plan(registry), registry)
    assert [result.status for result in outcome.results] == [Status.DONE]
    written = manifests_written(registry)[len(IMAGE.children) :]
    assert written[0] == f"dst.io/app@{IMAGE.digest}"
    assert written[-1] == TARGET
    middle = written[1:-1]
    assert set(middle) == {
        f"dst.io/app@{SBOM.digest}",
        f"dst.io/app@{SIGNATURE_OF_SBOM.digest}",
        f"dst.io/app:{COSIGN_TAG}",
    }
    assert middle.index(f"dst.io/app@{SBOM.digest}") < middle.index(f"dst.io/app@{SIGNATURE_OF_SBOM.digest}")
    assert outcome.traffic.manifests == len(written) + len(IMAGE.children)
    assert plan(registry).changes == ()


def test_the_same_plan_again_writes_nothing() -> None:
    """Tag and attachments are looked at, and are as planned."""
    registry = world()
    made = plan(registry)
    carry_out(made, registry)
    registry.calls.clear()
    assert [result.status for result in carry_out(made, registry).results] == [Status.ALREADY]
    assert registry.writes() == []


def test_a_refresh_brings_what_is_lacking_and_leaves_the_tag() -> None:
    """No manifest of the image is written, and a second time nothing is."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    made = plan(registry)
    assert [change.action for change in made.changes] == [Action.REFRESH]
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert TARGET not in manifests_written(registry)
    assert {SBOM.digest, SIGNATURE_OF_SBOM.digest, COSIGN.digest} <= held(registry)
    registry.calls.clear()
    assert [result.status for result in carry_out(made, registry).results] == [Status.ALREADY]
    assert registry.writes() == []


def test_a_refresh_of_a_tag_that_moved_is_a_conflict() -> None:
    """What is attached belongs to the image that the plan saw."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    made = plan(registry)
    stranger = images.single("stranger")
    registry.seed(TARGET, stranger)
    (result,) = carry_out(made, registry).results
    assert result.status is Status.CONFLICT
    assert result.message == (
        f"{TARGET} moved since the plan was made: the plan saw {IMAGE.digest}, now it is {stranger.digest}; "
        "it was left untouched, plan again to see what would change"
    )
    assert registry.writes() == []


def test_a_digest_tag_that_moved_is_a_conflict_and_keeps_the_tag_from_moving() -> None:
    """Somebody signed at the target meanwhile: their signature is not overwritten."""
    registry = world()
    made = plan(registry)
    theirs = images.artifact(None, seed="theirs")
    registry.seed(f"dst.io/app:{COSIGN_TAG}", theirs)
    (result,) = carry_out(made, registry).results
    assert result.status is Status.CONFLICT
    assert result.message == (
        f"dst.io/app:{COSIGN_TAG} moved since the plan was made: the plan saw absent, now it is {theirs.digest}; "
        "it was left untouched, plan again to see what would change"
    )
    assert registry.tagged(f"dst.io/app:{COSIGN_TAG}") == theirs.digest
    assert registry.tagged(TARGET) is None


def test_a_tag_that_somebody_else_set_meanwhile_gets_what_is_attached() -> None:
    """The tag is as planned already, but another tool has left the signatures behind."""
    registry = world()
    made = plan(registry)
    registry.seed(TARGET, IMAGE)
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert TARGET not in manifests_written(registry)
    assert SBOM.digest in held(registry)


@pytest.mark.parametrize(
    ("policy", "status", "warned"),
    [
        (RefusedArtifactPolicy.FAIL, Status.FAILED, False),
        (RefusedArtifactPolicy.WARN, Status.DONE, True),
        (RefusedArtifactPolicy.SKIP, Status.DONE, False),
    ],
)
def test_a_target_that_refuses_artifacts(policy: RefusedArtifactPolicy, status: Status, warned: bool) -> None:
    """The image fails with its SBOM, or goes without it, as the configuration says."""
    registry = world()
    made = plan(registry, refused_referrers=policy)
    registry.fail["put_manifest", f"dst.io/app@{SBOM.digest}"] = REFUSED
    (result,) = carry_out(made, registry).results
    assert result.status is status
    assert (registry.tagged(TARGET) is None) == (status is Status.FAILED)
    warning = f"{TARGET}: left behind: {REFUSED}"
    assert result.warnings == ((warning,) if warned else ())


def test_an_error_that_is_no_refusal_fails_whatever_the_policy() -> None:
    """A registry that is out of order says nothing about artifacts."""
    registry = world()
    made = plan(registry, refused_referrers=RefusedArtifactPolicy.SKIP)
    registry.fail["put_manifest", f"dst.io/app@{SBOM.digest}"] = RegistryError("PUT manifest", "x", "500", status=500)
    assert [result.status for result in carry_out(made, registry).results] == [Status.FAILED]
    assert registry.tagged(TARGET) is None


def lose(registry: MemoryRegistry, digest: str) -> None:
    """Take a manifest or a blob away from the target."""
    shelf = registry.shelves[Repository.parse("dst.io/app")]
    parsed = Digest.parse(digest)
    assert shelf.manifests.pop(parsed, None) or shelf.blobs.pop(parsed, None)


@pytest.mark.parametrize("lost", [IMAGE.children[1].blobs[0].digest, IMAGE.children[0].digest], ids=["blob", "child"])
def test_force_recursive_mends_what_was_lost(lost: str) -> None:
    """Only what is lacking is sent; then nothing is left to plan, and applying again writes nothing."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    lose(registry, lost)
    made = plan(registry, force_recursive=True, referrers=False, digest_tags=False)
    (result,) = carry_out(made, registry).results
    assert result.status is Status.DONE
    assert result.traffic.blobs_sent + result.traffic.blobs_mounted == (lost != IMAGE.children[0].digest)
    assert plan(registry, force_recursive=True, referrers=False, digest_tags=False).changes == ()
    assert [each.status for each in carry_out(made, registry).results] == [Status.ALREADY]
    assert registry.writes() == []


def test_a_target_that_forgets_a_blob_of_a_referrer_gets_it_again() -> None:
    """MANIFEST_BLOB_UNKNOWN after "exists": once more, without believing it."""
    registry = world()
    made = plan(registry)
    blob = SBOM.blobs[1].digest
    failed: list[str] = []

    def forget(method: str, reference: str) -> None:
        if method == "put_manifest" and reference.endswith(SBOM.digest) and not failed:
            failed.append(reference)
            lose(registry, blob)
            raise MissingContentError("PUT manifest", reference, "MANIFEST_BLOB_UNKNOWN", digests=(Digest.parse(blob),))

    registry.before_call = forget
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert failed
    assert registry.tagged(TARGET) == IMAGE.digest


def test_a_digest_tag_that_was_deleted_since_the_plan_is_a_conflict() -> None:
    """The plan saw another signature under it: that somebody took it away is for people to look at."""
    registry = world()
    theirs = images.artifact(None, seed="theirs")
    registry.seed(f"dst.io/app:{COSIGN_TAG}", theirs)
    made = plan(registry)
    del registry.shelves[Repository.parse("dst.io/app")].tags[COSIGN_TAG]
    (result,) = carry_out(made, registry).results
    assert result.status is Status.CONFLICT
    assert result.message == (
        f"dst.io/app:{COSIGN_TAG} moved since the plan was made: the plan saw {theirs.digest}, now it is absent; "
        "it was left untouched, plan again to see what would change"
    )
    assert registry.tagged(f"dst.io/app:{COSIGN_TAG}") is None
    assert registry.tagged(TARGET) is None


def refreshing(**rules: Any) -> tuple[MemoryRegistry, Plan]:
    """A world in which the target has the image, but nothing that is attached to it, and the plan to bring that."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    made = plan(registry, **rules)
    assert [change.action for change in made.changes] == [Action.REFRESH]
    return registry, made


def test_what_somebody_else_attached_a_moment_ago_is_not_brought_again() -> None:
    """It is looked at again when its turn comes; then nothing was to be done at all."""
    registry, made = refreshing(digest_tags=False)
    looks: list[str] = []

    def attach(method: str, reference: str) -> None:
        if method == "list_referrers":
            looks.append(reference)
            if len(looks) == 2:
                for each in (SBOM, SIGNATURE_OF_SBOM):
                    registry.seed("dst.io/app:untagged", each)

    registry.before_call = attach
    assert [result.status for result in carry_out(made, registry).results] == [Status.ALREADY]
    assert registry.writes() == []


@pytest.mark.parametrize("refused", [SBOM, SIGNATURE_OF_SBOM], ids=["sbom", "its signature"])
def test_a_refresh_that_left_something_behind_is_done_if_anything_was_brought(refused: images.Image) -> None:
    """Whichever of them it was."""
    registry, made = refreshing(refused_referrers=RefusedArtifactPolicy.WARN)
    registry.fail["put_manifest", f"dst.io/app@{refused.digest}"] = REFUSED
    (result,) = carry_out(made, registry).results
    assert (result.status, result.warnings) == (Status.DONE, (f"{TARGET}: left behind: {REFUSED}",))


def test_a_refresh_of_which_all_was_left_behind_has_written_nothing() -> None:
    """The target is as much as planned as it will ever be."""
    registry, made = refreshing(refused_referrers=RefusedArtifactPolicy.WARN, digest_tags=False)
    for each in (SBOM, SIGNATURE_OF_SBOM):
        registry.fail["put_manifest", f"dst.io/app@{each.digest}"] = REFUSED
    (result,) = carry_out(made, registry).results
    assert (result.status, result.warnings) == (Status.ALREADY, (f"{TARGET}: left behind: {REFUSED}",) * 2)


def test_referrers_are_not_listed_for_digest_tags_alone() -> None:
    """Whether a tag is there is asked by its name."""
    registry, made = refreshing(referrers=False)
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert registry.count("list_referrers") == 0


def test_what_the_plan_found_at_the_target_is_not_looked_at_again() -> None:
    """Somebody has moved that digest tag since: it is none of this plan's business."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    registry.seed(f"dst.io/app:{COSIGN_TAG}", COSIGN)
    made = plan(registry)
    theirs = images.artifact(None, seed="theirs")
    registry.seed(f"dst.io/app:{COSIGN_TAG}", theirs)
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert registry.tagged(f"dst.io/app:{COSIGN_TAG}") == theirs.digest


def test_a_refresh_mends_the_image_and_brings_what_is_attached() -> None:
    """Both are lacking: the image is whole before something is attached to it; what it has is not sent again."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    lose(registry, IMAGE.children[1].blobs[0].digest)
    made = plan(registry, force_recursive=True)
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert {SBOM.digest, SIGNATURE_OF_SBOM.digest, COSIGN.digest} <= held(registry)
    assert f"dst.io/app@{IMAGE.children[0].digest}" not in manifests_written(registry)
    assert plan(registry, force_recursive=True).changes == ()


def test_a_refresh_looks_at_what_was_lost_and_at_nothing_else() -> None:
    """What the plan found there costs no question."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    blob = IMAGE.children[1].blobs[0]
    lose(registry, blob.digest)
    made = plan(registry, force_recursive=True, referrers=False, digest_tags=False)
    registry.shelves[Repository.parse("dst.io/app")].blobs[Digest.parse(blob.digest)] = blob.data
    assert [result.status for result in carry_out(made, registry).results] == [Status.ALREADY]
    lacking = [part for part in made.changes[0].content.manifests if not part.present]
    assert sorted(registry.calls) == sorted(
        [
            ("head_manifest", TARGET),
            ("head_blob", f"dst.io/app@{blob.digest}"),
            *(("head_manifest", f"dst.io/app@{part.digest}") for part in lacking),
        ]
    )


def test_a_blob_that_a_target_denies_after_all_is_sent_while_it_is_mended() -> None:
    """The target said that it had the blob, refuses its manifest for it once, and says so still: it is sent again."""
    registry = world()
    registry.seed(TARGET, IMAGE)
    child = IMAGE.children[0]
    lose(registry, child.digest)
    made = plan(registry, force_recursive=True, referrers=False, digest_tags=False)
    blob, refused = child.blobs[1].digest, list[str]()

    def refuse(method: str, reference: str) -> None:
        if method == "put_manifest" and reference.endswith(child.digest) and not refused:
            refused.append(reference)
            raise MissingContentError("PUT manifest", reference, "BLOB_UNKNOWN", digests=(Digest.parse(blob),))

    registry.before_call = refuse
    assert [result.status for result in carry_out(made, registry).results] == [Status.DONE]
    assert ("upload_blob", f"dst.io/app@{blob}") in registry.writes()
