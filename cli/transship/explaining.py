"""The command why: which entry and rule selects a tag, drops it or renames it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from transship.exits import Exit
from transship.invocation import Invocation
from transship.lifecycles import find_judge
from transship.policies import policies_of
from transship.streams import write_json, write_lines
from transship.wiring import load_config, registries, state_store
from transship_planner.asking import Once
from transship_planner.desired import Desired
from transship_planner.errors import PlanError
from transship_planner.observation.observe import restraint_of
from transship_planner.observation.observed import Policy, Restraint, Trouble, Wish
from transship_planner.why import ListTags, Reason, Witnesses
from transship_planner.why import why as ask
from transship_registry.errors import InvalidReferenceError
from transship_registry.limits import TAGS_FILE_LIMIT
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository, check_tag
from transship_registry.registries import Registries
from transship_registry.regular import read_input
from transship_state.filestore import FileStore


async def why(invocation: Invocation, text: str, *, tags_from: Path | None, form: str, state_file: Path | None) -> int:
    """Print what every entry says of a tag; without a file of tags, the source registries are asked for theirs."""
    reference = _tag_reference(text)
    listed = _read_tags(tags_from) if tags_from else None
    desired = load_config(invocation)
    if listed is not None:
        reasons = await ask(desired, reference, Witnesses(listed))
    else:
        async with registries(desired) as opened:
            restraints = _Restraints(desired, opened, state_store(desired, state_file))
            witnesses = Witnesses(opened.list_tags, opened.inventory, opened.head_manifest, restraints.of)
            reasons = await ask(desired, reference, witnesses)
    if form == "json":
        write_json(_as_json(reference, reasons))
    else:
        write_lines(_as_text(reference, reasons))
    return Exit.OK if _is_selected(reasons) else Exit.ERROR


class _Restraints:
    """Tells whether a change is held or blocked now; what that depends on is learnt when it is first needed."""

    def __init__(self, desired: Desired, opened: Registries, store: FileStore | None) -> None:
        self._desired = desired
        self._opened = opened
        self._store = store
        self._policies = Once[None, tuple[Policy, ...]](self._learn)

    async def of(self, wish: Wish) -> Restraint | Trouble | None:
        """Ask both sides of a wish whose entry has a `min_age` or a lifecycle."""
        if not wish.entry.min_age_s and wish.entry.lifecycle is None:
            return None
        return await restraint_of(wish, self._opened, await self._policies(None))

    async def _learn(self, _: None) -> tuple[Policy, ...]:
        state = self._store.read() if self._store else None
        return policies_of(await find_judge(self._desired, self._opened), state, keeps_state=self._store is not None)


def _tag_reference(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference.digest is not None:
        raise InvalidReferenceError(f"{text!r} names a digest; entries select tags: name the tag alone")
    return reference


def _read_tags(path: Path) -> ListTags:
    """Read tags, one a line; what begins with # is a remark."""
    try:
        lines = read_input(path, TAGS_FILE_LIMIT).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PlanError(f"{path}: cannot read the tags: {reason}") from error
    written = (line.strip() for line in lines)
    listed = TagList(tuple(check_tag(tag) for tag in written if tag and not tag.startswith("#")))

    async def list_tags(repository: Repository) -> TagList:
        return listed

    return list_tags


def _is_selected(reasons: tuple[Reason, ...]) -> bool:
    return any(reason.selected for reason in reasons)


def _as_text(reference: Reference, reasons: tuple[Reason, ...]) -> Iterator[str]:
    if not reasons:
        yield f"{reference} is not selected: no entry has it, or its repository, as source or target."
        return
    verdict = "is selected" if _is_selected(reasons) else "is not selected"
    counts = Counter(reason.problem for reason in reasons if reason.problem)
    shared = [problem for problem, count in counts.items() if count > 1]
    yield f"{reference} {verdict}."
    for reason in reasons:
        if reason.problem not in shared:
            yield from ("", _title(reason), *(f"  {line}" for line in reason.lines()))
    for problem in shared:
        yield from ("", _problem(problem, reasons))


def _problem(problem: str, reasons: Iterable[Reason]) -> str:
    """Say once why several entries could not be asked."""
    entries = ", ".join(f"{reason.entry.name} ({reason.entry.mark})" for reason in reasons if reason.problem == problem)
    return f"problem: {problem}; not looked at: {entries}"


def _title(reason: Reason) -> str:
    found = f"selected, {reason.source} → {reason.target}" if reason.selected else "not selected"
    return f"{reason.entry.name} ({reason.entry.mark}): {found}"


def _as_json(reference: Reference, reasons: tuple[Reason, ...]) -> dict[str, object]:
    return {
        "reference": str(reference),
        "selected": _is_selected(reasons),
        "entries": [_reason(reason) for reason in reasons],
    }


def _reason(reason: Reason) -> dict[str, object]:
    explanation = reason.explanation
    place = explanation.place if explanation else None
    return {
        "entry": reason.entry.name,
        "file": reason.entry.mark.file,
        "line": reason.entry.mark.line,
        "role": reason.role.value,
        "source": str(reason.source) if reason.source else None,
        "target": str(reason.target) if reason.target else None,
        "selected": reason.selected,
        "listed": explanation.listed if explanation else None,
        "sets": [
            {"step": verdict.step.value, "rules": list(verdict.rules), "message": str(verdict)}
            for verdict in (explanation.verdicts if explanation else ())
        ],
        "keep_last": {"rank": place.rank, "group": place.group} if place else None,
        "traps": [
            {"trap": found.trap.value, "message": found.message} for found in (explanation.traps if explanation else ())
        ],
        "notes": list(reason.notes),
    }
