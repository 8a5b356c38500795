"""Sending an answer, whole or as badly as the faults say."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from support.registry_server.content import BytesContent, RepeatedContent
from support.registry_server.core import Registry
from support.registry_server.exchange import Request, Response, Send
from support.registry_server.faults import (
    CloseConnections,
    CorruptBody,
    DripAnswer,
    ExtraHeaders,
    FalsifyContentType,
    FalsifyDigestHeader,
    LargeBody,
    OmitContentType,
    OmitDigestHeader,
    ReplaceBody,
    StallBody,
    TruncateBody,
    WrongContentLength,
)


@dataclass(frozen=True)
class _Course:
    """How a body goes out; positions count from the first byte on the wire."""

    announced: int
    length: int
    stall_at: int | None = None
    stall_s: float = 0
    corrupt_at: int | None = None

    @property
    def falls_short(self) -> bool:
        return self.length < self.announced


async def deliver(
    registry: Registry, request: Request, response: Response, send: Send, at_last_piece: Callable[[], None]
) -> None:
    """Send a response; if it falls short of its announced length, close the connection after it.

    `at_last_piece` is called before the client can have the whole answer, so that it never sees itself in flight.
    """
    response = _replace_body(registry, request, response)
    course = _course(registry, request, response)
    close = registry.faults.take(CloseConnections, request)
    headers = _headers(registry, request, response, course)
    if close is not None and not close.silently:
        headers["Connection"] = "close"
    request.recorded.status = response.status
    if request.method == "HEAD" or course.length == 0:
        at_last_piece()
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    if request.method != "HEAD":
        await _send_body(registry, request, response, course, send, at_last_piece)
        if course.falls_short or request.transport.is_closing():
            request.transport.close()
            await request.until_gone()
            return
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    if close is not None:
        request.transport.close()


async def drip_out(registry: Registry, request: Request, send: Send, drip: DripAnswer) -> None:
    """Send a byte now and then of an answer that would take years, until the client has gone."""
    request.recorded.status = 200
    length = (b"content-length", str(drip.length).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    while not request.transport.is_closing() and not registry.closing.is_set():
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await registry.pause(drip.every_s)
    request.transport.close()
    await request.until_gone()


def _replace_body(registry: Registry, request: Request, response: Response) -> Response:
    large = registry.faults.take(LargeBody, request)
    if large is not None:
        return _large(large, request)
    fault = registry.faults.take(ReplaceBody, request)
    if fault is None:
        return response
    return Response(fault.status, {"Content-Type": fault.content_type}, BytesContent(fault.body))


def _large(fault: LargeBody, request: Request) -> Response:
    """Make an answer that is too large, without holding it."""
    page = int(request.query.get("page", "0"))
    body = RepeatedContent(fault.head.replace(b"{page}", b"%d" % page), fault.filler, fault.times_over, fault.tail)
    link = {"Link": f'<{request.path}?page={page + 1}>; rel="next"'} if fault.endless else {}
    return Response(200, {"Content-Type": fault.content_type, **fault.headers, **link}, body)


def _course(registry: Registry, request: Request, response: Response) -> _Course:
    """Read the faults of the body; only successful answers have them."""
    length = response.length
    course = _Course(length, length)
    if response.status not in {200, 206}:
        return course
    wrong = registry.faults.take(WrongContentLength, request)
    if wrong is not None:
        course = replace(course, announced=max(length + wrong.by, 0), length=min(length, max(length + wrong.by, 0)))
    truncate = registry.faults.take(TruncateBody, request)
    if truncate is not None:
        course = replace(course, length=min(length // 2 if truncate.after is None else truncate.after, length))
    stall = registry.faults.take(StallBody, request)
    if stall is not None:
        course = replace(course, stall_at=length // 2 if stall.after is None else stall.after, stall_s=stall.seconds)
    corrupt = registry.faults.take(CorruptBody, request)
    return course if corrupt is None else replace(course, corrupt_at=corrupt.at)


def _headers(registry: Registry, request: Request, response: Response, course: _Course) -> dict[str, str]:
    headers = {"Docker-Distribution-API-Version": "registry/2.0", **response.headers}
    # A 204 has no Content-Length (RFC 9110 section 8.6).
    if response.status != 204:
        headers.setdefault("Content-Length", str(course.announced))
    if registry.faults.take(OmitDigestHeader, request) is not None:
        headers.pop("Docker-Content-Digest", None)
    falsified = registry.faults.take(FalsifyDigestHeader, request)
    if falsified is not None and "Docker-Content-Digest" in headers:
        headers["Docker-Content-Digest"] = falsified.digest
    if registry.faults.take(OmitContentType, request) is not None:
        headers.pop("Content-Type", None)
    contradicting = registry.faults.take(FalsifyContentType, request)
    if contradicting is not None:
        headers["Content-Type"] = contradicting.media_type
    extra = registry.faults.take(ExtraHeaders, request)
    return headers if extra is None else {**headers, **extra.headers}


async def _send_body(
    registry: Registry,
    request: Request,
    response: Response,
    course: _Course,
    send: Send,
    at_last_piece: Callable[[], None],
) -> None:
    marks = [0, course.length] if course.stall_at is None else [0, min(course.stall_at, course.length), course.length]
    for begin, end in itertools.pairwise(marks):
        if begin:
            await registry.pause(course.stall_s)
        for piece in _pieces(response, course, begin, end):
            if request.transport.is_closing():
                return
            request.recorded.sent += len(piece)
            if request.recorded.sent == course.length:
                at_last_piece()
            await send({"type": "http.response.body", "body": piece, "more_body": True})


def _pieces(response: Response, course: _Course, begin: int, end: int) -> Iterator[bytes | memoryview]:
    """Yield the bytes of the body from `begin` to `end`, one of them turned over if so told."""
    at = begin
    for piece in response.body.pieces(response.start + begin, response.start + end):
        corrupt_at = course.corrupt_at
        if corrupt_at is not None and at <= corrupt_at < at + len(piece):
            wrong = bytearray(piece)
            wrong[corrupt_at - at] ^= 0xFF
            piece = bytes(wrong)
        yield piece
        at += len(piece)
