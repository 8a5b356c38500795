"""The plan file: a plan in canonical JSON (RFC 8785) that carries its own digest (docs/plan-file.md).

`created_at`, `digest` and `signatures` are members beside the plan's own and outside of the digest.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import rfc8785

from transship_planner.errors import ForeignPlanError, PlanError, TamperedPlanError
from transship_planner.plans.plan import FORMAT_VERSION, Plan
from transship_registry.codec import from_builtins, to_builtins
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.regular import open_input

_OUTSIDE: Final = ("created_at", "digest", "signatures")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan as it was saved; `created_at` is a time in RFC 3339."""

    plan: Plan
    digest: Digest
    created_at: str


def plan_digest(plan: Plan) -> Digest:
    """Return the digest of a plan: of its canonical JSON."""
    return Digest.of(rfc8785.dumps(to_builtins(plan)))


def save(plan: Plan, *, created_at: str) -> PlanFile:
    """Seal a plan with its digest."""
    return PlanFile(plan, plan_digest(plan), created_at)


def encode(saved: PlanFile) -> bytes:
    """Return the bytes of the plan file: canonical JSON and a line end."""
    outside: dict[str, Any] = {"created_at": saved.created_at, "digest": str(saved.digest), "signatures": []}
    document: dict[str, Any] = {**to_builtins(saved.plan), **outside}
    return rfc8785.dumps(document) + b"\n"


def read(path: Path) -> PlanFile:
    """Read and verify a plan file; raises `PlanError`, or `TamperedPlanError` when its digest does not match."""
    try:
        with open_input(path) as file:
            data = file.read()
    except OSError as error:
        raise PlanError(f"{path}: cannot read the plan file: {error.strerror}") from error
    return decode(data, str(path))


def decode(data: bytes, name: str) -> PlanFile:
    """Read and verify the bytes of a plan file; `name` stands for the file in errors."""
    document = _parse(data, name)
    outside = {member: document.pop(member, None) for member in _OUTSIDE}
    digest = _verify(document, outside["digest"], name)
    try:
        plan = from_builtins(document, Plan)
    except (msgspec.ValidationError, InvalidReferenceError) as error:
        raise PlanError(f"{name}: this is no plan that transship can read: {error}") from error
    _check_targets(plan, name)
    return PlanFile(plan, digest, str(outside["created_at"] or ""))


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data, object_pairs_hook=_members)
    except _RepeatedMemberError as error:
        raise TamperedPlanError(
            f"{name}: the member {error.member!r} is there twice, so readers may disagree about what was approved; "
            f"nothing was contacted; make a new plan with `transship plan -o {name}`"
        ) from error
    except ValueError as error:
        raise PlanError(f"{name}: this is no plan file: not JSON ({error})") from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanError(f"{name}: this is no plan file: expected an object with format_version, digest and changes")
    members = cast(dict[str, Any], document)
    version = members["format_version"]
    if version != FORMAT_VERSION:
        raise PlanError(
            f"{name}: plan format {version!r} is not supported, expected {FORMAT_VERSION}; "
            "apply it with the version of transship that made it, or plan again"
        )
    return members


class _RepeatedMemberError(ValueError):
    """An object of a JSON text that has a member twice."""

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(member for member, _ in pairs)
        raise _RepeatedMemberError(next(member for member, count in counts.items() if count > 1))
    return found


def _check_targets(plan: Plan, name: str) -> None:
    """Refuse a plan with two changes of one target: what it makes of that depended on which one comes last."""
    targets = Counter(change.target for change in plan.changes)
    twice = next((target for target, count in targets.items() if count > 1), None)
    if twice is not None:
        raise ForeignPlanError(
            f"{name}: the plan changes {twice} twice; nothing was contacted; "
            f"make a new plan with `transship plan -o {name}`"
        )


def _verify(document: dict[str, Any], claimed: object, name: str) -> Digest:
    try:
        actual = Digest.of(rfc8785.dumps(document))
    except rfc8785.CanonicalizationError as error:
        raise PlanError(f"{name}: this is no plan that transship can read: {error}") from error
    if claimed != str(actual):
        raise TamperedPlanError(
            f"{name}: the plan was changed after it was made: its contents hash to {actual}, but it carries "
            f"{claimed or 'no digest'}; nothing was contacted; make a new plan with `transship plan -o {name}`"
        )
    return actual
