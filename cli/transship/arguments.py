"""Let the common options stand behind the command as well as before it."""

from collections.abc import Iterator, Sequence
from typing import Final

_WITH_VALUE: Final = ("-c", "--config", "-v", "--verbosity", "--logopt")
_FLAGS: Final = ("--no-color",)


def common_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the common options, and their values, moved to the front; `--` ends options."""
    common: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _WITH_VALUE:
            common += [argument, *_next(remaining)]
        elif argument in _FLAGS or argument.startswith(tuple(f"{option}=" for option in _WITH_VALUE)):
            common.append(argument)
        else:
            rest.append(argument)
    return common + rest


def _next(remaining: Iterator[str]) -> list[str]:
    value = next(remaining, None)
    return [] if value is None else [value]
