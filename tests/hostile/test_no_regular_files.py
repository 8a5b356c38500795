"""Pipes, devices, sockets and folders where a file is expected: one line, and nothing is waited for or read."""

import asyncio
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support import images
from support.program import command, environment, transship
from transship_planner.config.loader import load, read_path
from transship_planner.errors import ConfigError, PlanError
from transship_planner.gotemplate.configuration_functions import Environment
from transship_planner.lifecycle.sources import DataFile
from transship_planner.plans import planfile
from transship_registry.digest import Digest
from transship_registry.endoflife.cache import CachedCycles
from transship_registry.errors import LayoutError, MissingContentError, NotFoundError
from transship_registry.hosts import HostSettings
from transship_registry.layout import LayoutStore
from transship_registry.login.login_files import read_login_file
from transship_registry.login.pem import HostConfigError
from transship_registry.login.tls import ssl_context
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Repository
from transship_registry.regular import NotRegularError, open_input, open_regular

MOST_S = 120  # far above what any of it takes
IMAGE = images.single("app", layers=1, size=4096)
CONFIG = "version: 1\nsync:\n  - {source: 'ocidir://source:v1', target: 'ocidir://mirror:v1', type: image}\n"


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listener(path: Path) -> None:
    """Make a socket; its name has to be short."""
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "this is a named pipe, not a regular file"),
    "device": (zeros, "this is a device, not a regular file"),
    "socket": (listener, "this is a socket, not a regular file"),
    "folder": (Path.mkdir, "Is a directory"),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Let a test that waits for a pipe end the process, which would wait for ever."""
    signal.alarm(10 * MOST_S)
    yield
    signal.alarm(0)


def replace(path: Path, kind: str) -> str:
    """Put something else where a file is, and return what is to be said about it."""
    make, reason = KINDS[kind]
    with suppress(FileNotFoundError):
        path.unlink()
    make(path)
    return reason


# The rule itself.


@every_kind
def test_only_a_regular_file_is_opened(tmp_path: Path, kind: str) -> None:
    """By its name, and through a link."""
    reason = replace(tmp_path / "it", kind)
    (tmp_path / "link").symlink_to(tmp_path / "it")
    for name in ("it", "link"):
        for opening in (open_regular, open_input):
            with pytest.raises(OSError, match=reason):
                opening(tmp_path / name)


def test_a_regular_file_is_read_through_links(tmp_path: Path) -> None:
    """Secrets of Kubernetes are links."""
    (tmp_path / "it").write_bytes(b"text")
    (tmp_path / "link").symlink_to("it")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"text"


def test_a_file_that_somebody_has_a_lease_on_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samba gives its lease up as soon as somebody opens the file; a pipe is refused all the same."""
    (tmp_path / "it").write_bytes(b"text")
    os.mkfifo(tmp_path / "pipe")
    opened = os.open

    def leased(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), path)
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", leased)
    with open_regular(tmp_path / "it") as file:
        assert file.read() == b"text"
    with pytest.raises(BlockingIOError):
        open_regular(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/{process}/fd/{}", "link"])
def test_what_is_open_already_is_input(tmp_path: Path, name: str) -> None:
    """As a shell hands over `<(…)`; by itself no such name is a file."""
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    path = name.format(reading, process=os.getpid())
    if name == "link":
        path = str(tmp_path / "link")
        os.symlink(f"/dev/fd/{reading}", path)
    with open_input(path) as file:
        assert file.read() == b"text"
    with pytest.raises(NotRegularError, match="this is a named pipe, not a regular file"):
        open_regular(path)
    os.close(reading)


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "it").symlink_to("it")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        open_input(tmp_path / "it")


# Where files are read.


@every_kind
def test_configurations(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mirror.yaml"
    reason = replace(path, kind)
    with pytest.raises(ConfigError) as caught:
        load(str(path), environment={})
    assert str(caught.value) == f"{path}:1:1: the configuration cannot be read: {reason}"


@every_kind
def test_files_that_templates_bring_in(tmp_path: Path, kind: str) -> None:
    """As any file that cannot be read, such a thing is nothing to a template (semantics B6)."""
    reason = replace(tmp_path / "it", kind)
    with pytest.raises(OSError, match=reason):
        Environment().read_file(str(tmp_path / "it"))


@every_kind
def test_plans(tmp_path: Path, kind: str) -> None:
    reason = replace(tmp_path / "plan.json", kind)
    with pytest.raises(PlanError) as caught:
        planfile.read(tmp_path / "plan.json")
    assert str(caught.value) == f"{tmp_path}/plan.json: cannot read the plan file: {reason}"


@every_kind
def test_certificates(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "reg.example"
    folder.mkdir()
    reason = replace(folder / "ca.crt", kind)
    with pytest.raises(HostConfigError) as caught:
        ssl_context(HostSettings(registry="reg.example"), tmp_path)
    assert str(caught.value) == f"registry reg.example: {folder}/ca.crt cannot be read: {reason}"


@every_kind
def test_credentials(tmp_path: Path, kind: str) -> None:
    reason = replace(tmp_path / "config.json", kind)
    assert read_login_file(tmp_path / "config.json").problems == (f"{tmp_path}/config.json cannot be read: {reason}",)


@every_kind
def test_the_cache_of_end_of_life_data(tmp_path: Path, kind: str) -> None:
    """What cannot be read there is asked for anew."""
    asked: list[str] = []

    async def ask(api: str, product: str) -> bytes:
        asked.append(product)
        return b"[]"

    cycles = CachedCycles("https://eol.example/api", ask, tmp_path, time.time)
    asyncio.run(cycles.get_cycles("alpine"))
    (kept,) = tmp_path.iterdir()
    kept.unlink()
    replace(kept, kind)
    asyncio.run(cycles.get_cycles("alpine"))
    assert asked == ["alpine", "alpine"]


@every_kind
def test_end_of_life_data(tmp_path: Path, kind: str) -> None:
    """Of a file that the configuration names."""
    path = tmp_path / "eol-data.yaml"
    reason = replace(path, kind)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(DataFile(str(path), read_path).get_cycles("alpine"))
    assert str(caught.value) == f"{path}:1:1: the end-of-life data cannot be read: {reason}"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_lists_of_tags(tmp_path: Path, kind: str) -> None:
    """Which `why` reads instead of asking a registry."""
    reason = replace(tmp_path / "tags", kind)
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    done = transship("why", "source:v1", "--tags-from", "tags", "-c", "mirror.yaml", cwd=tmp_path, timeout_s=MOST_S)
    assert done.code == 1
    assert f"tags: cannot read the tags: {reason}" in done.err


# Layouts.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images.write_layout(tmp_path / "layout", "v1", IMAGE)
    return tmp_path / "layout"


def run(work: Callable[[LayoutStore], Awaitable[object]]) -> None:
    async def scenario() -> None:
        async with LayoutStore(grace_s=0) as store:
            await work(store)

    asyncio.run(scenario())


def file_of(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


def blob() -> Descriptor:
    layer = IMAGE.blobs[1]
    return Descriptor(media_type=layer.media_type, digest=Digest.parse(layer.digest), size=layer.size)


@every_kind
@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_documents_of_a_layout(folder: Path, name: str, kind: str) -> None:
    """`/dev/zero` as index.json took all memory, and a pipe waited for ever."""
    reason = replace(folder / name, kind)
    with pytest.raises(LayoutError) as caught:
        run(lambda store: store.list_tags(Repository.layout(str(folder))))
    symbol = " (EISDIR)" if kind == "folder" else ""
    assert str(caught.value) == (
        f"read layout ocidir://{folder}: {folder}/{name}: {reason}{symbol}; move it away: a file belongs there"
    )


@every_kind
def test_manifests_of_a_layout(folder: Path, kind: str) -> None:
    """An error that names the file."""
    layout = Repository.layout(str(folder))
    path = file_of(folder, IMAGE.digest)
    reason = replace(path, kind)
    with pytest.raises(LayoutError) as caught:
        run(lambda store: store.get_manifest(layout.tag("v1")))
    symbol = " (EISDIR)" if kind == "folder" else ""
    where = f"read manifest {layout}@{IMAGE.digest}"
    assert str(caught.value) == f"{where}: {path}: {reason}{symbol}; move it away: a file belongs there"


@every_kind
def test_blobs_of_a_layout(folder: Path, kind: str) -> None:
    """Read at a source they are an error; at a target they are missing, and no tag is set."""
    layout = Repository.layout(str(folder))
    path = file_of(folder, IMAGE.blobs[1].digest)
    reason = replace(path, kind)

    async def read(store: LayoutStore) -> None:
        async with store.get_blob(layout, blob()):
            raise AssertionError("it cannot be read")

    with pytest.raises(LayoutError) as caught:
        run(read)
    symbol = " (EISDIR)" if kind == "folder" else ""
    where = f"get blob {layout}@{blob().digest}"
    assert str(caught.value) == f"{where}: {path}: {reason}{symbol}; move it away: a file belongs there"

    async def rely(store: LayoutStore) -> None:
        assert not await store.holds(layout, blob())
        await store.put_manifest(layout.tag("v2"), Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test"))

    with pytest.raises(MissingContentError):
        run(rely)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
@pytest.mark.parametrize("part", ["layer", "image"])
def test_what_lies_in_place_of_a_blob_at_the_target_is_replaced(tmp_path: Path, kind: str, part: str) -> None:
    """A link goes, what it leads to stays."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    images.write_layout(tmp_path / "mirror", None, IMAGE)
    digest = IMAGE.digest if part == "image" else IMAGE.blobs[1].digest
    replace(file_of(tmp_path / "mirror", digest), kind)
    (tmp_path / "mirror" / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    done = transship("once", "-c", "mirror.yaml", cwd=tmp_path, timeout_s=MOST_S)
    assert done.code == 0, done.out + done.err
    assert file_of(tmp_path / "mirror", digest).read_bytes() == file_of(tmp_path / "source", digest).read_bytes()
    assert not file_of(tmp_path / "mirror", digest).is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_lock_of_a_layout_may_be_anything_that_can_be_locked(folder: Path, kind: str) -> None:
    """Nothing is read from it or written to it, and nobody is waited for who might open the other end."""
    replace(folder / ".transship.index.lock", kind)
    manifest = Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test")
    layout = Repository.layout(str(folder))
    run(lambda store: store.put_manifest(layout.tag("v2"), manifest))
    assert b'"v2"' in (folder / "index.json").read_bytes()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("socket", "No such device or address (ENXIO); check the disk that holds it"),
        ("folder", "Is a directory (EISDIR); move it away: a file belongs there"),
    ],
)
def test_what_cannot_be_a_lock_of_a_layout_is_an_error(folder: Path, kind: str, reason: str) -> None:
    replace(folder / ".transship.index.lock", kind)
    manifest = Manifest.parse(IMAGE.raw, IMAGE.media_type, where="test")
    layout = Repository.layout(str(folder))
    with pytest.raises(LayoutError) as caught:
        run(lambda store: store.put_manifest(layout.tag("v2"), manifest))
    assert str(caught.value) == f"lock layout {layout}: {folder}/.transship.index.lock: {reason}"


@every_kind
def test_a_layout_that_is_no_folder(tmp_path: Path, kind: str) -> None:
    replace(tmp_path / "layout", kind)
    layout = Repository.layout(str(tmp_path / "layout"))
    with pytest.raises(NotFoundError if kind == "folder" else LayoutError):
        run(lambda store: store.list_tags(layout))


# What users do.


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize(
    "arguments", ["validate -c it", "plan -c it", "show it", "apply it -c mirror.yaml", "migrate it"]
)
def test_commands_say_it_in_one_line(tmp_path: Path, arguments: str, kind: str) -> None:
    reason = replace(tmp_path / "it", kind)
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    done = transship(*arguments.split(), cwd=tmp_path, timeout_s=MOST_S)
    assert done.code != 0
    assert [line for line in (done.out + done.err).splitlines() if reason in line]
    assert "Traceback" not in done.err


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=MOST_S,
        check=False,
    )


@pytest.mark.parametrize("way", ["cat {} | {} /dev/stdin", "{1} <(cat {0})", "{1} /dev/stdin < {0}"])
def test_configurations_and_plans_come_through_pipes_of_the_shell(tmp_path: Path, way: str) -> None:
    """`/dev/stdin` and process substitution."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    planned = shell(tmp_path, way.format("mirror.yaml", shlex.join(command("plan", "-o", "plan.json", "-c"))))
    assert planned.returncode == 0, planned.stderr
    shown = shell(tmp_path, way.format("plan.json", shlex.join(command("show"))))
    assert shown.returncode == 0, shown.stderr
    assert "ocidir://mirror:v1" in shown.stdout


def test_a_state_is_a_regular_file(tmp_path: Path) -> None:
    """A run that would wait for a pipe says so before anything is asked."""
    os.mkfifo(tmp_path / "s.json")
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    done = transship("drift", "--state", "s.json", "-c", "mirror.yaml", cwd=tmp_path, timeout_s=MOST_S)
    assert done.code == 1
    assert "s.json: cannot read the state file: this is a named pipe, not a regular file" in done.err
