"""Referrers in a layout: its referrers tags, and the entries of index.json that have a subject; everything here blocks.

Other tools know the tag only (semantics B18.5), or only write an entry.
"""

from collections.abc import Iterator, Sequence

from transship_registry.digest import Digest
from transship_registry.errors import (
    ContentError,
    InvalidReferenceError,
    LayoutError,
    NotFoundError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.layout.index import Entry, LayoutIndex
from transship_registry.layout.opened import OpenLayout
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import manifest_kind
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import (
    PUT_LIST,
    TAG_IS_KEPT,
    check_referrers_index,
    is_manifest_of,
    referrers_tag,
    unlisted,
    with_referrers,
)
from transship_registry.referrers.lists import Referrer, ReferrerList, Via


def list_referrers(layout: OpenLayout, repository: Repository, digest: Digest, artifact_type: str) -> ReferrerList:
    """List the manifests whose subject is `digest`; what cannot be read makes the list incomplete."""
    found: dict[Digest, Descriptor] = {}
    problems: list[str] = []
    index = layout.index()
    try:
        found |= {each.digest: each for each in _listed(layout, repository, digest)}
    except (ContentError, RegistryError) as error:
        problems.append(str(error))
    for referrer in _entries(layout, index, problems) if index else ():
        if referrer.subject == digest:
            found.setdefault(referrer.descriptor.digest, referrer.descriptor)
    listed = ReferrerList(tuple(found.values()), not problems, "; ".join(problems), Via.LAYOUT)
    return listed.of_type(artifact_type)


def _listed(layout: OpenLayout, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
    """Return what the referrers tag lists; a tag that names the subject itself is no list."""
    place = repository.tag(referrers_tag(subject))
    tagged = _tagged(layout, place)
    index = None if tagged is None or is_manifest_of(subject, tagged) else check_referrers_index(tagged, place)
    return index.children if index else ()


def add_referrers(layout: OpenLayout, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
    """List stored manifests under their subject's referrers tag; the caller holds `updates`.

    Raises `UnsupportedError` when the tag holds something else than an OCI index, or the subject itself.
    """
    tag = referrers_tag(subject)
    place = repository.tag(tag)
    before = _tagged(layout, place)
    if before is not None and is_manifest_of(subject, before):
        raise UnsupportedError(PUT_LIST, str(place), f"the tag names {subject} itself", advice=TAG_IS_KEPT)
    index = check_referrers_index(before, place)
    if lacking := unlisted(referrers, index):
        layout.put_referrers(with_referrers(index, lacking, place), tag, place)


def _tagged(layout: OpenLayout, place: Reference) -> Manifest | None:
    try:
        return layout.get_manifest(place)
    except NotFoundError:
        return None


def _entries(layout: OpenLayout, index: LayoutIndex, problems: list[str]) -> Iterator[Referrer]:
    """Yield the referrers among the entries; what cannot be read is added to the problems."""
    for entry, _ in index.entries:
        if manifest_kind(entry.media_type) is None:
            continue
        try:
            referrer = _referrer(layout, entry)
        except (ContentError, InvalidReferenceError, RegistryError) as error:
            problems.append(str(error))
            continue
        if referrer is not None:
            yield referrer


def _referrer(layout: OpenLayout, entry: Entry) -> Referrer | None:
    digest = Digest.parse(entry.digest)
    if digest not in layout.described:
        manifest = layout.folder.load_manifest(digest, entry.media_type)
        if manifest is None:
            raise LayoutError(
                "list referrers",
                layout.folder.name,
                f"index.json names {digest}, but {layout.folder.blob_file(digest)} is missing",
                advice="put the file back, or remove the entry from index.json",
            )
        layout.described[digest] = Referrer.of(manifest)
    return layout.described[digest]
