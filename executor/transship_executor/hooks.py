"""Run the hooks of a configuration when their time has come, and tell them what was done (semantics A9)."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from transship_executor.commands import run_command
from transship_executor.outcome import HookFailure, Outcome, Result, Status
from transship_executor.scratch import scratch_folder
from transship_planner.desired import Entry, Hook
from transship_planner.plans.plan import Action, Plan
from transship_registry.digest import Digest

ENTRY: Final = "TRANSSHIP_ENTRY"
SOURCE: Final = "TRANSSHIP_SOURCE"
TARGET: Final = "TRANSSHIP_TARGET"
STATUS: Final = "TRANSSHIP_STATUS"
COPIED: Final = "TRANSSHIP_COPIED"
FAILED: Final = "TRANSSHIP_FAILED"
PLAN: Final = "TRANSSHIP_PLAN"
IMAGES_FILE: Final = "TRANSSHIP_IMAGES_FILE"

_LAST: Final = "sync"
_FAILURES: Final = frozenset({Status.FAILED, Status.CONFLICT})


class HookWatcher(Protocol):
    """Somebody who is told what hooks do; methods must return at once."""

    def hook_started(self, place: str) -> None:
        """A hook is started."""
        ...

    def hook_said(self, name: str, line: str) -> None:
        """A hook has written a line to its standard output or error."""
        ...

    def hook_failed(self, failure: HookFailure, *, tolerated: bool) -> None:
        """A hook has failed; when that is tolerated, the run may still be a success."""
        ...


@dataclass(frozen=True, slots=True)
class _Occasion:
    """What a list of hooks runs for: an entry, or the whole run, when there is no scope."""

    name: str
    source: str
    target: str
    copied: Sequence[str]
    failed: int
    is_success: bool


class Hooks:
    """The hooks of one run of a plan: those of `entries`, and those that run `last`.

    An entry with several targets is among the entries once for each, all by one name: its hooks run once for all of
    them. `environment` is what they inherit. In a list of hooks each waits for the one before; one that fails ends the
    list, unless its failure is tolerated. What the plan refuses, or could not plan, counts as failed.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        last: Sequence[Hook],
        *,
        plan: Plan,
        digest: Digest,
        environment: Mapping[str, str],
        watcher: HookWatcher,
    ) -> None:
        self._entries: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.post_sync:
                self._entries.setdefault(entry.name, []).append(entry)
        self._last = last
        self._digest = digest
        blocked = (change.entry for change in plan.changes if change.action is Action.BLOCKED)
        self._undone = Counter((*blocked, *(problem.entry for problem in plan.problems)))
        self._environment = environment
        self._watcher = watcher
        self._begun: set[str] = set()
        self._failures: dict[str, HookFailure] = {}

    async def after_entry(self, name: str, results: Sequence[Result]) -> None:
        """Run the hooks of an entry, if something of it was copied without an error."""
        copies = self._entries.get(name)
        copied = _copied(results)
        if copies is None or not copied:
            return
        self._begun.add(name)
        failed = _failed(results) + self._undone[name]
        source, target = str(copies[0].scope.source), "\n".join(str(each.scope.target) for each in copies)
        await self._run_list(name, copies[0].post_sync, _Occasion(name, source, target, copied, failed, not failed))

    async def after_all(self, outcome: Outcome) -> Outcome:
        """Run the hooks that come last, unless the run was interrupted; return the outcome with what hooks add to it.

        Cancelling the task interrupts the run, as it does while images are copied.
        """
        interrupted = outcome.interrupted
        if interrupted:
            self._note_what_did_not_run(outcome)
        else:
            failed = _failed(outcome.results) + self._undone.total()
            is_success = not failed and not self._failures
            occasion = _Occasion("", "", "", _copied(outcome.results), failed, is_success)
            try:
                await self._run_list(_LAST, self._last, occasion)
            except asyncio.CancelledError:
                interrupted = True
        order = (*self._entries, _LAST)
        failures = tuple(self._failures[name] for name in order if name in self._failures)
        return replace(outcome, interrupted=interrupted, failed_hooks=failures)

    def _note_what_did_not_run(self, outcome: Outcome) -> None:
        """Note the entries of which something was copied, and that were not yet done: no later run makes up for it."""
        copied = {result.change.entry for result in outcome.results if result.status is Status.DONE}
        for name, copies in self._entries.items():
            if name in copied - self._begun:
                self._fail(name, 0, copies[0].post_sync, "not run, because the run was interrupted")

    async def _run_list(self, owner: str, hooks: Sequence[Hook], occasion: _Occasion) -> None:
        for position, hook in enumerate(hooks):
            self._watcher.hook_started(_place(owner, position, hook))
            try:
                message = await self._run(hook, _name(owner, position), occasion)
            except asyncio.CancelledError:
                self._fail(owner, position, hooks, "interrupted")
                raise
            if message and hook.continue_on_error:
                self._watcher.hook_failed(HookFailure(_place(owner, position, hook), message), tolerated=True)
            elif message:
                self._fail(owner, position, hooks, message)
                return

    def _fail(self, owner: str, position: int, hooks: Sequence[Hook], message: str) -> None:
        more = len(hooks) - position - 1
        if more:
            message = f"{message}; {more} more after it {'was' if more == 1 else 'were'} not run"
        failure = self._failures[owner] = HookFailure(_place(owner, position, hooks[position]), message)
        self._watcher.hook_failed(failure, tolerated=False)

    async def _run(self, hook: Hook, name: str, occasion: _Occasion) -> str:
        """Run one hook, and return why it failed; nothing when it did not.

        What was copied is in a file: the kernel lets no variable be longer than 128 KiB (execve(2), MAX_ARG_STRLEN).
        """
        try:
            with scratch_folder("hook") as folder:
                images = folder / "images"
                images.write_text("".join(f"{image}\n" for image in occasion.copied), encoding="utf-8")
                return await run_command(
                    hook.cmd,
                    environment={**self._environment, **self._variables(occasion), IMAGES_FILE: str(images)},
                    timeout_s=hook.timeout_s,
                    say=lambda line: self._watcher.hook_said(name, line),
                )
        except OSError as error:
            return f"the list of images cannot be written: {error.strerror}"

    def _variables(self, occasion: _Occasion) -> dict[str, str]:
        return {
            ENTRY: occasion.name,
            SOURCE: occasion.source,
            TARGET: occasion.target,
            STATUS: "ok" if occasion.is_success else "failed",
            COPIED: str(len(occasion.copied)),
            FAILED: str(occasion.failed),
            PLAN: str(self._digest),
        }


def _copied(results: Iterable[Result]) -> tuple[str, ...]:
    """Name what was copied in this run: each target tag with its digest, also where only what it lacked was brought."""
    return tuple(
        str(result.change.target.expecting(result.change.after.digest))
        for result in results
        if result.status is Status.DONE and result.change.after is not None
    )


def _failed(results: Iterable[Result]) -> int:
    return sum(result.status in _FAILURES for result in results)


def _name(owner: str, position: int) -> str:
    return f"{owner}.hooks.post_sync[{position}]"


def _place(owner: str, position: int, hook: Hook) -> str:
    return f"{hook.mark}: {_name(owner, position)}" if hook.mark else _name(owner, position)
