"""Referrers and digest tags in a plan: what travels along, what a right tag still lacks, and what that costs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from support import images, records, wishes
from support.images import Image
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, PlatformRule, ReferrerFilter
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, Attachment, Change, ConfigPin, Plan
from transship_planner.render.findings import render_findings
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_registry.digest import Digest
from transship_registry.errors import AuthenticationError, NotFoundError
from transship_registry.platform import Platform
from transship_registry.reference import Repository
from transship_registry.referrers.lists import ReferrerList, Via
from transship_registry.referrers.refused import RefusedArtifactPolicy

IMAGE = images.multi_platform("app")
SBOM = images.artifact(IMAGE, seed="sbom")
CHILD_SBOM = images.artifact(IMAGE.children[0], seed="child")
SIGNATURE_OF_SBOM = images.artifact(SBOM, seed="signature", artifact_type="application/vnd.example.signature.v1")
COSIGN = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"
EVERYTHING: dict[str, Any] = {"referrers": True, "digest_tags": True}


def entry(source: str = SOURCE, target: str = TARGET, **rules: Any) -> wishes.Entry:
    """One image, with rules for what is attached to it."""
    made = wishes.image(source, target)
    return replace(made, copy=replace(made.copy, **rules))


def attach(world: MemoryRegistry, repository: str, *attached: Image) -> None:
    """Store manifests without a tag."""
    for each in attached:
        world.seed(f"{repository}:untagged", each)
        del world.shelves[Repository.parse(repository)].tags["untagged"]


def source(*attached: Image, image: Image = IMAGE, cosign: bool = False) -> MemoryRegistry:
    """A world whose source has an image with these things attached."""
    world = MemoryRegistry()
    world.seed(SOURCE, image)
    attach(world, "src.io/app", *attached)
    if cosign:
        world.seed(f"src.io/app:{images.cosign_tag(image)}", COSIGN)
    return world


def plan(world: MemoryRegistry, *entries: wishes.Entry, contents: bool = True) -> Plan:
    """Plan against the world."""
    observed = asyncio.run(observe(wishes.desired(*entries), world, contents=contents))
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return diff(observed, Circumstances(tool_version="0", config=pin))


def only_change(made: Plan) -> Change:
    """Return the one change of a plan without problems."""
    assert made.problems == ()
    (change,) = made.changes
    return change


def told(attached: Sequence[Attachment]) -> list[tuple[str, str, bool]]:
    """Return digest, subject and presence of each."""
    return [(str(each.digest), str(each.subject), each.present) for each in attached]


def test_referrers_of_an_image_its_children_and_its_referrers_travel_along() -> None:
    """Nearest first, each with its content, counted in the forecast."""
    world = source(SBOM, CHILD_SBOM, SIGNATURE_OF_SBOM)
    change = only_change(plan(world, entry(referrers=True)))
    assert change.action is Action.CREATE
    assert told(change.attached) == [
        (SBOM.digest, IMAGE.digest, False),
        (CHILD_SBOM.digest, IMAGE.children[0].digest, False),
        (SIGNATURE_OF_SBOM.digest, SBOM.digest, False),
    ]
    plain = only_change(plan(world, entry()))
    assert plain.attached == ()
    artifacts = (SBOM, CHILD_SBOM, SIGNATURE_OF_SBOM)
    blobs = {blob.digest: blob.size for each in artifacts for blob in each.all_blobs()}
    assert change.transfer - plain.transfer == sum(blobs.values()) + sum(len(each.raw) for each in artifacts)


def test_forecast_counts_the_pulls_of_what_is_attached() -> None:
    """Each manifest that is fetched is a pull, signatures too."""
    without, with_sbom = (plan(source(SBOM), entry(referrers=wanted)).forecast for wanted in (False, True))
    assert with_sbom.pulls[0].manifests == without.pulls[0].manifests + 1


class OldLists(MemoryRegistry):
    """Registries whose lists say nothing but digests, as old clients wrote them."""

    async def list_referrers(self, repository: Repository, digest: Digest, artifact_type: str = "") -> ReferrerList:
        listed = (await super().list_referrers(repository, digest)).descriptors
        bare = tuple(structs.replace(each, artifact_type=None, annotations=None) for each in listed)
        return ReferrerList(bare, via=Via.TAG).of_type(artifact_type)


def test_a_filter_finds_what_an_old_list_does_not_describe() -> None:
    """Its manifest is read, once, and is a pull of apply only if it is copied; the plan names its type."""
    signature = images.artifact(IMAGE, seed="signature", artifact_type="application/vnd.example.signature.v1")
    world = OldLists()
    world.seed(SOURCE, IMAGE)
    attach(world, "src.io/app", SBOM, signature)
    wanted = entry(referrers=True, referrer_filters=(ReferrerFilter(str(signature.artifact_type), ()),))
    made = plan(world, wanted, replace(wanted, scope=wishes.image(SOURCE, "dst.io/app:2").scope))
    assert [told(change.attached) for change in made.changes] == [[(signature.digest, IMAGE.digest, False)]] * 2
    assert {each.artifact_type for change in made.changes for each in change.attached} == {signature.artifact_type}
    assert made.forecast.pulls[0].manifests == plan(source(), entry()).forecast.pulls[0].manifests + 1
    for each in (SBOM, signature):
        assert world.calls.count(("get_manifest", f"src.io/app@{each.digest}")) == 1


def test_a_filter_costs_no_pull_of_what_the_target_has() -> None:
    """The copy says as much; what is not copied is read at the source."""
    signature = images.artifact(IMAGE, seed="signature", artifact_type="application/vnd.example.signature.v1")
    world = OldLists()
    for name in ("src.io/app", "dst.io/app"):
        world.seed(f"{name}:1", IMAGE)
        attach(world, name, signature)
    attach(world, "src.io/app", SBOM)
    made = plan(world, entry(referrers=True, referrer_filters=(ReferrerFilter(str(signature.artifact_type), ()),)))
    assert (made.changes, made.problems, made.unchanged.count) == ((), (), 1)
    read = [reference for method, reference in world.calls if method == "get_manifest"]
    assert sorted(read) == sorted(
        [f"dst.io/app@{IMAGE.digest}", f"dst.io/app@{signature.digest}", f"src.io/app@{SBOM.digest}"]
    )


def test_digest_tags_travel_under_their_own_names() -> None:
    """Cosign's tags are found by the digest of the image, and name what they name at the source."""
    (found,) = only_change(plan(source(cosign=True), entry(digest_tags=True))).attached
    assert (found.tag, str(found.digest), str(found.target)) == (images.cosign_tag(IMAGE), COSIGN.digest, "dst.io/app")


def test_a_right_tag_without_its_referrers_is_refreshed() -> None:
    """The tag stays, the plan says what is lacking; once it is there, nothing is to be done."""
    world = source(SBOM, cosign=True)
    world.seed(TARGET, IMAGE)
    made = plan(world, entry(**EVERYTHING))
    change = only_change(made)
    assert change.action is Action.REFRESH
    assert change.reason == "the target tag is right, but the target lacks 1 referrer and 1 digest tag"
    assert change.before == change.after
    assert change.content.manifests == ()
    assert f"refresh   {TARGET}  = {IMAGE.digest[:19]}" in render_text(made)
    assert f"  + digest tag {images.cosign_tag(IMAGE)}" in render_text(made)
    assert f"`+ referrer {SBOM.digest[:19]} (application/vnd.example.sbom.v1)" in render_markdown(made)
    attach(world, "dst.io/app", SBOM)
    world.seed(f"dst.io/app:{images.cosign_tag(IMAGE)}", COSIGN)
    assert plan(world, entry(**EVERYTHING)).changes == ()
    assert plan(world, entry(**EVERYTHING)).unchanged.count == 1


def test_a_refresh_does_not_threaten_to_overwrite_the_tag() -> None:
    """The tag stays, so that it does not matter whether the state knows it."""
    world = source(SBOM)
    world.seed(TARGET, IMAGE)
    observed = asyncio.run(observe(wishes.desired(entry(referrers=True)), world))
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    known = records.recorded(records.record(TARGET, Digest.of(b"what we applied last")))
    change = only_change(diff(observed, Circumstances(tool_version="0", config=pin, records=known)))
    assert (change.action, change.risks, change.differences) == (Action.REFRESH, (), ())


def test_what_is_there_already_is_neither_fetched_nor_counted() -> None:
    """Of two referrers the one that the target has is marked present."""
    world = source(SBOM, CHILD_SBOM)
    world.seed(TARGET, IMAGE)
    attach(world, "dst.io/app", SBOM)
    change = only_change(plan(world, entry(referrers=True)))
    assert told(change.attached) == [
        (SBOM.digest, IMAGE.digest, True),
        (CHILD_SBOM.digest, IMAGE.children[0].digest, False),
    ]
    assert ("get_manifest", f"src.io/app@{SBOM.digest}") not in world.calls


def test_a_digest_tag_that_names_something_else_is_replaced() -> None:
    """An image that was signed again has another signature under the same tag; the plan pins both."""
    world = source(cosign=True)
    world.seed(TARGET, IMAGE)
    old = images.artifact(None, seed="old signature")
    world.seed(f"dst.io/app:{images.cosign_tag(IMAGE)}", old)
    made = plan(world, entry(digest_tags=True))
    (found,) = only_change(made).attached
    assert str(found.before) == old.digest
    assert f"  ~ digest tag {found.tag}: {old.digest[:19]} → {COSIGN.digest[:19]}" in render_text(made)


def test_a_check_tells_that_something_is_lacking_without_fetching_it() -> None:
    """No manifest of what is attached is read, and a tag that changes anyway is not looked into."""
    world = source(SBOM)
    world.seed(TARGET, IMAGE)
    made = plan(world, entry(referrers=True), contents=False)
    assert "refresh: dst.io/app:1: = " in render_findings(made)
    assert ("get_manifest", f"src.io/app@{SBOM.digest}") not in world.calls
    absent = source(SBOM)
    assert plan(absent, entry(referrers=True), contents=False).changes[0].action is Action.CREATE
    assert absent.count("list_referrers") == 0


def test_the_index_of_a_right_tag_is_read_at_the_target() -> None:
    """A look at what is in sync costs no pull at the source."""
    world = source(SBOM)
    world.seed(TARGET, IMAGE)
    attach(world, "dst.io/app", SBOM)
    plan(world, entry(referrers=True))
    assert [reference for method, reference in world.calls if method == "get_manifest"] == [
        f"dst.io/app@{IMAGE.digest}"
    ]


def test_fast_check_leaves_right_tags_alone() -> None:
    """B11.4: nothing is asked about what is attached; a new tag still takes everything along."""
    world = source(SBOM, cosign=True)
    world.seed(TARGET, IMAGE)
    fast = entry(fast_copy=True, force_recursive=True, **EVERYTHING)
    assert plan(world, fast).changes == ()
    assert world.count("list_referrers") == 0
    absent = source(SBOM, cosign=True)
    assert len(only_change(plan(absent, fast)).attached) == 2


def test_existing_tags_that_are_not_compared_are_not_looked_into() -> None:
    """B11.5: in missing mode a tag that exists is done, whatever belongs to it."""
    world = source(SBOM)
    world.seed(TARGET, IMAGE)
    assert plan(world, entry(referrers=True, comparison=Comparison.EXISTENCE)).changes == ()
    assert world.count("list_referrers") == 0


def test_filters_decide_which_referrers_travel() -> None:
    """By artifact type and annotations; of what is left out, nothing below is looked for."""
    world = source(SBOM, images.artifact(IMAGE, seed="other", artifact_type="application/vnd.example.other"))
    filters = (ReferrerFilter("application/vnd.example.sbom.v1"),)
    change = only_change(plan(world, entry(referrers=True, referrer_filters=filters)))
    assert [str(each.digest) for each in change.attached] == [SBOM.digest]


def test_referrers_may_live_in_other_repositories() -> None:
    """`referrerSource` is where they are looked for, `referrerTarget` where they go."""
    world = source()
    attach(world, "src.io/signatures", SBOM)
    rules: dict[str, Any] = {
        "referrers": True,
        "referrer_source": Repository.parse("src.io/signatures"),
        "referrer_target": Repository.parse("dst.io/signatures"),
    }
    (found,) = only_change(plan(world, entry(**rules))).attached
    assert (str(found.source), str(found.target)) == ("src.io/signatures", "dst.io/signatures")
    world.seed(TARGET, IMAGE)
    attach(world, "dst.io/signatures", SBOM)
    assert plan(world, entry(**rules)).changes == ()


def test_of_chosen_platforms_only_what_belongs_to_them_travels() -> None:
    """A reduced index has another digest, so what is attached to the whole index does not apply to it."""
    world = source(SBOM, CHILD_SBOM)
    rule = PlatformRule((Platform("linux", "amd64"),))
    change = only_change(plan(world, entry(referrers=True, platforms=rule)))
    assert [str(each.digest) for each in change.attached] == [CHILD_SBOM.digest]
    both = PlatformRule((Platform("linux", "amd64"), Platform("linux", "arm64")))
    three = images.multi_platform("three", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    child = images.artifact(three.children[1], seed="arm")
    world = source(images.artifact(three, seed="whole"), child, image=three)
    change = only_change(plan(world, entry(referrers=True, platforms=both)))
    assert [str(each.digest) for each in change.attached] == [child.digest]


@pytest.mark.parametrize("side", ["src.io/app", "dst.io/app"])
def test_a_list_that_cannot_be_read_keeps_the_tag_from_moving(side: str) -> None:
    """An image must not arrive without its signatures because a registry would not tell of them."""
    world = source(SBOM)
    call = ("list_referrers", f"{side}@{IMAGE.digest}")
    world.fail[call] = AuthenticationError("GET referrers", call[1], "denied", status=403)
    made = plan(world, entry(referrers=True))
    assert made.changes == ()
    (problem,) = made.problems
    assert problem.reference == TARGET
    assert f"GET referrers {side}@{IMAGE.digest}" in problem.message


def test_the_list_of_referrers_is_no_image_of_its_own() -> None:
    """A registry without referrers API lists them under a tag, which the target keeps by itself."""
    world = source(SBOM)
    tag = IMAGE.referrers_tag
    world.seed(f"src.io/app:{tag}", images.referrers_index([SBOM]))
    made = wishes.repository("src.io/app", "dst.io/app")
    with_referrers = replace(made, copy=replace(made.copy, referrers=True))
    assert [str(change.target) for change in plan(world, with_referrers).changes] == [TARGET]
    assert [str(change.target) for change in plan(world, made).changes] == [TARGET, f"dst.io/app:{tag}"]


def test_the_plan_says_what_a_refused_referrer_does() -> None:
    """The choice stands in the plan, since apply may run without the configuration."""
    rules: dict[str, Any] = {"referrers": True, "refused_referrers": RefusedArtifactPolicy.WARN}
    assert only_change(plan(source(SBOM), entry(**rules))).refused == "warn"
    assert only_change(plan(source(SBOM), entry(referrers=True))).refused == "fail"


@pytest.mark.parametrize(("policy", "changes"), [("fail", 1), ("warn", 1), ("skip", 0)])
def test_a_right_tag_is_done_where_refusals_are_passed_over(policy: str, changes: int) -> None:
    """With `skip`, what the target may never take does not keep a check red; a new tag takes everything along."""
    rules: dict[str, Any] = {"referrers": True, "refused_referrers": RefusedArtifactPolicy(policy)}
    world = source(SBOM)
    world.seed(TARGET, IMAGE)
    assert len(plan(world, entry(**rules)).changes) == changes
    assert len(only_change(plan(source(SBOM), entry(**rules))).attached) == 1


def lose(world: MemoryRegistry, digest: str) -> None:
    """Take a manifest or a blob away from the target."""
    shelf = world.shelves[Repository.parse("dst.io/app")]
    parsed = Digest.parse(digest)
    assert shelf.manifests.pop(parsed, None) or shelf.blobs.pop(parsed, None)


def test_force_recursive_finds_lost_content_below_a_right_tag() -> None:
    """B13.14: what is lost is named, with the manifests above it; the rest is marked present."""
    world = source()
    world.seed(TARGET, IMAGE)
    assert plan(world, entry(force_recursive=True)).changes == ()
    blob = IMAGE.children[1].blobs[0]
    lose(world, blob.digest)
    assert plan(world, entry()).changes == ()
    change = only_change(plan(world, entry(force_recursive=True)))
    assert change.action is Action.REFRESH
    assert change.reason == "the target tag is right, but the target lacks parts of the image itself"
    assert {str(each.digest) for each in change.content.blobs if not each.present} == {blob.digest}
    above = {str(each.digest) for each in change.content.manifests if not each.present}
    assert above == {IMAGE.digest, IMAGE.children[1].digest}
    assert change.transfer == blob.size + len(IMAGE.raw) + len(IMAGE.children[1].raw)


def test_a_reduced_index_that_was_lost_is_built_anew() -> None:
    """It is at no source, and the target names it without having it."""
    three = images.multi_platform("three", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    rule = PlatformRule((Platform("linux", "amd64"), Platform("linux", "arm64")))
    world = source(image=three)
    observed = asyncio.run(observe(wishes.desired(entry(platforms=rule)), world))
    reduced = observed.sightings[0].reduced
    assert reduced is not None
    world.seed(TARGET, images.index(three.children[:2]))
    shelf = world.shelves[Repository.parse("dst.io/app")]
    shelf.manifests[reduced.digest], shelf.tags["1"] = reduced, reduced.digest
    where = f"dst.io/app@{reduced.digest}"
    world.fail["get_manifest", where] = NotFoundError("GET manifest", where, "MANIFEST_UNKNOWN", status=404)
    change = only_change(plan(world, entry(platforms=rule, force_recursive=True)))
    assert change.action is Action.REFRESH
    assert [each.digest for each in change.content.manifests if not each.present] == [reduced.digest]


def test_force_recursive_reads_a_lost_manifest_at_the_source() -> None:
    """Only what the target has lost costs a pull; a check sees it as well."""
    world = source()
    world.seed(TARGET, IMAGE)
    child = IMAGE.children[0]
    lose(world, child.digest)
    change = only_change(plan(world, entry(force_recursive=True)))
    absent = {str(each.digest) for each in change.content.manifests if not each.present}
    assert absent == {IMAGE.digest, child.digest}
    assert {str(each.digest) for each in change.content.blobs if not each.present} == set()
    pulled = [reference for method, reference in world.calls if method == "get_manifest" and "src.io" in reference]
    assert pulled == [f"src.io/app@{child.digest}"]
    assert plan(world, entry(force_recursive=True), contents=False).changes[0].action is Action.REFRESH
