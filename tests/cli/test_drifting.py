"""What `drift` prints, and how it ends: what was looked at, what moved, what no entry wants any more."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import Done, transship
from support.registry_server.faults import FailRequests
from support.registry_server.server import RegistryServer

TAGS = [f"1.{number}" for number in range(4)]
IMAGES = {tag: images.single(tag) for tag in TAGS}
MOVED = images.single("moved")


@dataclass(frozen=True)
class Mirror:
    """A source, a target that is a copy of it and recorded, and their configuration."""

    source: RegistryServer
    target: RegistryServer
    folder: Path

    def configure(self, **keys: object) -> None:
        entry = {"source": f"{self.source.host}/app", "target": f"{self.target.host}/app", "type": "repository", **keys}
        document = {
            "state": "state.json",
            "defaults": {"tries": 1},
            "creds": [{"registry": server.host, "tls": "disabled"} for server in (self.source, self.target)],
            "sync": [entry],
        }
        (self.folder / "transship.yaml").write_text(json.dumps(document))

    def run(self, *arguments: str) -> Done:
        done = transship(*arguments, cwd=self.folder)
        out = done.out.replace(self.source.host, "SOURCE").replace(self.target.host, "TARGET")
        for image, name in ((MOVED, "MOVED"), *((image, f"DIGEST-{tag}") for tag, image in IMAGES.items())):
            out = out.replace(image.digest, name)
        return Done(done.code, out, done.err)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with RegistryServer() as source, RegistryServer() as target:
        for tag, image in IMAGES.items():
            source.store.add_image("app", tag, image)
            target.store.add_image("app", tag, image)
        made = Mirror(source, target, tmp_path)
        made.configure()
        assert made.run("once").code == 0
        yield made


def test_what_could_not_be_looked_at_is_counted(mirror: Mirror) -> None:
    """Two of four tags are refused; of the others one has moved."""
    mirror.source.faults.add(FailRequests(status=403, path=r"manifests/1\.[01]", times=None))
    mirror.source.store.add_image("app", "1.2", MOVED)
    done = mirror.run("drift")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "upstream moved: TARGET/app:1.2 from SOURCE/app:1.2: recorded DIGEST-1.2, now MOVED"
    assert [line.partition(": HEAD")[0] for line in lines[1:3]] == [
        "problem: TARGET/app:1.0",
        "problem: TARGET/app:1.1",
    ]
    assert lines[3:] == ["Drift: 1 difference; 2 of 4 recorded tags checked, 2 problems."]
    document: dict[str, Any] = json.loads(mirror.run("drift", "--format", "json").out)
    assert (document["recorded"], document["checked"], len(document["problems"])) == (4, 2, 2)


def test_what_cannot_be_looked_at_has_not_been_found_to_stay(mirror: Mirror) -> None:
    """It is not said that nothing moved."""
    mirror.source.faults.add(FailRequests(status=403, times=None))
    done = mirror.run("drift")
    assert (done.code, done.out.splitlines()[-1]) == (
        1,
        "Drift: no difference found; 0 of 4 recorded tags checked, 4 problems.",
    )


def test_what_no_entry_wants_any_more_is_told_and_not_red(mirror: Mirror) -> None:
    """Its tag has moved at both ends, and the entry leaves it out by now."""
    mirror.configure(tags={"deny": ["1\\.0"]})
    mirror.source.store.add_image("app", "1.0", MOVED)
    mirror.target.store.add_image("app", "1.0", MOVED)
    done = mirror.run("drift")
    assert (done.code, done.out) == (
        0,
        "no longer wanted, target changed: TARGET/app:1.0: recorded DIGEST-1.0, now MOVED\n"
        "no longer wanted, upstream moved: TARGET/app:1.0 from SOURCE/app:1.0: recorded DIGEST-1.0, now MOVED\n"
        "Drift: nothing moved; 4 recorded tags checked, 1 no longer wanted.\n",
    )
    found: dict[str, Any] = json.loads(mirror.run("drift", "--format", "json").out)
    applied = json.loads((mirror.folder / "state.json").read_text())["records"][0]["applied"]
    assert found["drift"] == []
    assert found["no_longer_wanted"][1] == {
        "kind": "upstream moved",
        "target": "TARGET/app:1.0",
        "reference": "SOURCE/app:1.0",
        "recorded": "DIGEST-1.0",
        "found": "MOVED",
        "entry": "sync[0]",
        "origin": "found",
        "applied": applied,
        "immutable_tag_moved": False,
    }


def test_without_a_configuration_everything_recorded_is_wanted(mirror: Mirror) -> None:
    """Nobody says otherwise."""
    (mirror.folder / "transship.yaml").unlink()
    done = mirror.run("drift", "--state", "state.json")
    target = "connect to TARGET: it does not speak TLS; for plain HTTP set 'tls: disabled' in creds of TARGET"
    source = target.replace("TARGET", "SOURCE")
    *problems, summary = done.out.splitlines()
    assert done.code == 1
    assert summary in {
        f"Drift: no difference found; 0 of 4 recorded tags checked, {number}." for number in ("1 problem", "2 problems")
    }
    causes = {re.sub("^problem: ([A-Z]+/app:[^:]+: )?|; not looked at: .*", "", problem) for problem in problems}
    assert causes <= {target, source}


def test_a_registry_that_is_gone_is_one_problem(mirror: Mirror) -> None:
    """However many tags were recorded there; as data, each of them is named beside it."""
    with RegistryServer() as gone:
        mirror = replace(mirror, target=gone)
        mirror.configure()
        (mirror.folder / "state.json").unlink()
        assert mirror.run("once").code == 0
        host = gone.host
    done = transship("drift", cwd=mirror.folder)
    message = f"connect to {host}: connection refused; check that the registry runs there, its name and its port"
    text = f"{message}; not looked at: 4 tags of sync[0]"
    assert (done.code, done.err, done.out.splitlines()) == (
        1,
        "",
        [f"problem: {text}", "Drift: no difference found; 0 of 4 recorded tags checked, 1 problem."],
    )
    document: dict[str, Any] = json.loads(transship("drift", "--format", "json", cwd=mirror.folder).out)
    assert document["problems"] == [f"{host}/app:{tag}: {message}" for tag in TAGS]
    assert document["causes"] == [{"message": message, "problems": 4, "text": text}]
