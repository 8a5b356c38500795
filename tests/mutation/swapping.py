"""Let functions that are imported already do as a mutant does."""

import functools
import gc
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Functions: TypeAlias = Mapping[tuple[str, str], Sequence[types.FunctionType]]
"""All functions of some files, by file and qualified name, in the order of their source."""


_CACHED = type(functools.lru_cache(int))


def find_functions(files: set[str]) -> Functions:
    """Return the functions of these files, whoever holds them."""
    found: defaultdict[tuple[str, str], list[types.FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and each.__code__.co_filename in files:
            found[each.__code__.co_filename, each.__code__.co_qualname].append(each)
    return {place: sorted(all_, key=_line) for place, all_ in found.items()}


def find_caches(rooms: Sequence[str]) -> list[Any]:
    """Return the caches of the functions of these packages."""
    return [each for each in gc.get_objects() if isinstance(each, _CACHED) and each.__module__.split(".")[0] in rooms]


def swap(functions: Functions, file: Path, code: str, name: str) -> bool:
    """Give the functions of this name the code of a mutant; False when that cannot be done."""
    compiled = [each for each in _codes(compile(code, str(file), "exec")) if each.co_qualname == name]
    places = sorted({_line(function) for function in functions.get((str(file), name), ())})
    if len(places) != len(compiled):
        return False
    by_line = dict(zip(places, sorted(compiled, key=lambda each: each.co_firstlineno), strict=True))
    try:
        for function in functions[str(file), name]:
            function.__code__ = by_line[_line(function)]
    except ValueError:  # it has other free variables
        return False
    return True


def _line(function: types.FunctionType) -> int:
    return function.__code__.co_firstlineno


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _codes(each)
