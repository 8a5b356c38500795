"""The programs of others are built once per version, whole or not at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "interop" / "peers.py"
NAMES = ["regsync", "regctl", "crane", "oras", "olareg", "cosign"]

# Stands in for Go: writes down how it was called, and "builds" what it was asked for.
GO = """\
#!/bin/sh
echo "$@" >> "$CALLS"
[ ! -e go.mod ] || cat go.mod >> "$CALLS"
case "$*" in
*"$FAILING"*) printf 'go: downloading things\\n%s\\n' "$SAYS" >&2; exit 1 ;;
"install "*) name=${2%@*}; echo built > "$GOBIN/${name##*/}" ;;
"build "*) echo built > "$4" ;;
esac
"""


def make(folder: Path, *arguments: str, go: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a cache of its own, and a Go that stands in."""
    (folder / "bin").mkdir(exist_ok=True)
    stand_in = folder / "bin" / "go"
    stand_in.unlink(missing_ok=True)
    if go:
        stand_in.write_text(GO)
        stand_in.chmod(0o755)
    environment = {
        "PATH": f"{folder / 'bin'}:/bin:/usr/bin" if go else str(folder / "bin"),
        "HOME": str(folder),
        "CALLS": str(folder / "calls"),
        "FAILING": "nothing at all",
        **extra,
    }
    line = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


def built(folder: Path) -> list[str]:
    """Return the names of what is in the cache, without what is hidden there to lock it."""
    cache = folder / ".cache" / "transship-peers"
    return sorted(path.name for path in cache.glob("*") if not path.name.startswith("."))


def versions() -> dict[str, tuple[str, str]]:
    """Return version and package by name, read otherwise than by the script."""
    lines = (ROOT / "interop" / "versions.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {row[0]: (row[1], f"{row[2]}/{row[3]}") for row in rows}


def test_each_version_is_built_once(tmp_path: Path) -> None:
    """A second run calls Go no more."""
    first = make(tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert list(versions()) == NAMES
    assert built(tmp_path) == sorted(f"{name}-{version}" for name, (version, _) in versions().items())
    for name, (version, _) in versions().items():
        assert (tmp_path / ".cache" / "transship-peers" / f"{name}-{version}" / name).read_text() == "built\n"
    (tmp_path / "calls").unlink()
    second = make(tmp_path)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert not (tmp_path / "calls").exists()


def test_what_has_replace_directives_is_required_by_a_go_mod(tmp_path: Path) -> None:
    """Olareg is built from a `go.mod` of two lines, and the others are installed at their version."""
    make(tmp_path)
    calls = (tmp_path / "calls").read_text()
    for name, (version, package) in versions().items():
        if name != "olareg":
            assert f"install {package}@{version}\n" in calls
    olareg, package = versions()["olareg"]
    assert f"/bin/olareg {package}\nmodule peers\nrequire github.com/olareg/olareg {olareg}\n" in calls


def test_the_cache_is_where_the_user_says(tmp_path: Path) -> None:
    """`XDG_CACHE_HOME` wins over the home folder."""
    make(tmp_path, XDG_CACHE_HOME=str(tmp_path / "elsewhere"))
    assert built(tmp_path) == []
    assert len(list((tmp_path / "elsewhere" / "transship-peers").glob("[a-z]*"))) == len(NAMES)


def test_a_failure_leaves_nothing_half_built(tmp_path: Path) -> None:
    """What came before it stays, the failing one is not there, and the next run goes on from there."""
    failed = make(tmp_path, FAILING="crane", SAYS="main.go:3:7: undefined: x")
    reason = f"crane {versions()['crane'][0]} could not be built: main.go:3:7: undefined: x\n"
    assert (failed.returncode, failed.stderr) == (1, f"make peers: {reason}")
    assert built(tmp_path) == sorted(f"{name}-{versions()[name][0]}" for name in ("regsync", "regctl"))
    assert [
        path for path in (tmp_path / ".cache" / "transship-peers").iterdir() if path.name.startswith(".crane-")
    ] == [tmp_path / ".cache" / "transship-peers" / f".crane-{versions()['crane'][0]}.lock"]
    assert make(tmp_path).returncode == 0
    assert len(built(tmp_path)) == len(NAMES)


def test_without_go_the_comparison_says_in_one_line_that_it_did_not_run(tmp_path: Path) -> None:
    """`make interop` then succeeds, and `make peers` fails."""
    reason = f"regsync {versions()['regsync'][0]} could not be built: there is no Go on PATH\n"
    done = make(tmp_path, "--if-can", go=False)
    assert (done.returncode, done.stdout, done.stderr) == (75, f"make interop did not run: {reason}", "")
    failed = make(tmp_path, go=False)
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", f"make peers: {reason}")


def test_make_interop_is_one_line_and_no_failure_without_go(tmp_path: Path) -> None:
    """So CI can call it anywhere."""
    program = shutil.which("make")
    assert program is not None
    done = subprocess.run(
        [program, "interop", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    reason = f"regsync {versions()['regsync'][0]} could not be built: there is no Go on PATH\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"make interop did not run: {reason}", "")


def test_what_was_built_is_used_without_go(tmp_path: Path) -> None:
    """Another clone, or another day, may have built them."""
    make(tmp_path)
    done = make(tmp_path, "--if-can", go=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "says",
    [
        'go: x@v1: Get "https://proxy.golang.org/x/@v/v1.info": dial tcp: lookup proxy.golang.org: no such host',
        "go: x@v1: module lookup disabled by GOPROXY=off",
        "go: x@v1 requires go >= 1.99.0 (running go 1.24; GOTOOLCHAIN=local)",
        "write /root/.cache/go-build/x: no space left on device",
        "reading https://proxy.golang.org/x/@v/v1.zip: 404 Not Found",
        "x/y: /usr/local/go/pkg/tool/linux_amd64/link: signal: killed",
    ],
)
def test_a_machine_that_cannot_build_them_is_no_failure_of_the_comparison(tmp_path: Path, says: str) -> None:
    """A poor way to the module proxy, an old Go, a full disk, too little memory: one line, and no failure."""
    done = make(tmp_path, "--if-can", FAILING="regsync", SAYS=says)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 75
    assert last == f"make interop did not run: regsync {versions()['regsync'][0]} could not be built: {says}"


def test_a_version_that_does_not_compile_is_a_failure_of_the_comparison(tmp_path: Path) -> None:
    """What is pinned here must build."""
    assert make(tmp_path, "--if-can", FAILING="regsync", SAYS="main.go:3:7: undefined: x").returncode == 1
