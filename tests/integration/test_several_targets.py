"""Several targets of one entry through the program: the source is read once, and every target is whole."""

from collections import Counter
from pathlib import Path

import pytest

from support import images, large
from support.program import transship
from support.real_registry import RealRegistry
from support.registry_server import Options, RegistryServer

LAYER = 64 << 20
MOST_MEMORY = 150 << 20


def configure(folder: Path, source: str, *targets: str, hosts: tuple[str, ...], extra: str = "") -> None:
    """Write a configuration with one entry, and settings for the hosts."""
    creds = "".join(f"  - {{registry: '{host}', tls: disabled{extra}}}\n" for host in hosts)
    listed = "".join(f"      - {target}\n" for target in targets)
    (folder / "mirror.yaml").write_text(
        f"version: 1\ncreds:\n{creds}sync:\n  - source: {source}\n    targets:\n{listed}    type: repository\n"
    )


def test_two_registries_and_a_layout_are_filled_from_one_reading(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """Plan, show and apply treat the targets alike; nothing is left to do then, and each blob was read once."""
    tags = {"1": images.multi_platform("one", size=300_000), "2": images.with_attestations("two")}
    with RegistryServer(Options()) as other:
        for tag, image in tags.items():
            images.push(upstream.url, "team/app", tag, image)
        upstream.requests.clear()
        targets = (f"{mirror.host}/copy/app", f"{other.host}/app", "ocidir://layout")
        configure(tmp_path, f"{upstream.host}/team/app", *targets, hosts=(upstream.host, mirror.host, other.host))
        planned = transship("plan", "-c", "mirror.yaml", "-o", "plan.json", cwd=tmp_path)
        assert planned.code == 0, planned.err
        assert "Plan: 6 to create, 0 unchanged.\n" in planned.out
        applied = transship("apply", "-c", "mirror.yaml", "plan.json", cwd=tmp_path)
        assert applied.code == 0, applied.err
        assert "Apply: 6 applied, 0 already as planned.\n" in applied.out
        blobs = Counter(each.path for each in upstream.requests if "/blobs/" in each.path and each.method == "GET")
        wanted = {blob.digest for image in tags.values() for blob in image.all_blobs()}
        assert blobs == {f"/v2/team/app/blobs/{digest}": 1 for digest in wanted}
        checked = transship("check", "-c", "mirror.yaml", cwd=tmp_path)
        assert (checked.code, checked.out) == (0, "In sync: 6 tags as the configuration wants.\n")


@pytest.mark.parametrize("concurrent", [1, 2])
def test_targets_beside_the_source_do_not_wait_in_a_circle(tmp_path: Path, concurrent: int) -> None:
    """A registry that is source and target, takes few requests at once, and does not mount, beside a layout."""
    with RegistryServer(Options(mounts=False)) as server, RegistryServer(Options(mounts=False)) as other:
        for tag in range(3):
            images.push(server.url, "team/app", str(tag), images.single(f"app {tag}", layers=6, size=200_000))
        server.requests.clear()
        targets = ("ocidir://layout", f"{server.host}/copy", f"{other.host}/app")
        configure(
            tmp_path,
            f"{server.host}/team/app",
            *targets,
            hosts=(server.host, other.host),
            extra=f", reqConcurrent: {concurrent}",
        )
        done = transship("once", "-c", "mirror.yaml", cwd=tmp_path)
        assert done.code == 0, done.err
        assert "Apply: 9 applied, 0 already as planned.\n" in done.out
        blobs = Counter(request.path for request in server.requests.select("GET", "/team/app/blobs/sha256:"))
        assert set(blobs.values()) == {1}


@pytest.mark.parametrize("concurrent", [1, 2])
@pytest.mark.parametrize("referrers_api", [True, False])
def test_signatures_backups_and_several_targets_do_not_wait_in_a_circle(
    tmp_path: Path, concurrent: int, *, referrers_api: bool
) -> None:
    """Tags of one image share what is attached, old images are kept in another repository, and hosts are narrow."""
    options = Options(mounts=False, referrers_api=referrers_api)
    with RegistryServer(options) as server, RegistryServer(options) as other:
        new, old = images.multi_platform("new", size=100_000), images.single("old", layers=4, size=100_000)
        sboms = [images.artifact(image, seed=image.digest) for image in new.manifests()]
        images.push(server.url, "team/app", "1", new, referrers=sboms)
        images.push(server.url, "team/app", "latest", new)
        for tag in ("1", "latest"):
            images.push(server.url, "copy", tag, old)
            images.push(other.url, "app", tag, old)
        server.requests.clear()
        configure(
            tmp_path,
            f"{server.host}/team/app",
            f"{server.host}/copy",
            f"{other.host}/app",
            "ocidir://layout",
            hosts=(server.host, other.host),
            extra=f", reqConcurrent: {concurrent}",
        )
        attic = f"{server.host}/attic/app:{{{{ .Ref.Tag }}}}-{{{{ len .Ref.Registry }}}}-{{{{ len .Ref.Repository }}}}"
        with (tmp_path / "mirror.yaml").open("a") as file:
            file.write(f"    referrers: true\n    backup: '{attic}'\n")
        done = transship("once", "-c", "mirror.yaml", cwd=tmp_path)
        assert done.code == 0, done.out + done.err
        assert "Apply: 6 applied, 0 already as planned.\n" in done.out
        read = Counter(request.path for request in server.requests.select("GET", "/team/app/blobs/sha256:"))
        assert set(read.values()) == {1}
        again = transship("check", "-c", "mirror.yaml", cwd=tmp_path)
        assert (again.code, again.out) == (0, "In sync: 6 tags as the configuration wants.\n")


def test_a_target_that_is_down_does_not_keep_the_other_from_what_it_needs(tmp_path: Path) -> None:
    """The failure is that target's own, and the others are filled."""
    with RegistryServer(Options()) as server, RegistryServer(Options()) as other:
        images.push(server.url, "team/app", "1", images.single("app", layers=3))
        with RegistryServer(Options(create_repositories=False)) as refusing:
            targets = (f"{refusing.host}/app", f"{other.host}/app", "ocidir://layout")
            hosts = (server.host, other.host, refusing.host)
            configure(tmp_path, f"{server.host}/team/app", *targets, hosts=hosts)
            done = transship("once", "-c", "mirror.yaml", cwd=tmp_path)
        assert done.code == 1
        assert "Apply: 2 applied, 0 already as planned, 1 failed.\n" in done.out


def test_a_large_layer_goes_to_two_targets_in_flat_memory_and_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    """It lies in a file meanwhile, which has no name, and never in memory."""
    options = Options(discard_blobs=True)
    with RegistryServer(options) as source, RegistryServer(options) as one, RegistryServer(options) as two:
        layer = large.publish(source, "big/app", LAYER, seed=7)
        targets = (f"{one.host}/big/app", f"{two.host}/big/app")
        configure(tmp_path, f"{source.host}/big/app", *targets, hosts=(source.host, one.host, two.host))
        code, peak = large.run_measured(tmp_path)
        assert code == 0
        assert 0 < peak < MOST_MEMORY
        assert source.requests.count("GET", f"/blobs/{layer}$") == 1
        assert one.store.snapshot() == two.store.snapshot() == source.store.snapshot()
    assert [path.name for path in tmp_path.iterdir()] == ["mirror.yaml"]
