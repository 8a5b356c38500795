"""Signals in each phase of a run: one line, exit 130, and nothing left behind."""

import signal
import subprocess
from pathlib import Path

import pytest

from support.interference import Point, interfere, send
from support.program import command, environment, transship

CONFIG = "sync:\n  - {source: 'ocidir://none:one', target: 'ocidir://app:one', type: image}\n"
LOADING = Point("import", "typer")
LOADING_A_COMMAND = Point("import", "transship.planning")
IN_THE_LOOP = Point("open", "mirror.yaml")


@pytest.mark.parametrize(
    ("number", "point"),
    [
        (signal.SIGINT, LOADING),
        (signal.SIGTERM, LOADING),
        (signal.SIGHUP, LOADING),
        (signal.SIGINT, Point("import", "transship.main")),
        (signal.SIGTERM, LOADING_A_COMMAND),
        (signal.SIGINT, Point("import", "asyncio")),
        (signal.SIGTERM, Point("import", "transship_planner.plans.diff")),
        (signal.SIGINT, IN_THE_LOOP),
        (signal.SIGTERM, IN_THE_LOOP),
        (signal.SIGHUP, IN_THE_LOOP),
    ],
    ids=str,
)
def test_a_signal_is_an_interruption_from_the_first_moment_on(
    tmp_path: Path, number: signal.Signals, point: Point
) -> None:
    """While the program loads, while a command does, and when there is work to cancel."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    done = transship("check", "-c", "mirror.yaml", cwd=tmp_path, env=interfere(tmp_path, point, send(number)))
    assert (done.code, done.out, done.err) == (130, "", "error: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_work_that_blocks(tmp_path: Path, number: signal.Signals) -> None:
    """A command without an event loop is interrupted where it is."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    interference = interfere(tmp_path, IN_THE_LOOP, send(number))
    done = transship("validate", "-c", "mirror.yaml", cwd=tmp_path, env=interference)
    assert (done.code, done.out, done.err) == (130, "", "error: interrupted\n")


def test_an_interrupted_file_leaves_nothing_behind(tmp_path: Path) -> None:
    """A file is written beside the one that it replaces."""
    (tmp_path / "skopeo.yaml").write_text("registry.example.com:\n  images:\n    app: ['1']\n")
    interference = interfere(tmp_path, Point("open", ".tmp"), send(signal.SIGTERM))
    arguments = ("migrate", "skopeo.yaml", "--to", "mirror.example.com", "-o", "new.yaml")
    done = transship(*arguments, cwd=tmp_path, env=interference)
    assert (done.code, done.err.splitlines()[-1]) == (130, "error: interrupted")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "skopeo.yaml"]


@pytest.mark.parametrize("point", [LOADING, IN_THE_LOOP], ids=str)
def test_a_terminal_may_go_away_where_that_was_asked_for(tmp_path: Path, point: Point) -> None:
    """As by nohup."""
    (tmp_path / "mirror.yaml").write_text("sync: []\n")
    done = subprocess.run(
        ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command("check", "-c", "mirror.yaml")],
        cwd=tmp_path,
        env=environment(interfere(tmp_path, point, send(signal.SIGHUP))),
        check=False,
    )
    assert done.returncode == 0
