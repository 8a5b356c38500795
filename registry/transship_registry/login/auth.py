"""Logging in to a registry: what to send in advance, and how to answer a 401 (distribution token specification).

Nothing here does I/O: a handshake is a generator that yields token requests and is sent their responses, as httpx's
own authentication flows are.
"""

import base64
import re
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import httpx

from transship_registry.codec import decode_json
from transship_registry.errors import AuthenticationError, DocumentError, RateLimitedError, RegistryError
from transship_registry.foreign import one_line
from transship_registry.hosts import DOCKER_HUB_ENDPOINT, TOKEN_USER, Credential
from transship_registry.http.origins import place, same_origin
from transship_registry.limits import TOKEN_BODY_LIMIT
from transship_registry.login.challenges import Challenge, parse_challenges
from transship_registry.login.scopes import Scope, merge_scopes, scopes_cover
from transship_registry.secret import Secret

_MIN_LIFETIME_S = 60.0
_MAX_LIFETIME_S = 86400.0
_RENEW_EARLY_S = 5.0
_PARAMETER_LIMIT = 4096
_CHALLENGE_SCOPES = 16
_TEXT_LIMIT = 200
_REALM_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_SENDABLE = re.compile(r"[\x21-\x7e]+")

# What token services are known to answer when they do not speak the OAuth2 POST: GCR 404, GHCR 405, Artifactory 401,
# ACR 400 (containerd, core/remotes/docker/authorizer.go).
_POST_REFUSED = frozenset({400, 401, 404, 405})
_POST_UNKNOWN = frozenset({404, 405})
_LOGIN_REFUSED = frozenset({401, 403})

_Exchange: TypeAlias = Generator[httpx.Request, httpx.Response, bool]
_OwnExchange: TypeAlias = Generator[httpx.Request, httpx.Response, str | None]
_Obtaining: TypeAlias = "Generator[httpx.Request, httpx.Response, _Token]"


@dataclass(frozen=True, slots=True)
class _Basic:
    """The registry takes user and password."""


@dataclass(frozen=True, slots=True)
class _Bearer:
    """The registry takes tokens of this service; `scopes` are those that its challenge names."""

    realm: httpx.URL
    service: str
    scopes: tuple[Scope, ...]

    @property
    def issuer(self) -> tuple[str, str]:
        return str(self.realm), self.service

    @property
    def place(self) -> str:
        """The realm without its query, for messages."""
        return str(self.realm.copy_with(query=None, fragment=None))


@dataclass(frozen=True, slots=True)
class _Token:
    """A token; `number` counts those that were obtained."""

    value: Secret
    scopes: frozenset[Scope]
    issuer: tuple[str, str]
    number: int
    expires_at: float

    @property
    def authorization(self) -> str:
        return f"Bearer {self.value.reveal()}"


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a token request shows: a refresh token (POST), else user and password, else nothing (GET)."""

    refresh_token: Secret = Secret("")
    user: str = ""
    password: Secret = Secret("")


@dataclass(frozen=True, slots=True)
class _RefusedLogin:
    """A login that was refused; each request that would try it again fails with an error of its own."""

    attempted: str
    subject: str
    answer: str
    status: int
    advice: str

    @property
    def error(self) -> AuthenticationError:
        return AuthenticationError(self.attempted, self.subject, self.answer, status=self.status, advice=self.advice)


_RefusedLogins: TypeAlias = dict[tuple[str, frozenset[Scope] | None], _RefusedLogin]
"""Refused logins by place (the realm of a token service, or nothing for the host itself) and scopes (None: all)."""


class HostAuth:
    """What is known about logging in to one origin (`scheme://host[:port]`).

    `credential_source` says in messages where the credential came from; `clock` counts seconds. Handshakes may run
    concurrently; running those for the same scopes one after the other saves token requests.

    Accounts lock after a few refused logins: one that was refused is not tried again for the same scopes. As long as
    the credential has let nobody in, the refusal may be about these scopes, or about the credential. Before it is shown
    for other scopes it is therefore shown once for none, as `docker login` does; refused there, it is wrong for all.
    """

    def __init__(
        self,
        origin: str,
        credential: Credential | None,
        user_agent: str,
        clock: Callable[[], float],
        *,
        credential_source: str = "",
    ) -> None:
        self.origin = origin
        self._url = httpx.URL(origin)
        self._credential = credential
        self._source = credential_source
        self._user_agent = user_agent
        self._clock = clock
        self._offer: _Basic | _Bearer | None = None
        self._tokens: dict[frozenset[Scope], _Token] = {}
        self._accepted: set[str] = set()
        self._denied: set[frozenset[Scope]] = set()
        self._is_proven = False
        self._refused: _RefusedLogins = {}
        self._examined: set[str] = set()
        self._obtained = 0
        self._refresh_tokens: dict[tuple[str, str], Secret] = {}
        self._without_post: set[str] = set()

    @property
    def obtained(self) -> int:
        """How many tokens were obtained so far."""
        return self._obtained

    def note_accepted(self, authorization: str) -> None:
        """Take note that a request with this authorization was let in."""
        self._accepted.add(authorization)

    @property
    def is_on_trial(self) -> bool:
        """Whether there is a credential that has let nobody in so far; it is to be shown by one request at a time."""
        return self._has_credential and not self._is_proven

    def is_untried(self, authorization: str | None) -> bool:
        """Whether an authorization is the password, and has let nobody in so far."""
        return not self._is_proven and authorization is not None and authorization == self._basic_authorization()

    def judge(self, response: httpx.Response, scopes: Collection[Scope]) -> None:
        """Learn from an answer whether the password is right, if it was shown and nobody knows."""
        shown = response.request.headers.get("Authorization")
        if not self.is_untried(shown) or not same_origin(response.request.url, self._url):
            return
        if response.status_code < 400 or response.status_code == 404:
            self._is_proven = True
        elif _refuses_password(response):
            self._refused["", merge_scopes(scopes)] = self._wrong_password

    def check_password(self, scopes: Collection[Scope]) -> Generator[httpx.Request, httpx.Response, None]:
        """Make sure that the password may be shown for `scopes`; a handshake that raises `AuthenticationError`."""
        self._check_refused("", merge_scopes(scopes))
        if not self._is_doubtful(""):
            return
        self._examined.add("")
        headers = {"User-Agent": self._user_agent, "Authorization": self._basic_authorization() or ""}
        if _refuses_password((yield httpx.Request("GET", self._url.join("/v2/"), headers=headers))):
            self._refused["", None] = self._wrong_password
        self._check_refused("", merge_scopes(scopes))

    @property
    def advice(self) -> str:
        """What to do when this registry refuses us."""
        if self._has_credential:
            source = self._source or "the configuration"
            return f"the credential from {source} was used: check that it is valid and allows this"
        advice = "no credential for this registry was found: log in with docker login, or set creds or the environment"
        if self._url.host == DOCKER_HUB_ENDPOINT:
            advice += "; Docker Hub limits anonymous pulls per IP address, a login has a limit of its own"
        return advice

    def use_credential(self, credential: Credential | None, source: str = "") -> None:
        """Log in with another credential from now on (a helper's answer expires); nothing happens if it is the same."""
        self._source = source
        if credential == self._credential:
            return
        self._credential = credential
        self._tokens.clear()
        self._accepted.clear()
        self._denied.clear()
        self._is_proven = False
        self._refused.clear()
        self._examined.clear()
        self._refresh_tokens.clear()

    def authorization(self, scopes: Collection[Scope]) -> str | None:
        """Return the `Authorization` to send in advance; None before any challenge and when a handshake is needed."""
        if isinstance(self._offer, _Basic):
            is_in_question = self._find_refused("", merge_scopes(scopes)) is not None or self._is_doubtful("")
            return None if is_in_question else self._basic_authorization()
        token = self._live_token(merge_scopes(scopes))
        return token.authorization if token else None

    def prepare(self, scopes: Collection[Scope]) -> _Exchange:
        """Get a token in advance, once the token service is known, and save the request that would be answered 401.

        Returns whether there is something to send. A refusal of the token service is not raised, for the challenge may
        name another one; that of a password is.
        """
        wanted = merge_scopes(scopes)
        if isinstance(self._offer, _Basic):
            yield from self.check_password(scopes)
        if not isinstance(self._offer, _Bearer) or self._live_token(wanted):
            return self.authorization(scopes) is not None
        try:
            self._tokens[wanted] = yield from self._obtain(self._offer, wanted)
        except AuthenticationError:
            return False
        return True

    def handshake(self, response: httpx.Response, scopes: Collection[Scope]) -> _Exchange:
        """Answer the 401 `response`, whose `request` must be set and have been for `scopes`.

        Yields token requests; send each without following redirects, read at most `TOKEN_BODY_LIMIT` bytes of its
        response, and send that back. Returns whether the request should be sent again with the new `authorization`;
        False when another origin asks, or when user and password were sent already. Raises `AuthenticationError` when
        there is no way to log in or the token service refuses (which leaves nothing behind, so narrower scopes may be
        tried), `RateLimitedError` and `RegistryError` when the token service cannot answer.
        """
        if not same_origin(response.request.url, self._url):
            return False
        sent: str | None = response.request.headers.get("Authorization")
        offer = self._offer = self._read_offer(response, scopes)
        if isinstance(offer, _Basic):
            yield from self.check_password(scopes)
            return sent != self._basic_authorization()
        asked, wanted = merge_scopes(scopes), merge_scopes([*scopes, *offer.scopes])
        token = self._live_token(wanted)
        if token is not None and token.issuer == offer.issuer and token.authorization != sent:
            self._tokens[asked] = token
        else:
            self._tokens[asked] = self._tokens[wanted] = yield from self._obtain(offer, wanted)
        return True

    def handshake_alone(self, response: httpx.Response, scopes: Collection[Scope], since: int) -> _OwnExchange:
        """Answer another 401 of a request that was answered 401 when `obtained` was `since`; otherwise as `handshake`.

        Returns the authorization to send, which no other request is handed if it is a token. None when that is known to
        be in vain: what was refused is the newest there is, was obtained since then and has let nobody in, and a token
        of another request's own was refused for the same scopes before.
        """
        sent = response.request.headers.get("Authorization", "")
        offer = self._offer = self._read_offer(response, scopes)
        if isinstance(offer, _Basic):
            yield from self.check_password(scopes)
            ready = self._basic_authorization()
            return ready if ready != sent else None
        wanted = merge_scopes([*scopes, *offer.scopes])
        token = self._live_token(wanted)
        newest = token if token and token.authorization == sent and token.scopes == wanted else None
        if newest and newest.number > since and sent not in self._accepted and wanted in self._denied:
            return None
        own = yield from self._obtain(offer, wanted)
        return own.authorization

    def note_denied(self, response: httpx.Response, scopes: Collection[Scope]) -> None:
        """Take note that a request's own token was answered with the 401 `response`."""
        offer = self._read_offer(response, scopes)
        if isinstance(offer, _Bearer):
            self._denied.add(merge_scopes([*scopes, *offer.scopes]))

    @property
    def _place(self) -> str:
        """The host, and as whom we log in there."""
        host = self._url.netloc.decode("ascii")
        if not self._has_credential:
            return host
        return f"{host} as {self._login[0]}" if self._login else f"{host} with an identity token"

    @property
    def _correct_it(self) -> str:
        return f"the credential is from {self._source or 'the configuration'}: correct it there"

    @property
    def _wrong_password(self) -> _RefusedLogin:
        return _RefusedLogin("log in to", self._place, "HTTP 401 Unauthorized", 401, self._correct_it)

    @property
    def _has_credential(self) -> bool:
        return self._credential is not None and self._credential.is_usable

    @property
    def _login(self) -> tuple[str, Secret] | None:
        return self._credential.login if self._credential else None

    def _basic_authorization(self) -> str | None:
        return _basic(*self._login) if self._login else None

    def _live_token(self, wanted: frozenset[Scope]) -> _Token | None:
        """Find a token for exactly these scopes, else for more; the find is remembered under `wanted`."""
        latest = self._clock() + _RENEW_EARLY_S
        exact = self._tokens.get(wanted)
        if exact is not None and exact.expires_at > latest:
            return exact
        for token in self._tokens.values():
            if token.expires_at > latest and scopes_cover(token.scopes, wanted):
                self._tokens[wanted] = token
                return token
        return None

    def _read_offer(self, response: httpx.Response, scopes: Collection[Scope]) -> _Basic | _Bearer:
        challenges = parse_challenges(response.headers.get_list("WWW-Authenticate"))
        schemes = {challenge.scheme: challenge for challenge in reversed(challenges)}
        if "basic" in schemes and self._login:
            return _Basic()
        if "bearer" in schemes:
            return self._read_bearer(schemes["bearer"], scopes)
        if "basic" in schemes:
            also = ", and the credential holds only a token" if self._has_credential else ""
            raise self._refused_login(scopes, f"the registry asks for user and password{also}")
        offered = _said(", ".join(challenge.scheme for challenge in challenges)) or "nothing"
        raise self._refused_login(scopes, f"the registry's WWW-Authenticate offers {offered}, expected Basic or Bearer")

    def _read_bearer(self, challenge: Challenge, scopes: Collection[Scope]) -> _Bearer:
        realm = _parse_realm(challenge.get("realm"))
        if realm is None:
            text = _said(challenge.get("realm"))
            raise self._refused_login(scopes, f"the realm {text!r} of the registry's challenge is no http or https URL")
        if realm.scheme == "http" and self._url.scheme == "https" and self._has_credential:
            raise self._refused_login(
                scopes,
                f"the registry's token service {realm.host} is reached by plain http, no credential is sent there",
                advice="the registry must name an https realm (behind a proxy it may need X-Forwarded-Proto)",
            )
        service = challenge.get("service")[:_PARAMETER_LIMIT]
        return _Bearer(realm, service, tuple(_challenge_scopes(challenge.get("scope"))))

    def _refused_login(self, scopes: Collection[Scope], answer: str, advice: str = "") -> AuthenticationError:
        subject = self._subject(scopes)
        return AuthenticationError("log in to", subject, answer, status=401, advice=advice or self.advice)

    def _subject(self, scopes: Collection[Scope]) -> str:
        host = self._url.netloc.decode("ascii")
        return f"{host} ({' '.join(map(str, sorted(scopes)))})" if scopes else host

    def _obtain(self, offer: _Bearer, wanted: frozenset[Scope]) -> _Obtaining:
        """Ask the token service, with what we have, from the most specific on; what was refused is not tried again."""
        self._check_refused(offer.place, wanted)
        yield from self._examine(offer)
        self._check_refused(offer.place, wanted)
        refusal: RegistryError | None = None
        for grant in self._grants(offer):
            response = yield self._token_request(offer, wanted, grant)
            if response.is_success:
                token = self._read_token(offer, wanted, response)
                self._is_proven = self._has_credential
                return token
            post = bool(grant.refresh_token)
            if post and response.status_code in _POST_UNKNOWN:
                self._without_post.add(str(offer.realm))
                continue
            refusal = refusal or self._refusal(offer, wanted, response)
            if not post or response.status_code not in _POST_REFUSED:
                break
            if grant.refresh_token == self._refresh_tokens.get(offer.issuer):
                del self._refresh_tokens[offer.issuer]
        assert refusal is not None, "the last grant is a GET, which returns or leaves its refusal"
        if refusal.status in _LOGIN_REFUSED:
            self._refused[offer.place, wanted] = self._refused_token(offer, refusal)
        self._check_refused(offer.place, wanted)
        raise refusal

    def _refused_token(self, offer: _Bearer, refusal: RegistryError) -> _RefusedLogin:
        """Return what to say of a refused login: of the scopes, or of a credential that has let nobody in."""
        if refusal.status == 401 and self.is_on_trial:
            return _RefusedLogin("log in to", f"{self._place} at {offer.place}", refusal.answer, 401, self._correct_it)
        assert refusal.status is not None, "a refusal of a token service has a status"
        return _RefusedLogin(refusal.attempted, refusal.reference, refusal.answer, refusal.status, refusal.advice)

    def _examine(self, offer: _Bearer) -> Generator[httpx.Request, httpx.Response, None]:
        """Find out at a token service whether a password that was refused for some scopes is wrong."""
        if not self._is_doubtful(offer.place) or self._login is None:
            return
        self._examined.add(offer.place)
        user, password = self._login
        response = yield self._token_request(offer, frozenset(), _Grant(user=user, password=password))
        if response.is_success:
            self._is_proven = True
        elif response.status_code == 401:
            known = next(known for (place, _), known in self._refused.items() if place == offer.place)
            self._refused[offer.place, None] = known

    def _is_doubtful(self, place: str) -> bool:
        """Whether a credential that has let nobody in was refused here, and may be wrong for all scopes."""
        was_refused = any(at == place and known.status == 401 for (at, _), known in self._refused.items())
        return self.is_on_trial and was_refused and place not in self._examined

    def _find_refused(self, place: str, wanted: frozenset[Scope]) -> _RefusedLogin | None:
        return self._refused.get((place, None)) or self._refused.get((place, wanted))

    def _check_refused(self, place: str, wanted: frozenset[Scope]) -> None:
        known = self._find_refused(place, wanted)
        if known is not None:
            raise known.error

    def _grants(self, offer: _Bearer) -> Iterator[_Grant]:
        kept = self._refresh_tokens.get(offer.issuer, Secret(""))
        identity = self._credential.token if self._credential else Secret("")
        for refresh_token in dict.fromkeys((kept, identity)):
            if refresh_token and str(offer.realm) not in self._without_post:
                yield _Grant(refresh_token=refresh_token)
        if self._login:
            yield _Grant(user=self._login[0], password=self._login[1])
        elif identity:
            yield _Grant(user=TOKEN_USER, password=identity)
        else:
            yield _Grant()

    def _token_request(self, offer: _Bearer, wanted: frozenset[Scope], grant: _Grant) -> httpx.Request:
        headers = {"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        scopes = [str(scope) for scope in sorted(wanted)]
        service = [("service", offer.service)] if offer.service else []
        if grant.refresh_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": grant.refresh_token.reveal(),
                "client_id": self._user_agent,
                **dict(service),
                "scope": " ".join(scopes),
            }
            return httpx.Request("POST", offer.realm, headers=headers, data=form)
        query = [*service, *(("scope", scope) for scope in scopes), ("client_id", self._user_agent)]
        if grant.user:
            headers["Authorization"] = _basic(grant.user, grant.password)
            if grant.user != TOKEN_USER:
                query.append(("account", grant.user))
        parameters = httpx.QueryParams([*offer.realm.params.multi_items(), *query])
        return httpx.Request("GET", offer.realm.copy_with(params=parameters), headers=headers)

    def _read_token(self, offer: _Bearer, wanted: frozenset[Scope], response: httpx.Response) -> _Token:
        try:
            answer = _read_answer(response.content)
        except ValueError as error:
            raise RegistryError(
                f"get a token from {offer.place} for", self._subject(wanted), str(error), status=response.status_code
            ) from None
        if answer.refresh_token:
            self._refresh_tokens[offer.issuer] = answer.refresh_token
        self._forget_expired()
        self._obtained += 1
        return _Token(answer.token, wanted, offer.issuer, self._obtained, self._clock() + answer.lifetime_s)

    def _forget_expired(self) -> None:
        now = self._clock()
        self._tokens = {key: kept for key, kept in self._tokens.items() if kept.expires_at > now}
        self._accepted &= {kept.authorization for kept in self._tokens.values()}

    def _refusal(self, offer: _Bearer, wanted: frozenset[Scope], response: httpx.Response) -> RegistryError:
        status = response.status_code
        text = _said(_error_text(response, offer.realm))
        answer = f"HTTP {status}: {text}" if text else f"HTTP {status}"
        attempted, subject = f"get a token from {offer.place} for", self._subject(wanted)
        if status == 429:
            return RateLimitedError(attempted, subject, answer, status=status, advice=self.advice)
        if status >= 500 or status == 408:
            return RegistryError(attempted, subject, answer, status=status, advice="the token service fails: try later")
        return AuthenticationError(attempted, subject, answer, status=status, advice=self.advice)


@dataclass(frozen=True, slots=True)
class _Answer:
    token: Secret
    lifetime_s: float
    refresh_token: Secret


def _read_answer(body: bytes) -> _Answer:
    """Read a token service's answer; raises `ValueError` saying what is wrong with it."""
    if len(body) > TOKEN_BODY_LIMIT:
        raise ValueError(f"the answer is larger than {TOKEN_BODY_LIMIT} bytes")
    try:
        fields = decode_json(body, dict[str, object])
    except DocumentError as error:
        raise ValueError(f"the answer is no JSON object: {_said(str(error))}") from None
    token = fields.get("token") or fields.get("access_token")
    if not isinstance(token, str):
        raise ValueError("the answer holds no token")
    if not _SENDABLE.fullmatch(token):
        raise ValueError("the answer's token holds characters that no header may hold")
    refresh_token = fields.get("refresh_token")
    return _Answer(
        Secret(token, passing=True),
        _lifetime_s(fields.get("expires_in")),
        Secret(refresh_token if isinstance(refresh_token, str) else "", passing=True),
    )


def _lifetime_s(expires_in: object) -> float:
    """Return the seconds that a token is used: at least a minute, which is also the default, and at most a day."""
    if isinstance(expires_in, str) and re.fullmatch(r"[0-9]{1,9}", expires_in):
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return _MIN_LIFETIME_S
    return float(min(max(expires_in, _MIN_LIFETIME_S), _MAX_LIFETIME_S))


def _error_text(response: httpx.Response, realm: httpx.URL) -> str:
    """Return the error text of an answer: distribution's `errors`, OAuth2's `error`, or plain text."""
    if response.has_redirect_location:
        return f"redirect to {_whereto(response.headers['Location'], realm)}, which is not followed"
    body = response.content[:TOKEN_BODY_LIMIT]
    try:
        fields = decode_json(body, dict[str, object])
    except DocumentError:
        return body.decode("utf-8", "replace")
    entries = [fields]
    errors = fields.get("errors")
    if isinstance(errors, list):
        entries += [
            cast("dict[str, object]", entry) for entry in cast("list[object]", errors) if isinstance(entry, dict)
        ]
    return ": ".join(dict.fromkeys(text for entry in entries for text in _texts(entry)))


def _whereto(location: str, realm: httpx.URL) -> str:
    """Name where a redirect leads by no more than its host: all the rest may prove who is sent there."""
    try:
        return place(realm.join(location))
    except (httpx.InvalidURL, ValueError):
        return "what is no URL"


def _texts(entry: dict[str, object]) -> Iterator[str]:
    for name in ("error", "error_description", "code", "message", "details"):
        value = entry.get(name)
        if isinstance(value, str) and value:
            yield value


def _challenge_scopes(text: str) -> Iterator[Scope]:
    if text.isascii() and len(text) <= _PARAMETER_LIMIT:
        yield from (Scope.parse(word) for word in text.split()[:_CHALLENGE_SCOPES])


def _parse_realm(text: str) -> httpx.URL | None:
    """Read the URL of a token service, which a hostile registry may have chosen; None when it cannot be used."""
    if not text.isascii() or len(text) > _PARAMETER_LIMIT:
        return None
    try:
        realm = httpx.URL(text)
        host, port = realm.host, realm.port
    except (httpx.InvalidURL, ValueError):
        return None
    if realm.scheme not in {"http", "https"} or not _REALM_HOST.fullmatch(host) or realm.userinfo:
        return None
    if port is not None and not 0 < port < 65536:
        return None
    return realm.copy_with(fragment=None)


def _refuses_password(response: httpx.Response) -> bool:
    challenges = parse_challenges(response.headers.get_list("WWW-Authenticate"))
    return response.status_code == 401 and any(challenge.scheme == "basic" for challenge in challenges)


def _basic(user: str, password: Secret) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode("ascii")


def _said(text: str) -> str:
    return one_line(text, _TEXT_LIMIT)
