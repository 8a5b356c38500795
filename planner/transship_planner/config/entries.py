"""Turns the entries of a file into normalised ones: inheritance, templates, references, rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from transship_planner.config.durations import SECOND, SHORTEST_RETRY
from transship_planner.config.expansion import GIVES_NO_REFERENCE, Expander, sync_data, sync_fields
from transship_planner.config.inheritance import inherit, inherit_platforms
from transship_planner.config.lifecycle import read_rule
from transship_planner.config.problems import Problems
from transship_planner.config.scalarkinds import nearest
from transship_planner.config.schedules import check_schedule
from transship_planner.config.scopes import read_scope
from transship_planner.config.section import Section, Value
from transship_planner.config.selection import read_patterns
from transship_planner.config.targets import for_each_target
from transship_planner.desired import (
    Comparison,
    CopyRules,
    Dialect,
    Entry,
    Hook,
    MissingAttestations,
    PlatformRule,
    ReferrerFilter,
    Timing,
)
from transship_planner.names.backup import BackupRule
from transship_planner.names.targetname import TargetName
from transship_registry.errors import InvalidReferenceError
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES, essence, manifest_kind
from transship_registry.platform import Platform
from transship_registry.reference import Repository
from transship_registry.referrers.refused import RefusedArtifactPolicy
from transship_registry.sizes import LARGEST

T = TypeVar("T")

_TEMPLATE_ORDER: Final = ("source", "referrerSource", "target", "referrerTarget")
_SHORTEST_INTERVAL: Final = SECOND
_DEFAULT_HOOK_TIMEOUT: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class EntryReader:
    """Reads entries of one file: they share its dialect, its defaults, `sync.platforms`, and `lifecycle` at the top."""

    dialect: Dialect
    defaults: Section
    platforms: Value | None
    lifecycle: Section
    expander: Expander
    problems: Problems

    def read(self, written: Section) -> tuple[Entry, ...]:
        """Return the entry, once for each target; none, and errors noted, when it mirrors nothing that can be named."""
        entry = inherit_platforms(inherit(written, self.defaults), self.platforms)
        read = [self._read(section) for section in for_each_target(entry, self.problems)]
        return tuple(entry for entry in read if entry is not None)

    def _read(self, entry: Section) -> Entry | None:
        texts = self._expanded(entry)
        scope = read_scope(entry, texts, self.dialect, self.problems)
        rules = self._copy_rules(entry, texts)
        timing = self._timing(entry)
        hooks = read_hooks(entry.section("hooks"), self.problems)
        lifecycle = read_rule(entry, self.lifecycle, self.problems)
        backup = self._backup(entry, texts)
        target_name = self._target_name(entry)
        if scope is None:
            return None
        return Entry(
            name=entry.path,
            mark=entry.mark,
            scope=scope,
            copy=rules,
            timing=timing,
            post_sync=hooks,
            lifecycle=lifecycle,
            os_normalize=entry.flag("os_normalize") and "tag" not in entry,
            target_name=target_name,
            min_age_s=entry.whole("min_age") / SECOND,
            backup=backup,
            marks={key: value.mark for key, value in entry.values.items()},
        )

    def _expanded(self, entry: Section) -> Mapping[str, str | None]:
        """Expand templates in regsync's order; a text not yet expanded is seen raw (semantics B6.1, B6.3)."""
        seen = {key: entry.text(key) for key in _TEMPLATE_ORDER}
        texts: dict[str, str | None] = {}
        for key in _TEMPLATE_ORDER:
            text = self.expander.expand(entry, key, lambda: sync_data(entry, seen)) if key in entry else None
            texts[key] = text
            if text is not None and key != "target":  # regsync does not feed the expanded target back
                seen[key] = text
        return texts

    def _copy_rules(self, entry: Section, texts: Mapping[str, str | None]) -> CopyRules:
        return CopyRules(
            comparison=self._comparison(entry),
            immutable_tags=read_patterns(entry, "immutable_tags", self.problems),
            platforms=self._platforms(entry),
            missing_attestations=MissingAttestations(
                entry.text("missingAttestations") or MissingAttestations.FAIL.value
            ),
            media_types=self._media_types(entry),
            include_external=entry.flag("includeExternal"),
            force_recursive=entry.flag("forceRecursive"),
            fast_copy=entry.flag("fastCheck"),
            digest_tags=entry.flag("digestTags"),
            referrers=entry.flag("referrers"),
            referrer_filters=tuple(
                ReferrerFilter(rule.text("artifactType"), rule.pairs("annotations"))
                for rule in entry.sections("referrerFilters")
            ),
            referrer_source=self._repository(entry, "referrerSource", texts),
            referrer_target=self._repository(entry, "referrerTarget", texts),
            refused_referrers=RefusedArtifactPolicy(entry.text("refusedReferrers") or RefusedArtifactPolicy.FAIL.value),
            backup=entry.text("backup"),
        )

    def _backup(self, entry: Section, texts: Mapping[str, str | None]) -> BackupRule | None:
        template = self.expander.template(entry, "backup")
        if template is None:
            return None
        rule = BackupRule(template, sync_fields(entry, {key: text or "" for key, text in texts.items()}))
        self.expander.check_variables(entry, "backup", template, rule.sample())
        return rule

    def _target_name(self, entry: Section) -> TargetName | None:
        template = self.expander.template(entry, "target_name")
        if template is None:
            return None
        name = TargetName(entry.text("target_name"), template)
        self.expander.check_variables(entry, "target_name", template, name.sample())
        if wrong := name.unknown_field():
            known = "there are .Repository, .Tag and .Source"
            self.problems.error(
                entry.where("target_name"), f"{entry.at('target_name')}: the template fails: {wrong}; {known}"
            )
        return name

    def _comparison(self, entry: Section) -> Comparison:
        """Decide as the dialect does unless the entry has `check_digest` (semantics A7.1, A7.2)."""
        by_digest = entry.flag("check_digest", default=self.dialect is Dialect.REGSYNC)
        return Comparison.DIGEST if by_digest else Comparison.EXISTENCE

    def _platforms(self, entry: Section) -> PlatformRule:
        if entry.text("platform"):
            value = entry.values["platform"]
            return PlatformRule(self._parsed((value,), Platform.parse), index_only=True)
        return PlatformRule(self._parsed(entry.items("platforms"), Platform.parse))

    def _parsed(self, values: tuple[Value, ...], parse: Callable[[str], T]) -> tuple[T, ...]:
        found: dict[T, None] = {}
        for value in values:
            try:
                found[parse(str(value.data))] = None
            except InvalidReferenceError as error:
                self.problems.error(value.mark, f"{value.path}: {error}")
        return tuple(found)

    def _media_types(self, entry: Section) -> tuple[str, ...]:
        types: dict[str, None] = {}
        for value in entry.items("mediaTypes"):
            media_type = essence(str(value.data))
            if manifest_kind(media_type) is None:
                near = nearest(media_type, DEFAULT_MEDIA_TYPES)
                self.problems.warn(value.mark, f"{value.path}: {media_type!r} is no media type of a manifest{near}")
            types[media_type] = None
        return tuple(types) or DEFAULT_MEDIA_TYPES

    def _repository(self, entry: Section, key: str, texts: Mapping[str, str | None]) -> Repository | None:
        text = texts[key]
        if not text:
            return None
        try:
            return Repository.parse(text)
        except InvalidReferenceError as error:
            reason = str(error) if text == entry.text(key) else GIVES_NO_REFERENCE
            self.problems.error(entry.where(key), f"{entry.at(key)}: {reason}")
            return None

    def _timing(self, entry: Section) -> Timing:
        schedule = entry.text("schedule")
        if schedule:
            try:
                check_schedule(schedule)
            except ValueError as error:
                self.problems.error(entry.where("schedule"), f"{entry.at('schedule')}: {error}")
        interval = 0 if schedule else self._interval(entry)
        ratelimit = entry.section("ratelimit")
        return Timing(
            interval_s=interval / SECOND,
            schedule=schedule,
            ratelimit_min=min(ratelimit.whole("min"), LARGEST),  # no plan could hold more, and no quota has as much
            ratelimit_retry_s=self._retry(ratelimit) / SECOND,
        )

    def _interval(self, entry: Section) -> int:
        interval = entry.whole("interval")
        if 0 < interval < _SHORTEST_INTERVAL:  # semantics B8.10
            self.problems.warn(entry.where("interval"), f"{entry.at('interval')} is raised to 1s, the shortest")
            return _SHORTEST_INTERVAL
        return interval

    def _retry(self, ratelimit: Section) -> int:
        retry = ratelimit.whole("retry")
        if "retry" in ratelimit and retry < SHORTEST_RETRY:  # semantics B5.3
            self.problems.warn(ratelimit.where("retry"), f"{ratelimit.at('retry')} is raised to 5m, the shortest")
        return max(retry, SHORTEST_RETRY)


def read_hooks(hooks: Section, problems: Problems) -> tuple[Hook, ...]:
    """Return the commands of `post_sync`."""
    return tuple(_hook(hook, problems) for hook in hooks.sections("post_sync"))


def _hook(hook: Section, problems: Problems) -> Hook:
    timeout = hook.whole("timeout", _DEFAULT_HOOK_TIMEOUT)
    if timeout <= 0:
        problems.error(hook.where("timeout"), f"{hook.at('timeout')}: a command needs a time above zero")
    if "cmd" in hook and not hook.text("cmd").strip():
        problems.error(hook.where("cmd"), f"{hook.at('cmd')} is empty")
    return Hook(
        cmd=hook.text("cmd"),
        timeout_s=timeout / SECOND,
        continue_on_error=hook.flag("continue_on_error"),
        mark=hook.mark,
    )
