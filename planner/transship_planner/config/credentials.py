"""Turns `creds`, and imglife's list of insecure registries, into settings of hosts (semantics B4, A10.5)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from transship_planner.config.durations import HOUR, SECOND
from transship_planner.config.expansion import GIVES_NO_REGISTRY, Expander
from transship_planner.config.problems import Problems
from transship_planner.config.section import Section, Value
from transship_planner.errors import Mark
from transship_registry.errors import InvalidReferenceError
from transship_registry.hosts import DEFAULT_PATIENCE, Credential, HelperSettings, HostSettings, Patience, TlsMode
from transship_registry.reference import check_registry
from transship_registry.secret import Secret

_DOCKER_HUB_AUTH: Final = "https://index.docker.io/v1/"
"""What Docker's tools call Docker Hub in their configuration."""
_PLAIN_HTTP: Final = "http://"
_DISABLE_HEAD: Final = "disableHead"
_WEB_URL: Final = re.compile(r"https?://(?P<host>[^/?#@\s]+)(?:/[A-Za-z0-9._~/%-]*)?")
_PEM_BEGIN: Final = "-----BEGIN "
# Go's strconv.ParseBool
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def read_hosts(config: Section, expander: Expander, problems: Problems, patience: Patience) -> tuple[HostSettings, ...]:
    """Return the settings of every registry that the file names, each once; `patience` is that of the defaults."""
    reader = _HostReader(expander, problems, patience)
    merged: dict[str, Section] = {}
    for written in config.sections("creds"):
        name, creds = reader.named(written)
        if name:
            merged[name] = _merged(merged[name], creds) if name in merged else creds
    hosts = {name: reader.host(name, creds) for name, creds in merged.items()}
    for name in reader.insecure(config.section("registry")):
        if name not in merged or not merged[name].text("tls"):
            known = hosts.get(name) or HostSettings(registry=name, patience=patience)
            hosts[name] = replace(known, tls=TlsMode.DISABLED)
    return tuple(hosts.values())


def read_patience(section: Section, inherited: Patience = DEFAULT_PATIENCE) -> Patience:
    """Return how long hosts are waited for, by `defaults` or by an item of `creds`."""
    return Patience(
        connect_timeout_s=section.whole("connectTimeout") / SECOND or inherited.connect_timeout_s,
        stall_timeout_s=section.whole("stallTimeout") / SECOND or inherited.stall_timeout_s,
        tries=section.whole("tries") or inherited.tries,
    )


def _merged(earlier: Section, later: Section) -> Section:
    """Return two settings of one registry as one; what the later says wins (semantics B17.1, B17.3)."""
    said = {
        key: value
        for key, value in later.values.items()
        if value.data not in ("", 0, 0.0, False, ()) or key == "hubApi"  # which an empty text switches off
    }
    kept = dict(earlier.values)
    has_login = not said.keys().isdisjoint(("pass", "token"))
    if has_login and "credHelper" not in said:
        kept.pop("credHelper", None)
        kept.pop("credExpire", None)
    if "credHelper" in said and not has_login and "user" not in said:
        for key in ("user", "pass", "token"):
            kept.pop(key, None)
    if "apiOpts" in said and "apiOpts" in kept:
        options = {**dict(earlier.pairs("apiOpts")), **dict(later.pairs("apiOpts"))}
        said["apiOpts"] = Value(later.at("apiOpts"), later.where("apiOpts"), tuple(options.items()))
    return Section(later.path, later.mark, {**kept, **said})


@dataclass(frozen=True, slots=True)
class _HostReader:
    expander: Expander
    problems: Problems
    patience: Patience

    def named(self, creds: Section) -> tuple[str, Section]:
        """Return the registry's canonical name, empty when there is none, and its settings."""
        if "registry" not in creds:
            self.problems.warn(creds.mark, f"{creds.path} has no 'registry' and is ignored")
            return "", creds
        text = self.expander.expand(creds, "registry")
        if text is None or not self._can_be_named(text, creds):
            return "", creds
        name = self._canonical(text, creds, "registry")
        if text and text.startswith(_PLAIN_HTTP) and not creds.text("tls"):
            disabled = Value(creds.at("registry"), creds.where("registry"), TlsMode.DISABLED.value)
            creds = replace(creds, values={**creds.values, "tls": disabled})
        return name, creds

    def _can_be_named(self, text: str, creds: Section) -> bool:
        """Refuse what a template gives without showing it, since it may come from the environment or a file."""
        if not text or text == creds.text("registry"):
            return True
        host, _, path = _host_and_path(text)
        try:
            check_registry(text if "@" in path else host)
        except InvalidReferenceError:
            self.problems.error(creds.where("registry"), f"{creds.at('registry')}: {GIVES_NO_REGISTRY}")
            return False
        return True

    def _canonical(self, text: str, creds: Section, key: str) -> str:
        host, slash, path = _host_and_path(text)
        if "@" in text:
            host, slash, path = text, "", ""
        if slash and path and text != _DOCKER_HUB_AUTH:
            named = repr(path) if text == creds.text(key) else "that its template gives"
            message = f"{creds.at(key)}: only the host counts, not the path {named}; use pathPrefix for repositories"
            self.problems.warn(creds.where(key), message)
        return self._checked(host, creds.where(key), creds.at(key))

    def _checked(self, host: str, mark: Mark, path: str) -> str:
        if not host:
            self.problems.error(mark, f"{path} is empty")
            return ""
        try:
            return check_registry(host)
        except InvalidReferenceError as error:
            self.problems.error(mark, f"{path}: {error}")
            return ""

    def host(self, name: str, creds: Section) -> HostSettings:
        """Return the settings of one registry."""
        if creds.text("hostname"):
            self._checked(creds.text("hostname"), creds.where("hostname"), creds.at("hostname"))
        settings = HostSettings(
            registry=name,
            hostname=creds.text("hostname"),
            tls=TlsMode(creds.text("tls") or TlsMode.ENABLED.value),
            credential=self._credential(creds),
            ca=self._pem(creds, "regcert"),
            client_certificate=self._pem(creds, "clientCert"),
            client_key=Secret(self._pem(creds, "clientKey", secret=True)),
            path_prefix=creds.text("pathPrefix").strip("/"),
            mirrors=tuple(self._mirrors(creds)),
            priority=creds.whole("priority"),
            repo_auth=creds.flag("repoAuth"),
            disable_head=self._disable_head(creds),
            blob_chunk=max(creds.whole("blobChunk"), 0),
            blob_max=creds.whole("blobMax") if creds.whole("blobMax") > 0 else -1,
            requests_per_s=creds.decimal("reqPerSec"),
            concurrent_requests=max(creds.whole("reqConcurrent"), 0),
            hub_api=self._hub_api(creds),
            patience=read_patience(creds, self.patience),
            credential_source=_source(creds),
        )
        self._check_pairs(creds)
        return replace(settings, helper=_helper(creds, settings.endpoint))

    def _credential(self, creds: Section) -> Credential | None:
        user = self._text(creds, "user")
        password = self._text(creds, "pass", secret=True)
        token = creds.text("token")
        if not (user or password or token):
            return None
        return Credential(user=user, password=Secret(password), token=Secret(token))

    def _text(self, creds: Section, key: str, *, secret: bool = False) -> str:
        text = self.expander.expand(creds, key, secret=secret)
        if text == "" and creds.text(key):
            # `file` gives nothing, and no error, for a file that cannot be read (semantics B6.7)
            self.problems.warn(creds.where(key), f"{creds.at(key)} is empty once its template is expanded")
        return text or ""

    def _pem(self, creds: Section, key: str, *, secret: bool = False) -> str:
        text = self._text(creds, key, secret=secret)
        if text and _PEM_BEGIN not in text:
            message = f"""{creds.at(key)} is no PEM text; a file is brought in by '{{{{file "PATH"}}}}'"""
            self.problems.warn(creds.where(key), message)
        return text

    def _check_pairs(self, creds: Section) -> None:
        for key, other in (
            ("user", "pass"),
            ("pass", "user"),
            ("clientCert", "clientKey"),
            ("clientKey", "clientCert"),
        ):
            if creds.text(key) and not creds.text(other):
                self.problems.warn(creds.where(key), f"{creds.at(key)} has no effect without {other!r}")

    def _mirrors(self, creds: Section) -> Iterator[str]:
        for value in creds.items("mirrors"):
            if name := self._checked(str(value.data), value.mark, value.path):
                yield name

    def _disable_head(self, creds: Section) -> bool:
        options: Mapping[str, str] = dict(creds.pairs("apiOpts"))
        for key in options.keys() - {_DISABLE_HEAD}:
            self.problems.warn(creds.where("apiOpts"), f"{creds.at('apiOpts')}.{key} is unknown and has no effect")
        text = options.get(_DISABLE_HEAD, "false")
        if text not in _BOOLEANS:
            message = f'{creds.at("apiOpts")}.{_DISABLE_HEAD}: expected "true" or "false", found {text!r}'
            self.problems.error(creds.where("apiOpts"), message)
        return _BOOLEANS.get(text, False)

    def _hub_api(self, creds: Section) -> str | None:
        """Return the URL, empty when the API shall not be asked, None when the file does not say."""
        if "hubApi" not in creds:
            return None
        url = creds.text("hubApi")
        found = _WEB_URL.fullmatch(url)
        if found:
            self._checked(found["host"], creds.where("hubApi"), creds.at("hubApi"))
        elif url:  # it is not shown, since it may hold a password
            expected = "expected a URL such as 'https://hub.docker.com' without user and query, or an empty text"
            self.problems.error(creds.where("hubApi"), f"{creds.at('hubApi')}: {expected}")
        return url

    def insecure(self, registry: Section) -> Iterator[str]:
        """Return the registries that imglife speaks to without TLS."""
        for value in registry.items("insecure_registries"):
            if name := self._checked(str(value.data), value.mark, value.path):
                yield name
        url = registry.text("url")
        if url.startswith(_PLAIN_HTTP):
            rest = url.removeprefix(_PLAIN_HTTP)
            host = rest if "@" in rest else rest.partition("/")[0]
            if name := self._checked(host, registry.where("url"), registry.at("url")):
                yield name


def _host_and_path(text: str) -> tuple[str, str, str]:
    return text.partition("://")[2].partition("/") if "://" in text else text.partition("/")


def _source(creds: Section) -> str:
    """Return where the login stands; of settings in several places, where its secret does."""
    key = next((key for key in ("token", "pass", "credHelper", "user") if creds.text(key)), None)
    if key is None:
        return ""
    mark, path = creds.where(key), creds.at(key).rpartition(".")[0]
    return f"{path} ({mark.file}:{mark.line})"


def _helper(creds: Section, endpoint: str) -> HelperSettings | None:
    program = creds.text("credHelper")
    if not program:
        return None
    return HelperSettings(
        program=program,
        host=creds.text("credHost") or endpoint,
        expire_s=(creds.whole("credExpire") or HOUR) / SECOND,
    )
