"""What the users of a mirror do with it: other clients find, verify and pull there what they do at the source."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from interop import programs
from interop.conftest import Servers
from interop.places import Registry
from interop.situation import CROSSWISE, REGISTRIES, Route
from interop.warm import Run, Warm

from support import images

# Without one, cosign asks for the root of trust of a public service, which keys of our own do not need.
_NO_ROOTS = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
_NOTHING_THERE = ("no signatures found", "no matching attestations", "no valid bundles exist in registry")
_INDEX = images.multi_platform("app")


@dataclass(frozen=True)
class Mirror:
    """A source that holds an index under `app:v1`, an empty target, and a folder with keys and files."""

    source: Registry
    target: Registry
    folder: Path
    transship: Run

    def configure(self, *keys: str) -> None:
        """Write a configuration that mirrors the repository, with some more keys in its entry."""
        hosts = "".join(f"  - {{registry: '{place.host}', tls: disabled}}\n" for place in (self.source, self.target))
        lines = "".join(f"    {key}\n" for key in keys)
        (self.folder / "mirror.yaml").write_text(
            f"version: 1\ncreds:\n{hosts}sync:\n"
            f"  - source: {self.source.name}/app\n    target: {self.target.name}/app\n    type: repository\n{lines}"
        )

    def once(self, *keys: str) -> None:
        """Mirror the repository."""
        self.configure(*keys)
        done = self.transship("once", "-c", "mirror.yaml", cwd=self.folder)
        assert done.code == 0, done.err

    def run(self, name: str, *arguments: object) -> str:
        """Run a peer that must succeed, with the environment that cosign wants."""
        return programs.output(
            name, *arguments, cwd=self.folder, env={"COSIGN_PASSWORD": "", "COSIGN_EXPERIMENTAL": "1"}
        )

    def verifies(self, place: Registry, command: str, *options: str) -> bool:
        """Say whether cosign accepts what it finds beside the index at a place."""
        trust = ["--key", "cosign.pub", "--trusted-root", "roots.json", "--insecure-ignore-tlog=true"]
        reference = f"{place.name}/app@{_INDEX.digest}"
        line = (command, *options, *trust, "--allow-http-registry", reference)
        done = programs.run("cosign", *line, cwd=self.folder, env={"COSIGN_EXPERIMENTAL": "1"})
        assert done.code == 0 or any(words in done.err for words in _NOTHING_THERE), done.err
        return done.code == 0


@pytest.fixture(params=REGISTRIES + CROSSWISE, ids=str)
def mirror(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers, warm: Warm) -> Mirror:
    """Put the index at a source of each kind, before a target of each kind."""
    route: Route = request.param
    source = servers.place(route.source, tmp_path, target=False)
    target = servers.place(route.target, tmp_path, target=True)
    assert isinstance(source, Registry)
    assert isinstance(target, Registry)
    source.push("app", "v1", _INDEX)
    (tmp_path / "roots.json").write_text(_NO_ROOTS)
    (tmp_path / "sbom.json").write_text('{"name": "app"}')
    return Mirror(source, target, tmp_path, warm.transship)


@dataclass(frozen=True)
class Signing:
    """A way in which cosign keeps signatures and attestations, and the keys that take them along."""

    sign: tuple[str, ...]
    verify: tuple[str, ...]
    keys: tuple[str, ...]


_TAGS_ONLY = 'tags: {allow: ["v.*"]}'
SIGNINGS = {
    "signature under a digest tag": Signing(("sign",), ("verify",), ("digestTags: true",)),
    "signature as a referrer": Signing(
        ("sign", "--registry-referrers-mode=oci-1-1"), ("verify", "--experimental-oci11"), ("referrers: true",)
    ),
    "signature in a bundle": Signing(
        ("sign", "--new-bundle-format"), ("verify", "--new-bundle-format"), ("referrers: true",)
    ),
    "attestation under a digest tag": Signing(
        ("attest", "--predicate", "sbom.json", "--type", "custom"),
        ("verify-attestation", "--type", "custom"),
        ("digestTags: true",),
    ),
    "attestation in a bundle": Signing(
        ("attest", "--new-bundle-format", "--predicate", "sbom.json", "--type", "custom"),
        ("verify-attestation", "--new-bundle-format", "--type", "custom"),
        ("referrers: true",),
    ),
}


@pytest.mark.parametrize("signing", SIGNINGS.values(), ids=SIGNINGS.keys())
def test_what_cosign_has_signed_at_the_source_verifies_at_the_target(mirror: Mirror, signing: Signing) -> None:
    """It does as soon as it is mirrored, and not before."""
    mirror.run("cosign", "generate-key-pair")
    silent = ("--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "--yes")
    mirror.run("cosign", *signing.sign, *silent, f"{mirror.source.name}/app@{_INDEX.digest}")
    assert mirror.verifies(mirror.source, *signing.verify)
    mirror.once(_TAGS_ONLY)
    assert not mirror.verifies(mirror.target, *signing.verify)
    mirror.once(_TAGS_ONLY, *signing.keys)
    assert mirror.verifies(mirror.target, *signing.verify)


def test_what_oras_has_attached_at_the_source_is_discovered_at_the_target(mirror: Mirror) -> None:
    """`oras discover` and `regctl artifact list` show the same tree on both sides, and the files can be pulled."""
    attached = _attach(mirror, f"{mirror.source.name}/app:v1", "application/vnd.example.sbom", "sbom.json")
    (mirror.folder / "sig.txt").write_text("signed")
    _attach(mirror, f"{mirror.source.name}/app@{attached}", "application/vnd.example.signature", "sig.txt")
    mirror.once(_TAGS_ONLY, "referrers: true")
    for listed in (_oras_tree, _regctl_list):
        at_source, at_target = (listed(mirror, place) for place in (mirror.source, mirror.target))
        assert at_target == at_source
        assert attached in json.dumps(at_target)
    mirror.run("oras", "pull", "--plain-http", "-o", "pulled", f"{mirror.target.name}/app@{attached}")
    assert (mirror.folder / "pulled" / "sbom.json").read_bytes() == (mirror.folder / "sbom.json").read_bytes()


def _attach(mirror: Mirror, subject: str, artifact_type: str, file: str) -> str:
    """Let oras attach a file, and return the digest of what it has made."""
    said = mirror.run(
        "oras", "attach", "--plain-http", "--format", "json", "--artifact-type", artifact_type, subject, file
    )
    digest: str = json.loads(said)["digest"]
    return digest


def _oras_tree(mirror: Mirror, place: Registry) -> list[Any]:
    said = mirror.run("oras", "discover", "--plain-http", "--format", "json", f"{place.name}/app:v1")
    tree = json.loads(said.replace(place.name, "PLACE"))
    assert tree["digest"] == _INDEX.digest
    return cast("list[Any]", tree["referrers"])


def _regctl_list(mirror: Mirror, place: Registry) -> list[Any]:
    settings = f"reg={place.host},tls=disabled"
    said = mirror.run(
        "regctl", "artifact", "list", "--host", settings, "--format", "{{json .}}", f"{place.name}/app:v1"
    )
    return cast("list[Any]", json.loads(said)["descriptors"])


def _by_crane(mirror: Mirror, reference: str) -> str:
    return mirror.run("crane", "digest", "--insecure", reference)


def _by_regctl(mirror: Mirror, reference: str) -> str:
    host = reference.partition("/")[0]
    return mirror.run("regctl", "manifest", "head", "--host", f"reg={host},tls=disabled", reference)


def _by_oras(mirror: Mirror, reference: str) -> str:
    descriptor = json.loads(mirror.run("oras", "manifest", "fetch", "--plain-http", "--descriptor", reference))
    digest: str = descriptor["digest"]
    return digest


@pytest.mark.parametrize("asked", [_by_crane, _by_regctl, _by_oras])
def test_other_clients_see_the_digests_of_our_plan(mirror: Mirror, asked: Callable[[Mirror, str], str]) -> None:
    """A plan's digests are those that each client computes, at the source before and at the target after."""
    mirror.source.push("app", "docker", images.single("docker", dialect=images.Dialect.DOCKER))
    mirror.source.push(
        "app", "chart", images.artifact(None, config_media_type="application/vnd.cncf.helm.config.v1+json")
    )
    mirror.configure()
    printed = mirror.transship("plan", "-c", "mirror.yaml", "-o", "plan.json", "--format", "json", cwd=mirror.folder)
    assert printed.code == 0, printed.err
    planned = {
        each["target"].rpartition(":")[2]: each["after"]["digest"] for each in json.loads(printed.out)["changes"]
    }
    assert mirror.transship("apply", "-c", "mirror.yaml", "plan.json", cwd=mirror.folder).code == 0
    for place in (mirror.source, mirror.target):
        assert {tag: asked(mirror, f"{place.name}/app:{tag}") for tag in ("v1", "docker", "chart")} == planned


def test_crane_validates_every_layer_of_the_mirror(mirror: Mirror) -> None:
    """`crane validate` pulls and checks what the target holds."""
    mirror.once()
    mirror.run("crane", "validate", "--insecure", "--remote", f"{mirror.target.name}/app:v1")
