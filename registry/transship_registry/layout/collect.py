"""Garbage collection: removing blobs that no tag reaches any more, when that is certain."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, RegistryError
from transship_registry.layout.disk import disk_errors
from transship_registry.layout.folder import Folder
from transship_registry.layout.index import LayoutIndex
from transship_registry.layout.walk import walk
from transship_registry.limits import MANIFEST_LIMIT
from transship_registry.manifest import Manifest
from transship_registry.regular import open_regular


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed: files and their bytes; `skipped` says why nothing was collected at all."""

    removed: int = 0
    size: int = 0
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which unreachable blobs may go: those older than `grace_s` at time `now`, and those of `disposable`.

    Younger ones may belong to a tool without our locks that is still writing an image.
    """

    now: float
    grace_s: float
    disposable: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    digest: Digest
    size: int
    changed_at: float


class _UncertainError(Exception):
    """Something keeps us from knowing what is reachable; the text says what."""


def collect(folder: Folder, rules: Rules) -> Collected:
    """Remove unreachable blobs; the caller holds the layout's locks.

    Nothing is removed unless every manifest can be read, and nothing through a symbolic link. Files that are not named
    by a digest stay. Raises `LayoutError` for a folder that is no readable layout, or when the system refuses to remove
    a file.
    """
    signature = folder.signature()
    index = folder.read_index()
    if index is None:
        return Collected(skipped="there is no layout")
    if shared := _leading_away(folder):
        return Collected(skipped=f"{shared} is a symbolic link: other layouts may need the blobs that it leads to")
    try:
        reached = _reachable(folder, index)
        files = tuple(_files(folder))
        doomed = tuple(file for file in _unreached(folder, files, reached) if _may_go(file, rules))
    except _UncertainError as doubt:
        return Collected(skipped=str(doubt))
    if folder.signature() != signature:
        return Collected(skipped="another program changed index.json meanwhile")
    for file in doomed:
        with disk_errors("collect garbage", folder.name, file.path):
            os.unlink(file.path)
    return Collected(len(doomed), sum(file.size for file in doomed))


def _leading_away(folder: Folder) -> str:
    """Return the first of the folders with blobs that is a link; empty when all of them are the layout's own.

    What lies behind a link may belong to others, whose tags this layout does not know.
    """
    paths = (folder.blobs, *(folder.blob_folder(algorithm) for algorithm in _algorithms(folder)))
    return next((path for path in paths if os.path.islink(path)), "")


def _algorithms(folder: Folder) -> list[str]:
    with disk_errors("collect garbage", folder.name, folder.blobs):
        names = sorted(os.listdir(folder.blobs)) if os.path.isdir(folder.blobs) else []
    return [name for name in names if re.fullmatch(r"sha(256|384|512)", name)]


def _reachable(folder: Folder, index: LayoutIndex) -> frozenset[Digest]:
    roots: list[Manifest] = []
    try:
        for entry, _ in index.entries:
            root = folder.load_manifest(Digest.parse(entry.digest), entry.media_type)
            if root is None:
                raise _UncertainError(f"index.json names {entry.digest}, which is missing")
            roots.append(root)
        return _certain(folder, roots)
    except (ContentError, InvalidReferenceError, RegistryError) as error:
        raise _UncertainError(f"not all that index.json names can be read: {error}") from error


def _certain(folder: Folder, roots: list[Manifest]) -> frozenset[Digest]:
    reach = walk(folder, roots)
    if reach.missing_manifests:
        raise _UncertainError(f"an index names {reach.missing_manifests[0].digest}, which is missing")
    if reach.opaque:
        child = reach.opaque[0]
        raise _UncertainError(f"an index names {child.digest} of the unknown type {child.media_type!r}")
    if reach.damaged:
        raise reach.damaged[0][1]
    return reach.digests


def _unreached(folder: Folder, files: tuple[_File, ...], reached: frozenset[Digest]) -> Iterator[_File]:
    """Yield the blobs that neither the tags reach nor the referrers of what they reach.

    A referrer may be stored by its digest only, and is then known by its subject alone.
    """
    candidates = {file.digest: file for file in files if file.digest not in reached}
    waiting = {found.digest: found for file in candidates.values() if (found := _referrer(folder, file))}
    kept = reached
    while referrers := [each for each in waiting.values() if each.subject and each.subject.digest in kept]:
        for each in referrers:
            del waiting[each.digest]
        try:
            kept |= _certain(folder, referrers)
        except (ContentError, RegistryError) as error:
            raise _UncertainError(f"not all that a referrer names can be read: {error}") from error
    yield from (file for digest, file in candidates.items() if digest not in kept)


def _referrer(folder: Folder, file: _File) -> Manifest | None:
    """Return the blob as a manifest with a subject; None when it is none."""
    if file.size > MANIFEST_LIMIT:
        return None
    with disk_errors("collect garbage", folder.name, file.path), open_regular(file.path) as opened:
        if opened.read(1) != b"{" or b'"subject"' not in opened.read(MANIFEST_LIMIT):
            return None
    try:
        found = folder.load_manifest(file.digest, "")
    except (ContentError, RegistryError):
        return None
    return found if found and found.subject else None


def _files(folder: Folder) -> Iterator[_File]:
    """Yield the blobs; foreign files, folders and symbolic links are left out."""
    for algorithm in _algorithms(folder):
        yield from _scan(folder, folder.blob_folder(algorithm), algorithm)


def _scan(folder: Folder, path: str, algorithm: str) -> Iterator[_File]:
    with disk_errors("collect garbage", folder.name, path), os.scandir(path) as entries:
        for entry in entries:
            digest = _digest(algorithm, entry.name)
            if digest is None:
                continue
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                # A hard link made now keeps the file's old modification time, but not its change time.
                yield _File(entry.path, digest, found.st_size, max(found.st_mtime, found.st_ctime))


def _digest(algorithm: str, name: str) -> Digest | None:
    try:
        return Digest(algorithm, name)
    except InvalidReferenceError:
        return None


def _may_go(file: _File, rules: Rules) -> bool:
    return file.digest in rules.disposable or rules.now - file.changed_at >= rules.grace_s
