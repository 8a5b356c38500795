"""Reads image-syncer's files: a map of source images to target images, and the logins of the registries.

Both stand in one file, under `images` and `auth`, or in two. A source has tags, a digest, a pattern between slashes, or
none of them, which is every tag; a target has as many tags as its source, or none, and then the source's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transship_planner.config.digest import Document
from transship_planner.config.reading import read_table
from transship_planner.config.scalarkinds import is_null
from transship_planner.config.section import Section, Value, join
from transship_planner.config.yamltree import ListNode, MapNode, Member, Node, ScalarNode
from transship_planner.errors import Finding, Mark
from transship_planner.migrate.draft import Draft, Host, Item, Login
from transship_planner.migrate.nodes import child, members, text, texts
from transship_planner.migrate.patterns import exact, whole
from transship_planner.migrate.tables import IMAGE_SYNCER, IMAGE_SYNCER_LOGIN
from transship_planner.migrate.tagsets import Rules, selection
from transship_registry.digest import Digest
from transship_registry.reference import Repository, check_tag

_VARIABLE: Final = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_PLACEHOLDER: Final = "placeholder"
_TEMPLATE: Final = re.compile(r'\{\{env "([^"]+)"\}\}')


@dataclass(frozen=True, slots=True)
class _Image:
    """What a source or target names: `name` is the repository, in a target perhaps with templates."""

    name: str
    tags: tuple[str, ...] = ()
    digest: Digest | None = None
    pattern: str | None = None

    def tagged(self, tag: str) -> str:
        return f"{self.name}:{tag}"


@dataclass(frozen=True, slots=True)
class ImageSyncerReader:
    """Reads the files into a draft; `to` is where images without a target go (`--registry` and `--namespace`)."""

    draft: Draft
    to: str

    def read(self, root: MapNode) -> None:
        """Read a file that has both parts, or one that is the map of images."""
        if child(root, "images") is None and child(root, "auth") is None:
            self._images(root, "")
        elif read_table(root, IMAGE_SYNCER, "", self.draft.problems) is not None:
            self.read_logins(child(root, "auth"), "auth")
            self._images(child(root, "images"), "images")
            if child(root, "images") is None:
                self.draft.problems.error(root.mark, "the file lacks 'images'")

    def read_logins(self, node: Node | None, path: str) -> None:
        """Read the logins of registries, or of what is below them."""
        for member in members(node, path, self.draft.problems):
            login = read_table(member.value, IMAGE_SYNCER_LOGIN, join(path, member.key), self.draft.problems)
            host = self.draft.host(member.key, member.mark, join(path, member.key))
            if login is None or host is None:
                continue
            if "/" in member.key:
                self._namespace(host, member, login.path)
            else:
                self._login(host, login)

    def _login(self, host: Host, login: Section) -> None:
        host.origins.append(login.path)
        found = (login.text("username"), login.text("password"))
        if any(found):
            user, password = (_variable(words) for words in found)
            self._remember(user, password)
            self.draft.log_in(host, Login(found, user, password), login.mark, login.path)
        if "identityToken" in login:
            message = f"{login.at('identityToken')} is not copied: use docker login, or 'token' in creds"
            host.notes.append(Finding(login.where("identityToken"), message))
        if login.flag("insecure"):
            self.draft.trust(host, login.where("insecure"), login.at("insecure"))

    def _namespace(self, host: Host, member: Member, path: str) -> None:
        message = (
            f"{path} is not carried over: transship has one login for each registry, which {member.key} is not; "
            f"give {host.name} a login that may read and write there"
        )
        self.draft.note(member.mark, message)

    def _remember(self, *variables: str) -> None:
        self.draft.variables.update(dict.fromkeys(filter(None, variables)))

    def _images(self, node: Node | None, path: str) -> None:
        for member in members(node, path, self.draft.problems):
            source = self._source(member, join(path, member.key))
            for value in self._targets(member, join(path, member.key)):
                target = self._target(value, source) if source else None
                if source is not None and target is not None:
                    self._pair(source, target, value, join(path, member.key))

    def _source(self, member: Member, path: str) -> _Image | None:
        name, tags, digest, pattern = _parts(member.key)
        try:
            if pattern is not None:
                whole(pattern)
            return _Image(str(Repository.parse(name)), _checked(tags), _digest(digest), pattern)
        except ValueError as error:
            self.draft.problems.error(member.mark, f"{path}: {error}")
            return None

    def _targets(self, member: Member, path: str) -> tuple[Value, ...]:
        """Return the targets as they are written; the one that the options name where there is none."""
        if _is_empty(member.value):
            if self.to:
                return (Value(path, member.value.mark, f"{self.to}/{_parts(member.key)[0].rpartition('/')[2]}"),)
            message = f"{path} has no target; name where such images go with --to REGISTRY/NAMESPACE"
            self.draft.problems.error(member.value.mark, message)
            return ()
        if isinstance(member.value, ListNode):
            return texts(member.value, path, self.draft.problems)
        value = text(member.value, path, self.draft.problems)
        return (value,) if value else ()

    def _target(self, value: Value, source: _Image) -> _Image | None:
        written = _VARIABLE.sub(_template, str(value.data))
        name, tags, digest, pattern = _parts(written)
        try:
            if pattern is not None:
                raise ValueError("a target has tags, not a pattern")
            self._check_match(source, tags, digest)
            full = str(Repository.parse(_TEMPLATE.sub(_PLACEHOLDER, name)))
            _checked(tuple(_TEMPLATE.sub(_PLACEHOLDER, tag) for tag in tags))
        except ValueError as error:
            self.draft.problems.error(value.mark, f"{value.path}: {error}")
            return None
        self._remember(*_TEMPLATE.findall(written))
        return _Image(name if _TEMPLATE.search(name) else full, tags, _digest(digest))

    def _check_match(self, source: _Image, tags: tuple[str, ...], digest: str) -> None:
        """Refuse a target that does not fit its source, as image-syncer does."""
        if digest and str(source.digest or "") != digest:
            raise ValueError("a target has no digest, or that of its source")
        if tags and source.digest is None and len(tags) != len(source.tags):
            count = "every tag" if not source.tags else f"{len(source.tags)} of them"
            raise ValueError(f"a target has no tags, or as many as its source; found {len(tags)} for {count}")
        if source.digest is not None and len(tags) > 1:
            raise ValueError(f"expected at most one tag for a digest, found {len(tags)}")

    def _pair(self, source: _Image, target: _Image, value: Value, origin: str) -> None:
        if source.digest is not None:
            self._digest(source, target, value, origin)
        elif source.tags and (target.tags or len(source.tags) == 1):
            for tag, new in zip(source.tags, target.tags or source.tags, strict=True):
                self._image(source.tagged(tag), target.tagged(new), value.mark, origin)
        else:
            sets = (Rules(allow=_allowed(source)),)
            fields: dict[str, Document] = {"source": source.name, "target": target.name, "type": "repository"}
            self._add({**fields, **selection(sets)}, value.mark, origin)

    def _digest(self, source: _Image, target: _Image, value: Value, origin: str) -> None:
        if target.tags:
            self._image(f"{source.name}@{source.digest}", target.tagged(target.tags[0]), value.mark, origin)
            return
        message = (
            f"{origin} is not carried over: image-syncer copies this image without a tag, and a target of transship is "
            f"a tag; choose one and add source: {source.name}@{source.digest}, target: {target.name}:TAG, type: image"
        )
        self._add({}, value.mark, origin, (Finding(value.mark, message),))

    def _image(self, source: str, target: str, mark: Mark, origin: str) -> None:
        self._add({"source": source, "target": target, "type": "image"}, mark, origin)

    def _add(self, fields: Mapping[str, Document], mark: Mark, origin: str, notes: tuple[Finding, ...] = ()) -> None:
        self.draft.items.append(Item(mark, origin, fields, notes))


def _parts(image: str) -> tuple[str, tuple[str, ...], str, str | None]:
    """Split an image into repository, tags, digest and pattern, all as written."""
    name, slash, pattern = image.partition(":/")
    if slash and pattern.endswith("/"):
        return name, (), "", pattern[:-1]
    name, at, digest = image.partition("@")
    head, colon, tags = name.rpartition(":")
    if not colon or "/" in tags:
        return name, (), digest, None
    # beside a digest, a tag does not count
    return head, () if at else tuple(tags.split(",")), digest, None


def _checked(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(check_tag(tag) for tag in tags)


def _digest(text: str) -> Digest | None:
    return Digest.parse(text) if text else None


def _allowed(source: _Image) -> tuple[str, ...]:
    if source.pattern is not None:
        return (whole(source.pattern),)
    return tuple(exact(tag) for tag in source.tags)


def _is_empty(node: Node) -> bool:
    return is_null(node) or (isinstance(node, ScalarNode) and not node.text) or _is_empty_list(node)


def _is_empty_list(node: Node) -> bool:
    return isinstance(node, ListNode) and not node.items


def _variable(words: str) -> str:
    """Return the variable that a user or password stands for, empty when it is none."""
    found = _VARIABLE.fullmatch(words)
    return (found[1] or found[2]) if found else ""


def _template(found: re.Match[str]) -> str:
    return f'{{{{env "{found[1] or found[2]}"}}}}'
