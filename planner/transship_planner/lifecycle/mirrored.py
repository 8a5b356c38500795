"""The lifecycles of everything that is mirrored, and what a plan warns of because of them."""

from collections.abc import Iterable, Sequence

from transship_planner.lifecycle.judge import Judge
from transship_planner.observation.observed import Wish
from transship_planner.plans.plan import Lifecycle, LifecycleStatus, TagLifecycle


def mirrored_lifecycles(wishes: Iterable[Wish], judge: Judge | None) -> tuple[TagLifecycle, ...]:
    """Return the lifecycle of each target tag whose entry has one, sorted by target.

    Entries that say the same of a tag are one line, of the first of them.
    """
    if judge is None:
        return ()
    found: dict[tuple[str, Lifecycle], TagLifecycle] = {}
    for wish in sorted(wishes, key=lambda wish: (wish.entry.mark, wish.entry.name, str(wish.source))):
        if (judged := judge.of(wish)) is not None:
            tag = TagLifecycle(entry=wish.entry.name, target=wish.target, lifecycle=judged)
            found.setdefault((str(wish.target), judged), tag)
    return tuple(sorted(found.values(), key=lambda tag: str(tag.target)))


def lifecycle_warnings(lifecycles: Iterable[TagLifecycle], judge: Judge | None) -> tuple[str, ...]:
    """Return what is wrong with the data, then a warning for each cycle of an entry that has ended, or will soon.

    A cycle that is not in the data is warned about, too; that a whole product is not, once.
    """
    if judge is None:
        return ()
    groups: dict[tuple[str, str, str], list[TagLifecycle]] = {}
    for tag in lifecycles:
        if tag.lifecycle.product not in judge.missing:
            groups.setdefault((tag.entry, tag.lifecycle.product, tag.lifecycle.cycle), []).append(tag)
    told = ((entry, in_words(tags[0].lifecycle), tags) for (entry, *_), tags in groups.items())
    return (*judge.warnings, *(f"{entry}: {said} ({_targets(tags)})" for entry, said, tags in told if said))


def in_words(lifecycle: Lifecycle) -> str:
    """Say that a cycle has ended, when it will, or why that is not known; empty when it goes on."""
    cycle = f"{lifecycle.product} {lifecycle.cycle}"
    match lifecycle.status:
        case LifecycleStatus.ENDED:
            return f"{cycle} ended on {lifecycle.eol}" if lifecycle.eol else f"{cycle} has ended"
        case LifecycleStatus.SOON:
            return f"{cycle} ends on {lifecycle.eol}, {_in_days(lifecycle.days_left or 0)}"
        case LifecycleStatus.UNKNOWN:
            return lifecycle.note
        case LifecycleStatus.OK | LifecycleStatus.UNDATED | LifecycleStatus.UNVERSIONED:
            return ""


def _in_days(days: int) -> str:
    match days:
        case 0:
            return "today"
        case 1:
            return "tomorrow"
        case _:
            return f"in {days} days"


def _targets(tags: Sequence[TagLifecycle]) -> str:
    first, *others = tags
    match len(others):
        case 0:
            return str(first.target)
        case 1:
            return f"{first.target} and 1 other tag"
        case count:
            return f"{first.target} and {count} other tags"
