"""What a template error carries, and what it must not show."""

import pytest

from transship_planner.gotemplate import Object, Template, TemplateError

STRUCT = {"Sync": Object("config.ConfigSync", {"Source": "docker.io/library/alpine"})}
DATA = {"s": "abc", "l": ["a", "b"]}


def test_execution_error_reads_like_gos() -> None:
    """The whole message names template, position, definition and the part that failed."""
    with pytest.raises(TemplateError) as caught:
        Template.parse('{{define "x"}}{{ .Sync.Foo }}{{end}}{{template "x" .}}', name="target").execute(STRUCT)
    assert str(caught.value) == (
        'template: target:1:23: executing "x" at <.Sync.Foo>: can\'t evaluate field Foo in type config.ConfigSync'
    )


def test_parse_error_reads_like_gos() -> None:
    """A parse error has a position and no part that was being executed."""
    with pytest.raises(TemplateError) as caught:
        Template.parse("a\n{{ nope }}")
    assert str(caught.value) == 'template: :2:4: function "nope" not defined'


def test_excerpt_is_the_action_alone() -> None:
    """The excerpt leaves out the text around the action, which may be a password."""
    with pytest.raises(TemplateError) as caught:
        Template.parse("hunter2{{ .s.x }}hunter2").execute(DATA)
    assert caught.value.excerpt == "{{ .s.x }}"
    assert "hunter2" not in str(caught.value)


def test_excerpt_is_empty_outside_of_actions() -> None:
    """An error at the end of the text shows none of it."""
    with pytest.raises(TemplateError) as caught:
        Template.parse("{{if true}}hunter2")
    assert (caught.value.message, caught.value.excerpt) == ("unexpected EOF", "")


def test_long_parts_are_cut_in_messages() -> None:
    """A long action is shortened where a message quotes it."""
    with pytest.raises(TemplateError) as caught:
        Template.parse('{{index .l "' + "x" * 200 + '"}}').execute(DATA)
    assert caught.value.excerpt == '{{index .l "' + "x" * 67 + "…"
    assert caught.value.at == 'index .l "' + "x" * 69 + "…"


@pytest.mark.parametrize(
    "template", ["{{range .secret}}{{end}}", "{{eq .list .list}}", "{{call .secret}}", "{{index .secret true}}"]
)
def test_messages_hold_types_and_never_values(template: str) -> None:
    """A value of the data may be a secret, so messages name its type."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(template).execute({"secret": "hunter2", "list": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def test_python_value_without_counterpart_is_refused() -> None:
    """Data of a Python type that stands for no Go type is a template error, not a guess."""
    with pytest.raises(TemplateError) as caught:
        Template.parse("{{.}}").execute({1, 2})
    assert caught.value.message == "a Python set has no counterpart in Go"
