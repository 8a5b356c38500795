"""The program and its state file: what enters it, when, and what becomes of a run that cannot write it."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.program import Done, command, environment, transship
from support.registry_server.server import RegistryServer

TAGS = [f"1.{number}" for number in range(6)]
IMAGES = {tag: images.single(tag) for tag in TAGS}


@dataclass(frozen=True)
class Mirror:
    """A source with six tags, a target that has them or not, and a configuration with a state."""

    source: RegistryServer
    target: RegistryServer
    folder: Path

    def mirror(self, *tags: str) -> None:
        """Put tags into the target by other means than ours."""
        for tag in tags:
            self.target.store.add_image("mirror/app", tag, IMAGES[tag])

    def run(self, *arguments: str) -> Done:
        return transship(*arguments, "-c", "mirror.yaml", cwd=self.folder)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    @property
    def origins(self) -> dict[str, str]:
        """How each recorded tag came to be as it is."""
        records = self.state["records"]
        return {record["target"].rpartition(":")[2]: record.get("origin", "applied") for record in records}

    def was_pushed_to(self) -> bool:
        return any(request.method in {"PUT", "POST", "PATCH"} for request in self.target.requests)

    def is_untouched(self) -> bool:
        """Whether no registry was asked for anything."""
        return not list(self.source.requests) and not list(self.target.requests)

    def forget_requests(self) -> None:
        for server in (self.source, self.target):
            server.requests.clear()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with RegistryServer() as source, RegistryServer() as target:
        for tag, image in IMAGES.items():
            source.store.add_image("team/app", tag, image)
        document = {
            "state": "state.json",
            "creds": [{"registry": server.host, "tls": "disabled"} for server in (source, target)],
            "sync": [
                {"source": f"{source.host}/team/app", "target": f"{target.host}/mirror/app", "type": "repository"}
            ],
        }
        (tmp_path / "mirror.yaml").write_text(json.dumps(document))  # JSON is YAML
        yield Mirror(source, target, tmp_path)


def test_a_mirror_that_exists_enters_the_state_with_the_first_once(mirror: Mirror) -> None:
    """Though nothing has to be copied; `drift` has something to look at, and the next run nothing to write."""
    mirror.mirror(*TAGS)
    first = mirror.run("once")
    assert first.code == 0
    assert "Plan: 6 unchanged.\nTo record in the state: 6 tags as wanted already.\n" in first.out
    assert (mirror.origins, mirror.state["serial"]) == (dict.fromkeys(TAGS, "found"), 1)
    looked = mirror.run("drift")
    assert (looked.code, looked.out) == (0, "Drift: nothing moved; 6 recorded tags checked.\n")
    again = mirror.run("once")
    assert (again.code, "To record" in again.out, mirror.state["serial"]) == (0, False, 1)


def test_a_mirror_that_exists_enters_the_state_with_a_plan_that_is_applied(mirror: Mirror) -> None:
    """The plan file carries what was found; applied and found are told apart, also when it is applied again."""
    mirror.mirror(*TAGS[:4])
    assert mirror.run("plan", "-o", "plan.json").code == 0
    assert not (mirror.folder / "state.json").exists()
    assert mirror.run("apply", "plan.json").code == 0
    expected = dict.fromkeys(TAGS[:4], "found") | dict.fromkeys(TAGS[4:], "applied")
    assert mirror.origins == expected
    records = mirror.state["records"]
    assert mirror.run("apply", "plan.json").code == 0
    assert mirror.state["records"] == records


def test_a_mirror_that_was_only_listed_enters_no_state(mirror: Mirror) -> None:
    """With `--missing` nothing was compared; there is a state all the same, and `drift` does not ask for one."""
    mirror.mirror(*TAGS)
    assert mirror.run("once", "--missing").code == 0
    assert mirror.state["records"] == []
    assert mirror.run("drift").code == 0


def test_drift_without_a_state_names_a_command_that_makes_one(mirror: Mirror) -> None:
    """With nothing to apply, too."""
    mirror.mirror(*TAGS)
    lost = mirror.run("drift")
    way_out = "`transship apply --state state.json` records one"
    assert (lost.code, lost.err) == (1, f"error: state.json: there is no state yet; {way_out}\n")
    assert mirror.run("apply", "--state", "state.json").code == 0
    assert mirror.run("drift").code == 0


def test_what_a_run_pushed_and_could_not_record_is_recorded_by_the_next(mirror: Mirror) -> None:
    """As after a kill between the tag and its record: the state is as it was before."""
    assert mirror.run("once").code == 0
    state = mirror.state
    lost = state["records"].pop(2)
    (mirror.folder / "state.json").write_text(json.dumps(state))
    assert mirror.run("once").code == 0
    (record,) = (each for each in mirror.state["records"] if each["target"] == lost["target"])
    assert record["origin"] == "found"
    assert record["target_digest"] == lost["target_digest"]


def _unlockable(folder: Path) -> None:
    (folder / "state.json.lock").mkdir()


def _nowhere(folder: Path) -> None:
    document = json.loads((folder / "mirror.yaml").read_text())
    (folder / "mirror.yaml").write_text(json.dumps({**document, "state": "mirror.yaml/state.json"}))


@pytest.mark.parametrize("spoil", [_unlockable, _nowhere])
def test_a_state_that_cannot_be_used_stops_a_run_before_anything_is_pushed(mirror: Mirror, spoil: Any) -> None:
    """Once pushes nothing, and applying a plan does not even ask a registry."""
    spoil(mirror.folder)
    assert mirror.run("plan", "--state", "other.json", "-o", "plan.json").code == 0
    assert (mirror.run("once").code, mirror.was_pushed_to()) == (1, False)
    mirror.forget_requests()
    assert (mirror.run("apply", "plan.json").code, mirror.is_untouched()) == (1, True)


def test_a_full_disk_stops_a_run_before_anything_is_pushed(mirror: Mirror) -> None:
    """Here a limit of the process on the size of files, which the state is the first to exceed."""
    mirror.mirror(*TAGS[:5])
    assert mirror.run("plan", "-o", "plan.json").code == 0
    mirror.forget_requests()
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *command("apply", "plan.json", "-c", "mirror.yaml")]
    done = subprocess.run(
        limited, cwd=mirror.folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, mirror.is_untouched()) == (1, True)
    assert done.stderr.startswith("error: state.json: cannot write the state file: File too large; ")
    assert mirror.run("apply", "plan.json").code == 0
    assert len(mirror.origins) == 6
