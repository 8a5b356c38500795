"""HTTP/1.1 from scratch, sized for registries: small requests in great numbers, and blobs in large pieces.

`pool.py` is the `httpx.AsyncBaseTransport`; below it `routes.py` (proxies), `dial.py` (TCP, CONNECT, TLS),
`exchange.py` (one request, one response), `message.py` (heads and framing, no I/O), `connection.py` (bytes).
ADR 0002 says why it exists. This file imports nothing.
"""
