"""Bounds that keep a hostile or mistaken template from exhausting the machine."""

from dataclasses import dataclass

from transship_registry.limits import TEMPLATE_LIMIT


@dataclass(frozen=True)
class Limits:
    """What one template may use; crossing any of them is a TemplateError.

    `nesting` counts blocks, parentheses and template calls inside each other, and the depth of printed data.
    `output_bytes` bounds the output and every string a function returns. `steps` counts the rounds of all ranges and
    all calls of templates and functions, and one more for every 32 characters that go into or come out of a function.
    """

    nesting: int = 60
    output_bytes: int = TEMPLATE_LIMIT
    steps: int = 100_000


DEFAULT_LIMITS = Limits()
