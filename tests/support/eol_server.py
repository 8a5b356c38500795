"""A stand-in for endoflife.date on a free loopback port, in a thread of its own.

with EolServer({"alpine": [{"cycle": "3.20", "eol": "2026-04-01"}]}) as server:
    ...  # let the code under test ask server.url
    assert server.requests == ["/api/alpine.json"]
"""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from typing_extensions import override


class EolServer:
    """Answers for products with their cycles, and with what `odd` says for a path: status, headers and body.

    Every answer comes `delay_s` late. `requests` are the paths that were asked for.
    """

    def __init__(self, products: Mapping[str, object] | None = None, *, delay_s: float = 0.0) -> None:
        self.products = dict(products or {})
        self.odd: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.delay_s = delay_s
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body."""
        if path in self.odd:
            return self.odd[path]
        product = path.removeprefix("/api/").removesuffix(".json")
        if path != f"/api/{product}.json" or product not in self.products:
            return 404, {"Content-Type": "text/html"}, b"<html>no such page</html>"
        return 200, {"Content-Type": "application/json"}, json.dumps(self.products[product]).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests.append(self.path)
                owner.headers.append(dict(self.headers.items()))
                time.sleep(owner.delay_s)
                status, headers, body = owner.answer(self.path)
                with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has had enough
                    self._send(status, headers, body)

            def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Keep standard error for the tests."""

        return Handler
