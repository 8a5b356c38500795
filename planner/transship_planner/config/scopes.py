"""Reads what an entry mirrors: an image, a repository, or a registry (semantics A4, B10)."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from transship_planner.config.expansion import GIVES_NO_REFERENCE
from transship_planner.config.problems import Problems
from transship_planner.config.section import Section
from transship_planner.config.selection import read_keep_last, read_patterns, read_selection
from transship_planner.desired import Dialect, ImageScope, RegistryScope, RepositoryScope, Scope
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference, Repository, check_registry

T = TypeVar("T")

_SELECTING: Final = ("tag", "tag_regex", "tags", "tagSets")
_WITHOUT_EFFECT: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("tag_regex", "tags", "tagSets", "keep_last", "repos", "semverSuffix", "min_tags", "target_name"),
    "repository": ("repos",),
    "registry": (),
}


_BESIDE_TAG: Final = ("keep_last", "os_normalize", "repos", "semverSuffix", "min_tags", "target_name")


def _is_own(entry: Section, key: str) -> bool:
    """Whether an entry says this itself; what it inherits is meant for other entries, too."""
    return entry.at(key).startswith(entry.path)


def read_scope(entry: Section, texts: Mapping[str, str | None], dialect: Dialect, problems: Problems) -> Scope | None:
    """Return what an entry mirrors; None, and errors noted, when it does not say.

    `texts` are source and target with their templates expanded, None where there is nothing to read.
    """
    reader = _Reader(entry, texts, problems)
    kind = entry.text("type")
    for key in _WITHOUT_EFFECT.get(kind, ()):
        if key in entry and _is_own(entry, key):
            problems.warn(entry.where(key), f"{entry.at(key)} has no effect on an entry of type {kind!r}")
    match kind:
        case "image":
            return reader.image()
        case "registry":
            return reader.registry()
        case "repository":
            return reader.tag(explicit=True) if "tag" in entry else reader.repository(explicit=True)
        case _:
            return _untyped(reader, entry, dialect, problems)


def _untyped(reader: "_Reader", entry: Section, dialect: Dialect, problems: Problems) -> Scope | None:
    if "tag" in entry:
        return reader.tag(explicit=False)
    if "tag_regex" in entry or (dialect is Dialect.IMGLIFE and any(key in entry for key in _SELECTING)):
        return reader.repository(explicit=False)
    if entry.lacks("type", *_SELECTING) or (dialect is Dialect.REGSYNC and entry.lacks("type", "tag", "tag_regex")):
        needed = "'tag' or 'tag_regex'" if dialect is Dialect.IMGLIFE else "'type': 'image', 'repository' or 'registry'"
        problems.error(entry.mark, f"{entry.path} lacks {needed}")
    read_selection(entry, problems)  # for what is wrong there, too: all mistakes are told at once
    return None


class _Reader:
    """Reads source and target of one entry in the ways that the kinds of entries ask for."""

    def __init__(self, entry: Section, texts: Mapping[str, str | None], problems: Problems) -> None:
        self._entry = entry
        self._texts = texts
        self._problems = problems

    def image(self) -> ImageScope | None:
        """Read two image references."""
        if "tag" in self._entry:
            self._refuse("tag", "an entry of type 'image' has its tags in source and target")
        source = self._parse("source", Reference.parse)
        target = self._parse("target", Reference.parse)
        if target is not None and target.digest is not None:
            # semantics B7.6: such a target never sets its tag
            self._refuse("target", f"{str(target)!r} names a digest; a target is a tag")
            return None
        return ImageScope(source, target) if source and target else None

    def tag(self, *, explicit: bool) -> ImageScope | None:
        """Read two repositories and the one tag to mirror."""
        for key in filter(self._is_asked_for, _BESIDE_TAG):
            self._problems.warn(self._entry.where(key), f"{self._entry.at(key)} has no effect beside 'tag'")
        source, target = self._repositories(explicit=explicit)
        from_tag, to_tag = self._tag_of(source), self._tag_of(target)
        return ImageScope(from_tag, to_tag) if from_tag and to_tag else None

    def repository(self, *, explicit: bool) -> RepositoryScope | None:
        """Read two repositories and which tags to mirror."""
        selection = read_selection(self._entry, self._problems)
        source, target = self._repositories(explicit=explicit)
        return RepositoryScope(source, target, selection) if source and target else None

    def registry(self) -> RegistryScope | None:
        """Read a registry, a prefix of repository names, and what to mirror."""
        selection = read_selection(self._entry, self._problems)
        repos = self._entry.section("repos")
        allow = read_patterns(repos, "allow", self._problems)
        deny = read_patterns(repos, "deny", self._problems)
        source = self._parse("source", check_registry)
        target = self._parse("target", _registry_prefix)
        return RegistryScope(source, target, allow, deny, selection) if source and target else None

    def _is_asked_for(self, key: str) -> bool:
        """Tell whether the entry itself has a key, and does not just switch it off."""
        if key not in self._entry or not _is_own(self._entry, key):
            return False
        match key:
            case "keep_last":
                return bool(read_keep_last(self._entry).count)
            case "os_normalize":
                return self._entry.flag(key)
            case _:
                return True

    def _repositories(self, *, explicit: bool) -> tuple[Repository | None, Repository | None]:
        source = self._loose_source() if explicit else self._parse("source", Repository.parse)
        return source, self._parse("target", Repository.parse)

    def _loose_source(self) -> Repository | None:
        """Read a source whose tag does not matter: regsync's own examples have some (semantics B10)."""
        source = self._parse("source", Reference.parse)
        if source is None:
            return None
        if source.digest is not None:
            self._refuse("source", f"{str(source)!r} names a digest where a repository is expected")
            return None
        if source != Reference(source.repository, "latest") or self._text("source").endswith(":latest"):
            self._problems.warn(
                self._entry.where("source"),
                f"{self._entry.at('source')}: the tag {source.tag!r} is ignored; 'tags' selects what is mirrored",
            )
        return source.repository

    def _tag_of(self, repository: Repository | None) -> Reference | None:
        if repository is None:
            return None
        try:
            return repository.tag(self._entry.text("tag"))
        except InvalidReferenceError as error:
            self._refuse("tag", str(error))
            return None

    def _parse(self, key: str, parse: Callable[[str], T]) -> T | None:
        text = self._texts.get(key)
        if text is None:  # it is missing or its template failed, which has been reported
            return None
        if not text:
            self._refuse(key, "is empty")
            return None
        try:
            return parse(text)
        except InvalidReferenceError as error:
            self._refuse(key, str(error) if text == self._entry.text(key) else GIVES_NO_REFERENCE)
            return None

    def _text(self, key: str) -> str:
        return self._texts.get(key) or ""

    def _refuse(self, key: str, reason: str) -> None:
        self._problems.error(self._entry.where(key), f"{self._entry.at(key)}: {reason}")


def _registry_prefix(text: str) -> str:
    """Return a target under which repositories are written, such as `registry.example.com/mirror`."""
    prefix = text.rstrip("/")
    return str(Repository.parse(f"{prefix}/repository")).removesuffix("/repository")
