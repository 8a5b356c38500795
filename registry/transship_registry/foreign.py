"""Texts from outside, such as what servers and helper programs say, made fit for messages."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

from transship_registry.secret import HIDDEN, hide

LINE_LIMIT: Final = 300
"""Characters of a text from outside that a message shows."""

_WINDOW: Final = 8 * 1024
_MARGIN: Final = 4 * 1024
"""Characters behind the window in which a known secret may end that begins within."""

_SIGNS: Final = r"[^\s\"'<>]*"
_PATTERNS: Final = (
    (r"://[^\s/\"'<>@]*@", f"://{HIDDEN}@"),
    (rf"(https?://[^\s?\"'<>]*)\?{_SIGNS}", rf"\1?{HIDDEN}"),
    (rf"\?[^\s\"'<>=]*={_SIGNS}", f"?{HIDDEN}"),
    (r"(?i)\b(Bearer|Basic)\s+[\w.~+/=-]+", rf"\1 {HIDDEN}"),
    (
        r"(?i)\b((?:[a-z]+[_-]?)?token|pass(?:word|wd)?|(?:client[_-]?)?secret|signature|sig|_state|api[_-]?key)"
        r"(=[\"']?|[\"']\s*[:=]\s*[\"'])[^\s\"'&,;<>]+",
        rf"\1\2{HIDDEN}",
    ),
    (r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?", HIDDEN),
)
"""What secrets that nobody knows look like: users and queries of URLs, relative ones too; authorizations; named values;
tokens that are JWTs. They are expressions of RE2, which is never slower than the text is long."""


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return `text` fit for a message: one line of at most `limit` characters, and "…" where more was there.

    Control characters, the secrets of this process and what looks like a secret are taken out. A text may be megabytes
    of whatever somebody likes: all but its beginning is dropped first, with the word that is cut, for half a secret is
    one, too.
    """
    line = " ".join(_printable(_beginning(text)).split())
    for replace in _replacements():
        line = replace(line)
    return line if len(line) <= limit else f"{line[:limit]}…"


def _beginning(text: str) -> str:
    known = hide(text[: _WINDOW + _MARGIN])
    if len(text) <= _WINDOW:
        return known
    *whole, _ = known[:_WINDOW].rsplit(maxsplit=1) or [""]
    return "".join(whole)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


@cache
def _replacements() -> tuple[Callable[[str], str], ...]:
    # google-re2 has no type stubs, and loads a C++ library that is not needed where nobody complains
    re2: Any = import_module("re2")
    return tuple(_replacement(re2.compile(pattern), shown) for pattern, shown in _PATTERNS)


def _replacement(pattern: Any, shown: str) -> Callable[[str], str]:
    def replace(text: str) -> str:
        replaced: str = pattern.sub(shown, text)
        return replaced

    return replace
