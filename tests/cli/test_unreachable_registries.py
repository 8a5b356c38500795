"""What is said of registries that cannot be reached or refuse a login: one line each, with the way out."""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images
from support.program import transship
from support.registry_server.ca import CertificateAuthority
from support.registry_server.faults import FailRequests
from support.registry_server.options import Basic, Bearer, Options, Tls
from support.registry_server.server import RegistryServer

TAGS = [f"1.{number}" for number in range(5)]
CLASS_NAME = re.compile(r"\b[A-Z][a-z]+[A-Za-z]*(?:Error|Timeout|Exception)\b|Traceback")


@dataclass(frozen=True)
class World:
    """A source, targets that each are in another kind of trouble, and what is to be said of each."""

    folder: Path
    source: RegistryServer
    password: RegistryServer
    tokens: RegistryServer
    problems: tuple[str, ...]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    authority = CertificateAuthority(tmp_path)
    pair = authority.server()
    tls = Options(tls=Tls(certificate=pair.certificate, key=pair.key))
    users = {"ann": "secret"}
    with (
        RegistryServer() as source,
        RegistryServer(Options(auth=Basic(users=users))) as password,
        RegistryServer(Options(auth=Bearer(users=users))) as tokens,
        RegistryServer(tls) as secured,
        RegistryServer() as bare,
        socket.socket() as taken,
    ):
        for tag in TAGS:
            source.store.add_image("app", tag, images.single())
        taken.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{taken.getsockname()[1]}"
        off = {"tls": "disabled"}
        login = {"user": "ann", "pass": "wr0ng"}
        yield World(
            tmp_path,
            source,
            password,
            tokens,
            configured(
                tmp_path,
                source.host,
                (password.host, {**off, **login}, "log in to {} as ann: HTTP 401 Unauthorized; {creds}"),
                (
                    tokens.host,
                    {**off, **login},
                    "log in to {} as ann at http://{}/token: HTTP 401: UNAUTHORIZED: incorrect user name or password; "
                    "{creds}",
                ),
                (
                    free,
                    off,
                    "connect to {}: connection refused; check that the registry runs there, its name and its port",
                ),
                (
                    secured.host,
                    {},
                    "connect to {}: its certificate is not trusted (unable to get local issuer certificate); "
                    "set regcert in creds of {} to the certificate of its authority, "
                    "or set 'tls: insecure' in creds of {} to trust any certificate",
                ),
                (
                    bare.host,
                    {},
                    "connect to {}: it does not speak TLS; for plain HTTP set 'tls: disabled' in creds of {}",
                ),
            ),
        )


def configured(folder: Path, source: str, *targets: tuple[str, dict[str, str], str]) -> tuple[str, ...]:
    """Write the configuration, two entries for each target, and return the lines of its problems."""
    creds = [f"  - {json.dumps({'registry': source, 'tls': 'disabled'})}"]
    sync: list[str] = []
    lines: list[str] = []
    for position, (host, keys, problem) in enumerate(targets):
        creds.append(f"  - {json.dumps({'registry': host, **keys})}")
        entry = {"source": f"{source}/app", "type": "repository"}
        sync += [f"  - {json.dumps({**entry, 'target': f'{host}/{name}'})}" for name in ("app", "copy")]
        first = 4 + len(targets) + 1 + 2 * position
        place = f"creds[{position + 1}] (transship.yaml:{position + 4})"
        told = problem.replace("{creds}", f"the credential is from {place}: correct it there").replace("{}", host)
        counted = ", ".join(f"5 tags of sync[{2 * position + i}] (line {first + i})" for i in range(2))
        lines.append(f"problem: {told}; not looked at: {counted}")
    text = "\n".join(["defaults: {tries: 1}", "creds:", *creds, "sync:", *sync, ""])
    (folder / "transship.yaml").write_text(text)
    return tuple(lines)


@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("plan", "Plan: 0 unchanged, 5 problems."),
        ("check", "Cannot tell: 0 in sync, 5 problems."),
        ("once", "Plan: 0 unchanged, 5 problems."),
    ],
)
def test_each_cause_is_said_once(world: World, command: str, last: str) -> None:
    """On standard output alone, in plain words; a wrong password is shown twice at most."""
    done = transship(command, cwd=world.folder)
    lines = done.out.splitlines()
    assert (done.code, sorted(line for line in lines if line.startswith("problem: "))) == (1, sorted(world.problems))
    assert last in lines
    expected = "error: not everything could be planned: the plan names 5 problems\n" if command == "once" else ""
    assert done.err == expected
    assert CLASS_NAME.search(done.out + done.err) is None
    for server in (world.password, world.tokens):
        shown = [each for each in server.requests if any(found.scheme == "basic" for found in each.credentials)]
        assert [each.status for each in shown] == [401, 401]


def test_a_target_that_wants_a_login_by_then_fails_all_its_changes_in_one_line(tmp_path: Path) -> None:
    """The progress says that they failed, and the summary why."""
    with RegistryServer() as source, RegistryServer() as target:
        for tag in TAGS:
            source.store.add_image("app", tag, images.single())
        lines = [f"  - {json.dumps({'registry': each.host, 'tls': 'disabled'})}" for each in (source, target)]
        entry = {"source": f"{source.host}/app", "target": f"{target.host}/app", "type": "repository"}
        text = "\n".join(["defaults: {tries: 1}", "creds:", *lines, "sync:", f"  - {json.dumps(entry)}", ""])
        (tmp_path / "transship.yaml").write_text(text)
        assert transship("plan", "-o", "plan.json", cwd=tmp_path).code == 0
        target.faults.add(FailRequests(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'}))
        done = transship("apply", "plan.json", cwd=tmp_path)
        host = target.host
    first, total = done.out.splitlines()
    assert (done.code, total) == (1, "Apply: 0 applied, 0 already as planned, 5 failed.")
    name, _, why = first.removeprefix("failed: ").partition(" and 4 other changes: ")
    assert why == (
        f"log in to {host} (repository:app:pull): the registry asks for user and password; no credential for this "
        "registry was found: log in with docker login, or set creds or the environment"
    )
    assert name in {f"{host}/app:{tag}" for tag in TAGS}
    progress = rf"failed: {re.escape(host)}/app:1\.[0-4] → sha256:[0-9a-f]{{12}} \(see the summary\)\n"
    assert re.fullmatch(progress, done.err) is not None
