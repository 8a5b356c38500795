"""How `check` ends: with the state, without anything to compare, and with warnings that count."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import Done, transship
from support.registry_server.server import RegistryServer

ONE, STRANGER = images.single("one"), images.single("stranger")


@dataclass(frozen=True)
class Mirror:
    """A source and a target, each with one image, and a configuration."""

    source: RegistryServer
    target: RegistryServer
    folder: Path

    def configure(self, text: str = "", **keys: object) -> None:
        entry = {"source": f"{self.source.host}/app", "target": f"{self.target.host}/app", "type": "repository", **keys}
        document = {
            "version": 1,
            "state": "state.json",
            "creds": [{"registry": server.host, "tls": "disabled"} for server in (self.source, self.target)],
            "sync": [entry],
        }
        (self.folder / "transship.yaml").write_text(text or json.dumps(document))

    def run(self, *arguments: str) -> Done:
        done = transship(*arguments, cwd=self.folder)
        out = done.out.replace(self.source.host, "SOURCE").replace(self.target.host, "TARGET")
        return Done(done.code, out, done.err)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with RegistryServer() as source, RegistryServer() as target:
        for server in (source, target):
            server.store.add_image("app", "1.0", ONE)
        made = Mirror(source, target, tmp_path)
        made.configure(immutable_tags=["1.*"])
        yield made


def test_an_immutable_tag_that_was_overwritten_is_found_by_check_alone(mirror: Mirror) -> None:
    """Exit 2 with the state that recorded it; planning and applying leave it alone, and end as ever."""
    assert mirror.run("once").code == 0
    (record,) = json.loads((mirror.folder / "state.json").read_text())["records"]
    assert mirror.run("check").code == 0
    mirror.target.store.add_image("app", "1.0", STRANGER)
    done = mirror.run("check")
    assert (done.code, done.err) == (2, "")
    assert done.out.splitlines()[0].endswith(
        f"(immutable tag overwritten at the target since it was found on {record['applied']}; sync[0])"
    )
    assert mirror.run("check", "--missing").code == 0
    for command in (["plan", "--detailed-exitcode"], ["once"]):
        assert mirror.run(*command).code == 0
    document: dict[str, Any] = json.loads(mirror.run("check", "--format", "json").out)
    assert (document["in_sync"], document["differences"][0]["action"]) == (False, "overwritten")


def test_a_tag_that_is_gone_upstream_is_a_warning_and_strictly_a_difference(mirror: Mirror) -> None:
    """Exit 0, and 2 with `--strict`, which says why."""
    mirror.configure()
    assert mirror.run("once").code == 0
    (record,) = json.loads((mirror.folder / "state.json").read_text())["records"]
    for server in (mirror.source, mirror.target):
        server.store.add_image("app", "2.0", ONE)
    assert mirror.run("once").code == 0
    mirror.source.store.delete_tag("app", "1.0")
    lines = [
        f"warning: sync[0]: SOURCE/app:1.0 is gone upstream since TARGET/app:1.0 was found on {record['applied']}; "
        "the target keeps it",
        "In sync: 1 tag as the configuration wants.",
    ]
    done, strict = mirror.run("check"), mirror.run("check", "--strict")
    assert (done.code, done.out.splitlines()) == (0, lines)
    assert (strict.code, strict.out.splitlines()) == (2, [*lines, "Not accepted, as --strict asks: 1 warning."])
    found = mirror.run("check", "--strict", "--format", "json")
    assert (found.code, json.loads(found.out)["warnings"]) == (2, [lines[0].removeprefix("warning: ")])


def test_without_a_warning_strict_changes_nothing(mirror: Mirror) -> None:
    """In sync is in sync."""
    mirror.configure()
    strict = mirror.run("check", "--strict")
    assert (strict.code, strict.out) == (0, "In sync: 1 tag as the configuration wants.\n")


def test_where_nothing_is_configured_nothing_is_in_sync(mirror: Mirror) -> None:
    """An empty `sync:` is a warning, of the configuration, too; it passes unless warnings are not accepted."""
    mirror.configure("version: 1\nsync: []\n")
    done, strict = mirror.run("check"), mirror.run("check", "--strict")
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "warning: there are no entries: nothing was compared",
            "Nothing was compared: no tag is wanted.",
        ],
    )
    assert done.err.startswith("warning: transship.yaml:")
    assert (strict.code, strict.out.splitlines()[-1]) == (2, "Not accepted, as --strict asks: 2 warnings.")
    found: dict[str, Any] = json.loads(mirror.run("check", "--format", "json").out)
    assert (found["in_sync"], found["warnings"]) == (None, ["there are no entries: nothing was compared"])
