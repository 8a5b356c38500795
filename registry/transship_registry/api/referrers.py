"""Referrers at registries over HTTP: by the API where there is one, else by the referrers tag (distribution-spec)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary

import httpx
import msgspec

from transship_registry.api.listing import Pages
from transship_registry.api.referrers_tag import ListTag
from transship_registry.codec import decode_json
from transship_registry.digest import Digest
from transship_registry.errors import ContentError, DocumentError, RegistryError, UnsupportedError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.host import Host
from transship_registry.limits import REFERRERS_LIMIT
from transship_registry.login.scopes import pull
from transship_registry.manifest import Descriptor, Manifest
from transship_registry.mediatypes import OCI_INDEX, essence
from transship_registry.reference import Reference, Repository
from transship_registry.referrers.lists import Referrer, ReferrerList, Via

MEMORY_S: Final = 300.0
"""Seconds for which a repository is believed to have no referrers API (semantics B13.19)."""

_NO_API: Final = frozenset({303, 400, 404, 405, 406, 501})
"""The spec's 404, and what others answer at a path that they do not know: 406
(https://github.com/google/go-containerregistry/issues/1962), and GHCR's 303 to a web page that is not to be visited,
since it answers 429 (https://github.com/artifacthub/hub/issues/4785)."""

_OK: Final = frozenset({200})


class Referrers:
    """The referrers at all registries, and what was learnt on the way: which repositories lack the API.

    The index under a referrers tag has one writer at a time in this process; what another process does at the same
    moment is noticed by reading the index again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._missed_at: dict[tuple[str, str], float] = {}
        self._writers: WeakValueDictionary[Reference, asyncio.Lock] = WeakValueDictionary()

    async def list_referrers(
        self, host: Host, repository: Repository, digest: Digest, artifact_type: str = ""
    ) -> ReferrerList:
        """List the manifests whose subject is `digest`; what broke after the first page is said in the list.

        A mirror may know images only, so a list without entries is not its last word.
        """
        found = await self._ask_api(host, repository, digest, artifact_type)
        if found is None:
            found = (await _read_tag(host, repository, digest)).of_type(artifact_type)
        if host.mirrored and not found.descriptors:
            return replace(found, complete=False, problem=found.problem or f"{host.settings.registry} is a mirror")
        return found

    def unlisted(
        self, host: Host, repository: Repository, manifest: Manifest, headers: httpx.Headers
    ) -> Referrer | None:
        """Return the referrer that a manifest is, which was stored, unless `headers` say that the registry lists it."""
        referrer = Referrer.of(manifest)
        if referrer is None or headers.get("oci-subject", "").strip() != str(referrer.subject):
            return referrer
        self._missed_at.pop(_place(host, repository), None)
        return None

    async def add(self, host: Host, repository: Repository, subject: Digest, referrers: Sequence[Descriptor]) -> None:
        """List referrers under the subject's referrers tag, all at once.

        Raises `RegistryError` when other writers undo that again and again, and `UnsupportedError` when the tag holds
        something else or cannot be written.
        """
        tag = ListTag(host, repository, subject)
        async with self._writers.setdefault(tag.reference, asyncio.Lock()):
            await tag.add(referrers)

    async def _ask_api(
        self, host: Host, repository: Repository, digest: Digest, artifact_type: str
    ) -> ReferrerList | None:
        """Ask the API; None when there is none."""
        place = _place(host, repository)
        missed_at = self._missed_at.get(place)
        if missed_at is not None and self._clock() < missed_at + MEMORY_S:
            return None
        answer = await host.exchange.fetch(_api_call(host, repository, digest, artifact_type))
        page = _first_page(answer, artifact_type)
        if page is not None:
            return await _collect(host, answer, page, artifact_type)
        # A repository that is yet to be made says nothing about the API.
        if not answer.refusal.has("NAME_UNKNOWN"):
            self._missed_at[place] = self._clock()
        return None


class _Page(msgspec.Struct, frozen=True):
    manifests: tuple[Descriptor, ...] | None


def _place(host: Host, repository: Repository) -> tuple[str, str]:
    return host.settings.registry, host.path(repository)


def _api_call(host: Host, repository: Repository, digest: Digest, artifact_type: str) -> Call:
    return host.call(
        "GET referrers",
        repository,
        f"referrers/{digest}",
        reference=repository.at(digest),
        scopes=frozenset({pull(host.path(repository))}),
        query={"artifactType": artifact_type} if artifact_type else None,
        headers={"Accept": OCI_INDEX},
        ok=_OK | _NO_API,
        limit=REFERRERS_LIMIT,
    )


def _first_page(answer: Answer, artifact_type: str) -> tuple[Descriptor, ...] | None:
    """Read the first page; None when what answered is not the API, such as a web page for all that is unknown."""
    if answer.status != 200:
        return None
    try:
        return _read_page(answer, artifact_type)
    except RegistryError:
        if essence(answer.headers.get("content-type", "")) == OCI_INDEX:
            raise
        return None


def _read_page(answer: Answer, artifact_type: str) -> tuple[Descriptor, ...]:
    """Read a page, and apply the filter if the registry has not."""
    try:
        listed = decode_json(answer.body, _Page).manifests or ()
    except DocumentError as error:
        problem = f"the answer is no OCI index: {error}"
        raise RegistryError(answer.call.attempted, answer.call.reference, problem, status=answer.status) from None
    applied = answer.headers.get_list("oci-filters-applied", split_commas=True)
    if not artifact_type or "artifactType" in applied:
        return listed
    return ReferrerList(listed).of_type(artifact_type).descriptors


async def _collect(host: Host, answer: Answer, page: tuple[Descriptor, ...], artifact_type: str) -> ReferrerList:
    """Walk the pages that follow the first one."""
    found = _once(page)
    pages = Pages(REFERRERS_LIMIT)
    try:
        while (following := pages.next_call(answer, len(found))) is not None:
            answer = await host.exchange.fetch(replace(following, ok=_OK))
            found = _once((*found.values(), *_read_page(answer, artifact_type)))
    except (RegistryError, ContentError) as error:
        return ReferrerList(tuple(found.values()), complete=False, problem=str(error))
    return ReferrerList(tuple(found.values()))


def _once(listed: Iterable[Descriptor]) -> dict[Digest, Descriptor]:
    found: dict[Digest, Descriptor] = {}
    for each in listed:
        found.setdefault(each.digest, each)
    return found


async def _read_tag(host: Host, repository: Repository, digest: Digest) -> ReferrerList:
    """Read the index under the referrers tag; none is an empty list, and something else there is said in the list."""
    try:
        index = await ListTag(host, repository, digest).read()
    except (ContentError, UnsupportedError) as error:
        problem = f"GET referrers {repository.at(digest)}: there is no referrers API, and the tag is of no use: {error}"
        return ReferrerList((), complete=False, problem=problem, via=Via.TAG)
    listed = index.children if index else ()
    return ReferrerList(tuple(_once(listed).values()), via=Via.TAG)
