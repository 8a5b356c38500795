"""Build the wheel and the sdist, install each as users do, and run what was installed.

The dependencies come from the index, unpinned, as users get them; each is fetched once.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pythons import ROOT, VENVS

_TOOLS: Final = VENVS / "tools" / "bin"


@dataclass(frozen=True)
class Way:
    """A way to install: the program's place afterwards, and a Python that can import it."""

    name: str
    command: tuple[str | Path, ...]
    program: Path
    python: Path


def main() -> None:
    """Try every way with both files; the first that fails ends it."""
    with tempfile.TemporaryDirectory(prefix="transship-install-") as name:
        folder = Path(name)
        for file in _build(folder / "dist"):
            offline = _environment(folder / file.name, _fetch(file, folder / "wheels"))
            for way in _ways(folder / file.name, file):
                _run(way.command, offline)
                _check(way, offline, folder)
                print(f"{file.name}: installed with {way.name}, and it runs", flush=True)


def _build(into: Path) -> list[Path]:
    _run((sys.executable, "-m", "hatchling", "build", "-d", into))
    files = sorted(into.iterdir())
    assert [file.suffix for file in files] == [".whl", ".gz"] or [file.suffix for file in files] == [".gz", ".whl"]
    return files


def _fetch(file: Path, into: Path) -> Path:
    """Fetch what the file needs, and what builds it, so that nothing but these is installed."""
    _run((sys.executable, "-m", "pip", "download", "--quiet", "--dest", into, file, "hatchling", "pip", "setuptools"))
    for own in into.glob("transship-*"):
        own.unlink()  # what is tested is the file itself
    return into


def _environment(home: Path, wheels: Path) -> Mapping[str, str]:
    """Return an environment in which each tool has a home of its own, and finds packages only in `wheels`."""
    home.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PIPX_", "PYTHON"))
    }
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheels)}
    homes = {
        "HOME": home,
        "PIPX_HOME": home / "pipx",
        "PIPX_BIN_DIR": home / "pipx-bin",
        "PIPX_MAN_DIR": home / "pipx-man",
        "UV_CACHE_DIR": home / "uv-cache",
        "UV_TOOL_DIR": home / "uv",
        "UV_TOOL_BIN_DIR": home / "uv-bin",
    }
    return kept | offline | {name: str(value) for name, value in homes.items()}


def _ways(home: Path, file: Path) -> list[Way]:
    venv = home / "venv"
    _run((sys.executable, "-m", "venv", venv))
    pip, pipx, uv = (venv / "bin" / "pip", _TOOLS / "pipx", _TOOLS / "uv")
    python = ("--python", sys.executable)
    return [
        Way("pip install", (pip, "install", "--quiet", file), venv / "bin" / "transship", venv / "bin" / "python"),
        Way(
            "pipx install",
            (pipx, "install", "--quiet", *python, file),
            home / "pipx-bin" / "transship",
            home / "pipx" / "venvs" / "transship" / "bin" / "python",
        ),
        Way(
            "uv tool install",
            (uv, "tool", "install", "--quiet", "--no-index", *python, file),
            home / "uv-bin" / "transship",
            home / "uv" / "transship" / "bin" / "python",
        ),
    ]


def _check(way: Way, environment: Mapping[str, str], folder: Path) -> None:
    """Run the program by both of its names, away from the clone, and let it mirror something."""
    said = f"transship {_version()}\n"
    for command in ((way.program, "--version"), (way.program, "version"), (way.python, "-m", "transship", "--version")):
        found = _run(command, environment, cwd=folder)
        assert found == said, f"{way.name}: {command} says {found!r} and not {said!r}"
    demo = _run((way.program, "demo"), environment, cwd=folder)
    assert "Apply: 2 applied" in demo, f"{way.name}: the demo did not apply its plan:\n{demo}"
    licence = "import importlib.metadata as m; print(m.distribution('transship').read_text('licenses/LICENSE'))"
    assert "Apache License" in _run((way.python, "-c", licence), environment, cwd=folder)


def _version() -> str:
    return _run((sys.executable, "-m", "hatchling", "version")).strip()


def _run(command: tuple[str | Path, ...], environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
