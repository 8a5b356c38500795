"""Options of the whole test suite, and which tests run."""

import signal
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from transship_registry.secret import forget_all

# How long an example takes says how busy the machine is, and nothing about the code.
# By day the examples are the same for everybody; at night others are searched (`--hypothesis-profile=search`).
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("house", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("house")

_LEFT_OUT: Final = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden` and `--nightly`."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; review the diff")
    parser.addoption("--nightly", action="store_true", help="run the tests marked nightly, and only these")


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing left out."""
    config.stash[_LEFT_OUT] = set()


@pytest.fixture(scope="session", autouse=True)
def _no_signal_is_ignored() -> None:
    """Let programs under test begin as in a terminal: they would ignore what `nohup` or a script had us ignore."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test_is_known() -> None:
    """Let messages be judged by the secrets of their own test: a password of another one may be a word of theirs."""
    forget_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, or all but that."""
    long = [item for item in items if item.get_closest_marker("nightly")]
    short = [item for item in items if not item.get_closest_marker("nightly")]
    wanted, left_out = (long, short) if config.getoption("--nightly") else (short, long)
    config.hook.pytest_deselected(items=left_out)
    items[:] = wanted
    if left_out is long:
        config.stash[_LEFT_OUT] |= {item.nodeid for item in long}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this one, if pytest-xdist did, what was left out."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        left_out = session.config.stash[_LEFT_OUT]
        output["left_out"] = sorted(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Hear from a worker of pytest-xdist what it left out, which is the same for each."""
    config: pytest.Config = getattr(node, "config")  # noqa: B009 - xdist has no types
    output: dict[str, list[str]] = getattr(node, "workeroutput", {})
    config.stash[_LEFT_OUT] |= set(output.get("left_out", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in one line what was left out: nothing is skipped silently."""
    if count := len(config.stash[_LEFT_OUT]):
        terminalreporter.write_line(f"{count} tests that take minutes did not run: `make nightly` runs them")
