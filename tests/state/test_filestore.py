"""The state file: written whole or not at all, and held by one process at a time."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from transship_registry.codec import to_builtins
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference
from transship_state.document import Origin, Record, State
from transship_state.errors import StateError, StateLockedError
from transship_state.filestore import FileStore


def record(target: str, content: bytes = b"one") -> Record:
    """Return what could be recorded of a target."""
    return Record(
        target=Reference.parse(target),
        source=Reference.parse("src.io/app:1"),
        source_digest=Digest.of(content),
        target_digest=Digest.of(content),
        media_type="application/vnd.oci.image.index.v1+json",
        entry="sync[0]",
        plan=Digest.of(b"plan"),
        first_seen="2026-01-01T00:00:00Z",
        applied="2026-01-02T00:00:00Z",
        platforms=(Platform("linux", "arm", "v7"),),
    )


STATE = State(lineage="feed", serial=0, tool_version="1")


SAMPLES = Path(__file__).parent / "samples"


def moment() -> str:
    """Return a fixed time."""
    return "2026-01-01T00:00:00Z"


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """A state survives the file, and its folder is made when needed."""
    store = FileStore(tmp_path / "new" / "state.json")
    assert store.read() is None
    state = STATE.with_records([record("dst.io/app:1"), record("ocidir://mirror:1")], "2")
    store.write(state)
    assert store.read() == state


def test_a_state_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Before records said how they came to be, all were applied; what is written anew says no more of them."""
    state = FileStore(SAMPLES / "state-0.1.0.json").read()
    assert state is not None
    (old,) = state.records
    assert (str(old.target), old.origin) == ("ocidir://mirror/app:1.0", Origin.APPLIED)
    store = FileStore(tmp_path / "state.json")
    store.write(state)
    assert store.path.read_text() == (SAMPLES / "state-0.1.0.json").read_text()


def test_a_record_says_that_it_was_found_and_else_nothing(tmp_path: Path) -> None:
    """An earlier version reads such a file, too: it takes what was found for applied."""
    store = FileStore(tmp_path / "state.json")
    found = msgspec.structs.replace(record("dst.io/b:1"), origin=Origin.FOUND)
    store.write(STATE.with_records([record("dst.io/a:1"), found], "2"))
    written = json.loads(store.path.read_text())["records"]
    assert ["origin" in each for each in written] == [False, True]
    assert written[1]["origin"] == "found"
    read = store.read()
    assert read is not None
    assert [each.origin for each in read.records] == [Origin.APPLIED, Origin.FOUND]


def test_a_record_may_say_that_it_was_applied(tmp_path: Path) -> None:
    """An editor or a later version may write out what this one leaves out."""
    store = FileStore(tmp_path / "state.json")
    store.write(STATE.with_records([record("dst.io/a:1")], "2"))
    document = json.loads(store.path.read_text())
    document["records"][0]["origin"] = "applied"
    store.path.write_text(json.dumps(document))
    state = store.read()
    assert state is not None
    assert state.records == (record("dst.io/a:1"),)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_state_keeps_the_mode_that_its_owner_gave_it(tmp_path: Path, mode: int) -> None:
    """A new one is its owner's alone; others may read it once that was allowed, and its backup as before."""
    store = FileStore(tmp_path / "state.json")
    store.write(STATE)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    store.path.chmod(mode)
    store.write(STATE)
    assert [stat.S_IMODE(each.stat().st_mode) for each in sorted(tmp_path.iterdir())] == [mode, mode]


def test_a_record_replaces_that_of_the_same_target_and_the_serial_grows() -> None:
    """Lineage stays, records are sorted by target."""
    first = STATE.with_records([record("dst.io/b:1"), record("dst.io/a:1")], "2")
    second = first.with_records([record("dst.io/b:1", b"two")], "3")
    assert (second.lineage, second.serial, second.tool_version) == ("feed", 2, "3")
    assert [(str(entry.target), entry.target_digest) for entry in second.records] == [
        ("dst.io/a:1", Digest.of(b"one")),
        ("dst.io/b:1", Digest.of(b"two")),
    ]


def test_a_new_record_takes_the_place_of_no_other() -> None:
    """Before, between and behind those that are known."""
    state = STATE.with_records([record("dst.io/b:1"), record("dst.io/d:1")], "2")
    for name in "ace":
        state = state.with_records([record(f"dst.io/{name}:1")], "2")
    assert [str(each.target) for each in state.records] == [f"dst.io/{name}:1" for name in "abcde"]


@pytest.mark.parametrize("tool_version", ["2", '\n  "records": [], ü'])
def test_a_state_that_was_written_piece_by_piece_is_written_as_a_whole(tmp_path: Path, tool_version: str) -> None:
    """Records that a state has in common with the one before are not encoded again, which nobody can tell."""
    store, state = FileStore(tmp_path / "state.json"), STATE
    for number in (3, 1, 2, 1, 5):
        state = state.with_records([record(f"dst.io/app:{number}", str(state.serial).encode())], tool_version)
        store.write(state)
        assert store.path.read_bytes() == (
            msgspec.json.format(msgspec.json.encode(to_builtins(state)), indent=2) + b"\n"
        )
        assert store.read() == state
    store.write(STATE)
    assert store.read() == STATE


def test_a_state_that_somebody_edited_is_put_in_order(tmp_path: Path) -> None:
    """Of two records of one target the last one counts, and it is replaced, not doubled."""
    store = FileStore(tmp_path / "state.json")
    edited = msgspec.structs.replace(
        STATE, records=(record("dst.io/b:1"), record("dst.io/a:1"), record("dst.io/b:1", b"two"))
    )
    store.write(edited)
    state = store.read()
    assert state is not None
    assert state.records == (record("dst.io/a:1"), record("dst.io/b:1", b"two"))
    assert state.with_records([record("dst.io/b:1", b"three")], "2").records == (
        record("dst.io/a:1"),
        record("dst.io/b:1", b"three"),
    )


def test_of_two_neighbours_of_one_target_the_last_one_counts() -> None:
    """Though they are in order."""
    twice = msgspec.structs.replace(STATE, records=(record("dst.io/a:1"), record("dst.io/a:1", b"two")))
    assert twice.in_order().records == (record("dst.io/a:1", b"two"),)


def test_the_previous_state_is_kept_as_backup(tmp_path: Path) -> None:
    """One step back is always there."""
    store = FileStore(tmp_path / "state.json")
    store.write(STATE)
    store.write(STATE.with_records([], "2"))
    assert FileStore(tmp_path / "state.json.backup").read() == STATE


def test_a_failing_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk loses nothing, and leaves no litter."""
    store = FileStore(tmp_path / "state.json")
    store.write(STATE)

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateError) as caught:
        store.write(STATE.with_records([record("dst.io/app:1")], "2"))
    assert str(caught.value) == (
        f"{tmp_path}/state.json: cannot write the state file: No space left on device; "
        "make room or give rights there and run again: what was applied so far is done, and is recorded then"
    )
    assert store.read() == STATE
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "this is no state file that transship can read: Input data was truncated"),
        ("{}", "this is no state file that transship can read: Object missing required field `format_version`"),
        ('{"format_version": 2}', "state format 2 is not supported, expected 1; use the version of transship"),
        ('{"format_version": 1, "lineage": 3}', "this is no state file that transship can read: Expected `str`"),
    ],
)
def test_a_broken_state_is_told_and_not_overwritten(tmp_path: Path, content: str, message: str) -> None:
    """One line that names the file and what is wrong with it."""
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(StateError) as caught:
        FileStore(path).read()
    assert str(caught.value).startswith(f"{path}: {message}")
    assert path.read_text() == content


def test_a_broken_state_says_where_the_previous_one_is(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("")
    with pytest.raises(StateError) as caught:
        FileStore(path).read()
    assert str(caught.value) == (
        f"{path}: this is no state file that transship can read: Input data was truncated; "
        "the previous one may be in state.json.backup"
    )


def test_a_bad_digest_in_the_state_names_its_place(tmp_path: Path) -> None:
    """The path of the bad field is in the message."""
    store = FileStore(tmp_path / "state.json")
    store.write(STATE.with_records([record("dst.io/app:1")], "2"))
    document = json.loads(store.path.read_text())
    document["records"][0]["target_digest"] = "sha256:short"
    store.path.write_text(json.dumps(document))
    with pytest.raises(StateError, match=r"\$\.records\[0\]\.target_digest"):
        store.read()


def test_a_held_state_names_its_holder(tmp_path: Path) -> None:
    """Who, which process, which operation, since when."""
    store = FileStore(tmp_path / "state.json")
    with store.lock("apply", moment), pytest.raises(StateLockedError) as caught, store.lock("apply", moment):
        pass
    assert str(caught.value).startswith(f"{tmp_path}/state.json: the state is in use by ")
    assert ", apply, since 2026-01-01T00:00:00Z); wait for it to end" in str(caught.value)


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    """After the operation, and after an error in it."""
    store = FileStore(tmp_path / "state.json")
    with pytest.raises(ZeroDivisionError), store.lock("apply", moment):
        raise ZeroDivisionError
    with store.lock("apply", moment):
        pass


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    """The kernel gives the lock back, whatever ended the process."""
    store = FileStore(tmp_path / "state.json")
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from transship_state.filestore import FileStore\n"
        "with FileStore(Path(sys.argv[1])).lock('apply', lambda: 'then'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(store.path)], check=False)
    assert killed.returncode == -9
    with store.lock("apply", moment):
        pass


def test_a_state_that_cannot_be_locked_is_an_error(tmp_path: Path) -> None:
    """A file where a folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot lock the state"), FileStore(tmp_path / "file" / "s").lock("x", moment):
        pass
