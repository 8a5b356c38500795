"""Where credentials come from: the configuration, the environment, GitLab CI and login files, in this order."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transship_registry.errors import AuthenticationError
from transship_registry.hosts import Credential, HelperSettings, HostSettings
from transship_registry.login.credential_helper import CredentialHelpers
from transship_registry.login.login_files import LoginFile, parse_login_file, read_login_file
from transship_registry.secret import Secret

_PREFIXES = ("TRANSSHIP", "IMGLIFE")
_SUFFIXES = ("USERNAME", "PASSWORD", "TOKEN")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """A credential and, for messages, where it comes from; each credential has a source of its own."""

    credential: Credential | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A credential, or a helper that may have one; the failure of a helper that is not `required` is a warning."""

    source: str
    credential: Credential | None = None
    helper: HelperSettings | None = None
    required: bool = True


class CredentialSources:
    """Every place where a credential may be found.

    `settings` are the configured hosts by registry name. Login files (docker's, podman's and `DOCKER_AUTH_CONFIG`) are
    read when first needed, and not at all with `skip_docker_config`. `run_helper` asks a credential helper; it
    remembers the answers itself.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        home: Path,
        settings: Mapping[str, HostSettings],
        skip_docker_config: bool = False,
        run_helper: Callable[[HelperSettings], Awaitable[Credential | None]] | None = None,
    ) -> None:
        self._environment = environment
        self._home = home
        self._settings = settings
        self._skip_login_files = skip_docker_config
        self._run_helper = run_helper or CredentialHelpers(environment)
        self._candidates: dict[tuple[str, str], tuple[_Candidate, ...]] = {}
        self._warnings: dict[str, None] = {}
        self._spellings: dict[str, set[str]] = {}
        for registry, host in settings.items():
            if host.credential is None and host.helper is None:
                self._spellings.setdefault(_variable_part(registry), set()).add(registry)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found unusable so far, once each."""
        return tuple(self._warnings)

    async def credential_for(self, registry: str, repository_path: str = "") -> FoundCredential:
        """Find what to log in with; cheap when asked again.

        Raises `AuthenticationError` when a helper that was named for this very registry fails.
        """
        key = (registry, repository_path)
        if key not in self._candidates:
            self._candidates[key] = tuple(self._find(registry, repository_path))
        for candidate in self._candidates[key]:
            credential = candidate.credential
            if candidate.helper is not None:
                credential = await self._ask(candidate, candidate.helper)
            if credential is not None:
                return FoundCredential(credential, candidate.source)
        return FoundCredential()

    async def _ask(self, candidate: _Candidate, helper: HelperSettings) -> Credential | None:
        try:
            credential = await self._run_helper(helper)
        except AuthenticationError as error:
            if candidate.required:
                raise
            self._warn(str(error))
            return None
        if credential is None and candidate.required:
            self._warn(f"{candidate.source} has no credential for {helper.host}")
        return credential

    def _find(self, registry: str, repository_path: str) -> Iterator[_Candidate]:
        """List the candidates, the one that counts most first."""
        configured = tuple(self._configured(registry))
        if configured:
            # What is configured drops what would be inherited (semantics B17.3).
            yield from configured
            return
        yield from self._from_environment(registry)
        yield from self._from_gitlab(registry)
        for file in self._login_files:
            yield from _from_login_file(file, registry, repository_path)

    def _configured(self, registry: str) -> Iterator[_Candidate]:
        settings = self._settings.get(registry)
        if settings is None:
            return
        if settings.helper is not None:
            named_by = f" ({settings.credential_source})" if settings.credential_source else ""
            yield _Candidate(f"the credential helper {settings.helper.program}{named_by}", helper=settings.helper)
        credential = settings.credential
        if credential is None:
            return
        where = settings.credential_source or f"the configuration of {registry}"
        if not credential.token and bool(credential.user) != bool(credential.password):
            given, missing = ("user", "pass") if credential.user else ("pass", "user")
            self._warn(f"{where}: {given} is ignored, for {missing} is missing")
        elif credential.is_usable and self._is_text(where, credential):
            yield _Candidate(where, credential)

    def _from_environment(self, registry: str) -> Iterator[_Candidate]:
        part = _variable_part(registry)
        for prefix in _PREFIXES:
            names = [f"{prefix}_{part}_{suffix}" for suffix in _SUFFIXES]
            user, password, token = (self._environment.get(name, "") for name in names)
            if not (user or password or token):
                continue
            self._note_spelling(part, registry, f"{prefix}_{part}_*")
            if token:
                source, credential = f"the environment ({names[2]})", Credential(token=Secret(token))
            else:
                source = f"the environment ({names[0]} and {names[1]})"
                credential = Credential(user=user, password=Secret(password))
            if bool(user) != bool(password):
                given, missing = names[:2] if user else names[1::-1]
                self._warn(f"{given} is ignored, for {missing} is not set")
            if credential.is_usable and self._is_text(source, credential):
                yield _Candidate(source, credential)

    def _note_spelling(self, part: str, registry: str, variables: str) -> None:
        """Warn when variables that are set serve several registries, for their names do not tell `.` from `-`."""
        spellings = self._spellings.setdefault(part, set())
        spellings.add(registry)
        if len(spellings) > 1:
            names = " and ".join(sorted(spellings))
            self._warn(f"{names} share the variables {variables}: each is sent the same credential")

    def _from_gitlab(self, registry: str) -> Iterator[_Candidate]:
        """Use the job's token for the project's own registry (docs.gitlab.com, CI/CD job token)."""
        token = self._environment.get("CI_JOB_TOKEN", "")
        if token and registry.lower() == self._environment.get("CI_REGISTRY", "").lower():
            credential = Credential(user="gitlab-ci-token", password=Secret(token))
            if self._is_text("CI_JOB_TOKEN", credential):
                yield _Candidate("GitLab CI (CI_JOB_TOKEN)", credential)

    @cached_property
    def _login_files(self) -> tuple[LoginFile, ...]:
        """The login files there are, the one that counts most first."""
        files = () if self._skip_login_files else tuple(self._read_login_files())
        for file in files:
            for problem in file.problems:
                self._warn(problem)
        return files

    def _read_login_files(self) -> Iterator[LoginFile]:
        environment = self._environment
        if environment.get("REGISTRY_AUTH_FILE"):
            yield read_login_file(Path(environment["REGISTRY_AUTH_FILE"]), namespaced=True, required=True)
        elif environment.get("XDG_RUNTIME_DIR"):
            yield read_login_file(Path(environment["XDG_RUNTIME_DIR"], "containers", "auth.json"), namespaced=True)
        if environment.get("DOCKER_AUTH_CONFIG"):
            data = environment["DOCKER_AUTH_CONFIG"].encode("utf-8", "surrogateescape")
            yield parse_login_file(data, "DOCKER_AUTH_CONFIG")
        folder = Path(environment.get("DOCKER_CONFIG") or self._home / ".docker")
        yield read_login_file(folder / "config.json")

    def _is_text(self, where: str, credential: Credential) -> bool:
        """Whether a credential can be sent; bytes that are not UTF-8 arrive as lone surrogates (PEP 383)."""
        try:
            "".join((credential.user, credential.password.reveal(), credential.token.reveal())).encode()
        except UnicodeEncodeError:
            self._warn(f"the credential from {where} is ignored: it is not UTF-8")
            return False
        return True

    def _warn(self, warning: str) -> None:
        self._warnings[warning] = None


def _from_login_file(file: LoginFile, registry: str, repository_path: str) -> Iterator[_Candidate]:
    """List what a login file has; helpers come before its own logins, as docker has it."""
    keys = tuple(file.keys(registry, repository_path))
    for key in keys:
        if key in file.helpers:
            helper = file.helpers[key]
            settings = HelperSettings(program=helper.program, host=helper.host)
            yield _Candidate(f"the credential helper {helper.program} ({file.name}, {key})", helper=settings)
    if file.store:
        settings = HelperSettings(program=file.store, host=file.helper_host(registry))
        source = f"the credential store {file.store} ({file.name})"
        yield _Candidate(source, helper=settings, required=False)
    for key in keys:
        if key in file.logins:
            yield _Candidate(f"{file.name} ({key})", file.logins[key])


def _variable_part(registry: str) -> str:
    """Return how names of variables spell a registry (semantics A10.1)."""
    return _NOT_ALPHANUMERIC.sub("_", registry).upper()
