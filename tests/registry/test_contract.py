"""What every `RegistryWriter` must do: the same facts for test registries, real ones and image layouts."""

import asyncio
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from typing_extensions import override

from support import images
from support.http_client import BytesOrigin, blob_of
from support.images import Dialect, Image
from support.real_registry import RealRegistry
from support.registry_server.ca import CertificateAuthority
from support.registry_server.options import Basic, Bearer, LocationStyle, Options, Tls
from support.registry_server.server import RegistryServer
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, MissingContentError, NotFoundError, RegistryError, UnsupportedError
from transship_registry.hosts import Credential, HostSettings, TlsMode
from transship_registry.layout import LayoutStore
from transship_registry.login.tls import ssl_context
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret

USER, PASSWORD = "ann", "secret"
CONTENT = random.Random(5).randbytes(700_000)
BLOB = blob_of(CONTENT)
_numbers = count()


class Backend(ABC):
    """A kind of place, and how a test reaches it; every test gets repositories of its own."""

    checks_references = True
    mounts = True

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        """Open the code under test."""

    @abstractmethod
    def repository(self) -> Repository:
        """Return a repository that does not exist yet."""

    @abstractmethod
    def seed(self, repository: Repository, tag: str, image: Image) -> None:
        """Put an image there with other code than that under test."""


Seed = Callable[[str, str, Image], None]


class HttpBackend(Backend):
    """A registry that is running; `seed` stores an image under a repository's path and a tag."""

    def __init__(self, settings: HostSettings, seed: Seed, *, mounts: bool = True) -> None:
        self._settings = settings
        self._seed = seed
        self.mounts = mounts

    @override
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        return HttpRegistry({self._settings.registry: self._settings}, tls_factory=_tls)

    @override
    def repository(self) -> Repository:
        return Repository(self._settings.registry, f"contract/r{next(_numbers)}")

    @override
    def seed(self, repository: Repository, tag: str, image: Image) -> None:
        self._seed(repository.path, tag, image)


def _tls(settings: HostSettings) -> ssl.SSLContext | None:
    return ssl_context(settings, use_certs_d=False)


class LayoutBackend(Backend):
    """Image layouts in a folder."""

    checks_references = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @override
    def open(self) -> AbstractAsyncContextManager[RegistryWriter]:
        return LayoutStore()

    @override
    def repository(self) -> Repository:
        return Repository.layout(str(self._folder / f"l{next(_numbers)}"))

    @override
    def seed(self, repository: Repository, tag: str, image: Image) -> None:
        images.write_layout(Path(repository.path), tag, image)


REGISTRIES = {
    "anonymous": Options(),
    "basic": Options(auth=Basic(users={USER: PASSWORD})),
    "bearer": Options(auth=Bearer(users={USER: PASSWORD})),
    "bearer elsewhere, 403 for lacking scope": Options(
        auth=Bearer(users={USER: PASSWORD}, separate_origin=True, insufficient_scope_status=403)
    ),
    "no mounts, absolute locations": Options(mounts=False, location_style=LocationStyle.ABSOLUTE),
    "pages of one": Options(page_size=1),
    "no deletion": Options(delete_manifests=False, delete_tags=False),
    "no referrers API": Options(referrers_api=False),
    "tls": Options(),
}
REAL = ("real", "real with password", "real with tls", "real with mutual tls")


@pytest.fixture(scope="module", params=[*REGISTRIES, *REAL, "layout"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Yield each backend in turn, running."""
    name: str = request.param
    if name == "layout":
        yield LayoutBackend(tmp_path_factory.mktemp("layouts"))
        return
    with ExitStack() as stack:
        authority = CertificateAuthority(tmp_path_factory.mktemp("ca")) if "tls" in name else None
        if name in REGISTRIES:
            yield _start_test_registry(stack, REGISTRIES[name], authority)
        else:
            yield _start_real_registry(stack, name, authority)


def _start_test_registry(stack: ExitStack, options: Options, authority: CertificateAuthority | None) -> Backend:
    if authority:
        pair = authority.server()
        options = Options(tls=Tls(certificate=pair.certificate, key=pair.key))
    server = stack.enter_context(RegistryServer(options))

    def seed(path: str, tag: str, image: Image) -> None:
        server.store.add_image(path, tag, image)

    locked = isinstance(options.auth, Basic | Bearer)
    return HttpBackend(_settings(server.host, authority, locked=locked), seed, mounts=options.mounts)


def _start_real_registry(stack: ExitStack, name: str, authority: CertificateAuthority | None) -> Backend:
    locked = "password" in name
    pair = authority.server() if authority else None
    client = authority.client() if authority and "mutual" in name else None
    context = authority.client_context(client) if authority else None
    registry = RealRegistry(
        users={USER: PASSWORD} if locked else None,
        certificate=pair.certificate if pair else None,
        key=pair.key if pair else None,
        client_ca=authority.certificate if authority and client else None,
        ready_context=context,
    )
    stack.enter_context(registry)

    def seed(path: str, tag: str, image: Image) -> None:
        images.push(registry.url, path, tag, image, auth=(USER, PASSWORD) if locked else None, context=context)

    settings = _settings(registry.host, authority, locked=locked)
    if client:
        key = Secret(client.key.read_text())
        settings = replace(settings, client_certificate=client.certificate.read_text(), client_key=key)
    return HttpBackend(settings, seed)


def _settings(host: str, authority: CertificateAuthority | None, *, locked: bool) -> HostSettings:
    return HostSettings(
        registry=host,
        tls=TlsMode.ENABLED if authority else TlsMode.DISABLED,
        ca=authority.certificate.read_text() if authority else "",
        credential=Credential(user=USER, password=Secret(PASSWORD)) if locked else None,
    )


Scenario = Callable[[RegistryWriter], Awaitable[None]]


def run(backend: Backend, scenario: Scenario) -> None:
    async def connected() -> None:
        async with asyncio.timeout(600), backend.open() as registry:
            await scenario(registry)

    asyncio.run(connected())


def manifest_of(image: Image) -> Manifest:
    return Manifest.parse(image.raw, image.media_type, where="test")


def descriptor_of(image: Image) -> Descriptor:
    return Descriptor(media_type=image.media_type, digest=Digest.parse(image.digest), size=image.size)


async def read(registry: RegistryWriter, repository: Repository, blob: Descriptor) -> bytes:
    async with registry.get_blob(repository, blob) as pieces:
        return b"".join([bytes(piece) async for piece in pieces])


async def write(registry: RegistryWriter, repository: Repository, tag: str | None, image: Image) -> None:
    """Store an image: blobs, children by digest, then the image by tag, or by digest without one."""
    for blob in image.blobs:
        await registry.upload_blob(repository, blob_of(blob.data), BytesOrigin(blob.data))
    for child in image.children:
        await write(registry, repository, None, child)
    digest = Digest.parse(image.digest)
    await registry.put_manifest(repository.tag(tag) if tag else repository.at(digest), manifest_of(image))


IMAGES = [
    images.single("oci"),
    images.single("docker", dialect=Dialect.DOCKER),
    images.multi_platform("oci"),
    images.multi_platform("docker", dialect=Dialect.DOCKER),
]


@pytest.mark.parametrize("image", IMAGES, ids=["manifest", "docker manifest", "index", "docker list"])
def test_what_is_stored_is_described_and_returned_byte_for_byte(backend: Backend, image: Image) -> None:
    repository = backend.repository()
    backend.seed(repository, "v1", image)

    async def scenario(registry: RegistryWriter) -> None:
        for reference in (repository.tag("v1"), repository.at(Digest.parse(image.digest))):
            assert await registry.head_manifest(reference) == descriptor_of(image)
            manifest = await registry.get_manifest(reference)
            assert (manifest.raw, manifest.media_type, str(manifest.digest)) == (
                image.raw,
                image.media_type,
                image.digest,
            )

    run(backend, scenario)


def test_the_children_of_an_index_are_there_by_digest(backend: Backend) -> None:
    repository = backend.repository()
    image = images.multi_platform()
    backend.seed(repository, "v1", image)

    async def scenario(registry: RegistryWriter) -> None:
        for child in (await registry.get_manifest(repository.tag("v1"))).children:
            found = await registry.head_manifest(repository.at(child.digest))
            assert found is not None
            assert (found.digest, found.size) == (child.digest, child.size)

    run(backend, scenario)


def test_with_a_tag_and_a_digest_the_digest_counts(backend: Backend) -> None:
    repository = backend.repository()
    one, two = images.single("one"), images.single("two")
    backend.seed(repository, "v1", one)
    backend.seed(repository, "v2", two)

    async def scenario(registry: RegistryWriter) -> None:
        reference = Reference(repository, tag="v1", digest=Digest.parse(two.digest))
        assert await registry.head_manifest(reference) == descriptor_of(two)
        assert (await registry.get_manifest(reference)).raw == two.raw

    run(backend, scenario)


def test_what_is_absent_is_none_to_head_and_not_found_to_get(backend: Backend) -> None:
    repository, nowhere = backend.repository(), backend.repository()
    backend.seed(repository, "v1", images.single())
    absent = Digest.of(b"absent")

    async def scenario(registry: RegistryWriter) -> None:
        for reference in (repository.tag("v2"), repository.at(absent), nowhere.tag("v1"), nowhere.at(absent)):
            assert await registry.head_manifest(reference) is None
            with pytest.raises(NotFoundError):
                await registry.get_manifest(reference)
        for place in (repository, nowhere):
            assert await registry.head_blob(place, absent) is None
            with pytest.raises(NotFoundError):
                await read(registry, place, Descriptor(media_type="x", digest=absent, size=6))

    run(backend, scenario)


def test_a_blob_is_known_by_its_size_and_read_whole(backend: Backend) -> None:
    repository = backend.repository()
    image = images.single(layers=1, size=600_000)
    backend.seed(repository, "v1", image)

    async def scenario(registry: RegistryWriter) -> None:
        for blob in image.blobs:
            assert await registry.head_blob(repository, Digest.parse(blob.digest)) == blob.size
            assert await read(registry, repository, blob_of(blob.data)) == blob.data

    run(backend, scenario)


def test_a_repository_holds_what_has_the_digest_and_the_size(backend: Backend) -> None:
    """Blobs and manifests; what is elsewhere is not here."""
    repository, nowhere = backend.repository(), backend.repository()
    image = images.single(layers=1, size=6_000)
    backend.seed(repository, "v1", image)
    manifest = Descriptor(media_type=image.media_type, digest=Digest.parse(image.digest), size=image.size)

    async def scenario(registry: RegistryWriter) -> None:
        for content in (manifest, *(blob_of(blob.data) for blob in image.blobs)):
            assert await registry.holds(repository, content)
            assert not await registry.holds(nowhere, content)
        larger = Descriptor(media_type="x", digest=Digest.parse(image.blobs[1].digest), size=6_001)
        assert not await registry.holds(repository, larger)
        assert not await registry.holds(repository, Descriptor(media_type="x", digest=Digest.of(b"absent"), size=6))

    run(backend, scenario)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_blob_of_another_size_than_described_is_a_content_error(backend: Backend, difference: int) -> None:
    repository = backend.repository()
    image = images.single(layers=1, size=1000)
    backend.seed(repository, "v1", image)
    layer = image.blobs[-1]
    wrong = Descriptor(media_type="x", digest=Digest.parse(layer.digest), size=layer.size + difference)

    async def scenario(registry: RegistryWriter) -> None:
        with pytest.raises(ContentError):
            await read(registry, repository, wrong)

    run(backend, scenario)


def test_a_blob_need_not_be_read_to_its_end(backend: Backend) -> None:
    repository = backend.repository()

    async def scenario(registry: RegistryWriter) -> None:
        await registry.upload_blob(repository, BLOB, BytesOrigin(CONTENT))
        async with registry.get_blob(repository, BLOB) as pieces:
            first = bytes(await anext(pieces))
        assert CONTENT.startswith(first)
        assert await read(registry, repository, BLOB) == CONTENT

    run(backend, scenario)


def test_all_tags_are_listed(backend: Backend) -> None:
    repository = backend.repository()
    image = images.single()
    for tag in ("v1", "v10", "v2", "Latest", "sha256-abc"):
        backend.seed(repository, tag, image)

    async def scenario(registry: RegistryWriter) -> None:
        found = await registry.list_tags(repository)
        assert sorted(found.tags) == ["Latest", "sha256-abc", "v1", "v10", "v2"]
        assert found.complete
        assert found.problem == ""

    run(backend, scenario)


def test_the_tags_of_an_unknown_repository_are_not_found(backend: Backend) -> None:
    async def scenario(registry: RegistryWriter) -> None:
        with pytest.raises(NotFoundError):
            await registry.list_tags(backend.repository())

    run(backend, scenario)


@pytest.mark.parametrize("image", IMAGES, ids=["manifest", "docker manifest", "index", "docker list"])
def test_an_image_that_was_written_can_be_read(backend: Backend, image: Image) -> None:
    repository = backend.repository()

    async def scenario(registry: RegistryWriter) -> None:
        await write(registry, repository, "v1", image)
        assert await registry.head_manifest(repository.tag("v1")) == descriptor_of(image)
        assert (await registry.get_manifest(repository.tag("v1"))).raw == image.raw
        assert (await registry.list_tags(repository)).tags == ("v1",)

    run(backend, scenario)


def test_a_manifest_put_by_its_digest_gets_no_tag(backend: Backend) -> None:
    repository = backend.repository()
    one, two = images.single("one"), images.single("two")

    async def scenario(registry: RegistryWriter) -> None:
        await write(registry, repository, "v1", one)
        await write(registry, repository, None, two)
        assert await registry.head_manifest(repository.at(Digest.parse(two.digest))) == descriptor_of(two)
        assert (await registry.list_tags(repository)).tags == ("v1",)

    run(backend, scenario)


def test_a_tag_moves_to_what_is_put_last(backend: Backend) -> None:
    repository = backend.repository()
    one, two = images.single("one"), images.single("two")

    async def scenario(registry: RegistryWriter) -> None:
        for image in (one, two, two):
            await write(registry, repository, "v1", image)
        assert await registry.head_manifest(repository.tag("v1")) == descriptor_of(two)
        assert (await registry.list_tags(repository)).tags == ("v1",)

    run(backend, scenario)


def test_a_manifest_is_not_put_under_a_digest_that_is_not_its_own(backend: Backend) -> None:
    repository = backend.repository()

    async def scenario(registry: RegistryWriter) -> None:
        wrong = repository.at(Digest.of(b"other"))
        with pytest.raises(ContentError):
            await registry.put_manifest(wrong, manifest_of(images.single()))
        assert await registry.head_manifest(wrong) is None

    run(backend, scenario)


def test_a_manifest_without_its_blobs_is_refused_with_their_digests(backend: Backend) -> None:
    if not backend.checks_references:
        return
    repository = backend.repository()
    image = images.single(layers=1)
    config, layer = image.blobs

    async def scenario(registry: RegistryWriter) -> None:
        await registry.upload_blob(repository, blob_of(config.data), BytesOrigin(config.data))
        with pytest.raises(MissingContentError) as caught:
            await registry.put_manifest(repository.tag("v1"), manifest_of(image))
        assert caught.value.digests == (Digest.parse(layer.digest),)
        assert await registry.head_manifest(repository.tag("v1")) is None

    run(backend, scenario)


@pytest.mark.parametrize("size", [0, 1, len(CONTENT)])
def test_a_blob_that_was_uploaded_can_be_read(backend: Backend, size: int) -> None:
    repository = backend.repository()
    content = CONTENT[:size]
    blob = blob_of(content)

    async def scenario(registry: RegistryWriter) -> None:
        for _ in range(2):
            await registry.upload_blob(repository, blob, BytesOrigin(content))
        assert await registry.head_blob(repository, blob.digest) == size
        assert await read(registry, repository, blob) == content

    run(backend, scenario)


@pytest.mark.parametrize(
    "wrong", [CONTENT[:-1], CONTENT + b"!", CONTENT[:-1] + b"?", b""], ids=["short", "long", "different", "empty"]
)
def test_an_upload_of_wrong_bytes_is_a_content_error_and_stores_nothing(backend: Backend, wrong: bytes) -> None:
    repository = backend.repository()

    async def scenario(registry: RegistryWriter) -> None:
        with pytest.raises(ContentError):
            await registry.upload_blob(repository, BLOB, BytesOrigin(wrong))
        assert await registry.head_blob(repository, BLOB.digest) is None
        assert await registry.head_blob(repository, Digest.of(wrong)) is None
        await registry.upload_blob(repository, BLOB, BytesOrigin(CONTENT))
        assert await registry.head_blob(repository, BLOB.digest) == BLOB.size

    run(backend, scenario)


def test_many_uploads_and_downloads_may_run_at_once(backend: Backend) -> None:
    repository = backend.repository()
    contents = [bytes([number]) * 70_000 for number in range(20)]

    async def scenario(registry: RegistryWriter) -> None:
        async def there_and_back(content: bytes) -> None:
            blob = blob_of(content)
            await registry.upload_blob(repository, blob, BytesOrigin(content))
            assert await read(registry, repository, blob) == content

        async with asyncio.TaskGroup() as group:
            for content in contents:
                group.create_task(there_and_back(content))

    run(backend, scenario)


def test_a_blob_goes_from_one_repository_to_another_as_a_stream(backend: Backend) -> None:
    source, target = backend.repository(), backend.repository()

    async def scenario(registry: RegistryWriter) -> None:
        class Origin:
            @asynccontextmanager
            async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
                assert offset == 0
                async with registry.get_blob(source, BLOB) as pieces:
                    yield pieces

        await registry.upload_blob(source, BLOB, BytesOrigin(CONTENT))
        await registry.upload_blob(target, BLOB, Origin())
        assert await read(registry, target, BLOB) == CONTENT

    run(backend, scenario)


def test_a_mount_says_whether_the_blob_is_there_now(backend: Backend) -> None:
    source, target = backend.repository(), backend.repository()
    backend.seed(source, "v1", images.single(layers=1, size=5000))
    layer = images.single(layers=1, size=5000).blobs[-1]
    blob = blob_of(layer.data)

    async def scenario(registry: RegistryWriter) -> None:
        mounted = await registry.mount_blob(target, blob, source)
        assert mounted is backend.mounts
        assert (await registry.head_blob(target, blob.digest) == blob.size) is mounted
        await registry.upload_blob(target, blob, BytesOrigin(layer.data))
        assert await read(registry, target, blob) == layer.data

    run(backend, scenario)


def test_a_mount_from_where_the_blob_is_not_leaves_an_upload(backend: Backend) -> None:
    source, target = backend.repository(), backend.repository()
    backend.seed(source, "v1", images.single())

    async def scenario(registry: RegistryWriter) -> None:
        assert await registry.mount_blob(target, BLOB, source) is False
        assert await registry.mount_blob(target, BLOB, backend.repository()) is False
        await registry.upload_blob(target, BLOB, BytesOrigin(CONTENT))
        assert await read(registry, target, BLOB) == CONTENT

    run(backend, scenario)


def test_a_deleted_tag_takes_nothing_along(backend: Backend) -> None:
    """Another tag on the same digest stays; a place that cannot do that says so and leaves everything as it is."""
    repository = backend.repository()
    image = images.single()
    for tag in ("v1", "same"):
        backend.seed(repository, tag, image)

    async def scenario(registry: RegistryWriter) -> None:
        try:
            await registry.delete_tag(repository.tag("v1"))
        except UnsupportedError:
            left = ["same", "v1"]
        else:
            left = ["same"]
            with pytest.raises(NotFoundError):
                await registry.delete_tag(repository.tag("v1"))
        assert sorted((await registry.list_tags(repository)).tags) == left
        assert await registry.head_manifest(repository.tag("same")) == descriptor_of(image)
        assert (await registry.head_manifest(repository.tag("v1")) is not None) is ("v1" in left)

    run(backend, scenario)


def test_a_tag_with_a_digest_is_only_deleted_when_it_names_that(backend: Backend) -> None:
    repository = backend.repository()
    image = images.single()
    backend.seed(repository, "v1", image)

    async def scenario(registry: RegistryWriter) -> None:
        with pytest.raises(UnsupportedError):
            await registry.delete_tag(repository.at(Digest.parse(image.digest)))
        with pytest.raises(RegistryError):
            await registry.delete_tag(Reference(repository, tag="v1", digest=Digest.of(b"other")))
        assert await registry.head_manifest(repository.tag("v1")) == descriptor_of(image)
        left: tuple[str, ...] = ()
        try:
            await registry.delete_tag(Reference(repository, tag="v1", digest=Digest.parse(image.digest)))
        except UnsupportedError:
            left = ("v1",)
        assert (await registry.list_tags(repository)).tags == left

    run(backend, scenario)
