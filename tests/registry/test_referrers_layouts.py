"""Referrers in layouts: what other tools leave there, several writers, and the collection of garbage."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support import images
from support.http_client import BytesOrigin, blob_of
from support.images import Image
from transship_registry.digest import Digest
from transship_registry.errors import UnsupportedError
from transship_registry.layout import LayoutStore
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX, OCI_MANIFEST
from transship_registry.reference import Repository

IMAGE = images.single("signed")
DIGEST = Digest.parse(IMAGE.digest)
ENTRY, TAGGED = images.artifact(IMAGE, seed="entry"), images.artifact(IMAGE, seed="tagged")


@pytest.fixture
def layout(tmp_path: Path) -> Repository:
    images.write_layout(tmp_path / "layout", "v1", IMAGE)
    return Repository.layout(str(tmp_path / "layout"))


def run(scenario: Callable[[LayoutStore], Awaitable[None]]) -> None:
    async def opened() -> None:
        async with asyncio.timeout(600), LayoutStore() as store:
            await scenario(store)

    asyncio.run(opened())


async def store_artifact(store: LayoutStore, layout: Repository, artifact: Image) -> None:
    for blob in artifact.blobs:
        await store.upload_blob(layout, blob_of(blob.data), BytesOrigin(blob.data))
    manifest = Manifest.parse(artifact.raw, artifact.media_type, where="test")
    await store.put_manifest(layout.at(manifest.digest), manifest)


def digests(listed: tuple[Descriptor, ...]) -> list[str]:
    return [str(each.digest) for each in listed]


def blob_file(layout: Repository, digest: str) -> Path:
    return Path(layout.path) / "blobs" / digest.replace(":", "/")


def test_what_the_referrers_tag_and_the_entries_say_is_one_list(layout: Repository) -> None:
    images.write_layout(Path(layout.path), "v1", IMAGE, referrers=[ENTRY, TAGGED])
    images.write_layout(Path(layout.path), IMAGE.referrers_tag, images.referrers_index([TAGGED]))

    async def scenario(store: LayoutStore) -> None:
        for _ in range(2):
            found = await store.list_referrers(layout, DIGEST)
            assert digests(found.descriptors) == [TAGGED.digest, ENTRY.digest]
            assert (found.complete, found.problem) == (True, "")

    run(scenario)


def test_an_entry_that_other_programs_add_meanwhile_is_found(layout: Repository) -> None:
    async def scenario(store: LayoutStore) -> None:
        assert (await store.list_referrers(layout, DIGEST)).descriptors == ()
        images.write_layout(Path(layout.path), "v1", IMAGE, referrers=[ENTRY])
        assert digests((await store.list_referrers(layout, DIGEST)).descriptors) == [ENTRY.digest]

    run(scenario)


def test_an_entry_whose_file_is_missing_makes_the_list_incomplete(layout: Repository) -> None:
    images.write_layout(Path(layout.path), "v1", IMAGE, referrers=[ENTRY, TAGGED])
    blob_file(layout, ENTRY.digest).unlink()

    async def scenario(store: LayoutStore) -> None:
        found = await store.list_referrers(layout, DIGEST)
        assert (digests(found.descriptors), found.complete) == ([TAGGED.digest], False)
        assert found.problem == (
            f"list referrers {layout}: index.json names {ENTRY.digest}, but {blob_file(layout, ENTRY.digest)} is "
            "missing; put the file back, or remove the entry from index.json"
        )

    run(scenario)


def test_an_entry_with_other_bytes_or_an_unknown_algorithm_makes_the_list_incomplete(layout: Repository) -> None:
    images.write_layout(Path(layout.path), "v1", IMAGE, referrers=[ENTRY])
    blob_file(layout, ENTRY.digest).write_bytes(b"{}")
    index_file = Path(layout.path) / "index.json"
    index = json.loads(index_file.read_text())
    index["manifests"].append({"mediaType": OCI_MANIFEST, "digest": "blake3:00", "size": 1})
    index_file.write_text(json.dumps(index))

    async def scenario(store: LayoutStore) -> None:
        found = await store.list_referrers(layout, DIGEST)
        assert (found.descriptors, found.complete) == ((), False)
        assert found.problem == (
            f"{layout}@{ENTRY.digest}: the manifest's bytes hash to {Digest.of(b'{}')}, expected {ENTRY.digest}; "
            "digest algorithm 'blake3' is not supported; expected one of sha256, sha384, sha512"
        )

    run(scenario)


def test_an_entry_that_is_no_manifest_is_nobodys_referrer(layout: Repository) -> None:
    index_file = Path(layout.path) / "index.json"
    index = json.loads(index_file.read_text())
    index["manifests"].append({"mediaType": "application/vnd.example", "digest": str(Digest.of(b"")), "size": 0})
    index_file.write_text(json.dumps(index))

    async def scenario(store: LayoutStore) -> None:
        assert (await store.list_referrers(layout, DIGEST)).complete

    run(scenario)


def test_something_else_under_the_referrers_tag_is_told_and_left_alone(layout: Repository) -> None:
    other = images.single("other")
    images.write_layout(Path(layout.path), IMAGE.referrers_tag, other)
    images.write_layout(Path(layout.path), "v1", IMAGE, referrers=[ENTRY])
    problem = (
        f"GET referrers tag {layout.tag(IMAGE.referrers_tag)}: it is a {OCI_MANIFEST}, expected {OCI_INDEX}; the tag "
        "is kept for the list of referrers: give what is there another tag, and remove this one"
    )

    async def scenario(store: LayoutStore) -> None:
        found = await store.list_referrers(layout, DIGEST)
        assert (digests(found.descriptors), found.complete, found.problem) == ([ENTRY.digest], False, problem)
        with pytest.raises(UnsupportedError) as caught:
            await store_artifact(store, layout, TAGGED)
        assert str(caught.value) == problem
        head = await store.head_manifest(layout.tag(IMAGE.referrers_tag))
        assert head is not None
        assert str(head.digest) == other.digest

    run(scenario)


def test_what_others_list_stays_listed_even_where_it_is_missing(layout: Repository) -> None:
    """Another tool may have copied the index of a referrers tag without all that it lists."""
    images.write_layout(Path(layout.path), IMAGE.referrers_tag, images.referrers_index([ENTRY]))
    blob_file(layout, ENTRY.digest).unlink()

    async def scenario(store: LayoutStore) -> None:
        await store_artifact(store, layout, TAGGED)
        found = await store.list_referrers(layout, DIGEST)
        assert digests(found.descriptors) == [ENTRY.digest, TAGGED.digest]

    run(scenario)


def test_two_processes_at_once_lose_nothing(layout: Repository) -> None:
    sboms = [images.artifact(IMAGE, seed=f"sbom-{number}") for number in range(6)]

    async def store_all(store: LayoutStore, artifacts: list[Image]) -> None:
        for artifact in artifacts:
            await store_artifact(store, layout, artifact)

    async def scenario(store: LayoutStore) -> None:
        async with LayoutStore() as other, asyncio.TaskGroup() as group:
            group.create_task(store_all(store, sboms[:3]))
            group.create_task(store_all(other, sboms[3:]))
        found = await store.list_referrers(layout, DIGEST)
        assert set(digests(found.descriptors)) == {sbom.digest for sbom in sboms}

    run(scenario)


def test_what_was_stored_survives_the_collection_and_its_former_lists_do_not(layout: Repository) -> None:
    async def scenario(store: LayoutStore) -> None:
        await store_artifact(store, layout, ENTRY)
        await store_artifact(store, layout, TAGGED)

    run(scenario)
    kept = {path.name for path in (Path(layout.path) / "blobs" / "sha256").iterdir()}
    lists = images.referrers_index([ENTRY, TAGGED])
    stored = (lists, ENTRY, TAGGED, IMAGE)
    compact = json.dumps(json.loads(lists.raw), separators=(",", ":")).encode()
    assert kept == {
        Digest.of(compact).hex,
        *(image.digest.partition(":")[2] for image in stored[1:]),
        *(blob.digest.partition(":")[2] for image in stored for blob in image.blobs),
    }
