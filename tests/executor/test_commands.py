"""Running a command: how it ends, what it says, and that nothing of it stays behind."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from transship_executor import commands
from transship_executor.commands import GRACE_S, run_command
from transship_registry.limits import HOOK_LINE_LIMIT, HOOK_OUTPUT_LIMIT

ENVIRONMENT = {"PATH": os.environ["PATH"]}
PATIENCE_S = 600.0


def run(
    command: str,
    *,
    environment: Mapping[str, str] = ENVIRONMENT,
    timeout_s: float = PATIENCE_S,
    grace_s: float = GRACE_S,
) -> tuple[str, list[str]]:
    """Run a command to its end; return why it failed, and the lines that it wrote."""
    lines: list[str] = []
    failure = asyncio.run(
        run_command(command, environment=environment, timeout_s=timeout_s, say=lines.append, grace_s=grace_s)
    )
    return failure, lines


def eventually(is_so: Callable[[], bool]) -> bool:
    """Wait until something is so, which other processes see to; tell whether it came to be."""
    until = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def is_gone(process: int) -> bool:
    """Tell whether a process has ended, be it reaped or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture(autouse=True)
def no_children() -> Iterator[None]:
    """Every test leaves no child behind, running or dead, and no open file."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_command_that_ends_well_is_no_failure() -> None:
    """Its output and its errors are told line by line, in their order."""
    assert run("echo one; echo two >&2; printf three") == ("", ["one", "two", "three"])


def test_it_is_run_by_a_shell_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes, variables and line breaks are the shell's."""
    monkeypatch.chdir(tmp_path)
    assert run('pwd\nfor word in b a; do echo "$word$X"; done | sort', environment={**ENVIRONMENT, "X": "1"}) == (
        "",
        [str(tmp_path), "a1", "b1"],
    )


def test_it_sees_the_given_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not given is not there."""
    monkeypatch.setenv("SOMETHING_OF_OURS", "1")
    _, lines = run("env", environment={**ENVIRONMENT, "GIVEN": "2"})
    assert "GIVEN=2" in lines
    assert not [line for line in lines if line.startswith("SOMETHING_OF_OURS")]


def test_it_has_no_input() -> None:
    """A command that reads gets the end of the file at once, instead of waiting for somebody at the terminal."""
    assert run("cat; echo read") == ("", ["read"])


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("exit 3", "exit code 3"),
        ("false", "exit code 1"),
        ("kill -9 $$", "ended by SIGKILL"),
        ("kill -40 $$", "ended by signal 40"),
    ],
)
def test_it_says_how_a_command_failed(command: str, failure: str) -> None:
    """By its exit code, or by the signal that ended it."""
    assert run(command) == (failure, [])


def test_a_command_that_is_not_found_is_a_failure_of_the_shell() -> None:
    """The shell says which one, in its own words."""
    failure, (line,) = run("no-such-program-here --at all")
    assert failure == "exit code 127"
    assert "no-such-program-here" in line


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("true " + "x" * 200_000, "it cannot be started: Argument list too long"),
        ("echo a\0b", "it cannot be started: embedded null byte"),
    ],
)
def test_a_command_that_cannot_be_started_is_a_failure(command: str, failure: str) -> None:
    """It says why, and not what: a command may hold a secret."""
    assert run(command) == (failure, [])


def test_after_its_time_the_whole_group_is_ended(tmp_path: Path) -> None:
    """Neither the shell nor what it started lives on, and what was said until then is told."""
    failure, lines = run(f"sleep 300 & echo $! > {tmp_path}/pid; echo waiting; wait", timeout_s=1.5)
    assert (failure, lines) == ("killed after 1.5s", ["waiting"])
    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_a_command_is_asked_to_end_before_it_is_killed() -> None:
    """It may clean up; that it then ends well does not make it a success."""
    cleaning = "trap 'echo cleaned; exit 0' TERM; echo begun; sleep 300 & wait"
    assert run(cleaning, timeout_s=1.5) == ("killed after 1.5s", ["begun", "cleaned"])


def test_a_command_that_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    """With everything that it started, which ignores the question as well."""
    stubborn = f"trap '' TERM; (while :; do sleep 0.05; done) & echo $! > {tmp_path}/pid; while :; do sleep 0.05; done"
    assert run(stubborn, timeout_s=1.5, grace_s=0.2) == ("killed after 1.5s", [])
    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_a_job_in_the_background_that_holds_the_output_is_not_waited_for(tmp_path: Path) -> None:
    """What it says soon is told; then it is killed, and the command is a success."""
    job = f"(sleep 0.1; echo late; sleep 300) & echo $! > {tmp_path}/pid; echo soon"
    assert run(job) == ("", ["soon", "late"])
    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_a_job_in_the_background_that_has_let_go_of_the_output_is_left_alone(tmp_path: Path) -> None:
    """Whoever redirects it wants it to go on."""
    assert run(f"(sleep 0.3; touch {tmp_path}/done) >/dev/null 2>&1 &") == ("", [])
    assert not (tmp_path / "done").exists()
    assert eventually((tmp_path / "done").exists)


def test_a_failure_counts_though_a_job_goes_on_in_the_background() -> None:
    """It is the shell's exit code that counts."""
    assert run("sleep 300 & exit 4") == ("exit code 4", [])


def test_a_long_line_is_cut() -> None:
    """Up to the limit it is told; the next line is whole again."""
    long = HOOK_LINE_LIMIT + 1
    failure, lines = run(f"head -c {long} /dev/zero | tr '\\0' x; echo; echo next")
    assert (failure, lines) == ("", ["x" * HOOK_LINE_LIMIT + "…", "next"])


def test_a_line_without_end_needs_no_memory() -> None:
    """However long it is, and it is told once the command ends."""
    failure, lines = run(f"head -c {HOOK_OUTPUT_LIMIT // 2} /dev/zero | tr '\\0' x")
    assert (failure, lines) == ("", ["x" * HOOK_LINE_LIMIT + "…"])


def test_output_without_end_is_told_up_to_a_limit_and_the_command_goes_on() -> None:
    """It is read further, so that the command does not stand still before a full pipe."""
    failure, lines = run(f"yes 123456789012345 | head -c {4 * HOOK_OUTPUT_LIMIT}; echo done >&2; exit 5")
    assert failure == "exit code 5"
    assert lines.pop() == "(more than 1024 KiB of output; the rest is not shown)"
    assert HOOK_OUTPUT_LIMIT // 16 <= len(lines) <= HOOK_OUTPUT_LIMIT // 16 + 1000
    assert set(lines[:-1]) == {"123456789012345"}


def test_output_that_never_ends_is_ended_by_the_timeout() -> None:
    """Reading it does not keep the clock from being looked at."""
    failure, lines = run("yes", timeout_s=1.5)
    assert failure == "killed after 1.5s"
    assert lines[0] == "y"


def test_output_is_harmless_to_terminals() -> None:
    """What is not UTF-8 is replaced, and so are control characters; tabs and line ends of Windows are understood."""
    assert run(r"printf 'caf\351\tau lait\r\n\033[31mred\033[0m\n\n\303\244\n'") == (
        "",
        ["caf�\tau lait", " [31mred [0m", "", "ä"],
    )


def cancelled(command: str, grace_s: float, *, twice: bool) -> list[str]:
    """Run a command, cancel it when it says "begun", and once more when it says "asked"; return what it said."""
    lines: list[str] = []

    async def scenario() -> None:
        heard = asyncio.Event()

        def say(line: str) -> None:
            lines.append(line)
            heard.set()

        task = asyncio.ensure_future(
            run_command(command, environment=ENVIRONMENT, timeout_s=PATIENCE_S, say=say, grace_s=grace_s)
        )
        for _ in range(2 if twice else 1):
            await heard.wait()
            heard.clear()
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    return lines


def test_a_cancelled_command_is_ended_with_its_group(tmp_path: Path) -> None:
    """It may clean up, as after a timeout."""
    command = f"trap 'echo cleaned; exit' TERM; sleep 300 & echo $! > {tmp_path}/pid; echo begun; wait"
    assert cancelled(command, GRACE_S, twice=False) == ["begun", "cleaned"]
    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_a_command_that_is_cancelled_twice_is_killed_at_once() -> None:
    """The second time nobody waits for it to clean up."""
    started = time.monotonic()
    command = "trap 'echo asked' TERM; echo begun; while :; do sleep 300 & wait; done"
    assert cancelled(command, 10 * PATIENCE_S, twice=True) == ["begun", "asked"]
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_command_that_cannot_be_killed_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that sudo has made another user's; the run must not hang for it."""

    def refuse(group: int, number: int) -> None:
        raise PermissionError(group, number)

    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(commands, "_REAPING_S", 0.1)
    assert run("sleep 2", timeout_s=0.2, grace_s=0.1) == ("it is not done after 0.2s, and cannot be killed", [])
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)
    gc.collect()  # here, where the warning about what was left behind is expected, and not in a later test


def test_many_commands_run_side_by_side(tmp_path: Path) -> None:
    """None waits for another: each ends when all have begun."""
    said: list[str] = []
    all_begun = f"touch {tmp_path}/$number; until [ $(ls {tmp_path} | wc -l) = 20 ]; do sleep 0.05; done"

    async def scenario() -> list[str]:
        return await asyncio.gather(
            *(
                run_command(
                    f"number={number}; {all_begun}; echo $number",
                    environment=ENVIRONMENT,
                    timeout_s=PATIENCE_S,
                    say=said.append,
                )
                for number in range(20)
            )
        )

    assert asyncio.run(scenario()) == [""] * 20
    assert sorted(said, key=int) == [str(number) for number in range(20)]


def test_a_command_that_nobody_can_wait_for_is_ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes a thread; where the system starts no more of them, nothing is left to run unwatched."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run("sleep 1000") == ("it cannot be started: the system starts no more threads", [])
