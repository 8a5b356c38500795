"""What real registries and layouts refuse, in the words of a run: the cause first, the protocol's answer behind it."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.real_registry import RealRegistry
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer

PLAIN = images.single("plain")
FOREIGN = images.layer("base", 500, urls=("https://example.com/base",), dialect=images.Dialect.DOCKER)
WINDOWS = images.single("windows", layers=["own", FOREIGN], dialect=images.Dialect.DOCKER)
NO_PUSHES = (
    "the registry takes no pushes: it is read-only, or a pull-through cache; name one that is written to as the target"
)


@dataclass(frozen=True)
class Refusing:
    """A target, the image that is mirrored there, and the whole of what is said of it."""

    open: Callable[[ExitStack, RegistryServer], str]
    image: images.Image
    line: str


def real(**options: bool) -> Callable[[ExitStack, RegistryServer], str]:
    return lambda stack, _: stack.enter_context(RealRegistry(**options)).host  # type: ignore[arg-type]


def cache(stack: ExitStack, source: RegistryServer) -> str:
    return stack.enter_context(RealRegistry(proxied=source.url)).host


def without_repositories(stack: ExitStack, _: RegistryServer) -> str:
    return stack.enter_context(RegistryServer(Options(create_repositories=False))).host


REFUSING = {
    "foreign layers": Refusing(
        real(foreign_urls=False),
        WINDOWS,
        "the registry does not take foreign layers, whose content lies elsewhere: "
        "allow their URLs there (distribution: validation.manifests.urls.allow) "
        "(PUT manifest: HTTP 500 UNKNOWN: unknown error; UNKNOWN: unknown error; "
        "MANIFEST_BLOB_UNKNOWN: blob unknown to registry)",
    ),
    "a pull-through cache": Refusing(
        cache,
        PLAIN,
        f"TARGET/mirror/app@DIGEST: {NO_PUSHES} (POST upload: HTTP 405 UNSUPPORTED: The operation is unsupported.)",
    ),
    "a registry that is read-only": Refusing(
        real(read_only=True),
        PLAIN,
        f"TARGET/mirror/app@DIGEST: {NO_PUSHES} (POST upload: HTTP 405 Method Not Allowed: Method not allowed)",
    ),
    "a repository that is not made on a push": Refusing(
        without_repositories,
        PLAIN,
        "TARGET/mirror/app@DIGEST: the repository is not there, and the registry does not create it on a push: "
        "create it there first "
        "(POST upload: HTTP 404 NAME_UNKNOWN: repository mirror/app is not known to this registry)",
    ),
}


def run(folder: Path, source: str, target: str, *arguments: str) -> Done:
    """Run a command, with names in place of addresses and digests in what it says."""
    done = transship(*arguments, "-c", "mirror.yaml", cwd=folder)

    def named(text: str) -> str:
        text = text.replace(source, "SOURCE").replace(target, "TARGET").replace(str(folder), "FOLDER")
        return re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)

    return Done(done.code, named(done.out), named(done.err))


def configure(folder: Path, source: str, target: str, *hosts: str) -> None:
    document = {
        "creds": [{"registry": host, "tls": "disabled"} for host in hosts],
        "sync": [{"source": source, "target": target, "type": "image"}],
    }
    (folder / "mirror.yaml").write_text(json.dumps(document))


@pytest.mark.parametrize("case", REFUSING.values(), ids=REFUSING)
def test_what_a_target_refuses_is_said_by_its_cause(tmp_path: Path, case: Refusing) -> None:
    with RegistryServer() as source, ExitStack() as stack:
        source.store.add_image("team/app", "v1", case.image)
        target = case.open(stack, source)
        configure(tmp_path, f"{source.host}/team/app:v1", f"{target}/mirror/app:v1", source.host, target)
        done = run(tmp_path, source.host, target, "once")
    assert done.code == 1
    failed = [line for line in done.out.splitlines() if line.startswith("failed: ")]
    assert failed == [f"failed: TARGET/mirror/app:v1: {case.line}"]


def test_an_approved_image_that_a_registry_has_lost_is_to_be_planned_again(tmp_path: Path) -> None:
    """Its tag has moved on, and the old manifest was deleted."""
    with RealRegistry() as source:
        images.push(source.url, "team/app", "v1", PLAIN)
        configure(tmp_path, f"{source.host}/team/app:v1", "ocidir://app:v1", source.host)
        assert run(tmp_path, source.host, "-", "plan", "-o", "plan.json").code == 0
        shutil.rmtree(source.folder / "storage/docker/registry/v2/repositories/team/app/_manifests")
        done = run(tmp_path, source.host, "-", "apply", "plan.json")
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        "failed: ocidir://app:v1: SOURCE/team/app@DIGEST: the source no longer has the approved image: plan again "
        "(GET manifest: HTTP 404 MANIFEST_UNKNOWN: manifest unknown)",
    )


def test_an_approved_image_that_a_layout_has_lost_is_to_be_planned_again(tmp_path: Path) -> None:
    """In layouts, "not found" is no status."""
    images.write_layout(tmp_path / "source", "v1", PLAIN)
    configure(tmp_path, "ocidir://source:v1", "ocidir://target:v1")
    assert run(tmp_path, "ocidir://source", "-", "plan", "-o", "plan.json").code == 0
    shutil.rmtree(tmp_path / "source")
    images.write_layout(tmp_path / "source", "v1", images.single("newer"))
    done = run(tmp_path, "ocidir://source", "-", "apply", "plan.json")
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        "failed: ocidir://target:v1: SOURCE@DIGEST: the source no longer has the approved image: plan again "
        "(GET manifest: it is not in the layout)",
    )


def test_a_part_that_a_layout_has_lost_is_to_be_planned_again(tmp_path: Path) -> None:
    images.write_layout(tmp_path / "source", "v1", PLAIN)
    configure(tmp_path, "ocidir://source:v1", "ocidir://target:v1")
    assert run(tmp_path, "ocidir://source", "-", "plan", "-o", "plan.json").code == 0
    lost = PLAIN.blobs[1].digest.replace(":", "/")
    (tmp_path / "source" / "blobs" / lost).unlink()
    done = run(tmp_path, "ocidir://source", "-", "apply", "plan.json")
    assert done.code == 1
    assert "the source no longer has all of the approved image: plan again, or push the image there again (" in done.out
