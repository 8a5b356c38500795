"""Several targets of one entry: read as one entry each, that share their name and differ in the target."""

from pathlib import Path

import pytest

from transship_planner.config import config_digest, loads
from transship_planner.config.export import export
from transship_planner.config.validation import validate
from transship_planner.config.yamlwriter import to_yaml
from transship_planner.desired import Desired, Entry, RepositoryScope
from transship_planner.errors import ConfigError
from transship_planner.places import Places
from transship_registry.hosts import HostSettings, TlsMode
from transship_registry.reference import Repository

SEVERAL = """\
sync:
  - source: busybox
    targets:
      - one.example.org/{{ .Sync.Source }}
      - ocidir://layouts/busybox
    type: repository
    referrers: true
    backup: "old-{{ .Ref.Tag }}"
    hooks: {post_sync: [{cmd: "true"}]}
  - source: alpine:3
    target: one.example.org/alpine:3
    type: image
"""


def load(text: str) -> Desired:
    """Load a configuration from its text."""
    return loads(text.encode(), file="mirror.yaml", environment={})


def target(entry: Entry) -> str:
    """Return the target as text."""
    return str(entry.scope.target)


def test_each_target_is_an_entry_of_the_same_name() -> None:
    """Templates are expanded in each; name, source and rules are shared; each target knows its own place."""
    first, second, other = load(SEVERAL).entries
    assert [target(first), target(second), target(other)] == [
        "one.example.org/busybox",
        "ocidir://layouts/busybox",
        "one.example.org/alpine:3",
    ]
    assert (first.name, second.name, other.name) == ("sync[0]", "sync[0]", "sync[1]")
    assert isinstance(first.scope, RepositoryScope)
    assert isinstance(second.scope, RepositoryScope)
    assert first.scope.source == second.scope.source
    assert (first.copy, first.timing, first.post_sync) == (second.copy, second.timing, second.post_sync)
    assert (str(first.where("target")), str(second.where("target"))) == ("mirror.yaml:4:9", "mirror.yaml:5:9")
    assert first.mark == second.mark


def test_one_target_in_a_list_is_that_target() -> None:
    """`targets` with one item wants what `target` wants."""
    several = "sync: [{source: busybox, targets: [one.example.org/busybox], type: repository}]"
    single = "sync: [{source: busybox, target: one.example.org/busybox, type: repository}]"
    assert config_digest(load(several)) == config_digest(load(single))
    assert export(load(several)) == export(load(single))


def test_the_order_of_entries_and_their_targets_count_for_the_digest() -> None:
    """Another target is another configuration."""
    changed = SEVERAL.replace("layouts/busybox", "layouts/other")
    assert config_digest(load(changed)) != config_digest(load(SEVERAL))


def test_the_export_has_the_targets_in_one_entry_again() -> None:
    """Loaded again it has the same digest, and the same number of written entries, so that hooks run as often."""
    desired = load(SEVERAL)
    document = export(desired)
    entries = document["sync"]
    assert isinstance(entries, list)
    assert len(entries) == 2
    assert isinstance(entries[0], dict)
    assert entries[0]["targets"] == ["one.example.org/busybox", "ocidir://layouts/busybox"]
    assert "target" not in entries[0]
    again = load(to_yaml(document))
    assert config_digest(again) == config_digest(desired)
    assert [entry.name for entry in again.entries] == [entry.name for entry in desired.entries]


def test_targets_for_which_a_template_gives_different_rules_are_exported_apart() -> None:
    """What depends on the target differs between the targets, and is not lost."""
    desired = load(
        "sync: [{source: busybox, type: repository, targets: [one.example.org/a, two.example.org/b],"
        ' referrerTarget: "{{ .Sync.Target }}-attached"}]'
    )
    entries = export(desired)["sync"]
    assert isinstance(entries, list)
    assert [entry["referrerTarget"] for entry in entries if isinstance(entry, dict)] == [
        "one.example.org/a-attached",
        "two.example.org/b-attached",
    ]
    assert config_digest(load(to_yaml(export(desired)))) == config_digest(desired)


def test_validation_counts_the_entries_that_are_written(tmp_path: Path) -> None:
    """Two entries, of which one has two targets, are two."""
    path = tmp_path / "mirror.yaml"
    path.write_text(SEVERAL)
    assert validate(str(path), environment={}).entries == 2


def test_a_tag_of_an_entry_goes_to_all_its_targets() -> None:
    """What imglife calls `tag` is the tag at each target."""
    desired = load("sync: {entries: [{source: busybox, targets: [one.example.org/a, ocidir://b], tag: v1}]}")
    assert [target(entry) for entry in desired.entries] == ["one.example.org/a:v1", "ocidir://b:v1"]


def test_a_layout_behind_a_link_is_the_same_layout(tmp_path: Path) -> None:
    """Another path that leads to the source's folder is refused as a target."""
    (tmp_path / "layout").mkdir()
    (tmp_path / "link").symlink_to("layout")
    source, link = (f"ocidir://{tmp_path}/{name}" for name in ("layout", "link"))
    with pytest.raises(ConfigError) as caught:
        load(f"sync:\n- source: {source}\n  target: {link}\n  type: repository\n")
    assert str(caught.value) == f"mirror.yaml:3:11: sync[0]: the target is the source, {source}, by another name"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="A.B:443"), True),
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="a.b."), True),
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="a.b:80"), False),
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="a.b", tls=TlsMode.INSECURE), True),
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="a.b", tls=TlsMode.DISABLED), False),
        (HostSettings(registry="a.b"), HostSettings(registry="c.d", hostname="a.b", path_prefix="p"), False),
        (HostSettings(registry="docker.io"), HostSettings(registry="c.d", hostname="registry-1.docker.io"), True),
        (HostSettings(registry="[::1]:5000"), HostSettings(registry="c.d", hostname="[::1]:5000"), True),
    ],
)
def test_a_place_is_an_address_with_its_prefix(one: HostSettings, other: HostSettings, *, same: bool) -> None:
    """Names that connect to one host and port, with one path prefix, are one place."""
    places = Places((one, other))
    first, second = (places.repository(Repository(host.registry, "app")) for host in (one, other))
    assert (first == second) is same


@pytest.mark.parametrize(
    ("allow", "deny", "fine"),
    [
        ("[]", "[]", False),
        ("['library/.*']", "[]", True),
        ("[]", "['mirror/.*']", True),
        ("['mirror']", "[]", True),
        ("['mirror/only/this']", "[]", False),
        ("['mirror/odd/.+', 'x']", "[]", False),
        ("['mirrors/.*']", "[]", True),
    ],
)
def test_a_target_inside_its_source_needs_repos_that_leave_it_out(allow: str, deny: str, *, fine: bool) -> None:
    """What `repos` provably selects below the target is refused; planning is sure about the rest."""
    text = (
        "sync: [{source: reg.example.org, target: reg.example.org/mirror, type: registry,"
        f" repos: {{allow: {allow}, deny: {deny}}}}}]"
    )
    if fine:
        assert len(load(text).entries) == 1
        return
    with pytest.raises(ConfigError, match="lies inside the source, and repos let 'mirror/"):
        load(text)
