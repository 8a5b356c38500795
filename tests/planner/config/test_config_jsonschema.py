"""The JSON Schema for editors: it takes what the loader takes, and sees what a schema can see."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from transship_planner.config import loads
from transship_planner.config.digest import Document
from transship_planner.config.jsonschema import json_schema
from transship_planner.config.problems import Problems
from transship_planner.config.scalars import resolve
from transship_planner.config.yamltree import ListNode, MapNode, Node, parse_yaml
from transship_planner.errors import ConfigError

HERE = Path(__file__).parent
ACCEPTED = [*sorted(HERE.glob("examples/*.yaml")), HERE / "everything.yaml"]
REFUSED = sorted(path.parent for path in HERE.glob("errors/*/config.yaml"))
VALIDATOR: Any = Draft202012Validator(json_schema())

BEYOND_A_SCHEMA = {
    "aliases-disagree": "two values that differ",
    "bad-default-once": "the grammar of schedules",
    "creds-names": "the grammar of registry names",
    "duplicate-keys": "YAML",
    "duplicate-merge-keys": "YAML",
    "image-with-tag": "what a key means for one type of entry",
    "invisible-in-keys": "YAML",
    "key-is-a-list": "YAML",
    "merge-of-a-scalar": "YAML",
    "patterns": "the grammar of RE2",
    "references": "the grammar of references",
    "registries": "the grammar of registry names",
    "repositories": "the grammar of repositories",
    "same-target": "two entries",
    "schedules": "the grammar of schedules",
    "semver-ranges": "the grammar of ranges",
    "target-name-fields": "the language of templates",
    "target-is-source": "two values that are equal",
    "target-is-source-by-another-name": "where names lead to",
    "target-with-digest": "the grammar of references",
    "targets-twice": "where names lead to",
    "template-gives-nothing": "templates",
    "templates": "templates",
    "version": "what this version supports",
}
"""The cases in which the schema sees no error, and what it would have to know."""


def python(node: Node | None) -> Document:
    """Return a tree as the values that an editor sees."""
    match node:
        case MapNode():
            return {member.key: python(member.value) for member in node.members}
        case ListNode():
            return [python(item) for item in node.items]
        case None:
            return None
        case _:
            return resolve(node.text) if node.plain else node.text


def messages(text: bytes) -> list[str]:
    document = python(parse_yaml(text, "c.yaml", Problems()))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema() -> None:
    """It is well-formed, and says which draft it is of."""
    Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_good_files_are_accepted(path: Path) -> None:
    """The examples of both tools, and a file with every key, have no errors."""
    assert messages(path.read_bytes()) == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_bad_files_are_refused(case: Path) -> None:
    """The golden errors are seen where a schema can see them, and the others are named above."""
    try:
        found = messages((case / "config.yaml").read_bytes())
    except ConfigError:  # it cannot be read as YAML, which an editor says itself
        assert case.name not in BEYOND_A_SCHEMA
        return
    assert bool(found) == (case.name not in BEYOND_A_SCHEMA)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "sync: [{source: a, target: b, type: image, refferers: true}]",
            ["$.sync[0]: 'refferers' does not match any of the regexes: '^x-'"],
        ),
        (
            "sync: [{source: a, target: b, type: images}]",
            ["$.sync[0].type: 'images' is not one of ['registry', 'repository', 'image', None]"],
        ),
        ("sync: [{target: b, type: image}]", ["$.sync[0]: 'source' is a required property"]),
        ("sync: {entries: [{target: b, source: a, tags: {}}]}", []),
        (
            "sync: [{source: a, type: image}]",
            [
                "$.sync[0]: {'source': 'a', 'type': 'image'} is not valid under any of the given schemas",
            ],
        ),
        ("sync: [{source: a, targets: [b, c], target: , type: image}]", []),
        ("sync: [{target: b, source: a, tag: x, tag_regex: }]", []),
    ],
)
def test_an_editor_says_where(text: str, found: list[str]) -> None:
    """Errors are at the place, in the words that a validator has."""
    assert messages(text.encode()) == found


ACCEPTED_ODDITIES = [
    "sync: [{source: a, target: 'r:1/a', type: repository, keep_last: '3', os_normalize: True}]",
    "sync: [{source: a, target: 'r:1/a', type: repository, keep_last: {count: 2.0}, platforms: }]",
    "{creds: [{registry: 'r:1', tls: DISABLED, credExpire: 60000000000, reqPerSec: '2.5', user: 1, blobMax: -1}]}",
    "{defaults: {interval: 1h15m0.5s, userAgent: true, cacheTime: ''}, sync: }",
    "{x-mine: [1, {}], sync: [{source: a, target: 'r:1/a', tag: 3.10, x-note: y}]}",
    "sync: {entries: [{source: a, target: 'r:1/a', tag_regex: x, platforms: [' linux/arm/v7,osver=1 ']}]}",
    "sync: [{source: a, target: 'r:1/a', type: image, tag: , fastCopy: true, fastCheck: true}]",
    "sync: [{source: a, targets: ['r:1/a', 'r:2/a'], target: , type: image}]",
    "",
]


@pytest.mark.parametrize("text", ACCEPTED_ODDITIES)
def test_what_the_loader_coerces_is_accepted(text: str) -> None:
    """The schema is never stricter than the loader."""
    loads(text.encode(), file="c.yaml", environment={})
    assert messages(text.encode()) == []
