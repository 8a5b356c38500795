"""Login files: what `docker login` and `podman login` wrote (docker's config.json, containers-auth.json(5))."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from transship_registry.codec import brief, decode_json, from_builtins
from transship_registry.errors import DocumentError, InvalidReferenceError
from transship_registry.hosts import TOKEN_USER, Credential
from transship_registry.limits import LOGIN_FILE_LIMIT
from transship_registry.reference import DOCKER_HUB, check_registry
from transship_registry.regular import open_input
from transship_registry.secret import Secret

HUB_URL: Final = "https://index.docker.io/v1/"
"""The name under which docker and its helpers keep the login of Docker Hub."""

_HELPER_PREFIX = "docker-credential-"
_HELPER_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_API_VERSIONS = frozenset({"", "v1", "v2"})


@dataclass(frozen=True, slots=True)
class Helper:
    """A credential helper that a login file names: its program, and the host as the helper knows it."""

    program: str
    host: str


@dataclass(frozen=True, slots=True)
class LoginFile:
    """The logins of one file, under canonical names (`docker.io`, `host:port`, and podman's `host/path`).

    `store` is the helper program that holds all other logins, empty when there is none. `problems` says what of the
    file could not be used.
    """

    name: str
    logins: Mapping[str, Credential]
    helpers: Mapping[str, Helper]
    store: str = ""
    namespaced: bool = False
    problems: tuple[str, ...] = ()

    def keys(self, registry: str, repository_path: str) -> Iterator[str]:
        """Return the names under which a repository may be found, the most specific one first."""
        key = f"{registry.lower()}/{repository_path}" if self.namespaced and repository_path else registry.lower()
        while key:
            yield key
            key = key.rpartition("/")[0]

    def helper_host(self, registry: str) -> str:
        """Return how a helper of this file knows a registry; docker and podman differ on Docker Hub."""
        return HUB_URL if registry == DOCKER_HUB and not self.namespaced else registry


class _Document(msgspec.Struct):
    auths: dict[str, object] | None = None
    cred_helpers: dict[str, object] | None = msgspec.field(name="credHelpers", default=None)
    creds_store: str | None = msgspec.field(name="credsStore", default=None)


class _Entry(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = msgspec.field(name="identitytoken", default=None)


def read_login_file(path: Path, *, namespaced: bool = False, required: bool = False) -> LoginFile:
    """Read a login file; never raises. A file that is missing is a problem only if it is `required`."""
    name = str(path)
    try:
        with open_input(path) as file:
            data = file.read(LOGIN_FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        return _unusable(name, [f"{name} cannot be read: {error.strerror}"] if required else [])
    except OSError as error:
        return _unusable(name, [f"{name} cannot be read: {error.strerror}"])
    return parse_login_file(data, name, namespaced=namespaced)


def parse_login_file(data: bytes, name: str, *, namespaced: bool = False) -> LoginFile:
    """Read the text of a login file; never raises. `namespaced` allows podman's names with a path."""
    if len(data) > LOGIN_FILE_LIMIT:
        return _unusable(name, [f"{name} is larger than {LOGIN_FILE_LIMIT} bytes and is ignored"])
    try:
        document = decode_json(data, _Document)
    except DocumentError as error:
        return _unusable(name, [f"{name} is ignored: {error}"])
    problems: list[str] = []
    logins = _read_logins(document, name, namespaced, problems)
    helpers = _read_helpers(document, name, namespaced, problems)
    store = _helper_program(document.creds_store or "", f"{name}: credsStore", problems)
    return LoginFile(name, logins, helpers, store, namespaced, tuple(problems))


def _unusable(name: str, problems: list[str]) -> LoginFile:
    return LoginFile(name, {}, {}, problems=tuple(problems))


def _read_logins(document: _Document, name: str, namespaced: bool, problems: list[str]) -> dict[str, Credential]:
    logins: dict[str, Credential] = {}
    for written, entry in (document.auths or {}).items():
        key = _canonical(written, namespaced)
        if key is None:
            continue
        try:
            credential = _read_entry(from_builtins(entry, _Entry))
        except ValueError as error:
            problems.append(f"{name}: the login for {written!r} is ignored: {error}")
            continue
        if credential is not None:
            logins[key] = credential
    return logins


def _read_entry(entry: _Entry) -> Credential | None:
    """Return the login of an entry, None for one whose secret is kept elsewhere; raises `ValueError`."""
    user, password = _decode_auth(entry.auth) if entry.auth else (entry.username or "", entry.password or "")
    token = entry.identity_token or ""
    if user == TOKEN_USER and not token:
        user, password, token = "", "", password
    if (user or password) and not (user and password) and not token:
        raise ValueError("user or password is missing")
    credential = Credential(user=user, password=Secret(password), token=Secret(token))
    return credential if credential.is_usable else None


def _decode_auth(text: str) -> tuple[str, str]:
    packed = "".join(text.split())
    try:
        decoded = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode()
    except ValueError:
        raise ValueError("auth is not base64 of user:password") from None
    user, colon, password = decoded.partition(":")
    if not colon:
        raise ValueError("auth is not base64 of user:password")
    # Docker pads the password with NULs and strips them when it reads (cli/config/configfile, decodeAuth).
    return user, password.strip("\0")


def _read_helpers(document: _Document, name: str, namespaced: bool, problems: list[str]) -> dict[str, Helper]:
    helpers: dict[str, Helper] = {}
    for written, suffix in (document.cred_helpers or {}).items():
        key = _canonical(written, namespaced)
        program = _helper_program(suffix, f"{name}: credHelpers for {written!r}", problems)
        if key is not None and program:
            helpers[key] = Helper(program, HUB_URL if key == DOCKER_HUB and not namespaced else written)
    return helpers


def _helper_program(suffix: object, where: str, problems: list[str]) -> str:
    if not suffix:
        return ""
    if not isinstance(suffix, str) or not _HELPER_SUFFIX.fullmatch(suffix):
        problems.append(f"{where} is ignored: {brief(suffix)} does not name a helper")
        return ""
    return _HELPER_PREFIX + suffix


def _canonical(written: str, namespaced: bool) -> str | None:
    """Return the canonical form of a name in a login file; None for what names no registry, or a path in docker's."""
    host, _, path = _SCHEME.sub("", written, count=1).rstrip("/").partition("/")
    try:
        registry = check_registry(host.lower())
    except InvalidReferenceError:
        return None
    if path in _API_VERSIONS:
        return registry
    return f"{registry}/{path}" if namespaced else None
