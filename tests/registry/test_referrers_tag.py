"""The list under a referrers tag over HTTP: written once, refused, or taken for something else by the registry."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from support import images
from support.http_client import FakeTime, plain
from support.images import Image
from support.registry_server.faults import (
    Deny,
    DigestTags,
    Fault,
    ImmutableTags,
    LinkStyle,
    LoseBlobs,
    PageLinks,
    RefuseMediaTypes,
)
from support.registry_server.options import Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import (
    AuthenticationError,
    MissingContentError,
    RateLimitedError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX
from transship_registry.reference import Repository
from transship_registry.referrers.refused import is_artifact_refusal

PATH = "team/app"
IMAGE = images.multi_platform("subject")
SINGLE = images.single("subject")
DOCKER = images.multi_platform("subject", dialect=images.Dialect.DOCKER)
DIGEST = Digest.parse(IMAGE.digest)
SBOMS = [images.artifact(IMAGE, seed=f"sbom-{number}") for number in range(3)]
LIST = f"/v2/{PATH}/manifests/{IMAGE.referrers_tag}"
WHY = "the registry has no referrers API, so the list of referrers must be written under this tag"
THROUGHOUT = DigestTags(methods=("GET", "HEAD", "PUT", "DELETE"))

Scenario = Callable[[HttpRegistry, Repository], Awaitable[None]]


def served(*faults: Fault) -> RegistryServer:
    """A registry without referrers API that holds the image."""
    server = RegistryServer(Options(referrers_api=False), faults=faults)
    server.store.add_image(PATH, "v1", IMAGE)
    for sbom in SBOMS:
        server.store.add_image(PATH, None, sbom)
    server.store.delete_tag(PATH, IMAGE.referrers_tag)
    server.requests.clear()
    return server


def run(server: RegistryServer, scenario: Scenario) -> None:
    async def connected() -> None:
        async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
            await scenario(client, Repository(server.host, PATH))

    asyncio.run(connected())


def manifest_of(image: Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


async def store(client: HttpRegistry, repository: Repository, *referrers: Image) -> list[Descriptor]:
    """Store artifacts without listing them, and return what is to be listed."""
    unlisted: list[Descriptor] = []
    for image in referrers:
        manifest = manifest_of(image)
        referrer = await client.put_manifest(repository.at(manifest.digest), manifest, keep_list=False)
        assert referrer is not None
        assert str(referrer.subject) == image.subject
        unlisted.append(referrer.descriptor)
    return unlisted


def listed(server: RegistryServer) -> list[str]:
    """Return the digests in the list that the registry holds."""
    digest = server.store.tags(PATH)[IMAGE.referrers_tag]
    stored = server.store.get_manifest(PATH, digest)
    assert stored is not None
    return [entry["digest"] for entry in json.loads(stored.raw)["manifests"]]


def refusal(server: RegistryServer, kind: type[RegistryError] = UnsupportedError) -> str:
    """Try to list the first SBOM, and return what is said against it, after the tag."""
    messages: list[str] = []

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        unlisted = await store(client, repository, SBOMS[0])
        with pytest.raises(kind) as caught:
            await client.add_referrers(repository, DIGEST, unlisted)
        assert is_artifact_refusal(caught.value) == (kind is UnsupportedError)
        _, _, said = str(caught.value).partition(f"{repository.tag(IMAGE.referrers_tag)}: ")
        messages.append(said)

    run(server, scenario)
    return messages[0]


def test_referrers_that_are_listed_together_cost_one_put() -> None:
    """Where a tag can be written only once, each of them alone would have been the last."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        unlisted = await store(client, repository, *SBOMS)
        await client.add_referrers(repository, DIGEST, unlisted)
        await client.add_referrers(repository, DIGEST, unlisted[:2])

    with served(ImmutableTags()) as server:
        run(server, scenario)
        assert listed(server) == [sbom.digest for sbom in SBOMS]
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 1
        assert server.requests.count("GET", IMAGE.referrers_tag) == 3


def test_what_the_registry_lists_itself_is_not_handed_back() -> None:
    with RegistryServer() as server:
        server.store.add_image(PATH, "v1", IMAGE, referrers=[SBOMS[0]])

        async def scenario(client: HttpRegistry, repository: Repository) -> None:
            manifest = manifest_of(SBOMS[0])
            assert await client.put_manifest(repository.at(manifest.digest), manifest, keep_list=False) is None
            assert await client.put_manifest(repository.tag("v1"), manifest_of(IMAGE), keep_list=False) is None

        run(server, scenario)
        assert server.requests.count("GET") == 0


IN_WORDS = {
    "ECR": ImmutableTags(),
    "ECR in plain words": ImmutableTags(message="tag invalid: the repository is immutable"),
    "TAG_INVALID and nothing else": ImmutableTags(message=""),
    "Harbor": ImmutableTags(status=412, code="PRECONDITION", message="configured as immutable"),
    "Quay": ImmutableTags(status=409, code="TAG_IMMUTABLE", message="the tag cannot be overwritten"),
    "Docker Hub": ImmutableTags(status=403, code="DENIED", message="the tag is immutable"),
    "Artifactory": ImmutableTags(status=403, code="DENIED", message="not enough permissions to overwrite artifact"),
    "Azure": ImmutableTags(status=405, code="UNSUPPORTED", message="the operation is disallowed on this image"),
}


@pytest.mark.parametrize("fault", IN_WORDS.values(), ids=IN_WORDS)
def test_a_list_that_may_not_be_overwritten_is_refused_in_whatever_words(fault: ImmutableTags) -> None:
    theirs = images.referrers_index([SBOMS[1]])
    with served(fault) as server:
        server.store.add_image(PATH, IMAGE.referrers_tag, theirs)
        answer = f"HTTP {fault.status} {fault.code}" + (f": {fault.message}" if fault.message else "")
        assert refusal(server) == f"{answer}; {WHY}: let tags that begin with sha256- be written and overwritten"
        assert server.store.tags(PATH)[IMAGE.referrers_tag] == theirs.digest


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "TAG_INVALID"), (400, "MANIFEST_INVALID"), (403, "DENIED"), (404, "UNSUPPORTED"), (422, "UNKNOWN")],
)
def test_a_list_that_may_not_be_written_at_all_is_refused_in_whatever_words(status: int, code: str) -> None:
    fault = Deny(status=status, code=code, message="not here", reference="sha256-*", endpoints=(Endpoint.MANIFEST,))
    with served(fault) as server:
        said = f"HTTP {status} {code}: not here; {WHY}: let tags that begin with sha256- be written and overwritten"
        assert refusal(server) == said
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 1


def test_an_index_that_is_not_taken_for_its_type_is_a_refusal_too() -> None:
    with served(RefuseMediaTypes(types=(OCI_INDEX,))) as server:
        assert refusal(server).startswith(f"HTTP 400 MANIFEST_INVALID: unknown media type: {OCI_INDEX}; {WHY}: let")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Deny(status=401, code="UNAUTHORIZED", message="no"), AuthenticationError),
        (Deny(status=429, code="TOOMANYREQUESTS", message="no"), RateLimitedError),
        (Deny(status=500, code="UNKNOWN", message="no"), RegistryError),
        (Deny(status=404, code="MANIFEST_BLOB_UNKNOWN", message="no"), MissingContentError),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Deny) else "",
)
def test_every_other_failure_stays_a_failure(fault: Deny, kind: type[RegistryError]) -> None:
    """Logins, quotas, registries that are out of order and content that got lost say nothing about lists."""
    with served() as server:
        server.faults.add(
            Deny(
                status=fault.status,
                code=fault.code,
                message=fault.message,
                reference="sha256-*",
                endpoints=(Endpoint.MANIFEST,),
            )
        )
        refusal(server, kind)
        assert IMAGE.referrers_tag not in server.store.tags(PATH)


@pytest.mark.parametrize("subject", [IMAGE, SINGLE, DOCKER], ids=["index", "image", "docker list"])
@pytest.mark.parametrize("fault", [DigestTags(), DigestTags(tag_wins=True), THROUGHOUT], ids=["read", "tag", "all"])
def test_a_registry_that_answers_with_the_subject_itself_has_no_list(subject: Image, fault: DigestTags) -> None:
    """GitLab: the children of an index are not what is attached to it, and an image is no list that went wrong."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, Digest.parse(subject.digest))
        assert (found.descriptors, found.complete, found.problem) == ((), True, "")

    with served(fault) as server:
        server.store.add_image(PATH, "subject", subject)
        run(server, scenario)


def test_a_subject_with_another_algorithm_is_recognised_by_its_bytes() -> None:
    digest = Digest.of(IMAGE.raw, "sha512")

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        found = await client.list_referrers(repository, digest)
        assert (found.descriptors, found.complete) == ((), True)

    with served() as server:
        server.store.put_manifest(PATH, IMAGE.raw, IMAGE.media_type, tag=f"sha512-{digest.hex[:64]}")
        run(server, scenario)


def test_a_list_is_begun_where_the_subject_stands_in_for_a_tag_that_is_not_there() -> None:
    """The list holds what is attached, and none of the subject's children."""

    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.add_referrers(repository, DIGEST, await store(client, repository, *SBOMS[:2]))
        await client.add_referrers(repository, DIGEST, await store(client, repository, SBOMS[2]))
        found = await client.list_referrers(repository, DIGEST)
        assert [str(each.digest) for each in found.descriptors] == [sbom.digest for sbom in SBOMS]

    with served(DigestTags(tag_wins=True)) as server:
        run(server, scenario)
        assert listed(server) == [sbom.digest for sbom in SBOMS]
        assert server.requests.count("GET", "tags/list") == 1


def test_a_registry_that_takes_the_list_and_does_not_find_it_again_keeps_none() -> None:
    """Nothing is tried again and again: that would not change."""
    with served(DigestTags()) as server:
        said = refusal(server)
        assert said == (
            f"the registry took the list, but still answers with {DIGEST} itself; it has no referrers API and takes "
            "this tag for a digest, so it cannot list what is attached"
        )
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 1


def test_a_registry_that_takes_the_tag_for_the_digest_when_writing_refuses_the_list() -> None:
    with served(THROUGHOUT) as server:
        assert refusal(server) == (
            f"HTTP 400 DIGEST_INVALID: provided digest did not match uploaded content; {WHY}: let tags that begin with "
            "sha256- be written and overwritten"
        )
        assert IMAGE.referrers_tag not in server.store.tags(PATH)


@pytest.mark.parametrize("fault", [None, DigestTags()], ids=["any registry", "GitLab"])
def test_a_tag_that_really_names_the_subject_is_never_lost(fault: Fault | None) -> None:
    with served(*([fault] if fault else [])) as server:
        server.store.set_tag(PATH, IMAGE.referrers_tag, IMAGE.digest)
        assert refusal(server) == (
            f"there is such a tag, and it is answered with {DIGEST} itself; it was left alone: if it names the image, "
            "give that another tag and remove this one; if it does not, the registry takes the tag for a digest and "
            "can keep no list"
        )
        assert server.store.tags(PATH)[IMAGE.referrers_tag] == IMAGE.digest
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 0


def test_nothing_is_written_while_it_is_uncertain_whether_the_tag_is_there() -> None:
    with served(DigestTags(), PageLinks(style=LinkStyle.BROKEN, page_size=1, endpoints=(Endpoint.TAGS,))) as server:
        server.store.add_image(PATH, "another", IMAGE)
        assert refusal(server, RegistryError) == (
            f"whether the tag is free is uncertain: GET tags {server.host}/{PATH}: HTTP 500 UNKNOWN: internal error "
            "while reading the next page; the registry is failing: try again later; nothing was written there"
        )
        assert server.requests.count("PUT", IMAGE.referrers_tag) == 0


def test_a_repository_without_any_tag_has_none_of_that_name() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        await client.add_referrers(repository, DIGEST, await store(client, repository, SBOMS[0]))

    with served(DigestTags(tag_wins=True)) as server:
        server.store.delete_tag(PATH, "v1")
        server.faults.add(Deny(status=404, code="NAME_UNKNOWN", methods=("GET",), endpoints=(Endpoint.TAGS,)))
        run(server, scenario)
        assert listed(server) == [SBOMS[0].digest]


def test_lost_content_of_an_artifact_is_no_refusal_of_a_list() -> None:
    async def scenario(client: HttpRegistry, repository: Repository) -> None:
        with pytest.raises(MissingContentError):
            await store(client, repository, SBOMS[0])

    with served(LoseBlobs()) as server:
        run(server, scenario)
