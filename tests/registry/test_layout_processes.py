"""Several processes at one layout, and processes that are killed: run as a script, this file is such a process."""

import asyncio
import hashlib
import itertools
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support import images
from transship_registry.digest import Digest
from transship_registry.layout import LayoutStore
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Repository

TAGS_EACH = 20
KILLS = 4
LONGEST_LIFE_S = 0.3
STEPS = ("write", "fsync", "replace", "unlink", "makedirs", "open")
OLD = images.single("killed-old", layers=["shared", "old"])
NEW = images.single("killed-new", layers=["shared", "new"])


class Origin:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
        yield self._pieces(offset)

    async def _pieces(self, offset: int) -> AsyncGenerator[bytes, None]:
        yield self._data[offset:]


async def put(store: LayoutStore, layout: Repository, image: images.Image, tag: str) -> None:
    for blob in image.all_blobs():
        found = Descriptor(media_type=blob.media_type, digest=Digest.parse(blob.digest), size=blob.size)
        await store.upload_blob(layout, found, Origin(blob.data))
    for each in image.manifests():
        manifest = Manifest.parse(each.raw, each.media_type, where="test")
        await store.put_manifest(layout.tag(tag) if each is image else layout.at(manifest.digest), manifest)


async def write_tags(layout: Repository, prefix: str) -> None:
    """Write some tags of one image each."""
    async with LayoutStore() as store:
        for number in range(TAGS_EACH):
            await put(store, layout, images.single(f"{prefix}-{number}"), f"{prefix}-{number}")


async def copy_for_ever(layout: Repository) -> None:
    """Move three tags from image to image, collecting what falls out of use, until killed."""
    for number in itertools.count(random.randrange(1000)):
        async with LayoutStore(grace_s=0) as store:
            image = images.multi_platform(f"busy-{number % 7}", size=50_000)
            await put(store, layout, image, f"v{number % 3}")
        print(number, flush=True)  # noqa: T201 - tells the test that this process is at work


async def replace_and_collect(layout: Repository) -> None:
    """Replace the tag `v1`, and collect what that leaves."""
    async with LayoutStore(grace_s=0) as store:
        await put(store, layout, NEW, "v1")


def kill_at_each_step(folder: Path, start: Callable[[Path], None]) -> list[Path]:
    """Fork processes that kill themselves at the first, second, … step of `replace_and_collect`; return their layouts.

    The last one gets to its end.
    """
    layouts: list[Path] = []
    for step in itertools.count(1):
        layout = folder / str(step)
        start(layout)
        layouts.append(layout)
        child = os.fork()
        if child == 0:
            _die_at(step)
            asyncio.run(replace_and_collect(Repository.layout(str(layout))))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return layouts
    raise AssertionError("unreachable")


def _die_at(step: int) -> None:
    steps = itertools.count(1)

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return wrapped

    for name in STEPS:
        setattr(os, name, deadly(getattr(os, name)))


def start_with_nothing(layout: Path) -> None:
    assert not layout.exists()


def start_with_old(layout: Path) -> None:
    images.write_layout(layout, "v1", OLD)


START = {"nothing": start_with_nothing, "old": start_with_old}


def start_process(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, __file__, *arguments], env=environment, stdout=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> bytes:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return output


def wait_until_at_work(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 30)[0], "the process does nothing"


def complete_tags(folder: Path) -> dict[str, str]:
    """Return the digest of each tag, having verified all that it points at; without the code under test."""
    if not (folder / "index.json").exists():
        assert not [path for path in folder.rglob("blobs/*/*") if not path.name.startswith(".transship.")]
        return {}
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    for entry in entries:
        _verify(folder, entry)
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}


def _verify(folder: Path, descriptor: dict[str, Any]) -> None:
    algorithm, _, encoded = descriptor["digest"].partition(":")
    content = (folder / "blobs" / algorithm / encoded).read_bytes()
    assert (len(content), hashlib.new(algorithm, content).hexdigest()) == (descriptor["size"], encoded)
    if "manifest" in descriptor["mediaType"] or "index" in descriptor["mediaType"]:
        document = json.loads(content)
        config = [document["config"]] if "config" in document else []
        for each in (*document.get("manifests", []), *document.get("layers", []), *config):
            _verify(folder, each)


def test_two_processes_that_make_and_fill_one_layout_lose_no_tag(tmp_path: Path) -> None:
    """Each spells the folder in its own way (regsync loses entries there: semantics B18.8)."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    processes = [start_process("tags", str(tmp_path / name / "layout"), name) for name in ("real", "link")]
    for process in processes:
        finish(process)
    expected = {
        f"{prefix}-{number}": images.single(f"{prefix}-{number}").digest
        for prefix in ("real", "link")
        for number in range(TAGS_EACH)
    }
    assert complete_tags(tmp_path / "real" / "layout") == expected


def test_a_process_that_collects_leaves_alone_what_another_is_writing(tmp_path: Path) -> None:
    """One that moves tags and collects without any grace runs beside one that adds tags."""
    layout = tmp_path / "layout"
    busy = start_process("busy", str(layout))
    try:
        wait_until_at_work(busy)
        finish(start_process("tags", str(layout), "calm"))
    finally:
        busy.kill()
        busy.communicate()
    tags = complete_tags(layout)
    assert {tag for tag in tags if tag.startswith("calm")} == {f"calm-{number}" for number in range(TAGS_EACH)}


@pytest.mark.parametrize("start", START)
def test_a_process_killed_at_any_step_leaves_a_readable_layout_that_can_be_continued(
    tmp_path: Path, start: str
) -> None:
    """No tag points at incomplete content, and the same work done again finishes it, and leaves nothing over."""
    layouts = json.loads(finish(start_process("steps", str(tmp_path), start)))
    before = {"v1": OLD.digest} if start == "old" else {}
    seen: set[str] = set()
    for layout in map(Path, layouts):
        tags = complete_tags(layout)
        assert tags in (before, {"v1": NEW.digest})
        seen.add(str(tags))
        asyncio.run(replace_and_collect(Repository.layout(str(layout))))
        assert complete_tags(layout) == {"v1": NEW.digest}
        assert not [path for path in layout.rglob(".transship.*") if path.suffix != ".lock"]
    assert len(seen) == 2
    assert len(layouts) > 25


def test_a_process_killed_at_random_leaves_every_tag_complete(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    chance = random.Random(4)
    for _ in range(KILLS):
        process = start_process("busy", str(layout))
        wait_until_at_work(process)
        time.sleep(chance.random() * LONGEST_LIFE_S)  # what is tested is that the moment does not matter
        process.kill()
        process.communicate()
        tags = complete_tags(layout)
        assert tags
        assert asyncio.run(list_tags(layout)) == tuple(sorted(tags))


async def list_tags(layout: Path) -> tuple[str, ...]:
    async with LayoutStore() as store:
        return (await store.list_tags(Repository.layout(str(layout)))).tags


def main(what: str, path: str, *rest: str) -> None:
    match what:
        case "tags":
            asyncio.run(write_tags(Repository.layout(path), rest[0]))
        case "busy":
            asyncio.run(copy_for_ever(Repository.layout(path)))
        case _:
            layouts = kill_at_each_step(Path(path), START[rest[0]])
            print(json.dumps([str(each) for each in layouts]))  # noqa: T201 - the result


if __name__ == "__main__":
    main(*sys.argv[1:])
