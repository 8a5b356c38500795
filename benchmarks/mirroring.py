"""Whole programs against real registries: transship, skopeo, and a raw curl baseline, turn by turn in one run.

Where `make peers` has built them, regsync and crane take their turns, too: regsync with the configuration that
transship reads, crane with all tags of the repository, which is the most that it can be told.

Prints medians of wall and CPU seconds (user and system, of the program and its children) and ratios to transship.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from interop.peers import pinned  # noqa: E402 - neither are the peers, and what the tests are made of, installed

from support import images  # noqa: E402
from support.program import command, environment  # noqa: E402
from support.real_registry import RealRegistry  # noqa: E402

ROUNDS = 5
LARGE_LAYER = 256 << 20
TAGS = 30
PEERS = {peer.name: peer.program for peer in pinned() if peer.program.exists()}


@dataclass(frozen=True)
class Spent:
    """What one run took, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Scene:
    """A registry that images come from, one that they go to, and a folder to work in."""

    source: RealRegistry
    target: RealRegistry
    folder: Path

    def transship(self, repository: str, action: str) -> Spent:
        """Run transship on one repository."""
        return spend(command(action, "-c", self._configuration(repository)), self.folder)

    def regsync(self, repository: str, action: str) -> Spent:
        """Run regsync on one repository."""
        return spend([str(PEERS["regsync"]), action, "-c", self._configuration(repository)], self.folder)

    def crane(self, repository: str, *options: str) -> Spent:
        """Run crane on a repository or a tag."""
        ends = [f"{registry.host}/{repository}" for registry in (self.source, self.target)]
        return spend([str(PEERS["crane"]), "copy", "--insecure", *options, *ends], self.folder)

    def _configuration(self, repository: str) -> str:
        """Write what both of them read, and return its name."""
        source, target = self.source.host, self.target.host
        (self.folder / "mirror.yaml").write_text(
            "version: 1\n"
            f"creds: [{{registry: '{source}', tls: disabled}}, {{registry: '{target}', tls: disabled}}]\n"
            f"sync: [{{source: '{source}/{repository}', target: '{target}/{repository}', type: repository}}]\n"
        )
        return "mirror.yaml"

    def skopeo_sync(self, repository: str) -> Spent:
        """Run skopeo on one repository."""
        line = ["skopeo", "sync", "--all", "--src", "docker", "--dest", "docker", "--src-tls-verify=false"]
        into = f"{self.target.host}/{repository.rpartition('/')[0]}"
        return spend([*line, "--dest-tls-verify=false", f"{self.source.host}/{repository}", into], self.folder)


def spend(work: Sequence[str] | str, folder: Path) -> Spent:
    """Run a program, or a shell line, and say what it took."""
    before = os.times()
    started = time.perf_counter()
    subprocess.run(
        work,
        cwd=folder,
        env=environment(),
        check=True,
        shell=isinstance(work, str),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - started
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(wall, cpu)


def compare(
    title: str, source: RealRegistry, contenders: Mapping[str, Callable[[Scene], Spent]], *, cold: bool
) -> None:
    """Run the contenders in turn, and print a table; when `cold`, each run has a new registry to write to.

    A contender that is named after a peer which has not been built does not run.
    """
    absent = {"regsync", "crane"} - PEERS.keys()
    contenders = {name: run for name, run in contenders.items() if name not in absent}
    spent: dict[str, list[Spent]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as folder, RealRegistry() as warm:
        for turn in range(ROUNDS + 1):
            for name, run in contenders.items():
                with RealRegistry() if cold else nullcontext(warm) as target:
                    result = run(Scene(source, target, Path(folder)))
                if turn:
                    spent[name].append(result)
    print(f"\n{title} (medians of {ROUNDS} runs after one that is not counted)")
    print(f"{'':14} {'wall s':>8} {'CPU s':>8} {'wall / transship':>17}")
    base = statistics.median(result.wall for result in spent["transship"])
    for name, results in spent.items():
        wall = statistics.median(result.wall for result in results)
        cpu = statistics.median(result.cpu for result in results)
        print(f"{name:14} {wall:8.2f} {cpu:8.2f} {wall / base:17.2f}", flush=True)


def many_tags(source: RealRegistry) -> None:
    """Copy a repository of small images, and then find out that nothing is to be done."""
    for number in range(TAGS):
        images.push(source.url, "bench/tags", f"v{number}", images.multi_platform(f"bench {number}", size=20_000))
    compare(
        f"{TAGS} multi-platform tags, cold",
        source,
        {
            "transship": lambda scene: scene.transship("bench/tags", "once"),
            "skopeo sync": lambda scene: scene.skopeo_sync("bench/tags"),
            "regsync": lambda scene: scene.regsync("bench/tags", "once"),
            "crane": lambda scene: scene.crane("bench/tags", "--all-tags"),
        },
        cold=True,
    )
    compare(
        f"{TAGS} multi-platform tags, in sync",
        source,
        {
            "skopeo sync": lambda scene: scene.skopeo_sync("bench/tags"),
            "transship": lambda scene: scene.transship("bench/tags", "check"),
            "regsync": lambda scene: scene.regsync("bench/tags", "check"),
            "crane": lambda scene: scene.crane("bench/tags", "--all-tags"),
        },
        cold=False,
    )


def large_layer(source: RealRegistry) -> None:
    """Copy one large layer, and the same bytes with curl alone."""
    image = images.single("large", layers=[images.layer("large", LARGE_LAYER)])
    images.push(source.url, "bench/large", "1", image)
    digest = image.blobs[1].digest

    def skopeo(scene: Scene) -> Spent:
        line = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
        ends = [f"docker://{registry.host}/bench/large:1" for registry in (source, scene.target)]
        return spend([*line, *ends], scene.folder)

    def curl(scene: Scene) -> Spent:
        start = f"{scene.target.url}/v2/bench/large/blobs/uploads/"
        return spend(
            f"location=$(curl -s -X POST -D - -o /dev/null {start} | tr -d '\\r' | sed -n 's/^Location: //p')\n"
            f"curl -s {source.url}/v2/bench/large/blobs/{digest} | "
            f"curl -s -T - -X PUT -H 'Content-Type: application/octet-stream' \"$location&digest={digest}\"",
            scene.folder,
        )

    compare(
        f"one layer of {LARGE_LAYER >> 20} MiB, cold",
        source,
        {
            "transship": lambda scene: scene.transship("bench/large", "once"),
            "skopeo copy": skopeo,
            "regsync": lambda scene: scene.regsync("bench/large", "once"),
            "crane": lambda scene: scene.crane("bench/large:1"),
            "curl | curl": curl,
        },
        cold=True,
    )


def main() -> None:
    """Run all comparisons."""
    if not {"regsync", "crane"} <= PEERS.keys():
        print("without regsync and crane: `make peers` builds them")
    with RealRegistry() as source:
        many_tags(source)
        large_layer(source)


if __name__ == "__main__":
    main()
