"""Text that came from elsewhere, made fit for people: what a terminal would obey, or an eye would miss, is spelled out.

Images, registries, plan files and configurations are full of text that somebody else chose. Written as it is, an escape
sequence clears the screen, a line end forges a line of ours, and marks of direction let a digest read backwards.
This is where text is cleaned, whatever it goes to: lines by `presentable`, what has lines by `presentable_lines`, and
JSON by `presentable_json`, which keeps the value.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_UNSEEN: Final = (
    "\x00-\x09\x0b-\x1f\x7f-\x9f"  # C0 and C1 controls: ESC, BEL, CR, CSI in one character
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible: Default_Ignorable_Code_Point
    "\u200b-\u200f"  # zero-width characters and marks of direction
    "\u2028-\u202e\u2060-\u206f"  # line ends of Unicode, embeddings, overrides and isolates of direction
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\ud800-\udfff"  # halves of characters: bytes that were no UTF-8
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # tags, which spell invisibly
)
_IN_A_LINE: Final = re.compile(f"[\n{_UNSEEN}]")
_IN_LINES: Final = re.compile(f"[{_UNSEEN}]")
# What nearly all text consists of is passed without looking each character up.
_PLAIN_LINE: Final = re.compile("[ -~→…]*")
_PLAIN_LINES: Final = re.compile("[\n -~→…]*")


def presentable(text: str) -> str:
    r"""Return text in one line, with what cannot be seen spelled as Python does: `\x1b`, `\n`, `\u202e`."""
    return text if _PLAIN_LINE.fullmatch(text) else _IN_A_LINE.sub(_spelled, text)


def presentable_lines(text: str) -> str:
    """Return text with its line ends, and everything else that cannot be seen spelled out."""
    return text if _PLAIN_LINES.fullmatch(text) else _IN_LINES.sub(_spelled, text)


def presentable_json(text: str) -> str:
    r"""Return the same JSON value in a text of which a terminal obeys nothing: `\u009b` within its strings.

    Outside of strings, JSON has no such characters but line ends.
    """
    return text if _PLAIN_LINES.fullmatch(text) else _IN_LINES.sub(_escaped, text)


def joined(lines: Iterable[str]) -> str:
    """Return lines as one text, each of them ended, and none of them more than one line."""
    return "".join(ended(lines))


def ended(lines: Iterable[str]) -> Iterator[str]:
    """Return each line with its end, and with no other."""
    return (f"{presentable(line)}\n" for line in lines)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _escaped(found: re.Match[str]) -> str:
    halves = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{halves[place : place + 2].hex()}" for place in range(0, len(halves), 2))
