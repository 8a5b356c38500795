"""One request to a registry and its answer: with authentication, redirects, retries and limits."""

import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

import httpx

from transship_registry.errors import ContentError, RegistryError
from transship_registry.http.counters import Counters
from transship_registry.http.header_numbers import read_number
from transship_registry.http.limiter import HostLimiter, Slot
from transship_registry.http.origins import ForbiddenURLError, follow, printable, same_origin
from transship_registry.http.rate_limits import read_retry_after
from transship_registry.http.refusals import REFUSAL_LIMIT, Refusal, come_back, read_refusal, refused, unreachable
from transship_registry.http.retry import LONGEST_WAIT_S, THROTTLED, Failure, RetryIn, decide, is_transient
from transship_registry.http.timing import Timing
from transship_registry.login.auth import TOKEN_BODY_LIMIT
from transship_registry.login.logins import Login, Logins, Visit
from transship_registry.login.scopes import Scope

REDIRECT_LIMIT: Final = 10
_LOGIN_LIMIT = 3
_DEFAULT_OK = frozenset({200})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LASTING = Failure(lasting=True)
_ELSEWHERE_ADVICE = "the registry sent us there, where no credentials are sent: its storage is at fault"
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to be made, and how its answers are to be read.

    `attempted` names its kind in messages and counters, `reference` what it is about; `path` is the repository whose
    credentials it uses, `scopes` what it needs of a token. `ok` are the statuses that the caller reads itself, all
    others become errors. A body that is a stream can be sent once: such a call is never repeated, and a 401 is handed
    to the caller after the login, which the call that repeats it goes on with if it has the same `visit`; it is made
    within `Exchange.upload`. `tries` is how often it is made at most, fewer than the host's settings say. `fetch` reads
    at most `limit` bytes of an answer.
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

    @property
    def streams(self) -> bool:
        """Whether the body can be sent only once."""
        return not isinstance(self.body, bytes)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to `call` that was read whole at the Unix time `wall`; `url` is where it came from after redirects."""

    call: Call
    status: int
    headers: httpx.Headers
    body: bytes
    url: httpx.URL
    login_advice: str
    wall: float

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


class RefusedError(Exception):
    """What became of one attempt, on its way to the decision whether there is another."""

    def __init__(self, failure: Failure, problem: RegistryError) -> None:
        super().__init__(str(problem))
        self.failure = failure
        self.problem = problem


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
        body, ended = await _read_up_to(self.response, limit)
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


class Exchange:
    """The conversation with one host, whose origin `home` alone is sent credentials."""

    def __init__(
        self,
        *,
        home: httpx.URL,
        transport: httpx.AsyncBaseTransport,
        logins: Logins,
        limiter: HostLimiter,
        counters: Counters,
        timing: Timing,
        user_agent: str,
        tries: int,
    ) -> None:
        self._home = home
        self._transport = transport
        self._logins = logins
        self._limiter = limiter
        self._counters = counters
        self._timing = timing
        self._tries = tries
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncGenerator[Held, None]:
        """Make a call and hand out its answer with the body unread; raises `RegistryError`."""
        held = await self.hold(call)
        try:
            yield held
        finally:
            await held.release()

    async def hold(self, call: Call) -> Held:
        """Make a call and return its answer with the body unread, to be released; raises `RegistryError`."""
        return await self._persist(call, lambda: self._attempt(call))

    async def fetch(self, call: Call) -> Answer:
        """Make a call and read its answer whole; raises `RegistryError`, and `ContentError` above the call's limit."""
        return await self._persist(call, lambda: self._attempt_whole(call))

    def upload(self) -> AbstractAsyncContextManager[None]:
        """Hold one slot for all the requests of an upload and of the download that feeds it."""
        return self._limiter.upload()

    async def pause(self, failure: Failure, attempt: int, tries: int | None = None) -> bool:
        """Wait before another attempt of something larger than a call; False when it is not worth one."""
        decision = decide(failure, attempt, self._timing.chance(), tries=tries or self._tries)
        if isinstance(decision, RetryIn):
            await self._timing.sleep(decision.delay_s)
        return isinstance(decision, RetryIn)

    async def _persist(self, call: Call, attempt_once: Callable[[], Awaitable[_T]]) -> _T:
        """Try until it succeeds or is not worth another try."""
        tries = 1 if call.streams else min(call.tries or self._tries, self._tries)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await attempt_once()
            except RefusedError as error:
                decision = decide(error.failure, attempt, self._timing.chance(), tries=tries)
                if not isinstance(decision, RetryIn):
                    raise error.problem from error.__cause__
                _log.debug("attempt %d of %d, again in %.1f s: %s", attempt, tries, decision.delay_s, error.problem)
            await self._timing.sleep(decision.delay_s)

    async def _attempt_whole(self, call: Call) -> Answer:
        held = await self._attempt(call)
        try:
            body = await held.read(call.limit)
        except httpx.TransportError as error:
            raise _broken(call, error) from error
        except ContentError as error:
            raise ContentError(f"{call.attempted} {call.reference}: {error}") from None
        finally:
            await held.release()
        response = held.response
        url, wall = response.request.url, self._timing.wall()
        return Answer(call, response.status_code, response.headers, body, url, held.login_advice, wall)

    async def _attempt(self, call: Call) -> Held:
        """Make the call once; raises `RefusedError`."""
        login = await self._logins.find(call.path)
        try:
            held = await self._authorised(call, login)
            self._keep_pace(held.response)
            if held.response.status_code in call.ok:
                return held
            refusal = await self._unload(held)
        except httpx.TransportError as error:
            raise _broken(call, error) from error
        raise self._refused(call, refusal, login)

    async def _authorised(self, call: Call, login: Login) -> Held:
        """Send the call, and again after each login that promises more; a challenge left over is an answer like any."""

        async def send(request: httpx.Request) -> httpx.Response:
            return await self._fetch_token(call, request)

        visit = call.visit or Visit()
        authorization = await visit.begin(login, call.scopes, send)
        held = await self._redirected(call, login, authorization)
        for _ in range(_LOGIN_LIMIT):
            status = held.response.status_code
            if status != 401 or not self._is_own(held.response.request.url):
                if not is_transient(Failure(status)):
                    visit.note_accepted(authorization)
                break
            challenge = await self._unload(held)
            authorization = await visit.answer(challenge, call.scopes, send)
            if authorization is None:
                raise self._refused(call, challenge, login)
            if call.streams:
                return Held(challenge, self._limiter, held.slot, held.login_advice)
            held = await self._redirected(call, login, authorization)
        return held

    async def _redirected(self, call: Call, login: Login, authorization: str | None) -> Held:
        slot = await self._limiter.acquire()
        try:
            response = await self._follow(call, authorization)
        except BaseException:
            self._limiter.release(slot)
            raise
        return Held(response, self._limiter, slot, login.auth.advice)

    async def _follow(self, call: Call, authorization: str | None) -> httpx.Response:
        """Send the call, and follow where it is redirected to; only the registry itself gets the authorization."""
        url = call.url
        for _ in range(REDIRECT_LIMIT + 1):
            response = await self._send(call, url, authorization if self._is_own(url) else None)
            try:
                target = _redirect_target(call, response)
            except RefusedError:
                await response.aclose()
                raise
            if target is None:
                return response
            await _finish(response)
            url = target
        problem = RegistryError(call.attempted, call.reference, f"it redirects more than {REDIRECT_LIMIT} times")
        raise RefusedError(_LASTING, problem)

    async def _send(self, call: Call, url: httpx.URL, authorization: str | None) -> httpx.Response:
        headers = {**self._headers, **call.headers}
        if authorization:
            headers["Authorization"] = authorization
        if isinstance(call.body, bytes):
            request = httpx.Request(call.method, url, headers=headers, content=call.body or None)
        else:
            # httpx writes this header itself, but not for a request that is given its stream.
            headers["Host"] = url.netloc.decode("ascii")
            request = httpx.Request(call.method, url, headers=headers, stream=call.body)
        self._counters.note_request(call.attempted if url is call.url else "follow redirect")
        response = await self._transport.handle_async_request(request)
        response.request = request
        _log.debug("%s %s: %d", call.method, printable(url), response.status_code)
        if self._is_own(url):
            self._counters.note_headers(response.headers)
        return response

    def _is_own(self, url: httpx.URL) -> bool:
        """Whether a URL is the registry's own, so that it may be sent credentials and its challenges are answered."""
        return same_origin(url, self._home)

    async def _unload(self, held: Held, limit: int = REFUSAL_LIMIT) -> httpx.Response:
        """Read a small answer whole and free its slot."""
        try:
            body = await held.read(limit, cut=True)
        finally:
            await held.release()
        return _loaded(held.response, body)

    async def _fetch_token(self, call: Call, request: httpx.Request) -> httpx.Response:
        """Send a request for a token, again if need be; its answer is read whole, whatever its status."""
        token_call = Call(
            attempted=f"{request.method} token",
            method=request.method,
            url=request.url,
            reference=f"from {printable(request.url)} for {call.reference}",
            path=call.path,
            scopes=frozenset(),
        )
        return await self._persist(token_call, lambda: self._ask_for_token(token_call, request))

    async def _ask_for_token(self, call: Call, request: httpx.Request) -> httpx.Response:
        slot = await self._limiter.acquire()
        try:
            self._counters.note_request(call.attempted)
            response = await self._transport.handle_async_request(request)
            response.request = request
            _log.debug("%s %s: %d", call.method, printable(request.url), response.status_code)
            answer = await self._unload(Held(response, self._limiter, slot), TOKEN_BODY_LIMIT)
        except httpx.TransportError as error:
            raise _broken(call, error) from error
        finally:
            self._limiter.release(slot)
        self._keep_pace(answer)
        if is_transient(Failure(answer.status_code)):
            raise self._refused(call, answer, None)
        return answer

    def _keep_pace(self, response: httpx.Response) -> None:
        """Slow down when the registry asks for it; a pause that is too long to be waited for is not begun."""
        if response.status_code not in THROTTLED:
            self._limiter.succeeded()
            return
        asked_s = read_retry_after(response.headers, self._timing.wall())
        self._limiter.throttled(asked_s if asked_s is not None and asked_s <= LONGEST_WAIT_S else 0.0)

    def _refused(self, call: Call, answer: httpx.Response, login: Login | None) -> RefusedError:
        wall = self._timing.wall()
        asked_s = read_retry_after(answer.headers, wall)
        reference, login_advice = call.reference, login.auth.advice if login else ""
        if not same_origin(answer.request.url, call.url):
            reference += f" at {printable(answer.request.url)}"
            login_advice = _ELSEWHERE_ADVICE
        problem = refused(
            call.attempted,
            reference,
            read_refusal(answer.status_code, answer.headers, answer.content),
            login_advice=login_advice,
            retry_advice=come_back(asked_s, wall),
        )
        return RefusedError(Failure(answer.status_code, asked_s), problem)


def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    return aiter(cast(httpx.AsyncByteStream, response.stream))


async def _read_up_to(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Return at most `limit` bytes of the body, and whether that is all of it."""
    chunks: list[bytes] = []
    size = 0
    async for piece in _pieces(response):
        chunks.append(bytes(piece))
        size += len(piece)
        if size > limit:
            break
    return b"".join(chunks)[:limit], size <= limit


async def _finish(response: httpx.Response) -> None:
    """Read what little is left of an answer, so that its connection can be used again, and close it."""
    with suppress(httpx.TransportError):
        await _read_up_to(response, REFUSAL_LIMIT)
    with suppress(httpx.TransportError):
        await response.aclose()


def _redirect_target(call: Call, response: httpx.Response) -> httpx.URL | None:
    """Return where the answer sends us; only reads follow, since a body is not to be sent just anywhere."""
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS - call.ok or call.method not in {"GET", "HEAD"} or not location:
        return None
    try:
        return follow(response.request.url, location)
    except ForbiddenURLError as error:
        answer = f"HTTP {response.status_code}, a redirect that is not followed: {error}"
        problem = RegistryError(call.attempted, call.reference, answer, status=response.status_code)
        raise RefusedError(_LASTING, problem) from None


def _loaded(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return the response with its body; one that was compressed unasked is decompressed if that works."""
    status, headers, request = response.status_code, response.headers, response.request
    try:
        return httpx.Response(status, headers=headers, content=body, request=request)
    except httpx.DecodingError:
        plain = [(name, value) for name, value in headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(status, headers=plain, content=body, request=request)


def _broken(call: Call, error: httpx.TransportError) -> RefusedError:
    host = printable(call.url.copy_with(path="/")).rstrip("/")
    failure = _LASTING if _is_lasting(error) else Failure()
    return RefusedError(failure, unreachable(call.attempted, call.reference, error, host))


def _is_lasting(error: httpx.TransportError) -> bool:
    """Whether the connection would fail again for the same reason, such as a certificate that is not trusted."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
