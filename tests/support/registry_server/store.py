"""The registry's content in memory, shared by the server's thread and the test's."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from support.registry_server import documents
from support.registry_server.content import BytesContent, Content, DiscardedContent, GeneratedContent


class BlobLike(Protocol):
    """A blob as `support.images` makes it."""

    @property
    def data(self) -> bytes:
        """The content."""
        ...

    @property
    def digest(self) -> str:
        """Its digest."""
        ...

    @property
    def urls(self) -> tuple[str, ...]:
        """Where a non-distributable layer is to be had."""
        ...


class ManifestLike(Protocol):
    """A manifest as `support.images` makes it."""

    @property
    def raw(self) -> bytes:
        """The manifest's bytes."""
        ...

    @property
    def media_type(self) -> str:
        """The manifest's media type."""
        ...

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        ...


class ImageLike(ManifestLike, Protocol):
    """An image as `support.images` makes it."""

    def manifests(self) -> Iterator[ManifestLike]:
        """Yield all manifests, children first."""
        ...

    def all_blobs(self) -> Iterator[BlobLike]:
        """Yield all blobs."""
        ...


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as it was received, with what the registry read in it."""

    raw: bytes = field(repr=False)
    media_type: str
    digest: str
    document: documents.Document
    stored_at: float


@dataclass
class Repository:
    """One repository: manifests by digest, tags, and the blobs that it may serve."""

    manifests: dict[str, StoredManifest] = field(default_factory=dict[str, StoredManifest])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    tag_times: dict[str, float] = field(default_factory=dict[str, float])
    blobs: dict[str, Content] = field(default_factory=dict[str, Content])


class Store:
    """All repositories. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._repositories: dict[str, Repository] = {}

    def repositories(self) -> list[str]:
        """Return the names of all repositories, sorted."""
        with self._lock:
            return sorted(self._repositories)

    def create_repository(self, name: str) -> None:
        """Create an empty repository, unless it exists."""
        with self._lock:
            self._repositories.setdefault(name, Repository())

    def delete_repository(self, name: str) -> None:
        """Forget a repository with all that it holds."""
        with self._lock:
            del self._repositories[name]

    def has_repository(self, name: str) -> bool:
        """Tell whether a repository exists."""
        with self._lock:
            return name in self._repositories

    def add_image(
        self, repository: str, tag: str | None, image: ImageLike, *, referrers: Iterable[ImageLike] = ()
    ) -> str:
        """Store an image with all it refers to, as if it had been pushed long ago; return its digest.

        The referrers are stored too, without a referrers tag.
        """
        with self._lock:
            for root in (*referrers, image):
                for blob in root.all_blobs():
                    if not blob.urls:
                        self._repository(repository).blobs[blob.digest] = BytesContent(blob.data)
                for manifest in root.manifests():
                    self.put_manifest(repository, manifest.raw, manifest.media_type, digest=manifest.digest)
            if tag is not None:
                self.set_tag(repository, tag, image.digest)
        return image.digest

    def put_manifest(
        self, repository: str, raw: bytes, media_type: str, *, tag: str | None = None, digest: str | None = None
    ) -> str:
        """Store a manifest, unchecked against its references, and move the tag if one is given; return its digest."""
        digest = digest or documents.manifest_digest(raw, media_type)
        stored = StoredManifest(raw, media_type, digest, documents.parse(raw, media_type), self._clock())
        with self._lock:
            self._repository(repository).manifests[digest] = stored
            if tag is not None:
                self.set_tag(repository, tag, digest)
        return digest

    def get_manifest(self, repository: str, reference: str) -> StoredManifest | None:
        """Return a manifest by tag or digest."""
        with self._lock:
            found = self._repositories.get(repository)
            return None if found is None else found.manifests.get(found.tags.get(reference, reference))

    def delete_manifest(self, repository: str, digest: str) -> bool:
        """Remove a manifest and every tag that points at it; tell whether it was there."""
        with self._lock:
            found = self._repositories.get(repository)
            if found is None or found.manifests.pop(digest, None) is None:
                return False
            for tag in [tag for tag, target in found.tags.items() if target == digest]:
                self.delete_tag(repository, tag)
            return True

    def manifests(self, repository: str) -> list[StoredManifest]:
        """Return all manifests of a repository in the order in which they came."""
        with self._lock:
            found = self._repositories.get(repository)
            return [] if found is None else list(found.manifests.values())

    def tags(self, repository: str) -> dict[str, str]:
        """Return a repository's tags with their digests, sorted; an unknown repository has none."""
        with self._lock:
            found = self._repositories.get(repository)
            return {} if found is None else dict(sorted(found.tags.items()))

    def snapshot(self) -> dict[str, dict[str, str]]:
        """Return the tags of all repositories, to compare before and after."""
        with self._lock:
            return {name: self.tags(name) for name in self.repositories()}

    def set_tag(self, repository: str, tag: str, digest: str, *, at: float | None = None) -> None:
        """Create or move a tag to a manifest of the repository; `at` is the time shown in tag listings with dates."""
        with self._lock:
            found = self._repository(repository)
            assert digest in found.manifests, f"{repository} holds no manifest {digest} for tag {tag}"
            found.tags[tag] = digest
            found.tag_times[tag] = self._clock() if at is None else at

    def tag_time(self, repository: str, tag: str) -> float:
        """Return when a tag was last set, in seconds since the epoch."""
        with self._lock:
            return self._repositories[repository].tag_times[tag]

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove a tag and leave its manifest; tell whether it was there."""
        with self._lock:
            found = self._repositories.get(repository)
            if found is None or found.tags.pop(tag, None) is None:
                return False
            del found.tag_times[tag]
            return True

    def add_blob(self, repository: str, data: bytes, *, algorithm: str = "sha256") -> str:
        """Store a blob of these bytes and return its digest."""
        digest = documents.digest_of(data, algorithm)
        self.put_blob(repository, digest, BytesContent(data))
        return digest

    def add_generated_blob(self, repository: str, size: int, *, seed: int | None = None) -> str:
        """Add a blob of any size that takes no memory: zeros, or seeded random blocks; return its digest.

        The first call for a size and seed hashes the content, about a second for 1.5 GiB.
        """
        content = GeneratedContent(size, seed)
        digest = content.digest()
        self.put_blob(repository, digest, content)
        return digest

    def put_blob(self, repository: str, digest: str, content: Content) -> None:
        """Store a blob under a digest that the caller has checked, or wants to be wrong."""
        with self._lock:
            self._repository(repository).blobs[digest] = content

    def get_blob(self, repository: str, digest: str) -> Content | None:
        """Return a blob of a repository."""
        with self._lock:
            found = self._repositories.get(repository)
            return None if found is None else found.blobs.get(digest)

    def find_blob(self, digest: str) -> Content | None:
        """Return a blob from whatever repository holds it."""
        with self._lock:
            for repository in self._repositories.values():
                if digest in repository.blobs:
                    return repository.blobs[digest]
            return None

    def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Link a blob of another repository into this one; tell whether the source had it."""
        with self._lock:
            content = self.get_blob(source, digest)
            if content is None:
                return False
            self.put_blob(repository, digest, content)
            return True

    def delete_blob(self, repository: str, digest: str) -> bool:
        """Remove a blob from a repository; tell whether it was there."""
        with self._lock:
            found = self._repositories.get(repository)
            return found is not None and found.blobs.pop(digest, None) is not None

    def blobs(self, repository: str) -> list[str]:
        """Return the digests of a repository's blobs, sorted."""
        with self._lock:
            found = self._repositories.get(repository)
            return [] if found is None else sorted(found.blobs)

    def referrers(self, repository: str, digest: str) -> list[dict[str, object]]:
        """Return the descriptors of the manifests whose subject is `digest`, as the referrers API lists them."""
        with self._lock:
            return [_descriptor(each) for each in self.manifests(repository) if each.document.subject == digest]

    def missing(self, repository: str, document: documents.Document) -> list[str]:
        """Return the digests of blobs and manifests that a manifest refers to and that the repository lacks."""
        with self._lock:
            found = self._repositories.get(repository, Repository())
            blobs = [digest for digest in document.blobs if digest not in found.blobs]
            return blobs + [child.digest for child in document.children if child.digest not in found.manifests]

    def flaws(self) -> list[str]:
        """Return all that is wrong with tagged content: missing or corrupt blobs and manifests, sizes that differ."""
        with self._lock:
            return [
                flaw
                for name, repository in sorted(self._repositories.items())
                for tag, digest in sorted(repository.tags.items())
                for flaw in _flaws_of_manifest(repository, f"{name}:{tag}", digest, None)
            ]

    def assert_complete(self) -> None:
        """Fail unless every tag stands on complete and intact content, children and blobs included."""
        flaws = self.flaws()
        assert not flaws, "tags on incomplete content:\n" + "\n".join(flaws)

    def _repository(self, name: str) -> Repository:
        return self._repositories.setdefault(name, Repository())


def _flaws_of_manifest(repository: Repository, where: str, digest: str, size: int | None) -> Iterator[str]:
    stored = repository.manifests.get(digest)
    if stored is None:
        yield f"{where}: manifest {digest} is missing"
        return
    algorithm = digest.partition(":")[0]
    if documents.manifest_digest(stored.raw, stored.media_type, algorithm) != digest:
        yield f"{where}: manifest {digest} has other bytes"
    if size is not None and size != len(stored.raw):
        yield f"{where}: manifest {digest} has {len(stored.raw)} bytes, not {size}"
    for blob, blob_size in stored.document.blobs.items():
        yield from _flaws_of_blob(repository, where, blob, blob_size)
    for child in stored.document.children:
        yield from _flaws_of_manifest(repository, f"{where} > {digest[:19]}", child.digest, child.size)


def _flaws_of_blob(repository: Repository, where: str, digest: str, size: int | None) -> Iterator[str]:
    content = repository.blobs.get(digest)
    if content is None:
        yield f"{where}: blob {digest} is missing"
        return
    if size is not None and size != content.size:
        yield f"{where}: blob {digest} has {content.size} bytes, not {size}"
    if not isinstance(content, DiscardedContent) and _digest_of_content(content, digest.partition(":")[0]) != digest:
        yield f"{where}: blob {digest} has other bytes"


def _digest_of_content(content: Content, algorithm: str) -> str:
    if isinstance(content, GeneratedContent):
        return content.digest(algorithm)
    hasher = hashlib.new(algorithm)
    for piece in content.pieces(0, content.size):
        hasher.update(piece)
    return f"{algorithm}:{hasher.hexdigest()}"


def _descriptor(stored: StoredManifest) -> dict[str, object]:
    """Return the descriptor that the spec asks for in a referrers list (Listing Referrers)."""
    found: dict[str, object] = {
        "mediaType": stored.media_type,
        "digest": stored.digest,
        "size": len(stored.raw),
    }
    if stored.document.listed_artifact_type is not None:
        found["artifactType"] = stored.document.listed_artifact_type
    if stored.document.annotations:
        found["annotations"] = dict(stored.document.annotations)
    return found


def index_of(descriptors: Sequence[dict[str, object]]) -> bytes:
    """Return an OCI index of these descriptors as bytes."""
    return json.dumps({"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": list(descriptors)}).encode()
