"""Why a registry refuses, by table: each answer as registries give it, and the one sentence for its cause."""

from typing import NamedTuple

import pytest

from transship_registry.causes import CAUSES, explain, find_cause
from transship_registry.digest import Digest
from transship_registry.errors import AuthenticationError, MissingContentError, NotFoundError, RegistryError
from transship_registry.http.refusals import read_refusal, refused

FOREIGN = Digest.of(b"foreign layer")
OTHER = Digest.of(b"layer")
WHERE = "r.example/team/app:v1"

GONE = "the source no longer has the approved image: plan again"
PARTLY_GONE = "the source no longer has all of the approved image: plan again, or push the image there again"
NOWHERE = (
    "the foreign layer is neither in the source nor where its URL leads: "
    "leave foreign layers out (includeExternal: false)"
)
OLD = "the image has a Docker schema 1 manifest: push it again with a current client"
FULL = "the registry has no space left: free some there, and apply again"
UNWRITABLE = "the registry may not write to its own storage: see to the rights there, and apply again"
NO_FOREIGN = (
    "the registry does not take foreign layers, whose content lies elsewhere: "
    "allow their URLs there (distribution: validation.manifests.urls.allow)"
)
WANTS_FOREIGN = "the registry wants the content of foreign layers, too: set includeExternal: true"
QUOTA = "a quota of the registry is used up: free space there, or have it raised"
IMMUTABLE = "the tag is immutable and holds something else: choose another tag, or remove it at the registry"
READ_ONLY = (
    "the registry takes no pushes: it is read-only, or a pull-through cache; name one that is written to as the target"
)
NOT_SO = "the registry takes no pushes (it is read-only, or a pull-through cache), or no manifests of this kind"
BODY = (
    "a body is too large for the registry or a proxy before it: "
    "raise the limit there (nginx: client_max_body_size), or set blobChunk"
)
MANIFEST = "the manifest is too large for the registry or a proxy before it: raise the limit there"
NAME = "the registry allows no repository of this name: choose another target"
CREATE = "the repository is not there, and the registry does not create it on a push: create it there first"
TAG = "the registry allows no tag of this name: choose another tag"
KIND = "the registry does not take manifests of this kind: allow their types there, or leave the image out"


class Row(NamedTuple):
    """What was attempted, what came back, and the cause; `approved` and `foreign` are what is known besides."""

    attempted: str
    status: int
    answer: str
    cause: str
    approved: bool = False
    foreign: bool = False


ROWS = [
    # the source
    Row("GET manifest", 404, "MANIFEST_UNKNOWN: manifest unknown", GONE, approved=True),
    Row("GET manifest", 404, "NAME_UNKNOWN: repository name not known to registry", GONE, approved=True),
    Row("GET manifest", 410, "Gone", GONE, approved=True),
    Row("GET blob", 404, "BLOB_UNKNOWN: blob unknown to registry", PARTLY_GONE, approved=True),
    Row("GET external layer", 404, "Not Found", NOWHERE),
    Row("GET manifest", 404, "MANIFEST_UNKNOWN: schema 1 manifests are no longer served", OLD),
    Row("GET manifest", 404, "MANIFEST_UNKNOWN: manifest unknown", ""),
    Row("GET blob", 404, "BLOB_UNKNOWN: blob unknown to registry", ""),
    Row("GET manifest", 403, "DENIED: requested access is denied", "", approved=True),
    Row("GET manifest", 500, "UNKNOWN: unknown error", "", approved=True),
    # a target without room
    Row("PATCH upload", 507, "Insufficient Storage", FULL),
    Row("PUT upload", 500, "UNKNOWN: unknown error (its storage: No space left on device)", FULL),
    Row("POST upload", 500, "UNKNOWN: unknown error (its storage: Permission denied)", UNWRITABLE),
    Row("POST upload", 500, "UNKNOWN: unknown error", ""),
    Row(
        "PUT manifest",
        403,
        "DENIED: Quota exceeded when processing the request of adding 10.0 MiB of storage resource, which when updated "
        "to current usage of 95.0 MiB will exceed the configured upper limit of 100.0 MiB.",
        QUOTA,
    ),
    Row("PUT upload", 412, "PRECONDITION: quota exceeded", QUOTA),
    Row("PUT manifest", 400, "LimitExceededException: the maximum number of images is reached", QUOTA),
    Row("PUT manifest", 403, "You have exceeded a rate limit exceeded", ""),
    # foreign layers
    Row("PUT manifest", 500, "UNKNOWN: unknown error; UNKNOWN: unknown error", NO_FOREIGN, foreign=True),
    Row("PUT manifest", 500, "UNKNOWN: unknown error", ""),
    # immutable tags
    Row("PUT manifest", 400, "TAG_INVALID: ImageTagAlreadyExists: the tag cannot be overwritten", IMMUTABLE),
    Row("PUT manifest", 409, "ImageTagAlreadyExistsException: the image tag v1 already exists", IMMUTABLE),
    Row("PUT manifest", 412, "PRECONDITION: Failed to process request due to 'v1' configured as immutable.", IMMUTABLE),
    Row("PUT manifest", 400, "Repository does not allow updating assets: docker-hosted", IMMUTABLE),
    Row("PUT manifest", 409, "Conflict", ""),
    # registries that are not written to
    Row("POST upload", 405, "UNSUPPORTED: The operation is unsupported.", READ_ONLY),
    Row("POST upload", 405, "Method not allowed", READ_ONLY),
    Row("PATCH upload", 405, "UNSUPPORTED: The operation is unsupported.", ""),
    Row("POST upload", 403, "DENIED: can not push artifact to a proxy project: hub", READ_ONLY),
    Row("POST upload", 403, "DENIED: the project is read-only", READ_ONLY),
    Row("PUT manifest", 405, "UNSUPPORTED: The operation is unsupported.", NOT_SO),
    # limits and names
    Row("PATCH upload", 413, "Request Entity Too Large (with an HTML page, so a proxy may have answered)", BODY),
    Row("PUT manifest", 413, "MANIFEST_INVALID: manifests are limited to 4194304 bytes", MANIFEST),
    Row("POST upload", 400, "NAME_INVALID: invalid repository name", NAME),
    Row("POST upload", 404, "NAME_UNKNOWN: The repository with name 'app' does not exist in the registry", CREATE),
    Row("POST upload", 404, "NOT_FOUND: project team not found", CREATE),
    Row("PUT manifest", 404, "NAME_UNKNOWN: repository name not known to registry", CREATE),
    Row("PUT manifest", 404, "NOT_FOUND: project team not found", CREATE),
    Row("PUT upload", 404, "BLOB_UPLOAD_UNKNOWN: blob upload unknown to registry", ""),
    Row("PUT manifest", 400, "TAG_INVALID: manifest tag did not match URI", TAG),
    # kinds of manifests
    Row("PUT manifest", 400, "MANIFEST_INVALID: manifest invalid", KIND),
    Row("PUT manifest", 404, "UNSUPPORTED: The operation is unsupported", KIND),
    Row("PUT manifest", 415, "Unsupported Media Type", KIND),
    Row("PUT manifest", 422, "UNKNOWN: this media type is not allowed", KIND),
    Row("PUT manifest", 400, "Bad Request", ""),
    Row("PUT manifest", 403, "DENIED: permission_denied: create_package", ""),
    Row("PUT manifest", 429, "TOOMANYREQUESTS: Quota exceeded", ""),
    Row("DELETE tag", 405, "UNSUPPORTED: The operation is unsupported.", ""),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.attempted} {row.status} {row.answer[:40]}")
def test_an_answer_has_a_cause(row: Row) -> None:
    error = RegistryError(row.attempted, WHERE, f"HTTP {row.status} {row.answer}", status=row.status)
    foreign = {FOREIGN} if row.foreign else set[Digest]()
    assert find_cause(error, approved=row.approved, foreign=foreign) == row.cause


def test_every_row_of_the_table_is_tried() -> None:
    assert {cause.sentence for cause in CAUSES} == {row.cause for row in ROWS if row.cause} | {WANTS_FOREIGN}


@pytest.mark.parametrize(
    ("lacking", "cause"), [((FOREIGN,), WANTS_FOREIGN), ((FOREIGN, OTHER), ""), ((OTHER,), ""), ((), "")]
)
def test_a_registry_that_lacks_only_foreign_layers_wants_them(lacking: tuple[Digest, ...], cause: str) -> None:
    """What else it lacks has been lost, and is sent again."""
    answer = "HTTP 400 MANIFEST_BLOB_UNKNOWN: blob unknown to registry"
    error = MissingContentError("PUT manifest", WHERE, answer, status=400, digests=lacking)
    assert find_cause(error, foreign={FOREIGN}) == cause
    assert find_cause(error) == ""


def test_what_is_absent_from_a_layout_is_gone_as_well() -> None:
    """Layouts have no statuses."""
    assert find_cause(NotFoundError("GET manifest", WHERE, "it is not in the layout"), approved=True) == GONE
    assert find_cause(NotFoundError("get blob", WHERE, "there is no file x"), approved=True) == PARTLY_GONE
    assert find_cause(RegistryError("GET manifest", WHERE, "no answer from https://r.example"), approved=True) == ""


def test_the_cause_goes_first_and_the_words_of_the_protocol_follow() -> None:
    error = NotFoundError("GET manifest", WHERE, "HTTP 404 MANIFEST_UNKNOWN: manifest unknown", status=404)
    explain(error, approved=True)
    assert str(error) == f"{WHERE}: {GONE} (GET manifest: HTTP 404 MANIFEST_UNKNOWN: manifest unknown)"
    assert error.cause == GONE


def test_an_error_without_a_known_cause_is_left_as_it_is() -> None:
    error = RegistryError("PUT manifest", WHERE, "HTTP 400 Bad Request", status=400)
    before = str(error)
    explain(error, approved=True, foreign={FOREIGN})
    assert (str(error), error.cause) == (before, "")


def test_a_used_up_quota_is_not_a_matter_of_logging_in() -> None:
    """Nor does it speak against the credential, which other answers with the same status do."""
    body = b'{"errors":[{"code":"DENIED","message":"Quota exceeded"}]}'
    error = refused("PUT manifest", WHERE, read_refusal(403, {}, body), login_advice="log in")
    assert str(error) == f"{WHERE}: {QUOTA} (PUT manifest: HTTP 403 DENIED: Quota exceeded)"
    assert not isinstance(error, AuthenticationError)
    denied = read_refusal(403, {}, b'{"errors":[{"code":"DENIED","message":"no"}]}')
    assert isinstance(refused("PUT manifest", WHERE, denied, login_advice="log in"), AuthenticationError)


@pytest.mark.parametrize(
    ("detail", "line"),
    [
        (
            b'{"DriverName":"filesystem","Enclosed":{"Op":"write","Path":"/var/lib/registry/x","Err":28}}',
            "HTTP 500 UNKNOWN: unknown error (its storage: No space left on device)",
        ),
        (b'{"DriverName":"filesystem","Enclosed":{"Err":999999}}', "HTTP 500 UNKNOWN: unknown error"),
        (b'{"DriverName":"s3","Enclosed":{}}', "HTTP 500 UNKNOWN: unknown error"),
        (b'["odd"]', "HTTP 500 UNKNOWN: unknown error"),
    ],
)
def test_what_happened_to_the_storage_is_read_from_the_detail(detail: bytes, line: str) -> None:
    """Distribution's message is "unknown error" whatever its disk said."""
    body = b'{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":%s}]}' % detail
    assert read_refusal(500, {}, body).line == line
