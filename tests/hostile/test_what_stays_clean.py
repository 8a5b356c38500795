"""What ends as it should: expressions that explode elsewhere, words for hooks, two runs at once, full disks."""

import json
import subprocess
from pathlib import Path

import pytest

from support import images
from support.program import Done, command, environment, transship

IMAGE = images.single("app", layers=1, size=200_000)
LONG_TAG = "a" * 100 + "-x"


def limited(limit: str, folder: Path, *arguments: object) -> Done:
    """Run transship within a limit of bash's `ulimit`."""
    done = subprocess.run(
        ["bash", "-c", f'ulimit {limit} && exec "$@"', "bash", *command(*arguments)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def configure(folder: Path, *entries: str, state: str = "") -> None:
    """Write a configuration with these entries."""
    lines = ["version: 1", *([f"state: {state}"] if state else []), "sync:", *(f"  - {entry}" for entry in entries)]
    (folder / "transship.yaml").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){30}b", "(([a-z])+.)+[A-Z]([a-z])+"])
@pytest.mark.parametrize("rule", ["allow", "deny"])
def test_no_expression_takes_long(tmp_path: Path, rule: str, expression: str) -> None:
    """Whoever names the tags at a source cannot choose one with which an expression comes to no end."""
    images.write_layout(tmp_path / "source", LONG_TAG, IMAGE)
    configure(
        tmp_path,
        "{source: ocidir://source, target: ocidir://mirror, type: repository,"
        f" tags: {{{rule}: [{json.dumps(expression)}]}}}}",
    )
    done = limited("-t 60", tmp_path, "plan", "--detailed-exitcode")
    assert done.code == {"allow": 0, "deny": 2}[rule], done.err


@pytest.mark.parametrize("name", ["$(touch pwned)", "`touch pwned`", "a;touch pwned", "a&touch pwned", "a'b", 'a"b'])
def test_no_name_holds_what_a_shell_would_obey(tmp_path: Path, name: str) -> None:
    """A hook that forgets to quote a name is still none that runs what somebody else chose."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    target = json.dumps(f"ocidir://{name}:v1")
    configure(tmp_path, f"{{source: 'ocidir://source:v1', target: {target}, type: image}}")
    done = transship("once", cwd=tmp_path)
    assert done.code == 1
    assert "malformed: letters, digits, spaces and / _ - . ~ + only" in done.err
    assert not (tmp_path / "pwned").exists()


def test_a_hook_is_handed_a_name_as_one_word(tmp_path: Path) -> None:
    """The layout of a customer whose folders have spaces in their names."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    configure(
        tmp_path,
        "{source: 'ocidir://source:v1', target: 'ocidir://our own mirror:v1', type: image,"
        ' hooks: {post_sync: [{cmd: \'printf "%s|" "$TRANSSHIP_TARGET" > said\'}]}}',
    )
    done = transship("once", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "said").read_text() == "ocidir://our own mirror:v1|"


def test_two_runs_at_once_leave_one_right_mirror(tmp_path: Path) -> None:
    """One of them may be refused by the other's lock, in one line; nothing is lost."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    images.write_layout(tmp_path / "source", "v2", images.multi_platform("index"))
    configure(tmp_path, "{source: ocidir://source, target: ocidir://mirror, type: repository}", state="state.json")
    runs = [
        subprocess.Popen(
            command("once"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [run.communicate()[1] for run in runs]
    assert 0 in {run.returncode for run in runs}
    assert all("Traceback" not in text for text in said)
    assert transship("once", cwd=tmp_path).code == 0
    assert (transship("check", cwd=tmp_path).code, transship("drift", cwd=tmp_path).code) == (0, 0)
    records = json.loads((tmp_path / "state.json").read_bytes())["records"]
    assert sorted(record["target"] for record in records) == ["ocidir://mirror:v1", "ocidir://mirror:v2"]


def test_a_disk_that_is_full_below_a_layout_leaves_what_was_there(tmp_path: Path) -> None:
    """One line, no tag on half an image, nothing left over; with room again, the next run goes on."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    configure(tmp_path, "{source: 'ocidir://source:v1', target: 'ocidir://mirror:v1', type: image}")
    full = limited("-f 100", tmp_path, "once")  # blocks of 1 KiB
    assert full.code == 1
    assert "Traceback" not in full.err
    assert "File too large" in full.out
    index = tmp_path / "mirror/index.json"
    assert not index.exists() or json.loads(index.read_bytes())["manifests"] == []
    assert not [path for path in (tmp_path / "mirror").rglob("*") if ".tmp" in path.name]
    assert transship("once", cwd=tmp_path).code == 0
    assert transship("check", cwd=tmp_path).code == 0
