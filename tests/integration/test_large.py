"""A layer of 2 GiB passes through in little memory."""

from pathlib import Path

import pytest

from support import large
from support.registry_server import Options, RegistryServer

LAYER = 2 << 30
MOST_MEMORY = 150 << 20


@pytest.mark.slow
def test_a_layer_of_two_gib_is_copied_in_flat_memory(tmp_path: Path) -> None:
    """The peak of the whole process stays below 150 MB, and every byte is verified on both sides."""
    options = Options(discard_blobs=True)
    with RegistryServer(options) as source, RegistryServer(options) as target:
        large.publish(source, "big/app", LAYER, seed=7)
        (tmp_path / "mirror.yaml").write_text(
            f"creds: [{{registry: '{source.host}', tls: disabled}}, {{registry: '{target.host}', tls: disabled}}]\n"
            f"sync: [{{source: '{source.host}/big/app:1', target: '{target.host}/big/app:1', type: image}}]\n"
        )
        code, peak = large.run_measured(tmp_path)
        assert code == 0
        assert 0 < peak < MOST_MEMORY
        assert target.store.snapshot() == source.store.snapshot()
