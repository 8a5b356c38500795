"""What entries of index.json are called: a tag, and often the repository that it is a tag of.

skopeo and podman write a whole reference as the entry's name, as they were given it; containerd, Docker and buildkit
write the tag alone, and the reference beside it. Tools that keep one repository in a layout write the tag and no more.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from transship_registry.codec import read_as
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference, canonical_name, is_tag

REF_NAME: Final = "org.opencontainers.image.ref.name"
IMAGE_NAME: Final = "io.containerd.image.name"

_DIGEST_TAG: Final = re.compile(r"sha(?:256|384|512)-[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EntryName:
    """The tag of an entry and its repository in full, which is empty when the entry does not say.

    `written` is the fullest name that the entry has.
    """

    tag: str
    repository: str
    written: str


def read_name(annotations: Mapping[str, msgspec.Raw]) -> EntryName | None:
    """Return what an entry is called; None when it has no tag."""
    reference, image = (_text(annotations, key) for key in (REF_NAME, IMAGE_NAME))
    own, full = _cut(reference), _cut(image)
    if not reference:
        return full if full and full.repository else None
    if own and full and not own.repository and full.tag == own.tag:
        return full
    return own


def is_strange(annotations: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the name that an entry has in index.json is neither a tag nor any kind of reference."""
    if REF_NAME not in annotations:
        return False
    name = _text(annotations, REF_NAME)
    if not name:
        return True
    try:
        Reference.parse(name)
    except InvalidReferenceError:
        return not is_tag(name) and not is_tag(name.rpartition(":")[2])
    return False


def is_digest_tag(tag: str) -> bool:
    """Whether a tag is made of a digest, which says of what it is: it needs no repository to be told from others."""
    return _DIGEST_TAG.match(tag) is not None


def fitting(repositories: Collection[str], wanted: str) -> str:
    """Return the one of several repositories whose name ends most like the wanted one; empty when that is not one.

    At least the last component must be the same: of `reg.example/kube-proxy` and `reg.example/kube-apiserver`, the
    first fits `mirror.example/k8s/kube-proxy`.
    """
    ranks = {repository: _common_end(repository, wanted) for repository in repositories}
    most = max(ranks.values(), default=0)
    best = [repository for repository, rank in ranks.items() if most and rank == most]
    return best[0] if len(best) == 1 else ""


def _common_end(one: str, other: str) -> int:
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    count = 0
    for left, right in pairs:
        if left != right:
            break
        count += 1
    return count


def _text(annotations: Mapping[str, msgspec.Raw], key: str) -> str:
    return read_as(annotations.get(key, b"null"), str) or ""


def _cut(name: str) -> EntryName | None:
    """Return the part of a name after its last colon as the tag, if it can be one (semantics B18.4)."""
    repository, _, tag = name.rpartition(":")
    if "@" in name or not is_tag(tag):
        return None
    try:
        return EntryName(tag, canonical_name(repository) if repository else "", name)
    except InvalidReferenceError:
        return EntryName(tag, repository, name)
