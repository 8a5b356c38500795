"""Logins that were refused: none is tried again, for accounts lock; and no good credential is taken for a bad one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.registry_server.faults import FailRequests
from support.registry_server.options import Basic, Bearer, Options
from support.registry_server.recording import Recorded
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import AuthenticationError, TransshipError
from transship_registry.hosts import Credential, HostSettings
from transship_registry.login.logins import FoundCredential
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret

GOOD = Credential(user="ann", password=Secret("secret"))
WRONG = Credential(user="ann", password=Secret("wr0ng"))
IMAGE = images.single()
TAGS = [f"v{number}" for number in range(20)]
NAMES = [f"team/app{number}" for number in range(6)]
PASSWORDS = Basic(users={"ann": "secret"})
TOKENS = Bearer(users={"ann": "secret"})
BOTH = pytest.mark.parametrize("auth", [PASSWORDS, TOKENS], ids=["basic", "tokens"])
ASKS_FOR_PASSWORD = {"WWW-Authenticate": 'Basic realm="r"'}
FROM = "the credential is from the configuration: correct it there"


def served(auth: Basic | Bearer) -> RegistryServer:
    server = RegistryServer(Options(auth=auth))
    for name in NAMES:
        for tag in TAGS:
            server.store.add_image(name, tag, IMAGE)
    return server


def of(server: RegistryServer, names: Sequence[str], tags: Sequence[str] = TAGS) -> list[Reference]:
    return [Repository(server.host, name).tag(tag) for name in names for tag in tags]


def ask(
    server: RegistryServer, *rounds: Sequence[Reference], credential: Credential = WRONG, at_once: bool = True
) -> list[str]:
    """Ask for manifests, those of a round at once or one after the other, and return what went wrong."""

    async def scenario() -> list[str]:
        said: list[str] = []
        async with HttpRegistry(
            {server.host: plain(server, credential=credential)}, timing=FakeTime().timing
        ) as client:
            for references in rounds:
                for together in [references] if at_once else [[each] for each in references]:
                    asked = [client.head_manifest(reference) for reference in together]
                    found = await asyncio.gather(*asked, return_exceptions=True)
                    said += [str(each) for each in found if isinstance(each, TransshipError)]
        return said

    return asyncio.run(scenario())


def what_is_said(auth: Basic | Bearer, host: str) -> str:
    if auth is PASSWORDS:
        return f"log in to {host} as ann: HTTP 401 Unauthorized; {FROM}"
    answer = "HTTP 401: UNAUTHORIZED: incorrect user name or password"
    return f"log in to {host} as ann at http://{host}/token: {answer}; {FROM}"


def refused(server: RegistryServer) -> list[Recorded]:
    """Return the logins that the server has refused, as an account that locks counts them."""
    shown = [each for each in server.requests if any(found.scheme == "basic" for found in each.credentials)]
    return [each for each in shown if each.status in {401, 403}]


@BOTH
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_wrong_password_is_shown_once_for_all_tags_of_a_repository(auth: Basic | Bearer, at_once: bool) -> None:
    """And all say the same of it."""
    with served(auth) as server:
        said = ask(server, of(server, NAMES[:1]), at_once=at_once)
        assert len(refused(server)) == 1
        assert (len(said), set(said)) == (20, {what_is_said(auth, server.host)})


@BOTH
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_wrong_password_is_shown_twice_however_many_repositories_there_are(
    auth: Basic | Bearer, at_once: bool
) -> None:
    """The second time for none of them, as `docker login` does: then it is known to be wrong for all."""
    with served(auth) as server:
        said = ask(server, of(server, NAMES), of(server, NAMES), at_once=at_once)
        assert [each.path for each in refused(server)][1:] == ["/v2/" if auth is PASSWORDS else "/token"]
        assert "scope" not in refused(server)[1].query
        assert (len(said), set(said)) == (240, {what_is_said(auth, server.host)})


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
@BOTH
def test_a_repository_that_a_good_credential_may_not_read_condemns_no_other(
    auth: Basic | Bearer, status: int, is_first: bool
) -> None:
    """Be it the first that is asked for; some registries and token services answer 401 then."""
    with served(auth) as server:
        server.faults.add(denying(auth, status))
        good, bad = of(server, NAMES[1:]), of(server, NAMES[:1])
        said = ask(server, *([bad, good] if is_first else [good, bad]), credential=GOOD)
        assert (len(said), [line for line in said if "team/app0" not in line and "as ann" not in line]) == (20, [])
        if auth is TOKENS or (is_first and status == 401):
            assert len(refused(server)) == 1


def denying(auth: Basic | Bearer, status: int) -> FailRequests:
    """Return that a repository is refused by the registry or by its token service, whoever asks."""
    if auth is TOKENS:
        return FailRequests(status=status, endpoints=(Endpoint.TOKEN,), path="app0")
    return FailRequests(status=status, repository=NAMES[0], headers=ASKS_FOR_PASSWORD)


def test_a_password_that_neither_a_repository_nor_the_root_takes_is_wrong() -> None:
    """The root of some registries answers everybody: then each repository is asked once."""
    with served(PASSWORDS) as server:
        server.faults.add(FailRequests(status=200, endpoints=(Endpoint.BASE,)))
        said = ask(server, of(server, NAMES))
        assert (len(said), len(refused(server))) == (120, len(NAMES))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_service_in_trouble_refuses_no_login(status: int) -> None:
    """What is asked for later gets its token."""
    with served(TOKENS) as server:
        server.faults.add(FailRequests(status=status, endpoints=(Endpoint.TOKEN,), times=5))
        said = ask(server, of(server, NAMES[:1], TAGS[:1]), of(server, NAMES), credential=GOOD)
        assert len(said) == 1
        assert f"HTTP {status}" in said[0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_in_trouble_refuses_no_password(status: int) -> None:
    """Nor does it accept one: the next request is still the only one to show it."""
    with served(PASSWORDS) as server:
        server.faults.add(FailRequests(status=status, skip=1, times=5))
        said = ask(server, of(server, NAMES[:1], TAGS[:1]), of(server, NAMES[:1]), credential=WRONG)
        assert f"HTTP {status}" in said[0]
        assert (len(said), [each.status for each in refused(server)]) == (21, [401])


@dataclass
class Helper:
    """A credential helper, and its answer."""

    credential: Credential | None = WRONG
    source: str = "the credential helper docker-credential-x"

    async def credential_for(self, registry: str, repository_path: str) -> FoundCredential:
        return self


def test_a_refused_password_is_replaced_by_that_of_a_helper() -> None:
    """Its answers expire, and the next one may be right."""

    async def scenario(server: RegistryServer, helper: Helper) -> None:
        settings = {server.host: plain(server)}
        async with HttpRegistry(settings, credentials=helper, timing=FakeTime().timing) as client:
            reference = Repository(server.host, NAMES[0]).tag("v1")
            with pytest.raises(AuthenticationError, match=f"the credential is from {helper.source}: correct it there"):
                await client.head_manifest(reference)
            helper.credential = GOOD
            assert await client.head_manifest(reference) is not None

    for auth in (PASSWORDS, TOKENS):
        with served(auth) as server:
            asyncio.run(scenario(server, Helper()))
            assert len(refused(server)) == 1


def test_no_password_waits_for_one_that_was_accepted() -> None:
    """Only the first request goes alone; the others go at once as soon as its answer has begun."""

    async def scenario() -> list[int]:
        under_way: list[int] = [0, 0]
        met = asyncio.Barrier(7)

        async def answer(request: httpx.Request) -> httpx.Response:
            if "authorization" not in request.headers:
                return httpx.Response(401, headers=ASKS_FOR_PASSWORD)
            under_way[0] += 1
            if under_way[0] == 1:
                for _ in range(50):
                    await asyncio.sleep(0)
                under_way[1] = under_way[0]
            else:
                await met.wait()
            return httpx.Response(404)

        client, _ = scripted_client(answer, HostSettings(registry="r.example", credential=GOOD))
        async with client:
            asked = [client.head_manifest(Reference.parse(f"r.example/app:v{number}")) for number in range(8)]
            await asyncio.gather(*asked)
        return under_way

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == [8, 1]


def test_those_who_wait_for_a_token_service_in_trouble_are_not_tried_one_by_one() -> None:
    """The first used up all its tries meanwhile; the others go at once then."""

    async def scenario() -> list[str]:
        met = asyncio.Barrier(3)

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "r.example":
                if "authorization" in request.headers:
                    return httpx.Response(404)
                challenge = 'Bearer realm="https://auth.example/token"'
                return httpx.Response(401, headers={"WWW-Authenticate": challenge})
            if "app0" in str(request.url):
                return httpx.Response(500)
            await met.wait()
            return httpx.Response(200, json={"token": "t"})

        client, transport = scripted_client(answer, HostSettings(registry="r.example", credential=GOOD))
        async with client:
            asked = [client.head_manifest(Reference.parse(f"r.example/app{number}:v1")) for number in range(4)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert sum("app0" in line for line in transport.lines if "auth.example" in line) == 5
        return [type(each).__name__ for each in found]

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == ["RegistryError", *["NoneType"] * 3]
