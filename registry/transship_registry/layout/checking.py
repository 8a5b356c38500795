"""Whether files of layouts hold what their names say: what a run did not write is hashed once before it counts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from transship_registry.digest import Digest
from transship_registry.errors import ContentError, MissingContentError, NotFoundError
from transship_registry.layout.blobs import BlobReader
from transship_registry.layout.folder import Folder
from transship_registry.layout.marks import Mark, Verdicts
from transship_registry.layout.offload import Offload
from transship_registry.layout.walk import Reach, walk
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.reference import Reference

_NAMED_AT_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """All that a manifest reaches, itself included, and the marks of the files that were found to be right."""

    digests: frozenset[Digest]
    marks: Mapping[Digest, Mark]

    def is_unchanged(self, folder: Folder) -> bool:
        """Whether the files still are what was checked."""
        return all(folder.blob_mark(digest) == mark for digest, mark in self.marks.items())


class Checker:
    """Finds out what is right in layouts, and remembers it for one run, for as long as the files stay as they are."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._verdicts = Verdicts()
        self._hashing: WeakValueDictionary[Digest, asyncio.Lock] = WeakValueDictionary()

    def note(self, digest: Digest, mark: Mark | None) -> None:
        """Take note of a file that this run wrote and verified meanwhile."""
        self._verdicts.note(digest, mark)

    async def find(self, folder: Folder, content: Descriptor) -> Mark | None:
        """Return the mark of a file that has this size and digest; None when there is no such file.

        The file is read piece by piece, so that it can be interrupted. Raises `LayoutError` when it cannot be read.
        """
        # Whoever needs the same blob waits, and then knows.
        async with self._hashing.setdefault(content.digest, asyncio.Lock()):
            mark = await self._offload.run(folder.blob_mark, content.digest)
            if mark is None or mark.size != content.size:
                return None
            is_right = self._verdicts.find(content.digest, mark)
            if is_right is None:
                return await self._hash(folder, content)
            return mark if is_right else None

    async def check_complete(self, folder: Folder, manifest: Manifest, reference: Reference) -> Checked:
        """Check all that a manifest points at; layers with `urls` may be missing.

        Raises `MissingContentError` when something is missing or damaged.
        """
        reach = await self._offload.run(walk, folder, (manifest,))
        damaged = [each for each, _ in reach.damaged]
        marks = dict(reach.marks)
        for blob in reach.files:
            mark = await self.find(folder, blob)
            if mark is None:
                damaged.append(blob)
            else:
                marks[blob.digest] = mark
        if reach.missing or damaged:
            raise _incomplete(manifest, reference, reach, damaged)
        return Checked(reach.digests, marks)

    async def _hash(self, folder: Folder, content: Descriptor) -> Mark | None:
        try:
            reader = await self._offload.run(BlobReader, folder, content)
        except (NotFoundError, ContentError):  # it has changed since we looked
            return None
        try:
            while await self._offload.run(reader.read) is not None:
                pass
        except ContentError:
            self._verdicts.note(content.digest, reader.mark, is_right=False)
            return None
        finally:
            reader.close()
        # What was changed while it was read has another mark by now, and is read again.
        self._verdicts.note(content.digest, reader.mark)
        return reader.mark


def _incomplete(manifest: Manifest, reference: Reference, reach: Reach, damaged: list[Descriptor]) -> Exception:
    """Name what is missing and damaged; those who bring it again have to send the manifests above, too."""
    faults = [_named(each) for each in reach.missing] + [_named(each, "whose file is damaged") for each in damaged]
    more = f" and {len(faults) - _NAMED_AT_MOST} more" if len(faults) > _NAMED_AT_MOST else ""
    wrong = tuple(dict.fromkeys(each.digest for each in (*reach.missing, *damaged)))
    above = reach.above(wrong) - {manifest.digest, *wrong}
    return MissingContentError(
        "PUT manifest",
        str(reference),
        f"the layout lacks what {manifest.digest} points at: {', '.join(faults[:_NAMED_AT_MOST])}{more}",
        digests=(*wrong, *sorted(above, key=str)),
        advice="copy that first",
    )


def _named(each: Descriptor, problem: str = "") -> str:
    facts = (each.media_type, f"{each.size} bytes", *((problem,) if problem else ()))
    return f"{each.digest} ({', '.join(facts)})"
