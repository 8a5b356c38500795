"""What a plan says in the same words about several targets, said once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from transship_planner.plans.plan import Action, Change
from transship_registry.reference import Reference

_RISK: Final = "risk"


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about targets of one entry; `kind` is the action that it explains, or `risk`."""

    kind: str
    entry: str
    text: str
    targets: tuple[Reference, ...]


def remarks(changes: Sequence[Change]) -> tuple[Remark, ...]:
    """Return why changes, which are in the order of people, are blocked and held, and then what the others risk."""
    said = [*_reasons(changes, Action.BLOCKED), *_reasons(changes, Action.HELD), *_risks(changes)]
    gathered: dict[tuple[str, str, str], list[Reference]] = {}
    for kind, change, text in said:
        gathered.setdefault((kind, change.entry, text), []).append(change.target)
    return tuple(Remark(kind, entry, text, tuple(targets)) for (kind, entry, text), targets in gathered.items())


def _reasons(changes: Iterable[Change], action: Action) -> Iterator[tuple[str, Change, str]]:
    return ((action.value, change, change.reason) for change in changes if change.action is action)


def _risks(changes: Iterable[Change]) -> Iterator[tuple[str, Change, str]]:
    return ((_RISK, change, risk) for change in changes for risk in change.risks)
