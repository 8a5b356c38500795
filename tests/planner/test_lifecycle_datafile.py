"""The file with end-of-life data: read and written, and what is wrong with it said at its place."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.errors import ConfigError
from transship_planner.lifecycle.datafile import data_text, parse_data
from transship_registry.endoflife.cycles import Cycle

EXPECTED = 'expected a date such as "2026-04-01", true or false'
IMGLIFES = """\
alpine:
  - cycle: "3.21"
    eol: "2026-11-01"
    latest: "3.21.3"
    latestReleaseDate: "2025-02-13"
  - cycle: "3.20"
    eol: "2026-04-01"
    latest: "3.20.6"
go: []
"""


def parse(text: str) -> dict[str, tuple[Cycle, ...]]:
    return dict(parse_data(text.encode(), "eol.yaml"))


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_the_file_of_imglife_is_read() -> None:
    """Products with their cycles, in the order of the file."""
    assert parse(IMGLIFES) == {
        "alpine": (
            Cycle("3.21", date(2026, 11, 1), "3.21.3", "2025-02-13"),
            Cycle("3.20", date(2026, 4, 1), "3.20.6"),
        ),
        "go": (),
    }


def test_a_name_is_the_text_that_stands_there() -> None:
    """An unquoted 3.20 is not 3.2, and a date needs no quotes either."""
    assert parse("a: [{cycle: 3.20, eol: 2026-04-01}, {cycle: 3.2, eol: true}, {cycle: 8, eol: False}]") == {
        "a": (Cycle("3.20", date(2026, 4, 1)), Cycle("3.2", True), Cycle("8", False)),
    }


def test_members_that_are_not_used_may_be_anything() -> None:
    """All that endoflife.date tells may stand there; an end that is not set is one that is not there."""
    assert parse("a: [{cycle: '1', eol: null, lts: [x], latest: {b: c}, releaseDate: never}, {cycle: '2'}]") == {
        "a": (Cycle("1"), Cycle("2")),
    }


def test_an_empty_file_has_no_product() -> None:
    """It is no error: the products are what is missing."""
    assert parse("") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[alpine]", ["eol.yaml:1:1: expected a mapping from products to lists of cycles, found a list"]),
        ("alpine", ["eol.yaml:1:1: expected a mapping from products to lists of cycles, found the string 'alpine'"]),
        ("a: {cycle: '1'}", ["eol.yaml:1:4: a: expected a list of cycles, found a mapping"]),
        ("a:", ["eol.yaml:1:3: a: expected a list of cycles, found nothing"]),
        ("a:\n  - '3.20'", ["eol.yaml:2:5: a[0]: expected a mapping, found the string '3.20'"]),
        ("a:\n  - {eol: true}", ["eol.yaml:2:5: a[0] needs the name of its cycle under 'cycle'"]),
        ("a:\n  - {cycle: [1]}", ["eol.yaml:2:13: a[0] needs the name of its cycle under 'cycle'"]),
        ("a:\n  - {cycle: ''}", ["eol.yaml:2:13: a[0] needs the name of its cycle under 'cycle'"]),
        (
            "a:\n  - {cycle: '1', eol: soon}\n  - {cycle: '2', eol: 2026}\n  - {cycle: '3', eol: [x]}",
            [
                f"eol.yaml:2:23: a[0].eol: {EXPECTED}, found the string 'soon'",
                f"eol.yaml:3:23: a[1].eol: {EXPECTED}, found the number 2026",
                f"eol.yaml:4:23: a[2].eol: {EXPECTED}, found a list",
            ],
        ),
        (
            "a:\n  - {cycle: '1', eol: 'false'}",
            [f"eol.yaml:2:23: a[0].eol: {EXPECTED}, found the string 'false'"],
        ),
        ("a: [{cycle: '1', eol: 2026-02-30}]", ["eol.yaml:1:23: a[0].eol: there is no day '2026-02-30'"]),
        (
            "a:\n  - cycle: '1'\n  - cycle: 1\n",
            ["eol.yaml:3:5: a[1]: the cycle '1' is on line 2, too; keep one"],
        ),
        ("a: []\na: []", ["eol.yaml:2:1: the key 'a' is given twice; it already stands on line 1"]),
        (
            "a: [",
            [
                "eol.yaml:2:1: this is no YAML: did not find expected node content while parsing a flow node; "
                "a value is missing here, or a bracket is not closed"
            ],
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, expected: list[str]) -> None:
    """All of it at once, with file, line and column."""
    assert errors(text) == expected


def test_a_written_file_reads_well() -> None:
    """Products in order, everything that is a text in quotes, and no time, so that equal data is an equal file."""
    cycles = (Cycle("3.20", date(2026, 4, 1), "3.20.6", "2025-02-13"), Cycle("3.2", True), Cycle("4", False))
    assert data_text({"go": (), "alpine": cycles, "no": (Cycle("1"),)}, origin="https://eol.example.org") == (
        "# End-of-life data from https://eol.example.org, written by `transship eol update`.\n"
        "alpine:\n"
        '  - cycle: "3.20"\n'
        '    eol: "2026-04-01"\n'
        '    latest: "3.20.6"\n'
        '    latestReleaseDate: "2025-02-13"\n'
        '  - cycle: "3.2"\n'
        "    eol: true\n"
        '  - cycle: "4"\n'
        "    eol: false\n"
        "go: []\n"
        '"no":\n'
        '  - cycle: "1"\n'
        "    eol: false\n"
    )


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
CYCLES = st.builds(Cycle, TEXTS.filter(bool), st.dates() | st.booleans(), TEXTS, TEXTS)


@given(st.dictionaries(TEXTS, st.lists(CYCLES, max_size=4, unique_by=lambda cycle: cycle.name).map(tuple), max_size=4))
def test_what_is_written_is_read(products: dict[str, tuple[Cycle, ...]]) -> None:
    """Whatever the API may tell survives the file."""
    assert parse(data_text(products, origin="https://endoflife.date")) == products
