"""Artifacts that a target does not take, while it takes images: how to tell, and what a user may want then."""

from enum import Enum
from typing import Final

from transship_registry.errors import (
    AuthenticationError,
    MissingContentError,
    RateLimitedError,
    RegistryError,
    UnsupportedError,
)
from transship_registry.referrers.index import LIST_ATTEMPTS

_STATUSES: Final = frozenset({400, 404, 405, 406, 409, 422})
_WORDS: Final = (
    "manifest_invalid",
    "tag_invalid",
    "unsupported",
    "not supported",
    "media type",
    "mediatype",
    "artifact type",
)
"""GitLab: 400 "MANIFEST_INVALID: unknown media type" (https://github.com/grimoire-rs/grimoire/issues/11); Quay: 400
"MANIFEST_INVALID: manifest invalid" for what ALLOWED_OCI_ARTIFACT_TYPES lacks
(https://github.com/deckhouse/deckhouse/pull/10672); ECR: 405 UNSUPPORTED."""


class RefusedArtifactPolicy(Enum):
    """What becomes of an image when the target refuses something that is attached to it.

    FAIL: the image fails too. WARN: the image is copied, and the loss is reported. SKIP: it is copied in silence.
    """

    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"


def is_artifact_refusal(error: RegistryError) -> bool:
    """Whether an error says that the registry does not take what is attached.

    That is so when `put_manifest` is refused for the kind of manifest, or for a digest tag that is immutable, and when
    `add_referrers` cannot keep the list. To be asked for artifacts only, whose bytes another registry has taken: what
    the target calls invalid is their type. Missing content, credentials, quotas and failing registries are something
    else.
    """
    if isinstance(error, UnsupportedError):
        return error.attempted in LIST_ATTEMPTS or (error.attempted == "PUT manifest" and error.status is not None)
    if error.attempted != "PUT manifest":
        return False
    if isinstance(error, MissingContentError | AuthenticationError | RateLimitedError):
        return False
    if error.status == 415:
        return True
    answer = error.answer.lower()
    return error.status in _STATUSES and any(word in answer for word in _WORDS)
