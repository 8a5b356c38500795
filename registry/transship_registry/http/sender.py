"""One attempt of a request: its turn and slot, the redirects it follows, and what an address that is silent means."""

import logging
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Final

import httpx

from transship_registry.errors import RegistryError
from transship_registry.http.address import Address
from transship_registry.http.call import Call, Held, RefusedError, Silence, place_of_response, read_up_to
from transship_registry.http.counters import Counters
from transship_registry.http.diagnosis import broken, complains_of_plain_http, diagnose, speaks_tls
from transship_registry.http.limiter import HostLimiter, Slot, within_upload
from transship_registry.http.origins import (
    ForbiddenURLError,
    follow,
    network_address,
    note_signature,
    origin,
    place,
    printable,
    same_origin,
)
from transship_registry.http.retry import Failure
from transship_registry.http.timing import Timing
from transship_registry.http.wire.exchange import NotHTTPError
from transship_registry.http.wire.pace import ANY_LENGTH
from transship_registry.http.wire.reach import REACH, ForbiddenPlaceError, Place, Reach, place_of_name, reach_from
from transship_registry.limits import REFUSAL_LIMIT

REDIRECT_LIMIT: Final = 10
LASTING: Final = Failure(lasting=True)
_REDIRECTED: Final = "HTTP {}, a redirect that is not followed"
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_FORMS: Final = (32 | zlib.MAX_WBITS, -zlib.MAX_WBITS)
"""gzip and zlib, told by their first bytes; the naked stream that some send as `deflate`."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_log = logging.getLogger(__name__)


class Sender:
    """Sends what is asked of one host, whose origin `home` alone is sent credentials.

    `tries` and `outage_s` say when an address is given up (see `Address`).
    """

    def __init__(
        self,
        *,
        home: httpx.URL,
        transport: httpx.AsyncBaseTransport,
        limiter: HostLimiter,
        counters: Counters,
        timing: Timing,
        user_agent: str,
        tries: int,
        outage_s: float,
    ) -> None:
        self._home = home
        self._transport = transport
        self._limiter = limiter
        self._counters = counters
        self._timing = timing
        self._tries = tries
        self._outage_s = outage_s
        self._addresses: dict[tuple[str, str, int | None], Address] = {}
        self._wants_tls: bool | None = None
        self._place: Place | None = None
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}

    async def send(self, call: Call, authorization: str | None, login_advice: str) -> Held:
        """Send a call and follow where it is redirected to; only the host itself gets the authorization."""
        async with self._turn(call) as slot:
            response = await self._follow(call, authorization)
        return Held(response, self._limiter, slot, login_advice)

    async def send_for_token(self, call: Call, request: httpx.Request) -> Held:
        """Send a request for a token, for which `call` stands; no redirect is followed."""
        self.address(call.url, ", the token service of {}")
        async with self._turn(call, for_token=True) as slot:
            self._counters.note_request(call.attempted)
            response = await self._transmit(call, request, call.reach)
        return Held(response, self._limiter, slot)

    async def unload(self, call: Call, held: Held, limit: int = REFUSAL_LIMIT) -> httpx.Response:
        """Read a small answer whole and free its slot; raises `RefusedError` when it breaks off."""
        try:
            body = await held.read(limit, cut=True)
        except httpx.TransportError as error:
            raise broken_off(call, held.response.request.url, error) from error
        finally:
            await held.release()
        return _loaded(held.response, body, limit)

    def is_own(self, url: httpx.URL) -> bool:
        """Whether a URL is the host's own, so that it may be sent credentials and its challenges are answered."""
        return same_origin(url, self._home)

    @property
    def place(self) -> Place:
        """Where the host is: what it was connected to, or, before it was, by its name."""
        return self._place or place_of_name(self._home.host) or Place.ELSEWHERE

    def address(self, url: httpx.URL, role: str = "") -> Address:
        """Return what is known of the address of a URL; `role` says what another one than the host's is for."""
        key = origin(url)
        address = self._addresses.get(key)
        if address is None:
            name, registry = network_address(url), self._counters.registry
            if not self.is_own(url):
                name += role.format(registry)
            elif not name.startswith(registry) and "://" not in registry:
                name = f"{registry} ({name})"
            address = self._addresses[key] = Address(name, self._timing, self._tries, self._outage_s)
        return address

    @property
    def awaited(self) -> Iterator[tuple[str, float]]:
        """The addresses that are waited for, and for how many seconds nothing has come from them."""
        for address in self._addresses.values():
            if (silent_s := address.awaited_s) is not None:
                yield address.name, silent_s

    async def ask_for_a_sign(self, call: Call, address: Address) -> None:
        """Ask for the root, which every registry answers somehow, to learn whether a request alone is at fault."""
        is_registry = "://" not in self._counters.registry
        if is_registry and address is self.address(self._home):
            with suppress(RefusedError):
                await self._get_root(call)

    async def check_scheme(self, call: Call, refusal: httpx.Response) -> None:
        """Raise `RefusedError` when a refusal says that the port speaks TLS and was sent plain HTTP."""
        url = refusal.request.url
        if url.scheme != "http" or refusal.status_code != 400 or not self.is_own(url) or self._wants_tls is False:
            return
        if self._wants_tls is None:
            # The answer to a HEAD has no body that could say so.
            body = refusal.content if call.method != "HEAD" else await self._get_root(call)
            self._wants_tls = complains_of_plain_http(body)
        if self._wants_tls:
            address, diagnosis = self.address(url), speaks_tls(self._counters.registry)
            problem = RegistryError(call.attempted, call.reference, diagnosis.answer, advice=diagnosis.advice)
            raise RefusedError(LASTING, problem, Silence(address, diagnosis, address.answers))

    @asynccontextmanager
    async def _turn(self, call: Call, *, for_token: bool = False) -> AsyncGenerator[Slot, None]:
        """Wait until a call may be sent, and hand out its slot, which is freed here only after an error.

        What belongs to an upload holds slots already, which those in front of it may be waiting for: it takes no turns.
        """
        address, takes_turns = self.address(call.url), not within_upload()
        try:
            while True:
                if takes_turns:
                    await address.line_up(call)
                slot = await self._limiter.acquire(for_token=for_token)
                if not takes_turns or address.admits(call):
                    break
                self._limiter.release(slot)
            try:
                yield slot
            except BaseException:
                self._limiter.release(slot)
                raise
        finally:
            address.leave(call)

    async def _follow(self, call: Call, authorization: str | None) -> httpx.Response:
        url, reach = call.url, call.reach
        for _ in range(REDIRECT_LIMIT + 1):
            response = await self._send(call, url, authorization if self.is_own(url) else None, reach)
            try:
                target = _redirect_target(call, response)
            except RefusedError:
                await response.aclose()
                raise
            if target is None:
                return response
            await _finish(response)
            said, status = _REDIRECTED.format(response.status_code), response.status_code
            reach = call.reach if self.is_own(target) else reach_from(place_of_response(response), said, status)
            url = target
        problem = RegistryError(call.attempted, call.reference, f"it redirects more than {REDIRECT_LIMIT} times")
        raise RefusedError(LASTING, problem)

    async def _send(self, call: Call, url: httpx.URL, authorization: str | None, reach: Reach) -> httpx.Response:
        headers = {**self._headers, **call.headers}
        if authorization:
            headers["Authorization"] = authorization
        extensions = {ANY_LENGTH: True} if call.any_length else {}
        if isinstance(call.body, bytes):
            body = call.body or None
            request = httpx.Request(call.method, url, headers=headers, content=body, extensions=extensions)
        else:
            # httpx writes this header itself, but not for a request that is given its stream.
            headers["Host"] = url.netloc.decode("ascii")
            request = httpx.Request(call.method, url, headers=headers, stream=call.body, extensions=extensions)
        self.address(url, ", where {} redirects to")
        self._counters.note_request(call.attempted if url is call.url else "follow redirect")
        response = await self._transmit(call, request, reach)
        if self.is_own(url):
            self._place = place_of_response(response)
            self._counters.note_headers(response.headers)
        return response

    async def _transmit(self, call: Call, request: httpx.Request, reach: Reach) -> httpx.Response:
        """Send a request and return its answer; raises `RefusedError` when none comes or is hoped for any more."""
        if not reach.allows(place_of_name(request.url.host)):
            raise _forbidden(call, request.url, reach)
        request.extensions[REACH] = reach
        address = self.address(request.url)
        if (given_up := address.given_up) is not None:
            raise RefusedError(LASTING, given_up)
        answers = address.answers
        try:
            # Nobody answers before a body is sent, however long that takes.
            with nullcontext() if call.streams else address.awaited():
                response = await self._transport.handle_async_request(request)
        except ForbiddenPlaceError as error:
            raise _forbidden(call, request.url, reach, error.address) from error
        except httpx.TransportError as error:
            raise self._unanswered(call, request.url, answers, error) from error
        address.note_answer()
        response.request = request
        _log.debug("%s %s: %d", request.method, printable(request.url), response.status_code)
        return response

    def _unanswered(self, call: Call, url: httpx.URL, answers: int, error: httpx.TransportError) -> RefusedError:
        address = self.address(url)
        problem = broken(call.attempted, call.reference, error, place(url), begun=False)
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return RefusedError(LASTING, problem)
        if isinstance(error, NotHTTPError):
            address.note_answer()
            return RefusedError(Failure(), problem)
        if not call.streams:  # there, the place that the body comes from may be at fault
            address.note_silence(call, answers)
        diagnosis = diagnose(error, self._settings_of(url), url.scheme)
        return RefusedError(Failure(lasting=diagnosis.lasting), problem, Silence(address, diagnosis, answers))

    def _settings_of(self, url: httpx.URL) -> str:
        """Return whose `creds` hold for the connection to a URL."""
        is_home = url.host == self._home.host
        return self._counters.registry if is_home else network_address(url).removesuffix(":443")

    async def _get_root(self, call: Call) -> bytes:
        root = replace(call, attempted="GET root", method="GET", url=self._home.join("/v2/"), headers={}, body=b"")
        slot = await self._limiter.acquire()
        try:
            response = await self._send(root, root.url, None, root.reach)
            return (await self.unload(root, Held(response, self._limiter, slot))).content
        finally:
            self._limiter.release(slot)


def broken_off(call: Call, url: httpx.URL, error: httpx.TransportError) -> RefusedError:
    """Return what becomes of an attempt whose answer broke off."""
    return RefusedError(Failure(), broken(call.attempted, call.reference, error, place(url), begun=True))


def _forbidden(call: Call, url: httpx.URL, reach: Reach, address: str = "") -> RefusedError:
    """Return that a request may not go where a server said; `address` is what its name was looked up as."""
    is_name = bool(address) and place_of_name(url.host) is None
    what = f"which is {address}, an address" if is_name else "an address"
    said = f"{reach.said or 'the place is not asked'}: it leads to {printable(url)}, {what} of this machine or its link"
    return RefusedError(LASTING, RegistryError(call.attempted, call.reference, said, status=reach.status))


async def _finish(response: httpx.Response) -> None:
    """Read what little is left of an answer, so that its connection can be used again, and close it."""
    with suppress(httpx.TransportError):
        await read_up_to(response, REFUSAL_LIMIT)
    with suppress(httpx.TransportError):
        await response.aclose()


def _redirect_target(call: Call, response: httpx.Response) -> httpx.URL | None:
    """Return where the answer sends us; only reads follow, since a body is not to be sent just anywhere."""
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS - call.ok or call.method not in {"GET", "HEAD"} or not location:
        return None
    try:
        target = follow(response.request.url, location)
    except ForbiddenURLError as error:
        answer = f"{_REDIRECTED.format(response.status_code)}: {error}"
        problem = RegistryError(call.attempted, call.reference, answer, status=response.status_code)
        raise RefusedError(LASTING, problem) from None
    note_signature(target)
    return target


def _loaded(response: httpx.Response, body: bytes, limit: int) -> httpx.Response:
    """Return the response with its body; of one that was compressed unasked as much as `limit` bytes make it."""
    kind = response.headers.get("content-encoding", "").strip().lower()
    plain = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    content = _decompressed(body, limit) if kind in _COMPRESSED else body
    return httpx.Response(response.status_code, headers=plain, content=content, request=response.request)


def _decompressed(body: bytes, limit: int) -> bytes:
    """Decompress what a few bytes may make gigabytes of; what is not compressed after all stays as it is."""
    for form in _FORMS:
        with suppress(zlib.error):
            return zlib.decompressobj(form).decompress(body, limit)
    return body
