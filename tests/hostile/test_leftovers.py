"""What a process leaves when it is killed is gone after the next run, and what somebody still uses stays."""

import asyncio
import fcntl
import itertools
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import command, environment
from support.registry_server.faults import SlowResponses
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship.files import replace_file
from transship_executor.commands import run_command
from transship_executor.scratch import scratch_folder
from transship_registry.endoflife.cache import CachedCycles
from transship_registry.layout import LayoutStore
from transship_registry.layout.pending import PendingFile, temporary_name
from transship_registry.manifest import Manifest
from transship_registry.reference import Repository
from transship_registry.temporary import this_host

HOST = this_host()
DAY_S = 86_400
MOST_S = 120  # far above what any of it takes
IMAGE = images.single("app", layers=1, size=4096)
WRITING = ("open", "write", "fchown", "fchmod", "replace", "rename", "unlink", "fsync")


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def leave(path: Path, *, age_s: float = 0) -> Path:
    path.write_text("half")
    os.utime(path, (path.stat().st_atime - age_s, path.stat().st_mtime - age_s))
    return path


# Layouts.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images.write_layout(tmp_path / "layout", "v1", IMAGE)
    return tmp_path / "layout"


def add_tag(folder: Path, tag: str = "v2", *, later_s: float = 0) -> None:
    """Let a run add a tag, and nothing else: no garbage is collected."""

    async def scenario() -> None:
        layout = Repository.layout(str(folder))
        async with LayoutStore(clock=lambda: os.stat(folder).st_ctime + later_s) as store:
            await store.put_manifest(layout.tag(tag), Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test"))

    asyncio.run(scenario())


def in_layout(folder: Path, host: str) -> list[Path]:
    """Leave a file beside each kind of file."""
    return [
        leave(folder / f".transship.index.json.{host}.1.0123456789abcdef.tmp"),
        leave(folder / f".transship.oci-layout.{host}.999999.0123456789abcdef.tmp"),
        leave(folder / "blobs" / "sha256" / f".transship.{'a' * 64}.{host}.{os.getpid()}.0123456789abcdef.tmp"),
    ]


def test_the_next_run_removes_what_a_killed_one_left_in_a_layout(folder: Path) -> None:
    """Also one that only adds a tag, and whatever process has that number now."""
    left = in_layout(folder, HOST)
    add_tag(folder)
    assert not any(path.exists() for path in left)


def test_what_another_host_left_in_a_layout_goes_after_a_day(folder: Path) -> None:
    """Its locks may not be seen here; so for files whose names do not tell their host."""
    left = [*in_layout(folder, "another-host"), leave(folder / ".transship.index.json.0123456789abcdef.tmp")]
    add_tag(folder, later_s=DAY_S - 600)
    assert all(path.exists() for path in left)
    add_tag(folder, "v3", later_s=DAY_S + 600)
    assert not any(path.exists() for path in left)


def test_what_is_still_written_in_a_layout_stays(folder: Path) -> None:
    """Whoever writes has it locked, also for days."""
    path = folder / "blobs" / "sha256" / ("a" * 64)
    with PendingFile(str(path)) as pending:
        pending.write(b"whole")
        add_tag(folder, later_s=2 * DAY_S)
        pending.commit()
    assert path.read_bytes() == b"whole"


def test_what_is_not_ours_stays_in_a_layout(folder: Path, tmp_path: Path) -> None:
    """Other names, links, folders and pipes, and what lies behind a link."""
    blobs = folder / "blobs" / "sha256"
    name = f".transship.x.{HOST}.1.0123456789abcdef.tmp"
    foreign = [leave(blobs / each) for each in (".x.0123456789abcdef.tmp", "x.tmp", ".transship.x.tmp", f"{name}x")]
    (blobs / name).symlink_to(leave(tmp_path / "elsewhere"))
    (blobs / name.replace(".x.", ".y.")).mkdir()
    os.mkfifo(blobs / name.replace(".x.", ".z."))
    (tmp_path / "shared").mkdir()
    (folder / "blobs" / "sha512").symlink_to(tmp_path / "shared")
    behind = leave(tmp_path / "shared" / name)
    add_tag(folder, later_s=2 * DAY_S)
    assert all(path.exists() for path in (*foreign, tmp_path / "elsewhere", behind))
    assert len(list(blobs.iterdir())) == len(foreign) + 3 + len(IMAGE.blobs) + 1


@pytest.mark.parametrize("moment", ["removed", "being removed"])
def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between its making and its lock somebody may remove it, or be about to."""
    flock, held = fcntl.flock, list[int]()

    def late(descriptor: int, operation: int) -> None:
        if not held:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            held.append(os.open(path, os.O_RDWR))
            if moment == "removed":
                os.unlink(path)
            else:
                flock(held[0], fcntl.LOCK_EX)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with PendingFile(str(tmp_path / "it")) as pending:
        pending.write(b"whole")
        pending.commit()
    os.close(held[0])
    assert (tmp_path / "it").read_bytes() == b"whole"


def test_the_names_of_temporary_files_tell_host_and_process(tmp_path: Path) -> None:
    """So that people can find out whose they are; the longest digest leaves room for it."""
    name = os.path.basename(temporary_name(str(tmp_path / ("a" * 128))))
    assert name.startswith(f".transship.{'a' * 128}.{HOST}.{os.getpid()}.")
    assert len(name) - len(HOST) + 64 <= 255


# Plans, and other files that commands write.


def deadly(step: int) -> None:
    """Let this process be killed before the given one of its calls that change files."""
    steps = itertools.count(1)

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return wrapped

    for name in WRITING:
        setattr(os, name, wrap(getattr(os, name)))


def dies(work: Callable[[], None], step: int) -> bool:
    """Do some work in a process that is killed at a step; False when it came to its end before that."""
    child = os.fork()
    if child == 0:
        deadly(step)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
def test_whatever_a_plan_is_killed_at_it_is_whole_or_as_it_was(tmp_path: Path, *, is_there: bool) -> None:
    """And the next one leaves nothing over."""
    step, has_died = 0, True
    while has_died:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        plan = folder / "plan.json"
        if is_there:
            plan.write_bytes(b"before")
        has_died = dies(lambda plan=plan: replace_file(plan, b"after"), step)  # type: ignore[misc]
        assert (plan.read_bytes() if plan.exists() else None) in {b"after", b"before" if is_there else None}
        replace_file(plan, b"next")
        assert [path.name for path in folder.iterdir()] == ["plan.json"]
    assert step > 2


def test_a_plan_that_another_process_writes_stays(tmp_path: Path, gone: int) -> None:
    """What a killed one left goes, whatever process has its number now, if that is ours."""
    left = [leave(tmp_path / f".plan.json.{HOST}.{number}.tmp") for number in (gone, os.getpid())]
    old = leave(tmp_path / ".plan.json.another-host.1.tmp", age_s=2 * DAY_S)
    others = [
        leave(tmp_path / name)
        for name in (
            f".plan.json.{HOST}.{os.getppid()}.tmp",
            f".plan.json.another-host.{gone}.tmp",
            f".other.json.{HOST}.{gone}.tmp",
        )
    ]
    replace_file(tmp_path / "plan.json", b"plan")
    assert not any(path.exists() for path in (*left, old))
    assert all(path.exists() for path in others)


def test_what_was_left_in_the_cache_of_end_of_life_data_goes(tmp_path: Path, gone: int) -> None:
    async def ask(api: str, product: str) -> bytes:
        return b"[]"

    cycles = CachedCycles("https://eol.example/api", ask, tmp_path, iter([0.0, 1e12]).__next__)
    asyncio.run(cycles.get_cycles("alpine"))
    (kept,) = tmp_path.iterdir()
    left = leave(tmp_path / f".{kept.name}.{HOST}.{gone}.tmp")
    asyncio.run(cycles.get_cycles("alpine"))
    assert list(tmp_path.iterdir()) == [kept]
    assert not left.exists()


# Hooks.


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "images").write_text("reg.example/app:1\n")
    return folder / name


def test_folders_of_hooks_that_were_killed_go(temporary: Path, gone: int) -> None:
    """Of processes that are gone, and of an earlier one with our number; those in use stay."""
    left = [make(temporary, f"transship-hook.{HOST}.{number}.abcd_123") for number in (gone, os.getpid())]
    others = [
        make(temporary, name)
        for name in (
            f"transship-hook.{HOST}.{os.getppid()}.abcd_123",
            f"transship-hook.another-host.{gone}.abcd_123",
            f"transship-demo.{HOST}.{gone}.abcd_123",
            f"other-hook.{HOST}.{gone}.abcd_123",
        )
    ]
    (temporary / f"transship-hook.{HOST}.{gone}.link").symlink_to(make(temporary, "elsewhere"))
    with scratch_folder("hook") as first, scratch_folder("hook") as second:
        assert first.is_dir()
        assert second.is_dir()
        assert not any(path.exists() for path in left)
    assert not first.exists()
    assert all((path / "images").exists() for path in (*others, temporary / "elsewhere"))


def test_a_folder_that_a_process_in_another_container_holds_stays(temporary: Path, gone: int) -> None:
    """It may have our host's name, and its number is nobody's here."""
    held = make(temporary, f"transship-hook.{HOST}.{gone}.abcd_123")
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with scratch_folder("hook"):
        pass
    assert (held / "images").exists()
    os.close(descriptor)


def test_a_folder_of_another_user_stays(temporary: Path, gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may make one in a temporary folder that all use."""
    foreign = make(temporary, f"transship-hook.{HOST}.{gone}.abcd_123")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with scratch_folder("hook"):
        pass
    assert (foreign / "images").exists()


HOOK = """
import asyncio, sys
from transship_executor.commands import run_command

async def main():
    say = lambda line: print(line, flush=True)
    await run_command(sys.argv[1], environment={"PATH": "/usr/bin:/bin"}, timeout_s=3600, say=say)

asyncio.run(main())
"""


def ends(process: int) -> bool:
    """Wait until a process has ended, which it may have by now."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], MOST_S)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def orphans() -> Iterator[list[int]]:
    """Processes that must not outlive the test."""
    found = list[int]()
    yield found
    for process in found:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_a_hook_ends_with_the_run_that_is_killed(orphans: list[int]) -> None:
    """With all that it has started."""
    script = 'sleep 3600 & echo "$!"; echo "$$"; wait'
    with subprocess.Popen([sys.executable, "-c", HOOK, script], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        orphans += [int(run.stdout.readline()) for _ in range(2)]
        run.kill()
        run.wait()
    assert all(ends(process) for process in orphans)


def test_what_a_hook_leaves_in_the_background_lives_when_the_run_has_ended(orphans: list[int]) -> None:
    """A hook may start a service: nothing of it is touched, however the run ends after it."""
    script = 'sleep 3600 >/dev/null 2>&1 & echo "$!"'
    said = list[str]()
    failure = asyncio.run(run_command(script, environment={"PATH": "/usr/bin:/bin"}, timeout_s=3600, say=said.append))
    assert failure == ""
    orphans.append(int(said[0]))
    os.kill(orphans[0], 0)


def test_a_hook_leaves_no_watcher(orphans: list[int]) -> None:
    """The shell that would end it has ended, whether the hook could be started or not."""

    async def scenario() -> None:
        environment = {"PATH": "/usr/bin:/bin"}
        await run_command("true", environment=environment, timeout_s=3600, say=print)
        await run_command("sleep 3600", environment=environment, timeout_s=0.01, say=print)
        assert "cannot be started" in await run_command("\0", environment=environment, timeout_s=3600, say=print)

    asyncio.run(scenario())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# Uploads.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_uploads_at_the_registry(tmp_path: Path, number: signal.Signals) -> None:
    """Their addresses are secrets that no file keeps: those of a run that is killed are left to the registry."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    runs, ended = list["subprocess.Popen[bytes]"](), threading.Event()
    interrupted = threading.Event()

    def interrupt() -> bool:
        sending = sum(server.requests.count(method, "/blobs/uploads/") for method in ("PUT", "PATCH"))
        if runs and sending == 2 and not interrupted.is_set():
            interrupted.set()
            runs[0].send_signal(number)
        return ended.is_set()

    with RegistryServer() as server:
        server.faults.add(
            SlowResponses(
                seconds=10 * MOST_S, endpoints=(Endpoint.UPLOAD,), methods=("PUT", "PATCH"), released=interrupt
            )
        )
        (tmp_path / "mirror.yaml").write_text(
            f"version: 1\ncreds: [{{registry: '{server.host}', tls: disabled}}]\n"
            f"sync: [{{source: 'ocidir://source:v1', target: '{server.host}/app:v1', type: image}}]\n"
        )
        runs.append(subprocess.Popen(command("once", "-c", "mirror.yaml"), cwd=tmp_path, env=environment()))
        assert runs[0].wait(MOST_S) == 130
        left = server.open_uploads
        ended.set()
    assert interrupted.is_set()
    assert left == 0
