"""Whole repositories whose referrers tags are tags like others, between real registries and layouts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from support import images, outside
from support.program import Done, transship
from support.real_registry import RealRegistry
from support.registry_server.plain_client import PlainClient

IMAGE = images.multi_platform("listed")
SBOM, SIGNATURE, THEIRS = (images.artifact(IMAGE, seed=seed) for seed in ("sbom", "signature", "theirs"))
SIGNED = images.artifact(
    IMAGE, seed="signed", artifact_type="application/vnd.example.signed.v1", annotations={"by": "somebody"}
)
IN_SYNC = "In sync: 2 tags as the configuration wants.\n"


def configure(folder: Path, source: str, target: str, rules: str = "") -> None:
    """Write a configuration that mirrors a whole repository."""
    hosts = {end.partition("/")[0] for end in (source, target) if not end.startswith("ocidir:")}
    creds = "".join(f"  - {{registry: '{host}', tls: disabled}}\n" for host in sorted(hosts))
    entry = f"{{source: '{source}', target: '{target}', type: repository{rules}}}"
    (folder / "mirror.yaml").write_text(f"version: 1\ncreds:\n{creds}sync:\n  - {entry}\n")


def run(folder: Path, *arguments: str) -> Done:
    """Run transship with that configuration."""
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)


def digests(repository: str) -> dict[str, str]:
    """Return what the tags of a repository point at, by skopeo and sha256."""
    return {tag: outside.digest(f"docker://{repository}:{tag}") for tag in outside.tags(f"docker://{repository}")}


def in_layout(layout: Path) -> dict[str, str]:
    """Return what the tags of a layout point at, by its own index.json."""
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}


def mirror_twice(folder: Path) -> None:
    """Run twice: the first run copies, the second one does nothing."""
    first = run(folder, "once")
    assert first.code == 0, first.out + first.err
    checked = run(folder, "check")
    assert (checked.code, checked.out) == (0, IN_SYNC)
    second = run(folder, "once")
    assert (second.code, second.out.splitlines()[0]) == (
        0,
        "No changes. The targets are as the configuration wants them.",
    )


@pytest.mark.parametrize("ahead", [False, True], ids=["empty target", "attached at the target"])
def test_from_registry_to_registry(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry, ahead: bool) -> None:
    """The list arrives as it is, and again when more is attached; what others attached at the target gives way."""
    source, target = f"lists/{ahead}/app".lower(), f"copies/{ahead}/app".lower()
    images.push(upstream.url, source, "v1", IMAGE, referrers=[SBOM])
    if ahead:
        images.push(mirror.url, target, "v1", IMAGE, referrers=[THEIRS])
    configure(tmp_path, f"{upstream.host}/{source}", f"{mirror.host}/{target}")
    mirror_twice(tmp_path)
    assert set(digests(f"{mirror.host}/{target}")) == {"v1", IMAGE.referrers_tag}
    assert digests(f"{mirror.host}/{target}") == digests(f"{upstream.host}/{source}")
    images.push(upstream.url, source, "v1", IMAGE, referrers=[SIGNATURE])
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    applied = run(tmp_path, "apply", "plan.json")
    assert (applied.code, applied.out.splitlines()[0]) == (0, "Apply: 1 applied, 0 already as planned."), applied.err
    assert digests(f"{mirror.host}/{target}") == digests(f"{upstream.host}/{source}")
    assert run(tmp_path, "check").out == IN_SYNC


def test_from_a_layout_to_a_registry(tmp_path: Path, mirror: RealRegistry) -> None:
    """As regsync leaves a layout: the list is a tag of it, and what is listed lies beside it."""
    layout = tmp_path / "layout"
    images.write_layout(layout, "v1", IMAGE)
    images.write_layout(layout, IMAGE.referrers_tag, images.referrers_index([SBOM, SIGNATURE]))
    configure(tmp_path, f"ocidir://{layout}", f"{mirror.host}/unpacked/app")
    mirror_twice(tmp_path)
    assert digests(f"{mirror.host}/unpacked/app") == in_layout(layout)


def test_from_a_registry_to_a_layout_and_on_to_another(tmp_path: Path, upstream: RealRegistry) -> None:
    """A layout keeps lists of its own too, and leaves this one alone."""
    images.push(upstream.url, "packed/app", "v1", IMAGE, referrers=[SBOM, SIGNATURE])
    first, second = tmp_path / "first", tmp_path / "second"
    configure(tmp_path, f"{upstream.host}/packed/app", f"ocidir://{first}")
    mirror_twice(tmp_path)
    assert in_layout(first) == digests(f"{upstream.host}/packed/app")
    configure(tmp_path, f"ocidir://{first}", f"ocidir://{second}")
    mirror_twice(tmp_path)
    assert in_layout(second) == in_layout(first)


@pytest.mark.parametrize("kind", ["registry", "layout"])
def test_a_filter_reads_what_an_old_list_leaves_out(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry, kind: str
) -> None:
    """A list of mere digests, as older clients left it: what is wanted arrives, nothing else, and all is in sync."""
    bare = [replace(each, artifact_type=None, annotations={}) for each in (SBOM, SIGNED)]
    listed, layout = images.referrers_index(bare), tmp_path / "layout"
    if kind == "registry":
        images.push(upstream.url, "old/app", "v1", IMAGE)
        images.push(upstream.url, "old/app", IMAGE.referrers_tag, listed)
    else:
        images.write_layout(layout, "v1", IMAGE)
        images.write_layout(layout, IMAGE.referrers_tag, listed)
    source = f"{upstream.host}/old/app" if kind == "registry" else f"ocidir://{layout}"
    filters = "[{artifactType: application/vnd.example.signed.v1, annotations: {by: ''}}]"
    configure(tmp_path, source, f"{mirror.host}/from-{kind}/app", f", referrers: true, referrerFilters: {filters}")
    planned = run(tmp_path, "plan")
    assert f"+ referrer {SIGNED.digest[:19]} (application/vnd.example.signed.v1) of {IMAGE.digest[:19]}" in planned.out
    first = run(tmp_path, "once")
    assert first.code == 0, first.out + first.err
    with PlainClient(mirror.url) as client:
        answer = client.get_manifest(f"from-{kind}/app", IMAGE.referrers_tag).expect(200)
    assert json.loads(answer.body)["manifests"] == [SIGNED.descriptor()]
    assert run(tmp_path, "check").out == "In sync: 1 tag as the configuration wants.\n"
