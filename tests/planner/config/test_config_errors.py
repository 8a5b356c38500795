"""What is wrong with a configuration is said completely, at its place, in words that are kept beside each example."""

from pathlib import Path

import pytest

from transship_planner.config import loads
from transship_planner.errors import ConfigError

CASES = sorted(path.parent.name for path in Path(__file__).parent.glob("errors/*/config.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_wrong_configuration_is_refused_with_every_error(case: str, request: pytest.FixtureRequest) -> None:
    """A configuration that is wrong gives the errors of expected.txt, each with its file, line and column."""
    folder = Path(__file__).parent / "errors" / case
    with pytest.raises(ConfigError) as caught:
        loads((folder / "config.yaml").read_bytes(), file="config.yaml", environment={})
    if request.config.getoption("--update-golden", default=False):
        (folder / "expected.txt").write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == (folder / "expected.txt").read_text()


def test_the_cases_are_found() -> None:
    """The folder of examples is there: a test over no cases proves nothing."""
    assert len(CASES) >= 40
