"""Progress: bars on a terminal, plain lines elsewhere."""

import os
import pty
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from support import images
from support.program import command, environment, transship

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
QUESTION = b"Apply these changes? [y/N]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an upstream layout and a configuration."""
    for tag in ("1", "2"):
        images.write_layout(tmp_path / "upstream", tag, images.multi_platform(f"app {tag}"))
    (tmp_path / "mirror.yaml").write_text(
        "sync: [{source: 'ocidir://upstream', target: 'ocidir://mirror', type: repository}]\n"
    )
    return tmp_path


def run_on_terminal(
    folder: Path, *arguments: str, answer: bytes = b"", signalled: signal.Signals | None = None
) -> tuple[int, str]:
    """Run transship on a terminal of its own; return its exit code and all that was shown.

    The question is answered by typing, or by a signal.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments, "-c", "mirror.yaml"),
        cwd=folder,
        env=environment({"TERM": "xterm", "COLUMNS": "160"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    shown = bytearray()
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal ends with the last process that has it
            break
        if not piece:
            break
        shown += piece
        if QUESTION in shown and answer:
            os.write(ours, answer)
            answer = b""
        if QUESTION in shown and signalled:
            # Python prints the question and then reads, and misses a signal between the two until a key is pressed.
            threading.Event().wait(0.5)
            process.send_signal(signalled)
            signalled = None
    os.close(ours)
    return process.wait(), shown.decode(errors="replace")


def test_elsewhere_there_are_plain_lines_on_standard_error(folder: Path) -> None:
    """One line for each change, no control characters, and the result alone on standard output."""
    done = transship("once", "-c", "mirror.yaml", cwd=folder)
    assert done.code == 0
    assert sorted(line.split(" →")[0] for line in done.err.splitlines()) == [
        "done: ocidir://mirror:1",
        "done: ocidir://mirror:2",
    ]
    assert "\x1b" not in done.out + done.err
    assert done.out.endswith("Transferred 0 B in 0 blobs; 12 mounted, 0 already there; 6 manifests written.\n")


def test_on_a_terminal_there_are_bars_and_then_lines(folder: Path) -> None:
    """The bars go away, and a line per change stays."""
    code, shown = run_on_terminal(folder, "once")
    assert code == 0
    assert "in all" in shown
    assert "done: ocidir://mirror:1 →" in shown
    assert "Apply: 2 applied, 0 already as planned." in shown


def test_what_hooks_say_stands_above_the_bars(folder: Path) -> None:
    """Whole lines, although bars are drawn and wiped away below them."""
    hook = "echo '[b]one[/b]'; sleep 0.5; echo two"
    with (folder / "mirror.yaml").open("a") as file:
        file.write(f'defaults: {{hooks: {{post_sync: [{{cmd: "{hook}"}}]}}}}\n')
    code, shown = run_on_terminal(folder, "once")
    assert code == 0
    lines = [_CONTROL.sub("", line).rpartition("\r")[2] for line in shown.split("\r\n")]
    assert [line for line in lines if "post_sync" in line] == [
        "hook: mirror.yaml:2:32: sync[0].hooks.post_sync[0]",
        "sync[0].hooks.post_sync[0]: [b]one[/b]",
        "sync[0].hooks.post_sync[0]: two",
    ]


@pytest.mark.parametrize(("answer", "code", "applied"), [(b"y\n", 0, True), (b"n\n", 1, False), (b"\n", 1, False)])
def test_on_a_terminal_the_answer_decides(folder: Path, answer: bytes, code: int, *, applied: bool) -> None:
    """Only a yes applies; anything else changes nothing."""
    ended, shown = run_on_terminal(folder, "apply", answer=answer)
    assert QUESTION.decode() in shown
    assert ended == code
    assert (folder / "mirror").exists() is applied
    assert ("Nothing was changed." in shown) is not applied


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_at_the_question_changes_nothing(folder: Path, number: signal.Signals) -> None:
    """It ends with 130, and does not wait for the answer."""
    ended, _ = run_on_terminal(folder, "apply", signalled=number)
    assert ended == 130
    assert not (folder / "mirror").exists()


def test_where_the_plan_is_comes_last_also_in_a_pipe(folder: Path) -> None:
    """A log of both streams tells it below the plan, as a terminal does."""
    arguments = command("plan", "-c", "mirror.yaml", "-o", "plan.json")
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    last, beside = done.stdout.splitlines()[-1], done.stdout.splitlines()[-2]
    assert last == "The plan is in plan.json. Apply it with: transship apply -c mirror.yaml plan.json"
    assert beside.startswith("Plan digest: sha256:")
