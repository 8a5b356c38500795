"""Template text becomes tokens; trim markers and comments end here."""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from transship_planner.gotemplate.errors import TemplateError, template_error
from transship_planner.gotemplate.gostring import mark_broken, quote

_SPACES = " \t\r\n"
_LEFT = re.compile(r"\{\{(?P<trim>-[ \t\r\n])?")
_RIGHT = re.compile(r"(?P<trim>[ \t\r\n]-)?\}\}")
_SPACE = re.compile(r"(?:[ \t\r\n](?!-\}\}))+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_RAW_STRING = re.compile(r"`[^`]*`")
_CHAR_CONSTANT = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"})


class Kind(Enum):
    """What a token is; `nil` and the dot are keywords, as in Go."""

    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()
    STRING = auto()
    CHAR_CONSTANT = auto()
    NUMBER = auto()
    BOOL = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    DOT = auto()
    PUNCTUATION = auto()
    EOF = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it starts, and whether white space stands before it inside its action."""

    kind: Kind
    text: str
    offset: int
    spaced: bool = False

    def __str__(self) -> str:
        """Spell the token as Go's parse errors do."""
        if self.kind in {Kind.KEYWORD, Kind.DOT}:
            return f"<{self.text}>"
        return quote(self.text) if len(self.text) <= 10 else f"{quote(self.text[:10])}..."


_PUNCTUATION = {"=": Kind.ASSIGN, "|": Kind.PIPE, "(": Kind.LEFT_PAREN, ")": Kind.RIGHT_PAREN}
_QUOTED = {
    '"': (_STRING, Kind.STRING, "unterminated quoted string"),
    "`": (_RAW_STRING, Kind.STRING, "unterminated raw quoted string"),
    "'": (_CHAR_CONSTANT, Kind.CHAR_CONSTANT, "unterminated character constant"),
}


class Lexer:
    """Yields the tokens of one text, lazily: what is wrong earlier is reported first."""

    def __init__(self, text: str, name: str) -> None:
        """Start at the beginning of a text; the name is that of the template, for errors."""
        self._text = text
        self._name = name
        self._position = 0
        self._parens = 0
        self._action_start = 0

    def tokens(self) -> Iterator[Token]:
        """Yield all tokens, the last one being EOF.

        Raises TemplateError at the first text that is no token.
        """
        trim_start = False
        while True:
            left = self._text.find("{{", self._position)
            yield from self._text_until(left, trim_start=trim_start)
            if left < 0:
                yield Token(Kind.EOF, "", len(self._text))
                return
            trim_start, is_comment = self._enter_action(left)
            if is_comment:
                continue
            yield Token(Kind.LEFT, "{{", left)
            trim_start = yield from self._action()

    def _text_until(self, left: int, *, trim_start: bool) -> Iterator[Token]:
        start = self._position
        text = self._text[start:] if left < 0 else self._text[start:left]
        opening = _LEFT.match(self._text, left) if left >= 0 else None
        if opening is not None and opening["trim"]:
            text = text.rstrip(_SPACES)
        if trim_start:
            text = text.lstrip(_SPACES)
        if text:
            yield Token(Kind.TEXT, text, start)

    def _enter_action(self, left: int) -> tuple[bool, bool]:
        """Step over the left delimiter, or a whole comment: (trim the text after it, it was a comment)."""
        opening = _LEFT.match(self._text, left)
        assert opening is not None
        self._position = opening.end()
        self._action_start = left
        self._parens = 0
        if not self._text.startswith("/*", self._position):
            return False, False
        end = self._text.find("*/", self._position + 2)
        if end < 0:
            raise self._error("unclosed comment", left)
        closing = _RIGHT.match(self._text, end + 2)
        if closing is None:
            raise self._error("comment ends before closing delimiter", left)
        self._position = closing.end()
        return closing["trim"] is not None, True

    def _action(self) -> Generator[Token, None, bool]:
        """Yield an action's tokens up to its right delimiter; return whether that trims."""
        while True:
            space = _SPACE.match(self._text, self._position)
            if space is not None:
                self._position = space.end()
            closing = _RIGHT.match(self._text, self._position)
            if closing is not None:
                yield self._right_delimiter(closing, spaced=space is not None)
                return closing["trim"] is not None
            yield self._token(spaced=space is not None)

    def _right_delimiter(self, closing: re.Match[str], *, spaced: bool) -> Token:
        if self._parens:
            raise self._error("unclosed left paren", self._position)
        self._position = closing.end()
        return Token(Kind.RIGHT, "}}", closing.end() - 2, spaced=spaced or closing["trim"] is not None)

    def _token(self, *, spaced: bool) -> Token:
        start = self._position
        kind, end = self._scan(start)
        self._position = end
        return Token(kind, self._text[start:end], start, spaced)

    def _scan(self, start: int) -> tuple[Kind, int]:
        char = self._text[start : start + 1]
        if not char:
            raise self._error("unclosed action", self._action_start)
        if char in _QUOTED:
            return self._quoted(start)
        if char in _PUNCTUATION:
            self._count_parens(char, start)
            return _PUNCTUATION[char], start + 1
        if char == "$" or (char == "." and not _is_digit(self._text[start + 1 : start + 2])):
            return self._field_or_variable(start)
        if char in ".+-" or _is_digit(char):
            return self._number(start)
        if _is_word(char):
            return self._word(start)
        return self._other(char, start)

    def _other(self, char: str, start: int) -> tuple[Kind, int]:
        if char == ":":
            if not self._text.startswith(":=", start):
                raise self._error("expected :=", start)
            return Kind.DECLARE, start + 2
        if char.isascii() and char.isprintable():
            return Kind.PUNCTUATION, start + 1
        raise self._error(f"unrecognized character in action: {_describe(char)}", start)

    def _count_parens(self, char: str, start: int) -> None:
        self._parens += {"(": 1, ")": -1}.get(char, 0)
        if self._parens < 0:
            raise self._error("unexpected right paren", start)

    def _quoted(self, start: int) -> tuple[Kind, int]:
        pattern, kind, message = _QUOTED[self._text[start]]
        match = pattern.match(self._text, start)
        if match is None:
            raise self._error(message, start)
        return kind, match.end()

    def _number(self, start: int) -> tuple[Kind, int]:
        match = _NUMBER.match(self._text, start)
        assert match is not None
        end = match.end()
        if _is_word(self._text[end : end + 1]):
            raise self._error(f"bad number syntax: {quote(self._text[start : end + 1])}", start)
        if self._text[end : end + 1] in {"+", "-"}:
            raise self._error(f"complex constants are not supported: {quote(self._text[start : end + 1])}", start)
        return Kind.NUMBER, end

    def _field_or_variable(self, start: int) -> tuple[Kind, int]:
        end = self._word_end(start + 1)
        self._check_terminator(end)
        if self._text[start] == "$":
            return Kind.VARIABLE, end
        return (Kind.DOT if end == start + 1 else Kind.FIELD), end

    def _word(self, start: int) -> tuple[Kind, int]:
        end = self._word_end(start)
        self._check_terminator(end)
        word = self._text[start:end]
        if word in _KEYWORDS:
            return Kind.KEYWORD, end
        return (Kind.BOOL if word in {"true", "false"} else Kind.IDENTIFIER), end

    def _word_end(self, position: int) -> int:
        while _is_word(self._text[position : position + 1]):
            position += 1
        return position

    def _check_terminator(self, end: int) -> None:
        """Refuse what may not follow a word, such as the plus of `$x+2`."""
        char = self._text[end : end + 1]
        if char and char not in " \t\r\n.,|:()" and not self._text.startswith("}}", end):
            raise self._error(f"bad character {_describe(char)}", end)

    def _error(self, message: str, offset: int) -> TemplateError:
        return template_error(self._text, offset, message, name=self._name)


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdecimal()


def _is_word(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


def _describe(char: str) -> str:
    """Spell a character as Go's %#U does."""
    char = mark_broken(char, "\ufffd")
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")
