"""The common options may stand anywhere."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import command, environment, transship
from transship.arguments import common_first


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ([], []),
        (["plan", "-c", "a.yaml"], ["-c", "a.yaml", "plan"]),
        (["-c", "a.yaml", "plan", "-o", "p"], ["-c", "a.yaml", "plan", "-o", "p"]),
        (["plan", "--config=a.yaml", "--no-color"], ["--config=a.yaml", "--no-color", "plan"]),
        (["plan", "-v", "debug", "--logopt", "json"], ["-v", "debug", "--logopt", "json", "plan"]),
        (["apply", "--", "-c"], ["apply", "--", "-c"]),
        (["plan", "-c"], ["-c", "plan"]),
    ],
)
def test_common_options_move_to_the_front(given: list[str], ordered: list[str]) -> None:
    """Each with its value; what follows `--` stays where it is."""
    assert common_first(given) == ordered


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["plan", "--nope"], "error: No such option: --nope; see transship --help\n"),
        (["nope"], "error: No such command 'nope'; see transship --help\n"),
        (["show"], "error: Missing argument 'PLAN'; see transship --help\n"),
        (["-v", "loud", "check"], "log level 'loud' is unknown; expected debug, info, warn or error"),
        (["apply", "plan.json", "--missing"], "a plan file is approved already: it goes without --missing"),
        (["check"], "there is no configuration: name one with -c, or put one of transship.yaml, transship.yml"),
        (["check", "-c", "none.yaml"], "none.yaml:1:1: the configuration cannot be read: No such file or directory"),
    ],
)
def test_wrong_arguments_are_errors_and_never_mean_pending(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    """Exit 1, since by 2 a pipeline would understand that changes are pending; no traceback."""
    done = transship(*arguments, cwd=tmp_path)
    assert done.code == 1
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_without_arguments_there_is_help(tmp_path: Path) -> None:
    """On standard output, exit 0 (B1.2)."""
    done = transship(cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Usage: transship" in done.out


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """What takes long to import is imported by the command that needs it."""
    program = (
        "import sys\n"
        "sys.argv = ['transship', '--help']\n"
        "from transship.main import run\n"
        "try:\n"
        "    run()\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "heavy = {'httpx', 'asyncio.base_events', 'deepdiff', 'tabulate', 'cryptography', 'msgspec', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    """A plan file that cannot be written is one line, exit 1; what stood there still stands there."""
    (tmp_path / "mirror.yaml").write_text("sync: []\n")
    done = transship("plan", "-c", "mirror.yaml", "-o", "/dev/full", cwd=tmp_path)
    assert done.code == 1
    assert "error: /dev/full: cannot write the plan file: No space left on device\n" in done.err
    assert Path("/dev/full").is_char_device()


def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A full disk below standard output is an error, not a traceback."""
    (tmp_path / "mirror.yaml").write_text("sync: []\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("check", "-c", "mirror.yaml"),
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith("error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["--version", "plan"], ["-c", "none", "--version"]])
def test_version_is_printed_and_nothing_else_done(tmp_path: Path, arguments: list[str]) -> None:
    """As a command, and as an option as of other programs, it is the version of the installed package."""
    done = transship(*arguments, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, f"transship {importlib.metadata.version('transship')}\n", "")
