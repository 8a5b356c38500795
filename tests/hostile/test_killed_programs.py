"""The program, killed by the system at a call that changes files: the next run brings layout and state together."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import command, environment, transship

NEW, OLD, INDEX = images.single("new", layers=2), images.single("old"), images.multi_platform("index")
SBOM = images.artifact(NEW)
CALLS = {
    "rename": "rename,renameat,renameat2",
    "sync": "fsync,fdatasync",
    "remove": "unlink,unlinkat",
    "cut": "ftruncate",
    "write": "write,pwrite64,writev,copy_file_range,sendfile",
}
"""What changes files, by the names that Linux has for it."""
BY_DAY = [("rename", 1), ("rename", 3), ("sync", 1), ("sync", 4), ("remove", 1)]
CONFIGURATION = """\
version: 1
state: state.json
defaults:
  backup: old-{{ .Ref.Tag }}
  referrers: true
sync:
  - {source: ocidir://source, target: ocidir://mirror, type: repository}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source, a mirror of what it was, and the configuration that leads from one to the other."""
    images.write_layout(tmp_path / "source", "v1", NEW, referrers=[SBOM])
    images.write_layout(tmp_path / "source", "v2", INDEX)
    images.write_layout(tmp_path / "mirror", "v1", OLD)
    (tmp_path / "transship.yaml").write_text(CONFIGURATION)
    return tmp_path


def once_until(folder: Path, call: str, number: int) -> bool:
    """Run `transship once`, killed before that call of any of its threads; False when none came so far."""
    inject = f"inject={CALLS[call]}:signal=KILL:when={number}"
    watched = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={CALLS[call]}", "-e", inject]
    done = subprocess.run(
        [*watched, *command("once")],
        cwd=folder,
        env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def tags(layout: Path) -> dict[str, str]:
    """What a layout's index says."""
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    name = "org.opencontainers.image.ref.name"
    return {entry["annotations"][name]: entry["digest"] for entry in entries if name in entry.get("annotations", {})}


def blob(layout: Path, digest: str) -> dict[str, Any]:
    """What a layout holds under a digest, as JSON."""
    document: dict[str, Any] = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
    return document


def assert_right(folder: Path) -> None:
    """One more run puts everything right: targets, records, and nothing left over."""
    again = transship("once", cwd=folder)
    assert again.code == 0, again.err
    mirrored = tags(folder / "mirror")
    attached = blob(folder / "mirror", mirrored.pop(NEW.digest.replace(":", "-")))
    assert [entry["digest"] for entry in attached["manifests"]] == [SBOM.digest]
    assert mirrored == {**tags(folder / "source"), "old-v1": OLD.digest}
    state = json.loads((folder / "state.json").read_bytes())
    records = {record["target"].rpartition(":")[2]: record["target_digest"] for record in state["records"]}
    assert records == tags(folder / "source")
    assert (transship("check", cwd=folder).code, transship("drift", cwd=folder).code) == (0, 0)
    assert not [str(path) for path in folder.rglob("*") if "tmp" in path.name]
    assert {path.name for path in folder.iterdir()} == {
        *("mirror", "source", "state.json", "state.json.backup", "state.json.lock", "transship.yaml")
    }


def dies_and_recovers(folder: Path, call: str, number: int) -> bool:
    """Kill one run and let another one go on; False when the run ended before that."""
    was_killed = once_until(folder, call, number)
    assert_right(folder)
    return was_killed


@pytest.mark.parametrize(("call", "number"), BY_DAY, ids=[f"{call} {number}" for call, number in BY_DAY])
def test_a_killed_program_is_made_good_by_the_next(folder: Path, call: str, number: int) -> None:
    """A sample, since each is three runs; all others are the night's."""
    assert dies_and_recovers(folder, call, number)


def copies(folder: Path) -> Iterator[Path]:
    """The same folder again and again, elsewhere."""
    while True:
        copy = folder.with_name(f"{folder.name}-copy")
        shutil.copytree(folder, copy)
        yield copy
        shutil.rmtree(copy)


@pytest.mark.nightly
@pytest.mark.parametrize("call", CALLS)
def test_a_program_that_is_killed_at_any_of_its_calls_is_made_good_by_the_next(folder: Path, call: str) -> None:
    """One after another, until none of its threads makes that many."""
    deaths = 0
    for copy in copies(folder):
        if not dies_and_recovers(copy, call, deaths + 1):
            break
        deaths += 1
    assert deaths > 0 or call == "cut"
