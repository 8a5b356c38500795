"""How to reach one registry: the settings of a host, whatever they were read from."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from transship_registry.reference import DOCKER_HUB
from transship_registry.secret import Secret, know_login

DOCKER_HUB_ENDPOINT: Final = "registry-1.docker.io"
DOCKER_HUB_API: Final = "https://hub.docker.com"
TOKEN_USER: Final = "<token>"  # noqa: S105 -- a user name, and no secret
"""The user name that says "the password is an identity token" (docker-credential-helpers)."""


class TlsMode(Enum):
    """Whether the connection is encrypted and its certificate verified (semantics B3.9)."""

    ENABLED = "enabled"
    INSECURE = "insecure"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What to log in with: a user and a password, or an identity (refresh) token."""

    user: str = ""
    password: Secret = Secret("")
    token: Secret = Secret("")

    def __post_init__(self) -> None:
        """Let nobody print the login in the forms in which it is sent."""
        know_login(self.user, self.password)
        know_login(TOKEN_USER, self.token)

    @property
    def login(self) -> tuple[str, Secret] | None:
        """User and password; None unless both are known, for Basic needs both (semantics B4)."""
        return (self.user, self.password) if self.user and self.password else None

    @property
    def is_usable(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self.token) or self.login is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperSettings:
    """A credential helper: a program that is asked for a credential (docker-credential-helpers protocol)."""

    program: str
    host: str
    expire_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a host is waited for.

    `connect_timeout_s` spans name resolution, TCP, proxy and TLS handshake; `stall_timeout_s` is the longest silence
    while bytes are due in either direction; `tries` is how often a request is made in all when connections fail or the
    host answers that it has trouble.
    """

    connect_timeout_s: float = 30.0
    stall_timeout_s: float = 60.0
    tries: int = 5


DEFAULT_PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Settings of one registry, under the name that references use for it (semantics B4, `creds[]`).

    `hostname` is where to connect; `ca`, `client_certificate` and `client_key` are PEM texts; `blob_max` in bytes is
    the largest blob that is sent as one PUT (-1: any); `requests_per_s` 0 means unlimited. `hub_api` is the URL below
    which Docker Hub's web API is asked for tags (empty: it is not; None: where it should be). `credential_source` says
    in messages where the credential stands, or the helper's name.
    """

    registry: str
    hostname: str = ""
    tls: TlsMode = TlsMode.ENABLED
    credential: Credential | None = None
    helper: HelperSettings | None = None
    ca: str = ""
    client_certificate: str = ""
    client_key: Secret = Secret("")
    path_prefix: str = ""
    mirrors: tuple[str, ...] = ()
    priority: int = 0
    repo_auth: bool = False
    disable_head: bool = False
    blob_chunk: int = 0
    blob_max: int = -1
    requests_per_s: float = 0.0
    concurrent_requests: int = 0
    hub_api: str | None = None
    patience: Patience = DEFAULT_PATIENCE
    credential_source: str = field(default="", compare=False)

    @property
    def endpoint(self) -> str:
        """The `host[:port]` to connect to."""
        if self.hostname:
            return self.hostname
        return DOCKER_HUB_ENDPOINT if self.registry == DOCKER_HUB else self.registry

    @property
    def base_url(self) -> str:
        """The URL below which the registry's API lives, without a final slash."""
        scheme = "http" if self.tls is TlsMode.DISABLED else "https"
        return f"{scheme}://{self.endpoint}"

    @property
    def hub_url(self) -> str:
        """The URL below which Docker Hub's web API tells about this registry's tags, without a final slash, or empty.

        A place that stands in for Docker Hub under its name is another registry, of which the API knows nothing.
        """
        if self.hub_api is not None:
            return self.hub_api.rstrip("/")
        return DOCKER_HUB_API if self.registry == DOCKER_HUB and self.endpoint == DOCKER_HUB_ENDPOINT else ""
