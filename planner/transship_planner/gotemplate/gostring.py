r"""Go's strings over Python's: a Go string is bytes, its broken UTF-8 kept as surrogate escapes (PEP 383)."""

import re

_FOREIGN_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SIMPLE_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
}


def to_bytes(text: str) -> bytes:
    """Return the bytes of a Go string; surrogates that stand for no byte become U+FFFD."""
    return well_formed(text).encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """Return the string that holds these bytes, valid UTF-8 or not."""
    return data.decode("utf-8", "surrogateescape")


def well_formed(text: str) -> str:
    """Replace the surrogates that no Go string can hold."""
    return text if text.isascii() else _FOREIGN_SURROGATE.sub("\ufffd", text)


def printable(text: str) -> str:
    """Replace bytes that are no UTF-8 by U+FFFD, after joining those that became whole again."""
    return text if text.isascii() else to_bytes(text).decode("utf-8", "replace")


def mark_broken(text: str, mark: str) -> str:
    """Replace every byte that is no UTF-8 by a mark of the caller's."""
    return _SURROGATE.sub(lambda _: mark, text)


def byte_length(text: str) -> int:
    """Return the length as Go's len counts it."""
    return len(text) if text.isascii() else len(to_bytes(text))


def quote(text: str, *, ascii_only: bool = False) -> str:
    """Quote as Go's %q does (strconv.Quote), or as %+q when ascii_only."""
    return '"' + "".join(_escape(char, '"', ascii_only=ascii_only) for char in text) + '"'


def quote_char(code: int, *, ascii_only: bool = False) -> str:
    """Quote a code point as Go's %q does for integers."""
    return "'" + _escape(rune(code), "'", ascii_only=ascii_only) + "'"


def rune(code: int) -> str:
    """Return the character of a code point, U+FFFD if there is none."""
    valid = 0 <= code < 0xD800 or 0xDFFF < code <= 0x10FFFF
    return chr(code) if valid else "\ufffd"


def can_backquote(text: str) -> bool:
    """Tell whether a raw string literal can hold the text (strconv.CanBackquote)."""
    return not any(c == "`" or c in "\x7f\ufeff" or (c < " " and c != "\t") or is_broken(c) for c in text)


def is_broken(char: str) -> bool:
    """Tell whether a character stands for a byte that is no UTF-8."""
    return "\ud800" <= char <= "\udfff"


def _escape(char: str, delimiter: str, *, ascii_only: bool) -> str:
    if char == delimiter:
        return "\\" + char
    if char in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[char]
    if is_broken(char):
        return f"\\x{ord(char) & 0xFF:02x}"
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    return _numeric_escape(ord(char))


def _numeric_escape(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
