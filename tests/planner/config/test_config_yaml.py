"""YAML as it is read: places, scalars' meanings, and files that must not be read on."""

import math

import pytest

from transship_planner.config.problems import Problems
from transship_planner.config.scalars import Scalar, go_text, resolve
from transship_planner.config.yamltree import (
    DEPTH_LIMIT,
    VALUE_LIMIT,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    parse_yaml,
)
from transship_planner.errors import ConfigError, Finding
from transship_registry.limits import CONFIG_LIMIT


def parse(data: bytes) -> Node | None:
    problems = Problems()
    root = parse_yaml(data, "c.yaml", problems)
    problems.check()
    return root


def values(node: Node | None) -> object:
    """Return a tree as plain data; scalars keep their text."""
    match node:
        case MapNode():
            return {member.key: values(member.value) for member in node.members}
        case ListNode():
            return [values(item) for item in node.items]
        case ScalarNode():
            return node.text
        case None:
            return None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("089", "089"),
        ("0b2", "0b2"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", "18446744073709551616"),
        ("9" * 5000, "9" * 5000),
        ("3.10", 3.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5e3", -1500.0),
        ("1e3", "1e3"),
        ("1.0e999", "1.0e999"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1.2.3", "1.2.3"),
        ("3.21-alpine", "3.21-alpine"),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("-", "-"),
        ("_1", "_1"),
        ("٣", "٣"),
    ],
)
def test_plain_scalar_means_what_the_tools_take_it_for(text: str, meaning: Scalar) -> None:
    """A plain scalar means what goccy/go-yaml makes of it (semantics B3.4-6)."""
    found = resolve(text)
    assert (type(found), found) == (type(meaning), meaning)


def test_nan_is_a_number() -> None:
    """`.nan` is the float that is not equal to itself."""
    found = resolve(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (3.1, "3.1"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.5, "-0.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_number_as_text_is_what_go_prints(value: float, text: str) -> None:
    """A number that stands for text becomes what Go's fmt.Sprint prints."""
    assert go_text(value) == text


def test_nodes_know_their_places() -> None:
    """Lines and columns count from 1, and columns count characters."""
    root = parse("a:\n  - x\n  - 'é': [😀, y]\n".encode())
    assert isinstance(root, MapNode)
    items = root.members[0].value
    assert isinstance(items, ListNode)
    inner = items.items[1]
    assert isinstance(inner, MapNode)
    flow = inner.members[0].value
    assert isinstance(flow, ListNode)
    assert [str(place) for place in (root.mark, items.items[0].mark, inner.members[0].mark, flow.items[1].mark)] == [
        "c.yaml:1:1",
        "c.yaml:2:5",
        "c.yaml:3:5",
        "c.yaml:3:14",
    ]


TREES: list[tuple[bytes, object]] = [
    (b"", None),
    (b"# only a comment\n", None),
    (b"\xef\xbb\xbfa: 1\n", {"a": "1"}),
    (b"a: 1\r\nb: 2\r\n", {"a": "1", "b": "2"}),
    (b"---\na: 1\n...\n", {"a": "1"}),
    (b"%YAML 1.2\n---\na: 1\n", {"a": "1"}),
    (b'{"a": ["b", {}]}', {"a": ["b", {}]}),
    (b"a: |\n  x\n  y\n", {"a": "x\ny\n"}),
    (b"? a\n: 1\n", {"a": "1"}),
    (b"- &x {a: 1}\n- *x\n", [{"a": "1"}, {"a": "1"}]),
    (b"- &x {a: 1, b: 1}\n- {<<: *x, b: 2}\n", [{"a": "1", "b": "1"}, {"b": "2", "a": "1"}]),
    (b"- &x {a: 1}\n- &y {<<: *x, b: 1}\n- {<<: *y}\n", [{"a": "1"}, {"b": "1", "a": "1"}, {"b": "1", "a": "1"}]),
    (b"- &x a\n- &x b\n- *x\n", ["a", "b", "b"]),
    (b"'<<': 1\n", {"<<": "1"}),
    (b"a: !!str 1\n", {"a": "1"}),
    (b"a: !!int '1'\n", {"a": "1"}),
]


@pytest.mark.parametrize(("data", "expected"), TREES)
def test_tree_holds_what_is_written(data: bytes, expected: object) -> None:
    """Documents of all styles, anchors and merges become the tree they describe."""
    assert values(parse(data)) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "sync: []\n".encode("utf-16"),
            "c.yaml:1:1: the file is UTF-16; save it as UTF-8",
        ),
        (
            "sync:\n  # größe\n".encode("latin-1"),
            "c.yaml:2:7: byte 0xf6 is not UTF-8; save the file as UTF-8",
        ),
        (
            b"sync: []\r\nx-a: '\x07'\n",
            "c.yaml:2:7: character U+0007 is not allowed in YAML; write it as an escape in double quotes",
        ),
        (
            b"#" * (CONFIG_LIMIT + 1),
            "c.yaml:1:1: the file is larger than 16 MiB and is not read",
        ),
        (
            b"x-a: [" + b"a," * VALUE_LIMIT + b"]\n",
            f"c.yaml:1:{6 + 1 + 2 * (VALUE_LIMIT - 3)}: "
            "the document has more than 1,000,000 values once its aliases are expanded",
        ),
    ],
    ids=["utf-16", "latin-1", "control character", "size", "values"],
)
def test_unreadable_file_is_refused_in_one_line(data: bytes, message: str) -> None:
    """A file that is no YAML text, or too much of it, is refused with one error at its place."""
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert str(caught.value) == message


DEPTHS = [DEPTH_LIMIT + 1, 1_001, 5_000_000]
"""Just above our limit, just above that of newer versions of libyaml, and what would take a parser long."""


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("opening", "closing", "column"),
    [
        ("[", "]", 101),
        ("[", "", 101),
        ("{a: ", "}", 401),
        ("{a: ", "", 401),
        ("[{a: ", "}]", 251),
        ("- ", "", 201),
        ("? ", "", 201),
    ],
    ids=["lists", "open lists", "mappings", "open mappings", "both", "block lists", "block keys"],
)
def test_nesting_beyond_the_limit_is_refused_in_one_line(opening: str, closing: str, column: int, depth: int) -> None:
    """What nests too deeply is refused where it exceeds our limit, whatever limit the YAML library has."""
    text = (opening * depth + closing * depth)[:CONFIG_LIMIT]
    with pytest.raises(ConfigError) as caught:
        parse(text.encode())
    assert str(caught.value) == f"c.yaml:1:{column}: nested more than 100 levels deep"


def test_nesting_up_to_the_limit_is_read() -> None:
    """A hundred levels are read."""
    text = "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT
    assert str(values(parse(text.encode()))) == text


def test_syntax_error_before_the_limit_comes_first() -> None:
    """What is wrong before it nests too deeply is told, and not the nesting."""
    with pytest.raises(ConfigError) as caught:
        parse(b"a: ]\nb: " + b"[" * 5_000)
    assert str(caught.value).startswith("c.yaml:1:4: this is no YAML: ")


def test_every_character_is_read_or_refused_at_its_place() -> None:
    """At the bounds of what YAML allows, no character slips through to a parser that cannot say where it stands."""
    bounds = (0, 9, 0x1F, 0x7F, 0x85, 0x86, 0x9F, 0xA0, 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10FFFF)
    refused: list[int] = []
    for code in bounds:
        try:
            parse(f"a: 'x{chr(code)}x'\n".encode())
        except ConfigError as error:
            refused.append(code)
            shown = f"c.yaml:1:6: character U+{code:04X} is not allowed in YAML; write it as an escape in double quotes"
            if str(error) != shown:
                raise
    assert refused == [0, 0x1F, 0x7F, 0x86, 0x9F, 0xFFFE, 0xFFFF]


def test_merges_count_against_the_limit() -> None:
    """Mappings that are merged again and again cannot grow without bound."""
    base = ", ".join(f"k{number}: 1" for number in range(1000))
    merged = "".join("- <<: *base\n" for _ in range(2000))
    with pytest.raises(ConfigError) as caught:
        parse(f"- &base {{{base}}}\n{merged}".encode())
    assert [finding.message for finding in caught.value.findings] == [
        "the document has more than 1,000,000 values once its aliases are expanded"
    ]


def test_nodes_do_not_show_their_text() -> None:
    """A node's repr, which a traceback may print, does not give away a password."""
    assert "hunter2" not in repr(parse(b"pass: hunter2\n"))


def test_findings_so_far_come_with_what_stops_the_reading() -> None:
    """A document that cannot be read to its end also gives the errors found before."""
    with pytest.raises(ConfigError) as caught:
        parse(b"- {a: 1, a: 2}\n- *b\n")
    assert [finding.message for finding in caught.value.findings] == [
        "the key 'a' is given twice; it already stands on line 1",
        "this alias has no anchor before it; put a text that begins with * in quotes",
    ]
    assert all(isinstance(finding, Finding) for finding in caught.value.findings)
