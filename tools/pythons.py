"""Find the Pythons of this machine, and make environments of them that hold what a lock says."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ROOT / "tools" / "locks"
VENVS: Final = ROOT / ".venvs"
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""What is supported, where it can be had."""

_PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def find_python(version: str) -> Path | None:
    """Return an interpreter of this version: from PATH, pyenv or uv."""
    return next((path for path in _candidates(version) if _version_of(path) == version), None)


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from _newest_first(pyenv / "versions", f"{version}.*/bin/python")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python")
    yield from _newest_first(uv, f"cpython-{version}.*/bin/python{version}")


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern), key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)


def _version_of(interpreter: Path) -> str:
    """Ask an interpreter for its version; pyenv leaves programs on PATH that only say that they are not there."""
    ask = "import ensurepip, sys, venv; print(f'{sys.version_info[0]}.{sys.version_info[1]}')"
    try:
        done = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=False, cwd="/")
    except OSError:
        return ""
    return done.stdout.strip()


def environment(name: str, interpreter: Path, lock: Path) -> Path:
    """Return the Python of an environment with what `lock` says and this clone in it; made anew when that changed."""
    folder = VENVS / name
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = lock.read_text(encoding="utf-8") + (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        subprocess.run([python, *_PIP, "--require-hashes", "-r", lock], check=True)
        subprocess.run([python, *_PIP, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python
