"""One request to a registry and its answer: with authentication, redirects, retries and limits."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from math import inf
from typing import TypeVar

import httpx

from transship_registry.errors import ContentError, RegistryError
from transship_registry.http.address import Pause
from transship_registry.http.call import Answer, Call, Held, RefusedError, Silence, place_of_response
from transship_registry.http.counters import Counters
from transship_registry.http.limiter import HostLimiter
from transship_registry.http.origins import printable, same_origin
from transship_registry.http.rate_limits import read_retry_after
from transship_registry.http.refusals import Refusal, come_back, read_refusal, refused
from transship_registry.http.retry import LONGEST_WAIT_S, THROTTLED, TOTAL_S, Failure, RetryIn, decide, is_transient
from transship_registry.http.sender import REDIRECT_LIMIT, Sender, broken_off
from transship_registry.http.timing import Timing
from transship_registry.http.wire.reach import ANYWHERE, Place, Reach, reach_from
from transship_registry.limits import TOKEN_BODY_LIMIT
from transship_registry.login.logins import Login, Logins, Send, Visit

__all__ = ["REDIRECT_LIMIT", "Answer", "Call", "Exchange", "Held"]

_LOGIN_LIMIT = 3
_ELSEWHERE_ADVICE = "the registry sent us there, where no credentials are sent: its storage is at fault"
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Exchange:
    """The conversation with one host, whose origin `home` alone is sent credentials.

    `on_pause` is called whenever the host asks for a pause.
    """

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
        outage_s: float,
        on_pause: Callable[[Pause], None] = lambda _: None,
    ) -> None:
        self._on_pause = on_pause
        self._home = home
        self._name = counters.registry
        self._told_realms: set[str] = set()
        self._sender = Sender(
            home=home,
            transport=transport,
            limiter=limiter,
            counters=counters,
            timing=timing,
            user_agent=user_agent,
            tries=tries,
            outage_s=outage_s,
        )
        self._logins = logins
        self._limiter = limiter
        self._timing = timing
        self._tries = tries

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
        long = replace(call, any_length=True)
        return await self._persist(long, lambda: self._attempt(long))

    async def fetch(self, call: Call) -> Answer:
        """Make a call and read its answer whole; raises `RegistryError`, and `ContentError` above the call's limit."""
        return await self._persist(call, lambda: self._attempt_whole(call))

    @property
    def awaited(self) -> Iterator[tuple[str, float]]:
        """The addresses that are waited for, and for how many seconds nothing has come from them."""
        return self._sender.awaited

    def upload(self) -> AbstractAsyncContextManager[None]:
        """Hold one slot for all the requests of an upload and of the download that feeds it."""
        return self._limiter.upload()

    @property
    def now(self) -> float:
        """The time, in seconds since some moment."""
        return self._timing.clock()

    async def pause(
        self, failure: Failure, attempt: int, tries: int | None = None, *, since: float | None = None
    ) -> bool:
        """Wait before another attempt of something larger than a call; False when it is not worth one.

        `since` is when the first attempt began, by `now`.
        """
        left_s = inf if since is None else since + TOTAL_S - self.now
        decision = decide(failure, attempt, self._timing.chance(), tries=tries or self._tries, left_s=left_s)
        if isinstance(decision, RetryIn):
            await self._timing.sleep(decision.delay_s)
        return isinstance(decision, RetryIn)

    async def _persist(self, call: Call, attempt_once: Callable[[], Awaitable[_T]]) -> _T:
        """Try until it succeeds or is not worth another try."""
        tries = 1 if call.streams else min(call.tries or self._tries, self._tries)
        attempt, until = 0, self.now + TOTAL_S
        first: Silence | None = None
        while True:
            attempt += 1
            try:
                return await attempt_once()
            except RefusedError as error:
                first = first or error.silence
                left_s = until - self.now
                decision = decide(error.failure, attempt, self._timing.chance(), tries=tries, left_s=left_s)
                is_hopeless = error.silence is not None and error.silence.address.is_hopeless
                if not isinstance(decision, RetryIn) or is_hopeless:
                    # Requests that are not to be repeated, such as those whose body is streamed, prove nothing.
                    is_tried = attempt >= min(self._tries, 2) and not call.streams
                    is_proof = is_tried or is_hopeless or error.failure.lasting
                    raise await self._last_word(call, error, first if is_proof else None) from error.__cause__
                _log.debug("attempt %d of %d, again in %.1f s: %s", attempt, tries, decision.delay_s, error.problem)
                self._note_pause(call.url, decision.delay_s, error.problem.answer)
            await self._timing.sleep(decision.delay_s)

    async def _last_word(self, call: Call, error: RefusedError, first: Silence | None) -> RegistryError:
        """Return what to raise for an attempt that was the last one; `first` is the first that was not answered."""
        last = error.silence
        if last is None or first is None:
            return error.problem
        address, answers = last.address, (first if first.address is last.address else last).answers
        if address.answers == answers and not (last.diagnosis.is_unconnected or address.has_ignored_several):
            await self._sender.ask_for_a_sign(call, address)
        return address.fail(last.diagnosis) if address.answers == answers else error.problem

    async def _attempt_whole(self, call: Call) -> Answer:
        held = await self._attempt(call)
        try:
            body = await held.read(call.limit)
        except httpx.TransportError as error:
            raise broken_off(call, held.response.request.url, error) from error
        except ContentError as error:
            raise ContentError(f"{call.attempted} {call.reference}: {error}") from None
        finally:
            await held.release()
        response = held.response
        return Answer(
            call,
            response.status_code,
            response.headers,
            body,
            response.request.url,
            held.login_advice,
            self._timing.wall(),
            place_of_response(response),
        )

    async def _attempt(self, call: Call) -> Held:
        """Make the call once; raises `RefusedError`."""
        login = await self._logins.find(call.path)
        held = await self._authorised(call, login)
        self._keep_pace(held.response)
        if held.response.status_code in call.ok:
            return held
        refusal = await self._sender.unload(call, held)
        await self._sender.check_scheme(call, refusal)
        raise self._refused(call, refusal, login)

    async def _authorised(self, call: Call, login: Login) -> Held:
        """Send the call, and again after each login that promises more; a challenge left over is an answer like any."""

        async def send(request: httpx.Request) -> httpx.Response:
            return await self._fetch_token(call, request)

        visit = call.visit or Visit()
        authorization = await visit.begin(login, call.scopes, send)
        held = await self._show(call, authorization, login, send)
        for _ in range(_LOGIN_LIMIT):
            status = held.response.status_code
            if status != 401 or not self._sender.is_own(held.response.request.url):
                if not is_transient(Failure(status)):
                    visit.note_accepted(authorization)
                break
            challenge = await self._sender.unload(call, held)
            authorization = await visit.answer(challenge, call.scopes, send)
            if authorization is None:
                raise self._refused(call, challenge, login)
            if call.streams:
                return Held(challenge, self._limiter, held.slot, held.login_advice)
            held = await self._show(call, authorization, login, send)
        return held

    async def _show(self, call: Call, authorization: str | None, login: Login, send: Send) -> Held:
        async with login.trial(authorization, call.scopes, send):
            held = await self._sender.send(call, authorization, login.auth.advice)
            login.auth.judge(held.response, call.scopes)
        return held

    async def _fetch_token(self, call: Call, request: httpx.Request) -> httpx.Response:
        """Send a request of a handshake, again if need be; its answer is read whole, whatever its status."""
        is_own = self._sender.is_own(request.url)
        is_root = is_own and request.url.path == "/v2/"
        if not is_own:
            self._tell_realm(request.url)
        token_call = Call(
            attempted="GET root" if is_root else f"{request.method} token",
            method=request.method,
            url=request.url,
            reference=f"from {printable(request.url)} for {call.reference}",
            path=call.path,
            scopes=frozenset(),
            reach=ANYWHERE
            if is_own
            else reach_from(self._sender.place, f"the token service of {self._name} is not asked"),
        )
        return await self._persist(token_call, lambda: self._ask_for_token(token_call, request))

    def _tell_realm(self, url: httpx.URL) -> None:
        """Say once that another host gives the tokens: it is shown the login."""
        if url.host != self._home.host and url.host not in self._told_realms:
            self._told_realms.add(url.host)
            _log.debug("%s: its token service is another host, %s, which is shown the login", self._name, url.host)

    def reach(self, url: httpx.URL, answer: Answer, said: str) -> Reach:
        """Return where a request may go to a URL that an answer names; `said` is for the error where it may not."""
        return answer.call.reach if self._sender.is_own(url) else reach_from(answer.place, said, answer.status)

    @property
    def place(self) -> Place:
        """Where the host is."""
        return self._sender.place

    async def _ask_for_token(self, call: Call, request: httpx.Request) -> httpx.Response:
        held = await self._sender.send_for_token(call, request)
        answer = await self._sender.unload(call, held, TOKEN_BODY_LIMIT + 1)  # one more tells a larger one
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
        if asked_s is None or asked_s > LONGEST_WAIT_S:
            self._limiter.throttled()
            return
        self._limiter.throttled(asked_s)
        self._on_pause(self._note_pause(response.request.url, asked_s, Refusal(response.status_code).line))

    def _note_pause(self, url: httpx.URL, pause_s: float, reason: str) -> Pause:
        address = self._sender.address(url)
        pause = Pause(address.name, pause_s, self._timing.wall() + pause_s, reason)
        address.note_pause(pause)
        return pause

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
