"""Artifacts that a target does not take, told from everything else that may go wrong with a push."""

import asyncio

import pytest

from support import images
from support.http_client import FakeTime, plain
from support.registry_server.faults import Deny, Fault, ImmutableTags, LoseBlobs, RefuseMediaTypes
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.errors import (
    AuthenticationError,
    MissingContentError,
    NotFoundError,
    RateLimitedError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.manifest import Manifest
from transship_registry.reference import Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy, is_artifact_refusal

IMAGE = images.single("signed")
ARTIFACT = images.artifact(IMAGE, artifact_type="application/vnd.example.sbom.v1")


def refused(status: int, answer: str, kind: type[RegistryError] = RegistryError) -> RegistryError:
    return kind("PUT manifest", "r.example/app@sha256:00", f"HTTP {status} {answer}", status=status)


@pytest.mark.parametrize(
    "error",
    [
        refused(400, "MANIFEST_INVALID: unknown media type: application/vnd.grimoire.skill.v1"),
        refused(400, "MANIFEST_INVALID: manifest invalid"),
        refused(404, "UNSUPPORTED: The operation is unsupported", NotFoundError),
        refused(405, "UNSUPPORTED: Invalid parameter at 'ImageManifest'"),
        refused(400, "Bad Request: mediaType in manifest should be an image"),
        refused(409, "UNKNOWN: artifact type application/vnd.x is not allowed"),
        refused(422, "UNKNOWN: this kind of artifact is not supported"),
        refused(415, "Unsupported Media Type"),
        refused(415, ""),
        refused(400, "TAG_INVALID: the tag is not allowed"),
        refused(400, "TAG_INVALID: immutable; overwriting is not supported", UnsupportedError),
        UnsupportedError("PUT referrers tag", "r.example/app:sha256-00", "HTTP 409 CONFLICT", status=409),
        UnsupportedError("GET referrers tag", "r.example/app:sha256-00", "it is an image, expected an index"),
    ],
    ids=str,
)
def test_a_registry_that_does_not_take_this_kind_is_recognised(error: RegistryError) -> None:
    assert is_artifact_refusal(error)


@pytest.mark.parametrize(
    "error",
    [
        refused(400, "NAME_INVALID: invalid repository name"),
        refused(400, "Bad Request"),
        refused(404, "NAME_UNKNOWN: repository name not known to registry", NotFoundError),
        refused(403, "DENIED: unsupported media type", AuthenticationError),
        refused(429, "TOOMANYREQUESTS: unsupported", RateLimitedError),
        refused(500, "UNSUPPORTED: media type"),
        UnsupportedError("PUT manifest", "r.example/app", "the manifest has 5000000 bytes"),
        UnsupportedError("GET manifest", "r.example/app", "HTTP 400 UNSUPPORTED", status=400),
        RegistryError("PUT referrers tag", "r.example/app:sha256-00", "HTTP 500 UNKNOWN", status=500),
        RegistryError("PUT manifest", "r.example/app", "no answer from https://r.example (ConnectError)"),
        RegistryError("PUT blob", "r.example/app", "HTTP 400 UNSUPPORTED", status=400),
        MissingContentError("PUT manifest", "r.example/app", "MANIFEST_INVALID: BLOB_UNKNOWN", status=400, digests=()),
    ],
    ids=str,
)
def test_every_other_failure_stays_a_failure(error: RegistryError) -> None:
    assert not is_artifact_refusal(error)


def put(*faults: Fault, tag: str = "") -> RegistryError:
    """Push the artifact to a registry with these faults, and return the error."""
    with RegistryServer(Options(), faults=faults) as server:
        server.store.add_image("app", tag or "v1", IMAGE, referrers=[ARTIFACT])

        async def scenario() -> RegistryError:
            async with HttpRegistry({server.host: plain(server)}, timing=FakeTime().timing) as client:
                manifest = Manifest.parse(ARTIFACT.raw, ARTIFACT.media_type, where="test")
                repository = Repository(server.host, "app")
                with pytest.raises(RegistryError) as caught:
                    await client.put_manifest(repository.tag(tag) if tag else repository.at(manifest.digest), manifest)
                return caught.value

        return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "MANIFEST_INVALID"), (404, "UNSUPPORTED"), (405, "UNSUPPORTED"), (415, "UNSUPPORTED"), (409, "DENIED")],
)
def test_the_refusal_of_a_registry_is_recognised_as_it_comes(status: int, code: str) -> None:
    error = put(RefuseMediaTypes(types=("application/vnd.example.*",), status=status, code=code))
    assert error.answer == f"HTTP {status} {code}: unknown media type: application/vnd.example.sbom.v1"
    assert is_artifact_refusal(error)


def test_other_refusals_of_a_registry_are_told_apart() -> None:
    assert not is_artifact_refusal(put(LoseBlobs()))
    assert not is_artifact_refusal(put(Deny()))


def test_a_tag_of_its_own_that_may_not_be_overwritten_is_a_refusal() -> None:
    """Cosign's tags move with each signature; where no tag moves, the new one is not taken."""
    assert is_artifact_refusal(put(ImmutableTags(), tag="signature"))


def test_a_policy_is_written_as_one_word() -> None:
    assert [RefusedArtifactPolicy(word).name for word in ("fail", "warn", "skip")] == ["FAIL", "WARN", "SKIP"]
