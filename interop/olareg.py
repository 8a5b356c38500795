"""The registry that has the referrers API: olareg, on a free loopback port, from `__enter__` to `__exit__`."""

import http.client
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.programs import program

from support.serving import free_port, stop, wait_until_ready


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
        self._port = free_port()
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
        wait_until_ready(self._process, f"olareg on {self.host}", self._answers, self._log)

    def _log(self) -> str:
        return (Path(self._folder.name) / "output.log").read_text(errors="replace")

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
            stop(self._process)
            self._process = None
        self._folder.cleanup()
