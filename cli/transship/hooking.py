"""Hooks on the command line: whether they run, with which environment, and where one sees what they do."""

import os

from transship.invocation import LOG
from transship_executor.hooks import Hooks
from transship_executor.outcome import HookFailure
from transship_planner.desired import Desired
from transship_planner.plans.planfile import PlanFile


def hooks_of(desired: Desired | None, saved: PlanFile, *, wanted: bool) -> Hooks:
    """Return the hooks of the configuration that the plan was made from; none without one, or when they are not wanted.

    They inherit the environment of this process.
    """
    if desired is None and wanted:
        LOG.info("There is no configuration here, so that no hooks are run.")
    entries, last = (desired.entries, desired.post_sync) if desired is not None and wanted else ((), ())
    return Hooks(entries, last, plan=saved.plan, digest=saved.digest, environment=dict(os.environ), watcher=HookLines())


class HookLines:
    """What hooks do, as log lines: standard output is for results."""

    def hook_started(self, place: str) -> None:
        """Say which hook is run."""
        LOG.info("hook: %s", place)

    def hook_said(self, name: str, line: str) -> None:
        """Say what it says, with its name in front."""
        LOG.info("%s: %s", name, line)

    def hook_failed(self, failure: HookFailure, *, tolerated: bool) -> None:
        """Say how it failed."""
        if tolerated:
            LOG.warning("hook failed: %s (continue_on_error)", failure)
        else:
            LOG.error("hook failed: %s", failure)
