"""The command migrate, run as a program."""

import json
import os
from pathlib import Path

import pytest

from support.program import transship
from transship.main import ForeignTool
from transship_planner.migrate import Tool

SKOPEO = """\
quay.io:
  credentials: {username: robot, password: hunter2-secret}
  images:
    coreos/etcd: [latest]
"""
EXPECTED = """\
# Made by transship migrate from sync.yml, in skopeo sync's format.
# A line with 'note:' says what differs from there, or could not be carried over.
# note: skopeo sync copies one platform of an image, that of the machine it runs on, unless it is given --all; here \
all are mirrored: add 'platform' to an entry for one
version: 1
creds:
  # from quay.io (line 1)
  # note: the login for quay.io is not copied: set QUAY_IO_USER and QUAY_IO_PASSWORD in the environment, or remove \
'user' and 'pass' here and use docker login
  - registry: quay.io
    user: '{{env "QUAY_IO_USER"}}'
    pass: '{{env "QUAY_IO_PASSWORD"}}'
sync:
  # from quay.io.images.coreos/etcd (line 4)
  - source: quay.io/coreos/etcd:latest
    target: mirror.example.com/etcd:latest
    type: image
"""
WARNINGS = """\
warning: sync.yml:1:1: skopeo sync copies one platform of an image, that of the machine it runs on, unless it is given \
--all; here all are mirrored: add 'platform' to an entry for one
warning: sync.yml:2:16: the login for quay.io is not copied: set QUAY_IO_USER and QUAY_IO_PASSWORD in the environment, \
or remove 'user' and 'pass' here and use docker login
"""
GUESSED = "sync.yml is read in skopeo sync's format; name another with --from.\n"
TO = ("--to", "mirror.example.com")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file of skopeo's."""
    (tmp_path / "sync.yml").write_text(SKOPEO)
    return tmp_path


def test_the_result_goes_to_standard_output(folder: Path) -> None:
    """The new file is all there is on standard output; the guess and the warnings go to standard error."""
    done = transship("migrate", "sync.yml", *TO, cwd=folder)
    assert (done.code, done.out, done.err) == (0, EXPECTED, GUESSED + WARNINGS)
    (folder / "transship.yaml").write_text(done.out)
    variables = {"QUAY_IO_USER": "robot", "QUAY_IO_PASSWORD": "x"}
    assert transship("validate", cwd=folder, env=variables).out == (
        "transship.yaml is valid: regsync's format, 1 entry, 0 warnings.\n"
    )


def test_a_tool_that_is_named_is_not_guessed(folder: Path) -> None:
    """With --from nothing is said about a guess."""
    done = transship("migrate", "--from", "skopeo", *TO, "sync.yml", cwd=folder)
    assert (done.code, done.out, done.err) == (0, EXPECTED, WARNINGS)


def test_the_result_goes_to_a_file(folder: Path) -> None:
    """-o writes the file, says what is in it, and leaves nothing else behind."""
    done = transship("migrate", "sync.yml", *TO, "-o", "new.yaml", cwd=folder)
    told = (
        "new.yaml has 1 entry. Try it with: transship plan -c new.yaml\n"
        "It asks for these environment variables: QUAY_IO_USER, QUAY_IO_PASSWORD\n"
    )
    assert (done.code, done.out, done.err) == (0, "", GUESSED + WARNINGS + told)
    assert (folder / "new.yaml").read_text() == EXPECTED
    assert sorted(os.listdir(folder)) == ["new.yaml", "sync.yml"]


def test_a_file_that_is_there_is_kept(folder: Path) -> None:
    """Without --force, the file stays as it is and nothing is read; with it, it is replaced."""
    (folder / "new.yaml").write_text("mine\n")
    done = transship("migrate", "sync.yml", *TO, "-o", "new.yaml", cwd=folder)
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: new.yaml:1:1: the file is there already; give --force to replace it\n"
    assert (folder / "new.yaml").read_text() == "mine\n"
    assert transship("migrate", "sync.yml", *TO, "-o", "new.yaml", "--force", cwd=folder).code == 0
    assert (folder / "new.yaml").read_text() == EXPECTED


def test_a_dangling_link_is_kept(folder: Path) -> None:
    """A link is followed: what it leads to is written, and the link stays."""
    (folder / "new.yaml").symlink_to("real.yaml")
    assert transship("migrate", "sync.yml", *TO, "-o", "new.yaml", cwd=folder).code == 0
    assert (folder / "new.yaml").is_symlink()
    assert (folder / "real.yaml").read_text() == EXPECTED


def test_a_file_that_cannot_be_written(folder: Path) -> None:
    """Exit 1, and the reason."""
    done = transship("migrate", "--from", "skopeo", "sync.yml", *TO, "-o", "none/new.yaml", cwd=folder)
    assert done.code == 1
    assert done.err == WARNINGS + "error: none/new.yaml:1:1: the file cannot be written: No such file or directory\n"


def test_nothing_is_written_when_something_is_wrong(folder: Path) -> None:
    """Exit 1 with every mistake, and no file."""
    (folder / "sync.yml").write_text("quay.io: {imags: {}, images: {x: ['>1']}}\n")
    done = transship("migrate", "sync.yml", *TO, "-o", "new.yaml", cwd=folder)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: sync.yml:1:11: unknown key 'imags' in quay.io; did you mean 'images'?\n"
        "error: sync.yml:1:35: quay.io.images.x[0]: tag '>1' is malformed: expected up to 128 letters, digits, _ . -, "
        "and none of . - first; version ranges stand under 'images-by-semver'\n"
    )
    assert os.listdir(folder) == ["sync.yml"]


def test_standard_input(folder: Path) -> None:
    """A file may come from standard input, which has a name in messages."""
    done = transship("migrate", "-", *TO, cwd=folder, stdin="quay.io: {images: {x: 1}}\n")
    assert (done.code, done.err) == (1, "error: <stdin>:1:23: quay.io.images.x: expected a list, found a string\n")


def test_a_file_that_is_not_there(folder: Path) -> None:
    """Exit 1, and the reason."""
    done = transship("migrate", "none.yml", cwd=folder)
    assert (done.code, done.err) == (1, "error: none.yml:1:1: the file cannot be read: No such file or directory\n")


def test_logins_from_another_file(folder: Path) -> None:
    """Two files of image-syncer become one, and warnings are data for machines."""
    (folder / "images.json").write_text('{"quay.io/coreos/etcd:v3": "registry.example.com/etcd"}')
    (folder / "auth.json").write_text('{"registry.example.com": {"username": "a", "password": "hunter2-secret"}}')
    done = transship("migrate", "images.json", "--auth", "auth.json", "--logopt", "json", cwd=folder)
    assert done.code == 0
    assert "hunter2" not in done.out + done.err
    assert "    user: '{{env \"REGISTRY_EXAMPLE_COM_USER\"}}'\n" in done.out
    assert [json.loads(line)["msg"] for line in done.err.splitlines()] == [
        "images.json is read in image-syncer's format; name another with --from.",
        "auth.json:1:26: the login for registry.example.com is not copied: set REGISTRY_EXAMPLE_COM_USER and "
        "REGISTRY_EXAMPLE_COM_PASSWORD in the environment, or remove 'user' and 'pass' here and use docker login",
    ]


def test_every_tool_can_be_named() -> None:
    """The choices of --from, which help shows without loading the planner, are the planner's tools."""
    assert [tool.value for tool in ForeignTool] == [tool.value for tool in Tool]
