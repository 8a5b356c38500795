"""The normalised configuration, written out and read again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transship_planner.config import config_digest, load, loads
from transship_planner.config.digest import Document
from transship_planner.config.durations import format_duration, parse_duration
from transship_planner.config.export import export
from transship_planner.config.problems import Problems
from transship_planner.config.scalars import resolve
from transship_planner.config.tables import (
    CREDS,
    DEFAULTS,
    ENTRY,
    EOL,
    HOOK,
    LIFECYCLE,
    RATELIMIT,
    REFERRER_FILTER,
    TAGS,
)
from transship_planner.config.yamltree import ListNode, MapNode, Node, parse_yaml
from transship_planner.config.yamlwriter import to_yaml
from transship_planner.desired import Desired
from transship_planner.errors import Mark
from transship_registry.hosts import Credential, HostSettings
from transship_registry.secret import Secret

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
EVERYTHING = (Path(__file__).parent / "everything.yaml").read_text()
SECRETS = {"PASSWORD": "hunter2", "KEY": "-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n"}


def reloaded(desired: Desired) -> Desired:
    return loads(to_yaml(export(desired)).encode(), file="exported.yaml", environment={})


def without_secrets(host: HostSettings) -> HostSettings:
    login = host.credential
    redacted = login and Credential(
        user=login.user,
        password=Secret("***" if login.password else ""),
        token=Secret("***" if login.token else ""),
    )
    return replace(host, credential=redacted, client_key=Secret("***" if host.client_key else ""))


def comparable(desired: Desired) -> Desired:
    """Drop what exporting changes: places, secrets, and what was doubtful in the writing."""
    nowhere = Mark("", 0, 0)
    return replace(
        desired,
        file="",
        entries=tuple(replace(entry, mark=nowhere) for entry in desired.entries),
        hosts=tuple(without_secrets(host) for host in desired.hosts),
        warnings=(),
    )


def read_example(path: str) -> bytes:
    return b"dckr_pat_123" if path == "/var/run/secrets/hub_token" else Path(path).read_bytes()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_survive(path: Path) -> None:
    """An exported example loads to the same entries, hosts and digest."""
    desired = load(str(path), environment={}, read_file=read_example)
    again = reloaded(desired)
    assert comparable(again) == comparable(desired)
    assert config_digest(again) == config_digest(desired)
    assert export(again) == export(desired)


def everything() -> Desired:
    return loads(EVERYTHING.encode(), file="everything.yaml", environment=SECRETS)


def test_every_setting_survives() -> None:
    """A file that uses every key loads to the same configuration, apart from its secrets."""
    desired = everything()
    again = reloaded(desired)
    assert comparable(again) == comparable(desired)
    assert config_digest(again) == config_digest(desired)


def test_every_setting_is_exported() -> None:
    """Each key of the tables that has an effect on a mirror is written, so that none is forgotten here."""
    document = json.dumps(export(everything()))
    tables = (CREDS, DEFAULTS, ENTRY, TAGS, RATELIMIT, REFERRER_FILTER, HOOK, LIFECYCLE, EOL)
    names = {field.name for table in tables for field in table.fields if not field.caution}
    resolved = {"tag", "eol_target"}  # one has gone into source and target, the other is always git
    assert {name for name in names if f'"{name}":' not in document} == resolved


def test_secrets_are_not_exported() -> None:
    """Passwords, tokens and keys are shown as stars; who logs in is not a secret."""
    document = export(everything())
    text = to_yaml(document)
    assert "hunter2" not in text
    assert "hunter2" not in json.dumps(document)
    (first, *_) = desired_hosts(document)
    assert {key: first[key] for key in ("user", "pass", "token", "clientKey")} == {
        "user": 'ro{{"{{"}}bot',
        "pass": "***",
        "token": "***",
        "clientKey": "***",
    }


def desired_hosts(document: dict[str, Document]) -> list[dict[str, Document]]:
    creds = document["creds"]
    assert isinstance(creds, list)
    return [host for host in creds if isinstance(host, dict)]


def test_what_is_exported_reads_well() -> None:
    """Inherited settings and expanded templates stand in the entry; what is off is left out."""
    desired = loads(
        b"""\
creds:
  - {registry: localhost:5000, tls: disabled, pass: '{{env "PASSWORD"}}', user: robot}
defaults:
  interval: 90m
  referrers: true
  backup: "old-{{.Ref.Tag}}"
sync:
  - source: alpine
    target: localhost:5000/{{.Sync.Source}}
    type: repository
    referrers: false
    tags: {allow: ['3\\.\\d+', "3.10"], semverRange: ['>=3']}
""",
        file="regsync.yml",
        environment=SECRETS,
    )
    assert to_yaml(export(desired)) == (
        """\
version: 1
creds:
  - registry: localhost:5000
    tls: disabled
    user: robot
    pass: '***'
sync:
  - source: docker.io/library/alpine
    target: localhost:5000/alpine
    type: repository
    tags:
      semverRange:
        - '>=3'
      allow:
        - 3\\.\\d+
        - '3.10'
    check_digest: true
    backup: old-{{.Ref.Tag}}
    interval: 1h30m
"""
    )


def test_nothing_is_exported_as_nothing() -> None:
    """An empty file stays one of its format."""
    empty = loads(b"", file="c.yaml", environment={})
    assert to_yaml(export(empty)) == "version: 1\nsync: []\n"
    other = loads(b"sync: {}", file="c.yaml", environment={})
    assert to_yaml(export(other)) == "version: 1\ndefaults:\n  parallel: 4\nsync:\n  entries: []\n"


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    st.sampled_from(["0o17", "017", "1_0", "3.10", "yes", "~", "", "<<", "=", "-", "a\nb\n", "a\n\nb", " a\n b", "#"]),
)


def items() -> st.SearchStrategy[Document]:
    return TEXTS


def values() -> st.SearchStrategy[Document]:
    return st.one_of(items(), st.booleans(), st.integers(-(2**63), 2**63), st.lists(items()))


def python(node: Node | None) -> Document:
    """Return a tree as the values that it stands for."""
    match node:
        case MapNode():
            return {member.key: python(member.value) for member in node.members}
        case ListNode():
            return [python(item) for item in node.items]
        case None:
            return None
        case _:
            return resolve(node.text) if node.plain else node.text


@given(st.dictionaries(TEXTS, values(), max_size=4))
@example({"a": "-----BEGIN-----\nx\n-----END-----\n"})
@example({"<<": "x"})
def test_every_document_survives_being_written(document: dict[str, Document]) -> None:
    """The loader's own reading of what was written is what was to be written."""
    problems = Problems()
    assert python(parse_yaml(to_yaml(document).encode(), "c.yaml", problems)) == document
    assert not problems.errors


@given(st.integers(0, 2**63 - 1))
@example(0)
@example(1)
@example(3_600_000_000_000)
def test_durations_survive(nanoseconds: int) -> None:
    """What a duration is written as is read as the same."""
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds
    assert parse_duration(format_duration(nanoseconds, days=True), days=True) == nanoseconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "0.000000001s"),
        (10_000_000_000, "10s"),
        (5_400_000_000_000, "1h30m"),
        (90_500_000_000, "1m30.5s"),
    ],
)
def test_durations_are_short(nanoseconds: int, text: str) -> None:
    """Units that are zero are left out."""
    assert format_duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (86_400_000_000_000, "1d"), (129_600_000_000_000, "1d12h"), (60_000_000_000, "1m")],
)
def test_durations_with_days_are_short(nanoseconds: int, text: str) -> None:
    """A field that knows days is written with them."""
    assert format_duration(nanoseconds, days=True) == text
