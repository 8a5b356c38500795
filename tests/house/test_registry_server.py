"""The test registry is the judge of the code under test, so it is judged here: by the spec, and by its peers."""

import base64
import hashlib
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

import pytest

from support import images
from support.real_registry import RealRegistry
from support.registry_server import (
    Basic,
    Bearer,
    LocationStyle,
    Options,
    RegistryServer,
    Tls,
    faults,
)
from support.registry_server.ca import CertificateAuthority
from support.registry_server.content import GeneratedContent
from support.registry_server.faults import LinkStyle
from support.registry_server.plain_client import Answer, PlainClient, with_query
from support.registry_server.routes import Endpoint

USERS = {"ann": "secret", "bob": "hidden"}
ANN = ("ann", "secret")
BOB = ("bob", "hidden")
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def client(server: RegistryServer) -> Iterator[PlainClient]:
    with PlainClient(server.url) as connected:
        yield connected


@pytest.fixture(params=["test registry", "real registry"])
def either(request: pytest.FixtureRequest) -> Iterator[PlainClient]:
    """A client of the test registry, then of the reference implementation: what holds for both is no invention."""
    chosen = RegistryServer() if request.param == "test registry" else RealRegistry()
    with chosen as running, PlainClient(running.url) as connected:
        yield connected


def start_upload(client: PlainClient, repository: str = "a/app") -> str:
    return client.request("POST", f"/v2/{repository}/blobs/uploads/", body=b"").expect(202).headers["location"]


def patch(client: PlainClient, location: str, chunk: bytes, start: int | None = None) -> Answer:
    ranged = {} if start is None else {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
    return client.request("PATCH", location, body=chunk, headers={**OCTETS, **ranged})


def finish(client: PlainClient, location: str, data: bytes, body: bytes = b"") -> Answer:
    return client.request("PUT", with_query(location, digest=images.digest_of(data)), body=body, headers=OCTETS)


def push_to(server: RegistryServer, repository: str, tag: str, image: images.Image) -> None:
    images.push(server.url, repository, tag, image)


def numbers(server: RegistryServer, count: int, repository: str = "a/app") -> list[str]:
    """Give a repository so many tags on one image and return their names."""
    image = images.single()
    names = [f"v{number}" for number in range(count)]
    for name in names:
        server.store.add_image(repository, name, image)
    return names


def next_target(answer: Answer) -> str | None:
    """Return the target of the `Link` header as it stands there."""
    link = answer.headers.get("link")
    if link is None:
        return None
    match = re.fullmatch(r'<([^>]*)>; rel="next"', link)
    assert match is not None, link
    return match[1]


def all_pages(client: PlainClient, path: str, field: str) -> list[str]:
    """Follow the pages of a listing, and give up after ten."""
    found: list[str] = []
    target: str | None = path
    for _ in range(10):
        if target is None:
            break
        answer = client.request("GET", target).expect(200)
        found += cast("list[str]", answer.document()[field])
        step = next_target(answer)
        target = None if step is None else urllib.parse.urljoin(target, step)
    return found


class TestEitherRegistry:
    """What the spec demands of any registry, checked on the test registry and on the reference implementation."""

    def test_base_endpoint_answers_200(self, either: PlainClient) -> None:
        answer = either.request("GET", "/v2/").expect(200)
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"

    @pytest.mark.parametrize(
        "image",
        [
            images.single(),
            images.single(dialect=images.Dialect.DOCKER),
            images.multi_platform(),
            images.multi_platform(dialect=images.Dialect.DOCKER),
            images.with_attestations(),
            images.nested(),
            images.artifact(None),
        ],
        ids=["oci", "docker", "index", "list", "attestations", "nested", "artifact"],
    )
    def test_a_pushed_image_comes_back_byte_for_byte(self, either: PlainClient, image: images.Image) -> None:
        for piece in image.all_blobs():
            either.upload("a/app", piece.digest, piece.data)
        for each in image.manifests():
            either.put_manifest("a/app", "v1" if each is image else each.digest, each.raw, each.media_type).expect(201)
        for reference in ("v1", image.digest):
            got = either.get_manifest("a/app", reference).expect(200)
            assert got.body == image.raw
            assert got.headers["docker-content-digest"] == image.digest
            assert got.headers["content-type"] == image.media_type
        for piece in image.all_blobs():
            assert either.get_blob("a/app", piece.digest).expect(200).body == piece.data

    def test_head_tells_length_digest_and_type_without_a_body(self, either: PlainClient) -> None:
        image = images.single()
        for piece in image.blobs:
            either.upload("a/app", piece.digest, piece.data)
        either.put_manifest("a/app", "v1", image.raw, image.media_type).expect(201)
        accept = {"Accept": image.media_type}
        manifest = either.request("HEAD", "/v2/a/app/manifests/v1", headers=accept).expect(200)
        blob = either.request("HEAD", f"/v2/a/app/blobs/{image.blobs[1].digest}").expect(200)
        assert (manifest.body, blob.body) == (b"", b"")
        assert manifest.headers["content-length"] == str(image.size)
        assert manifest.headers["content-type"] == image.media_type
        assert manifest.headers["docker-content-digest"] == image.digest
        assert blob.headers["content-length"] == str(image.blobs[1].size)

    def test_unknown_content_is_404_with_the_codes_of_the_spec(self, either: PlainClient) -> None:
        either.upload("a/app", images.digest_of(b"x"), b"x")
        nothing = images.digest_of(b"nothing")
        assert either.get_manifest("a/app", "none").expect(404).error_codes() == ["MANIFEST_UNKNOWN"]
        assert either.get_blob("a/app", nothing).expect(404).error_codes() == ["BLOB_UNKNOWN"]
        assert either.request("GET", "/v2/b/none/tags/list").expect(404).error_codes() == ["NAME_UNKNOWN"]
        assert either.request("HEAD", f"/v2/a/app/blobs/{nothing}").expect(404).body == b""

    def test_chunks_are_appended_in_order_and_closed_by_an_empty_put(self, either: PlainClient) -> None:
        location = start_upload(either)
        first = patch(either, location, b"hello ", 0).expect(202)
        assert first.headers["range"] == "0-5"
        status = either.request("GET", first.headers["location"]).expect(204)
        assert status.headers["range"] == "0-5"
        second = patch(either, status.headers["location"], b"world", 6).expect(202)
        assert second.headers["range"] == "0-10"
        done = finish(either, second.headers["location"], b"hello world").expect(201)
        assert done.headers["docker-content-digest"] == images.digest_of(b"hello world")
        assert either.request("GET", done.headers["location"]).expect(200).body == b"hello world"

    def test_a_stream_without_content_range_is_one_patch(self, either: PlainClient) -> None:
        pieces = [b"one ", b"two"]
        answer = either.request("PATCH", start_upload(either), body=iter(pieces), headers=OCTETS).expect(202)
        assert answer.headers["range"] == "0-6"
        finish(either, answer.headers["location"], b"one two").expect(201)

    def test_the_last_chunk_may_come_with_the_put(self, either: PlainClient) -> None:
        first = patch(either, start_upload(either), b"hello ", 0).expect(202)
        finish(either, first.headers["location"], b"hello world", body=b"world").expect(201)

    def test_content_of_another_digest_is_refused(self, either: PlainClient) -> None:
        refused = finish(either, start_upload(either), b"expected", body=b"received").expect(400)
        assert refused.error_codes() == ["DIGEST_INVALID"]
        assert either.get_blob("a/app", images.digest_of(b"expected")).status == 404

    def test_a_cancelled_upload_is_unknown(self, either: PlainClient) -> None:
        location = start_upload(either)
        either.request("DELETE", location).expect(204)
        refused = either.request("GET", location).expect(404)
        assert refused.error_codes() == ["BLOB_UPLOAD_UNKNOWN"]

    def test_a_mount_needs_no_bytes_and_falls_back_to_a_session(self, either: PlainClient) -> None:
        digest = images.digest_of(b"shared")
        either.upload("a/one", digest, b"shared")
        path = f"/v2/a/two/blobs/uploads/?mount={digest}&from="
        mounted = either.request("POST", f"{path}a/one", body=b"").expect(201)
        assert either.request("GET", mounted.headers["location"]).expect(200).body == b"shared"
        other = images.digest_of(b"other")
        session = either.request("POST", f"/v2/a/two/blobs/uploads/?mount={other}&from=a/one", body=b"").expect(202)
        finish(either, session.headers["location"], b"other", body=b"other").expect(201)

    def test_a_manifest_on_missing_blobs_is_refused_by_name(self, either: PlainClient) -> None:
        image = images.single()
        refused = either.put_manifest("a/app", "v1", image.raw, image.media_type)
        assert refused.status in {400, 404}
        assert "MANIFEST_BLOB_UNKNOWN" in refused.error_codes()
        assert image.blobs[1].digest in refused.body.decode()

    def test_a_manifest_under_another_digest_is_refused(self, either: PlainClient) -> None:
        image = images.single()
        for piece in image.blobs:
            either.upload("a/app", piece.digest, piece.data)
        refused = either.put_manifest("a/app", images.digest_of(b"other"), image.raw, image.media_type).expect(400)
        assert refused.error_codes() == ["DIGEST_INVALID"]

    def test_all_tags_are_listed(self, either: PlainClient) -> None:
        """The reference implementation keeps no order and no pages; those are for the spec's own tests."""
        image = images.single()
        for piece in image.blobs:
            either.upload("a/app", piece.digest, piece.data)
        for name in ("b", "a", "C", "d"):
            either.put_manifest("a/app", name, image.raw, image.media_type).expect(201)
        assert sorted(either.list_tags("a/app")) == ["C", "a", "b", "d"]

    def test_the_catalog_lists_repositories_in_pages(self, either: PlainClient) -> None:
        for name in ("a/one", "a/two", "b"):
            either.upload(name, images.digest_of(b"x"), b"x")
            image = images.single()
            for piece in image.blobs:
                either.upload(name, piece.digest, piece.data)
            either.put_manifest(name, "v1", image.raw, image.media_type).expect(201)
        assert all_pages(either, "/v2/_catalog?n=2", "repositories") == ["a/one", "a/two", "b"]

    def test_deleting_a_digest_removes_every_tag_on_it(self, either: PlainClient) -> None:
        image = images.single()
        for piece in image.blobs:
            either.upload("a/app", piece.digest, piece.data)
        for name in ("v1", "v2"):
            either.put_manifest("a/app", name, image.raw, image.media_type).expect(201)
        either.request("DELETE", f"/v2/a/app/manifests/{image.digest}").expect(202)
        assert either.list_tags("a/app") == []
        either.get_manifest("a/app", "v1").expect(404)

    def test_a_blob_is_served_by_range(self, either: PlainClient) -> None:
        digest = images.digest_of(b"0123456789")
        either.upload("a/app", digest, b"0123456789")
        for asked, body, content_range in (
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=8-100", b"89", "bytes 8-9/10"),
        ):
            answer = either.request("GET", f"/v2/a/app/blobs/{digest}", headers={"Range": asked}).expect(206)
            assert (answer.body, answer.headers["content-range"]) == (body, content_range)


class TestSpecOnePointOne:
    """What version 1.1 adds, and what the reference implementation (2.8) does not do."""

    def test_a_blob_is_created_by_a_single_post(self, client: PlainClient) -> None:
        digest = images.digest_of(b"all at once")
        target = f"/v2/a/app/blobs/uploads/?digest={digest}"
        done = client.request("POST", target, body=b"all at once", headers=OCTETS).expect(201)
        assert client.request("GET", done.headers["location"]).expect(200).body == b"all at once"

    def test_a_chunk_out_of_order_is_416_and_the_session_goes_on(self, client: PlainClient) -> None:
        first = patch(client, start_upload(client), b"hello ", 0).expect(202)
        patch(client, first.headers["location"], b"world", 7).expect(416)
        status = client.request("GET", first.headers["location"]).expect(204)
        assert status.headers["range"] == "0-5"

    def test_a_range_outside_the_blob_is_416(self, client: PlainClient) -> None:
        digest = images.digest_of(b"0123456789")
        client.upload("a/app", digest, b"0123456789")
        refused = client.request("GET", f"/v2/a/app/blobs/{digest}", headers={"Range": "bytes=10-"}).expect(416)
        assert refused.headers["content-range"] == "bytes */10"
        client.request("GET", f"/v2/a/app/blobs/{digest}", headers={"Range": "lines=1-2"}).expect(200)

    def test_tags_are_listed_in_order_and_in_pages(self, server: RegistryServer, client: PlainClient) -> None:
        for name in ("b", "a", "C", "d"):
            server.store.add_image("a/app", name, images.single())
        assert client.list_tags("a/app") == ["C", "a", "b", "d"]
        assert all_pages(client, "/v2/a/app/tags/list?n=3", "tags") == ["C", "a", "b", "d"]
        page = client.request("GET", "/v2/a/app/tags/list?n=2&last=a").expect(200)
        assert page.document() == {"name": "a/app", "tags": ["b", "d"]}
        assert "link" not in page.headers

    def test_sha512_content_is_stored_under_its_own_digest(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single(algorithm="sha512")
        for piece in image.blobs:
            client.upload("a/app", piece.digest, piece.data)
        client.put_manifest("a/app", image.digest, image.raw, image.media_type).expect(201)
        assert client.get_manifest("a/app", image.digest).expect(200).body == image.raw
        first = patch(client, start_upload(client), b"by ", 0).expect(202)
        target = with_query(first.headers["location"], digest=images.digest_of(b"by parts", "sha512"))
        client.request("PUT", target, body=b"parts", headers=OCTETS).expect(201)
        assert server.store.get_blob("a/app", images.digest_of(b"by parts", "sha512")) is not None

    def test_only_the_last_location_takes_chunks(self, client: PlainClient) -> None:
        """A client that builds its own URL, or keeps an old one, is found out."""
        location = start_upload(client)
        second = patch(client, location, b"one").expect(202).headers["location"]
        assert second != location
        assert patch(client, location, b"two").expect(404).error_codes() == ["BLOB_UPLOAD_UNKNOWN"]
        finish(client, second.partition("?")[0], b"one").expect(404)
        finish(client, second, b"one").expect(201)

    def test_absolute_locations_are_urls_of_the_registry(self) -> None:
        with (
            RegistryServer(Options(location_style=LocationStyle.ABSOLUTE)) as server,
            PlainClient(server.url) as client,
        ):
            location = start_upload(client)
            assert location.startswith(f"{server.url}/v2/a/app/blobs/uploads/")
            done = finish(client, location, b"x", body=b"x").expect(201)
            assert done.headers["location"] == f"{server.url}/v2/a/app/blobs/{images.digest_of(b'x')}"

    def test_only_the_last_chunk_may_be_shorter_than_the_minimum(self) -> None:
        with RegistryServer(Options(chunk_min_length=4)) as server, PlainClient(server.url) as client:
            started = client.request("POST", "/v2/a/app/blobs/uploads/", body=b"").expect(202)
            assert started.headers["oci-chunk-min-length"] == "4"
            first = patch(client, started.headers["location"], b"four", 0).expect(202)
            short = patch(client, first.headers["location"], b"two", 4).expect(202)
            refused = patch(client, short.headers["location"], b"more", 7).expect(400)
            assert refused.error_codes() == ["SIZE_INVALID"]
            finish(client, short.headers["location"], b"fourtwo").expect(201)

    def test_a_chunk_whose_length_is_not_its_range_is_refused(self, client: PlainClient) -> None:
        headers = {**OCTETS, "Content-Range": "0-9"}
        refused = client.request("PATCH", start_upload(client), body=b"five!", headers=headers).expect(400)
        assert refused.error_codes() == ["SIZE_INVALID"]
        headers = {**OCTETS, "Content-Range": "bytes 0-4/5"}
        refused = client.request("PATCH", start_upload(client), body=b"five!", headers=headers).expect(400)
        assert refused.error_codes() == ["BLOB_UPLOAD_INVALID"]

    def test_a_mount_without_source_finds_the_blob_anywhere_if_so_set_up(self) -> None:
        digest = images.digest_of(b"shared")
        for anonymous, status in ((True, 201), (False, 202)):
            with RegistryServer(Options(anonymous_mount=anonymous)) as server, PlainClient(server.url) as client:
                client.upload("a/one", digest, b"shared")
                client.request("POST", f"/v2/a/two/blobs/uploads/?mount={digest}", body=b"").expect(status)

    def test_a_manifest_is_refused_for_what_is_wrong_with_it(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        server.store.add_image("a/app", None, image)
        cases = (
            ("v1", b"not json", image.media_type, 400, "MANIFEST_INVALID"),
            ("v1", b"[]", image.media_type, 400, "MANIFEST_INVALID"),
            ("v1", b'{"config": 1}', image.media_type, 400, "MANIFEST_INVALID"),
            ("v1", image.raw, images.OCI_INDEX, 400, "MANIFEST_INVALID"),
            ("v1", image.raw + b" " * 5_000_000, image.media_type, 413, "SIZE_INVALID"),
            (".v1", image.raw, image.media_type, 400, "TAG_INVALID"),
            ("sha256:1", image.raw, image.media_type, 400, "DIGEST_INVALID"),
        )
        for reference, raw, media_type, status, code in cases:
            answer = client.put_manifest("a/app", reference, raw, media_type).expect(status)
            assert answer.error_codes() == [code], reference
        assert server.store.tags("a/app") == {}

    def test_a_bad_repository_name_is_name_invalid(self, client: PlainClient) -> None:
        assert client.request("GET", "/v2/Upper/tags/list").expect(400).error_codes() == ["NAME_INVALID"]
        assert client.request("GET", "/elsewhere").expect(404).error_codes() == ["NOT_FOUND"]

    def test_an_index_needs_its_children_first(self, client: PlainClient) -> None:
        image = images.multi_platform()
        refused = client.put_manifest("a/app", "v1", image.raw, image.media_type).expect(404)
        assert refused.error_codes() == ["MANIFEST_BLOB_UNKNOWN"]
        assert image.children[0].digest in refused.body.decode()

    def test_non_distributable_layers_need_no_blob(self, server: RegistryServer) -> None:
        far = images.layer("far", urls=("https://example.com/far",), dialect=images.Dialect.DOCKER)
        image = images.single(layers=["near", far], dialect=images.Dialect.DOCKER)
        push_to(server, "a/app", "v1", image)
        assert far.digest not in server.store.blobs("a/app")
        server.store.assert_complete()

    def test_a_type_that_is_not_accepted_is_not_found(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.add_image("a/app", "v1", images.multi_platform())
        for accept, status in (
            (images.OCI_INDEX, 200),
            (f"{images.OCI_MANIFEST}, {images.OCI_INDEX};q=0.5", 200),
            ("*/*", 200),
            (images.OCI_MANIFEST, 404),
        ):
            client.request("GET", "/v2/a/app/manifests/v1", headers={"Accept": accept}).expect(status)
        client.request("GET", "/v2/a/app/manifests/v1").expect(200)

    def test_n_zero_is_an_empty_page_without_link(self, server: RegistryServer, client: PlainClient) -> None:
        numbers(server, 2)
        answer = client.request("GET", "/v2/a/app/tags/list?n=0").expect(200)
        assert answer.document()["tags"] == []
        assert "link" not in answer.headers
        client.request("GET", "/v2/a/app/tags/list?n=many").expect(400)

    def test_the_registry_may_cut_pages_shorter_than_asked(self) -> None:
        with RegistryServer(Options(page_size=2)) as server, PlainClient(server.url) as client:
            names = numbers(server, 5)
            first = client.request("GET", "/v2/a/app/tags/list?n=4").expect(200)
            assert first.document()["tags"] == names[:2]
            assert all_pages(client, "/v2/a/app/tags/list", "tags") == names

    def test_deleting_a_tag_leaves_the_manifest(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        server.store.add_image("a/app", "v1", image)
        server.store.add_image("a/app", "v2", image)
        client.request("DELETE", "/v2/a/app/manifests/v1").expect(202)
        client.request("DELETE", "/v2/a/app/manifests/v1").expect(404)
        assert server.store.tags("a/app") == {"v2": image.digest}
        client.get_manifest("a/app", image.digest).expect(200)

    def test_a_deleted_blob_is_gone(self, client: PlainClient) -> None:
        digest = images.digest_of(b"x")
        client.upload("a/app", digest, b"x")
        client.request("DELETE", f"/v2/a/app/blobs/{digest}").expect(202)
        client.request("DELETE", f"/v2/a/app/blobs/{digest}").expect(404)

    def test_deletion_that_is_not_supported_is_405(self) -> None:
        options = Options(delete_manifests=False, delete_tags=False, delete_blobs=False)
        image = images.single()
        with RegistryServer(options) as server, PlainClient(server.url) as client:
            server.store.add_image("a/app", "v1", image)
            for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{image.blobs[0].digest}"):
                assert client.request("DELETE", f"/v2/a/app/{path}").expect(405).error_codes() == ["UNSUPPORTED"]
            assert server.store.tags("a/app") == {"v1": image.digest}

    def test_a_push_to_a_missing_repository_is_refused_if_none_is_created(self) -> None:
        with RegistryServer(Options(create_repositories=False)) as server, PlainClient(server.url) as client:
            refused = client.request("POST", "/v2/a/app/blobs/uploads/", body=b"").expect(404)
            assert refused.error_codes() == ["NAME_UNKNOWN"]
            server.store.create_repository("a/app")
            push_to(server, "a/app", "v1", images.single())

    @pytest.mark.parametrize("first", ["referrer", "subject"])
    def test_referrers_are_listed_whatever_came_first(self, client: PlainClient, first: str) -> None:
        """A registry MUST accept a manifest whose subject does not exist yet."""
        image = images.single()
        sbom = images.artifact(image, annotations={"made": "today"})
        for each in (sbom, image) if first == "referrer" else (image, sbom):
            for piece in each.blobs:
                client.upload("a/app", piece.digest, piece.data)
            answer = client.put_manifest("a/app", each.digest, each.raw, each.media_type).expect(201)
            assert answer.headers.get("oci-subject") == each.subject
        listed = client.request("GET", f"/v2/a/app/referrers/{image.digest}").expect(200)
        assert listed.headers["content-type"] == images.OCI_INDEX
        assert listed.document() == {
            "schemaVersion": 2,
            "mediaType": images.OCI_INDEX,
            "manifests": [
                {
                    "mediaType": images.OCI_MANIFEST,
                    "digest": sbom.digest,
                    "size": sbom.size,
                    "artifactType": "application/vnd.example.sbom.v1",
                    "annotations": {"made": "today"},
                }
            ],
        }

    def test_the_config_type_stands_in_for_a_missing_artifact_type(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        image = images.single()
        old = images.artifact(image, config_media_type="application/vnd.example.config")
        server.store.add_image("a/app", "v1", image, referrers=[old])
        listed = client.request("GET", f"/v2/a/app/referrers/{image.digest}").expect(200).document()
        entries = cast("list[dict[str, str]]", listed["manifests"])
        assert [entry["artifactType"] for entry in entries] == ["application/vnd.example.config"]

    def test_an_unknown_subject_has_no_referrers_and_a_bad_digest_is_refused(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        server.store.create_repository("a/app")
        listed = client.request("GET", f"/v2/a/app/referrers/{images.digest_of(b'none')}").expect(200)
        assert listed.document()["manifests"] == []
        client.request("GET", "/v2/a/app/referrers/sha256:short").expect(400)

    def test_an_applied_filter_is_announced(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        kinds = ("application/vnd.example.one", "application/vnd.example.two")
        referrers = [images.artifact(image, artifact_type=kind, seed=kind) for kind in kinds]
        server.store.add_image("a/app", "v1", image, referrers=referrers)
        path = f"/v2/a/app/referrers/{image.digest}"
        filtered = client.request("GET", f"{path}?artifactType={kinds[1]}").expect(200)
        assert filtered.headers["oci-filters-applied"] == "artifactType"
        entries = cast("list[dict[str, str]]", filtered.document()["manifests"])
        assert [entry["digest"] for entry in entries] == [referrers[1].digest]
        assert "oci-filters-applied" not in client.request("GET", path).headers

    def test_referrers_come_in_pages_that_keep_the_filter(self) -> None:
        image = images.single()
        referrers = [images.artifact(image, seed=str(number)) for number in range(5)]
        with RegistryServer(Options(referrers_page_size=2)) as server, PlainClient(server.url) as client:
            server.store.add_image("a/app", "v1", image, referrers=referrers)
            path = f"/v2/a/app/referrers/{image.digest}?artifactType=application/vnd.example.sbom.v1"
            entries = cast("list[dict[str, str]]", all_pages(client, path, "manifests"))
            assert [entry["digest"] for entry in entries] == [each.digest for each in referrers]
            assert server.requests.count("GET", "/referrers/", query="artifactType=") == 3

    def test_without_the_referrers_api_clients_write_the_referrers_tag(self) -> None:
        image = images.single()
        with RegistryServer(Options(referrers_api=False)) as server, PlainClient(server.url) as client:
            sboms = [images.artifact(image, seed=seed) for seed in "ab"]
            images.push(server.url, "a/app", "v1", image, referrers=sboms)
            client.request("GET", f"/v2/a/app/referrers/{image.digest}").expect(404)
            listed = client.get_manifest("a/app", image.referrers_tag).expect(200)
            entries = cast("list[dict[str, str]]", listed.document()["manifests"])
            assert [entry["digest"] for entry in entries] == [sbom.digest for sbom in sboms]

    def test_a_signed_schema_1_manifest_has_the_digest_of_its_payload(self, server: RegistryServer) -> None:
        image = images.schema1(name="a/old", tag="v1")
        push_to(server, "a/old", "v1", image)
        assert server.store.tags("a/old") == {"v1": image.digest}
        assert image.digest != images.digest_of(image.raw)
        with RealRegistry(schema1_enabled=True) as real, PlainClient(real.url) as client:
            images.push(real.url, "a/old", "v1", image)
            assert client.get_manifest("a/old", "v1").expect(200).headers["docker-content-digest"] == image.digest


class TestStore:
    """The content as tests see it."""

    def test_incomplete_tags_are_told_in_full(self, server: RegistryServer) -> None:
        image = images.single(layers=1)
        server.store.add_image("a/app", "v1", image)
        server.store.assert_complete()
        server.store.delete_blob("a/app", image.blobs[1].digest)
        with pytest.raises(AssertionError) as caught:
            server.store.assert_complete()
        assert str(caught.value).startswith(
            f"tags on incomplete content:\na/app:v1: blob {image.blobs[1].digest} is missing"
        )

    def test_corrupt_content_is_told(self, server: RegistryServer) -> None:
        image = images.multi_platform()
        server.store.add_image("a/app", "v1", image)
        config, *_ = image.children[0].blobs
        server.store.put_blob("a/app", config.digest, GeneratedContent(config.size))
        server.store.put_blob("a/app", image.children[1].blobs[1].digest, GeneratedContent(3))
        digest, size = image.children[1].blobs[1].digest, image.children[1].blobs[1].size
        inside = f"a/app:v1 > {image.digest[:19]}"
        assert server.store.flaws() == [
            f"{inside}: blob {config.digest} has other bytes",
            f"{inside}: blob {digest} has 3 bytes, not {size}",
            f"{inside}: blob {digest} has other bytes",
        ]

    def test_tags_can_be_moved_and_compared(self, server: RegistryServer) -> None:
        one, two = images.single("one"), images.single("two")
        server.store.add_image("a/app", "v1", one)
        before = server.store.snapshot()
        server.store.add_image("a/app", None, two)
        assert server.store.snapshot() == before
        server.store.set_tag("a/app", "v1", two.digest)
        assert before == {"a/app": {"v1": one.digest}}
        assert server.store.snapshot() == {"a/app": {"v1": two.digest}}

    @pytest.mark.parametrize("seed", [None, 7], ids=["zeros", "random"])
    def test_a_generated_blob_has_the_digest_of_its_bytes(
        self, server: RegistryServer, client: PlainClient, seed: int | None
    ) -> None:
        size = 3_000_001
        digest = server.store.add_generated_blob("a/app", size, seed=seed)
        whole = client.get_blob("a/app", digest).expect(200).body
        assert len(whole) == size
        assert images.digest_of(whole) == digest
        part = client.request("GET", f"/v2/a/app/blobs/{digest}", headers={"Range": "bytes=524280-1048600"}).expect(206)
        assert part.body == whole[524280:1048601]

    def test_a_discarding_registry_keeps_digest_and_size(self) -> None:
        image = images.single(size=100_000)
        with RegistryServer(Options(discard_blobs=True)) as server, PlainClient(server.url) as client:
            push_to(server, "a/app", "v1", image)
            server.store.assert_complete()
            head = client.request("HEAD", f"/v2/a/app/blobs/{image.blobs[1].digest}").expect(200)
            assert head.headers["content-length"] == "100000"
            refused = finish(client, start_upload(client), b"expected", body=b"received").expect(400)
            assert refused.error_codes() == ["DIGEST_INVALID"]

    @pytest.mark.slow
    def test_memory_stays_flat_while_a_gigabyte_passes_through(self) -> None:
        size = 1 << 30
        options = Options(discard_blobs=True, verify_uploads=False)
        with RegistryServer(options) as server, PlainClient(server.url) as client:
            digest = server.store.add_generated_blob("a/app", size)
            before = resident_bytes()
            block = bytes(1 << 20)
            target = with_query(start_upload(client), digest=digest)
            headers = {**OCTETS, "Content-Length": str(size)}
            client.request("PUT", target, body=(block for _ in range(size >> 20)), headers=headers).expect(201)
            assert resident_bytes() - before < 32 << 20
            assert server.requests.select("PUT")[0].received == size


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


class TestRecording:
    """Requests can be counted, and it shows how many there were at a time."""

    def test_requests_are_recorded_with_lengths_and_status(self, server: RegistryServer, client: PlainClient) -> None:
        client.upload("a/app", images.digest_of(b"12345"), b"12345")
        client.get_blob("a/app", images.digest_of(b"12345"))
        assert [(each.method, each.status, each.received, each.sent) for each in server.requests] == [
            ("HEAD", 404, 0, 0),
            ("POST", 202, 0, 0),
            ("PUT", 201, 5, 0),
            ("GET", 200, 0, 5),
        ]
        assert server.requests.count("GET", r"/blobs/sha256:") == 1
        assert server.requests.count(path=r"/blobs/", status=404) == 1
        assert server.requests.lines[1] == "POST /v2/a/app/blobs/uploads/"
        server.requests.clear()
        assert len(server.requests) == 0

    def test_the_most_requests_in_flight_are_known(self, server: RegistryServer) -> None:
        server.faults.add(faults.SlowResponses(seconds=0.2))

        def ask(_: int) -> int:
            with PlainClient(server.url) as client:
                return client.request("GET", "/v2/").status

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(4))) == [200] * 4
        assert server.requests.in_flight_max == 4
        assert server.requests.in_flight == 0
        server.requests.clear()
        assert server.requests.in_flight_max == 0

    def test_two_servers_know_nothing_of_each_other(self, server: RegistryServer) -> None:
        with RegistryServer() as other, PlainClient(other.url) as client:
            client.request("GET", "/v2/").expect(200)
            assert (len(server.requests), len(other.requests)) == (0, 1)

    def test_a_server_starts_and_stops_quickly_with_connections_open(self) -> None:
        began = time.monotonic()
        with RegistryServer() as server:
            client = PlainClient(server.url)
            client.request("GET", "/v2/").expect(200)
            server.faults.add(faults.SlowResponses(seconds=3600))
            asking = threading.Thread(target=lambda: client.request("GET", "/v2/"))
            asking.start()
            while server.requests.count("GET") < 2:
                time.sleep(0.001)
        asking.join()
        client.close()
        assert time.monotonic() - began < 600


class TestAuthentication:
    """Credentials are demanded, scopes are enforced, and secrets are remembered."""

    def test_basic_credentials_are_demanded_and_checked(self) -> None:
        with RegistryServer(Options(auth=Basic(users=USERS))) as server:
            with PlainClient(server.url) as nobody:
                refused = nobody.request("GET", "/v2/").expect(401)
                assert refused.headers["www-authenticate"] == 'Basic realm="test registry"'
                assert refused.error_codes() == ["UNAUTHORIZED"]
            with PlainClient(server.url, auth=("ann", "wrong")) as wrong:
                wrong.request("GET", "/v2/").expect(401)
            with PlainClient(server.url, auth=ANN) as ann:
                ann.request("GET", "/v2/").expect(200)

    def test_grants_limit_what_a_basic_user_may_do(self) -> None:
        auth = Basic(users=USERS, grants={"bob": {"team/*": frozenset({"pull"})}}, anonymous_pull=True)
        with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url, auth=BOB) as bob:
            server.store.add_image("team/app", "v1", images.single())
            bob.request("GET", "/v2/").expect(200)
            bob.get_manifest("team/app", "v1").expect(200)
            assert bob.request("POST", "/v2/team/app/blobs/uploads/").expect(403).error_codes() == ["DENIED"]
            bob.get_manifest("other/app", "v1").expect(403)
            with PlainClient(server.url) as nobody:
                nobody.get_manifest("team/app", "v1").expect(200)
                nobody.request("POST", "/v2/team/app/blobs/uploads/").expect(401)

    def test_the_challenge_names_realm_service_and_scope(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url) as client:
            parts = f'Bearer realm="{server.url}/token",service="test-registry"'
            digest = images.digest_of(b"x")
            for method, path, scope in (
                ("GET", "/v2/", ""),
                ("GET", "/v2/_catalog", ',scope="registry:catalog:*"'),
                ("HEAD", "/v2/a/app/manifests/v1", ',scope="repository:a/app:pull"'),
                ("POST", "/v2/a/app/blobs/uploads/", ',scope="repository:a/app:pull,push"'),
                ("DELETE", f"/v2/a/app/manifests/{digest}", ',scope="repository:a/app:delete"'),
                (
                    "POST",
                    f"/v2/a/app/blobs/uploads/?mount={digest}&from=b",
                    ',scope="repository:a/app:pull,push repository:b:pull"',
                ),
            ):
                refused = client.request(method, path).expect(401)
                assert refused.headers["www-authenticate"] == parts + scope, path

    def test_a_whole_image_travels_under_tokens(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server:
            images.push(server.url, "a/app", "v1", images.multi_platform(), auth=ANN)
            server.store.assert_complete()
            assert server.requests.count("GET", "^/token$", 200) == 2

    def test_a_token_is_good_for_its_scope_only(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url) as client:
            server.store.add_image("a/app", "v1", images.single())
            server.store.add_image("b/app", "v1", images.single())
            bearer = token(client, ["repository:a/app:pull"])
            assert client.request("GET", "/v2/a/app/tags/list", headers=bearer).status == 200
            refused = client.request("GET", "/v2/b/app/tags/list", headers=bearer).expect(401)
            assert refused.headers["www-authenticate"].endswith('error="insufficient_scope"')
            client.request("POST", "/v2/a/app/blobs/uploads/", headers=bearer).expect(401)

    def test_insufficient_scope_may_be_403(self) -> None:
        auth = Bearer(users=USERS, insufficient_scope_status=403)
        with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url) as client:
            refused = client.request("GET", "/v2/b/tags/list", headers=token(client, ["repository:a:pull"])).expect(403)
            assert refused.error_codes() == ["DENIED"]

    def test_a_mount_needs_pull_on_the_other_repository(self) -> None:
        digest = images.digest_of(b"shared")
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url) as client:
            server.store.add_blob("b", b"shared")
            target = f"/v2/a/blobs/uploads/?mount={digest}&from=b"
            narrow = token(client, ["repository:a:pull,push"])
            wide = token(client, ["repository:a:pull,push", "repository:b:pull"])
            client.request("POST", target, headers=narrow).expect(401)
            client.request("POST", target, headers=wide).expect(201)

    def test_grants_narrow_a_token_silently(self) -> None:
        auth = Bearer(users=USERS, grants={"bob": {"a": frozenset({"pull"})}})
        with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url) as client:
            server.store.add_image("a", "v1", images.single())
            bearer = token(client, ["repository:a:pull,push"], BOB)
            client.request("GET", "/v2/a/tags/list", headers=bearer).expect(200)
            client.request("POST", "/v2/a/blobs/uploads/", headers=bearer).expect(401)

    def test_anonymous_tokens_pull_only(self) -> None:
        with RegistryServer(Options(auth=Bearer(anonymous_pull=True))) as server, PlainClient(server.url) as client:
            server.store.add_image("a", "v1", images.single())
            bearer = token(client, ["repository:a:pull,push"], None)
            client.request("GET", "/v2/a/tags/list", headers=bearer).expect(200)
            client.request("POST", "/v2/a/blobs/uploads/", headers=bearer).expect(401)

    def test_wrong_credentials_get_no_token(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url) as client:
            client.request("GET", "/token", headers=basic(("ann", "wrong"))).expect(401)
            client.request("GET", "/token").expect(401)
            client.request("POST", "/token", body=b"grant_type=password&username=ann&password=wrong").expect(401)
            client.request("POST", "/token", body=b"grant_type=refresh_token&refresh_token=stolen").expect(401)

    def test_oauth2_exchanges_passwords_and_refresh_tokens(self) -> None:
        auth = Bearer(users=USERS, refresh_tokens={"identity": "bob"})
        with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url) as client:
            server.store.create_repository("a")
            form = {"grant_type": "password", "username": "ann", "password": "secret", "access_type": "offline"}
            first = post_form(client, {**form, "scope": "repository:a:pull"}).document()
            again = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}
            second = post_form(client, {**again, "scope": "repository:a:pull"}).document()
            third = post_form(client, {"grant_type": "refresh_token", "refresh_token": "identity"}).document()
            assert "refresh_token" not in third
            for document in (first, second):
                bearer = {"Authorization": f"Bearer {document['access_token']}"}
                client.request("GET", "/v2/a/tags/list", headers=bearer).expect(200)
            shown = [(each.scheme, each.user, each.secret) for each in server.requests.credentials]
            assert shown[0] == ("password", "ann", "secret")
            assert ("refresh_token", "", "identity") in shown

    def test_token_fields_and_lifetime_are_announced_as_set_up(self) -> None:
        plain = Bearer(users=USERS)
        terse = Bearer(users=USERS, token_fields=("access_token",), announce_lifetime=False)
        for auth, fields in ((plain, {"token", "access_token", "expires_in"}), (terse, {"access_token"})):
            with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url) as client:
                assert client.request("GET", "/token", headers=basic(ANN)).expect(200).document().keys() == fields

    def test_tokens_expire_with_time_use_and_revocation(self) -> None:
        with (
            RegistryServer(Options(auth=Bearer(users=USERS, lifetime_s=60, uses=2))) as server,
            PlainClient(server.url) as client,
        ):
            server.store.create_repository("a")

            def statuses(bearer: Mapping[str, str], times: int) -> list[int]:
                return [client.request("GET", "/v2/a/tags/list", headers=bearer).status for _ in range(times)]

            scope = ["repository:a:pull"]
            assert statuses(token(client, scope), 3) == [200, 200, 401]
            late = token(client, scope)
            server.advance(61)
            assert statuses(late, 1) == [401]
            revoked = token(client, scope)
            server.revoke_tokens()
            assert statuses(revoked, 1) == [401]

    def test_the_token_service_may_live_at_another_origin(self) -> None:
        auth = Bearer(users=USERS, separate_origin=True)
        with RegistryServer(Options(auth=auth)) as server, PlainClient(server.url, auth=ANN) as client:
            server.store.create_repository("a")
            client.request("GET", "/v2/a/tags/list").expect(200)
            client.request("GET", "/token").expect(404)
            assert {each.origin for each in server.requests.credentials if each.scheme == "basic"} == {server.side_host}

    def test_a_wider_scope_is_refused_if_so_told(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url) as client:
            server.faults.add(faults.RefuseWiderScope())
            query = "scope=repository:a:pull,push&scope=repository:b:pull"
            client.request("GET", f"/token?{query}", headers=basic(ANN)).expect(403)
            client.request("GET", "/token?scope=repository:a:pull,push", headers=basic(ANN)).expect(200)

    def test_tokens_expire_between_patches(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url, auth=ANN) as client:
            server.faults.add(faults.ExpireTokens(times=1))
            first = patch(client, start_upload(client), b"one", 0).expect(202)
            second = patch(client, first.headers["location"], b"two", 3).expect(202)
            finish(client, second.headers["location"], b"onetwo").expect(201)
            assert server.requests.count("PATCH", status=401) == 1


def basic(pair: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(":".join(pair).encode()).decode()}


def token(client: PlainClient, scopes: list[str], auth: tuple[str, str] | None = ANN) -> dict[str, str]:
    query = urllib.parse.urlencode([("service", "test-registry"), *(("scope", scope) for scope in scopes)])
    answer = client.request("GET", f"/token?{query}", headers={} if auth is None else basic(auth)).expect(200)
    return {"Authorization": f"Bearer {answer.document()['token']}"}


def post_form(client: PlainClient, form: Mapping[str, str]) -> Answer:
    body = urllib.parse.urlencode(form).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.request("POST", "/token", body=body, headers=headers).expect(200)


class TestTls:
    """Certificates are those of the test's own authority."""

    def test_a_client_that_trusts_the_authority_gets_through(self, tmp_path: Path) -> None:
        authority = CertificateAuthority(tmp_path / "ca")
        pair = authority.server()
        with RegistryServer(Options(tls=Tls(certificate=pair.certificate, key=pair.key))) as server:
            assert server.url == f"https://{server.host}"
            images.push(server.url, "a/app", "v1", images.single(), context=authority.client_context())
            server.store.assert_complete()
            distrusting = PlainClient(server.url, context=ssl.create_default_context())
            with distrusting as stranger, pytest.raises(ssl.SSLCertVerificationError):
                stranger.request("GET", "/v2/")

    def test_an_expired_certificate_and_another_name_are_refused_by_clients(self, tmp_path: Path) -> None:
        authority = CertificateAuthority(tmp_path / "ca")
        for pair in (authority.server(expired=True), authority.server("example.com", file_name="other")):
            with RegistryServer(Options(tls=Tls(certificate=pair.certificate, key=pair.key))) as server:
                trusting = PlainClient(server.url, context=authority.client_context())
                with trusting as client, pytest.raises(ssl.SSLCertVerificationError):
                    client.request("GET", "/v2/")

    @pytest.mark.parametrize("kind", ["test registry", "real registry"])
    def test_a_client_certificate_may_be_demanded(self, tmp_path: Path, kind: str) -> None:
        authority = CertificateAuthority(tmp_path / "ca")
        pair, with_certificate = authority.server(), authority.client_context(authority.client())
        tls = Tls(certificate=pair.certificate, key=pair.key, client_ca=authority.certificate)
        real = RealRegistry(
            certificate=pair.certificate,
            key=pair.key,
            client_ca=authority.certificate,
            ready_context=with_certificate,
        )
        with RegistryServer(Options(tls=tls)) if kind == "test registry" else real as server:
            with PlainClient(server.url, context=with_certificate) as client:
                client.request("GET", "/v2/").expect(200)
            without_certificate = PlainClient(server.url, context=authority.client_context())
            with without_certificate as stranger, pytest.raises((ssl.SSLError, ConnectionError)):
                stranger.request("GET", "/v2/")


class TestFaults:
    """Each fault does what its name says, to the requests it is meant for, as often as told."""

    def test_every_fault_is_in_the_table(self) -> None:
        kinds = [kind.__name__ for kind in faults.Fault.__subclasses__()]
        table = str(faults.__doc__)
        assert [name for name in kinds if re.search(rf"\b{name}\b", table) is None] == []

    def test_every_fault_is_tested_here(self) -> None:
        text = Path(__file__).read_text()
        assert [kind.__name__ for kind in faults.Fault.__subclasses__() if f"faults.{kind.__name__}(" not in text] == []

    def test_a_fault_strikes_the_requests_selected_and_counts_them(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        server.store.add_image("a/app", "v1", images.single())
        server.store.add_image("b/app", "v1", images.single())
        fault = faults.FailRequests(repository="a/*", reference="v1", methods=("GET",), skip=1, times=1)
        with server.faults.during(fault):
            assert faults.FailRequests in server.faults
            client.get_manifest("b/app", "v1").expect(200)
            client.request("HEAD", "/v2/a/app/manifests/v1").expect(200)
            client.request("GET", "/v2/a/app/tags/list").expect(200)
            assert [client.get_manifest("a/app", "v1").status for _ in range(3)] == [200, 503, 200]
        assert faults.FailRequests not in server.faults
        assert server.faults.hits(faults.FailRequests) == 1
        server.faults.add(faults.FailRequests(endpoints=(Endpoint.TAGS,), path=r"n=5"))
        client.request("GET", "/v2/a/app/tags/list").expect(200)
        client.request("GET", "/v2/a/app/tags/list?n=5").expect(503)
        server.faults.remove(faults.FailRequests)
        client.request("GET", "/v2/a/app/tags/list?n=5").expect(200)

    def test_failures_carry_code_and_retry_after_in_either_form(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        server.faults.add(faults.FailRequests(status=429, retry_after_s=7, times=1))
        limited = client.request("GET", "/v2/").expect(429)
        assert (limited.error_codes(), limited.headers["retry-after"]) == (["TOOMANYREQUESTS"], "7")
        dated = faults.FailRequests(status=503, retry_after_s=60, retry_after=faults.RetryAfter.HTTP_DATE)
        server.faults.add(replace(dated, headers={"X-Retry-After": "9"}))
        answer = client.request("GET", "/v2/").expect(503)
        wait = parsedate_to_datetime(answer.headers["retry-after"]) - datetime.now(UTC)
        assert 50 < wait.total_seconds() <= 60
        assert answer.headers["x-retry-after"] == "9"

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_connections_break_before_or_after_the_work(
        self, server: RegistryServer, client: PlainClient, *, reset: bool
    ) -> None:
        server.faults.add(faults.ResetConnection(times=1, reset=reset))
        with pytest.raises(ConnectionResetError if reset else http.client.RemoteDisconnected):
            client.request("GET", "/v2/")
        client.close()
        location = start_upload(client)
        server.faults.add(faults.ResetConnection(times=1, methods=("PUT",), after_work=True, reset=reset))
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            finish(client, location, b"x", body=b"x")
        client.close()
        client.get_blob("a/app", images.digest_of(b"x")).expect(200)
        assert server.requests.count(status=0) == 2

    def test_slow_responses_take_their_time(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.SlowResponses(seconds=0.1))
        began = time.monotonic()
        client.request("GET", "/v2/").expect(200)
        assert time.monotonic() - began >= 0.1

    @pytest.mark.parametrize("silently", [False, True], ids=["said", "silent"])
    def test_connections_are_closed_after_the_answer(self, server: RegistryServer, *, silently: bool) -> None:
        server.faults.add(faults.CloseConnections(silently=silently))
        host, _, port = server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=600) as sock:
            sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b"".join(iter(lambda: sock.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (b"connection: close" in received) is not silently

    def test_concurrency_above_the_limit_is_refused(self, server: RegistryServer) -> None:
        server.faults.add(faults.SlowResponses(seconds=2), faults.RefuseConcurrency(limit=2, retry_after_s=1))

        def ask(_: int) -> Answer:
            with PlainClient(server.url) as client:
                return client.request("GET", "/v2/")

        with ThreadPoolExecutor(3) as pool:
            answers = sorted(pool.map(ask, range(3)), key=lambda answer: answer.status)
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] == "1"

    def test_a_truncated_body_ends_before_its_length(self, server: RegistryServer, client: PlainClient) -> None:
        digest = server.store.add_blob("a", b"0123456789")
        server.faults.add(faults.TruncateBody(after=4, times=1), faults.TruncateBody(times=1))
        for length in (4, 5):
            with pytest.raises(http.client.IncompleteRead) as caught:
                client.get_blob("a", digest)
            assert len(caught.value.partial) == length
            client.close()
        assert client.get_blob("a", digest).body == b"0123456789"

    def test_a_stalled_body_pauses_midway_and_goes_on(self, server: RegistryServer) -> None:
        digest = server.store.add_blob("a", b"0123456789")
        server.faults.add(faults.StallBody(seconds=0.2, after=3))
        host, _, port = server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=600) as sock:
            sock.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"\r\n\r\n012"):
                received += sock.recv(65536)
            began = time.monotonic()
            while not received.endswith(b"0123456789"):
                received += sock.recv(65536)
            assert time.monotonic() - began > 0.1

    def test_an_answer_drips_as_long_as_anybody_takes_it(self, server: RegistryServer) -> None:
        server.faults.add(faults.DripAnswer(every_s=0.001, length=100))
        host, _, port = server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=600) as sock:
            sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"\r\n\r\nxxx"):
                received += sock.recv(1)
        assert b"content-length: 100\r\n" in received

    def test_a_corrupt_body_has_its_length_but_not_its_digest(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        digest = server.store.add_blob("a", b"0123456789")
        server.faults.add(faults.CorruptBody(at=3))
        got = client.get_blob("a", digest).expect(200)
        assert got.body == b"012\xcc456789"
        assert got.headers["docker-content-digest"] == digest

    def test_a_wrong_content_length_is_too_long_or_too_short(self, server: RegistryServer, client: PlainClient) -> None:
        digest = server.store.add_blob("a", b"0123456789")
        server.faults.add(faults.WrongContentLength(by=-2, times=2), faults.WrongContentLength(by=5, times=1))
        assert client.request("HEAD", f"/v2/a/blobs/{digest}").headers["content-length"] == "8"
        assert client.get_blob("a", digest).body == b"01234567"
        with pytest.raises(http.client.IncompleteRead) as caught:
            client.get_blob("a", digest)
        assert (caught.value.partial, caught.value.expected) == (b"0123456789", 5)

    def test_a_body_may_be_replaced(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.ReplaceBody(endpoints=(Endpoint.TAGS,)))
        numbers(server, 1)
        answer = client.request("GET", "/v2/a/app/tags/list").expect(200)
        assert (answer.body, answer.headers["content-type"]) == (b"<html>please log in</html>", "text/html")

    def test_a_body_may_be_larger_than_memory_and_have_pages_without_end(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        numbers(server, 1)
        fault = faults.LargeBody(
            head=b"{page}:", filler=b"ab", times_over=400_000, tail=b"c", path="tags/list", endless=True
        )
        with server.faults.during(fault):
            first = client.request("GET", "/v2/a/app/tags/list").expect(200)
            second = client.request("GET", "/v2/a/app/tags/list?page=1").expect(200)
        assert (first.body, second.body) == (b"0:" + b"ab" * 400_000 + b"c", b"1:" + b"ab" * 400_000 + b"c")
        assert first.headers["link"] == '</v2/a/app/tags/list?page=1>; rel="next"'
        assert second.headers["link"] == '</v2/a/app/tags/list?page=2>; rel="next"'

    def test_credentials_may_be_repeated(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.RepeatCredentials(times=1))
        answer = client.request("GET", "/v2/", headers={"Authorization": "Basic dTpwYXNz"}).expect(403)
        for form in (b"u:pass", b"dTpwYXNz"):
            assert form in answer.body
        client.request("GET", "/v2/").expect(200)
        server.faults.add(faults.RepeatCredentials(status=307))
        moved = client.request("GET", "/v2/", headers={"Authorization": "Bearer token"}).expect(307)
        assert moved.headers["location"].startswith("/elsewhere/Bearer%20token?X-Sig=")

    def test_ranges_may_be_ignored(self, server: RegistryServer, client: PlainClient) -> None:
        digest = server.store.add_blob("a", b"0123456789")
        server.faults.add(faults.IgnoreRange())
        answer = client.request("GET", f"/v2/a/blobs/{digest}", headers={"Range": "bytes=5-"}).expect(200)
        assert answer.body == b"0123456789"

    def test_headers_may_be_missing_false_or_more(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.add_image("a/app", "v1", images.single())
        with server.faults.during(faults.OmitDigestHeader(), faults.OmitContentType()):
            headers = client.get_manifest("a/app", "v1").expect(200).headers
            assert not {"docker-content-digest", "content-type"} & headers.keys()
        lies = (faults.FalsifyDigestHeader(), faults.FalsifyContentType(), faults.ExtraHeaders())
        with server.faults.during(*lies):
            headers = client.get_manifest("a/app", "v1").expect(200).headers
            assert headers["docker-content-digest"] == "sha256:" + "0" * 64
            assert headers["content-type"] == "application/json"
            assert headers["warning"] == '299 - "this registry will be retired"'

    def test_head_may_be_unsupported(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.add_image("a/app", "v1", images.single())
        server.faults.add(faults.HeadUnsupported())
        client.request("HEAD", "/v2/a/app/manifests/v1").expect(405)
        client.get_manifest("a/app", "v1").expect(200)

    def test_a_quota_counts_gets_until_its_window_is_over(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.add_image("a/app", "v1", images.single())
        server.faults.add(faults.PullQuota(limit=100, used=98, retry_after_s=30))

        def seen(method: str) -> tuple[int, str]:
            answer = client.request(method, "/v2/a/app/manifests/v1")
            assert answer.headers["ratelimit-limit"] == "100;w=21600"
            assert answer.headers["docker-ratelimit-source"] == "192.0.2.1"
            return answer.status, answer.headers["ratelimit-remaining"]

        assert [seen(method) for method in ("HEAD", "GET", "GET", "GET", "HEAD")] == [
            (200, "2;w=21600"),
            (200, "1;w=21600"),
            (200, "0;w=21600"),
            (429, "0;w=21600"),
            (200, "0;w=21600"),
        ]
        refused = client.request("GET", "/v2/a/app/manifests/v1").expect(429)
        assert (refused.error_codes(), refused.headers["retry-after"]) == (["TOOMANYREQUESTS"], "30")
        server.advance(21600)
        assert seen("GET")[0] == 200

    def test_schema_1_is_served_unless_oci_is_accepted(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        server.store.add_image("a/app", "v1", image)
        server.faults.add(faults.SchemaOneUnlessAccepted())
        converted = client.request("GET", "/v2/a/app/manifests/v1").expect(200)
        assert converted.headers["content-type"] == images.SCHEMA1
        assert converted.document()["schemaVersion"] == 1
        assert client.get_manifest("a/app", "v1").expect(200).body == image.raw

    def test_a_manifest_may_be_larger_than_any_limit(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.add_image("a/app", "v1", images.single())
        server.faults.add(faults.OversizedManifests())
        answer = client.get_manifest("a/app", "v1").expect(200)
        assert len(answer.body) == 8 * 1024 * 1024 + 1
        assert answer.document()["schemaVersion"] == 2

    def test_a_new_manifest_may_be_hidden_for_a_while(self, server: RegistryServer, client: PlainClient) -> None:
        push_to(server, "a/app", "v1", images.single())
        server.faults.add(faults.HideManifests(times=2))
        assert [client.get_manifest("a/app", "v1").status for _ in range(3)] == [404, 404, 200]

    def test_a_tag_moves_between_two_reads(self, server: RegistryServer, client: PlainClient) -> None:
        one, two = images.single("one"), images.single("two")
        server.store.add_image("a/app", "v1", one)
        server.store.add_image("a/app", None, two)
        server.faults.add(faults.MoveTag(reference="v1", to=two.digest, skip=1))
        digests = [client.get_manifest("a/app", "v1").headers["docker-content-digest"] for _ in range(3)]
        assert digests == [one.digest, one.digest, two.digest]

    def test_unwelcome_types_are_refused(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        sbom = images.artifact(image)
        server.store.add_image("a/app", "v1", image, referrers=[sbom])
        server.faults.add(faults.RefuseMediaTypes(types=("application/vnd.example.*",)))
        client.put_manifest("a/app", "v2", image.raw, image.media_type).expect(201)
        refused = client.put_manifest("a/app", sbom.digest, sbom.raw, sbom.media_type).expect(400)
        assert refused.error_codes() == ["MANIFEST_INVALID"]
        assert "unknown media type: application/vnd.example.sbom.v1" in refused.body.decode()

    def test_tags_may_be_immutable(self, server: RegistryServer, client: PlainClient) -> None:
        one, two = images.single("one"), images.single("two")
        server.store.add_image("a/app", "v1", one)
        server.store.add_image("a/app", None, two)
        with server.faults.during(faults.ImmutableTags()):
            refused = client.put_manifest("a/app", "v1", one.raw, one.media_type).expect(400)
            assert refused.error_codes() == ["TAG_INVALID"]
            assert "ImageTagAlreadyExists" in refused.body.decode()
            client.put_manifest("a/app", "v2", two.raw, two.media_type).expect(201)
            client.put_manifest("a/app", one.digest, one.raw, one.media_type).expect(201)
        server.faults.add(faults.ImmutableTags(same_digest_is_fine=True, status=409))
        client.put_manifest("a/app", "v1", one.raw, one.media_type).expect(201)
        client.put_manifest("a/app", "v1", two.raw, two.media_type).expect(409)
        assert server.store.tags("a/app") == {"v1": one.digest, "v2": two.digest}

    @pytest.mark.parametrize(
        "style", [LinkStyle.RELATIVE, LinkStyle.RELATIVE_PATH, LinkStyle.ABSOLUTE, LinkStyle.OPAQUE]
    )
    def test_good_links_of_every_style_lead_through_all_pages(
        self, server: RegistryServer, client: PlainClient, style: LinkStyle
    ) -> None:
        names = numbers(server, 5)
        server.faults.add(faults.PageLinks(style=style))
        link = next_target(client.request("GET", "/v2/a/app/tags/list"))
        starts = {
            LinkStyle.RELATIVE: "/v2/a/app/tags/list?n=2&last=v1",
            LinkStyle.RELATIVE_PATH: "list?n=2&last=v1",
            LinkStyle.ABSOLUTE: f"{server.url}/v2/a/app/tags/list?n=2&last=v1",
            LinkStyle.OPAQUE: "/v2/a/app/tags/list?cursor=",
        }
        assert link is not None
        assert link.startswith(starts[style])
        assert all_pages(client, "/v2/a/app/tags/list", "tags") == names

    def test_an_opaque_cursor_cannot_be_replaced_by_last(self, server: RegistryServer, client: PlainClient) -> None:
        numbers(server, 5)
        server.faults.add(faults.PageLinks(style=LinkStyle.OPAQUE))
        client.request("GET", "/v2/a/app/tags/list?last=v1").expect(405)
        client.request("GET", "/v2/a/app/tags/list?cursor=guessed").expect(400)

    def test_looping_links_never_end(self, server: RegistryServer, client: PlainClient) -> None:
        names = numbers(server, 3)
        server.faults.add(faults.PageLinks(style=LinkStyle.LOOPING))
        assert all_pages(client, "/v2/a/app/tags/list", "tags") == names * 5

    def test_bad_links_are_cut_broken_malformed_or_foreign(self, server: RegistryServer, client: PlainClient) -> None:
        names = numbers(server, 3)
        path = "/v2/a/app/tags/list"
        with server.faults.during(faults.PageLinks(style=LinkStyle.MISSING)):
            cut = client.request("GET", path).expect(200)
            assert (cut.document()["tags"], "link" in cut.headers) == (names[:2], False)
        with server.faults.during(faults.PageLinks(style=LinkStyle.BROKEN)):
            client.request("GET", next_target(client.request("GET", path).expect(200)) or "").expect(500)
        with server.faults.during(faults.PageLinks(style=LinkStyle.MALFORMED)):
            assert client.request("GET", path).headers["link"] == f'{path}?n=2&last=v1>>; rel="next'
        with server.faults.during(faults.PageLinks(style=LinkStyle.CROSS_ORIGIN)):
            assert next_target(client.request("GET", path)) == f"{server.side_url}{path}?n=2&last=v1"

    def test_listings_may_be_refused(self, server: RegistryServer, client: PlainClient) -> None:
        numbers(server, 1)
        with server.faults.during(faults.RefuseListings(endpoints=(Endpoint.CATALOG,), status=400)):
            client.request("GET", "/v2/_catalog").expect(400)
            client.request("GET", "/v2/a/app/tags/list").expect(200)
        with server.faults.during(faults.RefuseListings(only_with_n=True)):
            client.request("GET", "/v2/a/app/tags/list?n=100").expect(400)
            client.request("GET", "/v2/a/app/tags/list").expect(200)
        with RegistryServer(Options(catalog=False)) as without, PlainClient(without.url) as other:
            other.request("GET", "/v2/_catalog").expect(404)

    def test_an_empty_tag_list_may_be_null(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.create_repository("a")
        assert client.request("GET", "/v2/a/tags/list").document()["tags"] == []
        server.faults.add(faults.NullTags())
        assert client.request("GET", "/v2/a/tags/list").document()["tags"] is None

    def test_lists_may_hold_what_is_no_name(self, server: RegistryServer, client: PlainClient) -> None:
        server.store.create_repository("a/b")
        server.faults.add(faults.StrangeNames(names=(None, "x y")))
        assert client.request("GET", "/v2/a/b/tags/list").document()["tags"] == [None, "x y"]
        assert client.request("GET", "/v2/_catalog").document()["repositories"] == [None, "x y", "a/b"]
        page = client.request("GET", "/hub/v2/repositories/a/b/tags").document()
        assert (page["count"], page["results"]) == (2, [None, "x y"])

    def test_blobs_are_redirected_to_an_origin_that_wants_no_authorization(self) -> None:
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server, PlainClient(server.url, auth=ANN) as client:
            digest = server.store.add_blob("a", b"0123456789")
            server.faults.add(faults.RedirectBlobs(uses=2, methods=("GET", "HEAD")))
            location = client.get_blob("a", digest).expect(307).headers["location"]
            assert location.startswith(f"{server.side_url}/cdn/a/blobs/{digest}?X-Signature=")
            with PlainClient(server.side_url) as cdn:
                assert (
                    "Only one auth mechanism"
                    in cdn.request("GET", location, headers=basic(ANN)).expect(400).body.decode()
                )
                assert cdn.request("GET", location, headers={"Range": "bytes=8-"}).expect(206).body == b"89"
                assert cdn.request("GET", location).expect(200).body == b"0123456789"
                assert cdn.request("GET", location).expect(403).error_codes() == ["AccessDenied"]
                head = client.request("HEAD", f"/v2/a/blobs/{digest}").expect(307).headers["location"]
                cdn.request("HEAD", head).expect(403)
                cdn.request("GET", f"/cdn/a/blobs/{digest}?X-Signature=forged").expect(403)
                cdn.request("GET", "/v2/").expect(404)

    def test_phantom_blobs_exist_until_a_manifest_needs_them(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single(layers=1)
        ghost = image.blobs[1]
        server.store.add_blob("a", image.blobs[0].data)
        server.store.add_blob("elsewhere", ghost.data)
        server.faults.add(faults.PhantomBlobs(reference=ghost.digest))
        head = client.request("HEAD", f"/v2/a/blobs/{ghost.digest}").expect(200)
        assert head.headers["content-length"] == str(ghost.size)
        refused = client.put_manifest("a", "v1", image.raw, image.media_type).expect(404)
        assert refused.error_codes() == ["MANIFEST_BLOB_UNKNOWN"]
        finish(client, start_upload(client, "a"), ghost.data, body=ghost.data).expect(201)
        client.put_manifest("a", "v1", image.raw, image.media_type).expect(201)

    @pytest.mark.parametrize(
        ("status", "code"), [(401, "UNAUTHORIZED"), (403, "DENIED"), (404, "NAME_UNKNOWN"), (405, "UNSUPPORTED")]
    )
    def test_a_mount_may_be_refused_in_many_ways(
        self, server: RegistryServer, client: PlainClient, status: int, code: str
    ) -> None:
        digest = server.store.add_blob("b", b"shared")
        server.faults.add(faults.AnswerMount(status=status))
        target = f"/v2/a/blobs/uploads/?mount={digest}&from=b"
        assert client.request("POST", target, body=b"").expect(status).error_codes() == [code]

    def test_a_mount_may_open_a_session_or_lie(self, server: RegistryServer, client: PlainClient) -> None:
        digest = server.store.add_blob("b", b"shared")
        target = f"/v2/a/blobs/uploads/?mount={digest}&from=b"
        server.faults.add(faults.AnswerMount(status=202, times=1), faults.AnswerMount(status=201, times=1))
        session = client.request("POST", target, body=b"").expect(202).headers["location"]
        assert server.open_uploads == 1
        client.request("DELETE", session).expect(204)
        client.request("POST", target, body=b"").expect(201)
        client.get_blob("a", digest).expect(404)

    def test_patch_may_be_refused(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.RefuseMethod())
        location = start_upload(client)
        patch(client, location, b"x").expect(405)
        finish(client, location, b"x", body=b"x").expect(201)

    def test_large_bodies_may_be_refused(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.RefuseLargeBody(limit=4))
        location = start_upload(client)
        finish(client, location, b"12345", body=b"12345").expect(413)
        client.request("PATCH", location, body=iter([b"123", b"45"]), headers=OCTETS).expect(413)
        first = patch(client, start_upload(client), b"1234", 0).expect(202)
        finish(client, first.headers["location"], b"12345", body=b"5").expect(201)

    def test_the_final_put_may_need_a_body_or_be_refused_one(self, server: RegistryServer, client: PlainClient) -> None:
        with server.faults.during(faults.RequireFinalBody()):
            first = patch(client, start_upload(client), b"ab", 0).expect(202).headers["location"]
            finish(client, first, b"ab").expect(400)
            finish(client, first, b"abc", body=b"c").expect(201)
        with server.faults.during(faults.RefuseFinalBody()):
            location = start_upload(client)
            finish(client, location, b"ab", body=b"ab").expect(400)
            finish(client, patch(client, location, b"ab").headers["location"], b"ab").expect(201)

    def test_only_the_last_patch_may_be_kept(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.KeepOnlyLastPatch())
        first = patch(client, start_upload(client), b"one", 0).expect(202)
        second = patch(client, first.headers["location"], b"two", 3).expect(202)
        assert second.headers["range"] == "0-5"
        refused = finish(client, second.headers["location"], b"onetwo").expect(400)
        assert refused.error_codes() == ["DIGEST_INVALID"]

    @pytest.mark.parametrize("with_range", [True, False])
    def test_a_chunk_may_be_lost_in_part(
        self, server: RegistryServer, client: PlainClient, *, with_range: bool
    ) -> None:
        server.faults.add(faults.LoseChunk(keep=2, with_range=with_range, times=1))
        refused = patch(client, start_upload(client), b"hello", 0).expect(416)
        assert refused.headers.get("range") == ("0-1" if with_range else None)
        assert client.request("GET", refused.headers["location"]).expect(204).headers["range"] == "0-1"
        rest = patch(client, refused.headers["location"], b"llo", 2).expect(202)
        finish(client, rest.headers["location"], b"hello").expect(201)

    def test_an_upload_may_expire(self, server: RegistryServer, client: PlainClient) -> None:
        first = patch(client, start_upload(client), b"one", 0).expect(202)
        server.faults.add(faults.ExpireUploads(times=1))
        gone = patch(client, first.headers["location"], b"two", 3).expect(404)
        assert gone.error_codes() == ["BLOB_UPLOAD_UNKNOWN"]
        client.request("GET", first.headers["location"]).expect(404)

    def test_a_half_sent_chunk_is_kept_and_the_upload_resumes(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        """The connection breaks in the middle of a chunk; the session's status tells where to go on."""
        location = start_upload(client)
        host, _, port = server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=600) as sock:
            sock.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234".encode())
            while client.request("GET", location).headers["range"] != "0-4":
                time.sleep(0.005)
        status = client.request("GET", location).expect(204)
        rest = patch(client, status.headers["location"], b"56789", 5).expect(202)
        finish(client, rest.headers["location"], b"0123456789").expect(201)

    def test_blobs_may_be_lost_at_the_manifest(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single(layers=1)
        server.store.add_image("a", None, image)
        server.faults.add(faults.LoseBlobs(digest=image.blobs[1].digest, times=1))
        refused = client.put_manifest("a", "v1", image.raw, image.media_type).expect(404)
        assert refused.error_codes() == ["MANIFEST_BLOB_UNKNOWN"]
        client.upload("a", image.blobs[1].digest, image.blobs[1].data)
        client.put_manifest("a", "v1", image.raw, image.media_type).expect(201)

    def test_the_referrers_api_may_go_away(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        sbom = images.artifact(image)
        server.store.add_image("a", "v1", image, referrers=[sbom])
        server.faults.add(faults.NoReferrers(status=404))
        client.request("GET", f"/v2/a/referrers/{image.digest}").expect(404)
        answer = client.put_manifest("a", sbom.digest, sbom.raw, sbom.media_type).expect(201)
        assert "oci-subject" not in answer.headers

    def test_a_subject_may_have_to_be_there(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        sbom = images.artifact(image)
        server.store.add_image("a", "v1", images.single("other"))
        server.store.add_image("b", None, sbom)
        server.faults.add(faults.RequireSubject())
        refused = client.put_manifest("b", sbom.digest, sbom.raw, sbom.media_type).expect(404)
        assert (refused.error_codes(), image.digest in refused.body.decode()) == (["MANIFEST_BLOB_UNKNOWN"], True)
        server.store.add_image("b", None, image)
        client.put_manifest("b", sbom.digest, sbom.raw, sbom.media_type).expect(201)

    def test_a_tag_may_be_taken_for_a_digest(self, server: RegistryServer, client: PlainClient) -> None:
        image, other = images.multi_platform(), images.single("other")
        server.store.add_image("a", "v1", image)
        tag = image.referrers_tag
        with server.faults.during(faults.DigestTags()):
            assert client.get_manifest("a", tag).expect(200).body == image.raw
            server.store.add_image("a", tag, other)
            assert client.get_manifest("a", tag).expect(200).body == image.raw
        with server.faults.during(faults.DigestTags(tag_wins=True)):
            assert client.get_manifest("a", tag).expect(200).body == other.raw
        server.faults.add(faults.DigestTags(methods=("GET", "HEAD", "PUT", "DELETE")))
        refused = client.put_manifest("a", tag, other.raw, other.media_type).expect(400)
        assert refused.error_codes() == ["DIGEST_INVALID"]
        client.get_manifest("a", images.cosign_tag(image)).expect(404)

    def test_another_writer_may_win_on_the_referrers_tag(self) -> None:
        image = images.single()
        ours, theirs = images.artifact(image, seed="ours"), images.artifact(image, seed="first")
        with RegistryServer(Options(referrers_api=False)) as server, PlainClient(server.url) as client:
            images.push(server.url, "a", "v1", image, referrers=[theirs])
            server.faults.add(faults.OverwriteTag())
            images.push(server.url, "a", None, ours)
            listed = json.loads(client.get_manifest("a", image.referrers_tag).body)["manifests"]
            foreign = images.digest_of(b"the artifact of another writer")
            assert [entry["digest"] for entry in listed] == [theirs.digest, foreign]

    def test_deletion_may_be_unsupported_by_tag_or_by_digest(self, server: RegistryServer, client: PlainClient) -> None:
        image = images.single()
        server.store.add_image("a", "v1", image)
        by_digest = f"/v2/a/manifests/{image.digest}"
        with server.faults.during(faults.DeleteUnsupported(reference="sha256:*")):
            client.request("DELETE", by_digest).expect(405)
            client.request("DELETE", "/v2/a/manifests/v1").expect(202)
        server.store.set_tag("a", "v1", image.digest)
        with server.faults.during(faults.DeleteUnsupported(tags_only=True)):
            client.request("DELETE", "/v2/a/manifests/v1").expect(405)
            client.request("DELETE", by_digest).expect(202)

    def test_writes_may_be_denied(self, server: RegistryServer, client: PlainClient) -> None:
        server.faults.add(faults.Deny(repository="a/*"))
        denied = client.request("POST", "/v2/a/app/blobs/uploads/", body=b"").expect(403)
        assert denied.error_codes() == ["DENIED"]
        client.request("POST", "/v2/b/app/blobs/uploads/", body=b"").expect(202)


class TestVendors:
    """Listings with dates, as Docker Hub's web API and Google's registries give them."""

    def test_hub_lists_tags_with_dates_and_platforms_newest_first(
        self, server: RegistryServer, client: PlainClient
    ) -> None:
        one, two = images.single("one"), images.multi_platform("two", platforms=("linux/amd64", "linux/arm/v7"))
        server.store.add_image("library/app", "old", one)
        server.store.add_image("library/app", "new", two)
        server.store.set_tag("library/app", "old", one.digest, at=1_600_000_000)
        server.store.set_tag("library/app", "new", two.digest, at=1_700_000_000.5)
        page = client.request("GET", "/hub/v2/repositories/library/app/tags?page_size=100").expect(200).document()
        results = cast("list[dict[str, object]]", page["results"])
        assert (page["count"], page["next"], page["previous"]) == (2, None, None)
        assert [(each["name"], each["last_updated"], each["digest"]) for each in results] == [
            ("new", "2023-11-14T22:13:20.500000Z", two.digest),
            ("old", "2020-09-13T12:26:40.000000Z", one.digest),
        ]
        platforms = cast("list[dict[str, str]]", results[0]["images"])
        assert [(each["os"], each["architecture"], each["variant"], each["digest"]) for each in platforms] == [
            ("linux", "amd64", None, two.children[0].digest),
            ("linux", "arm", "v7", two.children[1].digest),
        ]
        assert cast("list[dict[str, str]]", results[1]["images"])[0]["architecture"] == "amd64"
        single = client.request("GET", "/hub/v2/repositories/library/app/tags/old").expect(200)
        assert single.document() == results[1]
        client.request("GET", "/hub/v2/repositories/library/app/tags/none").expect(404)
        client.request("GET", "/hub/v2/repositories/library/none/tags").expect(404)

    def test_hub_pages_are_linked_by_next(self, server: RegistryServer, client: PlainClient) -> None:
        numbers(server, 5)
        target: str | None = "/hub/v2/repositories/a/app/tags?page_size=2"
        names: list[str] = []
        while target is not None:
            page = client.request("GET", target).expect(200).document()
            names += [str(each["name"]) for each in cast("list[dict[str, object]]", page["results"])]
            target = cast("str | None", page["next"])
        assert sorted(names) == ["v0", "v1", "v2", "v3", "v4"]
        assert len(names) == 5

    def test_google_lists_every_manifest_with_times(self) -> None:
        image = images.multi_platform()
        with (
            RegistryServer(Options(google_tags=True, clock=lambda: 1_600_000_000.0)) as server,
            PlainClient(server.url) as client,
        ):
            server.store.add_image("a/app", "v1", image)
            server.store.set_tag("a/app", "latest", image.digest, at=1_700_000_000)
            document = client.request("GET", "/v2/a/app/tags/list").expect(200).document()
        manifests = cast("dict[str, dict[str, object]]", document["manifest"])
        assert document["tags"] == ["latest", "v1"]
        assert manifests.keys() == {each.digest for each in image.manifests()}
        assert manifests[image.digest] == {
            "imageSizeBytes": "0",
            "layerId": "",
            "mediaType": images.OCI_INDEX,
            "tag": ["latest", "v1"],
            "timeCreatedMs": "1600000000000",
            "timeUploadedMs": "1700000000000",
        }
        child = image.children[0]
        assert manifests[child.digest]["tag"] == []
        assert manifests[child.digest]["imageSizeBytes"] == str(sum(piece.size for piece in child.blobs))


class TestSkopeo:
    """A client that nobody here wrote pushes to the test registry, and pulls back what it pushed."""

    @pytest.mark.parametrize("auth", [None, Basic(users=USERS), Bearer(users=USERS)], ids=["open", "basic", "bearer"])
    def test_an_index_goes_in_and_out_unchanged(self, tmp_path: Path, auth: Basic | Bearer | None) -> None:
        image = images.multi_platform()
        images.write_layout(tmp_path / "in", "v1", image)
        with RegistryServer(Options() if auth is None else Options(auth=auth)) as server:
            there, credentials = f"docker://{server.host}/team/app:v1", [] if auth is None else ["ann:secret"]
            skopeo(
                tmp_path,
                *("copy", "--all", "--dest-tls-verify=false"),
                *(f"--dest-creds={pair}" for pair in credentials),
                f"oci:{tmp_path}/in:v1",
                there,
            )
            assert server.store.tags("team/app") == {"v1": image.digest}
            server.store.assert_complete()
            skopeo(
                tmp_path,
                *("copy", "--all", "--src-tls-verify=false"),
                *(f"--src-creds={pair}" for pair in credentials),
                there,
                f"oci:{tmp_path}/out:v1",
            )
        assert layout_blobs(tmp_path / "out") == layout_blobs(tmp_path / "in")

    def test_redirected_blobs_are_pulled_without_authorization(self, tmp_path: Path) -> None:
        image = images.single(dialect=images.Dialect.DOCKER)
        with RegistryServer(Options(auth=Bearer(users=USERS))) as server:
            server.store.add_image("team/app", "v1", image)
            server.faults.add(faults.RedirectBlobs())
            source = f"docker://{server.host}/team/app:v1"
            options = ("--src-tls-verify=false", "--src-creds=ann:secret")
            skopeo(tmp_path, "copy", *options, source, f"dir:{tmp_path}/out")
            assert server.faults.hits(faults.RedirectBlobs) == 3
            assert {each.status for each in server.requests if each.origin == server.side_host} == {200}
        assert (tmp_path / "out" / "manifest.json").read_bytes() == image.raw


def skopeo(folder: Path, *arguments: str) -> None:
    program = shutil.which("skopeo")
    assert program is not None, "the tests need skopeo: install it with `apt-get install skopeo`"
    command = [program, "--insecure-policy", "--tmpdir", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


def layout_blobs(path: Path) -> set[str]:
    """Return the digests of a layout's content, each checked against its file's name."""
    found = {file.name for file in (path / "blobs" / "sha256").iterdir()}
    assert found == {hashlib.sha256(file.read_bytes()).hexdigest() for file in (path / "blobs" / "sha256").iterdir()}
    return found
