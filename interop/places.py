"""Where images are put and looked at, without the code under test: a registry of either kind, and an OCI layout."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from support import images
from support.registry_server.plain_client import PlainClient

_INDEXES = {images.OCI_INDEX, images.DOCKER_LIST}
_LIST_TAG = re.compile(r"sha256-[0-9a-f]{64}")


@dataclass(frozen=True)
class Document:
    """A manifest or an index as it is served."""

    raw: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The digest of its bytes, whatever the place says."""
        return images.digest_of(self.raw)

    @property
    def content(self) -> dict[str, Any]:
        """Its JSON."""
        return cast("dict[str, Any]", json.loads(self.raw))

    def entries(self) -> list[dict[str, Any]]:
        """Return the descriptors of an index, and none of an image."""
        return self.content["manifests"] if self.media_type in _INDEXES else []

    def blobs(self) -> list[dict[str, Any]]:
        """Return the descriptors of configuration and layers."""
        return [] if self.media_type in _INDEXES else [self.content["config"], *self.content["layers"]]


@dataclass
class Held:
    """What a place holds below its prefix, as a client finds it.

    `tags` are digests by `repository:tag`, without the lists that clients keep under `sha256-<hex>`; of these `lists`
    has what they list, since the order and the annotations are each client's own. `attached` are the pairs of subject
    and referrer that can be discovered, and `lacking` is what something refers to and the place does not serve whole.
    """

    tags: dict[str, str] = field(default_factory=dict[str, str])
    lists: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    attached: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    lacking: set[str] = field(default_factory=set[str])


class Place(Protocol):
    """A registry below a prefix, or a folder of layouts; repositories are named without the prefix."""

    @property
    def name(self) -> str:
        """How a configuration names it: `host/prefix`, or `ocidir://folder`."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """The registries that a configuration must have settings for."""
        ...

    def push(self, repository: str, tag: str | None, image: images.Image, *referrers: images.Image) -> None:
        """Put an image with its referrers, and the list of these where the place has no referrers API."""
        ...

    @contextmanager
    @abstractmethod
    def reading(self) -> "Iterator[Reader]":
        """Open what it takes to look at it."""
        ...


class Reader(Protocol):
    """What can be asked of a place."""

    def repositories(self) -> list[str]:
        """List the repositories below the prefix."""
        ...

    def tags(self, repository: str) -> list[str]:
        """List all tags."""
        ...

    def manifest(self, repository: str, reference: str) -> Document | None:
        """Return a manifest by tag or digest, if it is there."""
        ...

    def blob(self, repository: str, digest: str) -> bytes | None:
        """Return a blob, if it is there."""
        ...

    def referrers(self, repository: str, digest: str) -> list[str]:
        """Return the digests of the referrers that a client finds."""
        ...


def look(place: Place) -> Held:
    """Walk everything that a place holds, by tags, indexes and referrers."""
    held = Held()
    with place.reading() as reader:
        for repository in reader.repositories():
            _look_into(repository, reader, held)
    return held


def _look_into(repository: str, reader: Reader, held: Held) -> None:
    seen: set[str] = set()
    for tag in reader.tags(repository):
        document = reader.manifest(repository, tag)
        assert document is not None, f"{repository}:{tag} is listed, and not served"
        if _LIST_TAG.fullmatch(tag) and document.media_type == images.OCI_INDEX:
            held.lists[f"{repository}:{tag}"] = frozenset(entry["digest"] for entry in document.entries())
        else:
            held.tags[f"{repository}:{tag}"] = document.digest
        _walk(repository, document, reader, held, seen)


def _walk(repository: str, document: Document, reader: Reader, held: Held, seen: set[str]) -> None:
    if document.digest in seen:
        return
    seen.add(document.digest)
    for blob in document.blobs():
        data = reader.blob(repository, blob["digest"])
        if data is None or images.digest_of(data, blob["digest"].partition(":")[0]) != blob["digest"]:
            held.lacking.add(blob["digest"])
    referrers = reader.referrers(repository, document.digest)
    held.attached |= {(document.digest, referrer) for referrer in referrers}
    for digest in (*(entry["digest"] for entry in document.entries()), *referrers):
        below = reader.manifest(repository, digest)
        if below is None or below.digest != digest:
            held.lacking.add(digest)
        else:
            _walk(repository, below, reader, held, seen)


@dataclass(frozen=True)
class Registry:
    """A registry below a prefix; `storage` is where its repositories are, since olareg has no catalogue."""

    host: str
    prefix: str
    referrers_api: bool
    storage: Path

    @property
    def name(self) -> str:
        """How a configuration names it."""
        return f"{self.host}/{self.prefix}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The registry itself."""
        return (self.host,)

    def push(self, repository: str, tag: str | None, image: images.Image, *referrers: images.Image) -> None:
        """Push with the tests' own client."""
        images.push(f"http://{self.host}", f"{self.prefix}/{repository}", tag, image, referrers=referrers)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Open a connection."""
        with PlainClient(f"http://{self.host}") as client:
            yield _RegistryReader(client, self)

    @contextmanager
    def asking(self) -> Iterator[PlainClient]:
        """Open a connection for what only registries have, such as deletion."""
        with PlainClient(f"http://{self.host}") as client:
            yield client


@dataclass(frozen=True)
class _RegistryReader:
    client: PlainClient
    registry: Registry

    def repositories(self) -> list[str]:
        mark = "index.json" if self.registry.referrers_api else "_manifests"
        return _folders_with(mark, self.registry.storage / self.registry.prefix)

    def tags(self, repository: str) -> list[str]:
        return self.client.list_tags(self._full(repository))

    def manifest(self, repository: str, reference: str) -> Document | None:
        answer = self.client.get_manifest(self._full(repository), reference)
        return None if answer.status == 404 else Document(answer.expect(200).body, answer.headers["content-type"])

    def blob(self, repository: str, digest: str) -> bytes | None:
        answer = self.client.get_blob(self._full(repository), digest)
        return None if answer.status == 404 else answer.expect(200).body

    def referrers(self, repository: str, digest: str) -> list[str]:
        if not self.registry.referrers_api:
            return _listed(self.manifest(repository, digest.replace(":", "-", 1)))
        answer = self.client.request("GET", f"/v2/{self._full(repository)}/referrers/{digest}")
        return _listed(Document(answer.expect(200).body, images.OCI_INDEX))

    def _full(self, repository: str) -> str:
        return f"{self.registry.prefix}/{repository}"


def _folders_with(name: str, folder: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(folder)) for path in folder.rglob(name))


def _listed(index: Document | None) -> list[str]:
    return [] if index is None else [entry["digest"] for entry in index.entries()]


@dataclass(frozen=True)
class Layouts:
    """A folder with an OCI layout for each repository."""

    folder: Path

    @property
    def name(self) -> str:
        """How a configuration names it."""
        return f"ocidir://{self.folder}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """No registry at all."""
        return ()

    def push(self, repository: str, tag: str | None, image: images.Image, *referrers: images.Image) -> None:
        """Write the files, and the lists of referrers as regsync, regctl and oras look for them."""
        layout = self.folder / repository
        images.write_layout(layout, tag, image)
        for digest, listed in _by_subject(referrers).items():
            images.write_layout(layout, digest.replace(":", "-", 1), images.referrers_index(listed))

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Read the files as they are."""
        yield _LayoutsReader(self.folder)


def _by_subject(referrers: Iterable[images.Image]) -> dict[str, list[images.Image]]:
    found: dict[str, list[images.Image]] = {}
    for referrer in referrers:
        assert referrer.subject is not None
        found.setdefault(referrer.subject, []).append(referrer)
    return found


@dataclass(frozen=True)
class _LayoutsReader:
    folder: Path

    def repositories(self) -> list[str]:
        return _folders_with("index.json", self.folder)

    def tags(self, repository: str) -> list[str]:
        return sorted(self._index(repository))

    def manifest(self, repository: str, reference: str) -> Document | None:
        raw = self.blob(repository, self._index(repository).get(reference, reference))
        return None if raw is None else Document(raw, json.loads(raw).get("mediaType", images.OCI_MANIFEST))

    def blob(self, repository: str, digest: str) -> bytes | None:
        path = self.folder / repository / "blobs" / digest.replace(":", "/")
        return path.read_bytes() if path.is_file() else None

    def referrers(self, repository: str, digest: str) -> list[str]:
        return _listed(self.manifest(repository, digest.replace(":", "-", 1)))

    def _index(self, repository: str) -> dict[str, str]:
        entries = json.loads((self.folder / repository / "index.json").read_text())["manifests"]
        names = ((entry, entry.get("annotations", {})) for entry in entries)
        name = "org.opencontainers.image.ref.name"
        return {notes[name]: entry["digest"] for entry, notes in names if name in notes}
