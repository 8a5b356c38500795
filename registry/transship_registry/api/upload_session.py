"""An upload session at a registry: its moving location, and how far it has come (distribution-spec § Push)."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

import httpx

from transship_registry.api.pieces import Piece
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, RegistryError, TransshipError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.header_numbers import read_number
from transship_registry.http.host import Host
from transship_registry.http.origins import ForbiddenURLError, follow, note_signature, with_query
from transship_registry.http.retry import Failure, is_transient
from transship_registry.http.wire.reach import ANYWHERE, Reach
from transship_registry.login.logins import Visit
from transship_registry.login.scopes import Scope, pull, push
from transship_registry.reference import Repository

_log = logging.getLogger(__name__)
_ALL_REFUSALS: Final = frozenset(range(400, 600))
_UNUSED: Final = "its Location is not used"
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
FAREWELL_S: Final = 1.5
"""How long it may take to cancel the sessions that are not used, all of them together."""

_MOUNT_TRIES: Final = 2
"""A mount saves an upload and is not needed for one: a registry that fails at it is not asked for long."""


class Body(httpx.AsyncByteStream):
    """A request's body that counts what was sent, and keeps the error that ended it: a transport may wrap that."""

    def __init__(self, pieces: AsyncIterator[Piece]) -> None:
        self.error: TransshipError | OSError | None = None
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces; a memoryview serves the transport as well as bytes do."""
        try:
            async for piece in self._pieces:
                yield piece  # type: ignore[misc]  # httpx knows only bytes
        except (TransshipError, OSError) as error:
            self.error = error
            raise


@dataclass(eq=False, slots=True)
class UploadSession:
    """A session; every answer may move its `location`, whose query carries the registry's state.

    `reach` is where requests to the location may go. `visit` is how the bodies that are sent get past 401s; the session
    that repeats another one takes it over.
    """

    host: Host
    call: Call
    location: httpx.URL
    chunk_min: int = 0
    reach: Reach = ANYWHERE
    visit: Visit = field(default_factory=Visit)

    async def patch(self, start: int, size: int, body: Body) -> Answer:
        """Send a chunk that begins at `start`; the answer may be any refusal."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{start}-{start + size - 1}",
            "Content-Length": str(size),
        }
        answer = await self._send("PATCH upload", self.location, headers, body)
        self._move(answer)
        return answer

    async def put(self, digest: Digest, size: int, body: Body | None, start: int = 0) -> Answer:
        """Close the session with the last `size` bytes, perhaps none or all; the answer may be any refusal."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if start and size:
            headers["Content-Range"] = f"{start}-{start + size - 1}"
        return await self._send("PUT upload", with_query(self.location, f"digest={digest}"), headers, body)

    async def received(self) -> int | None:
        """Return how many bytes the registry has; None when it does not know the session any more."""
        call = replace(
            self.call,
            attempted="GET upload",
            method="GET",
            url=self.location,
            reach=self.reach,
            ok=frozenset({200, 202, 204, 400, 404, 405}),
        )
        answer = await self.host.exchange.fetch(call)
        if answer.status >= 400:
            return None
        self._move(answer)
        return received_size(answer)

    async def cancel(self) -> None:
        """Tell the registry to forget the session; whether it does is its own affair."""
        call = replace(
            self.call,
            attempted="DELETE upload",
            method="DELETE",
            url=self.location,
            reach=self.reach,
            ok=_ALL_REFUSALS | {204},
            tries=1,
        )
        try:
            await self.host.exchange.fetch(call)
        except (RegistryError, ContentError):
            return

    async def _send(self, attempted: str, url: httpx.URL, headers: dict[str, str], body: Body | None) -> Answer:
        method = attempted.partition(" ")[0]
        call = replace(
            self.call,
            attempted=attempted,
            method=method,
            url=url,
            reach=self.reach,
            headers=headers,
            body=b"" if body is None else body,
            ok=frozenset({200, 201, 202, 204}) | _ALL_REFUSALS,
            tries=1,
            visit=None if body is None else self.visit,
        )
        return await self.host.exchange.fetch(call)

    def _move(self, answer: Answer) -> None:
        location = answer.headers.get("location")
        if location and answer.status < 400:
            self.location, self.reach = _resolve(self.host, answer, location)


async def begin_session(host: Host, repository: Repository, digest: Digest) -> UploadSession | None:
    """Open a session; None when the registry has found the blob among its own (`POST ?mount=` without from)."""
    plain = _session_call(host, repository, digest)
    key = (host.path(repository), digest)
    if host.learnt.anonymous_mount_refused or key in host.learnt.mounted:
        return _session(host, plain, await _open(host, plain))
    mounted = await _try_to_mount(host, plain, digest, {"mount": str(digest)})
    if mounted is None:
        host.learnt.mounted.add(key)
        return None
    if isinstance(mounted, UploadSession):
        return mounted
    session = _session(host, plain, await _open(host, plain))
    host.learnt.anonymous_mount_refused = not is_transient(Failure(mounted.status))
    return session


def _session_call(host: Host, repository: Repository, digest: Digest) -> Call:
    """Return the call that opens a session for a blob."""
    return host.call(
        "POST upload",
        repository,
        "blobs/uploads/",
        reference=repository.at(digest),
        scopes=frozenset({push(host.path(repository))}),
        ok=frozenset({202}),
    )


async def mount(host: Host, repository: Repository, digest: Digest, source: Repository) -> UploadSession | bool:
    """Ask for a blob of another repository; True when it is here now, else perhaps the session that came instead."""
    plain = _session_call(host, repository, digest)
    query = {"mount": str(digest), "from": host.path(source)}
    mounted = await _try_to_mount(host, plain, digest, query, pull(host.path(source)))
    return mounted if isinstance(mounted, UploadSession) else mounted is None


async def _try_to_mount(
    host: Host, plain: Call, digest: Digest, query: Mapping[str, str], *more_scopes: Scope
) -> UploadSession | RegistryError | None:
    """Ask for a mount: None when the blob is here now, else the session that came instead, or the refusal.

    A token for both repositories may be refused, or the mount with any status (Harbor: 401 for an unknown project,
    https://github.com/goharbor/harbor/issues/17097), and a 202 may lead nowhere: none of that says that a plain upload
    will fail. Raises `RegistryError` only when nobody answered at all.
    """
    url = with_query(plain.url, "&".join(f"{name}={quote(value, safe=':/')}" for name, value in query.items()))
    scopes = plain.scopes.union(more_scopes)
    mounting = frozenset({201, 202})
    call = replace(plain, attempted="POST mount", url=url, scopes=scopes, ok=mounting, tries=_MOUNT_TRIES)
    try:
        answer = await _open(host, call)
        if answer.status == 202:
            return _session(host, plain, answer)
    except RegistryError as error:
        if error.status is None:
            raise
        _log.debug("not mounted, so it is uploaded: %s", error)
        return error
    check_stored(answer, digest)
    return None


async def _open(host: Host, call: Call) -> Answer:
    """Send what may open a session; one that opens when nobody waits for it any more is cancelled."""
    opening = asyncio.ensure_future(host.exchange.fetch(call))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        host.farewells.add(asyncio.ensure_future(_forget(host, call, opening)))
        raise


async def _forget(host: Host, call: Call, opening: Awaitable[Answer]) -> None:
    with suppress(RegistryError, ContentError, TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            answer = await opening
        if answer.status == 202:
            await _session(host, call, answer).cancel()


def _session(host: Host, call: Call, answer: Answer) -> UploadSession:
    """Read the session that a 202 opened; raises `RegistryError` when it names no usable location."""
    location = answer.headers.get("location")
    if not location:
        raise RegistryError(call.attempted, call.reference, "HTTP 202 without a Location to upload to", status=202)
    chunk_min = read_number(answer.headers.get("oci-chunk-min-length", ""))
    url, reach = _resolve(host, answer, location)
    return UploadSession(host, call, url, chunk_min or 0, reach)


def received_size(answer: Answer, expected: int | None = None) -> int | None:
    """Return how many bytes the registry says it has, `expected` if that fits; None without a `Range`.

    Its end is inclusive, so `0-0` is one byte by the letter, yet it is also what distribution says of an empty session.
    """
    found = _RANGE.fullmatch(answer.headers.get("range", "").strip())
    if found is None:
        return None
    last = int(found[1])
    return last + 1 if last or expected == 1 else 0


def check_stored(answer: Answer, digest: Digest) -> None:
    """Raise `ContentError` when the registry says that it stored another digest."""
    text = answer.headers.get("docker-content-digest", "").strip()
    try:
        stored = Digest.parse(text) if text else digest
    except InvalidReferenceError:
        return
    if stored.algorithm == digest.algorithm and stored != digest:
        raise ContentError(f"{answer.call.attempted} {answer.call.reference}: the registry stored {stored} instead")


def _resolve(host: Host, answer: Answer, location: str) -> tuple[httpx.URL, Reach]:
    """Return where a session is, and where requests to it may go."""
    try:
        url = follow(answer.url, location)
    except ForbiddenURLError as error:
        problem = f"{_UNUSED}: {error}"
        raise RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status) from None
    note_signature(url)
    return url, host.exchange.reach(url, answer, _UNUSED)
