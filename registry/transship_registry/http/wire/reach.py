"""Where a request may go, by the address that it is connected to: what a server says must not lead us into ourselves.

Whoever configures a host may name any. What a server elsewhere names (a redirect, the location of an upload, a token
service, the URL of a layer) may not be this machine, its link or the metadata service of its cloud; what one on this
machine names may be this machine (semantics B16.3). A name is judged by the address that it is looked up as, once, and
that address is connected to. Where a proxy connects, only the name is known, and is judged.
"""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

import httpx

REACH: Final = "reach"
"""The extension of an `httpx.Request` that holds its `Reach`; without it, it may go anywhere."""

PLACE: Final = "place"
"""The extension of an `httpx.Response` that holds the `Place` that it came from."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAMES_OF_THIS_MACHINE: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_NAMES_OF_METADATA: Final = frozenset({"metadata.google.internal", "instance-data.ec2.internal"})
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "fd00:ec2::254",  # Amazon
            "fd20:ce::254",  # Google
            "168.63.129.16",  # Azure
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
        ),
    )
)
"""Metadata services of clouds that are not on the link; those of the others are at 169.254.169.254."""


class Place(Enum):
    """Where an address is."""

    ELSEWHERE = "elsewhere"
    MACHINE = "this machine"
    LINK = "its link, or its cloud's metadata service"


@dataclass(frozen=True, slots=True)
class Reach:
    """The places that a request may go to; `said` and `status` are for the error where it may not."""

    places: frozenset[Place]
    said: str = field(default="", compare=False)
    status: int | None = field(default=None, compare=False)

    def allows(self, place: Place | None) -> bool:
        """Whether a request may go there; what only a look-up will tell is not known yet."""
        return place is None or place in self.places


ANYWHERE: Final = Reach(frozenset(Place))
"""Where the user may send a request."""


def reach_from(place: Place, said: str = "", status: int | None = None) -> Reach:
    """Return where a server at a place may send a request: elsewhere, and to itself."""
    return Reach(frozenset({Place.ELSEWHERE, place}), said, status)


class ForbiddenPlaceError(httpx.ConnectError):
    """A request may not go where it leads; `address` is what its name was looked up as."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}, an address of this machine or its link")
        self.address = address


def place_of(text: str) -> Place:
    """Return where an IP address is, whatever it is wrapped in; raises `ValueError` for what is none."""
    found = {_place(address) for address in _unwrapped(ipaddress.ip_address(text.partition("%")[0]))}
    return next(iter(found - {Place.ELSEWHERE}), Place.ELSEWHERE)


def place_of_name(host: str) -> Place | None:
    """Return where a host is by its name alone, in any spelling of an address; None when only a look-up tells."""
    name = host.strip("[]").lower().rstrip(".")
    if name in _NAMES_OF_THIS_MACHINE or name.endswith(".localhost"):
        return Place.MACHINE
    if name in _NAMES_OF_METADATA:
        return Place.LINK
    try:
        return place_of(name)
    except ValueError:
        return _place_of_old_spelling(name)


def _place_of_old_spelling(name: str) -> Place | None:
    """Read what `inet_aton` takes for an address: 2130706433, 0x7f000001, 127.1, 0."""
    try:
        return place_of(str(ipaddress.IPv4Address(socket.inet_aton(name))))
    except (OSError, UnicodeError):
        return None


def _place(address: _Address) -> Place:
    if address.is_loopback or address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return Place.MACHINE
    return Place.LINK if address.is_link_local or address in _METADATA else Place.ELSEWHERE


def _unwrapped(address: _Address) -> Iterator[_Address]:
    """Yield an address, and the IPv4 address that it stands for."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    is_tail = address in _TRANSLATED or (address in _COMPATIBLE and int(address) > 1)
    if inner is None and is_tail:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        yield inner
