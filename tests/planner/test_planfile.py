"""The plan file: the same plan gives the same bytes, and a byte changed is noticed."""

import asyncio
import json
from pathlib import Path

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.errors import PlanError, TamperedPlanError
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Plan
from transship_planner.plans.planfile import PlanFile, decode, encode, plan_digest, read, save
from transship_registry.digest import Digest


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Return a plan with a create and an update."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.multi_platform("app"))
    world.seed("src.io/app:2", images.single("new"))
    world.seed("dst.io/app:2", images.single("old"))
    observed = asyncio.run(observe(wishes.desired(wishes.repository("src.io/app", "dst.io/app")), world))
    pin = ConfigPin(digest=Digest.of(b"config"), dialect="regsync")
    return diff(observed, Circumstances(tool_version="0", config=pin, warnings=("beware",)))


@pytest.fixture(scope="module")
def saved(plan: Plan) -> PlanFile:
    """Return the plan, sealed."""
    return save(plan, created_at="2026-01-01T00:00:00Z")


def test_what_is_written_is_what_is_read(saved: PlanFile) -> None:
    """`decode ∘ encode` is the identity."""
    assert decode(encode(saved), "plan.json") == saved


def test_the_time_is_outside_of_the_digest(plan: Plan) -> None:
    """The same inputs give the same digest, whenever the plan was made."""
    early = save(plan, created_at="2026-01-01T00:00:00Z")
    late = save(plan, created_at="2026-06-01T00:00:00Z")
    assert early.digest == late.digest
    assert encode(early).replace(b"2026-01-01", b"2026-06-01") == encode(late)


def test_the_file_is_canonical_json(saved: PlanFile) -> None:
    """Members sorted, no white space: RFC 8785."""
    data = encode(saved)
    assert data == (
        json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    )


def test_a_plan_that_was_laid_out_anew_is_still_valid(saved: PlanFile) -> None:
    """The digest is of the canonical form, not of white space."""
    pretty = json.dumps(json.loads(encode(saved)), indent=2).encode()
    assert decode(pretty, "plan.json") == saved


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"action":"create"', b'"action":"update"'), (b"dst.io/app:2", b"dst.io/app:3"), (b'"beware"', b'"fine"')],
)
def test_a_tampered_plan_is_refused(saved: PlanFile, old: bytes, new: bytes) -> None:
    """Any change to what was approved is noticed."""
    data = encode(saved)
    assert old in data
    tampered = data.replace(old, new)
    document = json.loads(tampered)
    contents = {key: value for key, value in document.items() if key not in {"created_at", "digest", "signatures"}}
    canonical = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(TamperedPlanError) as caught:
        decode(tampered, "plan.json")
    assert str(caught.value) == (
        f"plan.json: the plan was changed after it was made: its contents hash to {Digest.of(canonical)}, but it "
        f"carries {saved.digest}; nothing was contacted; make a new plan with `transship plan -o plan.json`"
    )


def test_a_plan_without_digest_is_refused(saved: PlanFile) -> None:
    """Removing the digest does not help either."""
    document = json.loads(encode(saved))
    del document["digest"]
    with pytest.raises(TamperedPlanError) as caught:
        decode(json.dumps(document).encode(), "plan.json")
    assert str(caught.value) == (
        f"plan.json: the plan was changed after it was made: its contents hash to {saved.digest}, but it carries "
        "no digest; nothing was contacted; make a new plan with `transship plan -o plan.json`"
    )


@pytest.mark.parametrize("created_at", [None, ""])
def test_a_plan_need_not_say_when_it_was_made(saved: PlanFile, created_at: str | None) -> None:
    """The time is outside the digest: whoever takes it away changes nothing that was approved."""
    document = json.loads(encode(saved))
    document["created_at"] = created_at
    assert decode(json.dumps(document).encode(), "plan.json").created_at == ""
    del document["created_at"]
    assert decode(json.dumps(document).encode(), "plan.json").created_at == ""


def test_a_number_that_has_no_canonical_form_is_one_line(saved: PlanFile) -> None:
    """JSON knows numbers that RFC 8785 does not."""
    document = json.loads(encode(saved))
    document["tool_version"] = 2**60
    with pytest.raises(PlanError) as caught:
        decode(json.dumps(document).encode(), "plan.json")
    assert type(caught.value) is PlanError
    assert str(caught.value) == (
        "plan.json: this is no plan that transship can read: a number is larger than 9007199254740991"
    )


def test_a_file_is_read_and_named_in_what_is_wrong_with_it(saved: PlanFile, tmp_path: Path) -> None:
    """By the path that was given."""
    path = tmp_path / "plan.json"
    path.write_bytes(encode(saved))
    assert read(path) == saved
    path.write_bytes(b"[]")
    with pytest.raises(PlanError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: this is no plan file: expected an object with format_version, digest and changes"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "plan.json: this is no plan file: not JSON (Expecting value: line 1 column 1 (char 0))"),
        (b"[]", "plan.json: this is no plan file: expected an object with format_version, digest and changes"),
        (b"{}", "plan.json: this is no plan file: expected an object with format_version, digest and changes"),
        (
            b'["format_version"]',
            "plan.json: this is no plan file: expected an object with format_version, digest and changes",
        ),
        (b"\xff", "plan.json: this is no plan file: not JSON"),
        (
            b'{"format_version":2}',
            "plan.json: plan format 2 is not supported, expected 1; "
            "apply it with the version of transship that made it, or plan again",
        ),
    ],
)
def test_what_is_no_plan_is_told_so(data: bytes, message: str) -> None:
    """One clear line for each kind of wrong file."""
    with pytest.raises(PlanError) as caught:
        decode(data, "plan.json")
    assert str(caught.value).startswith(message)


def test_an_unknown_member_is_refused_even_with_a_right_digest(saved: PlanFile) -> None:
    """What this version does not know it cannot honour."""
    document = json.loads(encode(saved))
    digest = document.pop("digest")
    assert digest == str(saved.digest)
    document["also"] = "delete everything"
    outside = {key: document.pop(key) for key in ("created_at", "signatures")}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    resealed = {**document, **outside, "digest": str(Digest.of(canonical))}
    with pytest.raises(PlanError, match=r"no plan that transship can read: Object contains unknown field `also`"):
        decode(json.dumps(resealed).encode(), "plan.json")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """The path and the reason, no traceback."""
    with pytest.raises(PlanError) as caught:
        read(tmp_path / "none.json")
    assert str(caught.value) == f"{tmp_path}/none.json: cannot read the plan file: No such file or directory"


def test_a_plan_of_an_earlier_version_is_read() -> None:
    """Its digest is still that of its contents, and it has found nothing."""
    saved = read(Path(__file__).parent / "samples" / "plan-0.1.0.json")
    assert saved.digest == plan_digest(saved.plan)
    assert ([str(change.target) for change in saved.plan.changes], saved.plan.found) == (
        ["ocidir://mirror/app:1.0"],
        (),
    )
