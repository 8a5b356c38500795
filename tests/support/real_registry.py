"""Debian's `docker-registry` (distribution 2.8) on a free loopback port, as the judge that nobody here wrote.

with RealRegistry(users={"ann": "secret"}) as registry:
    images.push(registry.url, "team/app", "v1", image, auth=("ann", "secret"))
    assert registry.requests.count("PUT", r"/manifests/v1$") == 1
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from support.serving import free_port, stop, wait_until_ready

BINARY = "docker-registry"
_ACCESS = re.compile(r'^\S+ - \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[\d.]+" (?P<status>\d{3}) ')


class RegistryMissingError(RuntimeError):
    """A program that the tests need is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(
            f"the tests need the program {program!r}, which is not on PATH: install it with `apt-get install {package}`"
        )


@dataclass(frozen=True)
class Access:
    """One line of the registry's access log; `path` is without the query."""

    method: str
    path: str
    query: str
    status: int


class AccessLog:
    """The requests that the registry has answered, read from its access log when asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from_byte = 0

    def __iter__(self) -> Iterator[Access]:
        """Yield the answered requests since the last `clear`, in the order in which they were answered."""
        with self._path.open("rb") as log:
            log.seek(self._from_byte)
            lines = log.read().decode(errors="replace").splitlines()
        for line in lines:
            found = _ACCESS.match(line)
            if found is not None:
                path, _, query = found["target"].partition("?")
                yield Access(found["method"], path, query, int(found["status"]))

    def count(self, method: str | None = None, path: str = "", status: int | None = None) -> int:
        """Count the requests whose method and status are these and in whose path the regex `path` is found."""
        return sum(
            method in {None, each.method} and status in {None, each.status} and re.search(path, each.path) is not None
            for each in self
        )

    def clear(self) -> None:
        """Forget what was asked so far."""
        self._from_byte = self._path.stat().st_size


class RealRegistry:
    """Run `docker-registry` with its storage in a temporary folder, from `__enter__` to `__exit__`.

    `users` turns on basic authentication; `certificate` and `key` (PEM files) turn on TLS; `client_ca` (PEM file)
    asks every client for a certificate that it has signed. Without `foreign_urls` it refuses layers that lie elsewhere,
    as by default; with the URL of a registry in `proxied` it is a pull-through cache of that.
    `ready_context` is the TLS context used to wait until the registry answers; without it the wait ends when the port
    accepts connections.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        client_ca: Path | None = None,
        delete_enabled: bool = True,
        schema1_enabled: bool = False,
        read_only: bool = False,
        foreign_urls: bool = True,
        proxied: str = "",
        ready_context: ssl.SSLContext | None = None,
    ) -> None:
        self._users = users
        self._tls = (certificate, key, client_ca)
        self._delete_enabled = delete_enabled
        self._schema1_enabled = schema1_enabled
        self._read_only = read_only
        self._foreign_urls = foreign_urls
        self._proxied = proxied
        self._ready_context = ready_context
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._port = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as it stands in a reference."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{'http' if self._tls[0] is None else 'https'}://{self.host}"

    @property
    def folder(self) -> Path:
        """The temporary folder that holds the storage, the configuration and the logs."""
        assert self._folder is not None, "the registry is not running"
        return Path(self._folder.name)

    @property
    def log(self) -> str:
        """All that the registry has written so far."""
        return (self.folder / "output.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        program = shutil.which(BINARY)
        if program is None:
            raise RegistryMissingError(BINARY, BINARY)
        self._folder = tempfile.TemporaryDirectory(prefix="real-registry-")
        try:
            self._start(program)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, program: str) -> None:
        self._port = free_port()
        configuration = self.folder / "config.yml"
        # YAML 1.2 is a superset of JSON, and the registry's parser takes it.
        configuration.write_text(json.dumps(self._configuration()))
        log_file = self.folder / "output.log"
        self._output = log_file.open("wb")
        self._process = subprocess.Popen(
            [program, "serve", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "OTEL_TRACES_EXPORTER": "none"},
            start_new_session=True,
        )
        wait_until_ready(self._process, f"{BINARY} on {self.url}", self._answers, lambda: self.log)
        self.requests = AccessLog(log_file)
        self.requests.clear()

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None
        if self._output is not None:
            self._output.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _configuration(self) -> dict[str, object]:
        storage: dict[str, object] = {
            "filesystem": {"rootdirectory": str(self.folder / "storage")},
            "delete": {"enabled": self._delete_enabled},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": self._read_only}},
        }
        found: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": storage,
            "http": self._http(),
        }
        if self._foreign_urls:
            # The default answer to a layer with `urls` is a refusal: none is allowed unless one matches.
            found["validation"] = {"manifests": {"urls": {"allow": ["^https?://"]}}}
        if self._proxied:
            found["proxy"] = {"remoteurl": self._proxied}
        if self._schema1_enabled:
            found["compatibility"] = {"schema1": {"enabled": True}}
        if self._users is not None:
            found["auth"] = {"htpasswd": {"realm": "real-registry", "path": str(self._write_passwords(self._users))}}
        return found

    def _http(self) -> dict[str, object]:
        certificate, key, client_ca = self._tls
        found: dict[str, object] = {"addr": self.host, "secret": "not-a-secret-but-constant"}
        if certificate is not None:
            assert key is not None, "a certificate needs its key"
            tls: dict[str, object] = {"certificate": str(certificate), "key": str(key)}
            found["tls"] = tls if client_ca is None else {**tls, "clientcas": [str(client_ca)]}
        return found

    def _write_passwords(self, users: Mapping[str, str]) -> Path:
        program = shutil.which("htpasswd")
        if program is None:
            raise RegistryMissingError("htpasswd", "apache2-utils")
        path = self.folder / "htpasswd"
        lines = [_htpasswd_line(program, user, password) for user, password in users.items()]
        path.write_text("\n".join(lines) + "\n")
        return path

    def _answers(self) -> bool:
        if self._tls[0] is not None and self._ready_context is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                return False
            return True
        connection: http.client.HTTPConnection
        if self._tls[0] is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._ready_context, timeout=1)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        try:
            connection.request("GET", "/v2/")
            with connection.getresponse() as response:
                return response.status in {200, 401}
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _htpasswd_line(program: str, user: str, password: str) -> str:
    """Return `user:bcrypt`, at the cheapest cost that the registry accepts, since it is paid at each request."""
    done = subprocess.run(
        [program, "-n", "-i", "-B", "-C", "4", user], input=password.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().strip()
