"""The registry that has the referrers API: olareg, on a free loopback port, from `__enter__` to `__exit__`."""

import http.client
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.programs import program

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class Olareg:
    """Run `olareg serve` on a temporary folder; what is deleted by request is deleted, and nothing else is."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="olareg-")
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as it stands in a reference."""
        return f"127.0.0.1:{self._port}"

    @property
    def folder(self) -> Path:
        """Where the repositories are, each as a layout."""
        return Path(self._folder.name) / "repositories"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.folder.mkdir()
        listen = ["--addr", "127.0.0.1", "--port", str(self._port), "--dir", str(self.folder)]
        allow = ["--api-delete", "--api-blob-delete", "--gc-frequency", "-1s"]
        with (Path(self._folder.name) / "output.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(program("olareg")), "serve", *listen, *allow],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            said = (Path(self._folder.name) / "output.log").read_text(errors="replace")
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"olareg did not answer on {self.host}:\n{said}")
            threading.Event().wait(0.02)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        try:
            connection.request("GET", "/v2/")
            with connection.getresponse() as response:
                return response.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._folder.cleanup()
