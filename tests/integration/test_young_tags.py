"""The program with `min_age`, dates for `keep_last`, and immutable tags: state file, Docker Hub's API and all."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import Done, transship
from support.registry_server.server import RegistryServer

DAY = 86400
IMAGE = images.single("young")


@pytest.fixture
def upstream() -> Iterator[RegistryServer]:
    """A registry that speaks Docker Hub's web API, with one image that was pushed just now."""
    with RegistryServer() as server:
        server.store.add_image("library/app", "stable", IMAGE)
        yield server


@pytest.fixture
def mirror() -> Iterator[RegistryServer]:
    """An empty registry."""
    with RegistryServer() as server:
        yield server


def configure(folder: Path, upstream: RegistryServer, mirror: RegistryServer, keys: str, *, hub: bool = False) -> None:
    """Write a configuration that mirrors Docker Hub's library/app, for which `upstream` stands in."""
    api = f"{upstream.url}/hub" if hub else ""
    (folder / "mirror.yaml").write_text(
        "version: 1\n"
        "creds:\n"
        f"  - {{registry: docker.io, hostname: '{upstream.host}', tls: disabled, hubApi: '{api}'}}\n"
        f"  - {{registry: '{mirror.host}', tls: disabled}}\n"
        f"sync:\n  - {{source: app, target: {mirror.host}/app, type: repository, {keys}}}\n"
    )


def run(folder: Path, *arguments: str) -> Done:
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found


def grow_older(folder: Path) -> None:
    """Let what the state has seen have been seen eight days ago."""
    document = state(folder)
    for seen in document["seen"]:
        seen["first_seen"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 8 * DAY))
    (folder / "state.json").write_text(json.dumps(document))


def mirrored(mirror: RegistryServer) -> dict[str, str]:
    return mirror.store.tags("app") if mirror.store.has_repository("app") else {}


def test_a_young_tag_is_held_until_the_state_has_seen_it_long_enough(
    tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer
) -> None:
    """Looking writes nothing; once remembers; held until the date that the plan tells; then it is mirrored."""
    configure(tmp_path, upstream, mirror, "min_age: 7d")
    for command in ("plan", "check"):
        looked = run(tmp_path, command, "--state", "state.json")
        assert (looked.code, looked.err) == (0, "")
        assert "apply and once record in the state that they have seen it" in looked.out
        assert list(tmp_path.iterdir()) == [tmp_path / "mirror.yaml"]
    first = run(tmp_path, "once", "--state", "state.json")
    assert (first.code, first.err) == (0, "")
    assert "Plan: 1 held, 0 unchanged.\n" in first.out
    (seen,) = state(tmp_path)["seen"]
    assert (seen["source"], seen["digest"]) == ("docker.io/library/app:stable", IMAGE.digest)
    again = run(tmp_path, "once", "--state", "state.json")
    since = f"was first seen at docker.io/library/app:stable on {seen['first_seen']} (by the state), min_age is 7d"
    assert since in again.out
    assert (state(tmp_path)["serial"], mirrored(mirror)) == (1, {})
    grow_older(tmp_path)
    (seen,) = state(tmp_path)["seen"]
    later = run(tmp_path, "once", "--state", "state.json")
    assert later.code == 0, later.err
    assert mirrored(mirror) == {"stable": IMAGE.digest}
    assert state(tmp_path)["seen"] == []
    assert [record["first_seen"] for record in state(tmp_path)["records"]] == [seen["first_seen"]]


def test_a_tag_that_moves_is_young_again(tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer) -> None:
    """However long its old content was there."""
    configure(tmp_path, upstream, mirror, "min_age: 7d")
    assert run(tmp_path, "once", "--state", "state.json").code == 0
    grow_older(tmp_path)
    upstream.store.add_image("library/app", "stable", images.single("moved"))
    moved = run(tmp_path, "once", "--state", "state.json")
    assert (moved.code, mirrored(mirror)) == (0, {})
    assert "Plan: 1 held, 0 unchanged.\n" in moved.out
    assert [seen["digest"] for seen in state(tmp_path)["seen"]] == [images.single("moved").digest]


def test_a_saved_plan_with_all_changes_held_is_remembered(
    tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer
) -> None:
    """Applying it writes nothing but the state."""
    configure(tmp_path, upstream, mirror, "min_age: 7d")
    assert run(tmp_path, "plan", "--state", "state.json", "-o", "plan.json").code == 0
    applied = run(tmp_path, "apply", "--state", "state.json", "plan.json")
    assert applied.code == 0, applied.err
    assert applied.err == ""
    assert applied.out.startswith(f"held: {mirror.host}/app:stable: min_age is 7d, ")
    assert applied.out.endswith("Apply: 0 applied, 0 already as planned, 1 held.\nNothing was written.\n")
    assert [seen["digest"] for seen in state(tmp_path)["seen"]] == [IMAGE.digest]
    assert mirrored(mirror) == {}


def test_docker_hubs_dates_need_no_state(tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer) -> None:
    """What was pushed long ago is mirrored at once, and what was pushed today is held."""
    old = images.single("old")
    upstream.store.add_image("library/app", "old", old)
    upstream.store.set_tag("library/app", "old", old.digest, at=time.time() - 30 * DAY)
    configure(tmp_path, upstream, mirror, "min_age: 7d", hub=True)
    done = run(tmp_path, "once")
    assert done.code == 0, done.err
    assert "(by Docker Hub's tag API), min_age is 7d: held until " in done.out
    assert "Plan: 1 to create, 1 held, 0 unchanged.\n" in done.out
    assert mirrored(mirror) == {"old": old.digest}


def test_an_urgent_tag_goes_through(tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer) -> None:
    """The plan says who asked for it; a plan file was approved as it is and takes no such option."""
    configure(tmp_path, upstream, mirror, "min_age: 7d")
    planned = run(tmp_path, "plan", "--ignore-min-age", "app:other", "-o", "plan.json")
    assert (
        "warning: --ignore-min-age docker.io/library/app:other: no change that min_age concerns has it as source or "
        "target\n"
    ) in planned.out
    done = run(tmp_path, "apply", "--auto-approve", "--ignore-min-age", f"app:stable@{IMAGE.digest}")
    assert (
        f"warning: sync[0]: min_age 7d is ignored for docker.io/library/app:stable → {mirror.host}/app:stable, as "
        f"--ignore-min-age docker.io/library/app:stable@{IMAGE.digest} asks\n"
    ) in done.out
    assert (done.code, mirrored(mirror)) == (0, {"stable": IMAGE.digest})
    refused = run(tmp_path, "apply", "plan.json", "--ignore-min-age", "app:stable")
    assert refused.code == 1
    assert "it goes without --missing, --auto-approve and --ignore-min-age" in refused.err
    wrong = run(tmp_path, "once", "--ignore-min-age", "App:stable")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "must be lowercase" in wrong.err


def test_keep_last_goes_by_docker_hubs_dates(tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer) -> None:
    """By name it would be `zeta`."""
    zeta = images.single("zeta")
    upstream.store.add_image("library/app", "zeta", zeta)
    upstream.store.set_tag("library/app", "zeta", zeta.digest, at=time.time() - DAY)
    configure(tmp_path, upstream, mirror, "keep_last: 1", hub=True)
    explained = run(tmp_path, "why", "app:stable")
    assert explained.code == 0
    assert "kept by keep_last: number 1 of 2 matching tags, newest first; the first 1 are kept" in explained.out
    assert run(tmp_path, "once").code == 0
    assert mirrored(mirror) == {"stable": IMAGE.digest}


def test_drift_and_check_name_an_immutable_tag_that_moved(
    tmp_path: Path, upstream: RegistryServer, mirror: RegistryServer
) -> None:
    """Both ends are asked by drift; check tells what it knows anyway, by the dates for keep_last, and is green."""
    configure(tmp_path, upstream, mirror, "keep_last: 2, immutable_tags: ['1[.]0']", hub=True)
    for tag in ("1.0", "edge"):
        upstream.store.add_image("library/app", tag, images.single(tag))
    assert run(tmp_path, "once", "--state", "state.json").code == 0
    upstream.store.add_image("library/app", "1.0", IMAGE)
    checked = run(tmp_path, "check", "--state", "state.json")
    moved = f"docker.io/library/app:1.0 was {images.single('1.0').digest[:19]} when it was mirrored"
    assert checked.code == 0
    assert f"warning: sync[0]: immutable tag moved: {moved}, now it is {IMAGE.digest[:19]}" in checked.out
    drifted = run(tmp_path, "drift", "--state", "state.json")
    assert drifted.code == 2
    assert drifted.out == (
        f"immutable tag moved, upstream moved: {mirror.host}/app:1.0 from docker.io/library/app:1.0: recorded "
        f"{images.single('1.0').digest}, "
        f"now {IMAGE.digest}\nDrift: 1 difference; 2 recorded tags checked.\n"
    )
    (found,) = json.loads(run(tmp_path, "drift", "--state", "state.json", "--format", "json").out)["drift"]
    assert (found["kind"], found["immutable_tag_moved"]) == ("upstream moved", True)
    assert mirrored(mirror)["1.0"] == images.single("1.0").digest
