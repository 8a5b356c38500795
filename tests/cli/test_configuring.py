"""The commands validate, config and schema, run as programs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from support.program import transship
from transship_planner.config.jsonschema import json_schema

GOOD = """\
creds:
  - {registry: mirror.example.com, user: robot, pass: '{{env "PASSWORD"}}'}
sync:
  - source: docker.io/library/alpine:3.10
    target: mirror.example.com/{{.Sync.Type}}/alpine:3.10
    type: image
"""
BAD = "sync:\n  - {source: a, target: 'r:1/a', typ: image}\n"


def test_a_valid_configuration(tmp_path: Path) -> None:
    """Exit 0, and one line that says what was understood."""
    (tmp_path / "regsync.yml").write_text(GOOD)
    done = transship("validate", cwd=tmp_path, env={"PASSWORD": "hunter2"})
    assert (done.code, done.out, done.err) == (0, "regsync.yml is valid: regsync's format, 1 entry, 0 warnings.\n", "")


def test_an_invalid_configuration(tmp_path: Path) -> None:
    """Exit 1, with every finding on standard output, each at its place."""
    (tmp_path / "regsync.yml").write_text(BAD)
    done = transship("validate", cwd=tmp_path)
    assert (done.code, done.err) == (1, "")
    assert done.out == (
        "regsync.yml:2:5: error: sync[0] lacks 'type': 'image', 'repository' or 'registry'\n"
        "regsync.yml:2:34: error: unknown key 'typ' in sync[0]; did you mean 'type'?\n"
        "regsync.yml is not valid: 2 errors, 0 warnings.\n"
    )


def test_findings_as_json(tmp_path: Path) -> None:
    """Editors and CI get the same findings as data; standard input has a name."""
    done = transship("validate", "-c", "-", "--format", "json", cwd=tmp_path, stdin="creds: [{}]\nsync: []\n")
    assert done.code == 0
    assert json.loads(done.out) == {
        "file": "<stdin>",
        "valid": True,
        "format": "regsync",
        "entries": 0,
        "findings": [
            {
                "severity": "warning",
                "file": "<stdin>",
                "line": 1,
                "column": 9,
                "message": "creds[0] has no 'registry' and is ignored",
            },
            {
                "severity": "warning",
                "file": "<stdin>",
                "line": 2,
                "column": 7,
                "message": "there are no entries under 'sync': nothing is mirrored",
            },
        ],
    }


def test_without_a_configuration(tmp_path: Path) -> None:
    """There is nothing to validate: an error that names the files that were looked for."""
    done = transship("validate", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: there is no configuration: name one with -c, or put one of transship.yaml, transship.yml, regsync.yml, "
        "regsync.yaml, imglife.yaml here\n"
    )


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_normalised_configuration(tmp_path: Path, form: str) -> None:
    """Templates are expanded and references complete; the password is not shown."""
    (tmp_path / "regsync.yml").write_text(GOOD)
    done = transship("config", "--format", form, cwd=tmp_path, env={"PASSWORD": "hunter2"})
    assert (done.code, done.err) == (0, "")
    read = json.loads if form == "json" else yaml.safe_load
    assert read(done.out) == {
        "version": 1,
        "creds": [{"registry": "mirror.example.com", "user": "robot", "pass": "***"}],
        "sync": [
            {
                "source": "docker.io/library/alpine:3.10",
                "target": "mirror.example.com/image/alpine:3.10",
                "type": "image",
                "check_digest": True,
            }
        ],
    }


def test_a_wrong_configuration_is_not_shown(tmp_path: Path) -> None:
    """Exit 1, the errors on standard error, and nothing on standard output."""
    (tmp_path / "regsync.yml").write_text(BAD)
    done = transship("config", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: regsync.yml:2:5: sync[0] lacks 'type'")


def test_the_schema(tmp_path: Path) -> None:
    """It is printed without any configuration, and fits a configuration."""
    done = transship("schema", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    schema = json.loads(done.out)
    assert schema == json_schema()
    validator: Any = Draft202012Validator(schema)
    validator.validate(yaml.safe_load(GOOD))
