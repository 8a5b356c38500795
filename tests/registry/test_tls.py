"""TLS towards a registry: trust, client certificates, and what is wrong with them."""

import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from transship_registry.hosts import HostSettings, TlsMode
from transship_registry.login import tls
from transship_registry.login.pem import HostConfigError
from transship_registry.login.tls import ssl_context
from transship_registry.secret import Secret

HOST = "registry.example.org:5000"
NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key; `issuer` is itself when it is self-signed."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.encode_key(NoEncryption())

    def encode_key(self, encryption: KeySerializationEncryption) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def issue(
    name: str,
    issuer: Identity | None = None,
    *,
    days: tuple[int, int] = (-3000, 3000),
    is_authority: bool = False,
    key: rsa.RSAPrivateKey | None = None,
) -> Identity:
    own: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return Identity(builder.sign(issuer.key if issuer else own, hashes.SHA256()), own)


@cache
def authority() -> Identity:
    return issue("authority", is_authority=True)


@cache
def server() -> Identity:
    return issue("registry.example.org", authority())


@cache
def client() -> Identity:
    return issue("client", authority())


def settings(
    *, mode: TlsMode = TlsMode.ENABLED, ca: str = "", certificate: str = "", key: str = "", hostname: str = ""
) -> HostSettings:
    return HostSettings(
        registry=HOST,
        hostname=hostname,
        tls=mode,
        ca=ca,
        client_certificate=certificate,
        client_key=Secret(key),
    )


def build(host: HostSettings, certs_d: Path = Path("/nonexistent"), *, use_certs_d: bool = True) -> ssl.SSLContext:
    context = ssl_context(host, certs_d, use_certs_d, now=NOW)
    assert context is not None
    return context


def refusal(host: HostSettings, certs_d: Path = Path("/nonexistent")) -> str:
    with pytest.raises(HostConfigError) as caught:
        build(host, certs_d)
    assert caught.value.registry == HOST
    assert str(caught.value) == f"registry {HOST}: {caught.value.field} {caught.value.problem}"
    return str(caught.value)


def connect(context: ssl.SSLContext, *, name: str = "registry.example.org") -> str | None:
    """Shake hands in memory with a server that asks for a client certificate; return its name, if one was shown."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.verify_mode = ssl.CERT_OPTIONAL
    own.load_verify_locations(cadata=authority().pem)
    with tls._lend_file((server().pem + server().key_pem).encode()) as path:  # pyright: ignore[reportPrivateUsage]
        own.load_cert_chain(path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = context.wrap_bio(to_client, to_server, server_hostname=name)
    here = own.wrap_bio(to_server, to_client, server_side=True)
    waiting = [there, here]
    while waiting:
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    certificate = here.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string() if certificate else None


@pytest.fixture
def certs_d(tmp_path: Path) -> Callable[..., Path]:
    def write(files: dict[str, str], host: str = HOST) -> Path:
        folder = tmp_path / "certs.d" / host
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return tmp_path / "certs.d"

    return write


class TestTrust:
    def test_no_context_without_tls(self) -> None:
        assert ssl_context(settings(mode=TlsMode.DISABLED, ca="nonsense")) is None

    def test_registries_with_nothing_special_share_one_context(self) -> None:
        other = HostSettings(registry="other.example.org")
        assert build(settings()) is build(other)
        assert build(settings(mode=TlsMode.INSECURE)) is not build(settings())

    def test_an_unknown_authority_is_refused(self) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(build(settings()))

    def test_a_configured_authority_is_trusted(self) -> None:
        assert connect(build(settings(ca=authority().pem))) is None

    def test_a_configured_authority_is_trusted_beside_those_of_the_system(self) -> None:
        context = build(settings(ca=authority().pem))
        assert len(context.get_ca_certs()) == len(build(settings()).get_ca_certs()) + 1

    def test_an_authority_serves_no_other_name(self) -> None:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            connect(build(settings(ca=authority().pem)), name="evil.example.net")

    def test_one_text_may_hold_several_authorities(self) -> None:
        text = f"our authorities, \u00e9tat 2030\n{issue('other', is_authority=True).pem}\n\n{authority().pem}"
        assert connect(build(settings(ca=text))) is None

    def test_the_servers_own_certificate_may_be_trusted(self) -> None:
        assert connect(build(settings(ca=server().pem))) is None

    def test_insecure_accepts_any_certificate(self) -> None:
        assert connect(build(settings(mode=TlsMode.INSECURE)), name="evil.example.net") is None

    def test_strict_checks_of_newer_pythons_are_off(self) -> None:
        assert not build(settings()).verify_flags & ssl.VERIFY_X509_STRICT

    def test_a_system_without_certificates_gets_the_roots_of_mozilla(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        context = build(settings(ca=authority().pem))
        assert len(context.get_ca_certs()) > 50

    def test_a_system_with_a_folder_of_certificates_gets_no_others(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "0a1b2c3d.0").write_text(authority().pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        assert len(build(settings(ca=authority().pem)).get_ca_certs()) == 1


class TestClientCertificate:
    def test_a_configured_certificate_is_shown(self) -> None:
        host = settings(ca=authority().pem, certificate=client().pem, key=client().key_pem)
        assert connect(build(host)) == "CN=client"

    def test_it_may_be_followed_by_its_chain(self) -> None:
        middle = issue("middle", authority(), is_authority=True)
        leaf = issue("leaf", middle)
        host = settings(ca=authority().pem, certificate=leaf.pem + middle.pem, key=leaf.key_pem)
        assert connect(build(host)) == "CN=leaf"

    def test_it_is_shown_without_verification_too(self) -> None:
        host = settings(mode=TlsMode.INSECURE, certificate=client().pem, key=client().key_pem)
        assert connect(build(host)) == "CN=client"

    def test_the_key_is_lent_by_a_temporary_file_where_memory_files_are_unknown(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "memfd_create")
        host = settings(ca=authority().pem, certificate=client().pem, key=client().key_pem)
        assert connect(build(host)) == "CN=client"


class TestDockerFolder:
    def test_its_authorities_are_trusted_and_its_pair_is_shown(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d(
            {
                "ca.crt": authority().pem,
                "client.v2.cert": client().pem,
                "client.v2.key": client().key_pem,
                "notes.txt": "ours",
            }
        )
        assert connect(build(settings(), folder)) == "CN=client"

    def test_it_can_be_skipped(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({"ca.crt": "broken"})
        assert build(settings(), folder, use_certs_d=False) is build(settings())

    def test_it_goes_by_the_name_that_is_connected_to(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({"ca.crt": authority().pem}, "internal.example.org")
        assert build(settings(), folder) is build(settings())
        assert connect(build(settings(hostname="internal.example.org"), folder)) is None

    def test_no_other_folder_can_be_named(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({"ca.crt": authority().pem})
        assert build(settings(hostname=f"../certs.d/{HOST}"), folder) is build(settings())

    def test_a_configured_pair_replaces_its_pairs(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({"ca.crt": authority().pem, "client.cert": "broken", "client.key": "broken"})
        assert connect(build(settings(certificate=client().pem, key=client().key_pem), folder)) == "CN=client"

    @pytest.mark.parametrize(("given_suffix", "missing"), [(".cert", ".key"), (".key", ".cert")])
    def test_half_a_pair_is_refused(self, certs_d: Callable[..., Path], given_suffix: str, missing: str) -> None:
        folder = certs_d({f"client{given_suffix}": client().pem})
        path = folder / HOST / "client"
        assert refusal(settings(), folder) == (
            f"registry {HOST}: {path}{given_suffix} needs {path}{missing}, which is missing"
        )

    def test_a_broken_authority_is_refused(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({"ca.crt": "broken"})
        assert refusal(settings(), folder) == (
            f"registry {HOST}: {folder / HOST / 'ca.crt'} holds no PEM certificate; "
            "expected text with -----BEGIN CERTIFICATE-----"
        )

    def test_a_file_that_cannot_be_read_is_refused(self, certs_d: Callable[..., Path]) -> None:
        folder = certs_d({})
        (folder / HOST / "ca.crt").mkdir()
        assert refusal(settings(), folder) == (
            f"registry {HOST}: {folder / HOST / 'ca.crt'} cannot be read: Is a directory"
        )


BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BROKEN_KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"


class TestRefusal:
    @pytest.mark.parametrize("text", ["nonsense", "\u00e9"])
    def test_an_authority_that_is_no_pem(self, text: str) -> None:
        assert refusal(settings(ca=text)) == (
            f"registry {HOST}: regcert holds no PEM certificate; expected text with -----BEGIN CERTIFICATE-----"
        )

    @pytest.mark.parametrize("text", [BROKEN, "-----BEGIN CERTIFICATE-----"])
    def test_an_authority_that_is_damaged(self, text: str) -> None:
        assert refusal(settings(ca=text)) == f"registry {HOST}: regcert holds a certificate that cannot be read"

    def test_a_client_certificate_without_its_key(self) -> None:
        assert refusal(settings(certificate=client().pem)) == (
            f"registry {HOST}: clientCert needs clientKey, which is missing"
        )

    def test_a_client_key_without_its_certificate(self) -> None:
        assert refusal(settings(key=client().key_pem)) == (
            f"registry {HOST}: clientKey needs clientCert, which is missing"
        )

    def test_a_client_certificate_that_is_a_key(self) -> None:
        assert refusal(settings(certificate=client().key_pem, key=client().key_pem)) == (
            f"registry {HOST}: clientCert holds no PEM certificate; expected text with -----BEGIN CERTIFICATE-----"
        )

    def test_a_client_key_that_is_a_certificate(self) -> None:
        assert refusal(settings(certificate=client().pem, key=client().pem)) == (
            f"registry {HOST}: clientKey holds no PEM private key; expected text with -----BEGIN PRIVATE KEY-----"
        )

    def test_a_client_key_that_is_damaged(self) -> None:
        assert refusal(settings(certificate=client().pem, key=BROKEN_KEY)) == (
            f"registry {HOST}: clientKey holds a private key that cannot be read"
        )

    def test_a_client_key_that_is_encrypted(self) -> None:
        key = client().encode_key(BestAvailableEncryption(b"phrase"))
        assert refusal(settings(certificate=client().pem, key=key)) == (
            f"registry {HOST}: clientKey is encrypted; decrypt it, e.g. with `openssl pkey -in KEY -out PLAIN`"
        )

    def test_a_client_key_of_another_certificate(self) -> None:
        assert refusal(settings(certificate=client().pem, key=server().key_pem)) == (
            f"registry {HOST}: clientKey does not belong to the first certificate in clientCert"
        )

    def test_a_client_certificate_that_has_expired(self) -> None:
        old = issue("old", authority(), days=(-20, -1))
        assert refusal(settings(certificate=old.pem, key=old.key_pem)) == (
            f"registry {HOST}: clientCert expired on 2030-06-14 at 12:00 UTC"
        )

    def test_a_client_certificate_of_the_future(self) -> None:
        early = issue("early", authority(), days=(1, 20))
        assert refusal(settings(certificate=early.pem, key=early.key_pem)) == (
            f"registry {HOST}: clientCert is not valid before 2030-06-16 at 12:00 UTC"
        )

    def test_a_client_certificate_that_openssl_finds_too_weak(self) -> None:
        weak = issue("weak", authority(), key=rsa.generate_private_key(65537, 1024))
        assert refusal(settings(certificate=weak.pem, key=weak.key_pem)) == (
            f"registry {HOST}: clientCert cannot be used: EE_KEY_TOO_SMALL"
        )

    @given(st.text(), st.text(), st.sampled_from(["", BROKEN, BROKEN_KEY]))
    def test_no_text_raises_anything_but_our_error(self, first: str, second: str, middle: str) -> None:
        text = f"x{first}{middle}{second}"
        refusal(settings(ca=text))
        refusal(settings(certificate=text, key=client().key_pem))
        refusal(settings(certificate=client().pem, key=text))

    @hypothesis_settings(max_examples=30, deadline=None)  # a context takes long to make on a busy machine
    @given(st.integers(min_value=0), st.sampled_from("AZaz09+/=\n-"))
    def test_no_damage_raises_anything_but_our_error(self, position: int, character: str) -> None:
        def damage(text: str) -> str:
            place = position % len(text)
            return text[:place] + character + text[place + 1 :]

        for host in (
            settings(ca=damage(authority().pem)),
            settings(certificate=damage(client().pem), key=client().key_pem),
            settings(certificate=client().pem, key=damage(client().key_pem)),
        ):
            with suppress(HostConfigError):
                build(host)
