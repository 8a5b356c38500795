"""Removing one tag: by its name where the registry can, else by a digest that nobody else needs (§ Deleting tags).

`DELETE manifests/<digest>` takes every tag on the digest along, and leaves a hole in every index that lists it
(https://github.com/distribution/distribution/issues/2317). Registries have no conditional DELETE: a tag that somebody
points at the digest between our last look and the deletion is lost.
"""

from collections.abc import Awaitable, Collection
from typing import Final

from transship_registry.api.manifests import head_manifest
from transship_registry.api.needs import ListReferrers, UncertainError, who_needs
from transship_registry.digest import Digest
from transship_registry.errors import NotFoundError, RegistryError, UnsupportedError
from transship_registry.http.exchange import Answer
from transship_registry.http.host import Host
from transship_registry.http.refusals import Refusal
from transship_registry.login.scopes import delete
from transship_registry.reference import Reference
from transship_registry.referrers.index import is_referrers_tag, referrers_tag

_ATTEMPTED: Final = "DELETE tag"
_NAMED_AT_MOST: Final = 5
_NOT_ALLOWED: Final = frozenset({405, 501})
_NOT_SO: Final = ("UNSUPPORTED", "DIGEST_INVALID", "MANIFEST_INVALID")
"""What a 400 says that means "not this way"; distribution 2 takes the tag for a malformed digest."""


async def delete_tag(
    host: Host, reference: Reference, list_referrers: ListReferrers, along: Collection[str] = ()
) -> None:
    """Remove a tag; with a digest in the reference, only if the tag names that.

    Nothing else goes, except those of the tags `along` that name the same digest where the registry can only delete
    that. Raises `NotFoundError` when the tag is absent, and `UnsupportedError` when it could only go together with
    what others need.
    """
    if reference.tag is None:
        raise UnsupportedError(_ATTEMPTED, str(reference), "the reference has no tag", advice="name the tag")
    if reference.digest is not None:
        await _check_names(host, reference, reference.digest)
    if is_referrers_tag(reference.tag):
        await _check_is_tag(host, reference)
    if not await _delete_by_name(host, reference):
        await _delete_by_digest(host, reference, list_referrers, along)


async def _check_is_tag(host: Host, reference: Reference) -> None:
    """Refuse what the registry may take for the digest that it spells: the manifest would go, with all its tags."""
    digest = await _named_by(host, reference)
    if digest is not None and reference.tag == referrers_tag(digest):
        raise UnsupportedError(
            _ATTEMPTED,
            str(reference),
            f"it names {digest}, so the registry may take it for that digest, and delete all its tags with it",
            advice="nothing was deleted: remove the tag with the registry's own tools",
        )


async def _delete_by_name(host: Host, reference: Reference) -> bool:
    """Delete the tag alone; False when the registry does not do that."""
    if host.learnt.tag_deletion_refused:
        return False
    answer = await _delete(host, reference, str(reference.tag))
    if answer.status < 400:
        return True
    if answer.status == 404:
        return await _is_gone(host, reference, answer)
    if not _is_unsupported(answer) and answer.refusal.codes:
        raise UnsupportedError(
            _ATTEMPTED,
            str(reference),
            answer.refusal.line,
            status=answer.status,
            advice="the tag cannot be deleted as it is; remove it with the registry's own tools",
        )
    host.learnt.tag_deletion_refused = True
    return False


async def _is_gone(host: Host, reference: Reference, answer: Answer) -> bool:
    """Whether a tag that is "not found" is really gone: False when it is there, but cannot be found for deletion.

    A tag that was seen just before has been deleted by an attempt whose answer got lost.
    """
    if await _named_by(host, reference) is not None:
        return False
    if reference.digest is None:
        raise answer.error
    return True


async def _delete_by_digest(
    host: Host, reference: Reference, list_referrers: ListReferrers, along: Collection[str]
) -> None:
    path = host.path(reference.repository)
    if (refusal := host.learnt.deletion_refused.get(path)) is not None:
        raise _disabled(reference, refusal)
    digest = await _named_by(host, reference)
    if digest is None:
        raise NotFoundError(_ATTEMPTED, str(reference), "the tag is not there", status=404)
    await _check_needs(reference, digest, who_needs(host, reference, digest, list_referrers, along))
    await _check_names(host, Reference(reference.repository, reference.tag, digest), digest)
    answer = await _delete(host, reference, str(digest))
    if answer.status < 400 or (answer.status == 404 and await _named_by(host, reference) is None):
        return
    if not _is_unsupported(answer):
        raise answer.error
    host.learnt.deletion_refused[path] = answer.refusal
    raise _disabled(reference, answer.refusal)


async def _check_needs(reference: Reference, digest: Digest, asked: Awaitable[tuple[str, ...]]) -> None:
    """Raise an error unless it is certain that nobody else needs the digest."""
    only_way = "this registry deletes by digest only"
    try:
        needs = await asked
    except UncertainError as doubt:
        raise RegistryError(
            _ATTEMPTED,
            str(reference),
            f"{only_way}, and who else needs {digest} is uncertain: {doubt}",
            advice="nothing was deleted",
        ) from doubt
    if needs:
        named, more = ", ".join(needs[:_NAMED_AT_MOST]), len(needs) - _NAMED_AT_MOST
        raise UnsupportedError(
            _ATTEMPTED,
            str(reference),
            f"{only_way}, and {digest} is still needed by {named}{f' and {more} more' if more > 0 else ''}",
            advice="nothing was deleted: let the others go first, or remove the tag with the registry's own tools",
        )


async def _check_names(host: Host, reference: Reference, digest: Digest) -> None:
    found = await _named_by(host, reference)
    if found is None:
        raise NotFoundError(_ATTEMPTED, str(reference), "the tag is not there", status=404)
    if found != digest:
        raise RegistryError(_ATTEMPTED, str(reference), f"the tag names {found}", advice="look again first")


async def _named_by(host: Host, reference: Reference) -> Digest | None:
    found = await head_manifest(host, Reference(reference.repository, tag=reference.tag))
    return found.digest if found else None


async def _delete(host: Host, reference: Reference, identifier: str) -> Answer:
    call = host.call(
        _ATTEMPTED,
        reference.repository,
        f"manifests/{identifier}",
        reference=reference,
        scopes=frozenset({delete(host.path(reference.repository))}),
        ok=frozenset({200, 202, 204, 400, 404, 405, 501}),
    )
    return await host.exchange.fetch(call)


def _is_unsupported(answer: Answer) -> bool:
    """Whether the registry does not delete this way, for which the spec has both 405 and 400 (§ Deleting tags)."""
    return answer.status in _NOT_ALLOWED or (answer.status == 400 and answer.refusal.has(*_NOT_SO))


def _disabled(reference: Reference, refusal: Refusal) -> UnsupportedError:
    return UnsupportedError(
        _ATTEMPTED,
        str(reference),
        f"neither by tag nor by digest: {refusal.line}",
        status=refusal.status,
        advice="switch deletion on in the registry (distribution: storage.delete.enabled), "
        "or remove the tag with the registry's own tools",
    )
