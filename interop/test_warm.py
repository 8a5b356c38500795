"""A run that is forked is a run like one that is started: the same exit code, output, environment and folder."""

from pathlib import Path

import pytest
from interop.warm import Warm

from support.program import transship

CONFIG = """\
version: 1
sync:
  - {source: 'ocidir://there/app:v1', target: 'ocidir://{{ env "NAME" | default "nowhere" }}:v1', type: image}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "env"),
    [
        (("--version",), 0, {}),
        (("config", "-c", "mirror.yaml"), 0, {"NAME": "here"}),
        (("config", "-c", "mirror.yaml"), 0, {}),
        (("validate", "-c", "absent.yaml"), 1, {}),
        (("check", "--format", "json", "-c", "mirror.yaml"), 1, {}),
        (("once", "--no-such-option"), 1, {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_forked_run_is_as_one_that_is_started(
    arguments: tuple[str, ...], code: int, env: dict[str, str], tmp_path: Path, warm: Warm
) -> None:
    """Nothing of the runs before is left in it."""
    (tmp_path / "mirror.yaml").write_text(CONFIG)
    forked = warm.transship(*arguments, cwd=tmp_path, env=env)
    assert forked == transship(*arguments, cwd=tmp_path, env=env)
    assert forked.code == code


def test_a_run_that_crashes_ends_with_an_exit_code_of_its_own(tmp_path: Path, warm: Warm) -> None:
    """The process that has loaded transship stays, and serves the next."""
    crashed = warm.transship("--version", cwd=tmp_path / "absent")
    assert (crashed.code, crashed.out) == (70, "")
    assert warm.transship("--version", cwd=tmp_path).code == 0
