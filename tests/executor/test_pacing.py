"""Waiting for a source's pull quota (semantics B11, "Rate limit"): when, for how long, and who goes on meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Result, Status
from transship_executor.watching import Delay, Silent
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import Change, ConfigPin, Plan, RateLimit
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.http.timing import Timing
from transship_registry.quota import Quota
from transship_registry.reference import Reference

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
DONE = Status.DONE


def app(number: int, *, registry: str = "src.io", minimum: int = 20, retry_s: float = 300.0) -> wishes.Entry:
    """Return an entry for one image, which leaves pulls alone."""
    return wishes.sparing(wishes.image(f"{registry}/app{number}:1", f"dst.io/app{number}:1"), minimum, retry_s)


def left(remaining: int, limit: int | None = 100, source: str = "") -> Quota:
    """Return a quota."""
    return Quota(limit, remaining, 21600, source)


@dataclass
class Hourglass:
    """Time that stands still until a test lets it pass; `asked` are the sleeps."""

    now: float = 0.0
    asked: list[float] = field(default_factory=list[float])
    sleepers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list[tuple[float, asyncio.Future[None]]])

    @property
    def timing(self) -> Timing:
        """What apply takes."""
        return Timing(clock=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Sleep until enough time has passed."""
        self.asked.append(seconds)
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + seconds, woken))
        await woken

    async def run(self, seconds: float) -> None:
        """Let time pass, and then everybody do what can be done without any more of it."""
        self.now += seconds
        for deadline, woken in self.sleepers:
            if deadline <= self.now and not woken.done():
                woken.set_result(None)
        await settle()


async def settle() -> None:
    """Let all tasks run until they wait for the clock."""
    for _ in range(500):
        await asyncio.sleep(0)


class Delays(Silent):
    """Keeps what was told of delays and of ends."""

    def __init__(self) -> None:
        self.delays: list[tuple[str, Delay]] = []
        self.ended: list[str] = []

    def change_delayed(self, change: Change, delay: Delay) -> None:
        """Note it."""
        self.delays.append((str(change.target), delay))

    def change_ended(self, result: Result) -> None:
        """Note it."""
        self.ended.append(str(result.change.target))


@dataclass
class Run:
    """An apply under way, the world it works in, and its time."""

    world: MemoryRegistry
    glass: Hourglass
    watcher: Delays
    task: asyncio.Task[Outcome]

    @property
    def looks(self) -> int:
        """How often the quota was looked at."""
        return self.world.count("pull_quota")

    @property
    def pulled(self) -> list[str]:
        """The repositories that manifests were fetched from, in order."""
        fetched = (Reference.parse(reference) for method, reference in self.world.calls if method == "get_manifest")
        return list(dict.fromkeys(str(reference.repository) for reference in fetched))


def world_of(*entries: wishes.Entry) -> tuple[MemoryRegistry, Plan]:
    """Return a world that has what the entries want, and the plan; that it was asked is forgotten."""
    world = MemoryRegistry()
    for entry in entries:
        source = str(getattr(entry.scope, "source", ""))
        world.seed(source, images.single(source))
    plan = diff(asyncio.run(observe(wishes.desired(*entries), world)), CIRCUMSTANCES)
    assert len(plan.changes) == len(entries)
    world.calls.clear()
    return world, plan


def applying(
    entries: list[wishes.Entry],
    play: Callable[[Run], Awaitable[None]],
    *,
    quotas: dict[str, Quota | None] | None = None,
    at_once: int = 8,
    prepare: Callable[[MemoryRegistry, Hourglass], None] = lambda world, glass: None,
) -> list[Result]:
    """Apply while `play` lets time pass and looks; return the results. Nothing may be left waiting at the end."""
    world, plan = world_of(*entries)
    world.quotas.update(quotas or {})
    glass, watcher = Hourglass(), Delays()
    prepare(world, glass)

    async def scenario() -> Outcome:
        work = apply(plan, world, images_at_once=at_once, watcher=watcher, timing=glass.timing)
        run = Run(world, glass, watcher, asyncio.create_task(work))
        await settle()
        await play(run)
        async with asyncio.timeout(600):
            return await run.task

    return list(asyncio.run(scenario()).results)


def statuses(results: list[Result]) -> list[Status]:
    """Return how the changes ended."""
    return [result.status for result in results]


@pytest.mark.parametrize("remaining", [20, 21, 100])
def test_enough_is_enough_when_it_equals_the_minimum(remaining: int) -> None:
    """Then the image is copied at once: one look, by the digest that was approved, before the first pull."""

    async def play(run: Run) -> None:
        assert run.task.done()
        assert run.glass.asked == []
        assert run.watcher.delays == []
        digest = images.single("src.io/app0:1").digest
        assert run.world.calls[:3] == [
            ("head_manifest", "dst.io/app0:1"),
            ("pull_quota", f"src.io/app0@{digest}"),
            ("get_manifest", f"src.io/app0@{digest}"),
        ]
        assert run.looks == 1

    assert statuses(applying([app(0)], play, quotas={"src.io": left(remaining)})) == [DONE]


def test_too_little_is_waited_for_as_long_as_it_takes() -> None:
    """After each period one more look, and no pull before there is enough."""

    async def play(run: Run) -> None:
        for number, remaining in enumerate((3, 0, 19)):
            assert run.watcher.delays[number:] == [("dst.io/app0:1", Delay(left(remaining), 20, 900.0))]
            await run.glass.run(899)
            assert run.looks == number + 1
            run.world.quotas["src.io"] = left((0, 19, 20)[number])
            await run.glass.run(1)
            assert run.looks == number + 2
        assert run.task.done()
        assert run.glass.asked == [900.0] * 3
        assert run.pulled == ["src.io/app0"]

    assert statuses(applying([app(0, retry_s=900)], play, quotas={"src.io": left(3)})) == [DONE]


def test_without_a_stated_quota_nothing_is_waited_for() -> None:
    """The rule is active only where the registry says how much is left."""

    async def play(run: Run) -> None:
        assert run.task.done()
        assert (run.looks, run.glass.asked) == (1, [])

    assert statuses(applying([app(0)], play)) == [DONE]


def test_a_quota_that_is_not_stated_any_more_ends_the_wait() -> None:
    """Regsync reads 0 then, and waits on for ever."""

    async def play(run: Run) -> None:
        assert not run.task.done()
        del run.world.quotas["src.io"]
        await run.glass.run(300)
        assert run.task.done()

    assert statuses(applying([app(0)], play, quotas={"src.io": left(3)})) == [DONE]


def test_an_entry_without_a_minimum_does_not_look() -> None:
    """`min: 0` is off."""

    async def play(run: Run) -> None:
        assert run.task.done()
        assert run.looks == 0

    assert statuses(applying([app(0, minimum=0)], play, quotas={"src.io": left(0)})) == [DONE]


def test_what_is_done_already_waits_for_nothing() -> None:
    """It takes no pull, so it is not even looked for."""

    async def play(run: Run) -> None:
        assert run.task.done()
        assert run.looks == 0

    def prepare(world: MemoryRegistry, _: Hourglass) -> None:
        world.seed("dst.io/app0:1", images.single("src.io/app0:1"))

    assert statuses(applying([app(0)], play, quotas={"src.io": left(0)}, prepare=prepare)) == [Status.ALREADY]


@pytest.mark.parametrize("later", [False, True])
def test_a_look_that_fails_is_a_failure_of_that_change(*, later: bool) -> None:
    """At the first look or after a wait; the other change of the registry makes its own look, and goes on."""
    asked = f"src.io/app0@{images.single('src.io/app0:1').digest}"
    error = RegistryError("HEAD manifest", asked, "HTTP 500", status=500)

    async def play(run: Run) -> None:
        run.world.fail["pull_quota", asked] = error
        await run.glass.run(300)
        run.world.quotas["src.io"] = left(50)
        await run.glass.run(300)

    def prepare(world: MemoryRegistry, _: Hourglass) -> None:
        if not later:
            world.fail["pull_quota", asked] = error

    results = applying([app(0), app(1)], play, quotas={"src.io": left(3)}, prepare=prepare)
    assert statuses(results) == [Status.FAILED, DONE]
    assert results[0].message == f"HEAD manifest {asked}: HTTP 500"


def test_a_minimum_above_the_whole_quota_is_refused_instead_of_waited_for() -> None:
    """It would be waited for until somebody looks why nothing happens."""

    async def play(run: Run) -> None:
        assert run.task.done()
        assert run.watcher.delays == []

    (result,) = applying([app(0, minimum=101)], play, quotas={"src.io": left(100)})
    assert result.status is Status.FAILED
    assert result.message == (
        f"wait for the quota of src.io/app0@{images.single('src.io/app0:1').digest}: "
        "ratelimit.min is 101, but the registry's whole quota is 100 pulls; "
        "lower ratelimit.min, or log in for a larger quota"
    )


def test_others_are_copied_while_one_waits() -> None:
    """Its place among the images at once is free meanwhile, even if there is only one."""

    async def play(run: Run) -> None:
        assert run.watcher.ended == ["dst.io/app1:1", "dst.io/app2:1"]
        assert not run.task.done()
        run.world.quotas["src.io"] = left(20)
        await run.glass.run(300)
        assert run.watcher.ended == ["dst.io/app1:1", "dst.io/app2:1", "dst.io/app0:1"]

    entries = [app(0), app(1, registry="other.io"), app(2, registry="other.io", minimum=0)]
    assert statuses(applying(entries, play, quotas={"src.io": left(3)}, at_once=1)) == [DONE] * 3


@pytest.mark.parametrize("at_once", [1, 3])
def test_whoever_has_waited_takes_a_place_again(at_once: int) -> None:
    """However many wake up at a time, no more than `images_at_once` are copied at once."""
    working: set[str] = set()
    most: list[int] = []

    class Counting(Delays):
        """Counts the changes that are neither waiting nor done."""

        def change_delayed(self, change: Change, delay: Delay) -> None:
            """One less works."""
            super().change_delayed(change, delay)
            working.discard(str(change.target))

        def change_ended(self, result: Result) -> None:
            """One less works."""
            super().change_ended(result)
            working.discard(str(result.change.target))

    world, plan = world_of(*(app(number) for number in range(9)))
    world.quotas["src.io"] = left(3)

    def look(method: str, reference: str) -> None:
        if method in {"pull_quota", "get_manifest", "get_blob"}:
            name = Reference.parse(reference).repository.path
            working.add(f"dst.io/{name}:1")
            most.append(len(working))

    world.before_call = look

    async def scenario() -> Outcome:
        glass = Hourglass()
        task = asyncio.create_task(apply(plan, world, images_at_once=at_once, watcher=Counting(), timing=glass.timing))
        await settle()
        assert len(glass.sleepers) == 9
        world.quotas["src.io"] = left(90)
        await glass.run(300)
        return await task

    assert statuses(list(asyncio.run(scenario()).results)) == [DONE] * 9
    assert max(most) <= at_once


def test_those_who_wait_for_one_account_look_once_per_period() -> None:
    """And are told of once. When there is enough again, each looks for itself, since the others use it up.

    In the first period each repository is asked whether its pulls are counted, and for which account.
    """

    async def play(run: Run) -> None:
        for period in range(3):
            assert run.looks == 6 + period
            assert len(run.watcher.delays) == 6 + 6 * period
            assert [delay.is_known for _, delay in run.watcher.delays[-6:]] == [False] + [True] * 5
            if period == 2:
                run.world.quotas["src.io"] = left(20)
            await run.glass.run(300)
        assert run.looks == 6 + 2 + 6

    entries = [app(number) for number in range(6)]
    assert statuses(applying(entries, play, quotas={"src.io": left(3)}, at_once=2)) == [DONE] * 6


def test_a_look_that_is_shared_is_as_old_as_it_is() -> None:
    """Who comes later waits for the rest of the period, not for a whole one."""

    def prepare(world: MemoryRegistry, glass: Hourglass) -> None:
        def be_slow(method: str, reference: str) -> None:
            if (method, reference.partition("@")[0]) == ("get_manifest", "slow.io/app1"):
                glass.now += 100

        world.before_call = be_slow

    async def play(run: Run) -> None:
        assert run.watcher.ended == ["dst.io/app1:1"]
        assert run.glass.asked == [300.0, 200.0]
        await run.glass.run(200)
        assert run.glass.asked[2:] == [300.0, 300.0]
        run.world.quotas["src.io"] = left(20)
        await run.glass.run(300)

    entries = [app(0), app(1, registry="slow.io"), app(2)]
    results = applying(entries, play, quotas={"src.io": left(3)}, at_once=1, prepare=prepare)
    assert statuses(results) == [DONE] * 3


def test_what_the_registry_does_not_count_is_not_held_back() -> None:
    """Registries exempt some repositories: those state no quota, whatever others of the registry wait for."""

    async def play(run: Run) -> None:
        assert run.watcher.ended == ["dst.io/app1:1"]
        run.world.quotas["src.io"] = left(20)
        await run.glass.run(300)

    quotas: dict[str, Quota | None] = {"src.io": left(3), "src.io/app1": None}
    assert statuses(applying([app(0), app(1)], play, quotas=quotas, at_once=1)) == [DONE] * 2


def test_another_account_is_another_quota() -> None:
    """The registry says what it counts the pulls for."""

    async def play(run: Run) -> None:
        assert run.watcher.ended == ["dst.io/app1:1"]
        run.world.quotas["src.io"] = left(20)
        await run.glass.run(300)

    quotas: dict[str, Quota | None] = {"src.io": left(3, source="192.0.2.1"), "src.io/app1": left(50, source="team")}
    assert statuses(applying([app(0), app(1)], play, quotas=quotas, at_once=1)) == [DONE] * 2


def test_each_entry_has_its_own_minimum_and_period() -> None:
    """The same look is enough for one, and too little for another, which is told of by itself."""

    async def play(run: Run) -> None:
        assert run.watcher.ended == ["dst.io/app0:1"]
        assert run.watcher.delays == [
            ("dst.io/app1:1", Delay(left(25), 50, 300.0)),
            ("dst.io/app2:1", Delay(left(25), 90, 900.0)),
        ]
        run.world.quotas["src.io"] = left(89)
        await run.glass.run(300)
        assert run.watcher.ended[1:] == ["dst.io/app1:1"]
        run.world.quotas["src.io"] = left(90)
        await run.glass.run(600)
        assert run.watcher.ended[2:] == ["dst.io/app2:1"]

    entries = [app(0), app(1, minimum=50), app(2, minimum=90, retry_s=900)]
    assert statuses(applying(entries, play, quotas={"src.io": left(25)}, at_once=1)) == [DONE] * 3


def test_a_run_can_be_interrupted_while_it_waits() -> None:
    """At once, with nothing pulled or written for those who wait, and what is done is done."""

    async def play(run: Run) -> None:
        run.task.cancel()
        await settle()
        assert run.task.done()
        outcome = run.task.result()
        assert outcome.interrupted
        assert [result.message for result in outcome.results[:2]] == ["the run was interrupted"] * 2
        assert run.pulled == ["other.io/app2"]

    entries = [app(0), app(1), app(2, registry="other.io")]
    results = applying(entries, play, quotas={"src.io": left(3)}, at_once=1)
    assert statuses(results) == [Status.NOT_STARTED, Status.NOT_STARTED, DONE]


def test_a_target_that_moves_while_its_change_waits_is_left_untouched() -> None:
    """Hours may pass; the target is looked at once more before its tag is written."""

    async def play(run: Run) -> None:
        run.world.seed("dst.io/app0:1", images.single("stranger"))
        run.world.quotas["src.io"] = left(20)
        await run.glass.run(300)

    assert statuses(applying([app(0)], play, quotas={"src.io": left(3)})) == [Status.CONFLICT]


def test_the_plan_carries_the_rule() -> None:
    """So that it holds where a plan file is applied without the configuration."""
    _, plan = world_of(app(0, minimum=7, retry_s=600), app(1, minimum=0))
    assert [change.ratelimit for change in plan.changes] == [RateLimit(min=7, retry_s=600), None]
