"""Files that commands write: whole or not at all, and never in place of something that is no file."""

import errno
import os
import stat
from pathlib import Path

import pytest

from transship.files import replace_file


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The new content stands under the name, alone in its folder."""
    path = tmp_path / "plan.json"
    for content in (b"one", b"two"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["plan.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it points at is replaced."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_device_is_written_to() -> None:
    """A full one is an error, and is still there."""
    with pytest.raises(OSError, match="No space left on device"):
        replace_file(Path("/dev/full"), b"content")
    assert Path("/dev/full").is_char_device()


def test_a_file_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    """A folder that is not there, and a name that is too long for what stands beside it."""
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "plan.json", b"content")
    with pytest.raises(OSError, match="File name too long"):
        replace_file(tmp_path / ("n" * 250), b"content")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """What its owner made private stays so, and what was made public."""
    path = tmp_path / "plan.json"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_file(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


def test_a_new_file_has_the_mode_of_the_process(tmp_path: Path) -> None:
    """As any file that a program writes."""
    replace_file(tmp_path / "one", b"")
    (tmp_path / "two").write_bytes(b"")
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "two").stat().st_mode


def test_the_rights_of_a_group_are_not_given_to_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a group that its writer may not give files to is its owner's alone afterwards."""
    path = tmp_path / "plan.json"
    path.write_bytes(b"old")
    path.chmod(0o664)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
