"""Go's text/template, as far as configurations use it.

    >>> Template.parse("registry:5000/hub/{{ .Sync.Source }}").execute({"Sync": {"Source": "alpine"}})
    'registry:5000/hub/alpine'

Left out: complex numbers, channels and iterator functions, other delimiters, several files, the missingkey option.
Different on purpose: messages hold a value's type and not the value, which may be a secret (only time.Parse quotes what
it could not read); columns count characters from 1; `time.Now` prints without the monotonic clock; the machine's time
zone is taken for UTC when a time is parsed; a pointer inside a structure prints as what it points to and not as an
address; `default` takes an empty list for zero, where Go stops with a run-time error.
"""

from transship_planner.gotemplate.clock.time import Duration, Month, Time, Weekday
from transship_planner.gotemplate.configuration_functions import Environment, configuration_functions
from transship_planner.gotemplate.errors import FunctionError, TemplateError
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.signature import Function, Parameter
from transship_planner.gotemplate.template import Template
from transship_planner.gotemplate.values import Object

__all__ = [
    "Duration",
    "Environment",
    "Function",
    "FunctionError",
    "Limits",
    "Month",
    "Object",
    "Parameter",
    "Template",
    "TemplateError",
    "Time",
    "Weekday",
    "configuration_functions",
]
