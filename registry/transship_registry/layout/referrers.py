"""Referrers in a layout: its referrers tags, and the entries of index.json that have a subject; everything here blocks.

Other tools know the tag only (semantics B18.5), or only write an entry.
"""

from collections.abc import Iterator

from transship_registry.digest import Digest
from transship_registry.errors import ContentError, InvalidReferenceError, LayoutError, NotFoundError, RegistryError
from transship_registry.layout.index import Entry, LayoutIndex
from transship_registry.layout.opened import OpenLayout
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import manifest_kind
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.index import check_referrers_index, is_listed, referrers_tag, with_referrer
from transship_registry.referrers.lists import Referrer, ReferrerList, Via


def list_referrers(layout: OpenLayout, repository: Repository, digest: Digest, artifact_type: str) -> ReferrerList:
    """List the manifests whose subject is `digest`; what cannot be read makes the list incomplete."""
    found: dict[Digest, Descriptor] = {}
    problems: list[str] = []
    index = layout.index()
    try:
        tagged = _tagged(layout, repository.tag(referrers_tag(digest)))
        found |= {each.digest: each for each in tagged.children} if tagged else {}
    except (ContentError, RegistryError) as error:
        problems.append(str(error))
    for referrer in _entries(layout, index, problems) if index else ():
        if referrer.subject == digest:
            found.setdefault(referrer.descriptor.digest, referrer.descriptor)
    listed = ReferrerList(tuple(found.values()), not problems, "; ".join(problems), Via.LAYOUT)
    return listed.of_type(artifact_type)


def add_referrer(layout: OpenLayout, repository: Repository, manifest: Manifest) -> None:
    """List a stored manifest under its subject's referrers tag; the caller holds `updates`.

    Raises `UnsupportedError` when the tag holds something else than an OCI index.
    """
    referrer = Referrer.of(manifest)
    if referrer is None:
        return
    tag = referrers_tag(referrer.subject)
    place = repository.tag(tag)
    before = _tagged(layout, place)
    if not is_listed(manifest.digest, before):
        layout.put_referrers(with_referrer(before, referrer.descriptor, place), tag, place)


def _tagged(layout: OpenLayout, place: Reference) -> Manifest | None:
    try:
        return check_referrers_index(layout.get_manifest(place), place)
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
