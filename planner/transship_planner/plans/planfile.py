"""The plan file: a plan in canonical JSON (RFC 8785) that carries its own digest (docs/plan-file.md).

`created_at`, `digest` and `signatures` are members beside the plan's own and outside of the digest.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import structs

from transship_planner.errors import ForeignPlanError, PlanError, TamperedPlanError
from transship_planner.plans.plan import FORMAT_VERSION, Plan
from transship_registry.codec import (
    RepeatedMemberError,
    brief,
    decode_distinct,
    decode_json,
    encode_canonically,
    to_builtins,
)
from transship_registry.digest import Digest
from transship_registry.errors import DocumentError, InvalidReferenceError
from transship_registry.limits import OWN_VALUES_LIMIT, PLAN_LIMIT
from transship_registry.regular import read_input

_OUTSIDE: Final = ("created_at", "digest", "signatures")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan as it was saved; `created_at` is a time in RFC 3339."""

    plan: Plan
    digest: Digest
    created_at: str


def plan_digest(plan: Plan) -> Digest:
    """Return the digest of a plan: of its canonical JSON."""
    return Digest.of(encode_canonically(to_builtins(plan)))


def save(plan: Plan, *, created_at: str) -> PlanFile:
    """Seal a plan with its digest."""
    return PlanFile(plan, plan_digest(plan), created_at)


def encode(saved: PlanFile) -> bytes:
    """Return the bytes of the plan file: canonical JSON and a line end; raises `PlanError` for more than is read."""
    data = encode_canonically({**to_builtins(saved.plan), **_outside(saved)}) + b"\n"
    if len(data) > PLAN_LIMIT:
        raise PlanError(
            f"the plan has {len(data)} bytes, more than the {PLAN_LIMIT} allowed; plan fewer entries at once"
        )
    return data


def indented(saved: PlanFile) -> Iterator[str]:
    """Return the plan file for people, members in canonical order, in pieces of one member or change."""
    members: dict[str, Any] = {**to_builtins(structs.replace(saved.plan, changes=())), **_outside(saved)}
    pieces = {name: iter([_indented(value, "  ")]) for name, value in members.items()}
    if saved.plan.changes:
        pieces["changes"] = _indented_changes(saved.plan)
    for place, name in enumerate(sorted(pieces)):
        yield f'{"," if place else "{"}\n  "{name}": '
        yield from pieces[name]
    yield "\n}\n"


def _indented_changes(plan: Plan) -> Iterator[str]:
    for place, change in enumerate(plan.changes):
        yield f"{',' if place else '['}\n    {_indented(to_builtins(change), '    ')}"
    yield "\n  ]"


def _indented(value: object, margin: str) -> str:
    return msgspec.json.format(encode_canonically(value), indent=2).decode().replace("\n", f"\n{margin}")


def _outside(saved: PlanFile) -> dict[str, Any]:
    return {"created_at": saved.created_at, "digest": str(saved.digest), "signatures": []}


def read(path: Path) -> PlanFile:
    """Read and verify a plan file; raises `PlanError`, or `TamperedPlanError` when its digest does not match."""
    return decode(_content(path), str(path))


def _content(path: Path) -> bytes:
    try:
        return read_input(path, PLAN_LIMIT)
    except OSError as error:
        raise PlanError(f"{path}: cannot read the plan file: {error.strerror}") from error


def decode(data: bytes, name: str) -> PlanFile:
    """Read and verify the bytes of a plan file; `name` stands for the file in errors."""
    document = _parse(data, name)
    del data  # a large plan is there once, in the form that is needed next
    outside = {member: document.pop(member, None) for member in _OUTSIDE}
    verified = _verify(document, outside["digest"], name)
    del document
    digest = Digest.of(verified)
    try:
        plan = decode_json(verified, Plan, values=OWN_VALUES_LIMIT)
    except DocumentError as error:
        raise PlanError(f"{name}: this is no plan that transship can read: {error}") from error
    _check_targets(plan, name)
    created = outside["created_at"]
    return PlanFile(plan, digest, created if isinstance(created, str) else "")


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = decode_distinct(data, values=OWN_VALUES_LIMIT)
    except RepeatedMemberError as error:
        raise TamperedPlanError(
            f"{name}: {error}, so readers may disagree about what was approved; "
            f"nothing was contacted; make a new plan with `transship plan -o {name}`"
        ) from error
    except DocumentError as error:
        raise PlanError(f"{name}: this is no plan file: not JSON ({error})") from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanError(f"{name}: this is no plan file: expected an object with format_version, digest and changes")
    members = cast(dict[str, Any], document)
    version = members["format_version"]
    if version != FORMAT_VERSION:
        raise PlanError(
            f"{name}: plan format {brief(version)} is not supported, expected {FORMAT_VERSION}; "
            "apply it with the version of transship that made it, or plan again"
        )
    return members


def _check_targets(plan: Plan, name: str) -> None:
    """Refuse a plan with two changes of one target: what it makes of that depended on which one comes last."""
    targets = Counter(change.target for change in plan.changes)
    twice = next((target for target, count in targets.items() if count > 1), None)
    if twice is not None:
        raise ForeignPlanError(
            f"{name}: the plan changes {twice} twice; nothing was contacted; "
            f"make a new plan with `transship plan -o {name}`"
        )


def _verify(document: dict[str, Any], claimed: object, name: str) -> bytes:
    """Return the canonical form that has the digest which the plan carries."""
    try:
        content = encode_canonically(document)
    except DocumentError as error:
        raise PlanError(f"{name}: this is no plan that transship can read: {error}") from error
    actual = Digest.of(content)
    if claimed != str(actual):
        raise TamperedPlanError(
            f"{name}: the plan was changed after it was made: its contents hash to {actual}, but it carries "
            f"{_shown(claimed) if claimed else 'no digest'}; nothing was contacted; "
            f"make a new plan with `transship plan -o {name}`"
        )
    return content


def _shown(claimed: object) -> str:
    """Return what stands where the digest should be, for people."""
    try:
        return str(Digest.parse(claimed)) if isinstance(claimed, str) else brief(claimed)
    except InvalidReferenceError:
        return brief(claimed)
