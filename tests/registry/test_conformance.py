"""The distribution-spec 1.1 endpoint by endpoint (end-1 … end-13), as the test registry answers a plain client.

This file is to read the specification by: each test is one of its demands on registries, under the endpoint's number.
What the tests of the client stand on must itself stand on the specification.
"""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import cast

import pytest

from support import images
from support.registry_server.options import Options
from support.registry_server.plain_client import Answer, PlainClient, with_query
from support.registry_server.server import RegistryServer

OCTETS = {"Content-Type": "application/octet-stream"}
CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}
IMAGE = images.single("app")
INDEX = images.multi_platform("app")
NOWHERE = images.digest_of(b"nowhere")
_numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[RegistryServer]:
    """Run one registry for the file; every test has repositories of its own."""
    with RegistryServer() as running:
        yield running


@pytest.fixture
def client(server: RegistryServer) -> Iterator[PlainClient]:
    with PlainClient(server.url) as connected:
        yield connected


@pytest.fixture
def name() -> str:
    """Return a `<name>` that is not there yet."""
    return f"spec/r{next(_numbers)}"


@pytest.fixture
def held(server: RegistryServer, name: str) -> str:
    """Return a `<name>` that holds `IMAGE` under the tag v1, and `INDEX` under v2."""
    server.store.add_image(name, "v1", IMAGE)
    server.store.add_image(name, "v2", INDEX)
    return name


def refused(answer: Answer, status: int, code: str) -> None:
    """Check a refusal and its body (Error Codes): an array `errors` of objects with at least a `code` of the table."""
    answer.expect(status)
    errors = cast("list[dict[str, object]]", answer.document()["errors"])
    assert errors[0]["code"] == code
    assert code in CODES
    assert set(errors[0]) <= {"code", "message", "detail"}


def begin(client: PlainClient, name: str) -> str:
    return client.request("POST", f"/v2/{name}/blobs/uploads/", body=b"").expect(202).headers["location"]


def patch(client: PlainClient, location: str, chunk: bytes, start: int) -> Answer:
    """Send a chunk as the spec has it: Content-Range is `<start>-<end>`, inclusive and without a unit."""
    return client.request(
        "PATCH", location, body=chunk, headers={**OCTETS, "Content-Range": f"{start}-{start + len(chunk) - 1}"}
    )


def close(client: PlainClient, location: str, data: bytes, body: bytes = b"") -> Answer:
    return client.request("PUT", with_query(location, digest=images.digest_of(data)), body=body, headers=OCTETS)


def link_of(answer: Answer) -> str | None:
    """Return the target of the `Link` header, which MUST be of relation next (Listing Tags, RFC 8288)."""
    header = answer.headers.get("link")
    if header is None:
        return None
    found = re.fullmatch(r'<([^>]+)>; rel="next"', header)
    assert found is not None, header
    return found[1]


class TestEnd1Support:
    """`GET /v2/`: whether this is a registry at all."""

    def test_the_endpoint_answers_200(self, client: PlainClient) -> None:
        client.request("GET", "/v2/").expect(200)


class TestEnd2PullingBlobs:
    """`GET` and `HEAD /v2/<name>/blobs/<digest>`."""

    def test_get_returns_the_bytes(self, client: PlainClient, held: str) -> None:
        for blob in IMAGE.blobs:
            answer = client.request("GET", f"/v2/{held}/blobs/{blob.digest}").expect(200)
            assert answer.body == blob.data
            assert answer.headers.get("docker-content-digest", blob.digest) == blob.digest

    def test_head_tells_the_length_and_has_no_body(self, client: PlainClient, held: str) -> None:
        blob = IMAGE.blobs[1]
        answer = client.request("HEAD", f"/v2/{held}/blobs/{blob.digest}").expect(200)
        assert (answer.body, answer.headers["content-length"]) == (b"", str(blob.size))

    def test_what_is_not_there_is_404(self, client: PlainClient, held: str) -> None:
        refused(client.request("GET", f"/v2/{held}/blobs/{NOWHERE}"), 404, "BLOB_UNKNOWN")
        assert client.request("HEAD", f"/v2/{held}/blobs/{NOWHERE}").expect(404).body == b""

    def test_a_blob_belongs_to_its_repository(self, client: PlainClient, held: str, server: RegistryServer) -> None:
        """What one repository holds is not to be had from another."""
        server.store.create_repository(f"{held}-other")
        refused(client.request("GET", f"/v2/{held}-other/blobs/{IMAGE.blobs[1].digest}"), 404, "BLOB_UNKNOWN")

    def test_a_range_is_answered_with_206_as_rfc_9110_says(self, client: PlainClient, held: str) -> None:
        blob = IMAGE.blobs[1]
        answer = client.request("GET", f"/v2/{held}/blobs/{blob.digest}", headers={"Range": "bytes=10-19"}).expect(206)
        assert answer.body == blob.data[10:20]
        assert answer.headers["content-range"] == f"bytes 10-19/{blob.size}"
        beyond = client.request("GET", f"/v2/{held}/blobs/{blob.digest}", headers={"Range": f"bytes={blob.size}-"})
        beyond.expect(416)


class TestEnd3PullingManifests:
    """`GET` and `HEAD /v2/<name>/manifests/<reference>`, the reference being a tag or a digest."""

    @pytest.mark.parametrize("image", [IMAGE, INDEX], ids=["image", "index"])
    def test_get_returns_the_bytes_and_their_type(self, client: PlainClient, held: str, image: images.Image) -> None:
        for reference in ("v1" if image is IMAGE else "v2", image.digest):
            answer = client.get_manifest(held, reference).expect(200)
            assert answer.body == image.raw
            assert answer.headers["content-type"] == image.media_type
            assert answer.headers["docker-content-digest"] == image.digest
            assert answer.headers["content-length"] == str(image.size)

    def test_head_tells_the_same_and_has_no_body(self, client: PlainClient, held: str) -> None:
        get = client.get_manifest(held, "v1")
        head = client.request("HEAD", f"/v2/{held}/manifests/v1", headers={"Accept": IMAGE.media_type}).expect(200)
        assert head.body == b""
        for field in ("content-type", "docker-content-digest", "content-length"):
            assert head.headers[field] == get.headers[field]

    def test_what_is_not_there_is_404(self, client: PlainClient, held: str) -> None:
        for reference in ("v9", NOWHERE):
            refused(client.get_manifest(held, reference), 404, "MANIFEST_UNKNOWN")
            assert client.request("HEAD", f"/v2/{held}/manifests/{reference}").expect(404).body == b""

    def test_an_unknown_repository_is_404(self, client: PlainClient, name: str) -> None:
        client.get_manifest(name, "v1").expect(404)

    def test_children_of_an_index_are_pulled_by_digest(self, client: PlainClient, held: str) -> None:
        for child in INDEX.children:
            assert client.get_manifest(held, child.digest).expect(200).body == child.raw


class TestEnd4aBeginningAnUpload:
    """`POST /v2/<name>/blobs/uploads/`."""

    def test_the_answer_is_202_with_a_location(self, client: PlainClient, name: str) -> None:
        answer = client.request("POST", f"/v2/{name}/blobs/uploads/", body=b"").expect(202)
        assert f"/v2/{name}/blobs/uploads/" in answer.headers["location"]

    def test_each_session_has_a_location_of_its_own(self, client: PlainClient, name: str) -> None:
        assert begin(client, name) != begin(client, name)

    def test_a_name_outside_the_grammar_is_refused(self, client: PlainClient) -> None:
        for bad in ("Upper/case", "a/.b", "a//b"):
            client.request("POST", f"/v2/{bad}/blobs/uploads/", body=b"").expect(400, 404)


class TestEnd4bSinglePost:
    """`POST /v2/<name>/blobs/uploads/?digest=<digest>`."""

    def test_a_registry_that_supports_it_answers_201(self, client: PlainClient, name: str) -> None:
        digest = images.digest_of(b"whole")
        target = f"/v2/{name}/blobs/uploads/?digest={digest}"
        answer = client.request("POST", target, body=b"whole", headers=OCTETS).expect(201)
        assert client.request("GET", answer.headers["location"]).expect(200).body == b"whole"

    def test_one_that_does_not_answers_202_and_the_upload_goes_on_with_put(self, name: str) -> None:
        digest = images.digest_of(b"whole")
        with RegistryServer(Options(single_post=False)) as plain, PlainClient(plain.url) as client:
            target = f"/v2/{name}/blobs/uploads/?digest={digest}"
            answer = client.request("POST", target, body=b"whole", headers=OCTETS).expect(202)
            close(client, answer.headers["location"], b"whole", body=b"whole").expect(201)

    def test_other_bytes_are_400(self, client: PlainClient, name: str) -> None:
        target = f"/v2/{name}/blobs/uploads/?digest={NOWHERE}"
        refused(client.request("POST", target, body=b"whole", headers=OCTETS), 400, "DIGEST_INVALID")


class TestEnd5Chunks:
    """`PATCH /v2/<name>/blobs/uploads/<reference>`."""

    def test_each_chunk_is_202_with_location_and_inclusive_range(self, client: PlainClient, name: str) -> None:
        first = patch(client, begin(client, name), b"0123456789", 0).expect(202)
        assert first.headers["range"] == "0-9"
        second = patch(client, first.headers["location"], b"01234", 10).expect(202)
        assert second.headers["range"] == "0-14"
        close(client, second.headers["location"], b"012345678901234").expect(201)

    def test_a_chunk_out_of_order_is_416(self, client: PlainClient, name: str) -> None:
        first = patch(client, begin(client, name), b"01234", 0).expect(202)
        for start in (0, 4, 6):
            patch(client, first.headers["location"], b"56789", start).expect(416)
        patch(client, first.headers["location"], b"56789", 5).expect(202)

    def test_a_minimum_is_announced_when_the_session_begins(self, name: str) -> None:
        with RegistryServer(Options(chunk_min_length=5)) as choosy, PlainClient(choosy.url) as client:
            answer = client.request("POST", f"/v2/{name}/blobs/uploads/", body=b"").expect(202)
            assert answer.headers["oci-chunk-min-length"] == "5"

    def test_a_session_that_is_unknown_is_404(self, client: PlainClient, name: str) -> None:
        location = begin(client, name)
        client.request("DELETE", location).expect(204)
        refused(patch(client, location, b"01234", 0), 404, "BLOB_UPLOAD_UNKNOWN")


class TestEnd6ClosingAnUpload:
    """`PUT /v2/<name>/blobs/uploads/<reference>?digest=<digest>`."""

    def test_the_whole_blob_may_come_with_it(self, client: PlainClient, name: str) -> None:
        answer = close(client, begin(client, name), b"whole", body=b"whole").expect(201)
        assert client.request("GET", answer.headers["location"]).expect(200).body == b"whole"

    def test_the_last_chunk_may_come_with_it(self, client: PlainClient, name: str) -> None:
        first = patch(client, begin(client, name), b"01234", 0).expect(202)
        close(client, first.headers["location"], b"0123456789", body=b"56789").expect(201)

    def test_nothing_may_come_with_it(self, client: PlainClient, name: str) -> None:
        first = patch(client, begin(client, name), b"01234", 0).expect(202)
        close(client, first.headers["location"], b"01234").expect(201)

    def test_an_empty_blob_is_a_blob(self, client: PlainClient, name: str) -> None:
        answer = close(client, begin(client, name), b"").expect(201)
        assert client.request("GET", answer.headers["location"]).expect(200).body == b""

    def test_other_bytes_are_400_and_nothing_is_stored(self, client: PlainClient, name: str) -> None:
        refused(close(client, begin(client, name), b"expected", body=b"received"), 400, "DIGEST_INVALID")
        for data in (b"expected", b"received"):
            client.request("HEAD", f"/v2/{name}/blobs/{images.digest_of(data)}").expect(404)

    def test_a_session_is_closed_once(self, client: PlainClient, name: str) -> None:
        location = begin(client, name)
        close(client, location, b"whole", body=b"whole").expect(201)
        refused(close(client, location, b"whole", body=b"whole"), 404, "BLOB_UPLOAD_UNKNOWN")


class TestEnd7PushingManifests:
    """`PUT /v2/<name>/manifests/<reference>`."""

    def push_blobs(self, client: PlainClient, name: str) -> None:
        for blob in IMAGE.blobs:
            client.upload(name, blob.digest, blob.data)

    @pytest.mark.parametrize("reference", ["v1", IMAGE.digest], ids=["tag", "digest"])
    def test_the_answer_is_201_with_a_location(self, client: PlainClient, name: str, reference: str) -> None:
        self.push_blobs(client, name)
        answer = client.put_manifest(name, reference, IMAGE.raw, IMAGE.media_type).expect(201)
        assert answer.headers["docker-content-digest"] == IMAGE.digest
        stored = client.request("GET", answer.headers["location"], headers={"Accept": IMAGE.media_type}).expect(200)
        assert stored.body == IMAGE.raw

    def test_the_bytes_are_stored_as_they_are(self, client: PlainClient, name: str) -> None:
        """Spaces, order of members and unknown members included: the digest is theirs."""
        self.push_blobs(client, name)
        raw = json.dumps({**json.loads(IMAGE.raw), "x-unknown": [1, 2]}, indent=7).encode() + b"\n"
        client.put_manifest(name, "v1", raw, IMAGE.media_type).expect(201)
        assert client.get_manifest(name, images.digest_of(raw)).expect(200).body == raw

    def test_pushing_again_changes_nothing_and_moves_the_tag(self, client: PlainClient, held: str) -> None:
        client.put_manifest(held, "v1", IMAGE.raw, IMAGE.media_type).expect(201)
        client.put_manifest(held, "v1", INDEX.raw, INDEX.media_type).expect(201)
        assert client.get_manifest(held, "v1").headers["docker-content-digest"] == INDEX.digest
        client.get_manifest(held, IMAGE.digest).expect(200)

    def test_what_it_points_at_must_be_there(self, client: PlainClient, name: str) -> None:
        refused(client.put_manifest(name, "v1", IMAGE.raw, IMAGE.media_type), 404, "MANIFEST_BLOB_UNKNOWN")
        refused(client.put_manifest(name, "v1", INDEX.raw, INDEX.media_type), 404, "MANIFEST_BLOB_UNKNOWN")

    def test_a_digest_of_other_bytes_is_400(self, client: PlainClient, name: str) -> None:
        self.push_blobs(client, name)
        refused(client.put_manifest(name, NOWHERE, IMAGE.raw, IMAGE.media_type), 400, "DIGEST_INVALID")

    def test_a_type_that_contradicts_the_document_is_refused(self, client: PlainClient, name: str) -> None:
        self.push_blobs(client, name)
        refused(client.put_manifest(name, "v1", IMAGE.raw, images.DOCKER_MANIFEST), 400, "MANIFEST_INVALID")

    def test_what_is_no_manifest_is_refused(self, client: PlainClient, name: str) -> None:
        refused(client.put_manifest(name, "v1", b"<html>", IMAGE.media_type), 400, "MANIFEST_INVALID")

    def test_four_megabytes_are_taken_and_more_need_not_be(self, client: PlainClient, name: str) -> None:
        self.push_blobs(client, name)
        full = IMAGE.raw.ljust(4 * 1024 * 1024)
        client.put_manifest(name, "v1", full, IMAGE.media_type).expect(201)
        client.put_manifest(name, "v1", full + b" ", IMAGE.media_type).expect(413)

    def test_a_subject_is_confirmed_though_it_is_not_there(self, client: PlainClient, name: str) -> None:
        """A registry MUST accept it, and MUST say OCI-Subject when it keeps referrers."""
        referrer = images.artifact(IMAGE)
        for blob in referrer.blobs:
            client.upload(name, blob.digest, blob.data)
        answer = client.put_manifest(name, referrer.digest, referrer.raw, referrer.media_type).expect(201)
        assert answer.headers["oci-subject"] == IMAGE.digest

    def test_without_a_subject_none_is_confirmed(self, client: PlainClient, held: str) -> None:
        assert "oci-subject" not in client.put_manifest(held, "v3", IMAGE.raw, IMAGE.media_type).expect(201).headers


class TestEnd8ListingTags:
    """`GET /v2/<name>/tags/list`, with `n` and `last`."""

    @pytest.fixture
    def tagged(self, server: RegistryServer, name: str) -> str:
        for tag in ("v2", "v10", "V1", "latest", "v1"):
            server.store.add_image(name, tag, IMAGE)
        return name

    def test_8a_all_tags_in_lexical_order(self, client: PlainClient, tagged: str) -> None:
        answer = client.request("GET", f"/v2/{tagged}/tags/list").expect(200)
        assert answer.document() == {"name": tagged, "tags": ["V1", "latest", "v1", "v10", "v2"]}
        assert link_of(answer) is None

    def test_8a_an_empty_repository_has_an_empty_list(
        self, server: RegistryServer, client: PlainClient, name: str
    ) -> None:
        server.store.create_repository(name)
        assert client.request("GET", f"/v2/{name}/tags/list").expect(200).document() == {"name": name, "tags": []}

    def test_8a_an_unknown_repository_is_404(self, client: PlainClient, name: str) -> None:
        refused(client.request("GET", f"/v2/{name}/tags/list"), 404, "NAME_UNKNOWN")

    def test_8b_n_is_the_most_and_the_link_leads_on(self, client: PlainClient, tagged: str) -> None:
        pages: list[object] = []
        target: str | None = f"/v2/{tagged}/tags/list?n=2"
        while target is not None:
            answer = client.request("GET", target).expect(200)
            pages.append(answer.document()["tags"])
            target = link_of(answer)
        assert pages == [["V1", "latest"], ["v1", "v10"], ["v2"]]

    def test_8b_n_zero_is_an_empty_list_without_a_link(self, client: PlainClient, tagged: str) -> None:
        answer = client.request("GET", f"/v2/{tagged}/tags/list?n=0").expect(200)
        assert answer.document() == {"name": tagged, "tags": []}
        assert link_of(answer) is None

    def test_8b_last_need_not_exist(self, client: PlainClient, tagged: str) -> None:
        """The list begins after `last`, which itself is not in it."""
        for last, tags in (("latest", ["v1", "v10", "v2"]), ("v11", ["v2"]), ("zzz", [])):
            answer = client.request("GET", f"/v2/{tagged}/tags/list?last={last}").expect(200)
            assert answer.document()["tags"] == tags

    def test_8b_fewer_than_n_means_the_end(self, client: PlainClient, tagged: str) -> None:
        answer = client.request("GET", f"/v2/{tagged}/tags/list?n=6").expect(200)
        assert len(cast("list[str]", answer.document()["tags"])) == 5
        assert link_of(answer) is None


class TestEnd9DeletingManifests:
    """`DELETE /v2/<name>/manifests/<reference>`."""

    def test_by_tag_only_the_tag_goes(self, client: PlainClient, held: str) -> None:
        client.put_manifest(held, "other", IMAGE.raw, IMAGE.media_type).expect(201)
        client.request("DELETE", f"/v2/{held}/manifests/v1").expect(202)
        client.get_manifest(held, "v1").expect(404)
        client.get_manifest(held, "other").expect(200)
        client.get_manifest(held, IMAGE.digest).expect(200)

    def test_by_digest_the_manifest_goes_with_its_tags(self, client: PlainClient, held: str) -> None:
        client.put_manifest(held, "other", IMAGE.raw, IMAGE.media_type).expect(201)
        client.request("DELETE", f"/v2/{held}/manifests/{IMAGE.digest}").expect(202)
        for reference in (IMAGE.digest, "v1", "other"):
            client.get_manifest(held, reference).expect(404)
        client.get_manifest(held, "v2").expect(200)

    def test_what_is_not_there_is_404(self, client: PlainClient, held: str) -> None:
        refused(client.request("DELETE", f"/v2/{held}/manifests/{NOWHERE}"), 404, "MANIFEST_UNKNOWN")
        client.request("DELETE", f"/v2/{held}/manifests/v9").expect(404)

    def test_a_registry_may_not_support_it(self, name: str) -> None:
        options = Options(delete_manifests=False, delete_tags=False)
        with RegistryServer(options) as keeping, PlainClient(keeping.url) as client:
            keeping.store.add_image(name, "v1", IMAGE)
            for reference in ("v1", IMAGE.digest):
                refused(client.request("DELETE", f"/v2/{name}/manifests/{reference}"), 405, "UNSUPPORTED")

    def test_a_referrer_that_goes_is_not_listed_any_more(
        self, server: RegistryServer, client: PlainClient, name: str
    ) -> None:
        referrer = images.artifact(IMAGE)
        server.store.add_image(name, "v1", IMAGE, referrers=[referrer])
        client.request("DELETE", f"/v2/{name}/manifests/{referrer.digest}").expect(202)
        assert client.request("GET", f"/v2/{name}/referrers/{IMAGE.digest}").document()["manifests"] == []


class TestEnd10DeletingBlobs:
    """`DELETE /v2/<name>/blobs/<digest>`."""

    def test_the_blob_goes(self, client: PlainClient, held: str) -> None:
        path = f"/v2/{held}/blobs/{IMAGE.blobs[1].digest}"
        client.request("DELETE", path).expect(202)
        client.request("GET", path).expect(404)
        client.request("DELETE", path).expect(404)

    def test_a_registry_may_not_support_it(self, name: str) -> None:
        with RegistryServer(Options(delete_blobs=False)) as keeping, PlainClient(keeping.url) as client:
            keeping.store.add_image(name, "v1", IMAGE)
            refused(client.request("DELETE", f"/v2/{name}/blobs/{IMAGE.blobs[1].digest}"), 405, "UNSUPPORTED")


class TestEnd11Mounting:
    """`POST /v2/<name>/blobs/uploads/?mount=<digest>&from=<other_name>`."""

    def mount(self, client: PlainClient, name: str, digest: str, source: str) -> Answer:
        return client.request("POST", f"/v2/{name}/blobs/uploads/?mount={digest}&from={source}", body=b"")

    def test_what_the_other_repository_holds_is_mounted(self, client: PlainClient, name: str, held: str) -> None:
        target, blob = f"{name}-copy", IMAGE.blobs[1]
        answer = self.mount(client, target, blob.digest, held).expect(201)
        assert answer.headers["location"].endswith(f"/v2/{target}/blobs/{blob.digest}")
        assert client.request("GET", answer.headers["location"]).expect(200).body == blob.data

    def test_what_it_does_not_hold_begins_an_upload(self, client: PlainClient, name: str, held: str) -> None:
        answer = self.mount(client, f"{name}-copy", images.digest_of(b"new"), held).expect(202)
        close(client, answer.headers["location"], b"new", body=b"new").expect(201)

    def test_a_registry_without_mounts_begins_an_upload(self, name: str) -> None:
        with RegistryServer(Options(mounts=False)) as plain, PlainClient(plain.url) as client:
            plain.store.add_image(name, "v1", IMAGE)
            blob = IMAGE.blobs[1]
            answer = self.mount(client, f"{name}-copy", blob.digest, name).expect(202)
            close(client, answer.headers["location"], blob.data, body=blob.data).expect(201)


class TestEnd12Referrers:
    """`GET /v2/<name>/referrers/<digest>`, with `artifactType`."""

    KINDS = ("application/vnd.example.one", "application/vnd.example.two")

    @pytest.fixture
    def signed(self, server: RegistryServer, name: str) -> str:
        referrers = [
            images.artifact(IMAGE, artifact_type=kind, seed=kind, annotations={"kind": kind}) for kind in self.KINDS
        ]
        server.store.add_image(name, "v1", IMAGE, referrers=referrers)
        return name

    def entries(self, answer: Answer) -> list[dict[str, object]]:
        return cast("list[dict[str, object]]", answer.document()["manifests"])

    def test_12a_the_answer_is_an_index(self, client: PlainClient, signed: str) -> None:
        answer = client.request("GET", f"/v2/{signed}/referrers/{IMAGE.digest}").expect(200)
        assert answer.headers["content-type"] == images.OCI_INDEX
        assert answer.document()["schemaVersion"] == 2
        for entry, kind in zip(self.entries(answer), self.KINDS, strict=True):
            assert {"mediaType", "digest", "size", "artifactType", "annotations"} == set(entry)
            assert (entry["artifactType"], entry["annotations"]) == (kind, {"kind": kind})

    def test_12a_nobody_refers_is_an_empty_index_and_no_404(self, client: PlainClient, held: str) -> None:
        answer = client.request("GET", f"/v2/{held}/referrers/{NOWHERE}").expect(200)
        assert self.entries(answer) == []

    def test_12a_a_bad_digest_is_400(self, client: PlainClient, held: str) -> None:
        client.request("GET", f"/v2/{held}/referrers/sha256:abc").expect(400)

    def test_12a_a_registry_without_the_api_answers_404(self, name: str) -> None:
        with RegistryServer(Options(referrers_api=False)) as old, PlainClient(old.url) as client:
            old.store.add_image(name, "v1", IMAGE)
            client.request("GET", f"/v2/{name}/referrers/{IMAGE.digest}").expect(404)

    def test_12a_pages_are_linked(self, name: str) -> None:
        with RegistryServer(Options(referrers_page_size=1)) as paging, PlainClient(paging.url) as client:
            referrers = [images.artifact(IMAGE, seed=seed) for seed in "abc"]
            paging.store.add_image(name, "v1", IMAGE, referrers=referrers)
            found: list[object] = []
            target: str | None = f"/v2/{name}/referrers/{IMAGE.digest}"
            while target is not None:
                answer = client.request("GET", target).expect(200)
                found += [entry["digest"] for entry in self.entries(answer)]
                target = link_of(answer)
            assert found == [referrer.digest for referrer in referrers]

    def test_12b_a_filter_that_was_applied_is_announced(self, client: PlainClient, signed: str) -> None:
        path = f"/v2/{signed}/referrers/{IMAGE.digest}?artifactType={self.KINDS[1]}"
        answer = client.request("GET", path).expect(200)
        assert [entry["artifactType"] for entry in self.entries(answer)] == [self.KINDS[1]]
        assert answer.headers["oci-filters-applied"] == "artifactType"


class TestEnd13UploadStatus:
    """`GET /v2/<name>/blobs/uploads/<reference>`."""

    def test_the_range_tells_how_far_it_came(self, client: PlainClient, name: str) -> None:
        first = patch(client, begin(client, name), b"01234", 0).expect(202)
        answer = client.request("GET", first.headers["location"]).expect(204)
        assert (answer.body, answer.headers["range"]) == (b"", "0-4")
        second = patch(client, answer.headers["location"], b"56789", 5).expect(202)
        close(client, second.headers["location"], b"0123456789").expect(201)

    def test_a_session_that_is_closed_or_cancelled_is_unknown(self, client: PlainClient, name: str) -> None:
        closed, cancelled = begin(client, name), begin(client, name)
        close(client, closed, b"x", body=b"x").expect(201)
        client.request("DELETE", cancelled).expect(204)
        for location in (closed, cancelled):
            refused(client.request("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_every_endpoint_of_the_specification_is_here() -> None:
    ends = {found[1] for each in globals() if (found := re.match(r"TestEnd(\d+)", each))}
    assert {int(number) for number in ends} == set(range(1, 14))
