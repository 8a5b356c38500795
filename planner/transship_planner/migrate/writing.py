"""Writes a draft as a configuration file in regsync's format, with comments that say what it came from."""

from collections.abc import Iterable
from dataclasses import dataclass

from transship_planner.config.digest import Document
from transship_planner.config.yamlwriter import to_yaml
from transship_planner.errors import Finding, Mark
from transship_planner.migrate.draft import Draft, Host, Login, variable_names
from transship_registry.presentable import presentable


@dataclass(frozen=True, slots=True)
class Written:
    """The text of the new file, what its comments note, and what it asks of the environment.

    `places` holds for each line of the text where in the old file it came from.
    """

    text: str
    notes: tuple[Finding, ...]
    variables: tuple[str, ...]
    places: tuple[Mark, ...]


def write(draft: Draft, *, file: str, format_name: str) -> Written:
    """Write the draft; `file` is what comments call the old one."""
    return _Writer(draft, Mark(file, 1, 1)).written(format_name)


class _Writer:
    """Writes line by line, and remembers where each came from."""

    def __init__(self, draft: Draft, start: Mark) -> None:
        self._draft = draft
        self._start = start
        self._lines: list[str] = []
        self._places: list[Mark] = []
        self._notes: list[Finding] = []
        self._variables = dict(draft.variables)

    def written(self, format_name: str) -> Written:
        self._comment(self._start, f"Made by transship migrate from {self._start.file}, in {format_name}.")
        self._comment(self._start, "A line with 'note:' says what differs from there, or could not be carried over.")
        for note in self._draft.notes:
            self._note(note)
        self._add(self._start, "version: 1")
        self._creds()
        self._sync()
        text = "".join(f"{line}\n" for line in self._lines)
        return Written(text, tuple(sorted(set(self._notes))), tuple(self._variables), tuple(self._places))

    def _creds(self) -> None:
        prefixes = variable_names(self._draft.hosts)
        hosts = [host for host in self._draft.hosts.values() if host.is_needed]
        if any(_has_settings(host) for host in hosts):
            self._add(self._start, "creds:")
        for host in hosts:
            self._comment(host.mark, f"from {', '.join(host.origins)} (line {host.mark.line})", indent=2)
            document: dict[str, Document] = {"registry": host.name}
            if host.login is not None:
                document |= self._placeholders(host, host.login, prefixes[host.name])
            if host.insecure:
                document["tls"] = "insecure"
            for note in host.notes:
                self._note(note, indent=2)
            if _has_settings(host):
                self._document(host.mark, document)

    def _placeholders(self, host: Host, login: Login, prefix: str) -> dict[str, Document]:
        user = login.user_variable or f"{prefix}_USER"
        password = login.password_variable or f"{prefix}_PASSWORD"
        self._variables |= {user: None, password: None}
        if not (login.user_variable and login.password_variable):
            message = (
                f"the login for {host.name} is not copied: set {user} and {password} in the environment, "
                "or remove 'user' and 'pass' here and use docker login"
            )
            self._note(Finding(host.login_mark or host.mark, message), indent=2)
        return {"user": _from_environment(user), "pass": _from_environment(password)}

    def _sync(self) -> None:
        items = self._draft.items
        self._add(self._start, "sync:" if any(item.fields for item in items) else "sync: []")
        for item in items:
            for comment in item.comments:
                self._comment(item.mark, comment, indent=2)
            self._notes += item.notes
            if item.fields:
                self._document(item.mark, dict(item.fields))

    def _document(self, mark: Mark, document: dict[str, Document]) -> None:
        for line in to_yaml([document]).splitlines():
            self._add(mark, f"  {line}")

    def _note(self, note: Finding, *, indent: int = 0) -> None:
        self._comment(note.mark, f"note: {note.message}", indent=indent)
        self._notes.append(note)

    def _comment(self, mark: Mark, text: str, *, indent: int = 0) -> None:
        self._add(mark, f"{' ' * indent}# {presentable(text)}")

    def _add(self, mark: Mark, line: str) -> None:
        self._lines.append(line)
        self._places.append(mark)


def environment_of(variables: Iterable[str]) -> dict[str, str]:
    """Return an environment in which each variable has a text that may stand in a reference."""
    return dict.fromkeys(variables, "placeholder")


def _has_settings(host: Host) -> bool:
    return host.login is not None or host.insecure


def _from_environment(name: str) -> str:
    return f'{{{{env "{name}"}}}}'
