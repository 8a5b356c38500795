"""The escapers of text/template: html, js and urlquery."""

from urllib.parse import quote_plus

from transship_planner.gotemplate.gostring import is_broken, to_bytes

_HTML = str.maketrans(
    {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"},
)
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def escape_html(text: str) -> str:
    """Escape a text for HTML."""
    return text.translate(_HTML)


def escape_js(text: str) -> str:
    """Escape a text for a JavaScript string."""
    return "".join(_escape_js_char(char) for char in text)


def escape_query(text: str) -> str:
    """Escape a text for the query of a URL."""
    return quote_plus(to_bytes(text), safe="")


def _escape_js_char(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char < " ":
        return f"\\u{ord(char):04X}"
    return char if char.isascii() or char.isprintable() or is_broken(char) else f"\\u{ord(char):04X}"
