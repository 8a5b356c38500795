"""Which repository of a layout is meant, when it holds several under their full names and an entry names none."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from transship_registry.errors import TransshipError
from transship_registry.layout.names import fitting
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository

ListTags: TypeAlias = Callable[[Repository], Awaitable[TagList]]

_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class NamedSource:
    """Where an entry reads from, and what a whole repository should be warned of."""

    repository: Repository
    warnings: tuple[str, ...] = ()


async def name_source(list_tags: ListTags, source: Repository, target: Repository) -> NamedSource:
    """Return the repository in the layout `source` that has the name of the target, if just one has.

    Anything else is returned as it is: whoever reads it says what is wrong with it.
    """
    if not source.is_layout or source.name:
        return NamedSource(source)
    try:
        listed = await list_tags(source)
    except TransshipError:
        return NamedSource(source)
    chosen = fitting(listed.repositories, target.name or target.path)
    if not chosen:
        return NamedSource(source)
    named = Repository.layout(source.path, chosen)
    own = (await list_tags(named)).tags
    others = [each for each in listed.repositories if each != chosen]
    lacking = [f"the tag {tag}" for tag in listed.tags if tag not in own]
    left_out = [*others, *lacking]
    more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
    warning = f"{source} holds several repositories, of which {chosen} has the name of the target; left out: "
    return NamedSource(named, (f"{warning}{', '.join(left_out[:_SHOWN])}{more}",))


async def name_image(list_tags: ListTags, source: Reference, target: Repository) -> Reference:
    """Return the source tag in that repository, if it is there."""
    if source.tag is None or source.digest is not None:
        return source
    named = (await name_source(list_tags, source.repository, target)).repository
    if named == source.repository or source.tag not in (await list_tags(named)).tags:
        return source
    return named.tag(source.tag)
