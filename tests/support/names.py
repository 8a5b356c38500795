"""Names that a test gives to servers on the loopback: which of them are elsewhere, and which are this machine."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx
from typing_extensions import override

from transship_registry.api.client import HttpRegistry
from transship_registry.hosts import HostSettings
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.http.wire.looking_up import Endpoint, look_up

PUBLIC = "203.0.113.7"


@dataclass(frozen=True)
class Elsewhere(Endpoint):
    """A server on the loopback that has, as far as anybody can tell, the address `PUBLIC`."""

    @property
    @override
    def address(self) -> str:
        return PUBLIC


def elsewhere(host: str) -> Elsewhere:
    """Return the endpoint of `127.0.0.1:PORT`, elsewhere."""
    return Elsewhere(socket.AF_INET, ("127.0.0.1", int(host.rpartition(":")[2])))


def here(host: str) -> Endpoint:
    """Return the endpoint of `127.0.0.1:PORT`, as it is."""
    return Endpoint(socket.AF_INET, ("127.0.0.1", int(host.rpartition(":")[2])))


@dataclass
class Names:
    """A resolver: `known` are names with what each look-up finds, the last again and again; all others are as ever."""

    known: dict[str, list[Sequence[Endpoint]]]
    asked: list[str] = field(default_factory=list[str])

    async def look_up(self, host: str, port: int) -> Sequence[Endpoint]:
        """Return what a name stands for now."""
        self.asked.append(host)
        found = self.known.get(host)
        if found is None:
            return await look_up(host, port)
        return found.pop(0) if len(found) > 1 else found[0]

    def transport(self, settings: TransportSettings) -> httpx.AsyncBaseTransport:
        """Open the transport of the product, with these names and without the proxies of the environment."""
        return open_transport(replace(settings, look_up=self.look_up, proxy_environment={}))

    def client(self, *settings: HostSettings) -> HttpRegistry:
        """Return a client in whose world these names are known."""
        return HttpRegistry({each.registry: each for each in settings}, transport_factory=self.transport)
