"""HTTP/1.1 messages as bytes: the head of a request, the head of a response, how bodies are framed (RFC 9112)."""

import re
from dataclasses import dataclass

import httptools
import httpx

HEAD_END = b"\r\n\r\n"
_DECISIVE = frozenset({b"connection", b"content-length", b"transfer-encoding"})
_LEAST_STATUS = 100
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HEAD_OF_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class MalformedError(ValueError):
    """What the other end sent is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status line and header fields as received, and what they say about the body and the connection.

    `body_bytes` is the number of bytes to come; `None` when only chunks, or else the end of the connection, will tell.
    """

    status: int
    reason: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body_bytes: int | None
    chunked: bool
    keeps_alive: bool


class _HeadFields:
    """The callbacks of httptools, collecting a head; `decisive` has the values of the fields that frame a message."""

    __slots__ = ("decisive", "headers", "reason")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.decisive: dict[bytes, list[bytes]] = {}
        self.reason = b""

    def on_status(self, status: bytes) -> None:
        self.reason = status

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))
        key = name.lower()
        if key in _DECISIVE:
            self.decisive.setdefault(key, []).extend(part.strip().lower() for part in value.split(b","))


def parse_response_head(head: bytes, method: str) -> ResponseHead:
    """Parse `head`, which ends in the empty line, as an answer to a `method` request; raises `MalformedError`."""
    fields = _HeadFields()
    parser = httptools.HttpResponseParser(fields)
    try:
        parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        raise MalformedError(f"what is not an HTTP/1.1 response head ({_reason(error)})") from None
    status, version = parser.get_status_code(), parser.get_http_version()
    if status < _LEAST_STATUS:  # it would count as informational, and be waited after for ever
        raise MalformedError(f"the status {status:03}, which is none")
    connection = fields.decisive.get(b"connection", ())
    stays = b"keep-alive" in connection if version == "1.0" else b"close" not in connection
    body_bytes, chunked = _framing(fields, method, status)
    return ResponseHead(
        status=status,
        reason=fields.reason,
        version=version,
        headers=fields.headers,
        body_bytes=body_bytes,
        chunked=chunked,
        keeps_alive=stays and (chunked or body_bytes is not None),
    )


def _reason(error: Exception) -> str:
    return "upgrade" if isinstance(error, httptools.HttpParserUpgrade) else str(error)


def _framing(fields: _HeadFields, method: str, status: int) -> tuple[int | None, bool]:
    """Return the body's length and whether it comes in chunks (RFC 9112 § 6.3); httptools has refused both at once."""
    if method == "HEAD" or status < 200 or status in {204, 304}:
        return 0, False
    codings = fields.decisive.get(b"transfer-encoding")
    if codings is not None:
        if codings != [b"chunked"]:
            raise MalformedError("a transfer coding other than chunked, which was not asked for")
        return None, True
    lengths = fields.decisive.get(b"content-length")
    if lengths is None:
        return None, False
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedError("an unusable Content-Length")
    return int(lengths[0]), False


class ChunkedDecoder:
    """Turns the bytes of a chunked body into its content; trailers are dropped.

    `complete` is true from the last chunk on, `excess` when more came after it. `overhead_limit` bounds what may come
    between two pieces of content, that is chunk extensions and trailers.
    """

    def __init__(self, overhead_limit: int) -> None:
        """Begin a body."""
        self.complete = False
        self.excess = False
        self._content: list[bytes] = []
        self._overhead_limit = overhead_limit
        self._overhead = 0
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(_HEAD_OF_CHUNKS)

    def on_message_begin(self) -> None:
        """Take note of a second message (called by httptools)."""
        self.excess = self.complete

    def on_body(self, content: bytes) -> None:
        """Keep content (called by httptools)."""
        if not self.complete:
            self._content.append(content)

    def on_message_complete(self) -> None:
        """Take note of the end (called by httptools)."""
        self.complete = True

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Return the content in `data`; raises `MalformedError`."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise MalformedError(f"what is not a chunked body ({_reason(error)})") from None
            self.excess = True
        content, self._content = self._content, []
        self._overhead = 0 if content else self._overhead + len(data)
        if self._overhead > self._overhead_limit:
            raise MalformedError(f"more than {self._overhead_limit} bytes of chunk extensions or trailers")
        return content


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's head in bytes and how its body is framed: `body_bytes`, or chunks when that is `None`."""

    data: bytes
    body_bytes: int | None


def format_request_head(
    request: httpx.Request, target: bytes, content: bytes | None, extra: list[tuple[bytes, bytes]]
) -> RequestHead:
    """Write the head of `request` for `target`, with the `extra` fields at its end.

    `content` is the body when it is known beforehand. The body is framed by the request's `Content-Length`, or else by
    what is known. Raises `httpx.LocalProtocolError` for a head that would not be one message.
    """
    fields = [*request.headers.raw, *extra]
    length = coding = None
    for name, value in fields:  # `request.headers[...]` would decode every field
        key = name.lower()
        if key == b"content-length":
            length = value
        elif key == b"transfer-encoding":
            coding = value.lower()
    if coding is not None and (length is not None or coding != b"chunked"):
        raise httpx.LocalProtocolError("a request is framed by Content-Length or by Transfer-Encoding: chunked")
    if length is not None and not _LENGTH.fullmatch(length):
        raise httpx.LocalProtocolError("the Content-Length of a request is a number")
    if length is None and coding is None and content is None:
        coding = b"chunked"
        fields.append((b"Transfer-Encoding", coding))
    elif length is None and coding is None and content:
        length = b"%d" % len(content)
        fields.append((b"Content-Length", length))
    return RequestHead(_join_head(request.method, target, fields), None if coding is not None else int(length or 0))


def _join_head(method: str, target: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target)]
    lines += [b"%s: %s" % field for field in fields]
    head = b"\r\n".join(lines) + HEAD_END
    breaks = len(lines) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise httpx.LocalProtocolError("a header field of the request holds a line break or a NUL")
    return head
