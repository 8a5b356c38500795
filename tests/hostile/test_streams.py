"""Standard streams as they may be: closed, full, gone, and of an encoding that lacks our characters."""

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typing_extensions import override

from support import images
from support.program import Done, command, environment, transship
from support.registry_server.server import RegistryServer
from transship.streams import READABLE, Notes, Output, OutputError

IMAGE = images.single("app")
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "the C locale": C_LOCALE,
}
FULL = "error: cannot write the output: No space left on device\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a configuration that mirrors one image from a registry into a layout."""
    with RegistryServer() as source:
        source.store.add_image("team/app", "one", IMAGE)
        document = {
            "state": "state.json",
            "creds": [{"registry": source.host, "tls": "disabled", "x-owner": "Jürgen"}],
            "sync": [{"source": f"{source.host}/team/app:one", "target": "ocidir://app:one", "type": "image"}],
        }
        (tmp_path / "mirror.yaml").write_text(json.dumps(document))
        yield tmp_path


def shell(line: str, *arguments: object, cwd: Path, env: dict[str, str] | None = None) -> Done:
    """Run transship by a line of shell, in which it is "$@"; return what the streams that are left open got."""
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *command(*arguments)],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_matter(folder: Path, closed: str) -> None:
    """The work is done all the same, and no file receives what is meant for a stream."""
    done = shell(f'exec "$@" {closed}', "once", "-c", "mirror.yaml", cwd=folder)
    assert done.code == 0
    assert ("Apply: 1 applied, 0 already as planned.\n" in done.out) is (">&-" not in closed.replace("2>&-", ""))
    assert (f"done: ocidir://app:one → {IMAGE.digest[:19]}" in done.err) is ("2>&-" not in closed)
    assert (
        json.loads((folder / "state.json").read_text())["serial"] == 2
    )  # once before anything is pushed, and for the change
    assert (folder / "state.json.lock").read_text() == ""
    assert json.loads((folder / "app" / "index.json").read_text())["manifests"][0]["digest"] == IMAGE.digest


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["check", "-c", "-"], "<stdin>:1:1: the configuration cannot be read: standard input is closed"),
        (["migrate", "-"], "<stdin>:1:1: the file cannot be read: standard input is closed"),
        (
            ["apply", "-c", "mirror.yaml"],
            "there is no terminal to ask for approval: apply a plan file that was "
            "approved, or give --auto-approve; nothing was changed",
        ),
    ],
)
def test_what_has_to_be_read_from_a_closed_stream_is_an_error(folder: Path, arguments: list[str], problem: str) -> None:
    """An empty configuration would be one that wants nothing."""
    done = shell('exec "$@" <&-', *arguments, cwd=folder)
    assert (done.code, done.err) == (1, f"error: {problem}\n")


@pytest.mark.parametrize(
    "arguments",
    [["version"], ["--help"], ["plan", "--help"], ["schema"], ["plan", "-c", "mirror.yaml", "--format", "json"]],
    ids=" ".join,
)
def test_a_full_disk_below_standard_output_is_one_line(folder: Path, arguments: list[str]) -> None:
    done = shell('exec "$@" > /dev/full', *arguments, cwd=folder)
    assert (done.code, done.err) == (1, FULL)


def test_a_summary_that_cannot_be_written_is_an_error_after_the_work(folder: Path) -> None:
    """What was applied is recorded, whatever becomes of the words about it."""
    done = shell('exec "$@" > /dev/full', "once", "-c", "mirror.yaml", cwd=folder)
    assert (done.code, done.err.splitlines(keepends=True)[-1]) == (1, FULL)
    assert len(json.loads((folder / "state.json").read_text())["records"]) == 1


def test_log_lines_that_cannot_be_written_are_no_reason_to_leave_work_undone(folder: Path) -> None:
    done = shell('exec "$@" 2> /dev/full', "once", "-c", "mirror.yaml", cwd=folder)
    assert done.code == 0
    assert "Apply: 1 applied, 0 already as planned.\n" in done.out


@pytest.mark.parametrize(("arguments", "code"), [(["plan", "--nope"], 1), (["check", "-c", "none.yaml"], 1)])
def test_an_error_that_cannot_be_written_keeps_its_exit_code(folder: Path, arguments: list[str], code: int) -> None:
    assert shell('exec "$@" 2> /dev/full', *arguments, cwd=folder) == Done(code, "", "")


def test_output_whose_reader_has_gone_is_left_without_a_word(folder: Path) -> None:
    """As by `head`; the exit code is no success, for not everything was written."""
    done = shell('{ "$@"; echo "exit $?" >&2; } | true', "schema", cwd=folder)
    assert done.err == "exit 1\n"


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_text_is_written_with_what_an_encoding_has(folder: Path, encoding: dict[str, str]) -> None:
    """Arrows and dots are spelled out, in results and in log lines; the files that are written stay UTF-8."""
    planned = transship("plan", "-c", "mirror.yaml", "-o", "plan.json", cwd=folder, env=encoding)
    assert (planned.code, planned.err) == (
        0,
        "The plan is in plan.json. Apply it with: transship apply -c mirror.yaml plan.json\n",
    )
    json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    why = transship("why", "ocidir://app:one", "-c", "mirror.yaml", cwd=folder, env=encoding)
    assert "-> ocidir://app:one" in why.out
    done = transship("apply", "-c", "mirror.yaml", "plan.json", cwd=folder, env=encoding)
    assert done.code == 0
    assert f"done: ocidir://app:one -> {IMAGE.digest[:19]}" in done.err
    for each in (planned, why, done):
        assert (each.out + each.err).isascii()


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_help_is_written_with_what_an_encoding_has(tmp_path: Path, encoding: dict[str, str]) -> None:
    done = transship("migrate", "--help", cwd=tmp_path, env=encoding)
    assert (done.code, done.err) == (0, "")
    assert "Usage: transship migrate" in done.out


def test_documents_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    """JSON and YAML are for programs, and lose nothing; a JSON log line has its characters escaped."""
    text = "version: 1\ndefaults:\n  userAgent: Grüße →\nsync: []\nsymc: []\n".replace("symc", "x-Ω")
    (tmp_path / "mirror.yaml").write_text(text, encoding="utf-8")
    for form, read in (("yaml", yaml.safe_load), ("json", json.loads)):
        done = subprocess.run(
            command("config", "-c", "mirror.yaml", "--format", form),
            cwd=tmp_path,
            env=environment(C_LOCALE),
            capture_output=True,
            check=True,
        )
        assert read(done.stdout.decode("utf-8"))["defaults"]["userAgent"] == "Grüße →"
    (tmp_path / "wrong.yaml").write_text("sync: []\nprüfen: 1\n", encoding="utf-8")
    wrong = transship("check", "-c", "wrong.yaml", "--logopt", "json", cwd=tmp_path, env=C_LOCALE)
    assert wrong.err.isascii()
    assert "prüfen" in json.loads(wrong.err.splitlines()[0])["msg"]


def test_the_handler_of_a_user_is_left_alone(tmp_path: Path) -> None:
    """`PYTHONIOENCODING` may name one."""
    (tmp_path / "wrong.yaml").write_text("sync: []\nprüfen: 1\n", encoding="utf-8")
    env = {"PYTHONIOENCODING": "ascii:xmlcharrefreplace"}
    assert "pr&#252;fen" in transship("validate", "-c", "wrong.yaml", cwd=tmp_path, env=env).out


def test_names_that_are_not_utf_8_can_be_written(tmp_path: Path) -> None:
    """They appear with what their bytes are, in text and in JSON."""
    name = b"a\xff.yaml".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_text("sync: []\n")
    assert "a\\udcff.yaml is valid" in transship("validate", "-c", name, cwd=tmp_path).out
    shown = json.loads(transship("validate", "-c", name, "--format", "json", cwd=tmp_path).out)
    assert shown["file"] == name


def test_a_file_name_that_the_locale_lacks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mirror.yaml").write_text("state: zustände.json\nsync: []\n", encoding="utf-8")
    done = transship("once", "-c", "mirror.yaml", cwd=tmp_path, env=C_LOCALE)
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        "error: the file name zust\\xe4nde.json cannot be used in this locale; "
        "set LC_ALL to one with UTF-8, such as C.UTF-8"
    )


@pytest.mark.parametrize(
    ("text", "ascii_only"),
    [
        ("a → b …", "a -> b ..."),
        ("Grüße", "Gr\\xfc\\xdfe"),
        ("漢", "\\u6f22"),
        ("\udcff", "\\udcff"),
        ("😀", "\\U0001f600"),
    ],
)
def test_what_an_encoding_lacks_is_spelled(text: str, ascii_only: str) -> None:
    assert text.encode("ascii", READABLE).decode("ascii") == ascii_only


def test_a_decoding_is_not_our_business() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", READABLE)


class _Broken(io.RawIOBase):
    name = "a terminal"

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: object, /) -> int:
        raise OSError(5, "Input/output error")


def test_a_terminal_that_has_gone_ends_no_work() -> None:
    """Progress is written to standard error all the time; results that cannot be written are an error."""
    notes = Notes(_Broken(), encoding="utf-8", line_buffering=True)
    assert notes.write("a line\n") == 7
    notes.flush()
    output = Output(_Broken(), encoding="utf-8")
    with pytest.raises(OutputError, match=r"^cannot write the output: Input/output error$"):
        output.write("x" * 100_000)
    for stream in (notes, output):
        stream.detach()
