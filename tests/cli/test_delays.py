"""How it is told that a change waits for its source's quota."""

import io
import logging

import pytest
from rich.console import Console
from rich.progress import Progress

from transship.progress import Bars, Lines
from transship_executor.outcome import Result, Status
from transship_executor.watching import Delay, Watcher
from transship_planner.plans.plan import Action, Change, ConfigPin, Forecast, Plan
from transship_registry.digest import Digest
from transship_registry.quota import Quota
from transship_registry.reference import Reference

CHANGE = Change(
    action=Action.CREATE,
    entry="sync[0]",
    source=Reference.parse("alpine:3"),
    target=Reference.parse("dst.io/alpine:3"),
    reason="the target tag does not exist",
)
PLAN = Plan(
    format_version=1,
    tool_version="0",
    config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
    changes=(CHANGE,),
    forecast=Forecast(transfer=10),
)
LINE = "delaying for rate limit: docker.io has 3 of 100 pulls left, min 20; looking again in 300 s"


def delay(*, is_known: bool = False, limit: int | None = 100) -> Delay:
    """Return a delay."""
    return Delay(Quota(limit, 3), 20, 299.98, is_known)


def tell(watcher: Watcher, *delays: Delay) -> None:
    """Start the change, and delay it."""
    watcher.change_started(CHANGE)
    for each in delays:
        watcher.change_delayed(CHANGE, each)


def test_a_line_says_what_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Once at the usual level; what others wait for as well is for those who debug."""
    logger = logging.getLogger("transship")
    caplog.set_level(logging.DEBUG, logger="transship")
    logger.addHandler(caplog.handler)
    try:
        tell(Lines(), delay(), delay(is_known=True), delay(limit=None))
    finally:
        logger.removeHandler(caplog.handler)
    told = list(dict.fromkeys((record.levelname, record.getMessage()) for record in caplog.records))
    assert told == [
        ("DEBUG", "create dst.io/alpine:3"),
        ("INFO", LINE),
        ("DEBUG", LINE),
        ("INFO", LINE.replace("3 of 100", "3")),
    ]


def test_the_bar_of_a_change_that_waits_is_hidden_until_bytes_move() -> None:
    """There may be hundreds of them; and the line stays above the bars."""
    console = Console(file=io.StringIO(), width=160)
    with Progress(console=console, transient=True) as progress:
        bars = Bars(progress, PLAN)
        tell(bars, delay(), delay(is_known=True))
        assert [task.visible for task in progress.tasks] == [True, False]
        bars.bytes_sent(CHANGE, 10)
        assert [(task.visible, task.completed) for task in progress.tasks] == [(True, 10), (True, 10)]
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(LINE) == 1


def test_why_a_change_is_not_done_is_left_to_the_summary(caplog: pytest.LogCaptureFixture) -> None:
    """One line says that it failed or was left alone, and none that another one failed for the same reason."""
    logger = logging.getLogger("transship")
    caplog.set_level(logging.INFO, logger="transship")
    logger.addHandler(caplog.handler)
    lines, down = Lines(), "connect to dst.io: connection refused"
    ends = [(Status.FAILED, down), (Status.FAILED, down), (Status.FAILED, "403"), (Status.CONFLICT, "it moved")]
    try:
        for status, message in ends:
            lines.change_ended(Result(CHANGE, status, message))
    finally:
        logger.removeHandler(caplog.handler)
    told = list(dict.fromkeys((record.created, record.getMessage()) for record in caplog.records))
    assert [message for _, message in told] == [
        "failed: dst.io/alpine:3 → (absent) (see the summary)",
        "failed: dst.io/alpine:3 → (absent) (see the summary)",
        "conflict: dst.io/alpine:3 → (absent) (see the summary)",
    ]
