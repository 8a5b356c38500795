"""What a configuration says of end-of-life dates."""

import pytest

from transship_planner.config import config_digest, loads
from transship_planner.config.export import export
from transship_planner.desired import Desired, EolSettings, OnEol
from transship_planner.errors import ConfigError

OURS = "sync: [{source: 'a:1', target: 'r.io/a:1', type: image, lifecycle: {product: a%s}}]"
THEIRS = "sync: {entries: [{source: a, target: r.io/a, tag: '1', lifecycle: {product: a%s}}]}"
DIALECTS = pytest.mark.parametrize("entries", [OURS, THEIRS], ids=["regsync", "imglife"])


def desired(text: str, **environment: str) -> Desired:
    return loads(text.encode(), file="c.yaml", environment=environment)


def on_eol(text: str) -> OnEol:
    (entry,) = desired(text).entries
    assert entry.lifecycle is not None
    return entry.lifecycle.on_eol


def error(text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        desired(text, **environment)
    return str(caught.value)


@DIALECTS
def test_an_entry_decides_what_its_end_of_life_means_and_else_the_file_does(entries: str) -> None:
    """`on_eol` of the entry wins over the one at the top level, and a warning is the default."""
    assert on_eol(entries % "") is OnEol.WARN
    assert on_eol("lifecycle: {on_eol: hold}\n" + entries % "") is OnEol.HOLD
    assert on_eol("lifecycle: {on_eol: hold}\n" + entries % ", on_eol: block") is OnEol.BLOCK
    assert on_eol("lifecycle: {on_eol: hold}\n" + entries % ", on_eol: warn") is OnEol.WARN


@DIALECTS
def test_where_dates_come_from_may_be_said_beside_either_format(entries: str) -> None:
    """The section at the top level is read, without a warning; a slash at the end of the URL does not matter."""
    section = "lifecycle: {eol_provider: local, eol_data_file: d.yaml, eol_url: 'https://eol.example.org/x/'}\n"
    found = desired(section + entries % "")
    assert found.eol == EolSettings(provider="local", data_file="d.yaml", url="https://eol.example.org/x")
    assert found.warnings == ()
    assert desired(entries % "").eol == EolSettings(
        provider="endoflife", data_file="eol-data.yaml", url="https://endoflife.date", critical_days=30
    )


def test_a_package_registry_is_warned_about() -> None:
    """There is none here: the dates go to a file."""
    found = desired("lifecycle: {eol_target: pkgregistry}\n" + OURS % "")
    assert [str(warning) for warning in found.warnings] == [
        "c.yaml:1:25: lifecycle.eol_target: there is no package registry here; the dates are kept in a file (git)"
    ]


def test_a_lifecycle_alone_makes_the_file_imglifes() -> None:
    """As before it had an effect here."""
    assert desired("lifecycle: {}").dialect.value == "imglife"


@pytest.mark.parametrize(
    ("environment", "days"),
    [
        ({}, 30),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": ""}, 30),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": "0"}, 0),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": "90"}, 90),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": "90", "TRANSSHIP_ALERT_CRITICAL_DAYS": "7"}, 7),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": "soon", "TRANSSHIP_ALERT_CRITICAL_DAYS": "7"}, 7),
        ({"IMGLIFE_ALERT_CRITICAL_DAYS": "90", "TRANSSHIP_ALERT_CRITICAL_DAYS": ""}, 90),
    ],
)
def test_the_environment_says_when_to_warn(environment: dict[str, str], days: int) -> None:
    """Of imglife's variable and ours, the latter wins; what they say is not part of the configuration's digest."""
    found = desired(OURS % "", **environment)
    assert found.eol.critical_days == days
    assert config_digest(found) == config_digest(desired(OURS % ""))
    assert "lifecycle" not in export(found)


@pytest.mark.parametrize("text", ["30d", "-1", "1.5", "１", "9999999"])
def test_days_that_are_no_number_are_an_error(text: str) -> None:
    """The message names the variable."""
    for variable in ("IMGLIFE_ALERT_CRITICAL_DAYS", "TRANSSHIP_ALERT_CRITICAL_DAYS"):
        expected = f"c.yaml:1:1: the environment variable {variable} is no whole number of days"
        assert error(OURS % "", **{variable: text}) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("endoflife.date", "expected a URL such as https://endoflife.date, found 'endoflife.date'"),
        ("ftp://eol.example.org", "expected a URL such as https://endoflife.date, found 'ftp://eol.example.org'"),
        ("https://", "expected a URL such as https://endoflife.date, found 'https:'"),
        ("http://h:0", "expected a URL such as https://endoflife.date, found 'http://h:0'"),
        ("http://h:x", "it is no URL; expected a URL such as https://endoflife.date"),
        ("https://h/?a=b", "expected a URL without query and fragment, found 'https://h/'"),
        ("https://h/#a", "expected a URL without query and fragment, found 'https://h/'"),
        ("https://h/a b", "expected a URL without query and fragment, found 'https://h/a b'"),
        ("https://ann:hunter2@h", "it must not hold credentials: it is asked anonymously"),
    ],
)
def test_an_address_that_cannot_be_asked_is_an_error(url: str, problem: str) -> None:
    """It is checked when the file is loaded; a password in it is not repeated."""
    expected = f"c.yaml:1:22: lifecycle.eol_url: {problem}"
    assert error(f"lifecycle: {{eol_url: '{url}'}}\n" + OURS % "") == expected
