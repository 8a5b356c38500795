"""Mirroring from and into layouts that hold several repositories, from the plan to the check and the drift."""

import json
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship

SERVER, PROXY = images.multi_platform("apiserver"), images.multi_platform("proxy")
NAMES = {"reg.example/kube-apiserver": SERVER, "reg.example/kube-proxy": PROXY}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a layout `all` that holds two repositories, as skopeo and podman write it."""
    for name, image in NAMES.items():
        images.write_layout(tmp_path / "all", f"{name}:v1", image)
    return tmp_path


def run(folder: Path, *arguments: str, entries: str) -> Done:
    (folder / "mirror.yaml").write_text(f"version: 1\nstate: state.json\nsync:\n{entries}")
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)


def tagged(layout: Path) -> dict[str, str]:
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}


IMAGES = """\
  - {source: "ocidir://all:v1", target: "ocidir://kube-apiserver:v1", type: image}
  - {source: "ocidir://all:v1", target: "ocidir://mirror/kube-proxy:v1", type: image}
"""
REPOSITORIES = """\
  - {source: "ocidir://all", target: "ocidir://kube-apiserver", type: repository}
  - {source: "ocidir://all", target: "ocidir://mirror/kube-proxy", type: repository}
"""


@pytest.mark.parametrize("entries", [IMAGES, REPOSITORIES], ids=["images", "repositories"])
def test_the_repository_that_has_the_targets_name_is_mirrored(folder: Path, entries: str) -> None:
    """The plan and the state name it, so that check and drift look at the same image."""
    done = run(folder, "once", entries=entries)
    assert done.code == 0, done.out + done.err
    assert tagged(folder / "kube-apiserver") == {"v1": SERVER.digest}
    assert tagged(folder / "mirror/kube-proxy") == {"v1": PROXY.digest}
    sources = {each["source"] for each in json.loads((folder / "state.json").read_text())["records"]}
    assert sources == {f"ocidir://all:{name}:v1" for name in NAMES}
    assert run(folder, "check", entries=entries).code == 0
    drifted = run(folder, "drift", entries=entries)
    assert drifted.code == 0, drifted.out


def test_what_cannot_be_decided_is_a_problem_that_names_both_and_the_way_out(folder: Path) -> None:
    entries = '  - {source: "ocidir://all:v1", target: "ocidir://mirror/app:v1", type: image}\n'
    done = run(folder, "plan", entries=entries)
    assert done.code == 1
    assert (
        "several images claim the tag: reg.example/kube-apiserver:v1, reg.example/kube-proxy:v1; "
        "say which is meant, for example ocidir://all:reg.example/kube-apiserver:v1\n"
    ) in done.out
    entries = entries.replace("all:v1", "all:reg.example/kube-proxy:v1")
    done = run(folder, "once", entries=entries)
    assert done.code == 0, done.out + done.err
    assert tagged(folder / "mirror/app") == {"v1": PROXY.digest}


def test_a_whole_repository_says_what_it_leaves_out(folder: Path) -> None:
    images.write_layout(folder / "all", "reg.example/kube-apiserver:v2", SERVER)
    entries = '  - {source: "ocidir://all", target: "ocidir://mirror/kube-proxy", type: repository}\n'
    done = run(folder, "once", entries=entries)
    assert done.code == 0, done.out + done.err
    assert (
        "warning: sync[0]: ocidir://all holds several repositories, of which reg.example/kube-proxy has the name of "
        "the target; left out: reg.example/kube-apiserver, the tag v2\n"
    ) in done.out
    assert tagged(folder / "mirror/kube-proxy") == {"v1": PROXY.digest}


def test_several_repositories_are_written_into_one_layout_and_keep_apart(folder: Path) -> None:
    """The entries of others stay as they are, and each is found again under its own name."""
    images.write_layout(folder / "new", "v1", images.single("new"))
    entries = """\
  - {source: "ocidir://new", target: "ocidir://all:mirror.example/kube-proxy", type: repository}
  - {source: "ocidir://new:v1", target: "ocidir://all:reg.example/kube-proxy:v1", type: image}
"""
    done = run(folder, "once", entries=entries)
    assert done.code == 0, done.out + done.err
    assert tagged(folder / "all") == {
        "reg.example/kube-apiserver:v1": SERVER.digest,
        "reg.example/kube-proxy:v1": images.single("new").digest,
        "mirror.example/kube-proxy:v1": images.single("new").digest,
    }
    assert run(folder, "check", entries=entries).code == 0


def test_a_target_tag_that_several_repositories_claim_is_not_written(folder: Path) -> None:
    images.write_layout(folder / "new", "v1", images.single("new"))
    before = tagged(folder / "all")
    done = run(folder, "once", entries='  - {source: "ocidir://new:v1", target: "ocidir://all:v1", type: image}\n')
    assert done.code == 1
    assert "HEAD manifest ocidir://all:v1: several images claim the tag: " in done.out
    assert tagged(folder / "all") == before


def test_why_asks_the_repository_that_is_mirrored(folder: Path) -> None:
    images.write_layout(folder / "all", "reg.example/kube-apiserver:v2", SERVER)
    entries = '  - {source: "ocidir://all", target: "ocidir://mirror/kube-proxy", type: repository}\n'
    done = run(folder, "why", "ocidir://all:v1", entries=entries)
    assert done.code == 0, done.out
    assert "ocidir://all:reg.example/kube-proxy:v1 → ocidir://mirror/kube-proxy:v1" in done.out
