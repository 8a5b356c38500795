"""Applying where no referrers API is: lists that are refused, registries that take tags for digests, order."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from support import images, wishes
from support.http_client import FakeTime, plain
from support.registry_server.faults import Deny, DigestTags, ImmutableTags, RequireSubject
from support.registry_server.options import Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_executor.apply import apply
from transship_executor.outcome import Result, Status
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.referrers.refused import RefusedArtifactPolicy

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
IMAGE = images.multi_platform("app")
SBOM, SIGNATURE, LATER = (images.artifact(IMAGE, seed=seed) for seed in ("sbom", "signature", "later"))
CHILD_SBOM = images.artifact(IMAGE.children[0], seed="child")
LIST_TAG = IMAGE.referrers_tag
NO_LISTS = Deny(
    code="TAG_INVALID", status=400, message="not here", reference="sha256-*", endpoints=(Endpoint.MANIFEST,)
)
WHY = "the registry has no referrers API, so the list of referrers must be written under this tag"


class Sides:
    """A source with a signed image, and an empty target without referrers API."""

    def __init__(self, source: RegistryServer, target: RegistryServer) -> None:
        self.source = source
        self.target = target
        self.at_source = f"{source.host}/app"
        self.at_target = f"{target.host}/app"

    def mirror(self, *entries: wishes.Entry, at_once: int = 8) -> tuple[Plan, tuple[Result, ...]]:
        """Plan and apply."""

        async def connected() -> tuple[Plan, tuple[Result, ...]]:
            settings = {server.host: plain(server) for server in (self.source, self.target)}
            async with HttpRegistry(settings, timing=FakeTime().timing) as client:
                made = diff(await observe(wishes.desired(*entries), client), CIRCUMSTANCES)
                assert made.problems == ()
                return made, tuple((await apply(made, client, images_at_once=at_once)).results)

        return asyncio.run(connected())

    def image(self, tag: str = "1", **rules: Any) -> wishes.Entry:
        """One image with its referrers."""
        made = wishes.image(f"{self.at_source}:{tag}", f"{self.at_target}:{tag}")
        return replace(made, copy=replace(made.copy, **{"referrers": True, **rules}))

    def puts(self, tag: str) -> int:
        """Return how often the target was asked to store a tag."""
        return self.target.requests.count("PUT", f"/manifests/{tag}$")


@pytest.fixture
def sides() -> Iterator[Sides]:
    with RegistryServer() as source, RegistryServer(Options(referrers_api=False)) as target:
        source.store.add_image("app", "1", IMAGE, referrers=[SBOM, SIGNATURE, CHILD_SBOM])
        yield Sides(source, target)


def test_all_referrers_of_a_subject_are_listed_by_one_put(sides: Sides) -> None:
    """So an image arrives with its signatures where no tag can be written twice; then there is nothing to do."""
    sides.target.faults.add(ImmutableTags())
    _, (result,) = sides.mirror(sides.image())
    assert (result.status, result.message, result.warnings) == (Status.DONE, "", ())
    assert sides.target.store.tags("app")["1"] == IMAGE.digest
    assert [sides.puts(tag) for tag in (LIST_TAG, IMAGE.children[0].referrers_tag)] == [1, 1]
    assert sides.mirror(sides.image())[0].changes == ()


@pytest.mark.parametrize("at_once", [1, 8])
def test_two_tags_of_an_image_share_the_one_list(sides: Sides, at_once: int) -> None:
    """The second finds there what the first has listed."""
    sides.target.faults.add(ImmutableTags())
    sides.source.store.add_image("app", "latest", IMAGE)
    _, results = sides.mirror(sides.image("1"), sides.image("latest"), at_once=at_once)
    assert {result.status for result in results} == {Status.DONE}
    assert sides.puts(LIST_TAG) == 1


@pytest.mark.parametrize("policy", RefusedArtifactPolicy)
@pytest.mark.parametrize("there", [False, True], ids=["never written", "written before"])
def test_a_refused_list_is_what_the_entry_says(sides: Sides, policy: RefusedArtifactPolicy, there: bool) -> None:
    """The image fails, or arrives with a warning for each list, or in silence; a list that is there stays as it is."""
    entry = sides.image(refused_referrers=policy)
    listed = images.referrers_index([LATER])
    if there:
        sides.target.store.add_image("app", LIST_TAG, listed)
        sides.target.store.add_image("app", IMAGE.children[0].referrers_tag, listed)
    sides.target.faults.add(ImmutableTags() if there else NO_LISTS)
    _, (result,) = sides.mirror(entry)
    assert result.status is (Status.FAILED if policy is RefusedArtifactPolicy.FAIL else Status.DONE)
    tags = sides.target.store.tags("app")
    assert tags.get("1") == (None if policy is RefusedArtifactPolicy.FAIL else IMAGE.digest)
    assert tags.get(LIST_TAG) == (listed.digest if there else None)
    said = "ImageTagAlreadyExists: the tag already exists and cannot be overwritten" if there else "not here"
    refusals = [
        f"PUT referrers tag {sides.at_target}:{tag}: HTTP 400 TAG_INVALID: {said}; {WHY}: "
        "let tags that begin with sha256- be written and overwritten"
        for tag in (LIST_TAG, IMAGE.children[0].referrers_tag)
    ]
    assert result.message == (refusals[0] if policy is RefusedArtifactPolicy.FAIL else "")
    warnings = [f"{sides.at_target}:1: left behind: {refusal}" for refusal in refusals]
    assert list(result.warnings) == (warnings if policy is RefusedArtifactPolicy.WARN else [])


def test_what_is_attached_later_where_lists_cannot_grow_is_told_and_the_image_stays(sides: Sides) -> None:
    """The first run wrote the list; the second one's refresh is told each time."""
    sides.target.faults.add(ImmutableTags())
    entry = sides.image(refused_referrers=RefusedArtifactPolicy.WARN)
    sides.mirror(entry)
    sides.source.store.add_image("app", None, LATER)
    for _ in range(2):
        made, (result,) = sides.mirror(entry)
        assert [change.action for change in made.changes] == [Action.REFRESH]
        assert (result.status, len(result.warnings)) == (Status.DONE, 1)
    assert sides.target.store.tags("app")["1"] == IMAGE.digest


def test_children_with_one_subject_are_listed_by_one_put(sides: Sides) -> None:
    """An index of artifacts, copied under a name of its own, to where no tag can be written twice."""
    sides.target.faults.add(ImmutableTags())
    sides.source.store.add_image("app", "bundle", images.index([SBOM, SIGNATURE]))
    _, (result,) = sides.mirror(sides.image("bundle", referrers=False))
    assert (result.status, result.message) == (Status.DONE, "")
    assert sides.puts(LIST_TAG) == 1


@pytest.mark.parametrize("policy", [RefusedArtifactPolicy.FAIL, RefusedArtifactPolicy.WARN])
def test_an_artifact_with_a_tag_is_listed_before_its_tag_is_set(sides: Sides, policy: RefusedArtifactPolicy) -> None:
    """A list that is refused fails it as often as it is tried, unless it may be left behind."""
    sides.target.faults.add(NO_LISTS)
    sides.source.store.add_image("app", "sbom", SBOM)
    entry = sides.image("sbom", referrers=False, refused_referrers=policy)
    fails = policy is RefusedArtifactPolicy.FAIL
    for expected in [Status.FAILED] * 2 if fails else [Status.DONE]:
        _, (result,) = sides.mirror(entry)
        assert result.status is expected
        assert ("sbom" in sides.target.store.tags("app")) != fails
    assert len(sides.mirror(entry)[0].changes) == fails


def test_a_digest_tag_that_cannot_be_moved_may_be_left_behind(sides: Sides) -> None:
    """The image has been signed again: where no tag moves, its new signature is told as what stayed behind."""
    cosign = images.cosign_tag(IMAGE)
    old, new = images.artifact(None, seed="old"), images.artifact(None, seed="new")
    sides.source.store.add_image("app", cosign, new)
    sides.target.store.add_image("app", cosign, old)
    sides.target.faults.add(ImmutableTags())
    entry = sides.image(referrers=False, digest_tags=True, refused_referrers=RefusedArtifactPolicy.WARN)
    _, (result,) = sides.mirror(entry)
    assert (result.status, len(result.warnings)) == (Status.DONE, 1)
    assert result.warnings[0].startswith(f"{sides.at_target}:1: left behind: {sides.at_target}:{cosign}: ")
    assert sides.target.store.tags("app") == {"1": IMAGE.digest, cosign: old.digest}


@pytest.mark.parametrize("image", [IMAGE, images.single("single")], ids=["index", "image"])
def test_a_source_that_takes_tags_for_digests_has_images_without_referrers(sides: Sides, image: images.Image) -> None:
    """As GitLab: neither a problem, nor an index's children as what is attached to it."""
    gitlab = DigestTags()
    with RegistryServer(Options(referrers_api=False), faults=(gitlab,)) as source:
        source.store.add_image("app", "1", image)
        made, (result,) = Sides(source, sides.target).mirror(Sides(source, sides.target).image())
    assert [change.attached for change in made.changes] == [()]
    assert result.status is Status.DONE


@pytest.mark.parametrize(("tag_wins", "warnings"), [(True, 0), (False, 2)], ids=["finds the list", "does not"])
def test_a_target_that_takes_tags_for_digests_lists_no_children(sides: Sides, tag_wins: bool, warnings: int) -> None:
    """Its lists hold what is attached, or cannot be kept, which is told."""
    sides.target.faults.add(DigestTags(tag_wins=tag_wins))
    _, (result,) = sides.mirror(sides.image(refused_referrers=RefusedArtifactPolicy.WARN))
    assert (result.status, len(result.warnings)) == (Status.DONE, warnings)
    stored = sides.target.store.get_manifest("app", sides.target.store.tags("app")[LIST_TAG])
    assert stored is not None
    assert all(child.digest.encode() not in stored.raw for child in IMAGE.children)
    assert SBOM.digest.encode() in stored.raw


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("digest_tags", [False, True])
def test_a_whole_repository_goes_to_a_target_that_takes_tags_for_digests(
    sides: Sides, at_once: int, digest_tags: bool
) -> None:
    """The list's tag is answered with the image as soon as that has come: the tag is still absent, not moved."""
    sides.target.faults.add(DigestTags(tag_wins=True))
    with RegistryServer(Options(referrers_api=False)) as source:
        source.store.add_image("app", "1", IMAGE)
        source.store.add_image("app", LIST_TAG, images.referrers_index([SBOM, SIGNATURE]))
        both = Sides(source, sides.target)
        made = wishes.repository(both.at_source, both.at_target)
        entry = replace(made, copy=replace(made.copy, digest_tags=digest_tags))
        _, results = both.mirror(entry, at_once=at_once)
        assert {result.status for result in results} <= {Status.DONE, Status.ALREADY}
        assert sides.target.store.tags("app") == source.store.tags("app")
        assert both.mirror(entry)[0].changes == ()


def attested() -> images.Image:
    """An index as buildkit writes it since 0.32: the attestation of each image names it as its subject."""
    platforms = [images.single(f"attested {name}", platform=f"linux/{name}") for name in ("amd64", "arm64")]
    return images.index([*(images.artifact(each, seed="attestation") for each in platforms), *platforms])


@pytest.mark.parametrize("api", [True, False])
def test_an_attestation_comes_after_the_image_beside_it_that_it_is_about(sides: Sides, api: bool) -> None:
    """Also where it stands before that image, and a registry takes nothing without its subject."""
    index = attested()
    sides.source.store.add_image("app", "attested", index)
    with RegistryServer(Options(referrers_api=api), faults=(RequireSubject(),)) as target:
        both = Sides(sides.source, target)
        for at_once in (1, 8):
            _, (result,) = both.mirror(both.image("attested", referrers=False), at_once=at_once)
            assert (result.status, result.message) == (Status.DONE, "")
            assert target.faults.hits(RequireSubject) == 0
            assert target.store.tags("app")["attested"] == index.digest
            target.store.delete_repository("app")


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_list_waits_for_no_image_that_comes_with_another_change(sides: Sides, at_once: int) -> None:
    """A whole repository at a registry that takes nothing without its subject, and the list's change is the first."""
    with RegistryServer(Options(referrers_api=False)) as source:
        source.store.add_image("app", "v1", IMAGE)
        source.store.add_image("app", LIST_TAG, images.referrers_index([SBOM, SIGNATURE]))
        both = Sides(source, sides.target)
        sides.target.faults.add(RequireSubject())
        _, results = both.mirror(wishes.repository(both.at_source, both.at_target), at_once=at_once)
        assert [(result.status, result.message) for result in results] == [(Status.DONE, "")] * 2
        assert sides.target.store.tags("app") == source.store.tags("app")


def test_a_subject_that_the_plan_does_not_bring_is_named_as_missing(sides: Sides) -> None:
    """Only what was approved is copied."""
    sides.target.faults.add(RequireSubject())
    sides.source.store.add_image("app", "sbom", SBOM)
    _, (result,) = sides.mirror(sides.image("sbom", referrers=False))
    assert result.status is Status.FAILED
    assert result.message == (
        f"PUT manifest {sides.at_target}@{SBOM.digest}: HTTP 404 MANIFEST_BLOB_UNKNOWN: manifest references a manifest "
        f"or blob unknown to registry: {IMAGE.digest}; upload {IMAGE.digest} again"
    )
    assert sides.target.store.get_manifest("app", IMAGE.digest) is None


@pytest.mark.parametrize("policy", RefusedArtifactPolicy)
def test_an_image_is_whole_without_a_list_of_its_attestations(sides: Sides, policy: RefusedArtifactPolicy) -> None:
    """They are found through the index; that a target refuses the list beside it is told, and fails nothing."""
    index = attested()
    sides.source.store.add_image("app", "attested", index)
    sides.target.faults.add(NO_LISTS)
    entry = sides.image("attested", referrers=False, refused_referrers=policy)
    _, (result,) = sides.mirror(entry)
    assert (result.status, result.message) == (Status.DONE, "")
    assert len(result.warnings) == (0 if policy is RefusedArtifactPolicy.SKIP else 2)
    assert sides.target.store.tags("app") == {"attested": index.digest}
    assert sides.mirror(entry)[0].changes == ()
