"""Who may do what: Basic authentication, and the token service of the Docker token specification."""

import fnmatch
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from support.registry_server.exchange import RefusedError, Request, Response, json_response
from support.registry_server.faults import Faults, RefuseWiderScope
from support.registry_server.options import Anonymous, Auth, Basic, Bearer
from support.registry_server.recording import Credential, basic_credentials
from support.registry_server.routes import Endpoint

ALL_ACTIONS = frozenset({"pull", "push", "delete", "*"})
CATALOG_NAME = "catalog"


@dataclass(frozen=True)
class Scope:
    """What a request needs, or a token allows: `repository:NAME:ACTION,…` or `registry:catalog:*`."""

    kind: str
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        order = ("pull", "push", "delete", "*")
        return f"{self.kind}:{self.name}:{','.join(action for action in order if action in self.actions)}"

    def covers(self, needed: "Scope") -> bool:
        """Tell whether this scope allows all that `needed` asks for."""
        if (self.kind, self.name) != (needed.kind, needed.name):
            return False
        return "*" in self.actions or needed.actions <= self.actions


@dataclass
class _Token:
    scopes: tuple[Scope, ...]
    user: str
    expires_at: float
    uses_left: int | None


@dataclass(frozen=True)
class _Identity:
    user: str
    known: bool


class Gate:
    """Lets a request pass or raises the refusal that it deserves; issues the tokens that it later accepts."""

    def __init__(self, auth: Auth, clock: Callable[[], float], faults: Faults) -> None:
        self._auth = auth
        self._clock = clock
        self._faults = faults
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._refresh_tokens: dict[str, str] = dict(auth.refresh_tokens) if isinstance(auth, Bearer) else {}
        self.realm = ""

    def admit(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            RefusedError: 401 with a challenge, or 403.
        """
        match self._auth:
            case Anonymous():
                return
            case Basic():
                self._admit_basic(self._auth, request, needed_scopes(request))
            case Bearer():
                self._admit_bearer(self._auth, request, needed_scopes(request))

    def revoke_all(self) -> None:
        """Make every token that was issued so far invalid; refresh tokens stay."""
        with self._lock:
            self._tokens.clear()

    async def issue(self, request: Request) -> Response:
        """Answer a token request: GET with Basic credentials or none, POST with an OAuth2 form."""
        if not isinstance(self._auth, Bearer):
            raise RefusedError(404, "UNSUPPORTED", "this registry has no token service")
        if request.method == "POST":
            form = urllib.parse.parse_qs((await request.body()).decode())
            identity = self._identify_form(self._auth, request, {name: values[-1] for name, values in form.items()})
            asked = [scope for value in form.get("scope", []) for scope in value.split()]
            wants_refresh = form.get("access_type", [""])[-1] == "offline"
        else:
            identity = self._identify_basic(self._auth, request)
            asked = [scope for value in request.queries.get("scope", []) for scope in value.split()]
            wants_refresh = request.query.get("offline_token") == "true"
        scopes = tuple(_parse_scope(text) for text in asked)
        if len({scope.name for scope in scopes}) > 1 and self._faults.take(RefuseWiderScope, request) is not None:
            raise RefusedError(403, "DENIED", f"a token for {len(scopes)} repositories at once is not given")
        granted = tuple(self._granted(self._auth, identity, scope) for scope in scopes)
        return json_response(200, self._token_document(self._auth, identity, granted, wants_refresh=wants_refresh))

    def _token_document(
        self, auth: Bearer, identity: _Identity, granted: tuple[Scope, ...], *, wants_refresh: bool
    ) -> Mapping[str, object]:
        value = f"token-{secrets.token_hex(12)}"
        with self._lock:
            self._tokens[value] = _Token(granted, identity.user, self._clock() + auth.lifetime_s, auth.uses)
        document: dict[str, object] = dict.fromkeys(auth.token_fields, value)
        if auth.announce_lifetime:
            document["expires_in"] = int(auth.lifetime_s)
        if wants_refresh and identity.known:
            refresh = f"refresh-{secrets.token_hex(12)}"
            self._refresh_tokens[refresh] = identity.user
            document["refresh_token"] = refresh
        return document

    def _identify_basic(self, auth: Bearer, request: Request) -> _Identity:
        authorization = request.headers.get("authorization")
        if authorization is None:
            if not auth.anonymous_pull:
                raise _unauthorized("credentials are required", None)
            return _Identity("", known=False)
        pair = basic_credentials(authorization)
        if pair is None or auth.users.get(pair[0]) != pair[1]:
            raise _unauthorized("incorrect user name or password", None)
        return _Identity(pair[0], known=True)

    def _identify_form(self, auth: Bearer, request: Request, form: Mapping[str, str]) -> _Identity:
        grant = form.get("grant_type", "")
        secret = form.get("password" if grant == "password" else "refresh_token", "")
        user = form.get("username", "")
        request.recorded.credentials.append(Credential(request.origin, request.path, grant, user, secret))
        if grant == "password" and auth.users.get(user) == secret:
            return _Identity(user, known=True)
        if grant == "refresh_token" and secret in self._refresh_tokens:
            return _Identity(self._refresh_tokens[secret], known=True)
        raise _unauthorized(f"incorrect credentials for grant type {grant!r}", None)

    def _granted(self, auth: Bearer, identity: _Identity, asked: Scope) -> Scope:
        allowed = _allowed(auth, identity, asked.name) if asked.kind == "repository" else ALL_ACTIONS
        actions = asked.actions if "*" in allowed else asked.actions & allowed
        return Scope(asked.kind, asked.name, actions)

    def _admit_basic(self, auth: Basic, request: Request, needed: Iterable[Scope]) -> None:
        challenge = f'Basic realm="{auth.realm}"'
        authorization = request.headers.get("authorization")
        identity = _Identity("", known=False)
        if authorization is not None:
            pair = basic_credentials(authorization)
            if pair is None or auth.users.get(pair[0]) != pair[1]:
                raise _unauthorized("incorrect user name or password", challenge)
            identity = _Identity(pair[0], known=True)
        elif not auth.anonymous_pull or request.route.endpoint is Endpoint.BASE:
            raise _unauthorized("authentication required", challenge)
        for scope in needed:
            if scope.kind == "repository" and not _permits(auth, identity, scope):
                if not identity.known:
                    raise _unauthorized("authentication required", challenge)
                raise RefusedError(403, "DENIED", f"{identity.user} may not {sorted(scope.actions)} {scope.name}")

    def _admit_bearer(self, auth: Bearer, request: Request, needed: list[Scope]) -> None:
        challenge = _challenge(self.realm, auth.service, needed)
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("authentication required", challenge)
        with self._lock:
            token = self._tokens.get(value)
            if token is None or token.expires_at <= self._clock() or token.uses_left == 0:
                raise _unauthorized("the token is unknown or has expired", f'{challenge},error="invalid_token"')
            lacking = [scope for scope in needed if not any(has.covers(scope) for has in token.scopes)]
            if lacking:
                raise _insufficient(auth.insufficient_scope_status, lacking, challenge)
            if token.uses_left is not None:
                token.uses_left -= 1


def needed_scopes(request: Request) -> list[Scope]:
    """Return the scopes that a request needs; a mount needs to pull from the other repository too."""
    route = request.route
    if route.endpoint is Endpoint.CATALOG:
        return [Scope("registry", CATALOG_NAME, frozenset({"*"}))]
    if not route.repository:
        return []
    if request.method in {"GET", "HEAD"}:
        uploading = route.endpoint is Endpoint.UPLOAD
        actions = frozenset({"pull", "push"} if uploading else {"pull"})
    elif request.method == "DELETE" and route.endpoint is not Endpoint.UPLOAD:
        actions = frozenset({"delete"})
    else:
        actions = frozenset({"pull", "push"})
    scopes = [Scope("repository", route.repository, actions)]
    if route.endpoint is Endpoint.UPLOADS and "mount" in request.query and "from" in request.query:
        scopes.append(Scope("repository", request.query["from"], frozenset({"pull"})))
    return scopes


def _allowed(auth: Basic | Bearer, identity: _Identity, repository: str) -> frozenset[str]:
    if not identity.known:
        return frozenset({"pull"}) if auth.anonymous_pull else frozenset()
    grants = auth.grants.get(identity.user)
    if grants is None:
        return ALL_ACTIONS
    found = (actions for pattern, actions in grants.items() if fnmatch.fnmatchcase(repository, pattern))
    return frozenset[str]().union(*found)


def _permits(auth: Basic, identity: _Identity, scope: Scope) -> bool:
    allowed = _allowed(auth, identity, scope.name)
    return "*" in allowed or scope.actions <= allowed


def _parse_scope(text: str) -> Scope:
    kind, _, rest = text.partition(":")
    name, _, actions = rest.rpartition(":")
    if not name:
        raise RefusedError(400, "UNSUPPORTED", f"scope {text!r} is not of the form type:name:actions")
    return Scope(kind, name, frozenset(actions.split(",")))


def _challenge(realm: str, service: str, scopes: Iterable[Scope]) -> str:
    text = " ".join(map(str, scopes))
    return f'Bearer realm="{realm}",service="{service}"' + (f',scope="{text}"' if text else "")


def _unauthorized(message: str, challenge: str | None) -> RefusedError:
    headers = {} if challenge is None else {"WWW-Authenticate": challenge}
    return RefusedError(401, "UNAUTHORIZED", message, headers=headers)


def _insufficient(status: int, lacking: list[Scope], challenge: str) -> RefusedError:
    message = f"the token does not allow {' '.join(map(str, lacking))}"
    if status == 403:
        return RefusedError(403, "DENIED", message)
    return RefusedError(
        status, "UNAUTHORIZED", message, headers={"WWW-Authenticate": f'{challenge},error="insufficient_scope"'}
    )
