"""Where a configuration is read from."""

import gc
from contextlib import suppress
from pathlib import Path

import pytest

from transship_planner.config import load
from transship_planner.config.loader import read_path
from transship_planner.errors import ConfigError
from transship_registry.limits import CONFIG_LIMIT

TEXT = b"sync: [{source: a, target: 'r:1/a', type: image}]\n"


def no_input() -> bytes:
    raise AssertionError("standard input is not to be read")


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    """A path names the file, and messages and marks name it as it was given."""
    path = tmp_path / "mirror.yaml"
    path.write_bytes(TEXT)
    desired = load(str(path), environment={}, stdin=no_input)
    assert desired.file == str(path)
    assert str(desired.entries[0].mark) == f"{path}:1:8"


def test_a_dash_is_standard_input() -> None:
    """`-` reads standard input (semantics B1.1), which messages call <stdin>."""
    desired = load("-", environment={}, stdin=lambda: TEXT)
    assert desired.file == "<stdin>"
    assert str(desired.entries[0].mark) == "<stdin>:1:8"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("nul\0.yaml", "embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_a_configuration_error(tmp_path: Path, name: str, reason: str) -> None:
    """A file that is not there, or is none, is one error that says why."""
    path = f"{tmp_path}/{name}"
    with pytest.raises(ConfigError) as caught:
        load(path, environment={}, stdin=no_input)
    assert str(caught.value) == f"{path}:1:1: the configuration cannot be read: {reason}"


@pytest.mark.parametrize("text", [TEXT, b"sync: 1\n"], ids=["right", "wrong"])
def test_the_garbage_collector_is_left_as_it_was(text: bytes) -> None:
    """Loading puts the collector to rest only while it lasts, and not at all when it rests already."""
    with suppress(ConfigError):
        load("-", environment={}, stdin=lambda: text)
    assert gc.isenabled()
    gc.disable()
    try:
        with suppress(ConfigError):
            load("-", environment={}, stdin=lambda: text)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_more_is_read_than_a_configuration_may_be_long(tmp_path: Path) -> None:
    """A huge file is not read to its end, and refused."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(10 * CONFIG_LIMIT)
    assert len(read_path(str(path))) == CONFIG_LIMIT + 1
    with pytest.raises(ConfigError) as caught:
        load(str(path), environment={}, stdin=no_input)
    assert str(caught.value) == f"{path}:1:1: the file is larger than 16 MiB and is not read"
