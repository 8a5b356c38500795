"""What comments and docstrings cite is in this repository, and the tests that pages name exist."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEMANTICS = ROOT / "docs" / "semantics.md"
REGISTRIES = ROOT / "docs" / "registries.md"
FAULTS = ROOT / "tests" / "registry" / "test_faults.py"

_FACT = re.compile(r"(?<!noqa: )\b([AB]\d{1,2})(?:\.(\d{1,2})(?:-(\d{1,2}))?)?(?![\w.]*\d)")
_ROW_OF_A_FACT = re.compile(r"[AB]\d{1,2}(?:\.\d{1,2})?(?=[ :]|$)")
_ROW = re.compile(r"\bregistries (\d+(?:\.\d+)?)\b")
_PAGE = re.compile(r"(?<![\w/.:-])([\w-][\w./-]*\.md)\b(?: § ([^;).]+))?")
_SECTION = re.compile(r"([^§]{0,60})§")
_HOMELESS = re.compile(r"\((?:[^()]*[;,] )?([a-z][\w-]*) (?:§ ?)?[A-Z]?\d+\.\d+[),; ]")
_PROGRAMS = frozenset({"distribution", "olareg"})
_NUMBERED = frozenset({"semantics", "registries"})
_OUTSIDE = re.compile(
    r"(?:(?:distribution|image)-spec|token specification,|docker-credential-helpers,|RFC \d+|YAML 1\.2|SemVer 2\.0\.0"
    r"|CommonMark|GFM|(?:descriptor|image-index|image-layout)\.md|docs/[\w./-]+\.md|§ [\w ]+,|\bPull,|\() ?$"
)
"""What may stand before a `§`: a published specification, a page, or just a bracket where the module names its own."""

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
_CASE = re.compile(r'case "([^"…]+)"')


def may_cite(source: str) -> bool:
    """Tell whether a module has anything that looks like a citation; most have none, and need not be parsed."""
    text = " ".join(source.replace("#", " ").split())
    return "§" in text or any(pattern.search(text) for pattern in (_FACT, _ROW, _PAGE, _HOMELESS))


def remarks(source: str) -> Iterator[str]:
    """Yield the comments and docstrings of a module, each on one line."""
    if not may_cite(source):
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield " ".join(token.string.lstrip("#").split())
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield " ".join(text.split())
            case _:
                pass


def named_facts(source: str) -> Iterator[str]:
    """Yield the facts that rows and ids of tests are named after, such as `B9.11` of `"B9.11 >="`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str() as text) if found := _ROW_OF_A_FACT.match(text):
                yield found[0]
            case _:
                pass


@cache
def facts() -> frozenset[str]:
    """Return the numbers of docs/semantics.md: `B11` of a heading, `B11.4` of the fourth item below it."""
    found: set[str] = set()
    section = ""
    for line in SEMANTICS.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## ([AB]\d+) ", line):
            section = heading[1]
            found.add(section)
        elif item := re.match(r"(\d+)\. ", line):
            found.add(f"{section}.{item[1]}")
    return frozenset(found)


@cache
def rows() -> frozenset[str]:
    """Return the numbers of docs/registries.md: of its sections and of the rows of their tables."""
    text = REGISTRIES.read_text(encoding="utf-8")
    return frozenset(re.findall(r"^(?:## |\| )(\d+(?:\.\d+)?) ", text, re.MULTILINE))


def cited_facts(remark: str) -> Iterator[str]:
    """Yield the facts that a remark cites, of `B9.10-13` the first and the last."""
    for section, first, last in _FACT.findall(remark):
        yield f"{section}.{first}" if first else section
        if last:
            yield f"{section}.{last}"


def broken(remark: str) -> list[str]:
    """Return what a remark cites and what is not there."""
    lost = [f"semantics {fact}" for fact in cited_facts(remark) if fact not in facts()]
    lost += [f"registries {row}" for row in _ROW.findall(remark) if row not in rows()]
    lost += list(_lost_pages(remark))
    lost += [f"{before}§" for before in _SECTION.findall(remark) if not _OUTSIDE.search(before)]
    lost += [name for name in _HOMELESS.findall(remark) if name not in _PROGRAMS | _NUMBERED]
    return lost


def _lost_pages(remark: str) -> Iterator[str]:
    for path, heading in _PAGE.findall(remark):
        page = ROOT / path
        if not page.exists():
            if "image-spec" not in remark:
                yield path
        elif heading and heading not in _HEADING.findall(page.read_text(encoding="utf-8")):
            yield f"{path} § {heading}"


def tracked() -> list[str]:
    """Return the Python files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def found_in(names: Iterable[str]) -> list[str]:
    return [f"{name}: {lost}" for name in names for text in remarks(read(name)) for lost in broken(text)]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_what_comments_cite_is_there() -> None:
    """Each fact, row, page and heading that a comment or a docstring names can be looked up in this repository."""
    assert found_in(name for name in tracked() if ROOT / name != Path(__file__)) == []


def test_facts_that_tests_are_named_after_are_there() -> None:
    """Rows and ids that begin with the number of a fact name one of docs/semantics.md."""
    cited = {
        f"{name}: {fact}"
        for name in tracked()
        if name.startswith(("tests/planner/", "tests/support/"))
        for fact in named_facts(read(name))
        if fact not in facts()
    }
    assert cited == set()


@pytest.mark.parametrize(
    ("remark", "lost"),
    [
        ("Why it is so (semantics B11.4).", []),
        ("Why it is so (semantics B11.99).", ["semantics B11.99"]),
        ("Why it is so (semantics A4; A3, B99).", ["semantics B99"]),
        ("As the facts say (B9.10-13).", []),
        ("As the facts say (B9.10-99).", ["semantics B9.99"]),
        ("None takes all three (registries 4.1).", []),
        ("None takes all three (registries 4.99).", ["registries 4.99"]),
        ("None takes all three (peers 6.1).", ["peers"]),
        ("Never for 404 (semantics B15, peers 8.2).", ["peers"]),
        ("The plan file (architecture §4).", ["The plan file (architecture §"]),
        ("The plan file (docs/plan-file.md § The digest).", []),
        ("The plan file (docs/plan-file.md § The taste).", ["docs/plan-file.md § The taste"]),
        ("The plan file (docs/architecture.md).", ["docs/architecture.md"]),
        ("Where it is (OCI image-spec, image-layout.md § Blobs).", []),
        ("Pages (https://github.com/containerd/containerd/blob/main/docs/hosts.md).", []),
        ("Tags (distribution-spec § Pull, § Push), and a date (RFC 9110 § 10.2.3).", []),
        ("Deletes by digest (distribution 2.8).", []),
        ("noqa: B009 - the name is looked for", []),
    ],
)
def test_what_is_not_there_is_found(remark: str, lost: list[str]) -> None:
    """A citation is looked up whatever its form, and those of published specifications are left alone."""
    assert broken(remark) == lost


def test_facts_are_numbered_without_gaps() -> None:
    """A page shows the items of a list by counting, so that a number that is left out would show another fact."""
    for section in sorted(fact for fact in facts() if "." not in fact):
        numbers = sorted(int(fact.partition(".")[2]) for fact in facts() if fact.startswith(f"{section}."))
        assert numbers == list(range(1, len(numbers) + 1)), section


def test_what_shows_how_registries_are_treated_exists() -> None:
    """The page on registries names tests and cases that are there, and each of its rows names one."""
    text = REGISTRIES.read_text(encoding="utf-8")
    named = {(file, name) for file, name in _TEST.findall(text)}
    assert [each for each in sorted(named) if f"def {each[1]}(" not in read(f"tests/{each[0]}")] == []
    cases = FAULTS.read_text(encoding="utf-8")
    assert [case for case in _CASE.findall(text) if f'"{case}"' not in cases] == []
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(lines) > 50
    assert [line for line in lines if not (_TEST.search(line) or _CASE.search(line))] == []
