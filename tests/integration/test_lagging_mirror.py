"""A mirror of the target registry that is behind: what is about to be written is looked at in the registry itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.registry_server import Options, RegistryServer
from support.registry_server.plain_client import PlainClient

OLD, NEW = images.single("old"), images.single("new")


@pytest.fixture
def target() -> Iterator[RegistryServer]:
    """The registry that is written to, in which a tag is out of date."""
    with RegistryServer(Options()) as server:
        images.push(server.url, "apps/app", "1", OLD)
        yield server


@pytest.fixture
def behind() -> Iterator[RegistryServer]:
    """A mirror of it, which still has a backup that was deleted there."""
    with RegistryServer(Options()) as server:
        images.push(server.url, "attic/app", "1", OLD)
        images.push(server.url, "apps/app", "1", OLD)
        yield server


@pytest.mark.parametrize("steps", [[("once",)], [("plan", "-o", "plan.json"), ("apply", "plan.json")]])
@pytest.mark.parametrize("whole", [True, False], ids=["registry", "repository"])
def test_a_backup_that_only_a_mirror_has_is_made(
    tmp_path: Path, target: RegistryServer, behind: RegistryServer, steps: list[tuple[str, ...]], *, whole: bool
) -> None:
    """Else the old image would be lost."""
    with RegistryServer(Options()) as source:
        images.push(source.url, "app", "1", NEW)
        ends = (source.host, f"{target.host}/apps") if whole else (f"{source.host}/app", f"{target.host}/apps/app")
        (tmp_path / "mirror.yaml").write_text(
            "version: 1\n"
            "creds:\n"
            f"  - {{registry: '{source.host}', tls: disabled}}\n"
            f"  - {{registry: '{behind.host}', tls: disabled}}\n"
            f"  - {{registry: '{target.host}', tls: disabled, mirrors: ['{behind.host}']}}\n"
            "sync:\n"
            f"  - source: {ends[0]}\n"
            f"    target: {ends[1]}\n"
            f"    type: {'registry' if whole else 'repository'}\n"
            f"    backup: '{target.host}/attic/app:{{{{ .Ref.Tag }}}}'\n"
        )
        for step in steps:
            done = _run(tmp_path, *step)
            assert done.code == 0, done.out + done.err
    with PlainClient(target.url) as client:
        assert images.digest_of(client.get_manifest("attic/app", "1").expect(200).body) == OLD.digest
        assert images.digest_of(client.get_manifest("apps/app", "1").expect(200).body) == NEW.digest


def _run(folder: Path, *arguments: str) -> Done:
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)
