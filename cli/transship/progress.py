"""How an apply shows its progress: bars on a terminal, plain lines elsewhere; always on standard error."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from transship.invocation import LOG
from transship.streams import our_controls
from transship_executor.outcome import Result, Status
from transship_executor.watching import Delay, Watcher
from transship_planner.plans.plan import Change, Plan
from transship_planner.render.wording import digests, size
from transship_registry.presentable import presentable
from transship_registry.quota import left

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_Stream: TypeAlias = "logging.StreamHandler[TextIO]"


@contextmanager
def watching(plan: Plan, *, colors: bool) -> Generator[Watcher]:
    """Show the progress of a plan while the context lasts."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    console = Console(file=our_controls(sys.stderr), no_color=not colors)
    with Progress(*columns, console=console, transient=True) as progress, _log_above_bars():
        yield Bars(progress, plan)


@contextmanager
def _log_above_bars() -> Generator[None]:
    """Send log lines to where rich shows them above the bars, which it does with all that goes to `sys.stderr`."""
    handlers = [cast(_Stream, handler) for handler in LOG.handlers if isinstance(handler, logging.StreamHandler)]
    streams = [handler.stream for handler in handlers]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)


class Failures:
    """Why changes of a run have failed so far."""

    def __init__(self) -> None:
        self._messages: set[str] = set()

    def has(self, result: Result) -> bool:
        """Whether a change has failed for a reason for which another one has failed before."""
        if result.status is not Status.FAILED:
            return False
        is_known = result.message in self._messages
        self._messages.add(result.message)
        return is_known


class Lines:
    """One line for each change that has ended."""

    def __init__(self) -> None:
        self._failures = Failures()

    def change_started(self, change: Change) -> None:
        """Say nothing at the usual log level."""
        LOG.debug("%s %s", change.action.value, change.target)

    def change_delayed(self, change: Change, delay: Delay) -> None:
        """Say what is waited for, at the usual log level once for all that wait for it."""
        fields = {
            "source-remain": delay.quota.remaining,
            "source-limit": delay.quota.limit,
            "step-min": delay.least,
            "sleep": round(delay.again_s),
        }
        level = logging.DEBUG if delay.is_known else logging.INFO
        LOG.log(level, "%s", waiting(change, delay), extra={"fields": fields})

    def bytes_sent(self, change: Change, count: int) -> None:
        """Say nothing."""

    def change_ended(self, result: Result) -> None:
        """Say how the change ended, but not what the summary says of it."""
        is_told = result.status is Status.SKIPPED or self._failures.has(result)
        LOG.log(logging.DEBUG if is_told else logging.INFO, "%s", ending(result))


class Bars:
    """One bar for the whole plan, and one for each change under way.

    The whole is what was foretold: of a change that has ended nothing is left, though it may have sent less.
    """

    def __init__(self, progress: "Progress", plan: Plan) -> None:
        self._progress = progress
        self._all = plan.forecast.transfer
        self._total = progress.add_task("in all", total=self._all)
        self._bars: dict[str, TaskID] = {}
        self._sent = 0
        self._behind = 0
        self._failures = Failures()

    def change_started(self, change: Change) -> None:
        """Show a bar for the change."""
        shown = presentable(str(change.target))
        self._bars[str(change.target)] = self._progress.add_task(shown, total=change.transfer or None)

    def change_delayed(self, change: Change, delay: Delay) -> None:
        """Hide the change's bar until bytes move, and say what is waited for, once for all that wait for it."""
        self._progress.update(self._bars[str(change.target)], visible=False)
        if not delay.is_known:
            self._progress.console.print(presentable(waiting(change, delay)), markup=False, highlight=False)

    def bytes_sent(self, change: Change, count: int) -> None:
        """Move the change's bar, and that of the whole."""
        self._progress.update(self._bars[str(change.target)], advance=count, visible=True)
        self._sent += count
        self._show_total()

    def change_ended(self, result: Result) -> None:
        """Replace the bar by a line, but not by what the summary says of the change."""
        self._progress.remove_task(self._bars.pop(str(result.change.target)))
        self._behind += result.change.transfer
        self._show_total()
        if result.status is not Status.SKIPPED and not self._failures.has(result):
            self._progress.console.print(presentable(ending(result)), markup=False, highlight=False)

    def _show_total(self) -> None:
        """Never go back: one change may send what another one was to bring, or send it again."""
        self._progress.update(self._total, completed=min(self._all, max(self._sent, self._behind)))


def waiting(change: Change, delay: Delay) -> str:
    """Return what a change waits for, in one line."""
    return (
        f"delaying for rate limit: {change.source.repository.registry} has "
        f"{left(delay.quota.remaining, delay.quota.limit)} pulls left, min {delay.least}; "
        f"looking again in {delay.again_s:.0f} s"
    )


def ending(result: Result) -> str:
    """Return how a change ended, in one line; why one is not done is for the summary to say."""
    change = result.change
    if result.status in {Status.CONFLICT, Status.FAILED}:
        return f"{result.status.value}: {change.target} {digests(change)} (see the summary)"
    line = f"{result.status.value}: {change.target} {digests(change)}"
    if result.message:
        return f"{line}: {result.message}"
    return f"{line} ({size(result.traffic.sent)} sent)" if result.traffic.is_any else line
