"""Text that came from elsewhere, made fit for Markdown: it neither becomes markup nor leaves its cell."""

import re
from typing import Final

_MARKUP: Final = {"|": "\\|", "<": "&lt;", "](": "]\\("}


def cell(text: str) -> str:
    """Return text in one line that begins no HTML, link or image, and ends no cell of a table."""
    for mark, escaped in _MARKUP.items():
        text = text.replace(mark, escaped)
    return _one_line(text)


def code(text: str) -> str:
    """Return text as a code span, fenced by more backticks than it has in a row (CommonMark § Code spans)."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{_one_line(text)}{padding}{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
