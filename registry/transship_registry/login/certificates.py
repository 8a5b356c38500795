"""Read and check PEM certificates and keys, before OpenSSL is given them."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from transship_registry.login.pem import ClientPair, HostConfigError, PemText


def read_authorities(text: PemText, registry: str) -> bytes:
    """Return the certificates of a PEM text in DER; raises `HostConfigError`."""
    return b"".join(each.public_bytes(Encoding.DER) for each in _parse_certificates(text, registry))


def check_pair(pair: ClientPair, registry: str, now: datetime) -> bytes:
    """Return certificates and key as one PEM, which OpenSSL can load; raises `HostConfigError` unless they fit."""
    certificates = _parse_certificates(pair.certificate, registry)
    key = _parse_key(pair.key, registry)
    _check_period(certificates[0], pair.certificate.name, registry, now)
    _check_match(certificates[0], key, pair, registry)
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    return chain + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _parse_certificates(text: PemText, registry: str) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" not in text.content:
        raise HostConfigError(
            registry, text.name, "holds no PEM certificate; expected text with -----BEGIN CERTIFICATE-----"
        )
    try:
        return x509.load_pem_x509_certificates(text.content)
    except (ValueError, x509.InvalidVersion):
        raise HostConfigError(registry, text.name, "holds a certificate that cannot be read") from None


def _parse_key(text: PemText, registry: str) -> PrivateKeyTypes:
    """Read a private key; no reason that a library gives is passed on, for it might quote the key."""
    if b"PRIVATE KEY-----" not in text.content:
        raise HostConfigError(
            registry, text.name, "holds no PEM private key; expected text with -----BEGIN PRIVATE KEY-----"
        )
    try:
        return load_pem_private_key(text.content, password=None)
    except TypeError:
        raise HostConfigError(
            registry, text.name, "is encrypted; decrypt it, e.g. with `openssl pkey -in KEY -out PLAIN`"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise HostConfigError(registry, text.name, "holds a private key that cannot be read") from None


def _check_period(certificate: x509.Certificate, name: str, registry: str, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise HostConfigError(registry, name, f"expired on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC")
    if now < certificate.not_valid_before_utc:
        raise HostConfigError(
            registry, name, f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d at %H:%M} UTC"
        )


def _check_match(certificate: x509.Certificate, key: PrivateKeyTypes, pair: ClientPair, registry: str) -> None:
    try:
        matches = certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise HostConfigError(registry, pair.certificate.name, "has a public key that cannot be read") from None
    if not matches:
        raise HostConfigError(
            registry, pair.key.name, f"does not belong to the first certificate in {pair.certificate.name}"
        )
