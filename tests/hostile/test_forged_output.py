"""What images, registries, plan files and configurations say is shown as what it is: it forges no line of ours.

The property tests fill every text of what is printed with hostile ones: fields are found in the types, so that a
new one is covered the day it comes.
"""

import collections.abc
import enum
import importlib
import io
import json
import logging
import pkgutil
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import rfc8785
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import transship
import transship_planner.render
from support import images, wishes
from support.program import transship as run
from support.registry_server.server import RegistryServer
from transship import invocation, streams, summary
from transship_executor.outcome import Outcome
from transship_planner.config.validation import Validation
from transship_planner.config.yamlwriter import to_yaml
from transship_planner.desired import Entry
from transship_planner.drift import DriftReport
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.lifecycle.judge import Judge
from transship_planner.observation.observed import Selected
from transship_planner.plans.plan import Action, Change, Plan, TagLifecycle
from transship_planner.records import Moves
from transship_planner.render import findings, markdown, markup, text
from transship_planner.render.causes import as_causes
from transship_planner.render.lifecycles import as_lifecycles
from transship_planner.tags.tagrules import Explanation, KeepLast
from transship_planner.why import Reason
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.platform import Platform
from transship_registry.presentable import presentable, presentable_json
from transship_registry.reference import Reference, Repository

FORBIDDEN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls but for line ends, marks of direction, what has no width, halves of characters, tags."""
NO_CHANGES: Final = "\x1b[2J\x1b[H\nNo changes. The targets are as the configuration wants them.\nPlan: 0 unchanged."
OUT_OF_DETAILS: Final = "`\n\n</details>\n\n# Approved\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
MENTIONS: Final = "@owner #12 GH-3 a@b.example https://evil.example www.evil.example [x](http://y) ![](z) <b>&amp; *a*"
HOSTILE: Final = (
    NO_CHANGES,
    OUT_OF_DETAILS,
    MENTIONS,
    "`" * 100,
    "```\n" + "`" * 15 + " <img>",
    "\x9b2J\x07\r\x7f\u202egpj\u2066\u200b\u2028\u2029\udcff\U000e0041\x85\x0b\x0c",
    "\\| a \\",
    " _a_ __b__ ~~c~~ <!-- ",
    "\x01",
)
TEXTS: Final = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from([*"`|<>&@#*_~[]()!\\\n\r\x1b\x9b\u202e\u200b -=+a1", "://", "www.", "</details>"])).map(
        lambda parts: "x" + "".join(parts)
    ),
    st.text(min_size=1),
)
PLAIN: Final = "x"
TARGET: Final = Reference.parse("dst.io/app:1")


def made(kind: Any, hostile: str) -> Any:
    """Return a value of a type in which each text is `hostile`: fields, members of tuples, what may be absent."""
    fixed: dict[Any, Any] = {
        str: hostile,
        int: 3,
        float: 400.0,
        bool: False,
        object: hostile,
        date: date(2026, 1, 1),
        Digest: Digest.of(b"content"),
        Reference: TARGET,
        Repository: TARGET.repository,
        Platform: Platform("linux", "amd64", os_version=hostile),
        Explanation: Explanation(hostile, selected=False, listed=False, verdicts=(), keep_last=KeepLast(0)),
        Entry: replace(wishes.image("src.io/app:1", "dst.io/app:1"), name=hostile, mark=Mark(hostile, 1, 1)),
    }
    if kind in fixed:
        return fixed[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return made(arguments[0], hostile)
    if origin in {typing.Union, types.UnionType}:
        return made(arguments[0], hostile)
    if origin is tuple:
        wanted = arguments[:1] if Ellipsis in arguments else arguments
        return tuple(made(each, hostile) for each in wanted)
    if origin in {collections.abc.Sequence, collections.abc.Iterable, list}:
        return [made(arguments[0], hostile)]
    if origin in {collections.abc.Mapping, dict}:
        return {made(arguments[0], hostile): made(arguments[1], hostile)}
    if hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__struct_fields__"):
        return filled(kind, hostile)
    if isinstance(kind, enum.EnumMeta):
        return next(iter(kind))
    raise AssertionError(f"no value for {kind}: say here how to make one")


def filled(kind: Any, hostile: str) -> Any:
    """Return a dataclass or struct with all its fields made."""
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [each.name for each in fields(kind)] if hasattr(kind, "__dataclass_fields__") else kind.__struct_fields__
    return kind(**{name: made(hints[name], hostile) for name in names})


def called(name: str, *arguments: Any) -> Any:
    """Call the function of this name, which is nobody's but its module's."""
    module, _, function = name.rpartition(".")
    return vars(importlib.import_module(module))[function](*arguments)


def reason_of(hostile: str) -> Reason:
    """Return what an entry says of a tag, about which two could not be asked."""
    made_one: Reason = filled(Reason, hostile)
    return replace(made_one, problem="", selected=True)


def plan_of(hostile: str) -> Plan:
    """Return a plan with a change of each action, and two problems, so that causes are told, too."""
    made_one: Plan = filled(Plan, hostile)
    one: Change = made_one.changes[0]
    changes = tuple(
        msgspec.structs.replace(one, action=action, target=TARGET.repository.tag(action.value)) for action in Action
    )
    other = msgspec.structs.replace(made_one.problems[0], message=f"other {hostile}")
    return msgspec.structs.replace(made_one, changes=changes, problems=(*made_one.problems * 2, other))


RENDERERS: Final[dict[str, Callable[[str], Iterable[str]]]] = {
    "transship_planner.render.text.text_lines": lambda hostile: text.text_lines(plan_of(hostile), digest=hostile),
    "transship_planner.render.markdown.markdown_lines": lambda hostile: markdown.markdown_lines(
        plan_of(hostile), digest=hostile
    ),
    "transship_planner.render.findings.findings_lines": lambda hostile: findings.findings_lines(
        plan_of(hostile), filled(Moves, hostile)
    ),
    "transship.summary.outcome_lines": lambda hostile: summary.outcome_lines(filled(Outcome, hostile)),
    "transship.drifting._as_text": lambda hostile: called("transship.drifting._as_text", filled(DriftReport, hostile)),
    "transship.eol._as_text": lambda hostile: called(
        "transship.eol._as_text", filled(Judge, hostile), filled(Selected, hostile), (filled(TagLifecycle, hostile),)
    ),
    "transship.explaining._as_text": lambda hostile: called(
        "transship.explaining._as_text", TARGET, (reason_of(hostile),)
    ),
    "transship.configuring._as_text": lambda hostile: called(
        "transship.configuring._as_text", filled(Validation, hostile)
    ),
}
DOCUMENTS: Final[dict[str, Callable[[str], object]]] = {
    "transship_planner.render.findings.as_findings": lambda hostile: findings.as_findings(
        plan_of(hostile), filled(Moves, hostile)
    ),
    "transship_planner.render.causes.as_causes": lambda hostile: as_causes(plan_of(hostile).problems),
    "transship_planner.render.lifecycles.as_lifecycles": lambda hostile: as_lifecycles(plan_of(hostile).lifecycles),
    "transship.drifting._as_json": lambda hostile: called("transship.drifting._as_json", filled(DriftReport, hostile)),
    "transship.eol._as_json": lambda hostile: called(
        "transship.eol._as_json", filled(Judge, hostile), filled(Selected, hostile), (filled(TagLifecycle, hostile),)
    ),
    "transship.explaining._as_json": lambda hostile: called(
        "transship.explaining._as_json", TARGET, (reason_of(hostile),)
    ),
    "transship.configuring._as_json": lambda hostile: called(
        "transship.configuring._as_json", filled(Validation, hostile)
    ),
}


def functions(*packages: types.ModuleType, ending: str) -> set[str]:
    """Return the functions of packages whose names end so, each in full."""
    found: set[str] = set()
    for package in packages:
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not each.name.endswith("__main__"):
                module = importlib.import_module(each.name)
                found |= {f"{each.name}.{name}" for name in vars(module) if re.search(ending, name)}
    return {
        name for name in found if vars(sys.modules[name.rpartition(".")[0]])[name.rpartition(".")[2]].__module__ in name
    }


def test_every_renderer_is_tested_here() -> None:
    """What makes lines or documents is called `…_lines`, `_as_text`, `_as_json` or `as_…`; a new one is added above."""
    packages = (transship, transship_planner.render)
    assert functions(*packages, ending=r"^(?!write)\w+_lines$|^_as_text$") == set(RENDERERS)
    assert functions(*packages, ending=r"^as_|^_as_json$") == set(DOCUMENTS)


def shown(write: Callable[[], object]) -> str:
    """Return what reaches standard output, through the door that the program writes to."""
    written = io.BytesIO()
    output = streams.Output(written, encoding="utf-8", errors=streams.READABLE, newline="\n")
    with redirect_stdout(output):
        write()
    output.flush()
    return written.getvalue().decode()


def hostile_texts(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test with each of the known texts, and with generated ones."""
    for known in HOSTILE:
        test = example(hostile=known)(test)
    return settings(max_examples=20)(given(hostile=TEXTS)(test))


@pytest.mark.parametrize("renderer", RENDERERS)
@hostile_texts
def test_no_text_moves_the_cursor_or_makes_a_line(renderer: str, hostile: str) -> None:
    """Whatever it says, the lines are ours, and as many as they were."""
    lines = RENDERERS[renderer]
    found = shown(lambda: streams.write_lines(lines(hostile)))
    assert FORBIDDEN.search(found) is None
    assert found.count("\n") == shown(lambda: streams.write_lines(lines(PLAIN))).count("\n")


@pytest.mark.parametrize("document", DOCUMENTS)
@hostile_texts
def test_documents_keep_the_value_and_spell_it(document: str, hostile: str) -> None:
    """JSON for programs says exactly what was there, in characters that no terminal obeys."""
    found = shown(lambda: streams.write_json(DOCUMENTS[document](hostile)))
    assert FORBIDDEN.search(found) is None
    assert found.count("\n") == shown(lambda: streams.write_json(DOCUMENTS[document](PLAIN))).count("\n")
    assert json.loads(found) == json.loads(json.dumps(DOCUMENTS[document](hostile)))


def structure(source: str) -> tuple[list[tuple[str, str]], set[str], str]:
    """Return the blocks of a Markdown text with their HTML, the kinds of what is in their lines, and its text."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    inside = [child for block in blocks for child in block.children or ()]
    said = " ".join(child.content for child in inside if child.type == "text")
    html = [(block.type, block.content if block.type == "html_block" else "") for block in blocks]
    return html, {child.type for child in inside}, said


@hostile_texts
def test_markdown_keeps_its_structure(hostile: str) -> None:
    """Headings, lists, rows, cells and folds are ours; nobody is named, and nothing linked, outside of code."""
    (blocks, inside, said), (plain_blocks, _, _) = (
        structure("".join(f"{line}\n" for line in markdown.markdown_lines(plan_of(each), digest="sha256:feed")))
        for each in (hostile, PLAIN)
    )
    assert blocks == plain_blocks
    assert inside <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    assert re.search(r"[@#<>`]|://|www\.|\]\(|(?i:\bgh-[0-9])", said) is None
    assert [content for kind, content in blocks if kind == "html_block"] == [
        "<details><summary>What differs inside, and what is attached</summary>\n",
        "</details>\n",
        "<details><summary>End of life: 1 tag, 1 ok</summary>\n",
        "</details>\n",
    ]


@hostile_texts
def test_the_doors_pass_lines_and_nothing_else(hostile: str) -> None:
    """Who writes to a stream by another way is no exception; what is ours in colour has a way of its own."""
    for kind in (streams.Output, streams.Notes):
        written = io.BytesIO()
        door = kind(written, encoding="utf-8", errors=streams.READABLE, newline="\n")
        door.write(f"{hostile}\n")
        door.flush()
        assert FORBIDDEN.search(written.getvalue().decode()) is None
        streams.our_controls(door).write("\x1b[1m")
        door.flush()
        assert written.getvalue().endswith(b"\n\x1b[1m")


@hostile_texts
def test_log_lines_are_lines(hostile: str) -> None:
    """What servers, hooks and configurations say in the log is one line, as text and as JSON."""
    record = logging.LogRecord("transship", logging.WARNING, "", 0, "%s", (hostile,), None)
    as_text: str
    as_json: str
    as_text, as_json = vars(invocation)["_TextLines"]().format(record), vars(invocation)["_JsonLines"]().format(record)
    assert as_text == f"warning: {presentable(hostile)}"
    assert json.loads(as_json)["msg"] == json.loads(json.dumps(hostile))
    for line in (as_text, as_json):
        assert FORBIDDEN.search(line) is None
        assert "\n" not in line


@hostile_texts
def test_an_error_says_one_thing_a_line(hostile: str) -> None:
    """A finding in a configuration is one line, whatever it quotes, and so is a server's refusal."""
    findings = (Finding(Mark("a.yaml", 1, 1), hostile), Finding(Mark("a.yaml", 2, 1), hostile))
    assert ConfigError(*findings).lines == (f"a.yaml:1:1: {hostile}", f"a.yaml:2:1: {hostile}")
    assert len(RegistryError("GET", "src.io/app", hostile).lines) == 1


@hostile_texts
def test_yaml_reads_back_what_it_spells_out(hostile: str) -> None:
    """A configuration that is printed has each text as it was, but for halves of characters, which YAML lacks."""
    written = to_yaml({"a": [hostile, PLAIN], hostile: "b"})
    assert FORBIDDEN.search(written) is None
    if not re.search("[\ud800-\udfff]", hostile):
        assert yaml.safe_load(written) == {"a": [hostile, PLAIN], hostile: "b"}


@pytest.mark.parametrize(
    ("foreign", "shown", "in_json"),
    [
        ("\x1b[2J", "\\x1b[2J", "\\u001b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc", "a\\r\\nb\\tc"),
        ("\x9b\x7f", "\\x9b\\x7f", "\\u009b\\u007f"),
        ("\u202egpj", "\\u202egpj", "\\u202egpj"),
        ("\U000e0041", "\\U000e0041", "\\udb40\\udc41"),
        ("\udcff", "\\udcff", "\\udcff"),
        ("→ Grüße 漢 😀", "→ Grüße 漢 😀", "→ Grüße 漢 😀"),
    ],
)
def test_what_cannot_be_seen_is_spelled(foreign: str, shown: str, in_json: str) -> None:
    """As Python and JSON spell it; what can be seen stays."""
    assert presentable(foreign) == shown
    assert presentable_json(json.dumps(foreign, ensure_ascii=False)) == f'"{in_json}"'


def test_code_holds_what_no_fence_would() -> None:
    """A run of backticks beyond what readers take for a fence is spelled out, and an empty text is a span, too."""
    assert markup.code("`" * 16) == "`" + r"\x60" * 16 + "`"
    assert markup.code("") == "` `"
    assert markup.code(" a ") == "`  a  `"
    assert markup.cell("see https://a.example for @b and c") == "see `https://a.example` for `@b` and c"


def test_an_image_cannot_forge_the_plan(tmp_path: Path) -> None:
    """What an annotation and an artifact type say stands in its line, in each format; nothing of it is obeyed."""
    old, new = images.single("old"), images.single("new", annotations={"a": NO_CHANGES})
    sbom = images.artifact(new, artifact_type=NO_CHANGES)
    with RegistryServer() as server:
        server.store.add_image("app", "1", new)
        server.store.add_image("app", sbom.digest, sbom)
        server.store.add_image("mirror", "1", old)
        entry = {
            "source": f"{server.host}/app:1",
            "target": f"{server.host}/mirror:1",
            "type": "image",
            "referrers": True,
        }
        document = {"creds": [{"registry": server.host, "tls": "disabled"}], "sync": [entry]}
        (tmp_path / "mirror.yaml").write_text(json.dumps(document))
        done = run("plan", "-c", "mirror.yaml", "-o", "plan.json", cwd=tmp_path)
    assert done.code == 0, done.err
    spelled = presentable(NO_CHANGES)
    assert f"\n  + annotation a: {spelled}\n" in done.out
    assert f" ({spelled}) of {new.digest[:19]}\n" in done.out
    assert "\nNo changes" not in done.out
    assert "\nPlan: 1 to update, 0 unchanged.\n" in done.out
    folded = run("show", "plan.json", "--format", "markdown", cwd=tmp_path).out
    assert f"\n  - `+ annotation a: {spelled}`\n" in folded
    data = run("show", "plan.json", "--format", "json", cwd=tmp_path).out
    assert json.loads(data)["changes"][0]["attached"][0]["artifact_type"] == NO_CHANGES
    for view in (done.out, folded, data):
        assert FORBIDDEN.search(view) is None


def test_a_forged_plan_cannot_forge_its_view(tmp_path: Path) -> None:
    """Texts of a plan file are one line each, and leave neither code nor what is folded."""
    digest = "sha256:" + "a" * 64
    change = {
        "action": "blocked",
        "entry": OUT_OF_DETAILS,
        "source": "src.io/app:1",
        "target": "dst.io/app:1",
        "reason": NO_CHANGES,
        "differences": [{"kind": OUT_OF_DETAILS, "what": OUT_OF_DETAILS, "before": MENTIONS, "after": NO_CHANGES}],
        "risks": [MENTIONS],
        "platforms": ["windows/amd64,osver=\x9b2J|`"],
    }
    plan: dict[str, Any] = {
        "format_version": 1,
        "tool_version": "0",
        "config": {"digest": digest, "dialect": "regsync"},
        "changes": [change],
        "problems": [{"entry": NO_CHANGES, "reference": OUT_OF_DETAILS, "message": MENTIONS}],
        "warnings": [NO_CHANGES, OUT_OF_DETAILS],
    }
    plan["digest"] = str(Digest.of(rfc8785.dumps(plan)))
    (tmp_path / "plan.json").write_bytes(rfc8785.dumps(plan))
    views = {form: run("show", "plan.json", "--format", form, cwd=tmp_path) for form in ("text", "markdown", "json")}
    assert {form: (done.code, done.err) for form, done in views.items()} == dict.fromkeys(views, (0, ""))
    for done in views.values():
        assert FORBIDDEN.search(done.out) is None
    lines = views["text"].out.splitlines()
    assert [line for line in lines if line.startswith(("No changes", "Plan", "#"))] == [
        "Plan: 1 blocked, 0 unchanged, 1 problem.",
        f"Plan digest: {plan['digest']}",
    ]
    assert f"blocked: {presentable(NO_CHANGES)}" in lines
    folded = views["markdown"].out.splitlines()
    assert [line for line in folded if line.startswith(("#", "<"))] == [
        "### Plan: 1 blocked, 0 unchanged, 1 problem.",
        "<details><summary>What differs inside</summary>",
        "</details>",
    ]
    (_, _, row) = [line for line in folded if line.startswith("|")]
    assert "| `` windows/amd64,osver=\\x9b2J\\|` `` |" in row
    found = json.loads(views["json"].out)
    assert (found["changes"][0]["reason"], found["warnings"]) == (NO_CHANGES, [NO_CHANGES, OUT_OF_DETAILS])
