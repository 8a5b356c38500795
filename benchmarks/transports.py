"""What the ways to send HTTP cost: CPU per request, copy throughput, import time (docs/adr/0002-transport.md).

Run `python benchmarks/transports.py`; `--rounds`, `--mib` and `--only NAME` make it shorter. Every measurement runs in
a process of its own against a stub server in another one; the candidates take turns, and medians are printed.
"""

# ruff: noqa: PLC0415 - a candidate that is not installed is skipped, so each is imported where it is opened

import argparse
import asyncio
import hashlib
import importlib.util
import itertools
import json
import resource
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

JOIN = 256 * 1024
IN_FLIGHT = 32
HEADS = 4000


def httpx_default(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """The transport that httpx brings along (httpcore)."""
    return httpx.AsyncHTTPTransport(verify=tls, limits=httpx.Limits(max_connections=IN_FLIGHT))


def httpx_aiohttp(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """The transport of httpx-aiohttp."""
    from httpx_aiohttp import AiohttpTransport

    return AiohttpTransport(verify=tls, limits=httpx.Limits(max_connections=IN_FLIGHT))


def aiohttp_adapter(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """The thinnest adapter of our own around aiohttp."""
    import aiohttp
    from multidict import CIMultiDict
    from yarl import URL

    class Body(httpx.AsyncByteStream):
        def __init__(self, response: aiohttp.ClientResponse) -> None:
            self._response = response

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while piece := await self._response.content.readany():
                yield piece

        async def aclose(self) -> None:
            self._response.close()

    class Adapter(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=IN_FLIGHT, ssl=tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=512 * 1024,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            stream = request.stream
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=CIMultiDict((name.decode(), value.decode()) for name, value in request.headers.raw),
                data=b"".join(stream) or None if isinstance(stream, httpx.ByteStream) else stream,
                allow_redirects=False,
            )
            return httpx.Response(response.status, headers=list(response.raw_headers), stream=Body(response))

        async def aclose(self) -> None:
            await self._session.close()

    return Adapter()


def pyreqwest(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """The httpx transport of pyreqwest (Rust's reqwest); it takes no `SSLContext`, so it verifies nothing here."""
    from pyreqwest.client import ClientBuilder
    from pyreqwest.compatibility.httpx import HttpxTransport

    builder = ClientBuilder().http1_only().danger_accept_invalid_certs(True)
    return HttpxTransport(builder.max_connections(IN_FLIGHT).build())


def own(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """What transship uses: `transship_registry.http.wire`, over asyncio."""
    from transship_registry.http.transport import TransportSettings, open_transport

    return open_transport(TransportSettings(tls=tls, max_connections=IN_FLIGHT, proxy_environment={}))


CANDIDATES: dict[str, tuple[Callable[[ssl.SSLContext], httpx.AsyncBaseTransport], str, str]] = {
    # name: how to open it, the package it needs, what a program imports for it
    "httpx default": (httpx_default, "httpx", "httpx, httpcore"),
    "httpx-aiohttp": (httpx_aiohttp, "httpx_aiohttp", "httpx_aiohttp"),
    "aiohttp adapter": (aiohttp_adapter, "aiohttp", "httpx, aiohttp"),
    "pyreqwest": (pyreqwest, "pyreqwest", "pyreqwest.compatibility.httpx"),
    "our own": (own, "httptools", "transship_registry.http.transport"),
}


async def send_heads(transport: httpx.AsyncBaseTransport, port: int) -> dict[str, float]:
    """Return the CPU µs and wall µs of one HEAD, `IN_FLIGHT` at a time, requests built on the way as a client does."""
    tags = itertools.count()  # every request is for another URL, as it is when tags are checked
    headers = {"Authorization": "Bearer " + "t" * 800, "Accept": "application/vnd.oci.image.index.v1+json, */*"}

    async def some(count: int) -> None:
        for _ in range(count):
            request = httpx.Request(
                "HEAD", f"http://127.0.0.1:{port}/v2/library/app/manifests/{next(tags)}", headers=headers
            )
            response = await transport.handle_async_request(request)
            assert response.status_code == 200
            await response.aclose()

    async def all_of_them(count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(some(count // IN_FLIGHT))

    await all_of_them(IN_FLIGHT * 4)
    cpu, wall = cpu_seconds(), time.perf_counter()
    await all_of_them(HEADS)
    return {
        "head cpu": (cpu_seconds() - cpu) / HEADS * 1e6,
        "head wall": (time.perf_counter() - wall) / HEADS * 1e6,
    }


async def large_pieces(body: httpx.Response) -> AsyncIterator[bytes]:
    """Join what comes to pieces of at least `JOIN` bytes."""
    pieces: list[bytes] = []
    size = 0
    assert isinstance(body.stream, httpx.AsyncByteStream)
    async for piece in body.stream:
        if not pieces and len(piece) >= JOIN:
            yield piece
            continue
        pieces.append(piece)
        size += len(piece)
        if size >= JOIN:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


async def hashed_inline(pieces: AsyncIterator[bytes], sha: Any) -> AsyncIterator[bytes]:
    """Hash each piece, then hand it on."""
    async for piece in pieces:
        sha.update(piece)
        yield piece


async def hashed_in_thread(pieces: AsyncIterator[bytes], sha: Any) -> AsyncIterator[bytes]:
    """Hand each piece on while a thread hashes it."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        async for piece in pieces:
            hashing = loop.run_in_executor(thread, sha.update, piece)
            yield piece
            await hashing


async def copy(
    transport: httpx.AsyncBaseTransport, port: int, scheme: str, hashing: str, size: int
) -> dict[str, float]:
    """Return MB/s and CPU seconds per GiB of GET → SHA-256 → PUT."""
    host = f"{scheme}://127.0.0.1:{port}/v2/library/app/blobs"
    warm = await transport.handle_async_request(httpx.Request("GET", f"{host}/10"))
    assert len(await warm.aread()) == 10
    cpu, wall = cpu_seconds(), time.perf_counter()
    sha = hashlib.sha256()
    source = await transport.handle_async_request(httpx.Request("GET", f"{host}/{size}"))
    hashed = (hashed_inline if hashing == "inline" else hashed_in_thread)(large_pieces(source), sha)
    request = httpx.Request("PUT", f"{host}/uploads", content=hashed, headers={"Content-Length": str(size)})
    answer = await transport.handle_async_request(request)
    await source.aclose()
    await answer.aclose()
    assert answer.status_code == 201
    used, took = cpu_seconds() - cpu, time.perf_counter() - wall
    assert sha.digest() == zeros(size).digest(), "not the bytes that were sent"
    name = "copy" if scheme == "http" else "tls"
    return {f"{name} {hashing} MB/s": size / took / 1e6, f"{name} {hashing} s/GiB": used / size * 2**30}


def zeros(size: int) -> Any:
    """Return the SHA-256 of `size` zero bytes."""
    sha = hashlib.sha256()
    piece = bytes(1024 * 1024)
    for offset in range(0, size, len(piece)):
        sha.update(piece[: size - offset])
    return sha


def cpu_seconds() -> float:
    """Return the CPU time this process has used, in all threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def work(name: str, figure: str, ports: dict[str, int], certificate: str, size: int) -> dict[str, float]:
    """Measure one figure of one candidate, in this process."""
    tls = ssl.create_default_context(cafile=certificate)

    async def run() -> dict[str, float]:
        async with CANDIDATES[name][0](tls) as transport:
            if figure == "head":
                return await send_heads(transport, ports["head"])
            scheme, _, hashing = figure.partition(" ")
            return await copy(transport, ports["plain" if scheme == "http" else "tls"], scheme, hashing, size)

    return asyncio.run(run())


@dataclass(frozen=True)
class Bench:
    """A running stub server and the size of a copy."""

    ports: dict[str, int]
    certificate: Path
    size: int

    def measure(self, name: str, figure: str) -> dict[str, float]:
        """Run `work` in a process of its own."""
        arguments = [name, figure, json.dumps(self.ports), str(self.certificate), str(self.size)]
        output = subprocess.run(
            [sys.executable, __file__, "--work", *arguments], check=False, capture_output=True, text=True
        )
        if output.returncode:
            print(f"{name}, {figure}: failed: {(output.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)
            return {}
        figures: dict[str, float] = json.loads(output.stdout)
        return figures

    def import_ms(self, modules: str) -> dict[str, float]:
        """Return the time a fresh interpreter needs to import `modules`, less its own start."""
        return {"import ms": (_run_seconds(f"import {modules}") - _run_seconds("pass")) * 1e3}

    def curl(self) -> dict[str, float]:
        """Copy with `curl | curl`, without a hash."""
        host = f"http://127.0.0.1:{self.ports['plain']}/v2/library/app/blobs"
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        get = subprocess.Popen(["curl", "-sS", f"{host}/{self.size}"], stdout=subprocess.PIPE)
        put = ["curl", "-sS", "-X", "PUT", "-T", "-", "-H", "Transfer-Encoding:", "-H", f"Content-Length: {self.size}"]
        subprocess.run([*put, "-H", "Expect:", f"{host}/uploads"], stdin=get.stdout, check=True, capture_output=True)
        get.wait()
        took, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"copy inline MB/s": self.size / took / 1e6, "copy inline s/GiB": used / self.size * 2**30}

    def sha256(self) -> dict[str, float]:
        """Hash, and nothing else."""
        wall = time.perf_counter()
        zeros(self.size)
        took = time.perf_counter() - wall
        return {"copy inline MB/s": self.size / took / 1e6, "copy inline s/GiB": took / self.size * 2**30}


def _run_seconds(code: str) -> float:
    wall = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - wall


def write_certificate(path: Path) -> None:
    """Write a certificate for 127.0.0.1 and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False).sign(
        key, hashes.SHA256()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)


@contextmanager
def stub(size: int) -> Generator[Bench]:
    """Run the stub server."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "stub.pem"
        write_certificate(certificate)
        command = [sys.executable, str(Path(__file__).with_name("stub_server.py")), folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            yield Bench(json.loads(server.stdout.readline()), certificate, size)


FIGURES = ("head", "http inline", "http thread", "https inline", "https thread")
COLUMNS = (
    ("head cpu", "HEAD CPU µs", min),
    ("copy inline MB/s", "copy MB/s", max),
    ("copy inline s/GiB", "s/GiB", min),
    ("copy thread MB/s", "thread MB/s", max),
    ("copy thread s/GiB", "s/GiB", min),
    ("tls inline MB/s", "TLS MB/s", max),
    ("tls inline s/GiB", "s/GiB", min),
    ("tls thread MB/s", "TLS thread MB/s", max),
    ("tls thread s/GiB", "s/GiB", min),
    ("import ms", "import ms", min),
)


def measure_all(bench: Bench, names: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return every figure of every candidate and round, the candidates taking turns."""
    results: dict[str, dict[str, list[float]]] = {name: {} for name in (*names, "curl | curl", "SHA-256 alone")}

    def note(name: str, figures: dict[str, float]) -> None:
        for figure, value in figures.items():
            results[name].setdefault(figure, []).append(value)

    for round_number in range(rounds):
        print(f"round {round_number + 1} of {rounds}", file=sys.stderr)
        for figure in ("head", *FIGURES):  # the noisiest figure is measured twice a round
            for name in names:
                note(name, bench.measure(name, figure))
        for name in names:
            note(name, bench.import_ms(CANDIDATES[name][2]))
        if shutil.which("curl"):
            note("curl | curl", bench.curl())
        note("SHA-256 alone", bench.sha256())
    return results


def print_table(results: dict[str, dict[str, list[float]]], names: list[str]) -> None:
    """Print the medians, each with its ratio to the best candidate's."""
    medians = {name: {key: statistics.median(values) for key, values in row.items()} for name, row in results.items()}
    print("| | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
    print("|---" + "|--:" * len(COLUMNS) + "|")
    best = {key: choose(medians[name][key] for name in names if key in medians[name]) for key, _, choose in COLUMNS}
    for name, row in medians.items():
        cells: list[str] = []
        for key, _, _ in COLUMNS:
            if key not in row:
                cells.append("–")
                continue
            digits = 2 if key.endswith("GiB") else 0
            cells.append(f"{row[key]:.{digits}f} ({row[key] / best[key]:.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=256, help="size of a copy")
    parser.add_argument("--only", action="append", choices=list(CANDIDATES), help="measure just this (repeatable)")
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, figure, ports, certificate, size = arguments.work
        print(json.dumps(work(name, figure, json.loads(ports), certificate, int(size))))
        return
    names: list[str] = []
    for name in arguments.only or CANDIDATES:
        if importlib.util.find_spec(CANDIDATES[name][1]) is None:
            print(f"{name}: skipped, {CANDIDATES[name][1]} is not installed")
        else:
            names.append(name)
    with stub(arguments.mib * 2**20) as bench:
        print_table(measure_all(bench, names, arguments.rounds), names)


if __name__ == "__main__":
    main()
