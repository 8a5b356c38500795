"""The state file on disk: read, and replaced in one step by whoever holds its lock."""

import contextlib
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from transship_registry.codec import decode_json
from transship_registry.errors import DocumentError
from transship_registry.limits import OWN_VALUES_LIMIT, STATE_LIMIT
from transship_registry.permissions import take_over
from transship_registry.regular import read_regular
from transship_registry.sizes import Size
from transship_registry.temporary import find_leftovers, temporary_name
from transship_state.disk import Disk
from transship_state.document import FORMAT_VERSION, State
from transship_state.encoding import StateEncoder
from transship_state.errors import StateError
from transship_state.lock import ANOTHER_PLACE, locked


class FileStore:
    """A state file at `path`, with `path.backup` and `path.lock` beside it.

    A `path` that is a symbolic link stays one: all of them are beside the file to which it leads.
    """

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self._disk = disk or Disk()
        self._encoder = StateEncoder()
        self._kept: tuple[int, ...] | None = None

    def read(self) -> State | None:
        """Return the recorded state, None when there is no file yet; raises `StateError`."""
        try:
            data = _read(os.fspath(self.path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self.path}: cannot read the state file: {error.strerror}") from error
        return self._decode(data)

    def write(self, state: State) -> None:
        """Replace the file in one step, keeping the previous one as backup; raises `StateError`."""
        data = self._encoder.encode(state)
        try:
            self._replace(os.path.realpath(self.path), data)
        except OSError as error:
            raise StateError(
                f"{self.path}: cannot write the state file: {error.strerror}; make room or give rights there and run "
                "again: what was applied so far is done, and is recorded then"
            ) from error

    @contextmanager
    def lock(self, operation: str, now: Callable[[], str]) -> Generator[None]:
        """Hold the state for one operation; raises `StateLockedError` naming the holder, or `StateError`."""
        with locked(os.fspath(self.path), operation, now, self._disk):
            self._remove_leftovers(os.path.realpath(self.path))
            yield

    def _remove_leftovers(self, file: str) -> None:
        """Remove what writers of this state and its backup left behind that were killed; the lock is held."""
        with contextlib.suppress(OSError):
            for path in find_leftovers(file, (f"{os.path.basename(file)}.backup",)):
                self._disk.remove(path)

    def _replace(self, file: str, data: bytes) -> None:
        self._disk.make_folder(os.fspath(self.path.parent))
        previous = _status(file)
        temporary = temporary_name(file)
        try:
            self._create(temporary, data, like=file)
            if previous is not None:
                self._keep(file, previous)
            self._disk.rename(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                self._disk.remove(temporary)
            raise
        self._sync_folder(os.path.dirname(file))

    def _keep(self, file: str, previous: os.stat_result) -> None:
        """Keep the previous state as backup: the file itself, or a copy where a file cannot have two names."""
        backup = f"{file}.backup"
        present = _status(backup)
        if present is not None and os.path.samestat(present, previous):
            return  # a run was killed before it renamed the next one
        self._check_backup(backup, present)
        temporary = temporary_name(backup)
        try:
            try:
                self._disk.link(file, temporary)
            except OSError:
                self._create(temporary, _read(file), like=file)
            self._disk.rename(temporary, backup)
        except BaseException:
            with contextlib.suppress(OSError):
                self._disk.remove(temporary)
            raise
        self._kept = _identity(os.lstat(backup))

    def _check_backup(self, backup: str, present: os.stat_result | None) -> None:
        """Refuse to replace what is no state, or not even a file."""
        if present is None or _identity(present) == self._kept:
            return
        if not stat.S_ISREG(present.st_mode) or not _is_state(_read(backup)):
            raise StateError(
                f"{backup}: cannot keep the previous state here: there is another file under this name; {ANOTHER_PLACE}"
            )

    def _create(self, path: str, data: bytes, *, like: str) -> None:
        """Create a file with owner, group and mode of the one that it is like, as far as allowed, else its owner's."""
        with contextlib.suppress(FileNotFoundError):  # of an earlier process with our number
            self._disk.remove(path)
        descriptor = self._disk.create(path)
        try:
            with contextlib.suppress(OSError):  # vfat has no owners and no modes
                take_over(descriptor, like)
            self._disk.write(descriptor, data)
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def _sync_folder(self, folder: str) -> None:
        """Make the rename itself survive a power cut."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def _decode(self, data: bytes) -> State:
        try:
            version = decode_json(data, _Versioned, values=OWN_VALUES_LIMIT).format_version
            if version != FORMAT_VERSION:
                raise StateError(
                    f"{self.path}: state format {version} is not supported, expected {FORMAT_VERSION}; "
                    "use the version of transship that wrote it"
                )
            return decode_json(data, State, values=OWN_VALUES_LIMIT).in_order()
        except DocumentError as error:
            raise StateError(
                f"{self.path}: this is no state file that transship can read: {error}; "
                f"the previous one may be in {self.path.name}.backup"
            ) from error


class _Versioned(msgspec.Struct, frozen=True):
    format_version: Size


class _Marks(msgspec.Struct, frozen=True):
    """What makes a state recognisable, whatever its format."""

    format_version: Size
    lineage: str
    serial: Size


def _is_state(data: bytes) -> bool:
    try:
        decode_json(data, _Marks, values=OWN_VALUES_LIMIT)
    except DocumentError:
        return False
    return True


def _read(path: str) -> bytes:
    """Read a regular file; nothing else is waited for. Raises `OSError`."""
    return read_regular(path, STATE_LIMIT)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from a later one of its name, which may have the same number."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
