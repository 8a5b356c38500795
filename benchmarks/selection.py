"""Time the selection of tags: `python benchmarks/selection.py [COUNT]` for COUNT tags (100,000)."""

import itertools
import sys
import time

from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_planner.tags.versions import Group

_SUFFIXES = ("", "-alpine", "-alpine3.20", "-alpine3.21", "-rc1", "-bookworm", "-slim-bookworm", "-debian-12-r3")
_DEFAULT_COUNT = 100_000
_REPEATS = 3


def some_tags(count: int) -> list[str]:
    """Make tags as big repositories have them: nine in ten are versions, most with a suffix."""
    numbers = (f"{major}.{minor}.{patch}" for patch in itertools.count() for major in range(12) for minor in range(40))
    versions = (f"{number}{suffix}" for number in numbers for suffix in _SUFFIXES)
    commits = (f"sha-{number * 2_654_435_761 % 2**28:07x}" for number in itertools.count(1))
    tags = (next(versions) if number % 10 else next(commits) for number in itertools.count())
    return list(itertools.islice(tags, count))


def selections() -> dict[str, Selection]:
    """Return the rules that are timed, by name."""
    pattern = TagPattern(r"\d+\.\d+\.\d+(-alpine\d\.\d+|-rc\d+)?")
    everything = TagSet(
        semver=(SemverRange.parse(">=1.2 <9 || ^10.1"),), allow=(pattern,), deny=(TagPattern(".*-rc1"),)
    )
    return {
        "no rules": Selection(),
        "allow": Selection((TagSet(allow=(pattern,)),)),
        "semver": Selection((TagSet(semver=everything.semver),)),
        "keep_last": Selection(keep_last=10),
        "semver + allow + deny + keep_last": Selection((everything,), keep_last=10),
        "the same, per minor": Selection((everything,), keep_last=2, per=Group.MINOR),
    }


def seconds(selection: Selection, tags: list[str]) -> float:
    """Return the shortest of a few runs."""
    times: list[float] = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        selection.select(tags)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print one line for each of the rules: time, rate, and how many tags are selected."""
    tags = some_tags(int(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT_COUNT)
    for name, selection in selections().items():
        needed = seconds(selection, tags)
        print(f"{name:34} {needed:6.3f} s {len(tags) / needed:12,.0f} tags/s {len(selection.select(tags)):7} selected")


if __name__ == "__main__":
    main()
