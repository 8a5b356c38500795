"""The state file on disk: read, written atomically, and locked while somebody works with it."""

import contextlib
import fcntl
import getpass
import os
import socket
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from transship_registry.codec import decode_json, to_builtins
from transship_registry.errors import InvalidReferenceError
from transship_registry.permissions import take_over
from transship_state.document import FORMAT_VERSION, State
from transship_state.errors import StateError, StateLockedError


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock: written into the lock file for whoever finds it held."""

    who: str
    process: int
    operation: str
    since: str


class FileStore:
    """A state file at `path`, with `path.backup` and `path.lock` beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> State | None:
        """Return the recorded state, None when there is no file yet; raises `StateError`."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self.path}: cannot read the state file: {error.strerror}") from error
        return self._decode(data)

    def write(self, state: State) -> None:
        """Replace the file in one step, keeping the previous one as backup; raises `StateError`.

        A new file is its owner's alone (0600); one that is there keeps the mode that it was given.
        """
        data = msgspec.json.format(msgspec.json.encode(to_builtins(state)), indent=2) + b"\n"
        try:
            self._replace(data)
        except OSError as error:
            raise StateError(
                f"{self.path}: cannot write the state file: {error.strerror}; what was applied so far is done, "
                "make room or give rights there and run again"
            ) from error

    @contextmanager
    def lock(self, operation: str, now: Callable[[], str]) -> Generator[None]:
        """Hold the state for one operation; raises `StateLockedError` naming the holder.

        The kernel gives the lock back when its process ends, however it ends, so that none is ever left behind.
        """
        file = self._open_lock()
        with file:
            self._take(file)
            holder = _Holder(who=_who(), process=os.getpid(), operation=operation, since=now())
            file.seek(0)
            file.truncate()
            file.write(msgspec.json.encode(holder))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def _open_lock(self) -> IO[bytes]:
        path = self._beside(".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+b")
        except OSError as error:
            raise StateError(f"{path}: cannot lock the state: {error.strerror}") from error

    def _take(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StateLockedError(
                f"{self.path}: the state is in use by {_described(file.read())}; wait for it to end"
            ) from None
        except OSError as error:
            raise StateError(f"{self.path}: cannot lock the state: {error.strerror}") from error

    def _replace(self, data: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                take_over(descriptor, self.path)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if self.path.exists():
                backup = self._beside(".backup")
                backup.unlink(missing_ok=True)
                os.link(self.path, backup)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(self.path.parent)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _decode(self, data: bytes) -> State:
        try:
            version = msgspec.json.decode(data, type=_Versioned).format_version
            if version != FORMAT_VERSION:
                raise StateError(
                    f"{self.path}: state format {version} is not supported, expected {FORMAT_VERSION}; "
                    "use the version of transship that wrote it"
                )
            return decode_json(data, State)
        except (msgspec.DecodeError, InvalidReferenceError) as error:
            raise StateError(
                f"{self.path}: this is no state file that transship can read: {error}; "
                f"the previous one may be in {self._beside('.backup').name}"
            ) from error


class _Versioned(msgspec.Struct, frozen=True):
    format_version: int


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _described(data: bytes) -> str:
    try:
        holder = msgspec.json.decode(data, type=_Holder)
    except msgspec.DecodeError:
        return "another process"
    return f"{holder.who} (process {holder.process}, {holder.operation}, since {holder.since})"


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
