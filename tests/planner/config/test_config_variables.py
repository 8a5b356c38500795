"""Environment variables that templates ask for and that are not set: nothing stands in their place, which is told."""

import pytest

from transship_planner.config import loads
from transship_planner.config.validation import Severity, validate
from transship_planner.errors import ConfigError

ENVIRONMENT = {"EMPTY": "", "HOST": "r.example"}


def entry(keys: str) -> str:
    return f"sync:\n  - {{type: repository, source: alpine, {keys}}}\n"


def warnings(text: str) -> list[str]:
    return [str(finding) for finding in loads(text.encode(), file="c.yaml", environment=ENVIRONMENT).warnings]


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text.encode(), file="c.yaml", environment=ENVIRONMENT)
    return [str(finding) for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            """target: '{{env "REG"}}/alpine'""",
            "c.yaml:2:48: sync[0].target: what its template gives is no reference such as "
            "registry.example.com/team/app; it is not shown, for it may hold what the environment or a file keeps "
            "secret; the environment variable REG is not set",
        ),
        (
            """target: '{{env "REG"}}'""",
            "c.yaml:2:48: sync[0].target: is empty; the environment variable REG is not set",
        ),
        (
            """target: '{{index (split (env "REG") "/") 1}}'""",
            "c.yaml:2:48: sync[0].target: the template fails at line 1, column 3 of the text, in "
            '{{index (split (env "REG") "/") 1}}: error calling index: index out of range: 1; '
            "the environment variable REG is not set",
        ),
    ],
    ids=["a part of a reference", "all of it", "what fails without it"],
)
def test_an_error_names_the_variable_that_is_behind_it(keys: str, error: str) -> None:
    """In regsync the template gives nothing, and the entry fails when it runs, without a word about the variable."""
    assert errors(entry(keys)) == [error]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ('r.io/{{env "A"}}app', "variable A is"),
        ('r.io/{{env "A" | lower | trimSpace}}app', "variable A is"),
        ('r.io/{{printf "%s" (env `A`)}}app', "variable A is"),
        ('r.io/{{$v := env "A"}}{{$v}}app', "variable A is"),
        ('r.io/{{env "A"}}app{{env "B"}}', "variables A, B are"),
        ('r.io/{{env "A" | default (env "B")}}app', "variables A, B are"),
    ],
)
def test_a_gap_in_what_is_well_formed_all_the_same_is_a_warning(target: str, names: str) -> None:
    """The wrong repository would be written."""
    assert warnings(entry(f"target: '{target}'")) == [
        f"c.yaml:2:48: sync[0].target: the environment {names} not set, so that nothing stands in its place"
    ]


@pytest.mark.parametrize(
    "target",
    [
        'r.io/{{env "A" | default "p"}}/app',
        'r.io/{{or (env "A") "p"}}/app',
        'r.io/{{if env "A"}}{{env "A"}}/{{end}}app',
        'r.io/{{with env "A"}}{{.}}/{{end}}app',
        'r.io/{{if eq (env "A") "x"}}x/{{end}}app',
        'r.io/{{env "EMPTY"}}app',
        '{{env "HOST"}}/app',
    ],
    ids=["default", "or", "if", "with", "eq", "set to nothing", "set"],
)
def test_whoever_provides_for_it_is_not_warned(target: str) -> None:
    assert warnings(entry(f"target: '{target}'")) == []


@pytest.mark.parametrize(
    ("key", "column"), [("backup: 'old-{{.Ref.Tag}}{{env \"A\"}}'", 66), ("target_name: '{{.Tag}}{{env \"A\"}}'", 71)]
)
def test_templates_that_are_expanded_later_are_tried(key: str, column: int) -> None:
    path = key.partition(":")[0]
    assert warnings(entry(f"target: r.io/app, {key}")) == [
        f"c.yaml:2:{column}: sync[0].{path}: the environment variable A is not set, so that nothing stands in its place"
    ]


def test_a_login_without_its_password_names_the_variable() -> None:
    """The value of no variable is shown, and a name only if it stands in the file."""
    creds = "creds:\n  - {registry: r.io, user: ann, pass: '{{env \"PASSWORD\"}}'}\n"
    assert warnings(creds + entry("target: r.io/app")) == [
        "c.yaml:2:39: creds[0].pass is empty once its template is expanded; "
        "the environment variable PASSWORD is not set"
    ]
    hidden = 'creds:\n  - {registry: r.io, user: ann, pass: \'{{env (printf "%s%s" "SEC" "RET")}}\'}\n'
    assert warnings(hidden + entry("target: r.io/app")) == [
        "c.yaml:2:39: creds[0].pass is empty once its template is expanded"
    ]


def test_validate_tells_it_once() -> None:
    """As part of the error when there is one, else as a warning."""
    text = entry("""target: '{{env "REG"}}/alpine'""") + entry("""target: 'r.io/{{env "A"}}b'""").removeprefix(
        "sync:\n"
    )
    found = validate("-", environment={}, stdin=text.encode).findings
    assert [severity for _, severity in found] == [Severity.ERROR, Severity.WARNING]
    assert found[0][0].message.endswith("; the environment variable REG is not set")
