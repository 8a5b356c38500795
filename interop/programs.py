"""Run the peers as their users do, with nothing of this machine's user in sight."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from interop.peers import pinned

from support.program import Done, environment

# Whatever a peer would ask outside of this machine is refused at once.
_CLOSED = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}
_PINNED = {peer.name: peer for peer in pinned()}


def program(name: str) -> Path:
    """Return the path of a peer; raises when `make peers` has not built it."""
    found = _PINNED[name].program
    if not found.exists():
        raise RuntimeError(f"{name} {_PINNED[name].version} is not built: run `make peers`")
    return found


def run(name: str, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run a peer to its end."""
    done = subprocess.run(
        [str(program(name)), *(str(argument) for argument in arguments)],
        cwd=cwd,
        env={**environment(env), **_CLOSED, "HOME": str(cwd)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def output(name: str, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a peer that must succeed, and return its output without the line end."""
    done = run(name, *arguments, cwd=cwd, env=env)
    assert done.code == 0, f"{name} {' '.join(map(str, arguments))}: exit {done.code}\n{done.err}"
    return done.out.rstrip("\n")
