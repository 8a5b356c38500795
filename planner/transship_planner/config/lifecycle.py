"""Reads what a configuration says of end-of-life dates: of an entry, and at the top level (semantics A8)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from transship_planner.config.problems import Problems, quote
from transship_planner.config.section import Section
from transship_planner.desired import EolSettings, LifecycleRule, OnEol
from transship_registry.reference import without_login

CRITICAL_VARIABLES: Final = ("TRANSSHIP_ALERT_CRITICAL_DAYS", "IMGLIFE_ALERT_CRITICAL_DAYS")
"""The environment variables that say how many days before its end a cycle is warned about; the first wins."""

_DAYS: Final = re.compile(r"[0-9]{1,6}")
_DEFAULTS: Final = EolSettings()
_EXPECTED: Final = f"expected a URL such as {_DEFAULTS.url}"


def read_rule(entry: Section, settings: Section, problems: Problems) -> LifecycleRule | None:
    """Return the `lifecycle` of an entry, None without one; `settings` is the section at the top level."""
    rule = entry.section("lifecycle")
    if not rule.text("product"):
        return None
    if rule.at("track").endswith("extract"):
        message = f"{rule.at('track')} is the old name of 'track'; write track: {rule.text('track')}"
        problems.warn(rule.where("track"), message)
    return LifecycleRule(
        product=rule.text("product"),
        track=rule.text("track", "minor"),
        on_eol=OnEol(rule.text("on_eol") or settings.text("on_eol") or OnEol.WARN),
    )


def read_eol_settings(settings: Section, environment: Mapping[str, str], problems: Problems) -> EolSettings:
    """Return where end-of-life dates come from, by the section `lifecycle` of the top level."""
    if settings.text("eol_target") == "pkgregistry":
        message = f"{settings.at('eol_target')}: there is no package registry here; the dates are kept in a file (git)"
        problems.warn(settings.where("eol_target"), message)
    return EolSettings(
        provider=settings.text("eol_provider") or _DEFAULTS.provider,
        data_file=settings.text("eol_data_file") or _DEFAULTS.data_file,
        url=_url(settings, problems),
        critical_days=_critical_days(settings, environment, problems),
    )


def _url(settings: Section, problems: Problems) -> str:
    text = settings.text("eol_url").rstrip("/")
    if not text:
        return _DEFAULTS.url
    if problem := _problem_of(text):
        problems.error(settings.where("eol_url"), f"{settings.at('eol_url')}: {problem}")
    return text


def _problem_of(text: str) -> str:
    """Say why a text is no address to ask below; empty when it is one. What may be a secret is not repeated."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return f"it is no URL; {_EXPECTED}"
    if parts.username is not None or parts.password is not None:
        return "it must not hold credentials: it is asked anonymously"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not text.isprintable():
        return f"{_EXPECTED}, found {_shown(text)}"
    if parts.query or parts.fragment or " " in text:
        return f"expected a URL without query and fragment, found {_shown(text)}"
    return ""


def _shown(text: str) -> str:
    """Return a URL for a message, without what may be secret: a user, a query, a fragment."""
    return quote(re.split("[?#]", without_login(text), maxsplit=1)[0])


def _critical_days(settings: Section, environment: Mapping[str, str], problems: Problems) -> int:
    for variable in CRITICAL_VARIABLES:
        text = environment.get(variable, "")
        if _DAYS.fullmatch(text):
            return int(text)
        if text:
            message = f"the environment variable {variable} is no whole number of days"
            problems.error(settings.mark, message)
            break
    return _DEFAULTS.critical_days
