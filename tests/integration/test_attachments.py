"""Signatures and SBOMs mirrored with their images, between a registry that knows referrers and one that does not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.real_registry import RealRegistry
from support.registry_server.options import Options
from support.registry_server.plain_client import PlainClient
from support.registry_server.server import RegistryServer

IMAGE = images.multi_platform("signed")
SBOM = images.artifact(IMAGE, seed="sbom")
CHILD_SBOM = images.artifact(IMAGE.children[1], seed="child sbom")
SIGNATURE_OF_SBOM = images.artifact(SBOM, seed="signature", artifact_type="application/vnd.example.signature.v1")
ATTACHED = (SBOM, CHILD_SBOM, SIGNATURE_OF_SBOM)
COSIGN = images.artifact(None, seed="cosign", config_media_type="application/vnd.oci.image.config.v1+json")


@pytest.fixture
def modern() -> Iterator[RegistryServer]:
    """A registry with the referrers API."""
    with RegistryServer(Options()) as server:
        yield server


def publish(url: str) -> None:
    """Push the image with everything that is attached to it."""
    images.push(url, "team/app", "1", IMAGE, referrers=ATTACHED)
    images.push(url, "team/app", images.cosign_tag(IMAGE), COSIGN)


def configure(folder: Path, source: str, target: str, rules: str = "referrers: true, digestTags: true") -> None:
    """Write a configuration for one image."""
    hosts = [end.partition("/")[0] for end in (source, target) if not end.startswith("ocidir:")]
    creds = "".join(f"  - {{registry: '{host}', tls: disabled}}\n" for host in hosts)
    entry = f"{{source: '{source}:1', target: '{target}:1', type: image, {rules}}}"
    (folder / "mirror.yaml").write_text(f"version: 1\ncreds:\n{creds}sync:\n  - {entry}\n")


def run(folder: Path, *arguments: str) -> Done:
    """Run transship with that configuration."""
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)


def listed(url: str, repository: str, image: images.Image) -> set[str]:
    """Return the digests that a registry without referrers API lists under the referrers tag."""
    with PlainClient(url) as client:
        answer = client.get_manifest(repository, image.referrers_tag).expect(200)
        return {entry["digest"] for entry in json.loads(answer.body)["manifests"]}


def test_signatures_travel_with_the_image_and_are_kept_up(
    tmp_path: Path, modern: RegistryServer, mirror: RealRegistry
) -> None:
    """Plan, apply, check; then somebody signs again upstream, and only that is brought."""
    publish(modern.url)
    configure(tmp_path, f"{modern.host}/team/app", f"{mirror.host}/mirrored/app")
    planned = run(tmp_path, "plan", "-o", "plan.json")
    assert planned.code == 0, planned.err
    assert f"+ digest tag {images.cosign_tag(IMAGE)}" in planned.out
    applied = run(tmp_path, "apply", "plan.json")
    assert applied.code == 0, applied.out + applied.err
    assert listed(mirror.url, "mirrored/app", IMAGE) == {SBOM.digest}
    assert listed(mirror.url, "mirrored/app", IMAGE.children[1]) == {CHILD_SBOM.digest}
    assert listed(mirror.url, "mirrored/app", SBOM) == {SIGNATURE_OF_SBOM.digest}
    with PlainClient(mirror.url) as client:
        answer = client.get_manifest("mirrored/app", images.cosign_tag(IMAGE))
        assert images.digest_of(answer.body) == COSIGN.digest
    assert run(tmp_path, "check").code == 0

    second = images.artifact(IMAGE, seed="second sbom")
    images.push(modern.url, "team/app", "1", IMAGE, referrers=[second])
    checked = run(tmp_path, "check")
    assert checked.code == 2
    assert "the target tag is right, but the target lacks 1 referrer" in checked.out
    assert run(tmp_path, "once").code == 0
    assert listed(mirror.url, "mirrored/app", IMAGE) == {SBOM.digest, second.digest}
    assert run(tmp_path, "check").code == 0


def test_signatures_find_their_way_through_a_layout(
    tmp_path: Path, modern: RegistryServer, mirror: RealRegistry, upstream: RealRegistry
) -> None:
    """From a registry without the API to a layout, and from there to one with it: nothing is lost."""
    publish(upstream.url)
    layout = f"ocidir://{tmp_path / 'layout'}"
    configure(tmp_path, f"{upstream.host}/team/app", layout)
    first = run(tmp_path, "once")
    assert first.code == 0, first.out + first.err
    configure(tmp_path, layout, f"{modern.host}/back/app")
    second = run(tmp_path, "once")
    assert second.code == 0, second.out + second.err
    with PlainClient(modern.url) as client:
        for subject, referrer in ((IMAGE, SBOM), (IMAGE.children[1], CHILD_SBOM), (SBOM, SIGNATURE_OF_SBOM)):
            answer = client.request("GET", f"/v2/back/app/referrers/{subject.digest}")
            assert [entry["digest"] for entry in json.loads(answer.body)["manifests"]] == [referrer.digest]
    assert run(tmp_path, "check").code == 0


def test_force_recursive_mends_a_registry_that_lost_a_blob(
    tmp_path: Path, modern: RegistryServer, mirror: RealRegistry
) -> None:
    """The tag is right and the blob is gone: found, sent again, and in sync."""
    images.push(modern.url, "team/app", "1", IMAGE)
    configure(tmp_path, f"{modern.host}/team/app", f"{mirror.host}/broken/app", "forceRecursive: true")
    assert run(tmp_path, "once").code == 0
    lost = IMAGE.children[0].blobs[-1].digest
    with PlainClient(mirror.url) as client:
        assert client.request("DELETE", f"/v2/broken/app/blobs/{lost}").status == 202
        assert client.request("HEAD", f"/v2/broken/app/blobs/{lost}").status == 404
        assert run(tmp_path, "check").code == 2
        applied = run(tmp_path, "once")
        assert applied.code == 0, applied.out + applied.err
        assert "Transferred " in applied.out
        assert client.request("HEAD", f"/v2/broken/app/blobs/{lost}").status == 200
    assert run(tmp_path, "check").code == 0
