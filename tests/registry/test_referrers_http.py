"""Referrers over HTTP: pages, filters, what is taken for a missing API, and the referrers tag with several writers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from support import images
from support.http_client import FakeTime, plain, scripted_client
from support.images import Image
from support.registry_server.faults import (
    Fault,
    ImmutableTags,
    LinkStyle,
    NoReferrers,
    OverwriteTag,
    PageLinks,
    ReplaceBody,
)
from support.registry_server.options import Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import NotFoundError, RegistryError, UnsupportedError
from transship_registry.hosts import HostSettings
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from transship_registry.reference import Repository
from transship_registry.referrers.lists import Via

SBOM, SIGNATURE = "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"
IMAGE = images.single("signed")
DIGEST = Digest.parse(IMAGE.digest)
PATH = "team/app"
SCRIPTED = Repository.parse("r.example/team/app")
WITHOUT_API = Options(referrers_api=False)

Scenario = Callable[[HttpRegistry, Repository], Awaitable[None]]


def run(scenario: Scenario, server: RegistryServer, time: FakeTime | None = None, *hosts: HostSettings) -> None:
    async def connected() -> None:
        settings = {each.registry: each for each in (plain(server), *hosts)}
        async with (
            asyncio.timeout(60),
            HttpRegistry(settings, timing=(time or FakeTime()).timing) as client,
        ):
            await scenario(client, Repository(server.host, PATH))

    asyncio.run(connected())


def artifacts(number: int, artifact_type: str = SBOM, subject: Image = IMAGE) -> list[Image]:
    return [images.artifact(subject, artifact_type=artifact_type, seed=f"{artifact_type}{n}") for n in range(number)]


def served(*faults: Fault, options: Options | None = None, referrers: int = 0) -> RegistryServer:
    server = RegistryServer(options, faults=faults)
    server.store.add_image(PATH, "v1", IMAGE, referrers=artifacts(referrers))
    return server


async def store(client: HttpRegistry, repository: Repository, *referrers: Image) -> None:
    """Store artifacts whose blobs are not checked."""
    for image in referrers:
        manifest = Manifest.parse(image.raw, image.media_type, where="test")
        await client.put_manifest(repository.at(manifest.digest), manifest)


def digests(listed: tuple[Descriptor, ...]) -> set[str]:
    return {str(each.digest) for each in listed}


def lines(server: RegistryServer) -> list[str]:
    """Return what was asked about, without the digests of the manifests put."""
    return [line.replace(IMAGE.digest, "DIGEST") for line in server.requests.lines]


def entry(image: Image, **changes: object) -> dict[str, object]:
    return {**image.descriptor(), **changes}


def page(*entries: dict[str, object], **headers: str) -> httpx.Response:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, headers={"content-type": OCI_INDEX, **named}, json=document)


@pytest.mark.parametrize("style", [LinkStyle.RELATIVE, LinkStyle.ABSOLUTE, LinkStyle.OPAQUE])
def test_pages_are_followed_however_their_links_are_written(style: LinkStyle) -> None:
    """But for a bare `sha256:…?last=`: by RFC 3986 that is a URL of the scheme "sha256", and the list incomplete."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, DIGEST)
        assert (len(found.descriptors), found.complete, found.via) == (5, True, Via.API)

    with served(PageLinks(style=style), referrers=5) as server:
        run(scenario, server)
        assert server.requests.count("GET", "/referrers/") == 3


@pytest.mark.parametrize(
    ("style", "number", "problem"),
    [
        (LinkStyle.LOOPING, 5, "the link to the next page leads back to a page that was read already"),
        (LinkStyle.CROSS_ORIGIN, 2, "the link to the next page is not followed: it leads to "),
        (LinkStyle.RELATIVE_PATH, 2, "the link to the next page is not followed: its scheme 'sha256' is neither http"),
        (LinkStyle.MALFORMED, 2, "the Link header '"),
        (LinkStyle.BROKEN, 2, "HTTP 500 UNKNOWN: internal error while reading the next page"),
    ],
)
def test_a_list_whose_pages_go_wrong_is_incomplete(style: LinkStyle, number: int, problem: str) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, DIGEST)
        assert (len(found.descriptors), found.complete) == (number, False)
        assert found.problem.startswith(f"GET referrers {repository.at(DIGEST)}: {problem}")

    with served(PageLinks(style=style), referrers=5) as server:
        run(scenario, server)


def test_a_page_that_is_not_found_is_no_end_of_the_list() -> None:
    async def scenario() -> None:
        link = f'</v2/team/app/referrers/{DIGEST}?page=2>; rel="next"'
        client, _ = scripted_client([page(entry(artifacts(1)[0]), link=link), httpx.Response(404)])
        async with client:
            found = await client.list_referrers(SCRIPTED, DIGEST)
        assert (len(found.descriptors), found.complete) == (1, False)
        assert found.problem == f"GET referrers r.example/team/app@{DIGEST}: HTTP 404 Not Found"

    asyncio.run(scenario())


def test_a_referrer_on_two_pages_is_listed_once() -> None:
    async def scenario() -> None:
        one, two = artifacts(2)
        link = f'</v2/team/app/referrers/{DIGEST}?page=2>; rel="next"'
        client, _ = scripted_client([page(entry(one), entry(one), link=link), page(entry(two), entry(one))])
        async with client:
            found = await client.list_referrers(SCRIPTED, DIGEST)
        assert [str(each.digest) for each in found.descriptors] == [one.digest, two.digest]

    asyncio.run(scenario())


@pytest.mark.parametrize("applied", ["", "artifactType", "annotations, artifactType"])
def test_a_filter_is_sent_and_applied_here_where_the_registry_has_not(applied: str) -> None:
    """What the registry says it has filtered is believed; what does not show its type is kept: its manifest does."""

    async def scenario() -> None:
        sbom, untyped, signature = entry(artifacts(1)[0]), entry(artifacts(2)[1]), entry(artifacts(1, SIGNATURE)[0])
        del untyped["artifactType"]
        headers = {"oci_filters_applied": applied} if applied else {}
        shown = (sbom, untyped) if applied else (sbom, untyped, signature)
        client, transport = scripted_client([page(*shown, **headers)])
        async with client:
            found = await client.list_referrers(SCRIPTED, DIGEST, "application/vnd.example.sbom.v1")
        assert digests(found.descriptors) == {str(sbom["digest"]), str(untyped["digest"])}
        assert transport.lines == [
            f"GET https://r.example/v2/team/app/referrers/{DIGEST}?artifactType=application/vnd.example.sbom.v1"
        ]
        assert transport.requests[0].headers["accept"] == OCI_INDEX

    asyncio.run(scenario())


def test_a_filter_with_a_plus_arrives_as_it_is() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, DIGEST, "application/spdx+json")
        assert len(found.descriptors) == 1

    with served() as server:
        server.store.add_image(PATH, None, artifacts(1, "application/spdx+json")[0])
        run(scenario, server)
        assert server.requests.count("GET", "/referrers/") == 1


def test_a_missing_api_is_remembered_for_five_minutes_and_for_each_repository() -> None:
    time = FakeTime()

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        for _ in range(2):
            assert (await client.list_referrers(repository, DIGEST)).via is Via.TAG
        time.now += 299
        await client.list_referrers(repository, DIGEST)
        assert server.requests.count("GET", "/referrers/") == 1
        time.now += 1
        await client.list_referrers(repository, DIGEST)
        assert server.requests.count("GET", "/referrers/") == 2
        await client.list_referrers(Repository(repository.registry, "team/other"), DIGEST)
        assert server.requests.count("GET", "/referrers/") == 3

    with served(options=WITHOUT_API) as server:
        server.store.create_repository("team/other")
        run(scenario, server, time)


def test_an_api_that_shows_itself_is_asked_again_at_once() -> None:
    """`OCI-Subject` in the answer to a push proves that the API is there after all."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        assert (await client.list_referrers(repository, DIGEST)).via is Via.TAG
        await store(client, repository, *artifacts(1))
        found = await client.list_referrers(repository, DIGEST)
        assert (len(found.descriptors), found.via) == (1, Via.API)

    with served(NoReferrers(times=1), options=Options(check_references=False)) as server:
        run(scenario, server)


def test_a_repository_that_is_yet_to_be_made_says_nothing_about_the_api() -> None:
    unknown = {"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}

    async def scenario() -> None:
        client, transport = scripted_client(
            [httpx.Response(404, json=unknown), httpx.Response(404, json=unknown), page(entry(artifacts(1)[0]))]
        )
        async with client:
            assert (await client.list_referrers(SCRIPTED, DIGEST)).descriptors == ()
            assert len((await client.list_referrers(SCRIPTED, DIGEST)).descriptors) == 1
        tag = f"sha256-{DIGEST.hex}"
        assert [line.rpartition("/")[2] for line in transport.lines] == [str(DIGEST), tag, str(DIGEST)]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(405),
        httpx.Response(406),
        httpx.Response(501),
        httpx.Response(303, headers={"location": "https://web.example/-/v2/packages/referrers"}),
        httpx.Response(200, headers={"content-type": "text/html"}, text="<html>a page about packages</html>"),
        httpx.Response(200, headers={"content-type": "application/json"}, json={"referrers": []}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.headers.get('content-type', '')}",
)
def test_what_registries_without_the_api_answer_leads_to_the_referrers_tag(answer: httpx.Response) -> None:
    sbom = artifacts(1)[0]

    async def scenario() -> None:
        client, transport = scripted_client([answer, page(entry(sbom))])
        async with client:
            found = await client.list_referrers(SCRIPTED, DIGEST)
        assert (digests(found.descriptors), found.via, found.complete) == ({sbom.digest}, Via.TAG, True)
        assert transport.lines[1] == f"GET https://r.example/v2/team/app/manifests/sha256-{DIGEST.hex}"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            403,
            "HTTP 403 DENIED: no; no credential for this registry was found: log in with docker login, or set creds or "
            "the environment",
        ),
        (500, "HTTP 500 DENIED: no; the registry is failing: try again later"),
    ],
)
def test_a_refusal_is_not_taken_for_a_missing_api(status: int, message: str) -> None:
    async def scenario() -> None:
        refusal = {"errors": [{"code": "DENIED", "message": "no"}]}
        client, _ = scripted_client(lambda _: httpx.Response(status, json=refusal))
        async with client:
            with pytest.raises(RegistryError) as caught:
                await client.list_referrers(SCRIPTED, DIGEST)
        assert caught.value.status == status
        assert str(caught.value) == f"GET referrers r.example/team/app@{DIGEST}: {message}"

    asyncio.run(scenario())


def test_an_answer_that_claims_to_be_an_index_must_be_one() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await client.list_referrers(repository, DIGEST)
        assert str(caught.value) == (
            f"GET referrers {repository.at(DIGEST)}: the answer is no OCI index: "
            "Object missing required field `manifests`"
        )

    with served(ReplaceBody(body=b"{}", content_type=OCI_INDEX, endpoints=(Endpoint.REFERRERS,))) as server:
        run(scenario, server)


def test_a_list_may_be_null_where_nothing_is_listed() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, DIGEST)
        assert (found.descriptors, found.complete) == ((), True)

    body = b'{"schemaVersion":2,"manifests":null}'
    with served(ReplaceBody(body=body, content_type=OCI_INDEX, endpoints=(Endpoint.REFERRERS,))) as server:
        run(scenario, server)


@pytest.mark.parametrize(
    ("other", "media_type"),
    [
        (images.single("other"), OCI_MANIFEST),
        (images.multi_platform("other", dialect=images.Dialect.DOCKER), DOCKER_LIST),
    ],
    ids=["manifest", "docker list"],
)
def test_something_else_under_the_referrers_tag_is_told_and_left_alone(other: Image, media_type: str) -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        tag = repository.tag(IMAGE.referrers_tag)
        problem = (
            f"GET referrers tag {tag}: it is a {media_type}, expected {OCI_INDEX}; the tag is kept for the list of "
            "referrers: give what is there another tag, and remove this one"
        )
        found = await client.list_referrers(repository, DIGEST)
        assert (found.descriptors, found.complete, found.via) == ((), False, Via.TAG)
        assert found.problem == (
            f"GET referrers {repository.at(DIGEST)}: there is no referrers API, and the tag is of no use: {problem}"
        )
        with pytest.raises(UnsupportedError) as caught:
            await store(client, repository, *artifacts(1))
        assert str(caught.value) == problem

    with served(options=Options(referrers_api=False, check_references=False)) as server:
        server.store.add_image(PATH, IMAGE.referrers_tag, other)
        run(scenario, server)
        assert server.store.tags(PATH)[IMAGE.referrers_tag] == other.digest


def test_a_registry_with_the_api_is_spared_the_referrers_tag() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await store(client, repository, *artifacts(1))

    with served(options=Options(check_references=False)) as server:
        run(scenario, server)
        assert lines(server) == [f"PUT /v2/{PATH}/manifests/{artifacts(1)[0].digest}"]


def test_an_answer_about_another_subject_is_no_answer() -> None:
    sbom = artifacts(1)[0]

    async def scenario() -> None:
        wrong = httpx.Response(201, headers={"oci-subject": str(Digest.of(b"other"))})
        client, transport = scripted_client([wrong, httpx.Response(404), httpx.Response(201), page(entry(sbom))])
        async with client:
            await store(client, SCRIPTED, sbom)
        tag = f"https://r.example/v2/team/app/manifests/sha256-{DIGEST.hex}"
        assert transport.lines[1:] == [f"GET {tag}", f"PUT {tag}", f"GET {tag}"]
        assert json.loads(transport.bodies[2]) == {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [sbom.descriptor()],
        }
        assert transport.requests[2].headers["content-type"] == OCI_INDEX

    asyncio.run(scenario())


def test_the_referrers_tag_is_written_once_for_each_referrer() -> None:
    tag = f"/v2/{PATH}/manifests/{IMAGE.referrers_tag}"
    sbom = artifacts(1)[0]

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await store(client, repository, sbom)
        await store(client, repository, sbom)

    with served(options=Options(referrers_api=False, check_references=False)) as server:
        run(scenario, server)
        put = f"PUT /v2/{PATH}/manifests/{sbom.digest}"
        assert lines(server) == [put, f"GET {tag}", f"PUT {tag}", f"GET {tag}", put, f"GET {tag}"]


def test_what_others_wrote_into_the_index_stays_byte_by_byte() -> None:
    foreign = b'{"mediaType":"application/vnd.example+json", "digest":"%s","size":3,"x-own" : [1.50]}'
    theirs = foreign % str(Digest.of(b"abc")).encode()
    raw = b'{"schemaVersion":2,"mediaType":"%s","manifests":[ %s ],"annotations":{"kept":"yes"}, "x-more":1.0}'

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await store(client, repository, *artifacts(1))

    with served(options=Options(referrers_api=False, check_references=False)) as server:
        server.store.put_manifest(PATH, raw % (OCI_INDEX.encode(), theirs), OCI_INDEX, tag=IMAGE.referrers_tag)
        run(scenario, server)
        stored = server.store.get_manifest(PATH, IMAGE.referrers_tag)
        assert stored is not None
        ours = json.dumps(artifacts(1)[0].descriptor(), separators=(",", ":")).encode()
        assert stored.raw == (
            b'{"schemaVersion":2,"mediaType":"%s","manifests":[%s,%s],"annotations":{"kept":"yes"},"x-more":1.0}'
            % (OCI_INDEX.encode(), theirs, ours)
        )


@pytest.mark.parametrize("times", [1, 3])
def test_an_update_that_another_writer_undoes_is_made_again(times: int) -> None:
    time = FakeTime(chance=0.5)

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await store(client, repository, *artifacts(1))
        found = await client.list_referrers(repository, DIGEST)
        foreign = str(Digest.of(b"the artifact of another writer"))
        assert digests(found.descriptors) == {artifacts(1)[0].digest, foreign}
        assert time.sleeps == [0.1, 0.2, 0.4][:times]

    options = Options(referrers_api=False, check_references=False)
    with served(OverwriteTag(times=times), options=options) as server:
        run(scenario, server, time)
        assert server.requests.count("PUT", IMAGE.referrers_tag) == times + 1


def test_an_update_that_is_undone_for_ever_is_an_error() -> None:
    sbom = artifacts(1)[0]

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(RegistryError) as caught:
            await store(client, repository, sbom)
        assert str(caught.value) == (
            f"PUT referrers tag {repository.tag(IMAGE.referrers_tag)}: after 5 attempts the index still lacks "
            f"{sbom.digest}: another writer replaces it; run again when nobody else attaches to the same image"
        )

    options = Options(referrers_api=False, check_references=False)
    with served(OverwriteTag(times=None), options=options) as server:
        run(scenario, server)
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 5


def test_two_processes_at_once_lose_nothing() -> None:
    """Two clients that know nothing of each other attach to one image, with nothing but the registry between them."""
    sboms = artifacts(6)
    # The one that undoes another's update waits longer before its next one, as it happens with random jitter.
    clocks = [FakeTime(chance=0.1), FakeTime(chance=0.9)]

    async def scenario() -> None:
        settings = {server.host: plain(server)}
        repository = Repository(server.host, PATH)
        async with (
            HttpRegistry(settings, timing=clocks[0].timing) as one,
            HttpRegistry(settings, timing=clocks[1].timing) as two,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(store(one, repository, *sboms[:3]))
            group.create_task(store(two, repository, *sboms[3:]))
        async with HttpRegistry(settings) as client:
            found = await client.list_referrers(repository, DIGEST)
        assert digests(found.descriptors) == {sbom.digest for sbom in sboms}

    with served(options=Options(referrers_api=False, check_references=False)) as server:
        asyncio.run(scenario())


def test_tags_that_cannot_be_overwritten_are_named_as_the_reason() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        one, two = artifacts(2)
        await store(client, repository, one)
        with pytest.raises(UnsupportedError) as caught:
            await store(client, repository, two)
        assert str(caught.value) == (
            f"PUT referrers tag {repository.tag(IMAGE.referrers_tag)}: HTTP 400 TAG_INVALID: ImageTagAlreadyExists: "
            "the tag already exists and cannot be overwritten; the registry has no referrers API, so the list of "
            "referrers must be written under this tag: let tags that begin with sha256- be written and overwritten"
        )

    options = Options(referrers_api=False, check_references=False)
    with served(ImmutableTags(), options=options) as server:
        run(scenario, server)


@pytest.mark.parametrize("at_mirror", [0, 2])
def test_a_mirror_is_believed_when_it_lists_something(at_mirror: int) -> None:
    """Many mirrors pass on images and nothing else; without this rule signatures would silently get lost there."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, DIGEST)
        assert len(found.descriptors) == (at_mirror or 3)

    with served(referrers=at_mirror) as mirror, served(referrers=3) as server:
        run(scenario, server, None, plain(mirror), replace(plain(server), mirrors=(mirror.host,)))
        assert mirror.requests.count("GET", "/referrers/") == 1
        assert server.requests.count("GET", "/referrers/") == (0 if at_mirror else 1)


def test_a_referrer_that_is_not_stored_is_not_listed() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises((NotFoundError, RegistryError)):
            await store(client, repository, *artifacts(1))

    with served(options=WITHOUT_API) as server:
        run(scenario, server)
        assert IMAGE.referrers_tag not in server.store.tags(PATH)
