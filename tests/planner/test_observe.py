"""What is asked of registries: only what is needed, each thing once, and no failure taken for absence."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, PlatformRule, RegistryScope, RepositoryScope
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed, Trouble
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_registry.errors import RegistryError
from transship_registry.platform import Platform
from transship_registry.reference import Reference

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def look(world: MemoryRegistry, *entries: wishes.Entry, missing: bool = False, contents: bool = True) -> Observed:
    """Observe, once."""
    return asyncio.run(observe(wishes.desired(*entries), world, missing=missing, contents=contents))


def test_a_tag_in_sync_costs_one_head_at_each_side() -> None:
    """Nothing is fetched for what is as it should be."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app"))
    world.seed("dst.io/app:1", images.single("app"))
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    assert sorted(world.calls) == [("head_manifest", "dst.io/app:1"), ("head_manifest", "src.io/app:1")]
    assert [sighting.in_sync for sighting in observed.sightings] == [True]


def test_missing_with_everything_present_costs_two_tag_lists() -> None:
    """`--missing` asks for no digest at all when all names are there."""
    world = MemoryRegistry()
    for tag in ("1", "2", "3"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
        world.seed(f"dst.io/app:{tag}", images.single("other"))
    observed = look(world, wishes.repository("src.io/app", "dst.io/app"), missing=True)
    assert sorted(world.calls) == [("list_tags", "dst.io/app"), ("list_tags", "src.io/app")]
    assert observed.sightings == ()
    assert len(observed.existing) == 3


def test_missing_asks_only_for_the_tags_that_are_missing() -> None:
    """An absent tag is confirmed at the target and looked up at the source."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.seed("src.io/app:2", images.single("2"))
    world.seed("dst.io/app:1", images.single("1"))
    observed = look(world, wishes.repository("src.io/app", "dst.io/app"), missing=True, contents=False)
    assert [str(sighting.wish.target) for sighting in observed.sightings] == ["dst.io/app:2"]
    assert world.count("head_manifest") == 2


def test_an_existing_tag_is_enough_without_check_digest() -> None:
    """Imglife's default skips a tag that exists, whatever it points at, without asking the source (A7.1)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    entry = wishes.image("src.io/app:1", "dst.io/app:1", comparison=Comparison.EXISTENCE)
    observed = look(world, entry)
    assert world.calls == [("head_manifest", "dst.io/app:1")]
    assert observed.sightings[0].in_sync


def test_a_source_wanted_by_two_entries_is_asked_once() -> None:
    """Nothing is asked twice in one run."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app"))
    look(world, wishes.image("src.io/app:1", "a.io/app:1"), wishes.image("src.io/app:1", "b.io/app:1"))
    assert world.calls.count(("head_manifest", "src.io/app:1")) == 1
    assert len([call for call in world.calls if call[0] == "get_manifest"]) == len(
        list(images.multi_platform("app").manifests())
    )


def test_the_target_is_read_once_and_its_children_never() -> None:
    """Of what is replaced only the top manifest is fetched: reading a target resets its retention clocks."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("new"))
    old = images.multi_platform("old")
    target = world.seed("dst.io/app:1", old)
    look(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    fetched = [reference for method, reference in world.calls if method == "get_manifest" and "dst.io" in reference]
    assert fetched == [f"{target.repository}@{old.digest}"]


def test_a_missing_source_tag_is_a_trouble_of_its_entry_only() -> None:
    """The other entries are observed all the same."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    observed = look(world, wishes.image("src.io/app:9", "dst.io/app:9"), wishes.image("src.io/app:1", "dst.io/app:1"))
    assert [str(trouble.message) for trouble in observed.troubles] == [
        "HEAD manifest src.io/app:9: the source has no such tag"
    ]
    assert [str(sighting.wish.target) for sighting in observed.sightings] == ["dst.io/app:1"]


@pytest.mark.parametrize("side", ["src.io/app:1", "dst.io/app:1"])
def test_a_failing_head_is_never_taken_for_absent(side: str) -> None:
    """Regsync takes any failure at the target for absence and copies (B11.2); here it is an error."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.fail["head_manifest", side] = RegistryError("HEAD manifest", side, "403 DENIED", status=403)
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1"))
    assert observed.sightings == ()
    assert [trouble.message for trouble in observed.troubles] == [f"HEAD manifest {side}: 403 DENIED"]


def test_a_target_list_that_fails_is_an_error_in_missing_mode() -> None:
    """Regsync takes it for an empty list (B10)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.fail["list_tags", "dst.io/app"] = RegistryError("list tags", "dst.io/app", "500", status=500)
    observed = look(world, wishes.repository("src.io/app", "dst.io/app"), missing=True)
    assert [trouble.message for trouble in observed.troubles] == ["list tags dst.io/app: 500"]


def test_no_matching_tag_is_a_warning() -> None:
    """An entry that selects nothing is said, and is no error (B9.6)."""
    world = MemoryRegistry()
    world.seed("src.io/app:latest", images.single("1"))
    observed = look(world, wishes.repository("src.io/app", "dst.io/app", allow=("1.*",)))
    assert observed.warnings == ("sync[0]: no tag of src.io/app matches (1 listed)",)


def test_one_platform_gives_the_child_itself() -> None:
    """What the target should point at is the manifest of that platform."""
    world = MemoryRegistry()
    index = images.multi_platform("app", platforms=("linux/amd64", "linux/arm64"))
    world.seed("src.io/app:1", index)
    entry = wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule((ARM64,)))
    (sighting,) = look(world, entry).sightings
    assert sighting.expected is not None
    assert str(sighting.expected.digest) == index.children[1].digest


def test_several_platforms_give_a_reduced_index_that_is_stable() -> None:
    """The same source and platforms always give the same digest, in any order of the platforms."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app", platforms=("linux/amd64", "linux/arm64", "linux/s390x")))
    first = wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule((AMD64, ARM64)))
    second = wishes.image("src.io/app:1", "dst.io/app:2", platforms=PlatformRule((ARM64, AMD64)))
    observed = look(world, first, second)
    digests = {sighting.expected.digest for sighting in observed.sightings if sighting.expected}
    assert len(digests) == 1
    assert all(sighting.reduced and len(sighting.reduced.children) == 2 for sighting in observed.sightings)


@pytest.mark.parametrize("wanted", [(ARM64,), (AMD64, ARM64)])
@pytest.mark.parametrize("index_only", [False, True])
def test_a_target_that_still_points_at_the_index_is_not_in_sync(
    wanted: tuple[Platform, ...], *, index_only: bool
) -> None:
    """What a tag is does not depend on what it was before its entry chose platforms (regsync leaves it, B11.3)."""
    world = MemoryRegistry()
    index = images.multi_platform("app", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    for place in ("src.io/app:1", "dst.io/app:1"):
        world.seed(place, index)
    entry = wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule(wanted, index_only=index_only))
    (sighting,) = look(world, entry).sightings
    assert sighting.is_changing
    assert sighting.expected is not None
    if len(wanted) == 1:
        assert str(sighting.expected.digest) == index.children[1].digest
    else:
        assert sighting.reduced is not None
        assert [str(child.digest) for child in sighting.reduced.children] == [
            child.digest for child in index.children[:2]
        ]


@pytest.mark.parametrize("index_only", [False, True])
def test_a_lone_image_that_is_there_is_in_sync_for_whatever_platform(*, index_only: bool) -> None:
    """There is nothing to choose from, and what is there already is no problem."""
    world = MemoryRegistry()
    for place in ("src.io/app:1", "dst.io/app:1"):
        world.seed(place, images.single("app", platform="linux/amd64"))
    rule = PlatformRule((ARM64,), index_only=index_only)
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=rule))
    assert [sighting.in_sync for sighting in observed.sightings] == [True]
    assert observed.troubles == ()


def test_a_missing_platform_names_what_is_offered() -> None:
    """Never an index with fewer platforms than were asked for (A7.6)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app", platforms=("linux/amd64", "linux/arm64")))
    entry = wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule((AMD64, Platform("linux", "s390x"))))
    (trouble,) = look(world, entry).troubles
    assert trouble.message == (
        "select platform src.io/app:1: platform linux/s390x is not among those offered: linux/amd64, linux/arm64; "
        "name an offered platform, or remove it from the entry"
    )


@pytest.mark.parametrize(("wanted", "fits"), [(AMD64, True), (ARM64, False)])
def test_a_lone_image_must_be_of_the_wanted_platform(wanted: Platform, *, fits: bool) -> None:
    """The image config tells what a single image is for (A7.6)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app", platform="linux/amd64"))
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule((wanted,))))
    assert bool(observed.sightings) is fits
    assert bool(observed.troubles) is not fits


def test_regsyncs_platform_leaves_a_lone_image_alone() -> None:
    """`platform` applies to indexes only (B11)."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app", platform="linux/amd64"))
    rule = PlatformRule((ARM64,), index_only=True)
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=rule))
    assert len(observed.sightings) == 1


def remarks(source: images.Image, *, contents: bool = True, **rule: Any) -> tuple[tuple[str, ...], Platform | None]:
    """Return what is warned of when a platform is chosen, and the platform that the plan will name."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", source)
    observed = look(
        world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=PlatformRule(**rule)), contents=contents
    )
    return observed.warnings, observed.sightings[0].platform


CHART = images.artifact(None, config_media_type=images.HELM_CONFIG)
REFUSE = "(write platforms: [linux/arm64] to refuse such images)"


@pytest.mark.parametrize(
    ("source", "warning", "platform"),
    [
        (images.single("app", platform="linux/arm64"), "", "linux/arm64"),
        (
            images.single("app", platform="linux/arm/v6"),
            f"a single image for linux/arm/v6 REFUSED {REFUSE}",
            "linux/arm/v6",
        ),
        (
            images.single("app", platform="windows/amd64,osver=10.0.20348.1"),
            f"a single image for windows/amd64,osver=10.0.20348.1 REFUSED {REFUSE}",
            "windows/amd64,osver=10.0.20348.1",
        ),
        (CHART, "what names no platform REFUSED", None),
        (images.artifact(None), "what names no platform REFUSED", None),
        (images.single("app", platform="unknown/unknown"), "what names no platform REFUSED", None),
    ],
    ids=["the wanted one", "another", "Windows", "a chart", "an artifact", "unknown"],
)
def test_what_regsyncs_platform_cannot_choose_from_is_named_as_what_it_is(
    source: images.Image, warning: str, platform: str | None
) -> None:
    """It is mirrored all the same, under its own platform or none, and with a warning where it is another (B11)."""
    warning = warning.replace("REFUSED", "is mirrored as it is, not for linux/arm64")
    found, known = remarks(source, wanted=(ARM64,), index_only=True)
    assert found == ((f"sync[0]: {warning}: src.io/app:1",) if warning else ())
    assert (str(known) if known else None) == platform


@pytest.mark.parametrize("size", [20, 9 * 1024 * 1024])
def test_a_config_that_cannot_be_read_is_no_reason_to_stop_what_is_taken_as_it_is(size: int) -> None:
    """With regsync's `platform` nothing depends on it."""
    image = images.single("app")
    config = images.blob(b"x" * size, images.OCI_CONFIG)
    raw = json.dumps({**json.loads(image.raw), "config": config.descriptor()}).encode()
    broken = replace(image, raw=raw, digest=images.digest_of(raw), blobs=(config, *image.blobs[1:]))
    found, known = remarks(broken, wanted=(ARM64,), index_only=True)
    assert found == ("sync[0]: what names no platform is mirrored as it is, not for linux/arm64: src.io/app:1",)
    assert known is None


def test_a_check_does_not_fetch_an_image_for_its_platform() -> None:
    """That would be a pull for the sake of a word."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app"))
    rule = PlatformRule((ARM64,), index_only=True)
    observed = look(world, wishes.image("src.io/app:1", "dst.io/app:1", platforms=rule), contents=False)
    assert observed.warnings == ()
    assert world.count("get_manifest") == 0


def test_a_chart_has_no_platform_to_choose() -> None:
    """With `platforms` it is mirrored as it is, and that is said; there is nothing in it that could be for another."""
    assert remarks(CHART, wanted=(AMD64, ARM64)) == (
        ("sync[0]: what names no platform is mirrored as it is, not for linux/amd64, linux/arm64: src.io/app:1",),
        None,
    )


def test_a_lone_image_does_not_stand_for_all_the_platforms_wanted() -> None:
    """It is mirrored when it is for one of them, and the others are named."""
    wanted = (AMD64, ARM64, Platform("linux", "s390x"))
    assert remarks(images.single("app", platform="linux/arm64"), wanted=wanted) == (
        (
            "sync[0]: a single image for linux/arm64 is mirrored, which is not for linux/amd64, linux/s390x: "
            "src.io/app:1",
        ),
        ARM64,
    )


def windows(*platforms: str) -> images.Image:
    return images.multi_platform("app", platforms=[*platforms, "linux/amd64"])


@pytest.mark.parametrize("contents", [True, False])
@pytest.mark.parametrize(
    ("wanted", "taken", "warned"),
    [
        ("windows/amd64", "10.0.17763.5206", True),
        ("windows/amd64,osver=10.0.17763", "10.0.17763.5206", False),
        ("windows/amd64,osver=10.0.20348.1", "10.0.20348.2227", False),
    ],
)
def test_a_choice_among_os_versions_is_told(wanted: str, taken: str, *, warned: bool, contents: bool) -> None:
    """The first counts; `osver` names one, by its first three parts."""
    index = windows("windows/amd64,osver=10.0.17763.5206", "windows/amd64,osver=10.0.20348.2227")
    found, platform = remarks(index, contents=contents, wanted=(Platform.parse(wanted),), index_only=True)
    warning = (
        "sync[0]: windows/amd64 is offered in the OS versions 10.0.17763.5206, 10.0.20348.2227, of which "
        "10.0.17763.5206 is taken (write windows/amd64,osver=VERSION for another): src.io/app:1"
    )
    assert found == ((warning,) if warned else ())
    assert str(platform) == f"windows/amd64,osver={taken}"


def test_of_two_builds_of_one_os_version_the_one_that_is_named_is_taken() -> None:
    """Its first three parts choose, and the whole of it among what they leave."""
    index = windows("windows/amd64,osver=10.0.17763.1", "windows/amd64,osver=10.0.17763.5")
    found, platform = remarks(index, wanted=(Platform.parse("windows/amd64,osver=10.0.17763.5"),))
    assert str(platform) == "windows/amd64,osver=10.0.17763.5"
    assert found == (
        "sync[0]: windows/amd64 is offered in the OS versions 10.0.17763.1, 10.0.17763.5, of which "
        "10.0.17763.5 is taken (write windows/amd64,osver=VERSION for another): src.io/app:1",
    )


def test_a_choice_between_two_images_of_one_platform_is_told() -> None:
    """`arm64` and `arm64/v8` are one platform."""
    index = images.multi_platform("app", platforms=("linux/arm64", "linux/arm64/v8"))
    found, _ = remarks(index, wanted=(ARM64,))
    first = index.children[0].digest[:19]
    assert found == (f"sync[0]: linux/arm64 is offered 2 times, of which the first is taken ({first}): src.io/app:1",)


def test_what_is_true_of_many_tags_is_said_once() -> None:
    """A warning names three of them, and nothing is said of those that are in sync."""
    world = MemoryRegistry()
    for tag in "123456":
        world.seed(f"src.io/app:{tag}", images.artifact(None, seed=tag))
    world.seed("dst.io/app:6", images.artifact(None, seed="6"))
    rule = PlatformRule((ARM64,), index_only=True)
    observed = look(world, wishes.repository("src.io/app", "dst.io/app", platforms=rule))
    assert observed.warnings == (
        "sync[0]: what names no platform is mirrored as it is, not for linux/arm64: "
        "src.io/app:1, src.io/app:2, src.io/app:3 and 2 more",
    )


def test_a_source_with_several_targets_is_asked_for_its_platform_once() -> None:
    """Neither its manifest nor its config is read twice."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("app", platform="linux/arm64"))
    for index_only in (True, False):
        world.calls.clear()
        rule = PlatformRule((ARM64,), index_only=index_only)
        look(world, *(wishes.image("src.io/app:1", f"{name}.io/app:1", platforms=rule) for name in "ab"))
        assert (world.count("get_manifest"), world.count("get_blob")) == (1, 1)


@pytest.mark.parametrize("whole_repository", [True, False])
def test_a_tag_that_only_names_an_os_gets_the_version_in_front(*, whole_repository: bool) -> None:
    """`os_normalize` changes the target tag only (A6)."""
    world = MemoryRegistry()
    for tag in ("alpine3.21", "1.22-alpine3.21"):
        world.seed(f"src.io/go:{tag}", images.single(tag))
    entry = (
        wishes.repository("src.io/go", "dst.io/go", allow=("alpine3.21",))
        if whole_repository
        else wishes.image("src.io/go:alpine3.21", "dst.io/go:alpine3.21")
    )
    (sighting,) = look(world, replace(entry, os_normalize=True)).sightings
    assert (str(sighting.wish.source), str(sighting.wish.target)) == (
        "src.io/go:alpine3.21",
        "dst.io/go:1.22-alpine3.21",
    )


@pytest.mark.parametrize(
    ("entry", "broken", "reference"),
    [
        pytest.param(wishes.repository("src.io/go", "dst.io/go"), "src.io/go", "src.io/go", id="a repository"),
        pytest.param(
            replace(wishes.image("src.io/go:alpine3.21", "dst.io/go:alpine3.21"), os_normalize=True),
            "src.io/go",
            "src.io/go:alpine3.21",
            id="an image that is renamed",
        ),
        pytest.param(
            wishes.repository("src.io/go", "dst.io/go", comparison=Comparison.EXISTENCE),
            "dst.io/go",
            "src.io/go",
            id="a target of which it is enough that tags exist",
        ),
    ],
)
def test_nothing_rests_on_a_list_that_broke_off(entry: wishes.Entry, broken: str, reference: str) -> None:
    """Neither a selection, nor a name that the other tags decide, nor what is there already."""
    world = MemoryRegistry()
    for tag in ("alpine3.21", "1.22-alpine3.21"):
        world.seed(f"src.io/go:{tag}", images.single(tag))
        world.seed(f"dst.io/go:{tag}", images.single(tag))
    world.broken_lists[broken] = "GET tags: HTTP 500 on page 2"
    observed = look(world, entry)
    message = "the tag list is incomplete: GET tags: HTTP 500 on page 2"
    assert observed.troubles == (Trouble("sync[0]", reference, message),)
    assert observed.sightings == ()
    assert {method for method, _ in world.calls} == {"list_tags"}


def test_what_can_be_no_name_in_a_list_is_a_warning_of_each_entry() -> None:
    """Those that match nothing say so besides, and whole registries speak of their catalogue and of each list."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.strange_names |= {"src.io/app": "one entry is odd", "src.io": "one repository is odd"}
    repository = wishes.repository("src.io/app", "dst.io/app")
    whole = RegistryScope("src.io", "dst.io/all", (), (), Selection())
    observed = look(
        world,
        repository,
        wishes.repository("src.io/app", "dst.io/app", allow=("x",)),
        replace(repository, scope=whole),
        replace(repository, scope=replace(whole, allow=(TagPattern("x"),))),
    )
    assert observed.warnings == (
        "sync[0]: one entry is odd",
        "sync[1]: one entry is odd",
        "sync[1]: no tag of src.io/app matches (1 listed)",
        "sync[2]: one repository is odd",
        "sync[2]: one entry is odd",
        "sync[3]: one repository is odd",
        "sync[3]: no repository of src.io matches (1 listed)",
    )
    assert len(observed.sightings) == 2


def test_a_tag_that_no_registry_can_have_is_a_trouble_of_its_own() -> None:
    """Whoever lists it, it does not stop the others."""
    world = MemoryRegistry()
    source = world.seed("src.io/app:1", images.single("1"))
    world.shelves[source.repository].tags["a:b"] = world.shelves[source.repository].tags["1"]
    observed = look(world, wishes.repository("src.io/app", "dst.io/app"))
    message = "tag 'a:b' is malformed: expected up to 128 letters, digits, _ . -, and none of . - first"
    assert observed.troubles == (Trouble("sync[0]", "src.io/app:a:b", message),)
    assert [str(seen.wish.source) for seen in observed.sightings] == ["src.io/app:1"]


def test_no_repository_is_chosen_from_a_catalogue_that_broke_off() -> None:
    """A repository that is not listed may be there all the same."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.broken_lists["src.io"] = "GET catalog: HTTP 500 on page 2"
    entry = replace(
        wishes.repository("src.io/app", "dst.io/app"), scope=RegistryScope("src.io", "dst.io", (), (), Selection())
    )
    message = "the list of repositories is incomplete: GET catalog: HTTP 500 on page 2"
    assert look(world, entry).troubles == (Trouble("sync[0]", "src.io", message),)


def test_two_targets_of_one_reference_are_the_same_reference() -> None:
    """References compare by what they name."""
    assert Reference.parse("docker.io/alpine") == Reference.parse("index.docker.io/library/alpine:latest")


def test_an_immutable_tag_that_is_there_costs_no_request() -> None:
    """With `immutable_tags` the target's tag list replaces the questions about the tags that match."""
    world = MemoryRegistry()
    for tag in ("1.0", "1.1", "latest"):
        world.seed(f"src.io/app:{tag}", images.single(f"new {tag}"))
    for tag in ("1.0", "latest"):
        world.seed(f"dst.io/app:{tag}", images.single(f"old {tag}"))
    entry = wishes.repository("src.io/app", "dst.io/app")
    rules = replace(entry.copy, immutable_tags=(TagPattern(r"\d+\.\d+"),))
    observed = look(world, replace(entry, copy=rules), contents=False)
    assert len(observed.existing) == 1
    pending = {str(seen.wish.target): seen.in_sync for seen in observed.sightings}
    assert pending == {"dst.io/app:1.1": False, "dst.io/app:latest": False}
    assert sorted(world.calls) == [
        ("head_manifest", "dst.io/app:1.1"),
        ("head_manifest", "dst.io/app:latest"),
        ("head_manifest", "src.io/app:1.1"),
        ("head_manifest", "src.io/app:latest"),
        ("list_tags", "dst.io/app"),
        ("list_tags", "src.io/app"),
    ]


def test_an_immutable_image_is_asked_for_at_the_target_only() -> None:
    """An entry of one image needs no list: a HEAD says that the tag is there, and it is left as it is."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("new"))
    world.seed("dst.io/app:1", images.single("old"))
    entry = wishes.image("src.io/app:1", "dst.io/app:1")
    rules = replace(entry.copy, immutable_tags=(TagPattern("1"),))
    (sighting,) = look(world, replace(entry, copy=rules)).sightings
    assert sighting.in_sync
    assert world.calls == [("head_manifest", "dst.io/app:1")]


@pytest.mark.parametrize("keep_last", [0, 1])
def test_too_few_tags_stop_an_entry(keep_last: int) -> None:
    """With fewer matches than `min_tags` nothing of an entry is planned, and the others go on."""
    world = MemoryRegistry()
    for tag in ("1", "2", "3"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
    entry = wishes.repository("src.io/app", "dst.io/app", allow=("1", "2"))
    assert isinstance(entry.scope, RepositoryScope)
    guards = (replace(entry.scope.selection, keep_last=keep_last, min_tags=count) for count in (3, 2))
    guarded = [replace(entry, scope=replace(entry.scope, selection=guard)) for guard in guards]
    observed = look(world, *guarded, contents=False)
    assert observed.troubles == (
        Trouble(
            "sync[0]",
            "src.io/app",
            "2 of 3 tags match, min_tags asks for 3; nothing of this entry is planned: check its tag rules, "
            "or lower min_tags",
        ),
    )
    assert {seen.wish.entry.name for seen in observed.sightings} == {"sync[1]"}


def test_no_tag_at_all_is_too_few() -> None:
    """With `min_tags` an entry that matches nothing is a trouble and no mere warning."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    entry = wishes.repository("src.io/app", "dst.io/app", allow=("x",))
    assert isinstance(entry.scope, RepositoryScope)
    selection = replace(entry.scope.selection, min_tags=1)
    observed = look(world, replace(entry, scope=replace(entry.scope, selection=selection)))
    assert (len(observed.troubles), observed.warnings) == (1, ())
