"""Reads what a table cannot describe: mappings whose keys are names, and texts as they are written."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from transship_planner.config.problems import Problems
from transship_planner.config.scalarkinds import expected, found, is_null
from transship_planner.config.scalars import resolve
from transship_planner.config.schema import ListOf, Text, TextMap
from transship_planner.config.section import Value
from transship_planner.config.yamltree import ListNode, MapNode, Member, Node, ScalarNode
from transship_planner.migrate.tables import FLAGS

_BOOLEANS: Final = {**dict.fromkeys(("y", "yes", "on"), "true"), **dict.fromkeys(("n", "no", "off"), "false")}


def as_written(node: Node) -> Node:
    """Return the tree with its numbers in quotes, and YAML 1.1's words for booleans as `true` and `false`.

    Go's yaml.v2 and yaml.v3, with which all three tools read, decode a number into a string as it is written, so that
    the tag `1.10` without quotes is no 1.1 to them, and take `no` where a boolean belongs.
    """
    match node:
        case ScalarNode():
            number = node.plain and type(resolve(node.text)) in {int, float}
            return replace(node, plain=False) if number else node
        case ListNode():
            return replace(node, items=tuple(as_written(item) for item in node.items))
        case MapNode():
            return replace(node, members=tuple(_member_as_written(member) for member in node.members))


def _member_as_written(member: Member) -> Member:
    value = as_written(member.value)
    if isinstance(value, ScalarNode) and value.plain and member.key in FLAGS:
        value = replace(value, text=_BOOLEANS.get(value.text.lower(), value.text))
    return replace(member, value=value)


def child(node: Node, key: str) -> Node | None:
    """Return the value of a key of a mapping."""
    members = node.members if isinstance(node, MapNode) else ()
    return next((member.value for member in members if member.key == key), None)


def members(node: Node | None, path: str, problems: Problems) -> tuple[Member, ...]:
    """Return the members of a mapping whose keys are names; none, and an error noted, when it is something else."""
    if node is None or is_null(node):
        return ()
    if isinstance(node, MapNode):
        return node.members
    problems.error(node.mark, f"{path}: expected {expected(TextMap())}, found {found(node, show=False)}")
    return ()


def text(node: Node, path: str, problems: Problems) -> Value | None:
    """Return a text; None, and an error noted, when there is none."""
    if isinstance(node, ScalarNode) and not is_null(node):
        return Value(path, node.mark, node.text)
    problems.error(node.mark, f"{path}: expected {expected(Text())}, found {found(node, show=False)}")
    return None


def texts(node: Node, path: str, problems: Problems) -> tuple[Value, ...]:
    """Return the texts of a list; nothing at all is an empty one."""
    if is_null(node):
        return ()
    if isinstance(node, ListNode):
        return tuple(_items(node, path, problems))
    problems.error(node.mark, f"{path}: expected {expected(ListOf(Text()))}, found {found(node, show=False)}")
    return ()


def _items(node: ListNode, path: str, problems: Problems) -> Iterator[Value]:
    for index, item in enumerate(node.items):
        value = text(item, f"{path}[{index}]", problems)
        if value is not None:
            yield value
