"""Secrets of a configuration that is wrong: its findings say where and what, and never quote them."""

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transship_planner.config.loader import loads
from transship_planner.config.validation import validate
from transship_planner.errors import ConfigError
from transship_planner.migrate.migration import Options, migrate
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference, check_registry, without_login
from transship_registry.secret import forget_all

FILE = "mirror.yaml"
NOTHING = "there are no entries under 'sync': nothing is mirrored\n"
CORE = "Qz7Kw3Xv"
"""What each secret holds, and nothing else does: where it is found, a secret was quoted."""

SIGNS = "!*&%@`?|>-:#{}[],'\"\\ ~<="
SECRETS = st.tuples(st.text(SIGNS, max_size=3), st.text(SIGNS + "/", max_size=3)).map(CORE.join)
KEYS = st.sampled_from(
    ["pass", "token", "clientKey", "password", "passwd", "secret", "identitytoken", "auth", "PASS", "tokens"]
)
SHAPES = st.sampled_from(
    [
        *(
            "{key}: {secret}",
            "{key}:{secret}",
            "{key}: [{secret}",
            "{key}: {{{secret}",
            "{key}: {{{secret}, {secret}}}",
        ),
        *("{key}: !{secret}", "{key}: *{secret}", "{key}: &{secret}", "{key}: !<{secret}>", "{key}: !!{secret} x"),
        *('{key}: "{secret}', "{key}: '{secret}", "{key}: {secret}: x", "{key}: ? {secret}", "{key}: - {secret}"),
        *("{key}:\n      {secret}: x\n      {secret}: y", "{key}:\n      - *{secret}", "{key}: |{secret}"),
        "{key}: {{{secret}, {secret}}}",
        "\t{key}: {secret}",
    ]
)
PLACES = [
    "creds: [{{registry: r.example, hostname: {text}}}]",
    "creds: [{{registry: {text}}}]",
    "creds: [{{registry: r.example, mirrors: [{text}]}}]",
    "creds: [{{registry: r.example, hubApi: {text}}}]",
    "registry: {{url: {text}, insecure_registries: [{text}]}}",
    "sync: [{{type: image, source: {text}, target: r.example/a}}]",
    "sync: [{{type: repository, source: r.example/a, target: {text}}}]",
    "sync: [{{type: registry, source: {text}, target: {text}}}]",
    "sync: [{{type: image, source: r.example/a, target: r.example/b, referrerSource: {text}}}]",
    "lifecycle: {{eol_url: {text}}}",
]
LOGINS = st.builds(
    "{}{}:{}@{}".format,
    st.sampled_from(["", "", "https://", "http://", "ocidir://", "ftp://"]),
    st.sampled_from(["me", "robot$ci", "Me.You"]),
    st.text("aB1/@:#?-._%+", max_size=4).map(lambda rest: CORE + rest),
    st.sampled_from(["r.example", "r.example:5000", "r.example/team/app", "r.example/app:1", "", "R_/x"]),
)


def findings(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what is found wrong in a configuration, as it is printed, if nobody knew a secret."""
    forget_all()
    found = validate(FILE, environment=environment or {}, read_file=lambda _: text.encode())
    return "\n".join(finding.message for finding, _ in found.findings).removeprefix(NOTHING)


def refusal(parse: Callable[[str], object], text: str) -> str:
    """Return why a text is refused; empty when it is not."""
    forget_all()
    try:
        parse(text)
    except (InvalidReferenceError, ConfigError) as error:
        return str(error)
    return ""


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(KEYS, SHAPES, SECRETS)
@example("pass", "{key}: {secret}", f"*{CORE}")
@example("pass", "{key}: {secret}", f"!{CORE}")
@example("pass", "{key}: {secret}", f"{{{CORE}")
@example("pass", "{key}: {secret}", f"[{CORE}, *{CORE}]")
def test_a_value_under_a_key_for_secrets_is_never_quoted(key: str, shape: str, secret: str) -> None:
    """Whatever YAML takes it for: an alias, a tag, an anchor, a key, a list, or something that cannot be read."""
    line = shape.format(key=key, secret=secret)
    assert CORE not in findings(f"creds:\n  - registry: r.example\n    {line}\n    user: me\n")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), LOGINS)
def test_a_login_in_the_name_of_a_place_is_never_quoted(place: str, login: str) -> None:
    """A password may hold any sign, those too that end it in a URL."""
    assert CORE not in findings(place.format(text=json.dumps(login)))


@pytest.mark.parametrize("value", [f"{CORE} x", f"UP/{CORE}", f"a@{CORE}", f"https://{CORE}", f"{CORE}:{CORE}/"])
@pytest.mark.parametrize("template", ['{{env "X"}}', 'r.example/{{env "X"}}', '{{env "X" | upper | lower}}/a'])
@pytest.mark.parametrize("place", PLACES)
def test_what_a_template_takes_from_the_environment_is_never_quoted(place: str, template: str, value: str) -> None:
    found = findings(place.format(text=json.dumps(template)), {"X": value})
    assert CORE.lower() not in found.lower()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"pass: *{CORE}", "this alias has no anchor before it; put a text that begins with * in quotes"),
        (
            f"pass: !{CORE}",
            "this YAML tag is not supported; remove it, or put a text that begins with ! in quotes",
        ),
        (
            f"pass: {{{CORE}, {CORE}}}",
            "creds[0].pass: expected a string, found a mapping\nthe key is given twice; it already stands on line 3",
        ),
        (
            f"hostname: me:{CORE}@r.example",
            "creds[0].hostname: registry name '***@r.example' is malformed: expected host[:port]",
        ),
        (
            f"hostname: me:{CORE}/@@r.example",
            "creds[0].hostname: registry name '***@r.example' is malformed: expected host[:port]",
        ),
    ],
)
def test_a_finding_still_says_what_is_wrong(line: str, message: str) -> None:
    assert findings(f"creds:\n  - registry: r.example\n    {line}\n") == message


def test_a_key_that_swallowed_its_value_is_named_without_it() -> None:
    """In braces, `pass:word` is one word to YAML: the key is unknown."""
    assert findings(f"creds: [{{registry: r.example, pass:{CORE}}}]") == (
        "unknown key 'pass:…' in creds[0]; did you mean 'pass'?"
    )


@pytest.mark.parametrize("variable", ["IMGLIFE_SYNC_PARALLELISM", "TRANSSHIP_ALERT_CRITICAL_DAYS"])
def test_a_variable_with_a_wrong_value_is_named_without_it(variable: str) -> None:
    found = findings("sync: {entries: []}", {variable: CORE})
    assert variable in found
    assert CORE not in found


@given(LOGINS)
def test_a_login_on_the_command_line_is_never_quoted(login: str) -> None:
    """As of `why REF` and of every other name of a place that is given as an argument."""
    assert CORE not in refusal(Reference.parse, login)
    assert CORE not in refusal(check_registry, login)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("r.example/app:1@sha256:" + "0" * 64, "r.example/app:1@sha256:" + "0" * 64),
        ("r.example/app:1@sha512:half", "r.example/app:1@sha512:half"),
        ("r.example:5000/app", "r.example:5000/app"),
        ("me:pw@r.example:5000/app", "***@r.example:5000/app"),
        ("https://me:p@w/@r.example/app", "https://***@r.example/app"),
        ("token@r.example", "***@r.example"),
    ],
)
def test_only_what_is_no_digest_stands_behind_a_login(text: str, shown: str) -> None:
    assert without_login(text) == shown


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["password", "auth", "identitytoken"]), SHAPES, SECRETS)
def test_a_foreign_file_is_refused_without_its_secrets(key: str, shape: str, secret: str) -> None:
    """What `migrate` reads holds logins, too."""
    line = shape.format(key=key, secret=secret)
    text = f"r.example:\n    {line}\n    images:\n      app: [one]\n"
    options = Options(to="r.example/mirror")
    assert CORE not in refusal(lambda data: migrate(data.encode(), "sync.yaml", options), text)


def test_every_command_refuses_a_configuration_without_its_secrets() -> None:
    """The loader's error has the text of a finding of `validate`."""
    with pytest.raises(ConfigError) as caught:
        loads(f"creds: [{{registry: r.example, hostname: 'me:{CORE}@h'}}]".encode(), file=FILE, environment={})
    assert str(caught.value) == (
        f"{FILE}:1:41: creds[0].hostname: registry name '***@h' is malformed: expected host[:port]"
    )
