"""The views of a plan say the same thing in text and Markdown."""

import asyncio
from typing import Any

import msgspec

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import (
    Action,
    Attachment,
    Change,
    ConfigPin,
    Difference,
    Lifecycle,
    LifecycleStatus,
    Plan,
    Problem,
    TagLifecycle,
)
from transship_planner.render.findings import as_findings, render_findings
from transship_planner.render.lifecycles import lifecycle_table
from transship_planner.render.markdown import render_markdown
from transship_planner.render.markup import code
from transship_planner.render.text import render_text
from transship_planner.render.wording import size
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference

NEW = images.index([images.single("new"), images.single("arm64", platform="linux/arm64")])
OLD = images.index([images.single("old")])
RISK = "signatures of the source's index do not apply to the new one"
ATTACHED = Attachment(
    digest=Digest.of(b"signature"),
    media_type=images.OCI_MANIFEST,
    size=9,
    subject=Digest.of(b"image"),
    source=Reference.parse("src.io/app:3.22.0").repository,
    target=Reference.parse("dst.io/app:3.22.0").repository,
)


def plan() -> Plan:
    """Return a plan with one update, one create and one problem."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", NEW)
    world.seed("dst.io/app:1", OLD)
    world.seed("src.io/app:2", images.single("two", size=5000))
    entries = (
        wishes.image("src.io/app:1", "dst.io/app:1"),
        wishes.image("src.io/app:2", "dst.io/app:2"),
        wishes.image("src.io/app:3", "dst.io/app:3"),
    )
    pin = ConfigPin(digest=Digest.of(b"config"), dialect="regsync")
    return diff(asyncio.run(observe(wishes.desired(*entries), world)), Circumstances(tool_version="0", config=pin))


def test_text_shows_changes_with_digests_sizes_and_totals() -> None:
    """Everything that a reviewer asks for, on one screen."""
    made = plan()
    text = render_text(made, digest="sha256:feed")
    assert f"update    dst.io/app:1  {OLD.digest[:19]} → {NEW.digest[:19]}  linux/amd64, linux/arm64" in text
    assert f"create    dst.io/app:2  → {images.single('two', size=5000).digest[:19]}" in text
    assert "  + platform linux/arm64: sha256:" in text
    assert "  ~ platform linux/amd64: sha256:" in text
    assert "problem: sync[2] dst.io/app:3: HEAD manifest src.io/app:3: the source has no such tag\n" in text
    assert "Plan: 1 to create, 1 to update, 0 unchanged, 1 problem.\n" in text
    assert f"To transfer: at most {size(made.forecast.transfer)} in 9 blobs and 4 manifests." in text
    assert text.endswith("Manifest pulls: 4 from src.io.\nPlan digest: sha256:feed\n")


def test_an_empty_plan_says_so() -> None:
    """No table, one sentence."""
    made = Plan(format_version=1, tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
    assert render_text(made) == ("No changes. The targets are as the configuration wants them.\nPlan: 0 unchanged.\n")


def test_markdown_begins_with_the_counts_and_folds_the_details() -> None:
    """What a pull request shows first is what matters most."""
    text = render_markdown(plan(), digest="sha256:feed")
    assert text.startswith("### Plan: 1 to create, 1 to update, 0 unchanged, 1 problem.\n")
    assert "| update" in text
    assert "<details><summary>What differs inside</summary>" in text
    assert "- **problem** `dst.io/app:3` (sync[2]): HEAD manifest" in text
    assert text.endswith("Plan digest: `sha256:feed`\n")


def test_a_check_prints_one_line_per_difference() -> None:
    """Lines for people, the same as data for programs."""
    made = plan()
    lines = render_findings(made).splitlines()
    assert lines[0] == (
        f"update: dst.io/app:1: {OLD.digest[:19]} → {NEW.digest[:19]} "
        "(the source tag points at other content than the target tag; sync[0])"
    )
    assert lines[1].startswith("create: dst.io/app:2: → sha256:")
    assert lines[-1] == "Out of sync: 2 tags to change, 0 in sync, 1 problem."
    found = as_findings(made)
    assert found["in_sync"] is False
    assert [difference["target"] for difference in found["differences"]] == ["dst.io/app:1", "dst.io/app:2"]


def restrained() -> Plan:
    """Return a plan of one entry with tags that are held for one reason, one that is blocked, and a create."""
    held, blocked = "alpine 3.9 has ended (on_eol: hold)", "alpine 3.10 has ended (on_eol: block)"
    changes = (
        change("3.10.1", Action.BLOCKED, blocked),
        change("3.22.0", Action.CREATE, "new", risks=(RISK,), attached=(ATTACHED,)),
        change("3.9.1", Action.HELD, held),
        change("3.9.10", Action.HELD, held),
        change("3.9.2", Action.HELD, held),
        change("latest", Action.CREATE, "new", risks=(RISK,)),
    )
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return Plan(format_version=1, tool_version="0", config=pin, changes=changes)


def change(tag: str, action: Action, reason: str, **more: Any) -> Change:
    """Return a change of `dst.io/app`."""
    return Change(
        action=action,
        entry="sync[0]",
        source=Reference.parse(f"src.io/app:{tag}"),
        target=Reference.parse(f"dst.io/app:{tag}"),
        reason=reason,
        **more,
    )


def test_what_is_said_of_many_tags_is_said_once() -> None:
    """Blocked before held before risks; tags by the value of their numbers; nothing is copied of what is left alone."""
    lines = render_text(restrained()).splitlines()
    assert [line.split()[:2] for line in lines[2:8]] == [
        ["held", "dst.io/app:3.9.1"],
        ["held", "dst.io/app:3.9.2"],
        ["held", "dst.io/app:3.9.10"],
        ["blocked", "dst.io/app:3.10.1"],
        ["create", "dst.io/app:3.22.0"],
        ["create", "dst.io/app:latest"],
    ]
    assert [line.split()[-1] for line in lines[2:6]] == ["-"] * 4
    assert lines[lines.index("blocked: alpine 3.10 has ended (on_eol: block)") :] == [
        "blocked: alpine 3.10 has ended (on_eol: block)",
        "  dst.io/app:3.10.1",
        "",
        "held: alpine 3.9 has ended (on_eol: hold)",
        "  dst.io/app:3.9.1",
        "  dst.io/app:3.9.2",
        "  dst.io/app:3.9.10",
        "",
        f"risk: {RISK}",
        "  dst.io/app:3.22.0",
        "  dst.io/app:latest",
        "",
        "Plan: 2 to create, 1 blocked, 3 held, 0 unchanged.",
    ]


def test_markdown_folds_no_risk() -> None:
    """A reviewer sees what is left alone, and what is risked, without unfolding anything."""
    shown, folded = render_markdown(restrained()).split("<details>")
    assert (
        "- **blocked** sync[0]: alpine 3.10 has ended (on_eol: block): `dst.io/app:3.10.1`\n"
        "- **held** sync[0]: alpine 3.9 has ended (on_eol: hold): "
        "`dst.io/app:3.9.1`, `dst.io/app:3.9.2`, `dst.io/app:3.9.10`\n"
        f"- **risk** sync[0]: {RISK}: `dst.io/app:3.22.0`, `dst.io/app:latest`\n\n"
    ) in shown
    assert folded.startswith("<summary>What differs inside, and what is attached</summary>\n\n- `dst.io/app:3.22.0`\n")


FOREIGN = "a | b <img src=x> ![c](http://d)\r\n- [e](f) `g`"
ESCAPED = "a `|` b `` <img src=x> ![c](http://d)\\r\\n- [e](f) `g` ``"


def test_what_registries_say_does_not_become_markup() -> None:
    """A comment in a pull request shows it as it is: no HTML, no link or image, no line of its own."""
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    problem = Problem(entry="sync[0]", reference="dst.io/app:1", message=FOREIGN, line=7)
    held = change("1", Action.HELD, FOREIGN)
    made = Plan(
        format_version=1, tool_version="0", config=pin, changes=(held,), problems=(problem,), warnings=(FOREIGN,)
    )
    lines = render_markdown(made).splitlines()
    assert [line for line in lines if "a " in line] == [
        f"- **problem** `dst.io/app:1` (sync[0] (line 7)): {ESCAPED}",
        f"- **held** sync[0]: {ESCAPED}: `dst.io/app:1`",
        f"- warning: {ESCAPED}",
    ]


def test_what_images_say_of_themselves_stays_in_its_code_span() -> None:
    """Annotations and artifact types may hold backticks and line ends: the fence is longer, and it is one line."""
    told = Difference(kind="changed", what="annotation ``a`", before="`b", after="<img src=x>\n- c")
    attached = msgspec.structs.replace(ATTACHED, artifact_type="x/`<b>`")
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    changes = (change("1", Action.UPDATE, "new", differences=(told,), attached=(attached,)),)
    made = Plan(format_version=1, tool_version="0", config=pin, changes=changes)
    assert [line for line in render_markdown(made).splitlines() if line.startswith("  - ")] == [
        "  - ```~ annotation ``a`: `b → <img src=x>\\n- c```",
        f"  - ``+ referrer {ATTACHED.digest.short} (x/`<b>`) of {ATTACHED.subject.short}``",
    ]


def test_a_code_span_may_begin_and_end_with_backticks() -> None:
    """Spaces keep them apart from the fence."""
    assert [code(text) for text in ("a", "`a", "a``", "``")] == ["`a`", "`` `a ``", "``` a`` ```", "``` `` ```"]


def test_a_platform_does_not_leave_its_cell() -> None:
    """An OS version is any text that the index of a foreign registry has."""
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    found = Platform("windows", "amd64", os_version="10|<b>")
    made = Plan(
        format_version=1,
        tool_version="0",
        config=pin,
        changes=(change("1", Action.CREATE, "new", platforms=(found,)),),
    )
    (row,) = [line for line in render_markdown(made).splitlines() if line.startswith("| create")]
    assert "| `windows/amd64,osver=10\\|<b>` |" in row


def test_a_lifecycle_does_not_leave_its_cell() -> None:
    """The names of products and cycles stand in files of end-of-life data."""
    lifecycle = Lifecycle(product="a|b", cycle="<3>", status=LifecycleStatus.OK)
    told = [TagLifecycle(entry="sync[0]", target=Reference.parse("dst.io/app:1"), lifecycle=lifecycle)]
    assert lifecycle_table(told, markdown=True)[-1] == (
        "| `dst.io/app:1` | `a\\|b`    | `<3>`   | -          |           - | ok       |"
    )
    assert lifecycle_table(told)[-1].split() == ["dst.io/app:1", "a|b", "<3>", "-", "-", "ok"]


def test_sizes_are_readable() -> None:
    """Binary units with one decimal."""
    assert [size(number) for number in (0, 1023, 1024, 1536, 5 << 20, 3 << 30, 2 << 50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "2048.0 TiB",
    ]
