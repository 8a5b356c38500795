"""Odd surroundings: no home, no folder, few files, no threads, no memory; one clear line, or it just works."""

import errno
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from support import images
from support.interference import Point, interfere
from support.program import Done, command, environment, transship
from support.registry_server.server import RegistryServer
from transship.streams import OutputError
from transship.troubles import describe
from transship_registry.home import home_folder

IMAGE = images.single("app", layers=2, size=2_000_000)
UNSET = "(unset)"
MEMORY = "raise the limit of memory (ulimit -v, or that of the container)"


def once(
    server: RegistryServer, folder: Path, env: Mapping[str, str], prepare: Callable[[], None] | None = None
) -> Done:
    """Mirror an image from a registry into a registry and a layout."""
    server.store.add_image("team/app", "one", IMAGE)
    (folder / "mirror.yaml").write_text(
        f"creds: [{{registry: '{server.host}', tls: disabled}}]\n"
        f"state: state.json\n"
        f"sync: [{{source: '{server.host}/team/app:one', type: image,"
        f" targets: ['{server.host}/mirror/app:one', 'ocidir://app:one']}}]\n"
    )
    done = subprocess.run(
        command("once", "-c", "mirror.yaml"),
        cwd=folder,
        env={name: value for name, value in environment(env).items() if value != UNSET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=prepare,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("home", ["~nosuch", "/dev/null", "/nonexistent", "", UNSET])
def test_no_home_folder_is_needed(tmp_path: Path, home: str) -> None:
    """There are no login files then, and no cache."""
    with RegistryServer() as server:
        done = once(server, tmp_path, {"DOCKER_CONFIG": "", "XDG_RUNTIME_DIR": "", "HOME": home})
    assert done.code == 0, done.err
    assert "warning" not in done.err


def test_a_user_whom_the_system_does_not_know_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number; nothing is below the place that stands for it, nor can be."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(NotADirectoryError):
        (home_folder() / ".docker" / "config.json").read_bytes()


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    """A relative layout is below a working directory that does not exist any more."""
    (tmp_path / "mirror.yaml").write_text("sync: [{source: 'ocidir://a:1', target: 'ocidir://b:1', type: image}]\n")
    (tmp_path / "gone").mkdir()
    line = f'rmdir "{tmp_path}/gone"; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *command("check", "-c", tmp_path / "mirror.yaml")],
        cwd=tmp_path / "gone",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: the working directory does not exist any more\n")


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows() -> None:
    """As programs in Go do; never above what is of use."""
    program = (
        "import resource\n"
        "from transship.entry import _raise_open_files\n"
        "_raise_open_files()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    for limits, expected in (((64, 300), "300 300\n"), ((64, 9000), "8192 9000\n"), ((300, 300), "300 300\n")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, limits),
            check=True,
        )
        assert done.stdout == expected


def test_too_few_open_files_are_said_to_be_too_few(tmp_path: Path) -> None:
    """However few: the failure names the reason, and there is no traceback."""
    with RegistryServer() as server:
        done = once(server, tmp_path, {}, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (11, 11)))
    assert done.code == 1
    assert ": Too many open files" in done.out + done.err
    assert "Traceback" not in done.err


def test_little_address_space_is_enough(tmp_path: Path) -> None:
    """Threads do not set aside 8 MiB each; where it is too little, one line says so."""
    limit = 1024 * 1024 * 1024
    with RegistryServer() as server:
        done = once(server, tmp_path, {}, lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.code == 0, done.err


NO_THREADS = """\
import _thread, threading

def refuse(*_, **__):
    raise RuntimeError("can't start new thread")

_thread.start_new_thread = refuse
threading._start_new_thread = refuse
if hasattr(_thread, "start_joinable_thread"):
    _thread.start_joinable_thread = threading._start_joinable_thread = refuse
"""


def test_threads_that_do_not_start_are_one_line(tmp_path: Path) -> None:
    """Wherever the first one is needed; what was applied before is recorded."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_THREADS)
    with RegistryServer() as server:
        done = once(server, tmp_path, {"PYTHONPATH": str(tmp_path / "site")})
    assert done.code == 1
    assert done.err == f"error: the system starts no more threads; {MEMORY}, or that of processes (ulimit -u)\n"


@pytest.mark.parametrize(
    ("deed", "line"),
    [
        ("raise MemoryError", f"there is not enough memory; {MEMORY}"),
        ("raise OSError(12, 'Cannot allocate memory')", f"Cannot allocate memory; {MEMORY}"),
        (
            "raise ImportError('x.so: failed to map segment', name='x', path='x.so')",
            "a library cannot be loaded: x.so: failed to map segment",
        ),
    ],
)
@pytest.mark.parametrize("point", [Point("import", "typer"), Point("import", "transship_planner.plans.diff")], ids=str)
def test_memory_that_ends_while_the_program_loads_is_one_line(
    tmp_path: Path, point: Point, deed: str, line: str
) -> None:
    (tmp_path / "mirror.yaml").write_text("sync: []\n")
    done = transship("check", "-c", "mirror.yaml", cwd=tmp_path, env=interfere(tmp_path, point, deed))
    assert (done.code, done.out, done.err) == (1, "", f"error: {line}\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OutputError(OSError(errno.EIO, "Input/output error")), "cannot write the output: Input/output error"),
        (
            OSError(errno.EMFILE, "Too many open files", "a.json"),
            "a.json: Too many open files; raise the limit of open files (ulimit -n)",
        ),
        (OSError("odd"), "odd"),
        (ExceptionGroup("several", [MemoryError(), ValueError()]), f"there is not enough memory; {MEMORY}"),
        (
            RuntimeError("can't allocate lock"),
            f"the system starts no more threads; {MEMORY}, or that of processes (ulimit -u)",
        ),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"), "a\\udcff is not UTF-8"),
        (UnicodeEncodeError("latin-1", "→", 0, 1, "ordinal not in range(256)"), None),
        (RuntimeError("a mistake of ours"), None),
        (ModuleNotFoundError("No module named 'x'", name="x"), None),
        (ValueError("a mistake of ours"), None),
    ],
    ids=repr,
)
def test_what_the_system_refuses_is_described_and_mistakes_are_not(error: Exception, line: str | None) -> None:
    """A mistake keeps its traceback."""
    assert describe(error) == line
