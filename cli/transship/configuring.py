"""The commands about the configuration itself, which contact nothing: validate, config, schema."""

import os
from collections.abc import Iterator

from transship.exits import Exit
from transship.invocation import Invocation
from transship.streams import write_json, write_lines, write_yaml
from transship.wiring import DEFAULT_FILES, find_config, load_config
from transship_planner.config.export import export
from transship_planner.config.jsonschema import json_schema
from transship_planner.config.validation import Severity, Validation
from transship_planner.config.validation import validate as validate_file
from transship_planner.config.yamlwriter import to_yaml
from transship_planner.errors import MissingConfigError
from transship_planner.render.wording import plural


def validate(invocation: Invocation, *, form: str) -> int:
    """Print everything that is wrong or doubtful in the configuration."""
    name = find_config(invocation)
    if name is None:
        raise MissingConfigError(DEFAULT_FILES)
    validation = validate_file(name, environment=os.environ)
    if form == "json":
        write_json(_as_json(validation))
    else:
        write_lines(_as_text(validation))
    return Exit.OK if validation.valid else Exit.ERROR


def config(invocation: Invocation, *, form: str) -> int:
    """Print the configuration as it is understood."""
    document = export(load_config(invocation))
    if form == "json":
        write_json(document)
    else:
        write_yaml(to_yaml(document))
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of a configuration file."""
    write_json(json_schema())
    return Exit.OK


def _as_text(validation: Validation) -> Iterator[str]:
    yield from (f"{finding.mark}: {severity.value}: {finding.message}" for finding, severity in validation.findings)
    errors, warnings = (
        plural(validation.count(severity), severity.value) for severity in (Severity.ERROR, Severity.WARNING)
    )
    if validation.dialect is None:
        yield f"{validation.file} is not valid: {errors}, {warnings}."
    else:
        entries = f"{validation.entries} {'entry' if validation.entries == 1 else 'entries'}"
        yield f"{validation.file} is valid: {validation.dialect.value}'s format, {entries}, {warnings}."


def _as_json(validation: Validation) -> dict[str, object]:
    return {
        "file": validation.file,
        "valid": validation.valid,
        "format": validation.dialect.value if validation.dialect else None,
        "entries": validation.entries,
        "findings": [
            {
                "severity": severity.value,
                "file": finding.mark.file,
                "line": finding.mark.line,
                "column": finding.mark.column,
                "message": finding.message,
            }
            for finding, severity in validation.findings
        ],
    }
