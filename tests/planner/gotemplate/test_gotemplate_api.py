"""What the engine offers its callers: objects, functions, the environment, limits."""

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from transship_planner.gotemplate import (
    Duration,
    Environment,
    Function,
    FunctionError,
    Limits,
    Month,
    Object,
    Parameter,
    Template,
    TemplateError,
    Time,
    Weekday,
    configuration_functions,
)


def message_of(template: str, data: object = None, limits: Limits | None = None) -> str:
    """Return the message with which a template fails."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(template, limits=limits or Limits()).execute(data)
    return caught.value.message


def test_text_without_actions_is_returned_as_it_is() -> None:
    """Text without an action is not touched, not even when Go would replace broken characters."""
    text = "registry:5000/team }} \ud800"
    assert Template.parse(text).execute() is text


def test_a_template_runs_any_number_of_times() -> None:
    """A parsed template keeps nothing of an execution."""
    template = Template.parse("{{$x := .}}{{range 2}}{{$x}}{{$x = 0}}{{end}}")
    assert [template.execute(1), template.execute(2)] == ["10", "20"]


def test_pointer_prints_as_go_prints_it() -> None:
    """An action follows a pointer to a struct; print shows that it is one."""
    data = {"P": Object("*config.Sync", {"A": 1, "B": "x"})}
    template = Template.parse('{{.P}} {{print .P}} {{printf "%+v %#v %T" .P .P .P}} {{.P.A}}')
    assert template.execute(data) == '{1 x} &{1 x} &{A:1 B:x} &config.Sync{A:1, B:"x"} *config.Sync 1'


def test_object_says_itself_how_it_prints() -> None:
    """The text of an object is what String returns, `pretty` what printPretty shows, json_names its keys."""
    ref = Object("ref.Ref", {"Tag": "v1"}, text="app:v1", pretty="Tag: v1\n", json_names={"Tag": "tag"})
    template = Template.parse("{{.}} {{print .}} {{printPretty .}}{{json .}}{{.Tag}}")
    assert template.execute(ref) == 'app:v1 app:v1 Tag: v1\n{"tag":"v1"}\nv1'


def test_zero_struct_is_replaced_by_default() -> None:
    """A struct whose fields are all zero counts as zero for `default`, a pointer never does."""
    template = Template.parse('{{default "none" .}}')
    assert template.execute(Object("T", {"A": "", "B": 0})) == "none"
    assert template.execute(Object("T", {"A": "", "B": 1})) == "{ 1}"
    assert template.execute(Object("*T", {"A": ""})) == "{}"


def test_structs_compare_by_their_fields() -> None:
    """Structs of one type are equal when their fields are; those of two types are not."""
    data = {"a": Object("T", {"A": 1}), "b": Object("T", {"A": 1}), "c": Object("T", {"A": 2}), "d": Object("U", {})}
    assert Template.parse("{{eq .a .b}} {{eq .a .c}} {{eq .a .d}} {{ne .a nil}}").execute(data) == (
        "true false false true"
    )


def test_own_functions_are_called_with_checked_arguments() -> None:
    """A function of the caller's gets what its parameters say, and refuses by FunctionError."""

    def repeat(text: str, count: int) -> str:
        if count < 0:
            raise FunctionError("count is negative")
        return text * count

    functions = {"repeat": Function(repeat, (Parameter.STRING, Parameter.INT))}
    assert Template.parse('{{repeat "ab" 2}}', functions=functions).execute() == "abab"
    with pytest.raises(TemplateError) as caught:
        Template.parse('{{repeat "ab" -2}}', functions=functions).execute()
    assert caught.value.message == "error calling repeat: count is negative"


def test_given_functions_stand_for_regsyncs() -> None:
    """Functions that are given replace regsync's, while Go's built-ins stay."""
    assert Template.parse("{{len .}}", functions={}).execute("abc") == "3"
    with pytest.raises(TemplateError) as caught:
        Template.parse('{{env "HOME"}}', functions={})
    assert caught.value.message == 'function "env" not defined'


def test_variadic_function_takes_any_number_of_arguments() -> None:
    """The last parameter of a variadic function stands for any number of arguments, none included."""
    functions = {"all": Function(lambda *texts: "+".join(texts), rest=Parameter.STRING)}
    assert Template.parse('{{all}}|{{all "a" "b"}}|{{"c" | all "a"}}', functions=functions).execute() == "|a+b|a+c"


def test_duration_literal_becomes_a_duration() -> None:
    """A number given for a duration arrives as one."""

    def wait(duration: Duration) -> Duration:
        return duration

    functions = {"wait": Function(wait, (Parameter.DURATION,))}
    assert Template.parse("{{wait 90000000000}}", functions=functions).execute() == "1m30s"


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=1), "1µs"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=1), "1h0m0s"),
        (timedelta(days=2, milliseconds=-1), "47h59m59.999s"),
        (timedelta(seconds=-5), "-5s"),
    ],
)
def test_durations_print_like_gos(delta: timedelta, expected: str) -> None:
    """A duration prints in hours, minutes and seconds, a small one in its unit."""
    assert Template.parse("{{.}}").execute(Duration.of(delta)) == expected


def test_month_and_weekday_print_their_names() -> None:
    """A month and a weekday are numbers that print as names."""
    template = Template.parse('{{.m}} {{.w}} {{.m.String}} {{.w.String}} {{printf "%d %d %T" .m .w .w}}')
    assert template.execute({"m": Month(2), "w": Weekday(0)}) == "February Sunday February Sunday 2 0 time.Weekday"


def test_time_keeps_the_zone_of_a_datetime() -> None:
    """A datetime with a zone prints with offset and name."""
    moment = datetime(2024, 2, 29, 13, 4, 5, tzinfo=timezone(timedelta(hours=2), "CEST"))
    assert Template.parse("{{.}} | {{.UTC}}").execute(Time.of(moment)) == (
        "2024-02-29 13:04:05 +0200 CEST | 2024-02-29 11:04:05 +0000 UTC"
    )


@pytest.mark.parametrize(("value", "expected"), [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")])
def test_special_floats(value: float, expected: str) -> None:
    """Infinities and NaN print as in Go, are padded with spaces, and have no JSON."""
    template = Template.parse('{{.}} {{printf "%06.1f|%+v" . .}}|{{json .}}')
    assert template.execute(value) == f"{expected} {expected:>6}|{expected}|"


def test_real_environment_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an environment of the caller's, variables, files and the clock are the machine's."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"  pa\xffss\n")
    monkeypatch.setenv("TRANSSHIP_TEST", "value")
    template = Template.parse('{{env "TRANSSHIP_TEST"}} {{file .}} {{if gt time.Now.Year 2023}}now{{end}}')
    assert template.execute(str(secret)) == "value pa\ufffdss now"


@pytest.mark.parametrize("path", ["", "missing", ".", "nul\0byte"])
def test_unreadable_file_counts_as_empty(path: str) -> None:
    """A file that cannot be read is the empty string and no error."""
    assert Template.parse("<{{file .}}>").execute(path) == "<>"


def test_file_too_large_is_refused(tmp_path: Path) -> None:
    """A file beyond the limit is refused, not cut."""
    large = tmp_path / "large"
    large.write_bytes(b"x" * (1 << 20) + b"y")
    assert message_of("{{file .}}", str(large)) == "error calling file: result is longer than 1048576 bytes"


def test_variable_that_cannot_exist_counts_as_empty() -> None:
    """A name that the operating system refuses names no variable."""

    def refuse(name: str) -> str | None:
        raise ValueError(name)

    functions = configuration_functions(Environment(get_variable=refuse))
    assert Template.parse('<{{env "a"}}>', functions=functions).execute() == "<>"


def test_clock_is_asked_on_every_call() -> None:
    """time.Now reads the injected clock."""
    moments = iter([datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)])
    functions = configuration_functions(Environment(now=lambda: next(moments)))
    assert Template.parse("{{time.Now.Year}} {{time.Now.Year}}", functions=functions).execute() == "2024 2025"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{" + "(" * 61 + "1" + ")" * 61 + "}}", "nested more than 60 levels deep"),
        ("{{if true}}" * 61 + "{{end}}" * 61, "nested more than 60 levels deep"),
        ('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', "nested more than 60 levels deep"),
        ("{{range 1000000000000}}{{end}}", "takes more than 100000 steps"),
        (
            '{{define "a"}}{{if lt (len .) 25}}{{template "a" (print . "x")}}{{template "a" (print . "x")}}{{end}}'
            '{{end}}{{template "a" ""}}',
            "takes more than 100000 steps",
        ),
        (
            '{{$x := printf "%600000d" 1}}{{print $x $x}}',
            "error calling print: result is longer than 1048576 bytes",
        ),
        (
            '{{printf "%1000000d%1000000d" 1 1}}',
            "error calling printf: result is longer than 1048576 bytes",
        ),
        ('{{range 2000}}{{printf "%1000d" 1}}{{end}}', "output is longer than 1048576 bytes"),
        (
            '{{$x := printf "%1000000d" 1}}{{range 1000}}{{len (lower $x)}}{{end}}',
            "takes more than 100000 steps",
        ),
    ],
)
def test_limits_stop_a_template(template: str, message: str) -> None:
    """What would take too much depth, time or memory is an error."""
    assert message_of(template) == message


@pytest.mark.parametrize("template", ["{{.}}", "{{print .}}", "{{json .}}"])
def test_deep_data_is_an_error(template: str) -> None:
    """Data nested beyond the limit is refused when it is printed."""
    data: list[object] = []
    for _ in range(200):
        data = [data]
    assert message_of(template, data).endswith("value is nested more than 60 levels deep")


def test_limits_can_be_set() -> None:
    """The caller's limits hold for output and for steps."""
    assert message_of("{{.}}", "four", Limits(output_bytes=3)) == "output is longer than 3 bytes"
    assert message_of("{{range 4}}{{end}}", None, Limits(steps=3)) == "takes more than 3 steps"


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    """Halves of a character that meet become whole; a lone half prints as U+FFFD."""
    template = Template.parse("{{slice . 0 1}}{{slice . 1}}|{{slice . 1}}")
    assert template.execute("é") == "é|\ufffd"


def test_lone_surrogates_of_a_text_become_replacement_characters() -> None:
    """What no Go string can hold is replaced when the template is parsed."""
    assert Template.parse('\ud800{{"\ud800"}}').execute() == "\ufffd\ufffd"


def test_maps_with_other_keys() -> None:
    """Maps with numbers as keys are indexed and ranged over by number."""
    template = Template.parse('{{index . 2}} {{range $k, $v := .}}{{$k}}{{$v}}{{end}} {{printf "%T" .}}')
    assert template.execute({10: "b", 2: "a"}) == "a 2a10b map[int]interface {}"


def test_maps_with_mixed_keys_are_sorted_by_kind() -> None:
    """Keys of several types are ordered nil, numbers, strings."""
    data = {"b": 1, 2: 2, None: 3}
    assert Template.parse('{{.}} {{printf "%T" .}} {{.b}} {{index . "b"}}').execute(data) == (
        "map[<nil>:3 2:2 b:1] map[interface {}]interface {} 1 1"
    )


@pytest.mark.parametrize("template", ["{{.}}", "{{range .}}{{end}}"])
def test_maps_with_other_keys_are_refused(template: str) -> None:
    """A map whose keys no Go template could order is an error."""
    assert message_of(template, {(1,): 1}).endswith("a map with keys of Python type tuple has no counterpart in Go")


def test_lists_are_no_keys() -> None:
    """A map is not indexed by a list or a boolean."""
    data: dict[str, object] = {"m": {"a": 1, 2: 2}, "l": [1]}
    assert message_of("{{index .m .l}}", data) == "error calling index: can't use a value of type []int as a key"


@pytest.mark.parametrize("value", [[Function(len)], {1.5: 1}, {True: 1}, {"k": math.inf}])
def test_what_json_cannot_hold_is_empty(value: object) -> None:
    """As in regclient, JSON of a value that has none is the empty text."""
    assert Template.parse("<{{json .}}>").execute(value) == "<>"


def test_json_of_numbers_as_keys() -> None:
    """Integers as keys become strings, in the order of strings."""
    assert Template.parse("{{json .}}").execute({10: "b", 9: "a"}) == '{"10":"b","9":"a"}\n'


def test_functions_in_data_print_as_their_type() -> None:
    """A function inside of data prints as its type, where Go prints an address."""
    data = [Function(print, (Parameter.STRING,), rest=Parameter.ANY)]
    assert Template.parse('{{.}} {{printf "%d" .}}').execute(data) == (
        "[func(string, ...interface {})] [%!d(func(string, ...interface {}))]"
    )


def test_call_counts_the_arguments_of_variadic_functions() -> None:
    """Too few arguments for a variadic function are refused before it runs."""
    data = Function(print, (Parameter.STRING,), rest=Parameter.ANY)
    assert message_of("{{call .}}", data) == "error calling call: wrong number of args: want at least 1 got 0"


def test_dates_beyond_reason_are_refused() -> None:
    """A date a million years away is an error."""
    assert message_of("{{time.Now.AddDate 9000000 0 0}}") == "error calling AddDate: date is out of range"


def test_operations_on_nil_elements() -> None:
    """A nil inside a list has no elements."""
    assert message_of("{{index . 0 0}}", [None]) == "error calling index: index of nil pointer"


def test_bytes_have_no_fields() -> None:
    """The byte of a string is a number without fields."""
    assert message_of("{{(index . 0).Field}}", "abc") == "can't evaluate field Field in type uint8"


def test_field_of_unknown_python_value() -> None:
    """A field of a value that stands for no Go type is refused with the Python type's name."""
    assert message_of("{{.a}}", {1, 2}) == "a Python set has no counterpart in Go"


def test_a_python_value_without_counterpart_is_true() -> None:
    """Only printing, indexing and the like need a Go type."""
    assert Template.parse("{{if .}}yes{{end}}").execute(frozenset({1})) == "yes"
