"""The tag list with the manifest map that Google's registries put into it: digests, sizes and dates in one request.

https://cloud.google.com/artifact-registry/docs/docker/manage-images; gcrane and kpromo read the same map.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from transship_registry.api import listing
from transship_registry.codec import decode_json, read_as
from transship_registry.digest import Digest
from transship_registry.errors import DocumentError, InvalidReferenceError
from transship_registry.http.exchange import Answer
from transship_registry.http.header_numbers import read_number
from transship_registry.http.host import Host
from transship_registry.inventory import Inventory, InventorySource, TagFact
from transship_registry.reference import Repository
from transship_registry.strange_names import StrangeNames, show

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def list_tags(host: Host, repository: Repository) -> Inventory:
    """List the tags, with what the map tells about them if there is one; a map that cannot be read is no error."""
    known = _Known(listing.strange_tags(repository))
    found = await listing.collect(host, listing.tags_call(host, repository), known.read, known.strange)
    facts = tuple(known.facts.get(tag) or TagFact(tag=tag) for tag in found.tags)
    source = InventorySource.GOOGLE if known.facts else InventorySource.TAGS
    return Inventory(tags=facts, source=source, complete=found.complete, problem=found.problem or known.problem)


_NOTHING: Final = msgspec.Raw(b"null")


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest in the map, with members as they came; Google writes numbers as strings."""

    media_type: msgspec.Raw = _NOTHING
    image_size_bytes: msgspec.Raw = _NOTHING
    time_uploaded_ms: msgspec.Raw = _NOTHING
    tag: tuple[msgspec.Raw, ...] | None = None


class _Page(msgspec.Struct, frozen=True):
    manifest: dict[str, msgspec.Raw] | None = None


@dataclass(eq=False, slots=True)
class _Known:
    """What the pages' maps have told so far; `problem` is what could not be read of them."""

    strange: StrangeNames
    facts: dict[str, TagFact] = field(default_factory=dict[str, TagFact])
    problem: str = ""

    def read(self, answer: Answer) -> tuple[str, ...]:
        """Keep what a page tells, and return its tags."""
        names = listing.read_tags(answer, self.strange)
        if b'"manifest"' in answer.body:
            try:
                page = decode_json(answer.body, _Page)
            except DocumentError as error:
                self._miss(answer, f"the manifest map cannot be read: {error}")
            else:
                self._keep(answer, page.manifest or {})
        return names

    def _keep(self, answer: Answer, manifests: Mapping[str, msgspec.Raw]) -> None:
        for text, raw in manifests.items():
            entry = read_as(raw, _Entry)
            if entry is None:
                self._miss(answer, f"what the manifest map says of {show(text)} cannot be read")
            for fact in _facts(text, entry) if entry else ():
                # A tag that moves while the pages are made may stand at two manifests.
                if self.facts.setdefault(fact.tag, fact).digest != fact.digest:
                    self.facts[fact.tag] = TagFact(tag=fact.tag)

    def _miss(self, answer: Answer, problem: str) -> None:
        self.problem = f"{answer.call.attempted} {answer.call.reference}: {problem}"


def _facts(text: str, entry: _Entry) -> Iterator[TagFact]:
    """Yield what is told of each tag of a manifest, as far as it makes sense."""
    try:
        digest = Digest.parse(text)
    except InvalidReferenceError:
        return
    for name in entry.tag or ():
        if tag := read_as(name, str):
            yield TagFact(
                tag=tag,
                digest=digest,
                media_type=read_as(entry.media_type, str) or None,
                size=_number(entry.image_size_bytes),
                updated=_moment(entry.time_uploaded_ms),
            )


def _number(raw: msgspec.Raw) -> int | None:
    return read_number(str(read_as(raw, str) or read_as(raw, int)))


def _moment(raw: msgspec.Raw) -> datetime | None:
    """Read milliseconds since the epoch; 0 says that the time is unknown."""
    milliseconds = _number(raw)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError:
        return None
