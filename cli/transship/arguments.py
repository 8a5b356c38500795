"""Bring the arguments into the order and the spelling that the commands read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Self

import typer
from typer.core import TyperGroup, TyperOption

_HELP: Final[tuple[str, ...]] = ("-h", "--help")
_BOOLEANS: Final = ("true", "false")
_ELSEWHERE: Final = {
    "--json": "plans, checks and lists have --format json",
    "--parallelism": "the configuration has defaults.parallel",
    "--refresh-only": "see transship drift",
    "--var": "templates in the configuration read environment variables",
    "--var-file": "templates in the configuration read environment variables",
}
"""Terraform's options for what is asked for in another way here."""


class ArgumentError(typer.TyperException):
    """An option that there is not, or that is spelled in a way that could mean another one."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the program, and those of all commands: each name, and whether a value follows it."""

    common: Mapping[str, bool]
    commands: Mapping[str, bool]

    @classmethod
    def of(cls, program: TyperGroup) -> Self:
        """Read them from the commands themselves."""
        commands: dict[str, bool] = dict.fromkeys(_HELP, False)
        for group in _groups(program):
            for command in group.commands.values():
                commands |= _names(command.params)
        return cls(_names(program.params), commands)

    def takes_value(self, name: str) -> bool | None:
        """Whether a value follows an option; None for one that there is not."""
        return self.common.get(name, self.commands.get(name))

    def spelled(self, name: str) -> str:
        """Return the option that is meant, `--out` for Terraform's `-out`; raises `ArgumentError`.

        One dash never begins several short options or a short option with its value: `-out=plan.json` would be a plan
        file named `ut=plan.json`.
        """
        wanted = name if name.startswith("--") or len(name) == 2 else f"-{name}"
        if wanted in _ELSEWHERE and self.takes_value(wanted) is None:
            raise ArgumentError(f"No such option: {name} ({_ELSEWHERE[wanted]})")
        if wanted == name or self.takes_value(wanted) is not None:
            return wanted
        hint = self._near(wanted) or self._apart(name)
        raise ArgumentError(f"No such option: {name}" + (f" ({hint})" if hint else ""))

    def _near(self, wanted: str) -> str:
        near = get_close_matches(wanted, [*self.common, *self.commands], n=1, cutoff=0.75)
        return f"did you mean {near[0]}?" if near else ""

    def _apart(self, name: str) -> str:
        short, value = name[:2], name[2:]
        return f"write {short} {value}" if self.takes_value(short) and not {*"./"}.isdisjoint(value) else ""


def arranged(arguments: Sequence[str], options: Options) -> list[str]:
    """Return the arguments with the program's own options moved to the front; `--` ends options.

    Values may be joined to any option by `=`, long options may begin with one dash, and flags may be said to be true or
    false, as Terraform and regsync have it.
    """
    common: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument.startswith("-") and argument != "-":
            name, given = _read_option(argument, options, remaining)
            (common if name in options.common else rest).extend(given)
        else:
            rest.append(argument)
    return common + rest


def _read_option(argument: str, options: Options, remaining: Iterator[str]) -> tuple[str, list[str]]:
    """Return an option's name, and the words for it."""
    written, joined, value = argument.partition("=")
    name = options.spelled(written)
    match options.takes_value(name):
        case None:
            return name, [argument]
        case False:
            if joined and value in _BOOLEANS:
                return name, [name] if value == "true" else []
            return name, [name + joined + value]
        case True:
            value = value if joined else _next(name, remaining)
            if not value:
                raise ArgumentError(f"Option {name} is given an empty value")
            return name, [name, value]


def _next(name: str, remaining: Iterator[str]) -> str:
    """Return the value that stands apart; raises `ArgumentError` for another option, which would name a file."""
    value = next(remaining, "--")
    if value.startswith("-") and value != "-":
        raise ArgumentError(f"Option {name} needs a value")
    return value


def _groups(group: TyperGroup) -> Iterator[TyperGroup]:
    yield group
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _groups(command)


def _names(parameters: Iterable[object]) -> dict[str, bool]:
    return {
        name: not parameter.is_flag
        for parameter in parameters
        if isinstance(parameter, TyperOption)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
