"""The commands about the configuration itself, which contact nothing: validate, config, schema."""

import json
import os
import sys

from transship.exits import Exit
from transship.invocation import Invocation
from transship.streams import write_document
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
        write_document(_as_json(validation))
    else:
        sys.stdout.write(_as_text(validation))
    return Exit.OK if validation.valid else Exit.ERROR


def config(invocation: Invocation, *, form: str) -> int:
    """Print the configuration as it is understood."""
    document = export(load_config(invocation))
    write_document(json.dumps(document, indent=2, ensure_ascii=False) + "\n" if form == "json" else to_yaml(document))
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of a configuration file."""
    write_document(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return Exit.OK


def _as_text(validation: Validation) -> str:
    lines = [f"{finding.mark}: {severity.value}: {finding.message}" for finding, severity in validation.findings]
    errors, warnings = (
        plural(validation.count(severity), severity.value) for severity in (Severity.ERROR, Severity.WARNING)
    )
    if validation.dialect is None:
        lines.append(f"{validation.file} is not valid: {errors}, {warnings}.")
    else:
        entries = f"{validation.entries} {'entry' if validation.entries == 1 else 'entries'}"
        lines.append(f"{validation.file} is valid: {validation.dialect.value}'s format, {entries}, {warnings}.")
    return "\n".join(lines) + "\n"


def _as_json(validation: Validation) -> str:
    document = {
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
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
