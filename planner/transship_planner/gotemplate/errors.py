"""What a template can fail with, and where in its text."""

from transship_registry.errors import TransshipError

_EXCERPT_LENGTH = 80


class TemplateError(TransshipError):
    """A template that cannot be parsed or executed.

    `line` and `column` count from 1 in the template's text (characters, not bytes). `excerpt` is the action at
    fault, never the text around it: a password field is literal text with an action inside.
    `at` is the part being evaluated as Go prints it, None for a parse error; `within` names the `define` it is in.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int,
        column: int,
        excerpt: str = "",
        name: str = "",
        within: str = "",
        at: str | None = None,
    ) -> None:
        """Hold the parts; str() joins them in the form of Go's messages."""
        context = "" if at is None else f'executing "{within}" at <{at}>: '
        super().__init__(f"template: {name}:{line}:{column}: {context}{message}")
        self.message = message
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.name = name
        self.within = within
        self.at = at


class FunctionError(Exception):
    """A function's or method's refusal; the engine adds its name and position."""


def template_error(
    text: str, offset: int, message: str, *, name: str = "", within: str = "", at: str | None = None
) -> TemplateError:
    """Build the error for a place in a template's text."""
    line_start = text.rfind("\n", 0, offset) + 1
    return TemplateError(
        message,
        line=text.count("\n", 0, offset) + 1,
        column=offset - line_start + 1,
        excerpt=_action_around(text, offset),
        name=name,
        within=within,
        at=None if at is None else shorten(at),
    )


def shorten(text: str) -> str:
    """Cut a text to what fits in a message."""
    return text if len(text) <= _EXCERPT_LENGTH else text[: _EXCERPT_LENGTH - 1] + "…"


def _action_around(text: str, offset: int) -> str:
    start = text.rfind("{{", 0, offset + 2)
    end = text.find("}}", start)
    if start < 0 or 0 <= end < offset - 1:
        return ""
    return shorten(text[start : len(text) if end < 0 else end + 2])
