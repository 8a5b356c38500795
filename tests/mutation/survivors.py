"""The mutants that are known to survive, each with the reason why no test can notice it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from mutation.mutants import Key

FILE: Final = Path(__file__).with_name("survivors.toml")


class Equivalent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mutants of one place that survive for one reason: pairs of lines, as they are and as they become."""

    module: str
    place: str
    reason: str
    mutants: list[tuple[str, str]]


class _Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    equivalent: list[Equivalent] = []


def listed() -> list[Equivalent]:
    """Read the list."""
    return msgspec.convert(tomllib.loads(FILE.read_text(encoding="utf-8")), _Listed).equivalent


def reasons() -> Mapping[Key, str]:
    """Return why each of them survives."""
    return {(each.module, each.place, was, now): each.reason for each in listed() for was, now in each.mutants}
