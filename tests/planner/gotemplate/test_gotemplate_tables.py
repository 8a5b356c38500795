"""What templates write and refuse: two tables, a row for each rule of the documentation of text/template, fmt, time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from transship_planner.gotemplate import (
    Duration,
    Environment,
    Function,
    Object,
    Parameter,
    Template,
    TemplateError,
    configuration_functions,
)

HERE = Path(__file__).parent
BASIC = {
    "s": "abc",
    "i": 42,
    "n": -7,
    "f": 3.25,
    "big": 1e21,
    "t": True,
    "fa": False,
    "e": "",
    "z": 0,
    "nil": None,
    "l": ["a", "b", "c"],
    "li": [3, 1, 2],
    "lm": [1, "x", None, 2.5, True],
    "el": [],
    "m": {"b": 2, "a": 1, "c": {"d": "deep"}},
    "u": "héllo ☃ 😀",
    "q": "a\"b'c\\d\n<&>",
    "date": "2024-02-29T13:04:05Z",
    "mm": {},
}
SOURCE = "docker.io/library/alpine"


def greet(who: str) -> str:
    """Be a method with an argument."""
    return f"hello {who} from {SOURCE}"


def repeat(text: str, count: int) -> str:
    """Be a field that holds a function."""
    return text * count


STRUCT = Object(
    "config.Root",
    {
        "Sync": Object(
            "config.ConfigSync",
            {
                "Source": SOURCE,
                "Interval": Duration.of(timedelta(seconds=90)),
                "Platforms": ["linux/amd64", "linux/arm64"],
                "Parallel": 2,
                "Fast": True,
            },
            methods={
                "Greet": Function(greet, (Parameter.STRING,)),
                "Name": Function(lambda: f"sync:{SOURCE}"),
            },
        ),
        "F": Function(repeat, (Parameter.STRING, Parameter.INT)),
    },
)


def read_file(path: str) -> bytes:
    """Know one file."""
    if path != "a.txt":
        raise FileNotFoundError(path)
    return b" content\n"


ENVIRONMENT = Environment(
    get_variable={"HOME": "/home/user", "EMPTY": ""}.get,
    read_file=read_file,
    now=lambda: datetime(2024, 2, 29, 13, 4, 5, 678900, tzinfo=UTC),
)
FUNCTIONS = configuration_functions(ENVIRONMENT)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template and what it runs over: the row's data, else one of the two given here."""

    template: str
    given: Literal["basic", "struct"] = "basic"
    data: object = msgspec.UNSET

    def execute(self) -> str:
        """Parse and execute the template."""
        given: object = BASIC if self.given == "basic" else STRUCT
        data = given if self.data is msgspec.UNSET else self.data
        return Template.parse(self.template, functions=FUNCTIONS).execute(data)


class Output(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row of output.yaml."""

    expected: str


class Refusal(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row of errors.yaml."""

    message: str
    line: int
    column: int


OUTPUTS = [
    pytest.param(row, id=f"{topic}: {row.template}")
    for topic, rows in msgspec.yaml.decode((HERE / "output.yaml").read_bytes(), type=dict[str, list[Output]]).items()
    for row in rows
]
REFUSALS = [
    pytest.param(row, id=row.template)
    for row in msgspec.yaml.decode((HERE / "errors.yaml").read_bytes(), type=list[Refusal])
]


@pytest.mark.parametrize("row", OUTPUTS)
def test_template_writes_what_go_writes(row: Output) -> None:
    """A template writes over its data what Go's text/template writes."""
    assert row.execute() == row.expected


@pytest.mark.parametrize("row", REFUSALS)
def test_template_error_says_what_and_where(row: Refusal) -> None:
    """A template that cannot be parsed or executed says why, and where in its text."""
    with pytest.raises(TemplateError) as caught:
        row.execute()
    assert (caught.value.message, caught.value.line, caught.value.column) == (row.message, row.line, row.column)
