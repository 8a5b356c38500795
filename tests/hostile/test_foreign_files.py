"""What lies where transship works and is not its own stays as it is."""

import logging
import os
from pathlib import Path

import pytest

from registry.test_layout_collect import NEW, OLD, collect, names, put, stored, with_store
from support.program import transship
from transship_registry.layout import LayoutStore
from transship_registry.reference import Repository


def share(source: Path, target: Path, below: str) -> Repository:
    """Make a layout whose `below` is a link into another layout, as shared folders of blobs are made."""
    layout = Repository.layout(str(target))
    with_store(lambda store: put(store, layout, NEW, "first"))
    place = target / below
    (source / below).mkdir(parents=True, exist_ok=True)
    for path in place.rglob("*"):
        if path.is_file():
            moved = source / below / path.relative_to(place)
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.replace(moved)
    for folder in sorted(place.rglob("*"), reverse=True):
        folder.rmdir()
    place.rmdir()
    place.symlink_to(source / below)
    return layout


@pytest.mark.parametrize("below", ["blobs", "blobs/sha256"])
def test_blobs_behind_a_link_are_not_collected(below: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A tag of one layout moves; what only the owner of the shared blobs needs stays, and that is said once."""
    owner = Repository.layout(str(tmp_path / "owner"))
    with_store(lambda store: put(store, owner, OLD, "1"))
    layout = share(tmp_path / "owner", tmp_path / "sharer", below)
    (tmp_path / "owner/blobs/sha256" / ("0" * 64)).write_text("notes of somebody")
    before = stored(owner)

    async def move(store: LayoutStore) -> None:
        await put(store, layout, NEW, "1")
        await put(store, layout, OLD, "1")
        await store.delete_tag(layout.tag("first"))

    with caplog.at_level(logging.WARNING):
        with_store(move)
    link = os.path.realpath(tmp_path / "sharer") + f"/{below}"
    reason = f"{link} is a symbolic link: other layouts may need the blobs that it leads to"
    assert caplog.messages == [f"garbage was not collected in ocidir://{tmp_path}/sharer: {reason}"]
    assert collect(layout).skipped == reason
    assert stored(owner) >= before | names(OLD)


def test_the_demo_leaves_a_folder_alone_that_is_not_empty(tmp_path: Path) -> None:
    """The files of somebody's own, such as a plan, are not replaced by the demo's."""
    (tmp_path / "plan.json").write_text("mine")
    done = transship("demo", str(tmp_path), cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: {tmp_path} is not empty, and the demo writes files of its own there: name a new folder\n"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("plan.json", "mine")]
