"""The digest of a configuration: of what it wants."""

import pytest

from transship_planner.config import config_digest, loads
from transship_registry.digest import Digest

BASE = """\
creds:
  - registry: registry.example.org
    user: robot
    pass: '{{ env "PASSWORD" }}'
    tls: disabled
  - registry: mirror.example.org
defaults:
  interval: 1h
sync:
  - source: alpine
    target: registry.example.org/alpine
    type: repository
    tags:
      allow: ['3\\.\\d+']
      semverRange: ['>=3']
    platforms: [linux/amd64]
    backup: 'old-{{ .Ref.Tag }}'
    referrers: true
    referrerFilters: [{artifactType: a, annotations: {k: v}}]
    hooks: {post_sync: [{cmd: notify}]}
    lifecycle: {product: alpine}
  - source: busybox:1
    target: registry.example.org/busybox:1
    type: image
"""


def digest(text: str, *, file: str = "c.yaml", password: str = "") -> Digest:
    return config_digest(loads(text.encode(), file=file, environment={"PASSWORD": password}))


def test_writing_does_not_count() -> None:
    """File name, comments, lines, the order of keys, anchors and the place of a default leave the digest as it is."""
    rewritten = """\
# the same, written otherwise
x-note: unused
sync:
  - type: repository
    source: docker.io/library/alpine
    lifecycle: {track: minor, product: alpine}
    hooks: {post_sync: [{continue_on_error: false, cmd: notify, timeout: 60s}]}
    referrerFilters: [{annotations: {k: v}, artifactType: a}]
    referrers: true
    backup: 'old-{{ .Ref.Tag }}'
    platforms: [linux/x86_64]
    tags: {semverRange: ['>=3'], allow: ['3\\.\\d+'], deny: []}
    target: registry.example.org/alpine
    interval: 60m
  - {source: 'docker.io/library/busybox:1', target: 'registry.example.org/busybox:1', type: image, interval: 3600s}
creds:
  - {registry: mirror.example.org}
  - {registry: registry.example.org, tls: DISABLED}
"""
    assert digest(rewritten, file="other.yaml") == digest(BASE)


def test_secrets_do_not_count() -> None:
    """A rotated password does not invalidate a plan (docs/configuration.md § Secrets and credentials)."""
    rotated = BASE.replace("user: robot", "user: other, \n    token: new").replace(", \n", "\n")
    assert digest(BASE, password="hunter2") == digest(BASE, password="hunter3") == digest(rotated)


def test_formats_do_not_count() -> None:
    """The same wish in the two formats has one digest; the plan pins the format beside it."""
    ours = "sync: [{source: alpine, target: 'r:1/alpine', tag: '3'}]"
    theirs = "sync: {entries: [{source: alpine, target: 'r:1/alpine', tag: '3', check_digest: true}]}"
    assert digest(ours) == digest(theirs)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("source: alpine", "source: debian"),
        ("registry.example.org/alpine", "registry.example.org/alpine2"),
        ("3\\.", "4\\."),
        (">=3", ">=4"),
        ("allow:", "deny:"),
        ("[linux/amd64]", "[linux/arm64]"),
        ("old-", "older-"),
        ("referrers: true", "referrers: false"),
        ("{k: v}", "{k: w}"),
        ("cmd: notify", "cmd: rm"),
        ("product: alpine", "product: debian"),
        ("product: alpine", "product: alpine, on_eol: hold"),
        ("creds:", "lifecycle: {on_eol: block}\ncreds:"),
        ("creds:", "lifecycle: {eol_provider: local}\ncreds:"),
        ("creds:", "lifecycle: {eol_data_file: other.yaml}\ncreds:"),
        ("creds:", "lifecycle: {eol_url: 'https://eol.example.org'}\ncreds:"),
        ("interval: 1h", "interval: 2h"),
        ("busybox:1", "busybox:2"),
        ("tls: disabled", "tls: enabled"),
        ("tls: disabled", "hostname: other.example.org"),
        ("tls: disabled", "credHelper: docker-credential-other"),
        ("    type: repository\n", "    type: repository\n    keep_last: 3\n"),
        ("    type: repository\n", "    type: repository\n    os_normalize: true\n"),
        ("    type: repository\n", "    type: repository\n    check_digest: false\n"),
    ],
)
def test_a_wish_counts(before: str, after: str) -> None:
    """Whatever would be done differently changes the digest."""
    assert before in BASE
    assert digest(BASE.replace(before, after)) != digest(BASE)


def test_settings_that_no_entry_uses_do_not_count() -> None:
    """Other commands of imglife have their settings in the same section."""
    text = "sync: [{source: 'alpine:3', target: 'r:1/alpine:3', type: image}]"
    assert digest(text) == digest(f"lifecycle: {{eol_provider: local, eol_data_file: other.yaml}}\n{text}")


def test_which_entry_has_hooks_counts() -> None:
    """An entry with two targets is not two entries: a plan of it would have the hooks of its neighbour run, or none."""
    last = "{source: 'c:1', target: 'r:1/c:1', type: image, hooks: {post_sync: [{cmd: notify}]}}"
    one = f"sync: [{{source: 'a:1', targets: ['r:1/a:1', 'r:2/a:1'], type: image}}, {last}]"
    two = (
        "sync: [{source: 'a:1', target: 'r:1/a:1', type: image}, {source: 'a:1', target: 'r:2/a:1', type: image}, "
        f"{last}]"
    )
    assert digest(one) != digest(two)
    assert digest(one.replace(", hooks: {post_sync: [{cmd: notify}]}", "")) == digest(
        two.replace(", hooks: {post_sync: [{cmd: notify}]}", "")
    )


def test_kinds_of_entries_count() -> None:
    """A registry is told from a repository even where they are written alike."""
    text = "sync: [{source: 'r:1', target: 'r:2/x', type: registry}]"
    assert digest(text) != digest(text.replace("'r:1'", "'r:1/x'").replace("type: registry", "type: repository"))
