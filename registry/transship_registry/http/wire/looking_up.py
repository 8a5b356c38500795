"""From a name to a connected socket: one look-up, and the fastest of its addresses (RFC 8305)."""

import asyncio
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

_NEXT_AFTER_S: Final = 0.25
"""RFC 8305 § 8: the delay after which the next address is tried beside the first."""

_Target: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to connect to: its family, and what a socket of that family takes; the IP address comes first."""

    family: int
    target: _Target

    @property
    def address(self) -> str:
        """The IP address."""
        return self.target[0]


LookUp: TypeAlias = Callable[[str, int], Awaitable[Sequence[Endpoint]]]
"""Finds the endpoints of a host and a port; raises `OSError`, or `ValueError` for what can be no name."""


async def look_up(host: str, port: int) -> Sequence[Endpoint]:
    """Find the endpoints of a host and a port by the system's resolver.

    It may hang for as long as it likes, in a thread that nobody waits for: neither a time-out, nor an interruption, nor
    the end of the process.
    """
    with suppress(ValueError):
        return (_literal(ipaddress.ip_address(host), port),)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[Endpoint]] = loop.create_future()

    def settle(outcome: Sequence[Endpoint] | Exception) -> None:
        if found.done():
            return
        if isinstance(outcome, Exception):
            found.set_exception(outcome)
        else:
            found.set_result(outcome)

    def ask() -> None:
        outcome = _ask(host, port)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=ask, name="transship-look-up", daemon=True).start()
    return await found


def _ask(host: str, port: int) -> Sequence[Endpoint] | Exception:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return error
    return tuple(dict.fromkeys(Endpoint(family, cast("_Target", target)) for family, _, _, _, target in found))


def _literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> Endpoint:
    if isinstance(address, ipaddress.IPv4Address):
        return Endpoint(socket.AF_INET, (str(address), port))
    if address.scope_id is not None:
        raise ValueError("only the system knows the number of an interface")
    return Endpoint(socket.AF_INET6, (str(address), port, 0, 0))


async def connect_first(endpoints: Sequence[Endpoint]) -> tuple[socket.socket, Endpoint]:
    """Connect to the first endpoint that answers: each has a moment before the next one is tried beside it.

    Raises `OSError` when none does.
    """
    waiting = deque(_taking_turns(endpoints))
    failures: list[OSError] = []
    attempts: set[asyncio.Task[tuple[socket.socket, Endpoint]]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.ensure_future(_connect(waiting.popleft())))
            done, attempts = await asyncio.wait(
                attempts, timeout=_NEXT_AFTER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [attempt.result() for attempt in done if not _failed(attempt, failures)]
            for late, _ in connected[1:]:
                late.close()
            if connected:
                return connected[0]
    finally:
        await _give_up(attempts)
    raise _joined(failures)


def _failed(attempt: "asyncio.Task[tuple[socket.socket, Endpoint]]", failures: list[OSError]) -> bool:
    error = attempt.exception()
    if isinstance(error, OSError):
        failures.append(error)
    elif error is not None:
        raise error
    return error is not None


async def _give_up(attempts: "set[asyncio.Task[tuple[socket.socket, Endpoint]]]") -> None:
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            outcome[0].close()


def _taking_turns(endpoints: Sequence[Endpoint]) -> Iterator[Endpoint]:
    """Yield the endpoints of the families in turn, that of the first one first (RFC 8305 § 4)."""
    families = [deque(each for each in endpoints if each.family == family) for family in _families(endpoints)]
    while families := [family for family in families if family]:
        for family in families:
            yield family.popleft()


def _families(endpoints: Sequence[Endpoint]) -> Iterator[int]:
    yield from dict.fromkeys(each.family for each in endpoints)


async def _connect(endpoint: Endpoint) -> tuple[socket.socket, Endpoint]:
    connecting = socket.socket(endpoint.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, endpoint.target)
    except BaseException:
        connecting.close()
        raise
    return connecting, endpoint


def _joined(failures: Sequence[OSError]) -> OSError:
    """Return one error for several, with a number only if that of all."""
    if len({error.errno for error in failures}) == 1:
        return failures[0]
    return OSError("; ".join(dict.fromkeys(map(str, failures))) or "the name has no address")
