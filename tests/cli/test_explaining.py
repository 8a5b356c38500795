"""The command why, run as a program: with a file of tags, and with the tags of an OCI layout."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from support.program import transship
from transship.demo_images import push_image
from transship_registry.layout import LayoutStore
from transship_registry.reference import Repository

CONFIG = """\
sync:
  - source: ocidir://upstream
    target: mirror.example.com/app
    type: repository
    tags: {semverRange: ['>=3.22']}
    keep_last: {per: minor, count: 1}
  - source: ocidir://upstream
    target: mirror.example.com/all
    type: repository
    tags: {allow: ['.*-alpine']}
    target_name: 'x-{{ .Tag }}'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "transship.yaml").write_text(CONFIG)
    (tmp_path / "tags.txt").write_text("# of today\n3.22\n3.22.1\n\n3.22-alpine\nlatest\n")
    return tmp_path


def test_a_selected_tag(folder: Path) -> None:
    """Exit 0; every entry that is about the tag says what it does with it."""
    done = transship("why", "ocidir://upstream:3.22-alpine", "--tags-from", "tags.txt", cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "ocidir://upstream:3.22-alpine is selected.\n"
        "\n"
        "sync[0] (transship.yaml:2:5): not selected\n"
        "  set 1: dropped: outside the semver range '>=3.22'\n"
        "  trap: semver reads the suffix of '3.22-alpine' as a pre-release, older than '3.22', which puts it outside "
        "'>=3.22'; if 'alpine' is a variant, set semverSuffix: variant to compare numbers only\n"
        "\n"
        "sync[1] (transship.yaml:7:5): selected, ocidir://upstream:3.22-alpine → mirror.example.com/all:x-3.22-alpine\n"
        "  set 1: selected by '.*-alpine'\n"
        "  renamed by target_name: ocidir://upstream:3.22-alpine is mirror.example.com/all:x-3.22-alpine "
        "at the target\n"
    )


def test_a_dropped_tag_as_json(folder: Path) -> None:
    """Exit 1 when nothing selects it; the reason is data as well."""
    done = transship("why", "mirror.example.com/app:3.22", "--tags-from", "tags.txt", "--format", "json", cwd=folder)
    assert (done.code, done.err) == (1, "")
    assert json.loads(done.out) == {
        "reference": "mirror.example.com/app:3.22",
        "selected": False,
        "entries": [
            {
                "entry": "sync[0]",
                "file": "transship.yaml",
                "line": 2,
                "role": "target",
                "source": "ocidir://upstream:3.22",
                "target": "mirror.example.com/app:3.22",
                "selected": False,
                "listed": True,
                "sets": [{"step": "passed", "rules": [">=3.22"], "message": "selected by '>=3.22'"}],
                "keep_last": {"rank": 2, "group": "3.22"},
                "traps": [],
                "notes": [],
            }
        ],
    }


def test_the_tags_of_the_source(folder: Path) -> None:
    """Without a file of tags, the source is asked for its list, and nothing is asked of the target."""

    async def publish() -> None:
        async with LayoutStore() as store:
            await push_image(store, Repository.layout(str(folder / "upstream")).tag("3.22"), "3.22")

    asyncio.run(publish())
    done = transship("why", "mirror.example.com/app:3.22", cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[2:] == [
        "sync[0] (transship.yaml:2:5): selected, ocidir://upstream:3.22 → mirror.example.com/app:3.22",
        "  set 1: selected by '>=3.22'",
        "  kept by keep_last: number 1 of 1 matching tags of version 3.22, newest first; the first 1 are kept",
    ]


def test_a_repository_that_no_entry_has(folder: Path) -> None:
    """Exit 1, and no registry is asked."""
    done = transship("why", "ghcr.io/other:1", cwd=folder)
    assert (done.code, done.err) == (1, "")
    assert done.out == ("ghcr.io/other:1 is not selected: no entry has it, or its repository, as source or target.\n")


@pytest.mark.parametrize(
    ("reference", "tags", "message"),
    [
        (
            f"ocidir://upstream@sha256:{'0' * 64}",
            "tags.txt",
            f"'ocidir://upstream@sha256:{'0' * 64}' names a digest; entries select tags: name the tag alone",
        ),
        ("ocidir://upstream:1", "none.txt", "none.txt: cannot read the tags: No such file or directory"),
        ("ocidir://upstream:1", "binary.txt", "binary.txt: cannot read the tags: it is not UTF-8"),
        (
            "ocidir://upstream:1",
            "bad.txt",
            "tag 'a b' is malformed: expected up to 128 letters, digits, _ . -, and none of . - first",
        ),
    ],
)
def test_a_wrong_question(folder: Path, reference: str, tags: str, message: str) -> None:
    """Exit 1, with what is wrong on standard error."""
    (folder / "binary.txt").write_bytes(b"\xff")
    (folder / "bad.txt").write_text("a b\n")
    done = transship("why", reference, "--tags-from", tags, cwd=folder)
    assert (done.code, done.out, done.err) == (1, "", f"error: {message}\n")


def test_entries_whose_registry_does_not_answer_are_one_problem(tmp_path: Path) -> None:
    """A single one has the reason among its own lines."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        source = f"  - {{source: '{host}/app', target: mirror.example.com/app, type: repository}}\n"
        defaults = f"defaults: {{tries: 1}}\ncreds: [{{registry: '{host}', tls: disabled}}]\nsync:\n"
        (tmp_path / "one.yaml").write_text(defaults + source)
        (tmp_path / "two.yaml").write_text(defaults + source * 2)
        one = transship("why", f"{host}/app:1", "-c", "one.yaml", cwd=tmp_path)
        two = transship("why", f"{host}/app:1", "-c", "two.yaml", cwd=tmp_path)
    down = f"connect to {host}: connection refused; check that the registry runs there, its name and its port"
    assert (one.code, one.out) == (
        1,
        f"{host}/app:1 is not selected.\n\nsync[0] (one.yaml:4:5): not selected\n  {down}\n",
    )
    assert (two.code, two.out) == (
        1,
        f"{host}/app:1 is not selected.\n\n"
        f"problem: {down}; not looked at: sync[0] (two.yaml:4:5), sync[1] (two.yaml:5:5)\n",
    )
