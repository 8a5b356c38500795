"""Where repositories really are: one place may have several names."""

import os.path
from collections.abc import Iterable
from urllib.parse import urlsplit

from transship_registry.hosts import HostSettings, TlsMode
from transship_registry.reference import Reference, Repository

_PROBE = "repository"


class Places:
    """Tells the place of a repository: the address that its registry's settings give it, or a layout's real folder."""

    def __init__(self, hosts: Iterable[HostSettings] = ()) -> None:
        self._hosts = {host.registry: host for host in hosts}
        self._registries: dict[str, str] = {}

    def reference(self, reference: Reference) -> str:
        """Return the place of a repository with the tag and digest in it."""
        return self.repository(reference.repository) + str(reference).removeprefix(str(reference.repository))

    def repository(self, repository: Repository) -> str:
        """Return the same text for every name of a place; a name further below it begins with that and a slash."""
        if repository.is_layout:
            folder = os.path.realpath(repository.path)
            return f"{folder}:{repository.name}" if repository.name else folder
        return f"{self.registry(repository.registry)}/{repository.path}"

    def registry(self, name: str) -> str:
        """Return the place of all the repositories of a registry."""
        if name not in self._registries:
            host = self._hosts.get(name) or HostSettings(registry=name)
            self._registries[name] = f"{_address(host)}/{host.path_prefix}".rstrip("/")
        return self._registries[name]

    def prefix(self, target: str) -> str:
        """Return the place of a prefix of repository names, such as `registry.example.com/mirror`."""
        return self.repository(Repository.parse(f"{target}/{_PROBE}")).removesuffix(f"/{_PROBE}")

    def is_below(self, repository: Repository, prefix: str) -> bool:
        """Tell whether a repository is one of those below a prefix."""
        return self.repository(repository).startswith(f"{self.prefix(prefix)}/")


def _address(host: HostSettings) -> str:
    """Return host and port; names of hosts are the same in either case, and with a final dot."""
    try:
        parts = urlsplit(host.base_url)
        port = parts.port or (80 if host.tls is TlsMode.DISABLED else 443)
    except ValueError:  # a malformed name has been refused by those who read it, and is only compared here
        return host.endpoint
    return f"{(parts.hostname or host.endpoint).rstrip('.')}:{port}"
