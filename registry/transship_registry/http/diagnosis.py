"""What a connection that failed means: what is wrong with the other end, in words, and the way out."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from transship_registry.errors import RegistryError
from transship_registry.foreign import one_line
from transship_registry.http.wire.exchange import SpeaksTLSError

_CHECK_ALL: Final = "check that the registry runs there, its name, the network and the proxy"
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_PLAIN_ANSWERS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's words for bytes that are no TLS record; they depend on its version, and on the bytes."""

_EXPIRED, _TOO_EARLY = 10, 9
_MISMATCHES: Final = frozenset({62, 63, 64})
"""Codes of `X509_V_ERR_…`: other host name, e-mail or IP address."""

_TLS_COMPLAINTS: Final = (
    b"Client sent an HTTP request to an HTTPS server",  # Go
    b"plain HTTP request was sent to HTTPS port",  # nginx
    b"speaking plain HTTP to an SSL-enabled server port",  # Apache
    b"This combination of host and port requires TLS",  # Java (Spring, Artifactory)
)
SPEAKS_TLS: Final = "it speaks TLS, not plain HTTP"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with the other end, and the way out.

    A `lasting` failure comes again however often one tries. Without `answer` nothing came, and `detail` says how; when
    there was not even a connection (`is_unconnected`), that is no fault of what was asked.
    """

    answer: str
    advice: str
    lasting: bool = False
    detail: str = ""

    is_unconnected: bool = True


def diagnose(error: httpx.TransportError, registry: str, scheme: str) -> Diagnosis:
    """Find out why there was no answer by `scheme`; `registry` is whose settings hold for the connection."""
    creds = f"in creds of {registry}"
    if isinstance(error, SpeaksTLSError):
        return speaks_tls(registry)
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, creds)
            case ssl.SSLError():
                return _tls_failure(cause, creds)
            case socket.gaierror():
                return _unknown_name(cause)
            case OSError() if isinstance(error, httpx.ConnectError) and (number := _number(cause)) is not None:
                return _unreachable(number)
            case _:
                pass
    return _silent(error, creds if scheme == "http" else "")


def speaks_tls(registry: str) -> Diagnosis:
    """Return what is wrong with a port that speaks TLS and was sent plain HTTP."""
    advice = f"remove 'tls: disabled' in creds of {registry}, and its name from insecure_registries"
    return Diagnosis(SPEAKS_TLS, advice, lasting=True)


def complains_of_plain_http(body: bytes) -> bool:
    """Whether an answer says that its port speaks TLS; servers answer 400 in plain HTTP then."""
    return any(complaint in body for complaint in _TLS_COMPLAINTS)


def broken(attempted: str, reference: str, error: httpx.TransportError, place: str, *, begun: bool) -> RegistryError:
    """Return the error of one request, at a place that answers others; `begun` when its answer broke off."""
    what = f"the answer from {place} broke off" if begun else f"no answer from {place}"
    return RegistryError(attempted, reference, f"{what} ({said(error)})", advice=_CHECK_ALL)


def said(error: httpx.TransportError) -> str:
    """Return what a failure says of itself, in one line."""
    return one_line(str(error)) or ("it took too long" if isinstance(error, httpx.TimeoutException) else "it broke off")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to an error, each once: an error that is raised again while it is handled leads to itself."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _untrusted(error: ssl.SSLCertVerificationError, creds: str) -> Diagnosis:
    code, reason = getattr(error, "verify_code", 0), one_line(getattr(error, "verify_message", "") or str(error))
    insecure = f"or set 'tls: insecure' {creds} to trust any certificate"
    if code == _EXPIRED:
        return Diagnosis("its certificate has expired", f"have it renewed, {insecure}", lasting=True)
    if code == _TOO_EARLY:
        answer = "its certificate is not valid yet"
        return Diagnosis(answer, f"check the clock of this machine and the certificate, {insecure}", lasting=True)
    if code in _MISMATCHES:
        answer = f"its certificate is for another name ({reason.rstrip('.')})"
        return Diagnosis(answer, f"connect by a name that it is for (hostname {creds}), {insecure}", lasting=True)
    answer = f"its certificate is not trusted ({reason})"
    return Diagnosis(answer, f"set regcert {creds} to the certificate of its authority, {insecure}", lasting=True)


def _tls_failure(error: ssl.SSLError, creds: str) -> Diagnosis:
    # One that Python has made itself has no reason.
    reason = getattr(error, "reason", None) or one_line(str(error))
    if reason in _PLAIN_ANSWERS:
        return Diagnosis("it does not speak TLS", f"for plain HTTP set 'tls: disabled' {creds}", lasting=True)
    if "CERTIFICATE_REQUIRED" in reason:
        return Diagnosis("it asks for a client certificate", f"set clientCert and clientKey {creds}", lasting=True)
    answer = f"there is no TLS connection ({reason.replace('_', ' ').lower()})"
    return Diagnosis(answer, f"check tls, regcert, clientCert and clientKey {creds}")


def _unknown_name(error: socket.gaierror) -> Diagnosis:
    if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
        return Diagnosis("the name is unknown", "check its spelling, and the DNS of this machine")
    reason = one_line(error.strerror or str(error))
    return Diagnosis(f"the name cannot be looked up ({reason})", "check the network, and the DNS of this machine")


def _number(error: OSError) -> int | None:
    """Return the number of a failure; asyncio joins those of several addresses in a text."""
    if error.errno is not None:
        return error.errno
    numbers = set(_ERRNO.findall(str(error)))
    return int(numbers.pop()) if len(numbers) == 1 else None


def _unreachable(number: int) -> Diagnosis:
    if number == errno.ECONNREFUSED:
        return Diagnosis("connection refused", "check that the registry runs there, its name and its port")
    return Diagnosis(f"it cannot be reached ({os.strerror(number)})", _CHECK_ALL)


def _silent(error: httpx.TransportError, creds: str) -> Diagnosis:
    """Return that nothing came; some servers that speak TLS close a connection without TLS, which `creds` asked for."""
    is_unconnected = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
    is_closed = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
    advice = (
        f"{_CHECK_ALL}, and whether it speaks plain HTTP ('tls: disabled' {creds})"
        if creds and is_closed
        else _CHECK_ALL
    )
    return Diagnosis("", advice, detail=said(error), is_unconnected=is_unconnected)
