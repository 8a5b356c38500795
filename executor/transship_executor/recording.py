"""Write what was applied into the state, one change after the other, each before it counts as done."""

from collections.abc import Callable, Sequence

from transship_executor.outcome import Result, Status
from transship_planner.plans.plan import Change, StatePin, Version
from transship_registry.digest import Digest
from transship_state.document import Origin, Record, State
from transship_state.errors import LineageError
from transship_state.filestore import FileStore


class StateRecorder:
    """Keeps the state file up to date while a plan is applied; the caller holds the state's lock."""

    def __init__(
        self, store: FileStore, state: State, *, plan: Digest, tool_version: str, now: Callable[[], str]
    ) -> None:
        self._store = store
        self._state = state
        self._plan = plan
        self._tool_version = tool_version
        self._now = now
        self._known = {record.target: record for record in state.records}
        self._sights = state.first_sights()
        self._found: list[Record] = []

    def record(self, result: Result) -> None:
        """Record that the target is as planned; raises `StateError` when that cannot be written.

        What was written is recorded before this returns. What was so already is recorded with it, or by `close`: the
        next run would find it again.
        """
        change = result.change
        assert change.after is not None
        assert change.source_digest is not None
        known = self._known.get(change.target)
        if result.status is Status.DONE:
            self._write([*self._found, self._record(change, change.after, change.source_digest, Origin.APPLIED)])
        elif known is None or not known.says(change.source, change.source_digest, change.after.digest):
            self._found.append(self._record(change, change.after, change.source_digest, Origin.FOUND))

    def close(self) -> None:
        """Write what is not written yet; raises `StateError`."""
        if self._found:
            self._write(self._found)

    def _record(self, change: Change, after: Version, source_digest: Digest, origin: Origin) -> Record:
        now = self._now()
        return Record(
            target=change.target,
            source=change.source,
            source_digest=source_digest,
            target_digest=after.digest,
            media_type=after.media_type,
            entry=change.entry,
            plan=self._plan,
            first_seen=self._sights.setdefault((change.source, source_digest), now),
            applied=now,
            platforms=change.platforms,
            origin=origin,
        )

    def _write(self, records: Sequence[Record]) -> None:
        self._state = self._state.with_records(records, self._tool_version)
        self._store.write(self._state)
        self._known |= {record.target: record for record in records}
        self._found = []


def begin(store: FileStore, pin: StatePin, *, tool_version: str) -> State:
    """Return the state to record into, if the plan was made against it; the caller holds the lock.

    A plan that was made on no state founds one, with its nonce as lineage, and may go on with just that one: so it
    cannot be replayed into another world. Raises `LineageError`.
    """
    state = store.read()
    lineage = pin.lineage or pin.nonce
    if state is None:
        if pin.lineage:
            raise LineageError(
                f"{store.path}: the plan was made against state {pin.lineage}, but there is no state here; "
                "name the right file with --state, or plan again"
            )
        return State(lineage=lineage, serial=0, tool_version=tool_version)
    if state.lineage != lineage:
        raise LineageError(
            f"{store.path}: the plan was made against state {lineage}, but this is {state.lineage}; "
            "name the right file with --state, or plan again"
        )
    if state.serial < pin.serial:
        raise LineageError(
            f"{store.path}: the plan was made against serial {pin.serial} of the state, but this is {state.serial}: "
            "an older copy was put in its place; restore the newer one, or plan again"
        )
    return state
