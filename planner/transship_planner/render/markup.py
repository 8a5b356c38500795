"""Text that came from elsewhere, made fit for Markdown: it neither becomes markup nor leaves its place.

What could be more than its characters is shown as code: there is no markup inside of code, nobody is notified who is
named in it, and nothing in it is a link.
"""

import re
from itertools import groupby
from typing import Final

from transship_registry.presentable import presentable

_LONGEST_RUN: Final = 15
"""Backticks in a row that a fence may exceed; cmark takes more than 80 for no fence at all."""
_BACKTICKS: Final = re.compile("`+")
_LONG_RUN: Final = re.compile(f"`{{{_LONGEST_RUN + 1},}}")
_PLAIN_WORD: Final = re.compile(r"""(?:[^\W_]|[.,;:()\[\]'"/=+→…?-]|(?<=[^\W_])_+(?=[^\W_]))*""")
# A scheme or `www.` begins a link (GFM § Autolinks), and so does `GH-1` on GitHub.
_LINK: Final = re.compile(r"://|\]\(|\]\[|www\.|mailto:|xmpp:|\bgh-[0-9]", re.IGNORECASE)


def cell(text: str) -> str:
    """Return text in one line, with the words as code that could be markup, a link or a mention.

    It is no markup wherever a line of ours has begun before it. A pipe is for the table to escape.
    """
    words = groupby(presentable(text).split(" "), key=_is_plain)
    return " ".join(" ".join(run) if is_plain else _marked(" ".join(run)) for is_plain, run in words)


def code(text: str) -> str:
    """Return text as a code span, fenced by more backticks than it has in a row (CommonMark § Code spans)."""
    shown = _LONG_RUN.sub(lambda run: r"\x60" * len(run[0]), presentable(text)) or " "
    fence = "`" * (1 + max(map(len, _BACKTICKS.findall(shown)), default=0))
    padding = " " if _loses_its_ends(shown) else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def _marked(words: str) -> str:
    """Return words as code, but for the stops that end them: those are the sentence's."""
    stem = words.rstrip(".,;:") or words
    return code(stem) + words[len(stem) :]


def _is_plain(word: str) -> bool:
    return _PLAIN_WORD.fullmatch(word) is not None and _LINK.search(word) is None


def _loses_its_ends(text: str) -> bool:
    """Whether a fence would swallow a backtick, or a space at each end, of what it holds."""
    return text.startswith("`") or text.endswith("`") or (text[0] == text[-1] == " " and not text.isspace())
