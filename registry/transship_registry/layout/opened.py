"""One layout in use: its manifests and tags, read and changed as files; everything here blocks."""

import asyncio
import os
from collections.abc import Iterator

from transship_registry.digest import Digest
from transship_registry.errors import (
    ContentError,
    InvalidReferenceError,
    LayoutError,
    NotFoundError,
    UnsupportedError,
)
from transship_registry.inventory import TagFact
from transship_registry.layout.checking import Checked
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.folder import Folder, Signature
from transship_registry.layout.index import Entry, LayoutIndex, Wanted
from transship_registry.layout.lock import LockFile
from transship_registry.layout.pending import sync_folder, write_whole
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer
from transship_registry.regular import NotRegularError, open_regular
from transship_registry.strange_names import StrangeNames, show

_NAMED_AT_MOST = 5


class OpenLayout:
    """A layout, the index as last read, and what this run did to it.

    Two locks: `writers` is shared by every process from its first write to its end and exclusive while garbage is
    collected; `updates` is exclusive while index.json changes. `mutex` is for the tasks of this process.
    `described` are manifests that were read for their subject; it never changes.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.mutex = asyncio.Lock()
        self.writers = LockFile(folder.own_file("writers.lock"))
        self.updates = LockFile(folder.own_file("index.lock"))
        self.is_writing = False
        self.has_garbage = False
        self.written: set[Digest] = set()
        self.tagged: set[Digest] = set()
        self.described = dict[Digest, Referrer | None]()
        self._read: tuple[Signature, LayoutIndex] | None = None

    def index(self) -> LayoutIndex | None:
        """Return the index as it is now; None when there is no layout. Raises `LayoutError`."""
        signature = self.folder.signature()
        if signature is not None and self._read is not None and self._read[0] == signature:
            return self._read[1]
        index = self.folder.read_index()
        if index is not None and signature is not None:
            self._read = (signature, index)
        return index

    def make_folder(self) -> None:
        """Make the folder, if it is missing, so that there is a place for locks."""
        with disk_errors("create layout", self.folder.name, self.folder.path):
            os.makedirs(self.folder.path, exist_ok=True)

    def stop_writing(self) -> None:
        """Let go of the lock that keeps collections away; the next write takes it again."""
        self.writers.release()
        self.is_writing = False

    def prepare(self) -> None:
        """Make an empty layout if there is none; the caller holds `updates`."""
        if self.folder.read_index() is None:
            self.folder.initialise()

    def head_manifest(self, reference: Reference) -> Descriptor | None:
        """Return what the reference names; None when it is not in the layout."""
        index = self.index()
        if index is None:
            return None
        entry = self._find(index, reference, "HEAD manifest")
        if entry is None:
            manifest = self._load(reference.digest, "") if reference.digest else None
            return manifest.descriptor if manifest else None
        found = self._descriptor(entry, reference)
        size = self.folder.blob_size(found.digest)
        if size is None:
            raise self._dangling("HEAD manifest", reference, found.digest)
        if size != found.size:
            path = self.folder.blob_file(found.digest)
            raise ContentError(
                f"HEAD manifest {reference}: {path} has {size} bytes, expected {found.size}; "
                "remove the tag's entry from index.json to have the image copied again"
            )
        return found

    def get_manifest(self, reference: Reference) -> Manifest:
        """Read and verify what the reference names; raises `NotFoundError` when it is not in the layout."""
        index = self.index()
        entry = self._find(index, reference, "GET manifest") if index else None
        if entry is None:
            manifest = self._load(reference.digest, "") if index and reference.digest else None
            if manifest is None:
                raise _absent("GET manifest", reference, index)
            return manifest
        found = self._descriptor(entry, reference)
        manifest = self._load(found.digest, found.media_type)
        if manifest is None:
            raise self._dangling("GET manifest", reference, found.digest)
        return manifest

    def head_blob(self, digest: Digest) -> int | None:
        """Return the size of a blob; None when it is not in the layout."""
        return self.folder.blob_size(digest) if self.index() else None

    def list_tags(self, repository: Repository) -> TagList:
        """Return the tags, sorted, and what is left out of the list; raises `NotFoundError` when there is no layout."""
        index, wanted = self._present_index(), _wanted(repository)
        strange = StrangeNames(f"index.json of {repository}", "image")
        for name in index.strange:
            strange.add(name)
        warnings = (*strange.warnings, *(_about_others(index, repository) if not wanted.name else ()))
        repositories = index.repositories if len(index.repositories) > 1 and not wanted.name else ()
        return TagList(index.tags_of(wanted), warnings=warnings, repositories=repositories)

    def inventory(self, repository: Repository) -> tuple[TagFact, ...]:
        """Return the tags, sorted, with their digests where one image alone claims the tag.

        Raises `NotFoundError` when there is no layout.
        """
        index, wanted = self._present_index(), _wanted(repository)
        return tuple(
            TagFact(tag=tag) if index.rivals(tag, wanted) else _fact(tag, entry)
            for tag in index.tags_of(wanted)
            if (entry := index.find_tag(tag, wanted))
        )

    def put_digest(self, manifest: Manifest, reference: Reference) -> None:
        """Store a manifest as a blob only; the caller has checked that all is there that it points at."""
        self._store(manifest, reference)

    def put_tag(self, manifest: Manifest, tag: str, reference: Reference, checked: Checked) -> None:
        """Store a manifest and let the tag name it; the caller holds `updates` and has checked what it points at."""
        self._name(manifest, tag, reference, checked.digests)

    def put_referrers(self, manifest: Manifest, tag: str, reference: Reference) -> None:
        """Store the index of a referrers tag and let the tag name it; the caller holds `updates`.

        What it lists need not be there: other tools copy such an index without all that it lists.
        """
        listed = frozenset(child.digest for child in manifest.children)
        self._name(manifest, tag, reference, listed | {manifest.digest})

    def _name(self, manifest: Manifest, tag: str, reference: Reference, digests: frozenset[Digest]) -> None:
        """Let the tag name the manifest, which reaches `digests`."""
        index = self.index()
        if index is None:
            raise LayoutError("PUT manifest", str(reference), "the layout has vanished meanwhile", advice="run again")
        wanted = _wanted(reference.repository)
        self._refuse_rivals(index, tag, reference, "PUT manifest")
        self._store(manifest, reference)
        self.tagged |= digests
        before = index.find_tag(tag, wanted)
        if before and (before.digest, before.media_type, before.bytes_stated) == (
            str(manifest.digest),
            manifest.media_type,
            len(manifest.raw),
        ):
            return
        with disk_errors("PUT manifest", reference, self.folder.blobs):
            self.folder.sync_blobs(digests)
        self._write_index(index.with_tag(tag, manifest.descriptor, wanted), "PUT manifest", reference)
        self.has_garbage |= before is not None

    def check_deletable(self, reference: Reference, tag: str) -> LayoutIndex:
        """Return the index if the tag can be deleted from it.

        Raises `NotFoundError` when it is absent, `LayoutError` when it does not name the reference's digest, and
        `UnsupportedError` when several images claim it.
        """
        index = self.index()
        entry = index.find_tag(tag, _wanted(reference.repository)) if index else None
        if index is None or entry is None:
            raise _absent("delete tag", reference, index)
        self._refuse_rivals(index, tag, reference, "delete tag")
        if reference.digest is not None and entry.digest != str(reference.digest):
            raise LayoutError("delete tag", str(reference), f"the tag names {entry.digest}", advice="look again first")
        return index

    def delete_tag(self, reference: Reference, tag: str) -> None:
        """Remove the entry of a tag; the caller holds `updates`. Raises as `check_deletable`."""
        index = self.check_deletable(reference, tag)
        self._write_index(index.without_tag(tag, _wanted(reference.repository)), "delete tag", reference)
        self.has_garbage = True

    def _present_index(self) -> LayoutIndex:
        index = self.index()
        if index is None:
            raise NotFoundError("list tags", self.folder.name, "there is no layout", advice="check the path")
        return index

    def _write_index(self, index: LayoutIndex, attempted: str, reference: Reference) -> None:
        with disk_errors(attempted, reference, self.folder.index_file):
            write_whole(self.folder.index_file, index.encode())
            sync_folder(self.folder.path)
        signature = self.folder.signature()
        self._read = (signature, index) if signature else None

    def _store(self, manifest: Manifest, reference: Reference) -> None:
        path = self.folder.blob_file(manifest.digest)
        with disk_errors("PUT manifest", reference, path):
            if self._is_stored(path, manifest.raw):
                return
            self.folder.make_blob_folder(manifest.digest.algorithm)
            write_whole(path, manifest.raw)
        self.written.add(manifest.digest)

    @staticmethod
    def _is_stored(path: str, raw: bytes) -> bool:
        try:
            with open_regular(path) as file:
                return file.read(len(raw) + 1) == raw
        except (FileNotFoundError, NotRegularError):
            return False

    def _find(self, index: LayoutIndex, reference: Reference, attempted: str) -> Entry | None:
        """Return the entry of a digest or tag; raises `UnsupportedError` when several repositories claim the tag."""
        if reference.digest is not None:
            return index.find_digest(str(reference.digest))
        self._refuse_rivals(index, reference.identifier, reference, attempted)
        return index.find_tag(reference.identifier, _wanted(reference.repository))

    def _refuse_rivals(self, index: LayoutIndex, tag: str, reference: Reference, attempted: str) -> None:
        rivals = index.rivals(tag, _wanted(reference.repository))
        if rivals:
            names = ", ".join(dict.fromkeys(_shown(rival) for rival in rivals))
            advice = f"say which is meant, for example {_way_to(rivals[0], reference.repository, tag)}"
            raise UnsupportedError(attempted, str(reference), f"several images claim the tag: {names}", advice=advice)

    def _load(self, digest: Digest, media_type: str) -> Manifest | None:
        return self.folder.load_manifest(digest, media_type)

    def _descriptor(self, entry: Entry, reference: Reference) -> Descriptor:
        try:
            digest = Digest.parse(entry.digest)
        except InvalidReferenceError as error:
            raise LayoutError("read layout", str(reference), f"index.json: {error}") from error
        size = entry.bytes_stated
        if size is None:
            stated = show(bytes(entry.size))
            raise LayoutError("read layout", str(reference), f"index.json: the size of {digest} is no size: {stated}")
        return Descriptor(media_type=entry.media_type, digest=digest, size=size)

    def _dangling(self, attempted: str, reference: Reference, digest: Digest) -> LayoutError:
        return LayoutError(
            attempted,
            str(reference),
            f"index.json names {digest}, but {self.folder.blob_file(digest)} is missing",
            advice="put the file back, or remove the entry from index.json to have the image copied again",
        )


def _fact(tag: str, entry: Entry) -> TagFact:
    try:
        return TagFact(tag=tag, digest=Digest.parse(entry.digest), media_type=entry.media_type)
    except InvalidReferenceError:
        return TagFact(tag=tag, media_type=entry.media_type)


def _wanted(repository: Repository) -> Wanted:
    return Wanted(repository.name, repository.path)


def _shown(entry: Entry) -> str:
    """Return the fullest name of an entry, fit to print."""
    written = entry.name.written if entry.name else ""
    return written if written.isascii() and written.isprintable() else show(written)


def _way_to(entry: Entry, repository: Repository, tag: str) -> str:
    """Return a reference that only one entry fits: by its repository, or by its digest when that is not well-formed."""
    named = f"{repository.folder}:{entry.repository}:{tag}"
    try:
        return str(Reference.parse(named))
    except InvalidReferenceError:
        return f"{repository.folder}@{entry.digest}"


def _about_others(index: LayoutIndex, repository: Repository) -> Iterator[str]:
    """Say which images of a layout are passed over, because one of several repositories has the name of its folder."""
    if others := index.left_out(_wanted(repository)):
        chosen = index.repository_of(_wanted(repository))
        shown = ", ".join(others[:_NAMED_AT_MOST])
        more = f" and {len(others) - _NAMED_AT_MOST} more" if len(others) > _NAMED_AT_MOST else ""
        yield f"{repository} holds several repositories, of which its path names {chosen}; left out: {shown}{more}"


def _absent(attempted: str, reference: Reference, index: LayoutIndex | None) -> NotFoundError:
    answer = "it is not in the layout" if index else "there is no layout"
    found = index.tags_of(_wanted(reference.repository)) or index.repositories if index else ()
    tags = ", ".join(found[:_NAMED_AT_MOST])
    advice = f"the layout has e.g. {tags}" if tags else "check the path"
    return NotFoundError(attempted, str(reference), answer, advice=advice)
