"""Turns a YAML scalar into the value of the kind that a field asks for."""

import difflib
from typing import Final, TypeAlias, assert_never

from transship_planner.config.durations import format_duration, parse_duration
from transship_planner.config.problems import Problems, quote
from transship_planner.config.scalars import Scalar, go_text, resolve
from transship_planner.config.schema import (
    Anything,
    Choice,
    Decimal,
    Duration,
    Flag,
    Kind,
    ListOf,
    Record,
    ScalarOrRecord,
    Text,
    TextMap,
    Whole,
)
from transship_planner.config.yamltree import Node, ScalarNode, shape

ScalarKind: TypeAlias = Text | Choice | Flag | Whole | Decimal | Duration
ScalarValue: TypeAlias = str | int | float | bool

_LONGEST_SUGGESTABLE: Final = 64
_NEARLY_AS_LIKE: Final = 0.12
_MISTYPED: Final = 0.75
_SHORTEST_BEGINNING: Final = 4
_MEANT_BOOLEANS: Final = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}
_EXPECTED: Final[dict[type, str]] = {
    Text: "a string",
    Flag: "true or false",
    Whole: "a whole number",
    Decimal: "a number of at least 0",
    Duration: "a duration such as '90s' or '1h15m'",
    ListOf: "a list",
    TextMap: "a mapping",
    Record: "a mapping",
    Anything: "anything",
}


class WrongValueError(ValueError):
    """A value that its field cannot have; the message goes after the field's path."""


def is_null(node: Node) -> bool:
    """Tell whether a node is null, which means absent, as in Go."""
    return isinstance(node, ScalarNode) and node.plain and resolve(node.text) is None


def scalar_value(node: ScalarNode, kind: ScalarKind, path: str, problems: Problems) -> ScalarValue:
    """Return the value of a scalar; raises `WrongValueError`, and notes what is taken otherwise than it is written."""
    meaning = resolve(node.text) if node.plain else node.text
    match kind:
        case Text():
            return _text(node, meaning, kind, path, problems)
        case Choice():
            return _choice(node, kind)
        case Flag():
            return _flag(node, meaning)
        case Whole():
            return _whole(node, meaning, kind, path, problems)
        case Decimal():
            return _decimal(node, meaning)
        case Duration():
            return _duration(node, meaning, kind)
        case _:
            assert_never(kind)


def expected(kind: Kind) -> str:
    """Say what a kind asks for, in a few words."""
    if isinstance(kind, Choice):
        *others, last = (repr(option) for option in kind.options)
        return f"{', '.join(others)} or {last}"
    if isinstance(kind, Whole) and kind.maximum is not None:
        return f"a whole number from {kind.minimum} to {kind.maximum}"
    if isinstance(kind, Whole) and kind.minimum is not None:
        return f"a whole number of at least {kind.minimum}"
    if isinstance(kind, ScalarOrRecord):
        return f"{expected(kind.scalar)}, or a mapping"
    if isinstance(kind, Duration) and kind.longest is not None:
        return f"a duration from '{format_duration(kind.shortest)}' to '{format_duration(kind.longest)}'"
    if isinstance(kind, Duration) and kind.days:
        return "a duration such as '7d' or '36h'"
    return _EXPECTED[type(kind)]


def found(node: Node, *, show: bool) -> str:
    """Say what stands in a file instead; the text of a scalar only if it may be shown."""
    if not isinstance(node, ScalarNode):
        return shape(node)
    meaning = resolve(node.text) if node.plain else node.text
    match meaning:
        case None:
            return "nothing"
        case str():
            return f"the string {quote(meaning)}" if show else "a string"
        case bool():
            return node.text if show else "a boolean"
        case _:
            return f"the number {node.text}" if show else "a number"


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return "; did you mean …?" for a word that is close to a known one, else nothing."""
    if len(word) > _LONGEST_SUGGESTABLE:
        return ""
    folded = {_fold(name): name for name in known}
    mistyped = _fold(word)
    close = difflib.get_close_matches(mistyped, list(folded), n=3)
    best = _likeness(mistyped, close[0]) if close else 0.0
    beginnings = [name for name in folded if len(name) >= _SHORTEST_BEGINNING and mistyped.startswith(name)]
    if beginnings and best < _MISTYPED:
        # `username` is no mistyped `hostname`
        return f"; did you mean {folded[max(beginnings, key=len)]!r}?"
    if not close:
        return ""
    rivals = [name for name in close if _likeness(mistyped, name) >= best - _NEARLY_AS_LIKE]
    # difflib favours a dropped letter over a changed one: `tagz` would be `tag` rather than `tags`
    chosen = min(rivals, key=lambda name: abs(len(name) - len(mistyped)))
    return f"; did you mean {folded[chosen]!r}?"


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, name, word).ratio()


def _fold(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def _wrong(node: ScalarNode, kind: Kind, advice: str = "") -> WrongValueError:
    return WrongValueError(f"expected {expected(kind)}, found {found(node, show=True)}{advice}")


def _text(node: ScalarNode, meaning: Scalar, kind: Text, path: str, problems: Problems) -> str:
    if meaning is None or isinstance(meaning, str):
        return node.text
    text = go_text(meaning)
    if text != node.text:
        # semantics B3.5: what the tools make of an unquoted 3.10
        if kind.secret:
            message = f"{path} without quotes is read as another text; put it in quotes"
        else:
            message = f'{path}: {node.text} without quotes is read as {text}; write "{node.text}" if that is meant'
        problems.warn(node.mark, message)
    return text


def _choice(node: ScalarNode, kind: Choice) -> str:
    word = node.text.lower() if kind.any_case else node.text
    if word in kind.options or (kind.any_case and not word):
        return word
    raise _wrong(node, kind, nearest(node.text, kind.options))


def _flag(node: ScalarNode, meaning: Scalar) -> bool:
    if isinstance(meaning, bool):
        return meaning
    meant = _MEANT_BOOLEANS.get(node.text.lower())
    raise _wrong(node, Flag(), f"; write {meant}" if meant else "")


def _whole(node: ScalarNode, meaning: Scalar, kind: Whole, path: str, problems: Problems) -> int:
    number = _number(meaning)
    if isinstance(number, float) and abs(number) < 2**63:
        problems.warn(node.mark, f"{path}: {node.text} is read as {int(number)}")
        number = int(number)
    if not isinstance(number, int) or not _is_within(number, kind.minimum, kind.maximum):
        raise _wrong(node, kind)
    return number


def _is_within(number: int, least: int | None, most: int | None) -> bool:
    return (least is None or number >= least) and (most is None or number <= most)


def _decimal(node: ScalarNode, meaning: Scalar) -> float:
    number = _number(meaning)
    if number is None or not 0 <= number < float("inf"):
        raise _wrong(node, Decimal())
    return float(number)


def _number(meaning: Scalar) -> int | float | None:
    if isinstance(meaning, str):
        meaning = resolve(meaning)
    return None if isinstance(meaning, bool | str) else meaning


def _duration(node: ScalarNode, meaning: Scalar, kind: Duration) -> int:
    """Return nanoseconds; an empty string is none, so that an entry can do without a default."""
    if meaning == "":
        return 0
    if kind.bare_nanoseconds and isinstance(count := _number(meaning), int) and count >= 0:
        return count
    try:
        nanoseconds = parse_duration(node.text, days=kind.days)
    except ValueError as error:
        raise WrongValueError(str(error)) from None
    if not _is_within(nanoseconds, kind.shortest, kind.longest) or not isinstance(meaning, str):
        raise _wrong(node, kind)
    return nanoseconds
