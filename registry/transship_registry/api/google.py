"""The tag list with the manifest map that Google's registries put into it: digests, sizes and dates in one request.

https://cloud.google.com/artifact-registry/docs/docker/manage-images; gcrane and kpromo read the same map.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from transship_registry.api import listing
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.http.exchange import Answer
from transship_registry.http.header_numbers import read_number
from transship_registry.http.host import Host
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.reference import Repository

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def list_tags(host: Host, repository: Repository) -> Inventory:
    """List the tags, with what the map tells about them if there is one; a map that cannot be read is no error."""
    known = _Known()
    found = await listing.collect(host, listing.tags_call(host, repository), known.read)
    facts = tuple(known.facts.get(tag) or TagFact(tag=tag) for tag in found.tags)
    source = InventorySource.GOOGLE if known.facts else InventorySource.TAGS
    return Inventory(tags=facts, source=source, complete=found.complete, problem=found.problem or known.problem)


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest in the map; Google writes numbers as strings."""

    media_type: str | None = None
    image_size_bytes: str | int | None = None
    time_uploaded_ms: str | int | None = None
    tag: tuple[str, ...] | None = None


class _Page(msgspec.Struct, frozen=True):
    manifest: dict[str, _Entry] | None = None


@dataclass(eq=False, slots=True)
class _Known:
    """What the pages' maps have told so far."""

    facts: dict[str, TagFact] = field(default_factory=dict[str, TagFact])
    problem: str = ""

    def read(self, answer: Answer) -> tuple[str, ...]:
        """Keep what a page tells, and return its tags."""
        names = listing.read_tags(answer)
        if b'"manifest"' in answer.body:
            try:
                page = msgspec.json.decode(answer.body, type=_Page)
            except msgspec.DecodeError as error:
                call = answer.call
                self.problem = f"{call.attempted} {call.reference}: the manifest map cannot be read: {error}"
            else:
                self._keep(page)
        return names

    def _keep(self, page: _Page) -> None:
        for fact in _facts(page):
            # A tag that moves while the pages are made may stand at two manifests.
            if self.facts.setdefault(fact.tag, fact).digest != fact.digest:
                self.facts[fact.tag] = TagFact(tag=fact.tag)


def _facts(page: _Page) -> Iterator[TagFact]:
    for text, entry in (page.manifest or {}).items():
        try:
            digest = Digest.parse(text)
        except InvalidReferenceError:
            continue
        for tag in entry.tag or ():
            yield TagFact(
                tag=tag,
                digest=digest,
                media_type=entry.media_type or None,
                size=read_number(str(entry.image_size_bytes)),
                updated=_moment(entry.time_uploaded_ms),
            )


def _moment(value: str | int | None) -> datetime | None:
    """Read milliseconds since the epoch; 0 says that the time is unknown."""
    milliseconds = read_number(str(value))
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError:
        return None
