"""Reads dregsy's configuration: tasks with a source and a target registry, and mappings of paths between them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from transship_planner.config.digest import Document
from transship_planner.config.durations import SECOND, format_duration
from transship_planner.config.reading import read_table
from transship_planner.config.section import Section, Value
from transship_planner.config.yamltree import MapNode
from transship_planner.errors import Finding
from transship_planner.migrate.draft import Draft, Host, Item, Login
from transship_planner.migrate.dregsytags import DregsyTags, Part, alternatives_note, read_tags
from transship_planner.migrate.patterns import between_anchors, whole
from transship_planner.migrate.tables import DREGSY
from transship_planner.migrate.tagsets import selection
from transship_planner.tags.tagrules import TagPattern
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.platform import Platform
from transship_registry.reference import Repository, check_registry, check_tag

_REGEX: Final = "regex:"
_SHORTEST_INTERVAL_S: Final = 30
_NO_LOGIN: Final = "none"
_ALL_PLATFORMS: Final = "all"
_GOOGLE: Final = re.compile(r"(?:(?:us|eu|asia)\.)?gcr\.io|.*-docker\.pkg\.dev")
_SINGLE_TAG: Final = re.compile(r"[A-Za-z0-9_-]+(?:\\\.[A-Za-z0-9_-]+)*")
_GO_GROUP: Final = re.compile(r"\$(?:\$|([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})")
_NOT_NEEDED: Final[Mapping[str, str]] = {
    "relay": "has no counterpart: transship copies by itself, without skopeo or a Docker daemon",
    "watch": "has no counterpart: each command reads the configuration anew",
    "skopeo": "has no counterpart: transship copies by itself; the certificates of 'certs-dir' go into "
    "/etc/docker/certs.d, or into 'regcert', 'clientCert' and 'clientKey' of creds",
    "docker": "has no counterpart: transship copies by itself",
    "dockerhost": "has no counterpart: transship copies by itself",
    "api-version": "has no counterpart: transship copies by itself",
    "lister": "has no counterpart: a registry's whole catalogue is read each time, where dregsy stops at 'maxItems' "
    "repositories (100 by default)",
}
_ONE_PLATFORM: Final = (
    "where a mapping has no 'platform', dregsy copies that of the machine it runs on; here all are mirrored: "
    "add 'platform' to an entry for one"
)


@dataclass(frozen=True, slots=True)
class DregsyReader:
    """Reads one file into a draft."""

    draft: Draft

    def read(self, root: MapNode) -> None:
        """Read the whole file."""
        config = read_table(root, DREGSY, "", self.draft.problems)
        assert config is not None  # the root is a mapping
        for key, reason in _NOT_NEEDED.items():
            if key in config:
                self.draft.note(config.where(key), f"{key} {reason}")
        tasks = config.sections("tasks")
        if config.lacks("tasks"):
            self.draft.problems.error(root.mark, "the file lacks 'tasks'")
        if any("platform" not in mapping for task in tasks for mapping in task.sections("mappings")):
            self.draft.note(config.where("tasks"), _ONE_PLATFORM)
        for task in tasks:
            self._task(task)

    def _task(self, task: Section) -> None:
        self._location(task.section("source"), is_source=True)
        self._location(task.section("target"), is_source=False)
        interval = task.whole("interval")
        if 0 < interval < _SHORTEST_INTERVAL_S:
            message = f"{task.at('interval')}: expected at least {_SHORTEST_INTERVAL_S} seconds, or 0, found {interval}"
            self.draft.problems.error(task.where("interval"), message)
        if task.flag("verbose"):
            self.draft.note(task.where("verbose"), f"{task.at('verbose')} has no counterpart: run with -v debug")
        if not task.sections("mappings"):
            self.draft.note(task.mark, f"{task.path} has no mappings, and nothing comes of it")
        for mapping in task.sections("mappings"):
            _MappingReader(self.draft, task, mapping).read()

    def _location(self, location: Section, *, is_source: bool) -> None:
        registry = location.text("registry")
        host = self.draft.host(registry, location.where("registry"), location.at("registry")) if registry else None
        if host is None:
            return
        host.origins.append(location.path)
        auth = location.text("auth")
        if auth and auth != _NO_LOGIN:
            self.draft.log_in(host, Login((auth,)), location.where("auth"), location.at("auth"))
        if location.flag("skip-tls-verify"):
            self.draft.trust(host, location.where("skip-tls-verify"), location.at("skip-tls-verify"))
        self._commands(host, location)
        if "lister" in location:
            self._lister(location, is_source=is_source)

    def _commands(self, host: Host, location: Section) -> None:
        """Say where dregsy gets a login by itself."""
        if "auth-refresh" in location:
            message = (
                f"{location.at('auth-refresh')} is not carried over: for a login that AWS renews, use "
                "'credHelper: docker-credential-ecr-login'"
            )
            host.notes.append(Finding(location.where("auth-refresh"), message))
        if "auth" not in location and _GOOGLE.fullmatch(host.name):
            message = (
                f"{location.path} has no 'auth', so that dregsy logs in to {host.name} with the service account of the "
                "environment; use 'credHelper: docker-credential-gcloud' unless the images are public"
            )
            host.notes.append(Finding(location.where("registry"), message))

    def _lister(self, location: Section, *, is_source: bool) -> None:
        kind = location.section("lister").text("type")
        if not is_source:
            message = f"{location.at('lister')} has no counterpart: nothing is listed at a target"
        elif kind in {"", "catalog"}:
            message = f"{location.at('lister')} has no counterpart: the registry's catalogue is read"
        else:
            message = (
                f"{location.at('lister')} of type {kind!r} is not carried over: transship lists repositories only by "
                "the registry's catalogue"
            )
        self.draft.note(location.where("lister"), message)


@dataclass(frozen=True, slots=True)
class _MappingReader:
    """Reads one mapping of a task."""

    draft: Draft
    task: Section
    mapping: Section

    def read(self) -> None:
        """Add the entries of the mapping to the draft."""
        source, target = (self.task.section(key).text("registry") for key in ("source", "target"))
        tags = read_tags(self.mapping, self.draft.problems)
        common = self._common()
        if not source or not target or not self.mapping.text("from"):
            if "from" in self.mapping and not self.mapping.text("from"):
                self.draft.problems.error(self.mapping.where("from"), f"{self.mapping.at('from')} is empty")
            return
        if self.mapping.text("from").startswith(_REGEX):
            self._by_catalogue(source, target, tags, common)
        else:
            self._one(source, target, tags, common)

    def _common(self) -> dict[str, Document]:
        """Return what all the entries of the mapping have."""
        common: dict[str, Document] = {}
        platform = self.mapping.text("platform")
        if platform and platform != _ALL_PLATFORMS:
            try:
                common["platform"] = str(Platform.parse(platform))
            except InvalidReferenceError as error:
                self.draft.problems.error(
                    self.mapping.where("platform"), f"{self.mapping.at('platform')}: {error}, or 'all'"
                )
        if interval := self.task.whole("interval"):
            common["interval"] = format_duration(interval * SECOND)
        return common

    def _one(self, source: str, target: str, tags: DregsyTags, common: Mapping[str, Document]) -> None:
        path = self.mapping.text("from").removeprefix("/")
        from_repository = self._repository(source, path, "from")
        to_path = self._target_path(path)
        if from_repository is None or to_path is None:
            return
        to_repository = self._repository(target, to_path, "to" if "to" in self.mapping else "from")
        if to_repository is None:
            return
        notes = tags.notes
        for part in tags.parts:
            self._add({**_fields(from_repository, to_repository, part), **common}, notes, part.remarks)
            notes = ()
        for value in tags.digests:
            fields, note = self._digest(value, from_repository, to_repository)
            self._add({**fields, **common} if fields else {}, (*notes, *note))
            notes = ()
        if tags.reason:
            self._leave(tags.reason)

    def _digest(
        self, value: Value, source: Repository, target: Repository
    ) -> tuple[dict[str, Document], tuple[Finding, ...]]:
        """Return the entry of an image that is named by its digest, or why there is none."""
        tag, _, digest_text = str(value.data).rpartition("@")
        try:
            digest = Digest.parse(digest_text)
            if tag:
                check_tag(tag)
        except InvalidReferenceError as error:
            self.draft.problems.error(value.mark, f"{value.path}: {error}")
            return {}, ()
        if tag:
            return {"source": f"{source}:{tag}@{digest}", "target": f"{target}:{tag}", "type": "image"}, ()
        message = (
            f"{value.path} is not carried over: it has no tag, and a target of transship is a tag; "
            f"choose one and add source: {source.at(digest)}, target: {target}:TAG, type: image"
        )
        return {}, (Finding(value.mark, message),)

    def _target_path(self, path: str) -> str | None:
        """Return the path at the target of a path at the source; None, and an error noted, when `to` is wrong."""
        to = self.mapping.text("to")
        if not to.startswith(_REGEX):
            return (to or path).removeprefix("/")
        pattern, comma, replacement = to.removeprefix(_REGEX).partition(",")
        try:
            if not comma:
                raise ValueError("expected 'regex:PATTERN,REPLACEMENT', found no comma")
            TagPattern(pattern, anchored=False)
            return _replaced(pattern, replacement, f"/{path}").removeprefix("/")
        except ValueError as error:
            self.draft.problems.error(self.mapping.where("to"), f"{self.mapping.at('to')}: {error}")
            return None

    def _by_catalogue(self, source: str, target: str, tags: DregsyTags, common: Mapping[str, Document]) -> None:
        pattern = self.mapping.text("from").removeprefix(_REGEX)
        try:
            allow: list[Document] = [whole(between_anchors(pattern))]
        except ValueError as error:
            self.draft.problems.error(self.mapping.where("from"), f"{self.mapping.at('from')}: {error}")
            return
        reason = tags.reason or self._why_not_by_catalogue(source, tags)
        if reason:
            self._leave(reason)
            return
        to = self.mapping.text("to").strip("/")
        notes = (*tags.notes, *self._from_notes(pattern))
        for part in tags.parts:
            place = {"source": check_registry(source), "target": f"{target}/{to}" if to else target}
            self._add(
                {**place, "type": "registry", "repos": {"allow": allow}, **_selected(part), **common},
                notes,
                part.remarks,
            )
            notes = ()

    def _why_not_by_catalogue(self, source: str, tags: DregsyTags) -> str:
        """Say why a mapping with a pattern in `from` cannot be carried over; empty when it can."""
        at = self.mapping.at("from")
        if self.mapping.text("to").startswith(_REGEX):
            return f"{self.mapping.at('to')}: transship does not rename by pattern; write an entry for each repository"
        kind = self.task.section("source").section("lister").text("type", "catalog")
        if kind != "catalog":
            return f"{at}: repositories cannot be found by the lister {kind!r}; write an entry for each repository"
        if "/" in source:
            return f"{at}: {source!r} is no registry alone, whose catalogue could be read"
        if tags.digests:
            return f"{tags.digests[0].path}: a digest cannot be looked for in many repositories"
        return ""

    def _from_notes(self, pattern: str) -> Iterator[Finding]:
        for message in alternatives_note(pattern, self.mapping.at("from")):
            yield Finding(self.mapping.where("from"), message)

    def _repository(self, registry: str, path: str, key: str) -> Repository | None:
        return self.draft.repository(registry, path, self.mapping.where(key), self.mapping.at(key))

    def _leave(self, reason: str) -> None:
        self._add({}, (Finding(self.mapping.mark, f"{self.mapping.path} is not carried over: {reason}"),))

    def _add(self, fields: Mapping[str, Document], notes: tuple[Finding, ...], remarks: tuple[str, ...] = ()) -> None:
        origin = f"{self.mapping.path} of {self.task.text('name')}"
        self.draft.items.append(Item(self.mapping.mark, origin, fields, notes, remarks))


def _fields(source: Repository, target: Repository, part: Part) -> dict[str, Document]:
    tag = _only_tag(part)
    if tag:
        return {"source": f"{source}:{tag}", "target": f"{target}:{tag}", "type": "image"}
    return {"source": str(source), "target": str(target), "type": "repository", **_selected(part)}


def _selected(part: Part) -> dict[str, Document]:
    kept: dict[str, Document] = {"keep_last": part.keep_last} if part.keep_last else {}
    return {**selection(part.sets), **kept}


def _only_tag(part: Part) -> str:
    """Return the tag that a part names alone, empty when it selects by other rules."""
    if len(part.sets) != 1 or part.sets[0].semver or part.sets[0].deny or len(part.sets[0].allow) != 1:
        return ""
    pattern = part.sets[0].allow[0]
    return pattern.replace(r"\.", ".") if _SINGLE_TAG.fullmatch(pattern) else ""


def _replaced(pattern: str, replacement: str, text: str) -> str:
    """Return the text as Go's `ReplaceAllString` leaves it; raises `ValueError` for a group that the pattern lacks."""
    # google-re2 has no type stubs
    re2: Any = import_module("re2")
    parts: list[str] = []
    done = 0
    for found in re2.compile(pattern).finditer(text):
        parts += [text[done : found.start()], _expanded(replacement, found)]
        done = found.end()
    return "".join((*parts, text[done:]))


def _expanded(replacement: str, found: Any) -> str:
    return _GO_GROUP.sub(lambda dollar: _group(dollar, found), replacement)


def _group(dollar: re.Match[str], found: Any) -> str:
    """Return what `$1`, `${1}`, `$name` or `$$` stands for; `$1x` is the group `1x`, as in Go."""
    name = dollar[1] or dollar[2]
    if name is None:
        return "$"
    if name.isdigit() and int(name) <= found.re.groups:
        return found[int(name)] or ""
    if name in found.re.groupindex:
        return found[name] or ""
    advice = f"; write ${{{name[0]}}}{name[1:]} for group {name[0]}" if name[0].isdigit() and name[1:] else ""
    raise ValueError(f"{dollar[0]!r} names no group of the pattern, and dregsy puts nothing there{advice}")
