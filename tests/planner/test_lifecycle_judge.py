"""Which cycle a tag belongs to, how that stands on a day, and what follows for its changes."""

from dataclasses import replace
from datetime import date

import pytest

from support import wishes
from transship_planner.desired import LifecycleRule, OnEol
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.mirrored import in_words, lifecycle_warnings, mirrored_lifecycles
from transship_planner.lifecycle.policy import eol_policy
from transship_planner.lifecycle.tagcycle import cycle_of, version_of
from transship_planner.observation.observed import Restraint, Sighting, Wish
from transship_planner.plans.plan import Action, Lifecycle, LifecycleStatus
from transship_planner.render.lifecycles import lifecycle_table
from transship_registry.endoflife.cycles import Cycle, ProductCycles
from transship_registry.reference import Reference

TODAY = date(2026, 1, 1)


def wish(
    tag: str, product: str = "alpine", track: str = "minor", *, target: str = "", on_eol: OnEol = OnEol.WARN
) -> Wish:
    """Wish for a tag of an entry with a lifecycle."""
    source, goal = f"src.io/app:{tag}", f"dst.io/app:{target or tag}"
    rule = LifecycleRule(product=product, track=track, on_eol=on_eol)
    entry = replace(wishes.image(source, goal), lifecycle=rule)
    return Wish(entry, Reference.parse(source), Reference.parse(goal))


def judge(*cycles: Cycle, product: str = "alpine", critical_days: int = 30) -> Judge:
    """Judge by these cycles of one product."""
    return Judge(TODAY, critical_days, known={product: ProductCycles(cycles)})


@pytest.mark.parametrize(
    ("tag", "track", "cycle"),
    [
        ("3.21.3", "minor", "3.21"),
        ("22.04", "major", "22"),
        ("22.04", "minor", "22.04"),
        ("3.20.6", "minor", "3.20"),
        ("1.22.3-alpine3.21", "minor", "1.22"),
        ("1.22.3-alpine3.21", "major", "1"),
        ("v1.30.2", "minor", "1.30"),
        ("3.12-slim-bookworm", "minor", "3.12"),
        ("22-bookworm", "major", "22"),
        ("22", "minor", "22"),
        ("10.0.17763.2114", "minor", "10.0"),
        ("3.14.0b3-slim", "minor", "3.14"),
        ("1.23rc1-alpine3.20", "minor", "1.23"),
        ("17beta1", "major", "17"),
        ("1.2.3_build7", "minor", "1.2"),
        ("20240601", "major", "20240601"),
        ("latest", "minor", ""),
        ("alpine3.21", "minor", ""),
        ("version-1.22", "minor", ""),
        ("1abc2de", "major", ""),
        ("1.22.x", "minor", ""),
    ],
)
def test_the_cycle_of_a_tag(tag: str, track: str, cycle: str) -> None:
    """Only the leading version counts, as it is written (A8)."""
    assert cycle_of(version_of(tag), track) == cycle


def test_entries_that_say_the_same_of_a_tag_are_one_line() -> None:
    """Of the first of them, whatever the order in which they were looked at; another product is a line of its own."""
    entries = (wish("3.20"), wish("3.20"), wish("3.20", "debian"))
    named = wishes.desired(*(each.entry for each in entries)).entries
    wanted = [replace(each, entry=entry) for each, entry in zip(entries, named, strict=True)]
    for order in (wanted, wanted[::-1]):
        found = mirrored_lifecycles(order, judge(Cycle("3.20", date(2026, 4, 1))))
        assert [(tag.entry, tag.lifecycle.product) for tag in found] == [("sync[0]", "alpine"), ("sync[2]", "debian")]


@pytest.mark.parametrize(
    ("eol", "critical_days", "status", "days_left"),
    [
        (date(2025, 12, 31), 30, LifecycleStatus.ENDED, -1),
        (date(2026, 1, 1), 30, LifecycleStatus.SOON, 0),
        (date(2026, 1, 30), 30, LifecycleStatus.SOON, 29),
        (date(2026, 1, 31), 30, LifecycleStatus.OK, 30),
        (date(2026, 1, 1), 1, LifecycleStatus.SOON, 0),
        (date(2026, 1, 1), 0, LifecycleStatus.OK, 0),
        (date(9999, 12, 31), 999999, LifecycleStatus.OK, 2912442),
        (True, 30, LifecycleStatus.ENDED, None),
        (False, 30, LifecycleStatus.UNDATED, None),
    ],
)
def test_how_a_cycle_stands(
    eol: date | bool, critical_days: int, status: LifecycleStatus, days_left: int | None
) -> None:
    """On its last day a cycle lives; it ends soon when less than the critical number of days are left."""
    found = judge(Cycle("3.20", eol), critical_days=critical_days).of(wish("3.20.1"))
    shown = eol.isoformat() if isinstance(eol, date) else ""
    assert found == Lifecycle(product="alpine", cycle="3.20", status=status, eol=shown, days_left=days_left)


@pytest.mark.parametrize(
    ("tag", "track", "names", "note"),
    [
        ("22.04", "major", ["24.04", "22.04"], "ubuntu has no cycle '22', but '22.04': write track: minor"),
        ("12.5", "minor", ["13", "12"], "ubuntu has no cycle '12.5', but '12': write track: major"),
        ("22", "minor", ["24.04", "22.10", "22.04"], "ubuntu has no cycle '22', but '22.10', '22.04'"),
        ("3", "minor", ["3.4", "3.3", "3.2", "3.1"], "ubuntu has no cycle '3', but '3.4', '3.3', '3.2', …"),
        ("3.20.1", "minor", ["3.2", "3.200"], "ubuntu has no cycle '3.20'"),
        ("1.2", "minor", [], "ubuntu has no cycle '1.2'"),
    ],
)
def test_a_cycle_that_is_not_known(tag: str, track: str, names: list[str], note: str) -> None:
    """A cycle must be equal to a known one to the letter; when `track` is likely to be wrong, the note says so."""
    known = judge(*map(Cycle, names), product="ubuntu")
    cycle = cycle_of(version_of(tag), track)
    expected = Lifecycle(product="ubuntu", cycle=cycle, status=LifecycleStatus.UNKNOWN, note=note)
    assert known.of(wish(tag, "ubuntu", track)) == expected


def test_the_target_tag_names_the_version_where_the_source_tag_has_none() -> None:
    """`os_normalize` puts the version in front; a tag without any belongs to no cycle, and an entry may have none."""
    known = judge(Cycle("1.22", True))
    renamed = known.of(wish("alpine3.21", target="1.22-alpine3.21"))
    assert renamed is not None
    assert (renamed.cycle, renamed.status) == ("1.22", LifecycleStatus.ENDED)
    assert known.of(wish("latest")) == Lifecycle(product="alpine", status=LifecycleStatus.UNVERSIONED)
    plain = wish("1.22")
    assert known.of(replace(plain, entry=replace(plain.entry, lifecycle=None))) is None


def test_a_source_that_is_a_digest_has_the_version_of_its_target() -> None:
    """A digest begins with no version, whatever its digits."""
    digest = f"sha256:{'1' * 64}"
    pinned = replace(wish("1.22"), source=Reference.parse(f"src.io/app@{digest}"))
    found = judge(Cycle("1.22")).of(pinned)
    assert found is not None
    assert found.cycle == "1.22"


@pytest.mark.parametrize(
    ("eol", "words"),
    [
        (date(2025, 5, 9), "alpine 3.20 ended on 2025-05-09"),
        (True, "alpine 3.20 has ended"),
        (date(2026, 1, 1), "alpine 3.20 ends on 2026-01-01, today"),
        (date(2026, 1, 2), "alpine 3.20 ends on 2026-01-02, tomorrow"),
        (date(2026, 1, 3), "alpine 3.20 ends on 2026-01-03, in 2 days"),
        (date(2027, 1, 1), ""),
        (False, ""),
    ],
)
def test_an_end_in_words(eol: date | bool, words: str) -> None:
    """What goes on is not talked about."""
    found = judge(Cycle("3.20", eol)).of(wish("3.20.1"))
    assert found is not None
    assert in_words(found) == words


def test_warnings_tell_of_each_cycle_once() -> None:
    """All tags of a cycle are one warning; what is wrong with the data comes first, each product once."""
    known = Judge(
        TODAY,
        30,
        known={"alpine": ProductCycles((Cycle("3.20", True), Cycle("3.21", True), Cycle("3.22")), "it is old")},
        missing={"busybox": "nobody answers"},
    )
    wanted = [wish(tag) for tag in ("3.20.3", "3.20.1", "3.20.2", "3.21.1", "3.21.0", "3.22.0", "3.9.1", "latest")]
    tags = mirrored_lifecycles((*wanted, wish("1.36", "busybox"), wish("1.37", "busybox")), known)
    assert [str(tag.target) for tag in tags] == sorted(str(tag.target) for tag in tags)
    assert lifecycle_warnings(tags, known) == (
        "end-of-life data of busybox is not known: nobody answers",
        "end-of-life data of alpine: it is old",
        "sync[0]: alpine 3.20 has ended (dst.io/app:3.20.1 and 2 other tags)",
        "sync[0]: alpine 3.21 has ended (dst.io/app:3.21.0 and 1 other tag)",
        "sync[0]: alpine has no cycle '3.9' (dst.io/app:3.9.1)",
    )
    assert mirrored_lifecycles(wanted, None) == ()
    assert lifecycle_warnings((), None) == ()


def test_a_table_shows_cycles_as_they_are_written() -> None:
    """3.20 is not 3.2, and what is not known is a dash."""
    known = judge(Cycle("3.20", date(2026, 1, 31)))
    tags = mirrored_lifecycles([wish("3.20.1"), wish("latest")], known)
    assert lifecycle_table(tags) == [
        "target             product    cycle    EOL date      days left  status",
        "-----------------  ---------  -------  ----------  -----------  --------",
        "dst.io/app:3.20.1  alpine     3.20     2026-01-31           30  ok",
        "dst.io/app:latest  alpine     -        -                     -  no cycle",
    ]
    assert "| `dst.io/app:3.20.1` | alpine    | 3.20    |" in "\n".join(lifecycle_table(tags, markdown=True))


@pytest.mark.parametrize(
    ("tag", "hold", "block"),
    [
        (
            "3.18.1",
            (Action.HELD, "alpine 3.18 ended on 2025-05-09"),
            (Action.BLOCKED, "alpine 3.18 ended on 2025-05-09"),
        ),
        ("3.17.1", (Action.HELD, "alpine 3.17 has ended"), (Action.BLOCKED, "alpine 3.17 has ended")),
        ("3.20.1", None, None),
        ("3.21.1", None, None),
        ("3.22.1", None, None),
        ("latest", None, None),
        ("3.9.1", (Action.HELD, "alpine has no cycle '3.9'"), (Action.HELD, "alpine has no cycle '3.9'")),
    ],
)
def test_what_is_restrained(tag: str, hold: tuple[Action, str] | None, block: tuple[Action, str] | None) -> None:
    """What has ended is held or blocked, what cannot be told is held, and a warning restrains nothing."""
    policy = eol_policy(
        judge(
            Cycle("3.17", True),
            Cycle("3.18", date(2025, 5, 9)),
            Cycle("3.20", date(2026, 1, 2)),
            Cycle("3.21", date(2027, 1, 2)),
            Cycle("3.22", False),
        )
    )
    for on_eol, expected in ((OnEol.WARN, None), (OnEol.HOLD, hold), (OnEol.BLOCK, block)):
        restraint = policy(Sighting(wish(tag, on_eol=on_eol), None, None, None))
        wanted = Restraint(expected[0], f"{expected[1]} (on_eol: {on_eol.value})") if expected else None
        assert restraint == wanted


@pytest.mark.parametrize("on_eol", [OnEol.HOLD, OnEol.BLOCK])
def test_a_product_of_which_nothing_is_known_is_held(on_eol: OnEol) -> None:
    """Data that comes back lets the change go; it is not refused, since nobody knows that it has ended."""
    policy = eol_policy(Judge(TODAY, 30, missing={"alpine": "nobody answers"}))
    reason = f"end-of-life data of alpine is not known (on_eol: {on_eol.value})"
    assert policy(Sighting(wish("3.20", on_eol=on_eol), None, None, None)) == Restraint(Action.HELD, reason)


def test_an_entry_without_lifecycle_is_not_restrained() -> None:
    """Nothing is known of it, and nothing asked."""
    policy = eol_policy(judge())
    plain = wish("3.20")
    assert policy(Sighting(replace(plain, entry=replace(plain.entry, lifecycle=None)), None, None, None)) is None
