"""A request to be made, its answer, and what becomes of an attempt that fails: plain values."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import httpx

from transship_registry.errors import ContentError, RegistryError
from transship_registry.http.address import Address
from transship_registry.http.diagnosis import Diagnosis
from transship_registry.http.header_numbers import read_number
from transship_registry.http.limiter import HostLimiter, Slot
from transship_registry.http.rate_limits import read_retry_after
from transship_registry.http.refusals import Refusal, come_back, read_refusal, refused
from transship_registry.http.retry import Failure
from transship_registry.http.wire.reach import ANYWHERE, PLACE, Place, Reach, place_of_name
from transship_registry.limits import REFUSAL_LIMIT
from transship_registry.login.logins import Visit
from transship_registry.login.scopes import Scope

_DEFAULT_OK = frozenset({200})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to be made, and how its answers are to be read.

    `attempted` names its kind in messages and counters, `reference` what it is about; `path` is the repository whose
    credentials it uses, `scopes` what it needs of a token. `ok` are the statuses that the caller reads itself, all
    others become errors. A body that is a stream can be sent once: such a call is never repeated, and a 401 is handed
    to the caller after the login, which the call that repeats it goes on with if it has the same `visit`; it is made
    within `Exchange.upload`. `tries` is how often it is made at most, fewer than the host's settings say. `fetch` reads
    at most `limit` bytes of an answer. An answer of `any_length` may take any time, as long as it moves.
    `reach` is where it may go, when its URL is a server's word.
    """

    attempted: str
    method: str
    url: httpx.URL
    reference: str
    path: str
    scopes: frozenset[Scope]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | httpx.AsyncByteStream = b""
    ok: frozenset[int] = _DEFAULT_OK
    tries: int | None = None
    limit: int = REFUSAL_LIMIT
    visit: Visit | None = None
    any_length: bool = False
    reach: Reach = ANYWHERE

    @property
    def streams(self) -> bool:
        """Whether the body can be sent only once."""
        return not isinstance(self.body, bytes)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to `call` that was read whole at the Unix time `wall`.

    `url` is where it came from after redirects, and `place` where that is.
    """

    call: Call
    status: int
    headers: httpx.Headers
    body: bytes
    url: httpx.URL
    login_advice: str
    wall: float
    place: Place = Place.ELSEWHERE

    @property
    def refusal(self) -> Refusal:
        """What it says, when it is a refusal."""
        return read_refusal(self.status, self.headers, self.body)

    @property
    def error(self) -> RegistryError:
        """The error to raise for it, when it is a refusal."""
        return refused(
            self.call.attempted,
            self.call.reference,
            self.refusal,
            login_advice=self.login_advice,
            retry_advice=come_back(self.failure.retry_after_s, self.wall),
        )

    @property
    def failure(self) -> Failure:
        """What it means for another try, when it is a refusal."""
        return Failure(self.status, read_retry_after(self.headers, self.wall))


@dataclass(frozen=True, slots=True)
class Silence:
    """That an attempt was not answered: at which address, why, and how many answers had come from there before."""

    address: Address
    diagnosis: Diagnosis
    answers: int


class RefusedError(Exception):
    """What became of one attempt, on its way to the decision whether there is another."""

    def __init__(self, failure: Failure, problem: RegistryError, silence: Silence | None = None) -> None:
        super().__init__(str(problem))
        self.failure = failure
        self.problem = problem
        self.silence = silence


@dataclass(eq=False, slots=True)
class Held:
    """A response whose body is still to be read, and the slot that it occupies meanwhile."""

    response: httpx.Response
    limiter: HostLimiter
    slot: Slot
    login_advice: str = ""

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives and as it was sent: nothing is decompressed."""
        return _pieces(self.response)

    async def read(self, limit: int, *, cut: bool = False) -> bytes:
        """Read the body; one above `limit` bytes is a `ContentError`, or is `cut`."""
        body, ended = await read_up_to(self.response, limit)
        if ended:
            self._check_length(len(body))
        elif not cut:
            raise ContentError(f"the answer has more than the {limit} bytes allowed")
        return body

    async def release(self) -> None:
        """Close the response and free the slot."""
        try:
            with suppress(httpx.TransportError):
                await self.response.aclose()
        finally:
            self.limiter.release(self.slot)

    def _check_length(self, size: int) -> None:
        length = read_number(self.response.headers.get("content-length", ""))
        if length is not None and length > size and self.response.request.method != "HEAD":
            raise httpx.RemoteProtocolError(f"the body ended after {size} of {length} bytes")


async def read_up_to(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Return at most `limit` bytes of the body, and whether that is all of it."""
    chunks: list[bytes] = []
    size = 0
    async for piece in _pieces(response):
        chunks.append(bytes(piece))
        size += len(piece)
        if size > limit:
            break
    return b"".join(chunks)[:limit], size <= limit


def place_of_response(response: httpx.Response) -> Place:
    """Return where a response came from: what it was connected to, as the transport says, or else by its name."""
    place = response.extensions.get(PLACE)
    return place if isinstance(place, Place) else place_of_name(response.request.url.host) or Place.ELSEWHERE


def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    return aiter(cast(httpx.AsyncByteStream, response.stream))
