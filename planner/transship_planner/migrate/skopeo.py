"""Reads the file of `skopeo sync --src yaml` (skopeo-sync(1)).

The repositories of each registry are copied below the destination, which is an argument of the command: under their
last name, or with `--scoped` under their whole one, registry included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from transship_planner.config.digest import Document
from transship_planner.config.reading import read_table
from transship_planner.config.section import Section, Value, join
from transship_planner.config.yamltree import MapNode, Member, Node
from transship_planner.errors import Finding, Mark
from transship_planner.migrate import masterminds
from transship_planner.migrate.draft import Draft, Host, Item, Login
from transship_planner.migrate.nodes import child, members, text, texts
from transship_planner.migrate.patterns import exact, whole
from transship_planner.migrate.tables import SKOPEO_REGISTRY
from transship_planner.migrate.tagsets import Rules, selection
from transship_planner.migrate.versions import prerelease_notes
from transship_planner.tags.semver import SemverRange
from transship_registry.digest import Digest
from transship_registry.reference import Repository, check_tag

_LOGIN: Final = ("username", "password")
_RANGE_SIGNS: Final = frozenset("<>=~^*! ")
_VERSIONS: Final = "'allow' holds what skopeo takes for a version: with a suffix only where the constraint names one"
_ONE_PLATFORM: Final = (
    "skopeo sync copies one platform of an image, that of the machine it runs on, unless it is given --all; "
    "here all are mirrored: add 'platform' to an entry for one"
)


@dataclass(frozen=True, slots=True)
class SkopeoReader:
    """Reads one file; `to` is the destination, and `scoped` the option of that name."""

    draft: Draft
    to: str
    scoped: bool

    def read(self, root: MapNode) -> None:
        """Read the whole file into the draft."""
        self.draft.note(root.mark, _ONE_PLATFORM)
        for member in root.members:
            section = read_table(member.value, SKOPEO_REGISTRY, member.key, self.draft.problems)
            if section is not None:
                self._registry(member, section)

    def _registry(self, member: Member, section: Section) -> None:
        host = self.draft.host(member.key, member.mark, member.key)
        if host is None:
            return
        host.origins.append(member.key)
        self._settings(host, section)
        before = len(self.draft.items)
        kinds: tuple[tuple[str, _Read], ...] = (
            ("images", self._images),
            ("images-by-tag-regex", self._by_regex),
            ("images-by-semver", self._by_semver),
        )
        for key, read in kinds:
            path = join(member.key, key)
            for repository in members(child(member.value, key), path, self.draft.problems):
                self._repository(member.key, repository, join(path, repository.key), read)
        if len(self.draft.items) == before and not self.draft.problems.errors:
            self.draft.note(member.mark, f"{member.key} names no images, and nothing comes of it")

    def _settings(self, host: Host, section: Section) -> None:
        credentials = section.section("credentials")
        if any(key in credentials for key in _LOGIN):
            found = tuple(credentials.text(key) for key in _LOGIN)
            self.draft.log_in(host, Login(found), section.where("credentials"), section.at("credentials"))
        if "identitytoken" in credentials:
            message = f"{credentials.at('identitytoken')} is not copied: use docker login, or 'token' in creds"
            host.notes.append(Finding(credentials.where("identitytoken"), message))
        if not section.flag("tls-verify", default=True):
            self.draft.trust(host, section.where("tls-verify"), section.at("tls-verify"))
        if "cert-dir" in section:
            message = (
                f"{section.at('cert-dir')} is not carried over: give its certificates as 'regcert', 'clientCert' and "
                f"'clientKey', or put them into /etc/docker/certs.d/{host.name}"
            )
            host.notes.append(Finding(section.where("cert-dir"), message))

    def _repository(self, registry: str, member: Member, path: str, read: "_Read") -> None:
        source = self.draft.repository(registry, member.key, member.mark, path)
        if source is None:
            return
        below = str(source) if self.scoped else source.path.rpartition("/")[2]
        target = self.draft.repository(self.to, below, member.mark, f"the target of {path}")
        if target is not None:
            read(member.value, _Pair(source, target, member.mark, path))

    def _images(self, node: Node, pair: "_Pair") -> None:
        """Read a list of tags and digests; an empty one is every tag."""
        values = texts(node, pair.path, self.draft.problems)
        digests = [value for value in values if ":" in str(value.data)]
        tags = [value for value in values if value not in digests and self._is_tag(value)]
        notes = tuple(note for value in digests for note in self._digest_notes(value, pair))
        if len(tags) == 1:
            tag = str(tags[0].data)
            fields = {"source": f"{pair.source}:{tag}", "target": f"{pair.target}:{tag}", "type": "image"}
            self._add(pair, fields, notes)
        elif tags or not values:
            allow = tuple(exact(str(value.data)) for value in tags)
            self._add(pair, pair.repository((Rules(allow=allow),)), notes)
        else:
            self._add(pair, {}, notes)

    def _is_tag(self, value: Value) -> bool:
        tag = str(value.data)
        try:
            check_tag(tag)
        except ValueError as error:
            advice = "; version ranges stand under 'images-by-semver'" if _RANGE_SIGNS.intersection(tag) else ""
            self.draft.problems.error(value.mark, f"{value.path}: {error}{advice}")
            return False
        return True

    def _digest_notes(self, value: Value, pair: "_Pair") -> tuple[Finding, ...]:
        try:
            digest = Digest.parse(str(value.data))
        except ValueError as error:
            self.draft.problems.error(value.mark, f"{value.path}: {error}")
            return ()
        message = (
            f"{value.path} is not carried over: skopeo copies this image without a tag, and a target of transship is a "
            f"tag; choose one and add source: {pair.source.at(digest)}, target: {pair.target}:TAG, type: image"
        )
        return (Finding(value.mark, message),)

    def _by_regex(self, node: Node, pair: "_Pair") -> None:
        self._by_rules(node, pair, _pattern_rules)

    def _by_semver(self, node: Node, pair: "_Pair") -> None:
        self._by_rules(node, pair, _semver_rules, _VERSIONS)

    def _by_rules(self, node: Node, pair: "_Pair", rules: Callable[[str], tuple[Rules, ...]], *remarks: str) -> None:
        value = text(node, pair.path, self.draft.problems)
        if value is None:
            return
        try:
            sets = rules(str(value.data))
        except ValueError as error:
            self.draft.problems.error(value.mark, f"{pair.path}: {error}")
            return
        messages = (
            note for each in sets for semver in each.semver for note in prerelease_notes(semver, pair.path, "skopeo")
        )
        notes = tuple(Finding(value.mark, message) for message in dict.fromkeys(messages))
        self._add(pair, pair.repository(sets), notes, remarks)

    def _add(
        self,
        pair: "_Pair",
        fields: Mapping[str, Document],
        notes: tuple[Finding, ...] = (),
        remarks: tuple[str, ...] = (),
    ) -> None:
        self.draft.items.append(Item(pair.mark, pair.path, fields, notes, remarks))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A repository, where it goes, and where the file says so."""

    source: Repository
    target: Repository
    mark: Mark
    path: str

    def repository(self, sets: tuple[Rules, ...]) -> dict[str, Document]:
        return {"source": str(self.source), "target": str(self.target), "type": "repository", **selection(sets)}


_Read: TypeAlias = Callable[[Node, _Pair], None]


def _pattern_rules(pattern: str) -> tuple[Rules, ...]:
    return (Rules(allow=(whole(pattern),)),)


def _semver_rules(constraint: str) -> tuple[Rules, ...]:
    sets = masterminds.tag_rules(constraint)
    for rules in sets:
        SemverRange.parse_all(rules.semver)
    return sets
