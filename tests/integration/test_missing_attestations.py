"""A proxy that drops attestations as the source of a mirror: the program from the plan to the nightly check."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.real_registry import RealRegistry
from support.registry_server.faults import HideManifests
from support.registry_server.server import RegistryServer

IMAGE = images.with_attestations("app", platforms=("linux/amd64", "linux/arm64"))
MISSING = IMAGE.children[3].digest


@pytest.fixture
def proxy() -> Iterator[RegistryServer]:
    """A registry that lists an attestation and does not serve it."""
    with RegistryServer(faults=(HideManifests(reference=MISSING),)) as server:
        server.store.add_image("team/app", "1", IMAGE)
        yield server


class Mirror:
    """A configuration in a folder, and the program run with it."""

    def __init__(self, folder: Path, source: str, target: str, path: str) -> None:
        self.folder = folder
        self.path = path
        self.source = source
        self.target = target

    def configure(self, defaults: str = "{}", keys: str = "") -> None:
        document = (
            f"version: 1\nstate: state.json\ndefaults: {defaults}\n"
            f"creds: [{{registry: '{self.source}', tls: disabled}}, {{registry: '{self.target}', tls: disabled}}]\n"
            f"sync: [{{source: '{self.source}/team/app', target: '{self.target}/{self.path}', "
            f"type: repository{keys}}}]\n"
        )
        (self.folder / "mirror.yaml").write_text(document)

    def run(self, *arguments: str) -> Done:
        return transship(*arguments, "-c", "mirror.yaml", cwd=self.folder)


def test_an_image_without_its_attestation_arrives_as_planned_and_stays_in_sync(
    tmp_path: Path, proxy: RegistryServer, mirror: RealRegistry
) -> None:
    """It fails by default; with skip, a real registry takes the index that is left, and the check after it is green."""
    program = Mirror(tmp_path, proxy.host, mirror.host, "one/app")
    program.configure()
    refused = program.run("plan")
    assert refused.code == 1
    assert (
        f"problem: sync[0] (line 5) {proxy.host}/team/app:1: GET manifest {proxy.host}/team/app@{MISSING}: "
        "HTTP 404 MANIFEST_UNKNOWN: manifest unknown to registry; it is an attestation that the index lists; "
        "missingAttestations: skip mirrors the image without it\n"
    ) in refused.out

    program.configure(defaults="{missingAttestations: skip}")
    planned = program.run("plan", "-o", "plan.json")
    assert planned.code == 0, planned.out
    assert (
        "without 1 attestation that the index lists and the source does not have: "
        "signatures of the source's index do not apply to the new one"
    ) in planned.out
    (change,) = json.loads((tmp_path / "plan.json").read_text())["changes"]
    assert change["left_out"] == [MISSING]
    applied = program.run("apply", "plan.json")
    assert applied.code == 0, applied.out + applied.err
    checked = program.run("check")
    assert checked.code == 0, checked.out
    drifted = program.run("drift")
    assert drifted.code == 0, drifted.out

    proxy.faults.remove(HideManifests)
    assert program.run("check").code == 2
    completed = program.run("once")
    assert completed.code == 0, completed.err
    assert program.run("check").code == 0


def test_an_entry_may_say_otherwise_than_the_defaults(
    tmp_path: Path, proxy: RegistryServer, mirror: RealRegistry
) -> None:
    program = Mirror(tmp_path, proxy.host, mirror.host, "two/app")
    program.configure(defaults="{missingAttestations: skip}", keys=", missingAttestations: fail")
    assert program.run("plan").code == 1
    program.configure(keys=", missingAttestations: skip, platforms: [linux/arm64, linux/amd64]")
    done = program.run("once")
    assert done.code == 0, done.err
    assert program.run("check").code == 0
