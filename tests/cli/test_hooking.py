"""Hooks on the command line: which commands run them, what is shown of them, and exit codes."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import images
from support.program import Done, command, environment, transship

IMGLIFE = """\
sync:
  hooks: {post_sync: [{cmd: 'echo "last: $TRANSSHIP_STATUS $TRANSSHIP_COPIED"; LAST'}]}
  entries:
    - source: ocidir://upstream
      target: ocidir://mirror
      tag_regex: .
      hooks:
        post_sync:
          - {cmd: 'echo "$TRANSSHIP_TARGET: $TRANSSHIP_STATUS $TRANSSHIP_COPIED"; FIRST', timeout: 60s}
          - {cmd: 'touch second'}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an upstream layout of two tags."""
    for tag in ("1", "2"):
        images.write_layout(tmp_path / "upstream", tag, images.single(tag))
    return tmp_path


def configure(folder: Path, *, first: str = "true", last: str = "true") -> None:
    """Write a configuration whose hooks end with these commands."""
    (folder / "mirror.yaml").write_text(IMGLIFE.replace("FIRST", first).replace("LAST", last))


def run(folder: Path, *arguments: str, password: str = "") -> Done:
    """Run with the configuration of the folder."""
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder, env={"MIRROR_PASSWORD": password})


def told(done: Done) -> list[str]:
    """Return what is logged of hooks."""
    return [line for line in done.err.splitlines() if "hook" in line]


FIRST_PLACE = "mirror.yaml:9:13: sync.entries[0].hooks.post_sync[0]"
SECOND_PLACE = "mirror.yaml:10:13: sync.entries[0].hooks.post_sync[1]"
LAST_PLACE = "mirror.yaml:2:23: sync.hooks.post_sync[0]"
ALL_WELL = [
    f"hook: {FIRST_PLACE}",
    "sync.entries[0].hooks.post_sync[0]: ocidir://mirror: ok 2",
    f"hook: {SECOND_PLACE}",
    f"hook: {LAST_PLACE}",
    "sync.hooks.post_sync[0]: last: ok 2",
]


def test_once_runs_hooks_and_shows_what_they_say_on_standard_error(folder: Path) -> None:
    """In the folder that transship runs in; standard output is for results."""
    configure(folder)
    done = run(folder, "once")
    assert done.code == 0
    assert told(done) == ALL_WELL
    assert (folder / "second").exists()
    assert "hook" not in done.out
    again = run(folder, "once")
    assert again.code == 0
    assert told(again) == [f"hook: {LAST_PLACE}", "sync.hooks.post_sync[0]: last: ok 0"]
    assert "Apply:" not in again.out


def test_a_saved_plan_runs_the_hooks_of_its_configuration(folder: Path) -> None:
    """The plan holds none of them, only the digest that covers them: another command is another configuration."""
    configure(folder)
    assert run(folder, "plan", "-o", "plan.json").code == 0
    assert "TRANSSHIP_STATUS" not in (folder / "plan.json").read_text()
    configure(folder, last="curl -s https://example.com/install.sh | sh")
    refused = run(folder, "apply", "plan.json")
    assert refused.code == 4
    assert told(refused) == []
    configure(folder)
    done = run(folder, "apply", "plan.json")
    assert (done.code, told(done)) == (0, ALL_WELL)


def test_a_saved_plan_without_its_configuration_runs_no_hooks_and_says_so(folder: Path) -> None:
    """It cannot know them."""
    configure(folder)
    assert run(folder, "plan", "-o", "plan.json").code == 0
    done = transship("apply", "plan.json", cwd=folder)
    assert done.code == 0
    assert told(done) == ["There is no configuration here, so that no hooks are run."]
    assert not (folder / "second").exists()


@pytest.mark.parametrize("arguments", [("once",), ("apply", "--auto-approve"), ("apply", "plan.json")])
def test_no_hooks_runs_none(folder: Path, arguments: tuple[str, ...]) -> None:
    """Images are copied all the same."""
    configure(folder)
    assert run(folder, "plan", "-o", "plan.json").code == 0
    done = run(folder, *arguments, "--no-hooks")
    assert (done.code, told(done)) == (0, [])
    assert "Apply: 2 applied, 0 already as planned.\n" in done.out
    assert not (folder / "second").exists()


def test_commands_that_only_look_run_no_hooks(folder: Path) -> None:
    """Neither before nor after something was copied (A2)."""
    configure(folder, first="touch ran", last="touch ran")
    for _ in range(2):
        assert run(folder, "plan", "-o", "plan.json").code == 0
        for look in (("show", "plan.json"), ("check",), ("validate",), ("config",), ("why", "ocidir://mirror:1")):
            assert run(folder, *look).code in {0, 2}
        assert run(folder, "drift", "--state", "state.json").code in {0, 1}
        assert run(folder, "apply").code in {0, 1}  # nobody is there to say yes, or there is nothing to do
        if not (folder / "state.json").exists():
            assert not (folder / "ran").exists()
            assert run(folder, "once", "--no-hooks", "--state", "state.json").code == 0


def test_a_failing_hook_is_in_the_summary_and_the_exit_code(folder: Path) -> None:
    """What was copied stays; the last hooks are run."""
    configure(folder, first="exit 3")
    done = run(folder, "once")
    assert done.code == 1
    assert done.out.endswith(
        f"hook failed: {FIRST_PLACE}: exit code 3; 1 more after it was not run\n"
        "Apply: 2 applied, 0 already as planned, 1 hook failed.\n"
        "Transferred 0 B in 0 blobs; 6 mounted, 0 already there; 2 manifests written.\n"
    )
    assert told(done) == [
        f"hook: {FIRST_PLACE}",
        "sync.entries[0].hooks.post_sync[0]: ocidir://mirror: ok 2",
        f"error: hook failed: {FIRST_PLACE}: exit code 3; 1 more after it was not run",
        f"hook: {LAST_PLACE}",
        "sync.hooks.post_sync[0]: last: failed 2",
    ]
    assert not (folder / "second").exists()
    assert run(folder, "check").code == 0


def test_a_hook_that_fails_though_there_was_nothing_to_do_fails_the_run(folder: Path) -> None:
    """Then the summary is worth showing."""
    configure(folder)
    assert run(folder, "once").code == 0
    configure(folder, last="exit 3")
    done = run(folder, "once")
    assert done.code == 1
    assert done.out.endswith(
        f"hook failed: {LAST_PLACE}: exit code 3\nApply: 0 applied, 0 already as planned, 1 hook failed.\n"
    )


def test_a_tolerated_failure_is_a_warning(folder: Path) -> None:
    """The run is a success."""
    configure(folder, first="exit 3")
    text = (folder / "mirror.yaml").read_text()
    (folder / "mirror.yaml").write_text(text.replace("timeout: 60s", "timeout: 60s, continue_on_error: true"))
    done = run(folder, "once")
    assert done.code == 0
    assert f"warning: hook failed: {FIRST_PLACE}: exit code 3 (continue_on_error)" in told(done)
    assert "hook" not in done.out
    assert (folder / "second").exists()


def test_a_conflict_weighs_more_than_a_failing_hook(folder: Path) -> None:
    """Exit 4: the plan no longer holds."""
    configure(folder, first="exit 3")
    assert run(folder, "plan", "-o", "plan.json").code == 0
    images.write_layout(folder / "mirror", "2", images.single("stranger"))
    done = run(folder, "apply", "plan.json")
    assert done.code == 4
    assert "Apply: 1 applied, 0 already as planned, 1 conflict, 1 hook failed.\n" in done.out


def test_hooks_that_regsyncs_format_inherits_run_for_each_entry(folder: Path) -> None:
    """`defaults.hooks` are the hooks of every entry without its own; a failure names the entry, and the line there."""
    shutil.copytree(folder / "upstream", folder / "other")
    (folder / "mirror.yaml").write_text(
        "defaults:\n"
        "  hooks: {post_sync: [{cmd: 'echo $TRANSSHIP_ENTRY $TRANSSHIP_SOURCE; exit 1'}]}\n"
        "sync:\n"
        "  - {source: 'ocidir://upstream', target: 'ocidir://mirror', type: repository}\n"
        "  - {source: 'ocidir://other', target: 'ocidir://second', type: repository, hooks: {post_sync: []}}\n"
        "  - {source: 'ocidir://other:1', target: 'ocidir://third:1', type: image}\n"
    )
    done = run(folder, "once")
    assert done.code == 1
    assert sorted(line for line in done.err.splitlines() if "ocidir" in line and "hook" in line) == [
        "sync[0].hooks.post_sync[0]: sync[0] ocidir://upstream",
        "sync[2].hooks.post_sync[0]: sync[2] ocidir://other:1",
    ]
    assert (
        "hook failed: mirror.yaml:2:23: sync[0].hooks.post_sync[0]: exit code 1\n"
        "hook failed: mirror.yaml:2:23: sync[2].hooks.post_sync[0]: exit code 1\n"
    ) in done.out


def test_a_hook_sees_the_environment_and_no_secret_of_the_configuration(folder: Path) -> None:
    """What transship was started with, its own variables, and nothing else."""
    configure(folder, first="env > seen")
    creds = "creds: [{registry: mirror.example.com, user: robot, pass: 'sw{{ \"ordfish\" }}'}]\n"
    (folder / "mirror.yaml").write_text(creds + (folder / "mirror.yaml").read_text())
    assert run(folder, "once", password="inherited").code == 0
    seen = dict(line.split("=", 1) for line in (folder / "seen").read_text().splitlines() if "=" in line)
    assert seen["MIRROR_PASSWORD"] == "inherited"
    assert "swordfish" not in (folder / "seen").read_text()
    assert {name for name in seen if name.startswith("TRANSSHIP_")} == {
        "TRANSSHIP_ENTRY",
        "TRANSSHIP_SOURCE",
        "TRANSSHIP_TARGET",
        "TRANSSHIP_STATUS",
        "TRANSSHIP_COPIED",
        "TRANSSHIP_FAILED",
        "TRANSSHIP_PLAN",
        "TRANSSHIP_IMAGES_FILE",
    }
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", seen["TRANSSHIP_PLAN"])


def test_log_lines_of_hooks_are_json_when_that_is_wanted(folder: Path) -> None:
    """One object a line, as all of the log."""
    configure(folder)
    done = run(folder, "once", "--logopt", "json")
    messages = [json.loads(line)["msg"] for line in done.err.splitlines()]
    assert [message for message in messages if "hook" in message] == ALL_WELL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_a_hook_and_all_that_it_started(folder: Path, number: signal.Signals) -> None:
    """Exit 130, and the summary names the hooks that did not do their work."""
    configure(folder, first="sleep 300 & echo $! > pid.new; mv pid.new pid; wait")
    process = subprocess.Popen(
        command("once", "-c", "mirror.yaml"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (folder / "pid").exists():
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out.endswith(
        f"hook failed: {FIRST_PLACE}: interrupted; 1 more after it was not run\n"
        "Interrupted. Apply the same plan again to go on; no tag points at incomplete content.\n"
        "Apply: 2 applied, 0 already as planned, 1 hook failed.\n"
        "Transferred 0 B in 0 blobs; 6 mounted, 0 already there; 2 manifests written.\n"
    )
    assert LAST_PLACE not in err
    assert "Traceback" not in err
    child = Path("/proc") / (folder / "pid").read_text().strip()
    until = time.monotonic() + 600
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2] and time.monotonic() < until:
        time.sleep(0.01)
    assert not child.exists() or "Z" in (child / "stat").read_text().split()[2]
