"""A stub registry that costs as little as possible: `python stub_server.py FOLDER` prints its ports as JSON and serves.

HEAD is answered by an asyncio protocol on the port `head`; GET (as many bytes as the path's last part says) and PUT
(read and dropped) by a blocking thread per connection on the ports `plain` and `tls`. `FOLDER/stub.pem` is its
certificate and key. It ends when its standard input does.
"""

import asyncio
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

_PIECE = memoryview(bytes(1024 * 1024))
_HEAD_ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/vnd.oci.image.index.v1+json\r\n"
    b"Docker-Content-Digest: sha256:" + b"5" * 64 + b"\r\n"
    b"Docker-Distribution-Api-Version: registry/2.0\r\n"
    b'Etag: "sha256:' + b"5" * 64 + b'"\r\n'
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Length: 1609\r\n\r\n"
)


class _HeadAnswers(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            self._data = self._data[end + 4 :]
            self._transport.write(_HEAD_ANSWER)


def _serve_blobs(sock: socket.socket) -> None:
    buffer = memoryview(bytearray(1024 * 1024))
    with sock:
        while (head := _receive_head(sock, buffer)) is not None:
            data, rest = head
            method, path = data.split(b" ", 2)[:2]
            if method == b"GET":
                size = int(path.rsplit(b"/", 1)[1])
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for offset in range(0, size, len(_PIECE)):
                    sock.sendall(_PIECE[: min(len(_PIECE), size - offset)])
            else:
                _receive_body(sock, buffer, data, rest)
                sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


def _receive_head(sock: socket.socket, buffer: memoryview) -> tuple[bytes, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        received = sock.recv_into(buffer)
        if not received:
            return None
        data += bytes(buffer[:received])
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _receive_body(sock: socket.socket, buffer: memoryview, head: bytes, rest: bytes) -> None:
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not lengths:
        raise ValueError("the stub takes no chunked body")
    missing = int(lengths[0].partition(b":")[2]) - len(rest)
    while missing:
        received = sock.recv_into(buffer)
        if not received:
            return
        missing -= received


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(sock, context), daemon=True).start()


def _serve(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    try:
        _serve_blobs(sock if context is None else context.wrap_socket(sock, server_side=True))
    except OSError:
        sock.close()


async def _main(folder: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "stub.pem")
    ports = {}
    for name, tls in (("plain", None), ("tls", context)):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, tls), daemon=True).start()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_HeadAnswers, "127.0.0.1", 0, backlog=256)
    ports["head"] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
