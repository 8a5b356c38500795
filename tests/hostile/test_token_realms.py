"""Token services on other hosts: who is shown the login, what is reached, and whose certificates are trusted there."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from support import images
from support.names import Names, elsewhere, here
from support.registry_server.ca import CertificateAuthority, KeyPair
from support.registry_server.faults import FailRequests, RedirectBlobs
from support.registry_server.options import Bearer, Options, Tls
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.digest import Digest
from transship_registry.errors import RegistryError
from transship_registry.hosts import Credential, HostSettings, Patience, TlsMode
from transship_registry.reference import Repository
from transship_registry.secret import Secret

APP = Repository.parse("r.example/team/app")
LOGIN = Credential(user="ann", password=Secret("hunter2"))
AUTH = Bearer(users={"ann": "hunter2"})


def settings(tls: TlsMode = TlsMode.DISABLED, registry: str = "r.example") -> HostSettings:
    return HostSettings(registry=registry, tls=tls, credential=LOGIN, patience=Patience(tries=1))


def challenge(realm: str) -> FailRequests:
    """Return the switch by which a registry names a token service, once."""
    return FailRequests(
        status=401,
        times=1,
        headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="test-registry"'},
        endpoints=(Endpoint.TAGS,),
    )


def tags(names: Names, *hosts: HostSettings) -> str:
    """Return the tags of a repository, or why there are none."""

    async def scenario() -> str:
        async with names.client(*hosts) as client:
            try:
                return " ".join((await client.list_tags(APP)).tags)
            except RegistryError as error:
                return str(error)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "realm",
    [
        "http://127.0.0.1:{}/token",
        "http://2130706433:{}/token",
        "http://auth.example:{}/token",
        "http://localhost:{}/t",
    ],
)
def test_a_token_service_on_this_machine_is_not_asked(realm: str) -> None:
    """By a registry elsewhere: it is shown no login, and what it would say is not repeated."""
    with RegistryServer() as server, RegistryServer() as inside:
        realm = realm.format(inside.host.rpartition(":")[2])
        inside.faults.add(FailRequests(status=400, message="the secret of this machine"))
        server.faults.add(challenge(realm))
        names = Names({"r.example": [[elsewhere(server.host)]], "auth.example": [[here(inside.host)]]})
        said = tags(names, settings())
        assert not inside.requests.lines
    what = "which is 127.0.0.1, an address" if "auth.example" in realm else "an address"
    assert said == (
        f"GET token from {realm} for r.example/team/app: the token service of r.example is not asked: "
        f"it leads to {realm}, {what} of this machine or its link"
    )


def test_a_token_service_on_another_host_is_shown_the_login(caplog: pytest.LogCaptureFixture) -> None:
    """As docker does, for the login belongs to the registry that asks for it; a line at `debug` names both, once."""
    caplog.set_level(logging.DEBUG, "transship_registry")
    with RegistryServer(Options(auth=AUTH)) as server:
        server.store.add_image("team/app", "v1", images.single())
        names = Names({"r.example": [[elsewhere(server.host)]], "auth.example": [[elsewhere(server.host)]]})
        server.faults.add(challenge("http://auth.example/token"))
        assert tags(names, settings()) == "v1"
        shown = {(each.path, each.user, each.secret) for each in server.requests.credentials if each.user}
    assert shown == {("/token", "ann", "hunter2")}
    said = [record.message for record in caplog.records if "token service" in record.message]
    assert said == ["r.example: its token service is another host, auth.example, which is shown the login"]


def test_a_token_service_beside_a_registry_on_this_machine_is_asked() -> None:
    """On another port of this machine, as with a registry that somebody tries out."""
    with RegistryServer(Options(auth=replace(AUTH, separate_origin=True))) as server:
        server.store.add_image("team/app", "v1", images.single())
        names = Names({"r.example": [[here(server.host)]]})
        assert tags(names, settings()) == "v1"


class Pair:
    """A registry and the host that it leads to, each with a certificate of the same authority for its own name."""

    def __init__(self, folder: Path, *, client_ca: bool = False) -> None:
        self.authority = CertificateAuthority(folder)
        self.client = self.authority.client()
        ours = self.authority.server("r.example", file_name="ours")
        theirs = self.authority.server("auth.example", file_name="theirs")
        self.server = RegistryServer(Options(auth=AUTH, tls=self._tls(ours, client_ca)))
        self.other = RegistryServer(Options(auth=AUTH, tls=self._tls(theirs, client_ca)))

    def _tls(self, pair: KeyPair, client_ca: bool) -> Tls:
        asked = self.authority.certificate if client_ca else None
        return Tls(certificate=pair.certificate, key=pair.key, client_ca=asked)

    def names(self) -> Names:
        return Names({"r.example": [[elsewhere(self.server.host)]], "auth.example": [[elsewhere(self.other.host)]]})

    def say(self, *hosts: HostSettings) -> tuple[str, bool]:
        """Return what becomes of a token, and whether the other host was asked anything."""
        with self.server, self.other:
            self.server.faults.add(challenge("https://auth.example/token"))
            said = tags(self.names(), *hosts)
            return said, bool(self.other.requests.lines)


def test_insecure_is_of_one_host_only(tmp_path: Path) -> None:
    """What a registry's name was set to does not hold for its token service, and the way out names that one."""
    said, was_asked = Pair(tmp_path).say(settings(TlsMode.INSECURE))
    assert not was_asked
    assert said == (
        "connect to auth.example:443, the token service of r.example: its certificate is not trusted "
        "(unable to get local issuer certificate); set regcert in creds of auth.example to the certificate of its "
        "authority, or set 'tls: insecure' in creds of auth.example to trust any certificate"
    )


def test_another_host_that_creds_name_has_its_own_settings(tmp_path: Path) -> None:
    """Whoever wants its certificate not to be verified says so, for that host."""
    _, was_asked = Pair(tmp_path).say(settings(TlsMode.INSECURE), settings(TlsMode.INSECURE, "auth.example"))
    assert was_asked


def test_an_authority_goes_along(tmp_path: Path) -> None:
    """What `regcert` trusts for a registry is trusted for its token service, too."""
    pair = Pair(tmp_path)
    ca = pair.authority.certificate.read_text()
    _, was_asked = pair.say(replace(settings(TlsMode.ENABLED), ca=ca))
    assert was_asked


def test_a_client_certificate_is_shown_to_its_registry_only(tmp_path: Path) -> None:
    """A token service that wants one, too, needs settings of its own."""
    pair = Pair(tmp_path, client_ca=True)
    mine = replace(
        settings(TlsMode.ENABLED),
        ca=pair.authority.certificate.read_text(),
        client_certificate=pair.client.certificate.read_text(),
        client_key=Secret(pair.client.key.read_text()),
    )
    said, was_asked = pair.say(mine)
    assert not was_asked
    assert said.startswith("connect to auth.example:443, the token service of r.example: ")
    pair = Pair(tmp_path, client_ca=True)
    mine = replace(
        mine,
        ca=pair.authority.certificate.read_text(),
        client_certificate=pair.client.certificate.read_text(),
        client_key=Secret(pair.client.key.read_text()),
    )
    _, was_asked = pair.say(mine, replace(mine, registry="auth.example"))
    assert was_asked


def test_a_storage_is_another_host_as_well(tmp_path: Path) -> None:
    """A redirect to it takes neither `tls: insecure` nor a client certificate along."""
    pair = Pair(tmp_path)
    with pair.server, pair.other:
        pair.server.faults.add(
            FailRequests(status=307, headers={"Location": "https://auth.example/v2/"}, endpoints=(Endpoint.TAGS,))
        )
        said = tags(pair.names(), settings(TlsMode.INSECURE))
        assert not pair.other.requests.lines
    assert said.startswith("connect to auth.example:443, where r.example redirects to: its certificate is not trusted ")


def test_another_port_of_the_same_host_is_the_same_host(tmp_path: Path) -> None:
    """Certificates are for names, and a registry and its storage often share one."""
    pair = CertificateAuthority(tmp_path).server()
    tls = Tls(certificate=pair.certificate, key=pair.key)
    with RegistryServer(Options(tls=tls)) as server:
        server.store.add_image("team/app", "v1", images.single())
        server.faults.add(RedirectBlobs())
        digest = server.store.add_blob("team/app", b"content")

        async def scenario() -> int | None:
            mine = HostSettings(registry=server.host, tls=TlsMode.INSECURE, disable_head=True)
            async with Names({}).client(mine) as client:
                return await client.head_blob(Repository.parse(f"{server.host}/team/app"), Digest.parse(digest))

        assert asyncio.run(scenario()) == 7
        assert server.faults.hits(RedirectBlobs) == 1
