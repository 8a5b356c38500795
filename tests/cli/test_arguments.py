"""The arguments: the common options stand anywhere, and options are spelled as here, by Terraform or by regsync."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from support.program import command, environment, transship
from transship.arguments import ArgumentError, Options, arranged
from transship.main import app


def options() -> Options:
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    return Options.of(program)


OPTIONS = options()
LONG = sorted(name for name in {**OPTIONS.common, **OPTIONS.commands} if name.startswith("--"))


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ([], []),
        (["plan", "-c", "a.yaml"], ["-c", "a.yaml", "plan"]),
        (["-c", "a.yaml", "plan", "-o", "p"], ["-c", "a.yaml", "plan", "-o", "p"]),
        (["plan", "--config=a.yaml", "--no-color"], ["--config", "a.yaml", "--no-color", "plan"]),
        (["plan", "-v", "debug", "--logopt", "json"], ["-v", "debug", "--logopt", "json", "plan"]),
        (["apply", "--", "-c"], ["apply", "--", "-c"]),
        (["plan", "-c", "-"], ["-c", "-", "plan"]),
        (["plan", "-o=-c", "-c", "a.yaml"], ["-c", "a.yaml", "plan", "-o", "-c"]),
    ],
)
def test_common_options_move_to_the_front(given: list[str], ordered: list[str]) -> None:
    """Each with its value; what follows `--` stays where it is, and so does what is the value of another option."""
    assert arranged(given, OPTIONS) == ordered


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("plan -out=plan.json", "plan --out plan.json"),
        ("plan -out plan.json", "plan --out plan.json"),
        ("plan --out=plan.json", "plan --out plan.json"),
        ("plan -o=plan.json", "plan -o plan.json"),
        ("plan -o==plan.json", "plan -o =plan.json"),
        ("plan -c=mirror.yaml -v=debug", "-c mirror.yaml -v debug plan"),
        ("-no-color plan -detailed-exitcode", "--no-color plan --detailed-exitcode"),
        ("apply -auto-approve -state=s.json", "apply --auto-approve --state s.json"),
        ("apply -auto-approve=true -missing=false", "apply --auto-approve"),
        ("check --missing=false -no-color=true", "--no-color check"),
        ("eol update -data-file=eol.json -dry-run", "eol update --data-file eol.json --dry-run"),
        ("plan -help", "plan --help"),
        ("plan -h", "plan -h"),
    ],
)
def test_the_spellings_of_terraform_and_regsync_are_understood(given: str, understood: str) -> None:
    """Long options with one dash, values joined to short options by `=`, and flags that are said to be true or not."""
    assert arranged(given.split(), OPTIONS) == understood.split()


@pytest.mark.parametrize("name", LONG)
def test_every_long_option_may_begin_with_one_dash(name: str) -> None:
    value = ["value"] if OPTIONS.takes_value(name) else []
    assert arranged([name[1:], *value], OPTIONS) == [name, *value]


def test_no_option_is_a_flag_here_and_takes_a_value_there() -> None:
    """The arguments are read without knowing the command, so a name must mean one kind of option in all of them."""
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    for each in (*program.commands.values(), program):
        alone = Options.of(TyperGroup(commands={"it": each}))
        for name, value in alone.commands.items():
            assert OPTIONS.takes_value(name) == value, name


JSON = "plans, checks and lists have --format json"
VARIABLES = "templates in the configuration read environment variables"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("plan -outt=plan.json", "No such option: -outt (did you mean --out?)"),
        ("plan -output=plan.json", "No such option: -output (did you mean --out?)"),
        ("plan -oplan.json", "No such option: -oplan.json (write -o plan.json)"),
        ("plan -cmirror.yaml", "No such option: -cmirror.yaml (write -c mirror.yaml)"),
        ("plan -vdebug", "No such option: -vdebug"),
        ("plan -compact-warnings", "No such option: -compact-warnings"),
        ("plan -chdir=elsewhere", "No such option: -chdir"),
        ("plan -json", f"No such option: -json ({JSON})"),
        ("plan --json", f"No such option: --json ({JSON})"),
        ("plan -var x=y", f"No such option: -var ({VARIABLES})"),
        ("plan -var-file=x", f"No such option: -var-file ({VARIABLES})"),
        ("apply -parallelism=3", "No such option: -parallelism (the configuration has defaults.parallel)"),
        ("apply -refresh-only", "No such option: -refresh-only (see transship drift)"),
        ("plan -o", "Option -o needs a value"),
        ("plan -o --missing", "Option -o needs a value"),
        ("plan --out -c mirror.yaml", "Option --out needs a value"),
        ("plan -o=", "Option -o is given an empty value"),
        ("plan -config=", "Option --config is given an empty value"),
    ],
)
def test_what_could_mean_something_else_is_refused(given: str, complaint: str) -> None:
    """No short options in a row, no value that is written to its option, and no option as the name of a file."""
    with pytest.raises(ArgumentError) as caught:
        arranged(given.split(), OPTIONS)
    assert caught.value.format_message() == complaint


def test_a_plan_file_has_the_name_that_was_given(tmp_path: Path) -> None:
    """As Terraform writes it; nothing else is written."""
    (tmp_path / "mirror.yaml").write_text("sync: []\n")
    done = transship("plan", "-out=plan.json", "-c=mirror.yaml", cwd=tmp_path)
    assert (done.code, "Traceback" in done.err) == (0, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror.yaml", "plan.json"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["plan", "--nope"], "error: No such option: --nope; see transship --help\n"),
        (["nope"], "error: No such command 'nope'; see transship --help\n"),
        (["plan", "-outt=plan.json"], "error: No such option: -outt (did you mean --out?); see transship --help\n"),
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
