"""The digest that pins a configuration in a plan: of what it wants, not of how it is written.

Two files that want the same have the same digest: the file's name, lines, comments, the order of keys and the format do
not count, and neither do secrets, so that a rotated password does not invalidate a plan.
"""

import dataclasses
import json
from enum import Enum
from typing import TypeAlias, cast

from transship_planner.desired import Desired, Entry
from transship_planner.names.targetname import TargetName
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.versions import Suffix
from transship_registry.digest import Digest
from transship_registry.hosts import HostSettings
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository

Document: TypeAlias = "str | int | float | bool | list[Document] | dict[str, Document] | None"

_PLACES = frozenset({"name", "mark"})
_FROM_ENVIRONMENT = frozenset({"critical_days"})
_ENDPOINT = ("registry", "hostname", "tls", "path_prefix", "mirrors", "priority")


def config_digest(desired: Desired) -> Digest:
    """Compute the digest of what a configuration wants.

    It covers every entry with its hooks, the hooks at the end, and of the hosts where they are and which program is
    asked for their credentials: all that apply takes from the configuration and would act upon. Where end-of-life dates
    come from counts where that is said and an entry asks for them, since they may hold or block a change. The name of
    an entry counts where it has hooks: a plan names entries, and they would run for another one.
    """
    document: dict[str, Document] = {
        "entries": [_entry(entry) for entry in desired.entries],
        "hosts": [_host(host) for host in sorted(desired.hosts, key=lambda host: host.registry)],
        "post_sync": [_value(hook) for hook in desired.post_sync],
    }
    eol = _said(desired.eol, but=_FROM_ENVIRONMENT)
    if eol and any(entry.lifecycle for entry in desired.entries):
        document["eol"] = eol
    return Digest.of(json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii"))


def _entry(entry: Entry) -> Document:
    named: dict[str, Document] = {"name": entry.name} if entry.post_sync else {}
    return {"kind": type(entry.scope).__name__, **_said(entry, but=_PLACES), **named}


def _host(host: HostSettings) -> Document:
    endpoint: dict[str, Document] = {name: _value(getattr(host, name)) for name in _ENDPOINT}
    return {**endpoint, "helper": host.helper.program if host.helper else None}


def _value(value: object) -> Document:
    match value:
        case None | str() | int() | float():
            return value
        case Enum():
            return str(value.value)
        case Reference() | Repository() | Platform():
            return str(value)
        case SemverRange():
            return value.text if value.suffix is Suffix.PRERELEASE else [value.text, value.suffix.value]
        case TargetName():
            return value.text
        case _:
            return _composite(value)


def _composite(value: object) -> Document:
    if isinstance(value, tuple):
        items = cast(tuple[object, ...], value)
        return [_value(item) for item in items]
    return _said(value)


def _said(value: object, but: frozenset[str] = frozenset()) -> dict[str, Document]:
    """Return the fields of a value that differ from their defaults, `but` those and what does not count for equality.

    A setting that a later version of transship knows, and a file does not use, leaves the file's digest as it is.
    """
    assert dataclasses.is_dataclass(value)  # every other part of an entry has its own form above
    fields = (field for field in dataclasses.fields(value) if field.compare and field.name not in but)
    parts = ((field, getattr(value, field.name)) for field in fields)
    return {field.name: _value(part) for field, part in parts if part != _default(field)}


def _default(field: dataclasses.Field[object]) -> object:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()
