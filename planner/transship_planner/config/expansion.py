"""Expands the Go templates of a configuration (semantics B6)."""

from collections.abc import Callable, Mapping
from typing import Final

from transship_planner.config.durations import SHORTEST_RETRY
from transship_planner.config.problems import Problems
from transship_planner.config.section import Section
from transship_planner.gotemplate import (
    Duration,
    Environment,
    Object,
    Template,
    TemplateError,
    configuration_functions,
)
from transship_registry.mediatypes import DEFAULT_MEDIA_TYPES

ReadFile = Callable[[str], bytes]

_OPEN: Final = "{{"
_FILTER_FIELDS: Final = {"Allow": "allow", "Deny": "deny"}


class Expander:
    """Expands templates with an environment and a way to read files; failures go to `problems`."""

    def __init__(self, environment: Mapping[str, str], read_file: ReadFile, problems: Problems) -> None:
        self._functions = configuration_functions(Environment(environment.get, read_file))
        self._problems = problems
        self._parsed: dict[str, Template] = {}

    def expand(
        self, section: Section, key: str, data: Callable[[], object] | None = None, *, secret: bool = False
    ) -> str | None:
        """Return the text of a key with its template expanded; None, and an error noted, when that fails."""
        text = section.text(key)
        if _OPEN not in text:
            return text
        try:
            return self._parse(text).execute(data() if data else None)
        except TemplateError as error:
            self._refuse(section, key, error, secret=secret)
            return None

    def template(self, section: Section, key: str) -> Template | None:
        """Return the template of a key, to be expanded later; None without one, and when its syntax is wrong."""
        text = section.text(key)
        try:
            return self._parse(text) if text else None
        except TemplateError as error:
            self._refuse(section, key, error, secret=False)
            return None

    def _parse(self, text: str) -> Template:
        if text not in self._parsed:
            self._parsed[text] = Template.parse(text, functions=self._functions)
        return self._parsed[text]

    def _refuse(self, section: Section, key: str, error: TemplateError, *, secret: bool) -> None:
        # what went wrong may quote a secret that stands in the template itself
        reason = "" if secret else f": {error.message}"
        excerpt = "" if secret or not error.excerpt else f", in {error.excerpt}"
        place = f"line {error.line}, column {error.column} of the text"
        self._problems.error(section.where(key), f"{section.at(key)}: the template fails at {place}{excerpt}{reason}")


def sync_fields(entry: Section, texts: Mapping[str, str]) -> Object:
    """Return what a backup template sees as `.Sync`, with all that has been expanded."""
    return _sync(entry, texts)


def sync_data(entry: Section, texts: Mapping[str, str]) -> Object:
    """Return what templates of an entry see: `.Sync`, with Go's field names (semantics B6.2).

    `texts` holds source, target, referrerSource and referrerTarget as far as they have been expanded.
    """
    return Object("TemplateData", {"Sync": _sync(entry, texts)})


def _sync(entry: Section, texts: Mapping[str, str]) -> Object:
    ratelimit = entry.section("ratelimit")
    return Object(
        "ConfigSync",
        {
            "Source": texts["source"],
            "Target": texts["target"],
            "Type": entry.text("type"),
            "Tags": _tags(entry.section("tags")),
            "TagSets": [_tags(tags) for tags in entry.sections("tagSets")],
            "Repos": Object("RepoAllowDeny", _lists(entry.section("repos"))),
            "DigestTags": entry.flag("digestTags"),
            "Referrers": entry.flag("referrers"),
            "ReferrerFilters": [
                Object(
                    "ConfigReferrerFilter",
                    {"ArtifactType": rule.text("artifactType"), "Annotations": dict(rule.pairs("annotations"))},
                )
                for rule in entry.sections("referrerFilters")
            ],
            "ReferrerSrc": texts["referrerSource"],
            "ReferrerTgt": texts["referrerTarget"],
            "ReferrerSlow": entry.flag("referrerSlow"),
            "Platform": entry.text("platform"),
            "Platforms": list(entry.texts("platforms")),
            "FastCheck": entry.flag("fastCheck"),
            "ForceRecursive": entry.flag("forceRecursive"),
            "IncludeExternal": entry.flag("includeExternal"),
            "Backup": entry.text("backup"),
            "Interval": Duration(entry.whole("interval")),
            "Schedule": entry.text("schedule"),
            "RateLimit": Object(
                "ConfigRateLimit",
                {"Min": ratelimit.whole("min"), "Retry": Duration(max(ratelimit.whole("retry"), SHORTEST_RETRY))},
            ),
            "MediaTypes": list(entry.texts("mediaTypes") or DEFAULT_MEDIA_TYPES),
        },
    )


def _tags(tags: Section) -> Object:
    return Object("TagAllowDeny", {**_lists(tags), "SemverRange": list(tags.texts("semverRange"))})


def _lists(section: Section) -> dict[str, object]:
    return {name: list(section.texts(key)) for name, key in _FILTER_FIELDS.items()}
