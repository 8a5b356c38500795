"""Being logged in to a host: which credential a repository uses, and one handshake at a time for the same scopes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar, cast

import httpx

from transship_registry.errors import AuthenticationError, RegistryError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.http.limiter import within_upload
from transship_registry.login.auth import HostAuth
from transship_registry.login.scopes import Scope

T = TypeVar("T")

Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Sends a request for a token and reads its answer whole."""


class FoundCredential(Protocol):
    """A credential and where it was found."""

    @property
    def credential(self) -> Credential | None:
        """What to log in with; None to stay anonymous."""
        ...

    @property
    def source(self) -> str:
        """Where it was found, for messages."""
        ...


class CredentialSource(Protocol):
    """Where credentials come from."""

    async def credential_for(self, registry: str, repository_path: str) -> FoundCredential:
        """Find what to log in with to a repository; asked before every request, so answers are to be remembered."""
        ...


@dataclass(frozen=True, slots=True)
class _Found:
    credential: Credential | None = None
    source: str = ""


class ConfiguredCredential:
    """The credential of the host settings, and no other source."""

    def __init__(self, settings: HostSettings) -> None:
        self._found = _Found(settings.credential, "the configuration" if settings.credential else "")

    async def credential_for(self, registry: str, repository_path: str) -> FoundCredential:
        """Return the credential of the settings."""
        return self._found


@dataclass(eq=False, slots=True)
class Login:
    """What one credential has achieved at one host."""

    auth: HostAuth
    _trial: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _troubles: int = 0
    _handshakes: defaultdict[frozenset[Scope], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock), repr=False
    )

    async def prepare(self, scopes: frozenset[Scope], send: Send) -> str | None:
        """Return the `Authorization` to send; fetches a token first when the host is known to want one."""
        ready = self.auth.authorization(scopes)
        if ready is not None:
            return ready
        async with self._handshakes[scopes], self._one_at_a_time():
            await _drive(self.auth.prepare(scopes), send)
        return self.auth.authorization(scopes)

    async def answer(self, challenge: httpx.Response, scopes: frozenset[Scope], send: Send) -> str | None:
        """Return what to send after a 401: what another request got meanwhile, or else what a handshake gives.

        None when there is nothing but what was sent. Raises `AuthenticationError`.
        """
        sent = challenge.request.headers.get("authorization")
        async with self._handshakes[scopes]:
            ready = self.auth.authorization(scopes)
            if ready is not None and ready != sent:
                return ready
            async with self._one_at_a_time():
                again = await _drive(self.auth.handshake(challenge, scopes), send)
        return self.auth.authorization(scopes) if again else None

    async def answer_alone(
        self, challenge: httpx.Response, scopes: frozenset[Scope], since: int, send: Send
    ) -> str | None:
        """Return what this request alone may send after another 401; see `HostAuth.handshake_alone`."""
        return await _drive(self.auth.handshake_alone(challenge, scopes, since), send)

    @asynccontextmanager
    async def trial(self, authorization: str | None, scopes: frozenset[Scope], send: Send) -> AsyncGenerator[None]:
        """Let one request at a time show a password that has let nobody in so far.

        Raises `AuthenticationError` when it was refused meanwhile.
        """
        if self.auth.is_untried(authorization) and not within_upload():
            async with self._trial:
                if self.auth.is_untried(authorization):
                    await _drive(self.auth.check_password(scopes), send)
                    yield
                    return
        yield

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncGenerator[None]:
        """Hold others back until it is known whether the credential is right.

        What belongs to an upload holds slots that others wait for: it is not held back. Nor are those who have waited
        in vain for a token service in trouble: they would be tried one after the other, each with all its tries.
        """
        troubles = self._troubles
        if self.auth.is_on_trial and not within_upload():
            async with self._trial:
                if self._troubles == troubles and self.auth.is_on_trial:
                    async with self._noting_trouble():
                        yield
                    return
        yield

    @asynccontextmanager
    async def _noting_trouble(self) -> AsyncGenerator[None]:
        try:
            yield
        except AuthenticationError:
            raise
        except RegistryError:
            self._troubles += 1
            raise


@dataclass(eq=False, slots=True)
class Visit:
    """A request's way past the 401s that it is answered; one object serves the repetitions of a request, too.

    It has failed only when a token that was obtained after its own first 401 is refused. Tokens may be good for few
    requests, and others use up what this one waited for: after its second 401 it gets a token for itself alone.
    """

    _login: Login | None = None
    _since: int | None = None
    _next: str | None = None
    _is_last: bool = False

    async def begin(self, login: Login, scopes: frozenset[Scope], send: Send) -> str | None:
        """Return the `Authorization` to send: what the last 401 was answered with, else what is ready."""
        if self._login is login and self._next is not None:
            return self._next
        self._login, self._since, self._is_last = login, None, False
        return await login.prepare(scopes, send)

    async def answer(self, challenge: httpx.Response, scopes: frozenset[Scope], send: Send) -> str | None:
        """Return the `Authorization` to send after a 401, None when all was in vain; raises `AuthenticationError`."""
        login, since, is_last = self._login, self._since, self._is_last
        assert login is not None, "a visit begins before it is answered"
        self._next = None
        if since is None:
            self._since = login.auth.obtained
            self._next = await login.answer(challenge, scopes, send)
        elif is_last:
            login.auth.note_denied(challenge, scopes)
        else:
            self._is_last = True
            self._next = await login.answer_alone(challenge, scopes, since, send)
        return self._next

    def note_accepted(self, authorization: str | None) -> None:
        """Take note that the request was let in."""
        if self._login is not None and authorization is not None:
            self._login.auth.note_accepted(authorization)
        self._since, self._next, self._is_last = None, None, False


class Logins:
    """The logins of one host: one per credential, or one per repository where the host wants that (`repoAuth`)."""

    def __init__(
        self, settings: HostSettings, credentials: CredentialSource, user_agent: str, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._user_agent = user_agent
        self._clock = clock
        self._logins: dict[tuple[str, str], Login] = {}

    async def find(self, path: str) -> Login:
        """Return the login for a repository."""
        found = await self._credentials.credential_for(self._settings.registry, path)
        key = (found.source, path if self._settings.repo_auth else "")
        login = self._logins.get(key)
        if login is None:
            auth = HostAuth(self._settings.base_url, None, self._user_agent, self._clock)
            login = self._logins[key] = Login(auth)
        login.auth.use_credential(found.credential, found.source)
        return login


async def _drive(flow: Generator[httpx.Request, httpx.Response, T], send: Send) -> T:
    try:
        request = next(flow)
        while True:
            request = flow.send(await send(request))
    except StopIteration as done:
        return cast(T, done.value)
    finally:
        flow.close()
