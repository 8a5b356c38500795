"""What the state remembers of sources whose content was not applied yet."""

import json
from pathlib import Path

import pytest

from transship_registry.digest import Digest
from transship_registry.reference import Reference
from transship_state.document import Record, Seen, State
from transship_state.errors import StateError
from transship_state.filestore import FileStore

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
SOURCE, OTHER = Reference.parse("src.io/app:1"), Reference.parse("src.io/app:2")
STATE = State(lineage="feed", serial=4, tool_version="1")


def seen(source: Reference = SOURCE, digest: Digest = ONE, first_seen: str = "2026-01-01T00:00:00Z") -> Seen:
    return Seen(source=source, digest=digest, entry="sync[0]", first_seen=first_seen)


def record(source: Reference = SOURCE, digest: Digest = ONE, first_seen: str = "2026-01-02T00:00:00Z") -> Record:
    return Record(
        target=Reference.parse("dst.io/app:1"),
        source=source,
        source_digest=digest,
        target_digest=digest,
        media_type="application/vnd.oci.image.index.v1+json",
        entry="sync[0]",
        plan=Digest.of(b"plan"),
        first_seen=first_seen,
        applied="2026-01-03T00:00:00Z",
    )


def test_what_was_seen_survives_the_file_in_order(tmp_path: Path) -> None:
    """It is sorted by source, and the serial grows."""
    store = FileStore(tmp_path / "state.json")
    state = STATE.with_records((), "2", seen=[seen(OTHER), seen()])
    assert (state.serial, state.tool_version, [each.source for each in state.seen]) == (5, "2", [SOURCE, OTHER])
    store.write(state)
    assert store.read() == state
    assert json.loads(store.path.read_text())["seen"][0] == {
        "source": "src.io/app:1",
        "digest": str(ONE),
        "entry": "sync[0]",
        "first_seen": "2026-01-01T00:00:00Z",
    }


def test_a_file_of_an_earlier_version_has_seen_nothing(tmp_path: Path) -> None:
    """The format is still 1: a file without `seen` is read as it always was."""
    path = tmp_path / "state.json"
    FileStore(path).write(STATE.with_records([record()], "1"))
    document = json.loads(path.read_text())
    del document["seen"]
    path.write_text(json.dumps(document))
    state = FileStore(path).read()
    assert state is not None
    assert state == STATE.with_records([record()], "1")
    assert state.seen == ()


def test_a_damaged_entry_is_told(tmp_path: Path) -> None:
    """As with records: nothing is guessed."""
    path = tmp_path / "state.json"
    FileStore(path).write(STATE.with_records((), "1", seen=[seen()]))
    path.write_text(path.read_text().replace(str(ONE), "sha256:abc"))
    with pytest.raises(StateError, match=r"state\.json: this is no state file that transship can read: .*sha256:abc"):
        FileStore(path).read()


def test_what_is_applied_waits_no_more() -> None:
    """Its record takes the place of the entry; another digest, or another tag, goes on waiting."""
    waiting = STATE.with_records((), "1", seen=[seen(), seen(OTHER)])
    assert waiting.with_records([record()], "1").seen == (seen(OTHER),)
    assert waiting.with_records([record(digest=TWO)], "1").seen == (seen(), seen(OTHER))


def test_first_seen_is_found_wherever_it_stands() -> None:
    """In the list of what waits, or in a record; of another digest it is not known."""
    state = STATE.with_records((), "1", seen=[seen()]).with_records([record(OTHER, TWO)], "1")
    assert state.first_sights() == {(SOURCE, ONE): "2026-01-01T00:00:00Z", (OTHER, TWO): "2026-01-02T00:00:00Z"}
