"""What a source tag is called at the target: `os_normalize`, then `target_name`."""

from collections.abc import Mapping
from typing import NamedTuple

from transship_planner.desired import Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.names.normalise import Normalised, os_names_in, os_normalize
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.ports import WholeTagList
from transship_registry.reference import Reference, Repository


class Named(NamedTuple):
    """The target of a source tag, which keys gave it another name, and a warning when the name is in doubt."""

    target: Reference
    renamed_by: tuple[str, ...] = ()
    warning: str = ""


def name_target(
    entry: Entry,
    source: Reference,
    target: Repository,
    tags: WholeTagList,
    digests: Mapping[str, Digest] | None = None,
) -> Named:
    """Name a source tag of an entry; `tags` are those of its repository, and `target` is where that is mirrored to.

    `digests` of these tags decide which version `os_normalize` puts in front, as far as they are known.

    Raises `InvalidReferenceError` when the entry's template gives no name.
    """
    # an entry of one image may have given it another tag already
    tag = entry.scope.target.identifier if isinstance(entry.scope, ImageScope) else source.identifier
    name = os_normalize(tag, tags.tags, digests) if entry.os_normalize else Normalised(tag)
    plain = target.tag(name.target)
    named = _from_template(entry, source, target, name.target) or plain
    changes = {"os_normalize": name.target != tag, "target_name": named != plain}
    return Named(named, tuple(key for key, changed in changes.items() if changed), name.warning)


def could_be_named(entry: Entry, source: Reference, target: Repository, name: Reference) -> bool:
    """Tell whether a source tag of an entry may be called so at the target, whatever other tags its repository has.

    `target` is where the tag's repository is mirrored to, as for `name_target`.
    """
    tag = entry.scope.target.identifier if isinstance(entry.scope, ImageScope) else source.identifier
    versioned = os_names_in(tag, str(name)) if entry.os_normalize else ()
    try:
        return any(
            (_from_template(entry, source, target, each) or target.tag(each)) == name for each in (tag, *versioned)
        )
    except InvalidReferenceError:
        return False


def _from_template(entry: Entry, source: Reference, target: Repository, tag: str) -> Reference | None:
    if entry.target_name is None:
        return None
    match entry.scope:
        case ImageScope():
            return None
        case RepositoryScope():
            return entry.target_name.tag_below(target, source, tag)
        case RegistryScope(target=prefix):
            return entry.target_name.repository_below(prefix, source, tag)
