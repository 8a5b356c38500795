"""One registry host: its settings, the conversation with it, and what was learnt about it on the way."""

from asyncio import Task
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import quote

import httpx

from transship_registry.digest import Digest
from transship_registry.hosts import HostSettings
from transship_registry.http.counters import Counters
from transship_registry.http.exchange import Call, Exchange
from transship_registry.http.refusals import Refusal
from transship_registry.limits import REFUSAL_LIMIT
from transship_registry.login.scopes import Scope
from transship_registry.manifest import Descriptor
from transship_registry.reference import Repository


class UploadWay(Enum):
    """The ways of sending a blob that registries take; none of them takes all three (registries 4.1)."""

    PUT = "one PUT"
    PATCH = "PATCH, then a PUT without a body"
    PATCH_AND_PUT = "PATCH, then a PUT with the last chunk"


@dataclass(eq=False, slots=True)
class Learnt:
    """What a host turned out not to do, or not in that way; kept for a run, never written down.

    `put_limit` is the smallest body that it found too large, `chunk_limit` the largest chunk it may take;
    `refused_ways` are the ways of uploading that it refused; `mounted` are the blobs (repository and digest) that it
    claimed to have mounted by itself, which is believed once. `deletion_refused` maps the repositories in which
    nothing can be deleted to the refusal; `children` are those of the indexes that were read, whose content never
    changes; `given_up` says why the host is not asked any more.
    """

    head_refused: bool = False
    anonymous_mount_refused: bool = False
    put_limit: int | None = None
    chunk_limit: int | None = None
    refused_ways: set[UploadWay] = field(default_factory=set[UploadWay])
    mounted: set[tuple[str, Digest]] = field(default_factory=set[tuple[str, Digest]])
    tag_deletion_refused: bool = False
    deletion_refused: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    children: dict[Digest, tuple[Descriptor, ...]] = field(default_factory=dict[Digest, tuple[Descriptor, ...]])
    given_up: str = ""


@dataclass(eq=False, slots=True)
class Host:
    """A registry, or a mirror that answers for `mirrored`, the name of another one.

    `chunk_max` is the largest chunk, in bytes, that it may ask for; 0 when nobody set a limit. `farewells` cancel what
    the registry began for somebody who did not wait for it.
    """

    settings: HostSettings
    exchange: Exchange
    counters: Counters
    learnt: Learnt = field(default_factory=Learnt)
    mirrored: str = ""
    chunk_max: int = 0
    farewells: set[Task[None]] = field(default_factory=set[Task[None]])

    def path(self, repository: Repository) -> str:
        """Return the repository's name as this host knows it, the path prefix included (semantics B16.1)."""
        prefix = self.settings.path_prefix.strip("/")
        return f"{prefix}/{repository.path}" if prefix else repository.path

    def url(self, path: str, query: Mapping[str, str] | None = None) -> httpx.URL:
        """Return the URL of `path` below `/v2/`.

        A mirror is told by `ns` which registry it answers for, as containerd does
        (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
        """
        parameters = {**(query or {}), **({"ns": self.mirrored} if self.mirrored else {})}
        text = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in parameters.items())
        return httpx.URL(f"{self.settings.base_url}/v2/{path}{'?' if text else ''}{text}")

    def call(
        self,
        attempted: str,
        repository: Repository,
        rest: str,
        *,
        reference: object,
        scopes: frozenset[Scope],
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        ok: frozenset[int] = frozenset({200}),
        limit: int = REFUSAL_LIMIT,
    ) -> Call:
        """Compose a call about a repository; `attempted` begins with its method."""
        path = self.path(repository)
        return Call(
            attempted=attempted,
            method=attempted.partition(" ")[0],
            url=self.url(f"{path}/{rest}", query),
            reference=str(reference),
            path=path,
            scopes=scopes,
            headers=headers or {},
            body=body,
            ok=ok,
            limit=limit,
        )
