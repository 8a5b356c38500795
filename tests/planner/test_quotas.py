"""The forecast tells what is left of the sources' pull quotas, and whether that is enough for the plan."""

import asyncio
import json
from dataclasses import replace

import msgspec
import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.config import config_digest
from transship_planner.errors import PlanError
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Policy, Restraint
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Action, ConfigPin, Plan, PullQuota, RateLimit, SourcePulls
from transship_planner.plans.planfile import decode, encode, save
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.quota import Quota
from transship_registry.reference import Repository

PIN = ConfigPin(digest=Digest.of(b""), dialect="regsync")
HUB = "docker.io/library/alpine"
QUAY = "quay.io/team/app"


def mirror(source: str, *, minimum: int = 0) -> wishes.Entry:
    """Return an entry that mirrors a repository."""
    return wishes.sparing(wishes.repository(source, f"dst.io/{source.rpartition('/')[2]}"), minimum)


def world_of(*references: str, **quotas: Quota) -> MemoryRegistry:
    """Return a world with an image of one manifest at each place, where every registry states the same quota."""
    world = MemoryRegistry()
    for reference in references:
        world.seed(reference, images.single(reference))
    world.quotas = dict.fromkeys(("docker.io", "quay.io"), quotas.get("quota"))
    return world


def plan(
    world: MemoryRegistry, *entries: wishes.Entry, contents: bool = True, policies: tuple[Policy, ...] = ()
) -> Plan:
    """Return the plan."""
    observed = asyncio.run(observe(wishes.desired(*entries), world, contents=contents, policies=policies))
    return diff(observed, Circumstances(tool_version="0", config=PIN))


def looks(world: MemoryRegistry) -> list[str]:
    """Return what was asked for its quota."""
    return [reference for method, reference in world.calls if method == "pull_quota"]


def at(reference: str) -> str:
    """Return a seeded reference by its digest."""
    return f"{reference.rpartition(':')[0]}@{images.single(reference).digest}"


PLENTY = Quota(100, 83, 21600, "192.0.2.1")


def test_docker_hub_is_asked_once_for_a_whole_plan() -> None:
    """By the first image that will be pulled. Whom it counts the pulls for (an address) is not in the plan."""
    world = world_of(f"{HUB}:1", f"{HUB}:2", "docker.io/library/zsh:1", quota=PLENTY)
    made = plan(world, mirror(HUB), mirror("docker.io/library/zsh"))
    assert looks(world) == [at(f"{HUB}:1")]
    quota = PullQuota(remaining=83, fits=True, limit=100, window_s=21600)
    assert made.forecast.pulls == (SourcePulls(registry="docker.io", manifests=3, quota=quota),)
    assert made.warnings == ()
    assert b"192.0.2.1" not in encode(save(made, created_at=""))
    assert "Manifest pulls: 3 from docker.io (83 of 100 left).\n" in render_text(made)
    assert "Manifest pulls: 3 from docker.io (83 of 100 left).\n" in render_markdown(made)


def test_another_registry_is_asked_when_an_entry_spares_its_quota() -> None:
    """And not otherwise: most registries have no quota."""
    world = world_of(f"{QUAY}:1", quota=PLENTY)
    assert plan(world, mirror(QUAY)).forecast.pulls == (SourcePulls(registry="quay.io", manifests=1),)
    assert looks(world) == []
    (pulls,) = plan(world, mirror(QUAY, minimum=1)).forecast.pulls
    assert pulls.quota == PullQuota(remaining=83, fits=True, limit=100, window_s=21600)
    assert looks(world) == [at(f"{QUAY}:1")]


@pytest.mark.parametrize("source", [HUB, QUAY])
def test_what_was_stated_in_passing_is_not_asked_again(source: str) -> None:
    """Reading the manifests of the plan has told it already."""
    world = world_of(f"{source}:1", quota=PLENTY)
    world.stated[source.partition("/")[0]] = Quota(None, 7)
    made = plan(world, mirror(source, minimum=5))
    assert looks(world) == []
    assert [pulls.quota for pulls in made.forecast.pulls] == [PullQuota(remaining=7, fits=True)]
    assert " (7 left).\n" in render_text(made)


def test_a_registry_that_states_no_quota_has_none_in_the_plan() -> None:
    """Such as Docker Hub for a paid account."""
    world = world_of(f"{HUB}:1")
    made = plan(world, mirror(HUB))
    assert made.forecast.pulls == (SourcePulls(registry="docker.io", manifests=1),)
    assert "Manifest pulls: 1 from docker.io.\n" in render_text(made)


def test_a_look_that_fails_does_not_stop_the_plan() -> None:
    """The forecast is a courtesy."""
    world = world_of(f"{HUB}:1", quota=PLENTY)
    world.fail["pull_quota", at(f"{HUB}:1")] = RegistryError("HEAD manifest", f"{HUB}:1", "HTTP 500", status=500)
    made = plan(world, mirror(HUB))
    assert (made.problems, made.warnings) == ((), ())
    assert made.forecast.pulls == (SourcePulls(registry="docker.io", manifests=1),)


def hold(_: object) -> Restraint:
    """Hold everything."""
    return Restraint(Action.HELD, "it is too young")


def test_nobody_is_asked_about_what_will_not_be_pulled() -> None:
    """Not for tags in sync, for a mere check, for what is held, and for layouts."""
    world = world_of(f"{HUB}:1", quota=PLENTY)
    assert plan(world, mirror(HUB), contents=False).pending
    held = plan(world, mirror(HUB, minimum=5), policies=(hold,))
    assert [change.ratelimit for change in held.changes] == [None]
    world.seed("dst.io/alpine:1", images.single(f"{HUB}:1"))
    assert plan(world, mirror(HUB)).changes == ()
    world.seed("ocidir://shelf:1", images.single("shelf"))
    assert plan(world, wishes.sparing(wishes.image("ocidir://shelf:1", "dst.io/shelf:1"), 5)).pending
    assert looks(world) == []


def attached(world: MemoryRegistry, repository: str, reference: str) -> wishes.Entry:
    """Attach an SBOM to a seeded image, and return an entry that mirrors the image with it."""
    world.seed(f"{repository}:untagged", images.artifact(images.single(reference), seed="sbom"))
    del world.shelves[Repository.parse(repository)].tags["untagged"]
    made = wishes.image(reference, "dst.io/app:1")
    return replace(made, copy=replace(made.copy, referrers=True, referrer_source=Repository.parse(repository)))


def test_a_refresh_takes_pulls_too() -> None:
    """The image is there, its SBOM has to be fetched; nobody is asked about the image's own registry."""
    world = world_of(f"{QUAY}:1", quota=Quota(100, 0))
    world.seed("dst.io/app:1", images.single(f"{QUAY}:1"))
    entry = attached(world, HUB, f"{QUAY}:1")
    made = plan(world, entry)
    assert [change.action for change in made.changes] == [Action.REFRESH]
    assert looks(world) == [f"{HUB}@{images.artifact(images.single(f'{QUAY}:1'), seed='sbom').digest}"]
    assert made.forecast.pulls == (
        SourcePulls(registry="docker.io", manifests=1, quota=PullQuota(remaining=0, fits=False, limit=100)),
    )


def test_a_ratelimit_does_not_spare_the_registry_of_what_is_attached() -> None:
    """Apply waits for the registry of the source alone, so that nothing else is promised, and nothing else asked."""
    world = world_of(f"{QUAY}:1", quota=Quota(100, 0))
    made = plan(world, wishes.sparing(attached(world, HUB, f"{QUAY}:1"), 5))
    assert made.warnings == (
        "docker.io: the plan takes 1 manifest pull, but 0 of 100 are left; "
        "give the entries ratelimit.min to let apply wait, log in for a larger quota, or split the plan",
        "quay.io: the plan takes 1 manifest pull, but 0 of 100 are left; "
        "apply will wait for more as ratelimit says; log in for a larger quota, or split the plan",
    )


@pytest.mark.parametrize(
    ("minima", "advice"),
    [
        (
            (0, 0),
            "give the entries ratelimit.min to let apply wait, log in for a larger quota, or split the plan",
        ),
        (
            (1, 0),
            "give the entries ratelimit.min to let apply wait, log in for a larger quota, or split the plan",
        ),
        (
            (1, 2),
            "apply will wait for more as ratelimit says; log in for a larger quota, or split the plan",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_warned_about(minima: tuple[int, int], advice: str) -> None:
    """With the numbers and the ways out, which depend on whether apply would wait."""
    world = world_of(f"{HUB}:1", "docker.io/library/zsh:1", "docker.io/library/zsh:2", quota=Quota(100, 2, 21600))
    made = plan(world, mirror(HUB, minimum=minima[0]), mirror("docker.io/library/zsh", minimum=minima[1]))
    (pulls,) = made.forecast.pulls
    assert pulls.quota == PullQuota(remaining=2, fits=False, limit=100, window_s=21600)
    warning = f"docker.io: the plan takes 3 manifest pulls, but 2 of 100 are left; {advice}"
    assert made.warnings == (warning,)
    assert f"warning: {warning}\n" in render_text(made)
    assert f"- warning: {warning}\n" in render_markdown(made)


def test_just_as_many_as_are_left_fit() -> None:
    """One pull per manifest."""
    world = world_of(f"{HUB}:1", f"{HUB}:2", quota=Quota(100, 2))
    made = plan(world, mirror(HUB))
    assert [pulls.quota.fits for pulls in made.forecast.pulls if pulls.quota] == [True]
    assert made.warnings == ()


def test_a_minimum_that_is_never_left_is_warned_about_while_there_is_time() -> None:
    """Apply would refuse those images, and says so before it is too late."""
    world = world_of(f"{HUB}:1", f"{HUB}:2", f"{QUAY}:1", quota=Quota(100, 100))
    made = plan(world, mirror(HUB, minimum=101), mirror(QUAY, minimum=100))
    assert made.warnings == (
        "sync[0]: ratelimit.min is 101, but the whole quota of docker.io is 100 pulls, so nothing would be copied; "
        "lower ratelimit.min, or log in for a larger quota",
    )


def test_the_rule_is_in_the_plan_file_and_read_from_it() -> None:
    """It is nothing that apply would execute, and goes without the configuration."""
    world = world_of(f"{QUAY}:1", quota=PLENTY)
    made = plan(world, wishes.sparing(mirror(QUAY), 20, 900.5))
    data = encode(save(made, created_at=""))
    assert json.loads(data)["changes"][0]["ratelimit"] == {"min": 20, "retry_s": 900.5}
    assert decode(data, "plan.json").plan == made
    (change,) = made.changes
    assert change.ratelimit == RateLimit(min=20, retry_s=900.5)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (RateLimit(min=20, retry_s=1), "Expected `float` >= 300.0 - at `$.changes[0].ratelimit.retry_s`"),
        (RateLimit(min=0, retry_s=300), "Expected `int` >= 1 - at `$.changes[0].ratelimit.min`"),
    ],
)
def test_a_plan_file_cannot_make_apply_hammer_a_registry(rule: RateLimit, complaint: str) -> None:
    """The shortest period holds for a plan that was written by something else, too."""
    world = world_of(f"{QUAY}:1")
    made = plan(world, mirror(QUAY, minimum=20))
    changes = tuple(msgspec.structs.replace(change, ratelimit=rule) for change in made.changes)
    data = encode(save(msgspec.structs.replace(made, changes=changes), created_at=""))
    with pytest.raises(PlanError) as caught:
        decode(data, "plan.json")
    assert str(caught.value) == f"plan.json: this is no plan that transship can read: {complaint}"


def test_the_rule_counts_for_the_digest_of_the_configuration() -> None:
    """A plan that was approved with another rule is stale."""
    digests = {
        config_digest(wishes.desired(entry))
        for entry in (mirror(QUAY), mirror(QUAY, minimum=5), wishes.sparing(mirror(QUAY), 5, 600))
    }
    assert len(digests) == 3
