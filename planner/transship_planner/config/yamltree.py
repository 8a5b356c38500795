"""YAML text as a tree of nodes that know their line and column.

Anchors, aliases and `<<` merges are resolved; sharing makes an alias cheap, and a budget of values stops a small file
from standing for an enormous one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from transship_planner.config.problems import Problems, is_for_secret, quote_key
from transship_planner.errors import ConfigError, Finding, Mark
from transship_registry.limits import CONFIG_LIMIT

VALUE_LIMIT: Final = 1_000_000
DEPTH_LIMIT: Final = 100

# YAML 1.2 §5.1: what a stream may hold. libyaml's reader refuses the same, but without a line.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_TAGS: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(f"{_TAGS}{name}" for name in ("null", "bool", "int", "float"))
_TEXT_TAGS: Final = frozenset({f"{_TAGS}str", "!"})
_COLLECTION_TAGS: Final = frozenset({f"{_TAGS}map", f"{_TAGS}seq", "!"})
_INVISIBLE: Final = {
    "\u00a0": "no-break space",
    "\u200b": "zero width space",
    "\u202f": "narrow no-break space",
    "\u3000": "ideographic space",
    "\ufeff": "byte order mark",
}
"""What looks like a space, or like nothing, and is a letter to YAML."""

_ADVICE: Final = {
    "mapping values are not allowed in this context": "put a text with a colon in quotes, or check the indentation",
    "found character that cannot start any token": "put a text that begins with it in quotes",
    "found unexpected end of stream": "close the quotes",
    "did not find expected key": "check the indentation, and that a value is not continued after its quotes",
    "did not find expected '-' indicator": "check the indentation",
    "did not find expected ',' or ']'": "close the bracket, or separate the items with commas",
    "did not find expected ',' or '}'": "close the brace, or separate the members with commas",
    "did not find expected node content": "a value is missing here, or a bracket is not closed",
}


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar; `plain` when it was written without quotes, so that it may mean a number, a boolean or nothing."""

    mark: Mark
    text: str = field(repr=False)
    plain: bool
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    mark: Mark
    items: "tuple[Node, ...]"
    weight: int


@dataclass(frozen=True, slots=True)
class Member:
    """A key of a mapping with its value; `mark` is where the key stands."""

    mark: Mark
    key: str
    value: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping, merges included: each key once, in the order of the file, merged ones last."""

    mark: Mark
    members: tuple[Member, ...]
    weight: int


Node: TypeAlias = ScalarNode | ListNode | MapNode


def parse_yaml(data: bytes, file: str, problems: Problems) -> Node | None:
    """Read the one document of a file; None when there is none.

    Duplicate keys and the like go to `problems`; raises `ConfigError` when the text cannot be read at all.
    """
    text = _decode(data, file)
    builder = _Builder(file, problems)
    try:
        for event in _events(text):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        finding = _depth_finding(error, text, file) or _syntax_finding(error, text, file)
        raise ConfigError(*problems.errors, finding) from None
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CLoader)
    return events


def _decode(data: bytes, file: str) -> str:
    if len(data) > CONFIG_LIMIT:
        raise _fatal(Mark(file, 1, 1), f"the file is larger than {CONFIG_LIMIT // 1024**2} MiB and is not read")
    if data.startswith(_UTF16_MARKS):
        raise _fatal(Mark(file, 1, 1), "the file is UTF-16; save it as UTF-8")
    data = data.removeprefix(_UTF8_MARK)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _fatal(_mark_after(before, file), message) from None
    if found := _FORBIDDEN.search(text):
        message = f"character U+{ord(found[0]):04X} is not allowed in YAML; write it as an escape in double quotes"
        raise _fatal(_mark_after(text[: found.start()], file), message)
    return text


def _mark_after(before: str, file: str) -> Mark:
    lines = re.split(r"\r\n|[\r\n]", before)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def _fatal(mark: Mark, message: str) -> ConfigError:
    return ConfigError(Finding(mark, message))


def _syntax_finding(error: yaml.MarkedYAMLError, text: str, file: str) -> Finding:
    assert error.problem_mark is not None  # libyaml marks every scanner and parser error
    mark = Mark(file, error.problem_mark.line + 1, error.problem_mark.column + 1)
    if _character_at(text, mark) == "\t":
        return Finding(mark, "a tab cannot indent or separate here; YAML is indented with spaces")
    problem = error.problem or "it cannot be read"
    message = f"this is no YAML: {problem}"
    if error.context:
        message += f" {error.context}"
    if error.context_mark is not None and error.context_mark.line + 1 != mark.line:
        message += f" that begins on line {error.context_mark.line + 1}"
    advice = _invisible_before(text, mark) or _ADVICE.get(problem)
    return Finding(mark, f"{message}; {advice}" if advice else message)


def _depth_finding(error: yaml.MarkedYAMLError, text: str, file: str) -> Finding | None:
    """Tell where the text before a syntax error exceeds our limit; None where it does not.

    The scanner runs ahead of the events and has a limit of its own in newer versions of libyaml, so that it may refuse
    a text before the events come to our limit. They do come to it when the text ends there.
    """
    assert error.problem_mark is not None
    depth = 0
    try:
        for event in _events(text[: error.problem_mark.index]):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_LIMIT:
                return _too_deep(_event_mark(event, file))
    except yaml.MarkedYAMLError:
        return None
    return None


def _too_deep(mark: Mark) -> Finding:
    return Finding(mark, f"nested more than {DEPTH_LIMIT} levels deep")


def _event_mark(event: yaml.Event, file: str) -> Mark:
    start = event.start_mark
    assert start is not None  # the parser marks every event
    return Mark(file, start.line + 1, start.column + 1)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text)


def _character_at(text: str, mark: Mark) -> str:
    lines = _lines(text)
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    return line[mark.column - 1 : mark.column]


def _invisible_before(text: str, mark: Mark) -> str:
    """Name a character that cannot be seen in the line of a syntax error or the one before; empty without one."""
    lines = _lines(text)
    for number in (mark.line, mark.line - 1):
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        if named := _invisible(line):
            return f"line {number} holds a {named}, which YAML takes for a letter"
    return ""


def _invisible(text: str) -> str:
    return next((f"{name} (U+{ord(sign):04X})" for sign, name in _INVISIBLE.items() if sign in text), "")


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet; a mapping's keys and values take turns in `children`."""

    mark: Mark
    anchor: str | None
    mapping: bool
    children: list[Node] = field(default_factory=list[Node])
    weight: int = 1


class _Builder:
    """Builds the tree from the parser's events, without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.root: Node | None = None
        self._file = file
        self._problems = problems
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._values = 0

    def feed(self, event: yaml.Event) -> None:
        """Take one event; raises `ConfigError` when the document must not be read on."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._document(event)
            case _:  # the stream's bounds and a document's end say nothing
                pass

    def _mark(self, event: yaml.Event) -> Mark:
        return _event_mark(event, self._file)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            message = "a second YAML document starts here; a configuration is one document"
            raise ConfigError(*self._problems.errors, Finding(self._mark(event), message))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        mark = self._mark(event)
        tag: str | None = event.tag
        plain: bool = event.implicit[0]
        if tag in _PLAIN_TAGS:
            plain = True
        elif tag is not None and tag not in _TEXT_TAGS:
            self._unsupported(mark)
        self._spend(1, mark)
        self._add(ScalarNode(mark, event.value, plain), event.anchor)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        mark = self._mark(event)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._unsupported(mark)
        if len(self._stack) >= DEPTH_LIMIT:
            raise ConfigError(*self._problems.errors, _too_deep(mark))
        self._spend(1, mark)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Open(mark, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _unsupported(self, mark: Mark) -> None:
        # it is not named: a password without quotes that begins with ! is a tag to YAML
        message = "this YAML tag is not supported; remove it, or put a text that begins with ! in quotes"
        self._problems.error(mark, message)

    def _end(self) -> None:
        done = self._stack.pop()
        node = self._mapping(done) if done.mapping else ListNode(done.mark, tuple(done.children), done.weight)
        self._add(node, done.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        mark = self._mark(event)
        anchor = event.anchor or ""
        node = self._anchors.get(anchor)
        if node is None:
            inside = any(open_.anchor == anchor for open_ in self._stack)
            reason = "stands for something that contains it" if inside else "has no anchor before it"
            # it is not named: a password without quotes that begins with * is an alias to YAML
            message = f"this alias {reason}; put a text that begins with * in quotes"
            raise ConfigError(*self._problems.errors, Finding(mark, message))
        self._spend(node.weight, mark)
        self._add(node, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._stack:
            parent = self._stack[-1]
            parent.children.append(node)
            parent.weight += node.weight
        else:
            self.root = node

    def _spend(self, values: int, mark: Mark) -> None:
        self._values += values
        if self._values > VALUE_LIMIT:
            message = f"the document has more than {VALUE_LIMIT:,} values once its aliases are expanded"
            raise ConfigError(*self._problems.errors, Finding(mark, message))

    def _mapping(self, done: _Open) -> MapNode:
        members: dict[str, Member] = {}
        merges: list[Member] = []
        pairs = iter(done.children)
        for key, value in zip(pairs, pairs, strict=True):
            if not isinstance(key, ScalarNode):
                advice = "; a text that begins with {{ needs quotes" if isinstance(key, MapNode) else ""
                self._problems.error(key.mark, f"a key must be a word, found {shape(key)}{advice}")
            elif key.plain and (named := _invisible(key.text)):
                message = f"the key{self._shown(key)} holds a {named}, which YAML takes for a letter"
                self._problems.error(key.mark, message)
            elif earlier := members.get(key.text):
                message = f"the key{self._shown(key)} is given twice; it already stands on line {earlier.mark.line}"
                self._problems.error(key.mark, message)
            else:
                members[key.text] = Member(key.mark, key.text, value)
                if key.plain and key.text == "<<":
                    merges.append(members[key.text])
        for merge in merges:
            del members[merge.key]
        weight = done.weight + sum(self._merge(merge, members) for merge in merges)
        return MapNode(done.mark, tuple(members.values()), weight)

    def _shown(self, key: ScalarNode) -> str:
        """Return a key for a message; nothing below a key for secrets, where braces may be a password's."""
        pending = [open_.children[-1] for open_ in self._stack if open_.mapping and len(open_.children) % 2]
        if any(isinstance(node, ScalarNode) and is_for_secret(node.text) for node in pending):
            return ""
        return f" {quote_key(key.text)}"

    def _merge(self, merge: Member, members: dict[str, Member]) -> int:
        """Add what `members` lack from the mapping or mappings after `<<`; return the weight that came with it."""
        added = 0
        for source in merge.value.items if isinstance(merge.value, ListNode) else (merge.value,):
            if not isinstance(source, MapNode):
                self._problems.error(merge.mark, f"'<<' merges a mapping, found {shape(source)}")
                continue
            for member in source.members:
                if member.key not in members:
                    members[member.key] = member
                    added += member.value.weight
            self._spend(source.weight, merge.mark)
        return added


def shape(node: Node) -> str:
    """Return what kind of node this is, for a message that must not show its contents."""
    match node:
        case ScalarNode():
            return "a scalar"
        case ListNode():
            return "a list"
        case MapNode():
            return "a mapping"
