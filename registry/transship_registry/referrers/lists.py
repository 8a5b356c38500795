"""What is attached to a manifest: the manifests whose `subject` it is (distribution-spec § Listing Referrers)."""

from dataclasses import dataclass
from enum import Enum

from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_EMPTY


class Via(Enum):
    """Where it is written that a manifest is attached to another."""

    API = "referrers API"
    TAG = "referrers tag"
    LAYOUT = "image layout"
    DIGEST_TAG = "digest tag"


def stated_type(referrer: Descriptor) -> str:
    """Return the artifact type that an entry of a list states; empty when only its manifest tells.

    Lists of older clients have entries without a type, or with that of an empty config in its place
    (https://github.com/google/go-containerregistry/issues/1997).
    """
    return "" if referrer.artifact_type in {None, OCI_EMPTY} else str(referrer.artifact_type)


@dataclass(frozen=True, slots=True)
class ReferrerList:
    """The referrers of a manifest, each digest once, in the registry's order.

    `complete` is False when some may be missing: the list may be read, but nothing may be called unsigned, or be
    deleted, because of it. `problem` says why.
    """

    descriptors: tuple[Descriptor, ...]
    complete: bool = True
    problem: str = ""
    via: Via = Via.API

    def of_type(self, artifact_type: str) -> "ReferrerList":
        """Return the list of those of one artifact type, and of those that do not say theirs.

        Of all when it is empty.
        """
        if not artifact_type:
            return self
        kept = tuple(each for each in self.descriptors if stated_type(each) in {"", artifact_type})
        return ReferrerList(kept, self.complete, self.problem, self.via)


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest as the lists of referrers show it, and the digest of its subject."""

    subject: Digest
    descriptor: Descriptor

    @classmethod
    def of(cls, manifest: Manifest) -> "Referrer | None":
        """Describe a manifest; None when it has no subject."""
        return cls(manifest.subject.digest, as_listed(manifest)) if manifest.subject else None


def as_listed(manifest: Manifest) -> Descriptor:
    """Describe a manifest as an entry of a list has to.

    The config's media type stands for a missing `artifactType`, and the annotations are the manifest's (§ Pushing
    Manifests with Subject).
    """
    return Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.raw),
        artifact_type=manifest.artifact_type or (manifest.config.media_type if manifest.config else None),
        annotations=dict(manifest.annotations) or None,
    )
