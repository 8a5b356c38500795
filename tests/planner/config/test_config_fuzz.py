"""Whatever stands in a file, loading it gives a configuration or a `ConfigError`, and nothing else."""

from typing import TypeAlias

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from transship_planner.config import config_digest, loads
from transship_planner.config.schema import Kind, ListOf, Record, Table
from transship_planner.config.tables import top_level
from transship_planner.desired import Dialect
from transship_planner.errors import ConfigError, Finding

Tree: TypeAlias = "str | int | float | bool | list[Tree] | dict[str, Tree] | None"

SECRET = "hunter2"
WORDS = [
    "",
    "alpine",
    "alpine:3",
    "registry.example.org",
    "registry.example.org/alpine:3",
    "ocidir://x:1",
    "image",
    "repository",
    "registry",
    "latest",
    "^3",
    "(",
    ">=1",
    "linux/amd64",
    "1h",
    "15 1 * * *",
    "{{ .Sync.Source }}",
    "{{ env",
    "minor",
    "disabled",
]


def tables(kind: Kind) -> list[Table]:
    match kind:
        case Record():
            return [kind.table, *(table for field in kind.table.fields for table in tables(field.kind))]
        case ListOf():
            return tables(kind.item)
        case _:
            return []


KEYS = sorted(
    {name for dialect in Dialect for table in tables(Record(top_level(dialect))) for name in table.by_name}
    | {"x-own", "<<", "tagz"}
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)


def containers(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)


trees: st.SearchStrategy[Tree] = st.recursive(scalars, containers, max_leaves=40)


@st.composite
def files(draw: st.DrawFn) -> Tree:
    """Draw a file of either format with entries that are right but for a few keys."""
    keys = st.dictionaries(st.sampled_from(KEYS), trees, max_size=5)
    image: dict[str, Tree] = {"source": "alpine:3", "target": "r:1/a:3", "type": "image"}
    entries: list[Tree] = [image | drawn for drawn in draw(st.lists(keys, max_size=3))]
    file: dict[str, Tree] = {"sync": entries if draw(st.booleans()) else {"entries": entries}}
    for section in ("defaults", "creds"):
        if draw(st.booleans()):
            file[section] = draw(trees)
    return file


def findings_of(data: bytes) -> tuple[Finding, ...]:
    """Load, and return the errors, or else the warnings; what does load must have a digest."""
    try:
        desired = loads(data, file="c.yaml", environment={})
    except ConfigError as error:
        return error.findings
    config_digest(desired)
    return desired.warnings


def dumped(tree: Tree) -> bytes:
    """Return a tree as PyYAML writes it."""
    # types-pyyaml gives `width` a type that pyright cannot follow.
    text = yaml.safe_dump(tree, allow_unicode=True)  # pyright: ignore[reportUnknownMemberType]
    return text.encode("utf-8", "replace")


def check_loading(data: bytes) -> None:
    """Load, and check what every outcome must fulfil."""
    findings = findings_of(data)
    # YAML 1.1, which libyaml reads, takes more characters for line breaks than bytes.splitlines does
    last_line = len(data.decode(errors="replace").splitlines()) + 1
    assert list(findings) == sorted(set(findings))
    assert all(1 <= finding.mark.line <= last_line and finding.mark.column >= 1 for finding in findings)
    assert all(len(finding.message.splitlines()) == 1 for finding in findings)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    """Bytes give a configuration or a ConfigError with a place for every finding."""
    check_loading(data)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`#?, \t\n<x1.\ufeff\u2028"), max_size=40))
def test_any_text_of_yaml_characters(text: str) -> None:
    """Text made of what YAML gives a meaning to does the same."""
    check_loading(text.encode())


@settings(max_examples=400, deadline=None)
@given(trees | files())
def test_any_tree_of_known_keys(tree: Tree) -> None:
    """Known keys with values of every kind at every place do the same."""
    check_loading(dumped(tree))


FORMS = ["{}", "{{{{ {} }}}}", "[{}]", "{{a: {}}}"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["pass", "token", "clientKey"]), trees, st.sampled_from(FORMS))
def test_no_message_shows_a_secret(key: str, beside: Tree, form: str) -> None:
    """Whatever is wrong around a secret, no finding quotes it."""
    creds = {"registry": "r:1", key: form.format(SECRET), "user": beside}
    findings = findings_of(dumped({"creds": [creds]}))
    assert SECRET not in "".join(str(finding) for finding in findings)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_load_is_repeatable(dialect: Dialect) -> None:
    """The same bytes give equal configurations and the same digest."""
    sync = "[{source: a, target: r:1/a, tag: x}]"
    text = f"sync: {sync if dialect is Dialect.REGSYNC else f'{{entries: {sync}}}'}".encode()
    first, second = (loads(text, file="c.yaml", environment={}) for _ in range(2))
    assert first.dialect is dialect
    assert first == second
    assert config_digest(first) == config_digest(second)
