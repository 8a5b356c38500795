"""A configuration of transship while it is put together: entries and hosts that know what they came from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from transship_planner.config.digest import Document
from transship_planner.config.problems import Problems
from transship_planner.errors import Finding, Mark
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Repository, check_registry

_NOT_IN_A_VARIABLE: Final = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Item:
    """An entry, or, without fields, something that did not become one; `origin` names what it came from.

    `remarks` explain the entry, and are no notes: nothing differs.
    """

    mark: Mark
    origin: str
    fields: Mapping[str, Document]
    notes: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def comments(self) -> tuple[str, ...]:
        """What stands above it."""
        notes = (f"note: {note.message}" for note in self.notes)
        return f"from {self.origin} (line {self.mark.line})", *self.remarks, *notes


@dataclass(frozen=True, slots=True)
class Login:
    """That a file has a login; its texts serve to tell two apart and are never shown.

    A variable that the file names in place of a text is kept.
    """

    texts: tuple[str, ...] = field(repr=False)
    user_variable: str = ""
    password_variable: str = ""


@dataclass(slots=True)
class Host:
    """What becomes an item of `creds`."""

    name: str
    mark: Mark
    origins: list[str] = field(default_factory=list[str])
    login: Login | None = None
    login_mark: Mark | None = None
    insecure: bool = False
    notes: list[Finding] = field(default_factory=list[Finding])

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to say about the host."""
        return bool(self.login or self.insecure or self.notes)


class Draft:
    """Collects what goes into the new file; what is wrong with the old one goes to `problems`."""

    def __init__(self, problems: Problems) -> None:
        """Start an empty file."""
        self.problems = problems
        self.notes: list[Finding] = []
        self.items: list[Item] = []
        self.hosts: dict[str, Host] = {}
        self.variables: dict[str, None] = {}

    def note(self, mark: Mark, message: str) -> None:
        """Say something about the file as a whole."""
        self.notes.append(Finding(mark, message))

    def host(self, registry: str, mark: Mark, path: str) -> Host | None:
        """Return the settings of a registry, of which the host counts; None, and an error noted, when it is none."""
        try:
            name = check_registry(registry.partition("/")[0])
        except InvalidReferenceError as error:
            self.problems.error(mark, f"{path}: {error}")
            return None
        return self.hosts.setdefault(name, Host(name, mark))

    def log_in(self, host: Host, login: Login, mark: Mark, path: str) -> None:
        """Give the host a placeholder for a login; a second one is told."""
        if host.login is None:
            host.login, host.login_mark = login, mark
        elif host.login.texts != login.texts and host.login_mark is not None:
            message = (
                f"{path} is another login for {host.name} than on line {host.login_mark.line}; "
                "transship has one for each registry, so choose"
            )
            host.notes.append(Finding(mark, message))

    def trust(self, host: Host, mark: Mark, path: str) -> None:
        """Let the host's certificate go unverified."""
        host.insecure = True
        message = (
            f"{path} becomes 'tls: insecure' for all of {host.name}: the certificate is not verified; "
            "for a registry that speaks plain HTTP write 'tls: disabled'"
        )
        host.notes.append(Finding(mark, message))

    def repository(self, registry: str, name: str, mark: Mark, path: str) -> Repository | None:
        """Return the repository that the tool means; None, and an error noted, when there is none."""
        try:
            repository = Repository.parse(f"{registry}/{name}")
        except InvalidReferenceError as error:
            self.problems.error(mark, f"{path}: {error}")
            return None
        if not repository.is_layout and repository.registry != registry.partition("/")[0]:
            self._note_reading(registry, repository, mark, path)
        return repository

    def _note_reading(self, registry: str, repository: Repository, mark: Mark, path: str) -> None:
        host = registry.partition("/")[0]
        if not any(character in host for character in ".:") and host != "localhost":
            message = (
                f"{path}: {host!r} has neither dot nor port, so that it is no registry but part of {repository}, "
                "as Docker reads it"
            )
            self.note(mark, message)


def variable_names(hosts: Mapping[str, Host]) -> dict[str, str]:
    """Return for each host the prefix of its environment variables: `REGISTRY_EXAMPLE_COM`; no two are the same."""
    prefixes: dict[str, str] = {}
    for name in hosts:
        prefix = _NOT_IN_A_VARIABLE.sub("_", name.upper()).strip("_")
        if prefix[:1].isdigit():
            prefix = f"REGISTRY_{prefix}"
        taken = prefixes.values()
        number = 2
        unique = prefix
        while unique in taken:
            unique = f"{prefix}_{number}"
            number += 1
        prefixes[name] = unique
    return prefixes
