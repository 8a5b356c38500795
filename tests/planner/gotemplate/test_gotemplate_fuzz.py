"""Whatever the text, parsing and executing end in a text or in a TemplateError."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from transship_planner.gotemplate import (
    Duration,
    Environment,
    Limits,
    Object,
    Template,
    TemplateError,
    configuration_functions,
)


def read_nothing(path: str) -> bytes:
    """Know no file."""
    raise FileNotFoundError(path)


FUNCTIONS = configuration_functions(
    Environment(
        get_variable={"A": "b"}.get, read_file=read_nothing, now=lambda: datetime(2024, 2, 29, 13, 4, 5, tzinfo=UTC)
    )
)
LIMITS = Limits(output_bytes=20_000, steps=2_000)
DATA = {
    "s": "héllo",
    "i": 42,
    "f": -0.5,
    "nil": None,
    "l": ["a", "b"],
    "m": {"a": 1, "c": {"d": [1, None, 2.5, True]}},
    "o": Object("config.Sync", {"Source": "x/y", "Interval": Duration(1_500_000)}),
}
WORDS = [
    *("{{", "}}", "{{- ", " -}}", "{{/*", "*/}}", " ", "\n", "(", ")", "|", ":=", "=", ",", ".", "$", "$x", "text"),
    *(
        "if ",
        "else",
        "else if ",
        "end",
        "range ",
        "with ",
        "break",
        "continue",
        "define ",
        "template ",
        "block ",
        "nil",
    ),
    *("{{end}}", "{{else}}", "{{if .s}}", "{{range .l}}", "{{with .m}}", "{{$x := 1}}", '{{define "t"}}'),
    *(".s", ".i", ".f", ".nil", ".l", ".m", ".m.c.d", ".o", ".o.Interval", ".o.Source", ".none", ".m.a.x"),
    *('"a"', "`b`", "'c'", "1", "-2", "0x1f", "1.5", "1e400", "9223372036854775808", "true", '"t"', '"%d %v %q"'),
    *(
        "printf ",
        "print ",
        "println ",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "call ",
        "html ",
    ),
    *(
        "js ",
        "urlquery ",
        "default ",
        "env ",
        "file ",
        "join ",
        "split ",
        "json ",
        "jsonPretty ",
        "lower ",
        "time.Now ",
    ),
    *('time.Parse "2006-01-02" ', '"2024-02-30"', ".Format ", "trimSpace ", '"%*.*[2]d%"', '"\\xff"', '"%#v"'),
]
ACTIONS = st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: "{{" + " ".join(words) + "}}")
TEMPLATES = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=25).map("".join),
    st.lists(ACTIONS, max_size=3).map("".join),
    st.text().map(lambda text: "{{" + text + "}}"),
)


def run(text: str, data: object) -> str | None:
    """Execute a template; None if it is refused at a place of its text."""
    try:
        return Template.parse(text, functions=FUNCTIONS, limits=LIMITS).execute(data)
    except TemplateError as error:
        lines = text.split("\n")
        pointed_at = lines[error.line - 1][: error.column - 1]
        return None if len(pointed_at) == error.column - 1 else f"error outside of the text: {error}"


@given(TEMPLATES)
def test_any_template_ends_in_text_or_in_a_template_error(text: str) -> None:
    """No template makes the engine fail with anything else, and its result can be encoded."""
    result = run(text, DATA)
    if result is not None:
        assert not result.startswith("error outside of the text")
        assert "{{" not in text or result.encode().decode() == result


@given(st.text(alphabet=st.sampled_from("%#0+- 123.*[]vdsqxXobcUtfgeTp!é\x00"), max_size=30), st.data())
def test_any_format_ends_in_text_or_in_a_template_error(template: str, data: st.DataObject) -> None:
    """Printf writes something for any format and any values."""
    values = data.draw(
        st.lists(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([1, "a"])), max_size=3
        )
    )
    arguments = " ".join(f"(index .v {position})" for position in range(len(values)))
    run(f"{{{{printf .t {arguments}}}}}", {"t": template, "v": values})


@given(st.text(alphabet="0123456789 _-+:.,TZJanMonSTPpm", max_size=25), st.text(max_size=25))
def test_any_layout_ends_in_text_or_in_a_template_error(layout: str, value: str) -> None:
    """Layouts and times of any form are written, read or refused."""
    written = run("{{time.Now.Format .l}}", {"l": layout})
    assert written is not None
    run("{{time.Parse .l .v}}", {"l": layout, "v": written})
    run("{{time.Parse .l .v}}", {"l": layout, "v": value})


@given(st.text())
def test_quoting_and_reading_a_literal_give_the_text_back(text: str) -> None:
    """A text quoted by %q is a literal of that text."""
    literal = run('{{printf "%q" .}}', text)
    plain = run("{{.}}", text)
    assert literal is not None
    if "\ufffd" not in (plain or ""):
        assert run(f"{{{{{literal}}}}}", None) == plain


@given(st.integers(min_value=-(2**62), max_value=2**62), st.sampled_from(["d", "x", "X", "o", "b"]))
def test_integers_are_written_like_pythons(number: int, verb: str) -> None:
    """The plain integer verbs agree with Python's."""
    assert run(f'{{{{printf "%{verb}" .}}}}', number) == format(number, verb)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_written_so_that_they_read_back(number: float) -> None:
    """The shortest form of a float identifies it."""
    assert float(run("{{.}}", number) or "") == number
