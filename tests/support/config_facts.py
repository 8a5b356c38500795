"""Rows for facts about configuration: what a text is loaded as, under the number of the fact that says so.

A number is one of docs/semantics.md, for regsync (`B9.4`) or imglife (`A7.1`), or a row of its tables (`B4 creds.tls`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest

from transship_planner.config import loads
from transship_planner.desired import Desired, Entry, RegistryScope, RepositoryScope
from transship_planner.errors import ConfigError
from transship_planner.tags.tagrules import Selection
from transship_registry.hosts import HostSettings

FILES = {"/run/token": b" from-file\n", "/run/ca.pem": b"CA"}
ENVIRONMENT = {"HOST": "registry.example.org", "USER_NAME": "robot", "PASSWORD": "hunter2"}


class Row(NamedTuple):
    """A fact, what about it is looked at, and what is seen.

    `differs` and `decided` are words of docs/compatibility.md: the former where transship differs on purpose, the
    latter where imglife's documentation leaves open what happens.
    """

    fact: str
    says: str
    seen: Callable[[], object]
    expected: object
    differs: str = ""
    decided: str = ""

    def __str__(self) -> str:
        mark = " [differs]" if self.differs else " [decided]" if self.decided else ""
        return f"{self.fact}: {self.says}{mark}"


def each(rows: Sequence[Row]) -> pytest.MarkDecorator:
    """Parametrise a test by rows, each under the number of its fact."""
    return pytest.mark.parametrize("row", rows, ids=[str(row) for row in rows])


def read_file(path: str) -> bytes:
    """Read one of the few files that there are."""
    if path not in FILES:
        raise FileNotFoundError(path)
    return FILES[path]


def desired(text: str, environment: Mapping[str, str] = ENVIRONMENT) -> Desired:
    """Load a configuration."""
    return loads(text.encode(), file="c.yaml", environment=environment, read_file=read_file)


def regsync(keys: str, defaults: str = "{}") -> Entry:
    """Load the only entry of a file in regsync's format from these members, in flow style, beside these defaults."""
    return desired(f"{{defaults: {defaults}, sync: [{{{keys}}}]}}").entries[0]


def repository(keys: str = "", defaults: str = "{}") -> Entry:
    """Load an entry of type repository with these further members, in flow style, beside these defaults."""
    return regsync(f"source: alpine, target: registry.example.org/alpine, type: repository, {keys}", defaults)


def image(keys: str = "", defaults: str = "{}") -> Entry:
    """Load an entry of type image with these further members, in flow style, beside these defaults."""
    return regsync(f"source: alpine, target: registry.example.org/alpine, type: image, {keys}", defaults)


def imglife(keys: str = "tag_regex: ^3", sync: str = "") -> Entry:
    """Load an entry of imglife's format with these further members, in flow style."""
    source = f"{{source: alpine, target: registry.example.org/alpine, {keys}}}"
    return desired(f"{{sync: {{{sync} entries: [{source}]}}}}").entries[0]


def host(keys: str = "") -> HostSettings:
    """Load the settings of one registry with these members, in flow style."""
    return desired(f"{{creds: [{{registry: registry.example.org, {keys}}}]}}").hosts[0]


def selection(entry: Entry) -> Selection:
    """Return which tags an entry selects."""
    assert isinstance(entry.scope, RepositoryScope | RegistryScope)
    return entry.scope.selection


def patterns(entry: Entry) -> list[str]:
    """Return the allowing patterns of an entry's first set."""
    return [pattern.text for pattern in selection(entry).sets[0].allow]


def selected(keys: str, tags: str) -> list[str]:
    """Return which of some tags, separated by spaces, an entry with these members selects."""
    return list(selection(repository(keys)).select(tags.split()))


def expanded(template: str) -> str:
    """Return what a template gives that has no data, as those of `creds`."""
    creds = {"registry": "r:1", "user": template, "pass": "x"}
    credential = desired(json.dumps({"creds": [creds]})).hosts[0].credential
    assert credential is not None
    return credential.user


def expanded_in_entry(template: str, **fields: object) -> str:
    """Return the tag that a template gives in the target of an entry with these fields."""
    entry = {"source": "a", "target": f"r:1/a:{template}", "type": "image", **fields}
    return str(desired(json.dumps({"sync": [entry]})).entries[0].scope.target).removeprefix("r:1/a:")


def warnings(text: str) -> list[str]:
    """Return what is doubtful about a configuration."""
    return [finding.message for finding in desired(text).warnings]


def errors(text: str) -> list[str]:
    """Return what is wrong with a configuration, each as `line:column: message`; nothing when it loads."""
    try:
        desired(text)
    except ConfigError as error:
        return [str(finding).removeprefix("c.yaml:") for finding in error.findings]
    return []
