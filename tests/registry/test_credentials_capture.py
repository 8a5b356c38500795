"""Credentials go where they belong and nowhere else: the program at work, and every secret that servers were shown."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.registry_server.ca import CertificateAuthority
from support.registry_server.faults import FailRequests, LinkStyle, PageLinks, RedirectBlobs
from support.registry_server.options import Auth, Basic, Bearer, Options, Tls
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer

SOURCE = ("ann", "s0urce-s3cret")
TARGET = ("bob", "t4rget-s3cret")
MIRROR = ("cyd", "m1rror-s3cret")
PASSWORDS = frozenset(password for _, password in (SOURCE, TARGET, MIRROR))
IDENTITY = "1dentity-t0ken"
IMAGE = images.multi_platform("app", size=3000)


@dataclass
class World:
    """Servers, and which secrets each of their origins may see: passwords by user, and tokens."""

    folder: Path
    stack: ExitStack
    servers: list[RegistryServer] = field(default_factory=list[RegistryServer])
    passwords: dict[str, set[tuple[str, str]]] = field(default_factory=dict[str, set[tuple[str, str]]])
    tokens: set[str] = field(default_factory=set[str])
    creds: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    runs: list[Done] = field(default_factory=list[Done])

    def start(
        self, auth: Auth | None = None, login: tuple[str, str] | None = None, **settings: object
    ) -> RegistryServer:
        """Start a registry that the configuration has a login for, if one is given."""
        tls = settings.pop("tls_files", None)
        assert tls is None or isinstance(tls, Tls)
        options = Options(tls=tls) if auth is None else Options(auth=auth, tls=tls)
        server = self.stack.enter_context(RegistryServer(options))
        self.servers.append(server)
        known: dict[str, object] = {"registry": server.host, "tls": "enabled" if tls else "disabled", **settings}
        if login is not None:
            known |= {"user": login[0], "pass": login[1]}
            at_side = isinstance(auth, Bearer) and auth.separate_origin
            self.passwords.setdefault(server.side_host if at_side else server.host, set()).add(login)
        if isinstance(auth, Bearer):
            self.tokens.add(server.host)
        self.creds.append(known)
        return server

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        done = transship(*arguments, "-c", "mirror.yaml", "-v", "trace", cwd=self.folder, env=env)
        self.runs.append(done)
        return done

    def configure(self, source: str, target: str, kind: str = "repository") -> None:
        document = {
            "state": "state.json",
            "creds": self.creds,
            "sync": [{"source": source, "target": target, "type": kind}],
        }
        (self.folder / "mirror.yaml").write_text(json.dumps(document))  # JSON is YAML

    def mirror(
        self,
        source: RegistryServer,
        target: RegistryServer,
        env: Mapping[str, str] | None = None,
        *,
        more: bool = False,
    ) -> list[int]:
        """Plan and apply, and with `more` check and look for drift; return the exit codes."""
        self.configure(f"{source.host}/team/app", f"{target.host}/mirror/app")
        commands = [["plan", "-o", "plan.json"], ["apply", "plan.json"], ["check"], ["drift"]]
        return [self.run(*arguments, env=env).code for arguments in commands[: 4 if more else 2]]

    def shown(self) -> set[tuple[str, str]]:
        """Return which kinds of secrets were shown, and where."""
        return {(each.scheme, each.origin) for server in self.servers for each in server.requests.credentials}

    def check(self, secrets: Iterable[str] = ()) -> None:
        """Fail if a secret went astray, or can be read in anything that the program wrote."""
        seen = [each for server in self.servers for each in server.requests.credentials]
        for each in seen:
            if each.scheme in {"basic", "password"}:
                assert (each.user, each.secret) in self.passwords.get(each.origin, set()), f"{each} went astray"
            elif each.scheme == "bearer":
                assert each.origin in self.tokens, f"a token went to {each.origin}{each.path}"
            else:
                assert (each.scheme, each.secret) == ("refresh_token", IDENTITY), f"{each} went astray"
        origins: dict[str, set[str]] = {}
        for each in seen:
            if each.scheme == "bearer":
                origins.setdefault(each.secret, set()).add(each.origin)
        assert [found for found in origins.values() if len(found) > 1] == [], "one token for two origins"
        hidden = {*PASSWORDS, *secrets, *(each.secret for each in seen if each.secret)}
        hidden |= {base64.b64encode(f"{each.user}:{each.secret}".encode()).decode() for each in seen}
        written = [text for done in self.runs for text in (done.out, done.err)]
        inputs = {"mirror.yaml", "config.json"}
        written += [
            path.read_text("utf-8", "replace")
            for path in self.folder.rglob("*")
            if path.name not in inputs and path.is_file()
        ]
        assert [secret for secret in hidden if any(secret in text for text in written)] == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def publish(server: RegistryServer) -> None:
    server.store.add_image("team/app", "v1", IMAGE)


DONE = [0, 0]


def test_basic_passwords_go_to_their_own_registry(world: World) -> None:
    source = world.start(Basic(users=dict([SOURCE])), SOURCE)
    target = world.start(Basic(users=dict([TARGET])), TARGET)
    publish(source)
    assert world.mirror(source, target, more=True) == [*DONE, 0, 0]
    assert world.shown() == {("basic", source.host), ("basic", target.host)}
    world.check()


def test_tokens_go_to_the_registry_that_they_are_for(world: World) -> None:
    """The password goes to the token service only, which here is the registry's own origin."""
    source = world.start(Bearer(users=dict([SOURCE])), SOURCE)
    target = world.start(Bearer(users=dict([TARGET])), TARGET)
    publish(source)
    assert world.mirror(source, target, more=True) == [*DONE, 0, 0]
    for server in (source, target):
        paths = {each.path for each in server.requests.credentials if each.scheme == "basic"}
        assert paths == {"/token"}
    assert world.shown() == {(scheme, server.host) for scheme in ("basic", "bearer") for server in (source, target)}
    world.check()


def test_a_token_service_elsewhere_sees_the_password_and_no_token(world: World) -> None:
    source = world.start(Bearer(users=dict([SOURCE]), separate_origin=True), SOURCE)
    target = world.start(Bearer(users=dict([TARGET]), separate_origin=True), TARGET)
    publish(source)
    assert world.mirror(source, target) == DONE
    assert world.shown() == {
        *(("basic", server.side_host) for server in (source, target)),
        *(("bearer", server.host) for server in (source, target)),
    }
    world.check()


@pytest.mark.parametrize("auth", [Basic(users=dict([SOURCE])), Bearer(users=dict([SOURCE]))], ids=["basic", "bearer"])
def test_storage_that_blobs_are_redirected_to_sees_nothing(world: World, auth: Auth) -> None:
    source, target = world.start(auth, SOURCE), world.start()
    source.faults.add(RedirectBlobs())
    publish(source)
    assert world.mirror(source, target) == DONE
    assert source.requests.count("GET", "^/cdn/") == len(list(IMAGE.all_blobs()))
    assert source.side_host not in {origin for _, origin in world.shown()}
    world.check()


def test_storage_and_token_service_at_one_origin_are_told_apart(world: World) -> None:
    """The password goes there for a token, and no header comes along for a blob."""
    source, target = world.start(Bearer(users=dict([SOURCE]), separate_origin=True), SOURCE), world.start()
    source.faults.add(RedirectBlobs())
    publish(source)
    assert world.mirror(source, target) == DONE
    at_side = [each for each in source.requests if each.origin == source.side_host]
    assert {each.route.endpoint for each in at_side if each.credentials} == {Endpoint.TOKEN}
    assert {each.route.endpoint for each in at_side} == {Endpoint.TOKEN, Endpoint.CDN}
    world.check()


@pytest.mark.parametrize("own", [True, False], ids=["with its own login", "without a login"])
def test_a_mirror_sees_its_own_login_or_none(world: World, *, own: bool) -> None:
    """Never that of the registry which it mirrors."""
    login = MIRROR if own else None
    near = world.start(Basic(users=dict([MIRROR])) if own else None, login)
    source = world.start(Basic(users=dict([SOURCE])), SOURCE, mirrors=[near.host])
    target = world.start(Basic(users=dict([TARGET])), TARGET)
    for server in (near, source):
        publish(server)
    assert world.mirror(source, target) == DONE
    assert near.requests.count("GET", "/blobs/", 200) == len(list(IMAGE.all_blobs()))
    assert (("basic", near.host) in world.shown()) is own
    world.check()


def test_a_mirror_that_asks_for_a_login_does_not_get_that_of_another(world: World) -> None:
    near = world.start(Basic(users=dict([MIRROR])))
    source = world.start(Basic(users=dict([SOURCE])), SOURCE, mirrors=[near.host])
    target = world.start()
    publish(source)
    assert world.mirror(source, target) == DONE
    assert near.requests.count(status=401) > 0
    assert world.shown() == {("basic", source.host)}
    world.check()


def test_an_identity_token_goes_to_the_token_service(world: World) -> None:
    """It comes from docker's login file, and what is made of it is a token like any."""
    source = world.start(Bearer(users=dict([SOURCE]), refresh_tokens={IDENTITY: SOURCE[0]}))
    target = world.start()
    publish(source)
    auths = {source.host: {"identitytoken": IDENTITY}, target.host: {}}
    (world.folder / "config.json").write_text(json.dumps({"auths": auths}))
    assert world.mirror(source, target, env={"DOCKER_CONFIG": str(world.folder)}) == DONE
    assert world.shown() == {("refresh_token", source.host), ("bearer", source.host)}
    world.check([IDENTITY])


def test_secrets_of_the_environment_are_told_apart_by_registry(world: World) -> None:
    source = world.start(Basic(users=dict([SOURCE])))
    target = world.start(Basic(users=dict([TARGET])))
    publish(source)
    env: dict[str, str] = {}
    for server, login in ((source, SOURCE), (target, TARGET)):
        name = server.host.replace(".", "_").replace(":", "_")
        env |= {f"TRANSSHIP_{name}_USERNAME": login[0], f"TRANSSHIP_{name}_PASSWORD": login[1]}
        world.passwords[server.host] = {login}
    assert world.mirror(source, target, env) == DONE
    world.check()


def redirecting(location: str, **where: object) -> FailRequests:
    return FailRequests(status=307, headers={"Location": location}, **where)  # type: ignore[arg-type]  # as given


def authority_of(world: World) -> tuple[Tls, str]:
    authority = CertificateAuthority(world.folder / "ca")
    pair = authority.server()
    return Tls(certificate=pair.certificate, key=pair.key), authority.certificate.read_text()


def test_nobody_is_followed_from_https_to_http(world: World) -> None:
    """The place without encryption is not even contacted."""
    files, ca = authority_of(world)
    source = world.start(Basic(users=dict([SOURCE])), SOURCE, tls_files=files, regcert=ca)
    eavesdropper, target = world.start(), world.start()
    publish(source)
    source.faults.add(redirecting(f"{eavesdropper.url}/stolen", endpoints=(Endpoint.BLOB,)))
    assert world.mirror(source, target)[1] == 1
    applied = world.runs[1]
    assert re.fullmatch(
        rf"failed: {target.host}/mirror/app:v1: GET blob {source.host}/team/app@sha256:[0-9a-f]{{64}}: "
        r"HTTP 307, a redirect that is not followed: "
        rf"it leads from https to {eavesdropper.url}/stolen, which is not encrypted\n"
        r"Apply: 0 applied, 0 already as planned, 1 failed\.\n",
        applied.out,
    )
    assert list(eavesdropper.requests) == []
    world.check()


def test_no_password_goes_to_a_token_service_without_encryption(world: World) -> None:
    files, ca = authority_of(world)
    source = world.start(Basic(users=dict([SOURCE])), SOURCE, tls_files=files, regcert=ca)
    eavesdropper, target = world.start(), world.start()
    publish(source)
    challenge = f'Bearer realm="{eavesdropper.url}/token",service="x"'
    source.faults.add(FailRequests(status=401, headers={"WWW-Authenticate": challenge}))
    assert world.mirror(source, target)[0] == 1
    assert (
        "the registry's token service 127.0.0.1 is reached by plain http, no credential is sent there; "
        "the registry must name an https realm (behind a proxy it may need X-Forwarded-Proto)\n"
    ) in world.runs[0].out
    assert list(eavesdropper.requests) == []
    world.check()


def test_a_place_that_a_registry_points_to_gets_no_login(world: World) -> None:
    """Not by a redirect, a next page, an upload location or a challenge of its own."""
    stranger = world.start(Basic(users={"eve": "eve"}))
    source = world.start(Basic(users=dict([SOURCE])), SOURCE)
    target = world.start(Basic(users=dict([TARGET])), TARGET)
    publish(source)
    source.store.add_image("team/app", "v2", images.single("second"))
    target.faults.add(
        FailRequests(
            status=202, headers={"Location": f"{stranger.url}/v2/a/blobs/uploads/1"}, endpoints=(Endpoint.UPLOADS,)
        )
    )
    codes = [world.mirror(source, target)[1]]
    assert stranger.requests.count("PUT") > 0
    source.faults.add(redirecting(f"{stranger.url}/elsewhere", endpoints=(Endpoint.MANIFEST,)))
    codes.append(world.mirror(source, target)[0])
    assert stranger.requests.count("HEAD", "^/elsewhere") > 0
    source.faults.clear()
    source.faults.add(PageLinks(style=LinkStyle.CROSS_ORIGIN, page_size=1))
    codes.append(world.mirror(source, target)[0])
    assert codes == [1, 1, 1]
    assert {origin for _, origin in world.shown()} == {source.host, target.host}
    world.check()


def test_wrong_passwords_are_as_secret_as_right_ones(world: World) -> None:
    wrong = (SOURCE[0], f"{SOURCE[1]}-wr0ng")
    source, target = world.start(Bearer(users=dict([SOURCE])), wrong), world.start()
    publish(source)
    assert world.mirror(source, target)[0] == 1
    assert (
        f"log in to {source.host} as {wrong[0]} at http://{source.host}/token: "
        "HTTP 401: UNAUTHORIZED: incorrect user name or password; "
        "the credential is from creds[0] (mirror.yaml:1): correct it there"
    ) in world.runs[0].out
    world.check([wrong[1]])
