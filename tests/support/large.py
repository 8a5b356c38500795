"""Images of any size that take no memory, and the memory that transship takes to copy them."""

import json
import subprocess
import time
from pathlib import Path

from support import images
from support.program import command, environment
from support.registry_server import RegistryServer
from support.registry_server.content import BytesContent


def publish(server: RegistryServer, repository: str, size: int, *, seed: int | None = None) -> str:
    """Publish `repository:1` with one generated layer of `size` bytes; return the layer's digest."""
    config = images.blob(b"{}", images.OCI_CONFIG)
    server.store.put_blob(repository, config.digest, BytesContent(config.data))
    layer = server.store.add_generated_blob(repository, size, seed=seed)
    manifest = {
        "schemaVersion": 2,
        "mediaType": images.OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [{"mediaType": images.OCI_LAYER, "digest": layer, "size": size}],
    }
    server.store.put_manifest(repository, json.dumps(manifest).encode(), images.OCI_MANIFEST, tag="1")
    return layer


def run_measured(folder: Path) -> tuple[int, int]:
    """Run `transship once -c mirror.yaml`; return its exit code and the most memory that it held, in bytes.

    The kernel's high-water mark is read while it runs: what `wait4` tells begins with the memory of the process that
    forked it.
    """
    process = subprocess.Popen(
        command("once", "-c", "mirror.yaml"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water_mark(process.pid))
        time.sleep(0.02)
    return process.returncode, peak


def _high_water_mark(process: int) -> int:
    """Return `VmHWM` in bytes, 0 for a process that has just ended (proc(5))."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(marks[0]) * 1024 if marks else 0
