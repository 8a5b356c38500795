"""A plan of very many changes is shown in bounded memory, and in a time that grows with it and no faster."""

import hashlib
import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from planner.test_golden_plans import CASES, PLANS
from support.program import command, environment
from transship_planner.plans.planfile import encode, indented, read
from transship_registry.canonical import canonical
from transship_registry.digest import Digest

MIB = 1024 * 1024
DEADLINE_S = 540
"""Far above what it takes; the limit of memory is what bounds it."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(*parts: object) -> str:
    """Return a digest of its own for each name."""
    return f"sha256:{hashlib.sha256(repr(parts).encode()).hexdigest()}"


def change(number: int) -> dict[str, Any]:
    """Return an update with a content tree, as a plan for images of five layers has it."""
    name, tag = f"app{number // 100}", f"1.{number % 100}.0"
    before, after = ({"digest": digest_of(when, number), "media_type": MANIFEST, "size": 1234} for when in ("b", "a"))
    blobs = [{"digest": digest_of("layer", number, place), "size": 10_000} for place in range(5)]
    return {
        "action": "update",
        "entry": f"sync[{number // 100}]",
        "source": f"src.io/team/{name}:{tag}",
        "target": f"dst.io/mirror/{name}:{tag}",
        "reason": "the source tag points at other content than the target tag",
        "source_digest": after["digest"],
        "before": before,
        "after": after,
        "platforms": ["linux/amd64"],
        "content": {"manifests": [after], "blobs": blobs},
        "differences": [{"kind": "changed", "what": "layer 3", "before": digest_of("x"), "after": digest_of("y")}],
        "transfer": 50_000,
    }


def write_plan(path: Path, changes: int) -> None:
    """Write a plan file with so many changes."""
    document: dict[str, Any] = {
        "format_version": 1,
        "tool_version": "0",
        "config": {"digest": digest_of("config"), "dialect": "transship"},
        "changes": [change(number) for number in range(changes)],
    }
    plan = msgspec.json.encode(document, order="sorted")
    path.write_bytes(msgspec.json.encode({**document, "digest": str(Digest.of(plan))}, order="sorted"))


def limited(memory: int) -> Callable[[], None]:
    """Return what gives a new process so much memory."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def show(folder: Path, form: str, memory: int) -> None:
    """Show the plan in a process that has so much memory."""
    with (folder / "shown").open("w+", encoding="utf-8") as shown:
        done = subprocess.run(
            command("show", "plan.json", "--format", form),
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            preexec_fn=limited(memory),
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changes", "memory"),
    [
        pytest.param(10_000, 240 * MIB, id="10,000"),
        pytest.param(100_000, 1300 * MIB, id="100,000", marks=pytest.mark.nightly),
    ],
)
def test_a_plan_of_very_many_changes_is_shown(tmp_path: Path, changes: int, memory: int) -> None:
    """As text, Markdown and JSON: each change is there, and the memory that it takes is bounded."""
    write_plan(tmp_path / "plan.json", changes)
    for form, mark in (
        ("text", b"update    dst.io/mirror/"),
        ("markdown", b"| update   |"),
        ("json", b'"action": "update"'),
    ):
        show(tmp_path, form, memory)
        assert (tmp_path / "shown").read_bytes().count(mark) == changes


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # halves of characters have no form in UTF-8
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(JSON)
@example({"\U0001f600": 1, "\uffff": 2, "a": '\x00\x1f\x7f\x9b\u2028\b\f</é\\"', "b": [300.0, True, None, 1e21]})
def test_the_quick_form_is_the_canonical_one(document: object) -> None:
    """RFC 8785 decides: digests of plans do not depend on who writes them."""
    assert canonical(document) == rfc8785.dumps(document)  # type: ignore[arg-type]


@pytest.mark.parametrize("document", [2**53, -(2**53), {"a": [float("nan")]}, {"a": "\udcff"}, {"\udcff": 1}])
def test_what_has_no_canonical_form_is_refused_as_ever(document: object) -> None:
    """The error is that of rfc8785."""
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)) as expected:
        rfc8785.dumps(document)  # type: ignore[arg-type]
    with pytest.raises(type(expected.value)) as raised:
        canonical(document)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_in_pieces_is_the_plan(case: str) -> None:
    """`show --format json` writes the members of the plan file in its order, and an indentation of two."""
    saved = read(PLANS / case / "plan.json")
    document = json.loads(encode(saved))
    assert "".join(indented(saved)) == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
