"""What a user sees of everything that a registry can do wrong: success and what it cost in requests, or one message.

The faults are those of the test registry, which are those of registries in the wild (docs/registries.md).
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from support import images, wishes
from support.http_client import BytesOrigin, FakeTime, Given, blob_of, plain, read_blob
from support.registry_server import faults
from support.registry_server.faults import Fault, LinkStyle
from support.registry_server.options import Anonymous, Auth, Bearer, Options
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer
from transship_executor.apply import apply
from transship_executor.outcome import Status
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import TransshipError
from transship_registry.hosts import Credential
from transship_registry.http.transport import TransportSettings, open_transport
from transship_registry.manifest import Manifest
from transship_registry.reference import Repository
from transship_registry.secret import Secret

KIB = 1024
IMAGE = images.single("app", layers=1, size=1200 * KIB)
LAYER = IMAGE.blobs[1]
BLOB = blob_of(LAYER.data)
NEXT = images.single("next", layers=["app-0"], size=1200 * KIB)
SIGNATURE = images.artifact(IMAGE)
CONTENT = random.Random(3).randbytes(300 * KIB)
FRESH = blob_of(CONTENT)
CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))

Ask = Callable[[HttpRegistry, Repository], Awaitable[object]]


def manifest_of(image: images.Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


async def head(client: HttpRegistry, place: Repository) -> object:
    found = await client.head_manifest(place.tag("v1"))
    return found and str(found.digest)


async def head_by_digest(client: HttpRegistry, place: Repository) -> object:
    return await client.head_manifest(place.at(Digest.parse(IMAGE.digest)))


async def get(client: HttpRegistry, place: Repository) -> object:
    found = await client.get_manifest(place.tag("v1"))
    assert found.raw == IMAGE.raw
    return None


async def head_then_get(client: HttpRegistry, place: Repository) -> object:
    assert await head(client, place) == IMAGE.digest
    return await get(client, place)


async def head_then_get_other(client: HttpRegistry, place: Repository) -> object:
    """Read a tag twice, and see that the second answer stands for itself."""
    assert await head(client, place) == IMAGE.digest
    assert str((await client.get_manifest(place.tag("v1"))).digest) == images.single("other").digest
    return None


async def size(client: HttpRegistry, place: Repository) -> object:
    return await client.head_blob(place, BLOB.digest)


async def read(client: HttpRegistry, place: Repository) -> object:
    assert await read_blob(client, place, BLOB) == LAYER.data
    return None


async def tags(client: HttpRegistry, place: Repository) -> object:
    found = await client.list_tags(place)
    return f"{' '.join(found.tags)}{'' if found.complete else ' and then: '}{found.problem}"


async def catalog(client: HttpRegistry, place: Repository) -> object:
    return " ".join((await client.list_repositories(place.registry)).tags)


async def put(client: HttpRegistry, place: Repository) -> object:
    for blob in NEXT.blobs:
        if await client.head_blob(place, Digest.parse(blob.digest)) is None:
            await client.upload_blob(place, blob_of(blob.data), BytesOrigin(blob.data))
    await client.put_manifest(place.tag("v2"), manifest_of(NEXT))
    return None


async def overwrite(client: HttpRegistry, place: Repository) -> object:
    await client.put_manifest(place.tag("other"), manifest_of(IMAGE))
    return None


async def same(client: HttpRegistry, place: Repository) -> object:
    await client.put_manifest(place.tag("v1"), manifest_of(IMAGE))
    return None


async def put_checked(client: HttpRegistry, place: Repository) -> object:
    """Put a tag and look what it is then."""
    await put(client, place)
    found = await client.head_manifest(place.tag("v2"))
    assert found is not None
    assert str(found.digest) != NEXT.digest
    return None


async def sign(client: HttpRegistry, place: Repository) -> object:
    for blob in SIGNATURE.blobs:
        await client.upload_blob(place, blob_of(blob.data), BytesOrigin(blob.data))
    await client.put_manifest(place.at(Digest.parse(SIGNATURE.digest)), manifest_of(SIGNATURE))
    return None


async def no_tags(client: HttpRegistry, place: Repository) -> object:
    return await tags(client, Repository(place.registry, "team/empty"))


async def upload(client: HttpRegistry, place: Repository) -> object:
    await client.upload_blob(place, FRESH, BytesOrigin(CONTENT))
    return None


async def mount(client: HttpRegistry, place: Repository) -> object:
    source = Repository(place.registry, "team/elsewhere")
    elsewhere = blob_of(images.single("elsewhere").blobs[1].data)
    return await client.mount_blob(place, elsewhere, source)


async def delete(client: HttpRegistry, place: Repository) -> object:
    await client.delete_tag(place.tag("v1"))
    return None


class NotCopiedError(TransshipError):
    """A copy that failed, with the message of its result."""


async def copy(client: HttpRegistry, place: Repository) -> object:
    """Mirror the tag into another repository of the same registry, as a run of the program does."""
    entry = wishes.image(str(place.tag("v1")), f"{place.registry}/mirror/app:v1")
    observed = await observe(wishes.desired(entry), client)
    for trouble in observed.troubles:
        raise NotCopiedError(trouble.message)
    outcome = await apply(diff(observed, CIRCUMSTANCES), client)
    for result in outcome.results:
        if result.status is not Status.DONE:
            raise NotCopiedError(result.message)
    return None


@dataclass(frozen=True)
class Case:
    """What is asked while a fault is on, and what comes of it.

    `cost` are the requests that arrive, by method and endpoint; `result` is what the question is answered with, `error`
    the whole message. In these `{host}` and `{side}` stand for the registry's two origins, and other names in braces
    for digests. `slept` is for how many seconds the client paused; each look at the clock takes `tick` seconds.
    """

    name: str
    ask: Ask
    on: tuple[Fault, ...]
    cost: Mapping[str, int]
    result: object = None
    error: str = ""
    slept: float = 0.0
    tick: float = 0.0
    strikes: bool = True
    auth: Auth = field(default_factory=Anonymous)
    settings: Given = field(default_factory=Given)


TOKENS = Bearer(users={"ann": "secret"})
CHUNKS: Given = {"blob_max": 1, "blob_chunk": 100 * KIB}
NAMES = {
    IMAGE.digest: "{image}",
    LAYER.digest: "{layer}",
    IMAGE.blobs[0].digest: "{config}",
    NEXT.digest: "{next}",
    str(FRESH.digest): "{fresh}",
    images.single("elsewhere").blobs[1].digest: "{elsewhere}",
    "sha256:" + "0" * 64: "{zeros}",
}
"""Digests as messages in this table write them: they depend on what compressed the layers."""

LOGIN = "; no credential for this registry was found: log in with docker login, or set creds or the environment"
FAILING = "; the registry is failing: try again later"
NETWORK = "; check that the registry runs there, its name, the network and the proxy"
SILENT = "connect to {host}: no answer since 22:13:20 UTC "
INCOMPLETE = "; the list is incomplete: nothing may be deleted because of it"

CASES: tuple[Case, ...] = (
    # unreachable and flaky servers
    Case("a 503 that passes", get, (faults.FailRequests(status=503, times=2),), {"GET manifest": 3}, slept=0.3),
    Case(
        "a 503 that lasts",
        get,
        (faults.FailRequests(status=503),),
        {"GET manifest": 5},
        error="GET manifest {host}/team/app:v1: HTTP 503 UNKNOWN: switched on by a test" + FAILING,
        slept=1.5,
    ),
    Case(
        "a 500 that lasts, asked with HEAD",
        head,
        (faults.FailRequests(status=500),),
        {"HEAD manifest": 5},
        error="HEAD manifest {host}/team/app:v1: HTTP 500 Internal Server Error" + FAILING,
        slept=1.5,
    ),
    Case("a 408 that passes", get, (faults.FailRequests(status=408, times=1),), {"GET manifest": 2}, slept=0.1),
    Case(
        "a 400",
        get,
        (faults.FailRequests(status=400, code="NAME_INVALID"),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: HTTP 400 NAME_INVALID: switched on by a test",
    ),
    Case(
        "a 403",
        get,
        (faults.FailRequests(status=403, code="DENIED"),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: HTTP 403 DENIED: switched on by a test" + LOGIN,
    ),
    Case(
        "a 404",
        get,
        (faults.FailRequests(status=404, code="MANIFEST_UNKNOWN"),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: HTTP 404 MANIFEST_UNKNOWN: switched on by a test",
    ),
    Case(
        "a 404, asked with HEAD",
        head,
        (faults.FailRequests(status=404, code="MANIFEST_UNKNOWN"),),
        {"HEAD manifest": 1},
    ),
    Case(
        "a 429 with seconds",
        get,
        (faults.FailRequests(status=429, retry_after_s=7, times=1),),
        {"GET manifest": 2},
        slept=7.1,
    ),
    Case(
        "a 429 that lasts",
        get,
        (faults.FailRequests(status=429),),
        {"GET manifest": 5},
        error=(
            "GET manifest {host}/team/app:v1: HTTP 429 TOOMANYREQUESTS: switched on by a test; too "
            "many requests: try again later, or log in for a larger quota"
        ),
        slept=1.5,
    ),
    Case(
        "a 429 that asks for too long",
        get,
        (faults.FailRequests(status=429, retry_after_s=3600),),
        {"GET manifest": 1},
        error=(
            "GET manifest {host}/team/app:v1: HTTP 429 TOOMANYREQUESTS: switched on by a test; the "
            "registry asks to come back in 3600 s, at 2023-11-14 23:13:20 UTC"
        ),
    ),
    Case(
        "a 501",
        get,
        (faults.FailRequests(status=501, code="UNSUPPORTED"),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: HTTP 501 UNSUPPORTED: switched on by a test",
    ),
    Case("a connection closed once", get, (faults.ResetConnection(times=1),), {"GET manifest": 2}, slept=0.1),
    Case(
        "a connection reset every time",
        get,
        (faults.ResetConnection(reset=True),),
        {"GET manifest": 5, "GET base": 1},
        error=SILENT
        + "(the connection to {host} broke without a response: [Errno 104] Connection reset by peer)"
        + NETWORK
        + ", and whether it speaks plain HTTP ('tls: disabled' in creds of {host})",
        slept=1.5,
    ),
    Case(
        "an answer lost after the work",
        put,
        (faults.ResetConnection(after_work=True, times=1, methods=("PUT",), endpoints=(Endpoint.MANIFEST,)),),
        {"HEAD blob": 2, "POST uploads": 1, "PUT upload": 1, "PUT manifest": 2},
    ),
    Case("slow answers", head_then_get, (faults.SlowResponses(seconds=0.05),), {"HEAD manifest": 1, "GET manifest": 1}),
    Case(
        "answers slower than the longest silence",
        get,
        (faults.SlowResponses(seconds=0.5),),
        {"GET manifest": 5, "GET base": 1},
        error=SILENT + "({host} sent nothing for 0.2 s; the connection was dropped)" + NETWORK,
        slept=1.5,
    ),
    Case(
        "connections closed after each answer",
        head_then_get,
        (faults.CloseConnections(),),
        {"HEAD manifest": 1, "GET manifest": 1},
    ),
    Case(
        "connections closed silently",
        head_then_get,
        (faults.CloseConnections(silently=True),),
        {"HEAD manifest": 1, "GET manifest": 1},
    ),
    # bodies
    Case("a manifest cut short once", get, (faults.TruncateBody(times=1),), {"GET manifest": 2}, slept=0.1),
    Case(
        "a manifest cut short every time",
        get,
        (faults.TruncateBody(),),
        {"GET manifest": 5},
        error=(
            "GET manifest {host}/team/app:v1: the answer from http://{host} broke off ("
            "{host} closed the connection after 240 of 480 bytes of the body)"
        )
        + NETWORK,
        slept=1.5,
    ),
    Case("a blob cut short once", read, (faults.TruncateBody(after=700 * KIB, times=1),), {"GET blob": 2}, slept=0.1),
    Case(
        "a blob cut short every time",
        read,
        (faults.TruncateBody(after=0),),
        {"GET blob": 5},
        error=(
            "GET blob {host}/team/app@{layer}: the answer from http://{host} broke off ("
            "{host} closed the connection after 0 of 1228800 bytes of the body)"
        )
        + NETWORK,
        slept=1.5,
    ),
    Case("a blob that stalls once", read, (faults.StallBody(seconds=0.5, times=1),), {"GET blob": 2}, slept=0.1),
    Case(
        "a manifest that stalls every time",
        get,
        (faults.StallBody(seconds=0.4),),
        {"GET manifest": 5},
        error=(
            "GET manifest {host}/team/app:v1: the answer from http://{host} broke off ({host} sent "
            "nothing for 0.2 s; the connection was dropped)"
        )
        + NETWORK,
        slept=1.5,
    ),
    Case(
        "a manifest with a wrong byte",
        get,
        (faults.CorruptBody(at=1),),
        {"GET manifest": 1},
        error=(
            "{host}/team/app:v1: the manifest is not well-formed: JSON is malformed: object keys must"
            " be strings (byte 1)"
        ),
    ),
    Case(
        "a manifest with a wrong byte in its type",
        get,
        (faults.CorruptBody(at=60),),
        {"GET manifest": 1},
        error=("{host}/team/app:v1: the manifest is not well-formed: byte 0x96 is not UTF-8"),
    ),
    Case(
        "a blob with a wrong byte",
        read,
        (faults.CorruptBody(at=5),),
        {"GET blob": 1},
        error="blob {host}/team/app@{layer}: the 1228800 bytes hash to {other}, expected {layer}",
    ),
    Case(
        "a manifest longer than announced",
        get,
        (faults.WrongContentLength(by=-1),),
        {"GET manifest": 1},
        error="{host}/team/app:v1: the manifest is not well-formed: Input data was truncated",
    ),
    Case(
        "a manifest shorter than announced",
        get,
        (faults.WrongContentLength(by=1),),
        {"GET manifest": 5},
        error=(
            "GET manifest {host}/team/app:v1: the answer from http://{host} broke off ("
            "{host} closed the connection after 480 of 481 bytes of the body)"
        )
        + NETWORK,
        slept=1.5,
    ),
    Case(
        "a blob longer than announced",
        read,
        (faults.WrongContentLength(by=-1),),
        {"GET blob": 1},
        error=(
            "blob {host}/team/app@{layer}: its descriptor says 1228800 bytes, but the registry's "
            "Content-Length says 1228799"
        ),
    ),
    Case(
        "a blob shorter than announced",
        read,
        (faults.WrongContentLength(by=1),),
        {"GET blob": 1},
        error=(
            "blob {host}/team/app@{layer}: its descriptor says 1228800 bytes, but the registry's "
            "Content-Length says 1228801"
        ),
    ),
    Case("a size that is wrong", size, (faults.WrongContentLength(by=1),), {"HEAD blob": 1}, result=1228801),
    Case(
        "a login page for a manifest",
        get,
        (faults.ReplaceBody(),),
        {"GET manifest": 1},
        error=("{host}/team/app:v1: the manifest is not well-formed: JSON is malformed: invalid character (byte 0)"),
    ),
    Case(
        "a login page for a tag list",
        tags,
        (faults.ReplaceBody(),),
        {"GET tags": 1},
        error=(
            "GET tags {host}/team/app: the answer is no list of tags: JSON is malformed: invalid character (byte 0)"
        ),
    ),
    Case(
        "a login page for a blob",
        read,
        (faults.ReplaceBody(),),
        {"GET blob": 1},
        error=(
            "blob {host}/team/app@{layer}: its descriptor says 1228800 bytes, but the registry's Content-Length says 26"
        ),
    ),
    Case(
        "a range that is ignored",
        read,
        (
            faults.TruncateBody(after=700 * KIB, times=1),
            faults.IgnoreRange(),
        ),
        {"GET blob": 2},
        slept=0.1,
    ),
    # headers
    Case(
        "no digest at HEAD",
        head,
        (faults.OmitDigestHeader(),),
        {"HEAD manifest": 1, "GET manifest": 1},
        result="{image}",
    ),
    Case("no digest at GET", get, (faults.OmitDigestHeader(),), {"GET manifest": 1}),
    Case(
        "a false digest at HEAD of a tag", head, (faults.FalsifyDigestHeader(),), {"HEAD manifest": 1}, result="{zeros}"
    ),
    Case(
        "a false digest at HEAD of a digest",
        head_by_digest,
        (faults.FalsifyDigestHeader(),),
        {"HEAD manifest": 1},
        error="HEAD manifest {host}/team/app@{image}: the registry's Docker-Content-Digest says {zeros}",
    ),
    Case(
        "a false digest at GET",
        get,
        (faults.FalsifyDigestHeader(),),
        {"GET manifest": 1},
        error=(
            "GET manifest {host}/team/app:v1: the bytes hash to {image}, but the registry's "
            "Docker-Content-Digest says {zeros}; nothing of it was used"
        ),
    ),
    Case(
        "a false digest of an upload",
        upload,
        (faults.FalsifyDigestHeader(endpoints=(Endpoint.UPLOAD,)),),
        {"POST uploads": 1, "PUT upload": 1, "DELETE upload": 1},
        error="PUT upload {host}/team/app@{fresh}: the registry stored {zeros} instead",
    ),
    Case(
        "a false digest of a manifest stored",
        put,
        (faults.FalsifyDigestHeader(methods=("PUT",)),),
        {"HEAD blob": 2, "POST uploads": 1, "PUT upload": 1, "PUT manifest": 1},
        error=(
            "PUT manifest {host}/team/app:v2: the registry stored {zeros} where {next} was sent; it "
            "must not change manifests, do not use what it stored"
        ),
    ),
    Case(
        "no type at HEAD", head, (faults.OmitContentType(),), {"HEAD manifest": 1, "GET manifest": 1}, result="{image}"
    ),
    Case("no type at GET", get, (faults.OmitContentType(),), {"GET manifest": 1}),
    Case("a type that says nothing", get, (faults.FalsifyContentType(),), {"GET manifest": 1}),
    Case(
        "a type that contradicts the manifest",
        get,
        (faults.FalsifyContentType(media_type=images.DOCKER_MANIFEST),),
        {"GET manifest": 1},
        error=(
            "{host}/team/app:v1: the manifest says it is "
            "'application/vnd.oci.image.manifest.v1+json', but it was served as "
            "'application/vnd.docker.distribution.manifest.v2+json'; refusing to guess which one is "
            "right (CVE-2021-41190)"
        ),
    ),
    Case(
        "a type that contradicts the manifest, an index",
        get,
        (faults.FalsifyContentType(media_type=images.OCI_INDEX),),
        {"GET manifest": 1},
        error=(
            "{host}/team/app:v1: the manifest says it is "
            "'application/vnd.oci.image.manifest.v1+json', but it was served as "
            "'application/vnd.oci.image.index.v1+json'; refusing to guess which one is right "
            "(CVE-2021-41190)"
        ),
    ),
    Case("warnings", get, (faults.ExtraHeaders(),), {"GET manifest": 1}),
    Case(
        "no HEAD of manifests",
        head,
        (faults.HeadUnsupported(),),
        {"HEAD manifest": 1, "GET manifest": 1},
        result="{image}",
    ),
    Case("no HEAD of blobs", size, (faults.HeadUnsupported(),), {"HEAD blob": 1, "GET blob": 1}, result=1228800),
    # quotas
    Case("a quota that is used up, HEAD", head, (faults.PullQuota(limit=0),), {"HEAD manifest": 1}, result="{image}"),
    Case(
        "a quota that is used up, GET",
        get,
        (faults.PullQuota(limit=0, retry_after_s=3600),),
        {"GET manifest": 1},
        error=(
            "GET manifest {host}/team/app:v1: HTTP 429 TOOMANYREQUESTS: You have reached your pull "
            "rate limit.; the registry asks to come back in 3600 s, at 2023-11-14 23:13:20 UTC"
        ),
    ),
    Case(
        "a quota that is used up and says nothing",
        get,
        (faults.PullQuota(limit=0),),
        {"GET manifest": 5},
        error=(
            "GET manifest {host}/team/app:v1: HTTP 429 TOOMANYREQUESTS: You have reached your pull "
            "rate limit.; too many requests: try again later, or log in for a larger quota"
        ),
        slept=1.5,
    ),
    # manifests
    Case(
        "schema 1 for those who do not accept better",
        get,
        (faults.SchemaOneUnlessAccepted(),),
        {"GET manifest": 1},
        strikes=False,
    ),
    Case(
        "a manifest beyond 8 MiB",
        get,
        (faults.OversizedManifests(),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: the answer has more than the 8388608 bytes allowed",
    ),
    Case(
        "a manifest without end",
        get,
        (faults.LargeBody(head=b"{", times_over=10**12),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: the answer has more than the 8388608 bytes allowed",
    ),
    Case(
        "a manifest that is not there yet",
        get,
        (faults.HideManifests(times=1),),
        {"GET manifest": 1},
        error="GET manifest {host}/team/app:v1: HTTP 404 MANIFEST_UNKNOWN: manifest unknown to registry",
    ),
    Case(
        "a manifest that is not there yet, asked with HEAD",
        head,
        (faults.HideManifests(times=1),),
        {"HEAD manifest": 1},
    ),
    Case(
        "a tag that moves between HEAD and GET",
        head_then_get_other,
        (faults.MoveTag(reference="v1", to=images.single("other").digest),),
        {"HEAD manifest": 1, "GET manifest": 1},
    ),
    Case(
        "a type that is not allowed",
        put,
        (faults.RefuseMediaTypes(types=("*",)),),
        {"HEAD blob": 2, "POST uploads": 1, "PUT upload": 1, "PUT manifest": 1},
        error=(
            "{host}/team/app:v2: the registry does not take manifests of this kind: allow their types there, or leave "
            "the image out (PUT manifest: HTTP 400 MANIFEST_INVALID: unknown media type: "
            "application/vnd.oci.image.config.v1+json, application/vnd.oci.image.manifest.v1+json)"
        ),
    ),
    Case(
        "a tag that is immutable",
        overwrite,
        (faults.ImmutableTags(),),
        {"PUT manifest": 1, "HEAD manifest": 1},
        error=(
            "{host}/team/app:other: the tag is immutable and holds something else: choose another tag, or remove it "
            "at the registry (PUT manifest: HTTP 400 TAG_INVALID: ImageTagAlreadyExists: the tag already exists and "
            "cannot be overwritten)"
        ),
    ),
    Case(
        "a tag that is immutable and as it should be",
        same,
        (faults.ImmutableTags(),),
        {"PUT manifest": 1, "HEAD manifest": 1},
    ),
    # listings
    Case(
        "pages linked by paths",
        tags,
        (faults.PageLinks(style=LinkStyle.RELATIVE, page_size=1),),
        {"GET tags": 2},
        result="other v1",
    ),
    Case(
        "pages linked relative to the request",
        tags,
        (faults.PageLinks(style=LinkStyle.RELATIVE_PATH, page_size=1),),
        {"GET tags": 2},
        result="other v1",
    ),
    Case(
        "pages linked by URLs",
        tags,
        (faults.PageLinks(style=LinkStyle.ABSOLUTE, page_size=1),),
        {"GET tags": 2},
        result="other v1",
    ),
    Case(
        "pages linked by opaque cursors",
        tags,
        (faults.PageLinks(style=LinkStyle.OPAQUE, page_size=1),),
        {"GET tags": 2},
        result="other v1",
    ),
    Case(
        "pages linked in a circle",
        tags,
        (faults.PageLinks(style=LinkStyle.LOOPING, page_size=1),),
        {"GET tags": 3},
        result=(
            "other v1 and then: GET tags {host}/team/app: the link to the next page leads back to a "
            "page that was read already"
        )
        + INCOMPLETE,
    ),
    Case(
        "pages with a link that cannot be read",
        tags,
        (faults.PageLinks(style=LinkStyle.MALFORMED, page_size=1),),
        {"GET tags": 1},
        result=(
            "other and then: GET tags {host}/team/app: the Link header "
            "'/v2/team/app/tags/list?***>>; rel=\"next' cannot be read"
        )
        + INCOMPLETE,
    ),
    Case(
        "pages of which the second fails",
        tags,
        (faults.PageLinks(style=LinkStyle.BROKEN, page_size=1),),
        {"GET tags": 6},
        result=(
            "other and then: GET tags {host}/team/app: HTTP 500 UNKNOWN: internal error while reading the next page"
        )
        + FAILING,
        slept=1.5,
    ),
    Case(
        "pages linked to another origin",
        tags,
        (faults.PageLinks(style=LinkStyle.CROSS_ORIGIN, page_size=1),),
        {"GET tags": 1},
        result=(
            "other and then: GET tags {host}/team/app: the link to the next page is not followed: it "
            "leads to http://{side}/v2/team/app/tags/list, away from "
            "http://{host}/v2/team/app/tags/list"
        )
        + INCOMPLETE,
    ),
    Case(
        "pages without a link",
        tags,
        (faults.PageLinks(style=LinkStyle.MISSING, page_size=1),),
        {"GET tags": 1},
        result="other",
    ),
    Case(
        "no listing of tags",
        tags,
        (faults.RefuseListings(),),
        {"GET tags": 1},
        error=("GET tags {host}/team/app: HTTP 400 UNSUPPORTED: /v2/team/app/tags/list does not take these parameters"),
    ),
    Case("no page sizes", tags, (faults.RefuseListings(only_with_n=True),), {"GET tags": 1}, result="other v1"),
    Case(
        "no catalogue",
        catalog,
        (faults.RefuseListings(status=404, code="NAME_UNKNOWN"),),
        {"GET catalog": 1},
        error="GET catalog {host}: HTTP 404 NAME_UNKNOWN: /v2/_catalog does not take these parameters",
    ),
    Case("an empty list that is null", no_tags, (faults.NullTags(),), {"GET tags": 1}, result=""),
    # blob downloads
    Case("blobs elsewhere", read, (faults.RedirectBlobs(),), {"GET blob": 1, "GET cdn": 1}),
    Case(
        "blobs elsewhere, and the URL expired",
        read,
        (faults.RedirectBlobs(uses=0),),
        {"GET blob": 1, "GET cdn": 1},
        error=(
            "GET blob {host}/team/app@{layer} at http://{side}/cdn/team/app/blobs/{layer}: HTTP 403 "
            "AccessDenied: Request has expired; the registry sent us there, where no credentials are "
            "sent: its storage is at fault"
        ),
    ),
    Case(
        "blobs elsewhere, HEAD refused there",
        size,
        (faults.RedirectBlobs(methods=("GET", "HEAD")),),
        {"HEAD blob": 1, "HEAD cdn": 1, "GET blob": 1, "GET cdn": 1},
        result=1228800,
    ),
    Case(
        "blobs elsewhere behind a password",
        read,
        (faults.RedirectBlobs(),),
        {"GET blob": 2, "GET token": 1, "GET cdn": 1},
        auth=TOKENS,
    ),
    Case(
        "blobs that are not there after all",
        copy,
        (faults.PhantomBlobs(size=LAYER.size, reference=LAYER.digest),),
        {
            "HEAD manifest": 6,
            "GET manifest": 2,
            "HEAD blob": 2,
            "POST uploads": 2,
            "PUT manifest": 2,
            "GET blob": 1,
            "PUT upload": 1,
        },
    ),
    Case(
        "blobs that are not there and of another size",
        copy,
        (faults.PhantomBlobs(size=1),),
        {
            "HEAD manifest": 6,
            "GET manifest": 2,
            "HEAD blob": 2,
            "PUT manifest": 2,
            "POST uploads": 2,
            "GET blob": 2,
            "PUT upload": 2,
        },
    ),
    # mounts
    Case(
        "a mount that lies",
        copy,
        (faults.AnswerMount(status=201, times=2),),
        {
            "HEAD manifest": 6,
            "GET manifest": 2,
            "HEAD blob": 2,
            "POST uploads": 4,
            "PUT manifest": 2,
            "GET blob": 2,
            "PUT upload": 2,
        },
    ),
    Case(
        "a mount that opens a session",
        mount,
        (faults.AnswerMount(status=202),),
        {"POST uploads": 1, "DELETE upload": 1},
        result=False,
    ),
    Case(
        "a mount that is refused for lack of rights",
        mount,
        (faults.AnswerMount(status=401, times=1),),
        {"POST uploads": 1},
        result=False,
    ),
    Case("a mount that is forbidden", mount, (faults.AnswerMount(status=403),), {"POST uploads": 1}, result=False),
    Case(
        "a mount of an unknown repository", mount, (faults.AnswerMount(status=404),), {"POST uploads": 1}, result=False
    ),
    Case(
        "a mount that fails",
        mount,
        (faults.AnswerMount(status=500),),
        {"POST uploads": 2},
        result=False,
        slept=0.1,
    ),
    Case(
        "a copy without mounts",
        copy,
        (faults.AnswerMount(status=404),),
        {
            "HEAD manifest": 5,
            "GET manifest": 2,
            "HEAD blob": 2,
            "POST uploads": 6,
            "GET blob": 2,
            "PUT upload": 2,
            "PUT manifest": 1,
        },
    ),
    # uploads
    Case(
        "no PATCH",
        upload,
        (faults.RefuseMethod(),),
        {"POST uploads": 2, "PATCH upload": 1, "DELETE upload": 1, "PUT upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "no uploads at all",
        upload,
        (faults.RefuseMethod(methods=("POST",), endpoints=(Endpoint.UPLOADS,)),),
        {"POST uploads": 2},
        error=(
            "{host}/team/app@{fresh}: the registry takes no pushes: it is read-only, or a pull-through cache; name one "
            "that is written to as the target (POST upload: HTTP 405 UNSUPPORTED: POST is not supported on "
            "/v2/team/app/blobs/uploads/)"
        ),
    ),
    Case(
        "bodies that are too large",
        upload,
        (faults.RefuseLargeBody(limit=128 * KIB),),
        {"POST uploads": 2, "PUT upload": 2, "DELETE upload": 1, "PATCH upload": 3},
        settings={"blob_chunk": 100 * KIB},
    ),
    Case(
        "bodies that are too large in every way",
        upload,
        (faults.RefuseLargeBody(limit=0),),
        {"POST uploads": 2, "PUT upload": 1, "DELETE upload": 2, "PATCH upload": 1},
        error=(
            "{host}/team/app@{fresh}: a body is too large for the registry or a proxy before it: raise the limit there "
            "(nginx: client_max_body_size), or set blobChunk "
            "(PATCH upload: HTTP 413 SIZE_INVALID: request bodies are limited to 0 bytes)"
        ),
    ),
    Case(
        "an empty final PUT is refused",
        upload,
        (faults.RequireFinalBody(),),
        {"POST uploads": 2, "PATCH upload": 5, "PUT upload": 2, "DELETE upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "a PUT with a body is refused",
        upload,
        (faults.RefuseFinalBody(),),
        {"POST uploads": 2, "PUT upload": 2, "DELETE upload": 1, "PATCH upload": 1},
    ),
    Case(
        "only the last PATCH is kept",
        upload,
        (faults.KeepOnlyLastPatch(),),
        {"POST uploads": 2, "PATCH upload": 3, "PUT upload": 2, "DELETE upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "a chunk lost in part",
        upload,
        (faults.LoseChunk(keep=1000, times=1),),
        {"POST uploads": 1, "PATCH upload": 4, "GET upload": 1, "PUT upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "a chunk lost, and where is not said",
        upload,
        (faults.LoseChunk(keep=1000, with_range=False, times=1),),
        {"POST uploads": 1, "PATCH upload": 4, "GET upload": 1, "PUT upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "a session that expires once",
        upload,
        (faults.ExpireUploads(methods=("PATCH",), skip=1, times=1),),
        {"POST uploads": 2, "PATCH upload": 5, "GET upload": 1, "DELETE upload": 1, "PUT upload": 1},
        settings=CHUNKS,
    ),
    Case(
        "a session that expires every time",
        upload,
        (faults.ExpireUploads(),),
        {"POST uploads": 5, "PUT upload": 5, "HEAD blob": 5, "DELETE upload": 5},
        error=("PUT upload {host}/team/app@{fresh}: HTTP 404 BLOB_UPLOAD_UNKNOWN: upload {id} is not known"),
    ),
    Case(
        "content collected as garbage",
        copy,
        (faults.LoseBlobs(times=1),),
        {
            "HEAD manifest": 6,
            "GET manifest": 2,
            "HEAD blob": 2,
            "POST uploads": 4,
            "PUT manifest": 2,
            "GET blob": 2,
            "PUT upload": 2,
        },
    ),
    Case(
        "content collected as garbage every time",
        copy,
        (faults.LoseBlobs(repository="mirror/app"),),
        {
            "HEAD manifest": 6,
            "GET manifest": 2,
            "HEAD blob": 2,
            "POST uploads": 4,
            "PUT manifest": 2,
            "GET blob": 2,
            "PUT upload": 2,
        },
        error=(
            "PUT manifest {host}/mirror/app:v1: HTTP 404 MANIFEST_BLOB_UNKNOWN: manifest references a"
            " manifest or blob unknown to registry: {config}, {layer}; upload {config}, {layer} again"
        ),
    ),
    # tokens
    Case(
        "a token that expires between chunks",
        upload,
        (faults.ExpireTokens(),),
        {"POST uploads": 2, "GET token": 4, "PATCH upload": 5, "GET upload": 2, "PUT upload": 2},
        auth=TOKENS,
        settings=CHUNKS,
        tick=6.0,
    ),
    Case(
        "a token for two repositories is refused",
        mount,
        (faults.RefuseWiderScope(),),
        {"POST uploads": 1, "GET token": 1},
        result=False,
        auth=TOKENS,
    ),
    # referrers and tags
    Case(
        "a registry without referrers",
        sign,
        (faults.NoReferrers(),),
        {"POST uploads": 2, "PUT upload": 2, "PUT manifest": 2, "GET manifest": 2},
    ),
    Case(
        "another writer of the tag",
        put_checked,
        (faults.OverwriteTag(reference="v2"),),
        {"HEAD blob": 2, "POST uploads": 1, "PUT upload": 1, "PUT manifest": 1, "HEAD manifest": 1},
    ),
    Case(
        "a tag that cannot be deleted",
        delete,
        (faults.DeleteUnsupported(),),
        {"DELETE manifest": 2, "HEAD manifest": 3, "GET tags": 1, "GET referrers": 1},
        error=(
            "DELETE tag {host}/team/app:v1: neither by tag nor by digest: HTTP 405 UNSUPPORTED: "
            "deleting manifests by digest is not supported; switch deletion on in the registry "
            "(distribution: storage.delete.enabled), or remove the tag with the registry's own tools"
        ),
    ),
    Case(
        "a tag that cannot be deleted by name",
        delete,
        (faults.DeleteUnsupported(tags_only=True),),
        {"DELETE manifest": 2, "HEAD manifest": 3, "GET tags": 1, "GET referrers": 1},
    ),
    # permissions
    Case(
        "a push that is denied",
        upload,
        (faults.Deny(),),
        {"POST uploads": 2},
        error="POST upload {host}/team/app@{fresh}: HTTP 403 DENIED: permission_denied: create_package" + LOGIN,
    ),
    Case(
        "a push that is denied at the manifest",
        put,
        (faults.Deny(methods=("PUT",), endpoints=(Endpoint.MANIFEST,)),),
        {"HEAD blob": 2, "POST uploads": 1, "PUT upload": 1, "PUT manifest": 1},
        error="PUT manifest {host}/team/app:v2: HTTP 403 DENIED: permission_denied: create_package" + LOGIN,
    ),
    Case(
        "a deletion that is denied",
        delete,
        (faults.Deny(),),
        {"DELETE manifest": 1},
        error="DELETE tag {host}/team/app:v1: HTTP 403 DENIED: permission_denied: create_package" + LOGIN,
    ),
)


def serve(case: Case) -> RegistryServer:
    server = RegistryServer(Options(auth=case.auth))
    for tag in ("v1", "other"):
        server.store.add_image("team/app", tag, IMAGE if tag == "v1" else images.single("other"))
    server.store.add_image("team/elsewhere", "v1", images.single("elsewhere"))
    server.store.create_repository("team/empty")
    server.faults.add(*case.on)
    return server


def stalling_soon(settings: TransportSettings) -> httpx.AsyncBaseTransport:
    return open_transport(replace(settings, stall_timeout_s=0.2))


def carry_out(case: Case, server: RegistryServer, time: FakeTime) -> object:
    """Return what the question was answered with, or the text of the error."""
    credential = Credential(user="ann", password=Secret("secret")) if case.auth == TOKENS else None

    async def scenario() -> object:
        settings = replace(plain(server, **case.settings), credential=credential)
        async with HttpRegistry({server.host: settings}, timing=time.timing, transport_factory=stalling_soon) as client:
            try:
                return await case.ask(client, Repository.parse(f"{server.host}/team/app"))
            except TransshipError as error:
                return f"error: {error}"

    return asyncio.run(scenario())


def costs(server: RegistryServer) -> dict[str, int]:
    return dict(Counter(f"{each.method} {each.route.endpoint.value}" for each in server.requests))


def shown(text: object, server: RegistryServer) -> object:
    if not isinstance(text, str):
        return text
    for found, name in {**NAMES, server.host: "{host}", server.side_host: "{side}"}.items():
        text = text.replace(found, name)
    text = re.sub(r"sha256:[0-9a-f]{64}", "{other}", text)
    return re.sub(r"upload [0-9a-f]{32}", "upload {id}", text)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_a_user_sees_of_a_fault(case: Case) -> None:
    time = FakeTime(tick=case.tick)
    with serve(case) as server:
        outcome = shown(carry_out(case, server, time), server)
        assert outcome == (f"error: {case.error}" if case.error else case.result)
        assert costs(server) == case.cost
        assert all(server.faults.hits(type(fault)) for fault in case.on) is case.strikes
    assert sum(time.sleeps) == pytest.approx(case.slept)
    if case.ask is copy and not case.error:
        server.store.assert_complete()


def test_every_fault_has_a_case() -> None:
    """So that a fault which is added to the test registry is not left without a word on what users see of it."""
    tests = Path(__file__).parents[1]
    elsewhere = (
        "executor/test_listing_referrers.py",
        "hostile/test_repeated_secrets.py",
        "hostile/test_slow_answers.py",
        "integration/test_hostile_registries.py",
    )
    cases = ("test_faults.py", "test_contract.py", "test_referrers_tag.py")
    text = "".join(Path(tests, name).read_text() for name in (*elsewhere, *(f"registry/{name}" for name in cases)))
    kinds = {kind.__name__ for kind in Fault.__subclasses__()}
    assert kinds == set(re.findall(r"\b(?:faults\.)?(\w+)\(", text)) & kinds


def test_a_registry_that_bears_little_gets_little() -> None:
    """Forty questions at once to a registry that bears three: all are answered, and the client learns to slow down."""
    case = Case("", head, (faults.RefuseConcurrency(limit=3, retry_after_s=1),), {})

    async def ask(client: HttpRegistry, place: Repository) -> object:
        return await asyncio.gather(*(head(client, place) for _ in range(40)))

    with serve(case) as server:
        server.faults.add(faults.SlowResponses(seconds=0.002))
        found = carry_out(replace(case, ask=ask), server, FakeTime())
        assert isinstance(found, list)
        refused = server.requests.count(status=429)
        assert 0 < refused < 40
        assert len(server.requests) == 40 + refused
