"""Why a registry refuses: what was attempted, what it answered, and the cause in a sentence with the way out.

The one table of causes. Its first row that fits counts; an answer that no row fits speaks for itself.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from transship_registry.digest import Digest
from transship_registry.errors import MissingContentError, NotFoundError, RegistryError

_UPLOAD: Final = frozenset({"POST upload", "PATCH upload", "PUT upload"})
_PUT: Final = frozenset({"PUT manifest"})
_PUSH: Final = _UPLOAD | _PUT
_PULL: Final = frozenset({"GET manifest", "HEAD manifest"})
_BLOB_READ: Final = frozenset({"GET blob", "get blob"})

IMMUTABLE_STATUSES: Final = frozenset({400, 403, 409, 412})
IMMUTABLE: Final = re.compile(
    r"immutable|already exists|ImageTagAlreadyExists|overwrit|redeploy|updating assets", re.IGNORECASE
)
"""ECR: 400 TAG_INVALID or ImageTagAlreadyExistsException; Harbor: 412 PRECONDITION; GAR and Quay: 400 or 409; Nexus:
400 "does not allow updating assets"; Artifactory: 409 "cannot be redeployed"."""

_QUOTA: Final = re.compile(r"quota|upper limit|storage limit|(?<!rate )limit ?exceeded", re.IGNORECASE)
_FULL: Final = re.compile(r"no space left|insufficient storage|disk quota exceeded|disk (?:is )?full", re.IGNORECASE)
_UNWRITABLE: Final = re.compile(r"permission denied|read-only file system|operation not permitted", re.IGNORECASE)
_READ_ONLY: Final = re.compile(r"read[- _]?only|archived|proxy (?:project|repository|cache)", re.IGNORECASE)
_SCHEMA1: Final = re.compile(r"schema ?(?:version )?1\b|manifest\.v1\+", re.IGNORECASE)
_TYPE: Final = re.compile(r"MANIFEST_INVALID|MANIFEST_UNVERIFIED|UNSUPPORTED|media ?type|artifact type", re.IGNORECASE)
_NO_REPOSITORY: Final = re.compile(
    r"NAME_UNKNOWN|RepositoryNotFound|(?:project|repository)\b.*\bnot (?:found|exist)", re.IGNORECASE
)
_CONTENT: Final = re.compile(r"BLOB_UNKNOWN|MANIFEST_UNKNOWN")
_ANYTHING: Final = re.compile("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A row: one of these attempts, statuses and, if they are given, words of the answer has this cause.

    `approved` rows are about what a plan has approved at its source, `foreign` ones about a manifest with layers that
    lie elsewhere; of `absent_foreign` ones the registry lacks just those.
    """

    attempted: frozenset[str]
    statuses: frozenset[int]
    answer: re.Pattern[str] = _ANYTHING
    approved: bool = False
    foreign: bool = False
    absent_foreign: bool = False
    sentence: str

    def fits(self, error: RegistryError, *, approved: bool, foreign: Collection[Digest]) -> bool:
        """Return whether this is what an error is about."""
        return (
            error.attempted in self.attempted
            and _status(error) in self.statuses
            and isinstance(error, MissingContentError) == self.absent_foreign
            and self.answer.search(error.answer) is not None
            and approved >= self.approved
            and (bool(foreign) or not self.foreign)
            and (not self.absent_foreign or _lacks_just(error, foreign))
        )


def _status(error: RegistryError) -> int | None:
    """Return the status of an error; layouts, which have none, say "not found" by its kind."""
    return 404 if error.status is None and isinstance(error, NotFoundError) else error.status


_NO_SPACE: Final = "the registry has no space left: free some there, and apply again"

CAUSES: Final = (
    Cause(
        attempted=frozenset({"GET manifest"}),
        statuses=frozenset({404, 410}),
        approved=True,
        sentence="the source no longer has the approved image: plan again",
    ),
    Cause(
        attempted=_BLOB_READ,
        statuses=frozenset({404, 410}),
        approved=True,
        sentence="the source no longer has all of the approved image: plan again, or push the image there again",
    ),
    Cause(
        attempted=frozenset({"GET external layer"}),
        statuses=frozenset({403, 404, 410}),
        sentence="the foreign layer is neither in the source nor where its URL leads: "
        "leave foreign layers out (includeExternal: false)",
    ),
    Cause(
        attempted=_PULL,
        statuses=frozenset({400, 404, 406, 415, 422}),
        answer=_SCHEMA1,
        sentence="the image has a Docker schema 1 manifest: push it again with a current client",
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({507}),
        sentence=_NO_SPACE,
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({500, 503}),
        answer=_FULL,
        sentence=_NO_SPACE,
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({500, 503}),
        answer=_UNWRITABLE,
        sentence="the registry may not write to its own storage: see to the rights there, and apply again",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({500}),
        foreign=True,
        sentence="the registry does not take foreign layers, whose content lies elsewhere: "
        "allow their URLs there (distribution: validation.manifests.urls.allow)",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({400, 404}),
        answer=_CONTENT,
        foreign=True,
        absent_foreign=True,
        sentence="the registry wants the content of foreign layers, too: set includeExternal: true",
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({400, 402, 403, 409, 412, 413, 422}),
        answer=_QUOTA,
        sentence="a quota of the registry is used up: free space there, or have it raised",
    ),
    Cause(
        attempted=_PUT,
        statuses=IMMUTABLE_STATUSES,
        answer=IMMUTABLE,
        sentence="the tag is immutable and holds something else: choose another tag, or remove it at the registry",
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({403, 405, 409, 423}),
        answer=_READ_ONLY,
        sentence="the registry takes no pushes: it is read-only, or a pull-through cache; "
        "name one that is written to as the target",
    ),
    Cause(
        attempted=frozenset({"POST upload"}),
        statuses=frozenset({405}),
        sentence="the registry takes no pushes: it is read-only, or a pull-through cache; "
        "name one that is written to as the target",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({405}),
        sentence="the registry takes no pushes (it is read-only, or a pull-through cache), "
        "or no manifests of this kind",
    ),
    Cause(
        attempted=_UPLOAD,
        statuses=frozenset({413}),
        sentence="a body is too large for the registry or a proxy before it: "
        "raise the limit there (nginx: client_max_body_size), or set blobChunk",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({413}),
        sentence="the manifest is too large for the registry or a proxy before it: raise the limit there",
    ),
    Cause(
        attempted=_PUSH,
        statuses=frozenset({400, 404}),
        answer=re.compile("NAME_INVALID"),
        sentence="the registry allows no repository of this name: choose another target",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({404}),
        answer=_NO_REPOSITORY,
        sentence="the repository is not there, and the registry does not create it on a push: create it there first",
    ),
    Cause(
        attempted=frozenset({"POST upload"}),
        statuses=frozenset({404}),
        sentence="the repository is not there, and the registry does not create it on a push: create it there first",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({400}),
        answer=re.compile("TAG_INVALID"),
        sentence="the registry allows no tag of this name: choose another tag",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({415}),
        sentence="the registry does not take manifests of this kind: allow their types there, or leave the image out",
    ),
    Cause(
        attempted=_PUT,
        statuses=frozenset({400, 404, 406, 422}),
        answer=_TYPE,
        sentence="the registry does not take manifests of this kind: allow their types there, or leave the image out",
    ),
)


def find_cause(error: RegistryError, *, approved: bool = False, foreign: Collection[Digest] = ()) -> str:
    """Return the sentence for an error; empty when its answer speaks for itself.

    `approved`: what was asked for is at a source, where a plan has seen and approved it. `foreign` are the layers of
    the manifest that lie elsewhere.
    """
    rows = (cause.sentence for cause in CAUSES if cause.fits(error, approved=approved, foreign=foreign))
    return next(rows, "")


def explain(error: RegistryError, *, approved: bool = False, foreign: Collection[Digest] = ()) -> None:
    """Let an error say its cause, if that is known; for the arguments see `find_cause`."""
    cause = find_cause(error, approved=approved, foreign=foreign)
    if cause:
        error.explain(cause)


def _lacks_just(error: RegistryError, foreign: Collection[Digest]) -> bool:
    named = error.digests if isinstance(error, MissingContentError) else ()
    return bool(named) and set(named) <= set(foreign)
