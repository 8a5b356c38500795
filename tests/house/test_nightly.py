"""What takes minutes runs at night, and a run by day says what it left out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[2] / "conftest.py"
TESTS = """
import pytest

def test_short() -> None:
    pass

@pytest.mark.nightly
@pytest.mark.parametrize("number", [1, 2])
def test_long(number: int) -> None:
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
@pytest.mark.parametrize(
    ("option", "counts", "lines"),
    [
        ([], "1 passed", ["2 tests that take minutes did not run: `make nightly` runs them"]),
        (["--nightly"], "2 passed", []),
    ],
    ids=["by day", "by night"],
)
def test_a_run_by_day_leaves_out_what_is_marked_and_says_so(
    tmp_path: Path, workers: list[str], option: list[str], counts: str, lines: list[str]
) -> None:
    """`--nightly` runs what is marked so, and nothing else; with and without pytest-xdist."""
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = nightly\n")
    (tmp_path / "test_both.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:anyio", "-p", "no:cacheprovider", *workers, *option],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if "minutes" in line] == lines
    assert counts in done.stdout.splitlines()[-1]
