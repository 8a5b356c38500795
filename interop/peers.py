"""Build the programs that transship is compared with, each version once for all clones on this machine.

python interop/peers.py             build what is not there yet (make peers)
python interop/peers.py --if-can    the same; exit 75 after one line where they cannot be built here (make interop)

It needs nothing but Python itself and Go, so it runs before anything is installed. The programs are never committed:
they go to `$XDG_CACHE_HOME/transship-peers/NAME-VERSION/`, or to `~/.cache/…`.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSIONS: Final = Path(__file__).with_name("versions.txt")
NOT_RUN: Final = 75  # EX_TEMPFAIL of sysexits.h

# What Go says where this machine or its module proxy, and not the pinned version, is what is wrong.
_MACHINE: Final = (
    "dial tcp",
    "i/o timeout",
    "TLS handshake timeout",
    "no such host",
    "connection refused",
    "proxyconnect",
    "lookup disabled by GOPROXY=off",
    "requires go >=",
    "no space left on device",
    "signal: killed",
    "403 Forbidden",
    "404 Not Found",
    "410 Gone",
    "502 Bad Gateway",
    "503 Service Unavailable",
)


class BuildError(Exception):
    """A peer could not be built; `here` when the reason is this machine: no Go, an old one, or no way to its proxy."""

    def __init__(self, peer: "Peer", reason: str, *, here: bool) -> None:
        super().__init__(f"{peer.name} {peer.version} could not be built: {reason}")
        self.here = here


@dataclass(frozen=True)
class Peer:
    """A program of others, at the version that is compared; `required` as it is explained in `versions.txt`."""

    name: str
    version: str
    module: str
    command: str
    required: bool

    @property
    def package(self) -> str:
        """The Go package of the program."""
        return f"{self.module}/{self.command}"

    @property
    def program(self) -> Path:
        """Where the program is, once it has been built."""
        return cache() / f"{self.name}-{self.version}" / self.name


def cache() -> Path:
    """Return the folder that the clones on this machine share."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "transship-peers"


def pinned() -> tuple[Peer, ...]:
    """Return the peers of `versions.txt`, in its order."""
    lines = (line.partition("#")[0].split() for line in VERSIONS.read_text(encoding="utf-8").splitlines())
    return tuple(
        Peer(name, version, module, command, required=how == ["required"])
        for name, version, module, command, *how in filter(None, lines)
    )


def build(peer: Peer) -> None:
    """Build a peer unless it is there; raises `BuildError`."""
    if peer.program.exists():
        return
    go = shutil.which("go")
    if go is None:
        raise BuildError(peer, "there is no Go on PATH", here=True)
    cache().mkdir(parents=True, exist_ok=True)
    with _only_one(peer):
        if peer.program.exists():  # another clone was building it, and this one has waited
            return
        sys.stdout.write(f"building {peer.name} {peer.version} in {peer.program.parent}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(dir=cache(), prefix=f".{peer.name}-") as folder:
            _compile(peer, go, Path(folder))
            (Path(folder) / "bin").rename(peer.program.parent)


@contextmanager
def _only_one(peer: Peer) -> Generator[None]:
    with (cache() / f".{peer.name}-{peer.version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(peer: Peer, go: str, folder: Path) -> None:
    """Leave the program as `bin/NAME` in a folder."""
    output = folder / "bin"
    output.mkdir()
    if peer.required:
        (folder / "go.mod").write_text(f"module peers\nrequire {peer.module} {peer.version}\n", encoding="utf-8")
        line = [go, "build", "-mod=mod", "-o", str(output / peer.name), peer.package]
    else:
        line = [go, "install", f"{peer.package}@{peer.version}"]
    environment = {**os.environ, "GOBIN": str(output), "CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [text for text in done.stderr.splitlines() if not text.startswith("go: downloading")]
        here = any(words in done.stderr for words in _MACHINE)
        raise BuildError(peer, said[-1].strip() if said else f"go ended with {done.returncode}", here=here)


def main(arguments: list[str]) -> int:
    """Build all peers; returns the exit code."""
    if arguments not in ([], ["--if-can"]):
        sys.stderr.write("usage: python interop/peers.py [--if-can]\n")
        return 2
    try:
        for peer in pinned():
            build(peer)
    except BuildError as error:
        if arguments and error.here:
            sys.stdout.write(f"make interop did not run: {error}\n")
            return NOT_RUN
        sys.stderr.write(f"make peers: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
