"""What comes of other tools' files can be planned; and what no golden file shows about it."""

import asyncio

import pytest

from support import images
from support.memory_registry import MemoryRegistry
from transship_planner.config import config_digest, loads
from transship_planner.desired import Dialect
from transship_planner.errors import ConfigError
from transship_planner.migrate import Migration, Options, Tool, migrate
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Plan


def plan(migration: Migration, *references: str) -> Plan:
    """Plan what a migration gives, in a world with these images, each another one."""
    world = MemoryRegistry()
    for reference in references:
        world.seed(reference, images.multi_platform(reference))
    desired = loads(migration.text.encode(), file="transship.yaml", environment={})
    pin = ConfigPin(digest=config_digest(desired), dialect=desired.dialect.value)
    return diff(asyncio.run(observe(desired, world)), Circumstances(tool_version="test", config=pin))


def test_rules_that_overlap_are_planned_once() -> None:
    """Rules of image-syncer may name a tag several times: it is one change."""
    text = b"quay.io/a/b: quay.io/c/b\nquay.io/a/b:v1: quay.io/c/b\nquay.io/a/b:v1,v2: quay.io/c/b\n"
    found = plan(migrate(text, "images.yaml", Options()), "quay.io/a/b:v1", "quay.io/a/b:v2")
    assert [(change.action.value, str(change.target)) for change in found.changes] == [
        ("create", "quay.io/c/b:v1"),
        ("create", "quay.io/c/b:v2"),
    ]
    assert found.problems == ()


def test_two_repositories_in_one_are_refused_where_their_tags_meet() -> None:
    """The note is true: of a tag that both have, nothing is planned, and of the others it is."""
    text = b"docker.io:\n  images: {bitnami/redis: [], redis: ['7', '8']}\n"
    migration = migrate(text, "sync.yaml", Options(to="mirror.example.com"))
    found = plan(
        migration,
        *(f"docker.io/{name}" for name in ("bitnami/redis:6", "bitnami/redis:7", "library/redis:7", "library/redis:8")),
    )
    assert [str(change.target) for change in found.changes] == [
        "mirror.example.com/redis:6",
        "mirror.example.com/redis:8",
    ]
    (problem,) = found.problems
    assert "mirror.example.com/redis:7" in str(problem)


def test_a_registry_is_planned_by_its_catalogue() -> None:
    """A pattern for repositories, of dregsy, becomes an entry for the registry."""
    text = (
        b"tasks: [{name: t, source: {registry: a.example.com}, target: {registry: b.example.com}, "
        b"mappings: [{from: 'regex:team/.*', to: /copy, tags: ['1.0']}]}]"
    )
    found = plan(
        migrate(text, "dregsy.yaml", Options()),
        *(f"a.example.com/{name}" for name in ("team/app:1.0", "team/app:2.0", "other/app:1.0")),
    )
    assert [str(change.target) for change in found.changes] == ["b.example.com/copy/team/app:1.0"]


def test_a_name_cannot_end_a_comment() -> None:
    """A line break or control character in a key is written as its escape, so that the new file stays whole."""
    text = b'tasks: [{name: "a\\nb\\u0007", source: {registry: r.io}, target: {registry: t.io}, mappings: [{from: x}]}]'
    migration = migrate(text, "dregsy.yaml", Options())
    assert "  # from tasks[0].mappings[0] of a\\nb\\x07 (line 1)\n" in migration.text
    assert loads(migration.text.encode(), file="transship.yaml", environment={}).dialect is Dialect.REGSYNC


def test_a_login_is_never_shown() -> None:
    """Neither dregsy's base64 nor what it hides is in the text, the notes, the errors or a representation."""
    secret = "eyJ1c2VybmFtZSI6ICJhbGV4IiwgInBhc3N3b3JkIjogInNlY3JldCJ9Cg=="
    text = (
        f"tasks: [{{name: t, source: {{registry: r.io, auth: {secret}}}, target: {{registry: t.io, auth: [{secret}]}}"
    )
    good = migrate(f"{text.replace('[' + secret + ']', 'none')}}}]".encode(), "dregsy.yaml", Options())
    assert secret not in repr(good)
    with pytest.raises(ConfigError) as caught:
        migrate(f"{text}}}]".encode(), "dregsy.yaml", Options())
    assert str(caught.value) == "dregsy.yaml:1:144: tasks[0].target.auth: expected a string, found a list"


def test_the_tool_is_guessed_or_given() -> None:
    """What is given wins over what the contents look like."""
    text = b"quay.io/a/b:v1: quay.io/c/b\n"
    assert migrate(text, "images.yaml", Options()).tool is Tool.IMAGE_SYNCER
    with pytest.raises(ConfigError) as caught:
        migrate(text, "images.yaml", Options(tool=Tool.DREGSY))
    assert str(caught.value) == (
        "images.yaml:1:1: the file lacks 'tasks'\nimages.yaml:1:1: unknown key 'quay.io/a/b:v1' at the top level"
    )


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("regex:jenkins/,dh/other-jenkins/", "dh/other-jenkins/jnlp-slave"),
        ("regex:^/(?P<team>[a-z]+)/(.+)$,$2-of-${team}", "jnlp-slave-of-jenkins"),
        ("regex:-(x)?s,_${1}s", "jenkins/jnlp_slave"),
        ("regex:none,x", "jenkins/jnlp-slave"),
        ("/other/name", "other/name"),
    ],
)
def test_a_path_is_replaced_as_go_does(to: str, target: str) -> None:
    """The pattern is searched for in the path with a slash in front; `$` and a name or number stand for a group."""
    text = (
        "tasks: [{name: t, source: {registry: r.io}, target: {registry: t.io}, "
        f"mappings: [{{from: jenkins/jnlp-slave, to: '{to}', tags: [a]}}]}}]"
    )
    assert f"\n    target: t.io/{target}:a\n" in migrate(text.encode(), "dregsy.yaml", Options()).text
