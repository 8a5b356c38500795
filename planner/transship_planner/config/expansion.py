"""Expands the Go templates of a configuration (semantics B6)."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
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

_NOT_SHOWN: Final = "; it is not shown, for it may hold what the environment or a file keeps secret"
GIVES_NO_REFERENCE: Final = f"what its template gives is no reference such as registry.example.com/team/app{_NOT_SHOWN}"
GIVES_NO_REGISTRY: Final = f"what its template gives is no name of a registry, host[:port]{_NOT_SHOWN}"
_OPEN: Final = "{{"
_STAND_IN: Final = "5838617709214463"
_FILTER_FIELDS: Final = {"Allow": "allow", "Deny": "deny"}


class _Variables:
    """The environment, and which variables were asked for that are not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._pretended = ""
        self.unset: dict[str, None] = {}

    def get(self, name: str) -> str | None:
        """Return the value of a variable, as `env` wants it; None when it is not set."""
        if name == self._pretended:
            return _STAND_IN
        value = self._environment.get(name)
        if value is None:
            self.unset[name] = None
        return value

    @contextmanager
    def pretending(self, name: str) -> Generator[None, None, None]:
        """Give a variable a value that no text is likely to have, and that `lower`, `upper` and `trimSpace` keep."""
        self._pretended = name
        try:
            yield
        finally:
            self._pretended = ""


class Expander:
    """Expands templates with an environment and a way to read files; failures go to `problems`."""

    def __init__(self, environment: Mapping[str, str], read_file: ReadFile, problems: Problems) -> None:
        self._variables = _Variables(environment)
        self._functions = configuration_functions(Environment(self._variables.get, read_file))
        self._problems = problems
        self._parsed: dict[str, Template] = {}

    def expand(
        self, section: Section, key: str, data: Callable[[], object] | None = None, *, secret: bool = False
    ) -> str | None:
        """Return the text of a key with its template expanded; None, and an error noted, when that fails."""
        text = section.text(key)
        if _OPEN not in text:
            return text
        seen = data() if data else None
        self._variables.unset.clear()
        try:
            expanded = self._parse(text).execute(seen)
        except TemplateError as error:
            self._refuse(section, key, error, secret=secret)
            self._suspect(section, key, self._variables.unset)
            return None
        self._suspect(section, key, self._lacking(self._parse(text), seen, expanded))
        return expanded

    def check_variables(self, section: Section, key: str, template: Template, sample: object) -> None:
        """Note the variables that a template lacks which is expanded later, as far as a sample of its data shows it."""
        self._variables.unset.clear()
        with suppress(TemplateError):
            self._suspect(section, key, self._lacking(template, sample, template.execute(sample)))

    def _lacking(self, template: Template, data: object, expanded: str) -> list[str]:
        """Return the unset variables whose place in the result is empty: `default`, `if` and the like leave none.

        Tried by giving each a text of its own: if the result is the same but for that text, it is the variable's.
        """
        lacking: list[str] = []
        for name in tuple(self._variables.unset):
            with self._variables.pretending(name), suppress(TemplateError):
                filled = template.execute(data)
                if filled != expanded and filled.replace(_STAND_IN, "") == expanded:
                    lacking.append(name)
        return lacking

    def _suspect(self, section: Section, key: str, names: Iterable[str]) -> None:
        # a name that is not written in the text is the result of something else, perhaps a secret
        written = [name for name in names if f'"{name}"' in section.text(key) or f"`{name}`" in section.text(key)]
        if written:
            variables = f"the environment variable {written[0]} is"
            if len(written) > 1:
                variables = f"the environment variables {', '.join(written)} are"
            self._problems.suspect(section.where(key), section.at(key), f"{variables} not set")

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
