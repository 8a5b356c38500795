"""The documentation is current: generated parts, commands, options, fields, examples and links."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import typer.main
from typer.core import TyperGroup

from transship.arguments import Options, arranged
from transship.main import app
from transship_planner.config import loads
from transship_planner.plans.plan import Change, Plan
from transship_planner.plans.planfile import decode
from transship_planner.tags.semver import SEMVER_DIFFERENCES
from transship_registry.codec import decode_json
from transship_state.document import State

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ROOT / "docs" / "generate.py"
README = ROOT / "README.md"
COMPATIBILITY = ROOT / "docs" / "compatibility.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
STATUSES = {"same", "better", "different", "no effect", "not yet"}

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Row(NamedTuple):
    """A row of a table: the names in its first cell, and its other cells."""

    names: tuple[str, ...]
    cells: tuple[str, ...]


def blocks(language: str) -> list[Block]:
    """Find the fenced blocks of a language in all pages."""
    found: list[Block] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(text):
            if fence["language"] == language:
                line = text.count("\n", 0, fence.start()) + 1
                found.append(Block(str(page.relative_to(ROOT)), line, fence["text"]))
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def rows(text: str) -> Iterator[Row]:
    """Read the rows of all tables."""
    for line in text.splitlines():
        if line.startswith("| "):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            first, *others = (cell.strip() for cell in cells)
            yield Row(tuple(re.findall(r"`([^`]+)`", first)), tuple(others))


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Find a command and all below it, by their words."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {word}".strip())


@cache
def spellings() -> Options:
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    return Options.of(program)


@cache
def options() -> Mapping[str, frozenset[str]]:
    """Return every command's options; those of the program itself under the empty name."""
    parts = dict(commands(typer.main.get_command(app)))
    return {
        name: frozenset(
            option for parameter in part.params if parameter.param_type_name == "option" for option in parameter.opts
        )
        for name, part in parts.items()
    }


def test_generated_parts_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    done = subprocess.run(
        [sys.executable, str(GENERATE), "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", [name for name in options() if name])
def test_every_command_and_option_is_documented(command: str) -> None:
    """The command reference has a section for each command, with all of its options."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## transship {command}\n")[2].partition("\n## ")[0]
    assert {option for option in options()[command] if option not in section} == set()
    assert re.search(rf"^  {command.rpartition(' ')[2]} +\S", page, re.MULTILINE)


def test_every_command_is_in_the_readme() -> None:
    """The table of commands in the README names each of them, but `version`, which needs no explanation."""
    shown = [f"{name} " for row in rows(prose(README)) for name in row.names]
    missing = {name for name in options() if not any(row.startswith(f"transship {name} ".lstrip()) for row in shown)}
    assert missing - {""} == {"version"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every file that a page links to exists, and so does every heading."""
    broken: list[str] = []
    for link in _LINK.finditer(prose(page)):
        name, _, anchor = link["target"].partition("#")
        if "://" in name:
            continue
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link["target"])
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    titles = (heading["title"].lower() for heading in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def command_lines() -> list[tuple[str, str]]:
    """Return every command line that a page shows, with its place."""
    shown = [(str(block), line) for block in blocks("console") for line in block.text.splitlines() if line[:2] == "$ "]
    shown = [(place, line[2:]) for place, line in shown]
    return shown + [(str(block), line) for block in blocks("sh") for line in block.text.splitlines() if line]


def command_of(words: list[str]) -> str:
    """Return the command that these words call, which may be one below another."""
    for word, following in pairwise((*words, "")):
        if word in options():
            below = f"{word} {following}"
            return below if below in options() else word
    return ""


@pytest.mark.parametrize(("place", "line"), command_lines())
def test_commands_in_the_pages_exist(place: str, line: str) -> None:
    """A shown transship command has the options that it is shown with; targets of make are looked at elsewhere."""
    program, *words = shlex.split(line, comments=True)
    match program:
        case "make":
            pass
        case "transship":
            command = command_of(arranged(words, spellings()))
            given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
            assert given <= {*options()[""], *options()[command], "-h", "--help"}, place
        case _:
            pytest.fail(f"{place}: {program} is neither make nor transship")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_configurations_in_the_pages_load(block: Block) -> None:
    """Every YAML block is a whole configuration, in which the loader finds nothing doubtful."""
    desired = loads(block.text.encode(), file=str(block), environment={"MIRROR_PASSWORD": "swordfish"})
    assert desired.warnings == ()
    assert desired.entries


def test_the_example_of_a_plan_is_a_plan() -> None:
    """It can be read, and its digest is right."""
    (block,) = (block for block in blocks("json") if block.page == "docs/plan-file.md")
    assert len(decode(block.text.encode(), "example").plan.changes) == 1


def test_the_example_of_a_state_is_a_state() -> None:
    """It can be read, and records the plan of the other example."""
    (plan,) = (block for block in blocks("json") if block.page == "docs/plan-file.md")
    (state,) = (block for block in blocks("json") if block.page == "docs/state-file.md")
    (record,) = decode_json(state.text.encode(), State).records
    assert record.plan == decode(plan.text.encode(), "example").digest


def test_every_member_of_a_plan_is_explained() -> None:
    """The tables of the plan file name all members of a plan and of a change."""
    text = prose(ROOT / "docs" / "plan-file.md")
    explained = {word for row in rows(text) for name in row.names for word in re.findall(r"\w+", name)}
    assert {*Plan.__struct_fields__, *Change.__struct_fields__} - explained == set()


@pytest.mark.parametrize("home", ["regsync", "imglife"])
def test_every_field_has_a_row_in_the_comparison(home: str) -> None:
    """Each key that a format knows is compared, under one of the five words."""
    section = prose(COMPATIBILITY).partition(f"\n## {home}\n")[2].partition("\n## ")[0]
    compared = {name.rpartition(".")[2].removesuffix("[]") for row in rows(section) for name in row.names}
    generate = runpy.run_path(str(GENERATE))
    fields = [field for _, table in generate["tables"]() for field in table.fields]
    homes = {name: generate["_home"](field) for field in fields for name in (field.name, *field.aliases)}
    assert {name for name, its_home in homes.items() if its_home in {home, "both"}} - compared == set()


def test_every_comparison_has_a_status() -> None:
    """The second cell of each comparison is one of the five words that the page explains."""
    text = prose(COMPATIBILITY)
    assert {name for name in STATUSES if f"- **{name}**: " not in text} == set()
    fields, _, rest = text.partition("\n### Semver ranges\n")
    compared = [*rows(fields), *rows(rest.partition("\n## ")[2])]
    assert {row.cells[0] for row in compared} - {"status"} == STATUSES


def test_every_difference_of_ranges_is_listed() -> None:
    """The comparison has a row for each range that is read otherwise than by regsync."""
    listed = {name.replace(r"\|", "|") for row in rows(prose(COMPATIBILITY)) for name in row.names}
    assert {difference.text for difference in SEMVER_DIFFERENCES} - listed == set()


def test_prose_has_one_sentence_per_line() -> None:
    """A full stop followed by a capital letter ends a line, so that a diff shows which sentence changed."""
    offenders = [
        f"{page.relative_to(ROOT)}: {line}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for line in prose(page).splitlines()
        if not line.startswith(("|", "-", "1", "2", "3", "4")) and re.search(r"(?<![A-Z0-9])[.!?]\)? [A-Z]", line)
    ]
    assert offenders == []
