"""Servers and programs that repeat the secrets they are shown: nothing that transship writes holds one."""

import base64
import json
import sys
import urllib.parse
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import images
from support.program import Done, transship
from support.registry_server.faults import RepeatCredentials
from support.registry_server.options import Anonymous, Auth, Basic, Bearer, Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.errors import RegistryError
from transship_registry.foreign import one_line
from transship_registry.hosts import Credential
from transship_registry.secret import Secret, hide, know_login

USER = "ann"
PASSWORD = "p4ss/w+rd&s=3cret"
IDENTITY = "1dentity/t0ken+of=ann"
IMAGE = images.single("app", size=3000)


@dataclass
class World:
    """A source that repeats secrets, a target, and every run of the program."""

    folder: Path
    source: RegistryServer
    target: RegistryServer
    runs: list[Done] = field(default_factory=list[Done])

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        done = transship(*arguments, "-c", "mirror.yaml", "-v", "debug", cwd=self.folder, env=env)
        self.runs.append(done)
        return done

    def configure(self, **login: str) -> None:
        creds = [{"registry": server.host, "tls": "disabled", **login} for server in (self.source, self.target)]
        entry = {"source": f"{self.source.host}/team/app", "target": f"{self.target.host}/team/app"}
        document = {"state": "state.json", "creds": creds, "sync": [{**entry, "type": "repository"}]}
        (self.folder / "mirror.yaml").write_text(json.dumps(document))  # JSON is YAML

    def shown(self) -> set[str]:
        """Return each form of each secret that a server was shown, and of each state of an upload."""
        requests = [each for server in (self.source, self.target) for each in server.requests]
        secrets = {PASSWORD, IDENTITY, f"{USER}:{PASSWORD}"}
        secrets |= {each.secret for server in (self.source, self.target) for each in server.requests.credentials}
        secrets |= {value for each in requests for value in urllib.parse.parse_qs(each.query).get("_state", [])}
        return {form for secret in secrets if secret for form in forms(secret)}

    def check(self) -> None:
        """Fail if anything that was written holds a secret, or if no server has repeated one."""
        assert sum(server.faults.hits(RepeatCredentials) for server in (self.source, self.target)) > 0
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != "mirror.yaml"]
        written = [text for done in self.runs for text in (done.out, done.err)]
        written += [path.read_text("utf-8", "replace") for path in files]
        assert [form for form in self.shown() if any(form in text for text in written)] == []


def forms(secret: str) -> list[str]:
    packed = [encode(secret.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    return [secret, urllib.parse.quote(secret, safe=""), *packed, *(text.rstrip("=") for text in packed)]


@contextmanager
def world(folder: Path, auth: Auth) -> Generator[World]:
    with RegistryServer(Options(auth=auth)) as source, RegistryServer(Options(auth=auth)) as target:
        source.store.add_image("team/app", "one", IMAGE)
        yield World(folder, source, target)


USERS = {USER: PASSWORD}


@pytest.mark.parametrize(
    ("auth", "places", "status"),
    [
        (Basic(users=USERS), (Endpoint.MANIFEST, Endpoint.TAGS), 403),
        (Bearer(users=USERS), (Endpoint.MANIFEST, Endpoint.TAGS), 400),
        (Bearer(users=USERS), (Endpoint.TOKEN,), 403),
        (Bearer(users=USERS), (Endpoint.TOKEN,), 302),
    ],
    ids=["basic", "tokens", "token service", "redirect of the token service"],
)
def test_what_a_source_repeats_is_not_written(
    tmp_path: Path, auth: Auth, places: tuple[Endpoint, ...], status: int
) -> None:
    """Neither on the terminal, nor in a log of either format, nor in plan, report or state."""
    with world(tmp_path, auth) as each:
        each.configure(**{"user": USER, "pass": PASSWORD})
        each.source.faults.add(RepeatCredentials(endpoints=places, status=status))
        assert each.run("plan", "-o", "plan.json").code == 1
        assert each.run("check", "--format", "json", "--logopt", "json").code == 1
        each.check()


def test_what_a_target_repeats_of_an_upload_is_not_written(tmp_path: Path) -> None:
    """The state of an upload is the registry's own secret."""
    with world(tmp_path, Bearer(users=USERS)) as each:
        each.configure(**{"user": USER, "pass": PASSWORD})
        each.target.faults.add(RepeatCredentials(endpoints=(Endpoint.UPLOAD,), status=400))
        assert each.run("once").code == 1
        each.check()


def test_an_identity_token_that_is_repeated_is_not_written(tmp_path: Path) -> None:
    with world(tmp_path, Bearer(refresh_tokens={IDENTITY: USER}, users=USERS)) as each:
        each.configure(token=IDENTITY)
        each.source.faults.add(RepeatCredentials(endpoints=(Endpoint.TOKEN,)))
        assert each.run("plan", "-o", "plan.json").code == 1
        each.check()


@pytest.mark.parametrize(
    "said",
    [
        f"cannot unlock: {PASSWORD}",
        f"the password is {PASSWORD} and was refused",
        f"secret={PASSWORD} for {USER}",
        PASSWORD,
        "hunter",
        f'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}',
        "invalid token: hunter",
    ],
)
def test_what_a_credential_helper_prints_when_it_fails_is_no_secret(tmp_path: Path, said: str) -> None:
    """By the protocol it prints errors where it prints secrets; of an error, plain words are shown."""
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!{sys.executable}\nprint({said!r})\nraise SystemExit(3)\n")
    helper.chmod(0o755)
    with world(tmp_path, Anonymous()) as each:
        each.configure(credHelper=str(helper))
        done = each.run("plan")
        assert done.code == 1
        assert "exit code 3" in done.err + done.out
        assert PASSWORD not in done.err + done.out
        assert "hunter" not in done.err + done.out


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*\n\r"), min_size=8, max_size=30)


@given(SECRETS, SECRETS, st.text(max_size=20), st.booleans())
def test_a_known_secret_is_taken_out_of_every_text(secret: str, other: str, around: str, first: bool) -> None:
    """In each form, wherever it stands, and in whatever order secrets became known."""
    for value in (secret, other) if first else (other, secret):
        Secret(value)
    for form in forms(secret):
        assert form not in hide(f"{around}{form}{around}")
        assert form not in str(RegistryError("GET manifest", "r.example/app:1", f"{around}{form}"))


def test_a_short_secret_counts_where_it_is_a_word() -> None:
    """Otherwise `test` would make another word of `latest`; what is shorter still counts with its user alone."""
    Secret("test")
    know_login("me", Secret("ab"))
    Credential(user="you", password=Secret("xyz"))
    assert hide("latest test,test=a tested (test)") == "latest ***,***=a tested (***)"
    assert hide("ab me:ab bWU6YWI= xyz you:xyz") == "ab *** ***= xyz ***"


def test_what_only_a_server_knows_never_pushes_out_what_a_user_gave() -> None:
    Secret("the user's own")
    for number in range(2000):
        Secret(f"passing-{number}", passing=True)
    assert hide("the user's own, passing-1999, passing-0") == "***, ***, passing-0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see /next?X-Sig=abc&n=1 there", "see /next?*** there"),
        ("see https://cdn.example/x?abc", "see https://cdn.example/x?***"),
        ("proxy http://me:pw@proxy.example:3128 refused", "proxy http://***@proxy.example:3128 refused"),
        ("got Authorization: Basic bWU6cHc=", "got Authorization: Basic ***"),
        ('body {"access_token": "abc", "n": 1}', 'body {"access_token": "***", "n": 1}'),
        ("signature=abc, _state=abc; password=abc", "signature=***, _state=***; password=***"),
        ("invalid token: expired", "invalid token: expired"),
        ("token eyJhbGciOi.eyJzdWIiOi.c2ln", "token ***"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text: str, shown: str) -> None:
    """A server may repeat what another one gave it, which nobody here knows."""
    assert one_line(text) == shown
