"""Reads YAML nodes by tables: known keys, right types, required fields; what is wrong goes to `Problems`."""

from transship_planner.config.problems import Problems, quote_key
from transship_planner.config.scalarkinds import (
    WrongValueError,
    expected,
    found,
    is_null,
    nearest,
    scalar_value,
)
from transship_planner.config.schema import (
    EXTENSION_PREFIX,
    Anything,
    Field,
    Kind,
    ListOf,
    Record,
    ScalarOrRecord,
    Table,
    Text,
    TextMap,
)
from transship_planner.config.section import Data, Section, Value, join
from transship_planner.config.yamltree import ListNode, MapNode, Member, Node, ScalarNode


def read_table(node: Node, table: Table, path: str, problems: Problems) -> Section | None:
    """Read a mapping by its table; None, and an error noted, when it is no mapping."""
    if not isinstance(node, MapNode):
        _mismatch(node, path, Record(table), problems)
        return None
    values: dict[str, Value] = {}
    wrong: set[str] = set()
    for member in node.members:
        entry = table.by_name.get(member.key)
        if entry is None:
            _unknown_key(member, table, path, problems)
        elif (value := _member(member, entry, path, problems)) is not None:
            _place(value, entry, values, problems)
        elif not is_null(member.value):
            wrong.add(entry.name)
    section = Section(path, node.mark, values, frozenset(wrong))
    _require(section, table, problems)
    _exclude(section, table, problems)
    return section


def _unknown_key(member: Member, table: Table, path: str, problems: Problems) -> None:
    if member.key.startswith(EXTENSION_PREFIX):
        return
    if reason := table.refused.get(member.key):
        problems.error(member.mark, f"{join(path, member.key)} {reason}")
        return
    place = f"in {path}" if path else "at the top level"
    message = f"unknown key {quote_key(member.key)} {place}{nearest(member.key, tuple(table.by_name))}"
    if table.open:
        problems.warn(member.mark, message)
    else:
        problems.error(member.mark, message)


def _member(member: Member, entry: Field, path: str, problems: Problems) -> Value | None:
    path = join(path, member.key)
    value = _read(member.value, entry.kind, path, problems)
    if value is not None and entry.caution:
        problems.warn(member.mark, f"{path} {entry.caution}")
    return value


def _place(value: Value, entry: Field, values: dict[str, Value], problems: Problems) -> None:
    earlier = values.setdefault(entry.name, value)
    if earlier.data != value.data:
        message = (
            f"{value.path} says the same thing as {earlier.path} (line {earlier.mark.line}), differently; keep one"
        )
        problems.error(value.mark, message)


def _require(section: Section, table: Table, problems: Problems) -> None:
    for entry in table.fields:
        if entry.required and section.lacks(entry.name, *entry.instead):
            names = " or ".join(map(repr, (entry.name, *entry.instead)))
            problems.error(section.mark, f"{section.path} lacks {names}")


def _exclude(section: Section, table: Table, problems: Problems) -> None:
    for ways in table.exclusive:
        used = [key for way in ways if (key := next((key for key in way if key in section), None))]
        if len(used) > 1:
            names = " and ".join(repr(key) for key in used)
            problems.error(
                max(section.where(key) for key in used),
                f"{section.path} has {names}, which say the same thing; keep one",
            )


def _read(node: Node, kind: Kind, path: str, problems: Problems) -> Value | None:
    """Read a value; None when it is null or wrong."""
    if is_null(node):
        return None
    if isinstance(kind, ScalarOrRecord) and not isinstance(node, ListNode):
        kind = Record(kind.table) if isinstance(node, MapNode) else kind.scalar
    data: Data | None
    match kind:
        case ListOf():
            data = _list(node, kind, path, problems)
        case Record():
            data = read_table(node, kind.table, path, problems)
        case TextMap():
            data = _text_map(node, path, problems)
        case Anything():
            data = ""
        case _ if isinstance(node, ScalarNode) and not isinstance(kind, ScalarOrRecord):
            try:
                data = scalar_value(node, kind, path, problems)
            except WrongValueError as error:
                problems.error(node.mark, f"{path}: {error}")
                return None
        case _:
            _mismatch(node, path, kind, problems)
            return None
    return None if data is None else Value(path, node.mark, data)


def _list(node: Node, kind: ListOf, path: str, problems: Problems) -> tuple[Value, ...] | None:
    if not isinstance(node, ListNode):
        one_item = isinstance(node, ScalarNode) and isinstance(kind.item, Text)
        _mismatch(node, path, kind, problems, "; put it in [ ]" if one_item else "")
        return None
    items: list[Value] = []
    for index, item in enumerate(node.items):
        item_path = f"{path}[{index}]"
        if is_null(item):
            _mismatch(item, item_path, kind.item, problems)
        elif (value := _read(item, kind.item, item_path, problems)) is not None:
            items.append(value)
    return tuple(items)


def _text_map(node: Node, path: str, problems: Problems) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(node, MapNode):
        _mismatch(node, path, TextMap(), problems)
        return None
    pairs: list[tuple[str, str]] = []
    for member in node.members:
        value = _read(member.value, Text(), join(path, member.key), problems)
        pairs.append((member.key, value.data if value is not None and isinstance(value.data, str) else ""))
    return tuple(pairs)


def _mismatch(node: Node, path: str, kind: Kind, problems: Problems, advice: str = "") -> None:
    # the text of a scalar that stands where a list or mapping belongs may be a misplaced secret
    message = f"expected {expected(kind)}, found {found(node, show=False)}{advice}"
    problems.error(node.mark, f"{path}: {message}" if path else message)
