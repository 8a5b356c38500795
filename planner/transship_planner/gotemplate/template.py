"""Go's text/template: parse a text once, execute it over data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from transship_planner.gotemplate.builtin_functions import builtin_functions
from transship_planner.gotemplate.configuration_functions import configuration_functions
from transship_planner.gotemplate.evaluator import Source
from transship_planner.gotemplate.execution import execute
from transship_planner.gotemplate.gostring import printable, well_formed
from transship_planner.gotemplate.limits import DEFAULT_LIMITS, Limits
from transship_planner.gotemplate.signature import Function
from transship_planner.gotemplate.syntax.parser import parse


@dataclass(frozen=True)
class Template:
    """A parsed template; immutable, may be executed any number of times.

    `source` is None for a text without actions.
    """

    text: str = field(repr=False)
    source: Source | None = field(repr=False)
    limits: Limits

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        functions: Mapping[str, Function] | None = None,
        name: str = "",
        limits: Limits = DEFAULT_LIMITS,
    ) -> Self:
        """Parse a text.

        `functions` are known besides Go's built-ins: by default those of regsync, over the real environment
        (`configuration_functions`). `name` is only for messages.
        Raises TemplateError.
        """
        if "{{" not in text:
            return cls(text, None, limits)
        known = builtin_functions(limits)
        known.update(configuration_functions(limits=limits) if functions is None else functions)
        text = well_formed(text)
        bodies = parse(text, name=name, functions=known, nesting=limits.nesting)
        return cls(text, Source(text, name, bodies, known), limits)

    def execute(self, data: object = None) -> str:
        """Return the text that the template makes of data (see `values` for how Python's values count in Go).

        Raises TemplateError.
        """
        return self.text if self.source is None else printable(execute(self.source, data, self.limits))
