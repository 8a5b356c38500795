"""A repository mirrored between real registries and layouts, looked at with another client's eyes."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support import images, outside
from support.program import transship
from support.real_registry import RealRegistry

KINDS: dict[str, Callable[[int], images.Image]] = {
    "index": lambda number: images.multi_platform(f"index {number}"),
    "single": lambda number: images.single(f"single {number}"),
    "docker-list": lambda number: images.multi_platform(f"list {number}", dialect=images.Dialect.DOCKER),
    "attested": lambda number: images.with_attestations(f"attested {number}"),
    "docker-single": lambda number: images.single(f"docker {number}", dialect=images.Dialect.DOCKER),
}
PUBLISHED = {f"{kind}-{number}": make(number) for kind, make in KINDS.items() for number in range(6)}


@pytest.fixture(scope="module", autouse=True)
def published(upstream: RealRegistry) -> None:
    """Publish 30 tags of five kinds."""
    assert len(PUBLISHED) == 30
    for tag, image in PUBLISHED.items():
        images.push(upstream.url, "team/app", tag, image)


def configure(folder: Path, source: str, target: str, *hosts: RealRegistry) -> Path:
    """Write a configuration that mirrors one repository."""
    creds = "".join(f"  - registry: {host.host}\n    tls: disabled\n" for host in hosts)
    path = folder / "mirror.yaml"
    path.write_text(
        f"version: 1\ncreds:\n{creds}sync:\n  - source: {source}\n    target: {target}\n    type: repository\n"
    )
    return path


def digests_in_layout(layout: Path) -> dict[str, str]:
    """Return what the tags of a layout point at, by sha256 of the files themselves.

    Skopeo's `oci:` reads no Docker manifests, so it is asked for the others only.
    """
    found: dict[str, str] = {}
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        content = (layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
        found[tag] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if "docker" not in entry["mediaType"]:
            assert outside.digest(f"oci:{layout}:{tag}") == found[tag]
    return found


def digests_in_registry(repository: str) -> dict[str, str]:
    """Return what the tags of a repository point at, by skopeo and sha256."""
    return {tag: outside.digest(f"docker://{repository}:{tag}") for tag in outside.tags(f"docker://{repository}")}


def mirror_and_compare(folder: Path, look: Callable[[], dict[str, str]]) -> None:
    """Plan, apply, and compare every tag with other eyes than ours."""
    planned = transship("plan", "-c", "mirror.yaml", "-o", "plan.json", cwd=folder)
    assert planned.code == 0, planned.err
    assert "Plan: 30 to create, 0 unchanged.\n" in planned.out
    applied = transship("apply", "-c", "mirror.yaml", "plan.json", cwd=folder)
    assert applied.code == 0, applied.err
    assert "Apply: 30 applied, 0 already as planned.\n" in applied.out
    assert look() == {tag: image.digest for tag, image in PUBLISHED.items()}
    again = transship("apply", "-c", "mirror.yaml", "plan.json", cwd=folder)
    assert (again.code, again.out) == (0, "Apply: 0 applied, 30 already as planned.\nNothing was written.\n")
    checked = transship("check", "-c", "mirror.yaml", cwd=folder)
    assert (checked.code, checked.out) == (0, "In sync: 30 tags as the configuration wants.\n")


def test_registry_to_registry(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """Every digest is equal on both sides, and a second apply does nothing."""
    configure(tmp_path, f"{upstream.host}/team/app", f"{mirror.host}/copies/app", upstream, mirror)
    mirror_and_compare(tmp_path, lambda: digests_in_registry(f"{mirror.host}/copies/app"))
    for kind in KINDS:
        outside.copy_whole(f"docker://{mirror.host}/copies/app:{kind}-0", str(tmp_path / kind))


def test_registry_to_layout_and_back(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """A layout is a target and a source like a registry."""
    configure(tmp_path, f"{upstream.host}/team/app", "ocidir://layouts/app", upstream)
    mirror_and_compare(tmp_path, lambda: digests_in_layout(tmp_path / "layouts/app"))
    configure(tmp_path, "ocidir://layouts/app", f"{mirror.host}/from/layout", mirror)
    mirror_and_compare(tmp_path, lambda: digests_in_registry(f"{mirror.host}/from/layout"))


def test_in_sync_costs_one_head_per_side_and_tag(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """Counted in the registries' own access logs: one tag list, then HEADs, and no GET of a manifest."""
    configure(tmp_path, f"{upstream.host}/team/app", f"{mirror.host}/counted/app", upstream, mirror)
    assert transship("once", "-c", "mirror.yaml", cwd=tmp_path).code == 0
    for registry in (upstream, mirror):
        registry.requests.clear()
    assert transship("check", "-c", "mirror.yaml", cwd=tmp_path).code == 0
    for registry in (upstream, mirror):
        assert registry.requests.count("HEAD", r"/manifests/") == 30
        assert registry.requests.count("GET", r"/manifests/") == 0
    assert len(list(upstream.requests)) - upstream.requests.count("GET", r"^/v2/$") == 31
    assert len(list(mirror.requests)) - mirror.requests.count("GET", r"^/v2/$") == 30


def test_missing_with_everything_present_costs_two_tag_lists(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """`--missing` asks for no digest when all tags are there."""
    configure(tmp_path, f"{upstream.host}/team/app", f"{mirror.host}/present/app", upstream, mirror)
    assert transship("once", "-c", "mirror.yaml", cwd=tmp_path).code == 0
    for registry in (upstream, mirror):
        registry.requests.clear()
    done = transship("once", "--missing", "-c", "mirror.yaml", cwd=tmp_path)
    assert done.code == 0
    assert "No changes." in done.out
    for registry in (upstream, mirror):
        assert [access.path.rsplit("/", 2)[-2:] for access in registry.requests if access.path != "/v2/"] == [
            ["tags", "list"]
        ]


def test_a_layer_shared_by_twenty_images_crosses_the_wire_once(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """Twenty repositories, one base layer: one GET at the source, one upload, nineteen mounts."""
    base = images.layer("shared base", 200_000)
    for number in range(20):
        images.push(
            upstream.url, f"twenty/app{number}", "1", images.single(f"app {number}", layers=[base, f"own {number}"])
        )
    names = [f"twenty/app{number}:1" for number in range(20)]
    entries = "".join(
        f"  - {{source: '{upstream.host}/{name}', target: '{mirror.host}/{name}', type: image}}\n" for name in names
    )
    creds = "".join(f"  - {{registry: '{host.host}', tls: disabled}}\n" for host in (upstream, mirror))
    (tmp_path / "mirror.yaml").write_text(f"creds:\n{creds}sync:\n{entries}")
    for registry in (upstream, mirror):
        registry.requests.clear()
    done = transship("once", "-c", "mirror.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    assert upstream.requests.count("GET", rf"/blobs/{base.digest}") == 1
    mounts = [access for access in mirror.requests if "mount=" in access.query and access.status == 201]
    assert len(mounts) == 19


def test_the_json_of_a_plan_is_its_file(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """`--format json` prints the document that `-o` writes, and `show` prints the same, offline."""
    configure(tmp_path, f"{upstream.host}/team/app", f"{mirror.host}/shown/app", upstream, mirror)
    printed = transship("plan", "-c", "mirror.yaml", "-o", "plan.json", "--format", "json", cwd=tmp_path)
    assert json.loads(printed.out) == json.loads((tmp_path / "plan.json").read_text())
    for registry in (upstream, mirror):
        registry.requests.clear()
    shown = transship("show", "plan.json", "--format", "json", cwd=tmp_path)
    assert shown.out == printed.out
    assert [list(registry.requests) for registry in (upstream, mirror)] == [[], []]
