"""The program at a registry that counts pulls: what it foretells, when it goes ahead, and how its waiting is ended."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images
from support.program import Done, command, environment, transship
from support.registry_server import faults
from support.registry_server.server import RegistryServer

MANIFESTS = 4
"""How many manifests the two images have: planning pulls them, and so does applying."""


@dataclass(frozen=True)
class Sides:
    """A source with two tags, an empty target, and a place for the configuration."""

    source: RegistryServer
    target: RegistryServer
    folder: Path

    def configure(self, minimum: int) -> None:
        """Write a configuration that mirrors the one into the other, and leaves so many pulls alone."""
        document = {
            "creds": [{"registry": server.host, "tls": "disabled"} for server in (self.source, self.target)],
            "defaults": {"ratelimit": {"min": minimum, "retry": "15m"}},
            "sync": [
                {
                    "source": f"{self.source.host}/team/app",
                    "target": f"{self.target.host}/mirror/app",
                    "type": "repository",
                }
            ],
        }
        (self.folder / "mirror.yaml").write_text(json.dumps(document))  # JSON is YAML

    def run(self, *arguments: str) -> Done:
        """Run a command, and put a name for the source's address into what it says."""
        done = transship(*arguments, "-c", "mirror.yaml", cwd=self.folder)
        return Done(done.code, done.out.replace(self.source.host, "SOURCE"), done.err)

    @property
    def looks(self) -> int:
        """How often a manifest of the source was looked at by its digest."""
        return self.source.requests.count("HEAD", r"/manifests/sha256:")

    def is_mirrored(self) -> bool:
        """Whether the target has all tags of the source."""
        return self.target.store.tags("mirror/app") == self.source.store.tags("team/app")


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    with RegistryServer() as source, RegistryServer() as target:
        source.store.add_image("team/app", "one", images.single("one"))
        source.store.add_image("team/app", "two", images.multi_platform("two"))
        yield Sides(source, target, tmp_path)


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (faults.PullQuota(used=17), f"{100 - 17 - MANIFESTS} of 100 left"),
        (faults.ExtraHeaders(headers={"RateLimit-Limit": "100", "RateLimit-Remaining": "83"}), "83 of 100 left"),
        (faults.ExtraHeaders(headers={"RateLimit-Remaining": "83;w=21600"}), "83 left"),
    ],
    ids=["100;w=21600", "100", "no limit"],
)
def test_with_enough_left_images_are_copied_at_once(sides: Sides, fault: faults.Fault, left: str) -> None:
    """The plan says how much that is after its own pulls; applying looks once for each image."""
    sides.configure(minimum=20)
    sides.source.faults.add(fault)
    done = sides.run("once")
    assert done.code == 0, done.err
    assert f" Manifest pulls: {MANIFESTS} from SOURCE ({left}).\n" in done.out
    assert "warning" not in done.out
    assert "delaying" not in done.err
    assert sides.looks == 2
    assert sides.is_mirrored()


def test_where_no_quota_is_stated_nothing_is_waited_for(sides: Sides) -> None:
    """The rule is not active there, and the forecast has no number."""
    sides.configure(minimum=20)
    done = sides.run("once")
    assert done.code == 0, done.err
    assert f" Manifest pulls: {MANIFESTS} from SOURCE.\n" in done.out
    assert sides.is_mirrored()


def test_without_a_minimum_nobody_looks(sides: Sides) -> None:
    """Yet what the registry stated in passing is told."""
    sides.configure(minimum=0)
    sides.source.faults.add(faults.PullQuota())
    done = sides.run("once")
    assert done.code == 0, done.err
    assert f" Manifest pulls: {MANIFESTS} from SOURCE ({100 - MANIFESTS} of 100 left).\n" in done.out
    assert sides.looks == 0


def test_a_plan_that_does_not_fit_says_so(sides: Sides) -> None:
    """In words, and in the plan file that a program reads."""
    sides.configure(minimum=0)
    sides.source.faults.add(faults.PullQuota(limit=MANIFESTS + 3))
    done = sides.run("plan", "-o", "plan.json")
    assert done.code == 0, done.err
    assert (
        "warning: SOURCE: the plan takes 4 manifest pulls, but 3 of 7 are left; give the entries ratelimit.min to let "
        "apply wait, log in for a larger quota, or split the plan\n"
    ) in done.out
    (pulls,) = json.loads((sides.folder / "plan.json").read_text())["forecast"]["pulls"]
    assert pulls == {
        "manifests": 4,
        "quota": {"fits": False, "limit": 7, "remaining": 3, "window_s": 21600},
        "registry": sides.source.host,
    }
    shown = sides.run("show", "plan.json")
    assert " (3 of 7 left).\n" in shown.out


def test_a_minimum_above_the_whole_quota_fails_each_image(sides: Sides) -> None:
    """With exit 1, and without a wait that has no end."""
    sides.configure(minimum=200)
    sides.source.faults.add(faults.PullQuota())
    done = sides.run("once")
    assert done.code == 1
    assert "\nApply: 0 applied, 0 already as planned, 2 failed.\n" in done.out
    assert done.out.count("ratelimit.min is 200, but the registry's whole quota is 100 pulls; ") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_is_told_of_and_can_be_interrupted(sides: Sides, number: signal.Signals) -> None:
    """One line for all that wait, with numbers for programs; then exit 130, at once, and nothing was written."""
    sides.configure(minimum=50)
    sides.source.faults.add(faults.PullQuota(used=90))
    process = subprocess.Popen(
        command("once", "-c", "mirror.yaml", "--logopt", "json"),
        cwd=sides.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = json.loads(process.stderr.readline())
    process.send_signal(number)
    out, rest = process.communicate(timeout=600)
    assert process.returncode == 130
    left = 100 - 90 - MANIFESTS
    told = f"delaying for rate limit: {sides.source.host} has {left} of 100 pulls left, min 50; looking again in 900 s"
    assert {name: text for name, text in line.items() if name != "time"} == {
        "level": "INFO",
        "msg": told,
        "source-remain": left,
        "source-limit": 100,
        "step-min": 50,
        "sleep": 900,
    }
    assert "delaying" not in rest
    assert "Interrupted. Apply the same plan again to go on; no tag points at incomplete content.\n" in out
    assert "Apply: 0 applied, 0 already as planned, 2 not done.\n" in out
    assert sides.target.requests.count("PUT", r".") == sides.target.requests.count("POST", r".") == 0
