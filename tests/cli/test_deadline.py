"""Commands that may take so long and no longer: what is done, said and written when their time is over."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from support import images
from support.program import transship
from support.registry_server.faults import SlowResponses
from support.registry_server.server import RegistryServer
from transship import drifting, planning
from transship.deadline import Deadline, TimeUpError
from transship.invocation import Invocation, LogFormat
from transship_planner.plans.plan import Problem
from transship_registry.http.address import Pause
from transship_registry.registries import Registries

TAGS = [f"1.{number}" for number in range(4)]


@dataclass
class Clock:
    """Time that a test lets pass, and what is to be called when it is over."""

    now: float = 1000.0
    asked: list[float] = field(default_factory=list[float])
    rings: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def later(self, seconds: float, callback: Callable[[], None]) -> object:
        self.asked.append(seconds)
        self.rings.append(callback)
        return None

    def deadline(self, text: str | None = "90s", seconds: float = 90.0) -> Deadline:
        return Deadline(text, seconds, clock=lambda: self.now, later=self.later)


@dataclass
class Waiting(Registries):
    """Registries of which so many are waited for."""

    silent: tuple[tuple[str, float], ...] = ()
    pauses: list[Callable[[Pause], None]] = field(default_factory=list[Callable[[Pause], None]])

    @property
    def awaited(self) -> tuple[tuple[str, float], ...]:
        return self.silent

    def watch_pauses(self, on_pause: Callable[[Pause], None]) -> None:
        self.pauses.append(on_pause)


async def done_at_once() -> str:
    return "done"


async def never_done(noted: list[str]) -> str:
    try:
        await asyncio.Event().wait()
    finally:
        noted.append("cleaned up")
    return "done"


def run_out(clock: Clock, deadline: Deadline, *silent: tuple[str, float], then: str = "") -> str:
    """Let the time of a plan run out, and return what is said of it."""
    noted: list[str] = []

    async def scenario() -> str:
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(clock.rings[0]))
        with pytest.raises(TimeUpError) as caught:
            await deadline.keep(never_done(noted), Waiting(silent), what="plan", then=then)
        return str(caught.value)

    said = asyncio.run(scenario())
    assert noted == ["cleaned up"]
    return said


def test_what_is_done_in_time_is_done() -> None:
    """Whatever was left of it, and when the time is over after that."""
    clock = Clock()
    assert asyncio.run(clock.deadline().keep(done_at_once(), Waiting(), what="plan")) == "done"
    clock.rings[0]()
    assert asyncio.run(clock.deadline(None).keep(done_at_once(), Waiting(), what="plan")) == "done"
    assert len(clock.rings) == 1


def test_the_time_begins_with_the_command() -> None:
    """What the configuration took is over; what began too late has no time at all."""
    clock = Clock()
    early, late = clock.deadline(), clock.deadline()
    clock.now += 30
    asyncio.run(early.keep(done_at_once(), Waiting(), what="plan"))
    clock.now += 100
    asyncio.run(late.keep(done_at_once(), Waiting(), what="plan"))
    assert clock.asked == [60, 0]


def test_what_was_going_on_is_said() -> None:
    """Who is waited for, what was not looked at, and what comes of it; as far as there is anything to say."""
    clock = Clock()
    assert run_out(clock, clock.deadline()) == "the plan was not done within 90s (--timeout)"
    clock, silent = Clock(), [(f"{name}.io", 62.4 - number) for number, name in enumerate("abcde")]
    assert run_out(clock, clock.deadline(), silent[0], then="plan.json was not written") == (
        "the plan was not done within 90s (--timeout); no answer from a.io for 62 s; plan.json was not written"
    )
    clock = Clock()
    assert run_out(clock, clock.deadline(), *silent) == (
        "the plan was not done within 90s (--timeout); "
        "no answer from a.io for 62 s, b.io for 61 s, c.io for 60 s, 2 more"
    )


def test_what_was_not_looked_at_is_counted() -> None:
    """Of a step that is half done, the rest."""
    clock = Clock()
    deadline, noted = clock.deadline(), list[str]()

    async def look(tag: str) -> None:
        if tag == TAGS[-1]:
            asyncio.get_running_loop().call_soon(clock.rings[0])
        if tag != TAGS[0]:
            await never_done(noted)

    def name(tag: str) -> Problem:
        return Problem(entry="app", reference=f"r.io/app:{tag}", message="", line=3)

    async def scenario() -> str:
        work = deadline.headway.each(TAGS, name, look)
        with pytest.raises(TimeUpError) as caught:
            await deadline.keep(work, Waiting(), what="check")
        return str(caught.value)

    assert asyncio.run(scenario()) == (
        "the check was not done within 90s (--timeout); not looked at: 3 tags of app (line 3)"
    )
    assert noted == ["cleaned up"] * 3


def test_a_signal_is_no_time_that_is_over() -> None:
    """Also when both come together."""

    async def scenario(*, rings: bool) -> None:
        clock, noted = Clock(), list[str]()
        task = asyncio.ensure_future(clock.deadline().keep(never_done(noted), Waiting(), what="plan"))
        await asyncio.sleep(0)
        assert len(clock.rings) == 1
        if rings:
            clock.rings[0]()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert noted in ([], ["cleaned up"])

    for rings in (False, True):
        asyncio.run(scenario(rings=rings))


def mirrored(folder: Path, source: RegistryServer, target: RegistryServer) -> None:
    """Write a configuration, apply it, and record that."""
    for tag in TAGS:
        source.store.add_image("app", tag, images.single())
    creds = [{"registry": server.host, "tls": "disabled"} for server in (source, target)]
    entry = {"source": f"{source.host}/app", "target": f"{target.host}/app", "type": "repository"}
    document = {"state": str(folder / "state.json"), "creds": creds, "sync": [entry]}
    (folder / "mirror.yaml").write_text(json.dumps(document))
    assert transship("once", "-c", "mirror.yaml", cwd=folder).code == 0


def break_off(source: RegistryServer, command: Callable[[Deadline], Coroutine[object, object, int]]) -> str:
    """Let the time of a command be over when the source was asked something, which it does not answer until then."""
    clock, arrived, over = Clock(), threading.Event(), threading.Event()

    def is_over() -> bool:
        arrived.set()
        return over.is_set()

    async def scenario() -> str:
        work = asyncio.ensure_future(command(clock.deadline()))
        await asyncio.to_thread(arrived.wait)
        clock.rings[0]()
        with pytest.raises(TimeUpError) as caught:
            await work
        return re.sub(r"for \d+ s", "for N s", str(caught.value))

    with source.faults.during(SlowResponses(seconds=600, released=is_over)):
        try:
            return asyncio.run(scenario())
        finally:
            over.set()


def test_a_command_is_broken_off_and_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, an earlier plan file stays as it was, and none appears."""
    old = tmp_path / "plan.json"
    invocation = Invocation(
        config=str(tmp_path / "mirror.yaml"), verbosity="info", log_format=LogFormat.TEXT, no_color=True
    )
    with RegistryServer() as source, RegistryServer() as target:
        mirrored(tmp_path, source, target)
        old.write_text("an earlier plan")
        before = sorted(tmp_path.iterdir())

        def plan(out: Path | None) -> str:
            command = partial(planning.plan, invocation, out=out, missing=False, detailed=False)
            return break_off(source, lambda limit: command(form="text", state_file=None, deadline=limit))

        check = partial(planning.check, invocation, missing=False, form="text", state_file=None)
        drift = partial(drifting.drift, invocation, form="text", state_file=None)
        said = [
            *(plan(out) for out in (None, old, tmp_path / "new.json")),
            break_off(source, lambda limit: check(deadline=limit)),
        ]
        compared = break_off(source, lambda limit: drift(deadline=limit))
        silence = f"not done within 90s (--timeout); no answer from {source.host} for N s; not looked at"
        list_of_tags = f"{source.host}/app of sync[0] (line 1)"
        assert said == [
            f"the plan was {silence}: {list_of_tags}",
            f"the plan was {silence}: {list_of_tags}; {old} was not written",
            f"the plan was {silence}: {list_of_tags}; {tmp_path / 'new.json'} was not written",
            f"the check was {silence}: {list_of_tags}",
        ]
        # Both ends are asked at once: the target may have answered by then, or not.
        assert compared.startswith("the comparison was not done within 90s (--timeout); no answer from ")
        assert f"{source.host} for N s" in compared
        assert compared.endswith("; not looked at: 4 tags of sync[0]")
        assert capsys.readouterr() == ("", "")
        assert (old.read_text(), sorted(tmp_path.iterdir())) == ("an earlier plan", before)


@pytest.mark.parametrize("command", ["plan", "check", "drift"])
@pytest.mark.parametrize(
    ("duration", "message"),
    [
        ("5", "'5' has no unit; write '5s' for seconds or '5m' for minutes"),
        ("soon", "'soon' is no duration; write it like '90s', '15m' or '1h15m'"),
        ("0s", "'0s' is no time; write it like '90s', '15m' or '1h15m'"),
    ],
)
def test_a_bad_duration_is_one_line(tmp_path: Path, command: str, duration: str, message: str) -> None:
    """Before anything is read."""
    done = transship(command, "--timeout", duration, cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: Invalid value: --timeout: {message}; see transship --help\n"


def test_the_option_bounds_the_program(tmp_path: Path) -> None:
    """Exit 1 and one line; the registry would take longer than anybody waits."""
    released: list[bool] = []
    with RegistryServer() as source, RegistryServer() as target:
        mirrored(tmp_path, source, target)
        source.faults.add(SlowResponses(seconds=3600, released=lambda: bool(released)))
        for command, what in (("plan", "plan"), ("check", "check"), ("drift", "comparison")):
            done = transship(command, "-c", "mirror.yaml", "--timeout", "1ms", cwd=tmp_path)
            assert (done.code, done.out) == (1, "")
            assert done.err.startswith(f"error: the {what} was not done within 1ms (--timeout)")
            assert done.err.count("\n") == 1
        released.append(True)
