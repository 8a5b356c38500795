"""TLS towards one registry: which certificates are trusted, and which one is shown."""

import os
import ssl
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import certifi

from transship_registry.hosts import HostSettings, TlsMode
from transship_registry.limits import PEM_LIMIT
from transship_registry.login.pem import ClientPair, HostConfigError, PemText
from transship_registry.regular import read_input

CERTS_D: Final = Path("/etc/docker/certs.d")
"""Where docker keeps the certificates of registries (docs.docker.com, engine/security/certificates)."""


def ssl_context(
    settings: HostSettings,
    certs_d: Path = CERTS_D,
    use_certs_d: bool = True,
    *,
    now: datetime | None = None,
    anonymous: bool = False,
) -> ssl.SSLContext | None:
    """Return the TLS context for a registry, None when its connections are not encrypted.

    Registries with nothing special share one context with the system's roots. `<certs_d>/<host:port>` adds `*.crt` as
    authorities, and shows `*.cert` with `*.key` unless the settings have a client certificate. One that is `anonymous`
    shows none at all. Raises `HostConfigError`
    for certificates and keys that cannot be used at `now`.
    """
    if settings.tls is TlsMode.DISABLED:
        return None
    registry = settings.registry
    files = _list_files(certs_d, settings.endpoint) if use_certs_d else ()
    authorities = [(text, _read_authorities(text, registry)) for text in _find_authorities(settings, files)]
    pairs = () if anonymous else _find_client_pairs(settings, files)
    pems = [(pair, _check_pair(pair, registry, now or datetime.now(UTC))) for pair in pairs]
    insecure = settings.tls is TlsMode.INSECURE
    if not authorities and not pems:
        return _shared_context(insecure)
    context = _new_context(insecure)
    for text, der in authorities:
        _trust(context, text, der, registry)
    for pair, pem in pems:
        _show(context, pair, pem, registry)
    return context


def ssl_context_elsewhere(
    settings: HostSettings, certs_d: Path = CERTS_D, use_certs_d: bool = True
) -> ssl.SSLContext | None:
    """Return the TLS context for the hosts that a registry leads to: a token service, its storage.

    The registry's authorities are theirs, too, for who runs it runs them; neither is its client certificate shown to
    them, nor goes their own unverified because the registry's does.
    """
    return ssl_context(replace(settings, tls=TlsMode.ENABLED), certs_d, use_certs_d, anonymous=True)


@cache
def _shared_context(insecure: bool) -> ssl.SSLContext:
    return _new_context(insecure)


def _new_context(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    # Python 3.13 turned these on and off the other way; Go, for which registries' private authorities are made, accepts
    # authorities without all extensions, and a trusted certificate that is not a root.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not _has_roots(context):
        context.load_verify_locations(certifi.where())
    return context


def _has_roots(context: ssl.SSLContext) -> bool:
    """Whether the system has any trusted certificates; small container images often lack them."""
    if context.cert_store_stats()["x509_ca"]:
        return True
    # The count is of certificates from a file; those of a folder are looked up when they are needed.
    folder = ssl.get_default_verify_paths().capath or ""
    return bool(folder) and any(Path(folder).iterdir())


def _list_files(certs_d: Path, endpoint: str) -> tuple[Path, ...]:
    if "/" in endpoint:
        return ()
    try:
        return tuple(sorted((certs_d / endpoint).iterdir()))
    except OSError:
        # Most often there is no such folder; one that others may not list is docker's own affair.
        return ()


def _find_authorities(settings: HostSettings, files: tuple[Path, ...]) -> list[PemText]:
    found = [_read(path, settings.registry) for path in files if path.suffix == ".crt"]
    if settings.ca.strip():
        found.append(PemText("regcert", settings.ca.encode("utf-8", "replace")))
    return found


def _find_client_pairs(settings: HostSettings, files: tuple[Path, ...]) -> list[ClientPair]:
    certificate, key = settings.client_certificate, settings.client_key.reveal()
    if certificate.strip() or key.strip():
        _need_both("clientCert", "clientKey", bool(certificate.strip()), bool(key.strip()), settings.registry)
        return [
            ClientPair(
                PemText("clientCert", certificate.encode("utf-8", "replace")),
                PemText("clientKey", key.encode("utf-8", "replace")),
            )
        ]
    stems = sorted({path.with_suffix("") for path in files if path.suffix in {".cert", ".key"}})
    return [_read_pair(stem, files, settings.registry) for stem in stems]


def _read_pair(stem: Path, files: tuple[Path, ...], registry: str) -> ClientPair:
    certificate, key = (stem.parent / f"{stem.name}{suffix}" for suffix in (".cert", ".key"))
    _need_both(str(certificate), str(key), certificate in files, key in files, registry)
    return ClientPair(_read(certificate, registry), _read(key, registry))


def _need_both(certificate: str, key: str, has_certificate: bool, has_key: bool, registry: str) -> None:
    if not has_key:
        raise HostConfigError(registry, certificate, f"needs {key}, which is missing")
    if not has_certificate:
        raise HostConfigError(registry, key, f"needs {certificate}, which is missing")


def _read(path: Path, registry: str) -> PemText:
    try:
        return PemText(str(path), read_input(path, PEM_LIMIT))
    except OSError as error:
        raise HostConfigError(registry, str(path), f"cannot be read: {error.strerror}") from None


# Most registries need neither of these two, and to load `cryptography` takes a tenth of a short run.


def _read_authorities(text: PemText, registry: str) -> bytes:
    from transship_registry.login.certificates import read_authorities  # noqa: PLC0415 - see above

    return read_authorities(text, registry)


def _check_pair(pair: ClientPair, registry: str, now: datetime) -> bytes:
    from transship_registry.login.certificates import check_pair  # noqa: PLC0415 - see above

    return check_pair(pair, registry, now)


def _trust(context: ssl.SSLContext, text: PemText, der: bytes, registry: str) -> None:
    try:
        context.load_verify_locations(cadata=der)
    except ssl.SSLError as error:
        raise HostConfigError(registry, text.name, f"cannot be trusted: {error.reason}") from None


def _show(context: ssl.SSLContext, pair: ClientPair, pem: bytes, registry: str) -> None:
    try:
        with _lend_file(pem) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise HostConfigError(registry, pair.certificate.name, f"cannot be used: {error.reason}") from None


@contextmanager
def _lend_file(content: bytes) -> Generator[str, None, None]:
    """Lend `content` as a file, for OpenSSL takes keys from nothing else; on Linux it never reaches a disk."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("transship")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
