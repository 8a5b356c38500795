"""Format 1 of the plan file is a promise: what each member is called, what may be left out, and what that means."""

import copy
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
import rfc8785

from transship_planner.errors import PlanError
from transship_planner.plans.plan import (
    Action,
    Attachment,
    Change,
    ConfigPin,
    ContentTree,
    Difference,
    EntryCount,
    Forecast,
    Lifecycle,
    LifecycleStatus,
    Mode,
    Plan,
    Problem,
    PullQuota,
    SourcePulls,
    StatePin,
    TagLifecycle,
    TreeBlob,
    TreeManifest,
    Unchanged,
    Version,
)
from transship_planner.plans.planfile import decode
from transship_registry.codec import to_builtins
from transship_registry.digest import Digest
from transship_registry.reference import Reference, Repository

A, B, C = (Digest.of(content) for content in (b"a", b"b", b"c"))
TYPE = "application/vnd.oci.image.manifest.v1+json"
SOURCE, TARGET = "src.io/app:1", "dst.io/app:1"

LEAST: dict[str, Any] = {
    "format_version": 1,
    "tool_version": "0.1.0",
    "config": {"digest": str(A), "dialect": "regsync"},
    "changes": [
        {
            "action": "create",
            "entry": "sync[0]",
            "source": SOURCE,
            "target": TARGET,
            "reason": "the target tag does not exist",
            "content": {
                "manifests": [{"digest": str(A), "media_type": TYPE, "size": 1}],
                "blobs": [{"digest": str(B), "size": 2}],
            },
            "differences": [{"kind": "added", "what": "layer 1"}],
            "attached": [
                {
                    "digest": str(C),
                    "media_type": TYPE,
                    "size": 3,
                    "subject": str(A),
                    "source": "src.io/app",
                    "target": "dst.io/app",
                }
            ],
            "lifecycle": {"product": "alpine", "status": "unknown"},
        }
    ],
    "forecast": {"pulls": [{"registry": "src.io", "manifests": 4}]},
    "problems": [{"entry": "sync[1]", "reference": SOURCE, "message": "500"}],
}
"""A plan with just what has to be said."""

MOST: dict[str, Any] = {
    "format_version": 1,
    "tool_version": "0.1.0",
    "config": {"digest": str(A), "dialect": "imglife"},
    "mode": {"missing": True},
    "state": {"lineage": "feed", "serial": 7, "nonce": "beef"},
    "changes": [
        {
            "action": action,
            "entry": "sync[0]",
            "source": SOURCE,
            "target": f"dst.io/app:{action}",
            "reason": "so be it",
            "source_digest": str(A),
            "before": {"digest": str(B), "media_type": TYPE, "size": 1},
            "after": {"digest": str(C), "media_type": TYPE, "size": 2},
            "platforms": ["linux/amd64"],
            "platforms_wanted": ["linux/amd64", "windows/amd64,osver=10.0.1"],
            "include_external": True,
            "backup": "dst.io/app:old",
            "ratelimit": {"min": 1, "retry_s": 300.0},
            "content": {
                "manifests": [
                    {"digest": str(A), "media_type": TYPE, "size": 1, "platform": "linux/arm/v7", "present": True}
                ],
                "blobs": [{"digest": str(B), "size": 2, "present": True}],
            },
            "attached": [
                {
                    "digest": str(C),
                    "media_type": TYPE,
                    "size": 3,
                    "subject": str(A),
                    "source": "src.io/app",
                    "target": "ocidir://mirror",
                    "artifact_type": "application/example",
                    "tag": "sha256-feed.sig",
                    "before": str(B),
                    "present": True,
                    "content": {"blobs": [{"digest": str(B), "size": 2}]},
                }
            ],
            "refused": "warn",
            "differences": [{"kind": "changed", "what": "layer 1", "before": "one", "after": "two"}],
            "transfer": 5,
            "risks": ["it may be wet"],
            "held_until": "2026-01-01T00:00:00Z",
            "lifecycle": {
                "product": "alpine",
                "cycle": "3.20",
                "status": status,
                "eol": "2026-04-01",
                "days_left": -3,
                "note": "over",
            },
        }
        for action, status in zip(
            ("create", "update", "delete", "refresh", "blocked", "held"),
            ("ok", "soon", "ended", "no date", "unknown", "no cycle"),
            strict=True,
        )
    ],
    "unchanged": {"count": 3, "entries": [{"entry": "sync[0]", "count": 3}]},
    "forecast": {
        "transfer": 6,
        "blobs": 7,
        "manifests": 8,
        "pulls": [
            {
                "registry": "src.io",
                "manifests": 9,
                "quota": {"remaining": 10, "fits": True, "limit": 100, "window_s": 21600},
            }
        ],
    },
    "problems": [{"entry": "sync[1]", "reference": SOURCE, "message": "500", "line": 12}],
    "warnings": ["mind the gap"],
    "expires_at": "2026-02-01T00:00:00Z",
    "lifecycles": [{"entry": "sync[0]", "target": TARGET, "lifecycle": {"product": "alpine", "status": "ok"}}],
}
"""A plan that says something with every member."""


def read(document: dict[str, Any]) -> Plan:
    """Read a plan as if it had been written so."""
    digest = Digest.of(rfc8785.dumps(document))
    return decode(json.dumps({**document, "digest": str(digest)}).encode(), "plan.json").plan


def written(made: Plan) -> Any:
    """Return the document that a plan is written as."""
    return json.loads(json.dumps(to_builtins(made)))


def test_what_is_left_out_has_its_default() -> None:
    """Empty, zero, false, none; what a target refuses is an error."""
    assert read(LEAST) == Plan(
        format_version=1,
        tool_version="0.1.0",
        config=ConfigPin(digest=A, dialect="regsync"),
        mode=Mode(missing=False),
        state=StatePin(lineage="", serial=0, nonce=""),
        changes=(
            Change(
                action=Action.CREATE,
                entry="sync[0]",
                source=Reference.parse(SOURCE),
                target=Reference.parse(TARGET),
                reason="the target tag does not exist",
                source_digest=None,
                before=None,
                after=None,
                platforms=(),
                platforms_wanted=(),
                include_external=False,
                backup=None,
                ratelimit=None,
                content=ContentTree(
                    manifests=(TreeManifest(digest=A, media_type=TYPE, size=1, platform=None, present=False),),
                    blobs=(TreeBlob(digest=B, size=2, present=False),),
                ),
                attached=(
                    Attachment(
                        digest=C,
                        media_type=TYPE,
                        size=3,
                        subject=A,
                        source=Repository.parse("src.io/app"),
                        target=Repository.parse("dst.io/app"),
                        artifact_type="",
                        tag="",
                        before=None,
                        present=False,
                        content=ContentTree(manifests=(), blobs=()),
                    ),
                ),
                refused="fail",
                differences=(Difference(kind="added", what="layer 1", before="", after=""),),
                transfer=0,
                risks=(),
                held_until="",
                lifecycle=Lifecycle(
                    product="alpine", cycle="", status=LifecycleStatus.UNKNOWN, eol="", days_left=None, note=""
                ),
            ),
        ),
        unchanged=Unchanged(count=0, entries=()),
        forecast=Forecast(
            transfer=0, blobs=0, manifests=0, pulls=(SourcePulls(registry="src.io", manifests=4, quota=None),)
        ),
        problems=(Problem(entry="sync[1]", reference=SOURCE, message="500", line=0),),
        warnings=(),
        expires_at="",
        lifecycles=(),
    )


def test_what_has_its_default_is_left_out() -> None:
    """So that a later version, with more members, gives the same bytes and digest for the same plan."""
    assert _pruned(written(read(LEAST))) == LEAST


def _pruned(value: object) -> object:
    """Return a document without its empty parts."""
    if isinstance(value, dict):
        members = {key: _pruned(member) for key, member in cast(dict[str, object], value).items()}
        return {key: member for key, member in members.items() if member != {}}
    return [_pruned(each) for each in cast(list[object], value)] if isinstance(value, list) else value


def test_every_member_is_read_and_written_by_its_name() -> None:
    """Nothing is lost on the way, and all actions and statuses are known."""
    made = read(MOST)
    assert written(made) == MOST
    assert [change.action for change in made.changes] == list(Action)
    assert [change.lifecycle.status for change in made.changes if change.lifecycle] == list(LifecycleStatus)
    change = made.changes[0]
    assert change.before == Version(digest=B, media_type=TYPE, size=1)
    assert made.unchanged.entries == (EntryCount(entry="sync[0]", count=3),)
    assert made.forecast.pulls[0].quota == PullQuota(remaining=10, fits=True, limit=100, window_s=21600)
    assert isinstance(made.lifecycles[0], TagLifecycle)


def test_only_what_is_neither_held_nor_blocked_is_pending() -> None:
    """The order is that of the plan."""
    made = read(MOST)
    assert [change.action.value for change in made.pending] == ["create", "update", "delete", "refresh"]
    assert [made.count(action) for action in Action] == [1] * 6


def _objects(value: Any, path: str = "$") -> Iterator[str]:
    if isinstance(value, dict):
        yield path
        for key, member in cast(dict[str, Any], value).items():
            yield from _objects(member, f"{path}.{key}")
    elif isinstance(value, list) and value:
        yield from _objects(value[0], f"{path}[0]")


@pytest.mark.parametrize("place", list(_objects(MOST)))
def test_a_member_that_is_not_known_is_refused_wherever_it_stands(place: str) -> None:
    """It cannot be honoured, and may be what the plan is about."""
    document = copy.deepcopy(MOST)
    found: Any = document
    for part in place.replace("[0]", ".0").split(".")[1:]:
        found = found[int(part) if part.isdigit() else part]
    found["also"] = 1
    with pytest.raises(PlanError) as caught:
        read(document)
    where = "" if place == "$" else f" - at `{place}`"
    assert str(caught.value) == (
        f"plan.json: this is no plan that transship can read: Object contains unknown field `also`{where}"
    )


@pytest.mark.parametrize(("member", "value"), [("min", 0), ("retry_s", 299.9)])
def test_a_ratelimit_that_would_never_wait_or_ask_all_the_time_is_refused(member: str, value: float) -> None:
    """One pull and five minutes are the least."""
    document = copy.deepcopy(MOST)
    document["changes"][0]["ratelimit"][member] = value
    least = {"min": "Expected `int` >= 1", "retry_s": "Expected `float` >= 300.0"}[member]
    with pytest.raises(PlanError) as caught:
        read(document)
    assert str(caught.value) == (
        f"plan.json: this is no plan that transship can read: {least} - at `$.changes[0].ratelimit.{member}`"
    )
