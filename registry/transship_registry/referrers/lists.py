"""What is attached to a manifest: the manifests whose `subject` it is (distribution-spec § Listing Referrers)."""

from dataclasses import dataclass
from enum import Enum

from transship_registry.digest import Digest
from transship_registry.manifest import Descriptor, Manifest


class Via(Enum):
    """Where it is written that a manifest is attached to another."""

    API = "referrers API"
    TAG = "referrers tag"
    LAYOUT = "image layout"
    DIGEST_TAG = "digest tag"


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
        """Return the list of those of one artifact type; of all when it is empty."""
        if not artifact_type:
            return self
        kept = tuple(each for each in self.descriptors if each.artifact_type == artifact_type)
        return ReferrerList(kept, self.complete, self.problem, self.via)


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest as the lists of referrers show it, and the digest of its subject."""

    subject: Digest
    descriptor: Descriptor

    @classmethod
    def of(cls, manifest: Manifest) -> "Referrer | None":
        """Describe a manifest; None when it has no subject.

        The config's media type stands for a missing `artifactType`, and the annotations are the manifest's (§ Pushing
        Manifests with Subject).
        """
        if manifest.subject is None:
            return None
        descriptor = Descriptor(
            media_type=manifest.media_type,
            digest=manifest.digest,
            size=len(manifest.raw),
            artifact_type=manifest.artifact_type or (manifest.config.media_type if manifest.config else None),
            annotations=dict(manifest.annotations) or None,
        )
        return cls(manifest.subject.digest, descriptor)
