"""`make mutation`: break what decides, one thing at a time, and see whether a test notices (docs/testing.md)."""

import argparse
import importlib
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from mutation import results
from mutation.mutants import Key, Mutant, mutants_of
from mutation.results import Result, result_of
from mutation.session import AFRESH, Meeting, Message, meet_afresh
from mutation.surveying import ROOT, Survey
from mutation.survivors import reasons

_GROUPS: Final = Path(__file__).with_name("groups.toml")


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Modules that the same tests cover; paths relative to the root."""

    modules: list[str]
    tests: list[str]


class _Groups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    group: list[Group]


def main() -> int:
    """Do what was asked for; the exit code is 1 when a mutant survives that is not listed."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="parts of the paths of the modules; all without")
    parser.add_argument(
        "--again", action="store_true", help="only what survived last time and is not listed, or is new"
    )
    parser.add_argument("--figures", action="store_true", help="try nothing, print what is known from earlier runs")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at a time")
    options = parser.parse_args()
    known, found = reasons(), list[Result]()
    goes_on = options.again or options.figures
    for group in msgspec.convert(tomllib.loads(_GROUPS.read_text(encoding="utf-8")), _Groups).group:
        wanted = [each for each in group.modules if any(part in each for part in options.modules or [""])]
        current = {each: _mutants(each) for each in wanted}
        so_far = {each: _still_right(results.read(each) if goes_on else {}, current[each]) for each in wanted}
        if not options.figures:
            _try(current, so_far, known, group.tests, options.at_once)
        found += [result for each in so_far.values() for result in each.values()]
    print(results.table(found, known))
    _tell_stale(found, known)
    return int(any(result.outcome == "survived" and result.key not in known for result in found))


def _mutants(module: str) -> list[Mutant]:
    return mutants_of(module, (ROOT / module).read_text(encoding="utf-8"))


def _still_right(found: dict[Key, Result], mutants: Sequence[Mutant]) -> dict[Key, Result]:
    """Leave out what is known of mutants that there are no more."""
    return {mutant.key: found[mutant.key] for mutant in mutants if mutant.key in found}


def _try(
    current: Mapping[str, Sequence[Mutant]],
    found: Mapping[str, dict[Key, Result]],
    known: Mapping[Key, str],
    tests: Sequence[str],
    at_once: int,
) -> None:
    """Let the tests meet the mutants of whom nothing final is known; add what becomes of them to `found`."""
    mutants = [
        each for module, all_ in current.items() for each in all_ if _is_open(found[module].get(each.key), known)
    ]
    for result in _meet(mutants, tests, at_once) if mutants else ():
        found[result.module][result.key] = result
        results.write(result.module, found[result.module].values())
        if result.outcome != "killed" and result.key not in known:
            print(result, flush=True)


def _is_open(result: Result | None, known: Mapping[Key, str]) -> bool:
    return result is None or (result.outcome == "survived" and result.key not in known)


def _meet(mutants: Sequence[Mutant], tests: Sequence[str], at_once: int) -> Iterator[Result]:
    survey: Survey | None = None
    afresh: list[int] = []
    for message in _streamed(lambda tell: Meeting(mutants, at_once, tell).run(tests)):
        if isinstance(message, Survey):
            survey = message
            seconds = sum(test.seconds for test in survey.tests)
            print(f"{len(mutants)} mutants meet {len(survey.tests)} tests of {seconds:.0f} s", flush=True)
        elif message.ended == AFRESH:
            afresh.append(message.number)
        else:
            yield result_of(mutants[message.number], message)
    if survey is None or survey.red:
        raise SystemExit(f"the tests fail though nothing is broken: {', '.join(survey.red if survey else tests)}")
    _load(survey.loaded)
    for verdict in meet_afresh(mutants, survey, at_once, afresh):
        yield result_of(mutants[verdict.number], verdict)


def _streamed(work: Callable[[Callable[[Message], None]], None]) -> Iterator[Message]:
    """Do some work in a process of its own, and yield what it tells on the way."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work(lambda message: _write(writing, msgspec.json.encode(message) + b"\n"))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        for line in file:
            yield msgspec.json.decode(line, type=Message)
    os.waitpid(process, 0)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _load(names: Sequence[str]) -> None:
    """Import now, once, what each mutant that is imported afresh would import anew."""
    for name in names:
        with suppress(Exception):  # it could be imported there, and need not be here
            importlib.import_module(name)


def _tell_stale(found: Sequence[Result], known: Mapping[Key, str]) -> None:
    """Name what need not be listed any more."""
    outcomes = {result.key: result.outcome for result in found}
    modules = {result.module for result in found}
    for key in known:
        if key[0] in modules and outcomes.get(key) != "survived":
            print(f"listed as surviving, but {outcomes.get(key, 'there is no such mutant')}:", *key, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
