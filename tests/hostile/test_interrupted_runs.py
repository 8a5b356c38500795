"""Ctrl-C in each phase: a line soon, an end soon after, and another one ends whatever hangs."""

import asyncio
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from support import images
from support.http_client import blob_of, scripted_client
from support.interference import Point, interfere
from support.program import command, environment, transship
from support.registry_server.faults import AnswerMount, SlowResponses
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from support.virtual_time import run_at_once
from transship_registry.api.upload_session import FAREWELL_S
from transship_registry.reference import Repository

CONFIG = "sync:\n  - {source: 'ocidir://none:one', target: 'ocidir://app:one', type: image}\n"
WORKING = Point("open", "mirror.yaml")
QUICKLY = "import transship.interrupts as ours; ours.NOTICE_S = 0.05; ours.END_S = 0.2; ours._FLUSH_S = 0.1; "
INTERRUPT = "os.kill(os.getpid(), 2); "
NOTICE = "Interrupted: stopping what is under way; once more ends it at once.\n"
ENDED = "error: interrupted\n"
PATIENCE_S = 300


def interrupted(tmp_path: Path, deed: str, *, verb: str = "check") -> tuple[int, str]:
    """Return the exit code, and what is said, of a run in which `deed` happens while it works."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    environment = interfere(tmp_path, WORKING, f"{QUICKLY}{deed}")
    done = transship(verb, "-c", "mirror.yaml", cwd=tmp_path, env=environment, timeout_s=PATIENCE_S)
    return done.code, done.err


@pytest.mark.parametrize("verb", ["check", "validate"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_that_hangs_is_ended(tmp_path: Path, verb: str, number: signal.Signals) -> None:
    """Whatever the main thread is at: a line first, and then the end."""
    hang = (
        "import time\n"
        f"        try: os.kill(os.getpid(), {number.value})\n"
        "        except KeyboardInterrupt: pass\n"
        "        time.sleep(1000)"
    )
    assert interrupted(tmp_path, hang, verb=verb) == (130, NOTICE + ENDED)


def test_a_signal_that_nobody_hears_is_followed_by_others(tmp_path: Path) -> None:
    """One that comes just before a call blocks is met when that has ended, which may be never."""
    deaf = "ours._tick = lambda n, f, hear=ours._tick, left=[3]: left.pop() if left else hear(n, f); "
    assert interrupted(tmp_path, f"{deaf}{INTERRUPT}import time; time.sleep(1000)") == (130, NOTICE + ENDED)


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Before there is a line."""
    hang = "import transship.interrupts as ours; ours.NOTICE_S = ours.END_S = 1000; "
    assert interrupted(tmp_path, f"{hang}{INTERRUPT}{INTERRUPT}import time; time.sleep(1000)") == (130, ENDED)


def test_a_thread_that_hangs_is_left_alone(tmp_path: Path) -> None:
    """The work is cancelled, and the process does not wait for the thread, as Python would."""
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()"
    code, said = interrupted(tmp_path, f"{INTERRUPT}{thread}")
    assert (code, said.replace(NOTICE, "")) == (130, ENDED)


def test_output_that_nobody_takes_is_not_waited_for(tmp_path: Path) -> None:
    """A pager that shows its first page."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    deed = f"{QUICKLY}{INTERRUPT}sys.stdout.write('x' * 10_000_000)"
    with subprocess.Popen(
        command("check", "-c", "mirror.yaml"),
        cwd=tmp_path,
        env=environment(interfere(tmp_path, WORKING, deed)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.wait(PATIENCE_S) == 130


def test_log_lines_in_json_stay_json(tmp_path: Path) -> None:
    """Also those that are written by a signal."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    environment = interfere(tmp_path, WORKING, f"{QUICKLY}{INTERRUPT}import time; time.sleep(1000)")
    done = transship("--logopt", "json", "check", "-c", "mirror.yaml", cwd=tmp_path, env=environment)
    assert [line[line.index('"level"') :] for line in done.err.splitlines()] == [
        '"level": "INFO", "msg": "Interrupted: stopping what is under way; once more ends it at once."}',
        '"level": "ERROR", "msg": "interrupted"}',
    ]


def _until(happened: object) -> None:
    """Wait for something that another process brings about."""
    assert callable(happened)
    while not happened():
        time.sleep(0.01)


def test_a_registry_that_is_silent_does_not_hold_back_the_end(tmp_path: Path) -> None:
    """Neither while planning, nor when upload sessions are cancelled: the registry never answers that, either."""
    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", images.single())
        (tmp_path / "mirror.yaml").write_text(
            f"version: 1\ncreds: [{{registry: '{server.host}', tls: disabled}}]\n"
            f"sync: [{{source: '{server.host}/team/app', target: '{server.host}/copy/app', type: repository}}]\n"
        )
        server.faults.add(
            AnswerMount(status=202),
            SlowResponses(seconds=PATIENCE_S, methods=("PUT", "PATCH", "DELETE"), endpoints=(Endpoint.UPLOAD,)),
        )
        process = subprocess.Popen(
            command("once", "-c", "mirror.yaml"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            _until(lambda: server.faults.hits(SlowResponses) > 0 or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE_S / 2)
        assert process.returncode == 130
        assert b"not started" in out or b"interrupted" in out
        server.faults.clear()


def test_a_hook_that_will_not_end_is_killed(tmp_path: Path) -> None:
    """It is told to end, and has a second for that."""
    transship("demo", "demo", cwd=tmp_path)
    work = tmp_path / "demo"
    (work / "mirror.yaml").write_text(
        "version: 1\nsync:\n  hooks: {post_sync: [{cmd: \"trap '' TERM INT; echo begun; sleep 1000\"}]}\n"
        "  entries:\n"
        "    - {source: 'ocidir://upstream/tool:latest', target: 'ocidir://new:latest', type: image}\n"
    )
    with subprocess.Popen(
        command("once", "-c", "mirror.yaml"),
        cwd=work,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("begun" in line for line in lines)
        process.send_signal(signal.SIGINT)
        said = "".join(lines)
        assert process.wait(PATIENCE_S) == 130
    assert "interrupted" in said


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (b"\x03", 130, "error: interrupted"),
        (b"\x04", 1, "No answer is a no.\r\nNothing was changed."),
        (b"maybe\n\x04", 1, "Only yes or no is an answer."),
        (b"n\n", 1, "Nothing was changed."),
        (b"\n", 1, "Nothing was changed."),
        (b"yes\n", 0, "5 applied"),
    ],
    ids=["Ctrl-C", "Ctrl-D", "something else", "no", "nothing", "yes"],
)
def test_the_question_of_apply_takes_any_answer(tmp_path: Path, typed: bytes, code: int, said: str) -> None:
    """Ctrl-C interrupts, the end of the input is a no, and what is neither yes nor no is asked again."""
    transship("demo", "demo", cwd=tmp_path)
    work = tmp_path / "demo"
    for path in ("state.json", "mirror"):
        subprocess.run(["rm", "-rf", str(work / path)], check=True)
    process, terminal = pty.fork()
    if not process:
        os.chdir(work)
        os.execve(command()[0], command("apply", "-c", "mirror.yaml"), environment())
    shown = b""
    while b"Apply these changes? [y/N]: " not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, typed)
    while piece := _read(terminal):
        shown += piece
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == code
    assert said in shown.decode().partition("Apply these changes?")[2]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


def test_upload_sessions_are_cancelled_side_by_side() -> None:
    """However many there are, and though none is answered."""
    sessions = 30
    deleted: list[str] = []

    async def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            deleted.append(request.url.path)
            await asyncio.Event().wait()
        return httpx.Response(202, headers={"location": f"/v2/app/blobs/uploads/{request.url.query.hex()}"})

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        client, _ = scripted_client(reply)
        target, source = (Repository.parse(f"r.example/{name}") for name in ("app", "other"))
        for number in range(sessions):
            assert not await client.mount_blob(target, blob_of(b"%d" % number), source)
        before = loop.time()
        await client.aclose()
        return loop.time() - before

    assert run_at_once(scenario()) == FAREWELL_S
    assert len(deleted) > 1
