"""How a test registry is set up at its start; what goes wrong at run time is in `faults`."""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Anonymous:
    """Everybody may do everything."""


@dataclass(frozen=True, kw_only=True)
class Basic:
    """A user name and a password with every request.

    `grants` limits users: user → repository glob → actions (`pull`, `push`, `delete`); a user without an entry may
    do everything. `anonymous_pull` lets requests without credentials read.
    """

    users: Mapping[str, str]
    grants: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict[str, Mapping[str, frozenset[str]]])
    anonymous_pull: bool = False
    realm: str = "test registry"


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Tokens from `/token` (GET, and OAuth2 POST), good for the repositories and actions asked for and granted.

    `users` and `grants` as for `Basic`. A token lives `lifetime_s` seconds of the registry's clock
    (`RegistryServer.advance`) and, if `uses` is given, that many requests; `expires_in` is left out of the token
    answer when `announce_lifetime` is False (clients must then assume 60 s). `token_fields` says under which names the
    token is given. `separate_origin` puts the token service on the second origin. A token that lacks a scope gets
    `insufficient_scope_status`: 401 with a challenge as the reference implementation does, 403 as others do.
    """

    users: Mapping[str, str] = field(default_factory=dict[str, str])
    grants: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict[str, Mapping[str, frozenset[str]]])
    anonymous_pull: bool = False
    service: str = "test-registry"
    lifetime_s: float = 300
    announce_lifetime: bool = True
    uses: int | None = None
    token_fields: tuple[str, ...] = ("token", "access_token")
    refresh_tokens: Mapping[str, str] = field(default_factory=dict[str, str])
    separate_origin: bool = False
    insufficient_scope_status: int = 401


Auth = Anonymous | Basic | Bearer


@dataclass(frozen=True, kw_only=True)
class Tls:
    """PEM files of the server's certificate and key; with `client_ca` every client must show a certificate of it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class LocationStyle(enum.Enum):
    """How `Location` headers are written."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a registry is and supports; each default is what a good registry does.

    | option | meaning |
    |---|---|
    | auth, tls | who may do what; plain http without `tls` |
    | location_style | `Location` as path or as URL |
    | strict_upload_location | a PATCH or PUT must use the last `Location`, its state changes after each PATCH |
    | chunk_min_length | sent as `OCI-Chunk-Min-Length`; a smaller chunk may only be the last |
    | single_post | `POST ?digest=` with a body creates the blob; otherwise it answers 202 |
    | mounts | cross-repository mounts; otherwise they answer 202 with an upload session |
    | anonymous_mount | a mount without `from` finds the blob in any repository |
    | page_size | the most tags or repositories on a page, whatever `n` says |
    | catalog | `_catalog` exists |
    | referrers_api, referrers_page_size | the referrers API and its paging; without it no `OCI-Subject` either |
    | delete_manifests, delete_tags, delete_blobs | what DELETE may remove; otherwise 405 UNSUPPORTED |
    | create_repositories | a push creates its repository; otherwise 404 NAME_UNKNOWN |
    | check_references | a manifest whose blobs or children are missing is refused with `missing_reference_status` |
    | missing_reference_status | 404 as in the spec; the reference implementation answers 400 |
    | max_manifest_bytes | a longer manifest is refused with 413 |
    | negotiate | a manifest whose type is not in `Accept` is not found, as in the reference implementation |
    | discard_blobs | of uploaded blobs keep only digest and size: memory stays flat |
    | verify_uploads | hash uploads; without it the digest is believed, for throughput tests |
    | google_tags | tag lists hold Google's `manifest` map |
    | clock | the time, in seconds since the epoch, for token lifetimes, quotas and tag dates |
    """

    auth: Auth = field(default_factory=Anonymous)
    tls: Tls | None = None
    location_style: LocationStyle = LocationStyle.RELATIVE
    strict_upload_location: bool = True
    chunk_min_length: int | None = None
    single_post: bool = True
    mounts: bool = True
    anonymous_mount: bool = False
    page_size: int | None = None
    catalog: bool = True
    referrers_api: bool = True
    referrers_page_size: int | None = None
    delete_manifests: bool = True
    delete_tags: bool = True
    delete_blobs: bool = True
    create_repositories: bool = True
    check_references: bool = True
    missing_reference_status: int = 404
    max_manifest_bytes: int = 4 * 1024 * 1024
    negotiate: bool = True
    discard_blobs: bool = False
    verify_uploads: bool = True
    google_tags: bool = False
    clock: Callable[[], float] = time.time
